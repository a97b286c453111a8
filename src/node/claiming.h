/* node/claiming.h - a registration, or its end, that waits for the consent of the key's owner: for
 * the program (api_registry.c) and for peers that have it done here (functions_claims.c).  Loop
 * thread only. */
#ifndef NPRI_NODE_CLAIMING_H
#define NPRI_NODE_CLAIMING_H

#include "node/registry.h"

/* Part of the caller's own struct; it and the terms of `event` must live until `done`. */
struct npri_claiming {
    struct npri_get get; /* private */
    struct npr_node *node;
    struct npri_core_event event; /* REGISTER: key, term, keep; UNREGISTER: key; deadline_ns */
    void (*done)(struct npri_claiming *claiming, npr_status status, struct npr_bytes text);
};

/* `done` is called exactly once, maybe from inside, with what npr_register() or npr_unregister()
 * returns, and why. */
void npri_claiming_begin(struct npri_claiming *claiming);

#endif /* NPRI_NODE_CLAIMING_H */
