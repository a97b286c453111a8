/* runtime/runtime.h - the processes of one node: table, mailboxes, workers, links, monitors, names.
 * Knows no sockets and no registry: what concerns another node leaves by `route`, what comes from
 * one enters by npri_runtime_deliver().
 *
 * Threads: every function may be called from any thread unless it says otherwise.
 *
 *   signal for     | ends in
 *   ---------------+------------------------------------------------------------------
 *   live process   | its mailbox, in the order of sending; its worker acts on it
 *   service        | its deliver function, on the sending thread; UNLINK is acknowledged for it
 *   alias          | options.alias, on the sending thread
 *   dead, unknown  | the answer that Erlang gives (noproc for link and monitor; else dropped)
 *   other node     | options.route
 *
 * A process's links, monitors and state belong to the worker that runs it at the moment; nobody
 * else touches them, which is why everything is a signal.  A thread process has one worker of its
 * own. */
#ifndef NPRI_RUNTIME_RUNTIME_H
#define NPRI_RUNTIME_RUNTIME_H

#include "nprocreg/inspect.h"
#include "nprocreg/process.h"

#include "base/hash.h"
#include "runtime/signal.h"

struct npri_runtime;

/* A callback that takes long. */
struct npri_slow {
    const struct npr_pid *pid;
    const char *function;
    uint64_t ms; /* it has taken that long at least */
    bool returned;
};

/* What came of a HANDOVER (forward.h).  Borrowed for the call. */
struct npri_handed {
    const struct npr_pid *pid;
    uint64_t operation;
    npr_status status; /* NPR_OK: with a state it waits for MOVED; without, its code has ended */
    struct npr_term state; /* or none */
    const char *function;  /* what it was started from, */
    struct npr_term args;  /* and with */
};

struct npri_runtime_options {
    struct npr_node_name node;
    uint32_t creation;
    unsigned workers;              /* 0: one per core */
    unsigned threads_max;          /* thread processes */
    struct npri_hash_key hash_key; /* of links and monitors: unpredictable to peers */
    void *user; /* of the functions below, which any worker may call; they must not block */
    /* Takes ownership of a signal to a pid, name or alias of another node. */
    void (*route)(void *user, struct npri_signal *signal);
    /* Takes ownership of a message to a reference of this node: the reply to somebody's call. NULL:
     * dropped. */
    void (*alias)(void *user, struct npri_signal *signal);
    /* A process ended by its own doing (an error of a callback, npr_stop()) with a reason other
     * than normal, shutdown and {shutdown,_}: one line for the log.  As in Erlang, nothing is
     * logged of those that an exit signal ended.  NULL: not told. */
    void (*crashed)(void *user,
                    const struct npr_pid *pid,
                    const char *function,
                    struct npr_term reason);
    /* Registered processes have ended: npri_runtime_take_ended() is to be called, by one thread at
     * a time, until it returns NULL; then the next end calls this again.  NULL:
     * npri_runtime_watch() may not be used. */
    void (*ended)(void *user);
    uint32_t redirect_ms; /* what is sent to one that has lost a conflict is forwarded so long */
    /* A process has handed its state over, or could not, or had none.  On a worker.  NPR_OK or
     * NPR_ENOMEM: it is asked again.  NULL: no HANDOVER is ever sent. */
    npr_status (*handed)(void *user, const struct npri_handed *handed);
    /* A process that has ended without a successor has something to forward: MOVED is to follow.
     * On a worker.  NPR_OK or NPR_ENOMEM: it asks again. */
    npr_status (*wanted)(void *user, const struct npr_pid *pid);
    uint32_t long_callback_ms; /* 0: nobody looks how long callbacks take */
    /* One goes on for that long; or has returned after it was told to go on.  On the timer thread.
     * NULL: not told. */
    void (*slow)(void *user, const struct npri_slow *slow);
};

NPR_NODISCARD npr_status npri_runtime_create(const struct npri_runtime_options *options,
                                             struct npri_runtime **out,
                                             struct npr_error *err);

/* Ends every process with reason `shutdown`, trapped or not, waits for the callbacks that are
 * running, and for thread processes until their code has returned, joins the threads.  Messages
 * that wait are dropped; links and monitors elsewhere are told through `route` before it returns.
 * From then on every process is dead; services still get what is delivered.  Once, not from a
 * worker. */
void npri_runtime_stop(struct npri_runtime *runtime);

/* After stop, when no other thread uses it any more.  Accepts NULL. */
void npri_runtime_destroy(struct npri_runtime *runtime);

