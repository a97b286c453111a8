#include "runtime/call.h"

#include <string.h>

#include "base/alloc.h"
#include "runtime/words.h"

/* Which of our references are of calls: no number that is handed out otherwise comes that far. */
#define CALL_REF_BIT 0x80000000u

/* The first word has 18 bits. */
#define SERIAL_BITS 0x3ffffu

/* [alias|Ref]: what comes before the reference. */
#define TAG_HEAD                                                                                   \
    "\x6c\x00\x00\x00\x01\x77\x05"                                                                 \
    "alias"
#define TAG_HEAD_BYTES (sizeof(TAG_HEAD) - 1)

_Static_assert(TAG_HEAD_BYTES + NPRI_IDENTITY_BYTES_MAX == NPRI_CALL_TAG_BYTES_MAX, "it fits");

static const struct npr_term no_term;

/* ---- References. */

/* The reference of a call, written to `out`. */
static struct npr_term call_ref(const struct npri_runtime *runtime,
                                struct npri_local caller,
                                uint32_t number,
                                uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    uint8_t *words = out + runtime->ref_prefix_bytes;

    memcpy(out, runtime->ref_prefix, runtime->ref_prefix_bytes);
    npri_write_u32(words, caller.serial & SERIAL_BITS);
    npri_write_u32(words + 4, caller.id);
    npri_write_u32(words + 8, number | CALL_REF_BIT);
    return (struct npr_term){.data = out, .size = runtime->ref_prefix_bytes + NPRI_REF_WORDS_BYTES};
}

/* False: it is none of a call of this node and incarnation.  Terms are in normal form: ours begin
 * as we write them. */
static bool call_ref_read(const struct npri_runtime *runtime,
                          struct npr_term ref,
                          struct npri_local *out_caller,
                          uint32_t *out_number)
{
    const uint8_t *words = ref.data + runtime->ref_prefix_bytes;

    if (ref.size != runtime->ref_prefix_bytes + NPRI_REF_WORDS_BYTES ||
        memcmp(ref.data, runtime->ref_prefix, runtime->ref_prefix_bytes) != 0 ||
        (npri_get_u32(words + 8) & CALL_REF_BIT) == 0) {
        return false;
    }
    *out_caller = (struct npri_local){.id = npri_get_u32(words + 4), .serial = npri_get_u32(words)};
    *out_number = npri_get_u32(words + 8) & ~CALL_REF_BIT;
    return true;
}

/* The number of a call of `process` itself; 0: the term is no reference of one. */
static uint32_t own_number(const struct npr_process *process, struct npr_term ref)
{
    struct npri_local caller;
    uint32_t number;

    if (process->calls == NULL || ref.data == NULL ||
        !call_ref_read(process->origin->runtime, ref, &caller, &number) ||
        caller.id != process->local.id || caller.serial != process->local.serial) {
        return 0;
    }
    return number;
}

struct npr_term npri_call_tag(const struct npri_runtime *runtime,
                              struct npri_local caller,
                              uint32_t number,
                              uint8_t out[NPRI_CALL_TAG_BYTES_MAX])
{
    const struct npr_term ref = call_ref(runtime, caller, number, out + TAG_HEAD_BYTES);

    memcpy(out, TAG_HEAD, TAG_HEAD_BYTES);
    return (struct npr_term){.data = out, .size = TAG_HEAD_BYTES + ref.size};
}

struct npr_term npri_call_tag_ref(struct npr_term tag)
{
    if (tag.size <= TAG_HEAD_BYTES || memcmp(tag.data, TAG_HEAD, TAG_HEAD_BYTES) != 0) {
        return no_term;
    }
    return (struct npr_term){.data = tag.data + TAG_HEAD_BYTES, .size = tag.size - TAG_HEAD_BYTES};
}

/* ---- The callee. */

