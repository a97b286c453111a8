#include "runtime/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "runtime/forward.h"
#include "runtime/internal.h"
#include "runtime/receive.h"

#define NS_PER_S UINT64_C(1000000000)

/* Before an end that lacks memory is tried once more. */
#define RETRY_NS 1000000

static _Thread_local struct npri_thread *thread_here;

struct npri_thread *npri_thread_of(const struct npr_process *process)
{
    return NPRI_CONTAINER_OF(process->worker, struct npri_thread, worker);
}

struct npri_thread *npri_thread_here(const struct npr_process *process)
{
    return thread_here != NULL && thread_here->process == process ? thread_here : NULL;
}

bool npri_threads_is_here(const struct npri_threads *threads)
{
    return thread_here != NULL && thread_here->threads == threads;
}

/* ---- All of them. */

void npri_threads_init(struct npri_threads *threads, unsigned count_max)
{
    *threads = (struct npri_threads){.count_max = count_max};
    (void)pthread_mutex_init(&threads->mutex, NULL); /* default attributes: cannot fail */
    (void)pthread_cond_init(&threads->cond, NULL);
}

static void thread_free(struct npri_thread *thread)
{
    npri_receive_drop(thread);
    if (thread->fd >= 0) {
        (void)close(thread->fd);
    }
    (void)pthread_mutex_destroy(&thread->mutex);
    (void)pthread_cond_destroy(&thread->cond);
    npri_worker_fini(&thread->worker);
    npri_free(thread);
}

static void thread_join(struct npri_thread *thread)
{
    if (thread != NULL) {
        NPRI_ASSERT(pthread_join(thread->thread, NULL) == 0);
        thread_free(thread);
    }
}

/* The last that a thread does. */
static void thread_end(struct npri_thread *thread)
{
    struct npri_threads *threads = thread->threads;
    struct npri_thread *before;

    (void)pthread_mutex_lock(&threads->mutex);
    before = threads->ended;
    threads->ended = thread;
    if (--threads->running == 0) {
        (void)pthread_cond_signal(&threads->cond);
    }
    (void)pthread_mutex_unlock(&threads->mutex);
    thread_join(before);
}

void npri_threads_stop(struct npri_threads *threads)
{
    struct npri_thread *ended;

    (void)pthread_mutex_lock(&threads->mutex);
    threads->closed = true;
    while (threads->running != 0) {
        (void)pthread_cond_wait(&threads->cond, &threads->mutex);
    }
    ended = threads->ended;
    threads->ended = NULL;
    (void)pthread_mutex_unlock(&threads->mutex);
    thread_join(ended); /* which has joined all before it */
}

void npri_threads_fini(struct npri_threads *threads)
{
    NPRI_ASSERT(threads->count == 0 && threads->running == 0 && threads->ended == NULL);
    (void)pthread_mutex_destroy(&threads->mutex);
    (void)pthread_cond_destroy(&threads->cond);
}

/* ---- Waking. */

/* Under the mutex.  The descriptor cannot overflow: it is written only when it is 0. */
static void fd_write(struct npri_thread *thread)
{
    const uint64_t one = 1;

    if (thread->fd >= 0 && !thread->fd_readable) {
        NPRI_ASSERT(write(thread->fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
        thread->fd_readable = true;
    }
}

void npri_thread_wake(struct npr_process *process)
{
    struct npri_thread *thread = npri_thread_of(process);

    (void)pthread_mutex_lock(&thread->mutex);
    thread->woken = true;
    fd_write(thread);
    (void)pthread_cond_signal(&thread->cond);
    /* The process, and the thread, may be gone as soon as the lock is. */
    (void)pthread_mutex_unlock(&thread->mutex);
}

bool npri_thread_wait(struct npri_thread *thread, uint64_t deadline_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                                   .tv_nsec = (long)(deadline_ns % NS_PER_S)};
    bool woken;
    int code = 0;

    (void)pthread_mutex_lock(&thread->mutex);
    while (!thread->woken && code != ETIMEDOUT) {
        if (deadline_ns == UINT64_MAX) {
            (void)pthread_cond_wait(&thread->cond, &thread->mutex);
        } else {
            code = pthread_cond_timedwait(&thread->cond, &thread->mutex, &until);
        }
    }
    woken = thread->woken;
    if (woken) {
        thread->woken = false;
        thread->resting = false;
    }
    (void)pthread_mutex_unlock(&thread->mutex);
    return woken;
}

void npri_thread_hold(struct npri_thread *thread)
{
    if (!thread->resting) {
        return;
    }
    if (npri_mailbox_reclaim(&thread->process->mailbox)) {
        thread->resting = false;
    } else {
        (void)npri_thread_wait(thread, UINT64_MAX); /* whoever it was is about to */
    }
}

bool npri_thread_rest(struct npri_thread *thread)
{
    (void)pthread_mutex_lock(&thread->mutex);
    if (thread->fd_readable) {
        uint64_t count;

        NPRI_ASSERT(read(thread->fd, &count, sizeof(count)) == (ssize_t)sizeof(count));
        thread->fd_readable = false;
    }
    (void)pthread_mutex_unlock(&thread->mutex);
    /* From here on who pushes wakes us, and makes it readable. */
    thread->resting = npri_mailbox_rest(&thread->process->mailbox);
    return thread->resting;
}

void npri_thread_set_readable(struct npri_thread *thread)
{
    (void)pthread_mutex_lock(&thread->mutex);
    fd_write(thread);
    (void)pthread_mutex_unlock(&thread->mutex);
}

int npr_receive_fd(struct npr_process *self)
{
    struct npri_thread *thread = npri_thread_here(self);
    int fd;

    if (thread == NULL || !thread->running || thread->filtering) {
        return NPR_EINVAL;
    }
    (void)pthread_mutex_lock(&thread->mutex);
    if (thread->fd < 0) {
        thread->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!thread->resting || thread->woken) {
            fd_write(thread);
        }
    }
    fd = thread->fd < 0 ? (int)NPR_EFULL : thread->fd;
    (void)pthread_mutex_unlock(&thread->mutex);
    return fd;
}

