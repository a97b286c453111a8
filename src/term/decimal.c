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
