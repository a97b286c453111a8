/* Big integers between bytes and digits. */
#include "base/assert.h"
#include "base/limits.h"
#include "term/decimal.h"

#define CHUNK_VALUE      1000000000u /* decimal digits are made and taken nine at a time */
#define CHUNK_DIGITS     9

#define PRINT_WORDS_MAX  (NPRI_DECIMAL_BYTES_MAX / 4)
#define PRINT_DIGITS_MAX (NPRI_DECIMAL_BYTES_MAX * 5 / 2 + CHUNK_DIGITS) /* log10(256) < 2.41 */

/* Words for the most digits of the largest base, 36: a digit is less than 6 bits. */
#define READ_WORDS_MAX (NPRI_DECIMAL_DIGITS_MAX * 6 / 32 + 1)

static void put_hexadecimal(struct npri_buffer *buffer, const struct npri_integer *integer)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t top = integer->magnitude[integer->size - 1];

    npri_put_bytes(buffer, npr_bytes_of("16#"));
    if (top >= 16) {
        npri_put_u8(buffer, (uint8_t)digits[top >> 4]);
    }
    npri_put_u8(buffer, (uint8_t)digits[top & 15]);
    for (size_t i = integer->size - 1; i > 0; i--) {
        npri_put_u8(buffer, (uint8_t)digits[integer->magnitude[i - 1] >> 4]);
        npri_put_u8(buffer, (uint8_t)digits[integer->magnitude[i - 1] & 15]);
    }
}

/* Divides the number in `words` (low word first) by 10^9; returns the remainder. */
static uint32_t divide(uint32_t *words, size_t count)
{
    uint64_t remainder = 0;

    for (size_t i = count; i > 0; i--) {
        remainder = remainder << 32 | words[i - 1];
        words[i - 1] = (uint32_t)(remainder / CHUNK_VALUE);
        remainder %= CHUNK_VALUE;
    }
    return (uint32_t)remainder;
}

/* Writes the digits of the number in `words`, which is used up, so that they end at digits + size;
 * returns where they begin. */
static size_t words_to_digits(uint32_t *words, size_t count, uint8_t *digits, size_t size)
{
    size_t at = size;

    do {
        uint32_t chunk = divide(words, count);

        while (count > 0 && words[count - 1] == 0) {
            count--;
        }
        for (unsigned i = 0; i < CHUNK_DIGITS && (count > 0 || chunk > 0); i++) {
            digits[--at] = (uint8_t)('0' + chunk % 10);
            chunk /= 10;
        }
    } while (count > 0);
    return at;
}

static void put_decimal(struct npri_buffer *buffer, const struct npri_integer *integer)
{
    uint32_t words[PRINT_WORDS_MAX] = {0};
    uint8_t digits[PRINT_DIGITS_MAX];
    size_t at;

    for (size_t i = 0; i < integer->size; i++) {
        words[i / 4] |= (uint32_t)integer->magnitude[i] << 8 * (i % 4);
    }
    at = words_to_digits(words, (integer->size + 3) / 4, digits, sizeof(digits));
    npri_put_bytes(buffer, npri_bytes(digits + at, sizeof(digits) - at));
}

void npri_put_integer_text(struct npri_buffer *buffer, const struct npri_integer *integer)
{
    if (integer->negative) {
        npri_put_u8(buffer, '-');
    }
    if (integer->size == 0) {
        npri_put_u8(buffer, '0');
    } else if (integer->size > NPRI_DECIMAL_BYTES_MAX) {
        put_hexadecimal(buffer, integer);
    } else {
        put_decimal(buffer, integer);
    }
}

unsigned npri_digit_value(uint32_t code)
{
    if (code >= '0' && code <= '9') {
        return code - '0';
    }
    if (code >= 'a' && code <= 'z') {
        return code - 'a' + 10;
    }
    return code >= 'A' && code <= 'Z' ? code - 'A' + 10 : 36;
}

