/* term/decimal.h - floats and big integers in decimal, whatever the program's locale.  Pure. */
#ifndef NPRI_TERM_DECIMAL_H
#define NPRI_TERM_DECIMAL_H

#include "base/bytes.h"
#include "term/number.h"

/* The double nearest to [sign] digits [(. or ,) digits] [e [sign] digits], which the caller has
 * checked to have this form.  False when it is beyond the range of finite doubles, or when its text
 * is longer than NPRI_DECIMAL_TEXT_MAX. */
bool npri_decimal_read(struct npr_bytes text, double *out);

#define NPRI_DECIMAL_TEXT_MAX 1100u

/* Appends the shortest text that npri_decimal_read() takes back to `value`, in the form that OTP 25
 * and later print: 0.1, 1.0e10. */
void npri_put_double_text(struct npri_buffer *buffer, double value);

/* All digits of `value` (finite, above 0): exactly 0.DIGITS * 10^place.  Returns how many. */
#define NPRI_EXACT_DIGITS_MAX 800u /* the longest are those of the smallest floats: 767 */
size_t npri_exact_digits(double value, uint8_t digits[NPRI_EXACT_DIGITS_MAX], int *out_place);

/* Appends `integer` in decimal, or as 16#FF when it has more than NPRI_DECIMAL_BYTES_MAX bytes: the
 * time for decimal grows with the square of the size. */
void npri_put_integer_text(struct npri_buffer *buffer, const struct npri_integer *integer);

/* Appends the magnitude (little-endian) of `digits` in `base` (2..36), which the caller has checked
 * to be digits of that base or '_'.  Returns NPR_OK, NPR_EFULL (too many digits for that base), or
 * NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_digits_read(struct npr_bytes digits,
                                          unsigned base,
                                          struct npri_buffer *magnitude);

/* The value of one digit in bases up to 36; 36 for what is none. */
unsigned npri_digit_value(uint32_t code);

#endif /* NPRI_TERM_DECIMAL_H */
