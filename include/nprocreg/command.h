/* nprocreg/command.h - command processes: a child program, in any language, behind a pid.
 *
 * A program that is declared to a node (npr_node_options.commands) is a function like those of
 * modules: a get of a key starts it, once, as a process of its own that calls, casts, messages,
 * links, monitors and exits reach like any other.  Only what is declared can ever be started; no
 * shell is involved, and what a start brings along (key, token, arguments) reaches the program as
 * its first message, never on its command line.  docs/commands.md says how to write one. */
#ifndef NPROCREG_COMMAND_H
#define NPROCREG_COMMAND_H

#include "nprocreg/process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How messages are written on the program's standard input and output. */
enum npr_command_wire {
    NPR_COMMAND_JSON,    /* one JSON value a line, as nprocreg/json.h maps terms */
    NPR_COMMAND_PACKET4, /* 4 bytes of length, most significant first, then 131 and a term: Erlang's
                          * {packet,4} ports */
};

/* An arity: any number of arguments up to 255. */
#define NPR_COMMAND_ANY 256u

/* Start from NPR_COMMAND_INIT and set fields by name.  Everything is copied when the node starts.
 */
struct npr_command {
    size_t struct_size; /* sizeof(struct npr_command) in the caller's build */
    const char *module; /* what it is started as: `module:function/arity` */
    const char *function;
    uint32_t arity; /* 0..255, or NPR_COMMAND_ANY */
    uint32_t wire;  /* enum npr_command_wire */

    /* The program and its arguments, to the letter; NULL ends them.  A program without a slash is
     * looked for in PATH.  It gets the environment that this program had when the node started. */
    char *const *argv;

    uint32_t children_max; /* that live at once; a start beyond fails */
    uint32_t start_ms;     /* once it runs it must have answered its start within */
    uint32_t kill_ms;      /* between SIGTERM, or its own wish to end, and SIGKILL */
    uint32_t calls_max;    /* calls that it has not answered; beyond, the oldest one fails */

    /* As behaviour's: ends after that long without a message (0: never); messages that wait for it,
     * and what happens beyond (enum npr_overflow). */
    uint64_t idle_ms;
    uint32_t mailbox_max;
    uint32_t overflow;

    /* A program that does not read: beyond so many bytes that wait in its input, messages wait in
     * the mailbox. */
    size_t input_bytes_max;
    size_t message_bytes_max; /* the largest message, in either direction */

    /* As behaviour's: what becomes of its key when it ends (enum npr_restart). */
    uint32_t restart;
    uint32_t restarts_max;
    uint64_t restart_window_ms;
};

/* What is not 0 at the start: field, value. */
#define NPR_COMMAND_MAP(X)                                                                         \
    X(struct_size, sizeof(struct npr_command))                                                     \
    X(arity, NPR_COMMAND_ANY)                                                                      \
    X(children_max, 1000u)                                                                         \
    X(start_ms, 5000u)                                                                             \
    X(kill_ms, 5000u)                                                                              \
    X(mailbox_max, 1000u)                                                                          \
    X(overflow, NPR_OVERFLOW_FAIL)                                                                 \
    X(input_bytes_max, (size_t)1 << 20)                                                            \
    X(message_bytes_max, (size_t)4 << 20)                                                          \
    X(calls_max, 1000u)

#ifdef __cplusplus /* where fields cannot be initialised by name before C++20 */
static inline struct npr_command npr_command_init(void)
{
    struct npr_command command = {};
#define NPR_COMMAND_SET(field, value) command.field = (value);
    NPR_COMMAND_MAP(NPR_COMMAND_SET)
#undef NPR_COMMAND_SET
    return command;
}
#define NPR_COMMAND_INIT npr_command_init()
#else
#define NPR_COMMAND_FIELD(field, value) .field = (value),
#define NPR_COMMAND_INIT                                                                           \
    {                                                                                              \
        NPR_COMMAND_MAP(NPR_COMMAND_FIELD)                                                         \
    }
#endif

/* Reads a declaration as the command line has it:
 *
 *     MODULE:FUNCTION[/ARITY][,OPTION]...=PROGRAM [ARGUMENT]...
 *
 *     room:open=python3 room.py
 *     room:open/1,packet4,idle:5m,mailbox:100='/opt/my rooms/room' --verbose
 *
 * OPTION is json, packet4, overflow:fail, overflow:drop-newest, overflow:drop-oldest,
 * overflow:unbounded, restart:temporary, restart:transient, restart:permanent, or one of mailbox,
 * children, calls, restarts, input-bytes, message-bytes with ":N", or idle, start, kill, window
 * with ":TIME" (500ms, 5s, 2m).
 *
 * What follows the first "=" is split at spaces.  Between '...' everything is taken as it is;
 * between "..." too, but for \" and \\; elsewhere \ takes the next character as it is.  Nothing
 * else has a meaning: no $, no *, no |, no >.
 *
 * `*out` belongs to the caller until npr_command_destroy().  Any thread; never blocks.  Returns
 * NPR_OK, NPR_EINVAL (`err` says what) or NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_command_parse(const char *text,
                                                   struct npr_command **out,
                                                   struct npr_error *err);

/* Frees what npr_command_parse() gave; accepts NULL.  A node that was started with it has its own
 * copy. */
NPR_API void npr_command_destroy(struct npr_command *command);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_COMMAND_H */
