/* core/core.h: the dialogues that start and find a process, each as its whole trace. */
#include "core_host.h"

#include <string.h>

#include "support/check.h"
#include "term/write.h"

/* A key of our own: the others are asked once, in parallel, before it is started.  Catches a start
 * without the second look, which is how the original ends with two processes. */
static void owner_looks_before_it_starts(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b c");
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ASK 5 b key=ka\nASK 6 c key=ka\n");
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, "");
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "START 7 key=ka function=f\n");
    host_started(&host, 7, NPR_OK, "a.1");
    CHECK_TRACE(&host, "MONITOR a.1\nANSWER 1 OK a.1 started\n");
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "ANSWER 2 OK a.1\n");
    host_fini(&host);
}

/* ... and what the second look finds is the answer, without a start. */
static void owner_finds_it_elsewhere(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b c");
    host_get(&host, 1, "ka", "f");
    host_forget_trace(&host);
    host_asked(&host, 6, "c.9");
    CHECK_TRACE(&host, "ANSWER 1 OK c.9\n");
    host_asked(&host, 5, NULL); /* late: for nobody */
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

/* Whoever wants the key while it is being started waits for that start: from here, and from a node
 * that sends start_function.  Only the first one made the process. */
static void racers_get_one_process(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_get(&host, 1, "ka", "f");
    host_start(&host, 2, "ka", "g");
    CHECK_TRACE(&host, "ASK 3 b key=ka\n");
    host_asked(&host, 3, NULL);
    host_get(&host, 3, "ka", "f");
    CHECK_TRACE(&host, "START 4 key=ka function=f\n");
    host_started(&host, 4, NPR_OK, "a.1");
    CHECK_TRACE(&host, "MONITOR a.1\nANSWER 1 OK a.1 started\nANSWER 2 OK a.1\n"
                       "ANSWER 3 OK a.1\n");
    host_fini(&host);
}

/* start_function for a key that by our view is b's: that of an original is passed on to b, a native
 * node is told to look again. */
static void asked_to_start_anothers_key(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_start(&host, 1, "kb", "f");
    CHECK_TRACE(&host, "DELEGATE 2 b key=kb function=f\n");
    host_start_from(&host, "b", 2, "kb", "f");
    CHECK_TRACE(&host, "ANSWER 2 EREFUSED moved this node does not own the key\n");
    host_fini(&host);
}

/* Alone: nobody to ask. */
static void alone_it_starts_at_once(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    CHECK_TRACE(&host, "START 1 key=kb function=f\n");
    host_started(&host, 1, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "ANSWER 1 EREFUSED because\n");
    host_get(&host, 2, "kb", "f"); /* the failed start has left nothing behind */
    CHECK_TRACE(&host, "START 2 key=kb function=f\n");
    host_started(&host, 2, NPR_ENOTFOUND, NULL); /* no such function: never "no such key" */
    CHECK_TRACE(&host, "ANSWER 2 EREFUSED because\n");
    host_fini(&host);
}

/* The deadline ends the request, not the start: the process lives and has its entry. */
static void late_start_is_kept(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "ka", "f");
    host_forget_trace(&host);
    host_pass(&host, 5000 * MS);
    CHECK_TRACE(&host, "ANSWER 1 ETIMEDOUT waited for the start on a@h\n");
    host_started(&host, 1, NPR_OK, "a.1");
    CHECK_TRACE(&host, "MONITOR a.1\n");
    host_get(&host, 2, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 2 OK a.1\n");
    host_fini(&host);
}

/* A start that nobody reported on for a minute is given up; its process is stopped if it comes. */
static void start_given_up_is_discarded(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "ka", "f");
    host_pass(&host, 60000 * MS);
    host_forget_trace(&host);
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "START 2 key=ka function=f\n");
    host_started(&host, 1, NPR_OK, "a.1");
    CHECK_TRACE(&host, "DISCARD a.1\n");
    host_started(&host, 1, NPR_OK, "a.1"); /* repeated */
    CHECK_TRACE(&host, "");
    host_started(&host, 2, NPR_OK, "a.2");
    CHECK_TRACE(&host, "MONITOR a.2\nANSWER 2 OK a.2 started\n");
    host_fini(&host);
}