/* Why this release cannot run it; NULL: it can, also when it is older, or newer without using what
 * is unknown here. */
const char *npri_behaviour_fault(const struct npr_behaviour *behaviour);

/* One that has no fault, with the fields that it lacks. */
void npri_behaviour_complete(const struct npr_behaviour *behaviour, struct npr_behaviour *out);

/* How to start a process.  Everything is borrowed for the call. */
struct npri_spawn {
    const struct npr_behaviour *behaviour;
    const char *function;   /* "counter:start", for logs */
    struct npr_term args;   /* list of arguments; given to init */
    struct npr_term key;    /* npr_start_key(), or none, */
    uint64_t token;         /* and npr_start_token(), */
    struct npr_term state;  /* and npr_start_state(), or none */
    struct npr_term leader; /* group leader pid, or none */
    struct npr_term parent; /* pid for the link and monitor below, or none */
    bool link;              /* in place before init runs, */
    bool monitor;           /* like this one, by monitor_ref */
    struct npr_term monitor_ref;
    bool registered; /* from its birth on: npri_runtime_watch() */
    bool at_once;    /* without init there is nothing for a worker to do: it lives when
                      * npri_runtime_spawn() returns, and `started` is called in there.  Of a
                      * behaviour with init or run it means nothing */
    /* Called once, on a worker (but see at_once), when init has returned: NPR_OK, or its status and
     * the exit reason. NPR_EEXIT: it called npr_stop().  NPR_ECLOSED: the runtime stopped first.
     * Not NPR_OK: the process is dead by then, and what its links and monitors are told follows
     * this call.  May be NULL. */
    void (*started)(void *user,
                    const struct npr_pid *pid,
                    npr_status status,
                    struct npr_term reason);
    void *started_user;
};

/* What the public form says.  False: it is not valid.  Borrows from `spawn`. */
bool npri_spawn_complete(const struct npr_spawn *spawn, struct npri_spawn *out);

/* Returns NPR_OK (the process exists; init runs on a worker), NPR_ENOMEM, NPR_ECLOSED, NPR_EFULL
 * (no thread for a thread process), NPR_EINVAL (a behaviour that is not valid, a link or monitor
 * without parent or reference). */
NPR_NODISCARD npr_status npri_runtime_spawn(struct npri_runtime *runtime,
                                            const struct npri_spawn *spawn,
                                            struct npr_pid *out_pid,
                                            struct npr_error *err);

/* Takes ownership of a signal, wherever it is bound for. */
void npri_runtime_deliver(struct npri_runtime *runtime, struct npri_signal *signal);

/* The same to a process of this node, whatever `signal->to`: for one that was made while there was
 * memory for it.  To any other pid it is dropped. */
void npri_runtime_deliver_to(struct npri_runtime *runtime,
                             const struct npr_pid *to,
                             struct npri_signal *signal);

/* The connection to `node` is gone: its end of every link and monitor of a local process breaks, as
 * by a NODE_DOWN to each.  What came from there must have been delivered before, what comes from a
 * new connection must come after.  NPR_ENOMEM: some processes were not told; call again. */
NPR_NODISCARD npr_status npri_runtime_node_down(struct npri_runtime *runtime,
                                                const struct npr_node_name *node);

/* A pid (and name, unless NULL) whose signals all go to `deliver`, which takes ownership.  Names
 * are registered for good: services live as long as the runtime.  NPR_OK, NPR_EEXIST, NPR_EFULL,
 * NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_runtime_add_service(struct npri_runtime *runtime,
                                                  const char *name,
                                                  void (*deliver)(void *user, struct npri_signal *),
                                                  void *user,
                                                  struct npr_pid *out_pid);

/* A pid that no process has or will have. */
struct npr_pid npri_runtime_new_pid(struct npri_runtime *runtime);
struct npr_ref npri_runtime_new_ref(struct npri_runtime *runtime);

/* The `user` of the running process's runtime; NULL: this thread runs it not. */
void *npri_process_user(const struct npr_process *process);

/* The group leader of the running process; none when it was given none. */
struct npr_term npri_process_leader(const struct npr_process *process);

/* ---- Processes as others see them (inspect.c): figures, which they may have left behind already.
 */

struct npri_process_info {
    uint32_t id; /* npri_runtime_pid_of() */
    uint32_t serial;
    enum npr_process_status status;
    bool named;
    const char *function; /* lives as long as the runtime */
    uint64_t state_bytes;
    uint64_t waiting;    /* messages in its mailbox */
    uint64_t handled;    /* messages that it has taken out */
    uint64_t overflowed; /* messages that its full mailbox did not take */
    uint64_t relations;  /* links and monitors, both ways, as of its last turn */
    uint64_t busy_ns; /* its turns so far, by a clock that ticks every few ms: right in the mean */
};

