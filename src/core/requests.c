#include "core/requests.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

/* ---- Making and ending. */

void npri_request_end(struct npri_core *core, struct npri_request *request)
{
    npri_lookup_stop(&request->lookup);
    npri_timer_stop(core, &request->timer);
    npri_timer_stop(core, &request->held_timer);
    npri_held_leave(core, request);
    npri_list_remove(&request->waiting);
    if (npri_link_is_linked(&request->all)) {
        npri_list_remove(&request->all);
        core->requests_count--;
    }
    npri_claim_destroy(core, request->claim);
    npri_shared_release(request->key);
    npri_shared_release(request->function);
    npri_shared_release(request->caller);
    npri_effect_destroy(request->answer);
    npri_free(request);
}

/* A copy of a term that may be none; false when out of memory. */
static bool copy_term(struct npr_term term, struct npri_shared **out)
{
    if (term.data == NULL) {
        *out = NULL;
        return true;
    }
    *out = npri_shared_create(npri_bytes(term.data, term.size));
    return *out != NULL;
}

struct npri_request *npri_request_create(struct npri_core *core,
                                         const struct npri_core_event *event)
{
    struct npri_request *request = npri_alloc_zeroed(1, sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    request->number = event->request;
    request->deadline_ns = event->deadline_ns;
    request->own_only = event->own_only;
    request->timer.kind = NPRI_TIMER_REQUEST;
    request->held_timer.kind = NPRI_TIMER_REQUEST_HELD;
    request->lookup.request = request;
    request->answer = npri_effect_create(NPRI_EFFECT_ANSWER, NPRI_EFFECT_ROOM_MAX);
    if (request->answer == NULL || !copy_term(event->function, &request->function) ||
        !copy_term(event->caller, &request->caller)) {
        npri_request_end(core, request);
        return NULL;
    }
    npri_list_append(&core->requests, &request->all);
    core->requests_count++;
    npri_timer_arm(core, &request->timer, request->deadline_ns);
    return request;
}

void npri_requests_fini(struct npri_core *core)
{
    while (!npri_list_empty(&core->requests)) {
        npri_request_end(core, NPRI_CONTAINER_OF(core->requests.next, struct npri_request, all));
    }
}

void npri_requests_check(const struct npri_core *core)
{
    size_t count = 0;

    NPRI_LIST_FOREACH (at, &core->requests) {
        const struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, all);
        const bool looks = request->state == NPRI_REQUEST_LOOKING;

        NPRI_ASSERT(request->answer != NULL && request->key != NULL);
        NPRI_ASSERT(request->claim == NULL || request->claim->request == request);
        NPRI_ASSERT(request->state != NPRI_REQUEST_NEW);
        NPRI_ASSERT((request->held_key != NULL) == (request->state == NPRI_REQUEST_HELD));
        NPRI_ASSERT(npri_lookup_runs(&request->lookup) == looks);
        NPRI_ASSERT(npri_link_is_linked(&request->waiting) ==
                    (!looks || request->lookup.scope == NPRI_LOOKUP_UNMARKED));
        NPRI_ASSERT(!looks || !npri_list_empty(&request->lookup.operations));
        count++;
    }
    NPRI_ASSERT(count == core->requests_count);
}

/* ---- Answering. */

