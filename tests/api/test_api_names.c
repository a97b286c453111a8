/* nprocreg/names.h, and answers from threads that are no processes. */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "support/check.h"

/* Where callbacks leave who called, and what, for the thread that answers. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct npr_caller *waiting;
static struct npr_term later;

/* call name    -> ok, once it has the name `clerk`
 * call else    -> answered by the thread, with `later`
 * message any  -> counted */
static atomic_uint messages;

static npr_status clerk_call(struct npr_process *self,
                             void *state,
                             const struct npr_from *from,
                             struct npr_term request)
{
    (void)state;
    if (npr_term_is_atom(request, "name")) {
        struct npr_builder *scratch = npr_scratch(self);
        struct npr_term reply;

        npr_build_atom(scratch, npr_status_name(npr_register_name(self, "clerk")));
        return npr_builder_finish(scratch, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                                   : NPR_ENOMEM;
    }
    (void)pthread_mutex_lock(&mutex);
    waiting = npr_caller_create(from);
    (void)pthread_cond_signal(&cond);
    (void)pthread_mutex_unlock(&mutex);
    return NPR_OK;
}

static npr_status clerk_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&messages, 1);
    return NPR_OK;
}

static const struct npr_behaviour clerk_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .call = clerk_call,
    .info = clerk_info,
};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &clerk_behaviour}};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "clerk",
    .functions = functions,
    .functions_count = 1,
};

static struct npr_pid start_on(size_t index, size_t count)
{
    struct npr_found found;

    assert_int_equal(
        nodes_get(nodes[0], nodes_key_of("clerk", index, count), "clerk", "start", &found), NPR_OK);
    return found.pid;
}

static npr_status call(struct npr_node *node,
                       const struct npr_address *to,
                       const char *request,
                       const char *reply)
{
    struct npr_builder *builder = npr_builder_create();
    const npr_status status =
        npr_node_call(node, to, nodes_term(request), TIMEOUT_MS, builder, NULL);
    struct npr_term term;

    if (status == NPR_OK) {
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        assert_true(npr_term_is_atom(term, reply));
    }
    npr_builder_destroy(builder);
    return status;
}

static bool all_have_come(void *user)
{
    (void)user;
    return atomic_load(&messages) == 2;
}

/* Would catch: a name that is not known to the process's own node, or that other nodes do not reach
 * it by; one that is still there when it was freed. */
static void names_are_reached_from_everywhere(void **state)
{
    struct npr_address by_name = {.name = "clerk"};
    struct npr_address by_pid = {0};
    struct npr_pid found;

    (void)state;
    atomic_store(&messages, 0);
    nodes_start(2, &module);
    by_pid.pid = start_on(1, 2);
    npr_node_name(nodes[1], &by_name.node);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(call(nodes[i], &by_name, "name", ""), NPR_ENOPROC);
    }
    assert_int_equal(call(nodes[0], &by_pid, "name", "OK"), NPR_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(call(nodes[i], &by_name, "name", "EEXIST"), NPR_OK);
        assert_int_equal(npr_node_send(nodes[i], &by_name, nodes_term("hello")), NPR_OK);
    }
    nodes_wait(all_have_come, NULL);
    assert_int_equal(npr_node_whereis(nodes[0], "clerk", &found), NPR_ENOTFOUND);
    assert_int_equal(npr_node_whereis(nodes[1], "clerk", &found), NPR_OK);
    assert_true(npr_pid_equal(&found, &by_pid.pid));

    assert_int_equal(npr_node_register_name(nodes[0], "agent", &by_pid.pid), NPR_ENOPROC);
    assert_int_equal(npr_node_register_name(nodes[1], "agent", &by_pid.pid), NPR_OK);
    by_name.name = "agent";
    assert_int_equal(call(nodes[0], &by_name, "name", "EEXIST"), NPR_OK);
    assert_int_equal(npr_node_unregister_name(nodes[1], "agent"), NPR_OK);
    assert_int_equal(call(nodes[0], &by_name, "name", ""), NPR_ENOPROC);
    assert_int_equal(npr_node_unregister_name(nodes[1], "net_kernel"), NPR_EREFUSED);
    assert_int_equal(npr_node_register_name(nodes[1], "", &by_pid.pid), NPR_EINVAL);
}

/* Answers `count` calls. */
static void *answer_all(void *user)
{
    const size_t *count = user;

    for (size_t i = 0; i < *count; i++) {
        struct npr_caller *caller;

        (void)pthread_mutex_lock(&mutex);
        while (waiting == NULL) {
            (void)pthread_cond_wait(&cond, &mutex);
        }
        caller = waiting;
        waiting = NULL;
        (void)pthread_mutex_unlock(&mutex);
        if (npr_node_reply(nodes[1], npr_caller_from(caller), later) != NPR_OK) {
            return user;
        }
        npr_caller_destroy(caller);
    }
    return NULL;
}

/* Would catch: a reply of another thread that does not come to the caller, here or on another node.
 */
static void others_answer_for_a_process(void **state)
{
    struct npr_address to = {0};
    size_t count = 2;
    pthread_t thread;
    void *outcome;

    (void)state;
    nodes_start(2, &module);
    to.pid = start_on(1, 2);
    later = nodes_term("later"); /* here: an assert is for the thread of the case */
    assert_int_equal(pthread_create(&thread, NULL, answer_all, &count), 0);
    assert_int_equal(call(nodes[0], &to, "question", "later"), NPR_OK);
    assert_int_equal(call(nodes[1], &to, "question", "later"), NPR_OK);
    assert_int_equal(pthread_join(thread, &outcome), 0);
    assert_null(outcome);
    assert_int_equal(npr_node_reply(nodes[1], NULL, nodes_term("later")), NPR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(names_are_reached_from_everywhere, nodes_stop),
        cmocka_unit_test_teardown(others_answer_for_a_process, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_names", tests, NULL, NULL);
}
