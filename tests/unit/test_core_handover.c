/* core/drain.h: what was handed over belongs to whom it was given to.  A connection that breaks, a
 * deadline, an end of the process and another incarnation come in between; two living processes, or
 * a state that is nowhere, are what can go wrong.  The owner of a key is told by its last letter:
 * of the ring b c, since a is left out: ..a is b's. */
#include "core_claims.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"

#define DEADLINE_MS 5000

static bool did(const struct core_host *host, const char *what)
{
    return strstr(host->trace, what) != NULL;
}

static void connected(struct core_host *host, const char *node, uint32_t creation)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_CONNECTED,
                                                   .node = host_node(node),
                                                   .creation = creation});
    host_greeted(host, node, NPR_OTP_26);
}

/* ---- This node, a, leaves: its process a.1 has given its state, and that was given to b. */

static void leave(struct core_host *host, uint64_t operation)
{
    assert_int_equal(
        host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_DRAIN,
                                                 .deadline_ns = host->now_ns + DEADLINE_MS * MS}),
        NPR_OK);
    host_agree(host, "b c");
    host_mark(host, "b c");
    host_pass(host, 30 * MS);
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_HANDED,
                                                   .operation = operation,
                                                   .term = host_atom("total"),
                                                   .function = host_atom("f")});
    assert_true(did(host, "TELL b {handover,"));
    host_forget_trace(host);
}

static void open_leaving(struct core_host *host)
{
    host_init(host);
    host->quiet = true;
    host_with_natives(host, "b c");
    host_mark(host, "b c");
    host_put_entry(host, host_atom("ka"), host_pid_term("a.1"));
    leave(host, 3);
}

static void open_doubting(struct core_host *host)
{
    open_leaving(host);
    host_disconnected(host, "b");
    host_pass(host, 100 * MS);
    assert_false(did(host, "{handover"));
    assert_false(did(host, "MOVED"));
    host_forget_trace(host);
}

/* Would catch: a state that is given to the next owner while the first one may have started the
 * successor; one that is asked of again by another name; a successor that was told of once more. */
static void a_lost_heir_is_asked_again(void **state)
{
    struct core_host host;

    (void)state;
    open_doubting(&host);
    host_agree(&host, "c");
    host_pass(&host, 100 * MS);
    assert_false(did(&host, "{handover"));
    connected(&host, "b", 1);
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL b {handover,4,ka,<a@h.1.0>,f,total,0}\n"));
    assert_false(did(&host, "TELL c {handover"));
    host_told(&host, "c", "{handed,4,<c@h.9.0>,1000}"); /* of nothing that c was given */
    assert_false(did(&host, "MOVED"));
    host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
    assert_true(did(&host, "MOVED key=ka a.1 -> b.9\n"));
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_fini(&host);
}

/* Would catch: one that is given to an heir that has yet to be asked of another: that would push
 * out of its memory what it is about to be asked. */
static void a_doubt_goes_first(void **state)
{
    struct core_host host;
    const char *first;
    const char *second;

    (void)state;
    open_leaving(&host);
    host_put_entry(&host, host_atom("kaa"), host_pid_term("a.2"));
    host_pass(&host, 250 * MS);
    assert_true(did(&host, "HANDOVER 5 key=kaa a.2\n"));
    host_disconnected(&host, "b");
    connected(&host, "b", 1);
    host_agree(&host, "b c");
    host_forget_trace(&host);
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_HANDED,
                                                    .operation = 5,
                                                    .term = host_atom("total"),
                                                    .function = host_atom("f")});
    host_pass(&host, 50 * MS);
    first = strstr(host.trace, "TELL b {handover,4,ka,");
    second = strstr(host.trace, ",kaa,<a@h.2.0>,f,total,0}");
    assert_true(first != NULL && second != NULL && first < second);
    host_fini(&host);
}

/* Would catch: what was refused by one that is back, and is given under the number that it will
 * refuse for ever. */
