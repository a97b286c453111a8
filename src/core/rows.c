#include "core/rows.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/directory.h"

#define BUCKETS_MIN 8u

/* So many pids that follow each other are in buckets that do, a few lines of memory. */
#define NEAR 64u

/* Buckets by which a row becomes longer. */
#define GROWN_AT_ONCE 16u

/* How often a reader searches before it leaves the answer to the core. */
#define TRIES_MAX 16u

typedef _Atomic(struct npri_entry *) npri_bucket;

struct npri_segment {
    struct npri_retired retired;
    npri_bucket buckets[];
};

/* ---- Segments. */

static unsigned highest_bit(size_t number)
{
    return 63u - (unsigned)__builtin_clzll(number);
}

static unsigned segment_of(size_t bucket)
{
    return bucket < BUCKETS_MIN ? 0 : highest_bit(bucket) - 2;
}

/* The number of its first bucket; for the first segment, too, how many buckets are before the next.
 */
static size_t segment_start(unsigned segment)
{
    return segment == 0 ? 0 : (size_t)BUCKETS_MIN << (segment - 1);
}

static npri_bucket *bucket_at(const struct npri_rows *rows, size_t bucket)
{
    const unsigned segment = segment_of(bucket);
    /* relaxed: the core reads what the core has written. */
    struct npri_segment *at = atomic_load_explicit(&rows->segments[segment], memory_order_relaxed);

    return &at->buckets[bucket - segment_start(segment)];
}

/* relaxed here and below: the core reads what the core has written. */
static size_t buckets_count(const struct npri_rows *rows)
{
    return atomic_load_explicit(&rows->buckets_count, memory_order_relaxed);
}

static struct npri_entry *first_of(const struct npri_rows *rows, size_t bucket)
{
    return atomic_load_explicit(bucket_at(rows, bucket), memory_order_relaxed);
}

struct npri_entry *npri_rows_after(const struct npri_rows *rows, const struct npri_entry *entry)
{
    return atomic_load_explicit(&entry->next[rows->by], memory_order_relaxed);
}

/* release: pairs with the acquire of npri_rows_see_key(), which then sees the entry whole, and
 * `changes` as it was raised before. */
static void point(npri_bucket *at, struct npri_entry *entry)
{
    atomic_store_explicit(at, entry, memory_order_release);
}

/* False: no memory. */
static bool add_segment(struct npri_rows *rows)
{
    const unsigned segment = rows->segments_count;
    const size_t buckets = segment == 0 ? BUCKETS_MIN : segment_start(segment);
    struct npri_segment *added =
        segment == NPRI_ROWS_SEGMENTS
            ? NULL
            : npri_alloc_zeroed(1, sizeof(*added) + buckets * sizeof(npri_bucket));

    if (added == NULL) {
        return false;
    }
    /* release: pairs with the acquire of npri_rows_see_key(). */
    atomic_store_explicit(&rows->segments[segment], added, memory_order_release);
    rows->segments_count++;
    return true;
}

static void drop_segment(struct npri_rows *rows)
{
    const unsigned segment = --rows->segments_count;
    struct npri_segment *dropped =
        atomic_load_explicit(&rows->segments[segment], memory_order_relaxed);

    /* release: as in point(); a reader that meets NULL searches again. */
    atomic_store_explicit(&rows->segments[segment], NULL, memory_order_release);
    if (rows->retiring == NULL) {
        npri_free(dropped);
    } else {
        npri_retire(rows->retiring, &dropped->retired);
    }
}

bool npri_rows_init(struct npri_rows *rows,
                    enum npri_rows_by by,
                    struct npri_hash_key hash_key,
                    struct npri_retiring *retiring)
{
    *rows = (struct npri_rows){.hash_key = hash_key, .by = by, .retiring = retiring};
    atomic_init(&rows->buckets_count, BUCKETS_MIN);
    return add_segment(rows);
}

void npri_rows_fini(struct npri_rows *rows)
{
    for (unsigned i = 0; i < rows->segments_count; i++) {
        npri_free(atomic_load_explicit(&rows->segments[i], memory_order_relaxed));
    }
    rows->segments_count = 0;
}

