/* One process's turn on a worker, and its way from the first callback to the last. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "runtime/forward.h"
#include "runtime/internal.h"
#include "runtime/outside.h"
#include "runtime/thread.h"
#include "runtime/words.h"

_Thread_local const struct npr_process *npri_process_here;

static struct npr_pid process_pid(const struct npr_process *process)
{
    return (struct npr_pid){
        .node = process->origin->runtime->options.node,
        .id = process->local.id,
        .serial = process->local.serial,
        .creation = process->origin->runtime->options.creation,
    };
}

/* {error,Name} in static memory of the runtime. */
static struct npr_term error_reason(const struct npri_runtime *runtime, npr_status status)
{
    const bool is_one = status < 0 && status > -(int)NPRI_STATUS_COUNT; /* also of any int */

    return runtime->error_reasons[is_one ? -(int)status : NPRI_STATUS_COUNT];
}

/* What a callback returned, if it is a status at all. */
static npr_status error_status(npr_status status)
{
    return status < 0 && -(int)status < NPRI_STATUS_COUNT ? status : NPR_EINVAL;
}

enum npri_verdict npri_process_set_end(struct npr_process *process,
                                       struct npr_term reason,
                                       struct npri_signal *block)
{
    if (process->end_block != block) {
        npri_signal_destroy(process->end_block); /* HANDING */
    }
    process->end_reason = reason;
    process->end_block = block;
    return NPRI_END;
}

/* What becomes of the process after a callback that returned `status`. */
static enum npri_verdict process_after(struct npr_process *process, npr_status status)
{
    struct npri_worker *worker = process->worker;
    struct npri_signal *stop = worker->stop;

    npri_batch_send(process->origin->runtime, &worker->batch);
    worker->stop = NULL;
    process->active = true;
    if (stop != NULL) {
        process->own_fault = true;
        return npri_process_set_end(process, stop->payload, stop);
    }
    if (status != NPR_OK) {
        process->own_fault = true;
        return npri_process_set_end(process, error_reason(process->origin->runtime, status), NULL);
    }
    return NPRI_GO_ON;
}

enum npri_verdict npri_process_info(struct npr_process *process, struct npr_term message)
{
    if (npri_process_has_thread(process)) {
        return npri_receive_keep(process, message);
    }
    if (process->origin->behaviour->info == NULL) {
        return NPRI_GO_ON;
    }
    return process_after(process,
                         process->origin->behaviour->info(process, process->state, message));
}

enum npri_verdict npri_process_call(struct npr_process *process,
                                    const struct npr_from *from,
                                    struct npr_term request)
{
    if (process->origin->behaviour->call == NULL) {
        return npri_process_reply(process, from->pid, from->tag, NPRI_WORD_ERROR_UNKNOWN) ==
                       NPR_ENOMEM
                   ? NPRI_AGAIN
                   : NPRI_GO_ON;
    }
    return process_after(process,
                         process->origin->behaviour->call(process, process->state, from, request));
}

enum npri_verdict npri_process_cast(struct npr_process *process, struct npr_term message)
{
    if (process->origin->behaviour->cast == NULL) {
        return NPRI_GO_ON;
    }
    return process_after(process,
                         process->origin->behaviour->cast(process, process->state, message));
}

enum npri_verdict npri_process_after(struct npr_process *process, npr_status status)
{
    return process_after(process, status);
}

enum npri_verdict npri_process_answered(struct npr_process *process,
                                        const struct npr_answer *answer)
{
    return process_after(process,
                         process->origin->behaviour->answer(process, process->state, answer));
}

/* ---- Starting. */

/* What is left of a start that has succeeded: the arguments, if there are any, since a process that
 * is moved is started with them again.  Without memory all of it stays. */
static struct npri_start *start_shrink(struct npri_start *start)
{
    struct npri_start *args = NULL;
    uint8_t room;

