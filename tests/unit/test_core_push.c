/* core/push.h: what owners are told of the entries that live elsewhere.  Each case says which
 * mistake it would catch; two processes for a key, or a key that is lost for ever, is what comes of
 * each.
 *
 * This node is a; b and c agree with it in their epoch 7, so "kb" is b's. */
#include "core_host.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"
#include "term/write.h"

static void open_with(struct core_host *host, const char *names)
{
    host_init(host);
    host_with_natives(host, names);
}

/* A view change: entries go to their owners, each to its own, then the marker.  Would catch: a
 * marker before the entries, an entry at the wrong node, one's own told to others. */
static void entries_are_pushed_then_the_marker(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.2"));
    host_put_entry(&host, host_atom("kc"), host_pid_term("a.3"));
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_connected(&host, "c");
    host_greeted(&host, "c", NPR_OTP_26);
    host_agree(&host, "b c");
    host_forget_trace(&host);
    host_pass(&host, 10);
    CHECK_TRACE(&host, "TELL b {push,2,90,[{kb,<a@h.2.0>,0}]}\n"
                       "TELL b {marker,2,154}\n"
                       "TELL c {push,2,90,[{kc,<a@h.3.0>,0}]}\n"
                       "TELL c {marker,2,154}\n");
    host_fini(&host);
}

/* A table that takes several pieces: the marker comes after the last one.  Would catch: an owner
 * that takes the first part of the entries for all. */
static void the_marker_follows_the_last_piece(void **state)
{
    const unsigned keys = 3 * NPRI_PAGE_STEPS_MAX;
    struct core_host host;
    unsigned pieces = 0;

    (void)state;
    host_init(&host);
    host.only_told = true;
    for (unsigned i = 0; i < keys; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%ub", i);
        host_put_entry(&host, host_atom(text), host_pid_term("a.1"));
    }
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_agree(&host, "b");
    assert_int_equal(host.told_markers, 0);
    for (; host.told_markers == 0 && pieces < 100; pieces++) {
        host_pass(&host, 1);
        assert_true(host.told_markers == 0 || host.told_bytes > (uint64_t)keys * 20);
    }
    assert_in_range(pieces, 3, 99);
    host_fini(&host);
}

/* The view changes in the middle of the walk, and threads act on the old one yet: nothing more is
 * told before they have left it.  Would catch: a walk that goes on by the new view, leaves out the
 * keys that b owns in the old one, and tells b that this is all: b starts them. */
static void a_walk_ends_with_its_view(void **state)
{
    const unsigned keys = 3 * NPRI_PAGE_STEPS_MAX;
    struct core_host host;

    (void)state;
    host_init(&host);
    host.only_told = true;
    for (unsigned i = 0; i < keys; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%ub", i);
        host_put_entry(&host, host_atom(text), host_pid_term("a.1"));
    }
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_connected(&host, "c");
    host_greeted(&host, "c", NPR_OTP_26);
    host_agree(&host, "b c");
    host_pass(&host, 1);
    assert_true(host.told_bytes > 0);
    assert_int_equal(host.told_markers, 0);
    host.fences = true;
    host_disconnected(&host, "c");
    host.told_bytes = 0;
    for (unsigned pieces = 0; pieces < 100; pieces++) {
        host_pass(&host, 1);
    }
    assert_int_equal(host.told_markers, 0);
    assert_int_equal(host.told_bytes, 0);
    host_fini(&host);
}

/* A process ends while the threads act on the old view: its key's owner in that view hears of it.
 * Would catch: callers who are sent to a dead pid, for as long as a thread is late. */
static void an_end_is_told_before_the_fence_is_in(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_put_entry(&host, host_atom("xe"), host_pid_term("a.1")); /* the second of three */
    host.fences = true;
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    host_forget_trace(&host);
    host_down(&host, "a.1");
    CHECK_TRACE(&host, "TELL b {free,2,236,xe,<a@h.1.0>}\n");
    host_fini(&host);
}

