/* node/inbox.h - signals on their way from any thread to the loop thread.
 *
 *   operation | thread
 *   ----------+-------------------------------------------
 *   push      | any; needs no memory, never blocks
 *   drain     | the loop thread
 *   discard   | any, when nobody pushes or drains any more
 *
 * Signals of one pusher come out in the order of pushing.  A push on the loop thread between
 * npri_node_enter() and npri_node_leave() wakes nobody: leaving drains all inboxes. */
#ifndef NPRI_NODE_INBOX_H
#define NPRI_NODE_INBOX_H

#include <stdatomic.h>

#include "net/loop.h"
#include "runtime/signal.h"

struct npr_node;

struct npri_inbox {
    /* Immutable. */
    struct npr_node *node;
    void (*handle)(struct npri_inbox *inbox, struct npri_signal *signal); /* takes ownership */
    /* Any thread. */
    _Atomic(struct npri_signal *) newest; /* linked by `next`, newest first */
    atomic_bool posted;                   /* the task is with the loop */
    /* The loop's while `posted`. */
    struct npri_task task;
};

void npri_inbox_init(struct npri_inbox *inbox,
                     struct npr_node *node,
                     void (*handle)(struct npri_inbox *inbox, struct npri_signal *signal));

/* Takes ownership of `signal`. */
void npri_inbox_push(struct npri_inbox *inbox, struct npri_signal *signal);

/* Handles what is there now.  False: nothing was. */
bool npri_inbox_drain(struct npri_inbox *inbox);

/* Has the loop drain it in a later turn, unless it is empty. */
void npri_inbox_postpone(struct npri_inbox *inbox);

/* Frees what is there. */
void npri_inbox_discard(struct npri_inbox *inbox);

#endif /* NPRI_NODE_INBOX_H */