/* The caller hears of our end until we have replied.  False: no memory. */
static bool process_owe(struct npr_process *process, struct npr_term caller, struct npr_term ref)
{
    struct npri_relation *watched =
        npri_relation_create(NPRI_RELATION_WATCHED, caller, ref, no_term);

    if (watched == NULL) {
        return false;
    }
    npri_process_tie(process, watched);
    return true;
}

enum npri_verdict npri_process_on_call(struct npr_process *process, struct npri_signal *signal)
{
    const struct npri_runtime *runtime = process->origin->runtime;
    struct npri_worker *worker = process->worker;
    uint8_t pid_bytes[NPRI_IDENTITY_BYTES_MAX];
    uint8_t tag_bytes[NPRI_CALL_TAG_BYTES_MAX];
    const struct npr_from from = {
        .pid = npri_local_pid(runtime, signal->peer, pid_bytes),
        .tag = npri_call_tag(runtime, signal->peer, signal->number, tag_bytes),
    };
    enum npri_verdict verdict;

    worker->caller = signal->peer;
    worker->call_number = signal->number;
    verdict = npri_process_call(process, &from, signal->payload);
    if (verdict != NPRI_AGAIN && worker->call_number != 0) {
        /* Without memory its time-out is left to the caller. */
        (void)process_owe(process, from.pid, npri_call_tag_ref(from.tag));
    }
    worker->call_number = 0;
    return verdict;
}

struct npri_signal *npri_call_expand(struct npr_process *process, const struct npri_signal *signal)
{
    static const uint8_t call_head[] = "\x68\x03\x77\x09$gen_call\x68\x02";
    const struct npri_runtime *runtime = process->origin->runtime;
    uint8_t bytes[2][NPRI_IDENTITY_BYTES_MAX];
    uint8_t tag_bytes[NPRI_CALL_TAG_BYTES_MAX];
    const struct npr_term caller = npri_local_pid(runtime, signal->peer, bytes[0]);
    const struct npr_term tag = npri_call_tag(runtime, signal->peer, signal->number, tag_bytes);
    const struct npri_signal draft = {
        .kind = NPRI_SIGNAL_MESSAGE,
        .from = caller,
        .to = npri_local_pid(runtime, process->local, bytes[1]),
    };
    const struct npr_term parts[] = {
        {.data = call_head, .size = sizeof(call_head) - 1}, caller, tag, signal->payload};
    struct npri_signal *message = npri_signal_create_parts(&draft, parts, 4);

    if (message != NULL && !process_owe(process, caller, npri_call_tag_ref(tag))) {
        npri_signal_destroy(message);
        message = NULL;
    }
    return message;
}

/* Whether the call is answered by the one who was called: then nobody watches any more. */
static bool process_owes(struct npr_process *process,
                         struct npri_local caller,
                         uint32_t number,
                         struct npr_term ref)
{
    struct npri_worker *worker = process->worker;
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_relation *watched;

    if (worker->call_number == number && worker->caller.id == caller.id &&
        worker->caller.serial == caller.serial) {
        worker->call_number = 0;
        return true;
    }
    watched = npri_process_relation(process, NPRI_RELATION_WATCHED, ref,
                                    npri_local_pid(process->origin->runtime, caller, bytes));
    if (watched != NULL) {
        npri_relations_remove(&process->relations, watched);
        npri_relation_destroy(watched);
    }
    return watched != NULL;
}

bool npri_call_reply(struct npr_process *process,
                     struct npr_term tag,
                     struct npr_term reply,
                     npr_status *out_status)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_term term = npri_call_tag_ref(tag);
    struct npri_signal *answer;
    struct npri_local caller;
    uint32_t number;

    if (term.data == NULL || !call_ref_read(runtime, term, &caller, &number)) {
        return false;
    }
    answer = npri_signal_create_short(NPRI_SIGNAL_ANSWER, &reply, 1);
    *out_status = answer == NULL ? NPR_ENOMEM : NPR_OK;
    if (answer != NULL) {
        answer->number = number;
        answer->unwatched = !process_owes(process, caller, number, term);
        npri_runtime_push(runtime, caller, answer, false);
    }
    return true;
}

