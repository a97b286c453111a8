/* nprocreg/drain.h - a node that is to leave, and loses nothing by it.
 *
 * Threads: as nprocreg/node.h. */
#ifndef NPROCREG_DRAIN_H
#define NPROCREG_DRAIN_H

#include "nprocreg/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

enum npr_drain_state {
    NPR_DRAIN_WAITS, /* until the other nodes know that it takes no keys any more */
    NPR_DRAIN_RUNS,
    NPR_DRAIN_DONE, /* nothing is left, and no call that was passed on waits for its answer */
    NPR_DRAIN_LATE, /* its deadline came first */
};

/* How far it is.  Borrowed for the call that it is handed to. */
struct npr_drain_progress {
    enum npr_drain_state state;
    uint64_t left;       /* keys that still lead to a process of the node */
    uint64_t moved;      /* processes that live on another node now, with their state */
    uint64_t ended;      /* processes that had none to hand over: the next ones start afresh */
    uint64_t failed;     /* attempts that came to nothing; they are made again */
    const char *failure; /* why the last one did, or "" */
};

/* Drains `which` (NULL: this node): from now on it takes no new keys, and hands those that it has
 * over to their next owners, one by one (struct npr_behaviour's `handover`).  It goes on answering,
 * and what is sent to a process that is not there any more reaches its successor, as long as the
 * node runs.  Answers to calls come back through it: the drain is not done before it has brought
 * those that are waited for, or its deadline has come.  So nobody's call fails because of it.  A
 * drained node stays so; it is to be stopped.
 *
 * Calls `progress` (or nothing, NULL) on this thread each time it has asked, about ten times a
 * second, and at the end, until that returns false: then the function returns NPR_ECLOSED, and the
 * node goes on.  One that is drained already goes on with the new deadline.
 *
 * Blocks, up to `deadline_ms` and some time for the answers.  Returns NPR_OK: nothing is left;
 * NPR_ETIMEDOUT: some is, which stays where it is (`err` says how much, and why the last one could
 * not go); NPR_EREFUSED: no other node is there to take over, or `which` is no native node;
 * NPR_EINVAL (a client, a NULL); NPR_EUNREACHABLE, NPR_EAUTH, NPR_EPROTO, NPR_ENOMEM, NPR_ECLOSED.
 */
NPR_API NPR_NODISCARD npr_status
npr_drain(struct npr_node *node,
          const struct npr_node_name *which,
          uint32_t deadline_ms,
          bool (*progress)(void *user, const struct npr_drain_progress *progress),
          void *user,
          struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_DRAIN_H */
