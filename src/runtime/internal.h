/* runtime/internal.h - one process and one runtime, for the files of this folder.
 *
 * Life of a process, which only its worker changes:
 *
 *      STARTING --init succeeds--> LIVE --stop, failure, exit--> ENDING --> freed
 *          |                        |                              ^
 *          |                        +--the same, and it lingers--> CLOSING (outside.h)
 *          |                                                       |
 *          +--init fails, or the runtime stops---------------------+
 *
 * One that gives its key up is FORWARDING in between (forward.h).
 *
 * What is said of its worker holds for the thread of a thread process (thread.h).
 *
 * On the way to ENDING, in this order: terminate; its timers; out of the table (from here on others
 * answer for it), out of the names; if it is registered, the registry is told, and says when to go
 * on (ends.h); what still waits is answered as by a dead process; links and monitors are told.  A
 * process that ends because it is idle leaves the table first, so that it gets nothing any more
 * that it would have to act on.  Without memory to tell them it stays ENDING and tries again at its
 * next turn.
 */
#ifndef NPRI_RUNTIME_INTERNAL_H
#define NPRI_RUNTIME_INTERNAL_H

#include "runtime/alarms.h"
#include "runtime/ends.h"
#include "runtime/identity.h"
#include "runtime/lookout.h"
#include "runtime/mailbox.h"
#include "runtime/names.h"
#include "runtime/relations.h"
#include "runtime/runtime.h"
#include "runtime/scheduler.h"
#include "runtime/thread.h"

#define NPRI_SERVICES_MAX 64u

/* Process ids are 1..NPRI_PROCESS_ID_MAX (services have the first ones), then the serial grows. */
#define NPRI_PROCESS_ID_MAX ((1u << 28) - 1)

/* Signals that a process handles before others have their turn. */
#define NPRI_TURN_SIGNALS_MAX 128u

/* A worker's buffer that has grown beyond this is given back after use. */
#define NPRI_BUFFER_KEPT_BYTES ((size_t)256 << 10)

/* Statuses are 0, -1, ... without a gap. */
enum {
#define NPRI_STATUS_INDEX(name, value, text) NPRI_STATUS_INDEX_##name,
    NPR_STATUS_MAP(NPRI_STATUS_INDEX)
#undef NPRI_STATUS_INDEX
        NPRI_STATUS_COUNT,
};

enum npri_phase {
    NPRI_PHASE_STARTING,
    NPRI_PHASE_LIVE,
    NPRI_PHASE_CLOSING,
    NPRI_PHASE_ENDING,
    NPRI_PHASE_FORWARDING,
};

/* Of a process that gives its key up (forward.h). */
enum npri_transit {
    NPRI_TRANSIT_NONE,
    NPRI_TRANSIT_HANDING, /* it is paused until MOVED; or until it owes nobody an answer */
    NPRI_TRANSIT_MOVES,   /* its code ends; from then on it forwards */
    NPRI_TRANSIT_LOSES,   /* the same for a time, and its end is told */
    NPRI_TRANSIT_OWES,    /* that time is over, but for answers that go through it */
};

/* Counters that one thread writes at a time, or that a lock guards.  relaxed: figures. */
#define NPRI_COUNT_UP(counter)                                                                     \
    atomic_store_explicit((counter), atomic_load_explicit((counter), memory_order_relaxed) + 1,    \
                          memory_order_relaxed)

/* What starting needs and running does not. */
struct npri_start {
    void (*started)(void *user,
                    const struct npr_pid *pid,
                    npr_status status,
                    struct npr_term reason);
    void *user;
    struct npr_term args;  /* the bytes follow, */
    struct npr_term key;   /* like these; or none, */
    struct npr_term state; /* like this one */
    uint64_t token;
    bool told;    /* `started` was called: only the arguments are wanted */
    uint8_t room; /* the size of its block (pool.h) */
};

/* What processes are started from, kept as long as the runtime.  There are as many as exported
 * functions, which are few. */
struct npri_origin {
    struct npri_origin *next;
    struct npri_runtime *runtime;
    const struct npr_behaviour *behaviour; /* with all fields of this release */
    const struct npr_behaviour *given;     /* the same as whoever starts it knows it */
    bool has_thread;                       /* of its own, for each process */
    char function[];                       /* "counter:start", for logs */
};

/* Kept small: there may be millions.  What senders write and what the worker writes while it runs
 * are kept apart by what hardly anybody touches, so that they share no cache line. */
