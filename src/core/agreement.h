/* core/agreement.h - whether the native nodes of the view have agreed on it with this one.  Pure.
 *
 * Not before all have told the same view and base and have acknowledged our epoch; and not while
 * this node is joining, has slept, or waits for somebody: core/views.h has the words.  What parts
 * of the core act on (npri_views_agreed() and the like) is declared there, too. */
#ifndef NPRI_CORE_AGREEMENT_H
#define NPRI_CORE_AGREEMENT_H

#include "core/views.h"

/* Whether it may be about to enter the view, and others cannot know that: a member that was cut
 * off, or a node that this one was to join when it began.  Or whether it may yet start something,
 * counting on this node (core/quorum.h). */
bool npri_agreement_is_awaited(const struct npri_peer *peer);

/* Whether it is a native member of the view that has not agreed with us. */
bool npri_agreement_dissents(const struct npri_core *core, const struct npri_peer *peer);

/* Whom this node sees may be others; the view has not followed yet: a node that meets native ones
 * soon after it began, or was left alone, is joining from now on. */
void npri_agreement_meet(struct npri_core *core);

/* Something was seen or told: what follows from it, and who is told so. */
void npri_agreement_look(struct npri_core *core);

/* Whether others may be told that we have heard of a new epoch of theirs.  Not by one that waits
 * for somebody, or has met one whom its view lacks and was never agreed with others: these would be
 * agreed without that one. */
bool npri_agreement_may_acknowledge(const struct npri_core *core);

/* ---- core/views.c and core/views_wire.c: what they share. */

/* What others must have told to have our view: the members, and how owners are chosen among them.
 */
uint64_t npri_views_hash(const struct npri_core *core);

/* Whether it is told our view: it is a native node that we see. */
bool npri_views_tells(const struct npri_core *core, const struct npri_peer *peer);

/* Whoever is not told it yet: our view.  What we see of many nodes may wait for a moment in it
 * (NPRI_SEES_PAUSE_NS); nothing else does. */
void npri_views_tell(struct npri_core *core, struct npri_peer *peer);
void npri_views_tell_all(struct npri_core *core);
void npri_views_tell_lost(struct npri_core *core, const struct npri_peer *lost);

#endif /* NPRI_CORE_AGREEMENT_H */
