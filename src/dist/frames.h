/* dist/frames.h - cuts a stream of bytes into frames with 4-byte lengths.  Pure.
 *
 *   fed bytes:   [ rest of kept | frame | frame | ... | beginning of one ]
 *                       |           |                          |
 *                     `kept`     borrowed                    `kept`
 *
 * A frame that arrives as a whole is given out where it lies; only one that spans two feeds is
 * copied, once.  Memory grows with the bytes that came, never with the length that they announce.
 */
#ifndef NPRI_DIST_FRAMES_H
#define NPRI_DIST_FRAMES_H

#include "base/bytes.h"

struct npri_frames {
    size_t frame_bytes_max;
    struct npr_bytes fed; /* borrowed; what has not been given out or kept of it */
    struct npri_buffer kept;
    bool kept_done; /* `kept` is a whole frame that was given out */
};

void npri_frames_init(struct npri_frames *frames, size_t frame_bytes_max);
void npri_frames_fini(struct npri_frames *frames);

/* What was fed before must have been taken out by npri_frames_next() as far as it goes. */
void npri_frames_feed(struct npri_frames *frames, struct npr_bytes bytes);

/* The next frame without its length, valid until the next call; empty frames too.  NPR_ENOTFOUND:
 * the fed bytes hold no whole one any more, and are no longer borrowed (`err` untouched).
 * NPR_EFULL: over the limit.  NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_frames_next(struct npri_frames *frames,
                                          struct npr_bytes *out,
                                          struct npr_error *err);

/* Empties a buffer, and gives back what only an unusually large frame had needed. */
void npri_frames_recycle(struct npri_buffer *buffer);

#endif /* NPRI_DIST_FRAMES_H */
