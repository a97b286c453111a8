/* core_host_views.h - what cases about views and beats say to a host and ask of it. */
#ifndef NPRI_TESTS_CORE_HOST_VIEWS_H
#define NPRI_TESTS_CORE_HOST_VIEWS_H

#include "core_host.h"

#include <stdio.h>

#define HEARTBEAT (500 * MS)
#define TIMEOUT   (3000 * MS)

static inline bool agreed(const struct core_host *host)
{
    return npri_views_agreed(host->core);
}

static inline uint64_t epoch(const struct core_host *host)
{
    return npri_views_epoch(host->core);
}

/* Node a with heartbeats. */
static inline void host_init_beating(struct core_host *host, uint32_t quorum)
{
    struct npri_core_options options = host_options("a");

    options.heartbeat_ns = HEARTBEAT;
    options.node_timeout_ns = TIMEOUT;
    options.quorum = quorum;
    host_init_with(host, &options);
    host_pass(host, quorum == 0 ? 0 : TIMEOUT); /* Then it may join others. */
}

static inline void connect_native(struct core_host *host, const char *node)
{
    host_connected(host, node);
    host_greeted(host, node, NPR_OTP_26);
}

/* `node` sees what we see and acknowledges what was told last; its own epoch is `own`. */
static inline void agrees(struct core_host *host, const char *node, uint64_t own)
{
    struct npri_told_view view = host->view;

    view.ack = host->view.epoch;
    view.epoch = own;
    host_told_view(host, node, &view);
}

/* A beat of `node` that echoes our last one, and hears us. */
static inline void beats(struct core_host *host,
                         const char *node,
                         uint64_t echo_ns,
                         unsigned deaf_ms)
{
    static unsigned number;
    char text[96];

    (void)snprintf(text, sizeof(text), "{beat,%u,%llu,%u}", ++number, (unsigned long long)echo_ns,
                   deaf_ms);
    host_told(host, node, text);
}

/* The number that a beat of the core has at this moment. */
static inline uint64_t now_number(const struct core_host *host)
{
    return host->now_ns - 1000 * MS + 1;
}

#endif /* NPRI_TESTS_CORE_HOST_VIEWS_H */
