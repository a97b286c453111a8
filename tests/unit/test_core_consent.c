/* core/consent.h: what an owner consents to, and what it makes of that until the host has heard it.
 * Two processes that are both told "you have the key", or none that is, are what can go wrong. */
#include "core_claims.h"

#include <string.h>

#include "core/views.h"
#include "support/check.h"

/* ---- Deciding. */

/* Two nodes claim one key: one has it, and the other one hears who, once that has it. */
static void the_first_claim_wins(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "c", "{claim,9,ka,<c@h.1.0>,true,5000}");
    host_claim(&host, 1, "ka", "a.1", true);
    host_get(&host, 2, "ka", "f");
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,<b@h.1.0>,"));
    assert_null(strstr(host.trace, "{taken,"));
    assert_null(strstr(host.trace, "ANSWER"));
    host_confirm(&host, "b", "ka", "<b@h.1.0>");
    assert_non_null(strstr(host.trace, "TELL c {taken,9,<b@h.1.0>,"));
    assert_non_null(strstr(host.trace, "ANSWER 1 EEXIST b.1\n"));
    assert_non_null(strstr(host.trace, "ANSWER 2 OK b.1\n"));
    host_fini(&host);
}

/* Until it has heard of the consent, what the host says of the key is old: what it had before, and
 * what it was starting, makes way for it.  Would catch: an owner that takes the end of the old
 * process, or of the start, for that of the key, and starts a second one beside what it has
 * consented to; callers that are told of a process which never had the key, or not with that token.
 */
static void a_consent_is_not_undone_by_older_words(void **state)
{
    static const char *const words[] = {"{push,7,100,[{ka,<b@h.5.0>,9}]}",
                                        "{push,7,100,[{ka,<b@h.1.0>,0}]}",
                                        "{busy,7,100,ka,0}",
                                        "{free,7,100,ka,undefined}",
                                        "{free,7,100,ka,<b@h.5.0>}",
                                        "{free,7,100,ka,<b@h.1.0>}"};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct core_host host;

        host_init_settled(&host, "b");
        host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
        host_told(&host, "b", words[i]);
        host_told(&host, "b", "{unsure,7,150}"); /* nor by these */
        host_mark(&host, "b");
        host_get(&host, 1, "ka", "f");
        host_pass(&host, 900 * MS);
        assert_null(strstr(host.trace, "ANSWER"));
        assert_null(strstr(host.trace, "START"));
        host_confirm(&host, "b", "ka", "<b@h.1.0>");
        CHECK_TRACE(&host, "ANSWER 1 OK b.1\n");
        host_fini(&host);
    }
}

/* It does not want it any more: the key is free when it has said what is there.  Would catch: a key
 * that waits for ever; one that is started before the host says what it has. */
static void a_consent_may_be_declined(void **state)
{
    struct core_host host;
    unsigned long long token;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "b", "{claim,5,xa,<b@h.2.0>,true,5000}");
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "xa", "f");
    token = host_consent(&host, "b");
    host_forget_trace(&host);
    host_decline(&host, "b", "ka", token); /* that was for the other key */
    host_told(&host, "b", "{free,7,100,ka,<b@h.1.0>}");
    CHECK_TRACE(&host, "");
    host_decline(&host, "b", "ka", token - 1);
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{free,7,200,ka,<b@h.1.0>}");
    CHECK_TRACE(&host, "START 2 key=ka function=f\n");
    host_decline(&host, "b", "xa", token);
    host_told(&host, "b", "{push,7,300,[{xa,<b@h.7.0>,3}]}");
    CHECK_TRACE(&host, "ANSWER 2 OK b.7\n");
    host_fini(&host);
}

/* The host that declines has lost what it told: it will tell anew, or is asked.  Would catch: a key
 * that waits for a word which was said already. */
