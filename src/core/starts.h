/* core/starts.h - the starts that are in flight, one per key: found, made, waited for, and ended
 * for those who wait.  How one goes is core/start.h.  Pure. */
#ifndef NPRI_CORE_STARTS_H
#define NPRI_CORE_STARTS_H

#include "base/map.h"
#include "core/drain.h"
#include "core/lookup.h"
#include "core/operations.h"

struct npri_request;
struct npri_restart;

struct npri_start {
    struct npri_map_node node; /* by `key` */
    struct npri_shared *key;
    struct npri_shared *function;
    struct npri_shared *caller;
    uint64_t deadline_ns;         /* of the request that began it */
    uint64_t token;               /* of the activation that it makes; meaningful once STARTING */
    struct npri_restart *restart; /* NULL unless this is a restart */
    bool overtaken;               /* an entry was put under the key meanwhile */
    struct npri_shared *state;    /* what its predecessor has handed over, or NULL; */
    struct npri_taking taking;    /* and who has, to be told what comes of it */
    struct npri_link waiting;
    struct npri_link looks; /* linked while LOOKING */
    struct npri_lookup lookup;
    struct npri_operation *operation; /* NULL while LOOKING */
    bool grabbed;                     /* a thread of the program does it (core/grant.h) */
    struct npri_timer timer;
};

struct npri_start *npri_start_find(const struct npri_core *core, const struct npri_shared *key);

/* Whether a process is being started for the key, here and now: no look around any more. */
bool npri_start_is_under_way(const struct npri_core *core, struct npr_bytes key);

/* Of the activation that is under way; 0: none is. */
uint64_t npri_start_token(const struct npri_core *core, struct npr_bytes key);

/* The restart that is in flight for a key in normal form, or NULL. */
struct npri_start *npri_start_restarting(const struct npri_core *core, struct npr_bytes key);

/* `request` waits for the one that is in flight. */
void npri_start_wait(struct npri_core *core, struct npri_request *request);

/* Its key is marked from now on (core/grant.h).  Holds the three; NULL: no memory. */
struct npri_start *npri_start_create(struct npri_core *core,
                                     struct npri_shared *key,
                                     struct npri_shared *function,
                                     struct npri_shared *caller);

/* ---- Each ends it. */

/* Nobody waits. */
void npri_start_end(struct npri_core *core, struct npri_start *start);

/* Who has waited is in `waiting`. */
void npri_start_end_into(struct npri_core *core,
                         struct npri_start *start,
                         struct npri_link *waiting);

/* Each finds its way anew: the key may be another node's by now. */
void npri_start_end_routed(struct npri_core *core, struct npri_start *start);

/* Some node could not say whether it has it: soon again. */
void npri_start_end_held(struct npri_core *core, struct npri_start *start);

/* `started`: by this start, else it was there already. */
void npri_start_end_with_pid(struct npri_core *core,
                             struct npri_start *start,
                             const struct npri_activation *activation,
                             bool started);

void npri_start_end_failed(struct npri_core *core,
                           struct npri_start *start,
                           npr_status status,
                           struct npr_bytes text);

/* The same, also of a restart: that is not tried again. */
void npri_start_give_up(struct npri_core *core,
                        struct npri_start *start,
                        npr_status status,
                        struct npr_bytes text);

void npri_starts_check(const struct npri_core *core);

/* Frees all; nobody waits any more. */
void npri_starts_fini(struct npri_core *core);

#endif /* NPRI_CORE_STARTS_H */
