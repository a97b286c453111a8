/* core/watch.h: who is told of which entries, by narrated example. */
#include "core_host.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"
#include "term/parse.h"
#include "term/write.h"

/* ---- What a case does. */

static npr_status subscribe(struct core_host *host, uint64_t number, const char *selector)
{
    struct npri_buffer term = {0};
    npr_status status;

    assert_int_equal(npri_term_parse(npr_bytes_of(selector), &term, NULL), NPR_OK);
    status =
        host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_SUBSCRIBE,
                                                 .request = number,
                                                 .term = {.data = term.data, .size = term.size}});
    npri_buffer_fini(&term);
    return status;
}

static void unsubscribe(struct core_host *host, uint64_t number)
{
    assert_int_equal(host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_UNSUBSCRIBE,
                                                              .request = number}),
                     NPR_OK);
}

/* `node`'s core tells ours. */
static void told(struct core_host *host, const char *node, const char *text)
{
    struct npri_buffer term = {0};

    assert_int_equal(npri_term_parse(npr_bytes_of(text), &term, NULL), NPR_OK);
    assert_int_equal(
        host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                                 .node = host_node(node),
                                                 .term = {.data = term.data, .size = term.size}}),
        NPR_OK);
    npri_buffer_fini(&term);
}

static void down(struct core_host *host, const char *pid, const char *reason)
{
    struct npri_buffer term = {0};

    assert_int_equal(npri_term_parse(npr_bytes_of(reason), &term, NULL), NPR_OK);
    assert_int_equal(
        host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                                 .term = host_pid_term(pid),
                                                 .reason = {.data = term.data, .size = term.size}}),
        NPR_OK);
    npri_buffer_fini(&term);
}

static void init(struct core_host *host, const char *natives)
{
    host_init(host);
    if (natives[0] != '\0') {
        host_with_natives(host, natives);
    }
    host->only_watch = true;
    host_forget_trace(host);
}

/* ---- This node's own entries. */

/* What is there comes first, then the marker, then each change: as what it is, and why. */
static void own_entries_are_told_in_order(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    CHECK_TRACE(&host, "NEWS 7 registered key=ka a.1\nNEWS 7 synced\n");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.2"));
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.2"));
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.3"));
    CHECK_TRACE(&host, "NEWS 7 registered key=kb a.2\nNEWS 7 moved key=kb a.2 -> a.3\n");
    host_remove_entry(&host, host_atom("kb"));
    host_remove_entry(&host, host_atom("kb"));
    CHECK_TRACE(&host, "NEWS 7 gone key=kb a.3 unregistered\n");
    down(&host, "a.1", "killed");
    CHECK_TRACE(&host, "NEWS 7 gone key=ka a.1 killed\n");
    unsubscribe(&host, 7);
    unsubscribe(&host, 7);
    host_put_entry(&host, host_atom("kc"), host_pid_term("a.1"));
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

/* Only what was asked for, each subscriber for itself. */
static void subscribers_get_what_they_asked_for(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "");
    assert_int_equal(subscribe(&host, 1, "{key,ka}"), NPR_OK);
    assert_int_equal(subscribe(&host, 2, "{key,ka}"), NPR_OK);
    assert_int_equal(subscribe(&host, 3, "{match,<<\"kb\">>}"), NPR_OK);
    assert_int_equal(subscribe(&host, 4, "{prefix,{x}}"), NPR_OK);
    assert_int_equal(subscribe(&host, 5, "{prefix,x}"), NPR_EINVAL);
    assert_int_equal(subscribe(&host, 6, "every"), NPR_EINVAL);
    CHECK_TRACE(&host, "NEWS 1 synced\nNEWS 2 synced\nNEWS 3 synced\nNEWS 4 synced\n");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    CHECK_TRACE(&host, "NEWS 1 registered key=ka a.1\nNEWS 2 registered key=ka a.1\n");
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1"));
    CHECK_TRACE(&host, "NEWS 3 registered key=kb a.1\n");
    unsubscribe(&host, 1);
    host_remove_entry(&host, host_atom("ka"));
    host_down(&host, "a.1");
    CHECK_TRACE(&host, "NEWS 2 gone key=ka a.1 unregistered\nNEWS 3 gone key=kb a.1 unknown\n");
    host_fini(&host);
}