    if (start->key.data != NULL && npr_term_kind(start->args) == NPR_TERM_LIST) {
        args = npri_pool_take(sizeof(*args) + start->args.size, &room);
        if (args == NULL) {
            return start;
        }
        *args =
            (struct npri_start){.args = {.data = (uint8_t *)(args + 1), .size = start->args.size},
                                .told = true,
                                .room = room};
        memcpy(args + 1, start->args.data, start->args.size);
    }
    npri_pool_give(start, start->room);
    return args;
}

static void process_tell_started(struct npr_process *process, npr_status status)
{
    struct npri_start *start = process->start;
    const struct npr_pid pid = process_pid(process);

    if (start == NULL || start->told) {
        return;
    }
    start->told = true;
    if (start->started != NULL) {
        start->started(start->user, &pid, status,
                       status == NPR_OK ? (struct npr_term){0} : process->end_reason);
    }
    process->start = start_shrink(start);
}

/* After END the caller of started() is told when the process has left the table. */
static enum npri_verdict process_start(struct npr_process *process)
{
    const struct npr_behaviour *behaviour = process->origin->behaviour;
    enum npri_verdict verdict = NPRI_GO_ON;

    if (behaviour->init != NULL) {
        const npr_status status = behaviour->init(process, process->state, process->start->args);

        verdict = process_after(process, status);
        process->start_status = (int8_t)(status == NPR_OK ? NPR_EEXIT : error_status(status));
    }
    if (verdict == NPRI_GO_ON) {
        process->phase = NPRI_PHASE_LIVE;
        if (!process->deferred) {
            process_tell_started(process, NPR_OK);
        }
    }
    return verdict;
}

void npri_process_started(struct npr_process *self)
{
    if (self->deferred) {
        self->deferred = false;
        process_tell_started(self, NPR_OK);
        npri_process_pause(self, false);
    }
}

/* ---- Ending. */

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
static bool process_finish(struct npr_process *process)
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
    process_tell_started(process, (npr_status)process->start_status);
    if (!process->gone) {
        return process_finish(process);
    }
    if (npri_ends_push(&runtime->ends, process)) {
        runtime->options.ended(runtime->options.user);
    }
    return false; /* npri_runtime_finish() */
}

/* After terminate, and when nothing outside is left of it.  True as of process_finish(). */
static bool process_leave(struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_pid pid = process_pid(process);

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
    *out_pid = process_pid(process);
    *out_reason = process->end_reason;
}

void npri_runtime_finish(struct npr_process *process)
{
    npri_scheduler_add(&process->origin->runtime->scheduler, process);
}

/* True as of process_finish(). */
static bool process_end(struct npr_process *process)
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
static void process_close(struct npri_worker *worker, struct npr_process *process)
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

/* ---- Running. */

static enum npri_verdict process_resume(struct npr_process *process)
{
    struct npri_signal *resume = process->resumes;
    npr_status status;

    process->resumes = resume->next;
    status = process->origin->behaviour->resume(process, process->state, resume->payload);
    npri_signal_destroy(resume);
    return process_after(process, status);
}

bool npri_process_overflows(struct npr_process *process)
{
    const struct npr_behaviour *behaviour = process->origin->behaviour;

    return behaviour->mailbox_max != 0 && behaviour->overflow == NPR_OVERFLOW_DROP_OLDEST &&
           npri_process_waiting(process) > behaviour->mailbox_max;
}

/* Whether this message, the oldest, is one too many. */
static bool process_drops_oldest(struct npr_process *process)
{
    if (!npri_process_overflows(process)) {
        return false;
    }
    /* relaxed: a figure, which who pushes raises too. */
    (void)atomic_fetch_add_explicit(&process->overflowed, 1, memory_order_relaxed);
    return true;
}

static enum npri_verdict process_act_on_message(struct npr_process *process,
                                                struct npri_signal *signal)
{
    /* relaxed both: a figure that only this thread writes. */
    const uint_fast64_t taken = atomic_load_explicit(&process->taken, memory_order_relaxed);
    enum npri_verdict verdict = NPRI_GO_ON;
    bool drops;

