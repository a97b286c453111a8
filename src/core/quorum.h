/* core/quorum.h - whether this side of a partition may start anything (option `quorum`).  Pure.
 *
 * Counted are this node and the native nodes of the view that surely have this node in theirs: each
 * has shown so lately that it hears us that it has not taken us for lost (core/beats.h).  So a node
 * that is cut off stops starting before the others begin to do without it.
 *
 * The other way round: whoever has left the view may count on this node for node_timeout after it
 * was last heard, whatever the end of its connection or a refused dial may look like.  For so long
 * it is LENT, and this node not agreed; unless it has said goodbye (it stops, and starts nothing
 * any more: {node_lost, Itself, Creation}), is in the view again, or back as another incarnation.
 * What an incarnation has lent the next one does not know: so that one is YOUNG for node_timeout
 * from its beginning, and joins nobody before. */
#ifndef NPRI_CORE_QUORUM_H
#define NPRI_CORE_QUORUM_H

#include "core/timers.h"

struct npri_peer;
struct npri_text;

enum npri_quorum_state {
    NPRI_QUORUM_NEVER, /* had, since this node began */
    NPRI_QUORUM_HAD,
    NPRI_QUORUM_LOST,
};

struct npri_quorum {
    enum npri_quorum_state state;
    struct npri_timer timer; /* the next end of what is lent */
};

void npri_quorum_init(struct npri_core *core);

/* Whether a process may be started, restarted, or registered with this node's consent, as far as
 * the quorum goes.  False: `*out_why` has the text for the user. */
bool npri_quorum_permits(const struct npri_core *core, struct npri_text *out_why);

/* Whether an incarnation of this node before it may yet have lent something. */
bool npri_quorum_is_young(const struct npri_core *core);

/* `peer` is leaving the view.  It is in it again, or connected as perhaps another incarnation. */
void npri_quorum_on_leaving(struct npri_core *core, struct npri_peer *peer);
void npri_quorum_on_met(struct npri_core *core, struct npri_peer *peer);
void npri_quorum_on_time(struct npri_core *core);

/* This node stops: from now on it starts nothing, and says so. */
void npri_quorum_on_closing(struct npri_core *core);

/* Tells the caller of the core when it was lost or is there again. */
void npri_quorum_look(struct npri_core *core);

#endif /* NPRI_CORE_QUORUM_H */
