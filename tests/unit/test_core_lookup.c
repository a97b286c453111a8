/* core/lookup.h and core/directory.h: finding, not finding, and not knowing; which entries a death
 * takes along. */
#include "core_host.h"

#include <string.h>

#include "support/check.h"
#include "term/write.h"

/* The owner first; the rest, in parallel, only when it says no. */
static void owner_is_asked_before_the_rest(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c d");
    host_get(&host, 1, "kb", NULL);
    CHECK_TRACE(&host, "ASK 4 b key=kb\n");
    host_asked(&host, 4, "b.1");
    CHECK_TRACE(&host, "ANSWER 1 OK b.1\n");
    host_get(&host, 2, "kb", NULL);
    host_forget_trace(&host);
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, "ASK 6 c key=kb\nASK 7 d key=kb\n");
    host_asked(&host, 7, NULL);
    host_asked(&host, 7, NULL); /* repeated: must not stand in for the other */
    host_asked(&host, 99, NULL);
    CHECK_TRACE(&host, "");
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "ANSWER 2 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* Alone, "no" is final at once. */
static void alone_no_is_final(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* One silent node: not known, which is not "no"; and it says who.  The next one does not wait. */
static void silence_is_not_absence(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_get(&host, 1, "ka", NULL);
    host_forget_trace(&host);
    host_asked(&host, 3, NULL);
    host_pass(&host, 999 * MS);
    CHECK_TRACE(&host, "");
    host_pass(&host, 1 * MS);
    CHECK_TRACE(&host, "ANSWER 1 ETIMEDOUT not found elsewhere; no answer from c@h\n");
    host_get(&host, 2, "xa", NULL);
    CHECK_TRACE(&host, "ASK 5 b key=xa\n");
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, "ANSWER 2 ETIMEDOUT not found elsewhere; no answer from c@h\n");
    host_fini(&host);
}

/* A question that could not be asked is neither. */
static void unreachable_is_neither(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_get(&host, 1, "ka", NULL);
    host_forget_trace(&host);
    host_ask_failed(&host, 3, NPR_EUNREACHABLE);
    host_asked(&host, 4, NULL);
    CHECK_TRACE(&host, "ANSWER 1 EUNREACHABLE not found elsewhere; could not ask b@h\n");
    host_fini(&host);
}

/* A node that goes takes its processes along: it has nothing, once it is certain that it is gone.
 */
static void gone_node_has_nothing(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_get(&host, 1, "kb", NULL);
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "ASK 4 c key=kb\nCONNECT b\n");
    host_asked(&host, 4, NULL);
    host_pass(&host, 100 * MS);
    CHECK_TRACE(&host, "TELL c {marker,3,128}\n"); /* of the new view */
    host_disconnected(&host, "b");                 /* nobody answers where it was */
    CHECK_TRACE(&host, "ASK 5 c key=kb\n");
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, ""); /* but c may know nodes that we do not */
    host_agree(&host, "c");
    CHECK_TRACE(&host, "ASK 6 c key=kb\n");
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* The deadline ends it, and names who was waited for. */
static void deadline_names_who_was_waited_for(void **state)
{
    struct core_host host;
    struct npri_core_event event = {.kind = NPRI_EVENT_GET, .request = 1, .deadline_ns = 1500 * MS};

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    event.key = host_atom("ka");
    assert_int_equal(host_step(&host, event), NPR_OK);
    host_forget_trace(&host);
    host_pass(&host, 500 * MS);
    CHECK_TRACE(&host, "ANSWER 1 ETIMEDOUT waited for the answer of b@h, c@h\n");
    host_asked(&host, 3, "b.1"); /* late */
    CHECK_TRACE(&host, "");
    event.request = 2; /* over before it came */
    event.key = host_atom("ka");
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "ANSWER 2 ETIMEDOUT the deadline had passed when it came\n");
    host_fini(&host);
}