    if (npri_process_has_thread(process)) {
        return npri_receive_on_message(process, signal);
    }
    drops = process_drops_oldest(process);
    atomic_store_explicit(&process->taken, taken + 1, memory_order_relaxed);
    if (!drops) {
        verdict = npri_process_on_message(process, signal);
    }
    if (verdict == NPRI_AGAIN) {
        atomic_store_explicit(&process->taken, taken, memory_order_relaxed);
    }
    return verdict;
}

/* The signal is not ours to free. */
static enum npri_verdict process_act_on_nudge(struct npr_process *process,
                                              struct npri_signal *signal)
{
    const npr_status status = npri_process_nudged(process, signal);

    if (status == NPR_ENOMEM) {
        signal->next = process->todo;
        process->todo = signal;
        return NPRI_AGAIN;
    }
    if (process_after(process, status) == NPRI_END) {
        return NPRI_END;
    }
    return npri_forward_is_due(process) ? npri_forward_move(process) : NPRI_GO_ON;
}

/* One message of a batch, which stays in front until it has none. */
static enum npri_verdict process_act_on_batch(struct npr_process *process,
                                              struct npri_signal *batch)
{
    struct npri_signal view = {.kind = NPRI_SIGNAL_PLAIN, .payload = npri_batch_first(batch)};
    const enum npri_verdict verdict = process_act_on_message(process, &view);

    if (verdict != NPRI_AGAIN) {
        npri_batch_next(batch);
    }
    if (batch->number == 0) {
        npri_signal_destroy(batch);
    } else {
        batch->next = process->todo;
        process->todo = batch;
    }
    return verdict;
}

static enum npri_verdict process_act(struct npr_process *process)
{
    struct npri_signal *signal = process->todo;
    enum npri_verdict verdict;

    process->todo = signal->next;
    if ((npri_process_is_suspended(process) || process->paused) &&
        npri_process_holds(process, signal)) {
        signal->next = process->held;
        process->held = signal;
        return NPRI_GO_ON;
    }
    if (signal->kind == NPRI_SIGNAL_NUDGE) {
        return process_act_on_nudge(process, signal);
    }
    if (signal->kind == NPRI_SIGNAL_BATCH) {
        return process_act_on_batch(process, signal);
    }
    verdict = npri_signal_is_message(signal) ? process_act_on_message(process, signal)
                                             : npri_process_on_signal(process, signal);
    if (verdict == NPRI_AGAIN) {
        process->todo = signal;
    } else if (verdict == NPRI_KEPT) {
        verdict = NPRI_GO_ON;
    } else if (signal != process->end_block) {
        npri_signal_destroy(signal);
    }
    if (process->worker->message.capacity > NPRI_BUFFER_KEPT_BYTES) {
        npri_buffer_fini(&process->worker->message);
    }
    return verdict;
}

/* Before the worker lets go of it. */
static void process_account(struct npri_worker *worker, struct npr_process *process)
{
    const uint64_t now_ns = npri_now_coarse_ns();
    /* relaxed all: figures that only this thread writes. */
    const uint_fast64_t busy_ns = atomic_load_explicit(&process->busy_ns, memory_order_relaxed);

    atomic_store_explicit(&process->busy_ns, busy_ns + (now_ns - worker->clock_ns),
                          memory_order_relaxed);
    atomic_store_explicit(&process->relations_count, process->relations.count,
                          memory_order_relaxed);
    worker->clock_ns = now_ns;
}

/* Nothing is left to do.  True: the process rests, or is somebody else's already. */
static bool process_rest(struct npri_worker *worker, struct npr_process *process)
{
    process_account(worker, process);
    return npri_mailbox_rest(&process->mailbox);
}