/* Registered while it was being started: one of the two processes has to go, the new one. */
static void registration_wins_over_start(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "ka", "f");
    host_register(&host, "ka", "a.5");
    host_forget_trace(&host);
    host_started(&host, 1, NPR_OK, "a.6");
    CHECK_TRACE(&host, "DISCARD a.6\nANSWER 1 OK a.5\n");
    host_fini(&host);
}

/* A native owner looks everywhere itself: it is asked to start at once, once for all who wait. */
static void native_owner_is_delegated_to(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_get(&host, 1, "kb", "f");
    host_get(&host, 2, "kb", "f");
    CHECK_TRACE(&host, "DELEGATE 3 b key=kb function=f\n");
    host_delegated(&host, 3, NPR_OK, "b.4");
    CHECK_TRACE(&host, "ANSWER 1 OK b.4 started\nANSWER 2 OK b.4\n");
    host_delegated(&host, 3, NPR_OK, "b.4"); /* repeated */
    CHECK_TRACE(&host, "");
    host_get(&host, 3, "kb", "f"); /* not remembered: it may have died since */
    CHECK_TRACE(&host, "DELEGATE 4 b key=kb function=f\n");
    host_delegated(&host, 4, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "ANSWER 3 EREFUSED b@h: because\n");
    host_fini(&host);
}

/* An original owner starts without looking: look for it first, the owner, then the rest. */
static void original_owner_is_asked_first(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b c");
    host_get(&host, 1, "kb", "f");
    CHECK_TRACE(&host, "ASK 5 b key=kb\n");
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, "ASK 6 c key=kb\n");
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "DELEGATE 7 b key=kb function=f\n");
    host_delegated(&host, 7, NPR_OK, "b.4"); /* it has started one, as others may have had it do: */
    CHECK_TRACE(&host, "ASK 8 b key=kb\n");
    host_asked(&host, 8, "b.4");
    CHECK_TRACE(&host, "ANSWER 1 OK b.4 started\n");
    host_fini(&host);
}

/* Two are started at once by an original owner: what stands in its table in the end is what others
 * will find.  When it is gone, so is what it has started. */
static void what_stands_in_the_originals_table_counts(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_get(&host, 1, "kb", "f");
    host_asked(&host, 3, NULL);
    host_delegated(&host, 4, NPR_OK, "b.4");
    host_forget_trace(&host);
    host_asked(&host, 5, "b.5");
    CHECK_TRACE(&host, "ANSWER 1 OK b.5\n");
    host_get(&host, 2, "xb", "f");
    host_asked(&host, 6, NULL);
    host_delegated(&host, 7, NPR_OK, "b.6");
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    host_pass(&host, 2000 * MS);
    CHECK_TRACE(&host, "START 9 key=xb function=f\nCONNECT b\n");
    host_fini(&host);
}

/* The owner does not answer: nothing is known, and nothing is started elsewhere. */
static void silent_owner_is_a_time_out(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b c");
    host_get(&host, 1, "kb", "f");
    host_forget_trace(&host);
    host_pass(&host, 1000 * MS);
    CHECK_TRACE(&host, "ASK 6 c key=kb\n");
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "ANSWER 1 ETIMEDOUT b@h: the key's owner does not answer\n");
    host_get(&host, 2, "kb", "f"); /* suspect now: not waited for, the rest is asked */
    CHECK_TRACE(&host, "ASK 7 c key=kb\n");
    host_asked(&host, 7, NULL);
    CHECK_TRACE(&host, "ANSWER 2 ETIMEDOUT b@h: the key's owner does not answer\n");
    host_asked(&host, 5, NULL); /* the late answer helps nobody, but b is back */
    CHECK_TRACE(&host, "");
    host_get(&host, 3, "kb", "f");
    CHECK_TRACE(&host, "ASK 8 b key=kb\n");
    host_fini(&host);
}

/* A suspect original delays nothing that we own, after the first second. */
static void suspect_is_not_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ASK 3 b key=ka\n");
    host_pass(&host, 999 * MS);
    CHECK_TRACE(&host, "");
    host_pass(&host, 1 * MS);
    CHECK_TRACE(&host, "START 4 key=ka function=f\n");
    host_get(&host, 2, "xa", "f");
    CHECK_TRACE(&host, "START 5 key=xa function=f\n");
    host_fini(&host);
}

/* The connection to the owner goes while it starts the process: so does what it has started, and
 * the next owner has its turn. */