/* ---- Those of other nodes. */

/* Every native node is asked; synced is all of them; what they tell is one stream. */
static void native_nodes_are_watched(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b c");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    CHECK_TRACE(&host, "TELL b {watch,1,all}\nTELL c {watch,2,all}\n");
    told(&host, "b", "{entries,1,100,[{kb,<b@h.1.0>,5},{kx,<b@h.2.0>,0}]}");
    told(&host, "b", "{synced,1,164}");
    CHECK_TRACE(&host, "NEWS 7 registered key=kb b.1\nNEWS 7 registered key=kx b.2\n");
    told(&host, "c", "{synced,2,64}");
    CHECK_TRACE(&host, "NEWS 7 synced\n");
    told(&host, "b", "{gone,1,300,kx,shutdown}");
    told(&host, "b", "{gone,1,300,kx,shutdown}");
    told(&host, "b", "{entries,1,400,[{kb,<b@h.3.0>,6}]}");
    CHECK_TRACE(&host, "NEWS 7 gone key=kx b.2 shutdown\nNEWS 7 moved key=kb b.1 -> b.3\n");
    unsubscribe(&host, 7);
    CHECK_TRACE(&host, "TELL b {unwatch,1}\nTELL c {unwatch,2}\n");
    told(&host, "b", "{entries,1,500,[{kb,<b@h.4.0>,7}]}"); /* it had not heard */
    CHECK_TRACE(&host, "TELL b {unwatch,1}\n");
    host_fini(&host);
}

/* The keys of a node that is lost go, then it is said; one that comes is asked; one that left
 * before it had told all is not waited for. */
static void nodes_come_and_go(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b c");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    told(&host, "b", "{entries,1,100,[{kb,<b@h.1.0>,5},{kx,<b@h.2.0>,0}]}");
    told(&host, "b", "{synced,1,164}");
    host_forget_trace(&host);
    host_disconnected(&host, "c");
    CHECK_TRACE(&host, "NEWS 7 nodedown c\nNEWS 7 synced\n");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "NEWS 7 gone key=kb b.1 noconnection\n"
                       "NEWS 7 gone key=kx b.2 noconnection\n"
                       "NEWS 7 nodedown b\n");
    host_connected(&host, "b");
    CHECK_TRACE(&host, "");
    host_greeted(&host, "b", NPR_OTP_26);
    host_greeted(&host, "b", NPR_OTP_26);
    CHECK_TRACE(&host, "TELL b {watch,3,all}\n");
    told(&host, "b", "{entries,3,100,[{kb,<b@h.1.0>,5}]}");
    told(&host, "b", "{synced,3,164}");
    CHECK_TRACE(&host, "NEWS 7 registered key=kb b.1\n");
    host_fini(&host);
}

/* As long as a node may yet turn out to be a member, "all" is not known. */
static void synced_waits_until_it_is_known_who_is_there(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "");
    host_join(&host, "b");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    CHECK_TRACE(&host, "");
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    CHECK_TRACE(&host, "TELL b {watch,1,all}\n");
    host_polled(&host, 1, "a b");
    CHECK_TRACE(&host, "");
    told(&host, "b", "{synced,1,64}");
    CHECK_TRACE(&host, ""); /* a node to join is awaited until it is in the view */
    host_agree(&host, "b");
    CHECK_TRACE(&host, "NEWS 7 synced\n");
    host_fini(&host);
}

/* A key that is at two nodes at once is shown once: as the one that came last, and as the other one
 * when that goes.  One process in two tables is one. */
