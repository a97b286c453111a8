/* core/held.h - requests that are HELD, and how they go on.  Pure.
 *
 *     held --there is a reason--> due --its turn--> routed --> maybe held again
 *
 * Nothing that is held is tried before something has come that may end it: the node is not stalled
 * any more, no new node is waited for, the nodes have agreed, the view is another or has been told,
 * somebody has come.  That makes all of them due at once, however many they are.
 *
 * From then on they are routed in the order in which they were held, NPRI_TURNS_MAX in one step: a
 * hundred thousand of them must not make this node late for its heartbeats, nor for all the others.
 * What any step routes counts, so whoever would be one too many has to wait for a turn, too.
 *
 * None overtakes another one of its key: who comes while others of the key are due is due behind
 * them.  Who comes while they are held is not: what holds them does not hold everybody.
 *
 * While the node is stalled nobody has a turn.
 *
 * Invariants (npri_held_check):
 *     H1  each request that is HELD is in one of the two lists, and is counted for its key;
 *     H2  a key that is counted has a request. */
#ifndef NPRI_CORE_HELD_H
#define NPRI_CORE_HELD_H

#include "base/map.h"
#include "core/timers.h"

struct npri_request;
struct npri_shared;

/* Why a request is HELD. */
enum npri_hold {
    NPRI_HOLD_SETTLING,  /* new nodes may have it, or own it (core/settling.h) */
    NPRI_HOLD_AGREEMENT, /* this node owns it, but the others have not agreed to that yet */
    NPRI_HOLD_STALLED,   /* this node does not know what it has missed (core/views.h) */
    NPRI_HOLD_RETRY,     /* some node said that it is another's affair: soon again */
    NPRI_HOLD_TURN,      /* nothing holds it: it is due */
};
#define NPRI_HOLD_KINDS 5

struct npri_held {
    struct npri_link held;       /* of struct npri_request */
    struct npri_link due;        /* likewise */
    struct npri_map keys;        /* of struct npri_held_key: of both */
    uint64_t round;              /* grows when those that are held become due */
    bool waits[NPRI_HOLD_KINDS]; /* for what something was held in this round */
    bool news;                   /* something has come that may end it */
    uint32_t turns_left;         /* in this step */
    struct npri_timer timer;     /* the next turns */
};

/* False when out of memory. */
bool npri_held_init(struct npri_core *core);
void npri_held_fini(struct npri_core *core);
void npri_held_check(const struct npri_core *core);

/* It is held, and tried again when there is a reason or its own time has come.  Without memory for
 * that it is answered so. */
void npri_request_hold(struct npri_core *core, struct npri_request *request, enum npri_hold why);

/* It is held no more.  Of one that is not: nothing. */
void npri_held_leave(struct npri_core *core, struct npri_request *request);

/* Whether it waits for nothing but its turn. */
bool npri_held_is_due(const struct npri_core *core, const struct npri_request *request);

/* Whether something may be done yet in this step, of which there may be very much: it counts as one
 * that is routed. */
bool npri_held_take_turn(struct npri_core *core);

/* Whether it may be routed now: it is counted as one of this step then.  Else it is due, or
 * answered since there is no memory for that. */
bool npri_held_admit(struct npri_core *core, struct npri_request *request);

/* Something has come that may end what others are held for, and that cannot be seen from the state
 * of the node. */
void npri_held_on_news(struct npri_core *core);

/* It was held for long enough. */
void npri_held_on_request_time(struct npri_core *core, struct npri_request *request);

/* The next turns. */
void npri_held_on_time(struct npri_core *core);

/* A step begins; and ends, but for what comes of those that have a turn in it. */
void npri_held_begin_step(struct npri_core *core);
void npri_held_end_step(struct npri_core *core);

/* Whether there is a reason to try again what is held, */
bool npri_held_have_reason(const struct npri_core *core);

/* and this is done: all are due, and the first of them have their turn. */
void npri_held_go_on(struct npri_core *core);

#endif /* NPRI_CORE_HELD_H */
