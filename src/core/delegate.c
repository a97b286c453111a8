#include "core/delegate.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

/* Frees it and its operation, which may be gone already. */
static void end(struct npri_core *core, struct npri_delegation *delegation)
{
    NPRI_ASSERT(npri_list_empty(&delegation->waiting));
    if (delegation->operation != NULL) {
        npri_operation_end(core, delegation->operation);
    }
    npri_lookup_stop(&delegation->lookup);
    npri_map_remove(&core->delegations, &delegation->node);
    npri_shared_release(delegation->key);
    npri_shared_release(delegation->function);
    npri_shared_release(delegation->caller);
    npri_shared_release(delegation->told);
    npri_free(delegation);
}

static void end_failed(struct npri_core *core,
                       struct npri_delegation *delegation,
                       npr_status status,
                       struct npr_bytes why)
{
    npri_requests_fail_all(core, &delegation->waiting, status, why);
    end(core, delegation);
}

static void end_failed_naming(struct npri_core *core,
                              struct npri_delegation *delegation,
                              npr_status status,
                              struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add_node(&text, &delegation->owner);
    npri_text_add(&text, ": ");
    npri_text_add_bytes(&text, why);
    end_failed(core, delegation, status, npri_text_bytes(&text));
}

/* It is gone, and who has waited is in `waiting`. */
static void end_into(struct npri_core *core,
                     struct npri_delegation *delegation,
                     struct npri_link *waiting)
{
    npri_list_init(waiting);
    npri_list_splice(waiting, &delegation->waiting);
    end(core, delegation);
}

/* Each finds its way anew: the key is another node's by now, or its owner is gone. */
static void end_routed(struct npri_core *core, struct npri_delegation *delegation)
{
    struct npri_link waiting;

    end_into(core, delegation, &waiting);
    npri_requests_route_all(core, &waiting);
}

/* Likewise, in a moment: we, or the node that was asked, will know better by then. */
static void end_held(struct npri_core *core, struct npri_delegation *delegation)
{
    struct npri_link waiting;

    end_into(core, delegation, &waiting);
    npri_requests_hold_all(core, &waiting);
}

static void end_with_pid(struct npri_core *core,
                         struct npri_delegation *delegation,
                         const struct npri_activation *activation,
                         bool started)
{
    if (!started) {
        NPRI_LIST_FOREACH (at, &delegation->waiting) {
            NPRI_CONTAINER_OF(at, struct npri_request, waiting)->initiator = false;
        }
    }
    npri_requests_answer_all(core, &delegation->waiting, activation);
    end(core, delegation);
}

struct npri_delegation *npri_delegation_find(const struct npri_core *core,
                                             const struct npri_shared *key)
{
    struct npri_map_node *at = npri_map_find(&core->delegations, npri_shared_bytes(key));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_delegation, node);
}

static struct npri_delegation *create(struct npri_core *core, const struct npri_request *request)
{
    struct npri_delegation *delegation = npri_alloc_zeroed(1, sizeof(*delegation));

    if (delegation == NULL) {
        return NULL;
    }
    delegation->key = npri_shared_acquire(request->key);
    delegation->function = npri_shared_acquire(request->function);
    delegation->caller = npri_shared_acquire(request->caller);
    delegation->deadline_ns = request->deadline_ns;
    delegation->lookup.delegation = delegation;
    npri_list_init(&delegation->waiting);
    npri_map_insert(&core->delegations, &delegation->node, npri_shared_bytes(delegation->key));
    return delegation;
}

/* The original's start_function takes a fun; arguments are known between native nodes only. */
static bool owner_understands(const struct npri_peer *owner, const struct npri_shared *function)
{
    return owner->native || npr_term_kind(npri_shared_term(function)) != NPR_TERM_TUPLE;
}

static void begin_operation(struct npri_core *core,
                            struct npri_delegation *delegation,
                            struct npri_peer *owner)
{
    struct npri_effect *effect;

