/* Erlang's order of terms.  The lists below are in the order that erl 25 sorts them into. */
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/parse.h"
#include "term/scan.h"

#define TERMS_MAX 64

/* More than any double. */
#define ZEROS_64    "0000000000000000000000000000000000000000000000000000000000000000"
#define TWO_TO_1028 "16#10" ZEROS_64 ZEROS_64 ZEROS_64 ZEROS_64

/* Reads `count` texts; the terms live in `rooms`. */
static void read_all(const char *const *texts,
                     size_t count,
                     struct npri_buffer *rooms,
                     struct npr_term *terms)
{
    for (size_t i = 0; i < count; i++) {
        struct npr_error err = {.status = NPR_OK};

        rooms[i] = (struct npri_buffer){.data = NULL};
        if (npri_term_parse(npr_bytes_of(texts[i]), &rooms[i], &err) != NPR_OK) {
            fail_msg("%s: %s", texts[i], err.text);
        }
        terms[i] = (struct npr_term){.data = rooms[i].data, .size = rooms[i].size};
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* Compares each with each, both ways. */
static void check_ascending(const char *const *texts, size_t count)
{
    struct npri_buffer rooms[TERMS_MAX];
    struct npr_term terms[TERMS_MAX];

    assert_true(count <= TERMS_MAX);
    read_all(texts, count, rooms, terms);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            const int expected = (i > j) - (i < j);

            if (sign(npr_term_compare(terms[i], terms[j])) != expected) {
                fail_msg("%s against %s: not %d", texts[i], texts[j], expected);
            }
            assert_int_equal(npr_term_equal(terms[i], terms[j]), i == j);
            assert_int_equal(npr_term_hash(terms[i]) == npr_term_hash(terms[j]), i == j);
        }
    }
    for (size_t i = 0; i < count; i++) {
        npri_buffer_fini(&rooms[i]);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void kinds_are_ordered_as_in_erlang(void **state)
{
    static const char *const texts[] = {"-1.0e300",
                                        "-16#ffffffffffffffffff",
                                        "-1",
                                        "0",
                                        "0.5",
                                        "1",
                                        "1.5",
                                        "2",
                                        "256",
                                        "1.0e300",
                                        "''",
                                        "a",
                                        "aa",
                                        "b",
                                        "'\\x{3bb}'",
                                        "#Ref<a@h.1.1.1>",
                                        "#Ref<a@h.2.1.1>",
                                        "#Ref<b@h.1.1.1>",
                                        "fun a:b/1",
                                        "fun a:b/2",
                                        "fun b:a/0",
                                        "#Port<a@h.1>",
                                        "#Port<a@h.268435456>",
                                        "#Port<b@h.1>",
                                        "<a@h.2.1>",
                                        "<a@h.3.1>",
                                        "<b@h.3.1>",
                                        "<a@h.1.2>",
                                        "{}",
                                        "{z}",
                                        "{1,2}",
                                        "{1,3}",
                                        "#{}",
                                        "#{a => 1}",
                                        "#{a => 2}",
                                        "#{b => 1}",
                                        "#{a => 1,b => 1}",
                                        "[]",
                                        "[1|2]",
                                        "[1]",
                                        "[1,1]",
                                        "[1,2]",
                                        "[a|b]",
                                        "[a]",
                                        "[[]]",
                                        "<<>>",
                                        "<<0>>",
                                        "<<1,2>>",
                                        "<<1:7>>",
                                        "<<2:2>>",
                                        "<<255>>"};

    (void)state;
    check_ascending(texts, COUNT_OF(texts));
}

/* [1|2]: against [1,1] the tail 2 meets a list.  Catches a comparison that stops at the shorter. */
static void lists_compare_by_tail_not_by_length(void **state)
{
    static const char *const texts[] = {"[1|a]", "[1|{}]", "[1]",      "[1,0|z]",
                                        "[1,0]", "[1,a]",  "[1|<<>>]", "[2]"};

    (void)state;
    check_ascending(texts, COUNT_OF(texts));
}

/* Doubles have 53 bits: 2^53 + 1 is none.  Catches a comparison by converting the integer. */
static void big_integers_compare_exactly_with_floats(void **state)
{
    static const char *const texts[] = {"-9007199254740993",
                                        "-9007199254740992.0",
                                        "-9007199254740991",
                                        "-0.5",
                                        "0",
                                        "1.0e-300",
                                        "4503599627370495.5",
                                        "4503599627370496",
                                        "9007199254740991",
                                        "9007199254740992.0",
                                        "9007199254740993",
                                        "18446744073709551615",
                                        "18446744073709551616.0",
                                        "18446744073709551617",
                                        "1.7976931348623157e308",
                                        TWO_TO_1028};

    (void)state;
    check_ascending(texts, COUNT_OF(texts));
}

static void check_pair(const char *a, const char *b, int order, int key_order)
{
    const char *const texts[] = {a, b};
    struct npri_buffer rooms[2];
    struct npr_term terms[2];

    read_all(texts, 2, rooms, terms);
    assert_int_equal(sign(npr_term_compare(terms[0], terms[1])), order);
    assert_int_equal(sign(npri_term_compare_keys(terms[0].data, terms[1].data)), key_order);
    assert_int_equal(npr_term_equal(terms[0], terms[1]), key_order == 0);
    npri_buffer_fini(&rooms[0]);
    npri_buffer_fini(&rooms[1]);
}

/* 1 == 1.0, but they are two keys of a map, all integers before all floats.  Keys of maps that are
 * compared count as keys, their values do not. */
static void keys_tell_integers_from_floats(void **state)
{
    (void)state;
    check_pair("1", "1.0", 0, -1);
    check_pair("2", "1.0", 1, -1);
    check_pair("{2}", "{1.0}", 1, -1);
    check_pair("[1,2]", "[1,2.0]", 0, -1);
    check_pair("#{1 => a}", "#{1.0 => a}", -1, -1);
    check_pair("#{a => 1}", "#{a => 1.0}", 0, -1);
    check_pair("0.0", "-0.0", 0, 1);
    check_pair("16#10000000000000000", "18446744073709551616.0", 0, -1);
}

/* Keys count before values, also where a value before them differs (at any depth inside it). */
static void later_keys_count_before_earlier_values(void **state)
{
    (void)state;
    check_pair("#{a => 2,b => 1}", "#{a => 1,c => 1}", -1, -1);
    check_pair("#{a => {1,[2,3|x],9},b => 1}", "#{a => {1,[1],8},c => 1}", -1, -1);
    check_pair("#{a => [1,2,3],b => 1}", "#{a => [0],c => 1}", -1, -1);
    check_pair("#{a => \"abc\",b => 1}", "#{a => [97,a],c => 1}", -1, -1);
    check_pair("#{a => #{x => 2,y => 2},b => 1}", "#{a => #{x => 1,z => 2},c => 1}", -1, -1);
    check_pair("#{a => {1,2},b => 1}", "#{a => {1},c => 1}", -1, -1);
    check_pair("#{a => #{},b => 1}", "#{a => #{x => 1},c => 1}", -1, -1);
    check_pair("#{a => z,b => 1}", "#{a => {1,2},c => 1}", -1, -1);
    check_pair("#{a => 2,b => 1}", "#{a => 1,b => 2}", 1, 1);
    check_pair("[#{a => 2,b => 1}|1]", "[#{a => 2,b => 1}|2]", -1, -1);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(kinds_are_ordered_as_in_erlang),
        cmocka_unit_test(lists_compare_by_tail_not_by_length),
        cmocka_unit_test(big_integers_compare_exactly_with_floats),
        cmocka_unit_test(keys_tell_integers_from_floats),
        cmocka_unit_test(later_keys_count_before_earlier_values),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
