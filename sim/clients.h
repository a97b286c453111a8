/* sim/clients.h - who uses the registry: requests at random nodes for random keys, and what came of
 * them.  Questions of other nodes are requests, too: their answers go back. */
#ifndef SIM_CLIENTS_H
#define SIM_CLIENTS_H

#include "world.h"

/* One act of a client: a request, a registration, the end of a process. */
void sim_clients_act(struct sim *sim);

/* A look-up, or one that starts: SIM_REQUEST_GET or _START. */
void sim_client_ask(struct sim *sim,
                    uint32_t node,
                    uint32_t key,
                    enum sim_request_kind kind,
                    uint64_t timeout_ns);

/* An ASK or a DELEGATE of another node. */
void sim_clients_on_remote(struct sim *sim,
                           struct sim_node *node,
                           const struct sim_message *message);

void sim_clients_on_answer(struct sim *sim,
                           const struct sim_node *node,
                           const struct npri_core_effect *effect);

/* Of an original node's client: `process` SIM_NOBODY: there is none. */
void sim_clients_on_original_answer(struct sim *sim,
                                    uint32_t request,
                                    npr_status status,
                                    uint32_t process);

/* A process is there, and about to be reported to its core. */
void sim_clients_on_birth(struct sim *sim, uint32_t process);

void sim_clients_on_node_end(struct sim *sim, uint32_t node);
void sim_clients_on_resume(struct sim *sim, uint32_t node);

#endif /* SIM_CLIENTS_H */
