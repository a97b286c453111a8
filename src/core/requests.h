/* core/requests.h - what the outside wants: each is answered exactly once.  Pure.
 *
 * Four files: here requests are made, put to wait and answered; core/route.h decides which way
 * each goes; core/waiting.h takes them up again when what they wait for has come, or will not;
 * core/held.h keeps those that are HELD, and lets a few at a time go on.
 *
 *     accept --> own table, or a lead: answered
 *        |
 *        +--> routed by what is wanted and whose the key is:
 *                HELD        until the nodes are known, agree, or a moment has passed; or for its
 *                            turn                                          (core/held.h)
 *                LOOKING     without a function: others are asked             (core/lookup.h)
 *                STARTING    waits for the start of its key on this node      (core/start.h)
 *                DELEGATED   waits for the owner to have it, or to start it   (core/delegate.h)
 *                BUSY        waits for the word of the node that starts it    (core/leads.h)
 *                CLAIMING    registers: waits for the owner's consent         (core/register.h)
 *
 * Whatever it waits for may be lost, or turn out to be another node's affair: then it is routed
 * anew, as long as its deadline is not past.  A request carries its answer from the beginning, so
 * that answering cannot fail, and its deadline ends it in every state. */
#ifndef NPRI_CORE_REQUESTS_H
#define NPRI_CORE_REQUESTS_H

#include "core/effects.h"
#include "core/held.h"
#include "core/lookup.h"
#include "core/timers.h"

struct npri_claim;
struct npri_delegation;
struct npri_held_key;
struct npri_lead;

enum npri_request_state {
    NPRI_REQUEST_NEW,
    NPRI_REQUEST_HELD,
    NPRI_REQUEST_LOOKING,
    NPRI_REQUEST_STARTING,
    NPRI_REQUEST_DELEGATED,
    NPRI_REQUEST_BUSY,
    NPRI_REQUEST_CLAIMING,
};

struct npri_request {
    struct npri_link all;     /* in core->requests */
    struct npri_link waiting; /* with others, for what its state says */
    enum npri_request_state state;
    enum npri_hold hold; /* meaningful while HELD */
    uint64_t number;
    uint64_t deadline_ns;
    bool own_only;   /* nobody else is asked */
    bool start_here; /* NPRI_EVENT_START of a native node, which takes this one for the owner */
    bool initiator;  /* the start or the delegation that it waits for was begun for it */
    bool came_late;  /* to its delegation, which had an answer already */
    bool of_member;  /* a node asks that has our view */
    bool held_enough;
    bool looked;                    /* nobody but the owner, who is silent, has it */
    uint64_t held_until_ns;         /* for new nodes; 0: it was not held for them yet */
    struct npri_held_key *held_key; /* NULL: it is not HELD */
    uint64_t held_round;            /* of core->held, and */
    uint64_t held_epoch;            /* our epoch: since when it is */
    struct npri_shared *key;
    struct npri_shared *function; /* NULL: look only */
    struct npri_shared *caller;
    struct npri_timer timer;
    struct npri_timer held_timer;
    struct npri_lookup lookup;
    struct npri_delegation *delegation; /* meaningful while DELEGATED */
    struct npri_claim *claim;           /* NULL: it gets, or starts */
    struct npri_effect *answer;
};

/* In core->requests from now on, with its timer, but without key and claim.  NULL: no memory. */
struct npri_request *npri_request_create(struct npri_core *core,
                                         const struct npri_core_event *event);

/* Ends it without an answer: there was no memory, or a peer's claim was answered, or is void. */
void npri_request_end(struct npri_core *core, struct npri_request *request);

/* Frees all, unanswered: the core is going. */
void npri_requests_fini(struct npri_core *core);

void npri_requests_check(const struct npri_core *core);

/* ---- Answering.  Each ends the request. */

void npri_request_answer_pid(struct npri_core *core,
                             struct npri_request *request,
                             const struct npri_activation *activation,
                             bool started);
void npri_request_answer_failed(struct npri_core *core,
                                struct npri_request *request,
                                npr_status status,
                                struct npr_bytes text);

/* Of a claim of this node: it is registered (or not any more), or `living` has the key. */
void npri_request_answer_claim(struct npri_core *core,
                               struct npri_request *request,
                               npr_status status,
                               const struct npri_activation *living);

/* Its time is up: the answer says for whom or what it was waiting. */
void npri_request_on_deadline(struct npri_core *core, struct npri_request *request);

/* The answer to an event that is no request.  NPR_OK or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_request_refuse(struct npri_core *core,
                                             const struct npri_core_event *event,
                                             npr_status status,
                                             const char *text);

/* ---- Putting to wait; or it is held (core/held.h). */

void npri_request_wait_for_lead(struct npri_core *core,
                                struct npri_request *request,
                                struct npri_lead *lead);
void npri_request_wait_for_owner(struct npri_core *core, struct npri_request *request);

#endif /* NPRI_CORE_REQUESTS_H */
