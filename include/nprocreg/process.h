/* nprocreg/process.h - callback processes: a state, and functions that are run for one message at a
 * time (the shape of Erlang's gen_server).
 *
 * Threads: callbacks run on the node's worker threads, never two at once for one process, and see
 * each other's writes to the state.  They must not block: other processes wait for the worker.
 * `struct npr_process *self` may be used only inside the callback that it was passed to, on that
 * thread; anywhere else each function here refuses it, with NPR_EINVAL, false, NULL, an empty
 * value, or by doing nothing.  No function here blocks.  Code that must block is for
 * nprocreg/thread.h.
 *
 * Terms that are passed in are borrowed for the callback; terms that are passed out are copied. */
#ifndef NPROCREG_PROCESS_H
#define NPROCREG_PROCESS_H

#include "nprocreg/term.h"

#ifdef __cplusplus
extern "C" {
#endif

struct npr_process; /* the running process */

/* Who waits for a call's reply: what gen_server calls From.  `tag` is any term and must go back as
 * it came.  Borrowed for the callback; npr_caller_create() keeps one for later. */
struct npr_from {
    struct npr_term pid;
    struct npr_term tag;
};

/* What became of an npr_call(). */
struct npr_answer {
    uint64_t call; /* as npr_call() numbered it */
    /* NPR_OK: `term` is the reply.  NPR_EEXIT: the process ended before it answered, `term` is the
     * reason.  NPR_ENOPROC: there is no such process, the call was not carried out.
     * NPR_EUNREACHABLE: no connection to its node, or none any more.  NPR_ETIMEDOUT: no answer in
     * time; a later one is dropped. */
    npr_status status;
    struct npr_term term; /* borrowed for the callback; none after any other status */
};

/* What becomes of a message for a process that has behaviour's mailbox_max messages waiting.  Only
 * messages, calls and casts are ever dropped: never links, monitors, exits, or what timers of the
 * process send to itself. */
enum npr_overflow {
    NPR_OVERFLOW_UNBOUNDED,   /* it waits */
    NPR_OVERFLOW_FAIL,        /* a call is answered {error,overload}; anything else is dropped */
    NPR_OVERFLOW_DROP_NEWEST, /* it is dropped */
    NPR_OVERFLOW_DROP_OLDEST, /* it waits, and the one that has waited longest is dropped.  While
                               * the process is in a callback up to twice as many wait; then the
                               * newest are dropped */
};

/* When a process that was started for a key is started again in its place: on the same node, from
 * the same function and arguments, with a new pid and a new token.  Whoever asks for the key
 * meanwhile gets the new one.  Not when the node stops, when the key was unregistered or given to
 * another process, nor for other keys that were registered for the process, which go with it. */
enum npr_restart {
    NPR_RESTART_TEMPORARY, /* never: the key is free */
    NPR_RESTART_TRANSIENT, /* unless it ended with `normal`, `shutdown` or {shutdown,_}: after a
                            * failure, an exit signal, a kill */
    NPR_RESTART_PERMANENT, /* whatever it ended with: also when it was idle (idle_ms) */
};

/* Two processes live under one key, and this one is not the one that keeps it: after two parts of
 * the cluster, which could not see each other, have met again. */
struct npr_conflict {
    struct npr_term key; /* borrowed for the callback */
    struct npr_pid winner;
    uint64_t token; /* of the winner's activation (npr_start_token()) */
};

/* What becomes of the process that loses. */
enum npr_on_conflict {
    NPR_CONFLICT_EXIT,   /* it ends with {nprocreg,conflict,Winner}, whether it traps exits or not;
                          * for NPR_CONFLICT_GRACE_MS what is sent to it goes to the winner */
    NPR_CONFLICT_NOTIFY, /* it lives on, and the key leads to the winner */
};

/* What waits in the loser's mailbox, and what comes within this time, the winner gets, in order. */
#define NPR_CONFLICT_GRACE_MS         5000u

#define NPR_RESTARTS_DEFAULT          3u
#define NPR_RESTARTS_MAX              1000u
#define NPR_RESTART_WINDOW_MS_DEFAULT 5000u

/* What a process does.  Make it a static constant; it is borrowed as long as the process may live.
 * Any function may be NULL: then init succeeds, calls are answered {error,unknown}, casts and
 * messages are dropped.
 *
 * Each returns NPR_OK to go on.  Anything else ends the process with reason {error,Name}, e.g.
 * {error,enomem}, unless npr_stop() gave a reason in the same callback. */
struct npr_behaviour {
    size_t struct_size; /* sizeof(struct npr_behaviour) in the caller's build */
    size_t state_bytes; /* zeroed before init, freed after terminate */

    /* `args` is the list of start arguments, [] for the original's wire.  When it fails, or calls
     * npr_stop(), the start has failed with that reason, and terminate is not called. */
    npr_status (*init)(struct npr_process *self, void *state, struct npr_term args);
    /* gen_server:call.  Answer with npr_reply(), now or later. */
    npr_status (*call)(struct npr_process *self,
                       void *state,
                       const struct npr_from *from,
                       struct npr_term request);
    /* gen_server:cast. */
    npr_status (*cast)(struct npr_process *self, void *state, struct npr_term message);
    /* Any other message; also {'DOWN',Ref,process,Pid,Reason}, and {'EXIT',Pid,Reason} when exits
     * are trapped.  Not: {io_request,From,ReplyAs,Request}, answered ok for output, which is
     * dropped, and {error,enotsup} for the rest; and what Erlang's sys asks: {system,From,Request},
     * with get_state, get_status, suspend (only sys is answered, until), resume,
     * {terminate,Reason}; for the rest it is told {error,enotsup}. */
    npr_status (*info)(struct npr_process *self, void *state, struct npr_term message);
    /* The last callback, after npr_stop(), a failure, an exit signal (also `killed`: what the state
     * holds must be given back) or the end of the node (`shutdown`). */
    void (*terminate)(struct npr_process *self, void *state, struct npr_term reason);

    /* From here on fields came later: a behaviour with a smaller struct_size has them zero. */

    /* What npr_continue() asked for, with its term. */
    npr_status (*resume)(struct npr_process *self, void *state, struct npr_term term);
    /* Not 0: the process ends with reason `normal` after this many milliseconds without a callback.
     * Nothing that was accepted is lost: with a message in its mailbox it goes on; once it has
     * decided, it counts as dead, terminate runs, and whoever sends is told so.  Open calls of its
     * own (npr_call()) keep it; timers that it has set do not. */
    uint64_t idle_ms;
    /* Messages that may wait, if `overflow` (enum npr_overflow) sets a limit; 0: any number. */
    uint32_t mailbox_max;
    uint32_t overflow;
    /* Builds one term that tells of the state, for Erlang's sys:get_state and get_status; NULL:
     * they are told `opaque`.  What it returns does not end the process; if it fails, they are told
     * `opaque`, too.  It must not change anything: npr_stop() has no effect in it. */
    npr_status (*describe)(struct npr_process *self, const void *state, struct npr_builder *out);
    /* Whatever the functions above want to know of this behaviour, by npr_user(): so that several
     * can share them.  Must live as long as the node. */
    const void *user;
    /* Makes it a thread process (nprocreg/thread.h): init, run and terminate have a thread of their
     * own, and may block.  run takes its messages with npr_receive(), which is not for init and
     * terminate.  When it returns NPR_OK the process ends `normal`, or with npr_stop()'s reason.
     * `args` is what init got.  call, cast, info and resume must be NULL. */
    npr_status (*run)(struct npr_process *self, void *state, struct npr_term args);
    /* What becomes of the key that a process was started for when it ends (enum npr_restart). At
     * most `restarts_max` restarts (0: NPR_RESTARTS_DEFAULT; NPR_RESTARTS_MAX at the most) within
     * `restart_window_ms` (0: NPR_RESTART_WINDOW_MS_DEFAULT; never more than NPR_TIMER_MS_MAX):
     * with one more end in that time the key is let go, with a line in the log. */
    uint32_t restart;
    uint32_t restarts_max;
    uint64_t restart_window_ms;
    /* What became of an npr_call(): runs exactly once for each, unless the process ends first. */
    npr_status (*answer)(struct npr_process *self, void *state, const struct npr_answer *answer);
    /* It has lost its key (struct npr_conflict).  One term that is built in `out`, if any, is sent
     * to the winner as {nprocreg,handover,Key,Loser,State}, for its `info`.  With
     * NPR_CONFLICT_EXIT, which is what 0 says, this is its last callback but `terminate`, whatever
     * it returns.  With NPR_CONFLICT_NOTIFY and no callback it gets the message
     * {nprocreg,conflict,Key,Winner,Token}.  In a thread process it runs inside npr_receive(). */
    npr_status (*conflict)(struct npr_process *self,
                           void *state,
                           const struct npr_conflict *conflict,
                           struct npr_builder *out);
    uint32_t on_conflict; /* enum npr_on_conflict */
    /* The node is drained: builds the state in `out` as one term, for the process that takes over
     * on another node.  That is started from the same function with the same arguments, and its
     * init finds the term with npr_start_state().  Until it runs this one is stopped: what it is
     * sent waits.  Then `terminate` runs here with {shutdown,{nprocreg,moved}}, and what is sent
     * to the old pid, what has waited first, goes to the new process.
     *
     * A failure does not end the process: it stays, and is asked again later.  When the new process
     * cannot be started it goes on, with a message {nprocreg,handover,failed}.  NULL, or nothing
     * built: there is no state to hand over.  The process ends in order, and the next one is
     * started when somebody asks for the key, or sends something to the old pid.
     *
     * Its timers, its own monitors and its open calls end with it: whatever is needed of them must
     * be in the state.  In a thread process it runs inside npr_receive(), which then says NPR_EEXIT
     * once the other process runs. */
    npr_status (*handover)(struct npr_process *self, void *state, struct npr_builder *out);
};

/* A process that no key leads to. */
struct npr_spawn {
    const struct npr_behaviour *behaviour;
    const char *function;      /* what it is called in logs, e.g. "room:member" */
    struct npr_term arguments; /* the list that init gets; none stands for [] */
    bool link;                 /* with who starts it; in place before init runs, */
    bool monitor;              /* like this one, by the reference that npr_spawn() gives */
};

/* Starts a process on this node.  Returns when it exists: its init runs later, on any worker, and
 * when that fails links and monitors are told why, as of any other end.  `*out_ref` is the
 * monitor's (left alone without one); either out parameter may be NULL.  Returns NPR_OK, NPR_EINVAL
 * (no behaviour or function, one of another release, arguments that are no list), NPR_ENOMEM, or
 * NPR_ECLOSED (the node is stopping). */
NPR_API npr_status npr_spawn(struct npr_process *self,
                             const struct npr_spawn *spawn,
                             struct npr_pid *out_pid,
                             struct npr_ref *out_ref);

/* The pid of the running process. */
NPR_API struct npr_pid npr_self(const struct npr_process *self);

/* Its behaviour's `user`. */
NPR_API const void *npr_user(const struct npr_process *self);

/* What a process is started for, in its init only, where the key is borrowed; nothing of it is kept
 * afterwards: copy what is wanted.
 *
 * The key is no term (`data` NULL), and the token 0, when the process was not started for a key: by
 * erpc or spawn, or on an Erlang node's behalf.  The token is greater than that of every process
 * that has lived under this key before, as far as its nodes have heard of each other: hand it to
 * storage, which then can refuse what an older one still writes (a fencing token).  Whoever gets
 * the process gets the same number (struct npr_found). */
NPR_API struct npr_term npr_start_key(const struct npr_process *self);
NPR_API uint64_t npr_start_token(const struct npr_process *self);

/* What the process's predecessor has handed over (behaviour's `handover`), in its init only, where
 * it is borrowed; no term (`data` NULL) when it starts afresh. */
NPR_API struct npr_term npr_start_state(const struct npr_process *self);

/* Asks the process to end with `reason` once this callback has returned.  The first reason given in
 * a callback counts.  Returns NPR_OK, NPR_EINVAL (no term) or NPR_ENOMEM. */
NPR_API npr_status npr_stop(struct npr_process *self, struct npr_term reason);

/* Makes the behaviour's `resume` run with a copy of `term` next, before any message or other signal
 * that waits: what init leaves for later, or long work in steps.  Several wait for each other in
 * the order of asking.  Other processes have their turns in between, but a process that always
 * continues gets nothing from its mailbox, not even an exit signal.  Returns NPR_OK, NPR_EINVAL (no
 * term, no `resume`, or called by terminate) or NPR_ENOMEM. */
NPR_API npr_status npr_continue(struct npr_process *self, struct npr_term term);

/* Answers a call, once.  `from` may come from an earlier callback's copy.  Returns NPR_OK (sent,
 * not received: the caller may be gone), NPR_EINVAL (`from` or `reply` is no such thing) or
 * NPR_ENOMEM. */
NPR_API npr_status npr_reply(struct npr_process *self,
                             const struct npr_from *from,
                             struct npr_term reply);

/* Who waits, kept as long as it is wanted, to be answered later: by a later callback with
 * npr_reply(), or by another thread with npr_node_reply(). */
struct npr_caller;

/* A copy, owned by the user; NULL: no memory, or `from` is no such thing.  Any thread, none blocks.
 */
NPR_API NPR_NODISCARD struct npr_caller *npr_caller_create(const struct npr_from *from);
NPR_API void npr_caller_destroy(struct npr_caller *caller); /* accepts NULL; answers nobody */

/* Lives as long as `caller`. */
NPR_API const struct npr_from *npr_caller_from(const struct npr_caller *caller);

/* gen_server:call of a process anywhere, without waiting: the behaviour's `answer` hears what came
 * of it, at the latest when `timeout_ms` milliseconds are over (UINT32_MAX: whenever).  `*out_call`
 * is a number that no other open call of this process has; it may be NULL.  To a process of this
 * node it costs one message each way.  Not for thread processes, which have npr_receive_call().
 * Returns NPR_OK, NPR_EINVAL (no pid or request, no `answer`, or called by terminate) or
 * NPR_ENOMEM. */
NPR_API npr_status npr_call(struct npr_process *self,
                            const struct npr_pid *to,
                            struct npr_term request,
                            uint32_t timeout_ms,
                            uint64_t *out_call);

/* Sends `message` to a process anywhere.  Sending to a dead process is not an error.  Returns
 * NPR_OK, NPR_EINVAL or NPR_ENOMEM.  Messages of one sender to one receiver arrive in order.  The
 * first goes at once; short ones that follow it to the same process of this node may leave
 * together, at the latest when the callback returns. */
NPR_API npr_status npr_send(struct npr_process *self,
                            const struct npr_pid *to,
                            struct npr_term message);

/* Links and monitors as Erlang's: both ways, anywhere.  A monitor of a dead process fires at once
 * with `noproc`.  Return NPR_OK, NPR_EINVAL or NPR_ENOMEM. */
NPR_API npr_status npr_link(struct npr_process *self, const struct npr_pid *to);
NPR_API npr_status npr_unlink(struct npr_process *self, const struct npr_pid *to);
NPR_API npr_status npr_monitor(struct npr_process *self,
                               const struct npr_pid *to,
                               struct npr_ref *out_ref);
NPR_API npr_status npr_demonitor(struct npr_process *self, const struct npr_ref *ref);

/* exit/2: `reason` is sent as an exit signal.  Returns NPR_OK, NPR_EINVAL or NPR_ENOMEM. */
NPR_API npr_status npr_exit(struct npr_process *self,
                            const struct npr_pid *to,
                            struct npr_term reason);

/* Whether exit signals become messages (process_flag(trap_exit, Bool)). */
NPR_API void npr_trap_exit(struct npr_process *self, bool trap);

/* The longest time that a timer may be set to: some 34 years. */
#define NPR_TIMER_MS_MAX (UINT64_C(1) << 40)

/* Sends `message` to a process anywhere, as npr_send() would, once `after_ms` milliseconds have
 * passed by the monotonic clock: not before, and as soon as this process's worker comes to it.
 * `*out_ref`, unless NULL, is what cancels it.  It ends with the process that set it.  Timers of
 * one process that are due at the same time fire in the order in which they were set.  Returns
 * NPR_OK, NPR_EINVAL or NPR_ENOMEM. */
NPR_API npr_status npr_send_after(struct npr_process *self,
                                  const struct npr_pid *to,
                                  struct npr_term message,
                                  uint64_t after_ms,
                                  struct npr_ref *out_ref);

/* The same every `period_ms` milliseconds, which must not be 0, until it is cancelled.  Times that
 * were missed, because this process was busy, are not made up for. */
NPR_API npr_status npr_send_every(struct npr_process *self,
                                  const struct npr_pid *to,
                                  struct npr_term message,
                                  uint64_t period_ms,
                                  struct npr_ref *out_ref);

/* Takes a timer of this process back.  True: it was pending, and no message of it is sent from now
 * on; what it sends to this process itself does not arrive any more, even if it was due already.
 * False: it has fired, was cancelled, or never was.  One that repeats is pending until cancelled.
 */
NPR_API bool npr_cancel_timer(struct npr_process *self, const struct npr_ref *ref);

/* The worker's builder, empty at each call.  What it gives lives until the next call, or until the
 * callback returns.  NULL only when `self` is refused. */
NPR_API struct npr_builder *npr_scratch(struct npr_process *self);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_PROCESS_H */
