/* bridge.c - a program that calls an Erlang node, and is called by it.
 *
 *      erl -name e@127.0.0.1 -setcookie secret
 *
 *      bridge e@127.0.0.1 secret
 *      lists:sum([1,2,39]) -> 42
 *      gen_server:call(Pid, {double,21}) -> 42
 *      erlang:is_process_alive(Pid) -> {error,badarg}
 *
 * The first is asked of Erlang and answered there.  The second is run by Erlang, which for that
 * calls a process of this program.  The third raises an exception there, since the pid is of
 * another node.  Nothing but a plain Erlang node is needed: no module of ours, no nprocreg. */
#include <stdio.h>
#include <stdlib.h>

#include "nprocreg/nprocreg.h"

#define TIMEOUT_MS 5000

static npr_status doubler_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term reply;
    npr_status status;
    int32_t value;

    (void)state;
    if (NPR_MATCH(request, "{double,~i}", &value)) {
        NPR_BUILD(built, "~i", 2 * (int64_t)value);
    } else {
        NPR_BUILD(built, "{error,unknown}");
    }
    status = npr_builder_finish(built, &reply, NULL);
    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static const struct npr_behaviour doubler = {.struct_size = sizeof(struct npr_behaviour),
                                             .call = doubler_call};
static const struct npr_function functions[] = {{.name = "start", .behaviour = &doubler}};
static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "doubler",
                                         .functions = functions,
                                         .functions_count = 1};
static const struct npr_module *const modules[] = {&module};

/* Both ends of the bridge, and room for a request and for its answer. */
struct bridge {
    struct npr_node *node;
    struct npr_node_name erlang;
    struct npr_builder *request;
    struct npr_builder *reply;
    struct npr_error err;
};

/* Runs module:function(args...) on the Erlang node, where `request` holds the list of arguments,
 * and prints `title` and what came of it. */
static npr_status run(struct bridge *bridge,
                      const char *title,
                      const char *module_name,
                      const char *function)
{
    struct npr_term term;
    npr_status status = npr_builder_finish(bridge->request, &term, &bridge->err);
    char *text;

    npr_builder_reset(bridge->reply);
    if (status == NPR_OK) {
        status = npr_node_rpc(bridge->node, &bridge->erlang, module_name, function, term,
                              TIMEOUT_MS, bridge->reply, &bridge->err);
    }
    if (status != NPR_OK && status != NPR_EEXIT) { /* which has the exception as its reply */
        return status;
    }
    status = npr_builder_finish(bridge->reply, &term, &bridge->err);
    if (status != NPR_OK) {
        return status;
    }
    text = npr_term_print(term);
    (void)printf("%s -> %s\n", title, text != NULL ? text : "out of memory");
    free(text);
    npr_builder_reset(bridge->request);
    return NPR_OK;
}

static npr_status cross(struct bridge *bridge)
{
    struct npr_found found;
    struct npr_term key;
    npr_status status;

    NPR_BUILD(bridge->request, "[[1,2,~i]]", 39);
    status = run(bridge, "lists:sum([1,2,39])", "lists", "sum");
    if (status != NPR_OK) {
        return status;
    }
    NPR_BUILD(bridge->request, "doubler");
    status = npr_builder_finish(bridge->request, &key, &bridge->err);
    if (status == NPR_OK) {
        status =
            npr_get_pid(bridge->node, key, "doubler", "start", TIMEOUT_MS, &found, &bridge->err);
    }
    if (status != NPR_OK) {
        return status;
    }
    npr_builder_reset(bridge->request);
    NPR_BUILD(bridge->request, "[~p,{double,~i}]", &found.pid, 21);
    status = run(bridge, "gen_server:call(Pid, {double,21})", "gen_server", "call");
    if (status != NPR_OK) {
        return status;
    }
    NPR_BUILD(bridge->request, "[~p]", &found.pid);
    return run(bridge, "erlang:is_process_alive(Pid)", "erlang", "is_process_alive");
}

/* Starts the node and connects it to the Erlang node. */
static npr_status open_bridge(struct bridge *bridge, const char *erlang, const char *cookie)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    npr_status status;

    bridge->request = npr_builder_create();
    bridge->reply = npr_builder_create();
    if (bridge->request == NULL || bridge->reply == NULL) {
        return NPR_ENOMEM;
    }
    status = npr_node_name_parse(npr_bytes_of(erlang), &bridge->erlang, &bridge->err);
    if (status != NPR_OK) {
        return status;
    }
    options.name = "bridge@127.0.0.1";
    options.cookie = cookie;
    options.listen = "127.0.0.1:0"; /* only this side connects */
    options.modules = modules;
    options.modules_count = 1;
    status = npr_node_start(&options, &bridge->node, &bridge->err);
    return status == NPR_OK ? npr_node_connect(bridge->node, erlang, TIMEOUT_MS, &bridge->err)
                            : status;
}

int main(int argc, char **argv)
{
    struct bridge bridge = {.node = NULL};
    npr_status status;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bridge NODE COOKIE\n");
        return 2;
    }
    status = open_bridge(&bridge, argv[1], argv[2]);
    if (status == NPR_OK) {
        status = cross(&bridge);
    }
    if (status != NPR_OK) {
        (void)fprintf(stderr, "bridge: %s: %s\n", npr_status_text(status), bridge.err.text);
    }
    npr_node_stop(bridge.node);
    npr_builder_destroy(bridge.request);
    npr_builder_destroy(bridge.reply);
    return status == NPR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
