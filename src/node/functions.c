/* The table of functions for peers, and those of Erlang's own modules. */
#include "node/functions.h"

#include "core/core.h"
#include "node/node.h"
#include "term/write.h"

static void ets_tab2list(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;

    if (!npr_term_is_atom(args[0], NPRI_TABLE_NAME) || evaluation->node->client) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    npri_buffer_init(&value, 0);
    npri_core_put_entries(evaluation->node->registry.core, 0, &value);
    npri_evaluation_return_built(evaluation, &value);
}

static void erlang_node(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    (void)args;
    npri_evaluation_return(evaluation, npri_node_name_term(evaluation->node));
}

struct peers {
    struct npri_buffer *names;
    uint32_t count;
    bool hidden;
};

static void put_peer(void *user, const struct npri_peer *peer)
{
    struct peers *peers = user;

    if (peer->hidden == peers->hidden) {
        npri_put_node(peers->names, &peer->name);
        peers->count++;
    }
}

static void return_nodes(struct npri_evaluation *evaluation, bool visible, bool hidden)
{
    struct npri_buffer names;
    struct npri_buffer value;
    struct peers peers = {.names = &names};

    npri_buffer_init(&names, 0);
    npri_buffer_init(&value, 0);
    if (visible) {
        npri_connections_each(evaluation->node->connections, put_peer, &peers);
    }
    peers.hidden = true;
    if (hidden) {
        npri_connections_each(evaluation->node->connections, put_peer, &peers);
    }
    npri_put_list_of(&value, peers.count, &names);
    npri_buffer_fini(&names);
    npri_evaluation_return_built(evaluation, &value);
}

static void erlang_nodes(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    (void)args;
    return_nodes(evaluation, true, false);
}

static void erlang_nodes_of(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    if (npr_term_is_atom(args[0], "visible")) {
        return_nodes(evaluation, true, false);
    } else if (npr_term_is_atom(args[0], "hidden")) {
        return_nodes(evaluation, false, true);
    } else if (npr_term_is_atom(args[0], "connected")) {
        return_nodes(evaluation, true, true);
    } else {
        npri_evaluation_raise(evaluation, "badarg");
    }
}

/* erlang:system_info(otp_release), the manner that placement follows here, and (process_count),
 * those that run here, registered or not. */
static void erlang_system_info(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    if (npr_term_is_atom(args[0], "otp_release")) {
        npri_put_string(
            &value, npr_bytes_of(npri_core_otp(node->registry.core) == NPR_OTP_25 ? "25" : "26"));
    } else if (npr_term_is_atom(args[0], "process_count")) {
        npri_put_uint(&value, npri_runtime_process_count(node->runtime));
    } else {
        npri_buffer_fini(&value);
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    npri_evaluation_return_built(evaluation, &value);
}

static void erlang_is_process_alive(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_pid pid;
    bool alive;

    if (!npr_term_get_pid(args[0], &pid) ||
        !npr_node_name_equal(&pid.node, &evaluation->node->name)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    alive = npri_service_is(evaluation->node, &pid) ||
            npri_runtime_is_alive(evaluation->node->runtime, &pid);
    npri_evaluation_return_atom(evaluation, alive ? "true" : "false");
}

static void erlang_whereis(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;
    struct npr_bytes name;
    struct npr_pid pid;

    if (!npr_term_get_atom(args[0], &name)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    npri_buffer_init(&value, 0);
    if (npri_runtime_whereis(evaluation->node->runtime, name, &pid)) {
        npri_put_pid(&value, &pid);
    } else {
        npri_put_atom(&value, "undefined");
    }
    npri_evaluation_return_built(evaluation, &value);
}

static const struct npri_builtin builtins[] = {
    {"ets", "lookup", 2, npri_function_table_lookup},
    {"ets", "tab2list", 1, ets_tab2list},
    {"erlang", "node", 0, erlang_node},
    {"erlang", "nodes", 0, erlang_nodes},
    {"erlang", "nodes", 1, erlang_nodes_of},
    {"erlang", "is_process_alive", 1, erlang_is_process_alive},
    {"erlang", "whereis", 1, erlang_whereis},
    {"erlang", "system_info", 1, erlang_system_info},
    {"erlang", "processes", 0, npri_function_processes},
    {"erlang", "process_info", 1, npri_function_process_info},
    {"erlang", "process_info", 2, npri_function_process_info_of},
    {"nprocreg", "processes", 0, npri_function_processes},
    {"nprocreg", "processes", 1, npri_function_processes_by},
    {"nprocreg", "info", 1, npri_function_info},
    {"nprocreg", "get_pid", 1, npri_function_get_pid},
    {"nprocreg", "get_pid", 2, npri_function_get_or_start},
    {"nprocreg", "register_pid", 2, npri_function_register_pid},
    {"nprocreg", "unregister_key", 1, npri_function_unregister_key},
    {"nprocreg", "get_status", 0, npri_function_get_status},
    {"nprocreg", "get_nodes", 0, npri_function_get_nodes},
    {NPRI_NATIVE_NAME, "get", 3, npri_function_native_get},
    {NPRI_NATIVE_NAME, "lookup", 1, npri_function_native_lookup},
    {NPRI_NATIVE_NAME, "start", 4, npri_function_native_start},
    {NPRI_NATIVE_NAME, "register", 4, npri_function_native_register},
    {NPRI_NATIVE_NAME, "unregister", 2, npri_function_native_unregister},
    {NPRI_NATIVE_NAME, "status", 0, npri_function_native_status},
    {NPRI_NATIVE_NAME, "place", 1, npri_function_native_place},
    {NPRI_NATIVE_NAME, "spawn", 1, npri_function_native_spawn},
    {NPRI_NATIVE_NAME, "drain", 1, npri_function_native_drain},
    {NPRI_NATIVE_NAME, "drain_status", 0, npri_function_native_drain_status},
    {NPRI_NATIVE_NAME, "conflicts", 0, npri_function_native_conflicts},
    {NPRI_NATIVE_NAME, "keys", 2, npri_function_native_keys},
    {NPRI_NATIVE_NAME, "count", 2, npri_function_native_count},
    {NPRI_NATIVE_NAME, "spawn", 3, npri_function_native_spawn_for},
};

const struct npri_builtin *npri_builtin_find(struct npr_bytes module,
                                             struct npr_bytes function,
                                             uint32_t arity)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (builtins[i].arity == arity &&
            npri_bytes_equal(npr_bytes_of(builtins[i].function), function) &&
            npri_bytes_equal(npr_bytes_of(builtins[i].module), module)) {
            return &builtins[i];
        }
    }
    return NULL;
}
