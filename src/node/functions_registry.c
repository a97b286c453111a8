/* nprocreg:* and nprocreg_native:*, as functions for peers (node/functions.h): what is asked. */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/failure.h"
#include "node/functions.h"
#include "node/launch.h"
#include "node/node.h"
#include "term/write.h"

/* How long nprocreg:get_pid may take when its caller cannot say: gen_server:call's five seconds,
 * less what the way back takes. */
#define GET_PID_MS UINT64_C(4900)
/* And a lookup of a native node, which waits as long as this one takes to start or restart it. */
#define LOOKUP_MS          UINT64_C(25000)
#define NS_PER_MS          UINT64_C(1000000)
#define FUN_TEXT_BYTES_MAX 100u /* of a fun in an error's text */

/* ---- Getting. */

struct getting {
    struct npri_get get;
    struct npri_evaluation *evaluation;
    void (*give)(struct npri_evaluation *evaluation, const struct npri_answer *answer);
};

/* The original gives the bare pid, or `undefined`; what is neither is an exception. */
static void got_pid(struct npri_evaluation *evaluation, const struct npri_answer *answer)
{
    if (answer->status == NPR_OK) {
        npri_evaluation_return(evaluation, answer->pid);
    } else if (answer->status == NPR_ENOTFOUND) {
        npri_evaluation_return_atom(evaluation, "undefined");
    } else {
        npri_evaluation_fail(evaluation, answer->status, answer->text);
    }
}

/* Nodes of version 1 know no tokens, and take an answer with one for none. */
static bool knows_tokens(const struct npri_evaluation *evaluation)
{
    struct npr_node_name caller;

    return !npri_term_node(evaluation->caller, &caller) ||
           npri_core_native_version(evaluation->node->registry.core, &caller) != 1;
}

static void got_native(struct npri_evaluation *evaluation, const struct npri_answer *answer)
{
    const bool token = knows_tokens(evaluation);
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    if (answer->moved) {
        npri_put_atom(&value, "moved");
    } else if (answer->status == NPR_OK) {
        npri_put_tuple(&value, token ? 4 : 3);
        npri_put_atom(&value, "ok");
        npri_put_given(&value, answer->pid);
        npri_put_atom(&value, answer->started ? "true" : "false");
        if (token) {
            npri_put_uint(&value, answer->token);
        }
    } else {
        npri_put_error(&value, answer->status, answer->text);
    }
    npri_evaluation_return_built(evaluation, &value);
}

static void got(struct npri_get *get, const struct npri_answer *answer)
{
    struct getting *getting = NPRI_CONTAINER_OF(get, struct getting, get);

    getting->give(getting->evaluation, answer);
    npri_free(getting);
}

/* What waits for the answer, and keeps the evaluation; NULL: the evaluation has failed. */
static struct getting *keep(struct npri_evaluation *evaluation,
                            void (*give)(struct npri_evaluation *evaluation,
                                         const struct npri_answer *answer))
{
    struct getting *getting = npri_alloc_zeroed(1, sizeof(*getting));

    if (getting == NULL) {
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return NULL;
    }
    getting->get.done = got;
    getting->give = give;
    getting->evaluation = npri_evaluation_keep(evaluation);
    if (getting->evaluation == NULL) {
        npri_free(getting);
        return NULL;
    }
    return getting;
}

static void begin(struct npri_evaluation *evaluation,
                  struct npri_get_options *options,
                  uint64_t timeout_ms,
                  void (*give)(struct npri_evaluation *evaluation,
                               const struct npri_answer *answer))
{
    struct npr_node *node = evaluation->node;
    struct getting *getting = keep(evaluation, give);

    if (getting == NULL) {
        return;
    }
    if (options->caller.data == NULL) {
        options->caller = evaluation->caller;
    }
    timeout_ms = timeout_ms < NPRI_GET_MS_MAX ? timeout_ms : NPRI_GET_MS_MAX;
    options->deadline_ns = npri_loop_now_ns(node->loop) + timeout_ms * NS_PER_MS;
    npri_registry_get(node, &getting->get, options);
}

