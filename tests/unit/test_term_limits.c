/* What a peer or a user cannot make the reader do: take memory for what is only announced, recurse
 * without end, or compare for ever.  And what happens when memory runs out. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "support/check.h"
#include "term/parse.h"
#include "term/read.h"
#include "term/write.h"

static npr_status read_status(const struct npri_buffer *bytes)
{
    struct npri_buffer scratch = {.data = NULL};
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term;
    size_t used;
    npr_status status = npri_term_read(npri_buffer_bytes(bytes), &scratch, &term, &used, &err);

    npri_buffer_fini(&scratch);
    return status;
}

/* `levels` of `head` around []. */
static npr_status nested_status(const uint8_t *head, size_t head_size, unsigned levels, bool tail)
{
    struct npri_buffer bytes = {.data = NULL};
    npr_status status;

    for (unsigned i = 0; i < levels; i++) {
        npri_put_bytes(&bytes, npri_bytes(head, head_size));
    }
    npri_put_nil(&bytes);
    for (unsigned i = 0; i < levels && tail; i++) {
        npri_put_nil(&bytes);
    }
    status = read_status(&bytes);
    npri_buffer_fini(&bytes);
    return status;
}

/* Both sides of the boundary, for each kind of container.  A list in the tail of a list is no
 * depth: it may go on as long as the bytes do. */
static void depth_is_bounded(void **state)
{
    const uint8_t tuple[] = {104, 1};
    const uint8_t list[] = {108, 0, 0, 0, 1};
    const uint8_t map_value[] = {116, 0, 0, 0, 1, 106};
    const uint8_t continued[] = {108, 0, 0, 0, 1, 106};

    (void)state;
    assert_int_equal(nested_status(tuple, 2, NPRI_TERM_DEPTH_MAX - 1, false), NPR_OK);
    assert_int_equal(nested_status(tuple, 2, NPRI_TERM_DEPTH_MAX, false), NPR_EFULL);
    assert_int_equal(nested_status(list, 5, NPRI_TERM_DEPTH_MAX - 1, true), NPR_OK);
    assert_int_equal(nested_status(list, 5, NPRI_TERM_DEPTH_MAX, true), NPR_EFULL);
    assert_int_equal(nested_status(map_value, 6, NPRI_TERM_DEPTH_MAX - 1, false), NPR_OK);
    assert_int_equal(nested_status(map_value, 6, NPRI_TERM_DEPTH_MAX, false), NPR_EFULL);
    assert_int_equal(nested_status(tuple, 2, 1000000, false), NPR_EFULL);
    assert_int_equal(nested_status(continued, 6, 1000000, false), NPR_OK);
}

static void depth_of_text_is_bounded(void **state)
{
    static const char *const heads[] = {"[", "{", "#{a=>", "(", "<<(", "[a|"};
    char *text = malloc(6 * 100000 + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct npri_buffer out = {.data = NULL};
        const size_t size = strlen(heads[i]);

        for (size_t at = 0; at < 100000; at++) {
            memcpy(text + at * size, heads[i], size);
        }
        text[100000 * size] = '\0';
        assert_int_equal(npri_term_parse(npr_bytes_of(text), &out, NULL), NPR_EFULL);
        npri_buffer_fini(&out);
    }
    free(text);
}

/* The count says four thousand million.  Were anything allocated for it, the failing allocator
 * would turn the syntax error into NPR_ENOMEM. */
static void announced_counts_cost_nothing(void **state)
{
    static const uint8_t tags[] = {105, 108, 109, 111, 116, 77};

    (void)state;
    for (size_t i = 0; i < sizeof(tags); i++) {
        const uint8_t bytes[] = {131, tags[i], 255, 255, 255, 255, 1, 97, 1, 106};
        struct npri_buffer scratch = {.data = NULL};
        struct npr_term term;
        size_t used;

        npri_alloc_fail_after(1);
        assert_int_equal(npri_term_read_versioned(npri_bytes(bytes, sizeof(bytes)), &scratch, &term,
                                                  &used, NULL),
                         NPR_ESYNTAX);
        npri_alloc_fail_after(0);
        npri_buffer_fini(&scratch);
    }
}

