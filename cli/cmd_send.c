/* nprocreg send, nprocreg call: a message, or a gen_server:call, to a process by pid or key. */
#include "commands.h"
#include "complete.h"
#include "get.h"
#include "output.h"

/* What both have in common: a session, the receiver and the term. */
struct delivery {
    struct session session;
    struct input term;
    struct npr_address to;
};

static npr_status delivery_open(const struct arguments *arguments,
                                struct delivery *out,
                                struct npr_error *err)
{
    npr_status status =
        input_open_term(arguments, "TERM", arguments->positional[1], &out->term, err);

    if (status == NPR_OK) {
        status = session_open(arguments, &out->session, err);
    }
    if (status == NPR_OK) {
        status = complete_pids(&out->session, &out->term, err);
    }
    if (status == NPR_OK) {
        status = get_target(&out->session, arguments, arguments->positional[0], &out->to.pid, err);
    }
    return status;
}

static void delivery_close(struct delivery *delivery)
{
    if (delivery->session.node != NULL) {
        session_close(&delivery->session);
    }
    input_close(&delivery->term);
}

/* A message is on its way once a later call to the same node was answered: one connection keeps the
 * order.  Without this the command could end before the bytes have left. */
static npr_status flush(struct delivery *delivery, struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term none = {0};
    npr_status status = fail(err, NPR_ENOMEM, "out of memory");

    if (args != NULL && reply != NULL) {
        npr_build_nil(args);
        status = npr_builder_finish(args, &none, err);
        if (status == NPR_OK) {
            status = npr_node_rpc(delivery->session.node, &delivery->to.pid.node, "erlang", "node",
                                  none, session_left_ms(&delivery->session), reply, err);
        }
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

static enum exit_code run_send(const struct arguments *arguments)
{
    struct delivery delivery = {0};
    struct npr_error err = {0};
    npr_status status = delivery_open(arguments, &delivery, &err);
    enum exit_code code = EXIT_DONE;

    if (status == NPR_OK) {
        status = npr_node_send(delivery.session.node, &delivery.to, delivery.term.term);
        if (status != NPR_OK) {
            (void)fail(&err, status, "send: %s", npr_status_text(status));
        } else {
            status = flush(&delivery, &err);
        }
    }
    if (status != NPR_OK) {
        code = report(arguments, &err);
    } else if (arguments->json) {
        output_json(json_pack("{s:b}", "sent", 1));
    }
    delivery_close(&delivery);
    return code;
}

static enum exit_code print_reply(const struct arguments *arguments,
                                  struct npr_builder *reply,
                                  struct npr_error *err)
{
    struct npr_term term = {0};
    char *text;

    if (npr_builder_finish(reply, &term, err) != NPR_OK) {
        return report(arguments, err);
    }
    if (arguments->json) {
        output_json(json_pack("{s:o}", "reply", output_term(term)));
        return EXIT_DONE;
    }
    text = output_text(term);
    (void)printf("%s\n", text);
    free(text);
    return EXIT_DONE;
}

static enum exit_code run_call(const struct arguments *arguments)
{
    struct delivery delivery = {0};
    struct npr_error err = {0};
    struct npr_builder *reply = npr_builder_create();
    npr_status status = reply == NULL ? fail(&err, NPR_ENOMEM, "out of memory")
                                      : delivery_open(arguments, &delivery, &err);
    enum exit_code code;

    if (status == NPR_OK) {
        status = npr_node_call(delivery.session.node, &delivery.to, delivery.term.term,
                               session_left_ms(&delivery.session), reply, &err);
    }
    if (status == NPR_OK) {
        code = print_reply(arguments, reply, &err);
    } else {
        if (status == NPR_EEXIT) {
            (void)fail_with_reason(reply, &err);
        }
        code = report(arguments, &err);
    }
    delivery_close(&delivery);
    npr_builder_destroy(reply);
    return code;
}

static const enum option_id options[] = {
    OPTION_NODE,        OPTION_TIMEOUT, OPTION_HEX, OPTION_BINARY,
    OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_send = {
    .name = "send",
    .synopsis = "PID-OR-KEY TERM",
    .summary = "Send a message to a process",
    .details = "PID is written as the other commands print it, e.g. '<a@127.0.0.1.85.0>'.  Exit "
               "code 0 says\n"
               "that the message reached the process's node, not that the process has acted on it.",
    .options = options,
    .positional_min = 2,
    .positional_max = 2,
    .run = run_send,
};

const struct command command_call = {
    .name = "call",
    .synopsis = "PID-OR-KEY TERM",
    .summary = "Make a gen_server:call to a process and print the reply",
    .details = "PID is written as the other commands print it, e.g. '<a@127.0.0.1.85.0>'.",
    .options = options,
    .positional_min = 2,
    .positional_max = 2,
    .run = run_call,
};