static void a_key_at_two_nodes_is_shown_once(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b c");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    host_forget_trace(&host);
    told(&host, "b", "{entries,1,100,[{k,<b@h.1.0>,5}]}");
    told(&host, "c", "{entries,2,100,[{k,<c@h.2.0>,6}]}");
    CHECK_TRACE(&host, "NEWS 7 registered key=k b.1\nNEWS 7 moved key=k b.1 -> c.2\n");
    told(&host, "b", "{gone,1,200,k,normal}");
    CHECK_TRACE(&host, "");
    told(&host, "b", "{entries,1,300,[{k,<c@h.2.0>,6}]}"); /* c's process, registered at b too */
    told(&host, "c", "{gone,2,200,k,unregistered}");
    CHECK_TRACE(&host, "");
    told(&host, "c", "{entries,2,300,[{k,<c@h.3.0>,7}]}");
    CHECK_TRACE(&host, "NEWS 7 moved key=k c.2 -> c.3\n");
    host_disconnected(&host, "c");
    CHECK_TRACE(&host, "NEWS 7 moved key=k c.3 -> c.2\nNEWS 7 nodedown c\n");
    host_put_entry(&host, host_atom("k"), host_pid_term("a.9"));
    told(&host, "b", "{gone,1,400,k,noconnection}");
    host_remove_entry(&host, host_atom("k"));
    CHECK_TRACE(&host, "NEWS 7 moved key=k c.2 -> a.9\nNEWS 7 gone key=k a.9 unregistered\n");
    host_fini(&host);
}

/* A feed that has lost changes tells all again: only what differs is news. */
static void what_was_lost_is_made_up_for(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    told(&host, "b", "{entries,1,100,[{ka,<b@h.1.0>,1},{kb,<b@h.2.0>,2},{kc,<b@h.3.0>,3}]}");
    told(&host, "b", "{synced,1,164}");
    host_forget_trace(&host);
    told(&host, "b", "{lost,1,200}");
    told(&host, "b", "{entries,1,300,[{ka,<b@h.1.0>,1},{kc,<b@h.4.0>,4},{kd,<b@h.5.0>,5}]}");
    CHECK_TRACE(&host, "NEWS 7 moved key=kc b.3 -> b.4\nNEWS 7 registered key=kd b.5\n");
    told(&host, "b", "{synced,1,364}");
    CHECK_TRACE(&host, "NEWS 7 gone key=kb b.2 unknown\n");
    host_fini(&host);
}

/* A node that will not be watched is not waited for. */
static void a_node_that_refuses_is_left_out(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    host_forget_trace(&host);
    assert_true(npri_core_watches_all(host.core, 7));
    told(&host, "b", "{refused,1,<<\"too many subscriptions\">>}");
    CHECK_TRACE(&host, "NEWS 7 synced\n");
    assert_false(npri_core_watches_all(host.core, 7));
    told(&host, "b", "{entries,1,100,[{k,<b@h.1.0>,5}]}");
    CHECK_TRACE(&host, "");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "NEWS 7 nodedown b\n");
    host_fini(&host);
}

/* ---- Serving others. */

