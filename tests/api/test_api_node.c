/* nprocreg/node.h and nprocreg/registry.h: nodes of one program that talk over loopback. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nprocreg/nprocreg.h"

#include "base/alloc.h"
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
    struct counter *counter = state;
    struct npr_term_walk walk;
    struct npr_term item;
    int64_t value;

    (void)self;
    if (npr_term_list(args, &walk)) {
        while (npr_term_next(&walk, &item) && npr_term_get_int64(item, &value)) {
            counter->total += value;
        }
    }
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
    {.name = "start", .arity = 2, .behaviour = &counter_behaviour},
    {.name = "fail", .arity = 0, .behaviour = &failing_behaviour},
};

static const struct npr_module counter_module = {
    .abi = NPR_MODULE_ABI,
    .name = "counter",
    .functions = functions,
    .functions_count = 3,
};

static const struct npr_module *const modules[] = {&counter_module};

/* ---- Nodes. */

static struct npr_node *nodes[NODES_MAX];

static void print_log(void *user, npr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)fprintf(stderr, "%s\n", line);
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

/* ---- Races. */

#define RACE_KEYS    200
#define RACE_THREADS 6

struct racer {
    pthread_t thread;
    struct npr_node *node;
    npr_status worst;
    struct npr_found found[RACE_KEYS];
};

static void *race(void *user)
{
    struct racer *racer = user;

    for (int64_t key = 0; key < RACE_KEYS; key++) {
        npr_status status = get(racer->node, 1000 + key, true, &racer->found[key]);

        if (status != NPR_OK) {
            racer->worst = status;
        }
    }
    return NULL;
}

/* Catches a start without a second look, an owner that two nodes see differently, and a `started`
 * that more than one caller gets. */
static void a_race_for_fresh_keys_starts_one_process_each(void **state)
{
    static struct racer racers[RACE_THREADS];

    (void)state;
    start_cluster(3);
    for (size_t i = 0; i < RACE_THREADS; i++) {
        racers[i] = (struct racer){.node = nodes[i % 3]};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACE_THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
    }
    for (size_t key = 0; key < RACE_KEYS; key++) {
        unsigned started = 0;

        for (size_t i = 0; i < RACE_THREADS; i++) {
            assert_int_equal(racers[i].worst, NPR_OK);
            assert_true(npr_pid_equal(&racers[0].found[key].pid, &racers[i].found[key].pid));
            started += racers[i].found[key].started ? 1 : 0;
        }
        assert_int_equal(started, 1);
    }
    assert_int_equal(atomic_load(&live_counters), RACE_KEYS);
}

/* ---- Messages. */

static npr_status call_atom(struct npr_node *node,
                            const struct npr_address *to,
                            const char *atom,
                            uint32_t timeout_ms,
                            struct npr_builder *reply)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_term term;
    npr_status status;

    npr_build_atom(request, atom);
    assert_int_equal(npr_builder_finish(request, &term, NULL), NPR_OK);
    status = npr_node_call(node, to, term, timeout_ms, reply, NULL);
    npr_builder_destroy(request);
    return status;
}

static int64_t reply_number(struct npr_builder *reply)
{
    struct npr_term term;
    int64_t number;

    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    assert_true(npr_term_get_int64(term, &number));
    npr_builder_reset(reply);
    return number;
}

static void send_atom(struct npr_node *node,
                      const struct npr_address *to,
                      const char *atom,
                      bool cast)
{
    struct npr_builder *message = npr_builder_create();
    struct npr_term term;

    npr_build_atom(message, atom);
    assert_int_equal(npr_builder_finish(message, &term, NULL), NPR_OK);
    assert_int_equal(cast ? npr_node_cast(node, to, term) : npr_node_send(node, to, term), NPR_OK);
    npr_builder_destroy(message);
}

