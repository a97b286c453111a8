/* runtime/pool.h - memory for what is made and freed all the time, on different threads: signals
 * and processes.
 *
 * A sender's worker takes a block, the receiver's gives it back.  The C library's allocator would
 * send each one home to where it came from; here it stays where it was given back, for the next
 * one to be taken there.  Workers that have many hand them on in bundles:
 *
 *      worker's own blocks <--bundles--> depot of the runtime <--> npri_alloc(), npri_free()
 *
 *      operation | thread                    | how
 *      ----------+---------------------------+----------------------------------------------
 *      take,give | a worker, between enter   | its own blocks; the depot's lock once a bundle
 *                | and leave                 |
 *      take,give | any other                 | npri_alloc(), npri_free()
 *
 * A bundle lists its blocks, so that a block which another core has had is not touched before there
 * is something to write to it.  A worker has two for each size: one that it takes from and gives
 * to, and one that is full or empty, so that it goes to the depot once for NPRI_POOL_BUNDLE blocks
 * at the most often.
 *
 * Each block is one of npri_alloc()'s, so that it may be given back anywhere.  What is kept is
 * bounded: two bundles of each size by a worker, NPRI_POOL_BUNDLES by the depot.  Under the address
 * sanitizer, and while allocations are counted (base/alloc.h), nothing is kept: they must see each
 * block's life. */
#ifndef NPRI_RUNTIME_POOL_H
#define NPRI_RUNTIME_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define NPRI_POOL_ROOMS   16u /* of 64, 128, ... bytes with the allocator's own 8 */
#define NPRI_POOL_BUNDLE  64u /* blocks that change hands at once */
#define NPRI_POOL_BUNDLES 32u /* of one size in a depot */

struct npri_pool_bundle {
    struct npri_pool_bundle *next; /* in a depot */
    uint32_t count;
    void *blocks[NPRI_POOL_BUNDLE];
};

struct npri_pool_depot {
    pthread_mutex_t mutex;
    struct npri_pool_bundle *full[NPRI_POOL_ROOMS];
    uint32_t full_count[NPRI_POOL_ROOMS];
};

/* A worker's.  NULL: there was no need of it yet. */
struct npri_pool {
    struct npri_pool_depot *depot;
    struct npri_pool_bundle *open[NPRI_POOL_ROOMS];
    struct npri_pool_bundle *other[NPRI_POOL_ROOMS]; /* full or empty */
};

void npri_pool_depot_init(struct npri_pool_depot *depot);
void npri_pool_depot_fini(struct npri_pool_depot *depot); /* frees what it keeps */

/* From here on the calling thread takes from and gives to `pool`; until it leaves, which frees what
 * is there. */
void npri_pool_enter(struct npri_pool *pool, struct npri_pool_depot *depot);
void npri_pool_leave(struct npri_pool *pool);

/* At least `bytes`; NULL: no memory.  `*out_room` must be handed to give(). */
void *npri_pool_take(size_t bytes, uint8_t *out_room);
void npri_pool_give(void *block, uint8_t room);

#endif /* NPRI_RUNTIME_POOL_H */
