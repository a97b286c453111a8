/* book.h: histories that a referee must object to, and those that it must let pass.  Each pair
 * differs by one thing.  Times are in milliseconds; node 0 is "a@h", 1 "b@h", 2 an original, "c@h".
 */
#include "book_inside.h"

#include <inttypes.h>

#include "support/check.h"

#define MS          UINT64_C(1000000)
#define DEADLINE_MS 1000

static const uint32_t all[BOOK_NODES_MAX] = {7, 7, 7};
static const uint32_t cut[BOOK_NODES_MAX] = {5, 2, 5}; /* b is alone */

static struct book *book;

static int open_book(void **state)
{
    (void)state;
    book = book_create(10, DEADLINE_MS);
    assert_non_null(book);
    for (unsigned i = 0; i < 3; i++) {
        const char *const names[] = {"a@h", "b@h", "c@h"};

        book_name_node(book, i, names[i], i == 2);
        book_run_begins(book, i, 1, MS);
    }
    book_reach(book, all, 2 * MS);
    book_settled(book, 3 * MS);
    return 0;
}

static int close_book(void **state)
{
    (void)state;
    book_destroy(book);
    return 0;
}

static void started(unsigned node, uint64_t ms, unsigned number, uint64_t token)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "start %" PRIu64 " %c@h.%u.0.1 5 %" PRIu64 " 0", ms * MS,
                   (char)('a' + node), number, token);
    assert_true(book_node_line(book, node, 1, line));
}

static void ended(unsigned node, uint64_t ms, unsigned number)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "end %" PRIu64 " %c@h.%u.0.1 normal", ms * MS,
                   (char)('a' + node), number);
    assert_true(book_node_line(book, node, 1, line));
}

static void carried_out(unsigned node, unsigned number, int64_t seq, int64_t count)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "op %" PRIu64 " %c@h.%u.0.1 0 %" PRId64 " %" PRId64, 50 * MS,
                   (char)('a' + node), number, seq, count);
    assert_true(book_node_line(book, node, 1, line));
}

static uint64_t called_token = 7; /* of the process that answers */

/* A call by b that took from one time to another and was answered by a process of the node. */
static void called(unsigned node,
                   unsigned number,
                   int64_t seq,
                   int64_t count,
                   uint64_t from_ms,
                   uint64_t to_ms)
{
    char line[160];

    (void)snprintf(line, sizeof(line),
                   "call %" PRIu64 " %" PRIu64 " %" PRIu64 " b@h 5 %" PRId64
                   " ok %c@h.%u.0.1 7 %" PRIu64 " %" PRId64 " 1",
                   from_ms * MS, to_ms * MS, to_ms * MS, seq, (char)('a' + node), number,
                   called_token, count);
    assert_true(book_client_line(book, 0, line));
}

static void assert_faults(size_t expected)
{
    book_finish(book);
    assert_int_equal(book_judge(book, 100000 * MS, NULL), expected);
}

/* ---- One process. */

static void one_after_the_other_is_well(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    ended(0, 20, 1);
    started(1, 20, 1, 2);
    assert_faults(0);
}

static void two_at_once_are_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    started(1, 19, 1, 2);
    ended(0, 20, 1);
    assert_faults(1);
}

static void two_on_one_node_are_a_fault_even_when_it_is_alone(void **state)
{
    (void)state;
    book_reach(book, cut, 5 * MS);
    started(1, 10, 1, 1);
    started(1, 19, 2, 2);
    assert_faults(1);
}

/* The reports of two nodes come in any order. */
static void reports_that_come_late_are_judged_by_their_time(void **state)
{
    (void)state;
    started(1, 20, 1, 2);
    started(0, 10, 1, 1);
    assert_true(!book_is_single(book));
    ended(0, 19, 1);
    assert_true(book_is_single(book));
    assert_faults(0);
}

