/* Processes that are restarted in their place, on real nodes: whoever asks for the key gets the new
 * one, never nothing and never the old one, until it has ended too often. */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "support/check.h"

#define CRASHES_MAX 3

/* ---- A process that ends as it is told:
 *
 *      call crash     ends with {error,eio}          call told      {Key,Token,Number}
 *      call stop      ends with normal               call N         an integer: the next N starts
 * fail
 */
struct phoenix {
    uint64_t token;
    int64_t number; /* its start argument */
    bool has_key;
};

static atomic_int starts_to_fail;
static atomic_ulong allocations_to_succeed;
static atomic_bool gate_is_shut;
static atomic_int living;  /* of all that have this key: one at the most */
static atomic_int overlap; /* how often there was another one when one began */

static npr_status phoenix_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct phoenix *phoenix = state;
    struct npr_term_walk walk;
    struct npr_term number;

    if (atomic_load(&starts_to_fail) > 0) {
        atomic_fetch_sub(&starts_to_fail, 1);
        return NPR_EIO;
    }
    if (npr_term_list(args, &walk) && npr_term_next(&walk, &number)) {
        (void)npr_term_get_int64(number, &phoenix->number);
    }
    phoenix->has_key = npr_start_key(self).data != NULL;
    phoenix->token = npr_start_token(self);
    if (atomic_fetch_add(&living, 1) != 0) {
        atomic_fetch_add(&overlap, 1);
    }
    return NPR_OK;
}

static npr_status phoenix_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    const struct phoenix *phoenix = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term term;
    int64_t count;

    if (npr_term_is_atom(request, "crash")) {
        return NPR_EIO;
    }
    if (npr_term_is_atom(request, "stop")) {
        npr_build_atom(scratch, "normal");
        return npr_builder_finish(scratch, &term, NULL) == NPR_OK ? npr_stop(self, term)
                                                                  : NPR_ENOMEM;
    }
    if (npr_term_get_int64(request, &count)) {
        atomic_store(&starts_to_fail, (int)count);
    }
    npr_build_tuple(scratch, 3);
    npr_build_atom(scratch, phoenix->has_key ? "true" : "false");
    npr_build_uint(scratch, phoenix->token);
    npr_build_int(scratch, phoenix->number);
    return npr_builder_finish(scratch, &term, NULL) == NPR_OK ? npr_reply(self, from, term)
                                                              : NPR_ENOMEM;
}

/* Any message ends it, while the case may have memory fail. */
static npr_status phoenix_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    npri_alloc_fail_after(atomic_exchange(&allocations_to_succeed, 0));
    return NPR_EIO;
}

static void phoenix_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    atomic_fetch_sub(&living, 1);
}

/* A window that no stalled machine gets out of. */
#define PHOENIX(policy)                                                                            \
    {                                                                                              \
        .struct_size = sizeof(struct npr_behaviour), .state_bytes = sizeof(struct phoenix),        \
        .init = phoenix_init, .call = phoenix_call, .terminate = phoenix_terminate,                \
        .restart = (policy), .restart_window_ms = 3600000                                          \
    }

static const struct npr_behaviour temporary = PHOENIX(NPR_RESTART_TEMPORARY);
static const struct npr_behaviour transient = PHOENIX(NPR_RESTART_TRANSIENT);
static const struct npr_behaviour permanent = PHOENIX(NPR_RESTART_PERMANENT);

static const struct npr_behaviour tireless = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct phoenix),
    .init = phoenix_init,
    .call = phoenix_call,
    .info = phoenix_info,
    .terminate = phoenix_terminate,
    .restart = NPR_RESTART_PERMANENT,
    .restarts_max = NPR_RESTARTS_MAX,
    .restart_window_ms = 1,
};

/* The same with a thread of its own. */
static npr_status phoenix_run(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;
    npr_status status;

    (void)args;
    while ((status = npr_receive(self, NPR_FOREVER, NULL, NULL, &received)) == NPR_OK) {
        if (received.kind == NPR_RECEIVED_CALL) {
            status = phoenix_call(self, state, &received.from, received.term);
        }
        if (status != NPR_OK) {
            break;
        }
    }
    return status;
}

