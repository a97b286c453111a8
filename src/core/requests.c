#include "core/requests.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/faults.h"
#include "core/state.h"

/* How soon a request is routed anew that some node has called another's affair. */
#define RETRY_NS (UINT64_C(20) * 1000 * 1000)

/* How long a registration may take that nobody waits for. */
#define UNTIMED_NS (UINT64_C(5) * 1000 * 1000 * 1000)

static void route(struct npri_core *core, struct npri_request *request);

/* ---- Making and ending. */

static void end(struct npri_core *core, struct npri_request *request)
{
    npri_lookup_stop(&request->lookup);
    npri_timer_stop(core, &request->timer);
    npri_timer_stop(core, &request->held_timer);
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

static struct npri_request *create(struct npri_core *core, const struct npri_core_event *event)
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
        end(core, request);
        return NULL;
    }
    npri_list_append(&core->requests, &request->all);
    core->requests_count++;
    npri_timer_arm(core, &request->timer, request->deadline_ns);
    return request;
}

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
        end(core, request);
        return;
    }
    request->answer = NULL;
    effect->out.request = request->number;
    effect->out.status = status;
    npri_effects_queue(&core->effects, effect);
    end(core, request);
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

void npri_request_end_told(struct npri_core *core, struct npri_request *request)
{
    end(core, request);
}

static void fail(struct npri_core *core,
                 struct npri_request *request,
                 npr_status status,
                 const char *text)
{
    npri_request_answer_failed(core, request, status, npr_bytes_of(text));
}

static void fail_naming(struct npri_core *core,
                        struct npri_request *request,
                        npr_status status,
                        const char *text,
                        struct npr_bytes nodes)
{
    struct npri_text full = {0};

    npri_text_add(&full, text);
    npri_text_add_bytes(&full, nodes);
    npri_request_answer_failed(core, request, status, npri_text_bytes(&full));
}

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
            route(core, request); /* It has not asked for that start. */
        } else {
            npri_request_answer_failed(core, request, status, text);
        }
    }
}

/* ---- Waiting. */

void npri_request_hold(struct npri_core *core, struct npri_request *request, enum npri_hold why)
{
    request->state = NPRI_REQUEST_HELD;
    request->hold = why;
    npri_list_append(&core->held, &request->waiting);
    if (why == NPRI_HOLD_RETRY) {
        npri_timer_arm(core, &request->held_timer, npri_time_after(core, RETRY_NS));
    } else if (why == NPRI_HOLD_SETTLING) {
        if (request->held_until_ns == 0) {
            request->held_until_ns = npri_time_after(core, 2 * core->options.suspect_ns);
        }
        npri_timer_arm(core, &request->held_timer, request->held_until_ns);
    }
}

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

/* ---- Routing. */

static bool answer_from_own_table(struct npri_core *core, struct npri_request *request)
{
    struct npri_activation own;

    if (!npri_directory_find(&core->directory, npri_shared_bytes(request->key), &own)) {
        return false;
    }
    npri_request_answer_pid(core, request, &own, false);
    return true;
}

/* What is known here of the key, or about to be: own entry, start under way, lead. */
static bool answer_from_here(struct npri_core *core, struct npri_request *request)
{
    const struct npr_bytes key = npri_shared_bytes(request->key);
    struct npri_activation living;
    struct npri_lead *lead;

    if (answer_from_own_table(core, request)) {
        return true;
    }
    if (npri_start_is_under_way(core, key)) {
        npri_start_wait(core, request);
        return true;
    }
    lead = npri_lead_find(core, key);
    if (lead == NULL) {
        return false;
    }
    if (lead->busy) {
        npri_request_wait_for_lead(core, request, lead);
    } else {
        living = npri_lead_activation(lead);
        npri_request_answer_pid(core, request, &living, false);
    }
    return true;
}

