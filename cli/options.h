/* cli/options.h - the command line: one table of options, from which both reading and help come. */
#ifndef NPR_CLI_OPTIONS_H
#define NPR_CLI_OPTIONS_H

#include <stdio.h>

#include "nprocreg/nprocreg.h"

/* Exit codes; docs/guide.md lists them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOT_FOUND = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_TIMEOUT = 4,
    EXIT_REFUSED = 5,
};

#define REPEATED_MAX 256 /* of --join, of --module and of --command */

enum option_id {
    OPTION_END,
    OPTION_HELP,
    OPTION_JSON,
    OPTION_HEX,
    OPTION_BINARY,
    OPTION_OTP,
    OPTION_NODE,
    OPTION_NODES,
    OPTION_START,
    OPTION_ARGS,
    OPTION_TIMEOUT,
    OPTION_COOKIE_FILE,
    OPTION_NAME,
    OPTION_SNAME,
    OPTION_LISTEN,
    OPTION_JOIN,
    OPTION_MODULE,
    OPTION_COMMAND,
    OPTION_WORKERS,
    OPTION_THREADS,
    OPTION_LONG_CALLBACK,
    OPTION_HEARTBEAT,
    OPTION_NODE_TIMEOUT,
    OPTION_QUORUM,
    OPTION_PLACEMENT,
    OPTION_NET_TICKTIME,
    OPTION_FRAME_BYTES,
    OPTION_QUEUE_BYTES,
    OPTION_LOG_LEVEL,
    OPTION_LIMIT,
    OPTION_SORT,
    OPTION_PREFIX,
    OPTION_MATCH,
    OPTION_COUNT,
    OPTION_DEADLINE,
    OPTION_DRAIN_DEADLINE,
    OPTION_REPLACE,
};

/* What was given.  Strings are the program's own arguments. */
struct arguments {
    bool json;
    bool hex;
    bool binary;
    uint32_t otp; /* 0: not given */
    const char *node;
    const char *nodes;
    const char *start;
    const char *args;
    uint32_t timeout_ms;
    const char *cookie_file;
    const char *name;
    const char *sname;
    const char *listen;
    const char *join[REPEATED_MAX];
    size_t join_count;
    const char *module[REPEATED_MAX];
    size_t module_count;
    const char *command[REPEATED_MAX];
    size_t command_count;
    uint32_t workers;
    uint32_t threads_max; /* 0: not given */
    bool has_long_callback;
    uint32_t long_callback_ms;
    uint32_t heartbeat_ms;    /* 0: not given */
    uint32_t node_timeout_ms; /* likewise */
    uint32_t quorum;
    npr_placement placement;
    uint32_t net_ticktime_s;
    size_t frame_bytes_max;
    size_t queue_bytes_max;
    npr_log_level log_level;
    uint32_t limit; /* 0: not given */
    const char *sort;
    const char *prefix;
    const char *match;
    bool count;
    bool replace;
    uint32_t deadline_ms;       /* 0: not given */
    uint32_t drain_deadline_ms; /* 0: not given, or 0 */
    bool has_drain_deadline;
    char **positional;
    int positional_count;
};

struct command {
    const char *name;
    const char *synopsis; /* the positional arguments */
    const char *summary;
    const char *details;
    const enum option_id *options; /* up to OPTION_END; --help is always there */
    int positional_min;
    int positional_max;
    bool takes_node; /* the first of them is the node to ask, as with --node */
    enum exit_code (*run)(const struct arguments *arguments);
};

enum parse_result { PARSE_RUN, PARSE_HELP, PARSE_ERROR };

/* Reads argv[1..] of one command (argv[0] is its name).  On PARSE_ERROR the reason is on stderr. */
enum parse_result options_parse(const struct command *command,
                                int argc,
                                char **argv,
                                struct arguments *out);

void options_help(const struct command *command, FILE *out);

#endif /* NPR_CLI_OPTIONS_H */