/* From its own node and from another one, in the order of sending. */
static void messages_arrive_in_order(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_found found;
    struct npr_address to = {0};

    (void)state;
    start_cluster(2);
    assert_int_equal(get(nodes[0], 1, true, &found), NPR_OK);
    to.pid = found.pid;
    for (int64_t i = 0; i < 2; i++) {
        send_atom(nodes[i], &to, "thousand", false);
        send_atom(nodes[i], &to, "inc", true);
        assert_int_equal(call_atom(nodes[i], &to, "get", TIMEOUT_MS, reply), NPR_OK);
        assert_int_equal(reply_number(reply), (i + 1) * 1101);
    }
    npr_builder_destroy(reply);
}

/* Each way in which a call can fail, from the process's own node and from another. */
static void a_call_says_how_it_failed(void **state)
{
    struct npr_address absent = {.name = "nobody_of_that_name"};
    struct npr_builder *reply = npr_builder_create();
    struct npr_found found;
    struct npr_address to = {0};
    struct npr_term parts[2];
    struct npr_term term;

    (void)state;
    start_cluster(2);
    npr_node_name(nodes[0], &absent.node);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(get(nodes[0], (int64_t)i, true, &found), NPR_OK);
        to.pid = found.pid;
        assert_int_equal(call_atom(nodes[i], &to, "silence", 20, reply), NPR_ETIMEDOUT);
        assert_int_equal(call_atom(nodes[i], &absent, "get", TIMEOUT_MS, reply), NPR_ENOPROC);
        assert_int_equal(call_atom(nodes[i], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        assert_true(npr_term_get_tuple(term, 2, parts));
        assert_true(npr_term_is_atom(parts[1], "erefused"));
        npr_builder_reset(reply);
        assert_int_equal(call_atom(nodes[i], &to, "get", TIMEOUT_MS, reply), NPR_ENOPROC);
    }
    npr_builder_destroy(reply);
}

static npr_status rpc(struct npr_node *node,
                      const struct npr_node_name *peer,
                      const char *module,
                      const char *function,
                      struct npr_builder *reply)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_term term;
    npr_status status;

    npr_build_nil(args);
    assert_int_equal(npr_builder_finish(args, &term, NULL), NPR_OK);
    status = npr_node_rpc(node, peer, module, function, term, TIMEOUT_MS, reply, NULL);
    npr_builder_destroy(args);
    return status;
}

static void functions_are_called_here_and_there(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_node_name peer;
    struct npr_term parts[2];
    struct npr_term term;
    struct npr_pid pid;

    (void)state;
    start_cluster(2);
    npr_node_name(nodes[1], &peer);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rpc(nodes[i], &peer, "erlang", "node", reply), NPR_OK);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        assert_true(npr_term_is_atom(term, "b@127.0.0.1"));
        npr_builder_reset(reply);

        assert_int_equal(rpc(nodes[i], &peer, "counter", "start", reply), NPR_OK);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        assert_true(npr_term_get_pid(term, &pid));
        npr_builder_reset(reply);

        assert_int_equal(rpc(nodes[i], &peer, "no", "such", reply), NPR_EEXIT);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        assert_true(npr_term_get_tuple(term, 2, parts));
        assert_true(npr_term_is_atom(parts[0], "error"));
        assert_true(npr_term_is_atom(parts[1], "undef"));
        npr_builder_reset(reply);
    }
    npr_builder_destroy(reply);
}

/* ---- Entries. */

static struct npr_term atom_term(struct npr_builder *builder, const char *atom)
{
    struct npr_term term = {0};

    npr_builder_reset(builder);
    npr_build_atom(builder, atom);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    return term;
}

