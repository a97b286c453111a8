/* core/manner.h - whose term_to_binary placement follows.  Pure.
 *
 * OTP 26 changed how atoms are written, and so where every key with an atom in it belongs.  What we
 * follow comes from the best source so far, best first:
 *
 *     FIXED    the operator's setting; nothing changes it
 *     ERLANG   the first Erlang peer that told its release
 *     HEARSAY  a native peer that follows OTP 25, which nobody does by default.  Also a node that
 * has learnt 26 from an Erlang peer follows it: native nodes that differ never agree on a view, so
 * in a mixed cluster all of them take 25 DEFAULT  the options' manner
 *
 * All that later differs is a cluster that disagrees about owners: a loud warning, no change.
 * docs/decisions/manner.md says why. */
#ifndef NPRI_CORE_MANNER_H
#define NPRI_CORE_MANNER_H

#include "nprocreg/term.h"

struct npri_core;
struct npri_peer;

enum npri_manner_source {
    NPRI_MANNER_DEFAULT,
    NPRI_MANNER_HEARSAY,
    NPRI_MANNER_ERLANG,
    NPRI_MANNER_FIXED,
};

struct npri_manner {
    enum npr_otp otp;
    enum npri_manner_source source;
};

void npri_manner_on_erlang(struct npri_core *core, struct npri_peer *peer, enum npr_otp otp);
void npri_manner_on_native(struct npri_core *core, struct npri_peer *peer, enum npr_otp otp);

/* On the tick: warns about a native peer that still differs, once per connection.  Not when it
 * greets: it may be about to learn from us. */
void npri_manner_on_tick(struct npri_core *core, struct npri_peer *peer);

const char *npri_manner_source_name(enum npri_manner_source source);

#endif /* NPRI_CORE_MANNER_H */