struct npr_process {
    /* Any thread, by its own rules. */
    struct npri_mailbox mailbox;
    struct npri_local local;        /* constant, like `is_bounded` */
    struct npr_process *table_next; /* under the lock of its shard */
    _Atomic uint32_t pushed;        /* messages; under the lock of its shard; read by anybody */
    atomic_bool has_remote; /* relaxed: read by who walks the table for NODE_DOWN, after it has
                             * learnt of the node's end from the thread that the relation's signal
                             * went through; so it sees what was set before that signal left */
    bool is_bounded;        /* its mailbox */
    bool takes_batches;     /* batch.h; constant */
    bool named;             /* under the lock of its shard, like these three */
    bool registered;        /* npri_runtime_watch() */
    bool gone;              /* dead, and here only to say that its end is being told */
    bool forwards;          /* for others it is dead, but what is sent to it goes on */

    /* Its worker, now and then; but for the first. */
    struct npr_process *run_next; /* who may add it to a run queue, then the lock of the queue; of a
                                   * registered one that has ended: ends.h */
    struct npr_term end_reason;
    struct npri_signal *end_block; /* what end_reason points into, or NULL */
    struct npri_start *start;      /* once init has run: only its arguments, or NULL */
    struct npri_signal *leader;    /* GROUP_LEADER whose `from` is the leader, or NULL */
    struct npri_alarm_set *timers; /* NULL until it sets one */
    struct npri_signal *held;      /* what waits until it is resumed, newest first */
    struct npri_calls *calls;      /* NULL until it calls */

    /* Its worker, all the time. */
    const struct npri_origin *origin; /* constant */
    struct npri_worker *worker;
    struct npri_signal *todo;    /* taken from the mailbox, oldest first */
    struct npri_signal *resumes; /* what npr_continue() asked for, oldest first */
    struct npri_alarm *idle;     /* NULL: never idle; its due_ns is when the process will be */
    struct npri_relations relations;
    uint8_t phase; /* enum npri_phase */
    bool traps_exit;
    bool own_fault;      /* ENDING by its own doing, not by an exit signal */
    int8_t start_status; /* npr_status */
    bool idle_lent;      /* `idle` is armed or on its way here */
    bool active;         /* a callback has run since `idle` was looked at */
    bool left;           /* out of the table already */
    bool paused;         /* as if suspended, by its own behaviour; these four: outside.h */
    bool deferred;       /* init has returned, the start is not complete */
    bool awake;          /* not idle, whatever the time */
    bool lingers;        /* it may not end yet */
    uint8_t transit;     /* enum npri_transit */
    bool watches;        /* forwarding: it monitors who it forwards to */
    uint8_t room;        /* constant: the size of its block (pool.h) */

    /* Its worker; read by anybody.  relaxed: figures. */
    _Atomic uint32_t overflowed; /* messages that were dropped; who pushes counts, too */
    _Atomic uint32_t relations_count;
    atomic_uint_fast64_t taken; /* messages out of its mailbox */
    atomic_uint_fast64_t busy_ns;
    atomic_bool suspended; /* by sys */

    uint32_t relayed; /* its worker: calls that it has passed on and that are not answered yet */

    _Alignas(max_align_t) unsigned char state[];
};

_Static_assert(sizeof(struct npr_process) <= 224, "what an idle process costs is promised");

struct npri_service {
    void (*deliver)(void *user, struct npri_signal *signal);
    void *user;
};

/* A behaviour of an older release with the fields that it lacks, kept as long as the runtime. */
struct npri_behaviour_copy {
    struct npri_behaviour_copy *next;
    struct npr_behaviour behaviour;
};

struct npri_runtime {
    /* Constant. */
    struct npri_runtime_options options;
    uint8_t pid_prefix[NPRI_IDENTITY_BYTES_MAX]; /* a pid of ours up to its id */
    size_t pid_prefix_bytes;
    uint8_t ref_prefix[NPRI_IDENTITY_BYTES_MAX]; /* a reference of ours up to its three words */
    size_t ref_prefix_bytes;
    struct npr_term error_reasons[NPRI_STATUS_COUNT + 1]; /* {error,Name} by -status; the last one
                                                           * for what is no status */
    uint8_t error_bytes[NPRI_STATUS_COUNT + 1][32];

    /* Each by its own rules. */
    struct npri_table table;
    struct npri_names names;
    struct npri_ends ends;
    struct npri_scheduler scheduler;
    struct npri_alarms alarms;
    struct npri_threads threads;
    struct npri_lookout lookout;

