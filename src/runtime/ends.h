/* runtime/ends.h - the ends of registered processes, on their way to whoever asked to hear of them
 * first (npri_runtime_watch(), runtime.h).
 *
 * One word: the newest process of a stack (each one's `run_next` is the one before it), or
 *
 *      RESTING --push--> processes      the pusher calls options.ended
 *      EMPTY --push--> processes        whoever takes will look again: nothing to do
 *      EMPTY --take--> RESTING          nothing had come since the last time
 *
 *      operation | thread                 | order on the word
 *      ----------+------------------------+------------------
 *      push      | any worker             | acq_rel
 *      take      | one thread at a time   | acq_rel
 *
 * Needs no memory: a process that ends is in no run queue, so the link is free. */
#ifndef NPRI_RUNTIME_ENDS_H
#define NPRI_RUNTIME_ENDS_H

#include <stdatomic.h>
#include <stdbool.h>

struct npr_process;

struct npri_ends {
    _Atomic(struct npr_process *) newest; /* NULL is EMPTY */
};

void npri_ends_init(struct npri_ends *ends);

/* True: the caller must have somebody take. */
bool npri_ends_push(struct npri_ends *ends, struct npr_process *process);

/* All, oldest first; NULL: none, and it rests. */
struct npr_process *npri_ends_take(struct npri_ends *ends);

#endif /* NPRI_RUNTIME_ENDS_H */
