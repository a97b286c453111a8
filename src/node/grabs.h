/* node/grabs.h - keys that are started in the caller's thread: where threads meet the protocol.
 *
 * A key that this node is the settled owner of, and that has no process, is not handed to the loop
 * thread to be started: the caller notes it here, starts the process itself, and tells the core.
 *
 *     reads the core's grant --lock of the key's shard--> nothing noted, no entry, no mark
 *         --> GRAB: noted, with a token         (all that inside one section of node/reads.h)
 *         --> npri_runtime_spawn() --> init has run, on a worker, if it has one --> the loop
 *             thread: GRAB_LIVES: the core makes the entry; the note goes
 *
 * What has started reaches the loop thread before its caller has the answer.  The first one wakes
 * it; while they keep coming it looks once in a millisecond, when many wait, and whenever anything
 * else wakes it, before that (npri_node_enter()).  So nothing that is asked of it comes before the
 * entry.
 *
 *      operation                       | thread
 *      --------------------------------+---------------------------------------------------------
 *      npri_grabs_get()                | any but the loop thread; waits for an init, its own one
 *                                      | or that of who was faster
 *      the end of an init              | a worker; wakes who waits, pushes to the loop thread
 *      find, adopt (core's questions)  | the loop thread, under the lock of the key's shard
 *      npri_grabs_fence(), _close()    | the loop thread
 *
 * A key is noted once, and its note goes only when the core has its entry, or has heard that the
 * start came to nothing; so whoever finds neither entry nor note finds the key free.
 *
 * THE FENCE.  When the core gives ownership up it takes the grant back and asks for the fence.
 * Until that is told as passed it tells no other node anything that would let one start a key of
 * ours.  It passes when
 *     1. every thread that may have read the old grant has left its section: what it was to note
 *        under it is noted (a grace period; the loop does not wait for it, it looks again), and
 *     2. the core knows all that is noted, as starts in flight of its own.
 * Without 1 a thread that was delayed between grant and note starts a key that another node has
 * started meanwhile; without 2 the new owner is told that there is nothing, while a start goes on
 * here.  tests/api/test_api_fence.c takes either out and finds two processes for one key. */
#ifndef NPRI_NODE_GRABS_H
#define NPRI_NODE_GRABS_H

#include <pthread.h>
#include <stdatomic.h>

#include "nprocreg/registry.h"

#include "core/core.h"
#include "net/loop.h"

struct npr_node;
struct npri_grab;
struct npri_timer;

#define NPRI_GRABS_SHARDS 256u

struct npri_grabs_shard {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of the monotonic clock */
    struct npri_grab *first;
    bool closed; /* nobody waits any more */
};

struct npri_grabs {
    struct npri_grabs_shard shards[NPRI_GRABS_SHARDS];
    struct npri_core_grabs hooks; /* the core's */
    /* Memory for the next ones, under a lock of its own that is taken last.  The C library would
     * put a process beside each, and keep what is left of it when that is all that stays. */
    pthread_mutex_t spares_lock;
    struct npri_grab *spares;
    unsigned spares_count;
    atomic_size_t count; /* relaxed: a limit that need not be exact */
    /* Any thread pushes, the loop takes all: release, acquire. */
    _Atomic(struct npri_grab *) ended; /* linked, newest first */
    atomic_uint ended_count;           /* since the last drain; relaxed: when to hurry */
    atomic_bool posted;                /* the loop will look: the task is with it, or `look_timer`
                                        * is set; acq_rel, as in node/inbox.c */
    atomic_bool hurrying;              /* `hurry` is with the loop; likewise */
    struct npri_task task;
    struct npri_task hurry;
    /* The loop thread's. */
    struct npri_timer *look_timer;
    uint64_t drained; /* so many, */
    uint64_t looked;  /* and when it was last looked */
    struct npr_node *node;
    struct npri_timer *fence_timer;
    uint64_t fence; /* the core's operation; 0: none */
    uint64_t grace;
};

NPR_NODISCARD npr_status npri_grabs_start(struct npr_node *node);
void npri_grabs_fini(struct npr_node *node);

/* Who waits here goes home with NPR_ECLOSED.  No grant is given any more. */
void npri_grabs_close(struct npr_node *node);

/* What is asked for, and where its outcome goes. */
struct npri_grabs_request {
    struct npr_term key; /* a possible one */
    const struct npr_start *start;
    uint32_t timeout_ms;
    struct npr_found *out; /* when NPR_OK */
    struct npr_error *err;
};

/* Starts it, or finds that somebody is starting it, and waits.  False: it is for the loop thread to
 * decide; nothing was begun. */
bool npri_grabs_get(struct npr_node *node,
                    const struct npri_grabs_request *request,
                    npr_status *out_status);

/* NPRI_EFFECT_FENCE. */
void npri_grabs_fence(struct npr_node *node, uint64_t operation);

/* The core hears of all that have ended so far.  Loop thread, entered once. */
void npri_grabs_drain(struct npr_node *node);

/* What a test does to it, of all nodes: set while there are none.  All zero else. */
struct npri_grabs_test {
    void (*before_note)(void); /* in the section, with a grant */
    bool no_grace;             /* the fence without 1 */
    bool no_adoption;          /* without 2 */
};
extern struct npri_grabs_test npri_grabs_test;

#endif /* NPRI_NODE_GRABS_H */
