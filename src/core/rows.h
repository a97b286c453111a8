/* core/rows.h - a hash table of entries by one of their two names, as bare as can be: a million
 * entries are in two of them.  Pure.
 *
 * Chains in a row of buckets that grows and shrinks by a few buckets at a time (linear hashing):
 * the entries of the bucket whose turn it is are dealt out to it and the new last one.  So no
 * change takes long, however many entries there are.  Without memory for a longer row it keeps the
 * one that it has, and becomes slower, never wrong.  Hashes are not kept: what has to be read to
 * use them costs more than they do.
 *
 *     half <= buckets_count < 2 * half, a power of two: buckets from buckets_count - half to half
 *     are yet to be dealt out, and still have what belongs half further
 *
 * The row is in segments, each as long as all before it: buckets never move.
 *
 * A key has one entry, a pid may have all of them: so chains by pid can be left in the middle at
 * once (entry->pid_previous), and a process with very many keys costs no more than others.
 *
 *      operation                 | thread
 *      --------------------------+---------------------------------------------------------------
 *      npri_rows_see_key()       | any, while who frees the retired memory waits for it
 *      everything else           | the one that steps the core; there are no locks
 *
 * A reader follows links that are stored with release and loaded with acquire, so it sees whole
 * entries only.  What it finds was there at some moment of its search.  That it finds nothing
 * counts only if nothing was moved or taken out meanwhile, for then it may have been led past the
 * entry: `changes` tells, which is odd while that goes on, and another number afterwards.  Then it
 * searches again.  New entries are put in front and mislead nobody. */
#ifndef NPRI_CORE_ROWS_H
#define NPRI_CORE_ROWS_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/core.h"

struct npri_entry;
struct npri_segment;

/* Which of an entry's names and links a table goes by. */
enum npri_rows_by {
    NPRI_ROWS_BY_KEY,
    NPRI_ROWS_BY_PID, /* within a home: id and serial */
};

/* 8 buckets, 8, 16, 32, ... */
#define NPRI_ROWS_SEGMENTS 40u

struct npri_rows {
    /* Constant, but for the segments.  Written by the core, with release; readers acquire. */
    struct npri_hash_key hash_key;
    enum npri_rows_by by;
    struct npri_retiring *retiring;
    _Atomic(struct npri_segment *) segments[NPRI_ROWS_SEGMENTS];
    /* What readers look at each time, written when the row becomes longer or shorter, and with each
     * removal: so it has a line of memory of its own. */
    uint8_t apart[64];
    atomic_size_t buckets_count;
    atomic_size_t changes;
    uint8_t apart_too[64];
    /* The core's. */
    size_t count;
    unsigned segments_count;
};

/* False when out of memory.  `retiring` gets what other threads may still read; NULL: none do. */
bool npri_rows_init(struct npri_rows *rows,
                    enum npri_rows_by by,
                    struct npri_hash_key hash_key,
                    struct npri_retiring *retiring);

/* The entries are the caller's, and there are no readers.  A zeroed table is fine. */
void npri_rows_fini(struct npri_rows *rows);

void npri_rows_insert(struct npri_rows *rows, struct npri_entry *entry);
void npri_rows_remove(struct npri_rows *rows, struct npri_entry *entry); /* it is in there */

/* NULL: there is none.  Of several of one pid, the newest. */
struct npri_entry *npri_rows_find_key(const struct npri_rows *rows, struct npr_bytes key);
struct npri_entry *npri_rows_find_pid(const struct npri_rows *rows, uint32_t id, uint32_t serial);

/* Soon something with that hash is looked for: what is asked for now is not waited for then. */
void npri_rows_expect(const struct npri_rows *rows, uint64_t hash);

/* The same for other threads, of a table by key.  UNCLEAR: it changed each time that it was looked
 * through. */
enum npri_sight npri_rows_see_key(const struct npri_rows *rows,
                                  struct npr_bytes key,
                                  const struct npri_entry **out);

/* Of a table by key: walks it a bucket at a time while it may change in between.  `*cursor` is 0
 * for the first step, and 0 again after the last one.  Returns the chain of this step; unless
 * `*out_whole`, only those of its entries count whose npri_rows_place() is not below what `*cursor`
 * was.  An entry that is there all the time comes exactly once: buckets are split and joined, but
 * their entries keep the order of their places. */
struct npri_entry *npri_rows_step(const struct npri_rows *rows, uint64_t *cursor, bool *out_whole);

/* Where a key comes in that order: below `*cursor`, and its entry has had its turn. */
uint64_t npri_rows_place(const struct npri_rows *rows, struct npr_bytes key);

/* Some entry; NULL: there are none.  `*hint` is 0 first and then as it was left: so emptying a
 * table takes time in proportion to it. */
struct npri_entry *npri_rows_any(const struct npri_rows *rows, size_t *hint);

/* The next one of a chain, which npri_rows_find_pid() and npri_rows_step() begin. */
struct npri_entry *npri_rows_after(const struct npri_rows *rows, const struct npri_entry *entry);

/* The entry after `entry`, the first one after NULL; NULL: there are no more.  In the order of
 * their hashes, and so the same on every run with the same hash key. */
struct npri_entry *npri_rows_next(const struct npri_rows *rows, const struct npri_entry *entry);

#endif /* NPRI_CORE_ROWS_H */
