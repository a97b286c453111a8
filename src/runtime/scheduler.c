#include "runtime/scheduler.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "runtime/internal.h"
#include "runtime/thread.h"
#include "runtime/yield.h"

/* How often a worker looks at all queues before it sleeps: about as long as waking it would take.
 */
#define SEARCH_ROUNDS 16u

/* How long a process may sit beside a worker that sleeps. */
#define WATCH_NS UINT64_C(1000000)

#define NS_PER_S UINT64_C(1000000000)

/* Processes that are run from the seat before the queue has its turn. */
#define SEAT_RUNS_MAX 16u

/* Found without a call, like pool_here. */
static _Thread_local struct npri_worker *worker_here __attribute__((tls_model("initial-exec")));

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

uint64_t npri_scheduler_finished(const struct npri_scheduler *scheduler)
{
    uint64_t finished = 0;

    for (unsigned i = 0; i < scheduler->workers_count; i++) {
        /* seq_cst: see struct npri_runtime. */
        finished += atomic_load_explicit(&scheduler->workers[i].finished, memory_order_seq_cst);
    }
    return finished;
}

/* ---- Sleeping and waking. */

static void scheduler_wake_one(struct npri_scheduler *scheduler)
{
    npri_yield_point();
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

static void worker_append(struct npri_worker *worker, struct npr_process *process)
{
    process->run_next = NULL;
    queue_append(&worker->queue, process, 1);
    scheduler_wake_one(worker->scheduler);
}

/* Who was in the seat; NULL: nobody. */
static struct npr_process *worker_seat(struct npri_worker *worker, struct npr_process *process)
{
    /* relaxed: an empty seat is not worth an exchange; who sees it so knows nothing else. */
    if (process == NULL && atomic_load_explicit(&worker->seat, memory_order_relaxed) == NULL) {
        return NULL;
    }
    npri_yield_point();
    /* acq_rel: pairs with itself, between who sits down and who is run. */
    return atomic_exchange_explicit(&worker->seat, process, memory_order_acq_rel);
}

void npri_scheduler_add(struct npri_scheduler *scheduler, struct npr_process *process)
{
    struct npri_worker *worker = npri_scheduler_worker(scheduler);

    if (npri_process_has_thread(process)) {
        npri_thread_wake(process);
        return;
    }
    if (worker != NULL) {
        process = worker_seat(worker, process);
    } else {
        /* relaxed: any queue will do. */
        const unsigned next =
            atomic_fetch_add_explicit(&scheduler->next_queue, 1, memory_order_relaxed);

        worker = &scheduler->workers[next % scheduler->workers_count];
    }
    if (process != NULL) {
        worker_append(worker, process);
    }
}

void npri_scheduler_again(struct npri_worker *worker, struct npr_process *process)
{
    worker_append(worker, process);
}

/* Waits to be woken, but not longer than WATCH_NS if others are busy and nobody else keeps watch.
 * Under idle_mutex. */
static bool scheduler_wait(struct npri_scheduler *scheduler)
{
    /* relaxed both: written under the mutex.  Who only searches counts as busy: he will be the next
     * to come here. */
    const bool all_sleep = atomic_load_explicit(&scheduler->sleeping, memory_order_relaxed) ==
                           scheduler->workers_count;
    const uint64_t until_ns = npri_now_ns() + WATCH_NS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    bool keeps_watch;

    if (all_sleep || atomic_load_explicit(&scheduler->watched, memory_order_relaxed)) {
        (void)pthread_cond_wait(&scheduler->idle_cond, &scheduler->idle_mutex);
        return false;
    }
    atomic_store_explicit(&scheduler->watched, true, memory_order_relaxed);
    keeps_watch =
        pthread_cond_timedwait(&scheduler->idle_cond, &scheduler->idle_mutex, &until) != 0;
    atomic_store_explicit(&scheduler->watched, false, memory_order_relaxed);
    return keeps_watch;
}

enum rest {
    REST_OVER,    /* there may be work in the queues */
    REST_WATCHED, /* there may be somebody in a seat */
    REST_FOR_EVER,
};

static enum rest worker_sleep(struct npri_scheduler *scheduler)
{
    enum rest rest = REST_OVER;

    (void)pthread_mutex_lock(&scheduler->idle_mutex);
    /* seq_cst: raised before the counts are read. */
    (void)atomic_fetch_add_explicit(&scheduler->sleeping, 1, memory_order_seq_cst);
    npri_yield_point();
    if (!scheduler_has_work(scheduler)) {
        if (scheduler->quit) {
            rest = REST_FOR_EVER;
        } else if (scheduler_wait(scheduler)) {
            rest = REST_WATCHED;
        }
    }
    (void)atomic_fetch_sub_explicit(&scheduler->sleeping, 1, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&scheduler->idle_mutex);
    return rest;
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

/* Who sits in the first seat that is taken. */
static struct npr_process *scheduler_relieve(struct npri_scheduler *scheduler)
{
    struct npr_process *found = NULL;

    for (unsigned i = 0; i < scheduler->workers_count && found == NULL; i++) {
        found = worker_seat(&scheduler->workers[i], NULL);
    }
    return found;
}

/* Looks at the queues for some time. */
static struct npr_process *worker_look(struct npri_worker *worker)
{
    struct npri_scheduler *scheduler = worker->scheduler;
    struct npr_process *found = NULL;

    /* seq_cst both, see the header: lowered before work is looked for the last time. */
    (void)atomic_fetch_add_explicit(&scheduler->searching, 1, memory_order_seq_cst);
    for (unsigned i = 0; i < SEARCH_ROUNDS && found == NULL; i++) {
        if (i != 0) {
            (void)sched_yield();
        }
        found = worker_steal(worker);
    }
    npri_yield_point();
    (void)atomic_fetch_sub_explicit(&scheduler->searching, 1, memory_order_seq_cst);
    npri_yield_point();
    return found;
}

/* NULL: the workers are to end. */
static struct npr_process *worker_search(struct npri_worker *worker)
{
    struct npri_scheduler *scheduler = worker->scheduler;
    struct npr_process *found = worker_look(worker);

    while (found == NULL) {
        switch (worker_sleep(scheduler)) {
        case REST_OVER:
            found = worker_look(worker);
            break;
        case REST_WATCHED:
            found = scheduler_relieve(scheduler);
            break;
        case REST_FOR_EVER:
            return NULL;
        }
    }
    /* Others may have left more work to us as the searcher; and somebody must keep watch over us.
     * relaxed: whoever wakes will see. */
    if (scheduler_has_work(scheduler) ||
        !atomic_load_explicit(&scheduler->watched, memory_order_relaxed)) {
        scheduler_wake_one(scheduler);
    }
    return found;
}

/* The next one without searching: from the seat, but for each SEAT_RUNS_MAX-th time. */
static struct npr_process *worker_next(struct npri_worker *worker)
{
    struct npr_process *process = NULL;
    size_t count;

    if (worker->seat_runs < SEAT_RUNS_MAX) {
        process = worker_seat(worker, NULL);
    }
    if (process != NULL) {
        worker->seat_runs++;
        return process;
    }
    worker->seat_runs = 0;
    process = queue_take(&worker->queue, false, &count);
    return process == NULL ? worker_seat(worker, NULL) : process;
}

static void *worker_main(void *argument)
{
    struct npri_worker *worker = argument;
    struct npr_process *process;

    worker_here = worker;
    npri_pool_enter(&worker->pool, &worker->scheduler->depot);
    do {
        process = worker_next(worker);
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
    pthread_condattr_t monotonic;
    bool complete = true;

    *scheduler = (struct npri_scheduler){.run = run};
    scheduler->workers = npri_alloc_zeroed(wanted, sizeof(struct npri_worker));
    if (scheduler->workers == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for %u workers", wanted);
    }
    npri_pool_depot_init(&scheduler->depot);
    (void)pthread_mutex_init(&scheduler->idle_mutex, NULL);
    (void)pthread_condattr_init(&monotonic); /* none of these can fail on Linux */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&scheduler->idle_cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
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
