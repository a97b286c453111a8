/* struct npr_node_options: long_callback_ms. */
#include "api_nodes.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(long_callbacks_are_logged, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_slow", tests, NULL, NULL);
}