static void process_turn(struct npri_worker *worker, struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime;
    enum npri_verdict verdict = NPRI_GO_ON;

    if (process->phase == NPRI_PHASE_ENDING) {
        worker->clock_ns = 0;
        (void)process_finish(process);
        return;
    }
    if (process->phase == NPRI_PHASE_CLOSING) {
        process_close(worker, process);
        return;
    }
    if (process->phase == NPRI_PHASE_FORWARDING) {
        worker->clock_ns = 0;
        (void)npri_forward_turn(process);
        return;
    }
    if (worker->clock_ns == 0) {
        worker->clock_ns = npri_now_coarse_ns();
        if (npri_lookout_awake(&runtime->lookout)) {
            npri_alarms_look(&runtime->alarms);
        }
    }
    for (unsigned i = 0; i < NPRI_TURN_SIGNALS_MAX && verdict == NPRI_GO_ON; i++) {
        npri_pulse_beat(&worker->pulse);
        npri_yield_point();
        /* relaxed: npri_mailbox_poke() and _take() bring the news; reading it early is no harm. */
        if (atomic_load_explicit(&runtime->stopping, memory_order_relaxed)) {
            process->start_status = NPR_ECLOSED;
            verdict = npri_process_set_end(process, NPRI_WORD_SHUTDOWN, NULL);
        } else if (process->phase == NPRI_PHASE_STARTING) {
            verdict = process_start(process);
        } else if (process->resumes != NULL) {
            verdict = process_resume(process);
        } else if (process->todo != NULL) {
            verdict = process_act(process);
        } else if (process->idle != NULL && !npri_process_is_suspended(process) &&
                   !process->paused && !process->awake && npri_process_is_idle(process)) {
            verdict = npri_process_set_end(process, NPRI_WORD_NORMAL, NULL);
        } else if (process_rest(worker, process)) {
            return;
        } else {
            /* What has come is acted on after another look at `stopping`. */
            process->todo = npri_mailbox_take(&process->mailbox);
        }
    }
    if (verdict == NPRI_END) {
        (void)process_end(process);
        worker->clock_ns = 0;
    } else {
        process_account(worker, process);
        npri_scheduler_again(worker, process);
    }
}

void npri_process_run(struct npri_worker *worker, struct npr_process *process)
{
    struct npri_runtime *runtime = process->origin->runtime; /* the process may be gone after it */

    process->worker = worker;
    npri_process_here = process;
    npri_pulse_begin(&worker->pulse, process->local, process->origin);
    process_turn(worker, process); /* which may free it */
    npri_pulse_end(&worker->pulse);
    npri_batch_send(runtime, &worker->batch); /* of callbacks that end no message */
}

/* ---- On a thread of its own. */

void npri_process_account(struct npr_process *process)
{
    process_account(process->worker, process);
}

bool npri_process_next(struct npr_process *process, enum npri_verdict *out)
{
    /* relaxed: as in npri_process_run(). */
    if (atomic_load_explicit(&process->origin->runtime->stopping, memory_order_relaxed)) {
        *out = npri_process_set_end(process, NPRI_WORD_SHUTDOWN, NULL);
        return true;
    }
    if (process->todo == NULL) {
        return false;
    }
    *out = process_act(process);
    return true;
}

/* The end that a receive has told has the last word. */
static void process_run_code(struct npr_process *process, struct npri_thread *thread)
{
    npr_status status;

    thread->running = true;
    status = process->origin->behaviour->run(process, process->state, thread->args);
    thread->running = false;
    if (thread->ended) {
        npri_signal_destroy(thread->worker.stop);
        thread->worker.stop = NULL;
    } else if (process_after(process, status) == NPRI_GO_ON) {
        (void)npri_process_set_end(process, NPRI_WORD_NORMAL, NULL);
    }
}

bool npri_process_live(struct npr_process *process)
{
    struct npri_thread *thread = npri_thread_of(process);

    thread->worker.clock_ns = npri_now_coarse_ns();
    /* relaxed: as in npri_process_run(). */
    if (atomic_load_explicit(&process->origin->runtime->stopping, memory_order_relaxed)) {
        process->start_status = NPR_ECLOSED;
        (void)npri_process_set_end(process, NPRI_WORD_SHUTDOWN, NULL);
    } else if (process_start(process) == NPRI_GO_ON) {
        process_run_code(process, thread);
    }
    thread->ended = true;
    npri_thread_hold(thread);
    process_account(&thread->worker, process);
    return process_end(process);
}

bool npri_process_end_again(struct npr_process *process)
{
    return process->phase == NPRI_PHASE_FORWARDING ? npri_forward_turn(process)
                                                   : process_finish(process);
}
