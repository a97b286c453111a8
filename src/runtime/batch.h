/* runtime/batch.h - short messages of one callback to one process of this node, sent together.
 *
 * The first message of a callback to a process goes at once and wakes it.  Those that follow it,
 * with nothing sent in between, are put one behind the other into a block, which goes when it is
 * full, when anything else is sent, and when the callback returns.  So a flood costs one lock, one
 * exchange and a few cache lines for some sixty messages, and the order of what a process sends is
 * what it was.
 *
 *      payload of a BATCH:  size (2 bytes), term, size, term, ...     number: how many are left
 *
 * Batched are messages that are none of Erlang's own forms, to processes whose mailbox has no limit
 * and that take their messages by callbacks. */
#ifndef NPRI_RUNTIME_BATCH_H
#define NPRI_RUNTIME_BATCH_H

#include "runtime/signal.h"

struct npri_worker;
struct npri_runtime;

/* A larger message goes alone. */
#define NPRI_BATCH_MESSAGE_BYTES_MAX 128u

/* Of the block of a batch. */
#define NPRI_BATCH_BYTES 1016u

/* The worker's; empty outside callbacks. */
struct npri_batch {
    bool is_open;              /* the last that was sent went to `to`, which takes batches */
    struct npri_local to;      /* meaningful while it is open */
    struct npri_signal *block; /* NULL: nothing has been put in yet */
};

/* False: the message must go alone; then npri_batch_open() may follow. */
bool npri_batch_add(struct npri_runtime *runtime,
                    struct npri_batch *batch,
                    struct npri_local to,
                    struct npr_term message);

/* A message has just gone to `to`, which takes batches. */
void npri_batch_open(struct npri_batch *batch, struct npri_local to);

/* What is in it goes, and it is closed. */
void npri_batch_send(struct npri_runtime *runtime, struct npri_batch *batch);

/* The first message of those that are left, in `block`; and: it is done with. */
struct npr_term npri_batch_first(const struct npri_signal *block);
void npri_batch_next(struct npri_signal *block);

#endif /* NPRI_RUNTIME_BATCH_H */
