/* core/requests.h - what the outside wants: each is answered exactly once.  Pure.
 *
 *     accept --> own table: answered
 *        |
 *        +--> HELD (the view settles) --> routed by what is wanted and whose the key is:
 *                LOOKING     without a function: others are asked
 *                STARTING    waits for the start of its key on this node      (core/start.h)
 *                DELEGATED   waits for the owner to have it, or to start it   (core/delegate.h)
 *
 * A request carries its answer from the beginning, so that answering cannot fail, and its deadline
 * ends it in every state. */
#ifndef NPRI_CORE_REQUESTS_H
#define NPRI_CORE_REQUESTS_H

#include "core/effects.h"
#include "core/lookup.h"
#include "core/timers.h"

struct npri_delegation;

enum npri_request_state {
    NPRI_REQUEST_NEW,
    NPRI_REQUEST_HELD,
    NPRI_REQUEST_LOOKING,
    NPRI_REQUEST_STARTING,
    NPRI_REQUEST_DELEGATED,
};

struct npri_request {
    struct npri_link all;     /* in core->requests */
    struct npri_link waiting; /* with others, for the view, a start or a delegation */
    enum npri_request_state state;
    uint64_t number;
    uint64_t deadline_ns;
    bool own_only;   /* nobody else is asked */
    bool start_here; /* NPRI_EVENT_START: by the asker's view this node is the owner */
    bool initiator;  /* the start or the delegation that it waits for was begun for it */
    bool held_enough;
    struct npri_shared *key;
    struct npri_shared *function; /* NULL: look only */
    struct npri_shared *caller;
    struct npri_timer timer;
    struct npri_timer held_timer;
    struct npri_lookup lookup;
    struct npri_delegation *delegation; /* meaningful while DELEGATED */
    struct npri_effect *answer;
};

/* A GET or a START came.  Returns NPR_OK (an answer follows) or NPR_ENOMEM (none does). */
NPR_NODISCARD npr_status npri_request_accept(struct npri_core *core,
                                             const struct npri_core_event *event);

/* The view has settled: routes all that were held for it. */
void npri_requests_release_held(struct npri_core *core);

/* What they waited for will not come: each finds its way anew. */
void npri_requests_route_all(struct npri_core *core, struct npri_link *waiting);

/* Ends the request. */
void npri_request_answer_pid(struct npri_core *core,
                             struct npri_request *request,
                             const struct npri_activation *activation,
                             bool started);
void npri_request_answer_failed(struct npri_core *core,
                                struct npri_request *request,
                                npr_status status,
                                struct npr_bytes text);

/* Its lookup ended; `found` is NULL when nobody has the key. */
void npri_request_on_looked(struct npri_core *core,
                            struct npri_request *request,
                            const struct npri_activation *found);

void npri_request_on_deadline(struct npri_core *core, struct npri_request *request);
void npri_request_on_held(struct npri_core *core, struct npri_request *request);

/* Answers all in the list. */
void npri_requests_answer_all(struct npri_core *core,
                              struct npri_link *waiting,
                              const struct npri_activation *activation);
void npri_requests_fail_all(struct npri_core *core,
                            struct npri_link *waiting,
                            npr_status status,
                            struct npr_bytes text);

/* Frees all, unanswered: the core is going. */
void npri_requests_fini(struct npri_core *core);

void npri_requests_check(const struct npri_core *core);

#endif /* NPRI_CORE_REQUESTS_H */