/* Not found anywhere, and not wanted anywhere. */
static void answer_absent(struct npri_core *core, struct npri_request *request)
{
    const struct npri_lookup *lookup = &request->lookup;
    const struct npr_bytes missed = npri_text_bytes(&lookup->missed);

    if (lookup->no_memory && !lookup->final) {
        fail(core, request, NPR_ENOMEM, "no memory to ask the other nodes");
    } else if (lookup->silent && !lookup->final) {
        fail_naming(core, request, NPR_ETIMEDOUT, "not found elsewhere; no answer from ", missed);
    } else if (lookup->lost && !lookup->final) {
        fail_naming(core, request, NPR_EUNREACHABLE, "not found elsewhere; could not ask ", missed);
    } else {
        fail(core, request, NPR_ENOTFOUND, "no node has the key");
    }
}

void npri_request_look(struct npri_core *core,
                       struct npri_request *request,
                       struct npri_peer *first,
                       enum npri_lookup_scope scope)
{
    request->state = NPRI_REQUEST_LOOKING;
    if (npri_lookup_begin(core, &request->lookup, request->key, first, scope) != NPR_OK) {
        fail(core, request, NPR_ENOMEM, "no memory to ask the other nodes");
    } else if (!npri_lookup_runs(&request->lookup)) {
        npri_request_on_looked(core, request, NULL);
    }
}

/* A suspect is not waited for, but asked when nothing else would show that it is back. */
static void probe(struct npri_core *core, struct npri_peer *suspect, struct npri_shared *key)
{
    struct npri_effect *effect;

    if (suspect->native || !npri_list_empty(&suspect->operations)) {
        return;
    }
    effect = npri_effect_create(NPRI_EFFECT_ASK, 0);
    if (effect != NULL) {
        npri_effect_set_key(effect, key);
    }
    (void)npri_operation_begin(core, NPRI_OPERATION_ASK, suspect, effect);
}

/* Whom to ask first: the owner, unless that is this node or a suspect. */
static struct npri_peer *first_to_ask(struct npri_core *core, struct npri_request *request)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (owner == NULL || owner->self) {
        return NULL;
    }
    if (owner->suspect) {
        probe(core, owner, request->key);
        return NULL;
    }
    return owner;
}

void npri_request_fail_ownerless(struct npri_core *core, struct npri_request *request)
{
    if (core->members.view_count == 0) {
        fail(core, request, NPR_EUNREACHABLE, "connected to no member of the cluster");
    } else {
        fail(core, request, NPR_EREFUSED,
             "no node takes keys: all that are known are being drained");
    }
}

/* The attempt to have it from its owner is joined, or begun; but while the owner is silent the
 * others are asked first. */
static void route_to_owner(struct npri_core *core,
                           struct npri_request *request,
                           struct npri_peer *owner)
{
    const struct npri_delegation *delegation = npri_delegation_find(core, request->key);
    const struct npri_peer *asked =
        delegation == NULL || delegation->operation == NULL ? NULL : delegation->operation->peer;

    if (owner != NULL && owner->native) {
        if (owner->suspect && !request->looked) {
            npri_request_look(core, request, NULL, NPRI_LOOKUP_ALL);
        } else {
            npri_delegation_join(core, request, owner, NULL);
        }
    } else if (asked != NULL && asked->suspect) {
        npri_request_look(core, request, first_to_ask(core, request), NPRI_LOOKUP_ALL);
    } else if (delegation != NULL) {
        npri_delegation_join(core, request, NULL, NULL);
    } else if (owner == NULL) {
        npri_request_fail_ownerless(core, request);
    } else {
        npri_delegation_join(core, request, owner, first_to_ask(core, request));
    }
}

/* With a function, and not here. */
static void route_get_or_start(struct npri_core *core, struct npri_request *request)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (owner != NULL && owner->self) {
        if (npri_views_agreed(core)) {
            npri_start_join(core, request);
        } else {
            npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
        }
    } else if (!request->start_here) {
        route_to_owner(core, request, owner);
    } else if (npri_views_agreed(core)) {
        request->answer->out.moved = true;
        fail(core, request, NPR_EREFUSED, "this node does not own the key");
    } else {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    }
}

