/* What a program does wrong beyond leaving things out: it is told so, or it costs one process. */
#include "counters.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nprocreg/thread.h"

#define STATUS_GARBAGE ((npr_status)12345)

/* ---- A process that gives itself away, and one that returns nonsense. */

static _Atomic(struct npr_process *) leaked;

static npr_status leak_call(struct npr_process *self,
                            void *state,
                            const struct npr_from *from,
                            struct npr_term request)
{
    (void)state;
    (void)request;
    atomic_store(&leaked, self);
    return npr_reply(self, from, from->tag);
}

static const struct npr_behaviour leak_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .call = leak_call,
};

/* Uses another's `self`, and answers with how often it was refused. */
static npr_status thief_call(struct npr_process *self,
                             void *state,
                             const struct npr_from *from,
                             struct npr_term request);

static const struct npr_behaviour thief_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .call = thief_call,
};

static npr_status nonsense_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_term reason;
    int32_t number = 0;

    (void)state;
    if (NPR_MATCH(args, "[{stop,~t}]", &reason)) {
        return npr_stop(self, reason);
    }
    if (NPR_MATCH(args, "[{stop_and_fail,~t}]", &reason)) {
        return npr_stop(self, reason) == NPR_OK ? NPR_EFULL : NPR_ENOMEM;
    }
    return NPR_MATCH(args, "[~i]", &number) ? (npr_status)number : NPR_OK;
}

static npr_status nonsense_call(struct npr_process *self,
                                void *state,
                                const struct npr_from *from,
                                struct npr_term request)
{
    int32_t number = 0;

    (void)state;
    return NPR_MATCH(request, "~i", &number) ? (npr_status)number : npr_reply(self, from, request);
}

static npr_status nonsense_message(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    return STATUS_GARBAGE;
}

static npr_status nonsense_describe(struct npr_process *self,
                                    const void *state,
                                    struct npr_builder *out)
{
    struct npr_term term;

    (void)self;
    (void)state;
    npr_builder_destroy(NULL);
    npr_build_tuple(out, 3); /* and leaves it at that */
    return npr_builder_finish(out, &term, NULL) == NPR_OK ? NPR_OK : STATUS_GARBAGE;
}

static const struct npr_behaviour nonsense_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = nonsense_init,
    .call = nonsense_call,
    .cast = nonsense_message,
    .info = nonsense_message,
    .describe = nonsense_describe,
};

static const struct npr_function functions[] = {
    {.name = "leak", .behaviour = &leak_behaviour},
    {.name = "thief", .behaviour = &thief_behaviour},
    {.name = "nonsense", .behaviour = &nonsense_behaviour},
    {.name = "nonsense", .arity = 1, .behaviour = &nonsense_behaviour},
};

static const struct npr_module misuse_module = {.abi = NPR_MODULE_ABI,
                                                .name = "misuse",
                                                .functions = functions,
                                                .functions_count = 4};

/* ---- Where a process may not be used. */

/* Calls everything that takes a process, with one that does not run here: true when all refuse. */
static bool all_refuse(struct npr_process *stolen)
{
    const uint8_t atom[] = {119, 1, 'a'};
    const struct npr_term term = {.data = atom, .size = sizeof(atom)};
    const struct npr_pid pid = {.node = {.size = 11, .text = "a@127.0.0.1"}, .id = 99};
    const struct npr_address to = {.pid = pid};
    const struct npr_selector selector = npr_select_all();
    struct npr_ref ref = {.node = pid.node, .words_count = 1};
    struct npr_received received;
    struct npr_pid out;

    npr_trap_exit(stolen, true);
    return npr_self(stolen).node.size == 0 && npr_user(stolen) == NULL &&
           npr_start_key(stolen).data == NULL && npr_scratch(stolen) == NULL &&
           npr_stop(stolen, term) == NPR_EINVAL && npr_continue(stolen, term) == NPR_EINVAL &&
           npr_send(stolen, &pid, term) == NPR_EINVAL &&
           npr_exit(stolen, &pid, term) == NPR_EINVAL && npr_link(stolen, &pid) == NPR_EINVAL &&
           npr_unlink(stolen, &pid) == NPR_EINVAL &&
           npr_monitor(stolen, &pid, &ref) == NPR_EINVAL &&
           npr_demonitor(stolen, &ref) == NPR_EINVAL &&
           npr_send_after(stolen, &pid, term, 1, NULL) == NPR_EINVAL &&
           npr_send_every(stolen, &pid, term, 1, NULL) == NPR_EINVAL &&
           !npr_cancel_timer(stolen, &ref) &&
           npr_spawn(stolen,
                     &(struct npr_spawn){.behaviour = &leak_behaviour, .function = "misuse:leak"},
                     &out, &ref) == NPR_EINVAL &&
           npr_register_name(stolen, "stolen") == NPR_EINVAL &&
           npr_unregister_name(stolen, "stolen") == NPR_EINVAL &&
           npr_whereis(stolen, "nprocreg", &out) == NPR_EINVAL &&
           npr_watch(stolen, &selector, &ref) == NPR_EINVAL &&
           npr_unwatch(stolen, &ref) == NPR_EINVAL &&
           npr_call(stolen, &pid, term, 100, NULL) == NPR_EINVAL &&
           npr_get(stolen, term, NULL, 100, &ref) == NPR_EINVAL &&
           npr_receive(stolen, 1, NULL, NULL, &received) == NPR_EINVAL &&
           npr_receive_call(stolen, &to, term, 1, NULL, NULL) == NPR_EINVAL;
}

