/* core/directory.h - the entries that this node holds: key -> pid, and back.  Pure.
 *
 *     key  --> entry      one entry per key
 *     pid  --> entries    so that a death removes exactly its own entries
 *     node --> its pids   a home for each incarnation of a node, so that its end walks no others
 *
 * Every change is made on the thread that steps the core, but any thread may read (core/rows.h):
 * so entries and homes are retired when they go (core/retired.h), and what readers look at in them
 * never changes, the token apart.
 *
 * An entry is one block of memory with its key in it, and places in two rows of buckets: 52 bytes
 * and the key, 16 in the row by key and 8 in that by pid, up to twice that when many have gone.  A
 * pid is two numbers in a home: its term is written when it is wanted.  The few entries that are
 * restarted (core/restart.h) have a pointer more.
 *
 * Invariants (npri_directory_check):
 *     D1  every entry is found under its key, and among its home's by its pid; there are no others;
 *     D2  a process is monitored exactly while it has an entry: MONITOR when its first one comes,
 *         unless it is told as monitored already, DEMONITOR when its last one goes for another
 *         reason than its death;
 *     D3  a home has at least one entry, and only those of its own node and incarnation.
 *
 * Keys and pids are hashed with the core's key, since peers choose both.  Entries are bounded by
 * memory only: they are the product. */
#ifndef NPRI_CORE_DIRECTORY_H
#define NPRI_CORE_DIRECTORY_H

#include "nprocreg/watch.h"

#include "base/limits.h"
#include "base/map.h"
#include "core/effects.h"
#include "core/rows.h"

struct npri_restart;

/* The pids of one incarnation of a node. */
struct npri_home {
    union {
        struct npri_map_node node; /* by `name`: the creation's four bytes, then the node's name */
        struct npri_retired retired; /* afterwards */
    };
    struct npri_rows entries; /* by pid */
    size_t name_size;
    uint8_t name[];
};

struct npri_entry {
    union {
        struct npri_entry *pid_previous; /* in the chain by pid; NULL: the first */
        struct npri_retired retired;     /* once it is in none */
    };
    _Atomic(struct npri_entry *) next[2]; /* enum npri_rows_by; release (core/rows.h) */
    struct npri_home *home;
    /* Of this activation of the key; 0: unknown.  relaxed: it says the same as the entry that it is
     * in, of which it is a part; nothing else is published by it. */
    atomic_uint_fast64_t token;
    uint32_t id; /* the pid's */
    uint32_t serial;
    uint32_t key_size : 24;
    uint32_t supervised : 1; /* there is room for a restart record behind the key */
    uint8_t key[];           /* in normal form */
};

_Static_assert(NPRI_KEY_BYTES_MAX < 1u << 24, "the size of a key fits");

static inline uint64_t npri_entry_token(const struct npri_entry *entry)
{
    return atomic_load_explicit(&entry->token, memory_order_relaxed);
}

static inline struct npr_bytes npri_entry_key(const struct npri_entry *entry)
{
    return npri_bytes(entry->key, entry->key_size);
}

struct npri_directory {
    struct npri_rows entries; /* by key */
    struct npri_map homes;
    struct npri_retiring retiring;
    size_t processes_count; /* that have entries */
    struct npri_effects *effects;
    struct npr_node_name self;
    uint32_t creation;     /* of this incarnation of ours */
    struct npri_home *own; /* its home; NULL: it has no entries */
    uint8_t *scratch;      /* a pid's term */

    /* Told of every change of an entry, unless NULL: what lives under the key now, or NULL, the pid
     * that did, and why nothing does.  Borrowed for the call, which must not change the directory.
     */
    void (*on_entry)(void *user,
                     struct npr_bytes key,
                     const struct npri_activation *living,
                     struct npr_term was,
                     enum npr_gone gone);
    void *user;
};

/* False when out of memory. */
bool npri_directory_init(struct npri_directory *directory,
                         struct npri_effects *effects,
                         const struct npri_core_options *options);
void npri_directory_fini(struct npri_directory *directory);

/* What lives under `key` (in normal form), valid until the next call; false: nothing. */
bool npri_directory_find(const struct npri_directory *directory,
                         struct npr_bytes key,
                         struct npri_activation *out);

/* The same from any other thread (core/rows.h); `key` may be in any form, but only in normal form
 * is it found.  THERE: `*out_pid` and `*out_token`. */
enum npri_sight npri_directory_see(const struct npri_directory *directory,
                                   struct npr_bytes key,
                                   struct npr_pid *out_pid,
                                   uint64_t *out_token);

/* The pid of an entry, valid until the next call. */
struct npr_term npri_directory_pid(const struct npri_directory *directory,
                                   const struct npri_entry *entry);

/* Walks the entries: the one after `entry`, the first one after NULL, NULL at the end.  Nothing may
 * change meanwhile. */
const struct npri_entry *npri_directory_next(const struct npri_directory *directory,
                                             const struct npri_entry *entry);

/* Walks the entries in the order of npri_rows_step(), as far as `budget` goes: each one looked at
 * costs 1 and some for a long key, an empty bucket 1, too.  `visit` may end the walk, which then
 * stops behind the bucket that it is in.  `*cursor` as npri_rows_step() has it; nothing may change
 * meanwhile. */
void npri_directory_walk(const struct npri_directory *directory,
                         uint64_t *cursor,
                         uint32_t budget,
                         bool (*visit)(void *user, const struct npri_entry *entry),
                         void *user);

/* The same for those of one process: any pid, and the entry after `entry`. */
const struct npri_entry *npri_directory_next_of(const struct npri_directory *directory,
                                                struct npr_term pid,
                                                const struct npri_entry *entry);

/* Puts key -> pid over any other entry of that key.  `key` is in normal form and copied.  The same
 * pid under the same key changes nothing but the token, if the new one is higher.  `restart`, which
 * may be NULL, is taken over with NPR_OK.  NPR_OK or NPR_ENOMEM (nothing changed). */
NPR_NODISCARD npr_status npri_directory_put(struct npri_directory *directory,
                                            struct npr_bytes key,
                                            const struct npri_activation *activation,
                                            struct npri_restart *restart);

/* The same for a process of this node and incarnation that is monitored already, under a key that
 * has no entry.  NPR_OK, NPR_EREFUSED (it has one) or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_directory_add_own(struct npri_directory *directory,
                                                struct npr_bytes key,
                                                uint32_t id,
                                                uint32_t serial,
                                                uint64_t token);

/* False: there was none. */
bool npri_directory_remove(struct npri_directory *directory, struct npr_bytes key);

/* Whether the entry of `key` is there and restarted when its process ends. */
bool npri_directory_supervises(const struct npri_directory *directory, struct npr_bytes key);

/* The process of that pid died, `gone`: takes its entries out, one at a time; NULL: no more.  The
 * caller disposes of them; `home` and the links are nothing any more. */
struct npri_entry *npri_directory_take(struct npri_directory *directory,
                                       struct npr_term pid,
                                       enum npr_gone gone);
struct npri_restart *npri_entry_take_restart(struct npri_entry *entry); /* or NULL */
void npri_directory_dispose(struct npri_directory *directory, struct npri_entry *entry);

/* The node is gone, and with it all its processes.  Returns how many entries went. */
size_t npri_directory_on_node_down(struct npri_directory *directory,
                                   const struct npr_node_name *node);

void npri_directory_check(const struct npri_directory *directory);

#endif /* NPRI_CORE_DIRECTORY_H */
