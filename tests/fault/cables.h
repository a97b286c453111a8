/* cables.h - network.h with namespaces: a cable from each node to a switch. */
#ifndef NPRI_TESTS_FAULT_CABLES_H
#define NPRI_TESTS_FAULT_CABLES_H

#include "network.h"

struct cables;

bool cables_allowed(void);
struct cables *cables_open(unsigned nodes_count);
void cables_close(struct cables *cables);
void cables_enter(const struct cables *cables, unsigned node);
void cables_reach(struct cables *cables, const uint32_t reach[NETWORK_NODES_MAX]);

/* The address of a node; static storage. */
const char *cables_address(unsigned node);

#endif /* NPRI_TESTS_FAULT_CABLES_H */
