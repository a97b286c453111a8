/* term/read.h - from untrusted bytes to checked terms.  Pure: no I/O, clock or threads.
 *
 * Every term enters the program here, once, and is a checked `struct npr_term` from then on:
 *
 *     bytes --npri_term_read--> checked term --npri_term_normalise--> normal form
 *
 * Checked:      whole, within its bounds, depth and size limits, valid atoms and numbers, no
 *               duplicate map keys, no tag that current OTP releases do not send (those are
 * rewritten into `scratch`; a term that needs no rewriting is a view of `bytes`, uncopied). Normal
 * form:  one encoding per value, so that =:= is memcmp: minimal integers, atoms as
 *               SMALL_ATOM_UTF8_EXT or ATOM_UTF8_EXT, byte lists as STRING_EXT, NEW_FLOAT_EXT, map
 * keys in term order (whatever their number), smallest tags throughout.
 *
 * Keys are kept in normal form.  Messages are only checked. */
#ifndef NPRI_TERM_READ_H
#define NPRI_TERM_READ_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* Reads one term, without a version byte, from the front of `bytes`.  `*out` views `bytes`, or
 * `scratch` (appended to; it must then outlive the term) when the term had to be rewritten.
 * `*out_used` is how many bytes of `bytes` it took; what follows is the caller's business.
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

/* Appends the normal form of a checked term.  False: no memory or over the buffer's limit. */
NPR_NODISCARD bool npri_term_normalise(struct npr_term term, struct npri_buffer *out);

/* Whether every Erlang node would write the term with the same bytes: no map of more than
 * NPRI_MAP_SORTED_MAX pairs inside (their order is per VM). */
bool npri_term_is_placeable(struct npr_term term);

#endif /* NPRI_TERM_READ_H */
