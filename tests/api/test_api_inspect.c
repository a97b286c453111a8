/* nprocreg/inspect.h: the processes of a node, in figures. */
#include "counters.h"

#include <sched.h>
#include <string.h>

#define MANY 40

struct seen {
    struct npr_process_info infos[MANY];
    uint32_t count;
};

static void see(void *user, const struct npr_process_info *info)
{
    struct seen *seen = user;

    assert_true(seen->count < MANY);
    assert_int_equal(info->struct_size, sizeof(*info));
    seen->infos[seen->count++] = *info;
}

/* Starts MANY counters; the n-th has handled n messages. */
static void start_counters(struct npr_pid pids[MANY])
{
    struct npr_builder *reply = npr_builder_create();

    counters_start(1);
    for (int64_t n = 0; n < MANY; n++) {
        struct npr_address to = {0};
        struct npr_found found;

        assert_int_equal(counters_get(nodes[0], n, true, &found), NPR_OK);
        pids[n] = found.pid;
        to.pid = found.pid;
        for (int64_t i = 1; i <= n; i++) {
            assert_int_equal(counters_call(nodes[0], &to, "get", TIMEOUT_MS, reply), NPR_OK);
            assert_int_equal(counters_reply(reply), i);
        }
    }
    npr_builder_destroy(reply);
}

/* Would catch: processes that are left out or told of twice, the wrong order, a limit not kept. */
static void processes_come_in_order(void **state)
{
    struct npr_pid pids[MANY];
    struct seen seen = {.count = 0};

    (void)state;
    start_counters(pids);
    assert_int_equal(npr_node_processes(nodes[0], NPR_FIGURE_PID, 0, see, &seen), NPR_OK);
    assert_int_equal(seen.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_true(npr_pid_equal(&seen.infos[i].pid, &pids[i]));
        assert_string_equal(seen.infos[i].function, "counter:start/0");
        assert_int_equal(seen.infos[i].state_bytes, sizeof(int64_t));
    }
    seen.count = 0;
    assert_int_equal(npr_node_processes(nodes[0], NPR_FIGURE_HANDLED, 5, see, &seen), NPR_OK);
    assert_int_equal(seen.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(npr_pid_equal(&seen.infos[i].pid, &pids[MANY - 1 - i]));
        assert_int_equal(seen.infos[i].handled, MANY - 1 - i);
    }
}

/* Would catch: figures of another process, a dead one that is told of, a struct of another size
 * written over. */
static void one_process_is_told_of(void **state)
{
    struct npr_process_info info = {.struct_size = sizeof(info)};
    struct npr_pid pids[MANY];
    struct npr_address to = {0};
    struct npr_builder *reply = npr_builder_create();

    (void)state;
    start_counters(pids);
    assert_int_equal(npr_node_process_info(nodes[0], &pids[7], &info), NPR_OK);
    assert_true(npr_pid_equal(&info.pid, &pids[7]));
    assert_int_equal(info.handled, 7);
    assert_int_equal(info.mailbox, 0);
    assert_int_equal(info.dropped, 0);

    to.pid = pids[7];
    assert_int_equal(counters_call(nodes[0], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
    while (npr_node_process_info(nodes[0], &pids[7], &info) == NPR_OK) {
        (void)sched_yield();
    }
    assert_int_equal(npr_node_process_info(nodes[0], &pids[7], &info), NPR_ENOPROC);
    memcpy(pids[8].node.text, "b", 1);
    assert_int_equal(npr_node_process_info(nodes[0], &pids[8], &info), NPR_ENOPROC);
    info.struct_size--;
    assert_int_equal(npr_node_process_info(nodes[0], &pids[9], &info), NPR_EINVAL);
    npr_builder_destroy(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(processes_come_in_order, nodes_stop),
        cmocka_unit_test_teardown(one_process_is_told_of, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_inspect", tests, NULL, NULL);
}
