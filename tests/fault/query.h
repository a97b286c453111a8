/* query.h - a client's questions: the process of a key, by way of a node; a request to that
 * process. Keys are {key,N}, and their processes are witnesses.
 *
 * Threads: one at a time for each client. */
#ifndef NPRI_TESTS_FAULT_QUERY_H
#define NPRI_TESTS_FAULT_QUERY_H

#include "nprocreg/node.h"

#define QUERY_PID_BYTES    320
#define QUERY_STATUS_BYTES 64

struct query_client {
    int64_t number;
    const char *function; /* of the module `witness`: what is started; NULL: nothing is */
    struct npr_node *node;
    bool shared; /* the node is another client's */
    struct npr_builder *request;
    struct npr_builder *reply;
};

/* A node of the cluster as it is asked. */
struct query_peer {
    struct npr_node_name name;
    bool original; /* an Erlang node, which knows no nprocreg_native */
};

/* What a question came to. */
struct query_outcome {
    const struct query_peer *via; /* who was asked for the process */
    npr_status status;
    bool found; /* there was a pid: if the status is bad, it is the request's */
    struct npr_pid pid;
    uint64_t token;      /* 0: unknown */
    uint64_t done_token; /* of the process that carried the request out: maybe another by then */
    int64_t count;       /* of that process's requests, this one included */
    char error[32];      /* the status that the node named; empty: `status` says it */
};

/* "a@host", or "original:a@host" for an Erlang node.  False: it is neither. */
bool query_peer_parse(const char *text, struct query_peer *out);

/* A client of the cluster on the host of `home`.  False, with a line on standard error: not
 * possible.
 */
bool query_open(struct query_client *client,
                int64_t number,
                const struct query_peer *home,
                const char *cookie);
void query_close(struct query_client *client);

/* Another client on the same node, for another thread: closed before it. */
bool query_share(struct query_client *client, const struct query_client *other);

/* The process of the key; one is started when there is none, if the client has a function. */
struct query_outcome query_find(struct query_client *client,
                                const struct query_peer *via,
                                int64_t key,
                                uint32_t timeout_ms);

/* Has request `seq` carried out by the process that was found. */
void query_operate(struct query_client *client,
                   int64_t key,
                   int64_t seq,
                   uint32_t timeout_ms,
                   struct query_outcome *outcome);

/* Ends the process that was found: the key is free, and whoever asks next starts another. */
void query_end_process(struct query_client *client,
                       uint32_t timeout_ms,
                       const struct query_outcome *outcome);

/* The pid as the processes report it; "-": none. */
void query_pid_text(const struct npr_pid *pid, char out[QUERY_PID_BYTES]);

/* ok, or where it failed and how: get-ETIMEDOUT, call-ENOPROC. */
void query_status_text(const struct query_outcome *outcome, char out[QUERY_STATUS_BYTES]);

#endif /* NPRI_TESTS_FAULT_QUERY_H */