/* Takes as long as the case wants it to. */
static npr_status gated_init(struct npr_process *self, void *state, struct npr_term args)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (atomic_load(&gate_is_shut)) {
        (void)nanosleep(&pause, NULL);
    }
    return phoenix_init(self, state, args);
}

static const struct npr_behaviour gated = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct phoenix),
    .init = gated_init,
    .run = phoenix_run,
    .terminate = phoenix_terminate,
    .restart = NPR_RESTART_TRANSIENT,
};

static const struct npr_behaviour threaded = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct phoenix),
    .init = phoenix_init,
    .run = phoenix_run,
    .terminate = phoenix_terminate,
    .restart = NPR_RESTART_TRANSIENT,
    .restart_window_ms = 3600000,
};

static npr_status plain_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    return NPR_EIO;
}

static const struct npr_behaviour plain = {
    .struct_size = sizeof(struct npr_behaviour),
    .info = plain_info,
};

static const struct npr_function functions[] = {
    {.name = "plain", .arity = 0, .behaviour = &plain},
    {.name = "threaded", .arity = 0, .behaviour = &threaded},
    {.name = "gated", .arity = 0, .behaviour = &gated},
    {.name = "temporary", .arity = 0, .behaviour = &temporary},
    {.name = "transient", .arity = 0, .behaviour = &transient},
    {.name = "transient", .arity = 1, .behaviour = &transient},
    {.name = "permanent", .arity = 0, .behaviour = &permanent},
    {.name = "tireless", .arity = 0, .behaviour = &tireless},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "phoenix",
    .functions = functions,
    .functions_count = sizeof(functions) / sizeof(functions[0]),
};

/* ---- Words for the cases. */

/* It ends; what the caller hears of is the end. */
static void end(struct npr_node *node, const struct npr_pid *pid, const char *how)
{
    struct npr_builder *reply = npr_builder_create();
    const struct npr_address to = {.pid = *pid};

    assert_int_equal(npr_node_call(node, &to, nodes_term(how), TIMEOUT_MS, reply, NULL), NPR_EEXIT);
    npr_builder_destroy(reply);
}

static npr_status look(struct npr_node *node, struct npr_term key, struct npr_found *out)
{
    return nodes_get(node, key, NULL, NULL, out);
}

/* Another process than `old` lives under `key`, with a greater token. */
static void expect_another(struct npr_node *node, struct npr_term key, struct npr_found *old)
{
    struct npr_found found;

    assert_int_equal(look(node, key, &found), NPR_OK);
    assert_false(npr_pid_equal(&found.pid, &old->pid));
    assert_true(found.token > old->token);
    assert_false(found.started);
    (void)nodes_call(node, &found.pid, "told");
    *old = found;
}

static int cleanup(void **state)
{
    int status;

    atomic_store(&gate_is_shut, false); /* a case that has failed has left it */
    status = nodes_stop(state);
    assert_int_equal(atomic_load(&living), 0);
    assert_int_equal(atomic_load(&overlap), 0);
    atomic_store(&starts_to_fail, 0);
    return status;
}

/* ---- The cases. */

/* Would catch: "not found" between the end of one and the start of the next, from the node where it
 * lives or from another; a limit that is none. */
static void a_transient_process_lives_until_it_has_failed_too_often(void **state)
{
    struct npr_found found;
    struct npr_term key;

    (void)state;
    nodes_start(2, &module);
    key = nodes_key_of("transient", 1, 2);
    assert_int_equal(nodes_get(nodes[0], key, "phoenix", "transient", &found), NPR_OK);
    for (unsigned i = 0; i < CRASHES_MAX; i++) {
        end(nodes[i % 2], &found.pid, "crash");
        expect_another(nodes[(i + 1) % 2], key, &found);
    }
    end(nodes[1], &found.pid, "crash");
    assert_int_equal(look(nodes[1], key, &found), NPR_ENOTFOUND);
    assert_int_equal(look(nodes[0], key, &found), NPR_ENOTFOUND);
    /* The next one begins anew. */
    assert_int_equal(nodes_get(nodes[0], key, "phoenix", "transient", &found), NPR_OK);
    assert_true(found.started);
    end(nodes[1], &found.pid, "crash");
    expect_another(nodes[1], key, &found);
}

