/* One process's turn on a worker, and the life of one that has a thread. */
#include "runtime/forward.h"
#include "runtime/handover.h"
#include "runtime/internal.h"
#include "runtime/outside.h"
#include "runtime/thread.h"
#include "runtime/words.h"

_Thread_local const struct npr_process *npri_process_here;

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
    if (npri_process_after(process, status) == NPRI_END) {
        return NPRI_END;
    }
    return npri_handover_is_due(process) ? npri_handover_move(process) : NPRI_GO_ON;
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
        (void)npri_process_finish(process);
        return;
    }
    if (process->phase == NPRI_PHASE_CLOSING) {
        npri_process_close(worker, process);
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
            verdict = npri_process_begin(process);
        } else if (process->resumes != NULL) {
            verdict = npri_process_resume(process);
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
        (void)npri_process_end(process);
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
    } else if (npri_process_after(process, status) == NPRI_GO_ON) {
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
    } else if (npri_process_begin(process) == NPRI_GO_ON) {
        process_run_code(process, thread);
    }
    thread->ended = true;
    npri_thread_hold(thread);
    process_account(&thread->worker, process);
    return npri_process_end(process);
}

bool npri_process_end_again(struct npr_process *process)
{
    return process->phase == NPRI_PHASE_FORWARDING ? npri_forward_turn(process)
                                                   : npri_process_finish(process);
}