    struct npri_service services[NPRI_SERVICES_MAX]; /* id - 1; constant once counted */
    atomic_uint services_count;  /* release after the entry is written, acquire before it is read */
    pthread_mutex_t setup_mutex; /* adding services, origins, behaviours */
    _Atomic(struct npri_origin *) origins; /* release after one is whole, acquire to read it */
    struct npri_behaviour_copy *behaviours;

    atomic_uint_fast64_t next_process; /* relaxed: numbers only */
    atomic_uint_fast64_t next_ref;
    atomic_uint_fast64_t next_unlink;
    atomic_uint_fast64_t relayed; /* relaxed: calls that processes have passed on (relay.h) */

    /* seq_cst: who frees a process counts it (struct npri_worker, npri_threads), then reads this;
     * who stops writes this, then reads the counts. */
    atomic_bool stopping;
    pthread_mutex_t stop_mutex;
    pthread_cond_t stop_cond;
    bool stopped; /* of who calls stop */
};

/* Whether `pid` is one of this node and incarnation: then `*out`.  Here, since every send asks. */
static inline bool npri_runtime_is_local(const struct npri_runtime *runtime,
                                         const struct npr_pid *pid,
                                         struct npri_local *out)
{
    if (pid->creation != runtime->options.creation ||
        !npr_node_name_equal(&pid->node, &runtime->options.node)) {
        return false;
    }
    *out = (struct npri_local){.id = pid->id, .serial = pid->serial};
    return true;
}

/* ---- Running (process.c). */

enum npri_verdict {
    NPRI_GO_ON,
    NPRI_KEPT,  /* go on; the signal has another owner now */
    NPRI_AGAIN, /* no memory: the same signal once more, later */
    NPRI_END,   /* end_reason and end_block are set */
};

void npri_process_run(struct npri_worker *worker, struct npr_process *process);

/* ---- Callbacks (callbacks.c). */

/* Runs init, if there is one.  After END the caller of started() is told when the process has left
 * the table: by the second. */
enum npri_verdict npri_process_begin(struct npr_process *process);
void npri_process_tell_started(struct npr_process *process, npr_status status);

/* Ends with a reason; `block`, which may be NULL, owns its bytes and is taken over.  What the
 * process had for an earlier end is freed. */
enum npri_verdict npri_process_set_end(struct npr_process *process,
                                       struct npr_term reason,
                                       struct npri_signal *block);

/* Gives `message`, which may be NULL for none, to the info callback. */
enum npri_verdict npri_process_info(struct npr_process *process, struct npr_term message);

enum npri_verdict npri_process_call(struct npr_process *process,
                                    const struct npr_from *from,
                                    struct npr_term request);
enum npri_verdict npri_process_cast(struct npr_process *process, struct npr_term message);

/* What it has asked for with npr_continue(): the first of that. */
enum npri_verdict npri_process_resume(struct npr_process *process);

/* What became of a call (call.c). */
enum npri_verdict npri_process_answered(struct npr_process *process,
                                        const struct npr_answer *answer);

/* What becomes of it after a callback that returned `status`. */
enum npri_verdict npri_process_after(struct npr_process *process, npr_status status);

/* ---- Ending (ending.c).  True, but for the last: it is freed. */

/* `end_reason` and `end_block` are set: terminate, and all that follows; or as far as that goes
 * while it lingers, and then a turn of it. */
bool npri_process_end(struct npr_process *process);
void npri_process_close(struct npri_worker *worker, struct npr_process *process);

/* Out of the table and the names; the registry, then links and monitors are told. */
bool npri_process_depart(struct npr_process *process);

/* The last of that, or once more for lack of memory. */
bool npri_process_finish(struct npr_process *process);

void npri_process_free(struct npr_process *process);

/* Tells links and monitors of the end (exits.c).  False: no memory, some are left. */
bool npri_process_announce_end(struct npr_process *process);

/* ---- Signals, and what else it does in its turn. */

/* Acts on a MESSAGE (messages.c) and on anything else (exits.c).  Neither frees the signal; it may
 * have become end_block. */
enum npri_verdict npri_process_on_message(struct npr_process *process, struct npri_signal *signal);
enum npri_verdict npri_process_on_signal(struct npr_process *process, struct npri_signal *signal);

/* Gives `signal` to a process of this node, which may be dead (deliver.c).  `remote`: it may make a
 * relation to another node. */
