/* What a process is given by its callbacks, from init on, and what becomes of it after each. */
#include <string.h>

#include "runtime/internal.h"
#include "runtime/outside.h"
#include "runtime/words.h"

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

enum npri_verdict npri_process_after(struct npr_process *process, npr_status status)
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
    return npri_process_after(process,
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
    return npri_process_after(
        process, process->origin->behaviour->call(process, process->state, from, request));
}

enum npri_verdict npri_process_cast(struct npr_process *process, struct npr_term message)
{
    if (process->origin->behaviour->cast == NULL) {
        return NPRI_GO_ON;
    }
    return npri_process_after(process,
                              process->origin->behaviour->cast(process, process->state, message));
}

enum npri_verdict npri_process_answered(struct npr_process *process,
                                        const struct npr_answer *answer)
{
    return npri_process_after(process,
                              process->origin->behaviour->answer(process, process->state, answer));
}

enum npri_verdict npri_process_resume(struct npr_process *process)
{
    struct npri_signal *resume = process->resumes;
    npr_status status;

    process->resumes = resume->next;
    status = process->origin->behaviour->resume(process, process->state, resume->payload);
    npri_signal_destroy(resume);
    return npri_process_after(process, status);
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

void npri_process_tell_started(struct npr_process *process, npr_status status)
{
    struct npri_start *start = process->start;
    const struct npr_pid pid = npri_runtime_pid(process->origin->runtime, process->local);

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
enum npri_verdict npri_process_begin(struct npr_process *process)
{
    const struct npr_behaviour *behaviour = process->origin->behaviour;
    enum npri_verdict verdict = NPRI_GO_ON;

    if (behaviour->init != NULL) {
        const npr_status status = behaviour->init(process, process->state, process->start->args);

        verdict = npri_process_after(process, status);
        process->start_status = (int8_t)(status == NPR_OK ? NPR_EEXIT : error_status(status));
    }
    if (verdict == NPRI_GO_ON) {
        process->phase = NPRI_PHASE_LIVE;
        if (!process->deferred) {
            npri_process_tell_started(process, NPR_OK);
        }
    }
    return verdict;
}

void npri_process_started(struct npr_process *self)
{
    if (self->deferred) {
        self->deferred = false;
        npri_process_tell_started(self, NPR_OK);
        npri_process_pause(self, false);
    }
}
