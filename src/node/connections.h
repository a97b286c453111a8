/* node/connections.h - this node's connections to others, by name: dialling, accepting, handshakes,
 * one live connection per name, ticks, limits.  Loop thread only.
 *
 *   npri_connections_send(node, control)
 *        up        written at the end of the turn
 *        not up    dialled; kept (bounded) until the connection is up, or handed to `undelivered`
 *        failed    half a second after a failed attempt: handed to `undelivered` without another
 *
 * Callbacks come from the loop, never from inside a call of these functions (`log` excepted), and
 * may call any of them, npri_connections_destroy() excepted.
 *
 * A connection that is up is closed, with one line in the log, when its peer breaks the protocol,
 * sends too much at once, is silent for net_ticktime, or does not read: when more than
 * queue_bytes_max of output wait for queue_ns_max without a break, or more than twice as much at
 * any moment.  So no peer costs more memory than 2 x queue_bytes_max + frame_bytes_max for each
 * direction.
 *
 * What a control message means is not known here. */
#ifndef NPRI_NODE_CONNECTIONS_H
#define NPRI_NODE_CONNECTIONS_H

#include "dist/control.h"
#include "net/loop.h"

struct npri_connections;

/* What is known of a connection that is up. */
struct npri_peer {
    struct npr_node_name name;
    uint32_t creation;
    uint64_t flags; /* effective */
    bool hidden;    /* it did not offer PUBLISHED */
    bool incoming;
};

struct npri_connections_events {
    /* A connection is up; messages follow. */
    void (*up)(void *user, const struct npri_peer *peer);
    /* It is gone (`was_up`: once for each `up`), or an attempt to make it failed; what waited for
     * it has been handed to `undelivered` by then. */
    void (*down)(void *user,
                 const struct npr_node_name *node,
                 bool was_up,
                 const struct npr_error *reason);
    /* One whole message; its terms are borrowed for the call. */
    void (*received)(void *user, const struct npri_peer *peer, const struct npri_control *control);
    /* Bytes of it have come, NPRI_HEARD_NS apart at least. */
    void (*heard)(void *user, const struct npri_peer *peer);
    /* A message that waited for a connection which did not come; borrowed likewise. */
    void (*undelivered)(void *user,
                        const struct npr_node_name *node,
                        const struct npri_control *control);
    /* One line, "event key=value ...". `level` is an npr_log_level. */
    void (*log)(void *user, int level, const char *line);
};

struct npri_connections_options {
    struct npr_node_name self;
    uint32_t creation;       /* may be set later: npri_connections_set_creation() */
    struct npr_bytes cookie; /* copied */
    uint64_t flags;          /* offered */
    uint64_t handshake_ns_max;
    uint32_t handshakes_max; /* beyond it, the oldest one gives way */
    size_t frame_bytes_max;
    size_t queue_bytes_max;
    uint64_t queue_ns_max;
    uint64_t net_ticktime_ns;
    struct npri_connections_events events;
    void *user;
};

NPR_NODISCARD npr_status npri_connections_create(struct npri_loop *loop,
                                                 const struct npri_connections_options *options,
                                                 struct npri_connections **out,
                                                 struct npr_error *err);

/* Closes everything, without callbacks.  Accepts NULL. */
void npri_connections_destroy(struct npri_connections *connections);

void npri_connections_set_creation(struct npri_connections *connections, uint32_t creation);

/* Accepts peers on host:port (0: any; `*out_port` tells); once.  As npri_listener_open(). */
NPR_NODISCARD npr_status npri_connections_listen(struct npri_connections *connections,
                                                 const char *host,
                                                 uint16_t port,
                                                 uint16_t *out_port,
                                                 struct npr_error *err);

/* A node that is always to be found at this port of its host, whatever epmd says. */
NPR_NODISCARD npr_status npri_connections_set_port(struct npri_connections *connections,
                                                   const struct npr_node_name *node,
                                                   uint16_t port);

/* Starts to connect, unless it is up or under way: `up` or `down` follows in any case but the
 * first, which returns true at once.  (Neither when there is no memory for the name, or there are
 * NPRI_VIEW_NODES_MAX of them.)  Our own name fails. */
bool npri_connections_connect(struct npri_connections *connections,
                              const struct npr_node_name *node);

/* Drops the connection, or our attempt to make it (what waited for it is `undelivered`); `down`
 * follows, and nothing when there was neither. */
void npri_connections_disconnect(struct npri_connections *connections,
                                 const struct npr_node_name *node,
                                 const char *why);

/* Sends, dialling if need be.  False: no memory, too many nodes are being dialled already, the
 * queue of a connection that is not up yet is full, or the peer has just been dropped for not
 * reading; the message is then not sent, and the caller still has it. */
NPR_NODISCARD bool npri_connections_send(struct npri_connections *connections,
                                         const struct npr_node_name *node,
                                         const struct npri_control *control);

/* The peer of that name, or NULL when not up.  Valid until the loop's turn ends. */
const struct npri_peer *npri_connections_find(const struct npri_connections *connections,
                                              const struct npr_node_name *node);

/* Calls `each` for every connection that is up, in order of name. */
void npri_connections_each(const struct npri_connections *connections,
                           void (*each)(void *user, const struct npri_peer *peer),
                           void *user);

#endif /* NPRI_NODE_CONNECTIONS_H */
