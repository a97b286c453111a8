/* core/register.h: registering and unregistering with the owner's consent, as the node does that
 * wants it.  An entry without consent, or one that its owner believes in and that never was, are
 * what can go wrong. */
#include "core_claims.h"

#include <string.h>

#include "base/limits.h"
#include "core/views.h"
#include "support/check.h"
#include "term/tag.h"

/* ---- Asking. */

/* A key of another owner: nothing is put before it has consented. */
static void the_owner_is_asked(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    CHECK_TRACE(&host, "TELL b {claim,1,kb,<a@h.1.0>,true,5000}\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    CHECK_TRACE(&host, "MONITOR a.1\n"
                       "TELL b {push,2,150,[{kb,<a@h.1.0>,77}]}\n"
                       "ANSWER 1 OK a.1\n");
    assert_int_equal(host.answer_token, 77);
    host_fini(&host);
}

/* And may refuse, naming who has it; the very pid has it by a consent that did not arrive.  Would
 * catch: a process that its owner believes in, and that no table has. */
static void the_owner_refuses(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    host_told(&host, "b", "{taken,1,<c@h.5.0>,9}");
    host_claim(&host, 2, "xb", "a.1", true);
    host_told(&host, "b", "{taken,2,<a@h.1.0>,9}");
    host_claim(&host, 3, "yb", "a.1", true);
    host_told(&host, "b", "{unclaimed,3,erefused,<<\"quorum: no\">>}");
    CHECK_TRACE(&host, "TELL b {claim,1,kb,<a@h.1.0>,true,5000}\nANSWER 1 EEXIST c.5\n"
                       "TELL b {claim,2,xb,<a@h.1.0>,true,5000}\nMONITOR a.1\n"
                       "TELL b {push,2,150,[{xb,<a@h.1.0>,9}]}\nANSWER 2 OK a.1\n"
                       "TELL b {claim,3,yb,<a@h.1.0>,true,5000}\nANSWER 3 EREFUSED quorum: no\n");
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* The owner is another by now, or dies: asked anew, within the deadline. */
static void the_next_owner_is_asked(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    host_told(&host, "b", "{unclaimed,1,moved,<<>>}");
    host_forget_trace(&host);
    host_pass(&host, 20 * MS);
    CHECK_TRACE(&host, "TELL b {claim,2,kb,<a@h.1.0>,true,4980}\n");
    host_disconnected(&host, "b");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\nMONITOR a.1\nANSWER 1 OK a.1\n"); /* ours now */
    host_fini(&host);
}

/* Would catch: a failure that does not say whom this node takes for the owner. */
static void a_deadline_names_the_owner(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    host_pass(&host, 4990 * MS);
    host_told(&host, "b", "{unclaimed,1,moved,<<>>}");
    host_forget_trace(&host);
    host_pass(&host, 10 * MS);
    assert_non_null(strstr(host.trace,
                           "ANSWER 1 ETIMEDOUT waited for the nodes to agree on who owns "
                           "the key: this node takes b@h for the owner\n"));
    host_fini(&host);
}

/* Nobody waits for it any more when the consent comes: the owner hears that it is not here.  Would
 * catch: an owner that sends callers to an entry which never was. */
static void consent_that_comes_too_late_is_given_back(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    host_pass(&host, 5000 * MS);
    assert_non_null(strstr(host.trace, "ANSWER 1 ETIMEDOUT waited for the consent of b@h\n"));
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    CHECK_TRACE(&host, "TELL b {declined,kb,77}\n"
                       "TELL b {free,2,150,kb,<a@h.1.0>}\n");
    host_fini(&host);
}

/* Consent to what was asked in another epoch is none. */
static void consent_counts_for_one_epoch(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_claim(&host, 1, "kb", "a.1", true);
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    host_agree(&host, "b");
    assert_non_null(strstr(host.trace, "TELL b {claim,2,kb,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    assert_non_null(strstr(host.trace, "TELL b {declined,kb,77}\n"));
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_told(&host, "b", "{claimed,2,kb,<a@h.1.0>,78}");
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* The owner has consented before it heard of a restart here, whose token may be as high.  Would
 * catch: a process that is registered over the restarted one with the same token. */
static void a_consent_below_a_restart_is_asked_for_anew(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    host_started_for_good(&host, 1, "a.1");
    host_with_natives(&host, "b");
    host_claim(&host, 2, "kb", "a.9", false);
    host_down(&host, "a.1");
    assert_non_null(strstr(host.trace, ",kb,16777217}\n")); /* busy, with that token */
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,1,kb,<a@h.9.0>,16777217}");
    CHECK_TRACE(&host, "TELL b {declined,kb,16777217}\n"
                       "TELL b {busy,2,290,kb,16777217}\n"
                       "TELL b {claim,2,kb,<a@h.9.0>,false,5000}\n");
    host_told(&host, "b", "{claimed,2,kb,<a@h.9.0>,16777218}");
    assert_non_null(strstr(host.trace, "ANSWER 2 OK a.9\n"));
    assert_int_equal(host.answer_token, 16777218);
    host_fini(&host);
}

/* The owner must have heard of the epoch that a claim is made in before the claim: what it grants
 * to an earlier one is void with its news of this one, and then it starts the key itself.  Would
 * catch: a claim that is sent while the fence is awaited. */
static void a_claim_follows_the_news_of_its_epoch(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_claim(&host, 1, "kb", "a.1", true);
    host.fences = true;
    host_forget_trace(&host);
    host_disconnected(&host, "c");
    host_claim(&host, 2, "xb", "a.2", true);
    assert_non_null(strstr(host.trace, "FENCE"));
    assert_null(strstr(host.trace, "{claim,"));
    host_fini(&host);
}

/* The key becomes ours while its owner is asked: it may yet do what it was asked to, until it says
 * that it knows of the new epoch.  Would catch: an unregistration that is answered, and carried out
 * by that owner later, when the key is another process's. */
static void what_was_asked_is_decided_when_all_know(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_let_go(&host, 1, "xe"); /* the second of three, the first of two */
    host_claim(&host, 2, "ye", "a.1", true);
    host_put_entry(&host, host_atom("xe"), host_pid_term("a.2")); /* a start that was under way */
    assert_non_null(strstr(host.trace, "TELL b {release,1,xe,5000}\n"));
    assert_non_null(strstr(host.trace, "TELL b {claim,2,ye,<a@h.1.0>,true,5000}\n"));
    host_forget_trace(&host);
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    CHECK_TRACE(&host, "CONNECT c\n");
    host_agree(&host, "b");
    host_mark(&host, "b");
    assert_non_null(strstr(host.trace, "ANSWER 1 OK\n"));
    assert_non_null(strstr(host.trace, "ANSWER 2 OK a.1\n"));
    host_fini(&host);
}

/* ---- Letting go. */

/* An owner that has not heard all does not say that there is nothing: somebody may have the key.
 * Would catch: an unregistration that succeeds, and leaves the process where it is. */
static void letting_go_is_looked_into(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_let_go(&host, 1, "ka");
    host_told(&host, "b", "{release,4,xa,5000}");
    CHECK_TRACE(&host, "ASK 3 b key=ka\nASK 4 c key=ka\nASK 5 b key=xa\nASK 6 c key=xa\n");
    host_asked(&host, 3, NULL);
    host_asked(&host, 4, "c.5");
    host_asked(&host, 5, NULL);
    host_asked(&host, 6, NULL);
    CHECK_TRACE(&host, "TELL b {released,4}\n");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_pass(&host, 20 * MS);
    CHECK_TRACE(&host, "TELL c {drop,ka,<c@h.5.0>}\n");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    CHECK_TRACE(&host, "ASK 7 b key=ka\nASK 8 c key=ka\n");
    host_asked(&host, 7, NULL);
    host_asked(&host, 8, NULL);
    CHECK_TRACE(&host, "ANSWER 1 OK\n");
    host_fini(&host);
}

/* An entry here, one elsewhere by way of the owner, and at the owner. */
static void letting_go(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_let_go(&host, 1, "kb");
    assert_non_null(strstr(host.trace, "TELL b {free,"));
    assert_non_null(strstr(host.trace, "ANSWER 1 OK\n"));
    host_forget_trace(&host);
    host_let_go(&host, 2, "kb"); /* not here (any more) */
    CHECK_TRACE(&host, "TELL b {release,1,kb,5000}\n");
    host_told(&host, "b", "{released,1}");
    CHECK_TRACE(&host, "ANSWER 2 OK\n");

    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_let_go(&host, 3, "ka");
    CHECK_TRACE(&host, "TELL c {drop,ka,<c@h.5.0>}\n");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    CHECK_TRACE(&host, "ANSWER 3 OK\n");
    host_told(&host, "b", "{release,6,ka,5000}");
    CHECK_TRACE(&host, "TELL b {released,6}\n");
    host_fini(&host);
}

/* Let go while its host registers another process over it: only the first one is meant.  Would
 * catch: an unregistration that is answered, and takes away later what came after it. */
static void letting_go_does_not_chase(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    host_let_go(&host, 1, "ka");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.5.0>}\n");
    host_told(&host, "b", "{claim,8,ka,<b@h.6.0>,false,5000}");
    host_confirm(&host, "b", "ka", "<b@h.6.0>");
    CHECK_TRACE(&host, "ANSWER 1 OK b.6\n");
    host_fini(&host);
}

/* A word on a key goes to the owner in this node's view, and to nobody else: it would hear of no
 * change.  Would catch: an entry that somebody believes in for ever. */
static void only_the_owner_gets_a_word(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{drop,ka,<a@h.9.0>}");
    host_told(&host, "b", "{claimed,8,ka,<a@h.9.0>,77}");
    CHECK_TRACE(&host, "TELL b {declined,ka,77}\n");
    host_fini(&host);
}

/* Told to drop what is another process by now: the owner hears what is here instead. */
static void a_drop_of_another_process_is_corrected(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{drop,kb,<a@h.9.0>}");
    CHECK_TRACE(&host, "TELL b {push,2,236,[{kb,<a@h.1.0>,0}]}\n");
    host_told(&host, "b", "{drop,kb,<a@h.1.0>}");
    CHECK_TRACE(&host, "TELL b {free,2,322,kb,<a@h.1.0>}\n"
                       "DEMONITOR a.1\n");
    host_told(&host, "b", "{drop,kb,<a@h.1.0>}");
    CHECK_TRACE(&host, "TELL b {free,2,408,kb,<a@h.1.0>}\n");
    host_fini(&host);
}

/* Casts of one long key each, under which nothing is registered, until one is ignored. */
static unsigned cast_until_ignored(struct core_host *host, unsigned first)
{
    static uint8_t key[50000 + 5] = {NPRI_TAG_BINARY, 0, 0, 50000 >> 8, 50000 & 0xff};
    unsigned count = 0;

    key[sizeof(key) - 1] = 'b'; /* its owner */
    while (host->trace_size == 0 && count < NPRI_CASTS_BYTES_MAX / 25000) {
        memcpy(key + 5, &(unsigned){first + count}, sizeof(unsigned));
        assert_int_equal(host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                                                  .key = {key, sizeof(key)},
                                                                  .term = host_pid_term("a.1")}),
                         NPR_OK);
        count++;
    }
    return count - 1;
}

