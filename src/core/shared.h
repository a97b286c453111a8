/* core/shared.h - bytes with a count of holders: one copy of a key for its request, the questions
 * asked about it and its entry.  One thread. */
#ifndef NPRI_CORE_SHARED_H
#define NPRI_CORE_SHARED_H

#include "nprocreg/term.h"

#include "base/bytes.h"

struct npri_shared {
    size_t holders_count;
    size_t size;
    uint8_t data[];
};

/* A copy of `bytes` with one holder; NULL when out of memory. */
struct npri_shared *npri_shared_create(struct npr_bytes bytes);

/* One holder more; returns `shared`, which may be NULL. */
struct npri_shared *npri_shared_acquire(struct npri_shared *shared);

/* One holder less; the last one frees it.  Accepts NULL. */
void npri_shared_release(struct npri_shared *shared);

/* No term for NULL. */
static inline struct npr_term npri_shared_term(const struct npri_shared *shared)
{
    return shared == NULL ? (struct npr_term){0}
                          : (struct npr_term){.data = shared->data, .size = shared->size};
}

static inline struct npr_bytes npri_shared_bytes(const struct npri_shared *shared)
{
    return npri_bytes(shared->data, shared->size);
}

#endif /* NPRI_CORE_SHARED_H */
