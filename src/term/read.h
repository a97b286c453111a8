/* term/read.h - from untrusted bytes to checked terms.  Pure: no I/O, clock or threads.
 *
 * Every term enters the program here, once, and is a checked `struct npr_term` from then on:
 *
 *     bytes --npri_term_read--> checked term, in normal form
 *
 * Checked:      whole, within its bounds, depth and size limits, valid atoms and numbers, no
 *               duplicate map keys.
 * Normal form:  one encoding per value, so that =:= is memcmp: minimal integers, atoms as
 *               SMALL_ATOM_UTF8_EXT or ATOM_UTF8_EXT, proper lists of up to 65,535 bytes as
 *               STRING_EXT, map keys in term order (whatever their number), no list as the tail of
 *               a list, smallest tags throughout.
 *
 * Current OTP releases send normal form, but for maps whose keys they keep in an order of their
 * own; such terms are views of what was received, uncopied, a 2 MB binary in them included.  All
 * else is rewritten into `scratch`.  So every checked term is in normal form: keys and messages
 * alike.
 *
 * Reading, comparing, printing and parsing recurse to the depth of the term: at NPRI_TERM_DEPTH_MAX
 * they take up to 1 MiB of the caller's stack (some 430 bytes for each level of the worst). */
#ifndef NPRI_TERM_READ_H
#define NPRI_TERM_READ_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* Reads one term, without a version byte, from the front of `bytes`.  `*out` views `bytes`, or,
 * when the term had to be rewritten, what was appended to `scratch` for it: the next append to
 * `scratch` may move that, so let each term have a scratch buffer of its own.  (`scratch` grew if
 * and only if the term is there.)  `*out_used` is how many bytes of `bytes` it took; what follows
 * is the caller's business.  On failure `scratch` is as long as before, but may be `failed`.
 *
 * Returns NPR_OK, NPR_ESYNTAX (`err` names offset and fault), NPR_EFULL (limits), NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_term_read(struct npr_bytes bytes,
                                        struct npri_buffer *scratch,
                                        struct npr_term *out,
                                        size_t *out_used,
                                        struct npr_error *err);

/* The same for bytes that begin with the version byte 131 (one COMPRESSED term may follow it). */
NPR_NODISCARD npr_status npri_term_read_versioned(struct npr_bytes bytes,
                                                  struct npri_buffer *scratch,
                                                  struct npr_term *out,
                                                  size_t *out_used,
                                                  struct npr_error *err);

/* Appends the normal form of a term that was put together with npri_put_ calls in another encoding
 * (say, a map in any order of keys).  A checked term is copied.  False: no memory, over the
 * buffer's limit, or a map has a key twice. */
NPR_NODISCARD bool npri_term_normalise(struct npr_term term, struct npri_buffer *out);

/* Whether every Erlang node would write the term with the same bytes: no map of more than
 * NPRI_MAP_SORTED_MAX pairs inside (their order is per VM). */
bool npri_term_is_placeable(struct npr_term term);

#endif /* NPRI_TERM_READ_H */
