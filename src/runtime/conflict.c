#include "runtime/conflict.h"

#include "runtime/internal.h"
#include "term/builder.h"
#include "term/write.h"

/* What a worker has put into its buffer. */
static struct npr_term buffer_term(const struct npri_buffer *buffer)
{
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

/* EXIT from the winner with {nprocreg,conflict,Winner}.  NULL: no memory. */
static struct npri_signal *conflict_reason(const struct npri_signal *conflict)
{
    static const uint8_t head[] = "\x68\x03\x77\x08nprocreg\x77\x08"
                                  "conflict";
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT, .from = conflict->from};
    const struct npr_term parts[] = {{.data = head, .size = sizeof(head) - 1}, conflict->from};

    return npri_signal_create_parts(&draft, parts, 2);
}

/* {nprocreg,handover,Key,Loser,State} to the winner.  Without memory the state is lost. */
static void conflict_send_state(struct npr_process *process,
                                const struct npri_signal *conflict,
                                struct npr_term state)
{
    static const uint8_t head[] = "\x68\x05\x77\x08nprocreg\x77\x08handover";
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = conflict->from};
    uint8_t self[NPRI_IDENTITY_BYTES_MAX];
    const struct npr_term parts[] = {
        {.data = head, .size = sizeof(head) - 1},
        conflict->payload,
        npri_local_pid(process->origin->runtime, process->local, self),
        state,
    };
    const npr_status ignored = npri_process_send(process, &draft, parts, 4);

    (void)ignored;
}

/* Runs the callback.  Nothing built, or not one term: nothing is sent. */
static npr_status conflict_run(struct npr_process *process,
                               const struct npri_signal *signal,
                               struct npr_builder *state)
{
    struct npr_conflict conflict = {.key = signal->payload, .token = signal->id};
    struct npr_term term;
    npr_status status;

    (void)npr_term_get_pid(signal->from, &conflict.winner);
    status = process->origin->behaviour->conflict(process, process->state, &conflict, state);
    if (status == NPR_OK && npr_builder_finish(state, &term, NULL) == NPR_OK) {
        conflict_send_state(process, signal, term);
    }
    return status;
}

/* {nprocreg,conflict,Key,Winner,Token} for a process that lives on and has no callback. */
static enum npri_verdict conflict_tell(struct npr_process *process,
                                       const struct npri_signal *signal)
{
    struct npri_buffer *message = &process->worker->message;

    npri_buffer_reset(message);
    npri_put_tuple(message, 5);
    npri_put_atom(message, "nprocreg");
    npri_put_atom(message, "conflict");
    npri_put_term(message, signal->payload);
    npri_put_term(message, signal->from);
    npri_put_uint(message, signal->id);
    return message->failed ? NPRI_AGAIN : npri_process_info(process, buffer_term(message));
}

static enum npri_verdict conflict_notify(struct npr_process *process,
                                         const struct npri_signal *signal,
                                         struct npr_builder *state)
{
    if (process->origin->behaviour->conflict == NULL) {
        return conflict_tell(process, signal);
    }
    return npri_process_after(process, conflict_run(process, signal, state));
}

/* What the callback asks for does not matter: it ends. */
static enum npri_verdict conflict_exit(struct npr_process *process,
                                       const struct npri_signal *signal,
                                       struct npr_builder *state)
{
    struct npri_signal *reason = conflict_reason(signal);

    if (reason == NULL) {
        return NPRI_AGAIN;
    }
    if (process->origin->behaviour->conflict != NULL) {
        process->worker->terminating = true;
        (void)conflict_run(process, signal, state);
        process->worker->terminating = false;
        npri_batch_send(process->origin->runtime, &process->worker->batch);
    }
    process->transit = NPRI_TRANSIT_LOSES;
    return npri_process_set_end(process, reason->payload, reason);
}

enum npri_verdict npri_conflict_on_signal(struct npr_process *process, struct npri_signal *signal)
{
    const struct npr_behaviour *behaviour = process->origin->behaviour;
    struct npr_builder *state = NULL;
    enum npri_verdict verdict = NPRI_AGAIN;

    if (npri_process_is_at(process, signal->from)) {
        return NPRI_GO_ON;
    }
    if (behaviour->conflict != NULL) {
        state = npr_builder_create();
    }
    if (behaviour->conflict == NULL || state != NULL) {
        verdict = behaviour->on_conflict == NPR_CONFLICT_NOTIFY
                      ? conflict_notify(process, signal, state)
                      : conflict_exit(process, signal, state);
    }
    npr_builder_destroy(state);
    return verdict;
}
