/* What requests look like on the wire, and what their answers mean (node/questions.h). */
#include <string.h>

#include "base/fail.h"
#include "node/failure.h"
#include "node/node.h"
#include "node/question.h"
#include "node/router.h"
#include "term/write.h"

/* Longest reason that is printed into an error text. */
#define REASON_TEXT_BYTES_MAX 240u

/* ---- Asking. */

/* Sends a monitor, and behind it the message of a call, or a TELL without one. */
static bool send_call(struct npr_node *node,
                      const struct npri_question *request,
                      enum npri_signal_kind kind,
                      struct npr_term message)
{
    const struct npr_term client = npri_service_pid(node, NPRI_SERVICE_CLIENT);
    struct npri_buffer peer;
    struct npri_signal draft;
    bool sent;

    npri_buffer_init(&peer, 0);
    npri_put_node(&peer, &request->peer);
    draft = (struct npri_signal){.kind = NPRI_SIGNAL_MONITOR,
                                 .node = npri_buffer_term(&peer),
                                 .from = client,
                                 .to = npri_buffer_term(&request->target),
                                 .ref = npri_buffer_term(&request->ref)};
    sent = !peer.failed && npri_router_send(node, &draft);
    draft.kind = kind;
    draft.ref = kind == NPRI_SIGNAL_TELL ? draft.ref : (struct npr_term){0};
    draft.payload = message;
    sent = sent && npri_router_send(node, &draft);
    npri_buffer_fini(&peer);
    return sent;
}

npr_status npri_question_call(struct npr_node *node,
                              const struct npri_question_options *options,
                              struct npr_term to,
                              struct npr_term what)
{
    struct npri_question *request;
    struct npri_buffer message;
    npr_status status = npri_question_begin(node, options, NPRI_QUESTION_CALL, &request);

    if (status != NPR_OK) {
        return status;
    }
    npri_buffer_init(&message, 0);
    npri_put_tuple(&message, 3);
    npri_put_atom(&message, "$gen_call");
    npri_put_tuple(&message, 2);
    npri_put_given(&message, npri_service_pid(node, NPRI_SERVICE_CLIENT));
    npri_put_given(&message, npri_buffer_term(&request->ref));
    npri_put_given(&message, what);
    npri_put_given(&request->target, to);
    if (message.failed || request->target.failed) {
        status = NPR_ENOMEM;
    } else if (!send_call(node, request, NPRI_SIGNAL_MESSAGE, npri_buffer_term(&message))) {
        /* Here nothing but memory can be short. */
        status = npr_node_name_equal(&request->peer, &node->name) ? NPR_ENOMEM : NPR_EFULL;
    }
    if (status != NPR_OK) {
        npri_question_abandon(node, request);
    }
    npri_buffer_fini(&message);
    return status;
}

npr_status npri_question_tell(struct npr_node *node,
                              const struct npri_question_options *options,
                              struct npr_term pid)
{
    struct npri_question *request;
    npr_status status = npri_question_begin(node, options, NPRI_QUESTION_CALL, &request);

    if (status != NPR_OK) {
        return status;
    }
    npri_put_given(&request->target, pid);
    if (request->target.failed ||
        !send_call(node, request, NPRI_SIGNAL_TELL, (struct npr_term){0})) {
        npri_question_abandon(node, request);
        return NPR_ENOMEM;
    }
    return NPR_OK;
}

/* Without a better one, the group leader of what we have spawned is our client: it answers io
 * requests, so that a function that prints is not held up. */
static npr_status send_spawn(struct npr_node *node,
                             struct npri_question *request,
                             struct npr_term leader,
                             struct npri_buffer *mfa,
                             struct npri_buffer *args)
{
    const bool monitored = request->kind == NPRI_QUESTION_APPLY;
    const struct npr_term client = npri_service_pid(node, NPRI_SERVICE_CLIENT);
    npr_status status = NPR_OK;
    struct npri_buffer options;

    npri_buffer_init(&options, 0);
    if (monitored) {
        npri_put_list(&options, 1);
        npri_put_atom(&options, "monitor");
    }
    npri_put_nil(&options);
    if (mfa->failed || args->failed || options.failed) {
        status = NPR_ENOMEM;
    } else if (!npri_router_spawn(
                   node, &request->peer,
                   &(struct npri_control){.kind = NPRI_CONTROL_SPAWN_REQUEST,
                                          .from = client,
                                          .ref = npri_buffer_term(&request->ref),
                                          .leader = leader.data == NULL ? client : leader,
                                          .mfa = npri_buffer_term(mfa),
                                          .options = npri_buffer_term(&options),
                                          .payload = npri_buffer_term(args)})) {
        status = NPR_EFULL;
    }
    npri_buffer_fini(&options);
    return status;
}