void npri_function_get_pid(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    begin(evaluation, &(struct npri_get_options){.key = args[0]}, GET_PID_MS, got_pid);
}

void npri_function_get_or_start(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    /* The original takes funs only. */
    if (npr_term_kind(args[1]) != NPR_TERM_FUN || !npri_startable_check(args[1])) {
        npri_evaluation_raise(evaluation, "function_clause");
        return;
    }
    begin(evaluation, &(struct npri_get_options){.key = args[0], .function = args[1]}, GET_PID_MS,
          got_pid);
}

/* For the command and its like, (Key, Start or undefined, TimeoutMs): who asks is no node that
 * could run anything, so this node stands for the caller. */
void npri_function_native_get(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    const bool starts = !npr_term_is_atom(args[1], "undefined");
    uint64_t timeout_ms;

    if ((starts && !npri_startable_check(args[1])) || !npr_term_get_uint64(args[2], &timeout_ms)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    begin(evaluation,
          &(struct npri_get_options){.key = args[0],
                                     .function = starts ? args[1] : (struct npr_term){0},
                                     .caller =
                                         npri_service_pid(evaluation->node, NPRI_SERVICE_CLIENT)},
          timeout_ms, got_native);
}

/* From a native node that takes us for the owner: (Key, Start, Caller, TimeoutMs).  `moved`: it
 * should look again who is. */
void npri_function_native_start(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node_name starter;
    uint64_t timeout_ms;

    if (!npri_startable_check(args[1]) || npr_term_kind(args[2]) != NPR_TERM_PID ||
        !npri_term_node(evaluation->caller, &starter) ||
        !npr_term_get_uint64(args[3], &timeout_ms)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    begin(evaluation,
          &(struct npri_get_options){
              .key = args[0], .function = args[1], .caller = args[2], .starter = &starter},
          timeout_ms, got_native);
}

/* ---- The table. */

/* What is known here: this node's own table, and what others have told it as the owner.  While the
 * process of a key is started the answer waits for it: "not here" would have another one started
 * elsewhere. */
static void look_here(struct npri_evaluation *evaluation,
                      struct npr_term key,
                      uint64_t timeout_ms,
                      void (*give)(struct npri_evaluation *evaluation,
                                   const struct npri_answer *answer))
{
    const struct npr_node *node = evaluation->node;
    struct npri_core *core = node->registry.core;
    struct npri_activation found;
    struct npr_node_name asker;

    if (!npri_core_is_stalled(core, npri_loop_now_ns(node->loop)) &&
        npri_core_lookup_known(core, key, &found)) {
        give(evaluation, &(struct npri_answer){.pid = found.pid, .token = found.token});
    } else {
        begin(evaluation,
              &(struct npri_get_options){
                  .key = key,
                  .own_only = true,
                  .asker = npri_term_node(evaluation->caller, &asker) ? &asker : NULL},
              timeout_ms, give);
    }
}

/* ets:lookup(nprocreg_data, Key): [] or [{Key, Pid}]. */
static void give_entries(struct npri_evaluation *evaluation, const struct npri_answer *answer)
{
    struct npr_term args[2] = {{0}};
    struct npr_term_walk walk;
    struct npri_buffer value;

    if (answer->status != NPR_OK && answer->status != NPR_ENOTFOUND) {
        npri_evaluation_fail(evaluation, answer->status, answer->text);
        return;
    }
    npri_buffer_init(&value, 0);
    if (answer->status == NPR_OK && npr_term_list(evaluation->apply.args, &walk) &&
        npr_term_next(&walk, &args[0]) && npr_term_next(&walk, &args[1])) {
        npri_put_list(&value, 1);
        npri_put_tuple(&value, 2);
        npri_put_given(&value, args[1]);
        npri_put_given(&value, answer->pid);
    }
    npri_put_nil(&value);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_table_lookup(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    if (!npr_term_is_atom(args[0], NPRI_TABLE_NAME) || evaluation->node->client) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    look_here(evaluation, args[1], GET_PID_MS, give_entries);
}

/* (Key): {ok, Pid, Token}, `absent` (nor does any other node have it) or `undefined`. */
static void give_entry(struct npri_evaluation *evaluation, const struct npri_answer *answer)
{
    struct npri_buffer value;

    if (answer->status == NPR_ENOTFOUND) {
        npri_evaluation_return_atom(evaluation, answer->final ? "absent" : "undefined");
        return;
    }
    if (answer->status != NPR_OK) {
        npri_evaluation_fail(evaluation, answer->status, answer->text);
        return;
    }
    npri_buffer_init(&value, 0);
    npri_put_tuple(&value, 3);
    npri_put_atom(&value, "ok");
    npri_put_given(&value, answer->pid);
    npri_put_uint(&value, answer->token);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_native_lookup(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    look_here(evaluation, args[0], LOOKUP_MS, give_entry);
}

void npri_function_get_status(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;

    (void)args;
    npri_buffer_init(&value, 0);
    npri_put_uint(&value, npri_core_entries_count(evaluation->node->registry.core));
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_get_nodes(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;

    (void)args;
    npri_buffer_init(&value, 0);
    npri_core_put_nodes(evaluation->node->registry.core, &value);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_native_status(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_buffer value;

    (void)args;
    npri_buffer_init(&value, 0);
    npri_core_put_status(node->registry.core, npri_loop_now_ns(node->loop), &value);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_native_place(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    npri_core_put_place(evaluation->node->registry.core, args[0], &value);
    npri_evaluation_return_built(evaluation, &value);
}

/* ---- nprocreg_native:spawn(Fun) and spawn(Fun, Key, Token): {ok, Pid} once it runs. */

static void spawned(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_evaluation *evaluation = user;
    struct npri_buffer value;

    (void)number;
    if (outcome->status != NPR_OK) {
        npri_evaluation_fail(evaluation, outcome->status, outcome->text);
        return;
    }
    npri_buffer_init(&value, 0);
    npri_put_tuple(&value, 2);
    npri_put_atom(&value, "ok");
    npri_put_given(&value, outcome->term);
    npri_evaluation_return_built(evaluation, &value);
}

static void refuse_spawn(struct npri_evaluation *evaluation, struct npr_term fun)
{
    struct npr_error error = {0};
    struct npri_buffer text;

    npri_buffer_init(&text, FUN_TEXT_BYTES_MAX);
    npri_term_print(fun, &text);
    (void)npri_fail(&error, NPR_EREFUSED, "%.*s is exported neither by the owner nor by node %.*s",
                    (int)text.size, text.size == 0 ? "" : (const char *)text.data,
                    (int)evaluation->node->name.size, evaluation->node->name.text);
    npri_buffer_fini(&text);
    npri_evaluation_fail(evaluation, NPR_EREFUSED, npr_bytes_of(error.text));
}

static void spawn_function(struct npri_evaluation *evaluation,
                           struct npr_term start,
                           struct npr_term key,
                           uint64_t token)
{
    struct npr_node *node = evaluation->node;
    const struct npr_function *function = NULL;
    struct npri_evaluation *kept;
    struct npri_apply apply;
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;
    npr_status status;

    if (npri_startable_read(start, &apply, &arity) && npr_term_get_atom(apply.module, &module) &&
        npr_term_get_atom(apply.function, &name)) {
        function = npri_exports_find(&node->exports, module, name, arity);
    }
    if (function == NULL) {
        refuse_spawn(evaluation, start);
        return;
    }
    kept = npri_evaluation_keep(evaluation);
    if (kept == NULL) {
        return;
    }
    status = npri_launch(node, &(struct npri_launch_options){.function = function,
                                                             .apply = &apply,
                                                             .key = key,
                                                             .token = token,
                                                             .done = spawned,
                                                             .user = kept});
    if (status != NPR_OK) {
        npri_evaluation_fail(kept, status, npr_bytes_of(npr_status_text(status)));
    }
}

void npri_function_native_spawn(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    spawn_function(evaluation, args[0], (struct npr_term){0}, 0);
}

void npri_function_native_spawn_for(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    uint64_t token;

    if (npri_registry_check_key(args[1], NULL) != NPR_OK || !npr_term_get_uint64(args[2], &token)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    spawn_function(evaluation, args[0], args[1], token);
}