static void what_the_heir_has_refused_is_given_anew(void **state)
{
    struct core_host host;

    (void)state;
    open_doubting(&host);
    connected(&host, "b", 1);
    host_agree(&host, "b c");
    host_pass(&host, 30 * MS);
    host_forget_trace(&host);
    host_told(&host, "b", "{unhanded,4,moved,<<\"it came too late\">>}");
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL b {handover,"));
    assert_false(did(&host, "TELL b {handover,4,"));
    assert_false(did(&host, "MOVED"));
    host_fini(&host);
}

/* Would catch: a state that is lost with its heir, or waits for it for ever. */
static void a_heir_that_is_gone_is_no_heir(void **state)
{
    struct core_host host;

    (void)state;
    open_doubting(&host);
    host_disconnected(&host, "b"); /* it cannot be dialled */
    host_agree(&host, "c");
    host_mark(&host, "c");
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL c {handover,"));
    host_fini(&host);

    open_doubting(&host);
    connected(&host, "b", 2);
    host_agree(&host, "b c");
    host_mark(&host, "b c");
    host_forget_trace(&host);
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL b {handover,"));
    assert_false(did(&host, "TELL b {handover,4,"));
    host_fini(&host);
}

/* Would catch: a process that goes on at the deadline beside the successor that its heir has
 * started; one that waits for a heir that is gone. */
static void the_deadline_does_not_end_a_doubt(void **state)
{
    struct core_host host;

    (void)state;
    open_leaving(&host);
    host_pass(&host, DEADLINE_MS * MS);
    host_disconnected(&host, "b");
    host_pass(&host, 100 * MS);
    assert_false(did(&host, "MOVED"));
    connected(&host, "b", 1);
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL b {handover,4,ka,<a@h.1.0>,f,total,0}\n"));
    host_forget_trace(&host);
    host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
    assert_true(did(&host, "MOVED key=ka a.1 -> b.9\n"));
    host_fini(&host);

    open_leaving(&host);
    host_pass(&host, DEADLINE_MS * MS);
    host_disconnected(&host, "b");
    host_disconnected(&host, "b");
    host_agree(&host, "c");
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "MOVED key=ka a.1\n"));
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* Would catch: a process that waits for ever, since there was no memory for the answer. */
static void who_does_not_answer_is_asked_again(void **state)
{
    struct core_host host;

    (void)state;
    open_leaving(&host);
    host_pass(&host, NPRI_START_NS_MAX - 100 * MS);
    assert_false(did(&host, "{handover"));
    host_pass(&host, 200 * MS);
    assert_true(did(&host, "TELL b {handover,4,ka,<a@h.1.0>,f,total,0}\n"));
    host_told(&host, "b", "{handed,4,<b@h.9.0>,1000}");
    assert_true(did(&host, "MOVED key=ka a.1 -> b.9\n"));
    host_fini(&host);
}

/* Would catch: a process that is restarted beside the successor that its heir may have started. */
static void who_ends_meanwhile_is_not_restarted(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host.quiet = true;
    host_with_natives(&host, "b c");
    host_mark(&host, "b c");
    host_get(&host, 1, "ka", "f");
    (void)host_step(
        &host, (struct npri_core_event){
                   .kind = NPRI_EVENT_STARTED,
                   .operation = 3,
                   .term = host_pid_term("a.1"),
                   .rule = {.kind = NPRI_RESTART_PERMANENT, .max = 3, .window_ns = 5000 * MS}});
    leave(&host, 4);
    host_disconnected(&host, "b");
    host_down(&host, "a.1");
    assert_false(did(&host, "START"));
    connected(&host, "b", 1);
    host_pass(&host, 30 * MS);
    assert_true(did(&host, "TELL b {handover,5,ka,"));
    host_told(&host, "b", "{handed,5,<b@h.9.0>,1000}");
    assert_false(did(&host, "START"));
    host_fini(&host);
}

/* Would catch: a successor that is told to be a conflict, so that its predecessor ends with what is
 * in its mailbox; a true conflict that is forgotten when nothing came of the handover. */
static void what_was_given_is_in_no_conflict(void **state)
{
    struct core_host host;

    (void)state;
    open_leaving(&host);
    host_told(&host, "b", "{conflict,ka,<a@h.1.0>,0,<b@h.9.0>,1000}");
    assert_false(did(&host, "CONFLICT"));
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_forget_trace(&host);
    host_told(&host, "b", "{unhanded,4,failed,<<\"its owner has another process for it\">>}");
    assert_true(did(&host, "MOVED key=ka a.1\n"));
    assert_true(did(&host, "{ka,<a@h.1.0>,0}")); /* its owner decides once more */
    host_told(&host, "b", "{conflict,ka,<a@h.1.0>,0,<b@h.9.0>,1000}");
    assert_true(did(&host, "CONFLICT"));
    host_fini(&host);
}

/* ---- Another one, b, leaves, and this node is the next owner of ka; or of kb, while both are
 * there to own keys. */

static void open_taking(struct core_host *host, const char *names)
{
    host_init(host);
    host->quiet = true;
    host_with_natives(host, names);
    host_mark(host, names);
    host_forget_trace(host);
}

static void start_taken(struct core_host *host)
{
    host_told(host, "b", "{push,7,100,[{ka,<b@h.1.0>,5}]}");
    host_told(host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    assert_true(did(host, "START 2 key=ka function=f state=total\n"));
    host_forget_trace(host);
}

/* Would catch: a second process for what was asked of twice, an answer to it that is another one, a
 * refusal that is taken back when an old message arrives late. */
static void the_same_is_answered_alike(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b");
    start_taken(&host);
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, ""); /* it hears when that is done */
    host_started(&host, 2, NPR_OK, "a.4");
    assert_true(did(&host, "TELL b {handed,17,<a@h.4.0>,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    assert_true(did(&host, "TELL b {handed,17,<a@h.4.0>,"));
    host_forget_trace(&host);
    host_told(&host, "b", "{handover,16,kaa,<b@h.2.0>,f,total,5}");
    CHECK_TRACE(&host, "TELL b {unhanded,16,moved,<<\"it came too late\">>}\n");
    host_told(&host, "b", "{handover,18,kaa,<b@h.2.0>,f,total,5}");
    host_started(&host, 3, NPR_EREFUSED, NULL);
    CHECK_TRACE(&host, "START 3 key=kaa function=f state=total\n"
                       "TELL b {unhanded,18,failed,<<\"because\">>}\n");
    host_told(&host, "b", "{handover,18,kaa,<b@h.2.0>,f,total,5}");
    CHECK_TRACE(&host, "TELL b {unhanded,18,moved,<<\"it came too late\">>}\n");
    host_fini(&host);
}

/* Would catch: an outcome that nobody hears since the connection broke meanwhile; one that the next
 * incarnation takes for the answer to its own. */
static void an_outcome_outlives_the_connection(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b");
    start_taken(&host);
    host_disconnected(&host, "b");
    host_started(&host, 2, NPR_OK, "a.4");
    connected(&host, "b", 1);
    host_forget_trace(&host);
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    assert_true(did(&host, "TELL b {handed,17,<a@h.4.0>,"));
    host_fini(&host);

    open_taking(&host, "b");
    start_taken(&host);
    host_disconnected(&host, "b");
    connected(&host, "b", 2);
    host_forget_trace(&host);
    host_started(&host, 2, NPR_OK, "a.4");
    assert_false(did(&host, "{handed"));
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    assert_false(did(&host, "{handed"));
    host_fini(&host);
}

/* Would catch: an entry of the predecessor, told again after a break, that is taken for another
 * process of the key. */
static void a_predecessor_is_no_conflict(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b");
    start_taken(&host);
    host_started(&host, 2, NPR_OK, "a.4");
    host_forget_trace(&host);
    host_told(&host, "b", "{push,7,200,[{ka,<b@h.1.0>,5}]}");
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{push,7,300,[{ka,<b@h.3.0>,4}]}");
    assert_true(did(&host, "TELL b {conflict,ka,<b@h.3.0>,4,<a@h.4.0>,"));
    host_fini(&host);
}

/* Would catch: a process that was registered where the predecessor lives, after that had given its
 * state, and that is forgotten as if it were the predecessor. */
static void what_came_after_the_predecessor_stays(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b");
    start_taken(&host);
    host_told(&host, "b", "{push,7,200,[{ka,<b@h.3.0>,9}]}");
    host_forget_trace(&host);
    host_started(&host, 2, NPR_OK, "a.4");
    assert_true(did(&host, "DISCARD a.4\n"));
    assert_true(did(&host, "TELL b {unhanded,17,failed,"));
    host_forget_trace(&host);
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 OK b.3\n");
    host_fini(&host);
}

/* A release that was begun while the predecessor had the key means that one.  Would catch: a
 * successor that loses its entry as soon as it has it. */
static void a_release_of_the_predecessor_ends_with_it(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b");
    start_taken(&host);
    host_let_go(&host, 1, "ka");
    CHECK_TRACE(&host, "TELL b {drop,ka,<b@h.1.0>}\n");
    host_started(&host, 2, NPR_OK, "a.4");
    assert_true(did(&host, "ANSWER 1 OK"));
    host_forget_trace(&host);
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "ANSWER 2 OK a.4\n");
    host_fini(&host);
}

/* Would catch: a successor that is started while another node is starting one; one that is started
 * before all have told what they have. */
static void who_takes_over_knows_all(void **state)
{
    struct core_host host;

    (void)state;
    open_taking(&host, "b c");
    host_told(&host, "b", "{push,7,100,[{ka,<b@h.1.0>,5}]}");
    host_told(&host, "c", "{busy,7,100,ka,0}");
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, "TELL b {unhanded,17,moved,<<\"not the owner, or not now\">>}\n");
    host_told(&host, "c", "{free,7,200,ka,undefined}");
    host_told(&host, "b", "{handover,18,ka,<b@h.1.0>,f,total,5}");
    assert_true(did(&host, "START "));
    host_fini(&host);

    host_init(&host);
    host.quiet = true;
    host_with_natives(&host, "b c");
    host_mark(&host, "b");
    host_forget_trace(&host);
    host_told(&host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
    CHECK_TRACE(&host, "TELL b {unhanded,17,moved,<<\"not the owner, or not now\">>}\n");
    host_mark(&host, "c");
    host_told(&host, "b", "{handover,18,ka,<b@h.1.0>,f,total,5}");
    assert_true(did(&host, "START "));
    host_fini(&host);
}

/* Would catch: a node that has this one start whatever it likes, with states of any number; one
 * that is refused for ever, since those that have ended still count. */
static void only_so_many_are_started_for_one_node(void **state)
{
    struct core_host host;
    char text[96];

    (void)state;
    open_taking(&host, "b");
    for (unsigned i = 1; i <= NPRI_HANDOVERS_MAX + 1; i++) {
        (void)snprintf(text, sizeof(text), "{handover,%u,k%u_a,<b@h.%u.0>,f,total,5}", i, i, i);
        host_forget_trace(&host);
        host_told(&host, "b", text);
        assert_int_equal(did(&host, "START "), i <= NPRI_HANDOVERS_MAX);
    }
    CHECK_TRACE(&host, "TELL b {unhanded,17,moved,<<\"too many of its keys at once\">>}\n");
    host_started(&host, 2, NPR_OK, "a.4");
    host_started(&host, 3, NPR_EREFUSED, NULL);
    for (unsigned i = 18; i <= 20; i++) {
        (void)snprintf(text, sizeof(text), "{handover,%u,k%u_a,<b@h.%u.0>,f,total,5}", i, i, i);
        host_forget_trace(&host);
        host_told(&host, "b", text);
        assert_int_equal(did(&host, "START "), i <= 19);
    }
    host_fini(&host);
}

/* Would catch: a number that is that of every empty slot, so that what was never taken over is
 * answered; a pid that is none, in the place of one. */
static void what_is_no_handover_is_refused(void **state)
{
    static const char *const words[] = {
        "{handover,0,ka,<b@h.1.0>,f,total,5}",
        "{adopt,0,ka,<b@h.1.0>,5}",
        "{handover,17,ka,b1,f,total,5}",
        "{adopt,17,ka,b1,5}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct core_host host;

        open_taking(&host, "b");
        host_told(&host, "b", words[i]);
        assert_true(did(&host, "DISCONNECT b"));
        assert_false(did(&host, "handed"));
        host_fini(&host);
    }
}

/* Would catch: a process that is told to pass everything on to itself; a node that replaces one of
 * its entries by the same for ever. */
static void none_is_its_own_successor(void **state)
{
    struct core_host host;

    (void)state;
    open_leaving(&host);
    host_put_entry(&host, host_atom("kab"), host_pid_term("a.1"));
    host_told(&host, "b", "{handed,4,<a@h.1.0>,1000}");
    assert_true(did(&host, "DISCONNECT b"));
    assert_false(did(&host, "MOVED"));
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_heir_is_asked_again),
        cmocka_unit_test(a_doubt_goes_first),
        cmocka_unit_test(what_the_heir_has_refused_is_given_anew),
        cmocka_unit_test(a_heir_that_is_gone_is_no_heir),
        cmocka_unit_test(the_deadline_does_not_end_a_doubt),
        cmocka_unit_test(who_does_not_answer_is_asked_again),
        cmocka_unit_test(who_ends_meanwhile_is_not_restarted),
        cmocka_unit_test(what_was_given_is_in_no_conflict),
        cmocka_unit_test(the_same_is_answered_alike),
        cmocka_unit_test(an_outcome_outlives_the_connection),
        cmocka_unit_test(a_predecessor_is_no_conflict),
        cmocka_unit_test(what_came_after_the_predecessor_stays),
        cmocka_unit_test(a_release_of_the_predecessor_ends_with_it),
        cmocka_unit_test(who_takes_over_knows_all),
        cmocka_unit_test(only_so_many_are_started_for_one_node),
        cmocka_unit_test(what_is_no_handover_is_refused),
        cmocka_unit_test(none_is_its_own_successor),
    };

    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
