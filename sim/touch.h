/* sim/touch.h - which nodes have been in touch with which, and since when: what the promises of the
 * registry depend on, as seen from outside.
 *
 * Two nodes are in touch while both live and run, both know of the connection that is there, and
 * neither direction is cut.  Short gaps are bridged by the registry and count as nothing: a
 * connection that is made anew within suspect_ns, a silence below node_timeout.  Longer ones are
 * unrest, from their beginning to their end.  A node that could reach nobody when it came up, and
 * so is a cluster of its own, is apart from all that live; so are several that have met, and know
 * of nobody who could tell them of the others.
 *
 * A node's company are all nodes that are joined to it by a chain of nodes in touch since a given
 * moment; it is whole when no two of them have had unrest since then, nor those who were in it and
 * have ended since, even if they are back. */
#ifndef SIM_TOUCH_H
#define SIM_TOUCH_H

#include "world.h"

/* After unrest, for how long the registry may still be putting things in order. */
uint64_t sim_touch_bound_ns(const struct sim *sim);

/* Something that this depends on has changed between them. */
void sim_touch_on_change(struct sim *sim, uint32_t a, uint32_t b);
void sim_touch_on_change_of(struct sim *sim, uint32_t node); /* with all others */

/* `node` has ended its connection to `peer`: to one of which it has heard nothing for two
 * heartbeats, and that another node has lost, it is apart from now on, not after a while. */
void sim_touch_on_dropped(struct sim *sim, uint32_t node, uint32_t peer);

/* An attempt of `node` to connect has failed. */
void sim_touch_on_refused(struct sim *sim, uint32_t node);

/* Whether `b` is in the company of `a` since `since_ns`, and that is whole. */
bool sim_touch_is_whole(const struct sim *sim, uint32_t a, uint32_t b, uint64_t since_ns);

/* Whether any two nodes that live are apart at this moment. */
bool sim_touch_is_torn(const struct sim *sim);

/* How many native nodes `node` may still count on: itself, and those that what it
 * sent less than `within_ns` ago has reached. */
uint32_t sim_touch_reach(const struct sim *sim, uint32_t node, uint64_t within_ns);

#endif /* SIM_TOUCH_H */
