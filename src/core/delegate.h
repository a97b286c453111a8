/* core/delegate.h - having a process started by the owner of its key, another node: one attempt in
 * flight per key.  Pure.
 *
 *     begin --owner native--> DELEGATED (it knows, or looks, itself)
 *       |                        |--DELEGATED--> all who wait get the answer
 *       |                        |--moved, lost, left the view--> all find their way anew
 *       |                        +--by an original--> LOOKING AGAIN: what stands in its table by
 * then |                                             is the answer
 *       +--else--> LOOKING (the owner, then the rest)
 *                     |--found--> all who wait get that pid
 *                     +--nothing--> DELEGATED, or a time-out when the owner was silent
 *
 * All who want the key share one attempt from its first question on: a look that began before
 * another's start would end after it, with "nothing", and an original owner would start again.
 *
 * Once DELEGATED no time-out of ours ends it: the owner may have started the process, and a second
 * start_function sent to an original node would start another.  Requests that wait for it end with
 * their own deadlines.  When the owner is lost, so is what it has started: they are routed anew. */
#ifndef NPRI_CORE_DELEGATE_H
#define NPRI_CORE_DELEGATE_H

#include "base/map.h"
#include "core/lookup.h"
#include "core/operations.h"

struct npri_request;

struct npri_delegation {
    struct npri_map_node node; /* by `key` */
    struct npri_shared *key;
    struct npri_shared *function;
    struct npri_shared *caller;
    uint64_t deadline_ns; /* of the request that began it */
    struct npri_link waiting;
    struct npri_lookup lookup;
    struct npri_operation *operation; /* NULL while LOOKING */
    struct npr_node_name owner;       /* that was asked to start it; meaningful once DELEGATED */
    struct npri_shared *told; /* the pid that an original owner gave; NULL unless LOOKING AGAIN */
};

struct npri_delegation *npri_delegation_find(const struct npri_core *core,
                                             const struct npri_shared *key);

/* `request` waits for the attempt that is in flight for its key, or begins one.  `owner` is another
 * node; `first` is whom to ask first when it has to be looked for (NULL: everybody). */
void npri_delegation_join(struct npri_core *core,
                          struct npri_request *request,
                          struct npri_peer *owner,
                          struct npri_peer *first);

void npri_delegation_on_looked(struct npri_core *core,
                               struct npri_delegation *delegation,
                               const struct npri_activation *found);
void npri_delegation_on_delegated(struct npri_core *core, const struct npri_core_event *event);
void npri_delegation_on_lost(struct npri_core *core, struct npri_delegation *delegation);

/* The owner has left the view: what was delegated to it finds its next owner. */
void npri_delegations_on_left(struct npri_core *core, struct npri_peer *owner);

/* For whom or what the requests wait. */
void npri_delegation_add_waiting(const struct npri_delegation *delegation, struct npri_text *text);

void npri_delegations_fini(struct npri_core *core);

#endif /* NPRI_CORE_DELEGATE_H */
