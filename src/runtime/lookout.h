/* runtime/lookout.h - who looks whether a callback takes too long, while it does.
 *
 * A worker says what it runs: a process for each turn, and a number that grows with each callback.
 * That is all it does, without a look at any clock.  The timer thread looks at these a few times in
 * `long_ns`: a number that has stayed the same for so long is reported at once, and again when it
 * has changed.
 *
 *      operation         | thread       | how
 *      ------------------+--------------+-----------------------------------------------------
 *      begin, beat, end  | the worker   | release, the origin before the process
 *      tick              | timer thread | acquire; what it has seen is its own
 *      awake             | any worker   | `parked`, against `sleeping` of the scheduler
 *
 * When all workers have come to rest it gives memory back, if many processes have ended since the
 * last time: the C library keeps what small blocks had, and a node that had a million would look as
 * if it had them for ever.
 *
 * While all workers sleep there is nothing to look at: the thread parks, and the first worker that
 * wakes makes it go on.  Neither is missed: who parks raises `parked`, then reads `sleeping`; who
 * wakes lowers `sleeping`, then reads `parked`.  All four are seq_cst. */
#ifndef NPRI_RUNTIME_LOOKOUT_H
#define NPRI_RUNTIME_LOOKOUT_H

#include <stdatomic.h>

#include "runtime/signal.h"

struct npri_origin;
struct npri_runtime;

/* What a worker says.  Written by it alone. */
struct npri_pulse {
    _Atomic uint64_t beat;
    _Atomic uint64_t process; /* id and serial; 0: none */
    _Atomic(const struct npri_origin *) origin;
};

/* What the lookout has seen of it. */
struct npri_lookout_seen {
    uint64_t beat;
    uint64_t process;
    const struct npri_origin *origin;
    uint64_t since_ns; /* the callback began before that, by less than the time between two looks */
    bool told;
};

struct npri_lookout {
    /* Constant. */
    struct npri_runtime *runtime;
    uint64_t long_ns; /* 0: nobody wants to hear of callbacks */
    uint64_t period_ns;

    atomic_bool parked;
    struct npri_lookout_seen *seen; /* one for each worker; the timer thread's, like this: */
    uint64_t trimmed;               /* processes that had been freed when memory was given back */
};

/* A zeroed one, once the workers are there.  NPR_ENOMEM; fini() all the same. */
NPR_NODISCARD npr_status npri_lookout_init(struct npri_lookout *lookout,
                                           struct npri_runtime *runtime);
void npri_lookout_fini(struct npri_lookout *lookout);

/* Looks; gives the time of the next look, UINT64_MAX when it has parked. */
uint64_t npri_lookout_tick(struct npri_lookout *lookout, uint64_t now_ns);

/* A worker that has slept goes on.  True: the caller must see to it that the next tick comes. */
static inline bool npri_lookout_awake(struct npri_lookout *lookout)
{
    return atomic_load_explicit(&lookout->parked, memory_order_seq_cst) &&
           atomic_exchange_explicit(&lookout->parked, false, memory_order_seq_cst);
}

static inline void npri_pulse_begin(struct npri_pulse *pulse,
                                    struct npri_local local,
                                    const struct npri_origin *origin)
{
    atomic_store_explicit(&pulse->origin, origin, memory_order_relaxed);
    /* release: whoever sees the process sees its origin, or that of a later one. */
    atomic_store_explicit(&pulse->process, (uint64_t)local.serial << 32 | local.id,
                          memory_order_release);
}

static inline void npri_pulse_beat(struct npri_pulse *pulse)
{
    /* release: whoever sees the number sees what process it is of, or a later one. */
    atomic_store_explicit(&pulse->beat,
                          atomic_load_explicit(&pulse->beat, memory_order_relaxed) + 1,
                          memory_order_release);
}

static inline void npri_pulse_end(struct npri_pulse *pulse)
{
    atomic_store_explicit(&pulse->process, 0, memory_order_relaxed);
}

#endif /* NPRI_RUNTIME_LOOKOUT_H */
