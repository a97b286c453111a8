/* nprocreg/node.h and nprocreg/registry.h: nodes of one program that talk over loopback. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nprocreg/nprocreg.h"

#include "support/check.h"

#define NODES_MAX  3
#define TIMEOUT_MS 5000

/* ---- A process to talk to. */

struct counter {
    int64_t total;
};

static atomic_int live_counters;

static npr_status counter_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    atomic_fetch_add(&live_counters, 1);
    return NPR_OK;
}

static npr_status counter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct counter *counter = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term reply;
    struct npr_pid pid = npr_self(self);

    if (npr_term_is_atom(request, "silence")) {
        return NPR_OK;
    }
    if (npr_term_is_atom(request, "stop")) {
        return NPR_EREFUSED; /* ends with {error,erefused} and no reply */
    }
    if (npr_term_is_atom(request, "pid")) {
        npr_build_pid(scratch, &pid);
    } else {
        counter->total++;
        npr_build_int(scratch, counter->total);
    }
    return npr_builder_finish(scratch, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                               : NPR_ENOMEM;
}

static npr_status counter_cast(struct npr_process *self, void *state, struct npr_term message)
{
    struct counter *counter = state;

    (void)self;
    if (npr_term_is_atom(message, "inc")) {
        counter->total += 100;
    }
    return NPR_OK;
}

static npr_status counter_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct counter *counter = state;

    (void)self;
    if (npr_term_is_atom(message, "thousand")) {
        counter->total += 1000;
    }
    return NPR_OK;
}

static void counter_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    atomic_fetch_sub(&live_counters, 1);
}

static const struct npr_behaviour counter_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct counter),
    .init = counter_init,
    .call = counter_call,
    .cast = counter_cast,
    .info = counter_info,
    .terminate = counter_terminate,
};

static npr_status failing_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    return NPR_EREFUSED;
}

static const struct npr_behaviour failing_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = failing_init,
};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &counter_behaviour},
    {.name = "fail", .arity = 0, .behaviour = &failing_behaviour},
};

static const struct npr_module counter_module = {
    .abi = NPR_MODULE_ABI,
    .name = "counter",
    .functions = functions,
    .functions_count = 2,
};

static const struct npr_module *const modules[] = {&counter_module};

/* ---- Nodes. */

static struct npr_node *nodes[NODES_MAX];

static void print_log(void *user, npr_log_level level, const char *line)
{
    (void)level;
    (void)fprintf(stderr, "%s: %s\n", (const char *)user, line);
}

static struct npr_node_options options_of(const char *name)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;

    options.name = name;
    options.cookie = "secret";
    options.listen = "127.0.0.1:0";
    options.modules = modules;
    options.modules_count = 1;
    options.workers = 2;
    if (getenv("NPRI_TEST_VERBOSE") != NULL) {
        options.log = print_log;
        options.log_user = (void *)(uintptr_t)name;
    }
    return options;
}

static struct npr_node *start(const struct npr_node_options *options)
{
    struct npr_node *node = NULL;
    struct npr_error err = {0};

    if (npr_node_start(options, &node, &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
    return node;
}

/* Whether `node` has `count` members in its view, asked as an Erlang node would. */
static size_t view_count(struct npr_node *node)
{
    struct npr_address server = {.name = "nprocreg"};
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term;
    struct npr_term_walk walk;
    size_t count = 0;

    npr_node_name(node, &server.node);
    npr_build_atom(request, "get_nodes");
    assert_int_equal(npr_builder_finish(request, &term, NULL), NPR_OK);
    assert_int_equal(npr_node_call(node, &server, term, TIMEOUT_MS, reply, NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    assert_true(npr_term_list(term, &walk));
    while (npr_term_next(&walk, &term)) {
        count++;
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return count;
}

/* Waits for an event of the cluster that nothing announces: asked for every millisecond. */
static void wait_for_view(struct npr_node *node, size_t count)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned i = 0; view_count(node) != count; i++) {
        assert_true(i < 20000);
        (void)nanosleep(&pause, NULL);
    }
}

static void start_cluster(size_t count)
{
    static const char *const names[NODES_MAX] = {"a@127.0.0.1", "b@127.0.0.1", "c@127.0.0.1"};
    char joins[NODES_MAX][64];
    const char *join[NODES_MAX];

    for (size_t i = 0; i < count; i++) {
        struct npr_node_options options = options_of(names[i]);

        options.join = join;
        options.join_count = i;
        nodes[i] = start(&options);
        (void)snprintf(joins[i], sizeof(joins[i]), "%s:%u", names[i],
                       (unsigned)npr_node_port(nodes[i]));
        join[i] = joins[i];
    }
    for (size_t i = 0; i < count; i++) {
        wait_for_view(nodes[i], count);
    }
}

static int stop_cluster(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODES_MAX; i++) {
        npr_node_stop(nodes[i]);
        nodes[i] = NULL;
    }
    return 0;
}

/* ---- Keys. */

static npr_status get(struct npr_node *node, int64_t number, bool starts, struct npr_found *out)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_error err = {0};
    struct npr_term key;
    npr_status status;

    npr_build_tuple(builder, 2);
    npr_build_atom(builder, "user");
    npr_build_int(builder, number);
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    status = npr_get_pid(node, key, "counter", starts ? "start" : NULL, TIMEOUT_MS, out, &err);
    if (status != NPR_OK && status != NPR_ENOTFOUND) {
        (void)fprintf(stderr, "get %lld: %s: %s\n", (long long)number, npr_status_name(status),
                      err.text);
    }
    npr_builder_destroy(builder);
    return status;
}

/* A key that is started on one node is found, not started again, on every other. */
static void a_key_is_one_process_everywhere(void **state)
{
    size_t per_node[NODES_MAX] = {0};

    (void)state;
    start_cluster(3);
    for (int64_t key = 0; key < 60; key++) {
        struct npr_found first;
        struct npr_found again;
        struct npr_node_name name;

        assert_int_equal(get(nodes[key % 3], key, false, &first), NPR_ENOTFOUND);
        assert_int_equal(get(nodes[key % 3], key, true, &first), NPR_OK);
        assert_true(first.started);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(get(nodes[i], key, i == 1, &again), NPR_OK);
            assert_false(again.started);
            assert_true(npr_pid_equal(&first.pid, &again.pid));
            npr_node_name(nodes[i], &name);
            per_node[i] += npr_node_name_equal(&name, &first.pid.node) ? 1 : 0;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(per_node[i], 5, 50); /* The work is spread. */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_is_one_process_everywhere, stop_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
