/* core/push.h, core/leads.h: what owners are told of entries elsewhere, and what they may conclude
 * from it.  Each case says which mistake it would catch; two processes for a key, or a key that is
 * lost for ever, is what comes of each.
 *
 * This node is a; b and c agree with it in their epoch 7, so "kb" is b's. */
#include "core_host.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

static void open_with(struct core_host *host, const char *names)
{
    host_init(host);
    host_with_natives(host, names);
}

/* All of them have told that they hold nothing of ours. */
static void open_settled(struct core_host *host, const char *names)
{
    open_with(host, names);
    host_mark(host, names);
    host_forget_trace(host);
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

static void down(struct core_host *host, const char *pid)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                                   .term = host_pid_term(pid)});
}

/* ---- Telling. */

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
    down(&host, "a.1");
    CHECK_TRACE(&host, "TELL b {free,2,236,kb,<a@h.1.0>}\n");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.2")); /* nobody else's business */
    CHECK_TRACE(&host, "MONITOR a.2\n");
    host_fini(&host);
}

/* A process that is restarted: its owner hears "busy", never "free" first.  Would catch: the owner
 * that starts the key in the moment between the two. */
static void a_restart_is_busy_never_free(void **state)
{
    const struct npri_restart_rule rule = {
        .kind = NPRI_RESTART_PERMANENT, .max = 1, .window_ns = 1000 * MS};
    struct core_host host;

    (void)state;
    host_init(&host);
    host_get(&host, 1, "kb", "f");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_STARTED,
                                                    .operation = 1,
                                                    .term = host_pid_term("a.1"),
                                                    .rule = rule});
    host_with_natives(&host, "b");
    host_forget_trace(&host);
    down(&host, "a.1");
    CHECK_TRACE(&host, "TELL b {busy,2,222,kb}\n"
                       "START 3 key=kb function=f\n");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_STARTED,
                                                    .operation = 3,
                                                    .term = host_pid_term("a.2"),
                                                    .rule = rule});
    host_forget_trace(&host);
    down(&host, "a.2"); /* beyond the limit */
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
    CHECK_TRACE(&host, "TELL b {busy,2,68,kb}\n"
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

/* ---- Being told. */

/* Settled: "no" at once and for good, one round trip for whoever asks.  Would catch: a settled
 * owner that asks around. */
static void a_settled_owners_no_is_final(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
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
    open_settled(&host, "b");
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
    down(&host, "a.7");
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
    open_settled(&host, "b c");
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
        {"b {push,7,150,[{ka,<b@h.5.0>,9}]}", "c {busy,7,100,ka}"},
        {"c {busy,7,100,ka}", "b {push,7,150,[{ka,<b@h.5.0>,9}]}"}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct core_host host;

        open_settled(&host, "b c");
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
    open_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka}");
    host_get(&host, 1, "ka", "f");
    host_get(&host, 2, "ka", NULL);
    look_own(&host, "b", 3, "ka");
    host_pass(&host, 900 * MS);
    CHECK_TRACE(&host, "");
    host_told(&host, "c", "{push,7,200,[{ka,<c@h.5.0>,9}]}");
    CHECK_TRACE(&host, "ANSWER 1 OK c.5\nANSWER 2 OK c.5\nANSWER 3 OK c.5\n");

    host_told(&host, "c", "{busy,7,300,xa}");
    host_get(&host, 4, "xa", "f");
    host_told(&host, "c", "{free,7,400,xa,undefined}"); /* it has come to nothing */
    CHECK_TRACE(&host, "START 3 key=xa function=f\n");
    host_fini(&host);
}

/* The host of a busy key is lost: who waited goes on, once it is known that it is gone. */
static void a_lost_host_frees_what_was_busy(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b c");
    host_told(&host, "c", "{busy,7,100,ka}");
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
    open_settled(&host, "b c");
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
    open_settled(&host, "b c");
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
    open_settled(&host, "b c");
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
    open_settled(&host, "b");
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

/* ---- Conflicts. */

/* Own entry against a peer's, each way, and the tie.  Would catch: both stay, or both go. */
static void the_higher_token_keeps_the_key(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    host_register(&host, "ka", "a.1");
    host_get(&host, 1, "ka", NULL);
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,0}]}"); /* lower: it has lost */
    assert_non_null(strstr(host.trace, "TELL b {conflict,ka,<b@h.5.0>,0,<a@h.1.0>,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,200,[{ka,<b@h.6.0>,200000000000000000}]}");
    CHECK_TRACE(&host, "DEMONITOR a.1\nCONFLICT key=ka a.1 -> b.6\n");
    host_get(&host, 2, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 2 OK b.6\n");

    host_put_entry(&host, host_atom("xa"),
                   host_pid_term("a.2")); /* no token, as b's: b is greater */
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,300,[{xa,<b@h.7.0>,0}]}");
    CHECK_TRACE(&host, "DEMONITOR a.2\nCONFLICT key=xa a.2 -> b.7\n");
    assert_int_equal(host_status(&host, "conflicts"), 3);
    host_fini(&host);
}

