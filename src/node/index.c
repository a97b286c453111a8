#include "node/index.h"

#include "base/alloc.h"
#include "base/assert.h"

#define BUCKETS_MIN 16u

bool npri_index_init(struct npri_index *table)
{
    struct npri_index_entry **buckets =
        npri_alloc_zeroed(BUCKETS_MIN, sizeof(struct npri_index_entry *));

    if (buckets == NULL) {
        return false;
    }
    *table = (struct npri_index){.buckets = buckets, .buckets_count = BUCKETS_MIN};
    return true;
}

void npri_index_fini(struct npri_index *table)
{
    npri_free((void *)table->buckets);
    *table = (struct npri_index){0};
}

static struct npri_index_entry **bucket_of(const struct npri_index *table, uint64_t hash)
{
    return &table->buckets[hash & (table->buckets_count - 1)];
}

/* Without memory the table stays as it is: its chains get longer, nothing is lost. */
static void grow(struct npri_index *table)
{
    struct npri_index wide = {.buckets_count = table->buckets_count * 2, .count = table->count};

    wide.buckets = npri_alloc_zeroed(wide.buckets_count, sizeof(struct npri_index_entry *));
    if (wide.buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < table->buckets_count; i++) {
        struct npri_index_entry *entry = table->buckets[i];

        while (entry != NULL) {
            struct npri_index_entry *next = entry->next;
            struct npri_index_entry **bucket = bucket_of(&wide, entry->hash);

            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    npri_free((void *)table->buckets);
    *table = wide;
}

void npri_index_insert(struct npri_index *table, struct npri_index_entry *entry, uint64_t hash)
{
    struct npri_index_entry **bucket;

    if (table->count >= table->buckets_count) {
        grow(table);
    }
    bucket = bucket_of(table, hash);
    entry->hash = hash;
    entry->next = *bucket;
    *bucket = entry;
    table->count++;
}

void npri_index_remove(struct npri_index *table, struct npri_index_entry *entry)
{
    struct npri_index_entry **at = bucket_of(table, entry->hash);

    while (*at != entry) {
        NPRI_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = entry->next;
    entry->next = NULL;
    table->count--;
}

static struct npri_index_entry *with_hash(struct npri_index_entry *entry, uint64_t hash)
{
    while (entry != NULL && entry->hash != hash) {
        entry = entry->next;
    }
    return entry;
}

struct npri_index_entry *npri_index_find(const struct npri_index *table, uint64_t hash)
{
    return with_hash(*bucket_of(table, hash), hash);
}

struct npri_index_entry *npri_index_again(const struct npri_index_entry *entry)
{
    return with_hash(entry->next, entry->hash);
}

struct npri_index_entry *npri_index_extract(struct npri_index *table,
                                            bool (*matches)(const struct npri_index_entry *entry,
                                                            const void *user),
                                            const void *user)
{
    struct npri_index_entry *taken = NULL;

    for (size_t i = 0; i < table->buckets_count; i++) {
        struct npri_index_entry **at = &table->buckets[i];

        while (*at != NULL) {
            struct npri_index_entry *entry = *at;

            if (matches != NULL && !matches(entry, user)) {
                at = &entry->next;
                continue;
            }
            *at = entry->next;
            entry->next = taken;
            taken = entry;
            table->count--;
        }
    }
    return taken;
}
