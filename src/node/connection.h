/* node/connection.h - one connection to another node: a stream, its handshake, then its channel.
 * Loop thread only.  Which connection a name may have is not decided here (node/slots.h).
 *
 *      CONNECTING --opened--> HANDSHAKING --done--> UP
 *           |                      |                 |
 *           +----------------------+-----------------+--fault, end, close--> CLOSED
 *
 * A connection closes by itself, which its user hears once (`closed`), or is closed by its user,
 * who then hears nothing more of it.  Either way the memory stays until npri_connection_destroy(),
 * so that the calls above it on the stack, and messages borrowed from it, survive. */
#ifndef NPRI_NODE_CONNECTION_H
#define NPRI_NODE_CONNECTION_H

#include "dist/channel.h"
#include "dist/handshake.h"
#include "net/stream.h"
#include "node/connections.h"

enum npri_connection_state {
    NPRI_CONNECTION_CONNECTING,
    NPRI_CONNECTION_HANDSHAKING,
    NPRI_CONNECTION_UP,
    NPRI_CONNECTION_CLOSED,
};

struct npri_connection;
struct npri_slot;

/* Called from the loop, never from inside a function of this header. */
#define NPRI_HEARD_NS UINT64_C(100000000)

struct npri_connection_events {
    /* An accepted one has told its name (`peer.name`): what shall it be told? */
    enum npri_verdict (*named)(struct npri_connection *connection);
    void (*up)(struct npri_connection *connection);
    void (*received)(struct npri_connection *connection, const struct npri_control *control);
    /* Bytes have come, whether or not they end a message; NPRI_HEARD_NS apart, and before them. */
    void (*heard)(struct npri_connection *connection);
    /* NPR_ECLOSED: the peer closed orderly. */
    void (*closed)(struct npri_connection *connection, const struct npr_error *reason);
};

struct npri_connection {
    /* The user's: not touched here. */
    void *user;
    struct npri_slot *slot; /* of the peer's name; NULL until that is known */
    struct npri_connection *previous;
    struct npri_connection *next;
    bool announced; /* `up` was told */
    bool counted;   /* among the accepted ones in handshake */

    /* To be read by the user. */
    enum npri_connection_state state;
    struct npri_peer peer; /* incoming: at once; name: at once when dialled; all: when UP */
    bool told_nok;         /* closed, since the other of two simultaneous attempts goes on */
    char address[64];

    /* Private. */
    struct npri_loop *loop;
    const struct npri_connections_options *options;
    const struct npri_connection_events *events;
    struct npri_stream *stream; /* NULL when CLOSED */
    struct npri_timer *timer;
    struct npri_handshake handshake; /* in use while HANDSHAKING */
    struct npri_channel *channel;    /* from UP on */
    uint64_t deadline_ns;            /* of the handshake */
    uint64_t heard_ns;               /* when `heard` was last told */
    uint64_t over_since_ns;          /* output above queue_bytes_max since then; 0: it is not */
};

/* What both kinds need.  `options` and `events` must outlive the connection. */
struct npri_connection_setup {
    struct npri_loop *loop;
    const struct npri_connections_options *options;
    const struct npri_connection_events *events;
    void *user;
    uint64_t deadline_ns; /* up by then, or closed with NPR_ETIMEDOUT */
};

/* Dials the host part of `peer` at `port`.  Returns NPR_OK, or as npri_stream_connect(). */
NPR_NODISCARD npr_status npri_connection_dial(const struct npri_connection_setup *setup,
                                              const struct npr_node_name *peer,
                                              uint16_t port,
                                              struct npri_connection **out,
                                              struct npr_error *err);

/* Takes an accepted stream over.  NULL, and the stream is closed: no memory. */
struct npri_connection *npri_connection_accept(const struct npri_connection_setup *setup,
                                               struct npri_stream *stream);

/* Queues a message; UP only.  NPR_ENOMEM: it was not queued.  NPR_EFULL: nor was it, for the peer
 * reads too little: to be closed. */
NPR_NODISCARD npr_status npri_connection_send(struct npri_connection *connection,
                                              const struct npri_control *control,
                                              struct npr_error *err);

/* Ends it without a callback; once more is fine. */
void npri_connection_close(struct npri_connection *connection);

/* Frees a closed one.  Not inside a callback of its own. */
void npri_connection_destroy(struct npri_connection *connection);

#endif /* NPRI_NODE_CONNECTION_H */
