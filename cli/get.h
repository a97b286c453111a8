/* cli/get.h - asking a node for the process of a key, whether the node is native or original. */
#ifndef NPR_CLI_GET_H
#define NPR_CLI_GET_H

#include "fail.h"
#include "input.h"
#include "session.h"

#include <stdlib.h>

struct got {
    struct npr_builder *reply; /* holds `pid` */
    struct npr_term pid;
    struct npr_node_name node; /* of the pid */
    bool started;
    uint64_t token; /* 0: unknown */
};

/* What to start: "module:function", or NULL to look up only, and its arguments, a list or none. */
struct get_start {
    const char *function;
    struct npr_term args;
};

/* Whatever comes back, get_close() the result.  Returns as npr_get_or_start(). */
NPR_NODISCARD npr_status get_open(struct session *session,
                                  struct npr_term key,
                                  const struct get_start *start,
                                  struct got *out,
                                  struct npr_error *err);
void get_close(struct got *got);

/* PID-OR-KEY of an argument: a pid (completed with its node's incarnation) is itself, anything else
 * is a key, looked up. */
NPR_NODISCARD npr_status get_target(struct session *session,
                                    const struct arguments *arguments,
                                    const char *text,
                                    struct npr_pid *out,
                                    struct npr_error *err);

#endif /* NPR_CLI_GET_H */
