#include "dist/frames.h"

#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"

#define LENGTH_BYTES 4u

void npri_frames_init(struct npri_frames *frames, size_t frame_bytes_max)
{
    memset(frames, 0, sizeof(*frames));
    frames->frame_bytes_max = frame_bytes_max;
}

void npri_frames_fini(struct npri_frames *frames)
{
    npri_buffer_fini(&frames->kept);
    frames->fed = (struct npr_bytes){0};
}

void npri_frames_recycle(struct npri_buffer *buffer)
{
    if (buffer->capacity > NPRI_CHANNEL_KEEP_BYTES) {
        npri_buffer_fini(buffer);
    }
    npri_buffer_reset(buffer);
}

void npri_frames_feed(struct npri_frames *frames, struct npr_bytes bytes)
{
    NPRI_ASSERT(frames->fed.size == 0);
    frames->fed = bytes;
}

static npr_status check_length(const struct npri_frames *frames,
                               size_t frame_bytes,
                               struct npr_error *err)
{
    if (frame_bytes > frames->frame_bytes_max) {
        return npri_fail(err, NPR_EFULL, "frame of %zu bytes, at most %zu allowed", frame_bytes,
                         frames->frame_bytes_max);
    }
    return NPR_OK;
}

/* Moves fed bytes to `kept` until it holds `want`; NPR_ENOTFOUND when there are too few. */
static npr_status keep(struct npri_frames *frames, size_t want, struct npr_error *err)
{
    const size_t missing = want - frames->kept.size;
    const size_t part = frames->fed.size < missing ? frames->fed.size : missing;

    if (part != 0) {
        npri_put_bytes(&frames->kept, npri_bytes(frames->fed.data, part));
        if (frames->kept.failed) {
            return npri_fail(err, NPR_ENOMEM, "no memory for a frame");
        }
        frames->fed = npri_bytes(frames->fed.data + part, frames->fed.size - part);
    }
    return part == missing ? NPR_OK : NPR_ENOTFOUND;
}

/* A frame of which `kept` has the beginning, or shall have. */
static npr_status next_kept(struct npri_frames *frames,
                            struct npr_bytes *out,
                            struct npr_error *err)
{
    npr_status status = NPR_OK;
    size_t frame_bytes;

    if (frames->kept.size < LENGTH_BYTES) {
        status = keep(frames, LENGTH_BYTES, err);
    }
    if (status != NPR_OK) {
        return status;
    }
    frame_bytes = npri_get_u32(frames->kept.data);
    status = check_length(frames, frame_bytes, err);
    if (status == NPR_OK) {
        status = keep(frames, LENGTH_BYTES + frame_bytes, err);
    }
    if (status == NPR_OK) {
        frames->kept_done = true;
        *out = npri_bytes(frames->kept.data + LENGTH_BYTES, frame_bytes);
    }
    return status;
}

npr_status npri_frames_next(struct npri_frames *frames,
                            struct npr_bytes *out,
                            struct npr_error *err)
{
    const struct npr_bytes fed = frames->fed;
    size_t frame_bytes;
    size_t taken;
    npr_status status;

    if (frames->kept_done) {
        npri_frames_recycle(&frames->kept);
        frames->kept_done = false;
    }
    if (frames->kept.size != 0 || fed.size < LENGTH_BYTES) {
        return next_kept(frames, out, err);
    }
    frame_bytes = npri_get_u32(fed.data);
    status = check_length(frames, frame_bytes, err);
    if (status != NPR_OK) {
        return status;
    }
    if (fed.size - LENGTH_BYTES < frame_bytes) {
        return next_kept(frames, out, err);
    }
    taken = LENGTH_BYTES + frame_bytes;
    *out = npri_bytes(fed.data + LENGTH_BYTES, frame_bytes);
    frames->fed = npri_bytes(fed.data + taken, fed.size - taken);
    return NPR_OK;
}