/* Would catch: a process that has done its work and comes back; a temporary one that does. */
static void an_orderly_end_is_an_end(void **state)
{
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "transient", &found), NPR_OK);
    end(nodes[0], &found.pid, "stop");
    assert_int_equal(look(nodes[0], nodes_term("k"), &found), NPR_ENOTFOUND);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "temporary", &found), NPR_OK);
    end(nodes[0], &found.pid, "crash");
    assert_int_equal(look(nodes[0], nodes_term("k"), &found), NPR_ENOTFOUND);
}

/* Would catch: arguments that are lost, a key and a token that the second life is not told. */
static void it_is_started_as_it_was(void **state)
{
    const struct npr_start start = {
        .module = "phoenix", .function = "transient", .arguments = nodes_term("[17]")};
    char expected[64];
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(npr_get_or_start(nodes[0], nodes_term("k"), &start, TIMEOUT_MS, &found, NULL),
                     NPR_OK);
    end(nodes[0], &found.pid, "crash");
    expect_another(nodes[0], nodes_term("k"), &found);
    (void)snprintf(expected, sizeof(expected), "{true,%llu,17}", (unsigned long long)found.token);
    assert_string_equal(nodes_call(nodes[0], &found.pid, "told"), expected);
}

/* A permanent process comes back from every end; an init that fails on the way is tried again. */
static void a_permanent_process_comes_back(void **state)
{
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "permanent", &found), NPR_OK);
    end(nodes[0], &found.pid, "stop");
    expect_another(nodes[0], nodes_term("k"), &found);
    (void)nodes_call(nodes[0], &found.pid, "1");
    end(nodes[0], &found.pid, "crash");
    expect_another(nodes[0], nodes_term("k"), &found);
    (void)nodes_call(nodes[0], &found.pid, "7"); /* that is too often: three restarts are used up */
    end(nodes[0], &found.pid, "crash");
    assert_int_equal(look(nodes[0], nodes_term("k"), &found), NPR_ENOTFOUND);
}

/* A thread process is restarted like any other; its init, on its thread, is told the key. */
static void a_thread_process_comes_back(void **state)
{
    char expected[64];
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "threaded", &found), NPR_OK);
    for (unsigned i = 0; i < CRASHES_MAX; i++) {
        end(nodes[0], &found.pid, "crash");
        expect_another(nodes[0], nodes_term("k"), &found);
        (void)snprintf(expected, sizeof(expected), "{true,%llu,0}",
                       (unsigned long long)found.token);
        assert_string_equal(nodes_call(nodes[0], &found.pid, "told"), expected);
    }
    end(nodes[0], &found.pid, "crash");
    assert_int_equal(look(nodes[0], nodes_term("k"), &found), NPR_ENOTFOUND);
}

/* b has been told that the key's process has ended. */
static bool has_heard(void *user)
{
    const struct npr_term *key = user;
    struct npr_found found;

    return npr_get_pid(nodes[1], *key, NULL, NULL, 1, &found, NULL) != NPR_OK;
}

/* A process that lives where its key does not belong any more, and whose restart takes long: the
 * key's owner knows, and waits.  Would catch: a node that is taken for silent, for all its keys,
 * because of one; "not here" where it will be. */
