#include "runtime/ends.h"

#include "runtime/internal.h"
#include "runtime/yield.h"

/* Never read: only its address means something. */
static struct npr_process resting;

void npri_ends_init(struct npri_ends *ends)
{
    atomic_init(&ends->newest, &resting);
}

bool npri_ends_push(struct npri_ends *ends, struct npr_process *process)
{
    struct npr_process *old = atomic_load_explicit(&ends->newest, memory_order_relaxed);

    npri_yield_point();
    do {
        process->run_next = old == &resting ? NULL : old;
        /* release: what the worker wrote to the process, to the acquire in npri_ends_take().
         * acquire: nothing is read through the pointer, but what the last taker did before it
         * rested must come before what our call of options.ended causes. */
    } while (!atomic_compare_exchange_weak_explicit(&ends->newest, &old, process,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return old == &resting;
}

struct npr_process *npri_ends_take(struct npri_ends *ends)
{
    struct npr_process *at;
    struct npr_process *oldest = NULL;
    struct npr_process *empty = NULL;

    npri_yield_point();
    /* acquire: pairs with the release in npri_ends_push(). */
    at = atomic_exchange_explicit(&ends->newest, NULL, memory_order_acq_rel);
    npri_yield_point();
    if (at == NULL || at == &resting) {
        /* release: to the acquire in npri_ends_push(). */
        if (atomic_compare_exchange_strong_explicit(&ends->newest, &empty, &resting,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            return NULL;
        }
        at = atomic_exchange_explicit(&ends->newest, NULL, memory_order_acq_rel);
    }
    while (at != NULL) {
        struct npr_process *before = at->run_next;

        at->run_next = oldest;
        oldest = at;
        at = before;
    }
    return oldest;
}