static void log_ignored(struct npri_core *core, struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add(&text, "register_ignored reason=\"");
    npri_text_add_bytes(&text, why);
    npri_text_add(&text, "\"");
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

/* Nobody waits for it under number 0. */
static void answer(struct npri_core *core, struct npri_request *request, npr_status status)
{
    struct npri_effect *effect = request->answer;

    if (request->number == 0) {
        if (status != NPR_OK && request->claim != NULL && request->claim->peer == NULL) {
            log_ignored(core, effect->out.text);
        }
        npri_request_end(core, request);
        return;
    }
    request->answer = NULL;
    effect->out.request = request->number;
    effect->out.status = status;
    npri_effects_queue(&core->effects, effect);
    npri_request_end(core, request);
}

void npri_request_answer_pid(struct npri_core *core,
                             struct npri_request *request,
                             const struct npri_activation *activation,
                             bool started)
{
    if (request->claim != NULL) {
        npri_claim_on_found(core, request, activation);
        return;
    }
    npri_effect_set_term(request->answer, activation->pid);
    request->answer->out.token = activation->token;
    request->answer->out.started = started;
    answer(core, request, NPR_OK);
}

void npri_request_answer_failed(struct npri_core *core,
                                struct npri_request *request,
                                npr_status status,
                                struct npr_bytes text)
{
    NPRI_ASSERT(status != NPR_OK);
    if (request->claim != NULL && request->claim->peer != NULL) {
        npri_claim_tell_failed(core, request->claim, status, text);
    }
    npri_effect_set_text(request->answer, text);
    answer(core, request, status);
}

void npri_request_answer_claim(struct npri_core *core,
                               struct npri_request *request,
                               npr_status status,
                               const struct npri_activation *living)
{
    if (living->pid.data != NULL) {
        npri_effect_set_term(request->answer, living->pid);
    }
    request->answer->out.token = living->token;
    answer(core, request, status);
}

npr_status npri_request_refuse(struct npri_core *core,
                               const struct npri_core_event *event,
                               npr_status status,
                               const char *text)
{
    struct npri_effect *effect;

    if (event->request == 0) {
        log_ignored(core, npr_bytes_of(text));
        return NPR_OK;
    }
    effect = npri_effect_create(NPRI_EFFECT_ANSWER, NPRI_EFFECT_ROOM_MAX);
    if (effect == NULL) {
        return NPR_ENOMEM;
    }
    npri_effect_set_text(effect, npr_bytes_of(text));
    effect->out.request = event->request;
    effect->out.status = status;
    npri_effects_queue(&core->effects, effect);
    return NPR_OK;
}

/* ---- Waiting. */

void npri_request_wait_for_lead(struct npri_core *core,
                                struct npri_request *request,
                                struct npri_lead *lead)
{
    (void)core;
    request->state = NPRI_REQUEST_BUSY;
    npri_lead_wait(lead, request);
}

void npri_request_wait_for_owner(struct npri_core *core, struct npri_request *request)
{
    request->state = NPRI_REQUEST_CLAIMING;
    npri_list_append(&core->claiming, &request->waiting);
}

/* ---- Deadlines. */

static void add_settling(const struct npri_core *core, struct npri_text *text)
{
    bool first = true;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->settling) {
            npri_text_add(text, first ? "" : ", ");
            npri_text_add_node(text, &peer->name);
            first = false;
        }
    }
}

/* Somebody has called it another's affair. */
static void add_owner(const struct npri_core *core,
                      const struct npri_request *request,
                      struct npri_text *text)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    npri_text_add(text, "waited for the nodes to agree on who owns the key");
    if (owner != NULL) {
        npri_text_add(text, ": this node takes ");
        npri_text_add_node(text, &owner->name);
        npri_text_add(text, " for the owner");
    }
}

static void add_starting(const struct npri_core *core,
                         const struct npri_request *request,
                         struct npri_text *text)
{
    const struct npri_lead *lead = npri_lead_find_busy(core, npri_shared_bytes(request->key), NULL);

    npri_text_add(text, "waited for ");
    if (lead == NULL) {
        npri_text_add(text, "a node");
    } else {
        npri_text_add_node(text, &lead->set->peer->name);
    }
    npri_text_add(text, ", which is starting it or letting it go");
}

static void add_hold(const struct npri_core *core,
                     const struct npri_request *request,
                     struct npri_text *text)
{
    switch (npri_held_is_due(core, request) ? NPRI_HOLD_TURN : request->hold) {
    case NPRI_HOLD_SETTLING:
        npri_text_add(text, "waited for new nodes: ");
        add_settling(core, text);
        return;
    case NPRI_HOLD_AGREEMENT:
        npri_text_add(text, "waited for the nodes to agree on who owns the key: ");
        npri_views_add_dissent(core, text);
        return;
    case NPRI_HOLD_STALLED:
        npri_text_add(text, "this node was not running, and must first hear what it has missed");
        return;
    case NPRI_HOLD_RETRY:
        add_owner(core, request, text);
        return;
    case NPRI_HOLD_TURN:
        npri_text_add(text, "waited behind many others on this node");
        return;
    }
}

/* Says for whom or what the request was waiting. */
void npri_request_on_deadline(struct npri_core *core, struct npri_request *request)
{
    struct npri_text text = {0};

    switch (request->state) {
    case NPRI_REQUEST_NEW:
        npri_text_add(&text, "the deadline had passed when it came");
        break;
    case NPRI_REQUEST_HELD:
        add_hold(core, request, &text);
        break;
    case NPRI_REQUEST_LOOKING:
        npri_text_add(&text, "waited for the answer of ");
        npri_lookup_add_waiting(&request->lookup, &text);
        break;
    case NPRI_REQUEST_STARTING:
        npri_text_add(&text, "waited for the start on ");
        npri_text_add_node(&text, &core->options.self);
        break;
    case NPRI_REQUEST_DELEGATED:
        npri_delegation_add_waiting(request->delegation, &text);
        break;
    case NPRI_REQUEST_BUSY:
        add_starting(core, request, &text);
        break;
    case NPRI_REQUEST_CLAIMING:
        NPRI_ASSERT(request->claim != NULL);
        npri_text_add(&text, "waited for the consent of ");
        npri_text_add_node(&text, &request->claim->owner->name);
        break;
    }
    npri_request_answer_failed(core, request, NPR_ETIMEDOUT, npri_text_bytes(&text));
}
