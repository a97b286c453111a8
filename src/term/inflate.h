/* term/inflate.h - the body of a COMPRESSED term.  Pure. */
#ifndef NPRI_TERM_INFLATE_H
#define NPRI_TERM_INFLATE_H

#include "base/bytes.h"

/* Inflates the zlib stream at the front of `bytes`, which must give exactly `size` bytes, and
 * appends them to `out`; memory grows with what comes out, not with what `size` promises.
 * `*out_used` is the length of the stream.
 *
 * Returns NPR_OK, NPR_ESYNTAX, NPR_EFULL or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_inflate(struct npr_bytes bytes,
                                      size_t size,
                                      struct npri_buffer *out,
                                      size_t *out_used,
                                      struct npr_error *err);

#endif /* NPRI_TERM_INFLATE_H */
