#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX        35
#define TIMEOUT_MS_DEFAULT 5000

struct option_spec {
    enum option_id id;
    char letter; /* 0: none */
    const char *name;
    const char *value; /* NULL: a switch */
    const char *help;
};

static const struct option_spec specs[] = {
    {OPTION_JSON, 0, "json", NULL, "print JSON"},
    {OPTION_HEX, 0, "hex", NULL, "KEY and TERM are external term format in hexadecimal"},
    {OPTION_BINARY, 'b', "binary", NULL, "KEY is taken as a plain binary"},
    {OPTION_OTP, 0, "otp", "25|26", "whose term_to_binary to follow (25: up to OTP 25)"},
    {OPTION_NODE, 0, "node", "NAME@HOST[:PORT]", "the node to ask (or set NPROCREG_NODE)"},
    {OPTION_NODES, 0, "nodes", "A@H,B@H,...", "the nodes of the cluster; nobody is asked"},
    {OPTION_START, 0, "start", "MODULE:FUNCTION", "start it from this if there is none"},
    {OPTION_ARGS, 0, "args", "LIST", "arguments for the start, e.g. '[1,{room,7}]'"},
    {OPTION_TIMEOUT, 0, "timeout", "TIME",
     "give up after this long, e.g. 500ms or 5s (default 5s)"},
    {OPTION_COOKIE_FILE, 0, "cookie-file", "FILE", "the cookie (default ~/.erlang.cookie)"},
    {OPTION_NAME, 0, "name", "NAME@HOST", "this node's name"},
    {OPTION_SNAME, 0, "sname", "NAME", "this node's name; its host is this machine's short name"},
    {OPTION_LISTEN, 0, "listen", "HOST:PORT", "listen there, without any epmd (port 0: any)"},
    {OPTION_JOIN, 0, "join", "NAME@HOST[:PORT]", "stay connected to this node (repeatable)"},
    {OPTION_MODULE, 0, "module", "FILE.so", "load functions from it (repeatable; here: ./FILE.so)"},
    {OPTION_COMMAND, 0, "command", "M:F=PROGRAM", "a program as a process (repeatable; see above)"},
    {OPTION_WORKERS, 0, "workers", "N", "threads that run processes (default: one per core)"},
    {OPTION_THREADS, 0, "threads-max", "N", "processes with threads of their own at once (1024)"},
    {OPTION_LONG_CALLBACK, 0, "long-callback", "TIME",
     "log callbacks that take that long (100ms; 0: none)"},
    {OPTION_HEARTBEAT, 0, "heartbeat", "TIME",
     "tell other native nodes so often that it lives (500ms)"},
    {OPTION_NODE_TIMEOUT, 0, "node-timeout", "TIME",
     "a native node silent for that long is gone (3s)"},
    {OPTION_QUORUM, 0, "quorum", "N",
     "start nothing unless N native nodes are together (0: always)"},
    {OPTION_PLACEMENT, 0, "placement", "RULE",
     "original (default) or rendezvous; the same everywhere"},
    {OPTION_NET_TICKTIME, 0, "net-ticktime", "SECONDS", "drop a peer silent for that long (60)"},
    {OPTION_FRAME_BYTES, 0, "frame-bytes-max", "N", "largest message from a peer (64 MiB)"},
    {OPTION_QUEUE_BYTES, 0, "queue-bytes-max", "N", "output kept for a slow peer (64 MiB)"},
    {OPTION_LOG_LEVEL, 0, "log-level", "LEVEL", "error, warning, info or debug (default info)"},
    {OPTION_LIMIT, 0, "limit", "N", "show at most so many (default: all; ps: 50)"},
    {OPTION_SORT, 0, "sort", "COLUMN",
     "pid, mailbox, handled, dropped, time (default), state or links"},
    {OPTION_PREFIX, 0, "prefix", "TERM", "only keys that begin so"},
    {OPTION_MATCH, 0, "match", "PATTERN", "only keys that look so"},
    {OPTION_COUNT, 0, "count", NULL, "only say how many there are"},
    {OPTION_DEADLINE, 0, "deadline", "TIME", "move nothing more after this long (30s)"},
    {OPTION_DRAIN_DEADLINE, 0, "drain-deadline", "TIME",
     "how long SIGTERM may hand keys over (5s; 0: stop at once)"},
    {OPTION_REPLACE, 0, "replace", NULL, "also if another process has the key: it loses it"},
};
#define SPECS_COUNT (sizeof(specs) / sizeof(specs[0]))

