/* term/bits.h - building binaries bit by bit, as <<...>> does.  Pure. */
#ifndef NPRI_TERM_BITS_H
#define NPRI_TERM_BITS_H

#include "term/number.h"

/* Bits in the making: whole bytes in `bytes`, but the last one has only `last_bits` bits (from the
 * high end; 0 means that it is whole). */
struct npri_bits {
    struct npri_buffer bytes;
    unsigned last_bits;
};

void npri_bits_init(struct npri_bits *bits); /* ends in failed bytes beyond NPRI_TERM_BYTES_MAX */
void npri_bits_fini(struct npri_bits *bits);

/* Appends the low `count` (1..8) bits of `value`. */
void npri_bits_put(struct npri_bits *bits, unsigned value, unsigned count);

/* Appends the first `count` bits of `from`. */
void npri_bits_append(struct npri_bits *bits, const uint8_t *from, uint64_t count);

/* Appends `integer` in two's complement, cut to its low `count` bits. */
void npri_bits_put_integer(struct npri_bits *bits,
                           const struct npri_integer *integer,
                           uint64_t count,
                           bool little);

/* Appends the binary or bitstring as a term in normal form. */
void npri_bits_finish(const struct npri_bits *bits, struct npri_buffer *out);

#endif /* NPRI_TERM_BITS_H */