static void a_long_restart_is_not_silence(void **state)
{
    struct npr_node_options options = nodes_options("b@127.0.0.1", &module);
    char join[64];
    const char *const joins[] = {join};
    struct npr_term keys[2];
    struct npr_found found[2];
    struct npr_found again;

    (void)state;
    nodes_start(1, &module);
    (void)snprintf(join, sizeof(join), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    options.join = joins;
    options.join_count = 1;
    assert_int_equal(npr_node_start(&options, &nodes[1], NULL), NPR_OK);
    keys[0] = nodes_key_of("gated", 1, 2); /* those of the node that is yet to come */
    keys[1] = nodes_key_of("plain", 1, 2);
    npr_node_stop(nodes[1]);
    nodes[1] = NULL;
    nodes_wait_for_view(nodes[0], 1);
    assert_int_equal(nodes_get(nodes[0], keys[0], "phoenix", "gated", &found[0]), NPR_OK);
    assert_int_equal(nodes_get(nodes[0], keys[1], "phoenix", "plain", &found[1]), NPR_OK);
    assert_int_equal(npr_node_start(&options, &nodes[1], NULL), NPR_OK);
    nodes_wait_for_view(nodes[0], 2);
    nodes_wait_for_view(nodes[1], 2);

    atomic_store(&gate_is_shut, true);
    end(nodes[0], &found[0].pid, "crash");
    nodes_wait(has_heard, &keys[0]);
    assert_int_equal(look(nodes[1], keys[0], &again), NPR_ETIMEDOUT);
    assert_int_equal(look(nodes[1], keys[1], &again), NPR_OK); /* it is asked like any other */
    assert_true(npr_pid_equal(&again.pid, &found[1].pid));
    atomic_store(&gate_is_shut, false);
    assert_int_equal(look(nodes[0], keys[0], &again), NPR_OK);
    assert_int_equal(look(nodes[1], keys[0], &found[0]), NPR_OK);
    assert_true(npr_pid_equal(&again.pid, &found[0].pid));
}

static void unregistering_lets_it_go(void **state)
{
    struct npr_found found;
    struct npr_found again;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "permanent", &found), NPR_OK);
    assert_int_equal(npr_unregister(nodes[0], nodes_term("k"), NULL), NPR_OK);
    end(nodes[0], &found.pid, "crash");
    assert_int_equal(look(nodes[0], nodes_term("k"), &again), NPR_ENOTFOUND);
    assert_int_equal(npr_register(nodes[0], nodes_term("k"), &found.pid, NULL), NPR_OK);
    assert_int_equal(look(nodes[0], nodes_term("k"), &again), NPR_ENOTFOUND); /* it was dead */
}

/* ---- Many at once. */

struct asker {
    pthread_t thread;
    struct npr_node *node;
    struct npr_term key;
    unsigned wrong;
};

static atomic_bool quit;

static void *ask(void *user)
{
    struct asker *asker = user;
    struct npr_found found;

    while (!atomic_load(&quit)) {
        asker->wrong += look(asker->node, asker->key, &found) == NPR_OK ? 0 : 1;
    }
    return NULL;
}

/* While it ends and ends again, every lookup on its node finds a process.  Would catch: the moment
 * in which there is neither an entry nor a restart; two processes at once (cleanup). */
