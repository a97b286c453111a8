/* nprocreg drain, conflicts: a node that is to leave, and what has become of keys that lived twice.
 */
#include "commands.h"
#include "fail.h"
#include "output.h"
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define DEADLINE_MS_DEFAULT 30000

/* ---- drain. */

struct drain {
    const struct arguments *arguments;
    const struct session *session;
    struct npr_drain_progress last;
    bool any;
};

static const char *state_name(enum npr_drain_state state)
{
    switch (state) {
    case NPR_DRAIN_WAITS:
        return "waiting";
    case NPR_DRAIN_RUNS:
        return "running";
    case NPR_DRAIN_DONE:
        return "done";
    case NPR_DRAIN_LATE:
        return "late";
    }
    return "unknown";
}

/* A line when something has changed. */
static bool show_progress(void *user, const struct npr_drain_progress *progress)
{
    struct drain *drain = user;
    const struct npr_drain_progress *last = &drain->last;

    if (drain->any && last->state == progress->state && last->left == progress->left &&
        last->moved == progress->moved && last->ended == progress->ended &&
        last->failed == progress->failed) {
        return true;
    }
    drain->any = true;
    drain->last = *progress;
    drain->last.failure = ""; /* what it had is only lent */
    if (drain->arguments->json) {
        output_json(json_pack(
            "{s:o, s:s, s:I, s:I, s:I, s:I, s:s}", "node", output_node(&drain->session->peer),
            "state", state_name(progress->state), "left", (json_int_t)progress->left, "moved",
            (json_int_t)progress->moved, "ended", (json_int_t)progress->ended, "failed",
            (json_int_t)progress->failed, "failure", progress->failure));
    } else {
        (void)printf("%s left=%" PRIu64 " moved=%" PRIu64 " ended=%" PRIu64 " failed=%" PRIu64 "\n",
                     state_name(progress->state), progress->left, progress->moved, progress->ended,
                     progress->failed);
    }
    (void)fflush(stdout); /* who watches sees it now */
    return true;
}

static enum exit_code run_drain(const struct arguments *arguments)
{
    struct session session = {0};
    struct drain drain = {.arguments = arguments, .session = &session};
    struct npr_error err = {0};
    npr_status status = session_open(arguments, &session, &err);

    if (status == NPR_OK) {
        status =
            npr_drain(session.node, &session.peer,
                      arguments->deadline_ms == 0 ? DEADLINE_MS_DEFAULT : arguments->deadline_ms,
                      show_progress, &drain, &err);
        session_close(&session);
    }
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id drain_options[] = {
    OPTION_NODE, OPTION_DEADLINE, OPTION_TIMEOUT, OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_drain = {
    .name = "drain",
    .synopsis = "[NODE]",
    .summary = "Hand a node's keys over to the others, so that it can be stopped",
    .details =
        "The node takes no new keys, and hands those that it has over one by one: a process whose\n"
        "function can do so with its state, any other by a fresh start at the next call.  It goes\n"
        "on serving meanwhile, and what is sent to its old processes reaches the new ones, until\n"
        "it is stopped.  Prints a line whenever the figures have changed.\n\n"
        "Exit code 0: nothing is left, the node may be stopped.  4: the deadline has passed, what\n"
        "is left stays there.  5: there is no other node to take over.",
    .options = drain_options,
    .positional_max = 1,
    .takes_node = true,
    .run = run_drain,
};

/* ---- conflicts. */

struct conflicts {
    const struct npr_node_name *peer; /* whose they are */
    json_t *list;                     /* with --json */
};

static void print_time(uint64_t time_us, char *out, size_t out_size)
{
    const time_t seconds = (time_t)(time_us / 1000000);
    struct tm utc;
    char stamp[32];

    (void)gmtime_r(&seconds, &utc);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out, out_size, "%s.%06uZ", stamp, (unsigned)(time_us % 1000000));
}

static bool print_record(void *user, const struct npr_conflict_record *record)
{
    struct conflicts *conflicts = user;
    const bool kept = npr_node_name_equal(&record->winner.node, conflicts->peer);
    char *loser = output_pid(&record->loser);
    char *winner = output_pid(&record->winner);
    char stamp[64];

    print_time(record->time_us, stamp, sizeof(stamp));
    if (conflicts->list != NULL) {
        (void)json_array_append_new(
            conflicts->list,
            json_pack("{s:s, s:o, s:s, s:I, s:s, s:I, s:b}", "time", stamp, "key",
                      json_stringn_nocheck((const char *)record->key.data, record->key.size),
                      "loser", loser, "loser_token", (json_int_t)record->loser_token, "winner",
                      winner, "winner_token", (json_int_t)record->winner_token, "here",
                      record->here));
    } else {
        (void)printf("%s\t%.*s\tloser=%s token=%" PRIu64 "\twinner=%s token=%" PRIu64 "\t%s\n",
                     stamp, (int)record->key.size, (const char *)record->key.data, loser,
                     record->loser_token, winner, record->winner_token,
                     record->here ? "lost here"
                     : kept       ? "kept here"
                                  : "decided here");
    }
    free(loser);
    free(winner);
    return true;
}

static enum exit_code run_conflicts(const struct arguments *arguments)
{
    struct conflicts conflicts = {.list = arguments->json ? json_array() : NULL};
    struct session session = {0};
    struct npr_error err = {0};
    npr_status status = session_open(arguments, &session, &err);

    conflicts.peer = &session.peer;
    if (status == NPR_OK) {
        status = npr_conflicts(session.node, &session.peer, session_left_ms(&session), print_record,
                               &conflicts, &err);
    }
    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:o, s:o}", "node", output_node(&session.peer), "conflicts",
                              json_incref(conflicts.list)));
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    json_decref(conflicts.list);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id conflicts_options[] = {
    OPTION_NODE, OPTION_TIMEOUT, OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_conflicts = {
    .name = "conflicts",
    .synopsis = "[NODE]",
    .summary = "List the keys that have led to two processes, and which one kept them",
    .details =
        "The last thousand that the node had a part in, the oldest first: the time by its clock,\n"
        "the key, both processes with the tokens of their activations, and whether the loser was\n"
        "there or the node is the key's owner, which has decided.",
    .options = conflicts_options,
    .positional_max = 1,
    .takes_node = true,
    .run = run_conflicts,
};
