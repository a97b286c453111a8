/* term/number.h - integers and floats of any encoding as one form.  Pure. */
#ifndef NPRI_TERM_NUMBER_H
#define NPRI_TERM_NUMBER_H

#include "term/tag.h"

/* An integer of any size: sign and magnitude, little-endian, without leading zeros (0 has size 0).
 * `magnitude` points to `small` or into the term; copy the struct only by npri_integer_take(). */
struct npri_integer {
    const uint8_t *magnitude;
    size_t size;
    bool negative;
    uint8_t small[4];
};

/* Takes the integer at `at` (tag 97, 98, 110 or 111, in any encoding that npri_term_scan() passes)
 * apart and returns its end. */
const uint8_t *npri_integer_take(const uint8_t *at, struct npri_integer *out);

/* Appends it in its smallest encoding. */
void npri_put_integer(struct npri_buffer *buffer,
                      bool negative,
                      const uint8_t *magnitude,
                      size_t size);

/* Order of values: <0, 0, >0. */
int npri_integer_compare(const struct npri_integer *a, const struct npri_integer *b);
int npri_integer_compare_double(const struct npri_integer *a, double b); /* exact; b is finite */

double npri_double_of_bits(uint64_t bits);
uint64_t npri_bits_of_double(double value);
bool npri_double_is_finite(double value);

/* Whether the text of an old FLOAT_EXT (31 bytes) is a finite float, as OTP reads it. */
bool npri_float_of_old_text(const uint8_t *text, double *out);

#endif /* NPRI_TERM_NUMBER_H */
