/* runtime/scheduler.h - worker threads, each with a queue of processes that have something to do.
 *
 *      operation            | thread       | how
 *      ---------------------+--------------+----------------------------------------------------
 *      npri_scheduler_add   | any          | a worker: its own queue; others: all in turn; lock
 *      take, steal          | any worker   | lock of that queue; never two locks at once
 *      sleep, wake          | any          | idle_mutex, after and apart from the queues' locks
 *
 * A worker without work looks at the other queues, takes half of one, and sleeps when all are
 * empty. No wake-up is lost: who adds first raises the queue's count, then reads `searching` and
 * `sleeping`; who goes to sleep first raises `sleeping` (and has lowered `searching`), then reads
 * the counts.  All four are seq_cst, so one of the two sees the other. */
#ifndef NPRI_RUNTIME_SCHEDULER_H
#define NPRI_RUNTIME_SCHEDULER_H

#include <pthread.h>
#include <stdatomic.h>

#include "nprocreg/process.h"

#include "base/bytes.h"
#include "runtime/pool.h"

struct npri_scheduler;
struct npri_signal;

struct npri_queue {
    pthread_mutex_t mutex;
    struct npr_process *first; /* linked by run_next */
    struct npr_process *last;
    atomic_size_t count; /* written under the mutex; read without it by who looks for work */
};

struct npri_worker {
    struct npri_queue queue; /* any thread, by its rules */

    atomic_uint_fast64_t finished; /* processes freed by this worker, which alone writes it;
                                    * seq_cst, see struct npri_runtime */

    /* Constant. */
    struct npri_scheduler *scheduler;
    unsigned index;
    pthread_t thread;

    /* This worker only; meaningful while it runs a process. */
    struct npr_builder *scratch;
    struct npri_pool pool;
    struct npri_buffer message; /* a term that is made for a callback */
    struct npri_signal *stop;   /* what npr_stop() asked for in this callback */
    uint64_t clock_ns;          /* when its last turn ended, if it had no rest since; else 0 */
    bool terminating;           /* in terminate: npr_stop() says nothing new */

    uint8_t apart[64]; /* keeps the next one's queue off this cache line */
};

struct npri_scheduler {
    void (*run)(struct npri_worker *worker, struct npr_process *process);
    struct npri_worker *workers;
    unsigned workers_count;
    unsigned threads_count; /* started; of who starts and stops */
    atomic_uint next_queue; /* of who is no worker */
    struct npri_pool_depot depot;

    atomic_uint searching;
    atomic_uint sleeping; /* written under idle_mutex */
    pthread_mutex_t idle_mutex;
    pthread_cond_t idle_cond;
    bool quit; /* under idle_mutex */
};

/* Starts the workers; 0 of them: one per core.  Each takes one process at a time, calls `run` for
 * it, and forgets it: `run` adds it again if it is not through.  NPR_ENOMEM, NPR_EIO (no thread).
 */
NPR_NODISCARD npr_status npri_scheduler_start(struct npri_scheduler *scheduler,
                                              unsigned workers_count,
                                              void (*run)(struct npri_worker *,
                                                          struct npr_process *),
                                              struct npr_error *err);

/* Joins the workers, which first run what is queued.  A zeroed one is fine; so is twice.  Another
 * thread may still be on its way out of npri_scheduler_add(): all that it touches stays. */
void npri_scheduler_stop(struct npri_scheduler *scheduler);

/* After stop, when no other thread uses it.  A zeroed one is fine. */
void npri_scheduler_fini(struct npri_scheduler *scheduler);

/* The process gets a turn.  The caller must be the one who may say so: it made it, it was told so
 * by its mailbox, or it is its worker. */
void npri_scheduler_add(struct npri_scheduler *scheduler, struct npr_process *process);

/* Processes that the workers have freed. */
uint64_t npri_scheduler_finished(const struct npri_scheduler *scheduler);

/* A zeroed worker becomes whole.  False: no memory; fini() it all the same. */
bool npri_worker_init(struct npri_worker *worker, struct npri_scheduler *scheduler, unsigned index);
void npri_worker_fini(struct npri_worker *worker);

/* The worker that the calling thread is, or NULL. */
struct npri_worker *npri_scheduler_worker(const struct npri_scheduler *scheduler);

#endif /* NPRI_RUNTIME_SCHEDULER_H */