/* A peer gets what it asked for, then changes, until it does not want them or is gone. */
static void a_peer_is_told(void **state)
{
    struct core_host host;

    (void)state;
    init(&host, "b");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    told(&host, "b", "{watch,5,{key,ka}}");
    told(&host, "b", "{watch,5,all}"); /* that number is taken */
    CHECK_TRACE(&host, "TELL b {entries,5,90,[{ka,<a@h.1.0>,0}]}\nTELL b {synced,5,154}\n");
    host_put_entry(&host, host_atom("xa"), host_pid_term("a.1"));
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.2"));
    down(&host, "a.2", "{bad,luck}");
    CHECK_TRACE(&host, "TELL b {entries,5,240,[{ka,<a@h.2.0>,0}]}\nTELL b {gone,5,308,ka,error}\n");
    told(&host, "b", "{unwatch,5}");
    told(&host, "b", "{unwatch,5}");
    told(&host, "b", "{watch,6,{key,xa}}");
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    host_remove_entry(&host, host_atom("xa"));
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

static void wrong_selectors_and_too_many_are_refused(void **state)
{
    struct core_host host;
    char text[64];

    (void)state;
    init(&host, "b c");
    told(&host, "b", "{watch,1,{prefix,x}}");
    CHECK_TRACE(&host, "TELL b {refused,1,<<\"a prefix is a binary, a tuple or a list\">>}\n");
    told(&host, "b", "{watch,1,nothing}");
    CHECK_TRACE(&host, "TELL b {refused,1,<<\"no selector of keys\">>}\n");
    for (unsigned i = 0; i < NPRI_FEEDS_WIDE_MAX; i++) {
        (void)snprintf(text, sizeof(text), "{watch,%u,all}", i);
        told(&host, "b", text);
        (void)snprintf(text, sizeof(text), "TELL b {synced,%u,%u}\n", i, 64 * (i + 1));
        CHECK_TRACE(&host, text);
    }
    told(&host, "b", "{watch,999,all}");
    CHECK_TRACE(&host, "TELL b {refused,999,<<\"too many subscriptions\">>}\n");
    told(&host, "b", "{watch,1000,{key,x}}");
    told(&host, "c", "{watch,1,all}"); /* another peer has its own */
    CHECK_TRACE(&host, "TELL b {synced,1000,16448}\nTELL c {synced,1,64}\n");
    told(&host, "b", "{unwatch,7}");
    told(&host, "b", "{watch,999,all}");
    CHECK_TRACE(&host, "TELL b {synced,999,16512}\n");
    host_fini(&host);
}

/* Whatever else a peer sends is nothing; from one that is not connected, all is. */
static void malformed_messages_are_ignored(void **state)
{
    static const char *const nothing[] = {
        "watch",
        "{}",
        "{watch}",
        "{watch,1}",
        "{watch,x,all}",
        "{watch,-1,all}",
        "{watch,1,all,2}",
        "{watch,18446744073709551616,all}",
        "{unwatch,x}",
        "{unwatch,77}",
        "{read,x}",
        "{read,0}",
        "{read,18446744073709551615}",
        "{entries,1,x,[{k,<b@h.1.0>,5}]}",
        "{entries,1,70,x}",
        "{entries,1,70,{k,<b@h.1.0>,5}}",
        "{entries,1,70,[k]}",
        "{entries,1,70,[{k,<b@h.1.0>}]}",
        "{entries,1,70,[{k,k,5}]}",
        "{entries,1,70,[{k,<b@h.1.0>,-5}]}",
        "{entries,1,70,[{other,<b@h.1.0>,5}]}", /* was not asked for */
        "{entries,1,70,[]}",
        "{entries,1,70,[{k,<b@h.1.0>,5}],x}",
        "{gone,1,70,k}",
        "{gone,1,70,k,normal,x}",
        "{gone,1,70,other,normal}",
        "{gone,1,70,k,nonsense}",
        "{lost,1}",
        "{refused,1}",
        "{refused,1,x}",
        "{refused,77,<<>>}",
        "{sync,1,70}",
        "{1,1,1}",
        "#{a => 1}",
        "[watch,1,all]",
    };
    struct core_host host;

    (void)state;
    init(&host, "b");
    assert_int_equal(subscribe(&host, 7, "{key,k}"), NPR_OK);
    CHECK_TRACE(&host, "TELL b {watch,1,{key,k}}\n");
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        told(&host, "b", nothing[i]);
        if (host.trace_size > 0) {
            fail_msg("%s: %s", nothing[i], host.trace);
        }
    }
    told(&host, "x", "{watch,1,all}");
    told(&host, "x", "{entries,1,70,[{k,<b@h.1.0>,5}]}");
    CHECK_TRACE(&host, "");
    told(&host, "b", "{entries,1,70,[{k,<b@h.1.0>,5}|improper]}");
    CHECK_TRACE(&host, "NEWS 7 registered key=k b.1\n");
    host_fini(&host);
}

