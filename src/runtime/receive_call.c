/* Calls that a thread process waits for.
 *
 * The tag of a call is the reference of the monitor that watches whom it calls.  A thread takes the
 * numbers of these references from a range of its own, so it knows those that nobody waits for any
 * more: their answers are dropped, however late they come, without a list of them. */
#include <string.h>

#include "base/fail.h"
#include "base/limits.h"
#include "runtime/receive.h"
#include "runtime/words.h"
#include "term/write.h"

/* Numbers that a thread takes at once.  Beyond that many calls an answer to one of the earlier ones
 * is taken for a message. */
#define CALLS_AT_ONCE       (UINT64_C(1) << 32)

#define NAME_TERM_BYTES_MAX (NPRI_ATOM_BYTES_MAX + 8u)

/* ---- Answers. */

/* The number of the call that `message` is about: {Ref,_}, or {'DOWN',Ref,_,_,_}. */
static bool message_call(const struct npri_thread *thread,
                         struct npr_term message,
                         uint64_t *out_number)
{
    struct npr_term_walk walk;
    struct npr_term first;
    struct npr_ref ref;
    uint32_t arity;

    if (!npr_term_tuple(message, &walk, &arity) || !npr_term_next(&walk, &first)) {
        return false;
    }
    if (arity == 5 && npr_term_is_atom(first, "DOWN")) {
        (void)npr_term_next(&walk, &first);
    } else if (arity != 2) {
        return false;
    }
    return npr_term_get_ref(first, &ref) &&
           npri_runtime_ref_number(thread->process->origin->runtime, &ref, out_number);
}

bool npri_receive_is_late(const struct npri_thread *thread, struct npr_term message)
{
    uint64_t number;

    return thread->calls_next != thread->calls_first && message_call(thread, message, &number) &&
           number >= thread->calls_first && number < thread->calls_next && number != thread->call;
}

static bool is_answer(void *user, const struct npr_received *received)
{
    const struct npri_thread *thread = user;
    uint64_t number;

    return received->kind == NPR_RECEIVED_MESSAGE &&
           message_call(thread, received->term, &number) && number == thread->call;
}

/* ---- One call. */

struct call {
    struct npri_thread *thread;
    struct npr_pid peer; /* whom it calls; for a name on another node, only the node counts */
    struct npr_term to;
    struct npr_term node; /* of a name on another node, else none */
    struct npr_term ref;
    struct npri_relation *watching;
    struct npri_signal *monitor;
    struct npri_signal *request;
    struct npri_signal *demonitor;

    struct npri_buffer name;
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    uint8_t node_bytes[NPRI_IDENTITY_BYTES_MAX];
    uint8_t ref_bytes[NPRI_IDENTITY_BYTES_MAX];
};

static uint64_t new_number(struct npri_thread *thread)
{
    if (thread->calls_next == thread->calls_end) {
        /* relaxed: numbers. */
        thread->calls_first = atomic_fetch_add_explicit(&thread->process->origin->runtime->next_ref,
                                                        CALLS_AT_ONCE, memory_order_relaxed);
        thread->calls_next = thread->calls_first;
        thread->calls_end = thread->calls_first + CALLS_AT_ONCE;
    }
    return thread->calls_next++;
}

static npr_status call_address_name(struct call *call,
                                    const struct npr_address *address,
                                    struct npr_error *err)
{
    struct npri_runtime *runtime = call->thread->process->origin->runtime;
    const struct npr_bytes name = npr_bytes_of(address->name);
    struct npri_buffer node = {.data = call->node_bytes,
                               .capacity = sizeof(call->node_bytes),
                               .size_max = sizeof(call->node_bytes)};

