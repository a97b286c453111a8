/* nprocreg register, nprocreg unregister: with the consent of the key's owner, which the node that
 * is asked gets. */
#include "commands.h"
#include "complete.h"
#include "get.h"
#include "original.h"
#include "output.h"
#include "process.h"

/* What is to be done to the table, and how. */
struct change {
    const struct arguments *arguments;
    struct session session;
    struct input key;
    struct npr_pid pid; /* register */
    bool by_original;   /* the node that is asked is no native one: nobody is asked for consent */
};

/* A native node answers `ok` or {error,Status,Text}. */
static npr_status read_answer(struct npr_builder *reply, struct npr_error *err)
{
    struct npr_term answer = {0};
    const npr_status status = npr_builder_finish(reply, &answer, err);

    if (status != NPR_OK || npr_term_is_atom(answer, "ok")) {
        return status;
    }
    return fail_with_answer(answer, err);
}

/* nprocreg_native:function(args...) of the node that is asked. */
static npr_status ask_native(struct change *change,
                             const char *function,
                             struct npr_builder *args,
                             struct npr_error *err)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = npr_builder_finish(args, &term, err);

    if (reply == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    if (status == NPR_OK) {
        status =
            session_rpc_in_time(&change->session, "nprocreg_native", function, term, reply, err);
    }
    change->by_original = session_is_undef(status, reply);
    if (status == NPR_EEXIT) {
        status = fail_with_reason(reply, err);
    } else if (status == NPR_OK) {
        status = read_answer(reply, err);
    }
    npr_builder_destroy(reply);
    return status;
}

/* ---- register. */

/* Of a process that is dead an entry would go as soon as it has come. */
static npr_status check_alive(struct change *change, struct npr_error *err)
{
    bool alive = false;
    npr_status status = process_ask_alive(&change->session, &change->pid, &alive, err);

    if (status == NPR_OK && !alive) {
        char *text = output_pid(&change->pid);

        status = fail(err, NPR_ENOPROC, "no such process: %s is dead", text);
        free(text);
    }
    return status;
}

static npr_status put(struct change *change, struct npr_error *err)
{
    const struct arguments *arguments = change->arguments;
    struct npr_builder *args;
    npr_status status =
        get_target(&change->session, arguments, arguments->positional[1], &change->pid, err);

    if (status == NPR_OK) {
        status = check_alive(change, err);
    }
    if (status != NPR_OK) {
        return status;
    }
    args = npr_builder_create();
    if (args == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    npr_build_list(args, 4);
    npr_build_term(args, change->key.term);
    npr_build_pid(args, &change->pid);
    npr_build_atom(args, arguments->replace ? "true" : "false");
    npr_build_uint(args, session_left_ms(&change->session));
    npr_build_nil(args);
    status = ask_native(change, "register", args, err);
    npr_builder_destroy(args);
    return change->by_original ? original_register(&change->session, change->key.term, &change->pid,
                                                   arguments->replace, err)
                               : status;
}

/* ---- unregister. */

static npr_status take_out(struct change *change, struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    npr_status status;

    if (args == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    npr_build_list(args, 2);
    npr_build_term(args, change->key.term);
    npr_build_uint(args, session_left_ms(&change->session));
    npr_build_nil(args);
    status = ask_native(change, "unregister", args, err);
    npr_builder_destroy(args);
    return change->by_original ? original_unregister(&change->session, change->key.term, err)
                               : status;
}

/* ---- Both. */

static void print_done(const struct change *change, const char *done)
{
    if (change->by_original) {
        (void)fprintf(
            stderr,
            "nprocreg: %.*s is no native node: only its own table was changed, and nobody "
            "was asked for consent\n",
            (int)change->session.peer.size, change->session.peer.text);
    }
    if (change->arguments->json) {
        output_json(json_pack("{s:b, s:b}", done, 1, "native", !change->by_original));
    }
}

static enum exit_code change_table(const struct arguments *arguments,
                                   npr_status (*make)(struct change *change, struct npr_error *err),
                                   const char *done)
{
    struct change change = {.arguments = arguments};
    struct npr_error err = {0};
    npr_status status = input_open_key(arguments, arguments->positional[0], &change.key, &err);

    if (status == NPR_OK) {
        status = session_open(arguments, &change.session, &err);
    }
    if (status == NPR_OK) {
        status = complete_pids(&change.session, &change.key, &err);
    }
    if (status == NPR_OK) {
        status = make(&change, &err);
    }
    if (status == NPR_OK) {
        print_done(&change, done);
    }
    if (change.session.node != NULL) {
        session_close(&change.session);
    }
    input_close(&change.key);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static enum exit_code run_register(const struct arguments *arguments)
{
    return change_table(arguments, put, "registered");
}

static enum exit_code run_unregister(const struct arguments *arguments)
{
    return change_table(arguments, take_out, "unregistered");
}

static const enum option_id register_options[] = {
    OPTION_NODE,   OPTION_REPLACE,     OPTION_TIMEOUT, OPTION_HEX,
    OPTION_BINARY, OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_register = {
    .name = "register",
    .synopsis = "KEY PID-OR-KEY",
    .summary = "Put a process that lives already under KEY, unless another one has it",
    .details =
        "The process is given by its pid, or by a key that it lives under already.  The node that "
        "is\n"
        "asked gets the consent of the key's owner, and then holds the entry, which goes when the\n"
        "process dies.  With --replace an entry of another process goes first, wherever it is; "
        "that\n"
        "process is not told, and goes on without it.\n\n"
        "Exit code 1: the process is dead.  4: no answer in time; the text says who was waited "
        "for.\n"
        "5: another process has the key (\"already registered: PID\"), or there is no quorum.\n\n"
        "A node that runs the original nprocreg asks nobody: it is told so on standard error.  "
        "The\n"
        "key is looked up first then, but a process that comes to have it meanwhile is "
        "overwritten.",
    .options = register_options,
    .positional_min = 2,
    .positional_max = 2,
    .run = run_register,
};

static const enum option_id unregister_options[] = {
    OPTION_NODE,        OPTION_TIMEOUT, OPTION_HEX, OPTION_BINARY,
    OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_unregister = {
    .name = "unregister",
    .synopsis = "KEY",
    .summary = "Take the entry of KEY away, on whatever native node it is",
    .details =
        "The process lives on, and is not restarted any more.  Without such an entry nothing "
        "happens.\n"
        "Of a node that runs the original nprocreg only its own table is changed.",
    .options = unregister_options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run_unregister,
};
