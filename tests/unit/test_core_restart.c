/* core/restart.h: which ends of a process restart it, how often, and what those who ask for its key
 * see meanwhile.  Two processes for one key, or none where one was promised, are what can go wrong.
 */
#include "core_host.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "support/check.h"
#include "term/write.h"

#define WINDOW_MS 5000u
#define MAX       3u

enum orderly { NORMAL, SHUTDOWN, SHUTDOWN_WITH, CRASH, KILLED, UNKNOWN, REASONS };

static struct npr_term reason_of(enum orderly reason)
{
    static uint8_t bytes[64];
    struct npri_buffer buffer = {.data = bytes, .capacity = sizeof(bytes)};
    static const char *const atoms[] = {
        [NORMAL] = "normal", [SHUTDOWN] = "shutdown", [KILLED] = "killed"};

    switch (reason) {
    case SHUTDOWN_WITH:
    case CRASH:
        npri_put_tuple(&buffer, 2);
        npri_put_atom(&buffer, reason == CRASH ? "error" : "shutdown");
        npri_put_atom(&buffer, "eio");
        break;
    case NORMAL:
    case SHUTDOWN:
    case KILLED:
        npri_put_atom(&buffer, atoms[reason]);
        break;
    case UNKNOWN:
    case REASONS:
        return (struct npr_term){0};
    }
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

static void down(struct core_host *host, const char *pid, enum orderly reason)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                                   .term = host_pid_term(pid),
                                                   .reason = reason_of(reason)});
}

static void started(struct core_host *host,
                    uint64_t operation,
                    const char *pid,
                    enum npri_restart_kind kind)
{
    (void)host_step(host, (struct npri_core_event){
                              .kind = NPRI_EVENT_STARTED,
                              .operation = operation,
                              .term = host_pid_term(pid),
                              .rule = {.kind = kind, .max = MAX, .window_ns = WINDOW_MS * MS}});
}

/* A process a.1 that was started for ka under that rule. */
static void open_with(struct core_host *host, enum npri_restart_kind kind)
{
    host_init(host);
    host_get(host, 1, "ka", "f");
    started(host, 1, "a.1", kind);
    CHECK_TRACE(host, "START 1 key=ka function=f\nMONITOR a.1\nANSWER 1 OK a.1 started\n");
}

static bool found(struct core_host *host, const char *pid)
{
    struct npri_activation activation;

    return npri_core_lookup(host->core, host_atom("ka"), &activation) &&
           npr_term_equal(activation.pid, host_pid_term(pid));
}

/* Each rule for each reason.  Would catch: a process that has done its work and comes back, one
 * that has failed and does not. */
static void rules_tell_which_ends_restart(void **state)
{
    static const bool restarts[3][REASONS] = {
        [NPRI_RESTART_TEMPORARY] = {false},
        [NPRI_RESTART_TRANSIENT] = {[CRASH] = true, [KILLED] = true, [UNKNOWN] = true},
        [NPRI_RESTART_PERMANENT] = {true, true, true, true, true, true},
    };

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (int reason = 0; reason < REASONS; reason++) {
            struct core_host host;

            open_with(&host, (enum npri_restart_kind)kind);
            down(&host, "a.1", (enum orderly)reason);
            CHECK_TRACE(&host, restarts[kind][reason] ? "START 2 key=ka function=f\n" : "");
            assert_int_equal(npri_core_entries_count(host.core), 0);
            host_fini(&host);
        }
    }
}

/* Would catch: "not found" for a key whose process is about to be there again, a look around or a
 * second start meanwhile, an old token. */
static void who_asks_meanwhile_waits_for_the_new_one(void **state)
{
    struct core_host host;
    uint64_t first;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    host_with_natives(&host, "b");
    first = host.start_token;
    down(&host, "a.1", CRASH);
    assert_true(host.start_token > first);
    host_forget_trace(&host);
    host_get(&host, 2, "ka", NULL);
    host_get(&host, 3, "ka", "g");
    host_start(&host, 4, "ka", "g");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                                    .request = 5,
                                                    .key = host_atom("ka"),
                                                    .own_only = true,
                                                    .deadline_ns = host.now_ns + 5000 * MS});
    CHECK_TRACE(&host, "");
    assert_true(npri_core_is_restarting(host.core, host_atom("ka")));
    started(&host, 3, "a.2", NPRI_RESTART_PERMANENT); /* the second operation was b's poll */
    CHECK_TRACE(&host, "MONITOR a.2\nANSWER 2 OK a.2\nANSWER 3 OK a.2\nANSWER 4 OK a.2\n"
                       "ANSWER 5 OK a.2\n");
    assert_int_equal(host.answer_token, host.start_token);
    assert_true(found(&host, "a.2"));
    assert_false(npri_core_is_restarting(host.core, host_atom("ka")));
    host_fini(&host);
}

