/* Messages as Erlang's gen_server takes them: calls, casts, and the requests that every process of
 * an Erlang node answers without its own doing. */
#include <string.h>

#include "runtime/call.h"
#include "runtime/internal.h"
#include "runtime/words.h"

bool npri_tag_alias(struct npr_term tag, struct npr_term *out_ref)
{
    struct npr_term_walk walk;
    struct npr_term first;
    struct npr_term rest;

    if (!npr_term_list(tag, &walk) || !npr_term_next(&walk, &first)) {
        return false;
    }
    if (npr_term_kind(first) == NPR_TERM_LIST) {
        return npr_term_list(first, &walk) && npr_term_next(&walk, &first) &&
               npr_term_is_atom(first, "alias") && npr_term_tail(&walk, out_ref) &&
               npr_term_kind(*out_ref) == NPR_TERM_REF;
    }
    if (!npr_term_is_atom(first, "alias") || !npr_term_tail(&walk, &rest) ||
        npr_term_kind(rest) != NPR_TERM_REF) {
        return false;
    }
    *out_ref = rest;
    return true;
}

/* Which of Erlang's own forms a message may have, by its first bytes alone: nearly all have none.
 * Messages are in normal form, so that each form begins in one way. */
enum message_form {
    FORM_PLAIN,
    FORM_CALL,   /* {'$gen_call',{Pid,Tag},Request} */
    FORM_CAST,   /* {'$gen_cast',Message} */
    FORM_SYSTEM, /* {system,{Pid,Tag},Request} */
    FORM_IO,     /* {io_request,Pid,ReplyAs,Request} */
};

static enum message_form message_form(struct npr_term message)
{
    static const struct {
        enum message_form form;
        uint8_t size;
        const char *head; /* SMALL_TUPLE_EXT, arity, SMALL_ATOM_UTF8_EXT, length, atom */
    } forms[] = {
        {FORM_CALL, 13, "\x68\x03\x77\x09$gen_call"},
        {FORM_CAST, 13, "\x68\x02\x77\x09$gen_cast"},
        {FORM_SYSTEM, 10, "\x68\x03\x77\x06system"},
        {FORM_IO, 14, "\x68\x04\x77\x0aio_request"},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        /* The length of the atom tells them apart from most others at one glance. */
        if (message.size > forms[i].size && message.data[3] == (uint8_t)forms[i].head[3] &&
            memcmp(message.data, forms[i].head, forms[i].size) == 0) {
            return forms[i].form;
        }
    }
    return FORM_PLAIN;
}

/* {Tag,{Pid,_},Request}: who asks, and what. */
static bool read_request(struct npr_term message,
                         struct npr_from *out,
                         struct npr_term *out_request)
{
    struct npr_term parts[3];
    struct npr_term from[2];

    if (!npr_term_get_tuple(message, 3, parts) || !npr_term_get_tuple(parts[1], 2, from) ||
        npr_term_kind(from[0]) != NPR_TERM_PID) {
        return false;
    }
    *out = (struct npr_from){.pid = from[0], .tag = from[1]};
    *out_request = parts[2];
    return true;
}

bool npri_message_has_form(struct npr_term message)
{
    return message_form(message) != FORM_PLAIN;
}

bool npri_message_is_call(struct npr_term message,
                          struct npr_from *out_from,
                          struct npr_term *out_request)
{
    return message_form(message) == FORM_CALL && read_request(message, out_from, out_request);
}

bool npri_message_is_system(struct npr_term message)
{
    struct npr_from from;
    struct npr_term request;

    return message_form(message) == FORM_SYSTEM && read_request(message, &from, &request);
}

bool npri_message_asker(struct npr_term message, struct npr_from *out)
{
    const enum message_form form = message_form(message);
    struct npr_term request;

    return (form == FORM_CALL || form == FORM_SYSTEM) && read_request(message, out, &request);
}

static bool read_io(struct npr_term message, struct npr_term out_parts[4])
{
    return npr_term_get_tuple(message, 4, out_parts) && npr_term_kind(out_parts[1]) == NPR_TERM_PID;
}

bool npri_message_is_for_runtime(struct npr_term message)
{
    struct npr_term parts[4];

    return npri_message_is_system(message) ||
           (message_form(message) == FORM_IO && read_io(message, parts));
}

void npri_runtime_refuse(struct npri_runtime *runtime,
                         struct npri_local local,
                         struct npri_signal *signal)
{
    static const uint8_t pair_header[] = {104, 2};
    uint8_t self[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE};
    struct npri_signal *answer = NULL;
    struct npr_from caller;
    struct npr_term request;

