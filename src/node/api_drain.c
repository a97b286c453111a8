/* nprocreg/drain.h, nprocreg/conflicts.h: asked of any node, this one too, as a peer would. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "nprocreg/conflicts.h"
#include "nprocreg/drain.h"

#include "base/fail.h"
#include "node/call.h"
#include "node/failure.h"
#include "node/node.h"

/* Between two looks at how far it is. */
#define LOOK_NS 100000000L

/* How long one answer may take. */
#define ANSWER_MS 5000u

/* One node that is asked. */
struct asked {
    struct npr_node *node;
    struct npr_node_name peer;
    struct npr_builder *args;
    struct npr_builder *reply;
};

static npr_status open_asked(struct asked *asked,
                             struct npr_node *node,
                             const struct npr_node_name *which,
                             struct npr_error *err)
{
    *asked = (struct asked){.node = node};
    if (node == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node");
    }
    asked->peer = which == NULL ? node->name : *which;
    asked->args = npr_builder_create();
    asked->reply = npr_builder_create();
    return asked->args == NULL || asked->reply == NULL ? npri_fail(err, NPR_ENOMEM, "out of memory")
                                                       : NPR_OK;
}

static void close_asked(struct asked *asked)
{
    npr_builder_destroy(asked->args);
    npr_builder_destroy(asked->reply);
}

/* nprocreg_native:function(args...), whose arguments are built; `*out` lives until the next. */
static npr_status ask(struct asked *asked,
                      const char *function,
                      uint32_t timeout_ms,
                      struct npr_term *out,
                      struct npr_error *err)
{
    struct npr_term args;
    struct npr_term parts[2];
    npr_status status = npr_builder_finish(asked->args, &args, err);

    npr_builder_reset(asked->reply);
    if (status == NPR_OK) {
        status = npr_node_rpc(asked->node, &asked->peer, NPRI_NATIVE_NAME, function, args,
                              timeout_ms, asked->reply, err);
    }
    if (status != NPR_OK && status != NPR_EEXIT) {
        return status;
    }
    if (npr_builder_finish(asked->reply, out, err) != NPR_OK) {
        return NPR_ENOMEM;
    }
    if (status == NPR_EEXIT) {
        const bool undefined =
            npr_term_get_tuple(*out, 2, parts) && npr_term_is_atom(parts[1], "undef");

        return npri_fail(err, undefined ? NPR_EREFUSED : NPR_EPROTO, "%.*s %s",
                         (int)asked->peer.size, asked->peer.text,
                         undefined ? "is no native node that knows this" : "has failed");
    }
    return NPR_OK;
}

/* ---- Draining. */

static npr_status begin_drain(struct asked *asked, uint32_t deadline_ms, struct npr_error *err)
{
    struct npr_term parts[3];
    struct npr_term answer;
    struct npr_bytes text;
    npr_status status;

    npr_build_list(asked->args, 1);
    npr_build_uint(asked->args, deadline_ms);
    npr_build_nil(asked->args);
    status = ask(asked, "drain", ANSWER_MS, &answer, err);
    if (status != NPR_OK || npr_term_is_atom(answer, "ok")) {
        return status;
    }
    if (!npr_term_get_tuple(answer, 3, parts) || !npri_status_read(parts[1], &status) ||
        !npr_term_get_binary(parts[2], &text)) {
        return npri_fail(err, NPR_EPROTO, "the answer is none");
    }
    return npri_fail(err, status, "%.*s cannot be drained: %.*s", (int)asked->peer.size,
                     asked->peer.text, (int)text.size, (const char *)text.data);
}

/* The value of an atom in a map. */
static bool map_get(struct npr_term map, const char *name, struct npr_term *out)
{
    struct npr_term_walk walk;
    struct npr_term key;
    uint32_t pairs;

    if (!npr_term_map(map, &walk, &pairs)) {
        return false;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, out)) {
        if (npr_term_is_atom(key, name)) {
            return true;
        }
    }
    return false;
}

static bool map_get_uint(struct npr_term map, const char *name, uint64_t *out)
{
    struct npr_term value;

    return map_get(map, name, &value) && npr_term_get_uint64(value, out);
}

static bool read_state(struct npr_term map, enum npr_drain_state *out)
{
    static const char *const names[] = {"waiting", "running", "done", "late"};
    struct npr_term value;

    if (!map_get(map, "state", &value)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (npr_term_is_atom(value, names[i])) {
            *out = (enum npr_drain_state)i;
            return true;
        }
    }
    return false;
}

