/* nprocreg await: until a key has a process. */
#include "commands.h"
#include "complete.h"
#include "fail.h"
#include "input.h"
#include "output.h"

#include <stdlib.h>

static enum exit_code run(const struct arguments *arguments)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct input key = {0};
    struct npr_found found;
    npr_status status = input_open_key(arguments, arguments->positional[0], &key, &err);

    if (status == NPR_OK) {
        status = session_open(arguments, &session, &err);
    }
    if (status == NPR_OK) {
        status = complete_pids(&session, &key, &err);
    }
    if (status == NPR_OK) {
        status = npr_await(session.node, key.term, session_left_ms(&session), &found, &err);
    }
    if (status == NPR_OK) {
        char *pid = output_pid(&found.pid);

        if (arguments->json) {
            output_json(json_pack("{s:o, s:s, s:o}", "key", output_term(key.term), "pid", pid,
                                  "node", output_node(&found.pid.node)));
        } else {
            (void)printf("%s\n", pid);
        }
        free(pid);
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    input_close(&key);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id options[] = {
    OPTION_NODE,        OPTION_TIMEOUT, OPTION_HEX, OPTION_BINARY,
    OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_await = {
    .name = "await",
    .synopsis = "KEY",
    .summary = "Wait until a process lives under KEY, and print it",
    .details = "Ends with 4 when none has come within --timeout.  Nothing is started.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};
