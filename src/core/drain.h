/* core/drain.h - a node that leaves: its keys go to their next owners, one by one, while it still
 * serves.  Pure.
 *
 *     DRAIN --> the others leave this node out when owners are chosen (core/views.h): it starts
 *               nothing new, but holds its entries and answers.  Once that is agreed:
 *
 *     an entry --HANDOVER--> ASKED --HANDED, a state--> READY --told--> GIVEN --handed--> MOVED
 *                              |                          ^               |
 *                              |                          +--not owner,---+
 *                              |                             or lost
 *                              +--HANDED, no state--> the key is free: whoever wants it next starts
 *                              |                      it at its owner
 *                              +--failed--> the process goes on, and is asked again in a later
 * round
 *
 *     {handover, Ref, Key, Pid, Function, State, Token}   to the key's owner: start it with this
 *     {adopt, Ref, Key, Pid, Token}                       the same for a process of another node:
 * only its entry goes {handed, Ref, Pid, Token}                           (back) it lives under the
 * key there {unhanded, Ref, Why, Text}                          it does not: `failed`, or `moved`:
 * this is not the owner, or not now
 *
 * At most NPRI_HANDOVERS_MAX are under way; the walk over the table goes in rounds, until a round
 * finds nothing.  One that fails does not hold the others up.  When the deadline has come nothing
 * more is begun; what is under way ends, and what is left stays where it is.
 *
 * A key whose next owner is an original goes to a native node all the same, whose turn it is: an
 * original has no way to take a state over, and finds what others have.
 *
 * The process that is moved does nothing between giving its state and MOVED, so it and its
 * successor are never both at work.  A connection that is lost after GIVEN leaves open whether the
 * successor lives: it is given to the next owner then.  If both come to live, that is a conflict
 * like others (core/conflicts.h).
 *
 * Invariants (npri_drain_check):
 *     D1  the handovers are counted; no two have the same key or the same process;
 *     D2  one that is GIVEN has a peer that is connected and native, no other has a peer. */
#ifndef NPRI_CORE_DRAIN_H
#define NPRI_CORE_DRAIN_H

#include "base/list.h"
#include "base/text.h"
#include "core/core.h"
#include "core/handover.h"
#include "core/timers.h"

struct npri_peer;

enum npri_drain_state {
    NPRI_DRAIN_OFF,
    NPRI_DRAIN_WAITS, /* until the others have left us out */
    NPRI_DRAIN_RUNS,
    NPRI_DRAIN_DONE, /* nothing is left */
    NPRI_DRAIN_LATE, /* its deadline came first */
};

/* One that this node takes over: whom to tell. */
struct npri_taking {
    uint64_t peer_serial; /* 0: nobody */
    uint64_t ref;
};

struct npri_drain {
    enum npri_drain_state state;
    uint64_t deadline_ns;
    struct npri_link handovers;
    uint32_t handovers_count;
    uint64_t cursor;   /* of the walk; 0: a round begins */
    uint64_t round_ns; /* when the present round has begun */
    uint64_t moved;
    uint64_t ended; /* processes without a state */
    uint64_t failed;
    struct npri_text failure; /* the last one */
    struct npri_timer timer;
};

void npri_drain_init(struct npri_core *core);
void npri_drain_fini(struct npri_core *core);

/* DRAIN: NPR_OK, NPR_EINVAL (a client), NPR_EREFUSED (no other node is there to take over). */
NPR_NODISCARD npr_status npri_drain_on_drain(struct npri_core *core,
                                             const struct npri_core_event *event);
void npri_drain_on_time(struct npri_core *core);

/* For handovers: there is room for more; whether nothing more is to be begun; those whose state is
 * here and nowhere else go on, since the deadline has come. */
void npri_drain_look_again(struct npri_core *core);
bool npri_drain_is_over(const struct npri_core *core);
void npri_drain_give_back(struct npri_core *core);

/* ---- The other side (core/takeover.c). */

/* What the node that hands over has told of the key is what is being replaced: it is forgotten. */
void npri_takeover_forget(struct npri_core *core,
                          const struct npri_taking *taking,
                          struct npr_bytes key);

/* What was taken over lives, or does not: `taking` is told, and is nobody then. */
void npri_takeover_done(struct npri_core *core,
                        struct npri_taking *taking,
                        const struct npri_activation *living);
void npri_takeover_failed(struct npri_core *core,
                          struct npri_taking *taking,
                          struct npr_bytes text);

/* Messages: false when they are none. */
bool npri_takeover_on_told_handover(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements);
bool npri_takeover_on_told_adopt(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements);
void npri_drain_check(const struct npri_core *core);

#endif /* NPRI_CORE_DRAIN_H */