/* Two bytes that claim to be more: refused for the size they state, or when the data ends. */
static void compressed_terms_are_bounded(void **state)
{
    /* zlib's own stream of <<97,1>>, with stated sizes that are wrong. */
    const uint8_t body[] = {0x78, 0xda, 0x4b, 0x64, 0x04, 0x00, 0x00, 0xc5, 0x00, 0x63};
    static const struct {
        uint32_t size;
        npr_status status;
    } cases[] = {{2, NPR_OK},
                 {1, NPR_ESYNTAX},
                 {3, NPR_ESYNTAX},
                 {NPRI_TERM_BYTES_MAX, NPR_ESYNTAX},
                 {NPRI_TERM_BYTES_MAX + 1, NPR_EFULL},
                 {UINT32_MAX, NPR_EFULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct npri_buffer bytes = {.data = NULL};
        struct npri_buffer scratch = {.data = NULL};
        struct npr_term term;
        size_t used;

        npri_put_u8(&bytes, 131);
        npri_put_u8(&bytes, 80);
        npri_put_u32(&bytes, cases[i].size);
        npri_put_bytes(&bytes, npri_bytes(body, sizeof(body)));
        assert_int_equal(
            npri_term_read_versioned(npri_buffer_bytes(&bytes), &scratch, &term, &used, NULL),
            cases[i].status);
        npri_buffer_fini(&bytes);
        npri_buffer_fini(&scratch);
    }
}

/* A map whose keys are maps whose keys are maps...: two unsorted keys at each of `levels` levels,
 * nearly equal.  Comparing without an order of keys takes 4^levels steps; the test would not end.
 */
static void put_hostile_key(struct npri_buffer *out, unsigned levels, uint8_t leaf)
{
    if (levels == 0) {
        npri_put_int(out, leaf);
        return;
    }
    npri_put_map(out, 2);
    put_hostile_key(out, levels - 1, 2);
    npri_put_nil(out);
    put_hostile_key(out, levels - 1, 1);
    npri_put_int(out, leaf);
}

static void keys_of_nested_maps_do_not_cost_exponential_time(void **state)
{
    struct npri_buffer bytes = {.data = NULL};

    (void)state;
    put_hostile_key(&bytes, 15, 1);
    assert_int_equal(read_status(&bytes), NPR_OK);
    npri_buffer_fini(&bytes);
}

/* 200,000 keys, downwards and then with one twice. */
static void large_maps_are_sorted_and_searched_for_doubles(void **state)
{
    struct npri_buffer bytes = {.data = NULL};
    struct npri_buffer scratch = {.data = NULL};
    const uint32_t count = 200000;
    struct npr_term term;
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    uint32_t pairs;
    size_t used;

    (void)state;
    npri_put_map(&bytes, count);
    for (uint32_t i = count; i > 0; i--) {
        npri_put_uint(&bytes, 1000 + i);
        npri_put_uint(&bytes, i);
    }
    assert_int_equal(npri_term_read(npri_buffer_bytes(&bytes), &scratch, &term, &used, NULL),
                     NPR_OK);
    assert_true(npr_term_map(term, &walk, &pairs));
    for (uint32_t i = 1; i <= count; i++) {
        uint64_t number = 0;

        assert_true(npr_term_next(&walk, &key) && npr_term_next(&walk, &value));
        assert_true(npr_term_get_uint64(key, &number) && number == 1000 + i);
        assert_true(npr_term_get_uint64(value, &number) && number == i);
    }
    assert_false(npri_term_is_placeable(term));
    npri_buffer_patch_u32(&bytes, bytes.size - 10 + 1, 1000 + count); /* the last key, 1001 */
    assert_int_equal(read_status(&bytes), NPR_ESYNTAX);
    npri_buffer_fini(&bytes);
    npri_buffer_fini(&scratch);
}

/* Everything that takes memory, on terms that need all of it. */
static npr_status use_everything(void)
{
    static const char text[] =
        "[#{b => 16#ffffffffffffffffffff,a => 123456789012345678901234567890,"
        "#{z => 1,y => 2} => x},<<1:3,\"abc\"/utf16>>,\"string\\x{3bb}\","
        "<a@h.1.2>,#Ref<a@h.1.2.3>,fun a:b/1,'quoted atom',1.5]";
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;
    uint8_t *encoded = NULL;
    char *printed = NULL;
    size_t size = 0;
    npr_status status = NPR_ENOMEM;

    if (builder == NULL) {
        return NPR_ENOMEM;
    }
    npr_build_tuple(builder, 2);
    status = npr_term_parse(npr_bytes_of(text), builder, NULL);
    if (status == NPR_OK) {
        npr_build_map(builder, 2);
        npr_build_int(builder, 2);
        npr_build_nil(builder);
        npr_build_int(builder, 1);
        npr_build_nil(builder);
        status = npr_builder_finish(builder, &term, NULL);
    }
    if (status == NPR_OK) {
        status = npr_term_encode(term, NPR_OTP_25, &encoded, &size);
    }
    if (status == NPR_OK) {
        printed = npr_term_print(term);
        status = printed == NULL ? NPR_ENOMEM : NPR_OK;
    }
    if (status == NPR_OK) {
        npr_builder_reset(builder);
        status = npr_term_decode(npri_bytes(encoded, size), builder, NULL);
    }
    npri_free(printed);
    npri_free(encoded);
    npr_builder_destroy(builder);
    return status;
}

static npr_status read_compressed_unsorted(void)
{
    /* #{2 => a,1 => a}, in this order, deflated. */
    static const uint8_t bytes[] = {131, 80, 0,   0,  0,  15,  120, 156, 43, 97, 96,  96, 96, 74,
                                    100, 42, 103, 76, 76, 100, 4,   18,  0,  20, 131, 2,  238};
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term term;
    size_t used;
    npr_status status =
        npri_term_read_versioned(npri_bytes(bytes, sizeof(bytes)), &scratch, &term, &used, NULL);

    npri_buffer_fini(&scratch);
    return status;
}

/* The n-th allocation fails, for every n until none does.  Nothing else may come of it than
 * NPR_ENOMEM; the sanitizers see leaks. */
static void sweep(npr_status (*operation)(void), unsigned allocations_min)
{
    for (unsigned n = 1;; n++) {
        npr_status status;

        npri_alloc_fail_after(n);
        status = operation();
        npri_alloc_fail_after(0);
        if (status == NPR_OK) {
            assert_true(n > allocations_min);
            return;
        }
        assert_int_equal(status, NPR_ENOMEM);
        assert_true(n < 10000);
    }
}

static void running_out_of_memory_is_reported(void **state)
{
    (void)state;
    assert_int_equal(use_everything(), NPR_OK);
    sweep(use_everything, 10);
    assert_int_equal(read_compressed_unsorted(), NPR_OK);
    sweep(read_compressed_unsorted, 4);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(depth_of_text_is_bounded),
        cmocka_unit_test(announced_counts_cost_nothing),
        cmocka_unit_test(compressed_terms_are_bounded),
        cmocka_unit_test(keys_of_nested_maps_do_not_cost_exponential_time),
        cmocka_unit_test(large_maps_are_sorted_and_searched_for_doubles),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
