/* nprocreg/registry.h: gets that do not wait, from threads and from processes; the table of
 * entries.
 */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

/* ---- A process that asks for keys: called with {get,Key,TimeoutMs} or {start,Key,TimeoutMs}, it
 * replies with what its info then gets, without the reference, which it has compared. */

struct asker {
    struct npr_ref ref;
    struct npr_builder *from;
};

static atomic_bool get_accepted; /* the get of some process, since this was last set to false */

static npr_status asker_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct asker *asker = state;

    (void)self;
    (void)args;
    asker->from = npr_builder_create();
    return asker->from == NULL ? NPR_ENOMEM : NPR_OK;
}

static npr_status asker_call(struct npr_process *self,
                             void *state,
                             const struct npr_from *from,
                             struct npr_term request)
{
    static const struct npr_start start = {.module = "asker", .function = "start"};
    struct asker *asker = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term key;
    struct npr_term term;
    uint32_t timeout_ms;
    npr_status status = NPR_EINVAL;

    npr_builder_reset(asker->from);
    npr_build_tuple(asker->from, 2);
    npr_build_term(asker->from, from->pid);
    npr_build_term(asker->from, from->tag);
    if (NPR_MATCH(request, "{get,~t,~u}", &key, &timeout_ms)) {
        status = npr_get(self, key, NULL, timeout_ms, &asker->ref);
    } else if (NPR_MATCH(request, "{start,~t,~u}", &key, &timeout_ms)) {
        status = npr_get(self, key, &start, timeout_ms, &asker->ref);
    } else if (NPR_MATCH(request, "{die,~t}", &key)) {
        status = npr_get(self, key, NULL, 1, &asker->ref);
        return status == NPR_OK ? NPR_EREFUSED : status;
    } else if (npr_term_is_atom(request, "misuse")) {
        status = npr_get(self, request, NULL, 1, NULL);
    }
    if (status == NPR_OK) {
        atomic_store(&get_accepted, true);
        return NPR_OK;
    }
    npri_alloc_fail_after(0); /* What was to be seen without memory has been. */
    npr_build_int(scratch, status);
    return npr_builder_finish(scratch, &term, NULL) == NPR_OK ? npr_reply(self, from, term)
                                                              : NPR_ENOMEM;
}

static npr_status asker_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct asker *asker = state;
    struct npr_term parts[2];
    struct npr_term outcome;
    struct npr_term from;
    struct npr_ref ref;

    npri_alloc_fail_after(0);
    if (!NPR_MATCH(message, "{nprocreg,~r,~t}", &ref, &outcome) ||
        !npr_ref_equal(&ref, &asker->ref) ||
        npr_builder_finish(asker->from, &from, NULL) != NPR_OK ||
        !npr_term_get_tuple(from, 2, parts)) {
        return NPR_EPROTO;
    }
    return npr_reply(self, &(struct npr_from){.pid = parts[0], .tag = parts[1]}, outcome);
}

static void asker_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct asker *asker = state;

    (void)self;
    (void)reason;
    npr_builder_destroy(asker->from);
}

static const struct npr_behaviour behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct asker),
    .init = asker_init,
    .call = asker_call,
    .info = asker_info,
    .terminate = asker_terminate,
};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &behaviour},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "asker",
    .functions = functions,
    .functions_count = 1,
};

/* ---- One asynchronous get of a thread, and waiting for it. */

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls;
    npr_status status;
    bool found_given;
    struct npr_found found;
    char text[NPR_ERROR_TEXT_BYTES];
};

static void outcome_init(struct outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    (void)pthread_mutex_init(&outcome->lock, NULL);
    (void)pthread_cond_init(&outcome->changed, NULL);
}

