/* core/greeting.h - what native nodes say of themselves, and whether they go together.  Pure.
 *
 * Nodes that do not understand each other's protocol, or that find owners in different ways, would
 * start two processes for one key.  So they refuse each other, both with one line that says what to
 * set; neither dials the other again for NPRI_REFUSED_NS.  A node that none of those accept which
 * it was to join does not go on alone: npri_views_refused(). */
#ifndef NPRI_CORE_GREETING_H
#define NPRI_CORE_GREETING_H

#include "core/core.h"

struct npri_peer;

#define NPRI_REFUSED_NS (UINT64_C(30) * 1000 * 1000 * 1000)

/* What this node says. */
struct npri_greeting npri_greeting_own(const struct npri_core *core);

/* `peer` has said `peer->greeting`.  False: it is refused, and gone. */
bool npri_greeting_accept(struct npri_core *core, struct npri_peer *peer);

const char *npri_placement_name(enum npr_placement placement);

#endif /* NPRI_CORE_GREETING_H */
