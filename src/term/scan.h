/* term/scan.h - checks untrusted bytes without copying or allocating anything.  Pure. */
#ifndef NPRI_TERM_SCAN_H
#define NPRI_TERM_SCAN_H

#include "term/tag.h"

/* What npri_term_scan() found. */
struct npri_scan {
    size_t used; /* bytes of the term */
    bool normal; /* in normal form already; then it also has no duplicate map keys */
};

/* Checks the one term at the front of `bytes`, which has no version byte, against bounds, depth and
 * size limits and all rules of the format except this one: when `normal` comes out false, duplicate
 * map keys may still be inside; npri_term_rewrite() finds those.  `origin` is added to the offsets
 * in `err`.
 *
 * Returns NPR_OK, NPR_ESYNTAX (`err` names offset and fault) or NPR_EFULL. */
NPR_NODISCARD npr_status npri_term_scan(struct npr_bytes bytes,
                                        size_t origin,
                                        struct npri_scan *out,
                                        struct npr_error *err);

/* Puts the term at `bytes` (passed by npri_term_scan()) into normal form, appended to `out`.  On
 * failure `out` is as long as before.
 *
 * Returns NPR_OK, NPR_ESYNTAX (duplicate map keys), NPR_EFULL or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_term_rewrite(struct npr_bytes bytes,
                                           size_t origin,
                                           struct npri_buffer *out,
                                           struct npr_error *err);

/* Order of two terms in normal form as keys of a map: Erlang's, but every integer before every
 * float and -0.0 before 0.0, so that only equal keys compare as 0. */
int npri_term_compare_keys(const uint8_t *a, const uint8_t *b);

#endif /* NPRI_TERM_SCAN_H */
