#include "runtime/forward.h"

#include "runtime/call.h"
#include "runtime/handover.h"
#include "runtime/relay.h"
#include "runtime/words.h"

static const struct npr_term no_term;

/* The process that has the key; none: nobody yet.  `end_block` is the signal that told of it. */
static struct npr_term forward_target(const struct npr_process *process)
{
    return process->end_block == NULL || process->end_block->kind == NPRI_SIGNAL_HANDOVER
               ? no_term
               : process->end_block->from;
}

bool npri_forward_is_on(const struct npr_process *process)
{
    return process->phase == NPRI_PHASE_FORWARDING;
}

static bool runtime_stops(const struct npri_runtime *runtime)
{
    /* relaxed: as in npri_process_run(). */
    return atomic_load_explicit(&runtime->stopping, memory_order_relaxed);
}

/* ---- Becoming a forwarder. */

/* A process that only forwards monitors nobody; best effort, since what comes is ignored. */
static void drop_own_monitors(struct npr_process *process)
{
    struct npri_relations kept = {0};
    struct npri_relation *relation;
    uint32_t cursor = 0;

    while ((relation = npri_relations_take(&process->relations, &cursor)) != NULL) {
        if (relation->kind != NPRI_RELATION_WATCHING) {
            npri_relations_add(&kept, process->origin->runtime->options.hash_key, relation);
        } else {
            const npr_status ignored =
                npri_process_send(process,
                                  &(struct npri_signal){.kind = NPRI_SIGNAL_DEMONITOR,
                                                        .to = npri_relation_peer(relation),
                                                        .ref = npri_relation_ref(relation)},
                                  NULL, 0);

            (void)ignored;
            npri_relation_destroy(relation);
        }
    }
    process->relations = kept;
}

static void forward_begin(struct npr_process *process)
{
    process->phase = NPRI_PHASE_FORWARDING;
    process->paused = false;
    process->watches = false;
    npri_scheduler_add(&process->origin->runtime->scheduler, process);
}

bool npri_forward_instead_of_end(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;

    if (runtime_stops(runtime) || process->left) {
        process->transit = NPRI_TRANSIT_NONE;
        return false;
    }
    npri_process_release(process);
    if (npri_process_has_thread(process)) {
        npri_receive_give_back(process);
    }
    drop_own_monitors(process);
    npri_table_forward(&runtime->table, process);
    forward_begin(process);
    return true;
}

/* All that has come is in todo. */
static void take_all(struct npr_process *process)
{
    struct npri_signal **end = &process->todo;

    if (npri_process_has_thread(process)) {
        npri_receive_give_back(process);
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = npri_mailbox_take(&process->mailbox);
}

bool npri_forward_after_end(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;

    if (runtime_stops(runtime) || process->left) {
        process->transit = NPRI_TRANSIT_NONE;
        return false;
    }
    npri_process_release(process);
    take_all(process);
    if (process->idle == NULL) {
        process->idle = npri_alarm_create(process, no_term, no_term);
    }
    if (process->idle == NULL || !npri_relay_announce_loss(process)) {
        npri_scheduler_add(&runtime->scheduler, process);
        return true;
    }
    process->idle->due_ns = npri_now_ns() + runtime->options.redirect_ms * NPRI_NS_PER_MS;
    npri_alarm_arm(&runtime->alarms, process->idle);
    process->idle_lent = true;
    forward_begin(process);
    return true;
}

/* ---- Forwarding. */

/* With `reason`, which `block` owns (NULL: nobody needs to). */
static bool forward_end(struct npr_process *process,
                        struct npr_term reason,
                        struct npri_signal *block)
{
    (void)npri_process_set_end(process, reason, block);
    npri_relay_lose(process, process->relayed);
    process->transit = NPRI_TRANSIT_NONE;
    process->paused = false;
    npri_process_release(process);
    npri_process_drop_timers(process);
    return npri_process_depart(process);
}

/* False: no memory. */
static bool watch_target(struct npr_process *process, struct npr_term target)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_ref ref = npri_runtime_new_ref(runtime);
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    const struct npri_signal draft = {
        .kind = NPRI_SIGNAL_MONITOR, .to = target, .ref = npri_ref_term(&ref, bytes)};
    struct npri_relation *relation =
        npri_relation_create(NPRI_RELATION_WATCHING, target, draft.ref, no_term);
    struct npr_pid pid;

    if (relation == NULL) {
        return false;
    }
    if (npr_term_get_pid(target, &pid)) {
        npri_process_note_peer(process, &pid);
    }
    if (npri_process_send(process, &draft, NULL, 0) != NPR_OK) {
        npri_relation_destroy(relation);
        return false;
    }
    npri_process_tie(process, relation);
    process->watches = true;
    return true;
}

