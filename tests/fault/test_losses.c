/* book.h: processes that lose their key when two sides meet, and sides without a quorum.  As in
 * test_book.c each history that the referee must object to has a twin that differs by one thing.
 *
 * a@h, b@h and c@h are native.  Key 5 has a process on each side of a cut: b's, with token 7, and
 * a's, with 9.  Times are in milliseconds. */
#include "book.h"

#include <inttypes.h>
#include <stdarg.h>

#include "support/check.h"

#define MS     UINT64_C(1000000)
#define HEALED 6000
#define LOST   6100

static const uint32_t all[BOOK_NODES_MAX] = {7, 7, 7};
static const uint32_t cut[BOOK_NODES_MAX] = {5, 2, 5};       /* b is alone */
static const uint32_t other_cut[BOOK_NODES_MAX] = {1, 6, 6}; /* a is alone */

static struct book *book;

/* A line, of node `node` unless it is 9: then of a client. */
__attribute__((format(printf, 2, 3))) static void line(unsigned node, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert_true(node == 9 ? book_client_line(book, 0, text) : book_node_line(book, node, 1, text));
}

static void open_whole(uint32_t quorum)
{
    book = book_create(10, 1000);
    assert_non_null(book);
    book_set_quorum(book, quorum);
    for (unsigned i = 0; i < 3; i++) {
        const char *const names[] = {"a@h", "b@h", "c@h"};

        book_name_node(book, i, names[i], false);
        book_run_begins(book, i, 1, 1 * MS);
    }
    book_reach(book, all, 2 * MS);
    book_settled(book, 3 * MS);
}

