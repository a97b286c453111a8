/* One allocation fails, and memory is back: what a step has begun it finishes, or has not begun.
 * Each case is run for every allocation of one step.  A second process for a key, and a process
 * that waits for a word which is never said, are what can go wrong. */
#include "core_host.h"

#include <string.h>

#include "support/check.h"

/* More allocations than any step here makes. */
#define ALLOCATIONS_MAX 40u

static bool did(const struct core_host *host, const char *what)
{
    return strstr(host->trace, what) != NULL;
}

/* Whether `key` leads to `pid`, and nothing is started for it. */
static bool leads_to(struct core_host *host, const char *key, const char *answer)
{
    host_forget_trace(host);
    host_get(host, 90, key, "f");
    return did(host, answer) && !did(host, "START");
}

/* The host of a process puts another one over it.  Would catch: the old one, which is forgotten
 * though the new one was not consented to. */
static void a_consent_that_cannot_be_told_is_none(void **state)
{
    bool lacked = true;
    unsigned refused = 0;

    (void)state;
    for (unsigned n = 1; lacked && n < ALLOCATIONS_MAX; n++) {
        struct core_host host;

        host_init_settled(&host, "b");
        host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
        host.scarce = n;
        host_told(&host, "b", "{claim,4,ka,<b@h.6.0>,false,5000}");
        lacked = host.lacked;
        if (!did(&host, "TELL b {claimed,4,")) {
            assert_true(leads_to(&host, "ka", "ANSWER 90 OK b.5\n"));
            refused++;
        }
        host_fini(&host);
    }
    assert_false(lacked);
    assert_true(refused > 2);
}

static void open_taking(struct core_host *host)
{
    host_init_settled(host, "b c");
    host_told(host, "b", "{push,7,100,[{ka,<b@h.1.0>,5},{xa,<c@h.8.0>,6}]}");
    host_forget_trace(host);
}

/* A successor for which there is no entry is stopped, and its predecessor goes on.  Would catch:
 * the predecessor, which is forgotten though it will be told to go on. */
static void a_successor_without_memory_is_none(void **state)
{
    bool lacked = true;
    unsigned refused = 0;

    (void)state;
    for (unsigned n = 1; lacked && n < ALLOCATIONS_MAX; n++) {
        struct core_host host;

        open_taking(&host);
        host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
        assert_true(did(&host, "START 3 key=ka"));
        host_forget_trace(&host);
        host.scarce = n;
        host_started(&host, 3, NPR_OK, "a.4");
        lacked = host.lacked;
        if (did(&host, "DISCARD a.4")) {
            assert_true(leads_to(&host, "ka", "ANSWER 90 OK b.1\n"));
            refused++;
        } else {
            assert_true(leads_to(&host, "ka", "ANSWER 90 OK a.4\n"));
        }
        host_fini(&host);
    }
    assert_false(lacked);
    assert_true(refused > 1);
}

/* The same of a process that stays where it is. */
static void an_adoption_without_memory_is_none(void **state)
{
    bool lacked = true;
    unsigned refused = 0;

    (void)state;
    for (unsigned n = 1; lacked && n < ALLOCATIONS_MAX; n++) {
        struct core_host host;

        open_taking(&host);
        host.scarce = n;
        host_told(&host, "b", "{adopt,17,xa,<c@h.8.0>,6}");
        lacked = host.lacked;
        refused += did(&host, "{handed,17,") ? 0 : 1;
        assert_true(leads_to(&host, "xa", "ANSWER 90 OK c.8\n"));
        host_fini(&host);
    }
    assert_false(lacked);
    assert_true(refused > 1);
}

/* This node leaves, and its process a.1 has given its state. */
static void open_leaving(struct core_host *host)
{
    host_init_settled(host, "b c");
    host_put_entry(host, host_atom("ka"), host_pid_term("a.1"));
    host_put_entry(host, host_atom("kb"), host_pid_term("a.1"));
    assert_int_equal(
        host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_DRAIN,
                                                 .deadline_ns = host->now_ns + 5000 * MS}),
        NPR_OK);
    host_agree(host, "b c");
    host_mark(host, "b c");
    host_pass(host, 30 * MS);
}

static void give_state(struct core_host *host)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_HANDED,
                                                   .operation = 3,
                                                   .term = host_atom("total"),
                                                   .function = host_atom("f")});
}

/* Would catch: a process that waits for ever, and declines every later question, since there was
 * no memory to tell it that it has moved. */
static void who_has_moved_hears_it(void **state)
{
    bool lacked = true;

    (void)state;
    for (unsigned n = 1; lacked && n < ALLOCATIONS_MAX; n++) {
        struct core_host host;

        open_leaving(&host);
        give_state(&host);
        assert_true(did(&host, "TELL b {handover,4,ka,"));
        host.scarce = n;
        host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
        lacked = host.lacked;
        if (!did(&host, "MOVED")) {
            host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}"); /* when it was asked again */
        }
        assert_true(did(&host, "MOVED key=ka a.1 -> b.9\n"));
        assert_true(npri_core_entries_count(host.core) <= 1);
        host_fini(&host);
    }
    assert_false(lacked);
}

/* Would catch: one that waits for ever since there was no memory for its state, or to give it. */
static void who_is_not_moved_goes_on(void **state)
{
    bool lacked = true;

    (void)state;
    for (unsigned n = 1; lacked && n < ALLOCATIONS_MAX; n++) {
        struct core_host host;

        open_leaving(&host);
        host_forget_trace(&host);
        host.scarce = n;
        give_state(&host);
        lacked = host.lacked;
        assert_true(did(&host, "TELL b {handover,4,ka,") || did(&host, "MOVED key=ka a.1\n"));
        host_fini(&host);
    }
    assert_false(lacked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consent_that_cannot_be_told_is_none),
        cmocka_unit_test(a_successor_without_memory_is_none),
        cmocka_unit_test(an_adoption_without_memory_is_none),
        cmocka_unit_test(who_has_moved_hears_it),
        cmocka_unit_test(who_is_not_moved_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
