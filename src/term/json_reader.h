/* term/json_reader.h - what the two files that read JSON share.  Pure. */
#ifndef NPRI_TERM_JSON_READER_H
#define NPRI_TERM_JSON_READER_H

#include "term/json.h"

#define NPRI_JSON_HEADER_BYTES ((size_t)5) /* of a list, map, binary, large tuple */
#define NPRI_JSON_NOWHERE      SIZE_MAX

struct npri_json_reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    struct npri_buffer raw; /* terms, not in normal form */
    unsigned depth;
    uint64_t moved;
    size_t array_at; /* in `raw`: the proper list read last */
    size_t tail_at;  /* in `raw`: a value that is the tail of the list around it */
    npr_status status;
    struct npr_error *err;
};

/* The first failure counts. */
void npri_json_fail(struct npri_json_reader *r, npr_status status, const char *why);

static inline bool npri_json_going(const struct npri_json_reader *r)
{
    return r->status == NPR_OK && !r->raw.failed;
}

/* An object of one member with a tag is over; its value alone is in `raw`, from `start` on.  Makes
 * it what the tag says.  False: it is none of that form, and unchanged.  `is_tail`: it may be the
 * tail of a list, and an array ends behind it. */
bool npri_json_convert(struct npri_json_reader *r,
                       enum npri_json_tag tag,
                       size_t start,
                       bool is_tail);

/* A map of one pair after all: its header and its name come in front of the value. */
void npri_json_put_name(struct npri_json_reader *r, enum npri_json_tag tag, size_t start);

/* The map of one pair at `start`: if its name begins with $$, one of them goes. */
void npri_json_strip_name(struct npri_json_reader *r, size_t start);

#endif /* NPRI_TERM_JSON_READER_H */