/* A power of two as base: every digit is so many bits. */
static npr_status read_bits(struct npr_bytes digits, unsigned bits, struct npri_buffer *magnitude)
{
    unsigned pending = 0;
    unsigned pending_bits = 0;

    for (size_t i = digits.size; i > 0; i--) {
        if (digits.data[i - 1] == '_') {
            continue;
        }
        pending |= npri_digit_value(digits.data[i - 1]) << pending_bits;
        pending_bits += bits;
        if (pending_bits >= 8) {
            npri_put_u8(magnitude, (uint8_t)pending);
            pending >>= 8;
            pending_bits -= 8;
        }
    }
    npri_put_u8(magnitude, (uint8_t)pending);
    return magnitude->failed ? NPR_ENOMEM : NPR_OK;
}

/* words = words * factor + add; returns the new count. */
static size_t multiply_add(uint32_t *words, size_t count, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;

    for (size_t i = 0; i < count; i++) {
        carry += (uint64_t)words[i] * factor;
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0) {
        NPRI_ASSERT(count < READ_WORDS_MAX);
        words[count++] = (uint32_t)carry;
    }
    return count;
}

npr_status npri_digits_read(struct npr_bytes digits, unsigned base, struct npri_buffer *magnitude)
{
    uint32_t words[READ_WORDS_MAX];
    size_t count = 0;
    size_t at = 0;

    for (unsigned bits = 1; bits <= 5; bits++) {
        if (base == 1u << bits) {
            return read_bits(digits, bits, magnitude);
        }
    }
    if (digits.size > NPRI_DECIMAL_DIGITS_MAX) {
        return NPR_EFULL;
    }
    while (at < digits.size) {
        uint32_t factor = 1;
        uint32_t add = 0;

        for (; at < digits.size && factor <= UINT32_MAX / base; at++) {
            if (digits.data[at] != '_') {
                factor *= base;
                add = add * base + npri_digit_value(digits.data[at]);
            }
        }
        count = multiply_add(words, count, factor, add);
    }
    for (size_t i = 0; i < 4 * count; i++) {
        npri_put_u8(magnitude, (uint8_t)(words[i / 4] >> 8 * (i % 4)));
    }
    return magnitude->failed ? NPR_ENOMEM : NPR_OK;
}

/* words = words * factor^times */
static size_t multiply_power(uint32_t *words, size_t count, uint32_t factor, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        count = multiply_add(words, count, factor, 0);
    }
    return count;
}

size_t npri_exact_digits(double value, uint8_t digits[NPRI_EXACT_DIGITS_MAX], int *out_place)
{
    const uint64_t bits = npri_bits_of_double(value);
    const unsigned field = (unsigned)(bits >> 52 & 0x7ff);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const uint64_t mantissa = field == 0 ? fraction : fraction | UINT64_C(1) << 52;
    const int exponent = (field == 0 ? 1 : (int)field) - 1075; /* value = mantissa * 2^exponent */
    uint32_t words[READ_WORDS_MAX] = {(uint32_t)mantissa, (uint32_t)(mantissa >> 32)};
    uint8_t buffer[NPRI_EXACT_DIGITS_MAX];
    size_t count = 2;
    size_t at;

    NPRI_ASSERT(mantissa != 0);
    if (exponent >= 0) {
        count = multiply_power(words, count, UINT32_C(1) << 16, (unsigned)exponent / 16);
        count = multiply_power(words, count, 2, (unsigned)exponent % 16);
    } else { /* mantissa / 2^n = mantissa * 5^n / 10^n */
        count = multiply_power(words, count, 1220703125 /* 5^13 */, (unsigned)-exponent / 13);
        count = multiply_power(words, count, 5, (unsigned)-exponent % 13);
    }
    while (count > 0 && words[count - 1] == 0) {
        count--;
    }
    at = words_to_digits(words, count, buffer, sizeof(buffer));
    count = sizeof(buffer) - at;
    memcpy(digits, buffer + at, count);
    *out_place = (int)count + (exponent < 0 ? exponent : 0);
    return count;
}
