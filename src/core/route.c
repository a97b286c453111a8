#include "core/route.h"

#include "core/faults.h"
#include "core/state.h"

/* How long a registration may take that nobody waits for. */
#define UNTIMED_NS (UINT64_C(5) * 1000 * 1000 * 1000)

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

/* ---- The ways. */

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
    } else if (scope == NPRI_LOOKUP_UNMARKED) {
        npri_list_append(&core->looking, &request->waiting);
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

void npri_request_take_turn(struct npri_core *core, struct npri_request *request)
{
    struct npri_text why = {0};

    if (npri_views_stalled(core)) {
        npri_request_hold(core, request, NPRI_HOLD_STALLED);
        return;
    }
    if (!npri_start_meet(core, request->key)) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
    } else if (request->claim != NULL) {
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

void npri_request_route(struct npri_core *core, struct npri_request *request)
{
    if (npri_held_admit(core, request)) {
        npri_request_take_turn(core, request);
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
        npri_request_route(core, request);
    } else {
        fail(core, request, NPR_ETIMEDOUT, "the key's owner, who was asked to start it, is silent");
    }
}

void npri_request_on_looked(struct npri_core *core,
                            struct npri_request *request,
                            const struct npri_activation *found)
{
    npri_list_remove(&request->waiting);
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

/* ---- Coming in. */

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
        npri_request_route(core, request);
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
    struct npri_request *request = npri_request_create(core, event);
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
        npri_request_end(core, request);
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