void npri_runtime_push(struct npri_runtime *runtime,
                       struct npri_local local,
                       struct npri_signal *signal,
                       bool remote);

/* What a process answers that does not exist, or no longer; takes the signal (deliver.c). */
void npri_runtime_answer_dead(struct npri_runtime *runtime, struct npri_signal *signal);

/* Whether that may be a service's pid: no process has such a one. */
static inline bool npri_local_may_be_service(struct npri_local local)
{
    return local.serial == 0 && local.id != 0 && local.id <= NPRI_SERVICES_MAX;
}

/* Gives a message, the bytes of `parts` in order, from one process here to another.  NPR_OK, also
 * when there is no such process, or NPR_ENOMEM (deliver.c). */
NPR_NODISCARD npr_status npri_runtime_send_local(struct npri_runtime *runtime,
                                                 struct npri_local from,
                                                 struct npri_local to,
                                                 const struct npr_term *parts,
                                                 size_t parts_count);

/* The process that this thread runs, or has run last: only there, inside its callbacks, may the
 * functions of nprocreg/process.h be used for it.  A thread that runs no processes has none.  No
 * program's code runs on a worker outside the turns of processes, so it is set at their beginning
 * and never taken back.  (In the model of the first library loaded: one instruction to read.) */
extern _Thread_local const struct npr_process *npri_process_here
    __attribute__((tls_model("initial-exec")));

/* False for NULL, for a process that another thread runs, and for one that is dead: `self` is not
 * looked into. */
static inline bool npri_process_is_here(const struct npr_process *self)
{
    return self != NULL && self == npri_process_here;
}

/* Messages that wait; from any thread it is a figure. */
uint32_t npri_process_waiting(struct npr_process *process);

/* A full mailbox of `local` has refused this message: the caller of a call is told (messages.c). */
void npri_runtime_refuse(struct npri_runtime *runtime,
                         struct npri_local local,
                         struct npri_signal *signal);

/* The one of a behaviour, which is valid, under that name (behaviour.c).  NULL: no memory. */
const struct npri_origin *npri_runtime_origin(struct npri_runtime *runtime,
                                              const struct npr_behaviour *behaviour,
                                              const char *function);
void npri_origins_fini(struct npri_runtime *runtime);

/* Before the worker lets go of a process with an idle time (later.c).  True: the time is over, the
 * process has left the table, with nothing in its mailbox. */
bool npri_process_is_idle(struct npr_process *process);

/* Answers a request of sys, of `signal`, which may become end_block; and: whether a suspended
 * process keeps a signal for later (system.c). */
enum npri_verdict npri_process_system(struct npr_process *process,
                                      const struct npr_from *from,
                                      struct npr_term request,
                                      struct npri_signal *signal);
bool npri_process_holds(const struct npr_process *process, const struct npri_signal *signal);

/* Whether sys has suspended it; from any thread it is a figure. */
static inline bool npri_process_is_suspended(const struct npr_process *process)
{
    return atomic_load_explicit(&process->suspended, memory_order_relaxed);
}

/* Forgets that it is suspended: what it held is next. */
void npri_process_unsuspend(struct npr_process *process);

/* What it held is next, unless it is suspended or paused. */
void npri_process_release(struct npr_process *process);

/* A NUDGE: runs what it stands for; and a turn of a process that is CLOSING (outside.c). */
npr_status npri_process_nudged(struct npr_process *process, struct npri_signal *signal);
enum npri_closing {
    NPRI_CLOSING_RESTS, /* it must not be touched again */
    NPRI_CLOSING_GOES_ON,
    NPRI_CLOSING_DONE,
};
enum npri_closing npri_process_closing(struct npr_process *process);

/* ---- Calls between processes (call.c). */

enum npri_verdict npri_process_on_answer(struct npr_process *process, struct npri_signal *signal);

/* Whether `ref` is of a call of this process; and: its callee is gone. */
bool npri_process_has_call(const struct npr_process *process, struct npr_term ref);
enum npri_verdict npri_process_call_down(struct npr_process *process,
                                         struct npr_term ref,
                                         struct npr_term reason);

bool npri_process_has_open_calls(const struct npr_process *process);
bool npri_process_is_calls_alarm(const struct npr_process *process, const struct npri_alarm *alarm);
enum npri_verdict npri_process_on_calls_alarm(struct npr_process *process);
void npri_process_drop_calls(struct npr_process *process);

/* A CALL that nobody will act on goes back to its caller, as one that met no process, that ended
 * with another reason than noproc, or whose mailbox was full. */