static void declined_by_who_tells_anew(void **state)
{
    struct core_host host;
    unsigned long long token;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "b", "{claim,5,xa,<b@h.2.0>,true,5000}");
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "xa", "f");
    token = host_consent(&host, "b");
    host_decline(&host, "b", "ka", token - 1);
    host_forget_trace(&host);
    host_told(&host, "b", "{unsure,7,100}");
    CHECK_TRACE(&host, "ASK 2 b key=ka\n");
    host_decline(&host, "b", "xa", token);
    CHECK_TRACE(&host, "ASK 3 b key=xa\n");
    host_fini(&host);
}

/* Asked for again before the first consent is confirmed: consented to anew, and only what comes of
 * that counts.  Would catch: two that wait for each other; a host that says no to the first, and an
 * owner that takes it for the second. */
static void a_claim_is_repeated(void **state)
{
    struct core_host host;
    unsigned long long first;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    first = host_consent(&host, "b");
    host_told(&host, "b", "{claim,5,ka,<b@h.1.0>,true,5000}");
    assert_non_null(strstr(host.trace, "TELL b {claimed,5,ka,<b@h.1.0>,"));
    assert_true(host_consent(&host, "b") > first);
    host_get(&host, 1, "ka", "f");
    host_decline(&host, "b", "ka", first);
    host_told(&host, "b", "{free,7,100,ka,<b@h.1.0>}");
    assert_null(strstr(host.trace, "START"));
    host_confirm(&host, "b", "ka", "<b@h.1.0>");
    CHECK_TRACE(&host, "ANSWER 1 OK b.1\n");
    host_fini(&host);
}

/* The host tells another epoch, in which it will take no consent to what it claimed before. */
static void a_consent_ends_with_the_epoch(void **state)
{
    struct core_host host;
    struct npri_told_view view;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    view = host.view;
    view.ack = host.view.epoch;
    view.epoch = 8;
    host_told_view(&host, "b", &view);
    host_forget_trace(&host);
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ASK 2 b key=ka\n");
    host_fini(&host);
}

/* Another host tells of the key while a consent is on its way, and then that it has gone.  Would
 * catch: an owner that has forgotten its consent over that, and starts the key. */
static void a_consent_waits_beside_an_entry(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    host_get(&host, 1, "ka", "f");
    assert_null(strstr(host.trace, "START"));
    host_confirm(&host, "b", "ka", "<b@h.1.0>");
    CHECK_TRACE(&host, "ANSWER 1 OK b.1\n");
    host_fini(&host);
}

/* The host of an entry puts another one over it, while a third node starts the key (when a node
 * leaves, that is what its processes hand over to) or has not told whether it does.  Would catch: a
 * process that comes after the one that was registered, with a lower token. */
static void what_others_start_comes_before_a_replacement(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9},{xa,<b@h.6.0>,9}]}");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,false,5000}");
    CHECK_TRACE(&host, "");
    host_told(&host, "c", "{free,7,200,ka,undefined}");
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,"));
    host_told(&host, "c", "{unsure,7,300}");
    host_forget_trace(&host);
    host_told(&host, "b", "{claim,5,xa,<b@h.1.0>,false,5000}");
    CHECK_TRACE(&host, "ASK 3 c key=xa\n");
    host_asked(&host, 3, NULL);
    assert_non_null(strstr(host.trace, "TELL b {claimed,5,xa,"));
    host_fini(&host);
}

/* A host has restarted a process, in vain, with a token of its own.  Would catch: one that is given
 * next and is no higher; a storage that has seen the other one refuses who has it, for ever. */
static void tokens_go_on_above_a_restart_elsewhere(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{busy,7,100,ka,500}");
    host_told(&host, "b", "{free,7,200,ka,undefined}");
    host_told(&host, "c", "{claim,4,ka,<c@h.1.0>,true,5000}");
    CHECK_TRACE(&host, "TELL c {claimed,4,ka,<c@h.1.0>,501}\n");
    host_fini(&host);
}

