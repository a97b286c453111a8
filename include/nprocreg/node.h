/* nprocreg/node.h - a node of the cluster inside this program.
 *
 * A node owns one loop thread and its worker threads.  A program may have several.  The library
 * installs no signal handlers, never exits, and keeps no state outside the nodes.
 *
 * Threads: every function may be called from any thread of the program, except that those marked
 * "blocks" must not be called from a process's callback or from the log function.
 *
 * Time-outs are in milliseconds; one of 0 is over at once. */
#ifndef NPROCREG_NODE_H
#define NPROCREG_NODE_H

#include "nprocreg/command.h"
#include "nprocreg/module.h"

#ifdef __cplusplus
extern "C" {
#endif

struct npr_node; /* opaque */

typedef enum npr_log_level {
    NPR_LOG_ERROR,
    NPR_LOG_WARNING,
    NPR_LOG_INFO,
    NPR_LOG_DEBUG,
} npr_log_level;

/* Start from NPR_NODE_OPTIONS_INIT and set fields by name.  Every pointer is borrowed for
 * npr_node_start() only, except the modules, which must live as long as the node. */
struct npr_node_options {
    size_t struct_size; /* sizeof(struct npr_node_options) in the caller's build */

    const char *name;   /* "a@127.0.0.1".  Required */
    const char *cookie; /* the shared secret, 1..255 bytes.  Required */

    /* "host:port" (port 0: any): where to listen, without any epmd.  NULL: on the host part of the
     * name, any port, known to the machine's epmd, or to one of our own when none runs. */
    const char *listen;

    /* Nodes to stay connected to: "b@host" (found by epmd) or "b@host:port". */
    const char *const *join;
    size_t join_count;

    const struct npr_module *const *modules;
    size_t modules_count;

    /* Programs that may be started; nothing else can be. */
    const struct npr_command *const *commands;
    size_t commands_count;

    /* A client connects and asks, but does not listen, is not known to epmd, owns no keys. */
    bool client;

    /* Whose term_to_binary placement follows: 25, 26, or 0: learn it from the first Erlang peer (26
     * until then).  All nodes of a cluster must agree. */
    uint32_t otp;

    uint32_t workers;          /* threads that run processes; 0: one per core */
    uint32_t net_ticktime_s;   /* a peer silent for that long is dropped; 60 */
    uint32_t handshake_ms_max; /* a connection must be up within; 7000 */
    uint32_t handshakes_max;   /* handshakes in progress at once; 128.  Then the oldest gives way */
    size_t frame_bytes_max;    /* largest message from a peer; 64 MiB */
    size_t queue_bytes_max;    /* output waiting for a peer that does not read; 64 MiB.  Beyond */
    uint32_t queue_ms_max; /* it, the peer is dropped after that long; 10000.  At twice it, at */
                           /* once */

    /* Between native nodes, and best the same on all.  Each tells the others every heartbeat_ms
     * that it lives; one that has not been heard of for node_timeout_ms is gone: what lived there
     * is no longer found, and is started anew elsewhere when it is asked for.  A node that could
     * not run for that long gives up what others have by then before it answers anybody.
     * heartbeat_ms is at most half of node_timeout_ms. */
    uint32_t heartbeat_ms;    /* 500 */
    uint32_t node_timeout_ms; /* 3000 */

    /* The nodes that one side of a partition needs to start anything, this one included: with more
     * than half of all there are, never two sides do.  0: each side goes on by itself.  With a
     * quorum nothing is started for up to node_timeout_ms after a node has crashed, and a node
     * joins the others node_timeout_ms after its beginning. */
    uint32_t quorum;

    /* Must be the same on all nodes: others are refused. */
    npr_placement placement;

    uint32_t threads_max; /* thread processes at once; 1024.  Beyond, a start is refused */

    /* A callback that runs for that long (up to half as long again) is logged as "long_callback
     * pid=.. function=.. ms=.. state=running" while it does, and with "state=returned" once it has
     * returned; 100.  0: none is.  Thread processes may take as long as they like. */
    uint32_t long_callback_ms;

    /* One event, as "event key=value ...", without a newline.  Called on the node's threads, must
     * not block.  NULL: nothing is logged. */
    void (*log)(void *user, npr_log_level level, const char *line);
    void *log_user;
};

/* What is not 0 at the start: field, value. */
#define NPR_NODE_OPTIONS_MAP(X)                                                                    \
    X(struct_size, sizeof(struct npr_node_options))                                                \
    X(net_ticktime_s, 60u)                                                                         \
    X(handshake_ms_max, 7000u)                                                                     \
    X(handshakes_max, 128u)                                                                        \
    X(frame_bytes_max, 64u << 20)                                                                  \
    X(queue_bytes_max, 64u << 20)                                                                  \
    X(queue_ms_max, 10000u)                                                                        \
    X(heartbeat_ms, 500u)                                                                          \
    X(node_timeout_ms, 3000u)                                                                      \
    X(threads_max, 1024u)                                                                          \
    X(long_callback_ms, 100u)

#ifdef __cplusplus /* where fields cannot be initialised by name before C++20 */
static inline struct npr_node_options npr_node_options_init(void)
{
    struct npr_node_options options = {};
#define NPR_NODE_OPTIONS_SET(field, value) options.field = (value);
    NPR_NODE_OPTIONS_MAP(NPR_NODE_OPTIONS_SET)
#undef NPR_NODE_OPTIONS_SET
    return options;
}
#define NPR_NODE_OPTIONS_INIT npr_node_options_init()
#else
#define NPR_NODE_OPTIONS_FIELD(field, value) .field = (value),
#define NPR_NODE_OPTIONS_INIT                                                                      \
    {                                                                                              \
        NPR_NODE_OPTIONS_MAP(NPR_NODE_OPTIONS_FIELD)                                               \
    }
#endif

/* Starts a node; returns when it can serve: it listens, its name is taken.  Connections to
 * `options->join` go on in the background, and are tried again for ever.  Blocks, without `listen`
 * until epmd has answered: one that does not is given up after 5 s.
 *
 * Returns NPR_OK and `*out`, owned by the caller, or: NPR_EINVAL (an option; `err` names it),
 * NPR_EADDRINUSE (`listen`), NPR_EEXIST (epmd knows a live node of that name), NPR_ETIMEDOUT (epmd
 * does not answer), NPR_EPROTO (what answers on its port is no epmd), NPR_EUNREACHABLE (it cannot
 * be connected to), NPR_EIO (no descriptors or threads are left; epmd broke off), NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_node_start(const struct npr_node_options *options,
                                                struct npr_node **out,
                                                struct npr_error *err);

/* Leaves the cluster: ends the processes with reason `shutdown`, closes the connections, frees the
 * node.  Calls under way return NPR_ECLOSED.  Blocks until the callbacks that run, and the code of
 * thread processes, have returned: one that never does holds it for ever.
 * NULL is accepted.  No other thread may use the node from here on. */
NPR_API void npr_node_stop(struct npr_node *node);

/* The same without freeing it, and as blocking, for programs whose threads still use the node: from
 * here on every function that can says NPR_ECLOSED.  npr_node_stop() must follow, when they have
 * ended.  One thread at a time, and not from a callback of the node. */
NPR_API void npr_node_close(struct npr_node *node);

/* The node's name, and the port that it listens on (0: a client).  Never block. */
NPR_API void npr_node_name(const struct npr_node *node, struct npr_node_name *out);
NPR_API uint16_t npr_node_port(const struct npr_node *node);

/* Connects to "b@host" or "b@host:port", unless connected.  Blocks up to `timeout_ms`.  Returns
 * NPR_OK, NPR_EUNREACHABLE (nobody there by that name), NPR_EAUTH (another cookie), NPR_ETIMEDOUT,
 * NPR_EREFUSED (it does not want us), NPR_EINVAL (`peer`), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_connect(struct npr_node *node,
                                                  const char *peer,
                                                  uint32_t timeout_ms,
                                                  struct npr_error *err);

/* Completes a pid that was read from text: one with creation 0 gets that of its node's present
 * incarnation, any other stays as it is.  Connects to that node if need be, and blocks up to
 * `timeout_ms`.  Returns as npr_node_connect(). */
NPR_API NPR_NODISCARD npr_status npr_node_complete_pid(struct npr_node *node,
                                                       struct npr_pid *pid,
                                                       uint32_t timeout_ms,
                                                       struct npr_error *err);

/* Starts a process on this node that no key leads to, as npr_spawn() does for a process; link and
 * monitor must be false: a program's thread has no mailbox.  Does not block, and may be called from
 * callbacks.  Returns NPR_OK (it exists; its init runs later), NPR_EINVAL, NPR_ENOMEM, NPR_ECLOSED.
 */
NPR_API NPR_NODISCARD npr_status npr_node_spawn(struct npr_node *node,
                                                const struct npr_spawn *spawn,
                                                struct npr_pid *out_pid,
                                                struct npr_error *err);

/* A process by its pid, or by its registered name on a node. */
struct npr_address {
    struct npr_pid pid;        /* used when `name` is NULL */
    const char *name;          /* e.g. "nprocreg"; borrowed for the call */
    struct npr_node_name node; /* of the name */
};

/* Sends a message; connects to the node if need be, in the background.  Does not block.  Returns
 * NPR_OK (accepted, not delivered), NPR_EINVAL, NPR_ENOMEM or NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_send(struct npr_node *node,
                                               const struct npr_address *to,
                                               struct npr_term message);

/* gen_server:cast: as npr_node_send() of {'$gen_cast', Message}. */
NPR_API NPR_NODISCARD npr_status npr_node_cast(struct npr_node *node,
                                               const struct npr_address *to,
                                               struct npr_term message);

/* exit/2: an exit signal to a process, which ends with `reason` unless it traps exits; `kill`
 * cannot be trapped, `normal` ends nobody else.  As npr_node_send(). */
NPR_API NPR_NODISCARD npr_status npr_node_exit(struct npr_node *node,
                                               const struct npr_pid *pid,
                                               struct npr_term reason);

/* Answers a call that a process of this node was asked, from any thread, once: instead of
 * npr_reply().  `from` is borrowed; npr_caller_create() keeps one beyond its callback.  Returns
 * NPR_OK (sent, not received), NPR_EINVAL, NPR_ENOMEM or NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_reply(struct npr_node *node,
                                                const struct npr_from *from,
                                                struct npr_term reply);

/* gen_server:call.  The reply is appended to `reply` as one element, also for NPR_EEXIT, where it
 * is the exit reason.  Blocks up to `timeout_ms`.
 *
 * Returns NPR_OK, NPR_ETIMEDOUT (no answer; the call may yet be carried out), NPR_ENOPROC (no such
 * process; it was not carried out), NPR_EEXIT (the process ended before it answered),
 * NPR_EUNREACHABLE, NPR_EAUTH, NPR_EREFUSED, NPR_EINVAL, NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_call(struct npr_node *node,
                                               const struct npr_address *to,
                                               struct npr_term request,
                                               uint32_t timeout_ms,
                                               struct npr_builder *reply,
                                               struct npr_error *err);

/* erpc:call: runs module:function(args...) on `peer` (this node itself is allowed) and appends what
 * it returns to `reply`; `args` is a list.  Blocks up to `timeout_ms`.  Returns as npr_node_call();
 * NPR_EEXIT when the function raised an exception: `reply` then has {error, Reason}, {exit, Reason}
 * or {throw, Term}.
 */
NPR_API NPR_NODISCARD npr_status npr_node_rpc(struct npr_node *node,
                                              const struct npr_node_name *peer,
                                              const char *module,
                                              const char *function,
                                              struct npr_term args,
                                              uint32_t timeout_ms,
                                              struct npr_builder *reply,
                                              struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_NODE_H */
