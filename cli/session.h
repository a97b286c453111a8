/* cli/session.h - a hidden client node for one command, connected to the node that it asks. */
#ifndef NPR_CLI_SESSION_H
#define NPR_CLI_SESSION_H

#include "options.h"

/* What an answer of the node may take to be sent, and its way, when it was given at the very end of
 * the command's time. */
#define ANSWER_GRACE_MS 250u

struct session {
    struct npr_node *node;
    struct npr_node_name peer;
    uint32_t timeout_ms;
    uint64_t deadline_ms; /* of the whole command, on the monotonic clock */
};

/* Connects to arguments->node.  On NPR_OK the caller closes it; otherwise nothing is held. */
NPR_NODISCARD npr_status session_open(const struct arguments *arguments,
                                      struct session *out,
                                      struct npr_error *err);
void session_close(struct session *session);

/* What is left of the command's time, at least 1 ms (the call then times out by itself). */
uint32_t session_left_ms(const struct session *session);

/* A function on the peer, and calls and casts of the peer's `nprocreg` server; npr_node_rpc(),
 * npr_node_call() and npr_node_cast() say what they return. */
NPR_NODISCARD npr_status session_rpc(struct session *session,
                                     const char *module,
                                     const char *function,
                                     struct npr_term args,
                                     struct npr_builder *reply,
                                     struct npr_error *err);
NPR_NODISCARD npr_status session_call_server(struct session *session,
                                             struct npr_term request,
                                             struct npr_builder *reply,
                                             struct npr_error *err);
NPR_NODISCARD npr_status session_cast_server(struct session *session,
                                             struct npr_term message,
                                             struct npr_error *err);

/* The same for a function that was told to answer within session_left_ms(), and waits for others in
 * that time: its own word that the time is over, and for whom it has waited, is waited for a little
 * longer (ANSWER_GRACE_MS). */
NPR_NODISCARD npr_status session_rpc_in_time(struct session *session,
                                             const char *module,
                                             const char *function,
                                             struct npr_term args,
                                             struct npr_builder *reply,
                                             struct npr_error *err);

/* Whether a failed session_rpc() failed because the peer has no such function: then it is no native
 * node. */
bool session_is_undef(npr_status status, struct npr_builder *reply);

/* The host part for a node of this machine that wants to talk to `peer` (NULL: anybody): long names
 * have a dot in it, or are numeric. */
void session_own_host(const struct npr_node_name *peer, char *out, size_t out_size);

/* A number that no other process of this machine has drawn. */
uint32_t session_random(void);

#endif /* NPR_CLI_SESSION_H */
