/* term/json.h - terms as JSON and back, the mapping of nprocreg/json.h, on buffers.  Pure.
 *
 * Why no JSON library: none of those at hand keeps integers of any size and floats apart and exact,
 * and takes its memory from base/alloc.h (docs/decisions/json.md). */
#ifndef NPRI_TERM_JSON_H
#define NPRI_TERM_JSON_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* Appends the text.  The buffer fails without memory, or beyond its limit. */
void npri_json_write(struct npr_term term, struct npri_buffer *out);

/* Appends the normal form of the one value in `text` to `out`.  See npr_term_from_json(). */
NPR_NODISCARD npr_status npri_json_read(struct npr_bytes text,
                                        struct npri_buffer *out,
                                        struct npr_error *err);

/* The tags, for both directions. */
enum npri_json_tag {
    NPRI_JSON_PLAIN, /* no tag */
    NPRI_JSON_ATOM,
    NPRI_JSON_TUPLE,
    NPRI_JSON_TAIL,
    NPRI_JSON_MAP,
    NPRI_JSON_BYTES,
    NPRI_JSON_PID,
    NPRI_JSON_REF,
    NPRI_JSON_TERM,
    NPRI_JSON_TAGS,
};

/* "$atom" and so on; NULL for PLAIN. */
extern const char *const npri_json_tag_names[NPRI_JSON_TAGS];

#endif /* NPRI_TERM_JSON_H */
