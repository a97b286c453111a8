/* node/epmd.h - names to ports on this machine: as a client of epmd, and as epmd where none runs.
 *
 * The machine's epmd answers on ERL_EPMD_ADDRESS:ERL_EPMD_PORT (127.0.0.1:4369 when not set).  When
 * nobody listens there, this node serves the port itself, for every node of the machine; when the
 * node that served it goes, the others register again within a second, one of them serving, so that
 * names are not lost.  All of it on the loop thread, nothing blocks. */
#ifndef NPRI_NODE_EPMD_H
#define NPRI_NODE_EPMD_H

#include "net/stream.h"

/* Where epmd of another host is: ERL_EPMD_PORT, else 4369. */
uint16_t npri_epmd_port(void);

/* ---- Asking. */

struct npri_epmd_lookup;

/* Asks the epmd on the host part of `node` for its port.  `done` is called exactly once, unless the
 * lookup is cancelled: NPR_OK and the port; NPR_ENOTFOUND (epmd does not know the name);
 * NPR_EUNREACHABLE (no epmd there); NPR_ETIMEDOUT; NPR_EPROTO.  Returns NPR_OK, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_epmd_lookup_start(
    struct npri_loop *loop,
    const struct npr_node_name *node,
    uint64_t deadline_ns,
    void (*done)(void *user, npr_status status, uint16_t port, const struct npr_error *error),
    void *user,
    struct npri_epmd_lookup **out,
    struct npr_error *err);
void npri_epmd_lookup_cancel(struct npri_epmd_lookup *lookup); /* accepts NULL */

/* ---- Being known. */

struct npri_epmd_registration;

struct npri_epmd_registration_options {
    struct npr_node_name node;
    uint16_t port;
    bool visible;
    /* Once: NPR_OK and the creation that epmd gave; NPR_EEXIST: the name is taken; else why not.
     * Later losses are mended silently (retried each second; `creation` is not changed). */
    void (*done)(void *user, npr_status status, uint32_t creation, const struct npr_error *error);
    /* One line for the log: epmd lost, found again, served by us. */
    void (*log)(void *user, const char *line);
    void *user;
};

NPR_NODISCARD npr_status
npri_epmd_registration_start(struct npri_loop *loop,
                             const struct npri_epmd_registration_options *options,
                             struct npri_epmd_registration **out,
                             struct npr_error *err);

/* Gives the name back (and stops serving).  No callback comes after it.  Accepts NULL. */
void npri_epmd_registration_stop(struct npri_epmd_registration *registration);

/* ---- Serving: node/epmd_server.c, used by the registration. */

struct npri_epmd_server;

/* NPR_EADDRINUSE: another one was first. */
NPR_NODISCARD npr_status npri_epmd_server_open(struct npri_loop *loop,
                                               struct npri_epmd_server **out,
                                               struct npr_error *err);
void npri_epmd_server_close(struct npri_epmd_server *server); /* accepts NULL */

#endif /* NPRI_NODE_EPMD_H */
