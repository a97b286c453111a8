/* core/conflicts.h: which of two processes keeps a key.  Each case says which mistake it would
 * catch; both that stay, or both that go, is what comes of each.
 *
 * This node is a; b and c agree with it in their epoch 7, so "ka" is its own and "kb" b's. */
#include "core_host.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"
#include "term/write.h"

/* Own entry against a peer's, each way, and the tie.  Would catch: both stay, or both go. */
static void the_higher_token_keeps_the_key(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_register(&host, "ka", "a.1");
    host_get(&host, 1, "ka", NULL);
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,0}]}"); /* lower: it has lost */
    assert_non_null(strstr(host.trace, "TELL b {conflict,ka,<b@h.5.0>,0,<a@h.1.0>,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,200,[{ka,<b@h.6.0>,200000000000000000}]}");
    CHECK_TRACE(&host, "TELL b {conflict,ka,<a@h.1.0>,1,<b@h.6.0>,200000000000000000}\n"
                       "DEMONITOR a.1\nCONFLICT key=ka a.1 -> b.6\n");
    host_get(&host, 2, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 2 OK b.6\n");

    host_put_entry(&host, host_atom("xa"),
                   host_pid_term("a.2")); /* no token, as b's: b is greater */
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,300,[{xa,<b@h.7.0>,0}]}");
    CHECK_TRACE(&host, "TELL b {conflict,xa,<a@h.2.0>,0,<b@h.7.0>,0}\n"
                       "DEMONITOR a.2\nCONFLICT key=xa a.2 -> b.7\n");
    assert_int_equal(host_status(&host, "conflicts"), 3);
    host_fini(&host);
}

/* What was busy there comes, and loses: that ends the waiting.  Would catch: a key that is busy for
 * ever. */
static void what_was_busy_may_lose(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{busy,7,100,ka,0}");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_told(&host, "b", "{push,7,200,[{ka,<b@h.5.0>,0}]}");
    host_told(&host, "b", "{free,7,300,ka,<b@h.5.0>}");
    host_remove_entry(&host, host_atom("ka"));
    host_forget_trace(&host);
    host_get(&host, 1, "ka", "f");
    assert_non_null(strstr(host.trace, "START "));
    host_fini(&host);
}

/* Two other nodes' entries. */
static void of_two_leads_one_keeps_the_key(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9},{xa,<b@h.6.0>,9},{ya,<b@h.7.0>,9}]}");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,8},{xa,<c@h.6.0>,10},{ya,<c@h.7.0>,9}]}");
    CHECK_TRACE(&host, "TELL c {conflict,ka,<c@h.5.0>,8,<b@h.5.0>,9}\n"
                       "TELL b {conflict,ka,<c@h.5.0>,8,<b@h.5.0>,9}\n"
                       "TELL b {conflict,xa,<b@h.6.0>,9,<c@h.6.0>,10}\n"
                       "TELL c {conflict,xa,<b@h.6.0>,9,<c@h.6.0>,10}\n"
                       "TELL b {conflict,ya,<b@h.7.0>,9,<c@h.7.0>,9}\n"
                       "TELL c {conflict,ya,<b@h.7.0>,9,<c@h.7.0>,9}\n");
    host_told(&host, "b", "{free,7,200,xa,<b@h.6.0>}"); /* the loser goes */
    host_get(&host, 1, "ka", NULL);
    host_get(&host, 2, "xa", NULL);
    host_get(&host, 3, "ya", NULL);
    CHECK_TRACE(&host, "ANSWER 1 OK b.5\nANSWER 2 OK c.6\nANSWER 3 OK c.7\n");
    host_fini(&host);
}

/* One process that two nodes hold: the second is to let go, and nobody has lost. */
static void one_pid_at_two_nodes_is_no_conflict(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    host_told(&host, "c", "{push,7,100,[{ka,<b@h.5.0>,8}]}");
    CHECK_TRACE(&host, "TELL c {drop,ka,<b@h.5.0>}\n");
    assert_int_equal(host_status(&host, "conflicts"), 0);
    host_fini(&host);
}

/* The other side: told to have lost, this node lets go, unless it is another process by now. */
static void the_loser_lets_go(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{conflict,kb,<a@h.9.0>,1,<b@h.5.0>,2}");
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{conflict,kb,<a@h.1.0>,1,<b@h.5.0>,2}");
    CHECK_TRACE(&host, "TELL b {free,2,236,kb,<a@h.1.0>}\n"
                       "DEMONITOR a.1\n"
                       "CONFLICT key=kb a.1 -> b.5\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_fini(&host);
}

/* And who has the winner notes what it was told, and does nothing.  Would catch: an operator who
 * looks at the node that still has the process, and finds nothing. */
static void the_winners_node_notes_it(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{conflict,kb,<c@h.5.0>,1,<a@h.9.0>,2}"); /* of another process */
    assert_int_equal(host_status(&host, "conflicts"), 0);
    host_told(&host, "b", "{conflict,kb,<c@h.5.0>,1,<a@h.1.0>,2}");
    CHECK_TRACE(&host, "");
    assert_int_equal(host_status(&host, "conflicts"), 1);
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* The journal keeps the last ones, and cuts what is too long. */
static void the_journal_is_bounded(void **state)
{
    struct npri_buffer journal = {0};
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_term field;
    struct core_host host;
    unsigned count = 0;
    uint64_t token = 0;

    (void)state;
    host_init_settled(&host, "b c");
    host.quiet = true;
    for (unsigned i = 1; i <= NPRI_CONFLICTS_MAX + 5; i++) {
        char text[160];

        (void)snprintf(text, sizeof(text), "{push,7,100,[{{k%u,a},<b@h.5.0>,%u}]}", i, i);
        host_told(&host, "b", text);
        (void)snprintf(text, sizeof(text), "{push,7,100,[{{k%u,a},<c@h.5.0>,%u}]}", i, i + 1);
        host_told(&host, "c", text);
        host_forget_trace(&host);
    }
    npri_core_put_conflicts(host.core, &journal);
    assert_false(journal.failed);
    assert_true(
        npr_term_list((struct npr_term){.data = journal.data, .size = journal.size}, &walk));
    while (npr_term_next(&walk, &item)) {
        assert_true(npr_term_map_get(item, "loser_token", &field));
        assert_true(npr_term_get_uint64(field, &token));
        assert_int_equal(token, 6 + count); /* oldest first */
        count++;
    }
    assert_int_equal(count, NPRI_CONFLICTS_MAX);
    assert_int_equal(host_status(&host, "conflicts"), NPRI_CONFLICTS_MAX + 5);
    npri_buffer_fini(&journal);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_higher_token_keeps_the_key),
        cmocka_unit_test(what_was_busy_may_lose),
        cmocka_unit_test(of_two_leads_one_keeps_the_key),
        cmocka_unit_test(one_pid_at_two_nodes_is_no_conflict),
        cmocka_unit_test(the_loser_lets_go),
        cmocka_unit_test(the_winners_node_notes_it),
        cmocka_unit_test(the_journal_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
