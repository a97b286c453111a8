#include "core/rows.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/directory.h"

#define BUCKETS_MIN 8u

bool npri_rows_init(struct npri_rows *rows, enum npri_rows_by by, struct npri_hash_key hash_key)
{
    struct npri_entry **buckets = npri_alloc_zeroed(BUCKETS_MIN, sizeof(struct npri_entry *));

    if (buckets == NULL) {
        return false;
    }
    *rows = (struct npri_rows){.buckets = buckets,
                               .buckets_count = BUCKETS_MIN,
                               .half = BUCKETS_MIN,
                               .room = BUCKETS_MIN,
                               .hash_key = hash_key,
                               .by = by};
    return true;
}

void npri_rows_fini(struct npri_rows *rows)
{
    npri_free(rows->buckets);
    rows->buckets = NULL;
}

/* ---- Where an entry belongs. */

static uint64_t hash_of_key(const struct npri_rows *rows, struct npr_bytes key)
{
    return npri_hash(rows->hash_key, key);
}

static uint64_t hash_of_pid(const struct npri_rows *rows, uint32_t id, uint32_t serial)
{
    const uint32_t numbers[] = {id, serial};

    return npri_hash(rows->hash_key, npri_bytes(numbers, sizeof(numbers)));
}

static uint64_t hash_of(const struct npri_rows *rows, const struct npri_entry *entry)
{
    return rows->by == NPRI_ROWS_BY_KEY ? hash_of_key(rows, npri_entry_key(entry))
                                        : hash_of_pid(rows, entry->id, entry->serial);
}

static size_t bucket_of(const struct npri_rows *rows, uint64_t hash)
{
    const size_t bucket = hash & (2 * rows->half - 1);

    return bucket < rows->buckets_count ? bucket : bucket - rows->half;
}

static void link_entry(struct npri_rows *rows, struct npri_entry *entry, size_t bucket)
{
    struct npri_entry *next = rows->buckets[bucket];

    entry->next[rows->by] = next;
    rows->buckets[bucket] = entry;
    if (rows->by == NPRI_ROWS_BY_PID) {
        entry->pid_previous = NULL;
        if (next != NULL) {
            next->pid_previous = entry;
        }
    }
}

static void unlink_by_key(struct npri_rows *rows, struct npri_entry *entry)
{
    struct npri_entry **at = &rows->buckets[bucket_of(rows, hash_of(rows, entry))];

    while (*at != entry) {
        NPRI_ASSERT(*at != NULL);
        at = &(*at)->next[NPRI_ROWS_BY_KEY];
    }
    *at = entry->next[NPRI_ROWS_BY_KEY];
}

static void unlink_by_pid(struct npri_rows *rows, struct npri_entry *entry)
{
    struct npri_entry *next = entry->next[NPRI_ROWS_BY_PID];
    struct npri_entry **at = entry->pid_previous == NULL
                                 ? &rows->buckets[bucket_of(rows, hash_of(rows, entry))]
                                 : &entry->pid_previous->next[NPRI_ROWS_BY_PID];

    NPRI_ASSERT(*at == entry);
    *at = next;
    if (next != NULL) {
        next->pid_previous = entry->pid_previous;
    }
}

/* ---- One bucket more, or less. */

/* False: no memory. */
static bool set_room(struct npri_rows *rows, size_t room)
{
    struct npri_entry **buckets = npri_realloc(rows->buckets, room * sizeof(struct npri_entry *));

    if (buckets == NULL) {
        return false;
    }
    rows->buckets = buckets;
    rows->room = room;
    return true;
}

/* Deals out a chain anew: each of its entries goes where it belongs now. */
static void deal_out(struct npri_rows *rows, struct npri_entry *chain)
{
    while (chain != NULL) {
        struct npri_entry *next = chain->next[rows->by];

        link_entry(rows, chain, bucket_of(rows, hash_of(rows, chain)));
        chain = next;
    }
}

static void grow(struct npri_rows *rows)
{
    const size_t source = rows->buckets_count - rows->half;
    struct npri_entry *chain = rows->buckets[source];

    if (rows->buckets_count == rows->room && !set_room(rows, 2 * rows->room)) {
        return; /* The next change tries again. */
    }
    rows->buckets[source] = NULL;
    rows->buckets[rows->buckets_count++] = NULL;
    if (rows->buckets_count == 2 * rows->half) {
        rows->half = rows->buckets_count;
    }
    deal_out(rows, chain);
}

