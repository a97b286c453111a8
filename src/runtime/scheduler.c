#include "runtime/scheduler.h"

#include <sched.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "runtime/internal.h"
#include "runtime/thread.h"

/* How often a worker looks at all queues before it sleeps: about as long as waking it would take.
 */
#define SEARCH_ROUNDS 16u

static _Thread_local struct npri_worker *worker_here;

struct npri_worker *npri_scheduler_worker(const struct npri_scheduler *scheduler)
{
    return worker_here != NULL && worker_here->scheduler == scheduler ? worker_here : NULL;
}

/* ---- Queues. */

/* The first process, or the first half of them: `*out_count`, linked. */
static struct npr_process *queue_take(struct npri_queue *queue, bool half, size_t *out_count)
{
    struct npr_process *first;
    struct npr_process *last;
    size_t count;

    *out_count = 0;
    /* seq_cst: pairs with the store in queue_append(), see the header. */
    if (atomic_load_explicit(&queue->count, memory_order_seq_cst) == 0) {
        return NULL;
    }
    (void)pthread_mutex_lock(&queue->mutex);
    count = atomic_load_explicit(&queue->count, memory_order_relaxed); /* under the mutex */
    first = queue->first;
    if (first != NULL) {
        const size_t wanted = half ? (count + 1) / 2 : 1;

        last = first;
        for (*out_count = 1; *out_count < wanted; ++*out_count) {
            last = last->run_next;
        }
        queue->first = last->run_next;
        last->run_next = NULL;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
        /* seq_cst: read by who decides whether to sleep. */
        atomic_store_explicit(&queue->count, count - *out_count, memory_order_seq_cst);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return first;
}

static void queue_append(struct npri_queue *queue, struct npr_process *first, size_t count)
{
    struct npr_process *last = first;

    while (last->run_next != NULL) {
        last = last->run_next;
    }
    (void)pthread_mutex_lock(&queue->mutex);
    if (queue->last == NULL) {
        queue->first = first;
    } else {
        queue->last->run_next = first;
    }
    queue->last = last;
    /* seq_cst: who adds raises the count before it reads `searching` and `sleeping`. */
    (void)atomic_fetch_add_explicit(&queue->count, count, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&queue->mutex);
}

static bool scheduler_has_work(struct npri_scheduler *scheduler)
{
    for (unsigned i = 0; i < scheduler->workers_count; i++) {
        /* seq_cst: read after `sleeping` was raised, or `searching` lowered. */
        if (atomic_load_explicit(&scheduler->workers[i].queue.count, memory_order_seq_cst) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- Sleeping and waking. */

static void scheduler_wake_one(struct npri_scheduler *scheduler)
{
    /* seq_cst both: read after the count was raised.  A searcher will find the work, or see it when
     * it stops searching. */
    if (atomic_load_explicit(&scheduler->searching, memory_order_seq_cst) != 0 ||
        atomic_load_explicit(&scheduler->sleeping, memory_order_seq_cst) == 0) {
        return;
    }
    (void)pthread_mutex_lock(&scheduler->idle_mutex);
    (void)pthread_cond_signal(&scheduler->idle_cond);
    (void)pthread_mutex_unlock(&scheduler->idle_mutex);
}

void npri_scheduler_add(struct npri_scheduler *scheduler, struct npr_process *process)
{
    struct npri_worker *worker = npri_scheduler_worker(scheduler);

    if (npri_process_has_thread(process)) {
        npri_thread_wake(process);
        return;
    }
    if (worker == NULL) {
        /* relaxed: any queue will do. */
        const unsigned next =
            atomic_fetch_add_explicit(&scheduler->next_queue, 1, memory_order_relaxed);

        worker = &scheduler->workers[next % scheduler->workers_count];
    }
    process->run_next = NULL;
    queue_append(&worker->queue, process, 1);
    scheduler_wake_one(scheduler);
}

/* Sleeps unless there is work.  False: the workers are to end. */
static bool worker_sleep(struct npri_scheduler *scheduler)
{
    bool go_on = true;

    (void)pthread_mutex_lock(&scheduler->idle_mutex);
    /* seq_cst: raised before the counts are read. */
    (void)atomic_fetch_add_explicit(&scheduler->sleeping, 1, memory_order_seq_cst);
    if (!scheduler_has_work(scheduler)) {
        if (scheduler->quit) {
            go_on = false;
        } else {
            (void)pthread_cond_wait(&scheduler->idle_cond, &scheduler->idle_mutex);
        }
    }
    (void)atomic_fetch_sub_explicit(&scheduler->sleeping, 1, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&scheduler->idle_mutex);
    return go_on;
}

/* Half of the first queue that has something, beginning with our own. */
static struct npr_process *worker_steal(struct npri_worker *worker)
{
    struct npri_scheduler *scheduler = worker->scheduler;

    for (unsigned i = 0; i < scheduler->workers_count; i++) {
        const unsigned victim = (worker->index + i) % scheduler->workers_count;
        size_t count;
        struct npr_process *first = queue_take(&scheduler->workers[victim].queue, i != 0, &count);

        if (count > 1) {
            queue_append(&worker->queue, first->run_next, count - 1);
        }
        if (first != NULL) {
            return first;
        }
    }
    return NULL;
}

static struct npr_process *worker_search(struct npri_worker *worker)
{
    struct npri_scheduler *scheduler = worker->scheduler;

    for (;;) {
        struct npr_process *found = NULL;

        /* seq_cst both, see the header: lowered before work is looked for the last time. */
        (void)atomic_fetch_add_explicit(&scheduler->searching, 1, memory_order_seq_cst);
        for (unsigned i = 0; i < SEARCH_ROUNDS && found == NULL; i++) {
            if (i != 0) {
                (void)sched_yield();
            }
            found = worker_steal(worker);
        }
        (void)atomic_fetch_sub_explicit(&scheduler->searching, 1, memory_order_seq_cst);

        if (found != NULL) {
            /* Others may have left more work to us as the searcher. */
            if (scheduler_has_work(scheduler)) {
                scheduler_wake_one(scheduler);
            }
            return found;
        }
        if (!worker_sleep(scheduler)) {
            return NULL;
        }
    }
}

static void *worker_main(void *argument)
{
    struct npri_worker *worker = argument;
    struct npr_process *process;
    size_t count;

    worker_here = worker;
    npri_pool_enter(&worker->pool, &worker->scheduler->depot);
    do {
        process = queue_take(&worker->queue, false, &count);
        if (process == NULL) {
            worker->clock_ns = 0;
            process = worker_search(worker);
        }
        if (process != NULL) {
            worker->scheduler->run(worker, process);
        }
    } while (process != NULL);
    npri_pool_leave(&worker->pool);
    worker_here = NULL;
    return NULL;
}

uint64_t npri_scheduler_finished(const struct npri_scheduler *scheduler)
{
    uint64_t finished = 0;

    for (unsigned i = 0; i < scheduler->workers_count; i++) {
        /* seq_cst: see struct npri_runtime. */
        finished += atomic_load_explicit(&scheduler->workers[i].finished, memory_order_seq_cst);
    }
    return finished;
}

/* ---- Start and stop. */

static unsigned cores_count(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : (unsigned)count;
}

bool npri_worker_init(struct npri_worker *worker, struct npri_scheduler *scheduler, unsigned index)
{
    (void)pthread_mutex_init(&worker->queue.mutex, NULL); /* default attributes: cannot fail */
    worker->scheduler = scheduler;
    worker->index = index;
    npri_buffer_init(&worker->message, NPRI_TERM_BYTES_MAX);
    worker->scratch = npr_builder_create();
    return worker->scratch != NULL;
}

void npri_worker_fini(struct npri_worker *worker)
{
    npr_builder_destroy(worker->scratch);
    npri_buffer_fini(&worker->message);
    (void)pthread_mutex_destroy(&worker->queue.mutex);
}

npr_status npri_scheduler_start(struct npri_scheduler *scheduler,
                                unsigned workers_count,
                                void (*run)(struct npri_worker *, struct npr_process *),
                                struct npr_error *err)
{
    const unsigned wanted = workers_count == 0 ? cores_count() : workers_count;
    bool complete = true;

    *scheduler = (struct npri_scheduler){.run = run};
    scheduler->workers = npri_alloc_zeroed(wanted, sizeof(struct npri_worker));
    if (scheduler->workers == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for %u workers", wanted);
    }
    npri_pool_depot_init(&scheduler->depot);
    (void)pthread_mutex_init(&scheduler->idle_mutex, NULL);
    (void)pthread_cond_init(&scheduler->idle_cond, NULL);
    scheduler->workers_count = wanted;
    for (unsigned i = 0; i < wanted; i++) {
        complete = npri_worker_init(&scheduler->workers[i], scheduler, i) && complete;
    }
    if (!complete) {
        npri_scheduler_stop(scheduler);
        return npri_fail(err, NPR_ENOMEM, "no memory for %u workers", wanted);
    }
    /* Only now: each one looks at the queues of all. */
    while (scheduler->threads_count < wanted) {
        struct npri_worker *worker = &scheduler->workers[scheduler->threads_count];

        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            npri_scheduler_stop(scheduler);
            return npri_fail(err, NPR_EIO, "cannot start a thread for worker %u", worker->index);
        }
        scheduler->threads_count++;
    }
    return NPR_OK;
}

void npri_scheduler_stop(struct npri_scheduler *scheduler)
{
    if (scheduler->workers == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&scheduler->idle_mutex);
    scheduler->quit = true;
    (void)pthread_cond_broadcast(&scheduler->idle_cond);
    (void)pthread_mutex_unlock(&scheduler->idle_mutex);
    for (; scheduler->threads_count != 0; scheduler->threads_count--) {
        (void)pthread_join(scheduler->workers[scheduler->threads_count - 1].thread, NULL);
    }
}

void npri_scheduler_fini(struct npri_scheduler *scheduler)
{
    if (scheduler->workers == NULL) {
        return;
    }
    NPRI_ASSERT(scheduler->threads_count == 0);
    for (unsigned i = 0; i < scheduler->workers_count; i++) {
        npri_worker_fini(&scheduler->workers[i]);
    }
    npri_pool_depot_fini(&scheduler->depot);
    (void)pthread_mutex_destroy(&scheduler->idle_mutex);
    (void)pthread_cond_destroy(&scheduler->idle_cond);
    npri_free(scheduler->workers);
    *scheduler = (struct npri_scheduler){0};
}
