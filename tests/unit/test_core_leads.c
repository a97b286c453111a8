/* core/leads.h: what an owner may conclude from what it was told of its keys.  Each case says which
 * mistake it would catch; two processes for a key, or a key that is lost for ever, is what comes of
 * each.
 *
 * This node is a; b and c agree with it in their epoch 7, so "ka" is its own and "kb" b's. */
#include "core_host.h"

#include <string.h>

#include "support/check.h"

static void open_with(struct core_host *host, const char *names)
{
    host_init(host);
    host_with_natives(host, names);
}

/* `from` asks what is known here. */
static void look_own(struct core_host *host, const char *from, uint64_t request, const char *key)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                                   .node = host_node(from),
                                                   .request = request,
                                                   .key = host_atom(key),
                                                   .own_only = true,
                                                   .deadline_ns = host->now_ns + 5000 * MS});
}

/* Settled: "no" at once and for good, one round trip for whoever asks.  Would catch: a settled
 * owner that asks around. */
static void a_settled_owners_no_is_final(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    look_own(&host, "b", 2, "ka");
    CHECK_TRACE(&host, "ANSWER 2 ENOTFOUND final it is not here\n");
    look_own(&host, "b", 3, "kb"); /* b's: our no says nothing */
    look_own(&host, "z", 5, "ka"); /* z may see nodes that we do not */
    CHECK_TRACE(&host, "ANSWER 3 ENOTFOUND it is not here\nANSWER 5 ENOTFOUND it is not here\n");
    host_get(&host, 4, "ka", "f");
    CHECK_TRACE(&host, "START 3 key=ka function=f\n");
    host_fini(&host);
}

/* And one who is told so asks nobody else. */
static void a_final_no_ends_the_search(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_get(&host, 1, "kb", NULL);
    CHECK_TRACE(&host, "ASK 3 b key=kb\n");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_ASKED,
                                                    .operation = 3,
                                                    .status = NPR_ENOTFOUND,
                                                    .final = true});
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* A question that is lost with its connection is no "no": the node may be back in a moment.  Would
 * catch: "not found" for a key that lives at a node whose connection was reset. */
static void a_lost_question_is_no_answer(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b");
    host_get(&host, 1, "kb", NULL);
    CHECK_TRACE(&host, "ASK 2 b key=kb\n");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\n");
    host_pass(&host, 100 * MS);
    CHECK_TRACE(&host, "");
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_agree(&host, "b");
    host_pass(&host, 10);
    assert_non_null(strstr(host.trace, "ASK 4 b key=kb\n"));
    assert_null(strstr(host.trace, "ANSWER"));
    host_fini(&host);
}

/* A key that is put by hand while it is being started, and then goes again: the start is still
 * under way, so its owner hears "busy".  Would catch: a second start there. */
static void an_entry_that_goes_during_a_start_leaves_it_busy(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    host_with_natives(&host, "b");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.7"));
    host_forget_trace(&host);
    host_down(&host, "a.7");
    assert_non_null(strstr(host.trace, "{busy,"));
    assert_null(strstr(host.trace, "{free,"));
    host_fini(&host);
}

/* Not settled: only those are asked whose marker is missing.  Would catch: a start before c has
 * said anything, which may hold the key. */
static void only_who_has_not_told_is_asked(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_mark(&host, "b");
    look_own(&host, "b", 1, "ka");
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND it is not here\n"); /* nor is that final */
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "ASK 3 c key=ka\n");
    host_asked(&host, 3, "c.9");
    CHECK_TRACE(&host, "ANSWER 2 OK c.9\n");
    host_get(&host, 3, "ka", "f");
    host_asked(&host, 4, NULL);
    CHECK_TRACE(&host, "ASK 4 c key=ka\nSTART 5 key=ka function=f\n");
    host_fini(&host);
}

/* A node that could not say is asked again: nothing is started on its silence. */
static void a_node_that_cannot_say_is_asked_again(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ASK 2 b key=ka\n");
    host_ask_failed(&host, 2, NPR_ENOMEM);
    CHECK_TRACE(&host, "");
    host_pass(&host, 20 * MS);
    CHECK_TRACE(&host, "ASK 3 b key=ka\n");
    host_fini(&host);
}

/* Entries that others hold are answered at once, here and to whoever asks this owner; and nothing
 * is started over them. */
