#include "runtime/outside.h"

#include "base/assert.h"
#include "runtime/internal.h"
#include "runtime/words.h"

void npri_nudge_init(struct npri_nudge *nudge,
                     struct npr_process *self,
                     npr_status (*run)(struct npr_process *self, void *state))
{
    *nudge =
        (struct npri_nudge){.signal = {.kind = NPRI_SIGNAL_NUDGE}, .process = self, .run = run};
}

/* Not through the table, which a process that was idle has left: it is there as long as it lingers.
 */
void npri_nudge(struct npri_nudge *nudge)
{
    struct npr_process *process = nudge->process;
    struct npri_runtime *runtime = process->origin->runtime;

    if (npri_mailbox_push(&process->mailbox, &nudge->signal)) {
        npri_scheduler_add(&runtime->scheduler, process);
    }
}

npr_status npri_process_nudged(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_nudge *nudge = NPRI_CONTAINER_OF(signal, struct npri_nudge, signal);

    return nudge->run(process, process->state);
}

void npri_process_defer_start(struct npr_process *self)
{
    NPRI_ASSERT(self->phase == NPRI_PHASE_STARTING);
    self->deferred = true;
    self->paused = true;
}

void npri_process_pause(struct npr_process *self, bool paused)
{
    self->paused = paused || self->transit == NPRI_TRANSIT_HANDING;
    if (!self->paused) {
        npri_process_release(self);
    }
}

void npri_process_keep_awake(struct npr_process *self, bool awake)
{
    self->awake = awake;
}

npr_status npri_process_tell(struct npr_process *self,
                             struct npr_term to,
                             struct npr_term node,
                             struct npr_term message)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = to, .node = node};

    return npri_process_send(self, &draft, &message, 1);
}

void npri_process_linger(struct npr_process *self)
{
    NPRI_ASSERT(self->phase == NPRI_PHASE_LIVE || self->phase == NPRI_PHASE_CLOSING);
    self->lingers = true;
}

void npri_process_let_go(struct npr_process *self)
{
    self->lingers = false;
}

/* ---- CLOSING. */

static void closing_on_kill(struct npr_process *process)
{
    if (process->origin->behaviour->terminate != NULL) {
        process->origin->behaviour->terminate(process, process->state, NPRI_WORD_KILLED);
    }
}

/* False: no memory, the signal is to come once more. */
static bool closing_act(struct npr_process *process, struct npri_signal *signal)
{
    enum npri_verdict verdict = NPRI_GO_ON;

    if (process->transit >= NPRI_TRANSIT_MOVES && npri_signal_messages(signal) != 0) {
        signal->next = process->held; /* to be forwarded */
        process->held = signal;
        return true;
    }

    switch (signal->kind) {
    case NPRI_SIGNAL_NUDGE:
        return npri_process_nudged(process, signal) != NPR_ENOMEM; /* it is not ours to free */
    case NPRI_SIGNAL_LINK:
    case NPRI_SIGNAL_UNLINK:
    case NPRI_SIGNAL_UNLINK_ACK:
    case NPRI_SIGNAL_MONITOR:
    case NPRI_SIGNAL_DEMONITOR:
    case NPRI_SIGNAL_GROUP_LEADER:
    case NPRI_SIGNAL_TELL:
        verdict = npri_process_on_signal(process, signal);
        break;
    case NPRI_SIGNAL_EXIT:
        if (npr_term_is_atom(signal->payload, "kill")) {
            closing_on_kill(process);
        }
        break;
    case NPRI_SIGNAL_CALL:
        NPRI_COUNT_UP(&process->taken);
        npri_call_fail(process->origin->runtime, signal, NPRI_WORD_NOPROC);
        return true;
    case NPRI_SIGNAL_MESSAGE:
    case NPRI_SIGNAL_PLAIN:
    case NPRI_SIGNAL_BATCH:
        /* Their places in the mailbox are free.  relaxed: as NPRI_COUNT_UP. */
        atomic_store_explicit(&process->taken,
                              atomic_load_explicit(&process->taken, memory_order_relaxed) +
                                  npri_signal_messages(signal),
                              memory_order_relaxed);
        break;
    case NPRI_SIGNAL_ANSWER:
    case NPRI_SIGNAL_EXIT_LINK:
    case NPRI_SIGNAL_DOWN:
    case NPRI_SIGNAL_NODE_DOWN:
    case NPRI_SIGNAL_TIMER:
    case NPRI_SIGNAL_SPAWN_REQUEST:
    case NPRI_SIGNAL_SPAWN_REPLY:
    case NPRI_SIGNAL_CONFLICT:
    case NPRI_SIGNAL_HANDOVER: /* its end is told to who asks for that */
    case NPRI_SIGNAL_MOVED:
        break;
    }
    if (verdict == NPRI_GO_ON) {
        npri_signal_destroy(signal);
    }
    return verdict != NPRI_AGAIN;
}

enum npri_closing npri_process_closing(struct npr_process *process)
{
    process->worker->terminating = true; /* nothing that it asks for has an effect any more */
    for (unsigned i = 0; i < NPRI_TURN_SIGNALS_MAX && process->lingers; i++) {
        struct npri_signal *signal = process->todo;

        if (signal == NULL) {
            if (npri_mailbox_rest(&process->mailbox)) {
                return NPRI_CLOSING_RESTS; /* and may be anywhere */
            }
            process->todo = npri_mailbox_take(&process->mailbox);
            continue;
        }
        process->todo = signal->next;
        if (!closing_act(process, signal)) {
            signal->next = process->todo;
            process->todo = signal;
            break;
        }
    }
    return process->lingers ? NPRI_CLOSING_GOES_ON : NPRI_CLOSING_DONE;
}
