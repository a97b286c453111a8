/* first.c - a node, and a process under a key that is called: prints 1, 2, 3. */
#include <stdio.h>

#include "nprocreg/nprocreg.h"

static npr_status count(struct npr_process *self,
                        void *state,
                        const struct npr_from *from,
                        struct npr_term request)
{
    int64_t *calls = state;

    (void)printf("%d\n", (int)++*calls);
    return npr_reply(self, from, request);
}

static const struct npr_behaviour counter = {.struct_size = sizeof(struct npr_behaviour),
                                             .state_bytes = sizeof(int64_t),
                                             .call = count};
static const struct npr_function functions[] = {{.name = "start", .behaviour = &counter}};
static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "counter",
                                         .functions = functions,
                                         .functions_count = 1};
static const struct npr_module *const modules[] = {&module};

int main(void)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_builder *built = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    struct npr_node *node = NULL;
    struct npr_found found;
    npr_status status;

    options.name = "first@127.0.0.1";
    options.cookie = "secret";
    options.listen = "127.0.0.1:0";
    options.modules = modules;
    options.modules_count = 1;
    status = npr_node_start(&options, &node, NULL);
    NPR_BUILD(built, "{counter,~i}", 7);
    for (int i = 0; i < 3 && status == NPR_OK; i++) {
        status = npr_builder_finish(built, &term, NULL);
        if (status == NPR_OK) {
            status = npr_get_pid(node, term, "counter", "start", 1000, &found, NULL);
        }
        if (status == NPR_OK) {
            status = npr_node_call(node, &(struct npr_address){.pid = found.pid}, term, 1000, reply,
                                   NULL);
        }
        npr_builder_reset(reply);
    }
    npr_node_stop(node);
    npr_builder_destroy(built);
    npr_builder_destroy(reply);
    return status == NPR_OK ? 0 : 1;
}
