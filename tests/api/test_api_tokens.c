/* Fencing tokens: a process, and everybody who gets it, on whichever node, knows the same one, and
 * a later process of the same key has a greater one.  And: a function is told what it is started
 * for. */
#include "api_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

/* ---- A process that tells with what it was started: {Key,Token,TokenNow}. */

struct keeper {
    uint64_t token;
    size_t key_size;
    uint8_t key[64];
};

static npr_status keeper_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct keeper *keeper = state;
    const struct npr_term key = npr_start_key(self);

    (void)args;
    if (key.size > sizeof(keeper->key)) {
        return NPR_EINVAL;
    }
    if (key.data != NULL) {
        memcpy(keeper->key, key.data, key.size);
    }
    keeper->key_size = key.size;
    keeper->token = npr_start_token(self);
    return NPR_OK;
}

static npr_status keeper_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    const struct keeper *keeper = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term reply;

    if (npr_term_is_atom(request, "stop")) {
        return NPR_EREFUSED;
    }
    if (npr_start_key(self).data != NULL) {
        return NPR_EPROTO; /* nothing of it is kept */
    }
    npr_build_tuple(scratch, 3);
    if (keeper->key_size == 0) {
        npr_build_atom(scratch, "none");
    } else {
        npr_build_term(scratch, (struct npr_term){.data = keeper->key, .size = keeper->key_size});
    }
    npr_build_uint(scratch, keeper->token);
    npr_build_uint(scratch, npr_start_token(self));
    return npr_builder_finish(scratch, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                               : NPR_ENOMEM;
}

static const struct npr_behaviour behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct keeper),
    .init = keeper_init,
    .call = keeper_call,
};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &behaviour},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "keeper",
    .functions = functions,
    .functions_count = 1,
};

static void expect_told(struct npr_node *node, const struct npr_found *found, const char *key)
{
    char expected[128];

    (void)snprintf(expected, sizeof(expected), "{%s,%llu,0}", key,
                   (unsigned long long)found->token);
    assert_string_equal(nodes_call(node, &found->pid, "told"), expected);
}

static void stop(struct npr_node *node, const struct npr_pid *pid)
{
    struct npr_builder *reply = npr_builder_create();
    const struct npr_address to = {.pid = *pid};

    assert_int_equal(npr_node_call(node, &to, nodes_term("stop"), TIMEOUT_MS, reply, NULL),
                     NPR_EEXIT);
    npr_builder_destroy(reply);
}

/* ---- The cases. */

/* Would catch: an answer that loses the token on one of its ways (own table, the start of the
 * owner, the owner's own table, a lookup of all), a function that is told another one, or the key
 * of another. */
static void everybody_knows_the_same_token(void **state)
{
    struct npr_found first;
    struct npr_found other;

    (void)state;
    nodes_start(3, &module);
    for (size_t owner = 0; owner < 3; owner++) {
        const struct npr_term key = nodes_key_of("token", owner, 3);
        char *text = npr_term_print(key);

        assert_int_equal(nodes_get(nodes[1], key, "keeper", "start", &first), NPR_OK);
        assert_true(first.started && first.token > 0);
        expect_told(nodes[2], &first, text);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(nodes_get(nodes[i], key, "keeper", "start", &other), NPR_OK);
            assert_true(!other.started && other.token == first.token);
            assert_int_equal(nodes_get(nodes[i], key, NULL, NULL, &other), NPR_OK);
            assert_true(other.token == first.token && npr_pid_equal(&other.pid, &first.pid));
        }
        free(text);
    }
}

/* The owner of the key does not export the function: it has the process started on the asker's
 * node, which tells it what for. */
static void who_is_started_elsewhere_is_told_too(void **state)
{
    static const struct npr_module nothing = {.abi = NPR_MODULE_ABI, .name = "nothing"};
    struct npr_node_options options = nodes_options("a@127.0.0.1", &module);
    char join[64];
    const char *const joins[] = {join};
    struct npr_node_name home;
    struct npr_found found;
    struct npr_found again;
    char *text;

    (void)state;
    assert_int_equal(npr_node_start(&options, &nodes[0], NULL), NPR_OK);
    (void)snprintf(join, sizeof(join), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options = nodes_options("b@127.0.0.1", &nothing);
    options.join = joins;
    options.join_count = 1;
    assert_int_equal(npr_node_start(&options, &nodes[1], NULL), NPR_OK);
    nodes_wait_for_view(nodes[0], 2);
    nodes_wait_for_view(nodes[1], 2);
    npr_node_name(nodes[0], &home);
    assert_int_equal(nodes_get(nodes[0], nodes_key_of("far", 1, 2), "keeper", "start", &found),
                     NPR_OK);
    assert_true(found.started && found.token > 0);
    assert_true(npr_node_name_equal(&found.pid.node, &home));
    text = npr_term_print(nodes_key_of("far", 1, 2));
    expect_told(nodes[1], &found, text);
    free(text);
    assert_int_equal(nodes_get(nodes[0], nodes_key_of("far", 1, 2), NULL, NULL, &again), NPR_OK);
    assert_true(npr_pid_equal(&again.pid, &found.pid) && again.token == found.token);
}

/* Would catch: a process that can be outdone by the one before it. */
static void the_next_process_has_a_greater_token(void **state)
{
    const unsigned rounds = 50;
    struct npr_found found;
    uint64_t last = 0;

    (void)state;
    nodes_start(1, &module);
    for (unsigned i = 0; i < rounds; i++) {
        assert_int_equal(nodes_get(nodes[0], nodes_term("fenced"), "keeper", "start", &found),
                         NPR_OK);
        assert_true(found.started && found.token > last);
        last = found.token;
        stop(nodes[0], &found.pid);
    }
}

/* A pid that was put there by hand has one of its owner's, but was never told it; a process that
 * was started for no key is told so. */
static void without_a_start_there_is_no_token(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_found found;
    struct npr_found again;
    struct npr_node_name self;
    struct npr_term term;

    (void)state;
    nodes_start(1, &module);
    npr_node_name(nodes[0], &self);
    assert_int_equal(
        npr_node_rpc(nodes[0], &self, "keeper", "start", nodes_term("[]"), TIMEOUT_MS, reply, NULL),
        NPR_OK);
    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    assert_true(npr_term_get_pid(term, &found.pid));
    assert_string_equal(nodes_call(nodes[0], &found.pid, "told"), "{none,0,0}");
    assert_int_equal(npr_register(nodes[0], nodes_term("by_hand"), &found.pid, NULL), NPR_OK);
    assert_int_equal(nodes_get(nodes[0], nodes_term("by_hand"), NULL, NULL, &again), NPR_OK);
    assert_true(npr_pid_equal(&again.pid, &found.pid));
    assert_true(again.token > 0);
    npr_builder_destroy(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everybody_knows_the_same_token, nodes_stop),
        cmocka_unit_test_teardown(who_is_started_elsewhere_is_told_too, nodes_stop),
        cmocka_unit_test_teardown(the_next_process_has_a_greater_token, nodes_stop),
        cmocka_unit_test_teardown(without_a_start_there_is_no_token, nodes_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
