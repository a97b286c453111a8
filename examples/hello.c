/* hello.c - a program that is a node: starts a process under a key, calls it, prints its answer.
 *
 *      cc hello.c $(pkg-config --cflags --libs nprocreg) -o hello && ./hello
 *      {hello,<<"world">>,1} */
#include <stdio.h>
#include <stdlib.h>

#include "nprocreg/nprocreg.h"

struct greeter {
    int64_t greeted;
};

static npr_status greeter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct greeter *greeter = state;
    struct npr_builder *built = npr_scratch(self);
    struct npr_bytes name;
    struct npr_term reply;
    npr_status status;

    if (NPR_MATCH(request, "{greet,~b}", &name)) {
        greeter->greeted++;
        NPR_BUILD(built, "{hello,~b,~i}", name, greeter->greeted);
    } else {
        NPR_BUILD(built, "{error,unknown}");
    }
    status = npr_builder_finish(built, &reply, NULL);
    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static const struct npr_behaviour greeter = {.struct_size = sizeof(struct npr_behaviour),
                                             .state_bytes = sizeof(struct greeter),
                                             .call = greeter_call};
static const struct npr_function functions[] = {{.name = "start", .behaviour = &greeter}};
static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "hello",
                                         .functions = functions,
                                         .functions_count = 1};
static const struct npr_module *const modules[] = {&module};

/* Calls the one process under the key {greeter,7}, wherever in the cluster it lives. */
static npr_status greet(struct npr_node *node, struct npr_builder *built, struct npr_error *err)
{
    struct npr_address greeter_address = {.name = NULL};
    struct npr_found found;
    struct npr_term term;
    npr_status status;
    char *text;

    NPR_BUILD(built, "{greeter,~i}", 7);
    status = npr_builder_finish(built, &term, err);
    if (status == NPR_OK) {
        status = npr_get_pid(node, term, "hello", "start", 5000, &found, err);
    }
    if (status != NPR_OK) {
        return status;
    }
    greeter_address.pid = found.pid;
    npr_builder_reset(built);
    NPR_BUILD(built, "{greet,~b}", "world");
    status = npr_builder_finish(built, &term, err);
    if (status == NPR_OK) {
        struct npr_builder *reply = npr_builder_create();

        status = reply == NULL ? NPR_ENOMEM
                               : npr_node_call(node, &greeter_address, term, 5000, reply, err);
        if (status == NPR_OK && npr_builder_finish(reply, &term, err) == NPR_OK) {
            text = npr_term_print(term);
            (void)puts(text != NULL ? text : "out of memory");
            free(text);
        }
        npr_builder_destroy(reply);
    }
    return status;
}

int main(void)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_error err = {.status = NPR_OK};
    struct npr_builder *built = npr_builder_create();
    struct npr_node *node = NULL;
    npr_status status = NPR_ENOMEM;

    options.name = "hello@127.0.0.1";
    options.cookie = "secret";
    options.listen = "127.0.0.1:0"; /* any port, and no epmd: this node is alone */
    options.modules = modules;
    options.modules_count = 1;
    if (built != NULL) {
        status = npr_node_start(&options, &node, &err);
    }
    if (status == NPR_OK) {
        status = greet(node, built, &err);
    }
    if (status != NPR_OK) {
        (void)fprintf(stderr, "hello: %s: %s\n", npr_status_text(status), err.text);
    }
    npr_node_stop(node);
    npr_builder_destroy(built);
    return status == NPR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
