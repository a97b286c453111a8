/* NPRI_EFFECT_START: a process from a function that this node exports, or, for any other fun, one
 * on the node that can run it.  Either way it is registered here. */
#include "base/fail.h"
#include "node/launch.h"
#include "node/node.h"
#include "term/write.h"

static void tell_failed(struct npr_node *node, uint64_t operation, const struct npr_error *error)
{
    npri_registry_tell(node, NPRI_EVENT_STARTED, operation, error->status, (struct npr_term){0},
                       npr_bytes_of(error->text));
}

static void on_launched(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    npri_registry_tell(user, NPRI_EVENT_STARTED, number, outcome->status, outcome->term,
                       outcome->text);
}

static void start_here(struct npr_node *node,
                       const struct npri_core_effect *effect,
                       const struct npr_function *function,
                       const struct npri_apply *apply)
{
    struct npr_error error = {0};
    const npr_status status =
        npri_launch(node, &(struct npri_launch_options){.function = function,
                                                        .apply = apply,
                                                        .registered = true,
                                                        .done = on_launched,
                                                        .user = node,
                                                        .number = effect->operation});

    if (status != NPR_OK) {
        (void)npri_fail(&error, status, "%s", npr_status_text(status));
        tell_failed(node, effect->operation, &error);
    }
}

/* {ok, Pid} from nprocreg_native:spawn/1. */
static void on_native_spawned(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npr_term parts[2] = {{0}};

    if (outcome->status == NPR_OK) {
        (void)npr_term_get_tuple(outcome->term, 2, parts);
    }
    npri_registry_tell(user, NPRI_EVENT_STARTED, number, outcome->status, parts[1], outcome->text);
}

typedef npr_status (*ask_fn)(struct npr_node *node,
                             const struct npri_question_options *options,
                             const struct npri_apply *apply);

/* Asks with Module:Function(Fun), or Module:Function(Fun, []). */
static npr_status ask_with_fun(struct npr_node *node,
                               const struct npri_question_options *options,
                               ask_fn ask,
                               const char *const names[2],
                               struct npr_term fun,
                               bool with_nil)
{
    struct npri_buffer terms[3];
    npr_status status = NPR_ENOMEM;

    for (size_t i = 0; i < 3; i++) {
        npri_buffer_init(&terms[i], 0);
    }
    npri_put_atom(&terms[0], names[0]);
    npri_put_atom(&terms[1], names[1]);
    npri_put_list(&terms[2], with_nil ? 2 : 1);
    npri_put_given(&terms[2], fun);
    if (with_nil) {
        npri_put_nil(&terms[2]);
    }
    npri_put_nil(&terms[2]);
    if (!terms[0].failed && !terms[1].failed && !terms[2].failed) {
        status = ask(node, options,
                     &(struct npri_apply){.module = npri_buffer_term(&terms[0]),
                                          .function = npri_buffer_term(&terms[1]),
                                          .args = npri_buffer_term(&terms[2])});
    }
    for (size_t i = 0; i < 3; i++) {
        npri_buffer_fini(&terms[i]);
    }
    return status;
}

/* A native node is asked by a call of our own, which says what is wrong when it cannot. */
static npr_status spawn_on_native(struct npr_node *node,
                                  struct npri_question_options *options,
                                  struct npr_term fun)
{
    static const char *const names[] = {NPRI_NATIVE_NAME, "spawn"};

    options->done = on_native_spawned;
    return ask_with_fun(node, options, npri_question_apply, names, fun, false);
}

/* erlang:apply(Fun, []) or Module:Function(Arguments...), with a group leader of that node: what
 * the process prints and logs belongs there. */
static npr_status spawn_on_erlang(struct npr_node *node,
                                  const struct npri_question_options *options,
                                  struct npr_term fun)
{
    static const char *const names[] = {"erlang", "apply"};
    struct npri_apply apply;
    uint32_t arity;

    if (npr_term_kind(fun) == NPR_TERM_TUPLE && npri_startable_read(fun, &apply, &arity)) {
        return npri_leaders_spawn(node, options, &apply);
    }
    return ask_with_fun(node, options, npri_leaders_spawn, names, fun, true);
}

/* No deadline: a process that comes too late must be known, to be stopped. */
static void spawn_there(struct npr_node *node,
                        const struct npri_core_effect *effect,
                        const struct npr_node_name *peer)
{
    struct npri_question_options options = {.peer = *peer,
                                            .deadline_ns = UINT64_MAX,
                                            .done = on_launched,
                                            .user = node,
                                            .number = effect->operation};
    struct npr_error error = {0};
    const npr_status status = npri_core_is_native(node->registry.core, peer)
                                  ? spawn_on_native(node, &options, effect->function)
                                  : spawn_on_erlang(node, &options, effect->function);

    if (status != NPR_OK) {
        (void)npri_fail(&error, status == NPR_ENOMEM ? NPR_ENOMEM : NPR_EUNREACHABLE,
                        "the function could not be sent to %.*s: %s", (int)peer->size, peer->text,
                        npr_status_text(status));
        tell_failed(node, effect->operation, &error);
    }
}

/* The node that can run a fun which is not ours: the caller's; for a closure whose caller is no
 * Erlang node, the one that it was made on. */
static bool find_runner(struct npr_node *node,
                        const struct npri_core_effect *effect,
                        struct npr_node_name *out)
{
    struct npr_pid creator;
    struct npr_node_name caller;
    const bool has_caller = npri_term_node(effect->caller, &caller);
    const bool closure = npri_closure_creator(effect->function, &creator);

    if (has_caller && !npr_node_name_equal(&caller, &node->name) &&
        !(closure && npri_core_is_native(node->registry.core, &caller))) {
        *out = caller;
        return true;
    }
    if (closure && !npr_node_name_equal(&creator.node, &node->name)) {
        *out = creator.node;
        return true;
    }
    return false;
}

/* No node is left that could run it: says so. */
static void refuse(struct npr_node *node,
                   const struct npri_core_effect *effect,
                   const struct npri_apply *apply,
                   uint32_t arity)
{
    struct npr_error error = {0};
    struct npr_bytes module = {0};
    struct npr_bytes name = {0};

    if (!npri_startable_check(effect->function)) {
        (void)npri_fail(&error, NPR_EINVAL,
                        "what was to be started is neither a fun without arguments nor {Module, "
                        "Function, Arguments}");
    } else if (npr_term_get_atom(apply->module, &module) &&
               npr_term_get_atom(apply->function, &name)) {
        (void)npri_fail(&error, NPR_EREFUSED, "no function %.*s:%.*s/%u is exported by node %.*s",
                        (int)module.size, (const char *)module.data, (int)name.size,
                        (const char *)name.data, (unsigned)arity, (int)node->name.size,
                        node->name.text);
    } else {
        (void)npri_fail(&error, NPR_EREFUSED, "no Erlang node is known that could run the fun");
    }
    tell_failed(node, effect->operation, &error);
}

void npri_start_function(struct npr_node *node, const struct npri_core_effect *effect)
{
    const struct npr_function *function = NULL;
    struct npr_node_name runner;
    struct npri_apply apply = {0};
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity = 0;

    if (npri_startable_read(effect->function, &apply, &arity) &&
        npr_term_get_atom(apply.module, &module) && npr_term_get_atom(apply.function, &name)) {
        function = npri_exports_find(&node->exports, module, name, arity);
    }
    if (function != NULL) {
        start_here(node, effect, function, &apply);
    } else if (npri_startable_check(effect->function) && find_runner(node, effect, &runner)) {
        spawn_there(node, effect, &runner);
    } else {
        refuse(node, effect, &apply, arity);
    }
}
