#include "network.h"

#include "cables.h"
#include "proxies.h"

#include <stdlib.h>
#include <string.h>

static const char *const shorts[NETWORK_NODES_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h"};

struct network {
    enum network_kind kind;
    struct cables *cables;   /* of its kind */
    struct proxies *proxies; /* of its kind */
    char names[NETWORK_NODES_MAX][32];
};

bool network_can_use_cables(void)
{
    return cables_allowed();
}

struct network *network_open(enum network_kind kind, unsigned nodes_count)
{
    struct network *network = calloc(1, sizeof(*network));

    if (network == NULL) {
        perror("network");
        exit(2);
    }
    network->kind = kind;
    switch (kind) {
    case NETWORK_CABLES:
        network->cables = cables_open(nodes_count);
        break;
    case NETWORK_PROXIES:
        network->proxies = proxies_open(nodes_count, shorts);
        break;
    }
    for (unsigned i = 0; i < nodes_count; i++) {
        (void)snprintf(network->names[i], sizeof(network->names[i]), "%s@%s", shorts[i],
                       kind == NETWORK_CABLES ? cables_address(i) : "127.0.0.1");
    }
    return network;
}

void network_close(struct network *network)
{
    if (network->cables != NULL) {
        cables_close(network->cables);
    }
    if (network->proxies != NULL) {
        proxies_close(network->proxies);
    }
    free(network);
}

const char *network_name(const struct network *network, unsigned node)
{
    return network->names[node];
}

void network_enter_thread(const struct network *network, unsigned node)
{
    if (network->kind == NETWORK_CABLES) {
        cables_enter(network->cables, node);
    }
}

void network_enter(const struct network *network, unsigned node)
{
    char port[16];

    if (network->kind == NETWORK_CABLES) {
        cables_enter(network->cables, node);
        (void)unsetenv("ERL_EPMD_PORT"); /* The standard port is free in each namespace. */
        (void)setenv("ERL_EPMD_ADDRESS", cables_address(node), 1); /* not on loopback only */
        return;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)proxies_epmd_port(network->proxies, node));
    (void)setenv("ERL_EPMD_PORT", port, 1);
}

void network_reach(struct network *network, const uint32_t reach[NETWORK_NODES_MAX])
{
    if (network->kind == NETWORK_CABLES) {
        cables_reach(network->cables, reach);
    } else {
        proxies_reach(network->proxies, reach);
    }
}

void network_delay(struct network *network, unsigned a, unsigned b, uint32_t delay_ms)
{
    proxies_delay(network->proxies, a, b, delay_ms);
}

void network_reset(struct network *network, unsigned a, unsigned b)
{
    proxies_reset(network->proxies, a, b);
}
