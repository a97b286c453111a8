/* nprocreg keys: the entries that one node holds, all or some of them, listed or counted. */
#include "commands.h"
#include "complete.h"
#include "fail.h"
#include "input.h"
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>

/* One listing on its way out. */
struct listing {
    const struct arguments *arguments;
    json_t *list; /* with --json */
};

static bool print_entry(void *user, const struct npr_entry *entry)
{
    struct listing *listing = user;
    char *key = output_text(entry->key);
    char *pid = output_pid(&entry->pid);

    if (listing->list != NULL) {
        json_t *object = json_pack("{s:o, s:s}", "key", output_term(entry->key), "pid", pid);

        if (entry->token != 0) {
            (void)json_object_set_new(object, "token", json_integer((json_int_t)entry->token));
        }
        (void)json_array_append_new(listing->list, object);
    } else {
        (void)printf("%s\t%s\n", key, pid);
    }
    free(key);
    free(pid);
    return true;
}

static npr_status list(struct session *session,
                       const struct npr_query *query,
                       const struct arguments *arguments,
                       struct npr_error *err)
{
    struct listing listing = {.arguments = arguments,
                              .list = arguments->json ? json_array() : NULL};
    const npr_status status = npr_keys(session->node, query, print_entry, &listing, err);

    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:o, s:o}", "node", output_node(&session->peer), "keys",
                              json_incref(listing.list)));
    }
    json_decref(listing.list);
    return status;
}

static npr_status count(struct session *session,
                        const struct npr_query *query,
                        const struct arguments *arguments,
                        struct npr_error *err)
{
    uint64_t number = 0;
    const npr_status status = npr_count(session->node, query, &number, err);

    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:o, s:I}", "node", output_node(&session->peer), "count",
                              (json_int_t)number));
    } else if (status == NPR_OK) {
        (void)printf("%" PRIu64 "\n", number);
    }
    return status;
}

/* What --prefix and --match say; `prefix` is the caller's to close. */
static npr_status read_options(const struct arguments *arguments,
                               struct input *prefix,
                               struct npr_error *err)
{
    if (arguments->match != NULL && arguments->prefix != NULL) {
        return fail(err, NPR_EINVAL, "--prefix and --match exclude each other");
    }
    return arguments->prefix == NULL ? NPR_OK
                                     : input_open_key(arguments, arguments->prefix, prefix, err);
}

static enum exit_code run(const struct arguments *arguments)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct input prefix = {0};
    struct npr_query query = {.limit = arguments->limit};
    npr_status status = read_options(arguments, &prefix, &err);

    if (status == NPR_OK) {
        status = session_open(arguments, &session, &err);
    }
    if (status == NPR_OK && arguments->prefix != NULL) {
        status = complete_pids(&session, &prefix, &err);
        query.selector = npr_select_prefix(prefix.term);
    } else if (arguments->match != NULL) {
        query.selector = npr_select_match(arguments->match);
    }
    if (status == NPR_OK) {
        query.node = &session.peer;
        query.timeout_ms = session_left_ms(&session);
        status = (arguments->count ? count : list)(&session, &query, arguments, &err);
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    input_close(&prefix);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id options[] = {
    OPTION_NODE, OPTION_PREFIX, OPTION_MATCH,       OPTION_COUNT, OPTION_LIMIT, OPTION_TIMEOUT,
    OPTION_HEX,  OPTION_BINARY, OPTION_COOKIE_FILE, OPTION_JSON,  OPTION_END,
};

const struct command command_keys = {
    .name = "keys",
    .synopsis = "[NODE]",
    .summary = "List or count the entries that one node holds",
    .details =
        "One line for each entry: the key, a tab, the pid.  With --json one object, {\"node\":N,\n"
        "\"keys\":[{\"key\":K,\"pid\":P,\"token\":T},...]} or {\"node\":N,\"count\":C}; there is "
        "no token\n"
        "where none is known.  Only the node that is asked is listed: the others hold others.\n\n"
        "--prefix TERM: keys that begin so: a binary with these bytes (-b takes TERM as such), a\n"
        "tuple or a list with these first elements: '{room}' is a prefix of {room,7}.\n"
        "--match PATTERN: keys that look so; _ is any term: '{room,_}', '#{device := _}'.",
    .options = options,
    .positional_max = 1,
    .takes_node = true,
    .run = run,
};
