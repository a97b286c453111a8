#include "runtime/handover.h"

#include "runtime/internal.h"
#include "runtime/words.h"
#include "term/builder.h"

static const struct npr_term no_term;

npr_status npri_handover_tell(struct npr_process *process,
                              uint64_t operation,
                              npr_status status,
                              struct npr_term state)
{
    const struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_pid pid = npri_runtime_pid(runtime, process->local);

    return runtime->options.handed(
        runtime->options.user,
        &(struct npri_handed){.pid = &pid,
                              .operation = operation,
                              .status = status,
                              .state = state,
                              .function = process->origin->function,
                              .args = process->start == NULL ? no_term : process->start->args});
}

static enum npri_verdict after_telling(npr_status status)
{
    return status == NPR_ENOMEM ? NPRI_AGAIN : NPRI_GO_ON;
}

enum npri_verdict npri_handover_decline(struct npr_process *process,
                                        const struct npri_signal *signal,
                                        npr_status status)
{
    return after_telling(npri_handover_tell(process, signal->id, status, no_term));
}

bool npri_handover_is_due(const struct npr_process *process)
{
    return process->transit == NPRI_TRANSIT_HANDING && process->end_block != NULL &&
           !process->awake;
}

enum npri_verdict npri_handover_move(struct npr_process *process)
{
    process->transit = NPRI_TRANSIT_MOVES;
    return npri_process_set_end(process, NPRI_WORD_SHUTDOWN_MOVED, process->end_block);
}

static void pause_for_move(struct npr_process *process)
{
    process->transit = NPRI_TRANSIT_HANDING;
    process->paused = true;
}

/* `signal` becomes what says to whom the end is to be told. */
static enum npri_verdict move_without_state(struct npr_process *process, struct npri_signal *signal)
{
    pause_for_move(process);
    process->end_block = signal;
    return npri_handover_is_due(process) ? npri_handover_move(process) : NPRI_KEPT;
}

/* Once it has built its state, which is whole: it waits. */
static enum npri_verdict hand_over(struct npr_process *process,
                                   const struct npri_signal *signal,
                                   struct npr_term state)
{
    const npr_status status = npri_handover_tell(process, signal->id, NPR_OK, state);

    if (status == NPR_OK) {
        pause_for_move(process);
    }
    return after_telling(status);
}

static enum npri_verdict handover_run(struct npr_process *process,
                                      struct npri_signal *signal,
                                      struct npr_builder *builder)
{
    struct npr_term state;
    npr_status status;

    process->worker->terminating = true; /* it may not end, or continue */
    status = process->origin->behaviour->handover(process, process->state, builder);
    process->worker->terminating = false;
    npri_batch_send(process->origin->runtime, &process->worker->batch);
    process->active = true;
    if (status != NPR_OK) {
        return npri_handover_decline(process, signal, NPR_EREFUSED);
    }
    if (npri_builder_is_empty(builder)) {
        return move_without_state(process, signal);
    }
    status = npr_builder_finish(builder, &state, NULL);
    if (status == NPR_ENOMEM) {
        return NPRI_AGAIN;
    }
    return status == NPR_OK ? hand_over(process, signal, state)
                            : npri_handover_decline(process, signal, NPR_EINVAL);
}

enum npri_verdict npri_handover_on_signal(struct npr_process *process, struct npri_signal *signal)
{
    struct npr_builder *builder;
    enum npri_verdict verdict;

    if (process->transit != NPRI_TRANSIT_NONE || process->deferred) {
        return npri_handover_decline(process, signal, NPR_EREFUSED);
    }
    if (process->origin->behaviour->handover == NULL) {
        return move_without_state(process, signal);
    }
    builder = npr_builder_create();
    if (builder == NULL) {
        return NPRI_AGAIN;
    }
    verdict = handover_run(process, signal, builder);
    npr_builder_destroy(builder);
    return verdict;
}

/* It goes on as if nothing had been asked. */
static enum npri_verdict move_failed(struct npr_process *process)
{
    process->transit = NPRI_TRANSIT_NONE;
    npri_signal_destroy(process->end_block);
    process->end_block = NULL;
    process->paused = false;
    npri_process_release(process);
    return npri_process_info(process, NPRI_WORD_HANDOVER_FAILED);
}

enum npri_verdict npri_handover_on_moved(struct npr_process *process, struct npri_signal *signal)
{
    if (process->transit != NPRI_TRANSIT_HANDING || npri_process_is_at(process, signal->from)) {
        return NPRI_GO_ON;
    }
    if (signal->from.data == NULL) {
        return move_failed(process);
    }
    process->transit = NPRI_TRANSIT_MOVES;
    return npri_process_set_end(process, NPRI_WORD_SHUTDOWN_MOVED, signal);
}
