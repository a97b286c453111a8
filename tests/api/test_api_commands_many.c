/* Command processes by the thousand: what is left over, also when the node stops or memory ends. */
#include "api_commands.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "node/node.h"

#ifndef MANY
#define MANY 10000u
#endif

static atomic_uint answered;
static atomic_uint succeeded;
static atomic_uint refused;

static void on_got(void *user, npr_status status, const struct npr_found *found, const char *text)
{
    (void)user;
    (void)found;
    (void)text;
    if (status == NPR_OK) {
        (void)atomic_fetch_add(&succeeded, 1);
    } else if (status == NPR_EREFUSED) {
        (void)atomic_fetch_add(&refused, 1);
    }
    (void)atomic_fetch_add(&answered, 1);
}

static bool all_answered(void *user)
{
    (void)user;
    return atomic_load(&answered) == MANY;
}

static unsigned descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* Would catch: descriptors, dead children or memory that are left over, and a node that does
 * nothing else while it starts them. */
static void many_that_exit_at_once_leave_nothing(void **state)
{
    unsigned before;
    struct npr_pid other;

    (void)state;
    commands_declare("true", NULL)->argv = (char *[]){"true", NULL};
    (void)commands_declare("echo", SH_STARTED SH_CALLS SH_REPLY("1") SH_DONE);
    commands_start_node();
    other = commands_get("other", "echo");
    commands_check_call(&other, "x", "1");
    before = descriptors();
    atomic_store(&answered, 0);
    atomic_store(&refused, 0);
    for (unsigned i = 0; i < MANY; i++) {
        const struct npr_start start = {.module = "t", .function = "true"};
        struct npr_builder *builder = npr_builder_create();
        struct npr_term key;

        npr_build_uint(builder, i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(npr_get_async(nodes[0], key, &start, 100000, on_got, NULL), NPR_OK);
        npr_builder_destroy(builder);
    }
    for (unsigned i = 0; i < 20; i++) {
        commands_check_call(&other, "x", "1");
    }
    for (unsigned i = 0; i < 100 && !all_answered(NULL); i++) {
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    assert_true(all_answered(NULL));
    /* Each has been told what has come of its start, and that after its child, if its turn has
     * come at all: so nothing is left, and nothing is to come. */
    assert_int_equal(atomic_load(&refused), MANY);
    assert_int_equal(descriptors(), before);
    commands_check_call(&other, "x", "1");
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* not one is left to wait for */
}

static void get_never(unsigned number)
{
    const struct npr_start start = {.module = "t", .function = "never"};
    char key[16];

    (void)snprintf(key, sizeof(key), "%u", number);
    assert_int_equal(npr_get_async(nodes[0], nodes_term(key), &start, 100000, on_got, NULL),
                     NPR_OK);
}

/* As many as may are under way, and do not answer.  Would catch: starts that wait behind them until
 * they are given up, and whose children are started all the same, for nobody. */
static void a_start_waits_for_its_turn_only_so_long(void **state)
{
    struct npr_command *command = commands_declare("never", "exec sleep 1000");
    unsigned under_way;

    (void)state;
    command->start_ms = 300000;
    command->kill_ms = 20000;
    (void)commands_declare("echo", SH_STARTED SH_CALLS SH_REPLY("1") SH_DONE);
    commands_start_node();
    under_way = descriptors() + 4 * NPRI_COMMAND_STARTING_MAX;
    atomic_store(&answered, 0);
    atomic_store(&refused, 0);
    for (unsigned i = 0; i < NPRI_COMMAND_STARTING_MAX; i++) {
        get_never(i);
    }
    while (descriptors() < under_way) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)commands_get("other", "echo"); /* so the loop has read it, and reads it no more */
    nodes[0]->commands->turn_ms = 200;
    commands_check_start_fails("never", "its turn to start has not come in 200 ms");
    assert_int_equal(descriptors(), under_way + 4); /* those of "other" */
    assert_int_equal(atomic_load(&answered), 0);
}

/* Would catch: a node that cannot stop while starts are under way or wait, or leaves some
 * unanswered. */
static void a_node_stops_while_many_start(void **state)
{
    const unsigned count = 200;
    unsigned before;

    (void)state;
    commands_declare("never", "exec sleep 1000")->kill_ms = 20000;
    commands_start_node();
    before = descriptors();
    atomic_store(&answered, 0);
    atomic_store(&succeeded, 0);
    for (unsigned i = 0; i < count; i++) {
        get_never(i);
    }
    while (descriptors() < before + 4) { /* some are under way */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(atomic_load(&answered), count);
    assert_int_equal(atomic_load(&succeeded), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Memory ends at some allocation of a start, a call or an end, on whichever thread, and is there
 * again afterwards.  Would catch: a start that is never answered, a child that nobody knows of, a
 * process that nothing reaches any more. */
static void memory_may_end_at_any_time(void **state)
{
    struct npr_term key;
    struct npr_term end;

    (void)state;
    commands_declare("echo", SH_STARTED SH_CALLS
                     "case \"$l\" in *ends*) exit 4;; esac; " SH_REPLY("1") SH_DONE)
        ->kill_ms = 200;
    commands_start_node();
    key = nodes_term("k");
    end = nodes_term("ends");
    for (uint64_t n = 1; n <= 150; n++) {
        struct npr_builder *reply = npr_builder_create();
        struct npr_found found = {.started = false};
        struct npr_pid pid;
        npr_status status;

        npri_alloc_fail_after(n);
        status = npr_get_pid(nodes[0], key, "t", "echo", 2000, &found, NULL);
        if (status == NPR_OK) {
            const struct npr_address to = {.pid = found.pid};

            (void)!npr_node_call(nodes[0], &to, n % 2 == 0 ? end : key, 20, reply, NULL);
        }
        npri_alloc_fail_after(0);
        npr_builder_destroy(reply);
        /* What was lost for want of memory was told, or is tried again: all is well now. */
        do {
            status = npr_get_pid(nodes[0], key, "t", "echo", 20000, &found, NULL);
            assert_true(status == NPR_OK || status == NPR_EREFUSED || status == NPR_ENOMEM);
            pid = found.pid;
        } while (status != NPR_OK || commands_call(&pid, key, 20000, NULL) != NPR_OK);
    }
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMANDS_CASE(many_that_exit_at_once_leave_nothing),
        COMMANDS_CASE(a_start_waits_for_its_turn_only_so_long),
        COMMANDS_CASE(a_node_stops_while_many_start),
        COMMANDS_CASE(memory_may_end_at_any_time),
    };

    commands_pick_case();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
