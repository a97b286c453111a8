/* proxies.h - network.h with proxies on loopback, run by one thread.
 *
 * Each node x has an epmd of its own, which gives it for another node y not y's port but that of a
 * proxy for the way from x to y.  A node that is down is not known, as to a real epmd.
 *
 * What x sends while it does not reach y waits, as in a network that loses all its packets, and
 * comes when it does again; a closing waits, too. */
#ifndef NPRI_TESTS_FAULT_PROXIES_H
#define NPRI_TESTS_FAULT_PROXIES_H

#include "network.h"

struct proxies;

/* `names` are those before the @. */
struct proxies *proxies_open(unsigned nodes_count, const char *const *names);
void proxies_close(struct proxies *proxies);

/* The port of the epmd that node `node` is to use. */
uint16_t proxies_epmd_port(const struct proxies *proxies, unsigned node);

void proxies_reach(struct proxies *proxies, const uint32_t reach[NETWORK_NODES_MAX]);
void proxies_delay(struct proxies *proxies, unsigned a, unsigned b, uint32_t delay_ms);
void proxies_reset(struct proxies *proxies, unsigned a, unsigned b);

#endif /* NPRI_TESTS_FAULT_PROXIES_H */
