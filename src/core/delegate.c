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
    npri_map_remove(&core->delegations, &delegation->node);
    npri_shared_release(delegation->key);
    npri_free(delegation);
}

static void end_failed(struct npri_core *core,
                       struct npri_delegation *delegation,
                       npr_status status,
                       struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add_node(&text, &delegation->owner);
    npri_text_add(&text, ": ");
    npri_text_add_bytes(&text, why);
    npri_requests_answer_all(core, &delegation->waiting, status, (struct npr_term){0},
                             npri_text_bytes(&text));
    end(core, delegation);
}

struct npri_delegation *npri_delegation_find(const struct npri_core *core,
                                             const struct npri_shared *key)
{
    struct npri_map_node *at = npri_map_find(&core->delegations, npri_shared_bytes(key));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_delegation, node);
}

static struct npri_delegation *create(struct npri_core *core,
                                      const struct npri_request *request,
                                      struct npri_peer *owner)
{
    struct npri_delegation *delegation = npri_alloc_zeroed(1, sizeof(*delegation));
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_DELEGATE, 0);

    if (delegation == NULL) {
        npri_effect_destroy(effect);
        return NULL;
    }
    if (effect != NULL) {
        npri_effect_set_key(effect, request->key);
        npri_effect_set_start(effect, request->function, request->caller, request->deadline_ns);
    }
    delegation->operation = npri_operation_begin(core, NPRI_OPERATION_DELEGATE, owner, effect);
    if (delegation->operation == NULL) {
        npri_free(delegation);
        return NULL;
    }
    delegation->operation->delegation = delegation;
    delegation->owner = owner->name;
    delegation->key = npri_shared_acquire(request->key);
    npri_list_init(&delegation->waiting);
    npri_map_insert(&core->delegations, &delegation->node, npri_shared_bytes(delegation->key));
    return delegation;
}

void npri_delegation_join(struct npri_core *core,
                          struct npri_request *request,
                          struct npri_peer *owner)
{
    struct npri_delegation *delegation = npri_delegation_find(core, request->key);

    request->initiator = delegation == NULL;
    if (delegation == NULL) {
        delegation = create(core, request, owner);
    }
    if (delegation == NULL) {
        npri_request_answer_failed(core, request, NPR_ENOMEM,
                                   npr_bytes_of("no memory to ask the key's owner"));
        return;
    }
    request->state = NPRI_REQUEST_DELEGATED;
    request->delegation = delegation;
    npri_list_append(&delegation->waiting, &request->waiting);
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

void npri_delegation_on_delegated(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_DELEGATE);
    struct npri_delegation *delegation;
    struct npr_bytes why = event->text;
    struct npr_term pid;

    if (operation == NULL) {
        return;
    }
    delegation = operation->delegation;
    if (npri_status_is_answer(event->status)) {
        npri_member_on_answer(core, operation->peer);
    }
    if (event->status == NPR_OK && npri_core_normal_pid(core, event->term, &pid)) {
        NPRI_LIST_FOREACH (at, &delegation->waiting) {
            NPRI_CONTAINER_OF(at, struct npri_request, waiting)->initiator &= event->started;
        }
        npri_requests_answer_all(core, &delegation->waiting, NPR_OK, pid, (struct npr_bytes){0});
        end(core, delegation);
        return;
    }
    if (why.size == 0) {
        why = npr_bytes_of(event->status == NPR_OK ? "it gave no pid"
                                                   : npr_status_text(event->status));
    }
    end_failed(core, delegation, passed_on(event->status), why);
}

/* Its operation is gone already. */
void npri_delegation_on_lost(struct npri_core *core, struct npri_delegation *delegation)
{
    delegation->operation = NULL;
    end_failed(core, delegation, NPR_EUNREACHABLE,
               npr_bytes_of("the connection was lost while it was starting the process"));
}

void npri_delegations_on_left(struct npri_core *core, struct npri_peer *owner, npr_status status)
{
    struct npri_link *next;

    for (struct npri_link *at = owner->operations.next; at != &owner->operations; at = next) {
        const struct npri_operation *operation =
            NPRI_CONTAINER_OF(at, struct npri_operation, of_peer);

        next = at->next;
        if (operation->delegation != NULL) {
            end_failed(core, operation->delegation, status,
                       npr_bytes_of("it left the view while it was starting the process"));
        }
    }
}

void npri_delegations_fini(struct npri_core *core)
{
    struct npri_map_node *at;

    while ((at = npri_map_first(&core->delegations)) != NULL) {
        end(core, NPRI_CONTAINER_OF(at, struct npri_delegation, node));
    }
}