static void outcome_done(void *user,
                         npr_status status,
                         const struct npr_found *found,
                         const char *text)
{
    struct outcome *outcome = user;

    (void)pthread_mutex_lock(&outcome->lock);
    outcome->calls++;
    outcome->status = status;
    outcome->found_given = found != NULL;
    if (found != NULL) {
        outcome->found = *found;
    }
    (void)strncpy(outcome->text, text, sizeof(outcome->text) - 1);
    (void)pthread_cond_signal(&outcome->changed);
    (void)pthread_mutex_unlock(&outcome->lock);
}

static void outcome_wait(struct outcome *outcome)
{
    (void)pthread_mutex_lock(&outcome->lock);
    while (outcome->calls == 0) {
        (void)pthread_cond_wait(&outcome->changed, &outcome->lock);
    }
    (void)pthread_mutex_unlock(&outcome->lock);
    assert_int_equal(outcome->calls, 1);
}

static const struct npr_start start_asker = {.module = "asker", .function = "start"};

static struct outcome get_async(struct npr_node *node,
                                struct npr_term key,
                                const struct npr_start *start,
                                uint32_t timeout_ms)
{
    static struct outcome outcome;

    outcome_init(&outcome);
    assert_int_equal(npr_get_async(node, key, start, timeout_ms, outcome_done, &outcome), NPR_OK);
    outcome_wait(&outcome);
    return outcome;
}

/* The same answers as from the call that waits: started, found, not there, refused, too late. */
static void a_get_without_waiting_ends_as_one_that_waits(void **state)
{
    struct npr_start unknown = {.module = "asker", .function = "nothing"};
    struct outcome first;
    struct outcome again;

    (void)state;
    nodes_start(2, &module);
    for (size_t i = 0; i < 2; i++) {
        const struct npr_term key = nodes_key_of("room", i, 2);

        first = get_async(nodes[0], key, NULL, TIMEOUT_MS);
        assert_int_equal(first.status, NPR_ENOTFOUND);
        assert_false(first.found_given);
        assert_true(first.text[0] != '\0');
        first = get_async(nodes[0], key, &unknown, TIMEOUT_MS);
        assert_int_equal(first.status, NPR_EREFUSED);
        assert_non_null(strstr(first.text, "asker:nothing"));
        first = get_async(nodes[0], key, &start_asker, TIMEOUT_MS);
        assert_int_equal(first.status, NPR_OK);
        assert_true(first.found.started);
        assert_string_equal(first.text, "");
        again = get_async(nodes[1], key, &start_asker, TIMEOUT_MS);
        assert_int_equal(again.status, NPR_OK);
        assert_false(again.found.started);
        assert_true(npr_pid_equal(&first.found.pid, &again.found.pid));
        assert_int_equal(get_async(nodes[0], nodes_key_of("other", i, 2), &start_asker, 0).status,
                         NPR_ETIMEDOUT);
    }
}

/* What is not accepted is never told of. */
static void a_get_that_is_not_accepted_is_not_answered(void **state)
{
    static uint8_t large[70000];
    static char name[2000];
    const struct npr_term key = nodes_term("key");
    const struct npr_start no_module = {.function = "start"};
    const struct npr_start no_list = {"asker", "start", nodes_term("{1}")};
    const struct npr_start no_atom = {"asker", name, {0}};
    struct npr_builder *builder = npr_builder_create();
    struct npr_term no_key;
    struct outcome outcome;

    (void)state;
    outcome_init(&outcome);
    memset(name, 'x', sizeof(name) - 1);
    nodes_start(1, &module);
    npr_build_binary(builder, (struct npr_bytes){.data = large, .size = sizeof(large)});
    assert_int_equal(npr_builder_finish(builder, &no_key, NULL), NPR_OK);
#define REFUSED(node, key, start, done)                                                            \
    assert_int_equal(npr_get_async((node), (key), (start), 1000, (done), &outcome), NPR_EINVAL)
    REFUSED(NULL, key, NULL, outcome_done);
    REFUSED(nodes[0], key, NULL, NULL);
    REFUSED(nodes[0], (struct npr_term){0}, NULL, outcome_done);
    REFUSED(nodes[0], no_key, NULL, outcome_done);
    REFUSED(nodes[0], key, &no_module, outcome_done);
    REFUSED(nodes[0], key, &no_list, outcome_done);
    REFUSED(nodes[0], key, &no_atom, outcome_done);
#undef REFUSED
    assert_int_equal(npr_get(NULL, key, NULL, 1000, NULL), NPR_EINVAL);
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(outcome.calls, 0);
    npr_builder_destroy(builder);
}

