/* Command processes, from start to end: what ends a child, what it leaves, and what lives again. */
#include "api_commands.h"

#include <stdlib.h>
#include <time.h>

/* The caller hears of the end when the child is gone, not before.  Would catch: a second child for
 * the key beside it. */
static void its_end_is_the_processs_end(void **state)
{
    const struct {
        const char *request;
        const char *reason;
    } ends[] = {{"status", "{exit_status,3}"},
                {"fine", "normal"},
                {"signal", "{signal,'SIGTERM'}"},
                {"reason", "{bye,1}"},
                {"normal", "normal"},
                {"half", "{exit_status,5}"},
                {"bad", "{bad_output,<<\"offset 0: no JSON value begins so\">>}"},
                {"none", "{bad_output,<<\"it is none of {started}, {failed}, {reply,value}, "
                         "{send,message}, {exit} with values of the right kind\">>}"}};

    (void)state;
    commands_declare(
        "ends",
        "trap '' TERM; " SH_STARTED SH_CALLS "case \"$l\" in *pid*) " SH_REPLY(
            "$$") ";; *status*) exit 3;; *fine*) exit 0;; *signal*) trap - TERM; kill -TERM $$;; "
                  "*reason*) echo '{\"exit\":{\"$tuple\":[{\"$atom\":\"bye\"},1]}}'; sleep 0.1;; "
                  "*normal*) echo '{\"exit\":\"normal\"}'; sleep 0.1;; *half*) printf '{\"rep'; "
                  "exit 5;; "
                  "*bad*) echo 'not JSON'; sleep 100;; *none*) echo '{\"a\":1}'; sleep 100;; "
                  "esac" SH_DONE)
        ->kill_ms = 100;
    commands_start_node();
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const struct npr_pid pid = commands_get("k", "ends");
        const pid_t child = commands_os_pid(&pid);

        commands_check_call_ends(&pid, ends[i].request, ends[i].reason);
        assert_false(commands_is_alive(child));
    }
}

/* Would catch: a child, or a child of its, that outlives its node; a node that waits for ever for
 * one which does not want to go. */
static void the_node_takes_its_children_along(void **state)
{
    struct npr_pid pids[3];
    pid_t children[3];
    pid_t grandchild;
    char *text;

    (void)state;
    commands_declare("stubborn", "trap '' TERM; sleep 1000 & g=$!; " SH_STARTED SH_CALLS
                                 "case \"$l\" in *pid*) " SH_REPLY("$$") ";; *) " SH_REPLY(
                                     "$g") ";; esac" SH_DONE "; sleep 1000")
        ->kill_ms = 100;
    commands_start_node();
    for (unsigned i = 0; i < 3; i++) {
        const char *const keys[] = {"a", "b", "c"};

        pids[i] = commands_get(keys[i], "stubborn");
        children[i] = commands_os_pid(&pids[i]);
    }
    text = commands_reply_to(&pids[0], "grandchild");
    grandchild = (pid_t)strtol(text, NULL, 10);
    free(text);
    assert_true(commands_is_alive(grandchild));
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    for (unsigned i = 0; i < 3; i++) {
        assert_false(commands_is_alive(children[i]));
    }
    for (unsigned i = 0; i < 1000 && commands_is_alive(grandchild); i++) { /* another's to reap */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* The number of the child under `k`, which may end, and begin anew, at any time. */
static pid_t os_pid_of_idle(void)
{
    char *text = NULL;
    pid_t number;
    struct npr_pid pid = commands_get("k", "idle");

    while (commands_call(&pid, nodes_term("pid"), 20000, &text) != NPR_OK) {
        pid = commands_get("k", "idle");
    }
    number = text == NULL ? 0 : (pid_t)strtol(text, NULL, 10);
    free(text);
    return number;
}

/* An idle time counts from the last message, but not while a call waits for its answer. */
static void idle_ones_end(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    struct npr_found found;
    pid_t child;

    (void)state;
    commands_declare("idle", SH_STARTED SH_CALLS
                     "case \"$l\" in *slow*) sleep 1;; esac; " SH_REPLY("$$") SH_DONE)
        ->idle_ms = 300;
    commands_start_node();
    pid = commands_get("k", "idle");
    assert_int_equal(commands_call(&pid, nodes_term("slow"), 20000, NULL), NPR_OK);
    child = os_pid_of_idle();
    while (npr_get_pid(nodes[0], key, NULL, NULL, 5000, &found, NULL) == NPR_OK) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    assert_false(commands_is_alive(child)); /* when the entry is gone, so is the child */
    assert_int_not_equal(os_pid_of_idle(), child);
}

/* exit/2: SIGTERM, and SIGKILL for kill; the process ends when the child has.  Would catch: a child
 * that has no time to end well, or takes all the time it wants. */
static void exits_reach_the_child(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    pid_t child;

    (void)state;
    commands_declare("tidy", "trap 'echo tidied >&2; exit 0' TERM; " SH_STARTED SH_CALLS SH_REPLY(
                                 "$$") SH_DONE "; while :; do sleep 0.05; done")
        ->kill_ms = 20000;
    commands_declare("stubborn", "trap '' TERM; " SH_STARTED SH_CALLS SH_REPLY("$$") SH_DONE
                     "; while :; do sleep 1; done")
        ->kill_ms = 100;
    commands_start_node();
    for (unsigned i = 0; i < 3; i++) {
        struct npr_found found;

        pid = commands_get("k", i == 0 ? "tidy" : "stubborn");
        child = commands_os_pid(&pid);
        assert_int_equal(npr_node_exit(nodes[0], &pid, nodes_term(i == 2 ? "kill" : "shutdown")),
                         NPR_OK);
        while (npr_get_pid(nodes[0], key, NULL, NULL, 5000, &found, NULL) == NPR_OK) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_false(commands_is_alive(child));
    }
    nodes_wait(commands_is_logged, "line=\"tidied\"");
}

/* Would catch: a restart beside a child that is not gone, or none. */
static void permanent_ones_live_again(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    struct npr_found found;
    pid_t child;

    (void)state;
    commands_declare("lives", SH_STARTED SH_CALLS
                     "case \"$l\" in *crash*) exit 9;; esac; " SH_REPLY("$$") SH_DONE)
        ->restart = NPR_RESTART_PERMANENT;
    commands_start_node();
    pid = commands_get("k", "lives");
    child = commands_os_pid(&pid);
    commands_check_call_ends(&pid, "crash", "{exit_status,9}");
    do {
        assert_int_equal(npr_get_pid(nodes[0], key, "t", "lives", 5000, &found, NULL), NPR_OK);
    } while (npr_pid_equal(&found.pid, &pid));
    assert_false(commands_is_alive(child));
    assert_int_not_equal(commands_os_pid(&found.pid), child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMANDS_CASE(its_end_is_the_processs_end),
        COMMANDS_CASE(the_node_takes_its_children_along),
        COMMANDS_CASE(idle_ones_end),
        COMMANDS_CASE(exits_reach_the_child),
        COMMANDS_CASE(permanent_ones_live_again),
    };

    commands_pick_case();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
