#include "term/number.h"

#include "base/assert.h"
#include "term/decimal.h"

#define OLD_FLOAT_BYTES 31u

/* IEEE 754 double. */
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define EXPONENT_MASK 0x7ffu

static void trim(struct npri_integer *integer)
{
    while (integer->size > 0 && integer->magnitude[integer->size - 1] == 0) {
        integer->size--;
    }
    if (integer->size == 0) {
        integer->negative = false;
    }
}

static void set_small(struct npri_integer *out, bool negative, uint32_t magnitude)
{
    for (unsigned i = 0; i < 4; i++) {
        out->small[i] = (uint8_t)(magnitude >> 8 * i);
    }
    out->magnitude = out->small;
    out->size = 4;
    out->negative = negative;
}

const uint8_t *npri_integer_take(const uint8_t *at, struct npri_integer *out)
{
    const uint8_t *end;

    if (at[0] == NPRI_TAG_SMALL_INTEGER) {
        set_small(out, false, at[1]);
        end = at + 2;
    } else if (at[0] == NPRI_TAG_INTEGER) {
        const uint32_t bits = npri_get_u32(at + 1);
        const bool negative = bits >> 31 != 0;

        set_small(out, negative, negative ? 0u - bits : bits);
        end = at + 5;
    } else {
        const size_t head = at[0] == NPRI_TAG_SMALL_BIG ? 3 : 6;

        NPRI_ASSERT(at[0] == NPRI_TAG_SMALL_BIG || at[0] == NPRI_TAG_LARGE_BIG);
        out->size = head == 3 ? at[1] : npri_get_u32(at + 1);
        out->negative = at[head - 1] != 0;
        out->magnitude = at + head;
        end = at + head + out->size;
    }
    trim(out);
    return end;
}

static uint64_t small_value(const uint8_t *magnitude, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i > 0; i--) {
        value = value << 8 | magnitude[i - 1];
    }
    return value;
}

void npri_put_integer(struct npri_buffer *buffer,
                      bool negative,
                      const uint8_t *magnitude,
                      size_t size)
{
    while (size > 0 && magnitude[size - 1] == 0) {
        size--;
    }
    if (size <= 4) {
        const uint64_t value = small_value(magnitude, size);

        if (value <= 255 && (!negative || value == 0)) {
            npri_put_u8(buffer, NPRI_TAG_SMALL_INTEGER);
            npri_put_u8(buffer, (uint8_t)value);
            return;
        }
        if (value <= (uint64_t)INT32_MAX + negative) {
            npri_put_u8(buffer, NPRI_TAG_INTEGER);
            npri_put_u32(buffer, (uint32_t)(negative ? 0 - value : value));
            return;
        }
    }
    NPRI_ASSERT(size <= UINT32_MAX);
    if (size <= 255) {
        npri_put_u8(buffer, NPRI_TAG_SMALL_BIG);
        npri_put_u8(buffer, (uint8_t)size);
    } else {
        npri_put_u8(buffer, NPRI_TAG_LARGE_BIG);
        npri_put_u32(buffer, (uint32_t)size);
    }
    npri_put_u8(buffer, negative);
    npri_put_bytes(buffer, npri_bytes(magnitude, size));
}

static int compare_magnitudes(const struct npri_integer *a, const struct npri_integer *b)
{
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    for (size_t i = a->size; i > 0; i--) {
        if (a->magnitude[i - 1] != b->magnitude[i - 1]) {
            return a->magnitude[i - 1] < b->magnitude[i - 1] ? -1 : 1;
        }
    }
    return 0;
}

int npri_integer_compare(const struct npri_integer *a, const struct npri_integer *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? -compare_magnitudes(a, b) : compare_magnitudes(a, b);
}

double npri_double_of_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint64_t npri_bits_of_double(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

bool npri_double_is_finite(double value)
{
    return (npri_bits_of_double(value) >> MANTISSA_BITS & EXPONENT_MASK) != EXPONENT_MASK;
}

/* Byte `index` (from the low end) of `mantissa` shifted left by `shift` bits, right if negative. */
static uint8_t shifted_byte(uint64_t mantissa, int shift, size_t index)
{
    const int64_t low =
        (int64_t)index * 8 - shift; /* bit of `mantissa` that is this byte's bit 0 */

    if (low >= 64 || low <= -8) {
        return 0;
    }
    return (uint8_t)(low >= 0 ? mantissa >> low : mantissa << -low);
}

/* |a| against |b|, by the integer part of b from the highest byte down, then by its fraction. */
static int compare_magnitude_double(const struct npri_integer *a, double b)
{
    const uint64_t bits = npri_bits_of_double(b);
    const int exponent = (int)(bits >> MANTISSA_BITS & EXPONENT_MASK) - EXPONENT_BIAS;
    const uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    const uint64_t mantissa = fraction | UINT64_C(1) << MANTISSA_BITS;
    size_t size;

    if (exponent < 0) { /* below 1, and 0 only if all bits are 0 */
        const bool zero = bits << 1 == 0;

        return a->size > 0 ? 1 : (zero ? 0 : -1);
    }
    size = (size_t)exponent / 8 + 1;
    if (a->size != size) {
        return a->size < size ? -1 : 1;
    }
    for (size_t i = size; i > 0; i--) {
        const uint8_t byte = shifted_byte(mantissa, exponent - MANTISSA_BITS, i - 1);

        if (a->magnitude[i - 1] != byte) {
            return a->magnitude[i - 1] < byte ? -1 : 1;
        }
    }
    if (exponent < MANTISSA_BITS && fraction << (64 - MANTISSA_BITS + exponent) != 0) {
        return -1;
    }
    return 0;
}

int npri_integer_compare_double(const struct npri_integer *a, double b)
{
    const bool b_negative = npri_bits_of_double(b) >> 63 != 0 && b < 0;

    if (a->size == 0 && b == 0) {
        return 0;
    }
    if (a->negative != b_negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? -compare_magnitude_double(a, b) : compare_magnitude_double(a, b);
}

static size_t digits_at(const uint8_t *text, size_t at)
{
    size_t count = 0;

    while (at + count < OLD_FLOAT_BYTES && text[at + count] >= '0' && text[at + count] <= '9') {
        count++;
    }
    return count;
}

/* [sign] digits (. or ,) digits [e [sign] digits], ended by a zero byte. */
bool npri_float_of_old_text(const uint8_t *text, double *out)
{
    size_t at = text[0] == '-' || text[0] == '+';
    size_t whole = digits_at(text, at);
    size_t part;

    if (whole == 0 || at + whole >= OLD_FLOAT_BYTES ||
        (text[at + whole] != '.' && text[at + whole] != ',')) {
        return false;
    }
    at += whole + 1;
    part = digits_at(text, at);
    if (part == 0) {
        return false;
    }
    at += part;
    if (at < OLD_FLOAT_BYTES && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < OLD_FLOAT_BYTES && (text[at] == '-' || text[at] == '+');
        part = digits_at(text, at);
        if (part == 0) {
            return false;
        }
        at += part;
    }
    return at < OLD_FLOAT_BYTES && text[at] == 0 && npri_decimal_read(npri_bytes(text, at), out);
}
