/* node/reads.h - keys of this node's own table, found in the caller's thread: no lock is taken, no
 * other thread is woken.
 *
 *      operation                          | thread
 *      -----------------------------------+------------------------------------------------
 *      npri_reads_find()                  | any; never waits
 *      open, close, collect, fini         | the loop thread, or who makes or ends the node while it
 *                                         | does not run
 *
 * What the core has taken out of its table is kept until no reader can have it any more
 * (base/readers.h), then freed, on the loop thread: a millisecond later, or more while a reader's
 * thread is not run. */
#ifndef NPRI_NODE_READS_H
#define NPRI_NODE_READS_H

#include "nprocreg/registry.h"

#include "base/readers.h"
#include "core/retired.h"

struct npr_node;
struct npri_timer;

struct npri_reads {
    struct npri_readers readers;
    /* 0: closed, the loop thread must be asked.  release: pairs with the acquire of who finds. */
    atomic_bool open;
    /* The loop thread's. */
    struct npri_timer *timer; /* while something waits */
    struct npri_retired *waiting;
    uint64_t grace; /* what waits for it to be over */
};

NPR_NODISCARD npr_status npri_reads_start(struct npr_node *node);

/* From here on the table answers. */
void npri_reads_open(struct npr_node *node);

/* Nobody finds anything any more once this has returned. */
void npri_reads_close(struct npr_node *node);

/* After the core has been stepped: takes what it has retired. */
void npri_reads_collect(struct npr_node *node);

/* Closes, too. */
void npri_reads_fini(struct npr_node *node);

/* Whether it may be told at all, now: the table is open, and this node has not slept for so long
 * that others may have taken it for lost.  For a reader (base/readers.h). */
bool npri_reads_answer(const struct npr_node *node);

/* What lives under `key` (any checked term) on this node.  False: nothing, or it cannot be said
 * here; the loop thread is to be asked. */
bool npri_reads_find(struct npr_node *node, struct npr_term key, struct npr_found *out);

#endif /* NPRI_NODE_READS_H */
