/* NPRI_EFFECT_START: a process from a function that this node exports, or, for any other fun, one
 * on the node that can run it.  Either way it is registered here. */
#include "base/fail.h"
#include "base/limits.h"
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
    (void)npri_registry_step(user,
                             &(struct npri_core_event){.kind = NPRI_EVENT_STARTED,
                                                       .operation = number,
                                                       .status = outcome->status,
                                                       .term = outcome->term,
                                                       .rule = npri_launch_rule(outcome->behaviour),
                                                       .text = outcome->text});
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
                                                        .key = effect->key,
                                                        .token = effect->token,
                                                        .state = effect->state,
                                                        .registered = true,
                                                        .done = on_launched,
                                                        .user = node,
                                                        .number = effect->operation});

    if (status != NPR_OK) {
        (void)npri_fail(&error, status, "%s", npr_status_text(status));
        tell_failed(node, effect->operation, &error);
    }
}

/* {ok, Pid} from nprocreg_native:spawn. */
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

/* Asks with Module:Function(Arguments...); `args` is the list. */
static npr_status ask_by_name(struct npr_node *node,
                              const struct npri_question_options *options,
                              ask_fn ask,
                              const char *const names[2],
                              const struct npri_buffer *args)
{
    struct npri_buffer terms[2];
    npr_status status = NPR_ENOMEM;

    for (size_t i = 0; i < 2; i++) {
        npri_buffer_init(&terms[i], 0);
        npri_put_atom(&terms[i], names[i]);
    }
    if (!terms[0].failed && !terms[1].failed && !args->failed) {
        status = ask(node, options,
                     &(struct npri_apply){.module = npri_buffer_term(&terms[0]),
                                          .function = npri_buffer_term(&terms[1]),
                                          .args = npri_buffer_term(args)});
    }
    for (size_t i = 0; i < 2; i++) {
        npri_buffer_fini(&terms[i]);
    }
    return status;
}

/* A native node is asked by a call of our own, which says what is wrong when it cannot.  What the
 * process is started for is told to those that know tokens. */
static npr_status spawn_on_native(struct npr_node *node,
                                  struct npri_question_options *options,
                                  const struct npri_core_effect *effect)
{
    static const char *const names[] = {NPRI_NATIVE_NAME, "spawn"};
    const bool tells = npri_core_native_version(node->registry.core, &options->peer) >= 2;
    struct npri_buffer args;
    npr_status status;

    npri_buffer_init(&args, 0);
    npri_put_list(&args, tells ? 3 : 1);
    npri_put_given(&args, effect->function);
    if (tells) {
        npri_put_given(&args, effect->key);
        npri_put_uint(&args, effect->token);
    }
    npri_put_nil(&args);
    options->done = on_native_spawned;
    status = ask_by_name(node, options, npri_question_apply, names, &args);
    npri_buffer_fini(&args);
    return status;
}

/* erlang:apply(Fun, []) or Module:Function(Arguments...), with a group leader of that node: what
 * the process prints and logs belongs there. */
static npr_status spawn_on_erlang(struct npr_node *node,
                                  const struct npri_question_options *options,
                                  struct npr_term fun)
{
    static const char *const names[] = {"erlang", "apply"};
    struct npri_apply apply;
    struct npri_buffer args;
    uint32_t arity;
    npr_status status;

    if (npr_term_kind(fun) == NPR_TERM_TUPLE && npri_startable_read(fun, &apply, &arity)) {
        return npri_leaders_spawn(node, options, &apply);
    }
    npri_buffer_init(&args, 0);
    npri_put_list(&args, 2);
    npri_put_given(&args, fun);
    npri_put_nil(&args);
    npri_put_nil(&args);
    status = ask_by_name(node, options, npri_leaders_spawn, names, &args);
    npri_buffer_fini(&args);
    return status;
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
                                  ? spawn_on_native(node, &options, effect)
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
