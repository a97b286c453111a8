/* runtime/scheduler.h - worker threads, each with a queue of processes that have something to do.
 *
 *      operation            | thread       | how
 *      ---------------------+--------------+----------------------------------------------------
 *      npri_scheduler_add   | any          | a worker: its own seat, then its queue; others: the
 *                           |              | queues in turn
 *      append, take, steal  | any worker   | lock of that queue; never two locks at once
 *      seat                 | any worker   | an exchange
 *      sleep, wake          | any          | idle_mutex, after and apart from the queues' locks
 *
 * The process that a worker has woken last sits in its seat and is run next, on the same core,
 * while what it was sent is still in the cache; nobody is woken for it.  Who is displaced from the
 * seat goes to the queue, where others may steal it.  So two processes that call each other stay
 * together, and a process that wakes many spreads them.  After SEAT_RUNS_MAX of them in a row the
 * queue has its turn.
 *
 * A worker without work looks at the other queues, takes half of one, and sleeps when all are
 * empty.  While others are busy one of the sleepers keeps watch: it wakes each WATCH_NS and takes
 * who still sits in the seat of a worker that does not come to it, because its callback is long or
 * waits.  When all sleep nobody wakes.
 *
 * No wake-up is lost: who appends first raises the queue's count, then reads `searching` and
 * `sleeping`; who goes to sleep first raises `sleeping` (and has lowered `searching`), then reads
 * the counts.  All four are seq_cst, so one of the two sees the other.  A seat is its own worker's
 * business, which looks there before it searches. */
#ifndef NPRI_RUNTIME_SCHEDULER_H
#define NPRI_RUNTIME_SCHEDULER_H

#include <pthread.h>
#include <stdatomic.h>

#include "nprocreg/process.h"

#include "base/bytes.h"
#include "runtime/batch.h"
#include "runtime/lookout.h"
#include "runtime/pool.h"
#include "runtime/signal.h"

struct npri_scheduler;
struct npri_signal;

struct npri_queue {
    pthread_mutex_t mutex;
    struct npr_process *first; /* linked by run_next */
    struct npr_process *last;
    atomic_size_t count; /* written under the mutex; read without it by who looks for work */
};

struct npri_worker {
    struct npri_queue queue;            /* any thread, by its rules */
    _Atomic(struct npr_process *) seat; /* acq_rel: what who put it there wrote to it */

    atomic_uint_fast64_t finished; /* processes freed by this worker, which alone writes it;
                                    * seq_cst, see struct npri_runtime */

    struct npri_pulse pulse; /* what it runs, for the timer thread to see (lookout.h) */

    /* Constant. */
    struct npri_scheduler *scheduler;
    unsigned index;
    pthread_t thread;

    /* This worker only; meaningful while it runs a process. */
    struct npr_builder *scratch;
    struct npri_pool pool;
    struct npri_buffer message; /* a term that is made for a callback */
    struct npri_signal *stop;   /* what npr_stop() asked for in this callback */
    struct npri_batch batch;
    struct npri_local caller; /* whose call its callback answers: until it does, */
    uint32_t call_number;     /* not 0 */
    unsigned seat_runs;       /* from the seat, without a look at the queue */
    uint64_t clock_ns;        /* when its last turn ended, if it had no rest since; else 0 */
    bool terminating;         /* in terminate: npr_stop() says nothing new */

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
    atomic_uint sleeping; /* written under idle_mutex, like this: */
    atomic_bool watched;  /* one of those that sleep keeps watch */
    pthread_mutex_t idle_mutex;
    pthread_cond_t idle_cond; /* of the monotonic clock */
    bool quit;                /* under idle_mutex */
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

/* The process gets a turn.  The caller must be the one who may say so: it made it, or it was told
 * so by its mailbox. */
void npri_scheduler_add(struct npri_scheduler *scheduler, struct npr_process *process);

/* The same for the process that this worker runs, and that is not through: after all that wait. */
void npri_scheduler_again(struct npri_worker *worker, struct npr_process *process);

/* Processes that the workers have freed. */
uint64_t npri_scheduler_finished(const struct npri_scheduler *scheduler);

/* A zeroed worker becomes whole.  False: no memory; fini() it all the same. */
bool npri_worker_init(struct npri_worker *worker, struct npri_scheduler *scheduler, unsigned index);
void npri_worker_fini(struct npri_worker *worker);

/* The worker that the calling thread is, or NULL. */
struct npri_worker *npri_scheduler_worker(const struct npri_scheduler *scheduler);

#endif /* NPRI_RUNTIME_SCHEDULER_H */
