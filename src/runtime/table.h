/* runtime/table.h - the live processes of a node, by pid.
 *
 * A hash table in shards, each under its own lock.  A signal is pushed under the lock of its
 * receiver's shard, and a process leaves under it too: whoever finds a process here may push to it,
 * and once it has left nobody pushes any more.  So nothing is counted and nothing is freed late.
 *
 * The locks are taken last of all (after that of the names) and nothing but the allocator is called
 * under them. */
#ifndef NPRI_RUNTIME_TABLE_H
#define NPRI_RUNTIME_TABLE_H

#include <pthread.h>

#include "runtime/runtime.h"

#define NPRI_TABLE_SHARDS 64u /* a power of two: ids are dealt out in turn */

struct npr_process;

struct npri_table_shard {
    pthread_mutex_t mutex;
    struct npr_process **buckets;
    uint32_t mask; /* buckets - 1 */
    uint32_t count;
    uint32_t hidden;   /* of them, those that are gone or only forward */
    bool closed;       /* takes no more processes */
    uint64_t added;    /* processes that it has ever had */
    uint8_t apart[64]; /* keeps the next one's lock off this cache line */
};

struct npri_table {
    struct npri_table_shard shards[NPRI_TABLE_SHARDS];
};

/* A zeroed table becomes an empty one.  False: no memory; fini() it all the same. */
bool npri_table_init(struct npri_table *table);
void npri_table_fini(struct npri_table *table); /* empty, or zeroed */

/* False: closed. */
bool npri_table_add(struct npri_table *table, struct npr_process *process);

/* It is dead: nobody finds it any more.  One that is registered stays `gone` until it is forgotten:
 * npri_table_watch() tells so, and links and monitors that come are answered with its other last
 * words.  One that `forwards` stays until it is removed once more. */
void npri_table_remove(struct npri_table *table, struct npr_process *process, bool forwards);
void npri_table_forget(struct npri_table *table, struct npr_process *process);

/* It only forwards from now on: signals still reach it, and nothing else finds it. */
void npri_table_forward(struct npri_table *table, struct npr_process *process);

/* The same if nothing is in its mailbox; its worker only.  False: something is. */
bool npri_table_leave(struct npri_table *table, struct npr_process *process);

bool npri_table_has(struct npri_table *table, struct npri_local local);
size_t npri_table_count(struct npri_table *table);

enum npri_push {
    NPRI_PUSH_NOBODY, /* no such process; the caller still owns the signal */
    NPRI_PUSH_DONE,
    NPRI_PUSH_OPENS,   /* done; after this PLAIN the process would take a BATCH */
    NPRI_PUSH_REFUSED, /* a full mailbox, whose policy is to fail calls; it is still the caller's */
    NPRI_PUSH_DROPPED, /* a full mailbox; it is still the caller's */
};

/* Gives `signal` to a process.  `remote`: it may make a relation to another node.  `*out_wake` is
 * the process if the caller must put it in a run queue, else NULL. */
enum npri_push npri_table_push(struct npri_table *table,
                               struct npri_local local,
                               struct npri_signal *signal,
                               bool remote,
                               struct npr_process **out_wake);

/* Calls `visit`, which takes no lock, under the lock of one shard: for the process of that id, or
 * for all.  `before`, unless NULL, is called first, with how many there are; false: none is
 * visited. */
struct npri_table_visit {
    bool (*before)(void *user, uint32_t count);
    void (*visit)(void *user, struct npr_process *process);
    void *user;
};
void npri_table_visit_shard(struct npri_table *table,
                            unsigned shard,
                            const struct npri_table_visit *visit);
/* False: there is none. */
bool npri_table_visit_one(struct npri_table *table,
                          struct npri_local local,
                          const struct npri_table_visit *visit);

/* Notes that the process has a name.  False: there is no such process. */
bool npri_table_set_named(struct npri_table *table, struct npri_local local);

/* Sets whether it is registered. */
enum npri_watch npri_table_watch(struct npri_table *table,
                                 struct npri_local local,
                                 bool registered);

/* Takes no more processes from now on, and pokes each one; `wake` is called for those that the
 * caller must put in a run queue.  Returns how many there have ever been. */
uint64_t npri_table_close(struct npri_table *table,
                          void (*wake)(void *user, struct npr_process *process),
                          void *user);

/* Gives a copy of `draft` to each registered process of a shard; `wake` as above.  False: no
 * memory, some did not get it. */
bool npri_table_tell_registered(struct npri_table *table,
                                unsigned shard,
                                const struct npri_signal *draft,
                                void (*wake)(void *user, struct npr_process *process),
                                void *user);

/* Gives a copy of `draft` to each process that may have relations to other nodes; `wake` as above.
 * False: no memory, some did not get it. */
bool npri_table_tell_remote(struct npri_table *table,
                            const struct npri_signal *draft,
                            void (*wake)(void *user, struct npr_process *process),
                            void *user);

#endif /* NPRI_RUNTIME_TABLE_H */
