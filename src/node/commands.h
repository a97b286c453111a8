/* node/commands.h - the programs that a node may start, as functions; and what of them is on the
 * loop thread.
 *
 * A command process is two halves around a `struct npri_command_run`:
 *
 *      its process (command_process.c)            its child (command_child.c)
 *      a behaviour, on workers                    on the loop thread
 *      terms, calls, what a message means         bytes, time, the child's life
 *           |                                          |
 *           +-- input, wishes --> run (a lock) <-- output, news --+
 *           |       task, to the loop thread                      |
 *           +<------ nudge, to the process (runtime/outside.h) ---+
 *
 * The process starts late: when the child has answered its start; and ends late: when the child is
 * reaped.  So nobody hears of its end, and no other one is started for its key, while the child
 * lives.
 *
 * The run lives as long as one of its holders: the process until it has heard that the child is
 * gone, the child until then, and a task that is on its way. */
#ifndef NPRI_NODE_COMMANDS_H
#define NPRI_NODE_COMMANDS_H

#include <pthread.h>

#include "nprocreg/command.h"
#include "nprocreg/module.h"

#include "base/bytes.h"
#include "base/list.h"
#include "net/child.h"
#include "runtime/outside.h"

struct npr_node;
struct npri_commands;

/* One declaration, of ours. */
struct npri_command {
    /* Immutable. */
    struct npri_commands *all;
    struct npri_command *self;  /* for who has it as const */
    struct npr_command options; /* its pointers point into the same block */
    struct npr_behaviour behaviour;
    struct npr_function *functions; /* one, or one for each arity */
    uint32_t functions_count;
    /* The loop thread's. */
    struct npri_link waiting; /* runs that are to be started */
    uint32_t starting;        /* children that have not answered */
    uint32_t children;
};

struct npri_commands {
    /* Immutable once the loop runs. */
    struct npr_node *node;
    struct npri_command **commands;
    size_t count;
    char **envp;      /* in one block with its texts */
    uint32_t turn_ms; /* NPRI_COMMAND_TURN_MS; a test has less */
    /* The loop thread's. */
    struct npri_task next_start; /* starts go on in a later turn */
    bool next_posted;
    struct npri_link throttled; /* runs whose errors are not read for a while */
    struct npri_timer *refill;  /* NULL until one is */
};

/* How much the process wants of the child's end; each includes those before it. */
enum npri_command_stop {
    NPRI_COMMAND_RUNS,
    NPRI_COMMAND_CLOSES,     /* it has said that it ends: no more input, and time to do so */
    NPRI_COMMAND_TERMINATES, /* SIGTERM, then SIGKILL */
    NPRI_COMMAND_KILLS,
};

struct npri_command_run {
    /* Immutable. */
    struct npri_command *command;
    struct npr_pid pid;
    struct npri_task task;

    /* Under `lock`, which is held for moments only: nothing but memory is touched. */
    pthread_mutex_t lock;
    unsigned holders;
    /* Written by the process. */
    struct npri_buffer input; /* not given to the child yet */
    enum npri_command_stop stop;
    bool answered;   /* the child has said that it has started, or not */
    bool takes_more; /* it has acted on all output that it took */
    bool deaf;       /* it wants no more output */
    bool wants_room; /* it waits for input to be taken */
    bool posted;     /* the task is with the loop */
    /* Written by the child's half. */
    struct npri_buffer output;
    size_t queued_bytes; /* given to the child's half and not taken by the child */
    bool full;           /* its output is not read until the process takes more */
    bool has_room;
    bool late;   /* it has not answered in time */
    bool failed; /* it could not be started: `error` */
    bool gone;   /* there is no child any more: `end` */
    bool nudged; /* the process has the nudge */
    struct npr_error error;
    struct npri_exec_end end;
    pid_t os_pid; /* a figure */
    struct npri_nudge nudge;

    /* The child's half: the loop thread's. */
    struct npri_link link; /* in command->waiting, or all->throttled */
    struct npri_child *child;
    struct npri_timer *timer;
    enum npri_command_stop stopping; /* how far that has come */
    bool begun;                      /* its start has been asked for */
    bool is_starting;                /* counted in command->starting */
    bool is_throttled;
    size_t errors_left; /* bytes of its errors that are read before it is throttled */
    struct npri_buffer line;
};

/* Checks and copies the declarations.  Returns NPR_OK, NPR_EINVAL (`err` says which and why),
 * NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_commands_create(struct npr_node *node,
                                              const struct npr_command *const *declarations,
                                              size_t count,
                                              struct npri_commands **out,
                                              struct npr_error *err);

/* When no process is left, and the loop does not run.  Accepts NULL. */
void npri_commands_destroy(struct npri_commands *commands);

/* The functions that they are; NULL: none.  Any thread.  `commands` may be NULL. */
const struct npr_function *npri_commands_find(const struct npri_commands *commands,
                                              struct npr_bytes module,
                                              struct npr_bytes name,
                                              uint32_t arity);

/* ---- The run, any thread (command_run.c). */

struct npri_command_run *npri_command_run_create(struct npri_command *command);
void npri_command_run_release(struct npri_command_run *run);
void npri_command_run_lock(struct npri_command_run *run);
void npri_command_run_unlock(struct npri_command_run *run);

/* Under the lock: has the loop look at what the process has written. */
void npri_command_run_post(struct npri_command_run *run);

/* Under the lock: has the process look at what the child's half has written. */
void npri_command_run_nudge(struct npri_command_run *run);

/* ---- The halves. */

/* What `behaviour` begins with (command_process.c). */
void npri_command_process_init(struct npr_behaviour *out, const struct npri_command *command);

/* What the task does (command_child.c). */
void npri_command_child_task(struct npri_task *task);

#endif /* NPRI_NODE_COMMANDS_H */