/* Two sides, each with a process, meet again. */
static int open_met(void **state)
{
    (void)state;
    open_whole(0);
    book_reach(book, cut, 10 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 7 0", 20 * MS);
    line(0, "start %" PRIu64 " a@h.1.0.1 5 9 0", 30 * MS);
    book_reach(book, all, HEALED * MS);
    return 0;
}

static int open_with_quorum(void **state)
{
    (void)state;
    open_whole(2);
    return 0;
}

static int close_book(void **state)
{
    (void)state;
    book_destroy(book);
    return 0;
}

/* b's process loses to a's, and gives 4 along. */
static void b_loses(void)
{
    line(1, "lost %" PRIu64 " b@h.1.0.1 a@h.1.0.1 9 4", LOST * MS);
}

static void b_ends(void)
{
    line(1, "end %" PRIu64 " b@h.1.0.1 {nprocreg,conflict,_}", (LOST + 1) * MS);
}

static void a_takes(int64_t count)
{
    line(0, "took %" PRIu64 " a@h.1.0.1 b@h.1.0.1 %" PRId64, (LOST + 2) * MS, count);
}

static void assert_faults(size_t expected)
{
    book_finish(book);
    assert_int_equal(book_judge(book, 100000 * MS, NULL), expected);
}

/* ---- Losing. */

static void who_has_lost_lives_under_the_key_no_more(void **state)
{
    (void)state;
    assert_false(book_is_single(book));
    b_loses();
    assert_true(book_is_single(book));
    a_takes(4);
    book_settled(book, 7000 * MS);
    assert_faults(0);
    assert_int_equal(book_losers(book, false), 1);
}

static void who_has_lost_may_do_nothing(void **state)
{
    (void)state;
    b_loses();
    line(1, "op %" PRIu64 " b@h.1.0.1 0 1 1", (LOST + 1) * MS);
    assert_faults(1);
}

static void the_higher_token_may_not_lose(void **state)
{
    (void)state;
    line(0, "lost %" PRIu64 " a@h.1.0.1 b@h.1.0.1 7 4", LOST * MS);
    assert_faults(1);
}

static void the_winners_token_is_told_as_it_is(void **state)
{
    (void)state;
    line(1, "lost %" PRIu64 " b@h.1.0.1 a@h.1.0.1 10 4", LOST * MS);
    assert_faults(1);
}

static void nobody_loses_to_the_process_of_another_key(void **state)
{
    (void)state;
    line(0, "start %" PRIu64 " a@h.2.0.1 6 11 0", 40 * MS);
    line(1, "lost %" PRIu64 " b@h.1.0.1 a@h.2.0.1 11 4", LOST * MS);
    assert_faults(1);
}

static void a_key_is_lost_once(void **state)
{
    (void)state;
    b_loses();
    b_loses();
    assert_faults(1);
}

/* ---- What is given along. */

static void what_is_given_along_must_arrive(void **state)
{
    char why[256];

    (void)state;
    b_loses();
    assert_false(book_all_taken(book, why, sizeof(why)));
    a_takes(4);
    assert_true(book_all_taken(book, why, sizeof(why)));
    assert_faults(0);
}

/* The harness has done something: it may be lost on its way. */
static void what_is_disturbed_need_not_arrive(void **state)
{
    char why[256];

    (void)state;
    b_loses();
    book_reach(book, cut, (LOST + 1) * MS);
    assert_true(book_all_taken(book, why, sizeof(why)));
    assert_faults(0);
}

static void reports_may_come_the_other_way_round(void **state)
{
    char why[256];

    (void)state;
    a_takes(4);
    b_loses();
    assert_true(book_all_taken(book, why, sizeof(why)));
    assert_faults(0);
}

static void it_arrives_as_it_was_given(void **state)
{
    (void)state;
    b_loses();
    a_takes(3);
    assert_faults(1);
}

static void it_arrives_once(void **state)
{
    (void)state;
    b_loses();
    a_takes(4);
    a_takes(4);
    assert_faults(1);
}

static void it_arrives_at_the_winner(void **state)
{
    (void)state;
    line(2, "start %" PRIu64 " c@h.1.0.1 6 11 0", 40 * MS);
    b_loses();
    line(2, "took %" PRIu64 " c@h.1.0.1 b@h.1.0.1 4", (LOST + 2) * MS);
    assert_faults(1);
}

/* The winner has ended; the one that follows it gets what was passed on. */
static void it_arrives_at_who_has_the_key_by_then(void **state)
{
    (void)state;
    b_loses();
    line(0, "end %" PRIu64 " a@h.1.0.1 normal", (LOST + 1) * MS);
    line(2, "start %" PRIu64 " c@h.1.0.1 5 11 0", (LOST + 2) * MS);
    line(2, "took %" PRIu64 " c@h.1.0.1 b@h.1.0.1 4", (LOST + 3) * MS);
    assert_faults(0);
}

static void nobody_gets_anything_from_who_has_not_lost(void **state)
{
    (void)state;
    b_loses();
    a_takes(4);
    line(0, "took %" PRIu64 " a@h.1.0.1 b@h.9.0.1 4", (LOST + 3) * MS);
    assert_faults(1);
}

/* ---- What is sent to a loser. */

static void call_to_b(uint64_t from_ms, uint64_t to_ms, const char *status)
{
    line(9, "clung %" PRIu64 " %" PRIu64 " b@h.1.0.1 %s", from_ms * MS, to_ms * MS, status);
}

static void calls_to_who_has_lost_are_answered(void **state)
{
    (void)state;
    b_loses();
    b_ends();
    call_to_b(LOST + 3999, LOST + 4010, "call-ENOPROC");
    assert_faults(1);
}

static void calls_that_waited_are_answered(void **state)
{
    (void)state;
    b_loses();
    b_ends();
    call_to_b(LOST - 10, LOST + 10, "call-EEXIT");
    assert_faults(1);
}

static void that_ends(void **state)
{
    (void)state;
    b_loses();
    b_ends();
    call_to_b(LOST + 4001, LOST + 4010, "call-ENOPROC");
    assert_faults(0);
}

static void who_lives_on_may_refuse(void **state)
{
    (void)state;
    b_loses();
    call_to_b(LOST + 10, LOST + 20, "call-moved");
    assert_faults(0);
}

static void a_winner_that_has_ended_answers_nothing(void **state)
{
    (void)state;
    b_loses();
    b_ends();
    line(0, "end %" PRIu64 " a@h.1.0.1 normal", (LOST + 15) * MS);
    call_to_b(LOST + 10, LOST + 20, "call-EEXIT");
    assert_faults(0);
}

static void a_cut_excuses_who_does_not_answer(void **state)
{
    (void)state;
    b_loses();
    b_ends();
    book_reach(book, cut, (LOST + 15) * MS);
    call_to_b(LOST + 10, LOST + 20, "call-EEXIT");
    assert_faults(0);
}

/* ---- A side without a quorum of 2. */

static void a_side_that_is_too_small_starts_nothing(void **state)
{
    (void)state;
    book_reach(book, cut, 10 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 7 0", 3011 * MS);
    assert_faults(1);
}

static void it_has_time_to_notice(void **state)
{
    (void)state;
    book_reach(book, cut, 10 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 7 0", 3009 * MS);
    assert_faults(0);
}

static void the_time_begins_with_the_first_cut(void **state)
{
    (void)state;
    book_reach(book, cut, 10 * MS);
    book_reach(book, cut, 2000 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 7 0", 3011 * MS);
    assert_faults(1);
}

static void the_others_go_on(void **state)
{
    (void)state;
    book_reach(book, cut, 10 * MS);
    line(0, "start %" PRIu64 " a@h.1.0.1 5 7 0", 3011 * MS);
    assert_faults(0);
}

/* First b was alone, then a: no node was in a settled side with both, but c was in both sides, as
 * the quorum demands. */
static void tokens_across(uint64_t second)
{
    book_reach(book, cut, 10 * MS);
    line(0, "start %" PRIu64 " a@h.1.0.1 5 7 0", 100 * MS);
    book_reach(book, other_cut, 200 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 %" PRIu64 " 0", 5000 * MS, second);
}

static void tokens_grow_across_sides(void **state)
{
    (void)state;
    tokens_across(7);
    assert_faults(1);
}

static void tokens_that_have_grown_are_well(void **state)
{
    (void)state;
    tokens_across(8);
    assert_faults(0);
}

/* c, the only one in both, has forgotten all. */
static void tokens_of_who_began_anew_need_not_grow(void **state)
{
    (void)state;
    book_reach(book, cut, 10 * MS);
    line(0, "start %" PRIu64 " a@h.1.0.1 5 7 0", 100 * MS);
    book_run_ends(book, 2, 110 * MS);
    book_run_begins(book, 2, 2, 120 * MS);
    book_reach(book, other_cut, 200 * MS);
    line(1, "start %" PRIu64 " b@h.1.0.1 5 7 0", 5000 * MS);
    assert_faults(0);
}

/* Of what a had at 20 ms. */
static void assert_told(bool regained, size_t told, size_t untold)
{
    size_t not_told;

    assert_int_equal(book_told(book, 0, 20 * MS, regained, &not_told), told);
    assert_int_equal(not_told, untold);
}

static void processes_are_told_of_the_quorum(void **state)
{
    (void)state;
    line(0, "start %" PRIu64 " a@h.1.0.1 5 7 0", 10 * MS);
    line(0, "start %" PRIu64 " a@h.2.0.1 6 8 0", 11 * MS);
    line(0, "start %" PRIu64 " a@h.3.0.1 7 9 0", 21 * MS); /* later */
    line(1, "start %" PRIu64 " b@h.1.0.1 8 9 0", 12 * MS); /* elsewhere */
    assert_told(false, 0, 2);
    line(0, "told %" PRIu64 " a@h.1.0.1 lost", 30 * MS);
    assert_told(false, 1, 1);
    line(0, "end %" PRIu64 " a@h.2.0.1 normal", 31 * MS);
    assert_told(false, 1, 0);
    assert_told(true, 0, 1);
    line(0, "told %" PRIu64 " a@h.1.0.1 regained", 40 * MS);
    assert_told(true, 1, 0);
}

#define MET(name)    cmocka_unit_test_setup_teardown(name, open_met, close_book)
#define QUORUM(name) cmocka_unit_test_setup_teardown(name, open_with_quorum, close_book)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MET(who_has_lost_lives_under_the_key_no_more),
        MET(who_has_lost_may_do_nothing),
        MET(the_higher_token_may_not_lose),
        MET(the_winners_token_is_told_as_it_is),
        MET(nobody_loses_to_the_process_of_another_key),
        MET(a_key_is_lost_once),
        MET(what_is_given_along_must_arrive),
        MET(what_is_disturbed_need_not_arrive),
        MET(reports_may_come_the_other_way_round),
        MET(it_arrives_as_it_was_given),
        MET(it_arrives_once),
        MET(it_arrives_at_the_winner),
        MET(it_arrives_at_who_has_the_key_by_then),
        MET(nobody_gets_anything_from_who_has_not_lost),
        MET(calls_to_who_has_lost_are_answered),
        MET(calls_that_waited_are_answered),
        MET(that_ends),
        MET(who_lives_on_may_refuse),
        MET(a_winner_that_has_ended_answers_nothing),
        MET(a_cut_excuses_who_does_not_answer),
        QUORUM(a_side_that_is_too_small_starts_nothing),
        QUORUM(it_has_time_to_notice),
        QUORUM(the_time_begins_with_the_first_cut),
        QUORUM(the_others_go_on),
        QUORUM(tokens_grow_across_sides),
        QUORUM(tokens_that_have_grown_are_well),
        QUORUM(tokens_of_who_began_anew_need_not_grow),
        QUORUM(processes_are_told_of_the_quorum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
