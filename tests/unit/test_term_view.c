/* nprocreg/term.h: taking terms apart. */
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/parse.h"
#include "term/read.h"
#include "term/write.h"

/* A term read from text, with its memory. */
struct sample {
    struct npri_buffer room;
    struct npr_term term;
};

static struct sample sample_of(const char *text)
{
    struct sample sample = {.room = {.data = NULL}};
    struct npr_error err = {.status = NPR_OK};

    if (npri_term_parse(npr_bytes_of(text), &sample.room, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    sample.term = (struct npr_term){.data = sample.room.data, .size = sample.room.size};
    return sample;
}

static void check_kind(const char *text, enum npr_term_kind kind)
{
    struct sample sample = sample_of(text);

    assert_int_equal(npr_term_kind(sample.term), kind);
    npri_buffer_fini(&sample.room);
}

/* Catches a tag that is taken for another kind. */
static void every_tag_has_its_kind(void **state)
{
    (void)state;
    assert_int_equal(npr_term_kind((struct npr_term){.data = NULL}), NPR_TERM_NONE);
    check_kind("7", NPR_TERM_INTEGER);
    check_kind("-7", NPR_TERM_INTEGER);
    check_kind("16#ffffffffffff", NPR_TERM_INTEGER);
    check_kind("1.5", NPR_TERM_FLOAT);
    check_kind("a", NPR_TERM_ATOM);
    check_kind("#Ref<a@h.1.2.3>", NPR_TERM_REF);
    check_kind("fun a:b/1", NPR_TERM_FUN);
    check_kind("#Port<a@h.1>", NPR_TERM_PORT);
    check_kind("#Port<a@h.268435456>", NPR_TERM_PORT);
    check_kind("<a@h.1.2>", NPR_TERM_PID);
    check_kind("{}", NPR_TERM_TUPLE);
    check_kind("#{}", NPR_TERM_MAP);
    check_kind("[]", NPR_TERM_NIL);
    check_kind("[1]", NPR_TERM_LIST);
    check_kind("[a|b]", NPR_TERM_LIST);
    check_kind("<<>>", NPR_TERM_BINARY);
    check_kind("<<1:1>>", NPR_TERM_BITSTRING);
}

static void check_int64(const char *text, bool fits, int64_t expected)
{
    struct sample sample = sample_of(text);
    int64_t value = 77;

    assert_int_equal(npr_term_get_int64(sample.term, &value), fits);
    assert_true(value == (fits ? expected : 77));
    npri_buffer_fini(&sample.room);
}

static void check_uint64(const char *text, bool fits, uint64_t expected)
{
    struct sample sample = sample_of(text);
    uint64_t value = 77;

    assert_int_equal(npr_term_get_uint64(sample.term, &value), fits);
    assert_true(value == (fits ? expected : 77));
    npri_buffer_fini(&sample.room);
}

/* Both sides of each boundary; what does not fit must leave the out parameter alone. */
static void integers_fit_or_are_refused(void **state)
{
    (void)state;
    check_int64("0", true, 0);
    check_int64("255", true, 255);
    check_int64("256", true, 256);
    check_int64("-1", true, -1);
    check_int64("-2147483648", true, INT32_MIN);
    check_int64("2147483648", true, INT64_C(2147483648));
    check_int64("9223372036854775807", true, INT64_MAX);
    check_int64("9223372036854775808", false, 0);
    check_int64("-9223372036854775808", true, INT64_MIN);
    check_int64("-9223372036854775809", false, 0);
    check_int64("1.0", false, 0);
    check_int64("a", false, 0);
    check_uint64("18446744073709551615", true, UINT64_MAX);
    check_uint64("18446744073709551616", false, 0);
    check_uint64("-1", false, 0);
    check_uint64("0", true, 0);
}

/* The elements of a list look the same to a walker whether they were packed as bytes or not. */
static void walks_give_elements_and_tail(void **state)
{
    const struct {
        const char *text;
        int64_t sum;
        const char *tail;
    } cases[] = {{"[]", 0, "[]"},
                 {"[1,2,255]", 258, "[]"},
                 {"[1,2,256]", 259, "[]"},
                 {"[1,2|x]", 3, "x"},
                 {"[1|[2|[3]]]", 6, "[]"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sample list = sample_of(cases[i].text);
        struct sample tail = sample_of(cases[i].tail);
        struct npr_term_walk walk;
        struct npr_term element;
        int64_t sum = 0;
        int64_t value;

        assert_true(npr_term_list(list.term, &walk));
        while (npr_term_next(&walk, &element)) {
            assert_true(npr_term_get_int64(element, &value));
            sum += value;
        }
        assert_int_equal(sum, cases[i].sum);
        assert_true(npr_term_tail(&walk, &element));
        assert_true(npr_term_equal(element, tail.term));
        npri_buffer_fini(&list.room);
        npri_buffer_fini(&tail.room);
    }
}

static void the_tail_comes_only_at_the_end(void **state)
{
    struct sample list = sample_of("[1,2]");
    struct sample tuple = sample_of("{1}");
    struct npr_term_walk walk;
    struct npr_term element;
    uint32_t arity;

    (void)state;
    assert_true(npr_term_list(list.term, &walk));
    assert_false(npr_term_tail(&walk, &element));
    assert_true(npr_term_tuple(tuple.term, &walk, &arity));
    assert_true(npr_term_next(&walk, &element));
    assert_false(npr_term_next(&walk, &element));
    assert_false(npr_term_tail(&walk, &element));
    assert_false(npr_term_list(tuple.term, &walk));
    assert_false(npr_term_tuple(list.term, &walk, &arity));
    npri_buffer_fini(&list.room);
    npri_buffer_fini(&tuple.room);
}

static void tuples_come_apart_at_their_own_arity(void **state)
{
    struct sample tuple = sample_of("{a,[b,{c}],#{d => e}}");
    struct npr_term parts[3] = {{.data = NULL}, {.data = NULL}, {.data = NULL}};
    struct npr_term value;

    (void)state;
    assert_false(npr_term_get_tuple(tuple.term, 2, parts));
    assert_null(parts[0].data);
    assert_true(npr_term_get_tuple(tuple.term, 3, parts));
    assert_true(npr_term_is_atom(parts[0], "a"));
    assert_false(npr_term_is_atom(parts[0], "aa"));
    assert_int_equal(npr_term_kind(parts[1]), NPR_TERM_LIST);
    assert_true(npr_term_map_get(parts[2], "d", &value));
    assert_true(npr_term_is_atom(value, "e"));
    assert_false(npr_term_map_get(parts[2], "e", &value));
    assert_false(npr_term_map_get(parts[1], "d", &value));
    npri_buffer_fini(&tuple.room);
}

static void pids_refs_and_exports_come_out_whole(void **state)
{
    struct sample sample = sample_of("{<a@127.0.0.1.85.3>,#Ref<b@h.30.20.10>,fun m:f/2}");
    struct npr_term parts[3];
    struct npr_bytes module;
    struct npr_bytes function;
    struct npr_pid pid;
    struct npr_ref ref;
    uint32_t arity;

    (void)state;
    assert_true(npr_term_get_tuple(sample.term, 3, parts));
    assert_true(npr_term_get_pid(parts[0], &pid));
    assert_int_equal(pid.node.size, 11);
    assert_memory_equal(pid.node.text, "a@127.0.0.1", 11);
    assert_int_equal(pid.id, 85);
    assert_int_equal(pid.serial, 3);
    assert_int_equal(pid.creation, 0);
    assert_true(npr_term_get_ref(parts[1], &ref));
    assert_int_equal(ref.words_count, 3);
    assert_int_equal(ref.words[0], 10);
    assert_int_equal(ref.words[2], 30);
    assert_true(npr_term_get_export(parts[2], &module, &function, &arity));
    CHECK_BYTES_EQUAL(module, npr_bytes_of("m"));
    CHECK_BYTES_EQUAL(function, npr_bytes_of("f"));
    assert_int_equal(arity, 2);
    assert_false(npr_term_get_pid(parts[1], &pid));
    assert_false(npr_term_get_ref(parts[0], &ref));
    assert_false(npr_term_get_export(parts[0], &module, &function, &arity));
    npri_buffer_fini(&sample.room);
}

/* An atom of 255 characters may have 1,020 bytes; struct npr_node_name has room for 255.  Catches a
 * name that is cut, and so taken for another node's. */
static void a_node_name_that_does_not_fit_is_not_cut(void **state)
{
    struct npri_buffer bytes = {.data = NULL};
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term term;
    struct npr_pid pid;
    size_t used;

    (void)state;
    npri_put_u8(&bytes, 88);
    npri_put_u8(&bytes, 118);
    npri_put_u16(&bytes, 256);
    for (unsigned i = 0; i < 128; i++) {
        npri_put_u8(&bytes, 0xce);
        npri_put_u8(&bytes, 0xbb);
    }
    npri_put_u64(&bytes, 1);
    npri_put_u32(&bytes, 1);
    assert_int_equal(npri_term_read(npri_buffer_bytes(&bytes), &scratch, &term, &used, NULL),
                     NPR_OK);
    assert_int_equal(npr_term_kind(term), NPR_TERM_PID);
    assert_false(npr_term_get_pid(term, &pid));
    npri_buffer_fini(&bytes);
    npri_buffer_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_tag_has_its_kind),
        cmocka_unit_test(integers_fit_or_are_refused),
        cmocka_unit_test(walks_give_elements_and_tail),
        cmocka_unit_test(the_tail_comes_only_at_the_end),
        cmocka_unit_test(tuples_come_apart_at_their_own_arity),
        cmocka_unit_test(pids_refs_and_exports_come_out_whole),
        cmocka_unit_test(a_node_name_that_does_not_fit_is_not_cut),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
