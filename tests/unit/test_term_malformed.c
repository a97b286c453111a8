/* Malformed and unusual bytes: refused exactly where OTP 25's binary_to_term refuses them, but for
 * the cases listed here with their reasons. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/vectors.h"
#include "term/read.h"
#include "term/write.h"

enum verdict { OURS_ACCEPTS, OURS_REFUSES };

static const struct {
    const char *description;
    enum verdict verdict;
    const char *reason;
} exceptions[] = {
    {"unknown or disallowed tag 75", OURS_REFUSES, "no tag of the format: an atom by accident"},
    {"ref length 0", OURS_REFUSES, "OTP takes 4 bytes more than there are: what follows is lost"},
    {"ref114 length 0", OURS_REFUSES, "as above"},
    {"ref local 4 words bad", OURS_ACCEPTS,
     "OTP takes nonode@nohost for itself; to us it is one more node"},
    {"ref local 5 words", OURS_ACCEPTS, "as above"},
    {"local port v4 big", OURS_ACCEPTS, "as above"},
    {"local pid big", OURS_ACCEPTS, "as above"},
};

static unsigned exceptions_seen;
static unsigned accepted_count;

static bool ours_accepts(const char *description, bool otp_accepts)
{
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        if (strcmp(description, exceptions[i].description) == 0) {
            exceptions_seen++;
            return exceptions[i].verdict == OURS_ACCEPTS;
        }
    }
    return otp_accepts;
}

/* `same`, the hexadecimal bytes, or `size N`. */
static void check_rewritten(struct npr_term term,
                            const char *hex,
                            size_t used,
                            const char *expected)
{
    static uint8_t bytes[VECTOR_BYTES_MAX];
    struct npri_buffer written;

    npri_buffer_init(&written, 0);
    npri_term_write(term, NPR_OTP_25, &written);
    if (strncmp(expected, "size ", 5) == 0) {
        assert_int_equal(written.size, strtoul(expected + 5, NULL, 10));
    } else {
        const bool same = strcmp(expected, "same") == 0;
        const size_t size = check_unhex(same ? hex : expected, bytes, sizeof(bytes));

        CHECK_BYTES_EQUAL(npri_buffer_bytes(&written), npri_bytes(bytes, same ? used : size));
    }
    npri_buffer_fini(&written);
}

static void check_line(char **fields)
{
    static uint8_t room[VECTOR_BYTES_MAX];
    const size_t size = check_unhex(fields[1], room, sizeof(room));
    uint8_t *bytes = malloc(size + 1); /* of the exact size, for the address sanitizer */
    const bool otp_accepts = strcmp(fields[2], "accepted") == 0;
    struct npr_error err = {.status = NPR_OK};
    struct npri_buffer scratch;
    struct npr_term term = {.data = NULL};
    size_t used = 0;
    npr_status status;

    assert_non_null(bytes);
    memcpy(bytes + 1, room, size);
    npri_buffer_init(&scratch, 0);
    status = npri_term_read_versioned(npri_bytes(bytes + 1, size), &scratch, &term, &used, &err);
    if ((status == NPR_OK) != ours_accepts(fields[0], otp_accepts)) {
        fail_msg("%s: OTP: %s, ours: %s %s", fields[0], fields[2], npr_status_name(status),
                 err.text);
    }
    if (status == NPR_OK && otp_accepts) {
        accepted_count++;
        if (used != strtoul(fields[4], NULL, 10)) {
            fail_msg("%s: OTP took %s bytes, ours %zu", fields[0], fields[4], used);
        }
        check_rewritten(term, fields[1], used, fields[3]);
    } else if (status != NPR_OK) {
        assert_true(status == NPR_ESYNTAX || status == NPR_EFULL);
        assert_int_equal(err.status, status);
        assert_null(term.data);
        assert_int_equal(used, 0);
        assert_int_equal(scratch.size, 0);
    }
    npri_buffer_fini(&scratch);
    free(bytes);
}

/* Catches a check that is missing (a peer could send what no Erlang node would take) and one that
 * is too strict (a term that Erlang nodes exchange would close the connection). */
static void verdicts_are_those_of_otp(void **state)
{
    (void)state;
    assert_int_equal(vectors_each("malformed-etf.tsv", 3, check_line), 344);
    assert_int_equal(exceptions_seen, sizeof(exceptions) / sizeof(exceptions[0]));
    assert_int_equal(accepted_count, 97);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(verdicts_are_those_of_otp),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