/* `text` keeps what `out->failure` points to. */
static bool read_progress(struct npr_term map,
                          struct npr_drain_progress *out,
                          char text[NPR_ERROR_TEXT_BYTES])
{
    struct npr_term value;
    struct npr_bytes failure;
    size_t size;

    if (!read_state(map, &out->state) || !map_get_uint(map, "left", &out->left) ||
        !map_get_uint(map, "moved", &out->moved) || !map_get_uint(map, "ended", &out->ended) ||
        !map_get_uint(map, "failed", &out->failed) || !map_get(map, "failure", &value) ||
        !npr_term_get_binary(value, &failure)) {
        return false;
    }
    size = failure.size < NPR_ERROR_TEXT_BYTES ? failure.size : NPR_ERROR_TEXT_BYTES - 1;
    memcpy(text, failure.data, size);
    text[size] = '\0';
    out->failure = text;
    return true;
}

struct watching {
    bool (*progress)(void *user, const struct npr_drain_progress *progress);
    void *user;
};

static npr_status watch_drain(struct asked *asked,
                              const struct watching *watching,
                              struct npr_error *err)
{
    struct npr_drain_progress progress = {.state = NPR_DRAIN_WAITS};
    char text[NPR_ERROR_TEXT_BYTES];

    for (;;) {
        struct npr_term answer;
        npr_status status;

        npr_builder_reset(asked->args);
        npr_build_nil(asked->args);
        status = ask(asked, "drain_status", ANSWER_MS, &answer, err);
        if (status != NPR_OK) {
            return status;
        }
        if (!read_progress(answer, &progress, text)) {
            return npri_fail(err, NPR_EPROTO, "the answer is none");
        }
        if (watching->progress != NULL && !watching->progress(watching->user, &progress)) {
            return npri_fail(err, NPR_ECLOSED, "it is not waited for any more");
        }
        if (progress.state == NPR_DRAIN_DONE) {
            return NPR_OK;
        }
        if (progress.state == NPR_DRAIN_LATE) {
            return npri_fail(err, NPR_ETIMEDOUT, "keys left: %" PRIu64 "%s%s", progress.left,
                             text[0] == '\0' ? "" : "; the last failure: ", text);
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
}

npr_status npr_drain(struct npr_node *node,
                     const struct npr_node_name *which,
                     uint32_t deadline_ms,
                     bool (*progress)(void *user, const struct npr_drain_progress *progress),
                     void *user,
                     struct npr_error *err)
{
    const struct watching watching = {.progress = progress, .user = user};
    struct asked asked;
    npr_status status = open_asked(&asked, node, which, err);

    if (status == NPR_OK) {
        status = begin_drain(&asked, deadline_ms, err);
    }
    if (status == NPR_OK) {
        status = watch_drain(&asked, &watching, err);
    }
    close_asked(&asked);
    return status;
}

/* ---- Conflicts. */

static bool read_record(struct npr_term map, struct npr_conflict_record *out)
{
    struct npr_term key;
    struct npr_term loser;
    struct npr_term winner;
    struct npr_term here;

    if (!map_get(map, "key", &key) || !map_get(map, "loser", &loser) ||
        !map_get(map, "winner", &winner) || !map_get(map, "here", &here)) {
        return false;
    }
    out->here = npr_term_is_atom(here, "true");
    return npr_term_get_binary(key, &out->key) && npr_term_get_pid(loser, &out->loser) &&
           npr_term_get_pid(winner, &out->winner) && map_get_uint(map, "time_us", &out->time_us) &&
           map_get_uint(map, "loser_token", &out->loser_token) &&
           map_get_uint(map, "winner_token", &out->winner_token);
}

npr_status npr_conflicts(struct npr_node *node,
                         const struct npr_node_name *which,
                         uint32_t timeout_ms,
                         bool (*each)(void *user, const struct npr_conflict_record *record),
                         void *user,
                         struct npr_error *err)
{
    struct npr_conflict_record record = {0};
    struct npr_term_walk walk;
    struct npr_term answer = {0};
    struct npr_term item;
    struct asked asked;
    npr_status status;

    if (each == NULL) {
        return npri_fail(err, NPR_EINVAL, "nobody to tell");
    }
    status = open_asked(&asked, node, which, err);
    if (status == NPR_OK) {
        npr_build_nil(asked.args);
        status = ask(&asked, "conflicts", timeout_ms, &answer, err);
    }
    if (status == NPR_OK && !npr_term_list(answer, &walk)) {
        status = npri_fail(err, NPR_EPROTO, "the answer is no list");
    }
    while (status == NPR_OK && npr_term_next(&walk, &item)) {
        if (!read_record(item, &record)) {
            status = npri_fail(err, NPR_EPROTO, "the answer has what is no conflict");
        } else if (!each(user, &record)) {
            break;
        }
    }
    close_asked(&asked);
    return status;
}
