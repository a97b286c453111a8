/* dist/fragments.h - messages that arrive in parts, several at a time.  Pure.
 *
 * Parts of one sequence come in order, their number counting down to 1; parts of different
 * sequences may alternate.  Memory grows with the bytes that came, never with what they announce:
 * at most NPRI_FRAGMENT_SEQUENCES_MAX unfinished sequences, each at most `message_bytes_max`, all
 * of them at most NPRI_FRAGMENT_TOTAL_FACTOR times that. */
#ifndef NPRI_DIST_FRAGMENTS_H
#define NPRI_DIST_FRAGMENTS_H

#include "base/bytes.h"
#include "base/limits.h"

/* One unfinished message. */
struct npri_fragment_sequence {
    uint64_t id;   /* chosen by the peer */
    uint64_t left; /* the number that the next part must have; > 0 */
    struct npri_buffer bytes;
};

struct npri_fragments {
    size_t message_bytes_max;
    size_t bytes_held; /* the sum over all sequences */
    size_t count;
    struct npri_fragment_sequence sequences[NPRI_FRAGMENT_SEQUENCES_MAX]; /* in no order */
};

void npri_fragments_init(struct npri_fragments *fragments, size_t message_bytes_max);
void npri_fragments_fini(struct npri_fragments *fragments);

/* One part, as it arrived. */
struct npri_fragment {
    uint64_t id;
    uint64_t left; /* of the first part: how many there are */
    struct npr_bytes part;
};

/* The first part of a message of at least 2.  Returns NPR_OK, NPR_EPROTO (fewer parts, or the
 * sequence is under way), NPR_EFULL or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_fragments_first(struct npri_fragments *fragments,
                                              const struct npri_fragment *fragment,
                                              struct npr_error *err);

/* A later part.  When it was the last one, `*out_done` is true and the whole message is moved into
 * `whole`, whose old contents are freed.  Return values as above; NPR_EPROTO: no such sequence, or
 * not its next part. */
NPR_NODISCARD npr_status npri_fragments_next(struct npri_fragments *fragments,
                                             const struct npri_fragment *fragment,
                                             struct npri_buffer *whole,
                                             bool *out_done,
                                             struct npr_error *err);

#endif /* NPRI_DIST_FRAGMENTS_H */
