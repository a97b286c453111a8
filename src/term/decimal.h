/* term/decimal.h - floats and big integers in decimal, whatever the program's locale.  Pure. */
#ifndef NPRI_TERM_DECIMAL_H
#define NPRI_TERM_DECIMAL_H

#include "base/bytes.h"

/* The double nearest to [sign] digits [(. or ,) digits] [e [sign] digits], which the caller has
 * checked to have this form.  False when it is beyond the range of finite doubles, or when its text
 * is longer than NPRI_DECIMAL_TEXT_MAX. */
bool npri_decimal_read(struct npr_bytes text, double *out);

#define NPRI_DECIMAL_TEXT_MAX 1100u

#endif /* NPRI_TERM_DECIMAL_H */