/* GET with `own_only` for a key that is not here: told so at once, nobody is asked. */
static void own_only_asks_nobody(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                                    .request = 1,
                                                    .key = host_atom("ka"),
                                                    .own_only = true,
                                                    .deadline_ns = host.now_ns + 5000 * MS});
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND it is not here\n");
    host_fini(&host);
}

/* The limit, both sides of the window's edge.  Would catch: one restart too many or too few, a time
 * that is counted twice or too long, a key that is lost without a word. */
static void ends_beyond_the_limit_let_the_key_go(void **state)
{
    char pid[8] = "a.1";
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_TRANSIENT);
    for (unsigned i = 0; i < MAX; i++) {
        host_pass(&host, 1000 * MS);
        down(&host, pid, CRASH);
        pid[2] = (char)('2' + i);
        started(&host, 2 + i, pid, NPRI_RESTART_TRANSIENT);
        assert_true(found(&host, pid));
    }
    host_forget_trace(&host);
    /* The first of the three was at 2 s: it counts until 7 s have passed, and not after. */
    host_pass(&host, (WINDOW_MS - 2000) * MS);
    assert_int_equal(host.now_ns, (2000 + WINDOW_MS) * MS);
    host.now_ns += 1;
    down(&host, pid, CRASH);
    CHECK_TRACE(&host, "START 5 key=ka function=f\n");
    started(&host, 5, "a.5", NPRI_RESTART_TRANSIENT);
    host_forget_trace(&host);
    /* Now the oldest is the second one, at 3 s. */
    host.quiet = false;
    host.now_ns = (3000 + WINDOW_MS) * MS;
    down(&host, "a.5", CRASH);
    CHECK_TRACE(&host, "LOG restart_given_up key=ka function=f restarts=3 window_ms=5000 "
                       "reason={error,eio}\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    assert_false(npri_core_supervises(host.core, host_atom("ka")));
    host_get(&host, 9, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 9 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* An init that fails is one more end.  Who waits does so until one succeeds, or the limit is
 * reached.  Would catch: a restart that is tried for ever, or once. */
static void a_restart_that_fails_counts(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_TRANSIENT);
    down(&host, "a.1", CRASH);
    host_get(&host, 2, "ka", NULL);
    host_started(&host, 2, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "START 2 key=ka function=f\nSTART 3 key=ka function=f\n");
    started(&host, 3, "a.2", NPRI_RESTART_TRANSIENT);
    CHECK_TRACE(&host, "MONITOR a.2\nANSWER 2 OK a.2\n");

    down(&host, "a.2", CRASH);
    host_get(&host, 3, "ka", NULL);
    host_get(&host, 4, "ka", "f");
    CHECK_TRACE(&host, "START 4 key=ka function=f\n");
    host.quiet = false;
    host_started(&host, 4, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "LOG restart_given_up key=ka function=f restarts=3 window_ms=5000 "
                       "reason=because\n"
                       "ANSWER 3 ENOTFOUND its process could not be restarted\n"
                       "ANSWER 4 EREFUSED because\n");
    host_fini(&host);
}

/* Would catch: a process that comes back under a key that its owner has taken from it. */
static void unregistering_ends_it(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    host_unregister(&host, "ka");
    CHECK_TRACE(&host, "DEMONITOR a.1\n");
    down(&host, "a.1", CRASH);
    CHECK_TRACE(&host, "");
    host_fini(&host);

    /* While it is restarted: what comes of it is not wanted; who waits goes on without. */
    open_with(&host, NPRI_RESTART_PERMANENT);
    down(&host, "a.1", CRASH);
    host_get(&host, 2, "ka", NULL);
    host_get(&host, 3, "ka", "g");
    host_forget_trace(&host);
    host_unregister(&host, "ka");
    CHECK_TRACE(&host, "ANSWER 2 ENOTFOUND no node has the key\nSTART 3 key=ka function=g\n");
    started(&host, 2, "a.2", NPRI_RESTART_PERMANENT);
    CHECK_TRACE(&host, "DISCARD a.2\n");
    started(&host, 3, "a.3", NPRI_RESTART_TEMPORARY);
    CHECK_TRACE(&host, "MONITOR a.3\nANSWER 3 OK a.3 started\n");
    host_fini(&host);
}

/* Would catch: two processes under one key, in either order. */
static void another_pid_under_the_key_ends_it(void **state)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_REGISTER, .request = 9, .keep = true};
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    host_register(&host, "ka", "a.7");
    down(&host, "a.1", CRASH);
    assert_true(found(&host, "a.7"));
    down(&host, "a.7", CRASH);
    CHECK_TRACE(&host, "DEMONITOR a.1\nMONITOR a.7\n");
    host_fini(&host);

    open_with(&host, NPRI_RESTART_PERMANENT);
    down(&host, "a.1", CRASH);
    host_get(&host, 2, "ka", NULL);
    event.key = host_atom("ka");
    event.term = host_pid_term("a.7");
    event.deadline_ns = host.now_ns + 5000 * MS;
    assert_int_equal(host_step(&host, event), NPR_OK); /* waits: it is as good as there */
    event.term = host_pid_term("a.8");
    event.request = 10;
    assert_int_equal(host_step(&host, event), NPR_OK);
    host_register(&host, "ka", "a.7");
    host_forget_trace(&host);
    started(&host, 2, "a.2", NPRI_RESTART_PERMANENT);
    CHECK_TRACE(&host, "DISCARD a.2\nANSWER 2 OK a.7\nANSWER 9 OK a.7\nANSWER 10 EEXIST a.7\n");
    down(&host, "a.7", CRASH);
    CHECK_TRACE(&host, "");
    host_fini(&host);

    open_with(&host, NPRI_RESTART_PERMANENT); /* and when init fails meanwhile */
    down(&host, "a.1", CRASH);
    host_get(&host, 2, "ka", NULL);
    host_register(&host, "ka", "a.7");
    host_forget_trace(&host);
    host_started(&host, 2, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "ANSWER 2 OK a.7\n");
    host_fini(&host);
}

