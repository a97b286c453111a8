/* dist/channel.h - a connected node's stream of frames: lengths, fragments, ticks.  Pure: bytes in,
 * control messages out; control messages in, bytes out; the caller brings the time.
 *
 *   body of a frame                        means
 *     (none)                               tick
 *     112 131 Control [131 Payload]        message; without FRAGMENTS only
 *     131 68 0 Control [Payload]           message; with FRAGMENTS only, as the next two
 *     131 69 Seq:64 Left:64 0 Control Part first of Left parts
 *     131 70 Seq:64 Left:64 Part           Left counts down to 1
 *
 * Bytes that follow a whole message in its frame are ignored.
 *
 * Not negotiated here: flags come from the handshake.  Not decided here: what a message means. */
#ifndef NPRI_DIST_CHANNEL_H
#define NPRI_DIST_CHANNEL_H

#include "dist/control.h"
#include "dist/ticker.h"

struct npri_channel;

struct npri_channel_options {
    uint64_t flags;           /* effective, NPRI_FLAG_* */
    size_t frame_bytes_max;   /* one message, assembled */
    uint64_t net_ticktime_ns; /* 60 s by Erlang's default; at least 4 */
    uint64_t now_ns;
    struct npr_node_name peer; /* whose processes a LINK must come from; size 0: not checked */
};

/* NULL when out of memory. */
struct npri_channel *npri_channel_create(const struct npri_channel_options *options);
void npri_channel_destroy(struct npri_channel *channel);

/* Bytes arrived at `now_ns`.  They are borrowed until npri_channel_next() has returned something
 * other than NPR_OK, and must have been drained that far before more are fed; only a frame that
 * they leave incomplete is copied.  Fails (with what npri_channel_next() said) when the stream has
 * broken before. */
NPR_NODISCARD npr_status npri_channel_feed(struct npri_channel *channel,
                                           struct npr_bytes bytes,
                                           uint64_t now_ns,
                                           struct npr_error *err);

/* The next whole message of those fed.  NPR_OK: `*out` is set and valid until the next feed or next
 * on the channel.  NPR_ENOTFOUND: none yet (`err` untouched).  NPR_EPROTO, NPR_EFULL, NPR_ENOMEM:
 * the connection must be closed; `err` says why. */
NPR_NODISCARD npr_status npri_channel_next(struct npri_channel *channel,
                                           struct npri_control *out,
                                           struct npr_error *err);

/* Appends the frame or fragments of one message to `out`.  False: no memory, over the limit of
 * `out`, or larger than frame_bytes_max; nothing was appended then, and `out` is as it was. */
NPR_NODISCARD bool npri_channel_write(struct npri_channel *channel,
                                      const struct npri_control *control,
                                      struct npri_buffer *out);

/* Something was written to the peer at `now_ns` (messages and ticks alike). */
void npri_channel_wrote(struct npri_channel *channel, uint64_t now_ns);

/* As npri_ticker_step(): call at npri_channel_deadline_ns() or later. */
enum npri_tick npri_channel_tick(struct npri_channel *channel, uint64_t now_ns);
uint64_t npri_channel_deadline_ns(const struct npri_channel *channel);

#endif /* NPRI_DIST_CHANNEL_H */