    if (!owner_understands(owner, delegation->function)) {
        delegation->owner = owner->name;
        end_failed_naming(core, delegation, NPR_EREFUSED,
                          npr_bytes_of("the key's owner is no native node, and starts functions "
                                       "without arguments only"));
        return;
    }
    effect = npri_effect_create(NPRI_EFFECT_DELEGATE, 0);
    if (effect != NULL) {
        npri_effect_set_key(effect, delegation->key);
        npri_effect_set_start(effect, delegation->function, delegation->caller,
                              delegation->deadline_ns);
    }
    delegation->owner = owner->name;
    delegation->operation = npri_operation_begin(core, NPRI_OPERATION_DELEGATE, owner, effect);
    if (delegation->operation == NULL) {
        end_failed(core, delegation, NPR_ENOMEM, npr_bytes_of("no memory to ask the key's owner"));
        return;
    }
    delegation->operation->delegation = delegation;
}

static void begin(struct npri_core *core,
                  struct npri_delegation *delegation,
                  struct npri_peer *owner,
                  struct npri_peer *first)
{
    if (owner->native) {
        begin_operation(core, delegation, owner);
    } else if (npri_lookup_begin(core, &delegation->lookup, delegation->key, first,
                                 NPRI_LOOKUP_ALL) != NPR_OK) {
        end_failed(core, delegation, NPR_ENOMEM, npr_bytes_of("no memory to ask the other nodes"));
    } else if (!npri_lookup_runs(&delegation->lookup)) {
        npri_delegation_on_looked(core, delegation, NULL);
    }
}

void npri_delegation_join(struct npri_core *core,
                          struct npri_request *request,
                          struct npri_peer *owner,
                          struct npri_peer *first)
{
    struct npri_delegation *delegation = npri_delegation_find(core, request->key);
    const bool begins = delegation == NULL;

    if (begins) {
        delegation = create(core, request);
    }
    if (delegation == NULL) {
        npri_request_answer_failed(core, request, NPR_ENOMEM,
                                   npr_bytes_of("no memory to ask the key's owner"));
        return;
    }
    request->initiator = begins;
    request->came_late = delegation->told != NULL;
    request->state = NPRI_REQUEST_DELEGATED;
    request->delegation = delegation;
    npri_list_append(&delegation->waiting, &request->waiting);
    if (begins) {
        begin(core, delegation, owner, first);
    }
}

/* Not found: whose is it now?  Others than the owner may have been silent: as for our own keys,
 * that does not keep anybody from starting it. */
static void delegate(struct npri_core *core, struct npri_delegation *delegation)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(delegation->key), NULL);

    if (owner == NULL) {
        end_failed(core, delegation, NPR_EUNREACHABLE,
                   npr_bytes_of("connected to no member of the cluster"));
    } else if (owner->self) {
        end_routed(core, delegation);
    } else if (owner->suspect && !owner->native) {
        delegation->owner = owner->name;
        end_failed_naming(core, delegation, NPR_ETIMEDOUT,
                          npr_bytes_of("the key's owner does not answer"));
    } else {
        begin_operation(core, delegation, owner);
    }
}

/* Those who came when the original had answered already: to them its answer is old. */
static void part_late(struct npri_delegation *delegation, struct npri_link *late)
{
    struct npri_link *next;

    for (struct npri_link *at = delegation->waiting.next; at != &delegation->waiting; at = next) {
        next = at->next;
        if (NPRI_CONTAINER_OF(at, struct npri_request, waiting)->came_late) {
            npri_list_remove(at);
            npri_list_append(late, at);
        }
    }
}

/* What stands in the original's table is the answer: of two that were started at once it is the one
 * that others will find. */
static void on_looked_again(struct npri_core *core,
                            struct npri_delegation *delegation,
                            const struct npri_activation *found)
{
    const struct npri_activation told = {.pid = npri_shared_term(delegation->told)};
    struct npri_link late;

    npri_list_init(&late);

    if (found != NULL) {
        end_with_pid(core, delegation, found, npr_term_equal(found->pid, told.pid));
    } else if (delegation->lookup.broken) {
        end_held(core, delegation);
    } else {
        part_late(delegation, &late);
        end_with_pid(core, delegation, &told, true);
        npri_requests_hold_all(core, &late);
    }
}

void npri_delegation_on_looked(struct npri_core *core,
                               struct npri_delegation *delegation,
                               const struct npri_activation *found)
{
    struct npri_activation own;

    if (delegation->told != NULL) {
        on_looked_again(core, delegation, found);
    } else if (found != NULL) {
        end_with_pid(core, delegation, found, false);
    } else if (npri_directory_find(&core->directory, npri_shared_bytes(delegation->key), &own)) {
        end_with_pid(core, delegation, &own, false);
    } else if (delegation->lookup.broken) {
        end_held(core, delegation);
    } else if (delegation->lookup.no_memory) {
        end_failed(core, delegation, NPR_ENOMEM, npr_bytes_of("no memory to ask the other nodes"));
    } else if (npri_list_empty(&delegation->waiting)) {
        end(core, delegation); /* All who wanted it have given up, and nothing was started. */
    } else {
        delegate(core, delegation);
    }
}

