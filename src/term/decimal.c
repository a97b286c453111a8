#include "term/decimal.h"

#include <stdlib.h>

#include "term/number.h"

#define EXPONENT_DIGITS_MAX 30 /* sign, digits of an int64_t, terminator */

/* The exponent of `text` ("e-12", or empty), held to a range in which it can be added to. */
static int64_t exponent_of(struct npr_bytes text)
{
    const bool negative = text.size > 1 && text.data[1] == '-';
    int64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9' && value < 1000000) {
            value = value * 10 + (text.data[i] - '0');
        }
    }
    return negative ? -value : value;
}

static char *put_exponent(char *at, int64_t value)
{
    char digits[EXPONENT_DIGITS_MAX];
    size_t count = 0;

    *at++ = 'e';
    if (value < 0) {
        *at++ = '-';
        value = -value;
    }
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    *at = '\0';
    return at;
}

/* The text is handed to strtod() as digits and an exponent, without a decimal point: which
 * character that is depends on the locale. */
bool npri_decimal_read(struct npr_bytes text, double *out)
{
    char plain[NPRI_DECIMAL_TEXT_MAX + EXPONENT_DIGITS_MAX];
    char *at = plain;
    int64_t exponent = 0;
    bool in_fraction = false;
    double value;

    if (text.size > NPRI_DECIMAL_TEXT_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];

        if (c == 'e' || c == 'E') {
            exponent += exponent_of(npri_bytes(text.data + i, text.size - i));
            break;
        }
        if (c == '.' || c == ',') {
            in_fraction = true;
        } else {
            *at++ = (char)c;
            exponent -= in_fraction;
        }
    }
    (void)put_exponent(at, exponent);
    value = strtod(plain, NULL);
    if (!npri_double_is_finite(value)) {
        return false;
    }
    *out = value;
    return true;
}

#define DIGITS_MAX 17 /* that many always suffice for a double */

/* The significant digits of a float and where its point goes: 0.DIGITS * 10^place. */
struct digits {
    char text[DIGITS_MAX];
    int count;
    int place;
};

/* All digits of a float, exactly. */
struct exact {
    uint8_t text[NPRI_EXACT_DIGITS_MAX];
    int count;
    int place;
};

/* The next larger number of as many digits. */
static void round_up(struct digits *digits)
{
    for (int i = digits->count; i > 0; i--) {
        if (digits->text[i - 1] != '9') {
            digits->text[i - 1]++;
            return;
        }
        digits->text[i - 1] = '0';
    }
    digits->text[0] = '1'; /* 999 -> 1000, of which three digits are kept */
    digits->place++;
}

/* The first `count` digits, cut. */
static void cut_to(const struct exact *exact, int count, struct digits *out)
{
    out->count = count < exact->count ? count : exact->count;
    out->place = exact->place;
    memcpy(out->text, exact->text, (size_t)out->count);
}

/* Whether what is cut off behind `count` digits is more than a half, or a half that rounds up to an
 * even digit. */
static bool rounds_up(const struct exact *exact, int count)
{
    if (count >= exact->count || exact->text[count] < '5') {
        return false;
    }
    for (int i = count + 1; i < exact->count; i++) {
        if (exact->text[i] != '0') {
            return true;
        }
    }
    return exact->text[count] > '5' || exact->text[count - 1] % 2 != 0;
}

static void trim(struct digits *digits)
{
    while (digits->count > 1 && digits->text[digits->count - 1] == '0') {
        digits->count--;
    }
}

static bool reads_as(const struct digits *digits, double value)
{
    char text[DIGITS_MAX + EXPONENT_DIGITS_MAX];
    char *at = text;

    memcpy(at, digits->text, (size_t)digits->count);
    at += digits->count;
    (void)put_exponent(at, digits->place - digits->count);
    return strtod(text, NULL) == value;
}

/* The fewest digits that read back as `value`, nearest to it among those.  Of n digits, the nearest
 * number below and the nearest above are tried, the nearer one first: next to a power of two the
 * gap below is half of that above, so that the nearer may read as another float while the other
 * does not. */
static void shortest(double value, struct digits *out)
{
    struct exact exact;

    exact.count = (int)npri_exact_digits(value, exact.text, &exact.place);
    for (int count = 1; count <= DIGITS_MAX; count++) {
        struct digits below;
        struct digits above;
        const bool up = rounds_up(&exact, count);

        cut_to(&exact, count, &below);
        above = below;
        round_up(&above);
        *out = up ? above : below;
        if (reads_as(out, value)) {
            break;
        }
        *out = up ? below : above;
        if (reads_as(out, value)) {
            break;
        }
    }
    trim(out);
}

static void put_zeros(struct npri_buffer *buffer, int count)
{
    for (int i = 0; i < count; i++) {
        npri_put_u8(buffer, '0');
    }
}

static void put_digits(struct npri_buffer *buffer, const struct digits *digits, int from, int to)
{
    npri_put_bytes(buffer, npri_bytes(digits->text + from, (size_t)(to - from)));
}

static void put_scientific(struct npri_buffer *buffer, const struct digits *digits)
{
    char exponent[EXPONENT_DIGITS_MAX];
    const char *end = put_exponent(exponent, digits->place - 1);

    put_digits(buffer, digits, 0, 1);
    npri_put_u8(buffer, '.');
    if (digits->count == 1) {
        npri_put_u8(buffer, '0');
    }
    put_digits(buffer, digits, 1, digits->count);
    npri_put_bytes(buffer, npri_bytes(exponent, (size_t)(end - exponent)));
}

/* What the scientific form needs beyond the digits: "e", the exponent, "." or ".0". */
static int scientific_cost(const struct digits *digits)
{
    char exponent[EXPONENT_DIGITS_MAX];
    const char *end = put_exponent(exponent, digits->place - 1);

    return (int)(end - exponent) + (digits->count == 1 ? 2 : 1);
}

/* Plain where that is not longer than scientific, and below 2^53, from where on the digits that a
 * plain form must fill up with zeros would not be the number's own. */
void npri_put_double_text(struct npri_buffer *buffer, double value)
{
    const double exact_max = 9007199254740992.0;
    struct digits digits;

    if (npri_bits_of_double(value) >> 63 != 0) {
        npri_put_u8(buffer, '-');
        value = -value;
    }
    if (value == 0) {
        npri_put_bytes(buffer, npr_bytes_of("0.0"));
        return;
    }
    shortest(value, &digits);
    if (digits.place > 0 && digits.place < digits.count) {
        put_digits(buffer, &digits, 0, digits.place);
        npri_put_u8(buffer, '.');
        put_digits(buffer, &digits, digits.place, digits.count);
    } else if (digits.place <= 0 && 2 - digits.place <= scientific_cost(&digits)) {
        npri_put_bytes(buffer, npr_bytes_of("0."));
        put_zeros(buffer, -digits.place);
        put_digits(buffer, &digits, 0, digits.count);
    } else if (digits.place > 0 && value < exact_max &&
               digits.place - digits.count + 2 <= scientific_cost(&digits)) {
        put_digits(buffer, &digits, 0, digits.count);
        put_zeros(buffer, digits.place - digits.count);
        npri_put_bytes(buffer, npr_bytes_of(".0"));
    } else {
        put_scientific(buffer, &digits);
    }
}
