/* core/delegate.h - having a process started by the owner of its key: one delegation in flight per
 * key.  Pure.
 *
 * It ends with the owner's answer, with its connection or with its place in the view.  No time-out
 * of ours ends it: the owner may have started the process, and a second start_function sent to an
 * original node would start another.  Requests that wait for it end with their own deadlines. */
#ifndef NPRI_CORE_DELEGATE_H
#define NPRI_CORE_DELEGATE_H

#include "base/map.h"
#include "core/operations.h"

struct npri_request;
struct npri_shared;

struct npri_delegation {
    struct npri_map_node node; /* by `key` */
    struct npri_shared *key;
    struct npr_node_name owner;
    struct npri_operation *operation;
    struct npri_link waiting;
};

struct npri_delegation *npri_delegation_find(const struct npri_core *core,
                                             const struct npri_shared *key);

/* `request` waits for the delegation that is in flight for its key, or begins one to `owner`. */
void npri_delegation_join(struct npri_core *core,
                          struct npri_request *request,
                          struct npri_peer *owner);

void npri_delegation_on_delegated(struct npri_core *core, const struct npri_core_event *event);
void npri_delegation_on_lost(struct npri_core *core, struct npri_delegation *delegation);

/* The owner has left the view: its delegations fail with `status`, so that the next owner can be
 * asked. */
void npri_delegations_on_left(struct npri_core *core, struct npri_peer *owner, npr_status status);

void npri_delegations_fini(struct npri_core *core);

#endif /* NPRI_CORE_DELEGATE_H */
