/* {system,From,Request}: what Erlang's sys module asks of every process that follows OTP's design.
 */
#include <string.h>

#include "runtime/internal.h"
#include "runtime/words.h"

/* What describe says, or `opaque`.  False: no memory. */
static bool build_state(struct npr_builder *out, struct npr_process *process)
{
    const struct npr_behaviour *behaviour = process->origin->behaviour;
    struct npr_builder *state = NULL;
    struct npr_term term = NPRI_WORD_OPAQUE;

    if (behaviour->describe != NULL) {
        state = npr_builder_create();
        if (state == NULL) {
            return false;
        }
        process->worker->terminating = true; /* it may look, not stop or continue */
        if (behaviour->describe(process, process->state, state) != NPR_OK ||
            npr_builder_finish(state, &term, NULL) != NPR_OK) {
            term = NPRI_WORD_OPAQUE;
        }
        process->worker->terminating = false;
    }
    npr_build_term(out, term);
    npr_builder_destroy(state);
    return true;
}

static void build_pair(struct npr_builder *out, const char *key)
{
    npr_build_tuple(out, 2);
    npr_build_string(out, key);
}

/* As gen_server's: what io:format shows well. */
static bool build_details(struct npr_builder *out, struct npr_process *process)
{
    bool complete;

    npr_build_list(out, 2);
    npr_build_tuple(out, 2);
    npr_build_atom(out, "data");
    npr_build_list(out, 3);
    build_pair(out, "Function");
    npr_build_string(out, process->origin->function);
    build_pair(out, "Messages handled");
    npr_build_uint(out, atomic_load_explicit(&process->taken, memory_order_relaxed));
    build_pair(out, "Messages waiting");
    npr_build_uint(out, npri_process_waiting(process));
    npr_build_nil(out);
    npr_build_tuple(out, 2);
    npr_build_atom(out, "data");
    npr_build_list(out, 1);
    build_pair(out, "State");
    complete = build_state(out, process);
    npr_build_nil(out);
    npr_build_nil(out);
    return complete;
}

/* {status,Pid,{module,Module},[Dictionary,State,Parent,Debug,Details]}. */
static bool build_status(struct npr_builder *out, struct npr_process *process)
{
    const struct npr_pid self = npr_self(process);
    const char *colon = strchr(process->origin->function, ':');
    const size_t module_bytes = colon == NULL ? strlen(process->origin->function)
                                              : (size_t)(colon - process->origin->function);
    bool complete;

    npr_build_tuple(out, 4);
    npr_build_atom(out, "status");
    npr_build_pid(out, &self);
    npr_build_tuple(out, 2);
    npr_build_atom(out, "module");
    npr_build_atom_bytes(out, npri_bytes(process->origin->function, module_bytes));
    npr_build_list(out, 5);
    npr_build_nil(out);
    npr_build_atom(out, npri_process_is_suspended(process) ? "suspended" : "running");
    npr_build_pid(out, &self); /* it has no parent that would be told of as such */
    npr_build_nil(out);
    complete = build_details(out, process);
    npr_build_nil(out);
    return complete;
}

static enum npri_verdict process_answer(struct npr_process *process,
                                        const struct npr_from *from,
                                        struct npr_term reply)
{
    return npri_process_reply(process, from->pid, from->tag, reply) == NPR_ENOMEM ? NPRI_AGAIN
                                                                                  : NPRI_GO_ON;
}

/* Answers with what is built. */
static enum npri_verdict process_answer_long(struct npr_process *process,
                                             const struct npr_from *from,
                                             bool is_status)
{
    struct npr_builder *builder = npr_builder_create();
    enum npri_verdict verdict = NPRI_AGAIN;
    struct npr_term reply;
    bool complete;

    if (builder == NULL) {
        return NPRI_AGAIN;
    }
    if (is_status) {
        complete = build_status(builder, process);
    } else {
        complete = build_state(builder, process);
    }
    if (complete) {
        const npr_status status = npr_builder_finish(builder, &reply, NULL);

        if (status == NPR_OK) {
            verdict = process_answer(process, from, reply);
        } else if (status != NPR_ENOMEM) { /* a state that is too large for a message */
            verdict = process_answer(process, from, NPRI_WORD_ERROR_ENOTSUP);
        }
    }
    npr_builder_destroy(builder);
    return verdict;
}

