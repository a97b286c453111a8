/* runtime/signal.h - what processes send each other, in one block of memory.
 *
 * A signal is made once, handed on by pointer, and freed by whoever ends its way.  Its terms point
 * into the block itself. */
#ifndef NPRI_RUNTIME_SIGNAL_H
#define NPRI_RUNTIME_SIGNAL_H

#include "nprocreg/term.h"

#include "base/bytes.h"

enum npri_signal_kind {
    NPRI_SIGNAL_MESSAGE,       /* to (pid, name or alias reference), payload; from may be none */
    NPRI_SIGNAL_LINK,          /* from, to */
    NPRI_SIGNAL_UNLINK,        /* from, to, id */
    NPRI_SIGNAL_UNLINK_ACK,    /* from, to, id */
    NPRI_SIGNAL_EXIT_LINK,     /* from, to, payload = reason: a link broke */
    NPRI_SIGNAL_EXIT,          /* from, to, payload = reason: exit/2 */
    NPRI_SIGNAL_MONITOR,       /* from, to (pid or name), ref */
    NPRI_SIGNAL_DEMONITOR,     /* from, to (pid or name), ref */
    NPRI_SIGNAL_DOWN,          /* from (pid or name), to, ref, payload = reason */
    NPRI_SIGNAL_GROUP_LEADER,  /* from, to */
    NPRI_SIGNAL_SPAWN_REQUEST, /* from, ref, payload = {Leader, {M,F,Arity}, Options, Arguments};
                                  node only */
    NPRI_SIGNAL_SPAWN_REPLY,   /* to, ref, id = flags, payload = pid or atom */
    NPRI_SIGNAL_NODE_DOWN,     /* to (local), payload = node atom: links and monitors there break */
    NPRI_SIGNAL_TIMER,         /* a timer of the receiver is due (alarms.h); local only */
    NPRI_SIGNAL_NUDGE,         /* news from outside (outside.h), which keeps it; local only */
    NPRI_SIGNAL_TELL,          /* from, to, ref: what are its links and monitors?  Local only; the
                                  answer is a message {Ref, {Links, Monitors, MonitoredBy}}, or
                                  {Ref, too_many} */
    NPRI_SIGNAL_PLAIN,         /* a message from a process here to a process here: payload */
    NPRI_SIGNAL_BATCH,         /* several of them in one block: batch.h */
    NPRI_SIGNAL_CALL,     /* an npr_call() likewise: peer = caller, number, payload = request */
    NPRI_SIGNAL_ANSWER,   /* its outcome: number, status, payload = reply or reason; and
                             whether the callee may still watch the caller (unwatched) */
    NPRI_SIGNAL_CONFLICT, /* to, from = winner, payload = key, id = token (forward.h); local only */
    NPRI_SIGNAL_HANDOVER, /* to, id: its state is wanted; local only */
    NPRI_SIGNAL_MOVED,    /* to, from = the new process, or none: there is none; local only */
};

/* A pid of this node and incarnation. */
struct npri_local {
    uint32_t id;
    uint32_t serial;
};

struct npri_signal {
    struct npri_signal *next; /* of whichever queue holds it */
    enum npri_signal_kind kind : 8;
    unsigned room : 8; /* the size of its block (pool.h) */
    unsigned unwatched : 1;
    signed status : 8; /* npr_status */
    uint32_t number;
    struct npr_term payload;
    struct npri_local peer;

    /* Not of what stays among the processes of this node (PLAIN, BATCH, CALL, ANSWER): the block of
     * such a signal has the fields above and the payload only, one cache line for a short message.
     */

    /* The node it is bound for when that is not told by `to`: a name on another node. */
    struct npr_term node;
    struct npr_term from;
    struct npr_term to;
    struct npr_term ref;
    uint64_t id;
};

/* Where the block of a short kind ends, and its payload begins. */
#define NPRI_SIGNAL_SHORT_BYTES offsetof(struct npri_signal, node)

/* What goes to callbacks as a message, and counts as one in a mailbox. */
static inline bool npri_signal_is_message(const struct npri_signal *signal)
{
    return signal->kind == NPRI_SIGNAL_MESSAGE || signal->kind == NPRI_SIGNAL_PLAIN ||
           signal->kind == NPRI_SIGNAL_CALL;
}

/* How many messages it is. */
static inline uint32_t npri_signal_messages(const struct npri_signal *signal)
{
    if (signal->kind == NPRI_SIGNAL_BATCH) {
        return signal->number;
    }
    return npri_signal_is_message(signal) ? 1 : 0;
}

/* Copies every term of `draft` (whose `next` is ignored) into one new block.  NULL: no memory. */
struct npri_signal *npri_signal_create(const struct npri_signal *draft);

/* The same with a payload that is put together: the bytes of `parts`, in order, make one term. */
struct npri_signal *npri_signal_create_parts(const struct npri_signal *draft,
                                             const struct npr_term *parts,
                                             size_t parts_count);

/* A signal of one of the short kinds with such a payload; its other fields are 0.  NULL: no memory.
 */
struct npri_signal *npri_signal_create_short(enum npri_signal_kind kind,
                                             const struct npr_term *parts,
                                             size_t parts_count);

/* The same with an empty payload, and room for one of `payload_bytes` where it points to. */
struct npri_signal *npri_signal_create_room(enum npri_signal_kind kind, size_t payload_bytes);

/* Turns a signal into what a dead process would answer, in its own memory (it cannot fail):
 *
 *      LINK -> EXIT_LINK noproc     MONITOR -> DOWN noproc, from exactly what was monitored
 *      UNLINK -> UNLINK_ACK
 *
 * False: there is no answer; the signal is unchanged. */
bool npri_signal_answer_dead(struct npri_signal *signal);

void npri_signal_destroy(struct npri_signal *signal); /* accepts NULL */

#endif /* NPRI_RUNTIME_SIGNAL_H */