static npr_status request_process(struct npr_node *node,
                                  const struct npri_question_options *options,
                                  enum npri_question_kind kind,
                                  const struct npri_apply *apply)
{
    struct npri_question *request;
    struct npri_buffer mfa;
    struct npri_buffer args;
    struct npr_term_walk walk;
    struct npr_term arg;
    int64_t arity = 0;
    npr_status status = npri_question_begin(node, options, kind, &request);

    if (status != NPR_OK) {
        return status;
    }
    npri_buffer_init(&mfa, 0);
    npri_buffer_init(&args, 0);
    npri_put_tuple(&mfa, 3);
    if (kind == NPRI_QUESTION_APPLY) {
        npri_put_atom(&mfa, "erpc");
        npri_put_atom(&mfa, "execute_call");
        npri_put_int(&mfa, 4);
        npri_put_list(&args, 4);
        /* Unique is all that erpc wants of it. */
        npri_put_given(&args, npri_buffer_term(&request->ref));
        npri_put_given(&args, apply->module);
        npri_put_given(&args, apply->function);
        npri_put_given(&args, apply->args);
        npri_put_nil(&args);
    } else {
        if (npr_term_list(apply->args, &walk)) {
            while (npr_term_next(&walk, &arg)) {
                arity++;
            }
        }
        npri_put_given(&mfa, apply->module);
        npri_put_given(&mfa, apply->function);
        npri_put_int(&mfa, arity);
        npri_put_given(&args, apply->args);
    }
    status = send_spawn(node, request, apply->leader, &mfa, &args);
    if (status != NPR_OK) {
        npri_question_abandon(node, request);
    }
    npri_buffer_fini(&mfa);
    npri_buffer_fini(&args);
    return status;
}

npr_status npri_question_apply(struct npr_node *node,
                               const struct npri_question_options *options,
                               const struct npri_apply *apply)
{
    return request_process(node, options, NPRI_QUESTION_APPLY, apply);
}

npr_status npri_question_spawn(struct npr_node *node,
                               const struct npri_question_options *options,
                               const struct npri_apply *apply)
{
    return request_process(node, options, NPRI_QUESTION_SPAWN, apply);
}

/* ---- Answers. */

/* Ends a request with a reason: as it is, and in words. */
static void end_with_reason(struct npr_node *node,
                            struct npri_question *request,
                            npr_status status,
                            const char *what,
                            struct npr_term reason)
{
    struct npri_buffer text;

    npri_buffer_init(&text, REASON_TEXT_BYTES_MAX);
    npri_put_bytes(&text, npr_bytes_of(what));
    npri_term_print(reason, &text);
    npri_question_end(
        node, request,
        &(struct npri_outcome){.status = status,
                               .term = status == NPR_EEXIT ? reason : (struct npr_term){0},
                               .text = npri_buffer_bytes(&text)});
    npri_buffer_fini(&text);
}

/* {nprocreg_error, Status, Text}: why a native node failed a request (failure.h). */
static bool read_native_error(struct npr_term reason,
                              npr_status *out_status,
                              struct npr_bytes *out_text)
{
    struct npr_term parts[3];

    return npr_term_get_tuple(reason, 3, parts) && npr_term_is_atom(parts[0], "nprocreg_error") &&
           npri_status_read(parts[1], out_status) && *out_status != NPR_OK &&
           npr_term_get_binary(parts[2], out_text);
}

static bool end_with_native_error(struct npr_node *node,
                                  struct npri_question *request,
                                  struct npr_term reason)
{
    struct npri_outcome outcome = {0};

    if (!read_native_error(reason, &outcome.status, &outcome.text)) {
        return false;
    }
    if (outcome.status == NPR_EEXIT) {
        outcome.term = reason;
    }
    npri_question_end(node, request, &outcome);
    return true;
}

static void on_call_down(struct npr_node *node, struct npri_question *request, struct npr_term why)
{
    if (npr_term_is_atom(why, "noproc")) {
        npri_question_end(
            node, request,
            &(struct npri_outcome){.status = NPR_ENOPROC, .text = npr_bytes_of("no such process")});
    } else if (!end_with_native_error(node, request, why)) {
        end_with_reason(node, request, NPR_EEXIT, "the process ended: ", why);
    }
}

