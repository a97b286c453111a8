/* sim/network.h - connections between nodes.
 *
 * As TCP with a handshake above it: in each direction nothing overtakes, nothing is lost while the
 * connection holds, and each side learns of its beginning and its end by itself, in order.  A cut
 * direction delivers nothing, and all of it when it is mended, as retransmission does.  When a
 * connection breaks, what is still in flight arrives in part, or not at all.  Who writes to a
 * connection that the other side knows nothing of is told so. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "world.h"

/* How long a node waits for an attempt that is not answered. */
#define SIM_DIAL_TIMEOUT_NS (5 * SIM_SECOND)

uint64_t sim_delay(struct sim *sim, uint32_t from, uint32_t to);

/* Over the connection that the sender believes in; false (and dropped) when there is none. */
bool sim_send(struct sim *sim, struct sim_message *message);

/* Begins an attempt, unless one is under way. */
void sim_dial(struct sim *sim, uint32_t from, uint32_t to);

/* `node` closes the connection that it believes in, and knows that: only the other side is told. */
void sim_close(struct sim *sim, uint32_t node, uint32_t peer);

/* The connection breaks, and both are told; `lossy`: a part of what is in flight is lost. */
void sim_reset(struct sim *sim, uint32_t a, uint32_t b, bool lossy);

/* All that `node` has, at its end. */
void sim_network_on_end(struct sim *sim, uint32_t node, bool power);

void sim_cut(struct sim *sim, uint32_t from, uint32_t to);
void sim_uncut(struct sim *sim, uint32_t from, uint32_t to);

/* Takes what is about connections; returns whether `message` may be handled by its node. */
bool sim_network_admits(struct sim *sim, struct sim_message *message);
void sim_network_handle(struct sim *sim, struct sim_message *message);

#endif /* SIM_NETWORK_H */