void npri_call_fail(struct npri_runtime *runtime,
                    struct npri_signal *signal,
                    struct npr_term reason)
{
    const struct npri_local caller = signal->peer;
    struct npri_signal *answer = NULL;

    if (!npr_term_is_atom(reason, "noproc")) {
        answer = npri_signal_create_short(NPRI_SIGNAL_ANSWER, &reason, 1);
    }
    if (answer != NULL) {
        answer->number = signal->number;
        answer->status = NPR_EEXIT;
        npri_signal_destroy(signal);
    } else { /* in its own memory */
        answer = signal;
        answer->kind = NPRI_SIGNAL_ANSWER;
        answer->status = NPR_ENOPROC;
        answer->unwatched = 0;
        answer->payload = no_term;
    }
    npri_runtime_push(runtime, caller, answer, false);
}

void npri_call_overload(struct npri_runtime *runtime, struct npri_signal *signal)
{
    signal->kind = NPRI_SIGNAL_ANSWER;
    signal->payload = NPRI_WORD_ERROR_OVERLOAD;
    npri_runtime_push(runtime, signal->peer, signal, false);
}

bool npri_call_from_alias(const struct npri_runtime *runtime,
                          struct npri_signal *signal,
                          struct npri_local *out_caller)
{
    struct npr_term parts[2];
    uint32_t number;

    if (!call_ref_read(runtime, signal->to, out_caller, &number) ||
        !npr_term_get_tuple(signal->payload, 2, parts)) {
        return false;
    }
    signal->kind = NPRI_SIGNAL_ANSWER;
    signal->payload = parts[1];
    signal->number = number;
    signal->status = NPR_OK;
    signal->unwatched = 1;
    return true;
}

/* ---- The caller. */

/* What the callee, or its node, still has to tell of the call is not waited for any more.  Best
 * effort: without memory it comes, and finds no open call. */
static void process_close(struct npr_process *process, const struct npri_open_call *call)
{
    struct npri_runtime *runtime = process->origin->runtime;
    struct npri_signal draft = {.kind = NPRI_SIGNAL_DEMONITOR};
    struct npri_relation *watching = NULL;
    uint8_t bytes[2][NPRI_IDENTITY_BYTES_MAX];

    draft.ref = call_ref(runtime, process->local, call->number, bytes[0]);
    if (call->remote) {
        watching = npri_process_relation(process, NPRI_RELATION_WATCHING, draft.ref, no_term);
        draft.to = watching == NULL ? no_term : npri_relation_peer(watching);
    } else {
        draft.to = npri_local_pid(runtime, call->to, bytes[1]);
    }
    if (draft.to.data != NULL) {
        const npr_status ignored = npri_process_send(process, &draft, NULL, 0);

        (void)ignored;
    }
    if (watching != NULL) {
        npri_relations_remove(&process->relations, watching);
        npri_relation_destroy(watching);
    }
}

enum npri_verdict npri_process_on_answer(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_open_call call;

    if (process->calls == NULL ||
        !npri_open_calls_take(&process->calls->open, signal->number, &call)) {
        return NPRI_GO_ON;
    }
    if (call.remote || signal->unwatched) {
        process_close(process, &call);
    }
    return npri_process_answered(process, &(struct npr_answer){.call = call.number,
                                                               .status = (npr_status)signal->status,
                                                               .term = signal->payload});
}

bool npri_process_has_call(const struct npr_process *process, struct npr_term ref)
{
    return own_number(process, ref) != 0;
}

enum npri_verdict npri_process_call_down(struct npr_process *process,
                                         struct npr_term ref,
                                         struct npr_term reason)
{
    const uint32_t number = own_number(process, ref);
    struct npr_answer answer = {.status = NPR_EEXIT, .term = reason};
    struct npri_open_call call;

