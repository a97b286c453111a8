#include "support/check.h"

#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

size_t check_unhex(const char *hex, uint8_t *out, size_t out_size)
{
    const size_t size = strlen(hex) / 2;

    assert_int_equal(strlen(hex) % 2, 0);
    assert_true(size <= out_size);
    for (size_t i = 0; i < size; i++) {
        const int high = hex_digit(hex[2 * i]);
        const int low = hex_digit(hex[2 * i + 1]);

        assert_true(high >= 0 && low >= 0);
        out[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    return size;
}

static void print_hex(const char *what, struct npr_bytes bytes)
{
    (void)fprintf(stderr, "%s (%zu bytes): ", what, bytes.size);
    for (size_t i = 0; i < bytes.size; i++) {
        (void)fprintf(stderr, "%02x", bytes.data[i]);
    }
    (void)fprintf(stderr, "\n");
}

void check_bytes_equal(struct npr_bytes actual,
                       struct npr_bytes expected,
                       const char *file,
                       int line)
{
    if (actual.size == expected.size &&
        (actual.size == 0 || memcmp(actual.data, expected.data, actual.size) == 0)) {
        return;
    }
    print_hex("actual  ", actual);
    print_hex("expected", expected);
    _fail(file, line);
}
