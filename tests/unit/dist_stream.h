/* unit/dist_stream.h - streams of frames for the tests of dist/channel.h: making them, feeding them
 * in pieces, and what came of it. */
#ifndef NPRI_UNIT_DIST_STREAM_H
#define NPRI_UNIT_DIST_STREAM_H

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "dist/channel.h"
#include "dist/flags.h"
#include "support/check.h"

#define LINE_MAX_BYTES  4096
#define FRAME_BYTES_MAX (1u << 20)
#define RECORDED_FLAGS  (NPRI_FLAGS_OFFERED & ~NPRI_FLAG_FRAGMENTS)

/* Terms, and control tuples made of them. */
#define PID_1 "58770361406200000001000000000000000c"
#define PID_2 "58770361406200000002000000000000000c"
#define SEND_2                                                                                     \
    "6803610277"                                                                                   \
    "00" PID_2
#define ATOM_ECHO "77046563686f"
#define OLD_ATOM  "6400146161616161616161616161616161616161616161" /* as OTP 20 wrote it */
#define LINK_1_2  "68036101" PID_1 PID_2

static inline struct npri_channel *channel_with(uint64_t flags, size_t frame_bytes_max)
{
    const struct npri_channel_options options = {
        .flags = flags,
        .frame_bytes_max = frame_bytes_max,
        .net_ticktime_ns = 60,
    };
    struct npri_channel *channel = npri_channel_create(&options);

    assert_non_null(channel);
    return channel;
}

static inline struct npri_buffer buffer_of(const char *hex)
{
    uint8_t bytes[LINE_MAX_BYTES];
    struct npri_buffer buffer;

    npri_buffer_init(&buffer, 0);
    npri_put_bytes(&buffer, npri_bytes(bytes, check_unhex(hex, bytes, sizeof(bytes))));
    assert_false(buffer.failed);
    return buffer;
}

/* Appends a frame: its length and the bytes of `hex`. */
static inline void put_frame(struct npri_buffer *out, const char *hex)
{
    struct npri_buffer body = buffer_of(hex);

    npri_put_u32(out, (uint32_t)body.size);
    npri_put_bytes(out, npri_buffer_bytes(&body));
    npri_buffer_fini(&body);
}

static inline npr_status feed(struct npri_channel *channel, struct npr_bytes bytes)
{
    return npri_channel_feed(channel, bytes, 0, NULL);
}

/* What comes of a stream of frames: "SEND, LINK, " and the status that ends it. */
static inline npr_status drain(struct npri_channel *channel, struct npri_buffer *seen)
{
    struct npri_control control;
    npr_status status;

    while ((status = npri_channel_next(channel, &control, NULL)) == NPR_OK) {
        npri_put_bytes(seen, npr_bytes_of(npri_control_name(control.kind)));
        npri_put_u64(seen, control.payload.size);
        npri_put_bytes(seen, npri_bytes(control.payload.data, control.payload.size));
        npri_put_bytes(seen, npri_bytes(control.from.data, control.from.size));
        npri_put_bytes(seen, npri_bytes(control.to.data, control.to.size));
    }
    return status;
}

/* Feeds `bytes` in pieces of at most `piece`; what they meant is appended to `seen`. */
static inline npr_status feed_pieces(struct npri_channel *channel,
                                     struct npr_bytes bytes,
                                     size_t piece,
                                     struct npri_buffer *seen)
{
    npr_status status = NPR_ENOTFOUND;

    assert_non_null(bytes.data);
    for (size_t at = 0; bytes.data != NULL && at < bytes.size && status == NPR_ENOTFOUND;
         at += piece) {
        const size_t part = bytes.size - at < piece ? bytes.size - at : piece;
        /* A copy of exactly that size: the sanitizer sees a byte read too far, or too late. */
        uint8_t *copy = malloc(part);

        assert_non_null(copy);
        memcpy(copy, bytes.data + at, part);
        assert_int_equal(feed(channel, npri_bytes(copy, part)), NPR_OK);
        status = drain(channel, seen);
        free(copy);
    }
    return status;
}

static inline void put_head(struct npri_buffer *out, uint8_t type, uint64_t sequence, uint64_t left)
{
    npri_put_u8(out, 131);
    npri_put_u8(out, type);
    npri_put_u64(out, sequence);
    npri_put_u64(out, left);
}

/* A fragment with `size` bytes of payload from `payload`. */
static inline void put_fragment(struct npri_buffer *out,
                                uint64_t sequence,
                                uint64_t left,
                                bool first,
                                struct npr_bytes part)
{
    const size_t start = out->size;

    npri_put_u32(out, 0);
    put_head(out, first ? 69 : 70, sequence, left);
    if (first) {
        struct npri_buffer control = buffer_of("00" SEND_2);

        npri_put_bytes(out, npri_buffer_bytes(&control));
        npri_buffer_fini(&control);
    }
    npri_put_bytes(out, part);
    npri_buffer_patch_u32(out, start, (uint32_t)(out->size - start - 4));
}

/* A binary of `size` bytes `fill`, encoded. */
static inline struct npri_buffer binary_of(uint32_t size, int fill)
{
    struct npri_buffer binary;
    uint8_t *at;

    npri_buffer_init(&binary, 0);
    npri_put_u8(&binary, 109);
    npri_put_u32(&binary, size);
    at = npri_buffer_extend(&binary, size);
    assert_non_null(at);
    memset(at, fill, size);
    return binary;
}

static inline struct npri_control message_with(struct npri_buffer *to,
                                               const struct npri_buffer *payload)
{
    *to = buffer_of(PID_2);
    return (struct npri_control){.kind = NPRI_CONTROL_SEND,
                                 .to = {to->data, to->size},
                                 .payload = {payload->data, payload->size}};
}

#endif /* NPRI_UNIT_DIST_STREAM_H */