    if (number == 0 || !npri_open_calls_take(&process->calls->open, number, &call)) {
        return NPRI_GO_ON;
    }
    answer.call = number;
    if (npr_term_is_atom(reason, "noproc")) {
        answer.status = NPR_ENOPROC;
    } else if (npr_term_is_atom(reason, "noconnection")) {
        answer.status = NPR_EUNREACHABLE;
    }
    if (answer.status != NPR_EEXIT) {
        answer.term = no_term;
    }
    return npri_process_answered(process, &answer);
}

/* ---- Deadlines. */

static void calls_arm(struct npr_process *process, uint64_t due_ns)
{
    struct npri_calls *calls = process->calls;

    calls->lent = true;
    calls->due_ns = calls->alarm->due_ns = due_ns;
    npri_alarm_arm(&process->origin->runtime->alarms, calls->alarm);
}

/* The alarm goes off in time for a call that is due then. */
static void calls_due(struct npr_process *process, uint64_t due_ns)
{
    struct npri_calls *calls = process->calls;

    if (due_ns == UINT64_MAX || (calls->lent && calls->due_ns <= due_ns)) {
        return;
    }
    if (!calls->lent || npri_alarm_disarm(&process->origin->runtime->alarms, calls->alarm)) {
        calls_arm(process, due_ns);
    }
    /* Else it is on its way here already, and will be set for what is next then. */
}

bool npri_process_has_open_calls(const struct npr_process *process)
{
    return process->calls != NULL && process->calls->open.count != 0;
}

bool npri_process_is_calls_alarm(const struct npr_process *process, const struct npri_alarm *alarm)
{
    return process->calls != NULL && alarm == process->calls->alarm;
}

/* The alarm counts as lent meanwhile, so that calls made by the callbacks do not arm it. */
enum npri_verdict npri_process_on_calls_alarm(struct npr_process *process)
{
    struct npri_calls *calls = process->calls;
    const uint64_t now_ns = npri_now_ns();
    struct npri_open_calls_walk walk = {0};
    enum npri_verdict verdict = NPRI_GO_ON;
    struct npri_open_call call;

    calls->due_ns = 0;
    while (verdict == NPRI_GO_ON &&
           npri_open_calls_take_overdue(&calls->open, &walk, now_ns, &call)) {
        process_close(process, &call);
        verdict = npri_process_answered(
            process, &(struct npr_answer){.call = call.number, .status = NPR_ETIMEDOUT});
    }
    calls->lent = false;
    if (verdict == NPRI_END) {
        calls->alarm = NULL; /* its signal is freed like any other */
        return NPRI_END;
    }
    calls_due(process, npri_open_calls_deadline_ns(&calls->open));
    return NPRI_KEPT;
}

void npri_process_drop_calls(struct npr_process *process)
{
    struct npri_calls *calls = process->calls;

    if (calls == NULL) {
        return;
    }
    for (uint32_t i = 0; calls->open.count != 0 && i <= calls->open.mask; i++) {
        const struct npri_open_call *call = &calls->open.places[i];

        if (call->number != 0 && !call->remote) { /* what it is WATCHING is told by its end */
            process_close(process, call);
        }
    }
    npri_open_calls_fini(&calls->open);
    if (calls->alarm != NULL &&
        (!calls->lent || npri_alarm_disarm(&process->origin->runtime->alarms, calls->alarm))) {
        npri_signal_destroy(&calls->alarm->signal);
    }
    /* Else the alarm is in the mailbox, which is about to be emptied. */
    npri_free(calls);
    process->calls = NULL;
}

/* ---- nprocreg/process.h. */

/* False: no memory. */
static bool process_needs_calls(struct npr_process *process)
{
    if (process->calls == NULL) {
        struct npri_calls *calls = npri_alloc_zeroed(1, sizeof(*calls));

        if (calls == NULL) {
            return false;
        }
        calls->alarm = npri_alarm_create(process, no_term, no_term);
        if (calls->alarm == NULL) {
            npri_free(calls);
            return false;
        }
        process->calls = calls;
    }
    return npri_open_calls_reserve(&process->calls->open);
}

