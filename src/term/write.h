/* term/write.h - appending terms to a buffer, piece by piece.  Pure.
 *
 * A tuple, list or map is a header followed by its elements; nothing is checked here, the caller
 * writes what it announced.  The result is in normal form (term/read.h) as long as lists of bytes
 * are written with npri_put_string() and the keys of a map in term order; npri_term_normalise()
 * helps where that cannot be had.  Only what is in normal form may be compared, hashed or taken
 * apart. */
#ifndef NPRI_TERM_WRITE_H
#define NPRI_TERM_WRITE_H

#include "nprocreg/term.h"

#include "base/bytes.h"

void npri_put_int(struct npri_buffer *buffer, int64_t value);
void npri_put_uint(struct npri_buffer *buffer, uint64_t value);
void npri_put_double(struct npri_buffer *buffer, double value);
void npri_put_atom(struct npri_buffer *buffer, const char *utf8); /* a literal, <= 255 characters */
void npri_put_atom_bytes(struct npri_buffer *buffer, struct npr_bytes utf8); /* likewise, checked */
/* Whether it is one: UTF-8 of at most 255 characters. */
bool npri_atom_is_possible(struct npr_bytes utf8);
void npri_put_node(struct npri_buffer *buffer, const struct npr_node_name *node);
void npri_put_pid(struct npri_buffer *buffer, const struct npr_pid *pid);
void npri_put_ref(struct npri_buffer *buffer, const struct npr_ref *ref);
void npri_put_export(struct npri_buffer *buffer,
                     struct npr_bytes module,
                     struct npr_bytes function,
                     uint8_t arity);
void npri_put_binary(struct npri_buffer *buffer, struct npr_bytes bytes);
void npri_put_string(struct npri_buffer *buffer, struct npr_bytes bytes); /* list of bytes */
void npri_put_tuple(struct npri_buffer *buffer, uint32_t arity);
void npri_put_list(struct npri_buffer *buffer, uint32_t count); /* count > 0; a tail must follow */
void npri_put_nil(struct npri_buffer *buffer);
/* The list of `count` terms (none is fine) that stand in `items`, one after the other; fails when
 * `items` has failed. */
void npri_put_list_of(struct npri_buffer *buffer, uint32_t count, const struct npri_buffer *items);
void npri_put_map(struct npri_buffer *buffer, uint32_t pairs);
void npri_put_term(struct npri_buffer *buffer, struct npr_term term);

/* Appends 131 and the bytes that term_to_binary of that release gives. */
void npri_term_write(struct npr_term term, enum npr_otp otp, struct npri_buffer *buffer);

/* Appends the text of io_lib:format("~0tp", [Term]), without a terminator.  A buffer with a limit
 * gets its beginning, in whole characters, and is `failed`; that costs no more than what fits, but
 * for one look at each string and binary that comes first. */
void npri_term_print(struct npr_term term, struct npri_buffer *buffer);

#endif /* NPRI_TERM_WRITE_H */