static void route_look(struct npri_core *core, struct npri_request *request)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (core->members.view_count == 0) {
        npri_request_fail_ownerless(core, request);
    } else if (owner == NULL || !owner->self || !npri_views_agreed(core)) {
        npri_request_look(core, request, first_to_ask(core, request), NPRI_LOOKUP_ALL);
    } else if (npri_leads_know_all(core)) {
        fail(core, request, NPR_ENOTFOUND, "no node has the key");
    } else {
        npri_request_look(core, request, NULL, NPRI_LOOKUP_UNMARKED);
    }
}

/* A peer asks what is here: not held for anything but what this node does itself, or two that ask
 * each other would wait for ever. */
static void answer_own_only(struct npri_core *core, struct npri_request *request)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    request->answer->out.final = NPRI_FAULT(NO_TOO_FINAL) && owner != NULL && owner->self;
    request->answer->out.final |= request->of_member && owner != NULL && owner->self &&
                                  !npri_members_settling(core) && npri_leads_know_all(core);
    fail(core, request, NPR_ENOTFOUND, "it is not here");
}

static void route(struct npri_core *core, struct npri_request *request)
{
    struct npri_text why = {0};

    if (npri_views_stalled(core)) {
        npri_request_hold(core, request, NPRI_HOLD_STALLED);
        return;
    }
    npri_start_meet(core, request->key);
    if (request->claim != NULL) {
        npri_claim_route(core, request);
    } else if (answer_from_here(core, request)) {
        return;
    } else if (request->own_only) {
        answer_own_only(core, request);
    } else if (npri_views_refused(core, &why)) {
        npri_request_answer_failed(core, request, NPR_EREFUSED, npri_text_bytes(&why));
    } else if (npri_members_settling(core) && !request->held_enough) {
        npri_request_hold(core, request, NPRI_HOLD_SETTLING);
    } else if (request->function != NULL) {
        route_get_or_start(core, request);
    } else {
        route_look(core, request);
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
        route(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting));
    }
}

/* Nobody has it, but its owner was not asked, being silent. */
static void on_not_found(struct npri_core *core, struct npri_request *request)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (request->function == NULL && !request->lookup.final && !npri_views_agreed(core) &&
        !request->lookup.silent && !request->lookup.lost && !request->lookup.no_memory) {
        /* There may be nodes that the others know and we do not yet. */
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else if (request->function == NULL || request->lookup.no_memory) {
        answer_absent(core, request);
    } else if (owner != NULL && (owner->self || owner->native)) {
        request->looked = true;
        route(core, request);
    } else {
        fail(core, request, NPR_ETIMEDOUT, "the key's owner, who was asked to start it, is silent");
    }
}

void npri_request_on_looked(struct npri_core *core,
                            struct npri_request *request,
                            const struct npri_activation *found)
{
    if (found != NULL) {
        npri_request_answer_pid(core, request, found, false);
    } else if (request->lookup.broken || (request->claim != NULL && request->lookup.unsure)) {
        npri_request_hold(core, request, NPRI_HOLD_RETRY);
    } else if (request->claim == NULL) {
        if (!answer_from_here(core, request)) { /* It may have come here while others were asked. */
            on_not_found(core, request);
        }
    } else if (request->lookup.no_memory) {
        fail(core, request, NPR_ENOMEM, "no memory to ask the other nodes");
    } else {
        npri_claim_on_looked(core, request);
    }
}

/* ---- Events. */

/* Why a request cannot be taken on; NULL: it can.  Sets `*out_key` then. */
static const char *find_fault(struct npri_core *core,
                              const struct npri_core_event *event,
                              struct npr_bytes *out_key,
                              npr_status *out_status)
{
    *out_status = NPR_EINVAL;
    if (!npri_core_normal_key(core, event->key, out_key)) {
        return "the key is larger than 64 KiB or holds a map of more than 32 pairs";
    }
    if (event->kind == NPRI_EVENT_START && event->function.data == NULL) {
        return "no function to start";
    }
    *out_status = NPR_EREFUSED;
    if (event->kind == NPRI_EVENT_START && !core->options.member) {
        return "this node is a client: it starts nothing";
    }
    return NULL;
}

/* Whether a native node of the view has sent it: only such a one may count on this node's doing it
 * alone.  What others take for the owner is not what we do; for them it is a get. */