static void nobody_ever_finds_nothing(void **state)
{
    struct asker askers[2] = {{0}};
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(nodes_get(nodes[0], nodes_term("k"), "phoenix", "tireless", &found), NPR_OK);
    atomic_store(&quit, false);
    for (size_t i = 0; i < 2; i++) {
        askers[i].node = nodes[0];
        askers[i].key = nodes_term("k");
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (unsigned i = 0; i < 300; i++) {
        end(nodes[0], &found.pid, i % 2 == 0 ? "crash" : "stop");
        assert_int_equal(look(nodes[0], nodes_term("k"), &found), NPR_OK);
    }
    atomic_store(&quit, true);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
}

static bool one_lives(void *user)
{
    (void)user;
    return atomic_load(&living) == 1;
}

/* Memory fails from some allocation after the end on, until a lookup has come back: then the key
 * has a process, or can be given one.  Would catch: a key that is blocked by a restart that failed
 * halfway, a process that lives on without one. */
static void without_memory_a_restart_fails_cleanly(void **state)
{
    const struct npr_term word = nodes_term("x");
    const struct npr_term key = nodes_term("k");
    struct npr_address to = {0};
    struct npr_found found;
    npr_status status;

    (void)state;
    nodes_start(1, &module);
    for (unsigned n = 1; n < 40; n++) {
        status = NPR_ENOMEM;
        for (unsigned tries = 0; status != NPR_OK && tries < 1000; tries++) {
            status = nodes_get(nodes[0], key, "phoenix", "tireless", &found);
        }
        assert_int_equal(status, NPR_OK);
        nodes_wait(one_lives, NULL); /* one that was too many may be about to end */
        to.pid = found.pid;
        atomic_store(&allocations_to_succeed, n);
        assert_int_equal(npr_node_send(nodes[0], &to, word), NPR_OK);
        status = NPR_OK;
        while (status == NPR_OK && npr_pid_equal(&found.pid, &to.pid)) {
            status = look(nodes[0], key, &found); /* of the new one, of none, or out of memory */
        }
        npri_alloc_fail_after(0);
    }
    atomic_store(&overlap, 0);
}

static bool has_no_keys(void *user)
{
    const struct npr_query query = {.selector = npr_select_all(), .timeout_ms = TIMEOUT_MS};
    uint64_t count = 1;

    (void)user;
    assert_int_equal(npr_count(nodes[0], &query, &count, NULL), NPR_OK);
    return count == 0;
}

/* More ends at once than are told of in one turn of the loop.  Would catch: those of a later turn
 * that are forgotten. */
static void many_ends_at_once_are_all_heard_of(void **state)
{
    static struct npr_pid pids[5000];
    const struct npr_term word = nodes_term("x");
    struct npr_found found;
    char key[16];

    (void)state;
    nodes_start(1, &module);
    for (unsigned i = 0; i < 5000; i++) {
        struct npr_builder *builder = npr_builder_create();
        struct npr_term term;

        (void)snprintf(key, sizeof(key), "%u", i);
        npr_build_binary(builder, npr_bytes_of(key));
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        assert_int_equal(nodes_get(nodes[0], term, "phoenix", "plain", &found), NPR_OK);
        npr_builder_destroy(builder);
        pids[i] = found.pid;
    }
    for (unsigned i = 0; i < 5000; i++) {
        const struct npr_address to = {.pid = pids[i]};

        assert_int_equal(npr_node_send(nodes[0], &to, word), NPR_OK);
    }
    nodes_wait(has_no_keys, NULL);
}

/* Would catch: a node that does not stop because its processes come back. */
static void a_node_with_permanent_processes_stops(void **state)
{
    struct npr_found found;
    char key[16];

    (void)state;
    nodes_start(1, &module);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "%u", i);
        assert_int_equal(nodes_get(nodes[0], nodes_term(key), "phoenix", "tireless", &found),
                         NPR_OK);
        atomic_fetch_sub(&living, 1); /* they have different keys */
    }
    atomic_fetch_add(&living, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_transient_process_lives_until_it_has_failed_too_often, cleanup),
        cmocka_unit_test_teardown(an_orderly_end_is_an_end, cleanup),
        cmocka_unit_test_teardown(it_is_started_as_it_was, cleanup),
        cmocka_unit_test_teardown(a_permanent_process_comes_back, cleanup),
        cmocka_unit_test_teardown(a_thread_process_comes_back, cleanup),
        cmocka_unit_test_teardown(a_long_restart_is_not_silence, cleanup),
        cmocka_unit_test_teardown(unregistering_lets_it_go, cleanup),
        cmocka_unit_test_teardown(nobody_ever_finds_nothing, cleanup),
        cmocka_unit_test_teardown(without_memory_a_restart_fails_cleanly, cleanup),
        cmocka_unit_test_teardown(many_ends_at_once_are_all_heard_of, cleanup),
        cmocka_unit_test_teardown(a_node_with_permanent_processes_stops, cleanup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
