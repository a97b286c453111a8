/* runtime/mailbox.h - what waits for one process, and whether somebody is to run it.
 *
 * One word: the newest signal of a stack (each one's `next` is the one before it), or
 *
 *      IDLE --push, poke--> EMPTY or signals     the caller must put the process in a run queue
 *      EMPTY --push--> signals                   it is in a run queue or running: nothing to do
 *      EMPTY --poke--> POKED                     the worker comes round once more before it rests
 *      EMPTY --rest--> IDLE                      the worker lets go of the process
 *      IDLE --reclaim--> EMPTY                   its own thread takes it back (thread.h)
 *
 *      operation | thread           | order on the word
 *      ----------+------------------+---------------------
 *      push      | any              | acq_rel
 *      poke      | any              | acq_rel
 *      take      | the one worker   | acquire
 *      rest      | the one worker   | release
 *      reclaim   | its own thread   | relaxed: it sees what it wrote itself
 *
 * Signals of one sender come out in the order in which they were pushed: a stack of what came since
 * the last take, reversed, after all that was taken before. */
#ifndef NPRI_RUNTIME_MAILBOX_H
#define NPRI_RUNTIME_MAILBOX_H

#include <stdatomic.h>

#include "runtime/signal.h"
#include "runtime/yield.h"

struct npri_mailbox {
    _Atomic(struct npri_signal *) head; /* NULL is EMPTY */
};

/* Never read: only their addresses mean something. */
extern struct npri_signal npri_mailbox_idle;
extern struct npri_signal npri_mailbox_poked;

/* As of a process that is in a run queue already. */
static inline void npri_mailbox_init(struct npri_mailbox *mailbox)
{
    atomic_init(&mailbox->head, NULL);
}

/* Gives `signal` away.  True: it was idle, the caller must put the process in a run queue. */
static inline bool npri_mailbox_push(struct npri_mailbox *mailbox, struct npri_signal *signal)
{
    struct npri_signal *old = atomic_load_explicit(&mailbox->head, memory_order_relaxed);

    npri_yield_point();
    do {
        signal->next = old == &npri_mailbox_idle ? NULL : old;
        /* release: the signal's contents, to the acquire in take().  acquire: when this ends IDLE,
         * what the last worker wrote before its rest() must reach the next one through us. */
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &old, signal,
                                                    memory_order_acq_rel, memory_order_relaxed));
    npri_yield_point();
    return old == &npri_mailbox_idle;
}

/* Makes sure that the process's worker sees, before it next rests, all that the caller wrote
 * before. True as for push(). */
static inline bool npri_mailbox_poke(struct npri_mailbox *mailbox)
{
    struct npri_signal *old = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    struct npri_signal *next;

    npri_yield_point();
    do {
        next = old;
        if (old == &npri_mailbox_idle) {
            next = NULL;
        } else if (old == NULL) {
            next = &npri_mailbox_poked;
        }
        /* Written even when unchanged: release to the acquire in the take() that must come before
         * any rest().  acquire: as in push(). */
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &old, next,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return old == &npri_mailbox_idle;
}

/* All that waits, oldest first, linked by `next`; NULL when that is nothing. */
static inline struct npri_signal *npri_mailbox_take(struct npri_mailbox *mailbox)
{
    struct npri_signal *oldest = NULL;
    struct npri_signal *at;

    npri_yield_point();
    /* acquire: pairs with the release in push() and poke(). */
    at = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire);
    while (at != NULL && at != &npri_mailbox_poked) {
        struct npri_signal *before = at->next;

        at->next = oldest;
        oldest = at;
        at = before;
    }
    return oldest;
}

/* Becomes IDLE.  False: something came; take() it.  True: the process may already run elsewhere, or
 * be gone: it must not be touched again. */
static inline bool npri_mailbox_rest(struct npri_mailbox *mailbox)
{
    struct npri_signal *empty = NULL;
    bool rests;

    npri_yield_point();
    /* release: the worker's writes to the process, to the acquire in push() and poke().  A failure
     * reads nothing through the pointer: take() acquires. */
    rests = atomic_compare_exchange_strong_explicit(&mailbox->head, &empty, &npri_mailbox_idle,
                                                    memory_order_release, memory_order_relaxed);
    npri_yield_point();
    return rests;
}

/* Becomes EMPTY.  False: it was not IDLE any more; who has changed it is about to say so. */
static inline bool npri_mailbox_reclaim(struct npri_mailbox *mailbox)
{
    struct npri_signal *idle = &npri_mailbox_idle;

    npri_yield_point();
    return atomic_compare_exchange_strong_explicit(&mailbox->head, &idle, NULL,
                                                   memory_order_relaxed, memory_order_relaxed);
}

#endif /* NPRI_RUNTIME_MAILBOX_H */