static void wait_until_gone(struct npr_node *node, struct npr_term key)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct npr_found found;

    for (unsigned i = 0; npr_get_pid(node, key, NULL, NULL, TIMEOUT_MS, &found, NULL) == NPR_OK;
         i++) {
        assert_true(i < 5000);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(npr_get_pid(node, key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_ENOTFOUND);
}

/* A process under two keys, one of them in another node's table: its death removes both. */
static void a_death_removes_all_entries_of_the_process(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term key = atom_term(builder, "second_name");
    struct npr_found found;
    struct npr_found again;
    struct npr_address to = {0};

    (void)state;
    start_cluster(2);
    assert_int_equal(get(nodes[0], 1, true, &found), NPR_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(npr_register(nodes[i], key, &found.pid, NULL), NPR_OK);
    }
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &again, NULL), NPR_OK);
    assert_true(npr_pid_equal(&found.pid, &again.pid));
    to.pid = found.pid;
    assert_int_equal(call_atom(nodes[1], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
    wait_until_gone(nodes[0], key);
    wait_until_gone(nodes[1], key);
    assert_int_equal(get(nodes[0], 1, true, &again), NPR_OK);
    assert_true(again.started);
    npr_builder_destroy(builder);
    npr_builder_destroy(reply);
}

/* A call that fails because the process ended is told so by a monitor.  Would catch: a monitor that
 * fires while the key still leads to the dead process. */
static void an_entry_is_gone_before_its_down_is_seen(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    struct npr_found found;
    struct npr_found again;

    (void)state;
    start_cluster(1);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(get(nodes[0], 1, true, &found), NPR_OK);
        assert_true(found.started);
        to.pid = found.pid;
        assert_int_equal(call_atom(nodes[0], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
        npr_builder_reset(reply);
        assert_int_equal(get(nodes[0], 1, false, &again), NPR_ENOTFOUND);
    }
    npr_builder_destroy(reply);
}

static void an_entry_can_be_taken_out(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term key = atom_term(builder, "a_name");
    struct npr_found found;

    (void)state;
    start_cluster(2);
    assert_int_equal(get(nodes[0], 1, true, &found), NPR_OK);
    assert_int_equal(npr_register(nodes[0], key, &found.pid, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_OK);
    assert_int_equal(npr_unregister(nodes[0], key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &found, NULL),
                     NPR_ENOTFOUND);
    npr_builder_destroy(builder);
}

/* What the owner cannot start is refused, and says why, whoever asks. */
static void a_start_that_fails_says_why(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_found found;
    struct npr_error err;

    (void)state;
    start_cluster(2);
    for (int64_t i = 0; i < 8; i++) {
        struct npr_term key;

        npr_builder_reset(builder);
        npr_build_int(builder, i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(
            npr_get_pid(nodes[i % 2], key, "counter", "nothing", TIMEOUT_MS, &found, &err),
            NPR_EREFUSED);
        assert_non_null(strstr(err.text, "export"));
        assert_int_equal(
            npr_get_pid(nodes[i % 2], key, "counter", "fail", TIMEOUT_MS, &found, &err),
            NPR_EREFUSED);
        assert_non_null(strstr(err.text, "counter:fail/0"));
        assert_non_null(strstr(err.text, "erefused"));
    }
    npr_builder_destroy(builder);
}

static npr_status start_with(struct npr_node *node,
                             int64_t key_number,
                             const char *args_text,
                             struct npr_pid *out)
{
    struct npr_builder *builders[2] = {npr_builder_create(), npr_builder_create()};
    struct npr_start start = {.module = "counter", .function = "start"};
    struct npr_found found = {0};
    struct npr_term key;
    npr_status status;

    npr_build_int(builders[0], key_number);
    assert_int_equal(npr_builder_finish(builders[0], &key, NULL), NPR_OK);
    assert_int_equal(npr_term_parse(npr_bytes_of(args_text), builders[1], NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(builders[1], &start.arguments, NULL), NPR_OK);
    status = npr_get_or_start(node, key, &start, TIMEOUT_MS, &found, NULL);
    *out = found.pid;
    npr_builder_destroy(builders[0]);
    npr_builder_destroy(builders[1]);
    return status;
}

/* Arguments must reach the init wherever the key belongs, small numbers (which are a string on the
 * wire) and large ones; those of whoever comes second must not count. */
static void a_start_takes_arguments_along(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_builder *any = npr_builder_create();
    struct npr_address to = {0};
    struct npr_pid again;
    struct npr_term request;
    struct npr_term answer;
    int64_t total;

    (void)state;
    start_cluster(3);
    npr_build_atom(any, "add one");
    assert_int_equal(npr_builder_finish(any, &request, NULL), NPR_OK);
    for (int64_t i = 0; i < 12; i++) {
        const bool small = i % 2 == 0;

        assert_int_equal(start_with(nodes[i % 3], i, small ? "[1,2]" : "[1000,2000]", &to.pid),
                         NPR_OK);
        assert_int_equal(start_with(nodes[(i + 1) % 3], i, "[7,7]", &again), NPR_OK);
        assert_true(npr_pid_equal(&to.pid, &again));
        npr_builder_reset(reply);
        assert_int_equal(npr_node_call(nodes[0], &to, request, TIMEOUT_MS, reply, NULL), NPR_OK);
        assert_int_equal(npr_builder_finish(reply, &answer, NULL), NPR_OK);
        assert_true(npr_term_get_int64(answer, &total));
        assert_int_equal(total, small ? 4 : 3001);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "[1]", &again), NPR_EREFUSED);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "[1|2]", &again), NPR_EINVAL);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "{1,2}", &again), NPR_EINVAL);
    }
    npr_builder_destroy(reply);
    npr_builder_destroy(any);
}

