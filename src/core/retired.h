/* core/retired.h - memory that is out of use, but that other threads may still be reading.  Pure.
 *
 * The entries of this node are read by any thread while the core changes them (core/rows.h).  So
 * what leaves the table is not freed: it is retired, and whoever steps the core takes it, waits
 * until every reader that may have seen it has left, and frees it then.  A core that no other
 * thread reads frees at once. */
#ifndef NPRI_CORE_RETIRED_H
#define NPRI_CORE_RETIRED_H

#include <stdbool.h>
#include <stddef.h>

/* Lies at the very beginning of what is retired, where no reader looks. */
struct npri_retired {
    struct npri_retired *next;
};

struct npri_retiring {
    bool shared; /* other threads read */
    struct npri_retired *first;
    size_t count;
};

/* Takes over memory of npri_alloc(). */
void npri_retire(struct npri_retiring *retiring, struct npri_retired *memory);

/* What has been retired so far, newest first; NULL: nothing.  Takes no time. */
struct npri_retired *npri_retiring_take(struct npri_retiring *retiring);

/* Frees a whole chain.  Accepts NULL.  Any thread. */
void npri_retired_free(struct npri_retired *chain);

#endif /* NPRI_CORE_RETIRED_H */