/* Around everything that may lead a reader past an entry. */
static void begin_change(struct npri_rows *rows)
{
    const size_t changes = atomic_load_explicit(&rows->changes, memory_order_relaxed);

    /* relaxed: the releases that follow publish it; whoever sees one of them sees this. */
    atomic_store_explicit(&rows->changes, changes + 1, memory_order_relaxed);
}

static void end_change(struct npri_rows *rows)
{
    const size_t changes = atomic_load_explicit(&rows->changes, memory_order_relaxed);

    /* release: pairs with the first acquire of a reader, who then sees the change whole. */
    atomic_store_explicit(&rows->changes, changes + 1, memory_order_release);
}

/* ---- Where an entry belongs. */

static uint64_t hash_of_key(const struct npri_rows *rows, struct npr_bytes key)
{
    return npri_hash(rows->hash_key, key);
}

/* Processes that are started one after the other have pids that follow each other.  Those of one
 * group differ in the last bits only, each in its own way, whoever chooses them; where a group
 * comes is the hash's secret. */
static uint64_t hash_of_pid(const struct npri_rows *rows, uint32_t id, uint32_t serial)
{
    const uint32_t numbers[] = {id / NEAR, serial};

    return npri_hash(rows->hash_key, npri_bytes(numbers, sizeof(numbers))) ^ id % NEAR;
}

static uint64_t hash_of(const struct npri_rows *rows, const struct npri_entry *entry)
{
    return rows->by == NPRI_ROWS_BY_KEY ? hash_of_key(rows, npri_entry_key(entry))
                                        : hash_of_pid(rows, entry->id, entry->serial);
}

/* `count`: of buckets. */
static size_t bucket_among(size_t count, uint64_t hash)
{
    const size_t half = (size_t)1 << highest_bit(count);
    const size_t bucket = hash & (2 * half - 1);

    return bucket < count ? bucket : bucket - half;
}

static size_t bucket_of(const struct npri_rows *rows, uint64_t hash)
{
    return bucket_among(buckets_count(rows), hash);
}

static void link_entry(struct npri_rows *rows, struct npri_entry *entry, size_t bucket)
{
    npri_bucket *at = bucket_at(rows, bucket);
    struct npri_entry *next = atomic_load_explicit(at, memory_order_relaxed);

    point(&entry->next[rows->by], next);
    if (rows->by == NPRI_ROWS_BY_PID) {
        entry->pid_previous = NULL;
        if (next != NULL) {
            next->pid_previous = entry;
        }
    }
    point(at, entry);
}

static void unlink_by_key(struct npri_rows *rows, struct npri_entry *entry)
{
    npri_bucket *at = bucket_at(rows, bucket_of(rows, hash_of(rows, entry)));
    struct npri_entry *found;

    while ((found = atomic_load_explicit(at, memory_order_relaxed)) != entry) {
        NPRI_ASSERT(found != NULL);
        at = &found->next[NPRI_ROWS_BY_KEY];
    }
    point(at, npri_rows_after(rows, entry)); /* its own link stays, for readers that are there */
}

static void unlink_by_pid(struct npri_rows *rows, struct npri_entry *entry)
{
    struct npri_entry *next = npri_rows_after(rows, entry);
    npri_bucket *at = entry->pid_previous == NULL
                          ? bucket_at(rows, bucket_of(rows, hash_of(rows, entry)))
                          : &entry->pid_previous->next[NPRI_ROWS_BY_PID];

    NPRI_ASSERT(atomic_load_explicit(at, memory_order_relaxed) == entry);
    point(at, next);
    if (next != NULL) {
        next->pid_previous = entry->pid_previous;
    }
}

/* ---- One bucket more, or less. */

/* Deals out a chain anew: each of its entries goes where it belongs now. */
static void deal_out(struct npri_rows *rows, struct npri_entry *chain)
{
    while (chain != NULL) {
        struct npri_entry *next = npri_rows_after(rows, chain);

        link_entry(rows, chain, bucket_of(rows, hash_of(rows, chain)));
        chain = next;
    }
}