static void leads_are_answers(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9},{xa,<c@h.6.0>,10}]}");
    host_get(&host, 1, "ka", "f");
    look_own(&host, "b", 2, "xa");
    CHECK_TRACE(&host, "ANSWER 1 OK c.5\nANSWER 2 OK c.6\n");
    assert_int_equal(host.answer_token, 10);
    host_told(&host, "c", "{free,7,200,ka,<c@h.5.0>}");
    host_get(&host, 3, "ka", "f");
    CHECK_TRACE(&host, "START 3 key=ka function=f\n");
    host_fini(&host);
}

/* Two sides meet: c starts the key, and b has it.  When b's process ends, c's start is still under
 * way.  Would catch: a word of c that is forgotten because b's was there; the owner starts the key.
 */
static void busy_beside_an_entry_is_not_forgotten(void **state)
{
    static const char *const words[2][2] = {
        {"b {push,7,150,[{ka,<b@h.5.0>,9}]}", "c {busy,7,100,ka,0}"},
        {"c {busy,7,100,ka,0}", "b {push,7,150,[{ka,<b@h.5.0>,9}]}"}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct core_host host;

        host_init_settled(&host, "b c");
        host_told(&host, words[i][0][0] == 'b' ? "b" : "c", words[i][0] + 2);
        host_told(&host, words[i][1][0] == 'b' ? "b" : "c", words[i][1] + 2);
        host_told(&host, "b", "{free,7,300,ka,<b@h.5.0>}");
        host_forget_trace(&host);
        host_get(&host, 1, "ka", "f");
        CHECK_TRACE(&host, "");
        host_fini(&host);
    }
}

/* Busy: who wants the key waits for the host's word, and nobody is asked.  Would catch: a second
 * process beside the one that is being restarted there. */
static void busy_is_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "ka", NULL);
    look_own(&host, "b", 3, "ka");
    host_pass(&host, 900 * MS);
    CHECK_TRACE(&host, "");
    host_told(&host, "c", "{push,7,200,[{ka,<c@h.5.0>,9}]}");
    CHECK_TRACE(&host, "ANSWER 1 OK c.5\nANSWER 2 OK c.5\nANSWER 3 OK c.5\n");

    host_told(&host, "c", "{busy,7,300,xa,0}");
    host_get(&host, 4, "xa", "f");
    host_told(&host, "c", "{free,7,400,xa,undefined}"); /* it has come to nothing */
    CHECK_TRACE(&host, "START 3 key=xa function=f\n");
    host_fini(&host);
}

/* Would catch: a failure that says "in time" and not for whom it was waited. */
static void a_deadline_names_who_is_starting_it(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_get(&host, 1, "ka", "f");
    host_pass(&host, 5000 * MS);
    assert_non_null(strstr(host.trace, "ANSWER 1 ETIMEDOUT waited for c@h, which is starting it "
                                       "or letting it go\n"));
    host_fini(&host);
}

/* The host of a busy key is lost: who waited goes on, once it is known that it is gone. */
static void a_lost_host_frees_what_was_busy(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_told(&host, "c", "{push,7,200,[{xa,<c@h.5.0>,9}]}");
    host_get(&host, 1, "ka", "f");
    host_disconnected(&host, "c");
    host_disconnected(&host, "c"); /* nor can it be dialled */
    host_agree(&host, "b");
    host_mark(&host, "b");
    host_pass(&host, 10);
    assert_non_null(strstr(host.trace, "START "));
    host_forget_trace(&host);
    host_get(&host, 2, "xa", NULL); /* its process has died with it */
    CHECK_TRACE(&host, "ANSWER 2 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* A word that was under way when the entry was another one already.  Would catch: a late "gone"
 * that erases the new entry, and with it the key's only process. */
static void a_late_gone_does_not_erase_a_new_entry(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "c", "{push,7,200,[{ka,<c@h.6.0>,10}]}");
    host_told(&host, "c", "{free,7,300,ka,<c@h.5.0>}");
    host_told(&host, "b", "{free,7,300,ka,<c@h.6.0>}"); /* nor does another node's */
    host_told(&host, "c", "{free,7,400,ka,undefined}"); /* nor one of a start */
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ANSWER 1 OK c.6\n");
    host_fini(&host);
}

/* A peer that tells a new epoch tells all anew: what it told before is void, its marker included;
 * and messages of the old epoch that were under way count for nothing. */
static void a_new_epoch_voids_what_was_told(void **state)
{
    struct core_host host;
    struct npri_told_view view;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    view = host.view;
    view.ack = host.view.epoch;
    view.epoch = 8;
    host_told_view(&host, "c", &view);
    host_told(&host, "c", "{marker,7,200}");
    host_told(&host, "c", "{push,7,300,[{xa,<c@h.6.0>,9}]}");
    host_forget_trace(&host);
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "xa", "f");
    CHECK_TRACE(&host, "ASK 3 c key=ka\nASK 4 c key=xa\n");
    host_fini(&host);
}