static void a_key_that_cannot_be_placed_is_refused(void **state)
{
    static uint8_t large[70000];
    struct npr_builder *builder = npr_builder_create();
    struct npr_found found;
    struct npr_term key;

    (void)state;
    start_cluster(1);
    npr_build_binary(builder, (struct npr_bytes){.data = large, .size = sizeof(large)});
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[0], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_EINVAL);
    npr_builder_reset(builder);
    npr_build_map(builder, 33);
    for (int64_t i = 0; i < 33; i++) {
        npr_build_int(builder, i);
        npr_build_int(builder, i);
    }
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[0], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_EINVAL);
    npr_builder_destroy(builder);
}

/* ---- Leaving. */

/* The others notice that a node is gone; its keys are started again elsewhere. */
static void keys_of_a_node_that_left_live_again(void **state)
{
    struct npr_found found[20];
    struct npr_node_name gone;

    (void)state;
    start_cluster(3);
    npr_node_name(nodes[2], &gone);
    for (int64_t key = 0; key < 20; key++) {
        assert_int_equal(get(nodes[0], key, true, &found[key]), NPR_OK);
    }
    npr_node_stop(nodes[2]);
    nodes[2] = NULL;
    wait_for_view(nodes[0], 2);
    wait_for_view(nodes[1], 2);
    for (int64_t key = 0; key < 20; key++) {
        struct npr_found again;

        assert_int_equal(get(nodes[1], key, true, &again), NPR_OK);
        assert_false(npr_node_name_equal(&again.pid.node, &gone));
        if (!npr_node_name_equal(&found[key].pid.node, &gone)) {
            assert_true(npr_pid_equal(&found[key].pid, &again.pid));
        }
    }
}

struct waiter {
    pthread_t thread;
    struct npr_node *node;
    struct npr_address to;
    npr_status status;
    atomic_bool runs;
};

static void *wait_for_ever(void *user)
{
    struct waiter *waiter = user;
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};

    npr_build_atom(request, "silence");
    if (npr_builder_finish(request, &term, NULL) == NPR_OK) {
        atomic_store(&waiter->runs, true);
        waiter->status = npr_node_call(waiter->node, &waiter->to, term, 60000, reply, NULL);
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return NULL;
}

/* A thread that waits in a call is let go when its node is stopped, and before the node is freed.
 */
static void stopping_ends_calls_that_wait(void **state)
{
    static struct waiter waiters[4];
    struct npr_found found;

    (void)state;
    start_cluster(2);
    assert_int_equal(get(nodes[0], 1, true, &found), NPR_OK);
    for (size_t i = 0; i < 4; i++) {
        waiters[i].node = nodes[0];
        waiters[i].to.pid = found.pid;
        atomic_store(&waiters[i].runs, false);
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_ever, &waiters[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        while (!atomic_load(&waiters[i].runs)) {
        }
    }
    assert_int_equal(view_count(nodes[0]), 2); /* The loop has seen what was posted before this. */
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_true(waiters[i].status == NPR_ECLOSED || waiters[i].status == NPR_EEXIT);
    }
}