static const struct option_spec *spec_of(enum option_id id)
{
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        if (specs[i].id == id) {
            return &specs[i];
        }
    }
    return NULL;
}

void options_help(const struct command *command, FILE *out)
{
    (void)fprintf(out, "usage: nprocreg %s%s%s [OPTION]...\n\n%s\n", command->name,
                  command->synopsis[0] == '\0' ? "" : " ", command->synopsis, command->summary);
    if (command->details[0] != '\0') {
        (void)fprintf(out, "\n%s\n", command->details);
    }
    (void)fprintf(out, "\nOptions:\n");
    for (const enum option_id *id = command->options; *id != OPTION_END; id++) {
        const struct option_spec *spec = spec_of(*id);
        char left[64];

        (void)snprintf(left, sizeof(left), "%c%c%s--%s%s%s", spec->letter != 0 ? '-' : ' ',
                       spec->letter != 0 ? spec->letter : ' ', spec->letter != 0 ? ", " : "  ",
                       spec->name, spec->value != NULL ? " " : "",
                       spec->value != NULL ? spec->value : "");
        (void)fprintf(out, "  %-34s  %s\n", left, spec->help);
    }
    (void)fprintf(out, "  %-34s  %s\n", "    --help", "this text");
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9') {
        return false; /* strtoull takes signs and spaces, we do not. */
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static bool parse_u32(const char *text, uint32_t *out)
{
    uint64_t value;

    if (!parse_number(text, UINT32_MAX, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool parse_bytes(const char *text, size_t *out)
{
    uint64_t value;

    if (!parse_number(text, (uint64_t)1 << 40, &value) || value < 1024) {
        return false;
    }
    *out = (size_t)value;
    return true;
}

/* "500ms", "5s", "2m"; a bare number is seconds. */
static bool parse_time(const char *text, uint32_t *out_ms)
{
    static const struct {
        const char *unit;
        uint32_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"", 1000}};
    const size_t digits = strspn(text, "0123456789");
    char number[16];
    uint64_t value;

    if (digits == 0 || digits >= sizeof(number)) {
        return false;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            if (!parse_number(number, UINT32_MAX / units[i].ms, &value) || value == 0) {
                return false;
            }
            *out_ms = (uint32_t)value * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool parse_log_level(const char *text, npr_log_level *out)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (npr_log_level)i;
            return true;
        }
    }
    return false;
}

static bool parse_otp(const char *text, uint32_t *out)
{
    return parse_u32(text, out) && (*out == 25 || *out == 26);
}

static bool parse_placement(const char *text, npr_placement *out)
{
    *out = strcmp(text, "rendezvous") == 0 ? NPR_PLACEMENT_RENDEZVOUS : NPR_PLACEMENT_ORIGINAL;
    return *out == NPR_PLACEMENT_RENDEZVOUS || strcmp(text, "original") == 0;
}

static bool append(const char **list, size_t *count, const char *value)
{
    if (*count == REPEATED_MAX) {
        return false;
    }
    list[(*count)++] = value;
    return true;
}

static bool set_text(const char **out, const char *value)
{
    *out = value;
    return true;
}

/* One that may be given many times. */
static bool store_repeated(struct arguments *out, enum option_id id, const char *value)
{
    if (id == OPTION_JOIN) {
        return append(out->join, &out->join_count, value);
    }
    if (id == OPTION_MODULE) {
        return append(out->module, &out->module_count, value);
    }
    return append(out->command, &out->command_count, value);
}

/* One that native nodes must agree on, or should. */
static bool store_of_cluster(struct arguments *out, enum option_id id, const char *value)
{
    if (id == OPTION_HEARTBEAT) {
        return parse_time(value, &out->heartbeat_ms);
    }
    if (id == OPTION_NODE_TIMEOUT) {
        return parse_time(value, &out->node_timeout_ms);
    }
    if (id == OPTION_QUORUM) {
        return parse_u32(value, &out->quorum);
    }
    return parse_placement(value, &out->placement);
}

static bool store_switch(struct arguments *out, enum option_id id)
{
    out->json = out->json || id == OPTION_JSON;
    out->hex = out->hex || id == OPTION_HEX;
    out->binary = out->binary || id == OPTION_BINARY;
    out->count = out->count || id == OPTION_COUNT;
    out->replace = out->replace || id == OPTION_REPLACE;
    return true;
}

static bool store_deadline(struct arguments *out, enum option_id id, const char *value)
{
    if (id == OPTION_DEADLINE) {
        return parse_time(value, &out->deadline_ms);
    }
    out->has_drain_deadline = true;
    return strcmp(value, "0") == 0 || parse_time(value, &out->drain_deadline_ms);
}

/* Stores one option's value; false when it is malformed. */
static bool store(struct arguments *out, enum option_id id, const char *value)
{
    switch (id) {
    case OPTION_END:
    case OPTION_HELP:
        return true;
    case OPTION_JSON:
    case OPTION_HEX:
    case OPTION_BINARY:
    case OPTION_COUNT:
    case OPTION_REPLACE:
        return store_switch(out, id);
    case OPTION_OTP:
        return parse_otp(value, &out->otp);
    case OPTION_NODE:
        return set_text(&out->node, value);
    case OPTION_NODES:
        return set_text(&out->nodes, value);
    case OPTION_START:
        return set_text(&out->start, value);
    case OPTION_ARGS:
        return set_text(&out->args, value);
    case OPTION_TIMEOUT:
        return parse_time(value, &out->timeout_ms);
    case OPTION_COOKIE_FILE:
        return set_text(&out->cookie_file, value);
    case OPTION_NAME:
        return set_text(&out->name, value);
    case OPTION_SNAME:
        return set_text(&out->sname, value);
    case OPTION_LISTEN:
        return set_text(&out->listen, value);
    case OPTION_JOIN:
    case OPTION_MODULE:
    case OPTION_COMMAND:
        return store_repeated(out, id, value);
    case OPTION_WORKERS:
        return parse_u32(value, &out->workers) && out->workers > 0;
    case OPTION_THREADS:
        return parse_u32(value, &out->threads_max) && out->threads_max > 0;
    case OPTION_LONG_CALLBACK:
        out->has_long_callback = true;
        return strcmp(value, "0") == 0 || parse_time(value, &out->long_callback_ms);
    case OPTION_HEARTBEAT:
    case OPTION_NODE_TIMEOUT:
    case OPTION_QUORUM:
    case OPTION_PLACEMENT:
        return store_of_cluster(out, id, value);
    case OPTION_NET_TICKTIME:
        return parse_u32(value, &out->net_ticktime_s) && out->net_ticktime_s > 0;
    case OPTION_FRAME_BYTES:
    case OPTION_QUEUE_BYTES:
        return parse_bytes(value, id == OPTION_FRAME_BYTES ? &out->frame_bytes_max
                                                           : &out->queue_bytes_max);
    case OPTION_LOG_LEVEL:
        return parse_log_level(value, &out->log_level);
    case OPTION_LIMIT:
        return parse_u32(value, &out->limit);
    case OPTION_SORT:
        return set_text(&out->sort, value);
    case OPTION_PREFIX:
    case OPTION_MATCH:
        return set_text(id == OPTION_PREFIX ? &out->prefix : &out->match, value);
    case OPTION_DEADLINE:
    case OPTION_DRAIN_DEADLINE:
        return store_deadline(out, id, value);
    }
    return false;
}

/* The getopt tables of one command; each option's value is its id. */
static void build_tables(const struct command *command, struct option *longs, char *shorts)
{
    size_t count = 0;
    size_t letters = 0;

    shorts[letters++] = ':'; /* A missing value is told apart from an unknown option. */
    for (const enum option_id *id = command->options; *id != OPTION_END; id++) {
        const struct option_spec *spec = spec_of(*id);

        longs[count++] = (struct option){
            .name = spec->name, .has_arg = spec->value != NULL ? 1 : 0, .val = 256 + (int)spec->id};
        if (spec->letter != 0) {
            shorts[letters++] = spec->letter;
        }
    }
    longs[count++] = (struct option){.name = "help", .val = 256 + (int)OPTION_HELP};
    longs[count] = (struct option){0};
    shorts[letters] = '\0';
}

static enum option_id id_of(int code)
{
    if (code >= 256) {
        return (enum option_id)(code - 256);
    }
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        if (specs[i].letter == code) {
            return specs[i].id;
        }
    }
    return OPTION_END;
}

static enum parse_result usage_error(const struct command *command,
                                     const char *text,
                                     const char *what)
{
    (void)fprintf(stderr, "nprocreg %s: %s%s (see 'nprocreg %s --help')\n", command->name, text,
                  what, command->name);
    return PARSE_ERROR;
}

/* What was given for the option does not fit. */
static enum parse_result value_error(const struct command *command,
                                     const struct option_spec *spec,
                                     const char *value)
{
    char text[128];

    if (spec->id == OPTION_JOIN || spec->id == OPTION_MODULE || spec->id == OPTION_COMMAND) {
        (void)snprintf(text, sizeof(text), "--%s can be given %d times, no more: ", spec->name,
                       REPEATED_MAX);
    } else {
        (void)snprintf(text, sizeof(text), "--%s takes %s, and this is none: ", spec->name,
                       spec->value);
    }
    return usage_error(command, text, value);
}

/* getopt has gone on behind a long option, but among letters it may still be inside of its
 * argument: the letter is all that is known for sure. */
static enum parse_result unknown_option(const struct command *command, const char *previous)
{
    const char letter[] = {'-', (char)optopt, '\0'};

    if (optopt <= 0 || optopt > CHAR_MAX) {
        return usage_error(command, "unknown option ", previous);
    }
    if (optopt >= '0' && optopt <= '9') {
        return usage_error(command, "a negative number goes behind --, since no option is ",
                           letter);
    }
    return usage_error(command, "unknown option ", letter);
}

enum parse_result options_parse(const struct command *command,
                                int argc,
                                char **argv,
                                struct arguments *out)
{
    struct option longs[OPTIONS_MAX];
    char shorts[OPTIONS_MAX];
    bool has_node = false;
    int code;

    *out = (struct arguments){.timeout_ms = TIMEOUT_MS_DEFAULT, .log_level = NPR_LOG_INFO};
    out->node = getenv("NPROCREG_NODE");
    build_tables(command, longs, shorts);
    opterr = 0;
    optind = 1;
    /* -1 would be taken for an option: a negative number as KEY goes behind "--". */
    while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        enum option_id id;

        if (code == '?') {
            return unknown_option(command, argv[optind - 1]);
        }
        if (code == ':') {
            return usage_error(command, "a value is missing after ", argv[optind - 1]);
        }
        id = id_of(code);
        if (id == OPTION_HELP) {
            return PARSE_HELP;
        }
        if (!store(out, id, optarg)) {
            return value_error(command, spec_of(id), optarg);
        }
        has_node = has_node || id == OPTION_NODE;
    }
    out->positional = argv + optind;
    out->positional_count = argc - optind;
    if (out->positional_count < command->positional_min) {
        return usage_error(command, "missing argument: ", command->synopsis);
    }
    if (out->positional_count > command->positional_max) {
        return usage_error(command, "too many arguments at ",
                           out->positional[command->positional_max]);
    }
    if (command->takes_node && out->positional_count > 0) {
        if (has_node && strcmp(out->node, out->positional[0]) != 0) {
            return usage_error(command, "two nodes to ask, with --node and as ",
                               out->positional[0]);
        }
        out->node = out->positional[0];
    }
    return PARSE_RUN;
}
