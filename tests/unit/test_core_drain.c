/* core/drain.h: a node that leaves.  Keys that are lost on the way, live twice, or hold the others
 * up are what can go wrong.  The owner of a key is told by its last letter: of the ring a b c at
 * first, of b c once a is left out (..a: b, ..b: c). */
#include "core_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"
#include "term/write.h"

#define DEADLINE_MS 5000

static void open_with(struct core_host *host, const char *names)
{
    host_init(host);
    host->quiet = true;
    host_with_natives(host, names);
    host_mark(host, names);
    host_forget_trace(host);
}

static npr_status drain(struct core_host *host)
{
    return host_step(host,
                     (struct npri_core_event){.kind = NPRI_EVENT_DRAIN,
                                              .deadline_ns = host->now_ns + DEADLINE_MS * MS});
}

/* The others have left us out, and it goes on. */
static void begin(struct core_host *host, const char *names)
{
    assert_int_equal(drain(host), NPR_OK);
    host_agree(host, names);
    host_mark(host, names);
    host_forget_trace(host);
    host_pass(host, 30 * MS);
}

static void handed(struct core_host *host, uint64_t operation, npr_status status, const char *state)
{
    (void)host_step(host, (struct npri_core_event){
                              .kind = NPRI_EVENT_HANDED,
                              .operation = operation,
                              .status = status,
                              .term = state == NULL ? (struct npr_term){0} : host_atom(state),
                              .function = state == NULL ? (struct npr_term){0} : host_atom("f")});
}

/* The figures: "state left under_way moved ended failed". */
static void check_drain_of(struct core_host *host, bool owes_answers, const char *expected)
{
    static const char *const names[] = {"state", "left", "under_way", "moved", "ended", "failed"};
    struct npri_buffer buffer;
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    char line[128] = "";
    uint32_t pairs;

    npri_buffer_init(&buffer, 0);
    npri_core_put_drain(host->core, host->now_ns, owes_answers, &buffer);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(npr_term_map((struct npr_term){.data = buffer.data, .size = buffer.size}, &walk,
                                 &pairs));
        while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
            if (npr_term_is_atom(key, names[i])) {
                char *text = npr_term_print(value);

                (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s",
                               i == 0 ? "" : " ", text);
                free(text);
            }
        }
    }
    npri_buffer_fini(&buffer);
    assert_string_equal(line, expected);
}

static void check_drain(struct core_host *host, const char *expected)
{
    check_drain_of(host, false, expected);
}

/* What it did, without what it tells the others of its entries all the same. */
static void check_moves(struct core_host *host, const char *expected)
{
    static const char *const others[] = {"{push,", "{marker,", "{free,", "ANNOUNCE", "POLL"};
    char seen[sizeof(host->trace)] = "";
    char *rest = host->trace;
    char *line;

    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        bool counts = true;

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            counts = counts && strstr(line, others[i]) == NULL;
        }
        if (counts) {
            (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s\n", line);
        }
    }
    assert_string_equal(seen, expected);
    host_forget_trace(host);
}

/* ---- This node leaves.  Its polls of b and c have been operations 1 and 2. */

/* Would catch: a drain that begins before the others have left the node out, that gives a state to
 * the wrong one, forgets an entry, or tells the process before its successor lives. */
static void keys_go_with_their_state(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_forget_trace(&host);
    assert_int_equal(drain(&host), NPR_OK);
    host_forget_trace(&host);
    host_pass(&host, 50 * MS);
    check_drain(&host, "waiting 1 0 0 0 0");
    host_agree(&host, "b c");
    host_mark(&host, "b c");
    host_forget_trace(&host);
    host_pass(&host, 30 * MS);
    check_moves(&host, "HANDOVER 3 key=ka a.1\n");
    handed(&host, 3, NPR_OK, "total");
    check_moves(&host, "TELL b {handover,4,ka,<a@h.1.0>,f,total,0}\n");
    check_drain(&host, "running 1 1 0 0 0");
    host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
    check_moves(&host, "DEMONITOR a.1\nMOVED key=ka a.1 -> b.9\n");
    host_pass(&host, 30 * MS);
    check_drain(&host, "done 0 0 1 0 0");
    host_fini(&host);
}

/* Would catch: a node that is stopped, since it is said to be done, while calls that it has passed
 * on wait for their answers; or that never is, since one has none. */
static void answers_are_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    begin(&host, "b c");
    check_drain_of(&host, true, "running 1 1 0 0 0");
    handed(&host, 3, NPR_OK, "total");
    host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
    host_pass(&host, 30 * MS);
    check_drain_of(&host, true, "running 0 0 1 0 0");
    check_drain(&host, "done 0 0 1 0 0");
    host_pass(&host, DEADLINE_MS * MS);
    check_drain_of(&host, true, "done 0 0 1 0 0");
    host_fini(&host);
}