/* What was busy there comes, and loses: that ends the waiting.  Would catch: a key that is busy for
 * ever. */
static void what_was_busy_may_lose(void **state)
{
    struct core_host host;

    (void)state;
    open_settled(&host, "b");
    host_told(&host, "b", "{busy,7,100,ka}");
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
    open_settled(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.5.0>,9},{xa,<b@h.6.0>,9},{ya,<b@h.7.0>,9}]}");
    host_told(&host, "c", "{push,7,100,[{ka,<c@h.5.0>,8},{xa,<c@h.6.0>,10},{ya,<c@h.7.0>,9}]}");
    CHECK_TRACE(&host, "TELL c {conflict,ka,<c@h.5.0>,8,<b@h.5.0>,9}\n"
                       "TELL b {conflict,xa,<b@h.6.0>,9,<c@h.6.0>,10}\n"
                       "TELL b {conflict,ya,<b@h.7.0>,9,<c@h.7.0>,9}\n");
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
    open_settled(&host, "b c");
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
    open_settled(&host, "b");
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
    open_settled(&host, "b c");
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

/* ---- Nonsense. */

/* A message that is none ends the connection, with one line. */
static void nonsense_ends_the_connection(void **state)
{
    static const char *const messages[] = {
        "{push,7,x,[]}",
        "{push,7,1,nolist}",
        "{push,7,1,[{ka,b,1}]}",
        "{push,7,1,[ka]}",
        "{busy,7,1}",
        "{free,7,1,ka,here}",
        "{marker,7}",
        "{unsure,x,1}",
        "{pushed,ka}",
        "{claim,1,ka,b,true,1}",
        "{claim,1,ka,<b@h.1.0>,maybe,1}",
        "{claimed,1,ka,<b@h.1.0>,x}",
        "{taken,1,x,2}",
        "{unclaimed,1,moved,x}",
        "{release,x,ka,1}",
        "{released,x}",
        "{drop,ka,x}",
        "{conflict,ka,<b@h.1.0>,1,x,2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct core_host host;

        open_settled(&host, "b");
        host_told(&host, "b", messages[i]);
        if (strstr(host.trace, "DISCONNECT b") == NULL) {
            fail_msg("%s", messages[i]);
        }
        host_fini(&host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_pushed_then_the_marker),
        cmocka_unit_test(the_marker_follows_the_last_piece),
        cmocka_unit_test(changes_are_told_at_once),
        cmocka_unit_test(a_restart_is_busy_never_free),
        cmocka_unit_test(a_start_in_flight_is_told_before_the_marker),
        cmocka_unit_test(a_peer_that_does_not_read_is_told_all_anew),
        cmocka_unit_test(a_settled_owners_no_is_final),
        cmocka_unit_test(a_final_no_ends_the_search),
        cmocka_unit_test(a_lost_question_is_no_answer),
        cmocka_unit_test(an_entry_that_goes_during_a_start_leaves_it_busy),
        cmocka_unit_test(only_who_has_not_told_is_asked),
        cmocka_unit_test(a_node_that_cannot_say_is_asked_again),
        cmocka_unit_test(leads_are_answers),
        cmocka_unit_test(busy_is_waited_for),
        cmocka_unit_test(busy_beside_an_entry_is_not_forgotten),
        cmocka_unit_test(a_lost_host_frees_what_was_busy),
        cmocka_unit_test(a_late_gone_does_not_erase_a_new_entry),
        cmocka_unit_test(a_new_epoch_voids_what_was_told),
        cmocka_unit_test(unsure_voids_what_was_told),
        cmocka_unit_test(a_look_counts_for_one_epoch),
        cmocka_unit_test(nothing_is_started_without_agreement),
        cmocka_unit_test(moved_is_asked_again),
        cmocka_unit_test(the_higher_token_keeps_the_key),
        cmocka_unit_test(what_was_busy_may_lose),
        cmocka_unit_test(of_two_leads_one_keeps_the_key),
        cmocka_unit_test(one_pid_at_two_nodes_is_no_conflict),
        cmocka_unit_test(the_loser_lets_go),
        cmocka_unit_test(the_journal_is_bounded),
        cmocka_unit_test(nonsense_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