/* ---- The window. */

/* Registers `count` keys of some kilobytes each, {big,N,...}, or takes them out. */
static void big_entries(struct core_host *host, unsigned first, unsigned count, bool there)
{
    for (unsigned i = first; i < first + count; i++) {
        struct npri_buffer key = {0};

        npri_put_tuple(&key, 2);
        npri_put_uint(&key, i);
        npri_put_u8(&key, 'm');
        npri_put_u32(&key, 16000);
        memset(npri_buffer_extend(&key, 16000), 'a', 16000); /* the first node's */
        if (there) {
            host_put_entry(host, (struct npr_term){.data = key.data, .size = key.size},
                           host_pid_term("a.1"));
        } else {
            host_remove_entry(host, (struct npr_term){.data = key.data, .size = key.size});
        }
        host_forget_trace(host);
        npri_buffer_fini(&key);
    }
}

/* A peer that does not read is told the window and no more; once it has read it hears that it has
 * lost something, and gets what is there now, again in windows. */
static void a_slow_peer_loses_and_begins_anew(void **state)
{
    struct core_host host;
    uint64_t told_before;

    (void)state;
    init(&host, "b");
    told(&host, "b", "{watch,5,{prefix,{}}}");
    CHECK_TRACE(&host, "TELL b {synced,5,64}\n");
    host.only_told = true;
    big_entries(&host, 0, 200, true); /* 3.2 MB */
    assert_in_range(host.told_bytes, NPRI_FEED_WINDOW_BYTES - 40000, NPRI_FEED_WINDOW_BYTES + 100);
    host_pass(&host, 1000 * MS);
    told_before = host.told_bytes;
    big_entries(&host, 10, 20, false);
    host_pass(&host, 1000 * MS);
    assert_int_equal(host.told_bytes, told_before); /* Nothing is kept, nothing is said. */
    assert_int_equal(host.told_lost, 0);
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t before = host.told_bytes;

        host_told_read(&host, "b");
        host_pass(&host, 5000 * MS);
        assert_true(host.told_bytes - before <= NPRI_FEED_WINDOW_BYTES);
    }
    assert_int_equal(host.told_lost, 1);
    assert_int_equal(host.told_synced, 1);
    assert_true(host.told_bytes > told_before + UINT64_C(180) * 16000);
    assert_true(host.told_bytes < told_before + UINT64_C(190) * 17000);
    host_fini(&host);
}

/* One process has more keys than may be told of in one step: all of them are gone in the end, told
 * in pieces. */
static void a_process_with_very_many_keys_ends(void **state)
{
    const unsigned keys = NPRI_NEWS_WAITING_MAX + 5000;
    struct npri_core_effect effect;
    struct core_host host;

    (void)state;
    init(&host, "");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    host.only_told = true;
    for (unsigned i = 0; i < keys; i++) { /* Not by host_step(): it checks all of it each time. */
        struct npri_core_event event = {
            .kind = NPRI_EVENT_REGISTER, .now_ns = host.now_ns, .term = host_pid_term("a.1")};
        struct npri_buffer key = {0};

        npri_put_uint(&key, i);
        event.key = (struct npr_term){.data = key.data, .size = key.size};
        assert_int_equal(npri_core_step(host.core, &event), NPR_OK);
        while (npri_core_take(host.core, &effect)) {
            host.news[effect.kind == NPRI_EFFECT_NEWS ? effect.news : NPR_WATCH_CLOSED]++;
        }
        npri_buffer_fini(&key);
    }
    assert_int_equal(host.news[NPR_WATCH_REGISTERED], keys);
    down(&host, "a.1", "normal");
    host_pass(&host, 1000 * MS);
    assert_int_equal(host.news[NPR_WATCH_GONE], keys);
    assert_in_range(host.news_in_step_max, 1, NPRI_NEWS_WAITING_MAX + 10);
    assert_int_equal(host.news[NPR_WATCH_MOVED], 0);
    host_fini(&host);
}