/* Would catch: a key that stays taken when its process had nothing to hand over. */
static void keys_without_a_state_are_free(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    host_put_entry(&host, host_atom("kb"), host_pid_term("a.1")); /* the same one */
    begin(&host, "b c");
    host_forget_trace(&host);
    handed(&host, 3, NPR_OK, NULL);
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_pass(&host, 30 * MS);
    check_drain(&host, "done 0 0 0 1 0");
    host_fini(&host);
}

/* Would catch: a process that is left waiting when its key cannot go, one failure that ends it all,
 * a drain that goes on behind its deadline. */
static void what_fails_is_tried_again(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    begin(&host, "b c");
    check_moves(&host, "HANDOVER 3 key=ka a.1\n");
    handed(&host, 3, NPR_EREFUSED, NULL);
    host_pass(&host, 400 * MS);
    check_moves(&host, "HANDOVER 4 key=ka a.1\n");
    handed(&host, 4, NPR_OK, "total");
    host_told(&host, "b", "{unhanded,5,failed,<<\"its init has failed\">>}");
    check_moves(&host, "TELL b {handover,5,ka,<a@h.1.0>,f,total,0}\n"
                       "MOVED key=ka a.1\n");
    host_pass(&host, 400 * MS);
    check_moves(&host, "HANDOVER 6 key=ka a.1\n");
    host_pass(&host, DEADLINE_MS * MS);
    check_drain(&host, "late 1 1 0 0 2");
    handed(&host, 6, NPR_OK, "total"); /* too late: it goes on here */
    check_moves(&host, "MOVED key=ka a.1\n");
    host_pass(&host, DEADLINE_MS * MS);
    check_moves(&host, "");
    check_drain(&host, "late 1 0 0 0 3");
    host_fini(&host);
}

/* Would catch: a state that is lost with the node that it was given to, or given to one that says
 * it is not the owner without ever being given again. */
static void who_cannot_take_it_is_not_the_end(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    begin(&host, "b c");
    handed(&host, 3, NPR_OK, "total");
    host_told(&host, "b", "{unhanded,4,moved,<<\"not now\">>}");
    host_forget_trace(&host);
    host_pass(&host, 30 * MS);
    check_moves(&host, "TELL b {handover,5,ka,<a@h.1.0>,f,total,0}\n");
    host_disconnected(&host, "b");
    host_disconnected(&host, "b"); /* nor can it be dialled */
    host_agree(&host, "c");
    host_mark(&host, "c");
    host_forget_trace(&host);
    host_pass(&host, 30 * MS);
    assert_non_null(strstr(host.trace, "TELL c {handover,6,ka,<a@h.1.0>,f,total,0}\n"));
    host_told(&host, "c", "{handed,6,<c@h.9.0>,1000}");
    host_told(&host, "c", "{handed,6,<c@h.9.0>,1000}"); /* once more: of nothing */
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_fini(&host);
}

/* Would catch: a dead process that is waited for, and a key that is forgotten with it. */
static void a_process_may_die_meanwhile(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("a.1"));
    begin(&host, "b c");
    host_down(&host, "a.1");
    host_pass(&host, 30 * MS);
    check_drain(&host, "done 0 0 0 0 0");
    handed(&host, 3, NPR_OK, "total"); /* of nobody */
    host_fini(&host);
}

/* Would catch: an entry of another node's process that goes with this node. */
static void entries_of_other_nodes_are_adopted(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("c.7"));
    begin(&host, "b c");
    check_moves(&host, "TELL b {adopt,4,ka,<c@h.7.0>,0}\n");
    host_told(&host, "b", "{handed,4,<c@h.7.0>,5}");
    check_moves(&host, "DEMONITOR c.7\n");
    host_pass(&host, 30 * MS);
    check_drain(&host, "done 0 0 1 0 0");
    host_fini(&host);
}

#define MANY 300

/* Would catch: more under way than the limit, or keys that a round passes over for good. */
static void all_of_many_go(void **state)
{
    struct core_host host;
    unsigned moved = 0;

    (void)state;
    open_with(&host, "b c");
    host.quiet = true;
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];
        char pid[16];

        (void)snprintf(key, sizeof(key), "k%ua", i);
        (void)snprintf(pid, sizeof(pid), "a.%u", i + 1);
        host_put_entry(&host, host_atom(key), host_pid_term(pid));
        host_forget_trace(&host);
    }
    begin(&host, "b c");
    for (unsigned round = 0; round < 4000 && npri_core_entries_count(host.core) > 0; round++) {
        char trace[sizeof(host.trace)];
        char *rest = trace;
        char *line;
        unsigned now = 0;

        memcpy(trace, host.trace, sizeof(trace));
        host_forget_trace(&host);
        while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
            static const char word[] = "HANDOVER ";

            if (strncmp(line, word, sizeof(word) - 1) == 0) {
                handed(&host, strtoul(line + sizeof(word) - 1, NULL, 10), NPR_OK, NULL);
                now++;
                moved++;
            }
        }
        assert_true(now <= NPRI_HANDOVERS_MAX);
        host_forget_trace(&host);
        host_pass(&host, 10 * MS);
    }
    assert_int_equal(moved, MANY);
    host_pass(&host, 30 * MS);
    check_drain(&host, "done 0 0 0 300 0");
    host_fini(&host);
}

