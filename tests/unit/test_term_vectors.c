/* The external term format against OTP 25's own bytes: every line of tests/data, both directions
 * and both manners of writing atoms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/vectors.h"
#include "term/parse.h"
#include "term/read.h"
#include "term/write.h"

#define TEXTS_COUNT 330 /* lines whose text is a literal */

/* Reads `hex` whole and returns the term; it lives in `scratch` or `bytes`. */
static struct npr_term read_hex(const char *hex, uint8_t *bytes, struct npri_buffer *scratch)
{
    const size_t size = check_unhex(hex, bytes, VECTOR_BYTES_MAX);
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term = {.data = NULL};
    size_t used = 0;

    npri_buffer_init(scratch, 0);
    if (npri_term_read_versioned(npri_bytes(bytes, size), scratch, &term, &used, &err) != NPR_OK) {
        fail_msg("%s: %s", hex, err.text);
    }
    assert_int_equal(used, size);
    return term;
}

static void check_written(struct npr_term term, enum npr_otp otp, const char *hex)
{
    static uint8_t expected[VECTOR_BYTES_MAX];
    struct npri_buffer written;

    npri_buffer_init(&written, 0);
    npri_term_write(term, otp, &written);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&written),
                      npri_bytes(expected, check_unhex(hex, expected, sizeof(expected))));
    npri_buffer_fini(&written);
}

/* Maps of more than 32 pairs are written in term order; OTP's order depends on the VM's hash seed
 * and layout, so those three lines are only read. */
static void check_line(char **fields)
{
    static uint8_t bytes[2][VECTOR_BYTES_MAX];
    const char *hex_26 = strcmp(fields[4], "=") == 0 ? fields[2] : fields[4];
    struct npri_buffer scratch[2];
    const struct npr_term a = read_hex(fields[2], bytes[0], &scratch[0]);
    const struct npr_term b = read_hex(hex_26, bytes[1], &scratch[1]);

    if (strcmp(fields[0], "bigmap") == 0) {
        assert_false(npri_term_is_placeable(a));
    } else {
        check_written(a, NPR_OTP_25, fields[2]);
        check_written(a, NPR_OTP_26, hex_26);
        assert_true(npri_term_is_placeable(a));
    }
    assert_true(npr_term_equal(a, b));
    assert_int_equal(npr_term_compare(a, b), 0);
    assert_int_equal(npr_term_hash(a), npr_term_hash(b));
    npri_buffer_fini(&scratch[0]);
    npri_buffer_fini(&scratch[1]);
}

/* Catches any byte that differs from OTP 25's term_to_binary in either manner: keys would be placed
 * on other nodes than the Erlang nodes place them. */
static void every_vector_is_read_and_written_back(void **state)
{
    (void)state;
    assert_int_equal(vectors_each("etf-terms.tsv", 5, check_line), 403);
}

static void check_placement_line(char **fields)
{
    static uint8_t bytes[VECTOR_BYTES_MAX];
    struct npri_buffer scratch;
    const struct npr_term key = read_hex(fields[1], bytes, &scratch);

    check_written(key, NPR_OTP_25, fields[1]);
    npri_buffer_fini(&scratch);
}

static void every_placed_key_is_written_back(void **state)
{
    (void)state;
    assert_int_equal(vectors_each("placement.tsv", 2, check_placement_line), 452);
}

static unsigned texts_read;

/* Expressions rather than literals. */
static bool is_expression(const char *text)
{
    return strstr(text, " bsl ") != NULL || strstr(text, "(lists:") != NULL ||
           strstr(text, "lists:foldl(") != NULL || strstr(text, "lists:seq(") != NULL ||
           strstr(text, "lists:duplicate(") != NULL || strstr(text, "maps:from_list(") != NULL ||
           strstr(text, "binary_to_term(") != NULL || strstr(text, "binary:") != NULL ||
           strstr(text, "vec:fun0(") != NULL || strstr(text, "||") != NULL;
}

/* Reads `text` and checks that it is `expected`. */
static void check_text(const char *text, struct npr_term expected)
{
    struct npr_error err = {.status = NPR_OK};
    struct npri_buffer parsed;

    npri_buffer_init(&parsed, 0);
    if (npri_term_parse(npr_bytes_of(text), &parsed, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&parsed), npri_bytes(expected.data, expected.size));
    npri_buffer_fini(&parsed);
}

/* The text of the vector, and what we print of the term, are both read back as the term.  Pids and
 * the like lose their creation in print, and closures cannot be read back. */