static void set_buckets_count(struct npri_rows *rows, size_t count)
{
    /* release: pairs with the acquire of npri_rows_see_key(), which then sees the segment. */
    atomic_store_explicit(&rows->buckets_count, count, memory_order_release);
}

/* Whose turn it is to be dealt out. */
static size_t turn_of(size_t count)
{
    return count - ((size_t)1 << highest_bit(count));
}

/* Its turn comes soon: the entries that would be waited for then are asked for now. */
static void prepare(const struct npri_rows *rows, size_t bucket)
{
    const struct npri_entry *entry = bucket < buckets_count(rows) ? first_of(rows, bucket) : NULL;

    if (entry != NULL) {
        __builtin_prefetch(entry);
        __builtin_prefetch(entry->key);
    }
}

static void grow(struct npri_rows *rows)
{
    const size_t count = buckets_count(rows);
    const size_t source = turn_of(count);
    struct npri_entry *chain = first_of(rows, source);

    if (segment_of(count) == rows->segments_count && !add_segment(rows)) {
        return; /* The next change tries again. */
    }
    begin_change(rows);
    point(bucket_at(rows, source), NULL);
    set_buckets_count(rows, count + 1);
    deal_out(rows, chain);
    end_change(rows);
}

/* Within a change. */
static void shrink(struct npri_rows *rows)
{
    const size_t last = buckets_count(rows) - 1;
    struct npri_entry *chain = first_of(rows, last);

    if (last < BUCKETS_MIN) {
        return;
    }
    point(bucket_at(rows, last), NULL);
    set_buckets_count(rows, last);
    deal_out(rows, chain);
    if (last <= segment_start(rows->segments_count - 1) / 2) {
        drop_segment(rows);
    }
}

/* ---- Changing. */

/* Buckets for each entry.  Keys are what is looked up all the time, each entry on the way being a
 * line of memory or two that is in no cache. */
static size_t roominess(const struct npri_rows *rows)
{
    return rows->by == NPRI_ROWS_BY_KEY ? 2 : 1;
}

/* It becomes longer by some buckets when it is short of them, not by one with each entry: readers
 * look all the time at what that changes.  The insertions up to that prepare it. */
void npri_rows_insert(struct npri_rows *rows, struct npri_entry *entry)
{
    const size_t wanted = rows->count * roominess(rows);
    const size_t count = buckets_count(rows);

    if (wanted >= count) {
        for (size_t i = 0; i < GROWN_AT_ONCE; i++) {
            grow(rows);
        }
    } else if (wanted + GROWN_AT_ONCE >= count) {
        for (size_t i = 0; i < roominess(rows); i++) {
            prepare(rows, turn_of(count) + wanted + GROWN_AT_ONCE - count + i);
        }
    }
    link_entry(rows, entry, bucket_of(rows, hash_of(rows, entry)));
    rows->count++;
}

void npri_rows_remove(struct npri_rows *rows, struct npri_entry *entry)
{
    begin_change(rows);
    if (rows->by == NPRI_ROWS_BY_KEY) {
        unlink_by_key(rows, entry);
    } else {
        unlink_by_pid(rows, entry);
    }
    rows->count--;
    /* Two at a time: so the row is never much longer than twice what is wanted. */
    for (unsigned i = 0;
         i < 2 * roominess(rows) && rows->count * roominess(rows) < buckets_count(rows) / 2; i++) {
        shrink(rows);
    }
    end_change(rows);
}

/* ---- Finding. */

void npri_rows_expect(const struct npri_rows *rows, uint64_t hash)
{
    __builtin_prefetch(bucket_at(rows, bucket_of(rows, hash)), 1);
}

struct npri_entry *npri_rows_find_key(const struct npri_rows *rows, struct npr_bytes key)
{
    struct npri_entry *at = first_of(rows, bucket_of(rows, hash_of_key(rows, key)));

