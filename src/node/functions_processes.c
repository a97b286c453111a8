/* nprocreg:processes/0,1, nprocreg:info/1, erlang:processes/0 and erlang:process_info/1,2: what
 * peers are told of this node's processes (node/functions.h). */
#include <string.h>

#include "base/fail.h"
#include "base/limits.h"
#include "node/functions.h"
#include "node/launch.h"
#include "node/node.h"
#include "node/survey.h"
#include "term/write.h"

#define NS_PER_US        UINT64_C(1000)
#define ITEMS_ASKED_MAX  16u /* of process_info/2 */
#define ARITY_DIGITS_MAX 3u

static void raise_badarg(struct npri_evaluation *evaluation)
{
    struct npri_buffer reason;

    npri_buffer_init(&reason, 0);
    npri_put_atom(&reason, "badarg");
    npri_evaluation_error(evaluation, npri_buffer_term(&reason));
    npri_buffer_fini(&reason);
}

static void return_buffer(struct npri_evaluation *evaluation, struct npri_buffer *value)
{
    if (value->failed) {
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
    } else {
        npri_evaluation_return(evaluation, npri_buffer_term(value));
    }
    npri_buffer_fini(value);
}

/* ---- One process as a term. */

/* The number behind the last '/'; false: it is none. */
static bool read_arity(const char *text, uint64_t *out)
{
    const size_t digits = strlen(text);

    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *out = 10 * *out + (uint64_t)(text[i] - '0');
    }
    return digits > 0 && digits <= ARITY_DIGITS_MAX;
}

/* {counter,start,0} of "counter:start/0"; what has not this form is a binary. */
static void put_function(struct npri_buffer *out, const char *text)
{
    const char *colon = strchr(text, ':');
    const char *slash = strrchr(text, '/');
    uint64_t arity;

    if (colon == NULL || slash == NULL || slash < colon || !read_arity(slash + 1, &arity)) {
        npri_put_binary(out, npr_bytes_of(text));
        return;
    }
    npri_put_tuple(out, 3);
    npri_put_atom_bytes(out, npri_bytes(text, (size_t)(colon - text)));
    npri_put_atom_bytes(out, npri_bytes(colon + 1, (size_t)(slash - colon - 1)));
    npri_put_uint(out, arity);
}

static const char *status_name(enum npr_process_status status)
{
    switch (status) {
    case NPR_PROCESS_WAITING:
        break;
    case NPR_PROCESS_RUNNING:
        return "running";
    case NPR_PROCESS_SUSPENDED:
        return "suspended";
    }
    return "waiting";
}

static void put_count(struct npri_buffer *out, const char *key, uint64_t value)
{
    npri_put_atom(out, key);
    npri_put_uint(out, value);
}

static void put_pid(struct npr_node *node,
                    const struct npri_process_info *info,
                    struct npri_buffer *out)
{
    const struct npr_pid pid = npri_runtime_pid_of(node->runtime, info->id, info->serial);

    npri_put_pid(out, &pid);
}

static void put_keys(struct npr_node *node,
                     const struct npri_process_info *info,
                     uint32_t limit,
                     struct npri_buffer *out)
{
    struct npri_buffer pid;

    npri_buffer_init(&pid, 0);
    put_pid(node, info, &pid);
    if (pid.failed) {
        out->failed = true;
    } else {
        npri_core_put_keys_of(node->registry.core, npri_buffer_term(&pid), limit, out);
    }
    npri_buffer_fini(&pid);
}

/* The pairs that come before `names` and after it, in the order of their keys as terms. */
static void put_figures(struct npr_node *node,
                        const struct npri_process_info *info,
                        uint32_t keys_max,
                        struct npri_buffer *out)
{
    put_count(out, "dropped", info->overflowed);
    npri_put_atom(out, "function");
    put_function(out, info->function);
    put_count(out, "handled", info->handled);
    npri_put_atom(out, "keys");
    put_keys(node, info, keys_max, out);
    put_count(out, "links", info->relations);
    put_count(out, "mailbox", info->waiting);
}

static void put_rest(struct npr_node *node,
                     const struct npri_process_info *info,
                     struct npri_buffer *out)
{
    npri_put_atom(out, "pid");
    put_pid(node, info, out);
    put_count(out, "state_bytes", info->state_bytes);
    npri_put_atom(out, "status");
    npri_put_atom(out, status_name(info->status));
    put_count(out, "time_us", info->busy_ns / NS_PER_US);
}

static void put_listed(struct npr_node *node,
                       const struct npri_process_info *info,
                       struct npri_buffer *out)
{
    npri_put_map(out, 10);
    put_figures(node, info, NPRI_KEYS_LISTED_MAX, out);
    put_rest(node, info, out);
}

