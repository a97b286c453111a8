#include "core/requests.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

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
    request->start_here = event->kind == NPRI_EVENT_START;
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

static void answer(struct npri_core *core, struct npri_request *request, npr_status status)
{
    struct npri_effect *effect = request->answer;

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
    npri_effect_set_text(request->answer, text);
    answer(core, request, status);
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
        npri_request_answer_failed(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting),
                                   status, text);
    }
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

/* Not found anywhere, and not wanted anywhere. */
static void answer_absent(struct npri_core *core, struct npri_request *request)
{
    const struct npri_lookup *lookup = &request->lookup;
    const struct npr_bytes missed = npri_text_bytes(&lookup->missed);

    if (lookup->no_memory) {
        fail(core, request, NPR_ENOMEM, "no memory to ask the other nodes");
    } else if (lookup->silent) {
        fail_naming(core, request, NPR_ETIMEDOUT, "not found elsewhere; no answer from ", missed);
    } else if (lookup->lost) {
        fail_naming(core, request, NPR_EUNREACHABLE, "not found elsewhere; could not ask ", missed);
    } else {
        fail(core, request, NPR_ENOTFOUND, "no node has the key");
    }
}

static void look(struct npri_core *core, struct npri_request *request, struct npri_peer *first)
{
    request->state = NPRI_REQUEST_LOOKING;
    if (npri_lookup_begin(core, &request->lookup, request->key, first) != NPR_OK) {
        fail(core, request, NPR_ENOMEM, "no memory to ask the other nodes");
    } else if (!npri_lookup_runs(&request->lookup)) {
        npri_request_on_looked(core, request, NULL);
    }
}

/* A suspect is not waited for, but asked when nothing else would show that it is back. */
static void probe(struct npri_core *core, struct npri_peer *suspect, struct npri_shared *key)
{
    struct npri_effect *effect;

    if (!npri_list_empty(&suspect->operations)) {
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

/* With a function.  What is under way for the key already is joined, except that nobody waits for a
 * suspect: then only the others are asked. */
static void route_get_or_start(struct npri_core *core, struct npri_request *request)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);
    const struct npri_delegation *delegation = npri_delegation_find(core, request->key);

    const bool joins_start = request->start_here || npri_start_find(core, request->key) != NULL;

    if (!joins_start && delegation != NULL) {
        if (delegation->operation != NULL && delegation->operation->peer->suspect) {
            look(core, request, first_to_ask(core, request));
        } else {
            npri_delegation_join(core, request, NULL, NULL);
        }
    } else if (joins_start || (owner != NULL && owner->self)) {
        npri_start_join(core, request);
    } else if (owner == NULL) {
        fail(core, request, NPR_EUNREACHABLE, "connected to no member of the cluster");
    } else {
        npri_delegation_join(core, request, owner, first_to_ask(core, request));
    }
}

static void route(struct npri_core *core, struct npri_request *request)
{
    if (answer_from_own_table(core, request)) {
        return;
    }
    if (npri_start_restarting(core, npri_shared_bytes(request->key)) != NULL) {
        npri_start_join(core, request);
        return;
    }
    if (request->own_only) {
        fail(core, request, NPR_ENOTFOUND, "it is not here");
        return;
    }
    if (npri_members_settling(core) && !request->held_enough) {
        request->state = NPRI_REQUEST_HELD;
        npri_list_append(&core->held, &request->waiting);
        npri_timer_arm(core, &request->held_timer,
                       npri_time_after(core, 2 * core->options.suspect_ns));
        return;
    }
    if (request->function != NULL) {
        route_get_or_start(core, request);
    } else if (core->members.view_count == 0) {
        fail(core, request, NPR_EUNREACHABLE, "connected to no member of the cluster");
    } else {
        look(core, request, first_to_ask(core, request));
    }
}

void npri_requests_route_all(struct npri_core *core, struct npri_link *waiting)
{
    struct npri_link *at;

    while ((at = npri_list_take(waiting)) != NULL) {
        route(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting));
    }
}

void npri_request_on_looked(struct npri_core *core,
                            struct npri_request *request,
                            const struct npri_activation *found)
{
    if (found != NULL) {
        npri_request_answer_pid(core, request, found, false);
    } else if (answer_from_own_table(core, request)) {
        return; /* It came here while the others were asked. */
    } else if (request->function != NULL && !request->lookup.no_memory) {
        fail(core, request, NPR_ETIMEDOUT, "the key's owner, who was asked to start it, is silent");
    } else {
        answer_absent(core, request);
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

npr_status npri_request_accept(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_request *request = create(core, event);
    struct npr_bytes key = {0};
    npr_status status;
    const char *fault;

    if (request == NULL) {
        return NPR_ENOMEM;
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
    if (request->deadline_ns > core->now_ns) {
        route(core, request);
    } else if (!answer_from_own_table(core, request)) {
        npri_request_on_deadline(core, request);
    }
    return NPR_OK;
}

void npri_requests_release_held(struct npri_core *core)
{
    struct npri_link held;
    struct npri_link *at;

    if (npri_members_settling(core)) {
        return;
    }
    npri_list_init(&held);
    npri_list_splice(&held, &core->held);
    while ((at = npri_list_take(&held)) != NULL) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        npri_timer_stop(core, &request->held_timer);
        route(core, request);
    }
}

void npri_request_on_held(struct npri_core *core, struct npri_request *request)
{
    npri_list_remove(&request->waiting);
    request->held_enough = true;
    route(core, request);
}

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

/* Says for whom or what the request was waiting. */
void npri_request_on_deadline(struct npri_core *core, struct npri_request *request)
{
    struct npri_text text = {0};

    switch (request->state) {
    case NPRI_REQUEST_NEW:
        npri_text_add(&text, "the deadline had passed when it came");
        break;
    case NPRI_REQUEST_HELD:
        npri_text_add(&text, "waited for new nodes: ");
        add_settling(core, &text);
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
        NPRI_ASSERT(request->state != NPRI_REQUEST_NEW);
        NPRI_ASSERT(npri_lookup_runs(&request->lookup) == looks);
        NPRI_ASSERT(npri_link_is_linked(&request->waiting) == !looks);
        NPRI_ASSERT(!looks || !npri_list_empty(&request->lookup.operations));
        count++;
    }
    NPRI_ASSERT(count == core->requests_count);
    NPRI_ASSERT(npri_list_empty(&core->held) || npri_members_settling(core));
}