static void each_side_of_a_cut_may_have_one(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    book_reach(book, cut, 15 * MS);
    started(1, 20, 1, 2);
    book_reach(book, all, 30 * MS);
    ended(1, 40, 1);
    book_settled(book, 41 * MS);
    assert_faults(0);
}

/* The mistake of two who do not wait for the cut. */
static void the_second_may_not_come_before_the_cut(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    started(1, 14, 1, 2);
    book_reach(book, cut, 15 * MS);
    ended(1, 40, 1);
    assert_faults(1);
}

static void the_second_may_not_stay_when_all_is_settled(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    book_reach(book, cut, 15 * MS);
    started(1, 20, 1, 2);
    book_reach(book, all, 30 * MS);
    book_settled(book, 41 * MS);
    ended(1, 42, 1);
    assert_faults(1);
}

/* a and c reach each other all the time, and the same others. */
static void a_cut_excuses_only_who_is_cut_off(void **state)
{
    static const uint32_t pair[BOOK_NODES_MAX] = {3, 3, 4};

    (void)state;
    book_reach(book, pair, 5 * MS);
    started(0, 10, 1, 1);
    started(1, 20, 1, 2);
    assert_faults(1);
}

/* b reaches a, and c only a: a may have had to choose. */
static void who_reaches_not_the_same_is_excused(void **state)
{
    static const uint32_t chain[BOOK_NODES_MAX] = {7, 3, 5};

    (void)state;
    book_reach(book, chain, 5 * MS);
    started(0, 10, 1, 1);
    started(1, 20, 1, 2);
    assert_faults(0);
}

/* Nothing gets from a to c; b hears both, and had to choose between them. */
static void a_cut_of_one_way_is_a_cut(void **state)
{
    static const uint32_t one_way[BOOK_NODES_MAX] = {3, 7, 7};

    (void)state;
    book_reach(book, one_way, 5 * MS);
    started(0, 10, 1, 1);
    started(1, 20, 1, 2);
    assert_faults(0);
}

static void a_killed_nodes_processes_end_with_it(void **state)
{
    (void)state;
    started(0, 10, 1, 1);
    book_run_ends(book, 0, 15 * MS);
    started(1, 16, 1, 2);
    started(0, 17, 2, 3); /* a last word that came late */
    assert_faults(0);
}

static void originals_are_counted(void **state)
{
    struct book_figures figures;

    (void)state;
    started(0, 10, 1, 1);
    started(2, 20, 1, 0);
    assert_faults(0);
    book_figures(book, &figures);
    assert_int_equal(figures.original_pairs, 1);
}

/* The machine did not run node b for 2 s: as if it had been stopped. */
static void a_stall_excuses(void **state)
{
    (void)state;
    assert_true(book_node_line(book, 1, 1, "beat 1000000000"));
    assert_true(book_node_line(book, 1, 1, "beat 3000000000"));
    started(1, 10, 1, 1);
    started(0, 2000, 1, 2);
    ended(1, 3500, 1);
    assert_faults(0);
}

static void beats_excuse_nobody(void **state)
{
    (void)state;
    assert_true(book_node_line(book, 1, 1, "beat 1000000000"));
    assert_true(book_node_line(book, 1, 1, "beat 1900000000"));
    assert_true(book_node_line(book, 1, 1, "beat 2800000000"));
    started(1, 10, 1, 1);
    started(0, 2000, 1, 2);
    ended(1, 3500, 1);
    assert_faults(1);
}

/* ---- Tokens. */

static void a_token_that_comes_again_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    ended(0, 11, 1);
    started(1, 20, 1, 7);
    assert_faults(1);
}

/* Nobody who knew of the first one is there when the second is started. */
static void tokens_of_strangers_need_not_grow(void **state)
{
    (void)state;
    book_reach(book, cut, 5 * MS);
    started(1, 10, 1, 7);
    book_run_ends(book, 1, 15 * MS);
    book_reach(book, all, 16 * MS);
    book_settled(book, 17 * MS);
    started(0, 20, 1, 6);
    assert_faults(0);
}

