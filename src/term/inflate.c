#include "term/inflate.h"

#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"

#define STEP_BYTES_MIN 4096u
#define STEP_BYTES_MAX (1u << 20)

static voidpf zlib_alloc(voidpf user, uInt count, uInt bytes)
{
    (void)user;
    return npri_alloc_zeroed(count, bytes);
}

static void zlib_free(voidpf user, voidpf memory)
{
    (void)user;
    npri_free(memory);
}

/* Inflates up to one byte more than `size`, so that a stream which is too long shows itself. */
static npr_status inflate_all(z_stream *stream, size_t size, struct npri_buffer *out)
{
    const size_t start = out->size;

    for (;;) {
        const size_t done = out->size - start;
        const size_t rest = size + 1 - done;
        size_t step = done < STEP_BYTES_MIN ? STEP_BYTES_MIN : done;
        uint8_t *to;
        int result;

        step = step > STEP_BYTES_MAX ? STEP_BYTES_MAX : step;
        step = step > rest ? rest : step;
        if (step == 0) {
            return NPR_ESYNTAX;
        }
        to = npri_buffer_extend(out, step);
        if (to == NULL) {
            return NPR_ENOMEM;
        }
        stream->next_out = to;
        stream->avail_out = (uInt)step;
        result = inflate(stream, Z_NO_FLUSH);
        out->size -= stream->avail_out;
        if (result == Z_STREAM_END) {
            return out->size - start == size ? NPR_OK : NPR_ESYNTAX;
        }
        if (result == Z_MEM_ERROR) {
            return NPR_ENOMEM;
        }
        if (result != Z_OK || stream->avail_out == step) {
            return NPR_ESYNTAX;
        }
    }
}

npr_status npri_inflate(struct npr_bytes bytes,
                        size_t size,
                        struct npri_buffer *out,
                        size_t *out_used,
                        struct npr_error *err)
{
    const size_t start = out->size;
    const size_t in_bytes = bytes.size < NPRI_TERM_BYTES_MAX ? bytes.size : NPRI_TERM_BYTES_MAX;
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free};
    npr_status status;

    if (size > NPRI_TERM_BYTES_MAX) {
        return npri_fail(err, NPR_EFULL, "offset 2: a compressed term of more than %u bytes",
                         NPRI_TERM_BYTES_MAX);
    }
    stream.next_in = bytes.data;
    stream.avail_in = (uInt)in_bytes;
    if (inflateInit(&stream) != Z_OK) {
        return npri_fail(err, NPR_ENOMEM, "no memory to inflate a term");
    }
    status = inflate_all(&stream, size, out);
    *out_used = in_bytes - stream.avail_in;
    (void)inflateEnd(&stream); /* fails only on a stream that was not initialised */
    if (status != NPR_OK) {
        out->size = start;
        return npri_fail(err, status, "offset 6: %s",
                         status == NPR_ENOMEM
                             ? "no memory to inflate a term"
                             : "the compressed data is damaged or not of the size it states");
    }
    return NPR_OK;
}
