/* nprocreg/conflicts.h - keys that have led to two processes, and how that ended: after a network
 * has been in two parts, each with its own, or after a mistake.
 *
 * Threads: as nprocreg/node.h. */
#ifndef NPROCREG_CONFLICTS_H
#define NPROCREG_CONFLICTS_H

#include "nprocreg/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of a node's journal.  Borrowed for the call that it is handed to. */
struct npr_conflict_record {
    uint64_t time_us;     /* since 1970, by that node's clock */
    struct npr_bytes key; /* as text; a long one is cut */
    struct npr_pid loser; /* it was told, or ended: npr_behaviour's `on_conflict` */
    uint64_t loser_token; /* 0: unknown */
    struct npr_pid winner;
    uint64_t winner_token;
    bool here; /* the node had the loser; else it has the winner, or is the key's owner and decided
                */
};

/* Calls `each` on this thread for the last conflicts that `which` (NULL: this node) had a part in,
 * at most a thousand, the oldest first, until it returns false.  Blocks up to `timeout_ms`.
 * Returns NPR_OK, NPR_EREFUSED (it is no native node), NPR_EINVAL, NPR_ETIMEDOUT,
 * NPR_EUNREACHABLE, NPR_EAUTH, NPR_EPROTO, NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status
npr_conflicts(struct npr_node *node,
              const struct npr_node_name *which,
              uint32_t timeout_ms,
              bool (*each)(void *user, const struct npr_conflict_record *record),
              void *user,
              struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_CONFLICTS_H */
