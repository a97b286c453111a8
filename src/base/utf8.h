/* base/utf8.h - code points in and out of UTF-8.  Pure. */
#ifndef NPRI_BASE_UTF8_H
#define NPRI_BASE_UTF8_H

#include "base/bytes.h"

#define NPRI_UTF8_BYTES_MAX 4

/* Takes one code point from the front of `text` into `*out` and returns how many bytes it took; 0
 * when `text` is empty or does not begin with well-formed UTF-8 (shortest form, no surrogates, at
 * most 10FFFF). */
size_t npri_utf8_take(struct npr_bytes text, uint32_t *out);

/* Writes `code`, which must be a valid code point, and returns the number of bytes. */
size_t npri_utf8_write(uint32_t code, uint8_t out[NPRI_UTF8_BYTES_MAX]);

/* Whether `code` is a code point that UTF-8 may carry. */
bool npri_utf8_valid(uint32_t code);

/* Counts the code points of `text`; false when it is not UTF-8.  `*out_latin1` (may be NULL) tells
 * whether all of them are below 256. */
bool npri_utf8_count(struct npr_bytes text, size_t *out_count, bool *out_latin1);

#endif /* NPRI_BASE_UTF8_H */