/* {Res, Class, Reason}, and for errors {Res, error, Reason, Stack}. */
static bool is_exception(struct npr_term why, struct npr_term parts[4])
{
    if (npr_term_get_tuple(why, 4, parts)) {
        return npr_term_is_atom(parts[1], "error");
    }
    return npr_term_get_tuple(why, 3, parts) &&
           (npr_term_is_atom(parts[1], "throw") || npr_term_is_atom(parts[1], "exit") ||
            npr_term_is_atom(parts[1], "error"));
}

/* The exit reason of erpc's process is the answer. */
static void on_apply_down(struct npr_node *node, struct npri_question *request, struct npr_term why)
{
    struct npr_term parts[4];
    struct npri_buffer reason;
    struct npri_outcome told = {0};
    bool in_words = false;

    if (npr_term_get_tuple(why, 3, parts) && npr_term_is_atom(parts[1], "return")) {
        npri_question_end(node, request,
                          &(struct npri_outcome){.status = NPR_OK, .term = parts[2]});
        return;
    }
    npri_buffer_init(&reason, 0);
    npri_put_tuple(&reason, 2);
    if (is_exception(why, parts)) {
        npri_put_given(&reason, parts[1]);
        npri_put_given(&reason, parts[2]);
        in_words = read_native_error(parts[2], &told.status, &told.text);
    } else {
        npri_put_atom(&reason, "exit");
        npri_put_given(&reason, why);
    }
    if (reason.failed) {
        npri_question_end(node, request, &(struct npri_outcome){.status = NPR_ENOMEM});
    } else if (in_words) { /* A native node has said it for people; the term stays what it is. */
        told.status = NPR_EEXIT;
        told.term = npri_buffer_term(&reason);
        npri_question_end(node, request, &told);
    } else {
        end_with_reason(node, request, NPR_EEXIT,
                        "the function failed: ", npri_buffer_term(&reason));
    }
    npri_buffer_fini(&reason);
}

static void on_spawn_reply(struct npr_node *node,
                           struct npri_question *request,
                           const struct npri_signal *signal)
{
    if (npr_term_kind(signal->payload) != NPR_TERM_PID) {
        end_with_reason(node, request, NPR_EREFUSED, "the node would not spawn: ", signal->payload);
    } else if (request->kind == NPRI_QUESTION_SPAWN) {
        npri_question_end(node, request,
                          &(struct npri_outcome){.status = NPR_OK, .term = signal->payload});
    } else if (request->target.size == 0) {
        npri_put_given(&request->target,
                       signal->payload); /* To take the monitor back, if need be */
    }
}

/* {Ref, Reply}: the answer to a call. */
static bool on_message(struct npr_node *node, struct npr_term message)
{
    struct npri_question *request;
    struct npr_term parts[2];

    if (!npr_term_get_tuple(message, 2, parts) || npr_term_kind(parts[0]) != NPR_TERM_REF) {
        return false;
    }
    request = npri_question_find(node, parts[0]);
    if (request != NULL && request->kind == NPRI_QUESTION_CALL) {
        npri_question_demonitor(node, request);
        npri_question_end(node, request,
                          &(struct npri_outcome){.status = NPR_OK, .term = parts[1]});
    }
    return true;
}

bool npri_questions_on_signal(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_question *request;

    if (signal->kind == NPRI_SIGNAL_MESSAGE) {
        return on_message(node, signal->payload);
    }
    if (signal->kind != NPRI_SIGNAL_DOWN && signal->kind != NPRI_SIGNAL_SPAWN_REPLY) {
        return false;
    }
    request = npri_question_find(node, signal->ref);
    if (request == NULL) {
        return false;
    }
    if (signal->kind == NPRI_SIGNAL_SPAWN_REPLY) {
        if (request->kind == NPRI_QUESTION_SPAWN || request->kind == NPRI_QUESTION_APPLY) {
            on_spawn_reply(node, request, signal);
        }
    } else if (npr_term_is_atom(signal->payload, "noconnection")) {
        return true; /* The connection's end follows, and knows why. */
    } else if (request->kind == NPRI_QUESTION_CALL) {
        on_call_down(node, request, signal->payload);
    } else if (request->kind == NPRI_QUESTION_APPLY) {
        on_apply_down(node, request, signal->payload);
    }
    return true;
}
