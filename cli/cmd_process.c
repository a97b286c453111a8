/* nprocreg info, nprocreg kill: one process, by pid or key. */
#include "commands.h"
#include "fail.h"
#include "get.h"
#include "output.h"
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_BYTES_MAX 600
#define POLL_NS        10000000L

static npr_status open_target(const struct arguments *arguments,
                              struct session *session,
                              struct npr_pid *out,
                              struct npr_error *err)
{
    npr_status status = session_open(arguments, session, err);

    if (status == NPR_OK) {
        status = get_target(session, arguments, arguments->positional[0], out, err);
    }
    return status;
}

/* ---- info. */

static void print_list(const char *title, json_t *list)
{
    if (json_array_size(list) == 0) {
        (void)printf("%-14s-\n", title);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        (void)printf("%-14s%s\n", i == 0 ? title : "", json_string_value(json_array_get(list, i)));
    }
}

static void print_process(json_t *process)
{
    static const char *const members[][2] = {
        {"pid", "pid"},         {"function", "function"}, {"status", "status"},
        {"mailbox", "mailbox"}, {"handled", "handled"},   {"dropped", "dropped"},
        {"time", "time_us"},    {"state", "state_bytes"}, {"links", "links"},
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        char text[CELL_BYTES_MAX];

        process_text(process, members[i][1], text, sizeof(text));
        (void)printf("%-14s%s\n", members[i][0], text);
    }
    print_list("names", json_object_get(process, "names"));
    print_list("keys", json_object_get(process, "keys"));
}

static enum exit_code run_info(const struct arguments *arguments)
{
    struct session session = {0};
    struct npr_error err = {0};
    json_t *process = NULL;
    struct npr_pid pid;
    npr_status status = open_target(arguments, &session, &pid, &err);

    if (status == NPR_OK) {
        status = process_ask(&session, &pid, &process, &err);
    }
    if (status == NPR_OK && arguments->json) {
        output_json(json_incref(process));
    } else if (status == NPR_OK) {
        print_process(process);
    }
    json_decref(process);
    if (session.node != NULL) {
        session_close(&session);
    }
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

/* Until it is gone, or the command's time is over. */
static npr_status wait_for_end(struct session *session,
                               const struct npr_pid *pid,
                               struct npr_error *err)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    bool alive = true;
    npr_status status = NPR_OK;

    for (;;) {
        status = process_ask_alive(session, pid, &alive, err);
        if (status != NPR_OK || !alive) {
            return status;
        }
        if (session_left_ms(session) < 2 * POLL_NS / 1000000) {
            return fail(err, NPR_EREFUSED,
                        "it is still alive: it may trap exits, be in a callback, or not end by "
                        "such a reason (the reason kill cannot be trapped)");
        }
        (void)nanosleep(&pause, NULL);
    }
}

static npr_status kill_process(struct session *session,
                               const struct npr_pid *pid,
                               struct npr_term reason,
                               struct npr_error *err)
{
    bool alive = false;
    npr_status status = process_ask_alive(session, pid, &alive, err);

    if (status == NPR_OK && !alive) {
        return fail(err, NPR_ENOPROC, "no such process: it is dead");
    }
    if (status == NPR_OK) {
        status = npr_node_exit(session->node, pid, reason);
        if (status != NPR_OK) {
            return fail(err, status, "exit: %s", npr_status_text(status));
        }
        status = wait_for_end(session, pid, err);
    }
    return status;
}

static enum exit_code run_kill(const struct arguments *arguments)
{
    const char *text = arguments->positional_count > 1 ? arguments->positional[1] : "shutdown";
    struct session session = {0};
    struct npr_error err = {0};
    struct input reason = {0};
    struct npr_pid pid;
    npr_status status = input_open_term(arguments, "REASON", text, &reason, &err);

    if (status == NPR_OK) {
        status = open_target(arguments, &session, &pid, &err);
    }
    if (status == NPR_OK) {
        status = kill_process(&session, &pid, reason.term, &err);
    }
    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:b}", "killed", 1));
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    input_close(&reason);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id options[] = {
    OPTION_NODE,        OPTION_TIMEOUT, OPTION_HEX, OPTION_BINARY,
    OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};

const struct command command_info = {
    .name = "info",
    .synopsis = "PID-OR-KEY",
    .summary = "Show one process: what it was started from, and its figures",
    .details = "PID is written as the other commands print it, e.g. '<a@127.0.0.1.85.0>'.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run_info,
};

const struct command command_kill = {
    .name = "kill",
    .synopsis = "PID-OR-KEY [REASON]",
    .summary = "End a process, as exit/2 does, and wait until it is gone",
    .details =
        "REASON is a term, shutdown unless given.  A process that traps exits gets the reason "
        "as a message\n"
        "and may live on (exit code 5 when the time is over); kill cannot be trapped.",
    .options = options,
    .positional_min = 1,
    .positional_max = 2,
    .run = run_kill,
};
