/* runtime/open_calls.h - the calls that one process has made and that are not answered yet, by
 * their numbers.  Touched by its worker only.
 *
 * A hash table with open addresses: the numbers are ours and come one after the other, so that no
 * caller can make them collide. */
#ifndef NPRI_RUNTIME_OPEN_CALLS_H
#define NPRI_RUNTIME_OPEN_CALLS_H

#include "runtime/signal.h"

/* Numbers go round after that many calls of one process.  Above are those of calls that it has
 * passed on (relay.h): a late answer to one of its own is never taken for one of these. */
#define NPRI_CALL_NUMBER_MAX 0x3fffffffu
#define NPRI_CALL_RELAYED    0x40000000u

struct npri_open_call {
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint32_t number;      /* 0: the place is free */
    bool remote;          /* WATCHING its process, by the call's reference */
    struct npri_local to; /* meaningful unless remote */
};

struct npri_open_calls {
    struct npri_open_call *places;
    uint32_t mask; /* places - 1 */
    uint32_t count;
    uint32_t last_number;
};

/* A zeroed one is empty. */
void npri_open_calls_fini(struct npri_open_calls *calls);

/* Room for one more; false: no memory. */
bool npri_open_calls_reserve(struct npri_open_calls *calls);

/* A number that no open call has; there must be room. */
uint32_t npri_open_calls_number(struct npri_open_calls *calls);

/* There must be room, and none of that number. */
void npri_open_calls_add(struct npri_open_calls *calls, const struct npri_open_call *call);

/* Takes it out; false: there is none. */
bool npri_open_calls_take(struct npri_open_calls *calls,
                          uint32_t number,
                          struct npri_open_call *out);

/* Where a search for overdue calls has come to; a zeroed one begins. */
struct npri_open_calls_walk {
    uint32_t at;
    uint32_t mask; /* of the table that it walks: another one is begun anew */
};

/* Takes one out whose deadline is not after `now_ns`; false: there is none from `walk` on.  Calls
 * may be added and taken between two steps. */
bool npri_open_calls_take_overdue(struct npri_open_calls *calls,
                                  struct npri_open_calls_walk *walk,
                                  uint64_t now_ns,
                                  struct npri_open_call *out);

/* The first deadline of all; UINT64_MAX when there is none. */
uint64_t npri_open_calls_deadline_ns(const struct npri_open_calls *calls);

#endif /* NPRI_RUNTIME_OPEN_CALLS_H */