/* ---- One thread. */

static void *thread_main(void *argument)
{
    struct npri_thread *thread = argument;
    bool freed;

    (void)npri_thread_wait(thread, UINT64_MAX);
    if (thread->process != NULL) {
        thread_here = thread;
        npri_process_here = thread->process;
        freed = npri_process_live(thread->process);
        while (!freed) {
            (void)npri_thread_wait(thread, UINT64_MAX); /* its end goes on */
            freed = npri_process_end_again(thread->process);
            if (!freed && !npri_forward_is_on(thread->process)) {
                (void)nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
            }
        }
        thread_here = NULL;
        npri_process_here = NULL;
    }
    thread_end(thread);
    return NULL;
}

/* The program's signals are handled on the program's threads; but a fault is of the thread that
 * makes it. */
static int thread_launch(struct npri_thread *thread)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t blocked;
    sigset_t old;
    int code;

    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigdelset(&blocked, faults[i]);
    }
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &blocked, &old) == 0);
    code = pthread_create(&thread->thread, NULL, thread_main, thread);
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    return code;
}

static struct npri_thread *thread_allocate(struct npr_process *process, struct npr_term args)
{
    struct npri_thread *thread = npri_alloc_zeroed(1, sizeof(*thread) + args.size);
    pthread_condattr_t monotonic;
    uint8_t *bytes = (uint8_t *)(thread + 1);

    if (thread == NULL) {
        return NULL;
    }
    if (args.data != NULL) {
        memcpy(bytes, args.data, args.size);
        thread->args = (struct npr_term){.data = bytes, .size = args.size};
    }
    thread->threads = &process->origin->runtime->threads;
    thread->process = process;
    thread->fd = -1;
    (void)pthread_mutex_init(&thread->mutex, NULL); /* none of these can fail on Linux */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&thread->cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (!npri_worker_init(&thread->worker, &process->origin->runtime->scheduler, 0)) {
        thread_free(thread);
        return NULL;
    }
    return thread;
}

/* One more, if there may be. */
static npr_status threads_enter(struct npri_threads *threads,
                                const char *function,
                                struct npr_error *err)
{
    npr_status status = NPR_OK;

    (void)pthread_mutex_lock(&threads->mutex);
    if (threads->closed) {
        status = npri_fail(err, NPR_ECLOSED, "the node is stopping");
    } else if (threads->count >= threads->count_max) {
        status = npri_fail(err, NPR_EFULL,
                           "no thread for %s: %u thread processes run, which is threads_max",
                           function, threads->count);
    } else {
        threads->count++;
        threads->running++;
    }
    (void)pthread_mutex_unlock(&threads->mutex);
    return status;
}

/* Neither process nor thread came of it. */
static void threads_leave(struct npri_threads *threads)
{
    (void)pthread_mutex_lock(&threads->mutex);
    threads->count--;
    if (--threads->running == 0) {
        (void)pthread_cond_signal(&threads->cond);
    }
    (void)pthread_mutex_unlock(&threads->mutex);
}

void npri_threads_release(struct npri_threads *threads)
{
    (void)pthread_mutex_lock(&threads->mutex);
    threads->count--;
    (void)pthread_mutex_unlock(&threads->mutex);
}

npr_status npri_thread_create(struct npr_process *process,
                              struct npr_term args,
                              struct npr_error *err)
{
    struct npri_threads *threads = &process->origin->runtime->threads;
    npr_status status = threads_enter(threads, process->origin->function, err);
    struct npri_thread *thread;
    int code;

    if (status != NPR_OK) {
        return status;
    }
    thread = thread_allocate(process, args);
    if (thread == NULL) {
        threads_leave(threads);
        return npri_fail(err, NPR_ENOMEM, "no memory for a thread of %s",
                         process->origin->function);
    }
    process->worker = &thread->worker;
    code = thread_launch(thread);
    if (code != 0) {
        process->worker = NULL;
        thread_free(thread);
        threads_leave(threads);
        return npri_fail(err, NPR_EFULL, "the system makes no thread for %s: error %d, %s",
                         process->origin->function, code,
                         code == EAGAIN ? "its limit of threads or of memory is reached"
                                        : "see pthread_create(3)");
    }
    return NPR_OK;
}

void npri_thread_discard(struct npr_process *process)
{
    npri_threads_release(&process->origin->runtime->threads);
    npri_thread_of(process)->process = NULL; /* it reads that when it is woken */
    npri_thread_wake(process);
    process->worker = NULL;
}
