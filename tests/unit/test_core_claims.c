/* core/claim.h: registering with the owner's consent.  Two processes that are both told "you have
 * the key", or none that is, are what can go wrong. */
#include "core_host.h"

#include <string.h>

#include "core/views.h"
#include "support/check.h"

static void open_settled(struct core_host *host, const char *names)
{
    host_init(host);
    host_with_natives(host, names);
    host_mark(host, names);
    host_forget_trace(host);
}

static void claim(struct core_host *host,
                  uint64_t request,
                  const char *key,
                  const char *pid,
                  bool keep)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                                   .request = request,
                                                   .key = host_atom(key),
                                                   .term = host_pid_term(pid),
                                                   .keep = keep,
                                                   .deadline_ns = host->now_ns + 5000 * MS});
}

static void let_go(struct core_host *host, uint64_t request, const char *key)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_UNREGISTER,
                                                   .request = request,
                                                   .key = host_atom(key),
                                                   .deadline_ns = host->now_ns + 5000 * MS});
}

/* ---- Asking. */

/* A key of another owner: nothing is put before it has consented. */
static void the_owner_is_asked(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    claim(&host, 1, "kb", "a.1", true);
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
    open_settled(&host, "b");
    claim(&host, 1, "kb", "a.1", true);
    host_told(&host, "b", "{taken,1,<c@h.5.0>,9}");
    claim(&host, 2, "xb", "a.1", true);
    host_told(&host, "b", "{taken,2,<a@h.1.0>,9}");
    claim(&host, 3, "yb", "a.1", true);
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
    open_settled(&host, "b");
    claim(&host, 1, "kb", "a.1", true);
    host_told(&host, "b", "{unclaimed,1,moved,<<>>}");
    host_forget_trace(&host);
    host_pass(&host, 20 * MS);
    CHECK_TRACE(&host, "TELL b {claim,2,kb,<a@h.1.0>,true,4980}\n");
    host_disconnected(&host, "b");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\nMONITOR a.1\nANSWER 1 OK a.1\n"); /* ours now */
    host_fini(&host);
}

/* Nobody waits for it any more when the consent comes: the owner hears that it is not here.  Would
 * catch: an owner that sends callers to an entry which never was. */
static void consent_that_comes_too_late_is_given_back(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    claim(&host, 1, "kb", "a.1", true);
    host_pass(&host, 5000 * MS);
    assert_non_null(strstr(host.trace, "ANSWER 1 ETIMEDOUT waited for the consent of b@h\n"));
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    CHECK_TRACE(&host, "TELL b {free,2,150,kb,<a@h.1.0>}\n");
    host_fini(&host);
}

/* Consent to what was asked in another epoch is none. */
static void consent_counts_for_one_epoch(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    claim(&host, 1, "kb", "a.1", true);
    host_disconnected(&host, "c");
    assert_non_null(strstr(host.trace, "TELL b {claim,2,kb,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{claimed,1,kb,<a@h.1.0>,77}");
    CHECK_TRACE(&host, "");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_told(&host, "b", "{claimed,2,kb,<a@h.1.0>,78}");
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* The owner must have heard of the epoch that a claim is made in before the claim: what it grants
 * to an earlier one is void with its news of this one, and then it starts the key itself.  Would
 * catch: a claim that is sent while the fence is awaited. */
static void a_claim_follows_the_news_of_its_epoch(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    claim(&host, 1, "kb", "a.1", true);
    host.fences = true;
    host_forget_trace(&host);
    host_disconnected(&host, "c");
    claim(&host, 2, "xb", "a.2", true);
    assert_non_null(strstr(host.trace, "FENCE"));
    assert_null(strstr(host.trace, "{claim,"));
    host_fini(&host);
}

/* ---- Deciding. */

/* Two nodes claim one key: one has it, and the other one hears who. */
static void the_first_claim_wins(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,true,5000}");
    host_told(&host, "c", "{claim,9,ka,<c@h.1.0>,true,5000}");
    claim(&host, 1, "ka", "a.1", true);
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,<b@h.1.0>,"));
    assert_non_null(strstr(host.trace, "TELL c {taken,9,<b@h.1.0>,"));
    assert_non_null(strstr(host.trace, "ANSWER 1 EEXIST b.1\n"));
    host_forget_trace(&host);
    host_get(&host, 2, "ka", "f"); /* before b has even heard of it */
    CHECK_TRACE(&host, "ANSWER 2 OK b.1\n");
    host_fini(&host);
}

/* A start in flight: the claim waits for what comes of it. */
static void a_start_in_flight_is_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
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
    open_settled(&host, "b");
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
    open_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "b", "{claim,4,ka,<b@h.1.0>,false,5000}");
    host_get(&host, 1, "ka", "f"); /* waits as well */
    CHECK_TRACE(&host, "TELL c {drop,ka,<c@h.5.0>}\n");
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    assert_non_null(strstr(host.trace, "TELL b {claimed,4,ka,<b@h.1.0>,"));
    assert_non_null(strstr(host.trace, "ANSWER 1 OK b.1\n"));
    host_fini(&host);
}