/* The names of one process, as terms one after the other. */
struct names {
    struct npri_buffer terms;
    uint32_t count;
};

static void names_add(void *user, struct npr_bytes name)
{
    struct names *names = user;

    npri_put_atom_bytes(&names->terms, name);
    names->count++;
}

static void put_names(struct npr_node *node,
                      const struct npri_process_info *info,
                      struct npri_buffer *out)
{
    struct names names = {0};

    npri_buffer_init(&names.terms, 0);
    if (info->named) {
        const struct npr_pid pid = npri_runtime_pid_of(node->runtime, info->id, info->serial);

        npri_runtime_names(node->runtime, &pid, names_add, &names);
    }
    if (names.count > 0) {
        npri_put_list(out, names.count);
        npri_put_bytes(out, npri_buffer_bytes(&names.terms));
    }
    npri_put_nil(out);
    out->failed = out->failed || names.terms.failed;
    npri_buffer_fini(&names.terms);
}

/* ---- nprocreg:processes, erlang:processes. */

/* All of them, or none: a part of them would be taken for all. */
void npri_function_processes(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_error error;
    const size_t count = npri_runtime_process_count(evaluation->node->runtime);

    (void)args;
    if (count > NPRI_PIDS_TOLD_MAX) {
        (void)npri_fail(&error, NPR_EFULL,
                        "%zu processes run here: ask for the first ones by nprocreg:processes/1",
                        count);
        npri_evaluation_fail(evaluation, NPR_EFULL, npr_bytes_of(error.text));
        return;
    }
    npri_survey_begin(evaluation, &(struct npri_survey_options){.by = NPR_FIGURE_PID,
                                                                .limit = NPRI_PIDS_TOLD_MAX,
                                                                .put = put_pid});
}

static bool read_figure(struct npr_term term, enum npr_figure *out)
{
    static const char *const names[] = {
        [NPR_FIGURE_PID] = "pid",         [NPR_FIGURE_MAILBOX] = "mailbox",
        [NPR_FIGURE_HANDLED] = "handled", [NPR_FIGURE_DROPPED] = "dropped",
        [NPR_FIGURE_TIME] = "time_us",    [NPR_FIGURE_STATE] = "state_bytes",
        [NPR_FIGURE_LINKS] = "links",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (npr_term_is_atom(term, names[i])) {
            *out = (enum npr_figure)i;
            return true;
        }
    }
    return false;
}

/* #{sort => Figure, limit => 1..NPRI_PROCESSES_TOLD_MAX}, both optional. */
static bool read_options(struct npr_term term, struct npri_survey_options *out)
{
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    uint64_t limit;
    uint32_t pairs;

    if (!npr_term_map(term, &walk, &pairs)) {
        return false;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
        if (npr_term_is_atom(key, "sort")) {
            if (!read_figure(value, &out->by)) {
                return false;
            }
        } else if (npr_term_is_atom(key, "limit") && npr_term_get_uint64(value, &limit) &&
                   limit > 0 && limit <= NPRI_PROCESSES_TOLD_MAX) {
            out->limit = (uint32_t)limit;
        } else {
            return false;
        }
    }
    return true;
}

void npri_function_processes_by(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_survey_options options = {
        .by = NPR_FIGURE_PID, .limit = NPRI_PROCESSES_TOLD_MAX, .put = put_listed};

    if (read_options(args[0], &options)) {
        npri_survey_begin(evaluation, &options);
    } else {
        raise_badarg(evaluation);
    }
}

/* ---- nprocreg:info, erlang:process_info. */

enum found { FOUND_BADARG, FOUND_DEAD, FOUND };

/* A built-in server is always there, and has none of the figures. */
static enum found find_process(struct npri_evaluation *evaluation,
                               struct npr_term term,
                               struct npri_process_info *out)
{
    struct npr_node *node = evaluation->node;
    struct npr_pid pid;

    if (!npr_term_get_pid(term, &pid) || !npr_node_name_equal(&pid.node, &node->name)) {
        return FOUND_BADARG;
    }
    if (npri_service_is(node, &pid)) {
        *out = (struct npri_process_info){
            .id = pid.id,
            .serial = pid.serial,
            .named = !npr_pid_equal(&pid, &node->services[NPRI_SERVICE_CLIENT].pid),
            .function = "nprocreg:service/0"};
        return FOUND;
    }
    return npri_runtime_info(node->runtime, &pid, out) ? FOUND : FOUND_DEAD;
}

static void return_undefined(struct npri_evaluation *evaluation)
{
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    npri_put_atom(&value, "undefined");
    return_buffer(evaluation, &value);
}

