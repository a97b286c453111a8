/* dist/decimal.h - an unsigned number as decimal text, without stdio.  Pure. */
#ifndef NPRI_DIST_DECIMAL_H
#define NPRI_DIST_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define NPRI_DECIMAL_U32_BYTES 10u /* 4294967295 */

/* Writes `value` without a terminator and returns how many digits it took. */
static inline size_t npri_decimal_u32(uint32_t value, uint8_t out[NPRI_DECIMAL_U32_BYTES])
{
    uint8_t reversed[NPRI_DECIMAL_U32_BYTES];
    size_t digits = 0;

    do {
        reversed[digits++] = (uint8_t)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    for (size_t i = 0; i < digits; i++) {
        out[i] = reversed[digits - 1 - i];
    }
    return digits;
}

#endif /* NPRI_DIST_DECIMAL_H */