/* ---- On the loop thread. */

struct inside {
    struct outcome outcome;
    struct npr_node *node;
    struct npr_term key;
    npr_status waiting_status;
    npr_status async_status;
};

static void ask_inside(void *user, npr_status status, const struct npr_found *found, const char *t)
{
    struct inside *inside = user;
    struct npr_found other;

    (void)status;
    (void)found;
    (void)t;
    inside->waiting_status = npr_get_pid(inside->node, inside->key, NULL, NULL, 100, &other, NULL);
    inside->async_status = npr_get_async(inside->node, inside->key, &start_asker, TIMEOUT_MS,
                                         outcome_done, &inside->outcome);
}

/* From `done` one may ask again, but not wait: that would block the thread that answers. */
static void done_may_ask_again_but_not_wait(void **state)
{
    struct inside inside = {.key = nodes_term("key")};

    (void)state;
    nodes_start(1, &module);
    inside.node = nodes[0];
    outcome_init(&inside.outcome);
    assert_int_equal(npr_get_async(nodes[0], inside.key, NULL, TIMEOUT_MS, ask_inside, &inside),
                     NPR_OK);
    outcome_wait(&inside.outcome);
    assert_int_equal(inside.waiting_status, NPR_EINVAL);
    assert_int_equal(inside.async_status, NPR_OK);
    assert_int_equal(inside.outcome.status, NPR_OK);
}

/* ---- Stopping. */

#define MANY 200

static atomic_uint many_done;
static atomic_uint many_closed;

static void count_done(void *user, npr_status status, const struct npr_found *found, const char *t)
{
    (void)user;
    (void)found;
    (void)t;
    atomic_fetch_add(&many_done, 1);
    atomic_fetch_add(&many_closed, status == NPR_ECLOSED ? 1 : 0);
}

/* Each is told once, of its answer or of the end, before npr_node_stop() returns: one that is
 * forgotten is missing in the count, one that is told later is a use after free. */
static void stopping_answers_every_get(void **state)
{
    unsigned accepted = 0;

    (void)state;
    atomic_store(&many_done, 0);
    nodes_start(2, &module);
    for (unsigned i = 0; i < MANY; i++) {
        struct npr_builder *builder = npr_builder_create();
        struct npr_term key;

        npr_build_uint(builder, i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        accepted += npr_get_async(nodes[0], key, i % 2 == 0 ? &start_asker : NULL, TIMEOUT_MS,
                                  count_done, NULL) == NPR_OK
                        ? 1
                        : 0;
        npr_builder_destroy(builder);
    }
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(accepted, MANY);
    assert_int_equal(atomic_load(&many_done), MANY);
}

/* What waits is bounded, and room that was given back can be used again. */
static void gets_that_wait_are_bounded(void **state)
{
    static uint8_t bytes[60000];
    struct npr_builder *builder = npr_builder_create();
    struct npr_term key;
    npr_status status = NPR_OK;
    unsigned accepted = 0;
    unsigned before;

    (void)state;
    atomic_store(&many_done, 0);
    nodes_start(1, &module);
    npr_build_binary(builder, (struct npr_bytes){.data = bytes, .size = sizeof(bytes)});
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    for (unsigned i = 0; i < 1000000 && status == NPR_OK; i++) {
        status = npr_get_async(nodes[0], key, NULL, TIMEOUT_MS, count_done, NULL);
        accepted += status == NPR_OK ? 1 : 0;
    }
    before = atomic_load(&many_done);
    if (status == NPR_OK) {
        print_message("the node answered faster than it was asked\n");
    } else {
        assert_int_equal(status, NPR_EFULL);
        assert_true(accepted - before <= 1200); /* 256 MiB / (4 x 60,000) */
    }
    nodes_wait_for_view(nodes[0], 1); /* The loop has answered what was posted before this. */
    assert_int_equal(atomic_load(&many_done), accepted);
    assert_int_equal(get_async(nodes[0], key, NULL, TIMEOUT_MS).status, NPR_ENOTFOUND);
    npr_builder_destroy(builder);
}

/* ---- From a process. */

static struct npr_pid start_one(struct npr_node *node, const char *key)
{
    struct npr_found found = {0};

    assert_int_equal(nodes_get(node, nodes_term(key), "asker", "start", &found), NPR_OK);
    return found.pid;
}

/* Another one each time. */
static struct npr_pid start_fresh(struct npr_node *node)
{
    static unsigned last;
    char key[32];

    (void)snprintf(key, sizeof(key), "{fresh,%u}", ++last);
    return start_one(node, key);
}

static void expect_starts(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0) {
        fail_msg("\"%s\" does not begin with %s", text, beginning);
    }
}

