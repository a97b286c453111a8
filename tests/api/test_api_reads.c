/* Keys that the caller's own thread finds (nprocreg/registry.h, node/reads.h). */
#include "counters.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum {
    KEYS = 64,
    LOOKERS = 3,
    CHANGES = 2000,
};

/* ---- Without the loop thread. */

static sem_t held;
static sem_t go_on;

static void hold_loop(void *user, npr_status status, const struct npr_found *found, const char *why)
{
    (void)user;
    (void)status;
    (void)found;
    (void)why;
    (void)sem_post(&held);
    (void)sem_wait(&go_on);
}

/* Would catch: a key of this node that the loop thread is asked for.  It would hang. */
static void the_loop_thread_is_not_asked(void **state)
{
    struct npr_found first;
    struct npr_found again;

    (void)state;
    counters_start(1);
    assert_int_equal(sem_init(&held, 0, 0), 0);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    assert_int_equal(counters_get(nodes[0], 1, true, &first), NPR_OK);
    assert_int_equal(
        npr_get_async(nodes[0], nodes_term("nobody"), NULL, TIMEOUT_MS, hold_loop, NULL), NPR_OK);
    assert_int_equal(sem_wait(&held), 0);
    assert_int_equal(counters_get(nodes[0], 1, false, &again), NPR_OK);
    assert_true(npr_pid_equal(&first.pid, &again.pid));
    assert_int_equal(first.token, again.token);
    assert_false(again.started);
    assert_int_equal(counters_get(nodes[0], 1, true, &again), NPR_OK); /* with a start, too */
    assert_true(npr_pid_equal(&first.pid, &again.pid));
    assert_int_equal(sem_post(&go_on), 0);
}

/* ---- While it changes. */

static struct npr_pid pids[KEYS];
static struct npr_term keys[KEYS];
static atomic_bool over;
static atomic_uint wrong;

/* Key and process belong together; nothing is missed: one of two processes has each key. */
static void *look_main(void *argument)
{
    struct npr_node *node = argument;

    for (unsigned i = 0; !atomic_load(&over); i = (i + 1) % (KEYS / 2)) {
        struct npr_found found;

        if (npr_get_pid(node, keys[i], NULL, NULL, TIMEOUT_MS, &found, NULL) != NPR_OK ||
            (!npr_pid_equal(&found.pid, &pids[i]) &&
             !npr_pid_equal(&found.pid, &pids[i + KEYS / 2]))) {
            (void)atomic_fetch_add(&wrong, 1);
        }
    }
    return NULL;
}

/* Would catch: a look-up that does not see what the call before it has done, and a key that is
 * missed while its process is replaced. */
static void what_was_done_is_seen(void **state)
{
    pthread_t lookers[LOOKERS];
    struct npr_found found;

    (void)state;
    counters_start(1);
    for (unsigned i = 0; i < KEYS; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "{room,%u}", i);
        keys[i] = nodes_term(text);
        assert_int_equal(nodes_get(nodes[0], keys[i], "counter", "start", &found), NPR_OK);
        pids[i] = found.pid;
    }
    for (unsigned i = 0; i < LOOKERS; i++) {
        assert_int_equal(pthread_create(&lookers[i], NULL, look_main, nodes[0]), 0);
    }
    for (unsigned i = 0; i < CHANGES; i++) {
        const unsigned key = i % (KEYS / 2);
        const unsigned pid = i / (KEYS / 2) % 2 == 0 ? key + KEYS / 2 : key;
        const struct npr_term other = nodes_term("other");

        assert_int_equal(npr_reregister(nodes[0], keys[key], &pids[pid], NULL), NPR_OK);
        assert_int_equal(nodes_get(nodes[0], keys[key], NULL, NULL, &found), NPR_OK);
        assert_true(npr_pid_equal(&found.pid, &pids[pid]));
        assert_int_equal(npr_register(nodes[0], other, &pids[pid], NULL), NPR_OK);
        assert_int_equal(nodes_get(nodes[0], other, NULL, NULL, &found), NPR_OK);
        assert_int_equal(npr_unregister(nodes[0], other, NULL), NPR_OK);
        assert_int_equal(nodes_get(nodes[0], other, NULL, NULL, &found), NPR_ENOTFOUND);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < LOOKERS; i++) {
        assert_int_equal(pthread_join(lookers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&wrong), 0);
}

/* ---- While the node stops. */

static void *look_until_closed(void *argument)
{
    struct npr_node *node = argument;
    struct npr_found found;
    npr_status status;

    do {
        status = npr_get_pid(node, keys[0], NULL, NULL, TIMEOUT_MS, &found, NULL);
    } while (status == NPR_OK);
    (void)atomic_fetch_add(&wrong, status == NPR_ECLOSED ? 0 : 1);
    return NULL;
}

/* Would catch: a table that is read after it was freed, or that answers for a node that is closed.
 */
static void a_closed_node_finds_nothing(void **state)
{
    pthread_t lookers[LOOKERS];
    struct npr_found found;

    (void)state;
    counters_start(1);
    keys[0] = nodes_term("{room,1}");
    assert_int_equal(nodes_get(nodes[0], keys[0], "counter", "start", &found), NPR_OK);
    atomic_store(&wrong, 0);
    for (unsigned i = 0; i < LOOKERS; i++) {
        assert_int_equal(pthread_create(&lookers[i], NULL, look_until_closed, nodes[0]), 0);
    }
    npr_node_close(nodes[0]);
    for (unsigned i = 0; i < LOOKERS; i++) {
        assert_int_equal(pthread_join(lookers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(nodes_get(nodes[0], keys[0], NULL, NULL, &found), NPR_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_loop_thread_is_not_asked, nodes_stop),
        cmocka_unit_test_teardown(what_was_done_is_seen, nodes_stop),
        cmocka_unit_test_teardown(a_closed_node_finds_nothing, nodes_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