    if (npr_node_name_equal(&address->node, &runtime->options.node)) {
        return npri_runtime_whereis(runtime, name, &call->peer)
                   ? NPR_OK
                   : npri_fail(err, NPR_ENOPROC, "no process is registered as %s", address->name);
    }
    npri_put_atom_bytes(&call->name, name);
    if (call->name.failed) {
        return npri_fail(err, name.size > NPRI_ATOM_BYTES_MAX ? NPR_EINVAL : NPR_ENOMEM,
                         "no name of a process, or no memory for it");
    }
    npri_put_node(&node, &address->node);
    call->to = (struct npr_term){.data = call->name.data, .size = call->name.size};
    call->node = (struct npr_term){.data = node.data, .size = node.size};
    call->peer = (struct npr_pid){.node = address->node};
    return NPR_OK;
}

static npr_status call_address(struct call *call,
                               const struct npr_address *address,
                               struct npr_error *err)
{
    npr_status status = NPR_OK;

    call->peer = address->pid;
    if ((address->name != NULL ? address->node.size : address->pid.node.size) == 0) {
        return npri_fail(err, NPR_EINVAL, "the address has no node");
    }
    if (address->name != NULL) {
        status = call_address_name(call, address, err);
    }
    if (status == NPR_OK && npri_process_is(call->thread->process, &call->peer)) {
        status = npri_fail(err, NPR_EINVAL, "a process cannot wait for itself");
    }
    if (status == NPR_OK && call->to.data == NULL) {
        call->to = npri_pid_term(&call->peer, call->to_bytes);
    }
    return status;
}

/* {'$gen_call',{Self,Ref},Request} */
static struct npri_signal *call_request(struct call *call, struct npr_term request)
{
    static const uint8_t triple_header[] = {104, 3};
    static const uint8_t pair_header[] = {104, 2};
    const struct npr_process *process = call->thread->process;
    uint8_t self_bytes[NPRI_IDENTITY_BYTES_MAX];
    const struct npr_term self =
        npri_local_pid(process->origin->runtime, process->local, self_bytes);
    const struct npr_term parts[] = {
        {.data = triple_header, .size = sizeof(triple_header)},
        NPRI_WORD_GEN_CALL,
        {.data = pair_header, .size = sizeof(pair_header)},
        self,
        call->ref,
        request,
    };

    return npri_signal_create_parts(
        &(struct npri_signal){
            .kind = NPRI_SIGNAL_MESSAGE, .from = self, .to = call->to, .node = call->node},
        parts, sizeof(parts) / sizeof(parts[0]));
}

static struct npri_signal *call_signal(struct call *call, enum npri_signal_kind kind)
{
    const struct npr_process *process = call->thread->process;
    uint8_t self_bytes[NPRI_IDENTITY_BYTES_MAX];

    return npri_signal_create(&(struct npri_signal){
        .kind = kind,
        .from = npri_local_pid(process->origin->runtime, process->local, self_bytes),
        .to = call->to,
        .node = call->node,
        .ref = call->ref});
}

/* Everything that it takes to begin and to end the call, so that neither can fail half way. */
static bool call_prepare(struct call *call, struct npr_term request)
{
    const struct npr_term none = {0};
    struct npr_process *process = call->thread->process;
    uint8_t peer_bytes[NPRI_IDENTITY_BYTES_MAX];
    const struct npr_ref ref =
        npri_runtime_number_ref(process->origin->runtime, call->thread->call);

    call->ref = npri_ref_term(&ref, call->ref_bytes);
    call->request = call_request(call, request);
    call->monitor = call_signal(call, NPRI_SIGNAL_MONITOR);
    call->demonitor = call_signal(call, NPRI_SIGNAL_DEMONITOR);
    call->watching = npri_relation_create(NPRI_RELATION_WATCHING,
                                          npri_pid_term(&call->peer, peer_bytes), call->ref, none);
    return call->request != NULL && call->monitor != NULL && call->demonitor != NULL &&
           call->watching != NULL;
}

static void call_begin(struct call *call)
{
    struct npr_process *process = call->thread->process;

    npri_process_tie(process, call->watching);
    call->watching = NULL;
    npri_process_note_peer(process, &call->peer);
    npri_runtime_deliver(process->origin->runtime, call->monitor);
    npri_runtime_deliver(process->origin->runtime, call->request);
    call->monitor = NULL;
    call->request = NULL;
}