/* The same when it says itself that it has left something out. */
static void unsure_voids_what_was_told(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "c", "{unsure,7,200}");
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ASK 3 c key=ka\n");
    host_told(&host, "c", "{push,7,300,[{ka,<c@h.5.0>,9}]}");
    host_told(&host, "c", "{marker,7,400}");
    host_get(&host, 2, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 2 OK c.5\n");
    host_fini(&host);
}

/* What a node has found out in one epoch is not acted on in the next one.  Would catch: a start on
 * the "no" of a node that has been the owner since. */
static void a_look_counts_for_one_epoch(void **state)
{
    struct core_host host;
    struct npri_told_view view;

    (void)state;
    open_with(&host, "b");
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "ASK 2 b key=ka\n");
    view = host.view;
    view.ack = host.view.epoch;
    view.epoch = 8; /* it has been elsewhere */
    host_told_view(&host, "b", &view);
    host_asked(&host, 2, NULL);
    CHECK_TRACE(&host, "ASK 3 b key=ka\n");
    host_asked(&host, 3, NULL);
    CHECK_TRACE(&host, "START 4 key=ka function=f\n");
    host_fini(&host);
}

/* Not agreed: nothing is started, and the deadline says who disagrees. */
static void nothing_is_started_without_agreement(void **state)
{
    struct core_host host;
    struct npri_told_view view;

    (void)state;
    host_init_settled(&host, "b");
    view = host.view;
    view.view_hash++;
    view.epoch = 8;
    view.ack = 0;
    host_told_view(&host, "b", &view);
    host_forget_trace(&host);
    host_get(&host, 1, "ka", "f");
    host_start_from(&host, "b", 2, "ka", "f");
    host_start_from(&host, "b", 3, "kb", "f"); /* nor does it know that it is not the owner */
    CHECK_TRACE(&host, "");
    view = host.view;
    view.epoch = 9;
    view.ack = host.view.epoch;
    host_told_view(&host, "b", &view);
    CHECK_TRACE(&host, "ASK 2 b key=ka\nANSWER 3 EREFUSED moved this node does not own the key\n");
    host_fini(&host);
}

/* A start whose node turns out not to be the owner: soon again, at whoever is by then. */
static void moved_is_asked_again(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_get(&host, 1, "kb", "f");
    CHECK_TRACE(&host, "DELEGATE 2 b key=kb function=f\n");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_DELEGATED,
                                                    .operation = 2,
                                                    .status = NPR_EREFUSED,
                                                    .moved = true});
    CHECK_TRACE(&host, "");
    host_pass(&host, 20 * MS);
    CHECK_TRACE(&host, "DELEGATE 3 b key=kb function=f\n");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settled_owners_no_is_final),
        cmocka_unit_test(a_final_no_ends_the_search),
        cmocka_unit_test(a_lost_question_is_no_answer),
        cmocka_unit_test(an_entry_that_goes_during_a_start_leaves_it_busy),
        cmocka_unit_test(only_who_has_not_told_is_asked),
        cmocka_unit_test(a_node_that_cannot_say_is_asked_again),
        cmocka_unit_test(leads_are_answers),
        cmocka_unit_test(busy_is_waited_for),
        cmocka_unit_test(busy_beside_an_entry_is_not_forgotten),
        cmocka_unit_test(a_deadline_names_who_is_starting_it),
        cmocka_unit_test(a_lost_host_frees_what_was_busy),
        cmocka_unit_test(a_late_gone_does_not_erase_a_new_entry),
        cmocka_unit_test(a_new_epoch_voids_what_was_told),
        cmocka_unit_test(unsure_voids_what_was_told),
        cmocka_unit_test(a_look_counts_for_one_epoch),
        cmocka_unit_test(nothing_is_started_without_agreement),
        cmocka_unit_test(moved_is_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