/* What is still to be said, and could not be for lack of memory.  False: not yet. */
static bool forward_prepare(struct npr_process *process)
{
    struct npri_signal *handover = process->end_block;

    if (handover->kind == NPRI_SIGNAL_HANDOVER && handover->id != 0) {
        if (npri_handover_tell(process, handover->id, NPR_OK, no_term) == NPR_ENOMEM) {
            return false;
        }
        handover->id = 0;
    }
    return process->watches || forward_target(process).data == NULL ||
           watch_target(process, forward_target(process));
}

static enum npri_verdict pass_on(struct npr_process *process, struct npr_term message)
{
    const enum npri_verdict verdict = npri_relay_pass_on(process, forward_target(process), message);

    if (verdict == NPRI_GO_ON) {
        NPRI_COUNT_UP(&process->taken);
    }
    return verdict;
}

/* Becomes a message, which is next: its caller is told if nobody lives to answer it. */
static enum npri_verdict pass_call_on(struct npr_process *process, struct npri_signal *call)
{
    struct npri_signal *message = npri_call_expand(process, call);

    if (message == NULL) {
        return NPRI_AGAIN;
    }
    message->next = process->todo;
    process->todo = message;
    return NPRI_GO_ON;
}

static enum npri_verdict pass_batch_on(struct npr_process *process, struct npri_signal *batch)
{
    while (batch->number > 0) {
        if (pass_on(process, npri_batch_first(batch)) == NPRI_AGAIN) {
            return NPRI_AGAIN;
        }
        npri_batch_next(batch);
    }
    return NPRI_GO_ON;
}

/* Until there is somebody to forward it to. */
static enum npri_verdict hold_message(struct npr_process *process, struct npri_signal *signal)
{
    const struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_pid pid = npri_runtime_pid(runtime, process->local);

    if (!process->paused && runtime->options.wanted(runtime->options.user, &pid) == NPR_ENOMEM) {
        return NPRI_AGAIN;
    }
    process->paused = true;
    signal->next = process->held;
    process->held = signal;
    return NPRI_KEPT;
}

static enum npri_verdict forward_message(struct npr_process *process, struct npri_signal *signal)
{
    if (forward_target(process).data == NULL) {
        return hold_message(process, signal);
    }
    if (signal->kind == NPRI_SIGNAL_CALL) {
        return pass_call_on(process, signal);
    }
    if (signal->kind == NPRI_SIGNAL_BATCH) {
        return pass_batch_on(process, signal);
    }
    return pass_on(process, signal->payload);
}

/* Who ends a process means the one that has the key; but one that has lost is gone already. */
static enum npri_verdict forward_exit(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT};

    if (signal->kind == NPRI_SIGNAL_EXIT_LINK) {
        struct npri_relation *link =
            npri_process_relation(process, NPRI_RELATION_LINK, signal->from, no_term);

        if (link == NULL || link->unlink_id != 0) {
            return NPRI_GO_ON;
        }
        npri_relations_remove(&process->relations, link);
        npri_relation_destroy(link);
    }
    if (process->transit != NPRI_TRANSIT_MOVES || forward_target(process).data == NULL) {
        return NPRI_GO_ON;
    }
    draft.to = forward_target(process);
    return npri_process_send(process, &draft, &signal->payload, 1) == NPR_ENOMEM ? NPRI_AGAIN
                                                                                 : NPRI_GO_ON;
}

static enum npri_verdict forward_on_moved(struct npr_process *process, struct npri_signal *signal)
{
    if (forward_target(process).data != NULL || npri_process_is_at(process, signal->from)) {
        return NPRI_GO_ON;
    }
    if (signal->from.data == NULL) {
        return npri_process_set_end(process, NPRI_WORD_NOPROC, NULL);
    }
    (void)npri_process_set_end(process, NPRI_WORD_SHUTDOWN_MOVED, signal);
    process->paused = false;
    npri_process_release(process);
    return NPRI_KEPT;
}

/* Its only monitor is that of the process it forwards to. */
static enum npri_verdict forward_on_down(struct npr_process *process, struct npri_signal *signal)
{
    if (npri_process_relation(process, NPRI_RELATION_WATCHING, signal->ref, no_term) == NULL) {
        return NPRI_GO_ON;
    }
    return npri_process_set_end(process, signal->payload, signal);
}

static enum npri_verdict forward_on_node_down(struct npr_process *process,
                                              const struct npri_signal *signal)
{
    enum npri_verdict verdict = NPRI_GO_ON;
    struct npri_relation *lost;

    if (!npri_process_take_node(process, signal, &lost)) {
        return NPRI_GO_ON;
    }
    while (lost != NULL) {
        struct npri_relation *next = lost->next;

        if (lost->kind == NPRI_RELATION_WATCHING) {
            verdict = npri_process_set_end(process, NPRI_WORD_NOCONNECTION, NULL);
        } else if (lost->kind == NPRI_RELATION_RELAYED) {
            npri_relay_lose(process, 1);
        }
        npri_relation_destroy(lost);
        lost = next;
    }
    return verdict;
}

