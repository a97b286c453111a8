/* core/settling.h - for whom requests are held that find nothing here.  Pure.
 *
 * Settling: a peer that has just been named or has just connected may hold what a request looks
 * for, or own it.  Until its first poll is answered or fails, for at most suspect_ns for each of
 * dialling and polling, requests that find nothing here are held (core/requests.h).  Without this
 * every node that joins starts a second process for each key that it is asked for.
 *
 * Mending: a native member whose connection was closed, not one that fell silent, is dialled at
 * once, and settling until it is in the view again, or cannot be reached, or suspect_ns have passed
 * in which it did not even connect, or NPRI_MENDING_MAX times that since it was lost.  Likewise one
 * that is being waited for already when its connection breaks.  One that is met again is waited for
 * until it is in the view, or core/links.h has parted the graph without it.  Meanwhile this node is
 * not agreed: so connections that are reset cost no second process. */
#ifndef NPRI_CORE_SETTLING_H
#define NPRI_CORE_SETTLING_H

#include "core/members.h"

/* How often suspect_ns a node that was cut off is waited for. */
#define NPRI_MENDING_MAX 3u

/* Whether some peer may yet turn out to be a member. */
bool npri_members_settling(const struct npri_core *core);

/* It is waited for from now on: for suspect_ns; the same for a new name, which may be a lie. */
void npri_settling_begin(struct npri_core *core, struct npri_peer *peer);
void npri_settling_begin_named(struct npri_core *core, struct npri_peer *peer);

/* It was cut off: it is waited for, and dialled at once; and: its connection is up, or its time is
 * reckoned anew. */
void npri_mending_begin(struct npri_core *core, struct npri_peer *peer);
void npri_mending_go_on(struct npri_core *core, struct npri_peer *peer);

/* It is not waited for any more. */
void npri_member_settled(struct npri_core *core, struct npri_peer *peer);
void npri_member_on_settle_time(struct npri_core *core, struct npri_peer *peer);

/* It is decided who is in the view: nobody is waited for any more. */
void npri_members_on_parted(struct npri_core *core);

#endif /* NPRI_CORE_SETTLING_H */
