/* nprocreg/watch.h - keys watched as they come and go, over the whole cluster; and one awaited.
 *
 * A subscription sees the entries of this node and of every native node that it is connected to,
 * now or later, as one stream of events:
 *
 *     those that are there     REGISTERED for each
 *                              SYNCED, once: what was there has been told
 *     then, as it happens      REGISTERED  a key without a process has one
 *                              MOVED       the key's process is another one now
 *                              GONE        the key has no process any more, and why
 *                              NODE_DOWN   a node is gone; GONE for its keys came before this
 *
 * Events of one key come in their order, and never contradict: REGISTERED follows GONE or nothing,
 * MOVED and GONE tell the process that was told before.  A key that goes at one node and then comes
 * at another is GONE and REGISTERED; when the news of the other one is first, it is MOVED.  While
 * two nodes have an entry of one key, the stream shows the one that came last, and the other one
 * again if that goes.
 *
 * A key whose process is restarted in its place is GONE, with the reason, and REGISTERED.
 *
 * Nothing is lost for good: a subscriber that is too slow for the changes, or a node without
 * memory, may miss some of them, but then hears of the state that they led to.
 *
 * Original nodes send no events: their entries are not in the stream.
 *
 * Threads: as nprocreg/node.h. */
#ifndef NPROCREG_WATCH_H
#define NPROCREG_WATCH_H

#include "nprocreg/keys.h"

#ifdef __cplusplus
extern "C" {
#endif

enum npr_watch_kind {
    NPR_WATCH_REGISTERED, /* key, pid, token */
    NPR_WATCH_GONE,       /* key, pid that it had, gone */
    NPR_WATCH_MOVED,      /* key, pid, token, old */
    NPR_WATCH_SYNCED,
    NPR_WATCH_NODE_DOWN, /* node */
    NPR_WATCH_CLOSED,    /* the node stops; the last event */
};

/* Why a key has no process any more. */
enum npr_gone {
    NPR_GONE_UNKNOWN, /* while its node could not tell */
    NPR_GONE_UNREGISTERED,
    NPR_GONE_NORMAL,       /* the process ended: its reason was normal, */
    NPR_GONE_SHUTDOWN,     /* shutdown or {shutdown,_}, */
    NPR_GONE_KILLED,       /* killed, */
    NPR_GONE_ERROR,        /* or anything else */
    NPR_GONE_NOCONNECTION, /* the connection to its node is lost */
};

/* One event.  What its kind does not name is zero.  Borrowed for the call. */
struct npr_watch_event {
    enum npr_watch_kind kind;
    enum npr_gone gone;
    struct npr_term key;
    struct npr_pid pid;
    struct npr_pid old;
    uint64_t token; /* 0: not known */
    struct npr_node_name node;
};

/* Names of both, as they are printed and sent: "registered", "noconnection".  Static storage; any
 * thread; do not block. */
NPR_API const char *npr_watch_kind_name(enum npr_watch_kind kind);
NPR_API const char *npr_gone_name(enum npr_gone gone);

/* ---- From the program's threads. */

/* Called on the node's loop thread, for one event after the other; must not block (functions that
 * do are refused with NPR_EINVAL), but may subscribe and unsubscribe.  `event` is borrowed for the
 * call.
 */
typedef void npr_watch_callback(void *user, const struct npr_watch_event *event);

/* One subscription, by value. */
struct npr_subscription {
    uint64_t number; /* private */
};

/* Subscribes; `*out` is set before the first event, which may come before this returns.  Ends with
 * npr_unsubscribe() or, after the event NPR_WATCH_CLOSED, with the node.  Blocks only until the
 * node's loop thread has done it.  Returns NPR_OK, NPR_EINVAL or NPR_EFULL (the selector; `err`
 * says why), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_subscribe(struct npr_node *node,
                                               const struct npr_selector *selector,
                                               npr_watch_callback *callback,
                                               void *user,
                                               struct npr_subscription *out,
                                               struct npr_error *err);

/* When this returns the callback runs no more, unless it is the callback that calls this.  Blocks
 * as npr_subscribe().  Returns NPR_OK (also when it had ended already), NPR_EINVAL (no node) or
 * NPR_ECLOSED. */
NPR_API npr_status npr_unsubscribe(struct npr_node *node, struct npr_subscription subscription);

/* Waits until a process lives under `key` anywhere; `out->started` is false.  Native nodes tell of
 * it as it happens; as long as an original is in the view, or a native node refuses to, this asks
 * all nodes each second.  Blocks.  Returns NPR_OK, NPR_ETIMEDOUT, NPR_EINVAL (the key), NPR_ENOMEM,
 * NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_await(struct npr_node *node,
                                           struct npr_term key,
                                           uint32_t timeout_ms,
                                           struct npr_found *out,
                                           struct npr_error *err);

/* ---- From a callback of a process. */

/* Subscribes the process: with the reference in `*out_ref` as Ref, its `info` gets
 *
 *     {nprocreg,Ref,{registered,Key,Pid,Token}}
 *     {nprocreg,Ref,{gone,Key,Pid,Reason}}           Reason is the name of an enum npr_gone
 *     {nprocreg,Ref,{moved,Key,Old,New,Token}}
 *     {nprocreg,Ref,synced}
 *     {nprocreg,Ref,{nodedown,Node}}
 *     {nprocreg,Ref,{error,Status,Text}}             it could not go on; nothing follows
 *
 * until npr_unwatch(), or its end.  They count among the messages of its mailbox (struct
 * npr_behaviour), which may drop them if it is bounded.  Does not block.  Returns NPR_OK,
 * NPR_EINVAL or NPR_EFULL (the selector), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_watch(struct npr_process *self,
                                           const struct npr_selector *selector,
                                           struct npr_ref *out_ref);

/* Ends what npr_watch() began; messages that are on their way still arrive.  Does not block.
 * Returns NPR_OK (also when there is no such), NPR_EINVAL, NPR_ENOMEM, NPR_ECLOSED. */
NPR_API npr_status npr_unwatch(struct npr_process *self, const struct npr_ref *ref);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_WATCH_H */
