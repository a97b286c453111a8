/* nprocreg/inspect.h - the processes of a node in figures, for the program that the node is part
 * of.  Of other nodes the same is told by nprocreg:processes/1 and nprocreg:info/1
 * (npr_node_rpc()).
 *
 * Figures are taken while the processes go on, each at its own moment: they may be out of date when
 * they are read, and need not fit together.
 *
 * Threads: any thread of the program, callbacks included.  Nothing here waits for a process: one
 * that never returns from its callback is told of like any other. */
#ifndef NPROCREG_INSPECT_H
#define NPROCREG_INSPECT_H

#include "nprocreg/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What processes can be ordered by. */
enum npr_figure {
    NPR_FIGURE_PID, /* the oldest first, all others the largest first */
    NPR_FIGURE_MAILBOX,
    NPR_FIGURE_HANDLED,
    NPR_FIGURE_DROPPED,
    NPR_FIGURE_TIME,
    NPR_FIGURE_STATE,
    NPR_FIGURE_LINKS,
};

enum npr_process_status {
    NPR_PROCESS_WAITING,   /* for something to do */
    NPR_PROCESS_RUNNING,   /* in a callback, or about to be */
    NPR_PROCESS_SUSPENDED, /* by Erlang's sys:suspend */
};

struct npr_process_info {
    size_t struct_size; /* sizeof(struct npr_process_info) in the caller's build */
    struct npr_pid pid;
    const char
        *function; /* what it was started from, e.g. "counter:start/0"; as long as the node */
    enum npr_process_status status;
    uint64_t mailbox;     /* messages that wait */
    uint64_t handled;     /* messages that it has taken */
    uint64_t dropped;     /* messages that its full mailbox has not */
    uint64_t time_us;     /* in callbacks, by a clock that ticks every few ms: right in the mean */
    uint64_t state_bytes; /* of its behaviour; not what the state points to */
    uint64_t links;       /* links and monitors, both ways, as of its last turn */
};

/* Calls `visit` for at most `limit` processes of this node (0: all), those first that come first by
 * `order`.  Looks at every process once, in parts, and holds memory for those that it tells of.
 * `visit` is called on this thread, under no lock, before the function returns; `info` is borrowed
 * for it; it must not stop the node.
 *
 * Returns NPR_OK, NPR_EINVAL (a NULL, no such order), NPR_ENOMEM, NPR_ECLOSED (the node stops). */
NPR_API NPR_NODISCARD npr_status
npr_node_processes(struct npr_node *node,
                   enum npr_figure order,
                   uint32_t limit,
                   void (*visit)(void *user, const struct npr_process_info *info),
                   void *user);

/* One process of this node.  The caller sets `out->struct_size`, the rest is overwritten.
 *
 * Returns NPR_OK, NPR_ENOPROC (it is dead, or of another node), NPR_EINVAL (a NULL, struct_size),
 * NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_process_info(struct npr_node *node,
                                                       const struct npr_pid *pid,
                                                       struct npr_process_info *out);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_INSPECT_H */