/* What comes and goes is told at once, with the pid that is gone.  Would catch: an owner that
 * starts a key which lives here, or sends callers to a dead pid. */
static void changes_are_told_at_once(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    CHECK_TRACE(&host, "MONITOR a.1\n"
                       "TELL b {push,2,150,[{kb,<a@h.1.0>,0}]}\n");
    host_down(&host, "a.1");
    CHECK_TRACE(&host, "TELL b {free,2,236,kb,<a@h.1.0>}\n");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.2")); /* nobody else's business */
    CHECK_TRACE(&host, "MONITOR a.2\n");
    host_fini(&host);
}

/* A process that is restarted: its owner hears "busy", never "free" first.  Would catch: the owner
 * that starts the key in the moment between the two. */
static void a_restart_is_busy_never_free(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    host_started_for_good(&host, 1, "a.1");
    host_with_natives(&host, "b");
    host_forget_trace(&host);
    host_down(&host, "a.1");
    CHECK_TRACE(&host, "START 3 key=kb function=f\n"
                       "TELL b {busy,2,222,kb,16777217}\n");
    host_started_for_good(&host, 3, "a.2");
    host_forget_trace(&host);
    host_down(&host, "a.2"); /* beyond the limit */
    assert_non_null(strstr(host.trace, "{free,"));
    assert_null(strstr(host.trace, "{busy,"));
    host_fini(&host);
}

/* A start that is under way when the key becomes b's goes on, and b is told before the marker.
 * Would catch: b that starts the key, too. */
static void a_start_in_flight_is_told_before_the_marker(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_agree(&host, "b");
    host_forget_trace(&host);
    host_pass(&host, 10);
    CHECK_TRACE(&host, "TELL b {busy,2,68,kb,1}\n"
                       "TELL b {marker,2,132}\n");
    host_started(&host, 1, NPR_OK, "a.1");
    host_fini(&host);
}

/* The window: a peer that does not read is told so much and no more, hears that it must not trust
 * what it has, and is told all again once it has read.  Would catch: memory without bound for a
 * peer that hangs, and an owner that takes half of the entries for all of them. */
static void a_peer_that_does_not_read_is_told_all_anew(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host.only_told = true;
    for (unsigned i = 0; i < 200; i++) { /* 3.2 MB, of b's keys */
        struct npri_buffer key = {0};

        npri_put_tuple(&key, 2);
        npri_put_uint(&key, i);
        npri_put_u8(&key, 'm');
        npri_put_u32(&key, 16000);
        memset(npri_buffer_extend(&key, 16000), 'b', 16000);
        host_put_entry(&host, (struct npr_term){.data = key.data, .size = key.size},
                       host_pid_term("a.1"));
        npri_buffer_fini(&key);
    }
    host_pass(&host, 1000 * MS);
    assert_in_range(host.told_bytes, NPRI_PUSH_WINDOW_BYTES - 40000, NPRI_PUSH_WINDOW_BYTES + 1000);
    assert_int_equal(host.told_unsure, 1);
    assert_int_equal(host.told_markers, 0);
    for (unsigned i = 0; i < 40 && host.told_markers == 0; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "{pushed,%llu}", (unsigned long long)host.told_at);
        host_told(&host, "b", text);
        host_pass(&host, 1000 * MS);
    }
    assert_int_equal(host.told_markers, 1);
    assert_in_range(host.told_bytes, 4200000, 4700000); /* one window for nothing, then all */
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_pushed_then_the_marker),
        cmocka_unit_test(the_marker_follows_the_last_piece),
        cmocka_unit_test(a_walk_ends_with_its_view),
        cmocka_unit_test(an_end_is_told_before_the_fence_is_in),
        cmocka_unit_test(changes_are_told_at_once),
        cmocka_unit_test(a_restart_is_busy_never_free),
        cmocka_unit_test(a_start_in_flight_is_told_before_the_marker),
        cmocka_unit_test(a_peer_that_does_not_read_is_told_all_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