static npr_status call_here(struct npr_process *self,
                            struct npr_term request,
                            const struct npri_open_call *call)
{
    struct npri_signal *signal = npri_signal_create_short(NPRI_SIGNAL_CALL, &request, 1);

    if (signal == NULL) {
        return NPR_ENOMEM;
    }
    signal->peer = self->local;
    signal->number = call->number;
    npri_open_calls_add(&self->calls->open, call);
    npri_runtime_push(self->origin->runtime, call->to, signal, false);
    return NPR_OK;
}

/* A monitor, and {'$gen_call',{Self,[alias|Ref]},Request}. */
static npr_status call_there(struct npr_process *self,
                             const struct npr_pid *to,
                             struct npr_term request,
                             const struct npri_open_call *call)
{
    static const uint8_t call_head[] = "\x68\x03\x77\x09$gen_call\x68\x02";
    struct npri_runtime *runtime = self->origin->runtime;
    uint8_t bytes[2][NPRI_IDENTITY_BYTES_MAX];
    uint8_t tag_bytes[NPRI_CALL_TAG_BYTES_MAX];
    const struct npr_term tag = npri_call_tag(runtime, self->local, call->number, tag_bytes);
    const struct npr_term pid = npri_local_pid(runtime, self->local, bytes[0]);
    const struct npr_term target = npri_pid_term(to, bytes[1]);
    const struct npr_term parts[] = {
        {.data = call_head, .size = sizeof(call_head) - 1}, pid, tag, request};
    struct npri_relation *watching =
        npri_relation_create(NPRI_RELATION_WATCHING, target, npri_call_tag_ref(tag), no_term);
    struct npri_signal *monitor = npri_signal_create(&(struct npri_signal){
        .kind = NPRI_SIGNAL_MONITOR, .from = pid, .to = target, .ref = npri_call_tag_ref(tag)});
    struct npri_signal *message = npri_signal_create_parts(
        &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE, .from = pid, .to = target}, parts, 4);

    if (watching == NULL || monitor == NULL || message == NULL) {
        npri_relation_destroy(watching);
        npri_signal_destroy(monitor);
        npri_signal_destroy(message);
        return NPR_ENOMEM;
    }
    npri_process_tie(self, watching);
    npri_open_calls_add(&self->calls->open, call);
    npri_process_note_peer(self, to);
    npri_runtime_deliver(runtime, monitor);
    npri_runtime_deliver(runtime, message);
    return NPR_OK;
}

npr_status npr_call(struct npr_process *self,
                    const struct npr_pid *to,
                    struct npr_term request,
                    uint32_t timeout_ms,
                    uint64_t *out_call)
{
    struct npri_open_call call = {0};
    npr_status status;

    if (!npri_process_is_here(self) || to == NULL || to->node.size == 0 || request.data == NULL ||
        self->origin->behaviour->answer == NULL || npri_process_has_thread(self) ||
        self->worker->terminating) {
        return NPR_EINVAL;
    }
    if (!process_needs_calls(self)) {
        return NPR_ENOMEM;
    }
    call.number = npri_open_calls_number(&self->calls->open);
    call.deadline_ns =
        timeout_ms == UINT32_MAX ? UINT64_MAX : npri_now_ns() + timeout_ms * NPRI_NS_PER_MS;
    call.remote = !npri_runtime_is_local(self->origin->runtime, to, &call.to) ||
                  npri_local_may_be_service(call.to);
    status = call.remote ? call_there(self, to, request, &call) : call_here(self, request, &call);
    if (status != NPR_OK) {
        return status;
    }
    calls_due(self, call.deadline_ns);
    if (out_call != NULL) {
        *out_call = call.number;
    }
    return NPR_OK;
}