static void expect_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not contain %s", text, part);
    }
}

/* Each form of the answer, from each node. */
static void a_process_is_answered_by_one_message(void **state)
{
    (void)state;
    nodes_start(2, &module);
    for (size_t i = 0; i < 2; i++) {
        const struct npr_pid asker = start_one(nodes[i], i == 0 ? "first" : "second");
        const char *answer = nodes_call(nodes[i], &asker, "{get,nobody,5000}");

        expect_starts(answer, "{error,enotfound,<<\"");
        answer = nodes_call(nodes[i], &asker, i == 0 ? "{start,x,5000}" : "{start,y,5000}");
        expect_starts(answer, "{ok,<");
        expect_contains(answer, ",true,");
        answer = nodes_call(nodes[i], &asker, i == 0 ? "{start,x,5000}" : "{get,x,5000}");
        expect_contains(answer, ",false,1");
        expect_starts(nodes_call(nodes[i], &asker, "{start,late,0}"), "{error,etimedout,<<\"");
        expect_starts(nodes_call(nodes[i], &asker, "misuse"), "-1");
    }
}

/* The process is gone when its answer comes: nobody gets it, nothing breaks. */
static void a_process_may_end_before_its_answer(void **state)
{
    struct npr_builder *reply = npr_builder_create();

    (void)state;
    nodes_start(2, &module);
    for (unsigned i = 0; i < 50; i++) {
        const struct npr_address to = {.pid = start_fresh(nodes[i % 2])};

        assert_int_equal(
            npr_node_call(nodes[0], &to, nodes_term("{die,other}"), TIMEOUT_MS, reply, NULL),
            NPR_EEXIT);
        npr_builder_reset(reply);
    }
    npr_builder_destroy(reply);
}

/* Whatever there is no memory for, the process hears of it. */
static void a_process_is_answered_without_memory(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    unsigned answered = 0;

    (void)state;
    nodes_start(1, &module);
    for (uint64_t count = 1; count < 60; count++) {
        struct npr_builder *request = npr_builder_create();
        struct npr_term term;
        npr_status status;

        to.pid = start_fresh(nodes[0]); /* One without memory may end of it. */
        npr_build_tuple(request, 3);
        npr_build_atom(request, "start");
        npr_build_uint(request, count);
        npr_build_uint(request, 200);
        assert_int_equal(npr_builder_finish(request, &term, NULL), NPR_OK);
        atomic_store(&get_accepted, false);
        npri_alloc_fail_after(count);
        status = npr_node_call(nodes[0], &to, term, 500, reply, NULL);
        npri_alloc_fail_after(0);
        if (status == NPR_ETIMEDOUT) { /* Then it was not even called. */
            assert_false(atomic_load(&get_accepted));
        }
        answered += status == NPR_OK ? 1 : 0;
        npr_builder_reset(reply);
        npr_builder_destroy(request);
    }
    assert_true(answered > 5);
    to.pid = start_fresh(nodes[0]);
    expect_starts(nodes_call(nodes[0], &to.pid, "{start,later,5000}"), "{ok,<");
    npr_builder_destroy(reply);
}

