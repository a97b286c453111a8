/* nprocreg/registry.h - one live process per key: look it up, or start it.
 *
 * Keys are any Erlang terms, compared exactly (=:=), of at most 64 KiB, without maps of more than
 * 32 pairs (Erlang nodes do not agree where such a key belongs).
 *
 * Threads, time-outs: as nprocreg/node.h.  Every function here blocks up to its `timeout_ms`,
 * unless it says otherwise. */
#ifndef NPROCREG_REGISTRY_H
#define NPROCREG_REGISTRY_H

#include "nprocreg/node.h"

#ifdef __cplusplus
extern "C" {
#endif

struct npr_found {
    struct npr_pid pid;
    bool started;   /* this very call started it */
    uint64_t token; /* of this activation of the key (npr_start_token()).  0: unknown, as of a pid
                     * that was registered by hand, or that an original node started */
};

/* The process that lives under `key`, anywhere in the cluster; if there is none and `function` is
 * not NULL, starts `module:function/0` on the node that the key hashes to.  What lives on this very
 * node is found on the calling thread, without a lock; what this node owns is started by it, and
 * waited for until its init has returned; else this blocks until the cluster has answered.
 *
 * Returns NPR_OK, or
 *   NPR_ENOTFOUND    every node was asked and none has it (only without a function);
 *   NPR_ETIMEDOUT    some node that may have it did not answer in time: nothing is known;
 *   NPR_EUNREACHABLE its owner, or the only node that may have it, cannot be reached;
 *   NPR_EREFUSED     the owner would not start it: `err` says why (e.g. no such function);
 *   NPR_EINVAL (the key), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_get_pid(struct npr_node *node,
                                             struct npr_term key,
                                             const char *module,
                                             const char *function,
                                             uint32_t timeout_ms,
                                             struct npr_found *out,
                                             struct npr_error *err);

/* What a process is started from: `module:function` with `arguments`, a list; none stands for [].
 * A function is exported with the number of arguments that it takes (struct npr_function). */
struct npr_start {
    const char *module;
    const char *function;
    struct npr_term arguments;
};

/* The same, with arguments for the start: the process's init gets them.  A key that an original
 * node owns cannot be started with arguments (NPR_EREFUSED): its wire has no place for them.
 * `start` NULL looks up only. */
NPR_API NPR_NODISCARD npr_status npr_get_or_start(struct npr_node *node,
                                                  struct npr_term key,
                                                  const struct npr_start *start,
                                                  uint32_t timeout_ms,
                                                  struct npr_found *out,
                                                  struct npr_error *err);

/* ---- Without waiting. */

/* How an asynchronous get ended: NPR_OK and `found`, or a status of npr_get_or_start(), `found`
 * NULL and `text` saying why.  Called exactly once, on the node's loop thread, where it must not
 * block: functions that do are refused with NPR_EINVAL.  What it is given is borrowed for the call.
 */
typedef void npr_get_done(void *user,
                          npr_status status,
                          const struct npr_found *found,
                          const char *text);

/* npr_get_or_start() without waiting: `done` is told, by npr_node_stop() at the latest (with
 * NPR_ECLOSED then).  Copies what it is given.  Does not block.  Returns NPR_OK, or why `done` will
 * not be called: NPR_EINVAL (the key, the start, or NULL), NPR_EFULL (the gets that wait take more
 * than 256 MiB), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_get_async(struct npr_node *node,
                                               struct npr_term key,
                                               const struct npr_start *start,
                                               uint32_t timeout_ms,
                                               npr_get_done *done,
                                               void *user);

/* The same from a callback of a process.  The answer is one message to its `info`,
 *
 *     {nprocreg,Ref,{ok,Pid,Started,Token}}    or    {nprocreg,Ref,{error,Status,Text}}
 *
 * with the reference in `*out_ref`, Started true or false, Status an atom as `enotfound`, and Text
 * a binary.  Token is that of struct npr_found.  A process that has ended by then gets nothing.
 * Does not block.  Returns as npr_get_async(). */
NPR_API NPR_NODISCARD npr_status npr_get(struct npr_process *self,
                                         struct npr_term key,
                                         const struct npr_start *start,
                                         uint32_t timeout_ms,
                                         struct npr_ref *out_ref);

/* ---- The table. */

/* Puts the entry `key -> pid` into this node's table, unless another live process has the key, here
 * or on any native node: the key's owner is asked, and one that is being started or restarted is
 * waited for.  (Keys that an original node owns are looked for in this node's table only, as the
 * originals do.)  The entry goes when the process dies.  Blocks until the owner has answered, 5 s
 * at the most.  Returns NPR_OK (also when the process had the key before), NPR_EEXIST (`err` says
 * "already registered: " and names the process that has it), NPR_EREFUSED (no quorum; `err` says
 * what is missing), NPR_ETIMEDOUT (`err` says who was waited for), NPR_EINVAL (the key, the pid, or
 * the node is a client), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_register(struct npr_node *node,
                                              struct npr_term key,
                                              const struct npr_pid *pid,
                                              struct npr_error *err);

/* The same over any other entry of that key, as the original's register_pid does it, on whatever
 * native node: that one goes first.  The process that had the key is not told, and goes on without
 * it; it is not restarted any more (enum npr_restart). */
NPR_API NPR_NODISCARD npr_status npr_reregister(struct npr_node *node,
                                                struct npr_term key,
                                                const struct npr_pid *pid,
                                                struct npr_error *err);

/* Takes the entry of `key`, if there is one, out of this node's table, or that of the native node
 * which has it; its process goes on, and is not restarted any more.  Blocks as npr_register().
 * Returns NPR_OK, NPR_ETIMEDOUT, NPR_EREFUSED, NPR_EINVAL (the key), NPR_ENOMEM, NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_unregister(struct npr_node *node,
                                                struct npr_term key,
                                                struct npr_error *err);

/* Where `key` belongs when the nodes of the cluster are `nodes` (any order, no duplicates), without
 * asking anyone: its 0-based index in Erlang's order of atoms, and the owner.  `out_md5` gets the
 * 16 bytes of the hash.  `otp` is whose term_to_binary to follow.  Does not block.  Returns NPR_OK,
 * NPR_EINVAL (no nodes, a duplicate, or the key), NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_place(struct npr_term key,
                                           enum npr_otp otp,
                                           const struct npr_node_name *nodes,
                                           size_t nodes_count,
                                           uint8_t out_md5[16],
                                           size_t *out_index,
                                           struct npr_node_name *out_owner,
                                           struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_REGISTRY_H */
