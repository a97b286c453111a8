/* runtime/thread.h - processes with a thread of their own, which runs their code from init to
 * terminate and does for them what a worker does for the others.
 *
 *      operation        | thread            | how
 *      -----------------+-------------------+--------------------------------------------------
 *      create, discard  | who starts it     | threads' mutex
 *      wake             | any               | thread's mutex; as npri_scheduler_add() of others
 *      hold, rest, wait | its own           | thread's mutex, and the process's mailbox
 *      end, reap        | its own           | threads' mutex
 *
 * The mailbox goes by the rules of mailbox.h.  While it is IDLE the thread waits here, or runs code
 * that polls its descriptor; who makes it something else wakes the thread, and until then may still
 * touch the process: so the thread takes a mailbox back only from IDLE (hold), or waits until it is
 * woken.
 *
 * A thread that ends is joined by the one that ends after it, the last one by npri_threads_stop():
 * no more than one that has ended is left over at any time. */
#ifndef NPRI_RUNTIME_THREAD_H
#define NPRI_RUNTIME_THREAD_H

#include <pthread.h>

#include "runtime/scheduler.h"

struct npri_signal;
struct npri_thread;

/* All threads of one runtime. */
struct npri_threads {
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* none is left */
    unsigned count_max;
    atomic_uint_fast64_t finished; /* processes freed; seq_cst, see struct npri_runtime */

    /* Under the mutex. */
    unsigned count;            /* of processes: against count_max */
    unsigned running;          /* created and not ended */
    struct npri_thread *ended; /* to be joined, or NULL */
    bool closed;
};

struct npri_thread {
    struct npri_worker worker; /* what its process finds as the worker that runs it */

    /* Constant. */
    struct npri_threads *threads;
    pthread_t thread;
    struct npr_term args; /* the bytes follow */

    pthread_mutex_t mutex;
    pthread_cond_t cond; /* woken; of the monotonic clock */
    bool woken;          /* under the mutex, as the next two: the process is the thread's again */
    int fd;              /* npr_receive_fd(), or -1 */
    bool fd_readable;

    /* Set before the first wake; then its own thread's. */
    struct npr_process *process; /* NULL: none to run */
    bool resting;                /* the mailbox was IDLE when last seen */
    bool running;                /* inside run */
    bool ended;                  /* its end is decided */
    bool filtering;

    struct npri_signal *kept; /* what waits and has been looked at, oldest first (receive.c) */
    struct npri_signal *kept_last;
    struct npri_signal *looked; /* the newest of them that this receive has looked at; NULL: none */
    struct npri_signal *current; /* what was handed over last */

    /* References of npr_receive_call() are [calls_first, calls_next) (receive_call.c). */
    uint64_t calls_first;
    uint64_t calls_next;
    uint64_t calls_end;
    uint64_t call; /* the one that is waited for; 0: none */
};

/* One process less counts: it is dead, if not yet its thread. */
void npri_threads_release(struct npri_threads *threads);

void npri_threads_init(struct npri_threads *threads, unsigned count_max);
/* Waits until all have ended; none starts from here on. */
void npri_threads_stop(struct npri_threads *threads);
void npri_threads_fini(struct npri_threads *threads); /* after stop */

/* A thread for `process`, whose worker becomes its; it waits for the first wake.  NPR_OK,
 * NPR_ENOMEM, NPR_EFULL (too many, here or for the system), NPR_ECLOSED. */
NPR_NODISCARD npr_status npri_thread_create(struct npr_process *process,
                                            struct npr_term args,
                                            struct npr_error *err);
/* Before the first wake: it ends without having run anything.  The process stays the caller's. */
void npri_thread_discard(struct npr_process *process);

/* The thread of a thread process. */
struct npri_thread *npri_thread_of(const struct npr_process *process);

/* The same if it is the calling thread; else, or for any other process, NULL.  `process` is not
 * looked at. */
struct npri_thread *npri_thread_here(const struct npr_process *process);

/* Whether the calling thread is one of these. */
bool npri_threads_is_here(const struct npri_threads *threads);

/* What npri_scheduler_add() is for a thread process. */
void npri_thread_wake(struct npr_process *process);

/* ---- Its own thread only. */

/* Until woken.  False: `deadline_ns` (UINT64_MAX: never) came first; hold() is to follow. */
bool npri_thread_wait(struct npri_thread *thread, uint64_t deadline_ns);

/* Makes sure that the mailbox is the thread's. */
void npri_thread_hold(struct npri_thread *thread);

/* Lets it go unless something is in it: then false.  The descriptor, if there is one, tells. */
bool npri_thread_rest(struct npri_thread *thread);

/* There is more to look at: the descriptor tells. */
void npri_thread_set_readable(struct npri_thread *thread);

#endif /* NPRI_RUNTIME_THREAD_H */
