#include "term/read.h"

#include "base/fail.h"
#include "base/limits.h"
#include "term/inflate.h"
#include "term/scan.h"

#define COMPRESSED_HEAD_BYTES 6u /* version, tag, size */

/* Reads the term behind the first `origin` bytes, which are not counted in `*out_used`. */
static npr_status read_behind(struct npr_bytes bytes,
                              size_t origin,
                              struct npri_buffer *scratch,
                              struct npr_term *out,
                              size_t *out_used,
                              struct npr_error *err)
{
    const size_t start = scratch->size;
    struct npri_scan scan;
    npr_status status;

    if (bytes.size == origin) {
        return npri_fail(err, NPR_ESYNTAX, "offset %zu: the term ends too early", origin);
    }
    bytes = npri_bytes(bytes.data + origin, bytes.size - origin);
    status = npri_term_scan(bytes, origin, &scan, err);
    if (status != NPR_OK) {
        return status;
    }
    if (scan.normal) {
        *out = (struct npr_term){.data = bytes.data, .size = scan.used};
        *out_used = scan.used;
        return NPR_OK;
    }
    status = npri_term_rewrite(npri_bytes(bytes.data, scan.used), origin, scratch, err);
    if (status != NPR_OK) {
        return status;
    }
    *out = (struct npr_term){.data = scratch->data + start, .size = scratch->size - start};
    *out_used = scan.used;
    return NPR_OK;
}

npr_status npri_term_read(struct npr_bytes bytes,
                          struct npri_buffer *scratch,
                          struct npr_term *out,
                          size_t *out_used,
                          struct npr_error *err)
{
    return read_behind(bytes, 0, scratch, out, out_used, err);
}

/* `bytes` begin with 131, 80.  Bytes behind the inner term, within the stated size, are allowed:
 * OTP does so. */
static npr_status read_compressed(struct npr_bytes bytes,
                                  struct npri_buffer *scratch,
                                  struct npr_term *out,
                                  size_t *out_used,
                                  struct npr_error *err)
{
    const size_t start = scratch->size;
    struct npri_buffer inflated;
    struct npr_term term = {.data = NULL};
    size_t inner_used;
    size_t used;
    npr_status status;

    if (bytes.size < COMPRESSED_HEAD_BYTES) {
        return npri_fail(err, NPR_ESYNTAX, "offset %zu: the term ends too early", bytes.size);
    }
    npri_buffer_init(&inflated, 0);
    status = npri_inflate(
        npri_bytes(bytes.data + COMPRESSED_HEAD_BYTES, bytes.size - COMPRESSED_HEAD_BYTES),
        npri_get_u32(bytes.data + 2), &inflated, &used, err);
    if (status != NPR_OK) {
        goto done;
    }
    status = npri_term_read(npri_buffer_bytes(&inflated), scratch, &term, &inner_used, err);
    if (status != NPR_OK) {
        status = npri_fail_prefix(err, status, "in the compressed term: ");
        goto done;
    }
    if (scratch->size == start) { /* a view of what goes away here */
        npri_put_bytes(scratch, npri_bytes(term.data, term.size));
        if (scratch->failed) {
            status = npri_fail(err, NPR_ENOMEM, "no memory for the term");
            goto done;
        }
    }
    *out = (struct npr_term){.data = scratch->data + start, .size = scratch->size - start};
    *out_used = COMPRESSED_HEAD_BYTES + used;
done:
    npri_buffer_fini(&inflated);
    return status;
}

npr_status npri_term_read_versioned(struct npr_bytes bytes,
                                    struct npri_buffer *scratch,
                                    struct npr_term *out,
                                    size_t *out_used,
                                    struct npr_error *err)
{
    npr_status status;

    if (bytes.size == 0 || bytes.data[0] != NPRI_TERM_VERSION) {
        return npri_fail(err, NPR_ESYNTAX, "offset 0: a term begins with the byte %d",
                         NPRI_TERM_VERSION);
    }
    if (bytes.size > 1 && bytes.data[1] == NPRI_TAG_COMPRESSED) {
        return read_compressed(bytes, scratch, out, out_used, err);
    }
    status = read_behind(bytes, 1, scratch, out, out_used, err);
    if (status == NPR_OK) {
        *out_used += 1;
    }
    return status;
}