/* Frees what is left, and stops watching. */
static void call_end(struct call *call)
{
    const struct npr_term none = {0};
    struct npr_process *process = call->thread->process;
    struct npri_relation *watching =
        npri_process_relation(process, NPRI_RELATION_WATCHING, call->ref, none);

    if (watching != NULL) { /* the call was begun, and the monitor has not fired */
        npri_relations_remove(&process->relations, watching);
        npri_relation_destroy(watching);
        npri_runtime_deliver(process->origin->runtime, call->demonitor);
        call->demonitor = NULL;
    }
    npri_signal_destroy(call->request);
    npri_signal_destroy(call->monitor);
    npri_signal_destroy(call->demonitor);
    npri_relation_destroy(call->watching);
    call->thread->call = 0;
}

/* What the answer says. */
static npr_status call_outcome(struct npr_term answer,
                               struct npr_builder *reply,
                               struct npr_error *err)
{
    struct npr_term parts[5];

    if (npr_term_get_tuple(answer, 2, parts)) {
        npr_build_term(reply, parts[1]);
        return NPR_OK;
    }
    (void)npr_term_get_tuple(answer, 5, parts);
    if (npr_term_is_atom(parts[4], "noproc")) {
        return npri_fail(err, NPR_ENOPROC, "no such process");
    }
    if (npr_term_is_atom(parts[4], "noconnection")) {
        return npri_fail(err, NPR_EUNREACHABLE, "the connection to its node is lost");
    }
    npr_build_term(reply, parts[4]);
    return npri_fail(err, NPR_EEXIT, "the process ended before it answered");
}

static npr_status call_wait(struct call *call,
                            uint32_t timeout_ms,
                            struct npr_builder *reply,
                            struct npr_error *err)
{
    struct npri_thread *thread = call->thread;
    struct npri_signal *current = thread->current; /* stays what it is */
    struct npr_received answer;
    npr_status status;

    thread->current = NULL;
    status = npri_receive_until(thread, npri_receive_deadline_ns(timeout_ms), is_answer, thread,
                                &answer);
    if (status == NPR_OK) {
        status = call_outcome(answer.term, reply, err);
    } else if (status == NPR_EEXIT) {
        status = npri_fail(err, NPR_ECLOSED, "the calling process has been ended");
    } else {
        status = npri_fail(err, status, "%s", npr_status_text(status));
    }
    npri_signal_destroy(thread->current);
    thread->current = current;
    return status;
}

npr_status npr_receive_call(struct npr_process *self,
                            const struct npr_address *to,
                            struct npr_term request,
                            uint32_t timeout_ms,
                            struct npr_builder *reply,
                            struct npr_error *err)
{
    struct npri_thread *thread = npri_thread_here(self);
    struct call call = {.thread = thread};
    npr_status status;

    if (thread == NULL || (!thread->running && !thread->ended) || thread->filtering) {
        return npri_fail(err, NPR_EINVAL, "not in the run of a thread process of this thread");
    }
    if (to == NULL || request.data == NULL || reply == NULL) {
        return npri_fail(err, NPR_EINVAL, "no address, request or builder");
    }
    if (thread->ended) {
        return npri_fail(err, NPR_ECLOSED, "the calling process has been ended");
    }
    npri_buffer_init(&call.name, NAME_TERM_BYTES_MAX);
    status = call_address(&call, to, err);
    if (status == NPR_OK) {
        thread->call = new_number(thread);
        if (call_prepare(&call, request)) {
            call_begin(&call);
            status = call_wait(&call, timeout_ms, reply, err);
        } else {
            status = npri_fail(err, NPR_ENOMEM, "no memory for a call");
        }
        call_end(&call);
    }
    npri_buffer_fini(&call.name);
    return status;
}
