/* The way of a process from its last callback to its memory: internal.h has the order. */
#include "runtime/call.h"
#include "runtime/forward.h"
#include "runtime/internal.h"
#include "runtime/outside.h"

/* Erlang's logger hears of those that end by their own doing, with such a reason. */
static bool reason_is_a_crash(struct npr_term reason)
{
    struct npr_term parts[2];

    return !npr_term_is_atom(reason, "normal") && !npr_term_is_atom(reason, "shutdown") &&
           !(npr_term_get_tuple(reason, 2, parts) && npr_term_is_atom(parts[0], "shutdown"));
}

void npri_process_free(struct npr_process *process)
{
    struct npri_relation *relation;
    uint32_t cursor = 0;

    while ((relation = npri_relations_take(&process->relations, &cursor)) != NULL) {
        npri_relation_destroy(relation);
    }
    npri_signal_destroy(process->end_block);
    npri_signal_destroy(process->leader);
    if (process->start != NULL) {
        npri_pool_give(process->start, process->start->room);
    }
    while (process->resumes != NULL) {
        struct npri_signal *next = process->resumes->next;

        npri_signal_destroy(process->resumes);
        process->resumes = next;
    }
    if (process->idle != NULL) { /* it never ran */
        npri_signal_destroy(&process->idle->signal);
    }
    npri_pool_give(process, process->room);
}

/* The last of a process that had been in the table. */
static void process_finished(struct npri_worker *worker, struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const bool has_thread = npri_process_has_thread(process);

    npri_process_free(process);
    /* seq_cst all, see struct npri_runtime. */
    if (has_thread) {
        (void)atomic_fetch_add_explicit(&runtime->threads.finished, 1, memory_order_seq_cst);
    } else {
        atomic_store_explicit(&worker->finished,
                              atomic_load_explicit(&worker->finished, memory_order_relaxed) + 1,
                              memory_order_seq_cst);
    }
    if (atomic_load_explicit(&runtime->stopping, memory_order_seq_cst)) {
        (void)pthread_mutex_lock(&runtime->stop_mutex);
        (void)pthread_cond_broadcast(&runtime->stop_cond);
        (void)pthread_mutex_unlock(&runtime->stop_mutex);
    }
}

/* Tells everyone, and frees the process when all is told: then true. */
bool npri_process_finish(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    struct npri_signal *signal = process->todo;

    if (process->transit == NPRI_TRANSIT_LOSES) {
        if (npri_forward_after_end(process)) {
            return false;
        }
        npri_table_remove(&runtime->table, process, false); /* it is no longer registered */
        signal = process->todo;
    }

    /* Nobody has pushed since it left the table.  What was pushed before meets a dead process. */
    do {
        while (signal != NULL) {
            struct npri_signal *next = signal->next;

            if (signal->kind == NPRI_SIGNAL_CALL) {
                npri_call_fail(runtime, signal, process->end_reason);
            } else if (npri_signal_answer_dead(signal)) {
                npri_runtime_deliver(runtime, signal);
            } else {
                npri_signal_destroy(signal);
            }
            signal = next;
        }
        signal = npri_mailbox_take(&process->mailbox);
    } while (signal != NULL);
    process->todo = NULL;

    /* A runtime that stops cannot wait for memory.
     * relaxed: only whether to try again depends on it. */
    if (!npri_process_announce_end(process) &&
        !atomic_load_explicit(&runtime->stopping, memory_order_relaxed)) {
        npri_scheduler_add(&runtime->scheduler, process);
        return false;
    }
    process_finished(process->worker, process);
    return true;
}

bool npri_process_depart(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;

    process->phase = NPRI_PHASE_ENDING;
    if (!process->left) {
        npri_table_remove(&runtime->table, process, process->transit == NPRI_TRANSIT_LOSES);
    }
    if (process->named) {
        npri_names_remove_all(&runtime->names, process->local);
    }
    npri_process_tell_started(process, (npr_status)process->start_status);
    if (!process->gone) {
        return npri_process_finish(process);
    }
    if (npri_ends_push(&runtime->ends, process)) {
        runtime->options.ended(runtime->options.user);
    }
    return false; /* npri_runtime_finish() */
}

/* After terminate, and when nothing outside is left of it.  True: it is freed. */
static bool process_leave(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_pid pid = npri_runtime_pid(process->origin->runtime, process->local);

    if (process->own_fault && runtime->options.crashed != NULL &&
        reason_is_a_crash(process->end_reason)) {
        runtime->options.crashed(runtime->options.user, &pid, process->origin->function,
                                 process->end_reason);
    }
    if (npri_process_has_thread(process)) {
        npri_threads_release(&runtime->threads);
    }
    if (process->transit == NPRI_TRANSIT_MOVES && npri_forward_instead_of_end(process)) {
        return false;
    }
    return npri_process_depart(process);
}

struct npr_process *npri_runtime_take_ended(struct npri_runtime *runtime)
{
    return npri_ends_take(&runtime->ends);
}

struct npr_process *npri_ended_next(const struct npr_process *process)
{
    return process->run_next;
}

void npri_ended_read(struct npr_process *process,
                     struct npr_pid *out_pid,
                     struct npr_term *out_reason)
{
    npri_table_forget(&process->origin->runtime->table, process);
    *out_pid = npri_runtime_pid(process->origin->runtime, process->local);
    *out_reason = process->end_reason;
}

void npri_runtime_finish(struct npr_process *process)
{
    npri_scheduler_add(&process->origin->runtime->scheduler, process);
}

bool npri_process_end(struct npr_process *process)
{
    if (process->phase == NPRI_PHASE_LIVE && process->origin->behaviour->terminate != NULL) {
        process->worker->terminating = true;
        process->origin->behaviour->terminate(process, process->state, process->end_reason);
        process->worker->terminating = false;
    }
    process->paused = false;
    npri_process_unsuspend(process); /* to be answered with all that waits */
    npri_process_drop_timers(process);
    if (process->lingers) {
        process->phase = NPRI_PHASE_CLOSING;
        npri_scheduler_add(&process->origin->runtime->scheduler, process);
        return false;
    }
    return process_leave(process);
}

/* One turn while it lingers. */
void npri_process_close(struct npri_worker *worker, struct npr_process *process)
{
    const enum npri_closing closing = npri_process_closing(process);

    worker->terminating = false;
    worker->clock_ns = 0;
    if (closing == NPRI_CLOSING_DONE) {
        (void)process_leave(process);
    } else if (closing == NPRI_CLOSING_GOES_ON) {
        npri_scheduler_add(&process->origin->runtime->scheduler, process);
    }
}