/* Other keys of the process go: only the one that it was started for comes back. */
static void only_its_own_key_comes_back(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    host_register(&host, "xa", "a.1");
    host_register(&host, "ya", "a.1");
    down(&host, "a.1", CRASH);
    CHECK_TRACE(&host, "START 2 key=ka function=f\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    started(&host, 2, "a.2", NPRI_RESTART_PERMANENT);
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* Would catch: a node that cannot stop because its processes come back, or a line for each. */
static void a_node_that_stops_restarts_nothing(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    host.quiet = false;
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CLOSING});
    down(&host, "a.1", SHUTDOWN);
    CHECK_TRACE(&host, "");
    host_fini(&host);

    open_with(&host, NPRI_RESTART_PERMANENT);
    down(&host, "a.1", CRASH);
    host_forget_trace(&host);
    host.quiet = false;
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CLOSING});
    host_started(&host, 2, NPR_ECLOSED, NULL);
    CHECK_TRACE(&host, "");
    assert_int_equal(host_status(&host, "starts"), 0);
    host_fini(&host);
}

/* A restart that nobody reports on is given up; what comes later is one too many. */
static void a_restart_without_an_end_is_given_up(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, NPRI_RESTART_PERMANENT);
    down(&host, "a.1", CRASH);
    host_forget_trace(&host);
    host_pass(&host, 61000 * MS);
    assert_false(npri_core_is_restarting(host.core, host_atom("ka")));
    started(&host, 2, "a.2", NPRI_RESTART_PERMANENT);
    CHECK_TRACE(&host, "DISCARD a.2\n");
    host_fini(&host);
}

/* Whichever allocation of an end, or of a restart's success, fails: the key is restarted or let go,
 * and who waits is told.  Would catch: a record that is lost or freed twice, a request that waits
 * for nothing. */
static void without_memory_the_key_is_let_go(void **state)
{
    (void)state;
    for (unsigned in_end = 0; in_end < 2; in_end++) {
        bool restarted = false;

        for (unsigned n = 1; !restarted; n++) {
            struct core_host host;

            assert_true(n < 40);
            open_with(&host, NPRI_RESTART_PERMANENT);
            npri_alloc_fail_after(in_end == 1 ? n : 0);
            down(&host, "a.1", CRASH);
            npri_alloc_fail_after(0);
            if (npri_core_is_restarting(host.core, host_atom("ka"))) {
                host_get(&host, 2, "ka", NULL);
                host_forget_trace(&host);
                npri_alloc_fail_after(in_end == 0 ? n : 0);
                started(&host, 2, "a.2", NPRI_RESTART_PERMANENT);
                npri_alloc_fail_after(0);
                assert_non_null(strstr(host.trace, "ANSWER 2 "));
            }
            restarted = found(&host, "a.2");
            assert_int_equal(npri_core_entries_count(host.core), restarted ? 1 : 0);
            assert_int_equal(host_status(&host, "starts"), 0);
            assert_int_equal(host_status(&host, "operations"), 0);
            host_fini(&host);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_tell_which_ends_restart),
        cmocka_unit_test(who_asks_meanwhile_waits_for_the_new_one),
        cmocka_unit_test(own_only_asks_nobody),
        cmocka_unit_test(ends_beyond_the_limit_let_the_key_go),
        cmocka_unit_test(a_restart_that_fails_counts),
        cmocka_unit_test(unregistering_ends_it),
        cmocka_unit_test(another_pid_under_the_key_ends_it),
        cmocka_unit_test(only_its_own_key_comes_back),
        cmocka_unit_test(a_node_that_stops_restarts_nothing),
        cmocka_unit_test(a_restart_without_an_end_is_given_up),
        cmocka_unit_test(without_memory_the_key_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