    while (at != NULL && !npri_bytes_equal(npri_entry_key(at), key)) {
        at = npri_rows_after(rows, at);
    }
    return at;
}

struct npri_entry *npri_rows_find_pid(const struct npri_rows *rows, uint32_t id, uint32_t serial)
{
    struct npri_entry *at = first_of(rows, bucket_of(rows, hash_of_pid(rows, id, serial)));

    while (at != NULL && !(at->id == id && at->serial == serial)) {
        at = npri_rows_after(rows, at);
    }
    return at;
}

struct npri_entry *npri_rows_any(const struct npri_rows *rows, size_t *hint)
{
    if (rows->count == 0) {
        return NULL;
    }
    /* A row that has become shorter has put what is left before `*hint`. */
    while (*hint >= buckets_count(rows) || first_of(rows, *hint) == NULL) {
        *hint = *hint >= buckets_count(rows) ? 0 : *hint + 1;
    }
    return first_of(rows, *hint);
}

struct npri_entry *npri_rows_next(const struct npri_rows *rows, const struct npri_entry *entry)
{
    const size_t count = buckets_count(rows);
    size_t bucket = 0;

    if (entry != NULL) {
        struct npri_entry *next = npri_rows_after(rows, entry);

        if (next != NULL) {
            return next;
        }
        bucket = bucket_of(rows, hash_of(rows, entry)) + 1;
    }
    while (bucket < count && first_of(rows, bucket) == NULL) {
        bucket++;
    }
    return bucket < count ? first_of(rows, bucket) : NULL;
}

/* ---- Other threads.
 *
 * All loads are acquire.  Each pairs with the release that stored what it loads: so what is behind
 * a link is whole, and the next load sees at least what was stored before that link, `changes`
 * among it. */

/* NULL: none, or the row is becoming shorter. */
static const struct npri_entry *see_first(const struct npri_rows *rows, uint64_t hash)
{
    const size_t count = atomic_load_explicit(&rows->buckets_count, memory_order_acquire);
    const size_t bucket = bucket_among(count, hash);
    const unsigned segment = segment_of(bucket);
    struct npri_segment *at = atomic_load_explicit(&rows->segments[segment], memory_order_acquire);

    return at == NULL ? NULL
                      : atomic_load_explicit(&at->buckets[bucket - segment_start(segment)],
                                             memory_order_acquire);
}

enum npri_sight npri_rows_see_key(const struct npri_rows *rows,
                                  struct npr_bytes key,
                                  const struct npri_entry **out)
{
    const uint64_t hash = hash_of_key(rows, key);

    for (unsigned i = 0; i < TRIES_MAX; i++) {
        const size_t changes = atomic_load_explicit(&rows->changes, memory_order_acquire);

        for (const struct npri_entry *at = see_first(rows, hash); at != NULL;
             at = atomic_load_explicit(&at->next[NPRI_ROWS_BY_KEY], memory_order_acquire)) {
            if (npri_bytes_equal(npri_entry_key(at), key)) {
                *out = at;
                return NPRI_SIGHT_THERE;
            }
        }
        if (changes % 2 == 0 &&
            atomic_load_explicit(&rows->changes, memory_order_acquire) == changes) {
            return NPRI_SIGHT_NOTHING;
        }
    }
    return NPRI_SIGHT_UNCLEAR;
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
    const size_t count = buckets_count(rows);
    const size_t half = (size_t)1 << highest_bit(count);
    const size_t bucket = bucket_of(rows, backwards(*cursor));
    const bool split = bucket < count - half || bucket >= half;
    /* The width of the bucket's range: 2^64 by the number of buckets that are as full. */
    const uint64_t width = (UINT64_MAX / half + 1) / (split ? 2 : 1);
    const uint64_t start = *cursor & ~(width - 1);

    *out_whole = *cursor == start;
    *cursor = start + width; /* 0 after the last one */
    return first_of(rows, bucket);
}

uint64_t npri_rows_place(const struct npri_rows *rows, struct npr_bytes key)
{
    return backwards(hash_of_key(rows, key));
}
