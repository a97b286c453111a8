/* dist/channel.h - a connected node's stream of frames: lengths, fragments, ticks.  Pure: bytes in,
 * control messages out; control messages in, bytes out; the caller brings the time.
 *
 * Not negotiated here: flags come from the handshake.  Not decided here: what a message means. */
#ifndef NPRI_DIST_CHANNEL_H
#define NPRI_DIST_CHANNEL_H

#include "dist/control.h"

struct npri_channel;

struct npri_channel_options {
    uint64_t flags;           /* effective, NPRI_FLAG_* */
    size_t frame_bytes_max;   /* one message, assembled */
    uint64_t net_ticktime_ns; /* 60 s by Erlang's default */
    uint64_t now_ns;
};

/* NULL when out of memory. */
struct npri_channel *npri_channel_create(const struct npri_channel_options *options);
void npri_channel_destroy(struct npri_channel *channel);

/* Bytes arrived at `now_ns`.  They are copied only as far as a frame is incomplete. */
NPR_NODISCARD npr_status npri_channel_feed(struct npri_channel *channel,
                                           struct npr_bytes bytes,
                                           uint64_t now_ns,
                                           struct npr_error *err);

/* The next whole message of those fed.  NPR_OK: `*out` is set and valid until the next call on the
 * channel.  NPR_ENOTFOUND: none yet (`err` untouched).  NPR_EPROTO, NPR_EFULL, NPR_ENOMEM: the
 * connection must be closed; `err` says why. */
NPR_NODISCARD npr_status npri_channel_next(struct npri_channel *channel,
                                           struct npri_control *out,
                                           struct npr_error *err);

/* Appends the frame or fragments of one message to `out`.  False: no memory, or over the limit of
 * `out`; nothing was appended then. */
NPR_NODISCARD bool npri_channel_write(struct npri_channel *channel,
                                      const struct npri_control *control,
                                      struct npri_buffer *out);

/* Something was written to the peer at `now_ns` (messages and ticks alike). */
void npri_channel_wrote(struct npri_channel *channel, uint64_t now_ns);

enum npri_tick {
    NPRI_TICK_NONE,
    NPRI_TICK_SEND,   /* write four zero bytes now */
    NPRI_TICK_SILENT, /* nothing read for net_ticktime: drop the peer */
};

/* Call at npri_channel_deadline_ns() or later.  Sends when nothing was written for a quarter of
 * net_ticktime, and also when nothing was read for that long. */
enum npri_tick npri_channel_tick(struct npri_channel *channel, uint64_t now_ns);
uint64_t npri_channel_deadline_ns(const struct npri_channel *channel);

#endif /* NPRI_DIST_CHANNEL_H */