static void owner_lost_while_starting(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_get(&host, 1, "kb", "f");
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\n");
    host_delegated(&host, 2, NPR_OK, "b.4"); /* late */
    CHECK_TRACE(&host, ""); /* ours now, once it is known that b was not just cut off */
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "START 3 key=kb function=f\n");
    host_fini(&host);
}

/* An owner that falls silent holds nobody longer than his deadline; once it is lost the next owner
 * has its turn. */
static void silent_native_owner(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_get(&host, 1, "kb", "f");
    host_forget_trace(&host);
    host_pass(&host, 5000 * MS); /* its deadline, and a poll that is not answered ... */
    host_pass(&host, 1000 * MS); /* ... for a second: suspect */
    CHECK_TRACE(&host, "ANNOUNCE b\nPOLL 3 b\nANSWER 1 ETIMEDOUT waited for the start on b@h\n");
    host_get(&host, 2, "kb", "f"); /* it may be back, or lost, before this one's deadline */
    CHECK_TRACE(&host, "");
    host_pass(&host, 3000 * MS);
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\nSTART 4 key=kb function=f\n");
    host_fini(&host);
}

/* A key that no Erlang node could place is refused at once. */
static void impossible_keys_are_refused(void **state)
{
    struct core_host host;
    static uint8_t large[70000];
    struct npri_core_event event = {.kind = NPRI_EVENT_GET, .request = 1, .deadline_ns = 1};

    (void)state;
    host_init(&host);
    assert_int_equal(host_step(&host, event), NPR_OK);
    large[0] = 'm'; /* BINARY_EXT */
    large[3] = 0xff;
    large[4] = 0xff;
    large[2] = 0;
    event.key = (struct npr_term){.data = large, .size = 5 + 0xffff};
    event.request = 2;
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host,
                "ANSWER 1 EINVAL the key is larger than 64 KiB or holds a map of more than 32 "
                "pairs\nANSWER 2 EINVAL the key is larger than 64 KiB or holds a map of more than "
                "32 pairs\n");
    host_fini(&host);
}

/* {Module, Function, Arguments} must never reach an original's server, which would log an error and
 * start nothing; a native owner takes it. */
static void arguments_go_to_native_owners_only(void **state)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_GET, .key = host_atom("kb")};
    struct npri_buffer function;
    struct core_host host;

    (void)state;
    npri_buffer_init(&function, 0);
    npri_put_tuple(&function, 3);
    npri_put_atom(&function, "m");
    npri_put_atom(&function, "f");
    npri_put_nil(&function);
    event.function = (struct npr_term){.data = function.data, .size = function.size};

    host_init(&host);
    host_with_originals(&host, "b");
    event.request = 1;
    event.deadline_ns = host.now_ns + 5000 * MS;
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "ASK 3 b key=kb\n");
    host_asked(&host, 3, NULL);
    CHECK_TRACE(&host, "ANSWER 1 EREFUSED b@h: the key's owner is no native node, and starts "
                       "functions without arguments only\n");
    host_fini(&host);

    host_init(&host);
    host_with_natives(&host, "b");
    event.deadline_ns = host.now_ns + 5000 * MS;
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "DELEGATE 2 b key=kb function=?\n");
    host_fini(&host);
    npri_buffer_fini(&function);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_looks_before_it_starts),
        cmocka_unit_test(owner_finds_it_elsewhere),
        cmocka_unit_test(racers_get_one_process),
        cmocka_unit_test(asked_to_start_anothers_key),
        cmocka_unit_test(alone_it_starts_at_once),
        cmocka_unit_test(late_start_is_kept),
        cmocka_unit_test(start_given_up_is_discarded),
        cmocka_unit_test(registration_wins_over_start),
        cmocka_unit_test(native_owner_is_delegated_to),
        cmocka_unit_test(original_owner_is_asked_first),
        cmocka_unit_test(what_stands_in_the_originals_table_counts),
        cmocka_unit_test(silent_owner_is_a_time_out),
        cmocka_unit_test(suspect_is_not_waited_for),
        cmocka_unit_test(owner_lost_while_starting),
        cmocka_unit_test(silent_native_owner),
        cmocka_unit_test(impossible_keys_are_refused),
        cmocka_unit_test(arguments_go_to_native_owners_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