static npr_status thief_call(struct npr_process *self,
                             void *state,
                             const struct npr_from *from,
                             struct npr_term request)
{
    const bool refused = all_refuse(atomic_load(&leaked));
    struct npr_builder *reply = npr_scratch(self);
    struct npr_term term;

    (void)state;
    (void)request;
    NPR_BUILD(reply, refused ? "refused" : "taken");
    return npr_builder_finish(reply, &term, NULL) == NPR_OK ? npr_reply(self, from, term)
                                                            : NPR_ENOMEM;
}

static struct npr_pid started(const char *key, const char *function)
{
    struct npr_found found = {.started = false};

    assert_int_equal(nodes_get(nodes[0], nodes_term(key), "misuse", function, &found), NPR_OK);
    return found.pid;
}

static void wait_for_end(const struct npr_pid *pid)
{
    struct npr_process_info info = {.struct_size = sizeof(info)};

    while (npr_node_process_info(nodes[0], pid, &info) == NPR_OK) {
        (void)sched_yield();
    }
}

/* Outside its callbacks, on another thread, in another's callback, and after its end.  Would catch
 * a look into a process that another thread runs, or that has been freed. */
static void a_process_is_used_by_its_callbacks_only(void **state)
{
    struct npr_pid leak;
    struct npr_pid thief;

    (void)state;
    nodes_start(1, &misuse_module);
    leak = started("leak", "leak");
    thief = started("thief", "thief");
    (void)nodes_call(nodes[0], &leak, "self");
    assert_non_null(atomic_load(&leaked));
    assert_true(all_refuse(atomic_load(&leaked)));
    assert_string_equal(nodes_call(nodes[0], &thief, "steal"), "refused");
    assert_int_equal(npr_node_exit(nodes[0], &leak, nodes_term("kill")), NPR_OK);
    wait_for_end(&leak);
    assert_true(all_refuse(atomic_load(&leaked)));
    assert_string_equal(nodes_call(nodes[0], &thief, "steal"), "refused");
}

/* ---- Blocking where nobody else would end it. */

struct on_loop {
    atomic_bool done;
    npr_status statuses[5];
};

static void block_on_loop(void *user,
                          npr_status status,
                          const struct npr_found *found,
                          const char *text)
{
    static const uint8_t atom[] = {119, 1, 'a'};
    static const uint8_t nil[] = {106};
    const struct npr_term term = {.data = atom, .size = sizeof(atom)};
    const struct npr_address to = {.name = "nprocreg", .node = {.size = 11, .text = "a@127.0.0.1"}};
    struct npr_builder *reply = npr_builder_create();
    struct on_loop *on_loop = user;
    struct npr_found other;

    (void)status;
    (void)found;
    (void)text;
    on_loop->statuses[0] = npr_get_pid(nodes[0], term, NULL, NULL, 100, &other, NULL);
    on_loop->statuses[1] = npr_node_call(nodes[0], &to, term, 100, reply, NULL);
    on_loop->statuses[2] =
        npr_node_rpc(nodes[0], &to.node, "erlang", "node",
                     (struct npr_term){.data = nil, .size = sizeof(nil)}, 100, reply, NULL);
    on_loop->statuses[3] = npr_node_connect(nodes[0], "b@127.0.0.1", 100, NULL);
    on_loop->statuses[4] = npr_unregister(nodes[0], term, NULL);
    npr_builder_destroy(reply);
    atomic_store(&on_loop->done, true);
}

