#include "runtime/pool.h"

#include "base/alloc.h"
#include "base/assert.h"

#define ROOM_BYTES      64u
#define ALLOCATOR_BYTES 8u /* that malloc adds to each block, in its own steps of 16 */
#define ROOM_NONE       0u /* not one of ours: larger, or made when nothing was kept */

#if defined(__SANITIZE_ADDRESS__)
#define POOL_IS_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_OFF 1
#endif
#endif
#ifndef POOL_IS_OFF
#define POOL_IS_OFF 0
#endif

static _Thread_local struct npri_pool *pool_here;

/* The room of a block of so many bytes: 1 for the smallest. */
static size_t room_of(size_t bytes)
{
    return (bytes + ALLOCATOR_BYTES + ROOM_BYTES - 1) / ROOM_BYTES;
}

static size_t room_bytes(size_t room)
{
    return room * ROOM_BYTES - ALLOCATOR_BYTES;
}

static void free_all(struct npri_pool_block *block)
{
    while (block != NULL) {
        struct npri_pool_block *next = block->next;

        npri_free(block);
        block = next;
    }
}

void npri_pool_depot_init(struct npri_pool_depot *depot)
{
    *depot = (struct npri_pool_depot){0};
    (void)pthread_mutex_init(&depot->mutex, NULL); /* default attributes: cannot fail */
}

void npri_pool_depot_fini(struct npri_pool_depot *depot)
{
    for (size_t i = 0; i < NPRI_POOL_ROOMS; i++) {
        while (depot->bundles[i] != NULL) {
            struct npri_pool_block *bundle = depot->bundles[i];

            depot->bundles[i] = bundle->next_bundle;
            free_all(bundle);
        }
    }
    (void)pthread_mutex_destroy(&depot->mutex);
}

void npri_pool_enter(struct npri_pool *pool, struct npri_pool_depot *depot)
{
    NPRI_ASSERT(pool_here == NULL);
    *pool = (struct npri_pool){.depot = depot};
    pool_here = pool;
}

void npri_pool_leave(struct npri_pool *pool)
{
    NPRI_ASSERT(pool_here == pool);
    pool_here = NULL;
    for (size_t i = 0; i < NPRI_POOL_ROOMS; i++) {
        free_all(pool->blocks[i]);
    }
}

/* A bundle of the depot's, if it has one. */
static void pool_refill(struct npri_pool *pool, size_t index)
{
    struct npri_pool_depot *depot = pool->depot;
    struct npri_pool_block *bundle;

    (void)pthread_mutex_lock(&depot->mutex);
    bundle = depot->bundles[index];
    if (bundle != NULL) {
        depot->bundles[index] = bundle->next_bundle;
        depot->bundles_count[index]--;
        pool->blocks[index] = bundle;
        pool->count[index] = NPRI_POOL_BUNDLE;
    }
    (void)pthread_mutex_unlock(&depot->mutex);
}

/* Hands the newest bundle on: the depot keeps it, or it is freed. */
static void pool_spill(struct npri_pool *pool, size_t index)
{
    struct npri_pool_depot *depot = pool->depot;
    struct npri_pool_block *bundle = pool->blocks[index];
    struct npri_pool_block *last = bundle;

    for (unsigned i = 1; i < NPRI_POOL_BUNDLE; i++) {
        last = last->next;
    }
    pool->blocks[index] = last->next;
    pool->count[index] -= NPRI_POOL_BUNDLE;
    last->next = NULL;
    (void)pthread_mutex_lock(&depot->mutex);
    if (depot->bundles_count[index] < NPRI_POOL_BUNDLES) {
        bundle->next_bundle = depot->bundles[index];
        depot->bundles[index] = bundle;
        depot->bundles_count[index]++;
        bundle = NULL;
    }
    (void)pthread_mutex_unlock(&depot->mutex);
    free_all(bundle);
}

void *npri_pool_take(size_t bytes, uint8_t *out_room)
{
    struct npri_pool *pool = pool_here;
    const size_t room = room_of(bytes);
    struct npri_pool_block *block;

    if (POOL_IS_OFF || pool == NULL || room > NPRI_POOL_ROOMS || npri_alloc_is_counted()) {
        *out_room = ROOM_NONE;
        return npri_alloc(bytes);
    }
    if (pool->blocks[room - 1] == NULL) {
        pool_refill(pool, room - 1);
    }
    *out_room = (uint8_t)room;
    block = pool->blocks[room - 1];
    if (block == NULL) {
        return npri_alloc(room_bytes(room));
    }
    pool->blocks[room - 1] = block->next;
    pool->count[room - 1]--;
    return block;
}

void npri_pool_give(void *block, uint8_t room)
{
    struct npri_pool *pool = pool_here;
    struct npri_pool_block *kept = block;

    if (pool == NULL || room == ROOM_NONE) {
        npri_free(block);
        return;
    }
    kept->next = pool->blocks[room - 1];
    pool->blocks[room - 1] = kept;
    pool->count[room - 1]++;
    if (pool->count[room - 1] == 2 * NPRI_POOL_BUNDLE) {
        pool_spill(pool, room - 1);
    }
}