struct npri_ranking;

/* The processes come in that many parts, so that who looks at all of them can do other things in
 * between.  Offers those of one part to the ranking and returns how many they are; their senders
 * wait meanwhile. */
#define NPRI_RUNTIME_PARTS 64u
uint32_t npri_runtime_rank(struct npri_runtime *runtime,
                           unsigned part,
                           struct npri_ranking *ranking);

/* False: no such process. */
bool npri_runtime_info(struct npri_runtime *runtime,
                       const struct npr_pid *pid,
                       struct npri_process_info *out);
struct npr_pid npri_runtime_pid_of(const struct npri_runtime *runtime,
                                   uint32_t id,
                                   uint32_t serial);

/* ---- Registered processes.  Their end is told to one listener before anybody else hears of it:
 * the process is dead, out of the table and the names, but its links and monitors are told only
 * when the listener says so. */

enum npri_watch {
    NPRI_WATCH_ON,
    NPRI_WATCH_ENDING, /* it was registered when it ended: npri_ended_read() will tell */
    NPRI_WATCH_DEAD,   /* no such process; or it ended unregistered, was read, or forwards */
};

/* Registers a process of this node, or one of its services, which never end.  Idempotent. */
enum npri_watch npri_runtime_watch(struct npri_runtime *runtime, const struct npr_pid *pid);
void npri_runtime_unwatch(struct npri_runtime *runtime, const struct npr_pid *pid);

/* Those that have ended since the last time, oldest first; NULL: none.  Their owner is the caller:
 * each must be read once, and then finished. */
struct npr_process *npri_runtime_take_ended(struct npri_runtime *runtime);
struct npr_process *npri_ended_next(const struct npr_process *process);

/* Who it was.  `*out_reason` lives until the finish. */
void npri_ended_read(struct npr_process *process,
                     struct npr_pid *out_pid,
                     struct npr_term *out_reason);

/* Its links and monitors are told, and it is freed, on a worker.  It must not be touched again. */
void npri_runtime_finish(struct npr_process *process);

/* Sends every registered process of a part (NPRI_RUNTIME_PARTS) a message.  NPR_ENOMEM: some did
 * not get it. */
NPR_NODISCARD npr_status npri_runtime_tell_registered(struct npri_runtime *runtime,
                                                      unsigned part,
                                                      struct npr_term message);

bool npri_runtime_is_alive(struct npri_runtime *runtime, const struct npr_pid *pid);
size_t npri_runtime_process_count(struct npri_runtime *runtime);

/* Whether processes of this node have passed calls on that are not answered (relay.h). */
bool npri_runtime_owes_answers(const struct npri_runtime *runtime);

/* Names of this node.  register: NPR_OK, NPR_EEXIST, NPR_ENOPROC (no such local process),
 * NPR_ENOMEM. A dying process loses its name. */
NPR_NODISCARD npr_status npri_runtime_register(struct npri_runtime *runtime,
                                               struct npr_bytes name,
                                               const struct npr_pid *pid);
bool npri_runtime_whereis(struct npri_runtime *runtime, struct npr_bytes name, struct npr_pid *out);

/* Calls `visit`, which must not block, for each name of a process or service. */
void npri_runtime_names(struct npri_runtime *runtime,
                        const struct npr_pid *pid,
                        void (*visit)(void *user, struct npr_bytes name),
                        void *user);

/* The same as nprocreg/names.h has it, for what is none of ours to trust. */
bool npri_name_is_valid(const char *name);
NPR_NODISCARD npr_status npri_runtime_name(struct npri_runtime *runtime,
                                           const char *name,
                                           const struct npr_pid *pid);
NPR_NODISCARD npr_status npri_runtime_unname(struct npri_runtime *runtime, const char *name);
NPR_NODISCARD npr_status npri_runtime_named(struct npri_runtime *runtime,
                                            const char *name,
                                            struct npr_pid *out_pid);

/* Answers a call from outside of processes: {Tag,Reply} from `sender`, a pid, to who waits. NPR_OK,
 * NPR_EINVAL, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_runtime_reply(struct npri_runtime *runtime,
                                            struct npr_term sender,
                                            const struct npr_from *from,
                                            struct npr_term reply);

#endif /* NPRI_RUNTIME_RUNTIME_H */
