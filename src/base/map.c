#include "base/map.h"

#include "base/alloc.h"
#include "base/assert.h"

#define BUCKETS_MIN 8u

bool npri_map_init(struct npri_map *map, struct npri_hash_key hash_key)
{
    struct npri_map_node **buckets = npri_alloc_zeroed(BUCKETS_MIN, sizeof(struct npri_map_node *));

    if (buckets == NULL) {
        return false;
    }
    *map =
        (struct npri_map){.buckets = buckets, .buckets_count = BUCKETS_MIN, .hash_key = hash_key};
    npri_list_init(&map->order);
    return true;
}

void npri_map_fini(struct npri_map *map)
{
    npri_free(map->buckets);
    map->buckets = NULL;
}

static struct npri_map_node **bucket_of(const struct npri_map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->buckets_count - 1)];
}

struct npri_map_node *npri_map_find(const struct npri_map *map, struct npr_bytes key)
{
    uint64_t hash;

    if (map->count == 0) {
        return NULL; /* without a look at the key */
    }
    hash = npri_hash(map->hash_key, key);
    for (struct npri_map_node *at = *bucket_of(map, hash); at != NULL; at = at->chain) {
        if (at->hash == hash && npri_bytes_equal(at->key, key)) {
            return at;
        }
    }
    return NULL;
}

static void grow(struct npri_map *map)
{
    const size_t count = map->buckets_count * 2;
    struct npri_map_node **buckets = npri_alloc_zeroed(count, sizeof(struct npri_map_node *));

    if (buckets == NULL) {
        return; /* The chains grow instead; the next insertion tries again. */
    }
    npri_free(map->buckets);
    map->buckets = buckets;
    map->buckets_count = count;
    NPRI_LIST_FOREACH (at, &map->order) {
        struct npri_map_node *node = NPRI_CONTAINER_OF(at, struct npri_map_node, order);
        struct npri_map_node **bucket = bucket_of(map, node->hash);

        node->chain = *bucket;
        *bucket = node;
    }
}

void npri_map_insert(struct npri_map *map, struct npri_map_node *node, struct npr_bytes key)
{
    struct npri_map_node **bucket;

    if (map->count >= map->buckets_count) {
        grow(map);
    }
    node->key = key;
    node->hash = npri_hash(map->hash_key, key);
    bucket = bucket_of(map, node->hash);
    node->chain = *bucket;
    *bucket = node;
    npri_list_append(&map->order, &node->order);
    map->count++;
}

void npri_map_remove(struct npri_map *map, struct npri_map_node *node)
{
    struct npri_map_node **at = bucket_of(map, node->hash);

    while (*at != node) {
        NPRI_ASSERT(*at != NULL);
        at = &(*at)->chain;
    }
    *at = node->chain;
    node->chain = NULL;
    npri_list_remove(&node->order);
    map->count--;
}

struct npri_map_node *npri_map_first(const struct npri_map *map)
{
    return npri_list_empty(&map->order)
               ? NULL
               : NPRI_CONTAINER_OF(map->order.next, struct npri_map_node, order);
}