/* ---- The table. */

/* A live process keeps its key here, and may register it again; who insists gets it. */
static void a_key_in_use_is_not_taken(void **state)
{
    const struct npr_term key = nodes_term("{table,1}");
    struct npr_error err = {0};
    struct npr_found found = {0};
    struct npr_pid pids[2];
    char text[64];

    (void)state;
    nodes_start(2, &module);
    pids[0] = start_one(nodes[0], "first");
    pids[1] = start_one(nodes[0], "second");
    assert_int_equal(npr_register(nodes[0], key, &pids[0], &err), NPR_OK);
    assert_int_equal(npr_register(nodes[0], key, &pids[0], &err), NPR_OK);
    assert_int_equal(npr_register(nodes[0], key, &pids[1], &err), NPR_EEXIST);
    assert_non_null(strstr(err.text, "already registered"));
    (void)snprintf(text, sizeof(text), "<%.*s.%u.%u>", (int)pids[0].node.size, pids[0].node.text,
                   (unsigned)pids[0].id, (unsigned)pids[0].serial);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(nodes_get(nodes[1], key, NULL, NULL, &found), NPR_OK);
    assert_true(npr_pid_equal(&found.pid, &pids[0]));

    assert_int_equal(npr_reregister(nodes[0], key, &pids[1], &err), NPR_OK);
    assert_int_equal(nodes_get(nodes[1], key, NULL, NULL, &found), NPR_OK);
    assert_true(npr_pid_equal(&found.pid, &pids[1]));
}

/* One that has ended has its key no more, even while the loop has yet to hear of its end; without
 * that, one in some hundred such registrations is refused for a dead process. */
static void the_key_of_a_dead_process_is_free(void **state)
{
    const struct npr_term key = nodes_term("{table,1}");
    struct npr_builder *reply = npr_builder_create();
    struct npr_error err = {0};
    struct npr_pid pid;

    (void)state;
    nodes_start(1, &module);
    pid = start_one(nodes[0], "first");
    for (unsigned i = 0; i < 300; i++) {
        const struct npr_address to = {.pid = start_fresh(nodes[0])};

        assert_int_equal(npr_register(nodes[0], key, &to.pid, &err), NPR_OK);
        assert_int_equal(
            npr_node_call(nodes[0], &to, nodes_term("{die,other}"), TIMEOUT_MS, reply, NULL),
            NPR_EEXIT);
        assert_int_equal(npr_register(nodes[0], key, &pid, &err), NPR_OK);
        assert_int_equal(npr_unregister(nodes[0], key, &err), NPR_OK);
        npr_builder_reset(reply);
    }
    npr_builder_destroy(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_get_without_waiting_ends_as_one_that_waits, nodes_stop),
        cmocka_unit_test_teardown(a_get_that_is_not_accepted_is_not_answered, nodes_stop),
        cmocka_unit_test_teardown(done_may_ask_again_but_not_wait, nodes_stop),
        cmocka_unit_test_teardown(stopping_answers_every_get, nodes_stop),
        cmocka_unit_test_teardown(gets_that_wait_are_bounded, nodes_stop),
        cmocka_unit_test_teardown(a_process_is_answered_by_one_message, nodes_stop),
        cmocka_unit_test_teardown(a_process_may_end_before_its_answer, nodes_stop),
        cmocka_unit_test_teardown(a_process_is_answered_without_memory, nodes_stop),
        cmocka_unit_test_teardown(a_key_in_use_is_not_taken, nodes_stop),
        cmocka_unit_test_teardown(the_key_of_a_dead_process_is_free, nodes_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