void npri_function_info(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_process_info info;
    struct npri_buffer value;

    switch (find_process(evaluation, args[0], &info)) {
    case FOUND_BADARG:
        raise_badarg(evaluation);
        return;
    case FOUND_DEAD:
        return_undefined(evaluation);
        return;
    case FOUND:
        break;
    }
    npri_buffer_init(&value, 0);
    npri_put_map(&value, 11);
    put_figures(node, &info, NPRI_KEYS_TOLD_MAX, &value);
    npri_put_atom(&value, "names");
    put_names(node, &info, &value);
    put_rest(node, &info, &value);
    return_buffer(evaluation, &value);
}

static void put_registered_name(struct npr_node *node,
                                const struct npri_process_info *info,
                                struct npri_buffer *out)
{
    struct npr_term_walk walk;
    struct npr_term name;
    struct npri_buffer list;

    npri_buffer_init(&list, 0);
    put_names(node, info, &list);
    if (list.failed) {
        out->failed = true;
    } else if (npr_term_list(npri_buffer_term(&list), &walk) && npr_term_next(&walk, &name)) {
        npri_put_term(out, name);
    } else {
        npri_put_nil(out);
    }
    npri_buffer_fini(&list);
}

static void put_initial_call(struct npr_node *node,
                             const struct npri_process_info *info,
                             struct npri_buffer *out)
{
    (void)node;
    put_function(out, info->function);
}

static void put_status(struct npr_node *node,
                       const struct npri_process_info *info,
                       struct npri_buffer *out)
{
    (void)node;
    npri_put_atom(out, status_name(info->status));
}

static void put_queue_len(struct npr_node *node,
                          const struct npri_process_info *info,
                          struct npri_buffer *out)
{
    (void)node;
    npri_put_uint(out, info->waiting);
}

/* Those of Erlang's items that mean something here. */
static const struct item {
    const char *name;
    void (*put)(struct npr_node *node,
                const struct npri_process_info *info,
                struct npri_buffer *out);
} items[] = {
    {"registered_name", put_registered_name},
    {"initial_call", put_initial_call},
    {"status", put_status},
    {"message_queue_len", put_queue_len},
};
#define ITEMS_COUNT (sizeof(items) / sizeof(items[0]))

static const struct item *find_item(struct npr_term term)
{
    for (size_t i = 0; i < ITEMS_COUNT; i++) {
        if (npr_term_is_atom(term, items[i].name)) {
            return &items[i];
        }
    }
    return NULL;
}

static void put_item(struct npr_node *node,
                     const struct item *item,
                     const struct npri_process_info *info,
                     struct npri_buffer *out)
{
    npri_put_tuple(out, 2);
    npri_put_atom(out, item->name);
    item->put(node, info, out);
}

/* What was asked for, as one of Erlang's three forms. */
static bool put_items(struct npr_node *node,
                      struct npr_term asked,
                      const struct npri_process_info *info,
                      struct npri_buffer *out)
{
    const struct item *item = find_item(asked);
    struct npr_term_walk walk;
    struct npr_term term;
    uint32_t count;

    if (item != NULL) {
        if (item->put == put_registered_name && !info->named) {
            npri_put_nil(out); /* Erlang's one exception. */
        } else {
            put_item(node, item, info, out);
        }
        return true;
    }
    if (!npri_list_count(asked, &count) || count > ITEMS_ASKED_MAX ||
        !npr_term_list(asked, &walk)) {
        return false;
    }
    if (count > 0) {
        npri_put_list(out, count);
    }
    while (npr_term_next(&walk, &term)) {
        item = find_item(term);
        if (item == NULL) {
            return false;
        }
        put_item(node, item, info, out);
    }
    npri_put_nil(out);
    return true;
}

void npri_function_process_info_of(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_process_info info = {.function = ""};
    const enum found found = find_process(evaluation, args[0], &info);
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    if (found == FOUND_BADARG || !put_items(evaluation->node, args[1], &info, &value)) {
        npri_buffer_fini(&value);
        raise_badarg(evaluation);
    } else if (found == FOUND_DEAD) {
        npri_buffer_fini(&value);
        return_undefined(evaluation);
    } else {
        return_buffer(evaluation, &value);
    }
}

void npri_function_process_info(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_process_info info;
    struct npri_buffer value;
    const enum found found = find_process(evaluation, args[0], &info);
    size_t first;

    if (found == FOUND_BADARG) {
        raise_badarg(evaluation);
        return;
    }
    if (found == FOUND_DEAD) {
        return_undefined(evaluation);
        return;
    }
    npri_buffer_init(&value, 0);
    first = info.named ? 0 : 1; /* No name, no item. */
    npri_put_list(&value, (uint32_t)(ITEMS_COUNT - first));
    for (size_t i = first; i < ITEMS_COUNT; i++) {
        put_item(evaluation->node, &items[i], &info, &value);
    }
    npri_put_nil(&value);
    return_buffer(evaluation, &value);
}
