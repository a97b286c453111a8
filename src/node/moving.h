/* node/moving.h - processes that give their key up: what the core wants of them is told to the
 * runtime (runtime/forward.h), and what comes of it to the core.  Decides nothing.
 *
 *     CONFLICT --> the loser's process; one of another node gets an exit signal
 *     HANDOVER --> the process --on_handed--> HANDED
 *     MOVED    --> the process, which forwards to its successor
 *                  one without a successor --on_wanted--> a get of its key --> it forwards
 *
 *      operation            | thread
 *      ---------------------+---------------------------
 *      on_handed, on_wanted | any worker
 *      all others           | the loop thread */
#ifndef NPRI_NODE_MOVING_H
#define NPRI_NODE_MOVING_H

#include "base/map.h"
#include "core/core.h"
#include "net/loop.h"
#include "runtime/runtime.h"

struct npr_node;

struct npri_moving {
    struct npri_map records; /* of processes that were asked to move, by pid */
};

/* False: no memory. */
bool npri_moving_init(struct npr_node *node);
void npri_moving_fini(struct npr_node *node);

/* These three effects. */
void npri_moving_carry_out(struct npr_node *node, const struct npri_core_effect *effect);

/* The process of that pid has ended. */
void npri_moving_on_end(struct npr_node *node, struct npr_term pid);

/* The runtime's (runtime/runtime.h); `user` is the node. */
npr_status npri_moving_on_handed(void *user, const struct npri_handed *told);
npr_status npri_moving_on_wanted(void *user, const struct npr_pid *pid);

#endif /* NPRI_NODE_MOVING_H */
