/* network.h - the network between the nodes under test, which can be broken in two ways.
 *
 *   cables    each node has a network namespace of its own, with an address of its own, and a cable
 *             (veth) to a switch (bridge); cables are pulled, and plugged into other switches.
 *             Needs root.  Namespaces without names: they go with the programs in them.
 *   proxies   all nodes are on loopback, each with an epmd of ours that sends it to a proxy for
 * each other node; a proxy can hold what comes, in one direction or both, delay it, or break its
 * connections, with what is under way lost.
 *
 * Nodes are numbered from 0.  Functions are for one thread; the proxies have one of their own. */
#ifndef NPRI_TESTS_FAULT_NETWORK_H
#define NPRI_TESTS_FAULT_NETWORK_H

#include "book.h"

#include <sys/types.h>

#define NETWORK_NODES_MAX BOOK_NODES_MAX

enum network_kind { NETWORK_CABLES, NETWORK_PROXIES };

struct network;

/* Whether this process may make network namespaces. */
bool network_can_use_cables(void);

/* A whole network for so many nodes, called a, b, c, ...  Exits with a message when it cannot be
 * made: that is no verdict on the nodes. */
struct network *network_open(enum network_kind kind, unsigned nodes_count);
void network_close(struct network *network);

/* The name of node `node`, as "a@127.0.0.1". */
const char *network_name(const struct network *network, unsigned node);

/* In a child, before exec: puts it where `node` is. */
void network_enter(const struct network *network, unsigned node);

/* The calling thread, and those that it starts; cables only. */
void network_enter_thread(const struct network *network, unsigned node);

/* Who reaches whom: bit j of reach[i].  Symmetric with cables, and there an equivalence. */
void network_reach(struct network *network, const uint32_t reach[NETWORK_NODES_MAX]);

/* Proxies only.  All that goes between the two nodes, either way, comes so much later. */
void network_delay(struct network *network, unsigned a, unsigned b, uint32_t delay_ms);
/* Proxies only.  Breaks the connections between them; what is under way is lost. */
void network_reset(struct network *network, unsigned a, unsigned b);

#endif /* NPRI_TESTS_FAULT_NETWORK_H */
