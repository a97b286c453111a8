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

/* ---- The view. */

void npri_requests_on_marker(struct npri_core *core)
{
    if (npri_leads_settled(core)) {
        npri_held_on_news(core);
    }
}

/* What an owner has found out of its own keys counts for one epoch only, ours and theirs. */
void npri_requests_look_again(struct npri_core *core)
{
    struct npri_link again;

    core->looks++;
    npri_starts_look_again(core);
    npri_list_init(&again);
    npri_list_splice(&again, &core->looking);
    NPRI_LIST_FOREACH (at, &again) {
        npri_lookup_stop(&NPRI_CONTAINER_OF(at, struct npri_request, waiting)->lookup);
    }
    npri_requests_route_all(core, &again);
}

void npri_requests_on_view(struct npri_core *core)
{
    npri_requests_look_again(core);
    npri_claims_on_view(core);
    npri_held_on_news(core);
}
