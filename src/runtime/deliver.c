/* The way that every signal takes through a runtime. */
#include "runtime/call.h"
#include "runtime/internal.h"
#include "runtime/words.h"

void npri_runtime_answer_dead(struct npri_runtime *runtime, struct npri_signal *signal)
{
    if (signal->kind == NPRI_SIGNAL_CALL) {
        npri_call_fail(runtime, signal, NPRI_WORD_NOPROC);
    } else if (npri_signal_answer_dead(signal)) {
        npri_runtime_deliver(runtime, signal);
    } else {
        npri_signal_destroy(signal);
    }
}

static bool signal_makes_remote_relation(const struct npri_runtime *runtime,
                                         const struct npri_signal *signal)
{
    struct npri_local local;

    return (signal->kind == NPRI_SIGNAL_LINK || signal->kind == NPRI_SIGNAL_MONITOR) &&
           npri_pid_place(runtime, signal->from, &local) == NPRI_PLACE_AWAY;
}

void npri_runtime_push(struct npri_runtime *runtime,
                       struct npri_local local,
                       struct npri_signal *signal,
                       bool remote)
{
    struct npri_worker *worker = npri_scheduler_worker(&runtime->scheduler);
    struct npr_process *wake;
    enum npri_push outcome;

    if (worker != NULL) {
        npri_batch_send(runtime, &worker->batch); /* in the order of sending */
    }
    outcome = npri_table_push(&runtime->table, local, signal, remote, &wake);
    switch (outcome) {
    case NPRI_PUSH_DONE:
    case NPRI_PUSH_OPENS:
        if (outcome == NPRI_PUSH_OPENS && worker != NULL) {
            npri_batch_open(&worker->batch, local);
        }
        if (wake != NULL) {
            npri_scheduler_add(&runtime->scheduler, wake);
        }
        return;
    case NPRI_PUSH_NOBODY:
        npri_runtime_answer_dead(runtime, signal);
        return;
    case NPRI_PUSH_REFUSED:
        npri_runtime_refuse(runtime, local, signal);
        return;
    case NPRI_PUSH_DROPPED:
        npri_signal_destroy(signal);
        return;
    }
}

static void runtime_deliver_local(struct npri_runtime *runtime,
                                  struct npri_local local,
                                  struct npri_signal *signal)
{
    if (npri_local_may_be_service(local)) {
        const struct npri_service *service = &runtime->services[local.id - 1];

        /* acquire: pairs with the release in npri_runtime_add_service(). */
        if (local.id > atomic_load_explicit(&runtime->services_count, memory_order_acquire) ||
            signal->kind == NPRI_SIGNAL_UNLINK) {
            npri_runtime_answer_dead(runtime, signal);
        } else {
            service->deliver(service->user, signal);
        }
        return;
    }
    npri_runtime_push(runtime, local, signal, signal_makes_remote_relation(runtime, signal));
}

npr_status npri_runtime_send_local(struct npri_runtime *runtime,
                                   struct npri_local from,
                                   struct npri_local to,
                                   const struct npr_term *parts,
                                   size_t parts_count)
{
    uint8_t pids[2][NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal *signal;

    if (npri_local_may_be_service(to)) {
        /* A service is shown all that a node would be. */
        signal = npri_signal_create_parts(
            &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                  .from = npri_local_pid(runtime, from, pids[0]),
                                  .to = npri_local_pid(runtime, to, pids[1])},
            parts, parts_count);
        if (signal != NULL) {
            runtime_deliver_local(runtime, to, signal);
        }
    } else {
        signal = npri_signal_create_short(NPRI_SIGNAL_PLAIN, parts, parts_count);
        if (signal != NULL) {
            npri_runtime_push(runtime, to, signal, false);
        }
    }
    return signal == NULL ? NPR_ENOMEM : NPR_OK;
}

/* Whether `atom` names another node; none is this one. */
static bool node_is_away(const struct npri_runtime *runtime, struct npr_term atom)
{
    const struct npr_node_name *node = &runtime->options.node;
    struct npr_bytes name;

    return npr_term_get_atom(atom, &name) &&
           !npri_bytes_equal(name, npri_bytes(node->text, node->size));
}

static void runtime_deliver_named(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npr_bytes name;
    struct npri_local local;

    if (node_is_away(runtime, signal->node)) {
        runtime->options.route(runtime->options.user, signal);
    } else if (npr_term_get_atom(signal->to, &name) &&
               npri_names_find(&runtime->names, name, &local)) {
        runtime_deliver_local(runtime, local, signal);
    } else {
        npri_runtime_answer_dead(runtime, signal);
    }
}

static void runtime_deliver_alias(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npri_local caller;
    struct npr_ref ref;

    const bool is_ref = npr_term_get_ref(signal->to, &ref);

    if (is_ref && !npr_node_name_equal(&ref.node, &runtime->options.node)) {
        runtime->options.route(runtime->options.user, signal);
    } else if (is_ref && npri_call_from_alias(runtime, signal, &caller)) {
        npri_runtime_push(runtime, caller, signal, false);
    } else if (is_ref && ref.creation == runtime->options.creation &&
               runtime->options.alias != NULL) {
        runtime->options.alias(runtime->options.user, signal);
    } else {
        npri_signal_destroy(signal); /* a term that nothing can be sent to, or an old reference */
    }
}

void npri_runtime_deliver(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npri_worker *worker = npri_scheduler_worker(&runtime->scheduler);
    struct npri_local local;

    if (worker != NULL) {
        npri_batch_send(runtime, &worker->batch); /* before what may go to another node */
    }
    if (signal->to.data == NULL) {
        /* A request to a node itself, e.g. to spawn. */
        if (node_is_away(runtime, signal->node)) {
            runtime->options.route(runtime->options.user, signal);
        } else {
            npri_signal_destroy(signal);
        }
        return;
    }
    switch (npri_pid_place(runtime, signal->to, &local)) {
    case NPRI_PLACE_HERE:
        runtime_deliver_local(runtime, local, signal);
        return;
    case NPRI_PLACE_STALE:
        npri_runtime_answer_dead(runtime, signal);
        return;
    case NPRI_PLACE_AWAY:
        runtime->options.route(runtime->options.user, signal);
        return;
    case NPRI_PLACE_NONE:
        break;
    }
    if (npr_term_kind(signal->to) == NPR_TERM_ATOM) {
        runtime_deliver_named(runtime, signal);
    } else {
        runtime_deliver_alias(runtime, signal);
    }
}

void npri_runtime_deliver_to(struct npri_runtime *runtime,
                             const struct npr_pid *to,
                             struct npri_signal *signal)
{
    struct npri_local local;

    if (npri_runtime_is_local(runtime, to, &local)) {
        runtime_deliver_local(runtime, local, signal);
    } else {
        npri_signal_destroy(signal);
    }
}
