#include "runtime/pool.h"

#include <stdbool.h>

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

/* Found without a call: the library is there before its threads are. */
static _Thread_local struct npri_pool *pool_here __attribute__((tls_model("initial-exec")));

/* The room of a block of so many bytes: 1 for the smallest. */
static size_t room_of(size_t bytes)
{
    return (bytes + ALLOCATOR_BYTES + ROOM_BYTES - 1) / ROOM_BYTES;
}

static size_t room_bytes(size_t room)
{
    return room * ROOM_BYTES - ALLOCATOR_BYTES;
}

static void bundle_empty(struct npri_pool_bundle *bundle)
{
    while (bundle->count != 0) {
        npri_free(bundle->blocks[--bundle->count]);
    }
}

static void bundle_destroy(struct npri_pool_bundle *bundle)
{
    if (bundle != NULL) {
        bundle_empty(bundle);
        npri_free(bundle);
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
        while (depot->full[i] != NULL) {
            struct npri_pool_bundle *bundle = depot->full[i];

            depot->full[i] = bundle->next;
            bundle_destroy(bundle);
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
        bundle_destroy(pool->open[i]);
        bundle_destroy(pool->other[i]);
    }
}

static void pool_swap(struct npri_pool *pool, size_t index)
{
    struct npri_pool_bundle *open = pool->open[index];

    pool->open[index] = pool->other[index];
    pool->other[index] = open;
}

/* A full bundle of the depot's; NULL: it has none. */
static struct npri_pool_bundle *depot_take(struct npri_pool_depot *depot, size_t index)
{
    struct npri_pool_bundle *bundle;

    (void)pthread_mutex_lock(&depot->mutex);
    bundle = depot->full[index];
    if (bundle != NULL) {
        depot->full[index] = bundle->next;
        depot->full_count[index]--;
    }
    (void)pthread_mutex_unlock(&depot->mutex);
    return bundle;
}

/* False: it has enough. */
static bool depot_give(struct npri_pool_depot *depot, size_t index, struct npri_pool_bundle *bundle)
{
    bool kept;

    (void)pthread_mutex_lock(&depot->mutex);
    kept = depot->full_count[index] < NPRI_POOL_BUNDLES;
    if (kept) {
        bundle->next = depot->full[index];
        depot->full[index] = bundle;
        depot->full_count[index]++;
    }
    (void)pthread_mutex_unlock(&depot->mutex);
    return kept;
}

static bool bundle_has_blocks(const struct npri_pool_bundle *bundle)
{
    return bundle != NULL && bundle->count != 0;
}

/* Makes the open bundle one that has blocks; false: there is none. */
static bool pool_refill(struct npri_pool *pool, size_t index)
{
    struct npri_pool_bundle *full;

    if (!bundle_has_blocks(pool->other[index])) {
        full = depot_take(pool->depot, index);
        if (full == NULL) {
            return false;
        }
        npri_free(pool->other[index]);
        pool->other[index] = full;
    }
    pool_swap(pool, index);
    return true;
}

/* Makes the open bundle one that has room; false: no memory for another. */
static bool pool_make_room(struct npri_pool *pool, size_t index)
{
    struct npri_pool_bundle *other = pool->other[index];

    if (other != NULL && other->count != 0) {
        if (depot_give(pool->depot, index, other)) {
            other = NULL;
        } else {
            bundle_empty(other);
        }
    }
    if (other == NULL) {
        other = npri_alloc(sizeof(*other));
        if (other != NULL) {
            other->count = 0;
        }
        pool->other[index] = other;
    }
    if (other == NULL) {
        return false;
    }
    pool_swap(pool, index);
    return true;
}

void *npri_pool_take(size_t bytes, uint8_t *out_room)
{
    struct npri_pool *pool = pool_here;
    const size_t room = room_of(bytes);

    if (POOL_IS_OFF || pool == NULL || room > NPRI_POOL_ROOMS || npri_alloc_is_counted()) {
        *out_room = ROOM_NONE;
        return npri_alloc(bytes);
    }
    *out_room = (uint8_t)room;
    if (bundle_has_blocks(pool->open[room - 1]) || pool_refill(pool, room - 1)) {
        struct npri_pool_bundle *open = pool->open[room - 1];

        return open->blocks[--open->count];
    }
    return npri_alloc(room_bytes(room));
}

void npri_pool_give(void *block, uint8_t room)
{
    struct npri_pool *pool = pool_here;
    struct npri_pool_bundle *open;

    if (pool == NULL || room == ROOM_NONE) {
        npri_free(block);
        return;
    }
    open = pool->open[room - 1];
    if ((open == NULL || open->count == NPRI_POOL_BUNDLE) && !pool_make_room(pool, room - 1)) {
        npri_free(block);
        return;
    }
    open = pool->open[room - 1];
    open->blocks[open->count++] = block;
}
