#include "dist/fragments.h"

#include "base/assert.h"
#include "base/fail.h"

void npri_fragments_init(struct npri_fragments *fragments, size_t message_bytes_max)
{
    NPRI_ASSERT(message_bytes_max > 0 &&
                message_bytes_max <= SIZE_MAX / NPRI_FRAGMENT_TOTAL_FACTOR);
    memset(fragments, 0, sizeof(*fragments));
    fragments->message_bytes_max = message_bytes_max;
}

void npri_fragments_fini(struct npri_fragments *fragments)
{
    for (size_t i = 0; i < fragments->count; i++) {
        npri_buffer_fini(&fragments->sequences[i].bytes);
    }
    fragments->count = 0;
    fragments->bytes_held = 0;
}

static struct npri_fragment_sequence *find(struct npri_fragments *fragments, uint64_t id)
{
    for (size_t i = 0; i < fragments->count; i++) {
        if (fragments->sequences[i].id == id) {
            return &fragments->sequences[i];
        }
    }
    return NULL;
}

static npr_status append(struct npri_fragments *fragments,
                         struct npri_fragment_sequence *sequence,
                         struct npr_bytes part,
                         struct npr_error *err)
{
    const size_t bytes_max = fragments->message_bytes_max;

    if (part.size > bytes_max - sequence->bytes.size) {
        return npri_fail(err, NPR_EFULL, "fragmented message of more than %zu bytes", bytes_max);
    }
    if (part.size > NPRI_FRAGMENT_TOTAL_FACTOR * bytes_max - fragments->bytes_held) {
        return npri_fail(err, NPR_EFULL, "unfinished fragmented messages of more than %zu bytes",
                         NPRI_FRAGMENT_TOTAL_FACTOR * bytes_max);
    }
    npri_put_bytes(&sequence->bytes, part);
    if (sequence->bytes.failed) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a fragmented message");
    }
    fragments->bytes_held += part.size;
    return NPR_OK;
}

npr_status npri_fragments_first(struct npri_fragments *fragments,
                                const struct npri_fragment *fragment,
                                struct npr_error *err)
{
    struct npri_fragment_sequence *sequence;

    if (fragment->left < 2) {
        return npri_fail(err, NPR_EPROTO, "message of %u fragments", (unsigned)fragment->left);
    }
    if (find(fragments, fragment->id) != NULL) {
        return npri_fail(err, NPR_EPROTO, "first fragment of a sequence that is under way");
    }
    if (fragments->count == NPRI_FRAGMENT_SEQUENCES_MAX) {
        return npri_fail(err, NPR_EFULL, "more than %u unfinished fragmented messages",
                         NPRI_FRAGMENT_SEQUENCES_MAX);
    }
    sequence = &fragments->sequences[fragments->count++];
    sequence->id = fragment->id;
    sequence->left = fragment->left - 1;
    npri_buffer_init(&sequence->bytes, 0);
    return append(fragments, sequence, fragment->part, err);
}

npr_status npri_fragments_next(struct npri_fragments *fragments,
                               const struct npri_fragment *fragment,
                               struct npri_buffer *whole,
                               bool *out_done,
                               struct npr_error *err)
{
    struct npri_fragment_sequence *sequence = find(fragments, fragment->id);
    npr_status status;

    *out_done = false;
    if (sequence == NULL) {
        return npri_fail(err, NPR_EPROTO, "fragment without a first one");
    }
    if (fragment->left != sequence->left) {
        return npri_fail(err, NPR_EPROTO, "fragment out of order");
    }
    status = append(fragments, sequence, fragment->part, err);
    if (status != NPR_OK) {
        return status;
    }
    sequence->left--;
    if (sequence->left == 0) {
        fragments->bytes_held -= sequence->bytes.size;
        npri_buffer_fini(whole);
        *whole = sequence->bytes;
        *sequence = fragments->sequences[--fragments->count];
        *out_done = true;
    }
    return NPR_OK;
}
