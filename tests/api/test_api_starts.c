/* nprocreg/registry.h: keys whose processes are started in the caller's thread; without an init
 * they live at once. */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "support/check.h"

#define KEYS    300
#define CALLERS 4

/* ---- plain: no init; brief: no init, idle; double: its init gives it another key, and takes it
 * back. */

static npr_status on_call(struct npr_process *self,
                          void *state,
                          const struct npr_from *from,
                          struct npr_term request)
{
    (void)state;
    return npr_term_is_atom(request, "stop") ? NPR_EREFUSED : npr_reply(self, from, request);
}

static npr_status double_init(struct npr_process *self, void *state, struct npr_term args)
{
    const struct npr_pid pid = npr_self(self);
    npr_status status = npr_register(nodes[0], nodes_term("other"), &pid, NULL);

    (void)state;
    (void)args;
    return status == NPR_OK ? npr_unregister(nodes[0], nodes_term("other"), NULL) : status;
}

static const struct npr_behaviour plain = {.struct_size = sizeof(struct npr_behaviour),
                                           .call = on_call};
static const struct npr_behaviour brief = {.struct_size = sizeof(struct npr_behaviour),
                                           .call = on_call,
                                           .idle_ms = 20};
static const struct npr_behaviour twofold = {.struct_size = sizeof(struct npr_behaviour),
                                             .init = double_init,
                                             .call = on_call};

static const struct npr_function functions[] = {
    {.name = "plain", .behaviour = &plain},
    {.name = "brief", .behaviour = &brief},
    {.name = "double", .behaviour = &twofold},
};

static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "m",
                                         .functions = functions,
                                         .functions_count = 3};

static struct npr_term key_of(unsigned number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "{key,%u}", number);
    return nodes_term(text);
}

static npr_status find(struct npr_term key, struct npr_found *out)
{
    return npr_get_pid(nodes[0], key, NULL, NULL, TIMEOUT_MS, out, NULL);
}

static npr_status stop(const struct npr_pid *pid)
{
    struct npr_builder *reply = npr_builder_create();
    const struct npr_address to = {.pid = *pid};
    const npr_status status =
        npr_node_call(nodes[0], &to, nodes_term("stop"), TIMEOUT_MS, reply, NULL);

    npr_builder_destroy(reply);
    return status;
}

static bool is_gone(void *user)
{
    struct npr_found found;

    return find(*(const struct npr_term *)user, &found) == NPR_ENOTFOUND;
}

/* ---- Cases. */

/* Would catch: an entry that is made some time after its caller has the answer. */
static void what_is_asked_next_finds_the_entry(void **state)
{
    const struct npr_query all = {.timeout_ms = TIMEOUT_MS};
    struct npr_found found = {0};
    uint64_t count = 0;

    (void)state;
    nodes_start(1, &module);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(nodes_get(nodes[0], key_of(i), "m", "plain", &found), NPR_OK);
        assert_true(found.started);
        assert_int_equal(npr_count(nodes[0], &all, &count, NULL), NPR_OK);
        assert_int_equal(count, i + 1);
    }
}

/* Would catch: a process that nobody runs when the first thing is sent to it, and an end that comes
 * before the entry, which then stays. */
static void it_lives_and_ends_like_any_other(void **state)
{
    struct npr_found found = {0};
    struct npr_found again = {0};

    (void)state;
    nodes_start(1, &module);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(nodes_get(nodes[0], key_of(1), "m", "plain", &found), NPR_OK);
        assert_true(found.started);
        assert_string_equal(nodes_call(nodes[0], &found.pid, "hello"), "hello");
        assert_int_equal(stop(&found.pid), NPR_EEXIT);
        assert_int_equal(find(key_of(1), &again), NPR_ENOTFOUND);
    }
}

/* Would catch: an idle time that never begins, since no worker has had it. */
static void it_ends_when_it_was_idle(void **state)
{
    struct npr_term key = nodes_term("key");
    struct npr_found found = {0};

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], key, "m", "brief", &found), NPR_OK);
    nodes_wait(is_gone, &key);
}

/* Would catch: a process whose end nobody tells the registry, since it was let go with another key
 * before its own one had its entry. */
static void it_is_watched_though_another_key_was_let_go(void **state)
{
    struct npr_found found = {0};

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("key"), "m", "double", &found), NPR_OK);
    assert_int_equal(stop(&found.pid), NPR_EEXIT);
    assert_int_equal(find(nodes_term("key"), &found), NPR_ENOTFOUND);
}

struct caller {
    pthread_t thread;
    const struct npr_term *keys;
    struct npr_found found[KEYS];
    npr_status last;
};

static void *get_all(void *user)
{
    struct caller *caller = user;

    for (unsigned i = 0; i < KEYS && caller->last == NPR_OK; i++) {
        caller->last = nodes_get(nodes[0], caller->keys[i], "m", "plain", &caller->found[i]);
    }
    return NULL;
}

static void start_callers(struct caller *callers, struct npr_term *keys)
{
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = key_of(i);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i].keys = keys;
        callers[i].last = NPR_OK;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, get_all, &callers[i]), 0);
    }
}

static void join_callers(struct caller *callers)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    }
}

/* Would catch: two processes of one key, and one that nobody is told to have started. */
static void one_of_many_callers_starts_it(void **state)
{
    static struct caller callers[CALLERS];
    static struct npr_term keys[KEYS];

    (void)state;
    nodes_start(1, &module);
    start_callers(callers, keys);
    join_callers(callers);
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned started = 0;

        for (unsigned j = 0; j < CALLERS; j++) {
            assert_int_equal(callers[j].last, NPR_OK);
            assert_true(npr_pid_equal(&callers[j].found[i].pid, &callers[0].found[i].pid));
            started += callers[j].found[i].started ? 1 : 0;
        }
        assert_int_equal(started, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_asked_next_finds_the_entry, nodes_stop),
        cmocka_unit_test_teardown(it_lives_and_ends_like_any_other, nodes_stop),
        cmocka_unit_test_teardown(it_ends_when_it_was_idle, nodes_stop),
        cmocka_unit_test_teardown(it_is_watched_though_another_key_was_let_go, nodes_stop),
        cmocka_unit_test_teardown(one_of_many_callers_starts_it, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_starts", tests, NULL, NULL);
}
