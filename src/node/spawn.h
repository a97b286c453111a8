/* node/spawn.h - requests for processes here (SPAWN_REQUEST).  Loop thread only.
 *
 * The reply always goes out before anything else of the new process: OTP closes the connection of a
 * node that sends an exit signal without it. */
#ifndef NPRI_NODE_SPAWN_H
#define NPRI_NODE_SPAWN_H

#include "dist/control.h"

struct npr_node;

/* Borrows the request. */
void npri_spawn_on_request(struct npr_node *node, const struct npri_control *request);

#endif /* NPRI_NODE_SPAWN_H */