/* Its time is over, unless it is a timer that was set before.  Nothing more goes on, but who has
 * called gets the answer. */
static enum npri_verdict forward_on_timer(struct npr_process *process, struct npri_signal *signal)
{
    if (process->idle == NULL || signal != &process->idle->signal) {
        return NPRI_GO_ON;
    }
    if (!npri_relay_announce_over(process)) {
        return NPRI_AGAIN;
    }
    process->idle = NULL; /* freed with its signal */
    process->transit = NPRI_TRANSIT_OWES;
    return NPRI_GO_ON;
}

static enum npri_verdict forward_on_demonitor(struct npr_process *process,
                                              struct npri_signal *signal)
{
    const struct npri_relation *watched =
        npri_process_relation(process, NPRI_RELATION_WATCHED, signal->ref, signal->from);

    if (watched != NULL) {
        npri_relay_unwatch(process, watched);
    }
    return npri_process_on_signal(process, signal);
}

/* Whether it is dead for who sends such a signal, its time being over. */
static bool is_too_late(const struct npr_process *process, const struct npri_signal *signal)
{
    return process->transit == NPRI_TRANSIT_OWES &&
           (npri_signal_messages(signal) != 0 || signal->kind == NPRI_SIGNAL_LINK ||
            signal->kind == NPRI_SIGNAL_MONITOR);
}

static enum npri_verdict forward_act(struct npr_process *process, struct npri_signal *signal)
{
    if (is_too_late(process, signal)) {
        npri_runtime_answer_dead(process->origin->runtime, signal);
        return NPRI_KEPT;
    }
    switch (signal->kind) {
    case NPRI_SIGNAL_MESSAGE:
    case NPRI_SIGNAL_PLAIN:
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL:
        return forward_message(process, signal);
    case NPRI_SIGNAL_EXIT:
    case NPRI_SIGNAL_EXIT_LINK:
        return forward_exit(process, signal);
    case NPRI_SIGNAL_LINK:
    case NPRI_SIGNAL_UNLINK:
    case NPRI_SIGNAL_UNLINK_ACK:
    case NPRI_SIGNAL_MONITOR:
    case NPRI_SIGNAL_GROUP_LEADER:
    case NPRI_SIGNAL_TELL:
        return npri_process_on_signal(process, signal);
    case NPRI_SIGNAL_DEMONITOR:
        return forward_on_demonitor(process, signal);
    case NPRI_SIGNAL_ANSWER:
        return npri_relay_on_answer(process, signal);
    case NPRI_SIGNAL_MOVED:
        return forward_on_moved(process, signal);
    case NPRI_SIGNAL_DOWN:
        return forward_on_down(process, signal);
    case NPRI_SIGNAL_NODE_DOWN:
        return forward_on_node_down(process, signal);
    case NPRI_SIGNAL_TIMER:
        return forward_on_timer(process, signal);
    case NPRI_SIGNAL_NUDGE: /* not ours to free, and of a command that is gone */
        return NPRI_KEPT;
    case NPRI_SIGNAL_HANDOVER: /* it has none any more: who asks hears of that */
        return npri_handover_decline(process, signal, NPR_ENOPROC);
    case NPRI_SIGNAL_CONFLICT:
    case NPRI_SIGNAL_SPAWN_REQUEST:
    case NPRI_SIGNAL_SPAWN_REPLY:
        return NPRI_GO_ON;
    }
    return NPRI_GO_ON;
}

/* Acts on the next.  END: `end_reason` and `end_block` are set, and the signal is freed unless it
 * is the block. */
static enum npri_verdict forward_next(struct npr_process *process)
{
    struct npri_signal *signal = process->todo;
    enum npri_verdict verdict;

    process->todo = signal->next;
    verdict = forward_act(process, signal);
    if (verdict == NPRI_AGAIN) {
        signal->next = process->todo;
        process->todo = signal;
    } else if (verdict != NPRI_KEPT && signal != process->end_block) {
        npri_signal_destroy(signal);
    }
    if (process->transit == NPRI_TRANSIT_OWES && process->relayed == 0) {
        return NPRI_END;
    }
    return verdict;
}

bool npri_forward_turn(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    enum npri_verdict verdict = NPRI_GO_ON;

    for (unsigned i = 0; i < NPRI_TURN_SIGNALS_MAX && verdict != NPRI_AGAIN; i++) {
        npri_yield_point();
        if (runtime_stops(runtime)) {
            return forward_end(process, NPRI_WORD_SHUTDOWN, NULL);
        }
        if (!forward_prepare(process)) {
            break;
        }
        if (process->todo != NULL) {
            verdict = forward_next(process);
        } else if (npri_mailbox_rest(&process->mailbox)) {
            return false;
        } else {
            process->todo = npri_mailbox_take(&process->mailbox);
        }
        if (verdict == NPRI_END) {
            return forward_end(process, process->end_reason, process->end_block);
        }
    }
    npri_scheduler_add(&runtime->scheduler, process);
    return false;
}