/* An entry of the owner's own is replaced while another node starts the key. */
static void what_others_start_comes_before_our_own(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "ka", "a.1", true);
    host_told(&host, "b", "{busy,7,100,ka,0}");
    host_forget_trace(&host);
    host_claim(&host, 2, "ka", "a.2", false);
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{free,7,200,ka,undefined}");
    CHECK_TRACE(&host, "DEMONITOR a.1\nMONITOR a.2\nANSWER 2 OK a.2\n");
    host_fini(&host);
}

/* An entry that is to be dropped waits for that beside another one, too.  Would catch: a process
 * that is started while the old one has not been dropped. */
static void a_drop_is_waited_for_beside_an_entry(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.1.0>,9}]}");
    host_let_go(&host, 1, "ka");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.1.0>}\n");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    host_forget_trace(&host);
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{free,7,200,ka,<b@h.1.0>}");
    CHECK_TRACE(&host, "START 3 key=ka function=f\n");
    host_fini(&host);
}

/* A process that registers again over itself: its owner waits for the word that it has heard, and
 * nothing is new but the token.  Would catch: a key that is busy for ever. */
static void another_token_is_told(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_claim(&host, 1, "kb", "a.1", true);
    host_claim(&host, 2, "kb", "a.1", true);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,2,kb,<a@h.1.0>,78}");
    CHECK_TRACE(&host, "ANSWER 2 OK a.1\n"
                       "TELL b {push,2,236,[{kb,<a@h.1.0>,78}]}\n");
    host_fini(&host);
}

/* A start in flight: the claim waits for what comes of it. */
static void a_start_in_flight_is_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "xa", "f");
    host_forget_trace(&host);
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "b", "{claim,5,xa,<b@h.1.0>,false,5000}");
    CHECK_TRACE(&host, "");
    host_started(&host, 2, NPR_OK, "a.7");
    assert_non_null(strstr(host.trace, "TELL b {taken,4,<a@h.7.0>,"));
    host_forget_trace(&host);
    host_started(&host, 3, NPR_EREFUSED, NULL);
    assert_non_null(strstr(host.trace, "ANSWER 2 EREFUSED because\n"));
    assert_non_null(strstr(host.trace, "TELL b {claimed,5,xa,"));
    host_fini(&host);
}

/* Reregistered while it is being started, and that process ends before the start does.  Would
 * catch: a process with a lower token than the one before it. */
static void an_overtaken_start_is_given_up(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_get(&host, 1, "ka", "f");
    host_register(&host, "ka", "a.7");
    host_down(&host, "a.7");
    host_forget_trace(&host);
    host_started(&host, 2, NPR_OK, "a.8");
    CHECK_TRACE(&host, "DISCARD a.8\nSTART 3 key=ka function=f\n");
    host_fini(&host);
}

/* Not settled: a claim is looked into as a start is. */
static void who_has_not_told_is_asked(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    CHECK_TRACE(&host, "ASK 3 b key=ka\nASK 4 c key=ka\n");
    host_asked(&host, 3, NULL);
    host_asked(&host, 4, NULL);
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{claim,5,xa,<b@h.1.0>,true,5000}");
    host_asked(&host, 6, "c.5");
    assert_non_null(strstr(host.trace, "TELL b {taken,5,<c@h.5.0>,"));
    host_fini(&host);
}

/* Reregister: the entry that is elsewhere goes first, then the new one is granted.  Would catch:
 * two nodes that both hold the key. */
static void what_is_in_the_way_goes_first(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,false,5000}");
    host_get(&host, 1, "ka", "f"); /* waits as well */
    CHECK_TRACE(&host, "TELL c {drop,ka,<c@h.5.0>}\n");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,<b@h.1.0>,"));
    host_confirm(&host, "b", "ka", "<b@h.1.0>");
    CHECK_TRACE(&host, "ANSWER 1 OK b.1\n");
    host_fini(&host);
}

