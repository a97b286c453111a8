/* core/tally.h - what is counted of all peers, so that nobody has to walk over them.  Pure.
 *
 * A change of a view of n nodes is some n messages to each of them.  What is done at each of these
 * must not take time in n, or the change takes each node time in n * n.
 *
 * Whoever changes what is counted of a peer says so with npri_tally().  The last two also depend on
 * what this node sees and has in its view: they are counted anew when core/views.c looks at that,
 * and mean nothing before. */
#ifndef NPRI_CORE_TALLY_H
#define NPRI_CORE_TALLY_H

#include <stdint.h>

struct npri_core;
struct npri_peer;

enum npri_tally_kind {
    NPRI_TALLY_AWAITED,  /* it may be about to enter the view, which others cannot know */
    NPRI_TALLY_MET,      /* heard of or connected, and may yet turn out to be native; not awaited */
    NPRI_TALLY_TELLING,  /* native, and seen: it is told our view */
    NPRI_TALLY_LEFT_OUT, /* so, and not in the view */
    NPRI_TALLY_UNMARKED, /* native, in the view, and its marker has not come */
    NPRI_TALLY_ORIGINAL, /* in the view, and not native */
    NPRI_TALLY_DIFFERS,  /* native, and has not told that it sees what we see */
    NPRI_TALLY_DISSENTS, /* native, in the view, and has not agreed with us */
};
#define NPRI_TALLY_KINDS 8

struct npri_tally {
    uint32_t counts[NPRI_TALLY_KINDS];
};

/* Any of this has changed for the peer, or may have: mending, join, settling, was_member, lent,
 * native, seen, in_view, its marker, the view that it has told. */
void npri_tally(struct npri_core *core, struct npri_peer *peer);

/* What we see, our view, our epoch or our base may be another. */
void npri_tally_all(struct npri_core *core);

/* The peer is about to go. */
void npri_tally_forget(struct npri_core *core, struct npri_peer *peer);

void npri_tally_check(const struct npri_core *core);

#endif /* NPRI_CORE_TALLY_H */