void npri_process_unsuspend(struct npr_process *process)
{
    atomic_store_explicit(&process->suspended, false, memory_order_relaxed);
    npri_process_release(process);
}

void npri_process_release(struct npr_process *process)
{
    if (npri_process_is_suspended(process) || process->paused) {
        return;
    }
    while (process->held != NULL) { /* the newest first: the oldest ends in front */
        struct npri_signal *signal = process->held;

        process->held = signal->next;
        signal->next = process->todo;
        process->todo = signal;
    }
}

enum npri_verdict npri_process_system(struct npr_process *process,
                                      const struct npr_from *from,
                                      struct npr_term request,
                                      struct npri_signal *signal)
{
    struct npr_term parts[2];
    enum npri_verdict verdict;

    if (npr_term_is_atom(request, "get_state")) {
        return process_answer_long(process, from, false);
    }
    if (npr_term_is_atom(request, "get_status")) {
        return process_answer_long(process, from, true);
    }
    if (npr_term_is_atom(request, "suspend") || npr_term_is_atom(request, "resume")) {
        verdict = process_answer(process, from, NPRI_WORD_OK);
        if (verdict == NPRI_GO_ON && npr_term_is_atom(request, "suspend")) {
            atomic_store_explicit(&process->suspended, true, memory_order_relaxed);
        } else if (verdict == NPRI_GO_ON) {
            npri_process_unsuspend(process);
        }
        return verdict;
    }
    if (npr_term_get_tuple(request, 2, parts) && npr_term_is_atom(parts[0], "terminate")) {
        verdict = process_answer(process, from, NPRI_WORD_OK);
        return verdict == NPRI_GO_ON ? npri_process_set_end(process, parts[1], signal) : verdict;
    }
    return process_answer(process, from, NPRI_WORD_ERROR_ENOTSUP);
}

/* What would run a callback, and is no request of sys itself.  The end of a node does not wait: it
 * must not break what is made after it. */
bool npri_process_holds(const struct npr_process *process, const struct npri_signal *signal)
{
    switch (signal->kind) {
    case NPRI_SIGNAL_MESSAGE:
    case NPRI_SIGNAL_PLAIN:
        return !npri_message_is_system(signal->payload);
    case NPRI_SIGNAL_TIMER:
        return process->idle == NULL || signal != &process->idle->signal;
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL:
    case NPRI_SIGNAL_ANSWER:
    case NPRI_SIGNAL_DOWN:
    case NPRI_SIGNAL_HANDOVER:
        return true;
    case NPRI_SIGNAL_EXIT:
        return process->traps_exit && !npr_term_is_atom(signal->payload, "kill");
    case NPRI_SIGNAL_EXIT_LINK:
        return process->traps_exit;
    case NPRI_SIGNAL_LINK:
    case NPRI_SIGNAL_UNLINK:
    case NPRI_SIGNAL_UNLINK_ACK:
    case NPRI_SIGNAL_MONITOR:
    case NPRI_SIGNAL_DEMONITOR:
    case NPRI_SIGNAL_GROUP_LEADER:
    case NPRI_SIGNAL_SPAWN_REQUEST:
    case NPRI_SIGNAL_SPAWN_REPLY:
    case NPRI_SIGNAL_NODE_DOWN:
    case NPRI_SIGNAL_NUDGE:
    case NPRI_SIGNAL_TELL:
    case NPRI_SIGNAL_CONFLICT: /* two processes of one key do not wait */
    case NPRI_SIGNAL_MOVED:
        return false;
    }
    return false;
}
