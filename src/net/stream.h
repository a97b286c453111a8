/* net/stream.h - TCP streams and listeners on the loop.  Moves bytes, knows no meaning.
 *
 * A stream tells its user, on the loop thread: at most once `opened` (never for an accepted one,
 * which is open), then `received` any number of times, then exactly once `closed`, unless the user
 * closes it first: after npri_stream_close() there are no callbacks at all.  No callback comes from
 * inside a call.  `closed` does not free the stream: npri_stream_close() is still due.
 *
 * Reading never stops while a stream is open; what is received is borrowed for the callback.
 * Writes are gathered and written at the end of the loop's turn, without copying again.
 * TCP_NODELAY is on, every socket is close-on-exec, and no SIGPIPE gets out. */
#ifndef NPRI_NET_STREAM_H
#define NPRI_NET_STREAM_H

#include "base/bytes.h"
#include "net/loop.h"

struct npri_stream;
struct npri_listener;

struct npri_stream_events {
    void (*opened)(void *user); /* may be NULL */
    void (*received)(void *user, struct npr_bytes bytes);
    /* `error` says why in words.  NPR_ECLOSED: the peer closed orderly; NPR_EIO: the connection
     * broke; NPR_ENOMEM: output was lost; and for a stream that was never open: NPR_EUNREACHABLE
     * (no such name, nobody listens, no way there) or NPR_ETIMEDOUT. */
    void (*closed)(void *user, const struct npr_error *error);
};

/* Starts to connect to host:port (a name is resolved without blocking; its addresses are tried in
 * turn, IPv4 first).  The result belongs to the caller until npri_stream_close().  An attempt that
 * is not up by `deadline_ns` is closed with NPR_ETIMEDOUT.  Output may be appended at once, and is
 * written when the stream is open.  Returns NPR_OK, NPR_EINVAL (host or port), NPR_ENOMEM, NPR_EIO.
 */
NPR_NODISCARD npr_status npri_stream_connect(struct npri_loop *loop,
                                             const char *host,
                                             uint16_t port,
                                             uint64_t deadline_ns,
                                             const struct npri_stream_events *events,
                                             void *user,
                                             struct npri_stream **out,
                                             struct npr_error *err);

/* Sets who hears of an accepted stream (and replaces the user of any stream). */
void npri_stream_set_events(struct npri_stream *stream,
                            const struct npri_stream_events *events,
                            void *user);

/* The buffer to append output to; whatever is in it is written at the end of this turn of the loop.
 * Ask for it anew in each turn.  When it is `failed` at the end of the turn, the stream is closed
 * with NPR_ENOMEM, since the peer could make no sense of what follows. */
struct npri_buffer *npri_stream_output(struct npri_stream *stream);

/* Bytes handed over and not yet taken by the kernel, with those of the output buffer. */
size_t npri_stream_queued_bytes(const struct npri_stream *stream);

/* Bytes that the kernel has taken so far: tells a peer that reads slowly from one that does not. */
uint64_t npri_stream_written_bytes(const struct npri_stream *stream);

/* What was queued is still offered to the kernel once, then the socket is closed.  No callback
 * comes after this, and the pointer is gone.  Accepts NULL.  May be called inside a callback. */
void npri_stream_close(struct npri_stream *stream);

/* The other end as "127.0.0.1:4369", for log lines; before the stream is open, what is tried. */
void npri_stream_peer_text(const struct npri_stream *stream, char out[64]);

/* Listens on host:port (0: any; `*out_port` tells).  A name is resolved there and then, which may
 * block.  `accepted` owns the stream it is given and must set its events or close it before it
 * returns.  Without descriptors or memory left it rests for a moment and goes on.  Returns NPR_OK,
 * NPR_EADDRINUSE, NPR_EINVAL (host), NPR_EIO, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_listener_open(struct npri_loop *loop,
                                            const char *host,
                                            uint16_t port,
                                            void (*accepted)(void *user,
                                                             struct npri_stream *stream),
                                            void *user,
                                            struct npri_listener **out,
                                            uint16_t *out_port,
                                            struct npr_error *err);
void npri_listener_close(struct npri_listener *listener); /* accepts NULL */

#endif /* NPRI_NET_STREAM_H */
