/* nprocreg:processes/0,1 (erlang:processes/0) and nprocreg:info/1: what peers are told of this
 * node's processes (node/functions.h). */
#include "base/fail.h"
#include "base/limits.h"
#include "node/functions.h"
#include "node/node.h"
#include "node/process_terms.h"
#include "node/survey.h"
#include "term/write.h"

#define NS_PER_US UINT64_C(1000)

/* ---- One process as a term. */

static void put_count(struct npri_buffer *out, const char *key, uint64_t value)
{
    npri_put_atom(out, key);
    npri_put_uint(out, value);
}

static void put_keys(struct npr_node *node,
                     const struct npri_process_info *info,
                     uint32_t limit,
                     struct npri_buffer *out)
{
    struct npri_buffer pid;

    npri_buffer_init(&pid, 0);
    npri_put_process_pid(node, info, &pid);
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
    npri_put_process_function(out, info->function);
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
    npri_put_process_pid(node, info, out);
    put_count(out, "state_bytes", info->state_bytes);
    npri_put_atom(out, "status");
    npri_put_process_status(out, info->status);
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
                                                                .put = npri_put_process_pid});
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
        npri_evaluation_raise(evaluation, "badarg");
    }
}

/* ---- nprocreg:info. */

void npri_function_info(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_process_info info;
    struct npri_buffer value;

    switch (npri_process_find(node, args[0], &info)) {
    case NPRI_FOUND_BADARG:
        npri_evaluation_raise(evaluation, "badarg");
        return;
    case NPRI_FOUND_DEAD:
        npri_evaluation_return_atom(evaluation, "undefined");
        return;
    case NPRI_FOUND:
        break;
    }
    npri_buffer_init(&value, 0);
    npri_put_map(&value, 11);
    put_figures(node, &info, NPRI_KEYS_TOLD_MAX, &value);
    npri_put_atom(&value, "names");
    npri_put_process_names(node, &info, &value);
    put_rest(node, &info, &value);
    npri_evaluation_return_built(evaluation, &value);
}
