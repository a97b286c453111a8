/* nprocreg/thread.h: processes with a thread of their own, in a cluster. */
#include "api_nodes.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "support/check.h"

static atomic_uint lives; /* codes that run */
static atomic_bool is_inside;
static struct npr_node *asked; /* by the process, from inside */

/* call {get,Key}  -> the pid under that key, found by a call of its own that blocks
 * call hang       -> never: it calls a process that does not answer, by its node
 * call crash      -> ends with {error,eio}
 * call else       -> what was sent */
static npr_status answer(struct npr_process *self, const struct npr_received *call)
{
    struct npr_builder *scratch = npr_scratch(self);
    const struct npr_pid me = npr_self(self);
    struct npr_address to = {.pid = me};
    struct npr_found found;
    struct npr_term term = call->term;

    if (NPR_MATCH(call->term, "{get,~t}", &term)) {
        if (npr_get_pid(asked, term, "worker", "start", TIMEOUT_MS, &found, NULL) != NPR_OK) {
            return NPR_EIO;
        }
        npr_build_pid(scratch, &found.pid);
        if (npr_builder_finish(scratch, &term, NULL) != NPR_OK) {
            return NPR_ENOMEM;
        }
    } else if (npr_term_is_atom(term, "hang")) {
        atomic_store(&is_inside, true);
        return npr_node_call(asked, &to, term, UINT32_MAX, scratch, NULL) == NPR_ECLOSED ? NPR_OK
                                                                                         : NPR_EIO;
    } else if (npr_term_is_atom(term, "crash")) {
        return NPR_EIO;
    }
    return npr_reply(self, &call->from, term);
}

static npr_status worker_run(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;
    npr_status status;

    (void)state;
    (void)args;
    (void)atomic_fetch_add(&lives, 1);
    do {
        status = npr_receive(self, NPR_FOREVER, NULL, NULL, &received);
        if (status == NPR_OK && received.kind == NPR_RECEIVED_CALL) {
            status = answer(self, &received);
        }
    } while (status == NPR_OK);
    (void)atomic_fetch_sub(&lives, 1);
    return status == NPR_EEXIT ? NPR_OK : status;
}

static const struct npr_behaviour worker_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = worker_run,
};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &worker_behaviour}};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "worker",
    .functions = functions,
    .functions_count = 1,
};

static struct npr_pid get(struct npr_node *node, struct npr_term key)
{
    struct npr_found found;

    assert_int_equal(nodes_get(node, key, "worker", "start", &found), NPR_OK);
    return found.pid;
}

/* Would catch: a thread process that is not found and called like any other, or that cannot use the
 * calls that block. */
static void a_key_leads_to_a_thread(void **state)
{
    struct npr_pid pid;
    struct npr_pid again;

    (void)state;
    nodes_start(2, &module);
    asked = nodes[0];
    pid = get(nodes[0], nodes_key_of("thread", 1, 2));
    again = get(nodes[1], nodes_key_of("thread", 1, 2));
    assert_true(npr_pid_equal(&pid, &again));
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(nodes_call(nodes[i], &pid, "{any,[1,2]}"), "{any,[1,2]}");
    }
    assert_non_null(strstr(nodes_call(nodes[0], &pid, "{get,{another,7}}"), "@127.0.0.1."));
    while (atomic_load(&lives) < 2) { /* the other one has started; its code may not run yet */
        (void)sched_yield();
    }
    assert_int_equal(atomic_load(&lives), 2);
}

/* Would catch: a limit that is not held, or a refusal that does not say why. */
static void threads_have_a_limit(void **state)
{
    struct npr_node_options options = nodes_options("a@127.0.0.1", &module);
    struct npr_error error = {0};
    struct npr_found found;

    (void)state;
    options.threads_max = 1;
    assert_int_equal(npr_node_start(&options, &nodes[0], NULL), NPR_OK);
    (void)get(nodes[0], nodes_term("first"));
    assert_int_equal(
        npr_get_pid(nodes[0], nodes_term("second"), "worker", "start", TIMEOUT_MS, &found, &error),
        NPR_EREFUSED);
    assert_non_null(strstr(error.text, "no thread for worker:start/0: 1 thread processes run"));
}

/* Would catch: an entry that stays after its code has returned, a caller who is not told. */
static void a_thread_that_returns_is_gone(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    struct npr_pid again;

    (void)state;
    nodes_start(1, &module);
    to.pid = get(nodes[0], nodes_term("key"));
    assert_int_equal(npr_node_call(nodes[0], &to, nodes_term("crash"), TIMEOUT_MS, reply, NULL),
                     NPR_EEXIT);
    again = get(nodes[0], nodes_term("key"));
    assert_false(npr_pid_equal(&to.pid, &again));
    npr_builder_destroy(reply);
}

static int all_ended(void **state)
{
    const int outcome = nodes_stop(state);

    return atomic_load(&lives) == 0 ? outcome : -1;
}

static bool inside(void *user)
{
    (void)user;
    return atomic_load(&is_inside);
}

/* Would catch: a node that is not stopped because a thread waits in a call of the node's. */
static void a_stop_ends_calls_of_threads(void **state)
{
    struct npr_address to = {0};

    (void)state;
    atomic_store(&is_inside, false);
    nodes_start(1, &module);
    asked = nodes[0];
    to.pid = get(nodes[0], nodes_term("key"));
    assert_int_equal(npr_node_send(nodes[0], &to, nodes_term("{'$gen_call',{1,2},hang}")), NPR_OK);
    assert_int_equal(npr_node_send(nodes[0], &to, nodes_term("{'$gen_call',{<a@h.1.0>,2},hang}")),
                     NPR_OK);
    nodes_wait(inside, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_leads_to_a_thread, all_ended),
        cmocka_unit_test_teardown(threads_have_a_limit, all_ended),
        cmocka_unit_test_teardown(a_thread_that_returns_is_gone, all_ended),
        cmocka_unit_test_teardown(a_stop_ends_calls_of_threads, all_ended),
    };

    return cmocka_run_group_tests_name("api_thread", tests, NULL, NULL);
}