/* The call's peer goes: an end within moments, not at the time-out. */
static void a_lost_node_ends_calls_to_it(void **state)
{
    static struct waiter waiter;
    struct npr_found found;
    int64_t key = 0;
    struct npr_node_name name;

    (void)state;
    start_cluster(2);
    npr_node_name(nodes[1], &name);
    do {
        assert_int_equal(get(nodes[0], key++, true, &found), NPR_OK);
    } while (!npr_node_name_equal(&found.pid.node, &name));
    waiter.node = nodes[0];
    waiter.to.pid = found.pid;
    atomic_store(&waiter.runs, false);
    assert_int_equal(pthread_create(&waiter.thread, NULL, wait_for_ever, &waiter), 0);
    while (!atomic_load(&waiter.runs)) {
    }
    npr_node_stop(nodes[1]);
    nodes[1] = NULL;
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_true(waiter.status == NPR_EEXIT || waiter.status == NPR_EUNREACHABLE ||
                waiter.status == NPR_ENOPROC);
}

/* ---- Connecting. */

static void connecting_says_why_it_failed(void **state)
{
    struct npr_node_options options = options_of("x@127.0.0.1");
    char peer[64];
    struct npr_error err;
    struct npr_pid pid = {.id = 7};

    (void)state;
    start_cluster(1);
    (void)snprintf(peer, sizeof(peer), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.cookie = "another";
    nodes[1] = start(&options);
    assert_int_equal(npr_node_connect(nodes[1], peer, TIMEOUT_MS, &err), NPR_EAUTH);
    npr_node_stop(nodes[1]);

    options.cookie = "secret";
    nodes[1] = start(&options);
    assert_int_equal(npr_node_connect(nodes[1], peer, TIMEOUT_MS, &err), NPR_OK);
    assert_int_equal(npr_node_connect(nodes[1], "a@127.0.0.1", TIMEOUT_MS, &err), NPR_OK);
    assert_int_equal(npr_node_connect(nodes[1], "x@127.0.0.1", TIMEOUT_MS, &err), NPR_OK);
    npr_node_name(nodes[0], &pid.node);
    assert_int_equal(npr_node_complete_pid(nodes[1], &pid, TIMEOUT_MS, &err), NPR_OK);
    assert_true(pid.creation != 0);

    assert_int_equal(npr_node_connect(nodes[1], "no name", TIMEOUT_MS, &err), NPR_EINVAL);
    assert_int_equal(npr_node_connect(nodes[1], "y@127.0.0.1:x", TIMEOUT_MS, &err), NPR_EINVAL);
    assert_int_equal(npr_node_connect(nodes[1], "y@127.0.0.1:1", TIMEOUT_MS, &err),
                     NPR_EUNREACHABLE);
    assert_non_null(strstr(err.text, "127.0.0.1"));
}

/* A client asks, but is no member: nothing is placed on it. */
static void a_client_stays_outside_the_ring(void **state)
{
    struct npr_node_options options = options_of("client@127.0.0.1");
    struct npr_builder *builder = npr_builder_create();
    char peer[64];
    const char *const join[] = {peer};
    struct npr_found found;

    (void)state;
    start_cluster(2);
    (void)snprintf(peer, sizeof(peer), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.client = true;
    options.listen = NULL;
    options.join = join;
    options.join_count = 1;
    nodes[2] = start(&options);
    assert_int_equal(npr_node_port(nodes[2]), 0);
    assert_int_equal(npr_node_connect(nodes[2], "a@127.0.0.1", TIMEOUT_MS, NULL), NPR_OK);
    for (int64_t key = 0; key < 20; key++) {
        npr_status status = get(nodes[2], key, true, &found);

        assert_int_equal(status, NPR_OK);
        assert_memory_not_equal(found.pid.node.text, "client", 6);
    }
    assert_int_equal(view_count(nodes[0]), 2);
    assert_int_equal(npr_register(nodes[2], atom_term(builder, "x"), &found.pid, NULL), NPR_EINVAL);
    npr_builder_destroy(builder);
}

/* ---- Options. */

static void expect_refused(const struct npr_node_options *options, const char *word)
{
    struct npr_node *node = NULL;
    struct npr_error err = {0};

    assert_int_equal(npr_node_start(options, &node, &err), NPR_EINVAL);
    assert_null(node);
    if (strstr(err.text, word) == NULL) {
        fail_msg("\"%s\" does not name %s", err.text, word);
    }
}

static void wrong_options_are_named(void **state)
{
    static const char *const bad_join[] = {"nobody"};
    static const struct npr_module old = {.abi = NPR_MODULE_ABI + 1, .name = "old"};
    static const struct npr_module *const old_modules[] = {&old};
    static const struct npr_module *const twice[] = {&counter_module, &counter_module};
    struct npr_node_options options;

    (void)state;
#define REFUSE(field, value, word)                                                                 \
    options = options_of("a@127.0.0.1");                                                           \
    options.field = (value);                                                                       \
    expect_refused(&options, (word))
    REFUSE(struct_size, 8, "NPR_NODE_OPTIONS_INIT");
    REFUSE(name, NULL, "name");
    REFUSE(name, "nohost", "name");
    REFUSE(cookie, NULL, "cookie");
    REFUSE(cookie, "", "cookie");
    REFUSE(listen, "127.0.0.1", "listen");
    REFUSE(listen, "127.0.0.1:99999", "listen");
    REFUSE(otp, 24, "otp");
    REFUSE(frame_bytes_max, 10, "frame_bytes_max");
    REFUSE(net_ticktime_s, 0, "net_ticktime_s");
    REFUSE(client, true, "listen");
#undef REFUSE
    options = options_of("a@127.0.0.1");
    options.join = bad_join;
    options.join_count = 1;
    expect_refused(&options, "join");
    options = options_of("a@127.0.0.1");
    options.modules = old_modules;
    expect_refused(&options, "ABI");
    options.modules = twice;
    options.modules_count = 2;
    expect_refused(&options, "counter");
}

static void a_taken_port_is_said_to_be_taken(void **state)
{
    struct npr_node_options options = options_of("b@127.0.0.1");
    struct npr_node *node = NULL;
    struct npr_error err = {0};
    char listen[32];

    (void)state;
    start_cluster(1);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.listen = listen;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EADDRINUSE);
    assert_null(node);
}

/* A node that lacks memory at any point of its start says so, and leaves nothing behind. */
static void a_start_without_memory_fails_cleanly(void **state)
{
    const struct npr_node_options options = options_of("a@127.0.0.1");
    struct npr_node *node = NULL;
    npr_status status = NPR_ENOMEM;

    (void)state;
    for (uint64_t count = 1; status != NPR_OK; count++) {
        assert_true(count < 10000);
        npri_alloc_fail_after(count);
        status = npr_node_start(&options, &node, NULL);
        npri_alloc_fail_after(0);
        assert_true(status == NPR_OK || status == NPR_ENOMEM);
    }
    npr_node_stop(node);
}

/* As get(), until the nodes answer each other.  One that has lost a question for want of memory is
 * silent to who asked, a second later suspect to him, and no more once it answers another question:
 * in between the truth is "not known" and nothing else. */
static npr_status get_in_the_end(struct npr_node *node,
                                 int64_t number,
                                 bool starts,
                                 struct npr_found *out)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    npr_status status = get(node, number, starts, out);

    for (unsigned i = 0; status == NPR_ETIMEDOUT && i < 2000; i++) {
        (void)nanosleep(&pause, NULL);
        status = get(node, number, starts, out);
    }
    return status;
}

