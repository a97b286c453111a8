/* node/grab.h - one key that is being started in the caller's thread, as grabs.c (the callers') and
 * grabs_loop.c (the loop thread's side) share it. */
#ifndef NPRI_NODE_GRAB_H
#define NPRI_NODE_GRAB_H

#include "base/assert.h"
#include "node/exports.h"
#include "node/grabs.h"
#include "node/launch.h"

/* For key and function; what is longer gets memory of its own. */
#define NPRI_GRAB_ROOM 192u

enum npri_grab_state {
    NPRI_GRAB_STARTING,
    NPRI_GRAB_LIVES,
    NPRI_GRAB_FAILED,
};

struct npri_grab {
    /* Constant once it is noted. */
    struct npr_node *node;
    const struct npr_behaviour *behaviour;
    const char *name; /* of the function, for texts */
    uint64_t key_hash;
    uint64_t token;
    uint64_t unwatched; /* node->registry.unwatched, before the process was made */
    uint32_t key_size;
    uint32_t function_size;
    bool is_spare_size; /* of NPRI_GRAB_ROOM */
    bool at_once; /* it has no init: who makes the process ends its start, and waits for none */
    bool is_restarted; /* when it ends */
    /* Under the lock of its shard. */
    struct npri_grab *next; /* in the shard, or of the spares */
    unsigned holders;       /* the table, and who waits; the last one frees it */
    enum npri_grab_state state;
    uint32_t id; /* LIVES: the pid's */
    uint32_t serial;
    struct npri_grab *ended_next; /* who pushes it, then the loop thread */
    /* The loop thread's, though others free them. */
    uint64_t operation;       /* the core's; 0: it does not know of it yet */
    struct npri_signal *kill; /* as in struct npri_registry */
    /* What is seldom needed is last, and not touched else. */
    struct npr_error error; /* FAILED */
    char own_name[NPRI_EXPORT_NAME_BYTES];
    uint8_t bytes[]; /* key, function */
};

static inline struct npr_bytes npri_grab_key(const struct npri_grab *grab)
{
    return npri_bytes(grab->bytes, grab->key_size);
}

static inline struct npr_term npri_grab_function(const struct npri_grab *grab)
{
    return (struct npr_term){.data = grab->bytes + grab->key_size, .size = grab->function_size};
}

/* LIVES. */
struct npr_pid npri_grab_pid(const struct npri_grab *grab);

struct npri_grabs_shard *npri_grabs_shard_of(struct npr_node *node, uint64_t key_hash);

/* Under the shard's lock. */
struct npri_grab *npri_grabs_find(const struct npri_grabs_shard *shard, struct npr_bytes key);
void npri_grab_release(struct npri_grab *grab);

/* Nobody holds them any more, linked by `next`: kept as spares, or freed.  Any thread. */
void npri_grabs_give_back(struct npri_grabs *grabs, struct npri_grab *first);

static inline void npri_grabs_lock(struct npri_grabs_shard *shard)
{
    NPRI_ASSERT(pthread_mutex_lock(&shard->lock) == 0);
}

static inline void npri_grabs_unlock(struct npri_grabs_shard *shard)
{
    NPRI_ASSERT(pthread_mutex_unlock(&shard->lock) == 0);
}

/* ---- grabs_loop.c. */

NPR_NODISCARD npr_status npri_grabs_loop_start(struct npr_node *node);
void npri_grabs_loop_fini(struct npr_node *node);

/* It lives, or will not: for the loop thread, once.  Any thread, under the shard's lock: who sees
 * what came of it knows that the core hears of that before it hears of anything that he asks it. */
void npri_grabs_push(struct npri_grab *grab);

#endif /* NPRI_NODE_GRAB_H */