void npri_call_fail(struct npri_runtime *runtime,
                    struct npri_signal *signal,
                    struct npr_term reason);
void npri_call_overload(struct npri_runtime *runtime, struct npri_signal *signal);

/* The alias that a reply must be sent to: [alias|Ref] or [[alias|Ref]|_] (messages.c). */
bool npri_tag_alias(struct npr_term tag, struct npr_term *out_ref);

/* Takes the links and monitors to that node out, `*out` the first; false: the signal names none
 * (exits.c). */
bool npri_process_take_node(struct npr_process *process,
                            const struct npri_signal *node_down,
                            struct npri_relation **out);

/* Answers a TELL (inspect.c). */
enum npri_verdict npri_process_tell_relations(struct npr_process *process,
                                              const struct npri_signal *signal);

/* One of the process's timers has fired, and: it has no timers any more (later.c). */
enum npri_verdict npri_process_on_timer(struct npr_process *process, struct npri_signal *signal);
void npri_process_drop_timers(struct npr_process *process);

/* Sends {Tag,Reply} to who called: to the alias in the tag, if there is one, else to `pid`. */
NPR_NODISCARD npr_status npri_process_reply(struct npr_process *process,
                                            struct npr_term pid,
                                            struct npr_term tag,
                                            struct npr_term reply);

/* As npri_relations_find(). */
static inline struct npri_relation *npri_process_relation(const struct npr_process *process,
                                                          enum npri_relation_kind kind,
                                                          struct npr_term key,
                                                          struct npr_term peer)
{
    return npri_relations_find(&process->relations, process->origin->runtime->options.hash_key,
                               kind, key, peer);
}

/* As npri_relations_add(). */
static inline void npri_process_tie(struct npr_process *process, struct npri_relation *relation)
{
    npri_relations_add(&process->relations, process->origin->runtime->options.hash_key, relation);
}

static inline bool npri_process_has_thread(const struct npr_process *process)
{
    return process->origin->has_thread;
}

/* ---- Thread processes; but for the questions about messages, their own thread only. */

/* {'$gen_call',{Pid,Tag},Request}; {system,{Pid,Tag},Request}; that or {io_request,Pid,_,_}: what
 * is answered without code of the process's own (messages.c). */
bool npri_message_is_call(struct npr_term message,
                          struct npr_from *out_from,
                          struct npr_term *out_request);
bool npri_message_is_system(struct npr_term message);

/* Of the first two of these: who is to be answered. */
bool npri_message_asker(struct npr_term message, struct npr_from *out);

/* Whether it may be one of Erlang's own forms; any thread. */
bool npri_message_has_form(struct npr_term message);
bool npri_message_is_for_runtime(struct npr_term message);

/* Runs it from init to its end.  True: it is freed.  False: it is woken once more, when its end has
 * been told to the registry, or at once for lack of memory; then npri_process_end_again()
 * (process.c). */
bool npri_process_live(struct npr_process *process);
bool npri_process_end_again(struct npr_process *process);

/* Acts on the next of what was taken from the mailbox; false: there is nothing.  Figures as of now.
 * Whether the oldest message is one too many. */
bool npri_process_next(struct npr_process *process, enum npri_verdict *out);
void npri_process_account(struct npr_process *process);
void npri_receive_give_back(struct npr_process *process); /* what is kept is next again */
bool npri_process_overflows(struct npr_process *process);

/* Keeps, for a later receive: a MESSAGE (may answer it instead); a copy of a message made here; a
 * copy of what a timer sends.  And: drops what a timer that is cancelled has sent (receive.c). */
enum npri_verdict npri_receive_on_message(struct npr_process *process, struct npri_signal *signal);
enum npri_verdict npri_receive_keep(struct npr_process *process, struct npr_term message);
enum npri_verdict npri_receive_keep_timer(struct npr_process *process,
                                          const struct npri_alarm *timer);
void npri_receive_forget_timer(struct npr_process *process, uint64_t number);

/* ---- */

/* Before a signal that makes a relation with `peer` leaves: see has_remote (calls.c). */
void npri_process_note_peer(struct npr_process *self, const struct npr_pid *peer);

/* Delivers a copy of `draft`, from the process unless it says from whom, with the payload made of
 * `parts`.  NPR_OK, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_process_send(struct npr_process *process,
                                           const struct npri_signal *draft,
                                           const struct npr_term *parts,
                                           size_t parts_count);

#endif /* NPRI_RUNTIME_INTERNAL_H */