/* Would catch: a node that waits for itself. */
static void the_node_does_not_wait_for_itself(void **state)
{
    static struct on_loop on_loop;

    (void)state;
    nodes_start(1, &misuse_module);
    assert_int_equal(
        npr_get_async(nodes[0], nodes_term("nobody"), NULL, TIMEOUT_MS, block_on_loop, &on_loop),
        NPR_OK);
    while (!atomic_load(&on_loop.done)) {
        (void)sched_yield();
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(on_loop.statuses[i], NPR_EINVAL);
    }
}

/* ---- Use after the end of a node. */

#define USERS 4

struct node_user {
    pthread_t thread;
    atomic_uint *inside;
    struct npr_term key;
    npr_status last[6];
};

/* Everything until all say that the node is closed. */
static void *use_node(void *argument)
{
    struct node_user *user = argument;
    const struct npr_address to = {.name = "nobody", .node = {.size = 11, .text = "a@127.0.0.1"}};
    const struct npr_query query = {.selector = npr_select_all(), .timeout_ms = TIMEOUT_MS};
    struct npr_builder *reply = npr_builder_create();
    bool closed = false;

    (void)atomic_fetch_add(user->inside, 1);
    while (!closed) {
        struct npr_found found;
        uint64_t count;

        npr_builder_reset(reply);
        user->last[0] =
            npr_get_pid(nodes[0], user->key, "misuse", "leak", TIMEOUT_MS, &found, NULL);
        user->last[1] = npr_node_call(nodes[0], &to, user->key, TIMEOUT_MS, reply, NULL);
        user->last[2] = npr_node_send(nodes[0], &to, user->key);
        user->last[3] = npr_count(nodes[0], &query, &count, NULL);
        user->last[4] = npr_unregister(nodes[0], user->key, NULL);
        user->last[5] = npr_node_connect(nodes[0], "z@127.0.0.1:1", TIMEOUT_MS, NULL);
        closed = true;
        for (size_t i = 0; i < 6; i++) {
            closed = closed && user->last[i] == NPR_ECLOSED;
        }
    }
    npr_builder_destroy(reply);
    return NULL;
}

/* Threads that call all the time while the node is closed.  Would catch: a call that is lost, waits
 * for ever, or finds parts of the node gone. */
static void a_closed_node_says_so(void **state)
{
    struct node_user users[USERS];
    atomic_uint inside;

    (void)state;
    atomic_init(&inside, 0);
    nodes_start(1, &misuse_module);
    for (size_t i = 0; i < USERS; i++) {
        users[i] = (struct node_user){.inside = &inside, .key = nodes_term("key")};
        assert_int_equal(pthread_create(&users[i].thread, NULL, use_node, &users[i]), 0);
    }
    while (atomic_load(&inside) < USERS) {
        (void)sched_yield();
    }
    npr_node_close(nodes[0]);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(pthread_join(users[i].thread, NULL), 0);
    }
    npr_node_close(nodes[0]); /* nothing more to do */
}

/* ---- Callbacks that return nonsense. */

/* The reason with which a call of the process ends, as text. */
static void expect_end(const char *function, const char *request, bool call, const char *reason)
{
    static unsigned count;
    char key[32];
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    struct npr_term term;

    (void)snprintf(key, sizeof(key), "{nonsense,%u}", count++);
    to.pid = started(key, function);
    if (call) {
        char *text;

        assert_int_equal(npr_node_call(nodes[0], &to, nodes_term(request), TIMEOUT_MS, reply, NULL),
                         NPR_EEXIT);
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        text = npr_term_print(term);
        assert_string_equal(text, reason);
        free(text);
    } else {
        assert_int_equal(npr_node_send(nodes[0], &to, nodes_term(request)), NPR_OK);
    }
    wait_for_end(&to.pid);
    npr_builder_destroy(reply);
}

/* Would catch: an index out of a table of statuses, a process that goes on. */
static void nonsense_ends_one_process(void **state)
{
    struct npr_address to = {0};

    (void)state;
    nodes_start(1, &misuse_module);
    expect_end("nonsense", "12345", true, "{error,eunknown}");
    expect_end("nonsense", "1", true, "{error,eunknown}");
    expect_end("nonsense", "-999", true, "{error,eunknown}");
    expect_end("nonsense", "-2147483648", true, "{error,eunknown}");
    expect_end("nonsense", "-2", true, "{error,enomem}");
    expect_end("nonsense", "hello", false, NULL);
    expect_end("nonsense", "{'$gen_cast',hello}", false, NULL);
    /* What tells of a state ends nothing. */
    to.pid = started("describe", "nonsense");
    assert_int_equal(
        npr_node_send(nodes[0], &to, nodes_term("{system,{<a@127.0.0.1.99.0>,tag},get_state}")),
        NPR_OK);
    assert_string_equal(nodes_call(nodes[0], &to.pid, "alive"), "alive");
}

