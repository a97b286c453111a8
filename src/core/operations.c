#include "core/operations.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

static bool is_question(enum npri_operation_kind kind)
{
    return kind == NPRI_OPERATION_POLL || kind == NPRI_OPERATION_RELEASE ||
           kind == NPRI_OPERATION_ASK;
}

static bool is_lost(const struct npri_operation *operation)
{
    return operation->peer == NULL && operation->kind != NPRI_OPERATION_START;
}

struct npri_operation *npri_operation_note(struct npri_core *core,
                                           enum npri_operation_kind kind,
                                           struct npri_peer *peer)
{
    struct npri_operation *operation = npri_alloc_zeroed(1, sizeof(*operation));

    if (operation == NULL) {
        core->out_of_memory = true;
        return NULL;
    }
    operation->kind = kind;
    operation->number = ++core->operations_begun;
    operation->peer = peer;
    operation->timer.kind = NPRI_TIMER_OPERATION;
    npri_map_insert(&core->operations, &operation->node,
                    npri_bytes(&operation->number, sizeof(operation->number)));
    if (peer != NULL) {
        npri_list_append(&peer->operations, &operation->of_peer);
    }
    if (is_question(kind) && !npri_beats_watch(core, peer)) {
        npri_timer_arm(core, &operation->timer, npri_time_after(core, core->options.suspect_ns));
    }
    return operation;
}

struct npri_operation *npri_operation_begin(struct npri_core *core,
                                            enum npri_operation_kind kind,
                                            struct npri_peer *peer,
                                            struct npri_effect *effect)
{
    struct npri_operation *operation = NULL;

    if (effect != NULL) {
        operation = npri_operation_note(core, kind, peer);
    }
    if (operation == NULL) {
        npri_effect_destroy(effect);
        core->out_of_memory = true;
        return NULL;
    }
    if (peer != NULL) {
        effect->out.node = peer->name;
    }
    effect->out.operation = operation->number;
    npri_effects_queue(&core->effects, effect);
    return operation;
}

struct npri_operation *npri_operation_find(struct npri_core *core,
                                           uint64_t number,
                                           enum npri_operation_kind kind)
{
    struct npri_map_node *at =
        npri_map_find(&core->operations, npri_bytes(&number, sizeof(number)));
    struct npri_operation *operation =
        at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_operation, node);

    return operation == NULL || operation->kind != kind || is_lost(operation) ? NULL : operation;
}

void npri_operation_end(struct npri_core *core, struct npri_operation *operation)
{
    if (operation->peer != NULL && operation->peer->poll == operation) {
        operation->peer->poll = NULL;
    }
    npri_map_remove(&core->operations, &operation->node);
    npri_list_remove(&operation->of_peer);
    npri_list_remove(&operation->of_lookup);
    npri_timer_stop(core, &operation->timer);
    npri_effect_destroy(operation->discard);
    npri_free(operation);
}

void npri_operations_on_native(struct npri_core *core, struct npri_peer *peer)
{
    if (!npri_beats_watch(core, peer)) {
        return;
    }
    NPRI_LIST_FOREACH (at, &peer->operations) {
        npri_timer_stop(core, &NPRI_CONTAINER_OF(at, struct npri_operation, of_peer)->timer);
    }
}

static struct npri_operation *find_waited_for(struct npri_peer *peer)
{
    NPRI_LIST_FOREACH (at, &peer->operations) {
        struct npri_operation *operation = NPRI_CONTAINER_OF(at, struct npri_operation, of_peer);

        if (operation->lookup != NULL && !npri_lookup_insists(operation->lookup)) {
            return operation;
        }
    }
    return NULL;
}

static void give_up_waiting(struct npri_core *core, struct npri_operation *operation)
{
    struct npri_lookup *lookup = operation->lookup;

    npri_list_remove(&operation->of_lookup);
    operation->lookup = NULL;
    npri_lookup_on_silent(core, lookup, &operation->peer->name);
}

void npri_operations_on_silence(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_operation *operation;

    while (npri_beats_watch(core, peer) && (operation = find_waited_for(peer)) != NULL) {
        give_up_waiting(core, operation);
    }
}

void npri_operation_on_time(struct npri_core *core, struct npri_operation *operation)
{
    NPRI_ASSERT(is_question(operation->kind));
    if (is_lost(operation)) {
        return;
    }
    if (operation->overdue) {
        npri_operation_end(core, operation);
        return;
    }
    operation->overdue = true;
    npri_timer_arm(core, &operation->timer, npri_time_after(core, core->options.expire_ns));
    npri_member_on_silence(core, operation->peer);
    if (operation->lookup != NULL) {
        give_up_waiting(core, operation);
    }
}

static void end_lost(struct npri_core *core, struct npri_operation *operation)
{
    struct npri_lookup *lookup = operation->lookup;
    struct npri_delegation *delegation = operation->delegation;

    npri_operation_end(core, operation);
    if (lookup != NULL) {
        npri_lookup_on_lost(core, lookup);
    }
    if (delegation != NULL) {
        npri_delegation_on_lost(core, delegation);
    }
}

void npri_operations_end_lost(struct npri_core *core)
{
    while (!npri_list_empty(&core->lost) && npri_held_take_turn(core)) {
        end_lost(core, NPRI_CONTAINER_OF(core->lost.next, struct npri_operation, of_peer));
    }
}

void npri_operations_on_lost(struct npri_core *core, struct npri_peer *peer)
{
    NPRI_LIST_FOREACH (at, &peer->operations) {
        NPRI_CONTAINER_OF(at, struct npri_operation, of_peer)->peer = NULL;
    }
    peer->poll = NULL;
    npri_list_splice(&core->lost, &peer->operations);
    npri_operations_end_lost(core);
}

bool npri_status_is_answer(npr_status status)
{
    return status != NPR_ETIMEDOUT && status != NPR_EUNREACHABLE && status != NPR_ENOMEM &&
           status != NPR_ECLOSED;
}