/* An owner that does not answer, and a peer that casts what registers without end.  Would catch:
 * memory that is bounded by nothing but the time that they wait; or room that is not given back. */
static void casts_that_wait_are_bounded(void **state)
{
    struct core_host host;
    unsigned count;

    (void)state;
    host_init_settled(&host, "b");
    host.only_told = true;
    host.quiet = false;
    count = cast_until_ignored(&host, 0);
    assert_in_range(count, 1000, NPRI_CASTS_BYTES_MAX / 50000);
    CHECK_TRACE(&host, "LOG register_ignored reason=\"too many registrations wait\"\n");
    host_claim(&host, 1, "kb", "a.1", true); /* That somebody waits for. */
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{unclaimed,1,erefused,<<\"no\">>}");
    host_told(&host, "b", "{unclaimed,2,erefused,<<\"no\">>}");
    CHECK_TRACE(&host, "LOG register_ignored reason=\"no\"\n"
                       "LOG register_ignored reason=\"no\"\n");
    assert_int_equal(cast_until_ignored(&host, count), 2);
    host_forget_trace(&host);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_is_asked),
        cmocka_unit_test(the_owner_refuses),
        cmocka_unit_test(the_next_owner_is_asked),
        cmocka_unit_test(a_deadline_names_the_owner),
        cmocka_unit_test(consent_that_comes_too_late_is_given_back),
        cmocka_unit_test(consent_counts_for_one_epoch),
        cmocka_unit_test(a_consent_below_a_restart_is_asked_for_anew),
        cmocka_unit_test(a_claim_follows_the_news_of_its_epoch),
        cmocka_unit_test(what_was_asked_is_decided_when_all_know),
        cmocka_unit_test(letting_go_is_looked_into),
        cmocka_unit_test(letting_go),
        cmocka_unit_test(letting_go_does_not_chase),
        cmocka_unit_test(only_the_owner_gets_a_word),
        cmocka_unit_test(a_drop_of_another_process_is_corrected),
        cmocka_unit_test(casts_that_wait_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
