/* nprocreg/node.h: nodes that start, connect, leave, and lack memory. */
#include "counters.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

/* ---- Leaving. */

/* The others notice that a node is gone; its keys are started again elsewhere. */
static void keys_of_a_node_that_left_live_again(void **state)
{
    struct npr_found found[20];
    struct npr_node_name gone;

    (void)state;
    counters_start(3);
    npr_node_name(nodes[2], &gone);
    for (int64_t key = 0; key < 20; key++) {
        assert_int_equal(counters_get(nodes[0], key, true, &found[key]), NPR_OK);
    }
    npr_node_stop(nodes[2]);
    nodes[2] = NULL;
    nodes_wait_for_view(nodes[0], 2);
    nodes_wait_for_view(nodes[1], 2);
    for (int64_t key = 0; key < 20; key++) {
        struct npr_found again;

        assert_int_equal(counters_get(nodes[1], key, true, &again), NPR_OK);
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
    counters_start(2);
    assert_int_equal(counters_get(nodes[0], 1, true, &found), NPR_OK);
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
    assert_int_equal(nodes_view_count(nodes[0]),
                     2); /* The loop has seen what was posted before this. */
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
    counters_start(2);
    npr_node_name(nodes[1], &name);
    do {
        assert_int_equal(counters_get(nodes[0], key++, true, &found), NPR_OK);
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
    struct npr_node_options options = counters_options("x@127.0.0.1");
    struct npr_builder *reply = npr_builder_create();
    char peer[64];
    struct npr_error err;
    struct npr_pid pid = {.id = 7};

    (void)state;
    counters_start(1);
    (void)snprintf(peer, sizeof(peer), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.cookie = "another";
    nodes[1] = counters_start_node(&options);
    assert_int_equal(npr_node_connect(nodes[1], peer, TIMEOUT_MS, &err), NPR_EAUTH);
    npr_node_stop(nodes[1]);

    options.cookie = "secret";
    nodes[1] = counters_start_node(&options);
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

    /* No other attempt is made for half a second: that is no reason to wait for the time-out. */
    assert_int_equal(npr_node_name_parse(npr_bytes_of("y@127.0.0.1"), &pid.node, &err), NPR_OK);
    assert_int_equal(npr_node_rpc(nodes[1], &pid.node, "erlang", "node", nodes_term("[]"),
                                  TIMEOUT_MS, reply, &err),
                     NPR_EUNREACHABLE);
    npr_builder_destroy(reply);
}

/* A client asks, but is no member: nothing is placed on it. */
static void a_client_stays_outside_the_ring(void **state)
{
    struct npr_node_options options = counters_options("client@127.0.0.1");
    struct npr_builder *builder = npr_builder_create();
    char peer[64];
    const char *const join[] = {peer};
    struct npr_found found;

    (void)state;
    counters_start(2);
    (void)snprintf(peer, sizeof(peer), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.client = true;
    options.listen = NULL;
    options.join = join;
    options.join_count = 1;
    nodes[2] = counters_start_node(&options);
    assert_int_equal(npr_node_port(nodes[2]), 0);
    assert_int_equal(npr_node_connect(nodes[2], "a@127.0.0.1", TIMEOUT_MS, NULL), NPR_OK);
    for (int64_t key = 0; key < 20; key++) {
        npr_status status = counters_get(nodes[2], key, true, &found);

        assert_int_equal(status, NPR_OK);
        assert_memory_not_equal(found.pid.node.text, "client", 6);
    }
    assert_int_equal(nodes_view_count(nodes[0]), 2);
    assert_int_equal(npr_register(nodes[2], counters_atom(builder, "x"), &found.pid, NULL),
                     NPR_EINVAL);
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
    static const struct npr_module *const twice[] = {&counters_module, &counters_module};
    struct npr_node_options options;

    (void)state;
#define REFUSE(field, value, word)                                                                 \
    options = counters_options("a@127.0.0.1");                                                     \
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
    options = counters_options("a@127.0.0.1");
    options.join = bad_join;
    options.join_count = 1;
    expect_refused(&options, "join");
    options = counters_options("a@127.0.0.1");
    options.modules = old_modules;
    expect_refused(&options, "ABI");
    options.modules = twice;
    options.modules_count = 2;
    expect_refused(&options, "counter");
}

static void a_taken_port_is_said_to_be_taken(void **state)
{
    struct npr_node_options options = counters_options("b@127.0.0.1");
    struct npr_node *node = NULL;
    struct npr_error err = {0};
    char listen[32];

    (void)state;
    counters_start(1);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.listen = listen;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EADDRINUSE);
    assert_null(node);
}

/* A node that lacks memory at any point of its start says so, and leaves nothing behind. */
static void a_start_without_memory_fails_cleanly(void **state)
{
    const struct npr_node_options options = counters_options("a@127.0.0.1");
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

/* As counters_get(), until the nodes answer each other.  One that has lost a question for want of
 * memory is silent to who asked, a second later suspect to him, and no more once it answers another
 * question: in between the truth is "not known" and nothing else. */
static npr_status get_in_the_end(struct npr_node *node,
                                 int64_t number,
                                 bool starts,
                                 struct npr_found *out)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    npr_status status = counters_get(node, number, starts, out);

    for (unsigned i = 0; status == NPR_ETIMEDOUT && i < 2000; i++) {
        (void)nanosleep(&pause, NULL);
        status = counters_get(node, number, starts, out);
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
    counters_start(2);
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
    nodes_wait_for_view(nodes[0], 2);
    nodes_wait_for_view(nodes[1], 2);
    for (int64_t key = 500; key < 520; key++) {
        assert_int_equal(get_in_the_end(nodes[0], key, true, &here), NPR_OK);
        assert_int_equal(get_in_the_end(nodes[1], key, false, &there), NPR_OK);
        assert_true(npr_pid_equal(&here.pid, &there.pid));
    }
}

/* The same from the start of a node to the last call. */
static void a_node_lacks_memory_at_any_moment(void **state)
{
    const struct npr_node_options options = counters_options("a@127.0.0.1");
    struct npr_term key = nodes_term("key");
    struct npr_term request = nodes_term("get");
    struct npr_builder *reply = npr_builder_create();
    npr_status status = NPR_ENOMEM;

    (void)state;
    for (uint64_t count = 1; status != NPR_OK; count++) {
        struct npr_node *node = NULL;
        struct npr_address to = {0};
        struct npr_error err = {0};
        struct npr_found found;

        assert_true(count < 10000);
        npr_builder_reset(reply);
        npri_alloc_fail_after(count);
        status = npr_node_start(&options, &node, &err);
        if (status == NPR_OK) {
            status = npr_get_pid(node, key, "counter", "start", 50, &found, &err);
        }
        if (status == NPR_OK) {
            to.pid = found.pid;
            status = npr_node_call(node, &to, request, 50, reply, &err);
        }
        npri_alloc_fail_after(0);
        if (status != NPR_OK && status != NPR_ENOMEM && status != NPR_ETIMEDOUT) {
            fail_msg("allocation %llu: %s: %s", (unsigned long long)count, npr_status_name(status),
                     err.text);
        }
        npr_node_stop(node);
    }
    npr_builder_destroy(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(keys_of_a_node_that_left_live_again, nodes_stop),
        cmocka_unit_test_teardown(stopping_ends_calls_that_wait, nodes_stop),
        cmocka_unit_test_teardown(a_lost_node_ends_calls_to_it, nodes_stop),
        cmocka_unit_test_teardown(connecting_says_why_it_failed, nodes_stop),
        cmocka_unit_test_teardown(a_client_stays_outside_the_ring, nodes_stop),
        cmocka_unit_test_teardown(wrong_options_are_named, nodes_stop),
        cmocka_unit_test_teardown(a_taken_port_is_said_to_be_taken, nodes_stop),
        cmocka_unit_test_teardown(a_start_without_memory_fails_cleanly, nodes_stop),
        cmocka_unit_test_teardown(nodes_survive_without_memory, nodes_stop),
        cmocka_unit_test_teardown(a_node_lacks_memory_at_any_moment, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_lives", tests, NULL, NULL);
}