/* A node with many keys is lost: they are taken back in pieces.  A key that comes elsewhere
 * meanwhile has moved, and the lost node's process is not shown again. */
static void a_node_with_many_keys_leaves(void **state)
{
    const unsigned keys = 3 * NPRI_WORK_ITEMS_MAX;
    struct core_host host;

    (void)state;
    init(&host, "b");
    assert_int_equal(subscribe(&host, 7, "all"), NPR_OK);
    host.only_told = true;
    for (unsigned i = 0; i + 1 < keys; i += 500) {
        struct npri_buffer entries = {0};

        npri_put_tuple(&entries, 4);
        npri_put_atom(&entries, "entries");
        npri_put_uint(&entries, 1);
        npri_put_uint(&entries, i);
        npri_put_list(&entries, keys - 1 - i < 500 ? keys - 1 - i : 500);
        for (unsigned j = i; j < i + 500 && j + 1 < keys; j++) {
            npri_put_tuple(&entries, 3);
            npri_put_uint(&entries, j);
            npri_put_term(&entries, host_pid_term("b.1"));
            npri_put_uint(&entries, 0);
        }
        npri_put_nil(&entries);
        assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                                                   .node = host_node("b"),
                                                                   .term = {.data = entries.data,
                                                                            .size = entries.size}}),
                         NPR_OK);
        npri_buffer_fini(&entries);
    }
    told(&host, "b", "{entries,1,999999,[{last,<b@h.2.0>,0}]}");
    told(&host, "b", "{synced,1,999999}");
    assert_int_equal(host.news[NPR_WATCH_REGISTERED], keys);
    host_disconnected(&host, "b");
    assert_int_equal(host.news[NPR_WATCH_GONE], NPRI_WORK_ITEMS_MAX);
    host.only_told = false;
    host_forget_trace(&host);
    host_put_entry(&host, host_atom("last"), host_pid_term("a.9"));
    host_remove_entry(&host, host_atom("last"));
    CHECK_TRACE(&host, "NEWS 7 moved key=last b.2 -> a.9\n"
                       "NEWS 7 gone key=last a.9 unregistered\n");
    host.only_told = true;
    host_pass(&host, 100 * MS);
    assert_int_equal(host.news[NPR_WATCH_GONE], keys - 1); /* and the one that was traced */
    assert_int_equal(host.news[NPR_WATCH_NODE_DOWN], 1);
    assert_in_range(host.news_in_step_max, 1, NPRI_WORK_ITEMS_MAX + 1);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_entries_are_told_in_order),
        cmocka_unit_test(subscribers_get_what_they_asked_for),
        cmocka_unit_test(native_nodes_are_watched),
        cmocka_unit_test(nodes_come_and_go),
        cmocka_unit_test(synced_waits_until_it_is_known_who_is_there),
        cmocka_unit_test(a_key_at_two_nodes_is_shown_once),
        cmocka_unit_test(what_was_lost_is_made_up_for),
        cmocka_unit_test(a_node_that_refuses_is_left_out),
        cmocka_unit_test(a_peer_is_told),
        cmocka_unit_test(wrong_selectors_and_too_many_are_refused),
        cmocka_unit_test(malformed_messages_are_ignored),
        cmocka_unit_test(a_slow_peer_loses_and_begins_anew),
        cmocka_unit_test(a_process_with_very_many_keys_ends),
        cmocka_unit_test(a_node_with_many_keys_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