static bool is_of_native(const struct npri_core *core, const struct npri_core_event *event)
{
    const struct npri_peer *peer = npri_member_find(core, &event->node);

    return peer != NULL && peer->connected && peer->native;
}

/* Whether it comes of a node that has our view: only for such a one is our no final.  Others may
 * see nodes that we do not. */
static bool is_of_member(const struct npri_core *core, const struct npri_core_event *event)
{
    const struct npri_peer *peer = npri_member_find(core, &event->node);

    return peer != NULL && npri_views_same(core, peer);
}

/* Routes the request, or answers it at once when its time is up. */
static void begin(struct npri_core *core, struct npri_request *request)
{
    if (request->deadline_ns > core->now_ns) {
        route(core, request);
    } else if (request->claim != NULL || npri_views_stalled(core) ||
               !answer_from_own_table(core, request)) {
        npri_request_on_deadline(core, request);
    }
}

/* Takes `claim` over, which may be NULL. */
static npr_status accept(struct npri_core *core,
                         const struct npri_core_event *event,
                         struct npri_claim *claim)
{
    struct npri_request *request = create(core, event);
    struct npr_bytes key = {0};
    npr_status status;
    const char *fault;

    if (request == NULL) {
        npri_claim_destroy(core, claim);
        return NPR_ENOMEM;
    }
    request->claim = claim;
    if (claim != NULL) {
        claim->request = request;
    }
    fault = find_fault(core, event, &key, &status);
    if (fault != NULL) {
        fail(core, request, status, fault);
        return NPR_OK;
    }
    request->key = npri_shared_create(key);
    if (request->key == NULL) {
        end(core, request);
        return NPR_ENOMEM;
    }
    request->start_here = event->kind == NPRI_EVENT_START && is_of_native(core, event);
    request->of_member = is_of_member(core, event);
    begin(core, request);
    return NPR_OK;
}

npr_status npri_request_accept(struct npri_core *core, const struct npri_core_event *event)
{
    return accept(core, event, NULL);
}

npr_status npri_request_accept_claim(struct npri_core *core,
                                     const struct npri_core_event *event,
                                     struct npri_claim *claim)
{
    struct npri_core_event timed = *event;

    if (timed.deadline_ns == 0) {
        timed.deadline_ns = npri_time_after(core, UNTIMED_NS);
    }
    return accept(core, &timed, claim);
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

static void release(struct npri_core *core, bool also_retries)
{
    struct npri_link held;
    struct npri_link *at;

    npri_list_init(&held);
    npri_list_splice(&held, &core->held);
    while ((at = npri_list_take(&held)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        if (request->hold == NPRI_HOLD_RETRY && !also_retries) {
            npri_list_append(&core->held, at); /* Its own time comes soon. */
        } else {
            npri_timer_stop(core, &request->held_timer);
            route(core, request);
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
    route(core, request);
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

static void add_hold(const struct npri_core *core,
                     const struct npri_request *request,
                     struct npri_text *text)
{
    switch (request->hold) {
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
        npri_text_add(text, "waited for the nodes to agree on who owns the key");
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
        npri_text_add(&text, "waited for the node that is starting it");
        break;
    case NPRI_REQUEST_CLAIMING:
        NPRI_ASSERT(request->claim != NULL);
        npri_text_add(&text, "waited for the consent of ");
        npri_text_add_node(&text, &request->claim->owner->name);
        break;
    }
    npri_request_answer_failed(core, request, NPR_ETIMEDOUT, npri_text_bytes(&text));
}

void npri_requests_fini(struct npri_core *core)
{
    while (!npri_list_empty(&core->requests)) {
        end(core, NPRI_CONTAINER_OF(core->requests.next, struct npri_request, all));
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
        NPRI_ASSERT(npri_lookup_runs(&request->lookup) == looks);
        NPRI_ASSERT(npri_link_is_linked(&request->waiting) == !looks);
        NPRI_ASSERT(!looks || !npri_list_empty(&request->lookup.operations));
        count++;
    }
    NPRI_ASSERT(count == core->requests_count);
}