    if (signal->kind == NPRI_SIGNAL_CALL) {
        npri_call_overload(runtime, signal);
        return;
    }
    if (npri_message_is_call(signal->payload, &caller, &request)) {
        const struct npr_term parts[] = {
            {.data = pair_header, .size = sizeof(pair_header)},
            caller.tag,
            NPRI_WORD_ERROR_OVERLOAD,
        };

        draft.from = npri_local_pid(runtime, local, self);
        draft.to = caller.pid;
        (void)npri_tag_alias(caller.tag, &draft.to);
        answer = npri_signal_create_parts(&draft, parts, 3);
    }
    npri_signal_destroy(signal);
    /* Without memory the caller waits for its time-out, as for a message that is lost. */
    if (answer != NULL) {
        npri_runtime_deliver(runtime, answer); /* no call: this does not come here again */
    }
}

npr_status npri_runtime_reply(struct npri_runtime *runtime,
                              struct npr_term sender,
                              const struct npr_from *from,
                              struct npr_term reply)
{
    static const uint8_t pair_header[] = {104, 2};
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .from = sender, .to = from->pid};
    struct npri_signal *answer;

    if (reply.data == NULL || from->tag.data == NULL || npr_term_kind(from->pid) != NPR_TERM_PID) {
        return NPR_EINVAL;
    }
    (void)npri_tag_alias(from->tag, &draft.to);
    answer = npri_signal_create_parts(
        &draft,
        (const struct npr_term[]){
            {.data = pair_header, .size = sizeof(pair_header)}, from->tag, reply},
        3);
    if (answer == NULL) {
        return NPR_ENOMEM;
    }
    npri_runtime_deliver(runtime, answer);
    return NPR_OK;
}

npr_status npri_process_reply(struct npr_process *process,
                              struct npr_term pid,
                              struct npr_term tag,
                              struct npr_term reply)
{
    static const uint8_t pair_header[] = {104, 2};
    const struct npr_term parts[] = {
        {.data = pair_header, .size = sizeof(pair_header)},
        tag,
        reply,
    };
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = pid};
    struct npri_local local;
    npr_status status;

    if (npri_call_reply(process, tag, reply, &status)) {
        return status;
    }
    if (!npri_tag_alias(tag, &draft.to) && /* else it stays the pid */
        npri_pid_place(process->origin->runtime, pid, &local) == NPRI_PLACE_HERE) {
        return npri_runtime_send_local(process->origin->runtime, process->local, local, parts, 3);
    }
    return npri_process_send(process, &draft, parts, 3);
}

/* {io_reply,ReplyAs,ok} for output, which has nowhere to go; {error,enotsup} for anything else. */
static npr_status process_answer_io(struct npr_process *process, const struct npr_term request[4])
{
    static const uint8_t triple_header[] = {104, 3};
    struct npr_term_walk walk;
    struct npr_term name = {0};
    uint32_t arity = 0;
    const bool is_output = npr_term_tuple(request[3], &walk, &arity) &&
                           npr_term_next(&walk, &name) && npr_term_is_atom(name, "put_chars");
    const struct npr_term parts[] = {
        {.data = triple_header, .size = sizeof(triple_header)},
        NPRI_WORD_IO_REPLY,
        request[2],
        is_output ? NPRI_WORD_OK : NPRI_WORD_ERROR_ENOTSUP,
    };
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = request[1]};

    return npri_process_send(process, &draft, parts, 4);
}

static enum npri_verdict after_answer(npr_status status)
{
    return status == NPR_ENOMEM ? NPRI_AGAIN : NPRI_GO_ON;
}

enum npri_verdict npri_process_on_message(struct npr_process *process, struct npri_signal *signal)
{
    const struct npr_term message = signal->payload;
    struct npr_from from;
    struct npr_term request;
    struct npr_term parts[4];

    if (signal->kind == NPRI_SIGNAL_CALL) {
        return npri_process_on_call(process, signal);
    }
    switch (message_form(message)) {
    case FORM_PLAIN:
        break;
    case FORM_CALL:
        if (read_request(message, &from, &request)) {
            return npri_process_call(process, &from, request);
        }
        break;
    case FORM_SYSTEM:
        if (read_request(message, &from, &request)) {
            return npri_process_system(process, &from, request, signal);
        }
        break;
    case FORM_CAST:
        if (npr_term_get_tuple(message, 2, parts)) {
            return npri_process_cast(process, parts[1]);
        }
        break;
    case FORM_IO:
        if (read_io(message, parts)) {
            return after_answer(process_answer_io(process, parts));
        }
        break;
    }
    return npri_process_info(process, message);
}
