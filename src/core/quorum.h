/* core/quorum.h - whether this side of a partition may start anything (option `quorum`).  Pure.
 *
 * Counted are this node and the native nodes of the view that surely have this node in theirs: each
 * has shown so lately that it hears us that it has not taken us for lost (core/beats.h).  So a node
 * that is cut off stops starting before the others begin to do without it. */
#ifndef NPRI_CORE_QUORUM_H
#define NPRI_CORE_QUORUM_H

#include <stdbool.h>

struct npri_core;
struct npri_text;

enum npri_quorum_state {
    NPRI_QUORUM_NEVER, /* had, since this node began */
    NPRI_QUORUM_HAD,
    NPRI_QUORUM_LOST,
};

struct npri_quorum {
    enum npri_quorum_state state;
};

/* Whether a process may be started, restarted, or registered with this node's consent, as far as
 * the quorum goes.  False: `*out_why` has the text for the user. */
bool npri_quorum_permits(const struct npri_core *core, struct npri_text *out_why);

/* Tells the caller of the core when it was lost or is there again. */
void npri_quorum_look(struct npri_core *core);

#endif /* NPRI_CORE_QUORUM_H */
