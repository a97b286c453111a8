/* The external term format against OTP 25's own bytes: every line of tests/data, both directions
 * and both manners of writing atoms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/vectors.h"
#include "term/read.h"
#include "term/write.h"

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

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_vector_is_read_and_written_back),
        cmocka_unit_test(every_placed_key_is_written_back),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