/* Both native nodes began anew; the original, which stayed, knows nothing. */
static void originals_carry_no_tokens_on(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    book_run_ends(book, 0, 15 * MS);
    book_run_ends(book, 1, 15 * MS);
    book_run_begins(book, 1, 2, 16 * MS);
    book_settled(book, 17 * MS);
    assert_true(book_node_line(book, 1, 2, "start 20000000 b@h.1.0.2 5 6 0"));
    assert_faults(0);
}

/* b was in the first one's side, and is in the second one's. */
static void tokens_grow_over_who_stayed(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    book_run_ends(book, 0, 15 * MS);
    started(1, 20, 1, 6);
    assert_faults(1);
}

/* ---- Messages. */

static void what_was_answered_was_done(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    carried_out(0, 1, 1, 1);
    called(0, 1, 1, 1, 40, 60);
    assert_faults(0);
}

static void an_answer_without_the_deed_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    called(0, 1, 1, 1, 40, 60);
    assert_faults(1);
}

/* What waited at a cut, and whose client has long given up, takes nothing from what was done since.
 */
static void a_deed_of_long_ago_changes_nothing(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    carried_out(0, 1, 3 + REQUESTS_KEPT, 1);
    called(0, 1, 3 + REQUESTS_KEPT, 1, 20, 30);
    carried_out(0, 1, 3, 2);
    assert_faults(0);
}

/* One that gave its state has done `done`, and the next begins with `given`. */
static void hand_over(int64_t done, int64_t given)
{
    char line[128];

    started(0, 10, 1, 7);
    for (int64_t i = 1; i <= done; i++) {
        carried_out(0, 1, i, i);
    }
    assert_true(book_node_line(book, 0, 1, "gave 20000000 a@h.1.0.1"));
    (void)snprintf(line, sizeof(line), "start %" PRIu64 " b@h.1.0.1 5 8 %" PRId64, 21 * MS, given);
    assert_true(book_node_line(book, 1, 1, line));
}

/* a's process had given its state, and its successor on b has token 8. */
static void call_what_has_moved(uint64_t answered_token)
{
    hand_over(0, 0);
    carried_out(1, 1, 1, 1);
    called_token = answered_token;
    called(0, 1, 1, 1, 40, 60);
    called_token = 7;
}

static void a_successor_may_answer(void **state)
{
    (void)state;
    call_what_has_moved(8);
    assert_faults(0);
}

static void a_successor_answers_under_its_own_token(void **state)
{
    (void)state;
    call_what_has_moved(7);
    assert_faults(2); /* another process, another token */
}

/* b's process did what a's was asked for, which lives. */
static void another_process_may_not_answer(void **state)
{
    (void)state;
    book_reach(book, cut, 5 * MS);
    started(0, 10, 1, 7);
    started(1, 20, 1, 8);
    carried_out(1, 1, 1, 1);
    called(0, 1, 1, 1, 40, 60);
    assert_faults(2);
}

static void a_deed_done_twice_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    carried_out(0, 1, 1, 1);
    carried_out(0, 1, 1, 2);
    called(0, 1, 1, 2, 40, 60);
    assert_faults(2); /* twice, and not as the one that was answered */
}

static void a_count_that_leaps_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    carried_out(0, 1, 1, 2);
    assert_faults(1);
}

static void another_token_than_the_processs_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 8); /* called() has 7 */
    carried_out(0, 1, 1, 1);
    called(0, 1, 1, 1, 40, 60);
    assert_faults(1);
}

static void who_has_given_its_state_has_ended(void **state)
{
    (void)state;
    hand_over(3, 3);
    ended(0, 30, 1);
    assert_faults(0);
}

static void a_state_that_gets_lost_is_a_fault(void **state)
{
    (void)state;
    hand_over(3, 0);
    assert_faults(1);
}

static void a_state_that_is_older_is_a_fault(void **state)
{
    (void)state;
    hand_over(3, 2);
    assert_faults(1);
}

