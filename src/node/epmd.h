/* node/epmd.h - names to ports on this machine: as a client of epmd, and as epmd where none runs.
 *
 * The machine's epmd answers on 127.0.0.1:ERL_EPMD_PORT (4369 when not set).  When nobody listens
 * there, this node serves the port itself, for every node of the machine; when the node that served
 * it goes, the others register again within a second, one of them serving, so that names are not
 * lost.  All of it on the loop thread, nothing blocks.
 *
 * Design note: docs/decisions/own-epmd.md. */
#ifndef NPRI_NODE_EPMD_H
#define NPRI_NODE_EPMD_H

#include "net/stream.h"

/* Where epmd is, on any host: ERL_EPMD_PORT as it was at the first call, else 4369.  Any thread. */
uint16_t npri_epmd_port(void);

/* ---- Asking. */

struct npri_epmd_lookup;

/* Asks the epmd on the host part of `node` for its port.  `done` is called exactly once, unless the
 * lookup is cancelled, and never from inside this call: NPR_OK and the port; NPR_ENOTFOUND (epmd
 * does not know the name); NPR_EUNREACHABLE (no epmd there); NPR_ETIMEDOUT; NPR_EPROTO; NPR_ENOMEM.
 * The lookup is gone when `done` is called: it must not be cancelled then.  Returns NPR_OK,
 * NPR_ENOMEM. */
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
    /* Once: NPR_OK and the creation that epmd gave (`error` is NULL); NPR_EEXIST: the name is
     * taken; else why not, and then nothing is tried any more.  The registration may be stopped in
     * here.  Later losses are mended silently (retried at once and then each second; the creation
     * stays what it was). */
    void (*done)(void *user, npr_status status, uint32_t creation, const struct npr_error *error);
    /* One line for the log: "epmd_served", "epmd_lost", "epmd_name_taken" (by another, since;
     * it is asked for again each second) or "epmd_found_again", and key=value pairs.  May be NULL;
     * the registration must not be stopped in here. */
    void (*log)(void *user, const char *line);
    void *user;
};

NPR_NODISCARD npr_status
npri_epmd_registration_start(struct npri_loop *loop,
                             const struct npri_epmd_registration_options *options,
                             struct npri_epmd_registration **out,
                             struct npr_error *err);

/* Gives the name back, and stops serving.  No callback comes after it.  Accepts NULL. */
void npri_epmd_registration_stop(struct npri_epmd_registration *registration);

/* ---- Serving: node/epmd_server.c, used by the registration. */

struct npri_epmd_server;

/* Serves epmd's port on 127.0.0.1, and on the addresses that ERL_EPMD_ADDRESS lists with commas
 * between ("0.0.0.0": every interface).  NPR_EADDRINUSE: another one was first; else as
 * npri_listener_open(). */
NPR_NODISCARD npr_status npri_epmd_server_open(struct npri_loop *loop,
                                               struct npri_epmd_server **out,
                                               struct npr_error *err);
void npri_epmd_server_close(struct npri_epmd_server *server); /* accepts NULL */

#endif /* NPRI_NODE_EPMD_H */