/* A request that comes too late for any question is still answered from our own table, and once:
 * one that has been answered is gone and must not be looked at again. */
static void late_request_finds_own_entry(void **state)
{
    struct core_host host;
    struct npri_core_event event = {.kind = NPRI_EVENT_GET, .request = 1, .deadline_ns = 1 * MS};

    (void)state;
    host_init(&host);
    host_register(&host, "ka", "a.1");
    host_forget_trace(&host);
    event.key = host_atom("ka");
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "ANSWER 1 OK a.1\n");
    assert_int_equal(host_status(&host, "requests"), 0);
    host_fini(&host);
}

/* What is no pid is no process: the original lets anything be registered. */
static void atoms_are_not_processes(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_get(&host, 1, "ka", NULL);
    host_forget_trace(&host);
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_ASKED,
                                                               .operation = 3,
                                                               .term = host_atom("notapid")}),
                     NPR_OK);
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    host.quiet = false;
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                                               .key = host_atom("ka"),
                                                               .term = host_atom("notapid")}),
                     NPR_OK);
    CHECK_TRACE(&host, "LOG register_ignored reason=\"not a pid\"\n");
    host_fini(&host);
}

/* A suspect is probed by a question that nobody waits for, one at a time. */
static void suspect_owner_is_probed(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_get(&host, 1, "kb", NULL);
    host_pass(&host, 1000 * MS);
    host_announced(&host, "b");
    host_pass(&host, 2000 * MS);
    host_forget_trace(&host);
    host_get(&host, 2, "kb", NULL); /* the first question is still out */
    CHECK_TRACE(&host, "ANSWER 2 ETIMEDOUT not found elsewhere; no answer from b@h\n");
    host_ask_failed(&host, 3, NPR_ETIMEDOUT); /* the node layer has given it up */
    host_get(&host, 3, "kb", NULL);
    CHECK_TRACE(&host,
                "ASK 4 b key=kb\nANSWER 3 ETIMEDOUT not found elsewhere; no answer from b@h\n");
    host_get(&host, 4, "kb", NULL);
    CHECK_TRACE(&host, "ANSWER 4 ETIMEDOUT not found elsewhere; no answer from b@h\n");
    host_asked(&host, 4, NULL);
    host_get(&host, 5, "kb", NULL);
    CHECK_TRACE(&host, "ASK 5 b key=kb\n");
    host_fini(&host);
}

/* A pid under two keys: one monitor, and its death takes both.  (The original keeps one.) */
static void death_takes_all_its_entries(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_register(&host, "ka", "a.1");
    host_register(&host, "xa", "a.1");
    host_register(&host, "ya", "a.2");
    CHECK_TRACE(&host, "MONITOR a.1\nMONITOR a.2\n");
    host_down(&host, "a.1");
    host_down(&host, "a.1"); /* repeated */
    CHECK_TRACE(&host, "");
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* A key that went to another pid: the first one's death erases nothing.  (With the original it
 * does.) */
