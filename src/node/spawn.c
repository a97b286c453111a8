#include "node/spawn.h"

#include <string.h>

#include "node/launch.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

#define NAME_BYTES_MAX 128u

/* Flags of SPAWN_REPLY. */
#define FLAG_LINK    1u
#define FLAG_MONITOR 2u

struct spawn_options {
    bool link;
    bool monitor;
};

/* Options that OTP takes and that mean nothing to a process here. */
static bool is_tuning(struct npr_term option)
{
    static const char *const names[] = {
        "priority",           "fullsweep_after", "min_heap_size",
        "min_bin_vheap_size", "max_heap_size",   "message_queue_data",
        "async_dist",         "reply",           "reply_tag"};
    struct npr_term parts[2];

    if (!npr_term_get_tuple(option, 2, parts)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (npr_term_is_atom(parts[0], names[i])) {
            return true;
        }
    }
    return false;
}

static bool read_options(struct npr_term list, struct spawn_options *out)
{
    struct npr_term_walk walk;
    struct npr_term option;
    struct npr_term parts[2];

    if (!npr_term_list(list, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &option)) {
        if (npr_term_is_atom(option, "link")) {
            out->link = true;
        } else if (npr_term_is_atom(option, "monitor") || (npr_term_get_tuple(option, 2, parts) &&
                                                           npr_term_is_atom(parts[0], "monitor"))) {
            out->monitor = true;
        } else if (!is_tuning(option)) {
            return false;
        }
    }
    return true;
}

static void reply(struct npr_node *node,
                  const struct npri_control *request,
                  const struct spawn_options *options,
                  struct npr_term result)
{
    const unsigned flags =
        (options->link ? FLAG_LINK : 0u) | (options->monitor ? FLAG_MONITOR : 0u);

    (void)npri_router_send(
        node, &(struct npri_signal){.kind = NPRI_SIGNAL_SPAWN_REPLY,
                                    .to = request->from,
                                    .ref = request->ref,
                                    .id = npr_term_kind(result) == NPR_TERM_PID ? flags : 0,
                                    .payload = result});
}

static void refuse(struct npr_node *node, const struct npri_control *request, const char *why)
{
    struct npri_buffer atom;

    npri_buffer_init(&atom, 0);
    npri_put_atom(&atom, why);
    reply(node, request, &(struct spawn_options){0}, npri_buffer_term(&atom));
    npri_buffer_fini(&atom);
}

/* A real process.  Its own signals wait in the outbox until this turn's reply is written. */
static void spawn_native(struct npr_node *node,
                         const struct npri_control *request,
                         const struct spawn_options *options,
                         const struct npr_function *function,
                         const struct npri_apply *apply)
{
    char name[NAME_BYTES_MAX];
    struct npri_buffer term;
    struct npr_pid pid;

    npri_launch_name(apply, function->arity, name, sizeof(name));
    if (npri_runtime_spawn(node->runtime,
                           &(struct npri_spawn){.behaviour = function->behaviour,
                                                .function = name,
                                                .args = apply->args,
                                                .leader = request->leader,
                                                .parent = request->from,
                                                .link = options->link,
                                                .monitor = options->monitor,
                                                .monitor_ref = request->ref},
                           &pid, NULL) != NPR_OK) {
        refuse(node, request, "system_limit");
        return;
    }
    npri_buffer_init(&term, 0);
    npri_put_pid(&term, &pid);
    reply(node, request, options, npri_buffer_term(&term));
    npri_buffer_fini(&term);
}

/* No process at all: a pid that stands for the evaluation, which ends when that does. */
static void spawn_evaluation(struct npr_node *node,
                             const struct npri_control *request,
                             const struct spawn_options *options,
                             struct npri_evaluation *draft)
{
    const struct npr_pid pid = npri_runtime_new_pid(node->runtime);
    struct npri_buffer term;

    npri_buffer_init(&term, 0);
    npri_put_pid(&term, &pid);
    reply(node, request, options, npri_buffer_term(&term));
    draft->node = node;
    draft->link = options->link;
    draft->monitor = options->monitor;
    draft->caller = request->from;
    draft->process = npri_buffer_term(&term);
    draft->ref = request->ref;
    npri_evaluate(draft);
    npri_buffer_fini(&term);
}

/* erpc:execute_call(Res, M, F, A) and execute_cast(M, F, A); false: it is neither. */
static bool read_erpc(const struct npri_apply *apply, struct npri_evaluation *out)
{
    struct npr_term args[4] = {{0}};
    struct npr_term_walk walk;
    uint32_t count = 0;
    const bool call = npr_term_is_atom(apply->function, "execute_call");

    if (!npr_term_is_atom(apply->module, "erpc") ||
        (!call && !npr_term_is_atom(apply->function, "execute_cast")) ||
        !npr_term_list(apply->args, &walk)) {
        return false;
    }
    while (count < 4 && npr_term_next(&walk, &args[count])) {
        count++;
    }
    if (npr_term_next(&walk, &args[0]) || count != (call ? 4u : 3u)) {
        return false;
    }
    out->kind = call ? NPRI_EVALUATION_ERPC : NPRI_EVALUATION_SPAWN;
    out->tag = call ? args[0] : (struct npr_term){0};
    out->apply = (struct npri_apply){
        .module = args[count - 3], .function = args[count - 2], .args = args[count - 1]};
    return true;
}

void npri_spawn_on_request(struct npr_node *node, const struct npri_control *request)
{
    struct npri_evaluation draft = {.kind = NPRI_EVALUATION_SPAWN};
    const struct npr_function *function;
    struct spawn_options options = {0};
    struct npr_term mfa[3];
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;
    int64_t claimed;

    if (!npr_term_get_tuple(request->mfa, 3, mfa) || !npr_term_get_atom(mfa[0], &module) ||
        !npr_term_get_atom(mfa[1], &name) || !npr_term_get_int64(mfa[2], &claimed)) {
        refuse(node, request, "badarg");
        return;
    }
    if (!read_options(request->options, &options)) {
        refuse(node, request, "badopt");
        return;
    }
    draft.apply =
        (struct npri_apply){.module = mfa[0], .function = mfa[1], .args = request->payload};
    if (read_erpc(&draft.apply, &draft)) {
        spawn_evaluation(node, request, &options, &draft);
        return;
    }
    if (!npri_apply_resolve(&draft.apply, &arity) ||
        !npr_term_get_atom(draft.apply.module, &module) ||
        !npr_term_get_atom(draft.apply.function, &name)) {
        refuse(node, request, "badarg");
        return;
    }
    function = npri_exports_find(&node->exports, module, name, arity);
    if (function != NULL && !node->closing) {
        spawn_native(node, request, &options, function, &draft.apply);
    } else if (node->client) {
        /* A client asks and runs nothing: whoever would start a caller's own fun must know that. */
        refuse(node, request, "notsup");
    } else {
        spawn_evaluation(node, request, &options, &draft);
    }
}
