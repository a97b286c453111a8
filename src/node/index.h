/* node/index.h - an intrusive hash table: the entries are parts of the caller's own structs, so
 * that putting one in cannot fail.  One thread.
 *
 * Several entries may have one hash; the caller compares what it really looks for:
 *
 *     for (e = npri_index_find(t, hash); e != NULL; e = npri_index_again(e)) { ... } */
#ifndef NPRI_NODE_INDEX_H
#define NPRI_NODE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct npri_index_entry {
    struct npri_index_entry *next;
    uint64_t hash;
};

struct npri_index {
    struct npri_index_entry **buckets;
    size_t buckets_count; /* a power of two */
    size_t count;
};

/* False: no memory. */
bool npri_index_init(struct npri_index *table);
void npri_index_fini(struct npri_index *table); /* frees no entry; a zeroed table is fine */

void npri_index_insert(struct npri_index *table, struct npri_index_entry *entry, uint64_t hash);
void npri_index_remove(struct npri_index *table, struct npri_index_entry *entry);

/* The first entry of that hash, and the next one of the same hash; NULL: none. */
struct npri_index_entry *npri_index_find(const struct npri_index *table, uint64_t hash);
struct npri_index_entry *npri_index_again(const struct npri_index_entry *entry);

/* Removes every entry that `matches` (NULL: all) and returns them as a list, joined by `next`. */
struct npri_index_entry *npri_index_extract(struct npri_index *table,
                                            bool (*matches)(const struct npri_index_entry *entry,
                                                            const void *user),
                                            const void *user);

#endif /* NPRI_NODE_INDEX_H */
