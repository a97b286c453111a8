#include "get.h"

#include "complete.h"

#include <string.h>

static npr_status no_memory(struct npr_error *err)
{
    return fail(err, NPR_ENOMEM, "out of memory");
}

/* The arguments of nprocreg_native:get/3. */
static void build_native(struct npr_builder *builder,
                         struct npr_term key,
                         const struct input_function *function,
                         struct npr_term args,
                         uint32_t timeout_ms)
{
    npr_build_list(builder, 3);
    npr_build_term(builder, key);
    if (function == NULL) {
        npr_build_atom(builder, "undefined");
    } else if (npr_term_kind(args) == NPR_TERM_LIST) {
        npr_build_tuple(builder, 3);
        npr_build_atom(builder, function->module);
        npr_build_atom(builder, function->function);
        npr_build_term(builder, args);
    } else {
        npr_build_export(builder, function->module, function->function, 0);
    }
    npr_build_uint(builder, timeout_ms);
    npr_build_nil(builder);
}

/* The arguments of nprocreg:get_pid/1 or /2. */
static void build_original(struct npr_builder *builder,
                           struct npr_term key,
                           const struct input_function *function)
{
    npr_build_list(builder, function == NULL ? 1 : 2);
    npr_build_term(builder, key);
    if (function != NULL) {
        npr_build_export(builder, function->module, function->function, 0);
    }
    npr_build_nil(builder);
}

static npr_status use_pid(struct npr_term pid, bool started, struct got *out, struct npr_error *err)
{
    struct npr_pid value;

    if (!npr_term_get_pid(pid, &value)) {
        char *text = npr_term_print(pid);

        (void)fail(err, NPR_EPROTO, "the node answered with no pid: %s", text == NULL ? "" : text);
        free(text);
        return err->status;
    }
    out->pid = pid;
    out->node = value.node;
    out->started = started;
    return NPR_OK;
}

/* {ok,Pid,Started,Token} or {error,Status,Text}. */
static npr_status read_native(struct got *out, struct npr_error *err)
{
    struct npr_term answer = {0};
    struct npr_term parts[4];
    npr_status status = npr_builder_finish(out->reply, &answer, err);

    if (status != NPR_OK) {
        return status;
    }
    if (npr_term_get_tuple(answer, 4, parts) && npr_term_is_atom(parts[0], "ok") &&
        npr_term_get_uint64(parts[3], &out->token)) {
        return use_pid(parts[1], npr_term_is_atom(parts[2], "true"), out, err);
    }
    return fail_with_answer(answer, err);
}

/* One call of nprocreg:get_pid on a node that is not native.  NPR_ENOTFOUND for `undefined`. */
static npr_status ask_original(struct session *session,
                               struct npr_term key,
                               const struct input_function *function,
                               struct got *out,
                               struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_term term = {0};
    npr_status status;

    if (args == NULL) {
        return no_memory(err);
    }
    build_original(args, key, function);
    npr_builder_reset(out->reply);
    status = npr_builder_finish(args, &term, err);
    if (status == NPR_OK) {
        status = session_rpc(session, "nprocreg", "get_pid", term, out->reply, err);
    }
    npr_builder_destroy(args);
    if (session_is_undef(status, out->reply)) {
        return fail(err, NPR_EUNREACHABLE, "%.*s is up but runs no nprocreg",
                    (int)session->peer.size, session->peer.text);
    }
    if (status != NPR_OK) {
        return status == NPR_EEXIT ? fail_with_reason(out->reply, err) : status;
    }
    status = npr_builder_finish(out->reply, &term, err);
    if (status == NPR_OK && npr_term_is_atom(term, "undefined")) {
        char *text = npr_term_print(key);

        (void)fail(err, NPR_ENOTFOUND, "no process under %s", text == NULL ? "" : text);
        free(text);
        return NPR_ENOTFOUND;
    }
    return status == NPR_OK ? use_pid(term, function != NULL, out, err) : status;
}

/* An original cannot say whether it started the process: look first, to tell. */
static npr_status get_from_original(struct session *session,
                                    struct npr_term key,
                                    const struct input_function *function,
                                    struct got *out,
                                    struct npr_error *err)
{
    const npr_status status = ask_original(session, key, NULL, out, err);

    if (status != NPR_ENOTFOUND || function == NULL) {
        return status;
    }
    return ask_original(session, key, function, out, err);
}

npr_status get_open(struct session *session,
                    struct npr_term key,
                    const struct get_start *start,
                    struct got *out,
                    struct npr_error *err)
{
    struct input_function function;
    struct npr_builder *args;
    struct npr_term term = {0};
    npr_status status;

    *out = (struct got){0};
    if (start->function == NULL && start->args.data != NULL) {
        return fail(err, NPR_EINVAL, "--args without --start");
    }
    if (start->function != NULL && !input_function(start->function, &function)) {
        return fail(err, NPR_EINVAL, "--start %s: not of the form MODULE:FUNCTION",
                    start->function);
    }
    out->reply = npr_builder_create();
    args = npr_builder_create();
    if (out->reply == NULL || args == NULL) {
        npr_builder_destroy(args);
        return no_memory(err);
    }
    build_native(args, key, start->function == NULL ? NULL : &function, start->args,
                 session_left_ms(session));
    status = npr_builder_finish(args, &term, err);
    if (status == NPR_OK) {
        status = session_rpc_in_time(session, "nprocreg_native", "get", term, out->reply, err);
    }
    npr_builder_destroy(args);
    if (session_is_undef(status, out->reply)) {
        if (npr_term_kind(start->args) == NPR_TERM_LIST) {
            return fail(err, NPR_EREFUSED,
                        "%.*s is no native node: it starts without arguments only",
                        (int)session->peer.size, session->peer.text);
        }
        return get_from_original(session, key, start->function == NULL ? NULL : &function, out,
                                 err);
    }
    return status == NPR_OK ? read_native(out, err) : status;
}

void get_close(struct got *got)
{
    npr_builder_destroy(got->reply);
    *got = (struct got){0};
}

npr_status get_target(struct session *session,
                      const struct arguments *arguments,
                      const char *text,
                      struct npr_pid *out,
                      struct npr_error *err)
{
    struct input input = {0};
    struct got got = {0};
    npr_status status = input_open_key(arguments, text, &input, err);

    if (status == NPR_OK && npr_term_get_pid(input.term, out)) {
        status = npr_node_complete_pid(session->node, out, session_left_ms(session), err);
    } else if (status == NPR_OK) {
        status = complete_pids(session, &input, err);
        if (status == NPR_OK) {
            status = get_open(session, input.term, &(struct get_start){0}, &got, err);
        }
        if (status == NPR_OK) {
            (void)npr_term_get_pid(got.pid, out); /* get_open() has checked that it is one. */
        }
    }
    get_close(&got);
    input_close(&input);
    return status;
}
