#include "core/starts.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

struct npri_start *npri_start_find(const struct npri_core *core, const struct npri_shared *key)
{
    struct npri_map_node *at = npri_map_find(&core->starts, npri_shared_bytes(key));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_start, node);
}

bool npri_start_is_under_way(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&core->starts, key);

    return at != NULL && NPRI_CONTAINER_OF(at, struct npri_start, node)->operation != NULL;
}

uint64_t npri_start_token(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&core->starts, key);

    return at == NULL ? 0 : NPRI_CONTAINER_OF(at, struct npri_start, node)->token;
}

struct npri_start *npri_start_restarting(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&core->starts, key);
    struct npri_start *start = at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_start, node);

    return start == NULL || start->restart == NULL ? NULL : start;
}

void npri_start_wait(struct npri_core *core, struct npri_request *request)
{
    struct npri_start *start = npri_start_find(core, request->key);

    NPRI_ASSERT(start != NULL);
    request->initiator = false;
    request->state = NPRI_REQUEST_STARTING;
    npri_list_append(&start->waiting, &request->waiting);
}

/* ---- Making. */

struct npri_start *npri_start_create(struct npri_core *core,
                                     struct npri_shared *key,
                                     struct npri_shared *function,
                                     struct npri_shared *caller)
{
    struct npri_start *start = npri_alloc_zeroed(1, sizeof(*start));

    if (start == NULL) {
        return NULL;
    }
    start->key = npri_shared_acquire(key);
    start->function = npri_shared_acquire(function);
    start->caller = npri_shared_acquire(caller);
    start->lookup.start = start;
    start->timer.kind = NPRI_TIMER_START;
    npri_list_init(&start->waiting);
    npri_map_insert(&core->starts, &start->node, npri_shared_bytes(start->key));
    npri_list_append(&core->starts_looking, &start->looks);
    (void)npri_mark_raise(core, npri_shared_bytes(start->key));
    return start;
}

/* ---- Ending. */

void npri_start_end(struct npri_core *core, struct npri_start *start)
{
    NPRI_ASSERT(npri_list_empty(&start->waiting));
    npri_lookup_stop(&start->lookup);
    npri_timer_stop(core, &start->timer);
    npri_map_remove(&core->starts, &start->node);
    npri_list_remove(&start->looks);
    npri_mark_lower(core, npri_shared_bytes(start->key));
    if (start->operation != NULL || start->restart != NULL) {
        npri_push_on_idle(core, npri_shared_bytes(start->key));
    }
    npri_shared_release(start->key);
    npri_shared_release(start->function);
    npri_shared_release(start->caller);
    npri_shared_release(start->state);
    npri_restart_destroy(start->restart);
    npri_takeover_failed(core, &start->taking,
                         npr_bytes_of("its next owner has another process for it"));
    npri_free(start);
}

void npri_start_end_into(struct npri_core *core,
                         struct npri_start *start,
                         struct npri_link *waiting)
{
    npri_list_init(waiting);
    npri_list_splice(waiting, &start->waiting);
    npri_start_end(core, start);
}

void npri_start_end_routed(struct npri_core *core, struct npri_start *start)
{
    struct npri_link waiting;

    npri_start_end_into(core, start, &waiting);
    npri_requests_route_all(core, &waiting);
}

void npri_start_end_with_pid(struct npri_core *core,
                             struct npri_start *start,
                             const struct npri_activation *activation,
                             bool started)
{
    if (npri_views_stalled(core)) {
        npri_start_end_routed(core, start); /* It may not be the one that keeps the key. */
        return;
    }
    if (!started) {
        NPRI_LIST_FOREACH (at, &start->waiting) {
            NPRI_CONTAINER_OF(at, struct npri_request, waiting)->initiator = false;
        }
    }
    npri_requests_answer_all(core, &start->waiting, activation);
    npri_start_end(core, start);
}

void npri_start_end_failed(struct npri_core *core,
                           struct npri_start *start,
                           npr_status status,
                           struct npr_bytes text)
{
    struct npri_link waiting;

    npri_takeover_failed(core, &start->taking, text);
    npri_start_end_into(core, start, &waiting);
    npri_requests_fail_all(core, &waiting, status, text);
}

void npri_start_end_held(struct npri_core *core, struct npri_start *start)
{
    struct npri_link waiting;

    npri_start_end_into(core, start, &waiting);
    npri_requests_hold_all(core, &waiting);
}

/* A restart that comes to nothing: who would have been content to find the process finds none. */
static void end_given_up(struct npri_core *core,
                         struct npri_start *start,
                         npr_status status,
                         struct npr_bytes text)
{
    struct npri_link waiting;
    struct npri_link claims;
    struct npri_link *at;

    npri_list_init(&claims);
    npri_start_end_into(core, start, &waiting);
    while ((at = npri_list_take(&waiting)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        if (request->claim != NULL) {
            npri_list_append(&claims, at);
        } else if (request->function == NULL && status == NPR_EREFUSED) {
            npri_request_answer_failed(core, request, NPR_ENOTFOUND,
                                       npr_bytes_of("its process could not be restarted"));
        } else {
            npri_request_answer_failed(core, request, status, text);
        }
    }
    npri_requests_route_all(core, &claims);
}

void npri_start_give_up(struct npri_core *core,
                        struct npri_start *start,
                        npr_status status,
                        struct npr_bytes text)
{
    if (start->restart == NULL) {
        npri_start_end_failed(core, start, status, text);
        return;
    }
    if (!core->closing) {
        npri_restart_log_end(core, start->restart, npri_shared_term(start->key), text);
    }
    end_given_up(core, start, status, text);
}

void npri_starts_check(const struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->starts.order) {
        const struct npri_start *start = NPRI_MAP_AT(at, struct npri_start, node);

        NPRI_ASSERT(npri_link_is_linked(&start->looks) == (start->operation == NULL));
    }
}

void npri_starts_fini(struct npri_core *core)
{
    struct npri_map_node *at;

    while ((at = npri_map_first(&core->starts)) != NULL) {
        npri_start_end(core, NPRI_CONTAINER_OF(at, struct npri_start, node));
    }
}
