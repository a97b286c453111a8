/* nprocreg/node.h: messages, calls and functions, here and on other nodes. */
#include "counters.h"

/* From its own node and from another one, in the order of sending. */
static void messages_arrive_in_order(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_found found;
    struct npr_address to = {0};

    (void)state;
    counters_start(2);
    assert_int_equal(counters_get(nodes[0], 1, true, &found), NPR_OK);
    to.pid = found.pid;
    for (int64_t i = 0; i < 2; i++) {
        counters_send(nodes[i], &to, "thousand", false);
        counters_send(nodes[i], &to, "inc", true);
        assert_int_equal(counters_call(nodes[i], &to, "get", TIMEOUT_MS, reply), NPR_OK);
        assert_int_equal(counters_reply(reply), (i + 1) * 1101);
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
    counters_start(2);
    npr_node_name(nodes[0], &absent.node);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(counters_get(nodes[0], (int64_t)i, true, &found), NPR_OK);
        to.pid = found.pid;
        assert_int_equal(counters_call(nodes[i], &to, "silence", 20, reply), NPR_ETIMEDOUT);
        assert_int_equal(counters_call(nodes[i], &absent, "get", TIMEOUT_MS, reply), NPR_ENOPROC);
        assert_int_equal(counters_call(nodes[i], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        assert_true(npr_term_get_tuple(term, 2, parts));
        assert_true(npr_term_is_atom(parts[1], "erefused"));
        npr_builder_reset(reply);
        assert_int_equal(counters_call(nodes[i], &to, "get", TIMEOUT_MS, reply), NPR_ENOPROC);
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
    counters_start(2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(messages_arrive_in_order, nodes_stop),
        cmocka_unit_test_teardown(a_call_says_how_it_failed, nodes_stop),
        cmocka_unit_test_teardown(functions_are_called_here_and_there, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_calls", tests, NULL, NULL);
}
