/* core/operations.h - what the core has asked of others and has no answer to yet.  Pure.
 *
 *     begin --> waiting --answer--> gone
 *                  |  --silence for suspect_ns--> overdue: its peer is suspect, nobody waits for it
 *                  |                                |--answer--> gone; the peer is not suspect
 *                  |                                +--silence for expire_ns--> gone
 *                  +--its peer disconnects--> lost --its turn (core/held.h)--> gone
 *
 * Only questions (POLL, RELEASE, ASK) to nodes without beats are timed here; delegations and starts
 * take as long as the requests that wait for them allow.  A late answer is of no use to whoever
 * asked, but shows that the peer is there: that is why an overdue operation stays. */
#ifndef NPRI_CORE_OPERATIONS_H
#define NPRI_CORE_OPERATIONS_H

#include "base/map.h"
#include "core/effects.h"
#include "core/timers.h"

struct npri_peer;
struct npri_lookup;
struct npri_delegation;
struct npri_start;

enum npri_operation_kind {
    NPRI_OPERATION_POLL,
    NPRI_OPERATION_RELEASE,
    NPRI_OPERATION_ASK,
    NPRI_OPERATION_DELEGATE,
    NPRI_OPERATION_START,
};

struct npri_operation {
    struct npri_map_node node;  /* by `number` */
    struct npri_link of_peer;   /* linked unless START; once it is lost, in core->lost */
    struct npri_link of_lookup; /* linked while a lookup waits for it (ASK) */
    struct npri_timer timer;
    uint64_t number;
    enum npri_operation_kind kind;
    bool overdue;
    struct npri_peer *peer;             /* NULL for START, and once it is lost */
    struct npri_lookup *lookup;         /* ASK; NULL when nobody waits */
    struct npri_delegation *delegation; /* DELEGATE */
    struct npri_start *start;           /* START; NULL when it was given up */
    struct npri_effect *discard;        /* START: made in advance */
};

/* Makes the operation and queues its effect with its number and its peer's name, taking `effect`
 * over.  `effect` may be NULL (no memory).  NULL when out of memory: the effect is gone. */
struct npri_operation *npri_operation_begin(struct npri_core *core,
                                            enum npri_operation_kind kind,
                                            struct npri_peer *peer,
                                            struct npri_effect *effect);

/* The same for what is under way already, without an effect.  NULL when out of memory. */
struct npri_operation *npri_operation_note(struct npri_core *core,
                                           enum npri_operation_kind kind,
                                           struct npri_peer *peer);

/* The operation under `number` when it is of that kind; NULL: late, lost, repeated or unknown. */
struct npri_operation *npri_operation_find(struct npri_core *core,
                                           uint64_t number,
                                           enum npri_operation_kind kind);

/* Takes it out of every list, stops its timer, frees it. */
void npri_operation_end(struct npri_core *core, struct npri_operation *operation);

/* Its peer has turned out to be native: its silence is told by beats, not by the time that an
 * answer takes. */
void npri_operations_on_native(struct npri_core *core, struct npri_peer *peer);

/* It is silent: nobody waits for its answers any more. */
void npri_operations_on_silence(struct npri_core *core, struct npri_peer *peer);

/* Its time has come: see the diagram. */
void npri_operation_on_time(struct npri_core *core, struct npri_operation *operation);

/* The peer has disconnected: nothing that it was asked will be answered.  Whoever waits hears of
 * that in as many steps as it takes; */
void npri_operations_on_lost(struct npri_core *core, struct npri_peer *peer);

/* these are the next ones. */
void npri_operations_end_lost(struct npri_core *core);

/* Whether a status means that the peer itself has answered, whatever it said. */
bool npri_status_is_answer(npr_status status);

#endif /* NPRI_CORE_OPERATIONS_H */
