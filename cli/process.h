/* cli/process.h - processes as their node tells of them, native or not: JSON objects with
 *
 *     pid, function, status, names   text
 *     keys                           a list of texts
 *     mailbox, handled, dropped, time_us, state_bytes, links
 *                                    numbers; null where the node does not know
 *
 * Of an Erlang process state_bytes is all its memory.  Out of memory ends the program. */
#ifndef NPR_CLI_PROCESS_H
#define NPR_CLI_PROCESS_H

#include "session.h"

#include <jansson.h>

/* The first `limit` processes of the session's node by `sort`, one of processes_sorts, in an array
 * that the caller owns, and how many there are.  Statuses as npr_node_rpc(). */
NPR_NODISCARD npr_status processes_ask(struct session *session,
                                       const char *sort,
                                       uint32_t limit,
                                       json_t **out,
                                       uint64_t *out_count,
                                       struct npr_error *err);

/* What processes can be sorted by, and the member that it stands for; NULL at the end. */
struct process_sort {
    const char *name;
    const char *member;
};
extern const struct process_sort process_sorts[];

/* One process, asked of its own node.  Also NPR_ENOPROC: it is dead. */
NPR_NODISCARD npr_status process_ask(struct session *session,
                                     const struct npr_pid *pid,
                                     json_t **out,
                                     struct npr_error *err);

/* module:function(args...) on the node of `pid`, with the pid as only argument. */
NPR_NODISCARD npr_status process_rpc(struct session *session,
                                     const struct npr_pid *pid,
                                     const char *module,
                                     const char *function,
                                     struct npr_builder *reply,
                                     struct npr_error *err);

/* The text of an object's member as a person wants it: "" for none, "12.5ms" for a time. */
void process_text(json_t *process, const char *member, char *out, size_t out_size);

/* Whether it lives: its own node is asked.  Returns as npr_node_rpc(). */
NPR_NODISCARD npr_status process_ask_alive(struct session *session,
                                           const struct npr_pid *pid,
                                           bool *out,
                                           struct npr_error *err);

#endif /* NPR_CLI_PROCESS_H */
