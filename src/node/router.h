/* node/router.h - between signals and control messages.  Loop thread only.
 *
 * Out: a signal for another node becomes a control message.  One that cannot be sent is answered as
 * Erlang answers it: a link breaks and a monitor fires with `noconnection`, the rest is dropped.
 * In: a control message becomes a signal for a process or service of this node. */
#ifndef NPRI_NODE_ROUTER_H
#define NPRI_NODE_ROUTER_H

#include "node/connections.h"
#include "node/inbox.h"
#include "runtime/signal.h"

struct npr_node;

/* Sends `draft` (borrowed) to wherever it is bound for, this node included.  False: it was not sent
 * for lack of memory or room, and was answered as above. */
bool npri_router_send(struct npr_node *node, const struct npri_signal *draft);

/* Asks `peer`, which may be this node, for a process: a SPAWN_REQUEST.  False as above; nobody is
 * told then. */
bool npri_router_spawn(struct npr_node *node,
                       const struct npr_node_name *peer,
                       const struct npri_control *request);

/* The handler of the outbox: signals that processes sent to other nodes.  Takes ownership. */
void npri_router_handle_outbox(struct npri_inbox *inbox, struct npri_signal *signal);

/* From the connections. */
void npri_router_received(struct npr_node *node,
                          const struct npri_peer *peer,
                          const struct npri_control *control);
void npri_router_undelivered(struct npr_node *node,
                             const struct npr_node_name *peer,
                             const struct npri_control *control);

#endif /* NPRI_NODE_ROUTER_H */