static void expect_failed_start(const char *argument, const char *word)
{
    const struct npr_start start = {"misuse", "nonsense", nodes_term(argument)};
    struct npr_error err = {0};
    struct npr_found found;

    assert_int_equal(
        npr_get_or_start(nodes[0], nodes_term("key"), &start, TIMEOUT_MS, &found, &err),
        NPR_EREFUSED);
    if (strstr(err.text, word) == NULL) {
        fail_msg("\"%s\" does not tell of %s", err.text, word);
    }
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("key"), NULL, NULL, TIMEOUT_MS, &found, NULL),
                     NPR_ENOTFOUND);
}

/* Each way in which a start fails: who asked is told why, and nothing is left. */
static void starts_fail_in_every_way(void **state)
{
    (void)state;
    nodes_start(1, &misuse_module);
    expect_failed_start("[12345]", "eunknown");
    expect_failed_start("[-2147483648]", "eunknown");
    expect_failed_start("[-6]", "erefused");
    expect_failed_start("[{stop,{no,room}}]", "{no,room}");
    expect_failed_start("[{stop,normal}]", "normal");
    expect_failed_start("[{stop_and_fail,mine}]", "mine");
}

/* ---- Too large. */

/* Would catch: a size that is cut, an allocation without limit. */
static void too_large_is_refused(void **state)
{
    const size_t size = (size_t)64 << 20;
    uint8_t *bytes = calloc(1, size);
    struct npr_builder *builder = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    struct npr_error err = {0};
    struct npr_found found;
    struct npr_term term;
    npr_status status;

    (void)state;
    assert_non_null(bytes);
    nodes_start(2, &misuse_module);
    for (size_t less = 0; less < 5; less++) { /* its head has 5 bytes */
        npr_build_binary(builder, (struct npr_bytes){.data = bytes, .size = size - less});
        assert_int_equal(npr_builder_finish(builder, &term, &err), NPR_EFULL);
        npr_builder_reset(builder);
    }
    memset(bytes, 'a', size - 1);
    npr_build_string(builder, (const char *)bytes);
    assert_int_equal(npr_builder_finish(builder, &term, &err), NPR_EFULL);
    npr_builder_reset(builder);

    npr_build_binary(builder, (struct npr_bytes){.data = bytes, .size = 65537});
    assert_int_equal(npr_builder_finish(builder, &term, &err), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[0], term, NULL, NULL, TIMEOUT_MS, &found, &err), NPR_EINVAL);
    assert_non_null(strstr(err.text, "65536"));
    assert_int_equal(npr_register(nodes[0], term, &to.pid, NULL), NPR_EINVAL);
    assert_int_equal(npr_unregister(nodes[0], term, NULL), NPR_EINVAL);
    npr_builder_reset(builder);

    /* Just a term, but not one that a call can wrap and another node can take. */
    npr_build_binary(builder, (struct npr_bytes){.data = bytes, .size = size - 16});
    assert_int_equal(npr_builder_finish(builder, &term, &err), NPR_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(nodes_get(nodes[0], nodes_key_of("k", i, 2), "misuse", "leak", &found),
                         NPR_OK);
        to.pid = found.pid;
        status = npr_node_call(nodes[0], &to, term, 500, reply, &err);
        assert_int_not_equal(status, NPR_ENOMEM);
        npr_builder_reset(reply);
        status = npr_node_call(nodes[0], &to, nodes_term("small"), TIMEOUT_MS, reply, &err);
        if (status != NPR_OK) {
            fail_msg("after a large one: %s", err.text);
        }
        npr_builder_reset(reply);
    }
    npr_builder_destroy(builder);
    npr_builder_destroy(reply);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_process_is_used_by_its_callbacks_only, nodes_stop),
        cmocka_unit_test_teardown(the_node_does_not_wait_for_itself, nodes_stop),
        cmocka_unit_test_teardown(a_closed_node_says_so, nodes_stop),
        cmocka_unit_test_teardown(nonsense_ends_one_process, nodes_stop),
        cmocka_unit_test_teardown(starts_fail_in_every_way, nodes_stop),
        cmocka_unit_test_teardown(too_large_is_refused, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_misuse", tests, NULL, NULL);
}