/* Three words cross: b registers another process of its own over one that a third node wants to
 * replace.  Would catch: the word that the first one is gone taken for the drop of the second, and
 * with that two nodes that both hold the key; the drop told before the consent. */
static void words_that_cross_are_told_apart(void **state)
{
    struct core_host host;
    const char *claimed;
    const char *drop;

    (void)state;
    open_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    host_told(&host, "c", "{claim,4,ka,<c@h.1.0>,false,5000}");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.5.0>}\n");
    host_told(&host, "b", "{claim,8,ka,<b@h.6.0>,false,5000}");
    claimed = strstr(host.trace, "TELL b {claimed,8,ka,<b@h.6.0>,");
    drop = strstr(host.trace, "TELL b {drop,ka,<b@h.6.0>}\n");
    assert_non_null(claimed);
    assert_true(drop > claimed);
    host_forget_trace(&host);
    host_told(&host, "b", "{free,7,200,ka,<b@h.5.0>}"); /* of the first drop */
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{free,7,300,ka,<b@h.6.0>}");
    assert_non_null(strstr(host.trace, "TELL c {claimed,4,ka,<c@h.1.0>,"));
    host_fini(&host);
}

/* Its node is lost while it waits: nothing is granted to the dead. */
static void a_claim_dies_with_its_node(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka}");
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
    open_settled(&host, "b");
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
    claim(&host, 1, "xa", "a.2", true);
    host_get(&host, 2, "xa", "f");
    host_get(&host, 3, "xa", NULL);
    host_get(&host, 4, "ka", "f");
    CHECK_TRACE(&host,
                "ANSWER 1 EREFUSED no node takes keys: all that are known are being drained\n"
                "ANSWER 2 EREFUSED no node takes keys: all that are known are being drained\n"
                "ANSWER 3 ENOTFOUND no node has the key\nANSWER 4 OK a.1\n");
    host_fini(&host);
}

/* ---- Letting go. */

/* An entry here, one elsewhere by way of the owner, and at the owner. */
static void letting_go(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    let_go(&host, 1, "kb");
    assert_non_null(strstr(host.trace, "TELL b {free,"));
    assert_non_null(strstr(host.trace, "ANSWER 1 OK\n"));
    host_forget_trace(&host);
    let_go(&host, 2, "kb"); /* not here (any more) */
    CHECK_TRACE(&host, "TELL b {release,1,kb,5000}\n");
    host_told(&host, "b", "{released,1}");
    CHECK_TRACE(&host, "ANSWER 2 OK\n");

    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    let_go(&host, 3, "ka");
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
    open_settled(&host, "b");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    let_go(&host, 1, "ka");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.5.0>}\n");
    host_told(&host, "b", "{claim,8,ka,<b@h.6.0>,false,5000}");
    assert_non_null(strstr(host.trace, "ANSWER 1 OK"));
    assert_null(strstr(host.trace, "{drop,"));
    host_fini(&host);
}

/* A word on a key goes to the owner in this node's view, and to nobody else: it would hear of no
 * change.  Would catch: an entry that somebody believes in for ever. */
static void only_the_owner_gets_a_word(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{drop,ka,<a@h.9.0>}");
    host_told(&host, "b", "{claimed,8,ka,<a@h.9.0>,77}");
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

/* Told to drop what is another process by now: the owner hears what is here instead. */
static void a_drop_of_another_process_is_corrected(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    host_forget_trace(&host);
    host_told(&host, "b", "{drop,kb,<a@h.9.0>}");
    CHECK_TRACE(&host, "TELL b {busy,2,218,kb}\n" /* The older one may be taken for late news. */
                       "TELL b {push,2,304,[{kb,<a@h.1.0>,0}]}\n");
    host_told(&host, "b", "{drop,kb,<a@h.1.0>}");
    CHECK_TRACE(&host, "TELL b {free,2,390,kb,<a@h.1.0>}\n"
                       "DEMONITOR a.1\n");
    host_told(&host, "b", "{drop,kb,<a@h.1.0>}");
    CHECK_TRACE(&host, "TELL b {free,2,476,kb,<a@h.1.0>}\n");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_is_asked),
        cmocka_unit_test(the_owner_refuses),
        cmocka_unit_test(the_next_owner_is_asked),
        cmocka_unit_test(consent_that_comes_too_late_is_given_back),
        cmocka_unit_test(consent_counts_for_one_epoch),
        cmocka_unit_test(a_claim_follows_the_news_of_its_epoch),
        cmocka_unit_test(the_first_claim_wins),
        cmocka_unit_test(a_start_in_flight_is_waited_for),
        cmocka_unit_test(an_overtaken_start_is_given_up),
        cmocka_unit_test(who_has_not_told_is_asked),
        cmocka_unit_test(what_is_in_the_way_goes_first),
        cmocka_unit_test(words_that_cross_are_told_apart),
        cmocka_unit_test(a_claim_dies_with_its_node),
        cmocka_unit_test(others_claims_are_sent_on),
        cmocka_unit_test(a_drained_cluster_takes_no_keys),
        cmocka_unit_test(letting_go),
        cmocka_unit_test(letting_go_does_not_chase),
        cmocka_unit_test(only_the_owner_gets_a_word),
        cmocka_unit_test(a_drop_of_another_process_is_corrected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