/* Would catch: a node that gives its keys to nobody, or a client that has none. */
static void somebody_must_be_there(void **state)
{
    struct core_host host;
    struct npri_core_options options = host_options("a");

    (void)state;
    host_init(&host);
    assert_int_equal(drain(&host), NPR_EREFUSED);
    check_drain(&host, "off 0 0 0 0 0");
    host_fini(&host);
    options.member = false;
    host_init_with(&host, &options);
    assert_int_equal(drain(&host), NPR_EINVAL);
    host_fini(&host);
}

/* ---- Another one leaves. */

/* Would catch: a start without the state, one whose outcome nobody hears, an old lead that makes
 * the new process one too many, a second process when it is told twice. */
static void this_node_takes_over(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.1.0>,5}]}");
    host_forget_trace(&host);
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, "START 2 key=ka function=f state=total\n");
    host_told(&host, "b", "{handover,18,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, "TELL b {unhanded,18,moved,<<\"not the owner, or not now\">>}\n");
    host_started(&host, 2, NPR_OK, "a.4");
    assert_non_null(strstr(host.trace, "TELL b {handed,17,<a@h.4.0>,"));
    assert_null(strstr(host.trace, "DISCARD"));
    host_forget_trace(&host);
    host_get(&host, 9, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 9 OK a.4\n");
    host_told(&host, "b", "{handover,19,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host,
                "TELL b {unhanded,19,failed,<<\"its owner has another process for it\">>}\n");
    host_fini(&host);
}

/* Would catch: a failed start that nobody is told of; a key that is not ours. */
static void what_cannot_be_taken_over_is_said(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    host_started(&host, 2, NPR_EREFUSED, NULL);
    host_told(&host, "b", "{handover,18,kb,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, "START 2 key=ka function=f state=total\n"
                       "TELL b {unhanded,17,failed,<<\"because\">>}\n"
                       "TELL b {unhanded,18,moved,<<\"not the owner, or not now\">>}\n");
    host_fini(&host);
}

/* Would catch: an adopted process that is not monitored, or not found. */
static void entries_are_adopted(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, "b");
    host_told(&host, "b", "{push,7,100,[{ka,<c@h.7.0>,5}]}");
    host_forget_trace(&host);
    host_told(&host, "b", "{adopt,17,ka,<c@h.7.0>,5}");
    CHECK_TRACE(&host, "MONITOR c.7\n"
                       "TELL b {handed,17,<c@h.7.0>,5}\n");
    host_get(&host, 9, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 9 OK c.7\n");
    host_fini(&host);
}

/* Would catch: nonsense that is acted on. */
static void nonsense_ends_the_connection(void **state)
{
    static const char *const messages[] = {
        "{handover,x,ka,<b@h.1.0>,f,total,5}",
        "{handover,1,ka,<b@h.1.0>,f,total}",
        "{handover,1,ka,<b@h.1.0>,f,total,-1}",
        "{adopt,1,ka,notapid,5}",
        "{adopt,1,ka,<b@h.1.0>,x}",
        "{handed,1,notapid,5}",
        "{handed,1,<b@h.1.0>,x}",
        "{unhanded,1,failed,notext}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct core_host host;

        open_with(&host, "b");
        host_told(&host, "b", messages[i]);
        assert_non_null(strstr(host.trace, "DISCONNECT b"));
        host_fini(&host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_with_their_state),
        cmocka_unit_test(answers_are_waited_for),
        cmocka_unit_test(keys_without_a_state_are_free),
        cmocka_unit_test(what_fails_is_tried_again),
        cmocka_unit_test(who_cannot_take_it_is_not_the_end),
        cmocka_unit_test(a_process_may_die_meanwhile),
        cmocka_unit_test(entries_of_other_nodes_are_adopted),
        cmocka_unit_test(all_of_many_go),
        cmocka_unit_test(somebody_must_be_there),
        cmocka_unit_test(this_node_takes_over),
        cmocka_unit_test(what_cannot_be_taken_over_is_said),
        cmocka_unit_test(entries_are_adopted),
        cmocka_unit_test(nonsense_ends_the_connection),
    };

    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
