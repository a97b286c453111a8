/* nprocreg register, nprocreg unregister: the entries of one node's own table. */
#include "commands.h"
#include "complete.h"
#include "get.h"
#include "output.h"

/* A cast of {register_pid,Key,Pid} or {unregister_key,Key}, and then a call of the same server:
 * when that is answered, the cast was carried out. */
static npr_status cast_and_wait(struct session *session,
                                struct npr_term message,
                                struct npr_error *err)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = fail(err, NPR_ENOMEM, "out of memory");

    if (request != NULL && reply != NULL) {
        npr_build_atom(request, "get_status");
        status = npr_builder_finish(request, &term, err);
        if (status == NPR_OK) {
            status = session_cast_server(session, message, err);
        }
        if (status == NPR_OK) {
            status = session_call_server(session, term, reply, err);
        }
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return status;
}

/* {register_pid,Key,Pid}; the process is found first. */
static npr_status build_register(const struct arguments *arguments,
                                 struct session *session,
                                 struct npr_term key,
                                 struct npr_builder *message,
                                 struct npr_error *err)
{
    struct npr_pid pid;
    const npr_status status = get_target(session, arguments, arguments->positional[1], &pid, err);

    if (status == NPR_OK) {
        npr_build_tuple(message, 3);
        npr_build_atom(message, "register_pid");
        npr_build_term(message, key);
        npr_build_pid(message, &pid);
    }
    return status;
}

/* {unregister_key,Key} */
static npr_status build_unregister(const struct arguments *arguments,
                                   struct session *session,
                                   struct npr_term key,
                                   struct npr_builder *message,
                                   struct npr_error *err)
{
    (void)arguments;
    (void)session;
    (void)err;
    npr_build_tuple(message, 2);
    npr_build_atom(message, "unregister_key");
    npr_build_term(message, key);
    return NPR_OK;
}

typedef npr_status (*build_fn)(const struct arguments *arguments,
                               struct session *session,
                               struct npr_term key,
                               struct npr_builder *message,
                               struct npr_error *err);

static enum exit_code change_table(const struct arguments *arguments,
                                   build_fn build,
                                   const char *done)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct input key = {0};
    struct npr_builder *message = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = message == NULL
                            ? fail(&err, NPR_ENOMEM, "out of memory")
                            : input_open_key(arguments, arguments->positional[0], &key, &err);

    if (status == NPR_OK) {
        status = session_open(arguments, &session, &err);
    }
    if (status == NPR_OK) {
        status = complete_pids(&session, &key, &err);
    }
    if (status == NPR_OK) {
        status = build(arguments, &session, key.term, message, &err);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(message, &term, &err);
    }
    if (status == NPR_OK) {
        status = cast_and_wait(&session, term, &err);
    }
    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:b}", done, 1));
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    input_close(&key);
    npr_builder_destroy(message);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static enum exit_code run_register(const struct arguments *arguments)
{
    return change_table(arguments, build_register, "registered");
}

static enum exit_code run_unregister(const struct arguments *arguments)
{
    return change_table(arguments, build_unregister, "unregistered");
}

static const enum option_id options[] = {
    OPTION_NODE,        OPTION_TIMEOUT, OPTION_HEX, OPTION_BINARY,
    OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_register = {
    .name = "register",
    .synopsis = "KEY PID-OR-KEY",
    .summary = "Put an entry into the table of the node that is asked",
    .details = "The process is given by its pid, or by a key that it lives under already.  An "
               "entry of KEY\n"
               "that is there is overwritten.  The entry goes when the process dies.",
    .options = options,
    .positional_min = 2,
    .positional_max = 2,
    .run = run_register,
};

const struct command command_unregister = {
    .name = "unregister",
    .synopsis = "KEY",
    .summary = "Take an entry out of the table of the node that is asked",
    .details = "The process lives on.  Without such an entry nothing happens.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run_unregister,
};
