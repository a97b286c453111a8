/* Callbacks that take long: they are logged (long_callback_ms), and keep their node from nothing.
 */
#include "api_nodes.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/check.h"

static sem_t told_running;
static sem_t told_returned;
static char running[200]; /* lines; written before the post, read after it */
static char returned[200];

static void on_log(void *user, npr_log_level level, const char *line)
{
    (void)user;
    if (level != NPR_LOG_WARNING || strncmp(line, "long_callback ", 14) != 0) {
        return;
    }
    if (strstr(line, " state=running") != NULL) {
        (void)snprintf(running, sizeof(running), "%s", line);
        (void)sem_post(&told_running);
    } else {
        (void)snprintf(returned, sizeof(returned), "%s", line);
        (void)sem_post(&told_returned);
    }
}

/* Returns when the log has told of it. */
static npr_status slow_call(struct npr_process *self,
                            void *state,
                            const struct npr_from *from,
                            struct npr_term request)
{
    (void)state;
    return sem_wait(&told_running) == 0 ? npr_reply(self, from, request) : NPR_EIO;
}

static const struct npr_behaviour slow_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .call = slow_call,
};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &slow_behaviour}};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "slow",
    .functions = functions,
    .functions_count = 1,
};

/* Would catch: a worker that blocks unseen; a line that lacks what an operator needs. */
static void long_callbacks_are_logged(void **state)
{
    struct npr_node_options options = nodes_options("a@127.0.0.1", &module);
    struct npr_found found;
    char pid[64];

    (void)state;
    assert_int_equal(sem_init(&told_running, 0, 0), 0);
    assert_int_equal(sem_init(&told_returned, 0, 0), 0);
    options.long_callback_ms = 20;
    options.log = on_log;
    assert_int_equal(npr_node_start(&options, &nodes[0], NULL), NPR_OK);
    assert_int_equal(nodes_get(nodes[0], nodes_term("key"), "slow", "start", &found), NPR_OK);
    assert_string_equal(nodes_call(nodes[0], &found.pid, "question"), "question");
    assert_int_equal(sem_wait(&told_returned), 0);
    (void)snprintf(pid, sizeof(pid), " pid=<a@127.0.0.1.%u.0> ", (unsigned)found.pid.id);
    assert_non_null(strstr(running, pid));
    assert_non_null(strstr(returned, pid));
    assert_non_null(strstr(running, " function=slow:start/0 ms="));
    assert_non_null(strstr(returned, " state=returned"));
}

/* ---- Heartbeats. */

#define SPINNERS 4 /* more than a node has workers */

static atomic_bool spinning;
static atomic_uint lost; /* lines that say so */

static void count_lost(void *user, npr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    if (strncmp(line, "node_left ", 10) == 0 || strncmp(line, "stalled ", 8) == 0) {
        (void)atomic_fetch_add(&lost, 1);
    }
}

/* Neither returns nor lets the processor go. */
static npr_status spin(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    while (atomic_load_explicit(&spinning, memory_order_relaxed)) {
    }
    return NPR_OK;
}

static const struct npr_behaviour spinning_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .info = spin,
};

static const struct npr_function spinning_functions[] = {
    {.name = "start", .behaviour = &spinning_behaviour}};

static const struct npr_module spinning_module = {
    .abi = NPR_MODULE_ABI,
    .name = "spinner",
    .functions = spinning_functions,
    .functions_count = 1,
};

static void start_counting(const char *name, struct npr_node *joins, struct npr_node **out)
{
    struct npr_node_options options = nodes_options(name, &spinning_module);
    char text[64];
    const char *const join[] = {text};

    if (joins != NULL) {
        (void)snprintf(text, sizeof(text), "a@127.0.0.1:%u", (unsigned)npr_node_port(joins));
        options.join = join;
        options.join_count = 1;
    }
    options.log = count_lost;
    assert_int_equal(npr_node_start(&options, out, NULL), NPR_OK);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* All workers of a node are in callbacks that compute, for longer than others wait for a node: it
 * tells its heartbeats and answers what needs no worker.  Would catch: one that is taken for lost,
 * and whose keys are started elsewhere, because its processes have much to do. */
static void long_callbacks_miss_no_beat(void **state)
{
    static const char *const texts[SPINNERS] = {"k", "l", "m", "n"};
    const uint64_t longer_ms = 4000; /* than node_timeout_ms and a heartbeat */
    struct npr_found found[SPINNERS];
    struct npr_term keys[SPINNERS];
    uint64_t until_ms;

    (void)state;
    atomic_store(&lost, 0);
    start_counting("a@127.0.0.1", NULL, &nodes[0]);
    start_counting("b@127.0.0.1", nodes[0], &nodes[1]);
    nodes_wait_for_view(nodes[0], 2);
    nodes_wait_for_view(nodes[1], 2);
    for (size_t i = 0; i < SPINNERS; i++) {
        keys[i] = nodes_key_of(texts[i], 0, 2);
        assert_int_equal(nodes_get(nodes[1], keys[i], "spinner", "start", &found[i]), NPR_OK);
    }
    atomic_store(&spinning, true);
    until_ms = now_ms() + longer_ms;
    for (size_t i = 0; i < SPINNERS; i++) {
        const struct npr_address to = {.pid = found[i].pid};

        assert_int_equal(npr_node_send(nodes[0], &to, nodes_term("spin")), NPR_OK);
    }
    for (size_t i = 0; now_ms() < until_ms; i++) {
        struct npr_found again;

        assert_int_equal(nodes_get(nodes[1], keys[i % SPINNERS], NULL, NULL, &again), NPR_OK);
    }
    assert_int_equal(atomic_load(&lost), 0);
}

/* Also of a case that has failed: nodes end only when their callbacks have. */
static int stop_spinning(void **state)
{
    atomic_store(&spinning, false);
    return nodes_stop(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(long_callbacks_are_logged, nodes_stop),
        cmocka_unit_test_teardown(long_callbacks_miss_no_beat, stop_spinning),
    };

    return cmocka_run_group_tests_name("api_slow", tests, NULL, NULL);
}