static void check_text_line(char **fields)
{
    static uint8_t bytes[VECTOR_BYTES_MAX];
    struct npri_buffer scratch;
    const struct npr_term term = read_hex(fields[2], bytes, &scratch);
    char *printed = npr_term_print(term);

    assert_non_null(printed);
    if (!is_expression(fields[1])) {
        check_text(fields[1], term);
        texts_read++;
    }
    if (strcmp(fields[0], "extern") != 0 && strcmp(fields[0], "closure") != 0) {
        check_text(printed, term);
    }
    free(printed);
    npri_buffer_fini(&scratch);
}

/* Catches a printer or parser that disagrees with the Erlang shell's syntax. */
static void every_literal_is_read_and_printed(void **state)
{
    (void)state;
    assert_int_equal(vectors_each("etf-terms.tsv", 5, check_text_line), 403);
    assert_int_equal(texts_read, TEXTS_COUNT);
}

static void put_long_list(struct npri_buffer *out, uint32_t count, bool with_atom)
{
    npri_put_list(out, count);
    for (uint32_t i = 0; i < count; i++) {
        if (with_atom && i + 1 == count) {
            npri_put_atom(out, "end");
        } else {
            npri_put_int(out, i % 256);
        }
    }
    npri_put_nil(out);
}

/* What is in normal form is read without a copy. */
static void check_is_view(const struct npri_buffer *normal)
{
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term term;
    size_t used;

    assert_int_equal(npri_term_read(npri_buffer_bytes(normal), &scratch, &term, &used, NULL),
                     NPR_OK);
    assert_ptr_equal(term.data, normal->data);
    assert_int_equal(used, normal->size);
    npri_buffer_fini(&scratch);
}

/* STRING_EXT ends at 65,535 bytes.  Catches a length cut to 16 bits, and a long list that is packed
 * although OTP would not. */
static void long_byte_lists_change_form_at_65535(void **state)
{
    const struct {
        uint32_t count;
        bool with_atom;
        uint8_t tag;
        size_t size;
    } cases[] = {{65535, false, 107, 3 + 65535},
                 {65536, false, 108, 5 + 2 * 65536 + 1},
                 {65535, true, 108, 5 + 2 * 65534 + 5 + 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct npri_buffer plain;
        struct npri_buffer normal;
        struct npri_buffer text;

        npri_buffer_init(&plain, 0);
        npri_buffer_init(&normal, 0);
        npri_buffer_init(&text, 0);
        put_long_list(&plain, cases[i].count, cases[i].with_atom);
        assert_true(npri_term_normalise((struct npr_term){.data = plain.data, .size = plain.size},
                                        &normal));
        assert_int_equal(normal.data[0], cases[i].tag);
        assert_int_equal(normal.size, cases[i].size);
        check_is_view(&normal);
        npri_term_print((struct npr_term){.data = normal.data, .size = normal.size}, &text);
        npri_put_u8(&text, '\0');
        check_text((const char *)text.data,
                   (struct npr_term){.data = normal.data, .size = normal.size});
        npri_buffer_fini(&plain);
        npri_buffer_fini(&normal);
        npri_buffer_fini(&text);
    }
}

/* A binary of 2 MB in a message is not copied: the term is a view of the frame. */
static void big_binary_is_read_as_a_view(void **state)
{
    const size_t size = 2u << 20;
    struct npri_buffer frame;
    struct npri_buffer scratch;
    struct npr_term term;
    struct npr_term parts[2];
    struct npr_bytes binary;
    size_t used;

    (void)state;
    npri_buffer_init(&frame, 0);
    npri_buffer_init(&scratch, 0);
    npri_put_tuple(&frame, 2);
    npri_put_atom(&frame, "data");
    npri_put_u8(&frame, 109);
    npri_put_u32(&frame, (uint32_t)size);
    memset(npri_buffer_extend(&frame, size), 'x', size);
    assert_int_equal(npri_term_read(npri_buffer_bytes(&frame), &scratch, &term, &used, NULL),
                     NPR_OK);
    assert_ptr_equal(term.data, frame.data);
    assert_int_equal(used, frame.size);
    assert_int_equal(scratch.capacity, 0);
    assert_true(npr_term_get_tuple(term, 2, parts));
    assert_true(npr_term_get_binary(parts[1], &binary));
    assert_int_equal(binary.size, size);
    assert_ptr_equal(binary.data + size, frame.data + frame.size);
    npri_buffer_fini(&frame);
    npri_buffer_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_vector_is_read_and_written_back),
        cmocka_unit_test(every_placed_key_is_written_back),
        cmocka_unit_test(every_literal_is_read_and_printed),
        cmocka_unit_test(long_byte_lists_change_form_at_65535),
        cmocka_unit_test(big_binary_is_read_as_a_view),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