static void shrink(struct npri_rows *rows)
{
    struct npri_entry *chain = rows->buckets[rows->buckets_count - 1];

    if (rows->buckets_count == BUCKETS_MIN) {
        return;
    }
    if (rows->buckets_count == rows->half) {
        rows->half /= 2;
    }
    rows->buckets_count--;
    deal_out(rows, chain);
    if (rows->buckets_count <= rows->room / 4) {
        (void)set_room(rows, rows->room / 2); /* else it keeps what it has */
    }
}

/* ---- Changing. */

void npri_rows_insert(struct npri_rows *rows, struct npri_entry *entry)
{
    if (rows->count >= rows->buckets_count) {
        grow(rows);
    }
    link_entry(rows, entry, bucket_of(rows, hash_of(rows, entry)));
    rows->count++;
}

void npri_rows_remove(struct npri_rows *rows, struct npri_entry *entry)
{
    if (rows->by == NPRI_ROWS_BY_KEY) {
        unlink_by_key(rows, entry);
    } else {
        unlink_by_pid(rows, entry);
    }
    rows->count--;
    /* Two at a time: so the row is never much longer than twice what is in it. */
    for (unsigned i = 0; i < 2 && rows->count < rows->buckets_count / 2; i++) {
        shrink(rows);
    }
}

/* ---- Finding. */

struct npri_entry *npri_rows_find_key(const struct npri_rows *rows, struct npr_bytes key)
{
    struct npri_entry *at = rows->buckets[bucket_of(rows, hash_of_key(rows, key))];

    while (at != NULL && !npri_bytes_equal(npri_entry_key(at), key)) {
        at = at->next[NPRI_ROWS_BY_KEY];
    }
    return at;
}

struct npri_entry *npri_rows_find_pid(const struct npri_rows *rows, uint32_t id, uint32_t serial)
{
    struct npri_entry *at = rows->buckets[bucket_of(rows, hash_of_pid(rows, id, serial))];

    while (at != NULL && !(at->id == id && at->serial == serial)) {
        at = at->next[NPRI_ROWS_BY_PID];
    }
    return at;
}

struct npri_entry *npri_rows_any(const struct npri_rows *rows, size_t *hint)
{
    if (rows->count == 0) {
        return NULL;
    }
    /* A row that has become shorter has put what is left before `*hint`. */
    while (*hint >= rows->buckets_count || rows->buckets[*hint] == NULL) {
        *hint = *hint >= rows->buckets_count ? 0 : *hint + 1;
    }
    return rows->buckets[*hint];
}

struct npri_entry *npri_rows_next(const struct npri_rows *rows, const struct npri_entry *entry)
{
    size_t bucket = 0;

    if (entry != NULL) {
        if (entry->next[rows->by] != NULL) {
            return entry->next[rows->by];
        }
        bucket = bucket_of(rows, hash_of(rows, entry)) + 1;
    }
    while (bucket < rows->buckets_count && rows->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < rows->buckets_count ? rows->buckets[bucket] : NULL;
}

/* ---- Walking while it changes.
 *
 * A bucket has the entries whose hashes end in the same bits: one more of them once it was split.
 * Read backwards, such hashes are a range of numbers, and splitting a bucket cuts its range in two.
 */

static uint64_t backwards(uint64_t bits)
{
    static const uint64_t masks[] = {UINT64_C(0x5555555555555555), UINT64_C(0x3333333333333333),
                                     UINT64_C(0x0f0f0f0f0f0f0f0f), UINT64_C(0x00ff00ff00ff00ff),
                                     UINT64_C(0x0000ffff0000ffff), UINT64_C(0x00000000ffffffff)};

    for (unsigned i = 0; i < 6; i++) {
        bits = (bits >> (1u << i) & masks[i]) | (bits & masks[i]) << (1u << i);
    }
    return bits;
}

struct npri_entry *npri_rows_step(const struct npri_rows *rows, uint64_t *cursor, bool *out_whole)
{
    const size_t bucket = bucket_of(rows, backwards(*cursor));
    const bool split = bucket < rows->buckets_count - rows->half || bucket >= rows->half;
    /* The width of the bucket's range: 2^64 by the number of buckets that are as full. */
    const uint64_t width = (UINT64_MAX / rows->half + 1) / (split ? 2 : 1);
    const uint64_t start = *cursor & ~(width - 1);

    *out_whole = *cursor == start;
    *cursor = start + width; /* 0 after the last one */
    return rows->buckets[bucket];
}

uint64_t npri_rows_place(const struct npri_rows *rows, struct npr_bytes key)
{
    return backwards(hash_of_key(rows, key));
}
