/* net/handles.h - what the files of src/net share about a loop and its streams.  Nobody else
 * includes it.  Everything here belongs to the loop thread, but for `posted` and `wake_fd`. */
#ifndef NPRI_NET_HANDLES_H
#define NPRI_NET_HANDLES_H

#include <stdatomic.h>
#include <uv.h>

#include "net/stream.h"

/* One read of a socket; enough for a turn's worth of small messages in one system call. */
#define NPRI_READ_BYTES (64u << 10)

/* A link of a ring; a ring's head is a link too.  A link that is in no ring points at itself. */
struct npri_ring {
    struct npri_ring *next;
    struct npri_ring *previous;
};

static inline void npri_ring_init(struct npri_ring *link)
{
    link->next = link;
    link->previous = link;
}

static inline bool npri_ring_alone(const struct npri_ring *link)
{
    return link->next == link;
}

static inline void npri_ring_remove(struct npri_ring *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    npri_ring_init(link);
}

static inline void npri_ring_append(struct npri_ring *head, struct npri_ring *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

#define NPRI_CONTAINER(pointer, type, member)                                                      \
    ((type *)((void *)((char *)(pointer)-offsetof(type, member))))

/* Anything that npri_loop_destroy() must close when its user has not. */
struct npri_loop_item {
    struct npri_ring link;
    void (*close)(struct npri_loop_item *item); /* also takes it out of the ring */
};

struct npri_loop {
    /* Any thread. */
    _Atomic(struct npri_task *) posted; /* newest first; see npri_loop_post() */
    int wake_fd;                        /* set once, before there are other threads */

    /* Loop thread. */
    uv_loop_t uv;
    uv_poll_t wake;
    uv_prepare_t before_poll;
    struct npri_ring items;
    struct npri_ring unflushed; /* streams with output appended in this turn */
    void (*turn_end)(void *user);
    void *turn_end_user;
    bool ran;       /* a callback of the user's has run in this turn */
    bool in_timers; /* inside a timer's callback */
    uint8_t read_buffer[NPRI_READ_BYTES];
};

/*  connect:   RESOLVING --> CONNECTING --> OPEN --> FAILED
 *                 |          |      ^                  ^
 *                 |          v      |                  |
 *                 |         RETRYING                   |
 *                 +----------+-------------------------+
 *  accept:    OPEN --> FAILED
 *
 * npri_stream_close() ends it in any state. */
enum npri_stream_state {
    NPRI_STREAM_RESOLVING,  /* the name is being looked up; the socket is not open */
    NPRI_STREAM_CONNECTING, /* to one address */
    NPRI_STREAM_RETRYING,   /* that failed, and its socket is closing; then the next address */
    NPRI_STREAM_OPEN,
    NPRI_STREAM_FAILED, /* the socket is closing, then `closed` is told; or it has been */
};

struct npri_dial;

/* One connection, or the attempt to make one. */
struct npri_stream {
    struct npri_loop_item item;
    struct npri_loop *loop;
    enum npri_stream_state state;
    bool released; /* npri_stream_close() was called: no callbacks any more */
    bool tcp_live; /* `tcp` is initialised, and the callback of its closing has not come */
    bool writing;  /* libuv holds `flight` */
    struct npri_stream_events events;
    void *user;
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uv_write_t write;
    struct npri_buffer output;  /* appended by the user */
    struct npri_buffer flight;  /* handed to libuv; meaningful while `writing` */
    uint64_t handed_bytes;      /* to the kernel or to libuv, since the stream opened */
    struct npri_ring unflushed; /* in loop->unflushed, or alone */
    struct npri_dial *dial;     /* until the stream is open, or failed */
    struct npr_error error;     /* why it is FAILED, or why the last address failed */
    char peer_text[64];
};

/* ---- loop.c */

void npri_loop_add_item(struct npri_loop *loop,
                        struct npri_loop_item *item,
                        void (*close)(struct npri_loop_item *item));

/* ---- timer.c */

/* npri_loop_destroy() leaves this one to the item that owns it. */
void npri_timer_disown(struct npri_timer *timer);

/* ---- stream.c */

/* A stream that is RESOLVING, with an unopened socket; NULL when out of memory. */
struct npri_stream *npri_stream_create(struct npri_loop *loop);

/* The socket is connected: reads from now on.  False: it could not, and `error` is set. */
bool npri_stream_open(struct npri_stream *stream);

/* Takes over the accepted socket `fd`, which is closed in any case in the end.  NULL when out of
 * memory or when the socket is of no use any more. */
struct npri_stream *npri_stream_adopt(struct npri_loop *loop, int fd);

/* -> FAILED; `closed` is told with `stream->error`, which the caller has set, in a later callback.
 * Nothing happens when it is FAILED already. */
void npri_stream_fail(struct npri_stream *stream);

/* The callback of closing the socket, for uv_close(). */
void npri_stream_on_tcp_closed(uv_handle_t *handle);

/* Writes what has been appended in this turn, of all streams. */
void npri_stream_flush_all(struct npri_loop *loop);

/* ---- connect.c */

/* RETRYING, and the socket is closed: tries the next address, or fails. */
void npri_dial_next(struct npri_stream *stream);

/* The dial is over, well or not. */
void npri_dial_end(struct npri_stream *stream);

/* ---- address.c */

/* An IPv4 or IPv6 address in digits; false when `host` is none. */
bool npri_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);

/* "127.0.0.1:4369" or "[::1]:4369". */
void npri_address_text(const struct sockaddr_storage *address, char out[64]);

#endif /* NPRI_NET_HANDLES_H */
