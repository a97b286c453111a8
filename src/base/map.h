/* base/map.h - an intrusive hash map from bytes: chains, and a list in order of insertion, so that
 * walking it never depends on addresses.
 *
 * An element embeds a node and owns the bytes of its key, which must not change while it is in the
 * map.  Only the row of buckets is allocated: when it cannot grow the map becomes slower, never
 * wrong, so that inserting cannot fail. */
#ifndef NPRI_BASE_MAP_H
#define NPRI_BASE_MAP_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/list.h"

struct npri_map_node {
    struct npri_map_node *chain;
    struct npri_link order;
    struct npr_bytes key;
    uint64_t hash;
};

struct npri_map {
    struct npri_map_node **buckets;
    size_t buckets_count; /* a power of two */
    size_t count;
    struct npri_hash_key hash_key;
    struct npri_link order; /* of struct npri_map_node, oldest first */
};

/* False when out of memory.  Where others choose what is put in, they must not know the key. */
bool npri_map_init(struct npri_map *map, struct npri_hash_key hash_key);

/* Frees the buckets; the elements are the caller's.  A zeroed map is fine. */
void npri_map_fini(struct npri_map *map);

/* The element under `key`; NULL when there is none. */
struct npri_map_node *npri_map_find(const struct npri_map *map, struct npr_bytes key);

/* `key` must not be in the map; it is borrowed until the node is removed. */
void npri_map_insert(struct npri_map *map, struct npri_map_node *node, struct npr_bytes key);

/* `node` must be in the map. */
void npri_map_remove(struct npri_map *map, struct npri_map_node *node);

/* The oldest element; NULL when empty. */
struct npri_map_node *npri_map_first(const struct npri_map *map);

/* The element of type `type` whose `member` is in the map's order at link `at`. */
#define NPRI_MAP_AT(at, type, member)                                                              \
    NPRI_CONTAINER_OF(NPRI_CONTAINER_OF(at, struct npri_map_node, order), type, member)

#endif /* NPRI_BASE_MAP_H */