/* Which of its answers a caller can tell apart.  Anything else is a refusal. */
static npr_status passed_on(npr_status status)
{
    switch (status) {
    case NPR_EINVAL:
    case NPR_ENOMEM:
    case NPR_EUNREACHABLE:
    case NPR_ETIMEDOUT:
    case NPR_ECLOSED:
        return status;
    case NPR_ENOPROC: /* no registry runs there (any more) */
        return NPR_EUNREACHABLE;
    case NPR_OK:
    case NPR_ENOTFOUND:
    case NPR_EREFUSED:
    case NPR_EFULL:
    case NPR_EPROTO:
    case NPR_EAUTH:
    case NPR_ESYNTAX:
    case NPR_EEXIST:
    case NPR_EADDRINUSE:
    case NPR_EIO:
    case NPR_EEXIT:
        return NPR_EREFUSED;
    }
    return NPR_EREFUSED;
}

/* An original has started a process, and maybe not the only one: see on_looked_again(). */
static void look_again(struct npri_core *core,
                       struct npri_delegation *delegation,
                       struct npri_peer *owner,
                       const struct npri_activation *told)
{
    delegation->told = npri_shared_create(npri_bytes(told->pid.data, told->pid.size));
    if (delegation->told == NULL || npri_lookup_begin(core, &delegation->lookup, delegation->key,
                                                      owner, NPRI_LOOKUP_FIRST) != NPR_OK) {
        end_with_pid(core, delegation, told, true);
        return;
    }
    npri_operation_end(core, delegation->operation);
    delegation->operation = NULL;
}

void npri_delegation_on_delegated(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_DELEGATE);
    struct npri_activation activation = {.token = npri_token_on_seen(core, event->token)};
    struct npri_delegation *delegation;
    struct npr_bytes why = event->text;

    if (operation == NULL) {
        return;
    }
    delegation = operation->delegation;
    if (npri_status_is_answer(event->status)) {
        npri_member_on_answer(core, operation->peer);
    }
    if (event->status == NPR_OK && npri_core_normal_pid(core, event->term, &activation.pid)) {
        if (operation->peer->native) {
            end_with_pid(core, delegation, &activation, event->started);
        } else {
            look_again(core, delegation, operation->peer, &activation);
        }
        return;
    }
    /* Its time was that of the first who asked. */
    if (event->moved || (event->status == NPR_ETIMEDOUT && operation->peer->native)) {
        end_held(core, delegation);
        return;
    }
    if (why.size == 0) {
        why = npr_bytes_of(event->status == NPR_OK ? "it gave no pid"
                                                   : npr_status_text(event->status));
    }
    end_failed_naming(core, delegation, passed_on(event->status), why);
}

/* Its operation is gone already. */
void npri_delegation_on_lost(struct npri_core *core, struct npri_delegation *delegation)
{
    delegation->operation = NULL;
    end_held(core, delegation);
}

void npri_delegations_on_left(struct npri_core *core, struct npri_peer *owner)
{
    struct npri_link *next;

    for (struct npri_link *at = owner->operations.next; at != &owner->operations; at = next) {
        const struct npri_operation *operation =
            NPRI_CONTAINER_OF(at, struct npri_operation, of_peer);

        next = at->next;
        if (operation->delegation != NULL) {
            end_held(core, operation->delegation);
        }
    }
}

void npri_delegation_add_waiting(const struct npri_delegation *delegation, struct npri_text *text)
{
    if (delegation->operation == NULL) {
        npri_text_add(text, "waited for the answer of ");
        npri_lookup_add_waiting(&delegation->lookup, text);
    } else {
        npri_text_add(text, "waited for the start on ");
        npri_text_add_node(text, &delegation->owner);
    }
}

void npri_delegations_fini(struct npri_core *core)
{
    struct npri_map_node *at;

    while ((at = npri_map_first(&core->delegations)) != NULL) {
        end(core, NPRI_CONTAINER_OF(at, struct npri_delegation, node));
    }
}