/* Memory that runs out at any point of a get, in both nodes at once and until the get has failed or
 * not: every call comes back, nothing breaks, and with memory again all works. */
static void nodes_survive_without_memory(void **state)
{
    struct npr_found here;
    struct npr_found there;

    (void)state;
    start_cluster(2);
    for (uint64_t count = 1; count < 120; count++) {
        struct npr_builder *builder = npr_builder_create();
        struct npr_term key;
        npr_status status;

        npr_build_uint(builder, count);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        npri_alloc_fail_after(count);
        status = npr_get_pid(nodes[count % 2], key, "counter", "start", 20, &here, NULL);
        npri_alloc_fail_after(0);
        assert_int_not_equal(status, NPR_ENOTFOUND);
        npr_builder_destroy(builder);
    }
    wait_for_view(nodes[0], 2);
    wait_for_view(nodes[1], 2);
    for (int64_t key = 500; key < 520; key++) {
        assert_int_equal(get_in_the_end(nodes[0], key, true, &here), NPR_OK);
        assert_int_equal(get_in_the_end(nodes[1], key, false, &there), NPR_OK);
        assert_true(npr_pid_equal(&here.pid, &there.pid));
    }
}

/* ---- Placement without a cluster. */

static void a_key_is_placed_as_the_original_places_it(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_node_name names[3];
    struct npr_node_name owner;
    struct npr_term key;
    uint8_t md5[16];
    size_t index;

    (void)state;
    assert_int_equal(npr_node_name_parse(npr_bytes_of("c@h"), &names[0], NULL), NPR_OK);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@h"), &names[1], NULL), NPR_OK);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("b@h"), &names[2], NULL), NPR_OK);
    npr_build_int(builder, 1);
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 3, md5, &index, &owner, NULL), NPR_OK);
    /* erl: <<H:128>> = erlang:md5(term_to_binary(1)), H rem 3. */
    assert_int_equal(index, 0);
    assert_memory_equal(owner.text, "a@h", 3);
    names[2] = names[1];
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 3, md5, &index, &owner, NULL), NPR_EINVAL);
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 0, md5, &index, &owner, NULL), NPR_EINVAL);
    npr_builder_destroy(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_is_one_process_everywhere, stop_cluster),
        cmocka_unit_test_teardown(a_race_for_fresh_keys_starts_one_process_each, stop_cluster),
        cmocka_unit_test_teardown(messages_arrive_in_order, stop_cluster),
        cmocka_unit_test_teardown(a_call_says_how_it_failed, stop_cluster),
        cmocka_unit_test_teardown(functions_are_called_here_and_there, stop_cluster),
        cmocka_unit_test_teardown(a_death_removes_all_entries_of_the_process, stop_cluster),
        cmocka_unit_test_teardown(an_entry_is_gone_before_its_down_is_seen, stop_cluster),
        cmocka_unit_test_teardown(an_entry_can_be_taken_out, stop_cluster),
        cmocka_unit_test_teardown(a_start_that_fails_says_why, stop_cluster),
        cmocka_unit_test_teardown(a_start_takes_arguments_along, stop_cluster),
        cmocka_unit_test_teardown(a_key_that_cannot_be_placed_is_refused, stop_cluster),
        cmocka_unit_test_teardown(keys_of_a_node_that_left_live_again, stop_cluster),
        cmocka_unit_test_teardown(stopping_ends_calls_that_wait, stop_cluster),
        cmocka_unit_test_teardown(a_lost_node_ends_calls_to_it, stop_cluster),
        cmocka_unit_test_teardown(connecting_says_why_it_failed, stop_cluster),
        cmocka_unit_test_teardown(a_client_stays_outside_the_ring, stop_cluster),
        cmocka_unit_test_teardown(wrong_options_are_named, stop_cluster),
        cmocka_unit_test_teardown(a_taken_port_is_said_to_be_taken, stop_cluster),
        cmocka_unit_test_teardown(a_start_without_memory_fails_cleanly, stop_cluster),
        cmocka_unit_test_teardown(nodes_survive_without_memory, stop_cluster),
        cmocka_unit_test_teardown(a_key_is_placed_as_the_original_places_it, stop_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
