#include "term/decimal.h"

#include <stdio.h>
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

/* The value to `count` digits, correctly rounded.  Only digits are taken out of the text: the
 * decimal point is the locale's. */
static void round_to(double value, int count, struct digits *out)
{
    char text[64];
    const char *at = text;

    (void)snprintf(text, sizeof(text), "%.*e", count - 1, value);
    out->count = 0;
    for (; *at != 'e' && *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9') {
            out->text[out->count++] = *at;
        }
    }
    out->place = (int)exponent_of(npr_bytes_of(at)) + 1;
}

static void trim(struct digits *digits)
{
    while (digits->count > 1 && digits->text[digits->count - 1] == '0') {
        digits->count--;
    }
}

/* The next larger number of as many digits.  False when there is none without a carry out. */
static bool round_up(struct digits *digits)
{
    for (int i = digits->count; i > 0; i--) {
        if (digits->text[i - 1] != '9') {
            digits->text[i - 1]++;
            return true;
        }
        digits->text[i - 1] = '0';
    }
    return false;
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

/* The fewest digits that read back as `value`, nearest to it among those.  Next to a power of two
 * the gap below is half of that above, so that the nearest number of n digits may read as another
 * float while its larger neighbour does not. */
static void shortest(double value, struct digits *out)
{
    for (int count = 1; count <= DIGITS_MAX; count++) {
        struct digits up;

        round_to(value, count, out);
        if (reads_as(out, value)) {
            break;
        }
        up = *out;
        if (round_up(&up) && reads_as(&up, value)) {
            *out = up;
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