/* Three words cross: b registers another process of its own over one that a third node wants to
 * replace.  Would catch: the word that the first one is gone taken for the drop of the second, and
 * with that two nodes that both hold the key. */
static void words_that_cross_are_told_apart(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    host_told(&host, "c", "{claim,4,ka,<c@h.1.0>,false,5000}");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.5.0>}\n");
    host_told(&host, "b", "{claim,8,ka,<b@h.6.0>,false,5000}");
    host_told(&host, "b", "{free,7,200,ka,<b@h.5.0>}"); /* of the first drop */
    assert_null(strstr(host.trace, "TELL c {claimed,"));
    host_confirm(&host, "b", "ka", "<b@h.6.0>");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.6.0>}\n");
    host_told(&host, "b", "{free,7,300,ka,<b@h.6.0>}");
    assert_non_null(strstr(host.trace, "TELL c {claimed,4,ka,<c@h.1.0>,"));
    host_fini(&host);
}

/* Its node is lost while it waits: nothing is granted to the dead. */
static void a_claim_dies_with_its_node(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_disconnected(&host, "b");
    host_forget_trace(&host);
    host_connected(&host, "b"); /* it is back, and knows nothing of that claim */
    host_greeted(&host, "b", NPR_OTP_26);
    host_agree(&host, "b c");
    host_mark(&host, "b c");
    host_told(&host, "c", "{free,7,200,ka,undefined}");
    host_pass(&host, 1000 * MS);
    assert_null(strstr(host.trace, "{claimed,"));
    host_fini(&host);
}

/* Not the owner, or not agreed. */
static void others_claims_are_sent_on(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_told(&host, "b", "{claim,4,kb,<b@h.1.0>,true,5000}");
    CHECK_TRACE(&host, "TELL b {unclaimed,4,moved,<<>>}\n");
    host_fini(&host);
}

/* All are being drained: nobody owns the key, so nobody consents; what lives is found.  Would
 * catch: an entry without consent beside another node's. */
static void a_drained_cluster_takes_no_keys(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    npri_views_set_draining(host.core);
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    host_forget_trace(&host);
    host_claim(&host, 1, "xa", "a.2", true);
    host_get(&host, 2, "xa", "f");
    host_get(&host, 3, "xa", NULL);
    host_get(&host, 4, "ka", "f");
    CHECK_TRACE(&host,
                "ANSWER 1 EREFUSED no node takes keys: all that are known are being drained\n"
                "ANSWER 2 EREFUSED no node takes keys: all that are known are being drained\n"
                "ANSWER 3 ENOTFOUND no node has the key\nANSWER 4 OK a.1\n");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_claim_wins),
        cmocka_unit_test(a_consent_is_not_undone_by_older_words),
        cmocka_unit_test(a_consent_may_be_declined),
        cmocka_unit_test(declined_by_who_tells_anew),
        cmocka_unit_test(a_claim_is_repeated),
        cmocka_unit_test(a_consent_ends_with_the_epoch),
        cmocka_unit_test(a_consent_waits_beside_an_entry),
        cmocka_unit_test(what_others_start_comes_before_a_replacement),
        cmocka_unit_test(tokens_go_on_above_a_restart_elsewhere),
        cmocka_unit_test(what_others_start_comes_before_our_own),
        cmocka_unit_test(a_drop_is_waited_for_beside_an_entry),
        cmocka_unit_test(another_token_is_told),
        cmocka_unit_test(a_start_in_flight_is_waited_for),
        cmocka_unit_test(an_overtaken_start_is_given_up),
        cmocka_unit_test(who_has_not_told_is_asked),
        cmocka_unit_test(what_is_in_the_way_goes_first),
        cmocka_unit_test(words_that_cross_are_told_apart),
        cmocka_unit_test(a_claim_dies_with_its_node),
        cmocka_unit_test(others_claims_are_sent_on),
        cmocka_unit_test(a_drained_cluster_takes_no_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