static void death_takes_only_its_entries(void **state)
{
    struct core_host host;
    struct npri_activation found;

    (void)state;
    host_init(&host);
    host_register(&host, "ka", "a.1");
    host_register(&host, "xa", "a.1");
    host_register(&host, "ka", "a.2");
    CHECK_TRACE(&host, "MONITOR a.1\nMONITOR a.2\n");
    host_down(&host, "a.1");
    assert_true(npri_core_lookup(host.core, host_atom("ka"), &found));
    assert_false(npri_core_lookup(host.core, host_atom("xa"), &found));
    host_register(&host, "ka", "a.3"); /* its last key goes: not watched any more */
    CHECK_TRACE(&host, "DEMONITOR a.2\nMONITOR a.3\n");
    host_register(&host, "ka", "a.3");
    host_unregister(&host, "ka");
    host_unregister(&host, "ka");
    CHECK_TRACE(&host, "DEMONITOR a.3\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_fini(&host);
}

/* Keys are compared exactly, whatever they were encoded in: 1 and 1.0 differ, an integer in four
 * bytes and in one are the same. */
static void keys_are_compared_exactly(void **state)
{
    struct core_host host;
    struct npri_activation found;
    static const uint8_t wide[] = {'b', 0, 0, 0, 1}; /* INTEGER_EXT */
    static const uint8_t narrow[] = {'a', 1};        /* SMALL_INTEGER_EXT */
    static const uint8_t real[] = {'F', 0x3f, 0xf0, 0, 0, 0, 0, 0, 0};

    (void)state;
    host_init(&host);
    assert_int_equal(
        host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                                  .key = {.data = wide, .size = sizeof(wide)},
                                                  .term = host_pid_term("a.1")}),
        NPR_OK);
    assert_true(npri_core_lookup(
        host.core, (struct npr_term){.data = narrow, .size = sizeof(narrow)}, &found));
    assert_false(
        npri_core_lookup(host.core, (struct npr_term){.data = real, .size = sizeof(real)}, &found));
    host_fini(&host);
}

/* The list of entries stops at its limit and is a whole term. */
static void entries_are_listed(void **state)
{
    struct core_host host;
    struct npr_term_walk walk;
    struct npr_term pair[2];
    struct npr_term element;
    size_t count = 0;

    (void)state;
    host_init(&host);
    host_register(&host, "ka", "a.1");
    host_register(&host, "kb", "a.1");
    host_register(&host, "kc", "a.2");
    for (size_t limit = 0; limit < 5; limit++) {
        struct npri_buffer buffer = {0};

        npri_core_put_entries(host.core, limit, &buffer);
        count = 0;
        assert_true(npr_term_list((struct npr_term){buffer.data, buffer.size}, &walk));
        while (npr_term_next(&walk, &element)) {
            assert_true(npr_term_get_tuple(element, 2, pair));
            assert_int_equal(npr_term_kind(pair[1]), NPR_TERM_PID);
            count++;
        }
        assert_int_equal(count, limit == 0 || limit > 3 ? 3 : limit);
        npri_buffer_fini(&buffer);
    }
    host_fini(&host);
}

/* REGISTER with `keep`: another process's entry stays and its caller hears of it; the same pid
 * again, or a key that is free, is put. */
static void what_is_to_be_kept_is_kept(void **state)
{
    struct core_host host;
    struct npri_core_event event = {.kind = NPRI_EVENT_REGISTER, .request = 9, .keep = true};

    (void)state;
    host_init(&host);
    event.deadline_ns = host.now_ns + 5000 * MS;
    event.key = host_atom("ka");
    event.term = host_pid_term("a.1");
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "MONITOR a.1\nANSWER 9 OK a.1\n");
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "ANSWER 9 OK a.1\n");
    event.term = host_pid_term("a.2");
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "ANSWER 9 EEXIST a.1\n");
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 OK a.1\n");
    event.keep = false;
    assert_int_equal(host_step(&host, event), NPR_OK);
    CHECK_TRACE(&host, "DEMONITOR a.1\nMONITOR a.2\nANSWER 9 OK a.2\n");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_is_asked_before_the_rest),
        cmocka_unit_test(alone_no_is_final),
        cmocka_unit_test(silence_is_not_absence),
        cmocka_unit_test(unreachable_is_neither),
        cmocka_unit_test(gone_node_has_nothing),
        cmocka_unit_test(deadline_names_who_was_waited_for),
        cmocka_unit_test(late_request_finds_own_entry),
        cmocka_unit_test(atoms_are_not_processes),
        cmocka_unit_test(suspect_owner_is_probed),
        cmocka_unit_test(death_takes_all_its_entries),
        cmocka_unit_test(death_takes_only_its_entries),
        cmocka_unit_test(keys_are_compared_exactly),
        cmocka_unit_test(entries_are_listed),
        cmocka_unit_test(what_is_to_be_kept_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