static void who_has_given_its_state_must_rest(void **state)
{
    (void)state;
    hand_over(3, 3);
    carried_out(0, 1, 4, 4);
    assert_faults(2); /* and has done more than was handed over */
}

static void who_keeps_its_state_goes_on(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    assert_true(book_node_line(book, 0, 1, "gave 20000000 a@h.1.0.1"));
    assert_true(book_is_single(book));
    assert_true(book_node_line(book, 0, 1, "kept 30000000 a@h.1.0.1"));
    carried_out(0, 1, 1, 1);
    assert_faults(0);
    started(1, 31, 1, 8);
    assert_faults(1);
}

static void a_call_beyond_its_time_is_a_fault(void **state)
{
    (void)state;
    started(0, 10, 1, 7);
    carried_out(0, 1, 1, 1);
    called(0, 1, 1, 1, 40, 40 + DEADLINE_MS + 3001);
    assert_faults(1);
}

/* b was stopped from 20 to 5000; meanwhile a started the key. */
static void stop_b(uint64_t replaced_ms)
{
    static const uint32_t without_b[BOOK_NODES_MAX] = {5, 0, 5};

    started(1, 10, 1, 7);
    book_reach(book, without_b, 20 * MS);
    started(0, replaced_ms, 1, 8);
    book_resumed(book, 1, 20 * MS, 5000 * MS);
    book_reach(book, all, 5000 * MS);
    carried_out(1, 1, 1, 1);
    called(1, 1, 1, 1, 4999, 5001);
    ended(1, 5100, 1);
    book_settled(book, 5200 * MS);
}

static void an_answer_with_what_was_replaced_is_a_fault(void **state)
{
    (void)state;
    stop_b(4000);
    assert_faults(1);
}

static void an_answer_with_what_was_not_yet_replaced_is_well(void **state)
{
    (void)state;
    stop_b(5001);
    assert_faults(0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_book, close_book)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_after_the_other_is_well),
        CASE(two_at_once_are_a_fault),
        CASE(two_on_one_node_are_a_fault_even_when_it_is_alone),
        CASE(reports_that_come_late_are_judged_by_their_time),
        CASE(each_side_of_a_cut_may_have_one),
        CASE(the_second_may_not_come_before_the_cut),
        CASE(the_second_may_not_stay_when_all_is_settled),
        CASE(a_cut_excuses_only_who_is_cut_off),
        CASE(who_reaches_not_the_same_is_excused),
        CASE(a_cut_of_one_way_is_a_cut),
        CASE(a_killed_nodes_processes_end_with_it),
        CASE(originals_are_counted),
        CASE(a_stall_excuses),
        CASE(beats_excuse_nobody),
        CASE(a_token_that_comes_again_is_a_fault),
        CASE(tokens_of_strangers_need_not_grow),
        CASE(originals_carry_no_tokens_on),
        CASE(tokens_grow_over_who_stayed),
        CASE(what_was_answered_was_done),
        CASE(an_answer_without_the_deed_is_a_fault),
        CASE(a_deed_of_long_ago_changes_nothing),
        CASE(a_successor_may_answer),
        CASE(a_successor_answers_under_its_own_token),
        CASE(another_process_may_not_answer),
        CASE(a_deed_done_twice_is_a_fault),
        CASE(a_count_that_leaps_is_a_fault),
        CASE(another_token_than_the_processs_is_a_fault),
        CASE(who_has_given_its_state_has_ended),
        CASE(a_state_that_gets_lost_is_a_fault),
        CASE(a_state_that_is_older_is_a_fault),
        CASE(who_has_given_its_state_must_rest),
        CASE(who_keeps_its_state_goes_on),
        CASE(a_call_beyond_its_time_is_a_fault),
        CASE(an_answer_with_what_was_replaced_is_a_fault),
        CASE(an_answer_with_what_was_not_yet_replaced_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
