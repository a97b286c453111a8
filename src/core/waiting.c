#include "core/waiting.h"

#include "core/state.h"

/* ---- What they wait for. */

void npri_requests_answer_all(struct npri_core *core,
                              struct npri_link *waiting,
                              const struct npri_activation *activation)
{
    struct npri_link *at;

    while ((at = npri_list_take(waiting)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        npri_request_answer_pid(core, request, activation, request->initiator);
    }
}

void npri_requests_fail_all(struct npri_core *core,
                            struct npri_link *waiting,
                            npr_status status,
                            struct npr_bytes text)
{
    struct npri_link *at;

    while ((at = npri_list_take(waiting)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        if (request->function == NULL) {
            npri_request_route(core, request); /* It has not asked for that start. */
        } else {
            npri_request_answer_failed(core, request, status, text);
        }
    }
}

void npri_requests_hold_all(struct npri_core *core, struct npri_link *waiting)
{
    struct npri_link *at;

    while ((at = npri_list_take(waiting)) != NULL) {
        npri_request_hold(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting),
                          NPRI_HOLD_RETRY);
    }
}

void npri_requests_route_all(struct npri_core *core, struct npri_link *waiting)
{
    struct npri_link *at;

    while ((at = npri_list_take(waiting)) != NULL) {
        npri_request_route(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting));
    }
}

/* ---- Held. */

static void release(struct npri_core *core, bool also_retries)
{
    struct npri_link held;
    struct npri_link *at;

    /* They would all be held again, at each step that it lasts: with very many of them this node
     * would not come to its beats, and be stalled for ever. */
    if (npri_views_stalled(core)) {
        return;
    }
    npri_list_init(&held);
    npri_list_splice(&held, &core->held);
    while ((at = npri_list_take(&held)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        if (request->hold == NPRI_HOLD_RETRY && !also_retries) {
            npri_list_append(&core->held, at); /* Its own time comes soon. */
        } else {
            npri_timer_stop(core, &request->held_timer);
            npri_request_route(core, request);
        }
    }
}

void npri_requests_release_held(struct npri_core *core)
{
    release(core, false);
}

void npri_request_on_held(struct npri_core *core, struct npri_request *request)
{
    npri_list_remove(&request->waiting);
    request->held_enough |= request->hold == NPRI_HOLD_SETTLING;
    npri_request_route(core, request);
}

/* ---- The view. */

void npri_requests_on_marker(struct npri_core *core)
{
    if (npri_leads_settled(core)) {
        npri_requests_release_held(core);
    }
}

/* What an owner has found out of its own keys counts for one epoch only, ours and theirs. */
void npri_requests_look_again(struct npri_core *core)
{
    struct npri_link again;

    npri_starts_look_again(core);
    npri_list_init(&again);
    NPRI_LIST_FOREACH (at, &core->requests) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, all);

        if (request->claim != NULL) {
            request->claim->looked = false;
        }
        if (request->state == NPRI_REQUEST_LOOKING &&
            request->lookup.scope == NPRI_LOOKUP_UNMARKED) {
            npri_lookup_stop(&request->lookup);
            npri_list_append(&again, &request->waiting);
        }
    }
    npri_requests_route_all(core, &again);
}

void npri_requests_on_view(struct npri_core *core)
{
    npri_requests_look_again(core);
    npri_claims_on_view(core);
    release(core, true);
}
