/* nprocreg get: the process of a key, found or started, by way of any node. */
#include "commands.h"
#include "complete.h"
#include "get.h"
#include "output.h"

#include <string.h>

static enum exit_code print_found(const struct arguments *arguments,
                                  struct npr_term key,
                                  const struct got *got)
{
    if (arguments->json) {
        output_json(json_pack("{s:o, s:o, s:o, s:b, s:I}", "key", output_term(key), "pid",
                              output_term(got->pid), "node", output_node(&got->node), "started",
                              got->started, "token", (json_int_t)got->token));
    } else {
        char *text = output_text(got->pid);

        (void)printf("%s\n", text);
        free(text);
    }
    return EXIT_DONE;
}

static enum exit_code run(const struct arguments *arguments)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct input key = {0};
    struct input args = {0};
    struct got got = {0};
    enum exit_code code;

    if (input_open_key(arguments, arguments->positional[0], &key, &err) == NPR_OK &&
        input_open_args(arguments->args, &args, &err) == NPR_OK &&
        session_open(arguments, &session, &err) == NPR_OK &&
        complete_pids(&session, &key, &err) == NPR_OK &&
        get_open(&session, key.term,
                 &(struct get_start){.function = arguments->start, .args = args.term}, &got,
                 &err) == NPR_OK) {
        code = print_found(arguments, key.term, &got);
    } else {
        code = report(arguments, &err);
    }
    get_close(&got);
    if (session.node != NULL) {
        session_close(&session);
    }
    input_close(&args);
    input_close(&key);
    return code;
}

static const enum option_id options[] = {
    OPTION_NODE,   OPTION_START,       OPTION_ARGS, OPTION_TIMEOUT, OPTION_HEX,
    OPTION_BINARY, OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_get = {
    .name = "get",
    .synopsis = "KEY",
    .summary = "Print the process that lives under KEY, and start it if told how",
    .details = "KEY is any Erlang term, e.g. '{room,7}' or '<<\"device 1\">>'.  With --start the "
               "node that\n"
               "KEY hashes to starts MODULE:FUNCTION, unless a process lives under KEY anywhere.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};
