/* sim/original.h - a node that runs the original nprocreg 0.3.0: a model of its rules, faults and
 * all.  Nothing here is how things ought to be.
 *
 * Its server starts whatever it is told to start, without looking again; its callers ask the owner
 * and then every other node of their list, one after the other, and take a time-out for "not here";
 * its list of nodes are those whose register_node was heard within 10 s; a process that ends takes
 * the entry of its key along, whoever has it by then.  It sends no chatter to native nodes, which
 * are hidden from it. */
#ifndef SIM_ORIGINAL_H
#define SIM_ORIGINAL_H

#include "world.h"

void sim_original_boot(struct sim *sim, struct sim_node *node);
void sim_original_destroy(struct sim_original *original); /* accepts NULL */
void sim_original_on_connection(struct sim *sim, uint32_t node, uint32_t peer, bool up);
void sim_original_handle(struct sim *sim, struct sim_node *node, struct sim_message *message);

/* Which of so many nodes, in order, owns the key. */
uint32_t sim_original_place(uint32_t key, uint32_t nodes_count);

/* A client on it calls get_pid. */
void sim_original_get(struct sim *sim, struct sim_node *node, uint32_t request);

#endif /* SIM_ORIGINAL_H */
