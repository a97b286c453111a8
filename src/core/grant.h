/* core/grant.h - what other threads may act upon without asking the core.  Pure.
 *
 *      operation                                 | thread
 *      ------------------------------------------+----------------------------------------------
 *      npri_core_answers_until_ns(), _grant()    | any, between npri_readers_enter() and
 *      and npri_core_draw()                      | npri_readers_leave()
 *      everything else                           | the one that steps the core
 *
 * ANSWERS   until when this node's own entries are good for an answer: beyond that time it may have
 *           slept through its beats, and others have what it held (core/beats.h).
 * GRANT     this node is the settled owner of keys, by this placement: it may start those that have
 *           no entry, and nobody but this node may.  A grant is taken back when anything of that
 *           changes; who acts upon one that was taken back meanwhile is waited for by the fence
 *           (NPRI_EFFECT_FENCE), and what he has begun is a start in flight before it is told as
 *           passed.
 * MARKS     keys for which there is something else than an entry: a start or restart in flight, a
 *           lead, a claim that is being decided.  They are counted by a hash: a key that has a mark
 *           of another is left to the core, too.
 *
 * Who starts a key by itself notes that where the core finds it (struct npri_core_grabs), under a
 * lock of his: first he takes the lock, then he looks for entry and mark, then he notes it.  The
 * core first marks the key, then looks for such a note, under the same lock.  So one of the two
 * sees the other.
 *
 * What has come of it becomes an entry at once when the core has met nothing of the key meanwhile
 * (GRAB_LIVES), as nearly always; else it is a start in flight first, and that decides. */
#ifndef NPRI_CORE_GRANT_H
#define NPRI_CORE_GRANT_H

#include <stdatomic.h>

#include "core/core.h"

#define NPRI_MARKS (1u << 17)

struct npri_mark {
    _Atomic uint16_t count; /* orders: npri_mark_raise(), npri_mark_lower() */
};

struct npri_grants {
    /* Read by any thread: acquire, where nothing else is said. */
    atomic_uint_fast64_t answers_until_ns;
    _Atomic(struct npri_grant *) current; /* release: what is in it */
    struct npri_mark *marks;              /* NULL: nobody reads */
    atomic_uint_fast64_t voids; /* how often leads became void; orders: npri_core_draw() */
    /* The core's. */
    struct npri_retiring *retiring;
    uint64_t known_due_ns; /* for which answers_until_ns was reckoned, */
    uint64_t known_epoch;  /* and in which epoch */
};

/* False when out of memory. */
bool npri_grants_init(struct npri_core *core);
void npri_grants_fini(struct npri_core *core);

/* The end of every step: gives or takes back. */
void npri_grants_flush(struct npri_core *core);

/* Leads are void, and their marks will go, without an epoch of ours that ends: nobody waits for who
 * has read the grant before.  It gives no leave any more, from before the first mark goes. */
void npri_grants_on_void(struct npri_core *core);

/* NPRI_EVENT_GRAB_LIVES.  NPR_OK; NPR_EREFUSED: the core has something else for the key, or a view
 * that has not heard of it; NPR_ENOMEM.  Only with NPR_OK something has changed. */
NPR_NODISCARD npr_status npri_grants_on_lives(struct npri_core *core,
                                              const struct npri_core_event *event);

/* Each raise has its lower: by the key, or by what the raise returned. */
uint32_t npri_mark_raise(struct npri_core *core, struct npr_bytes key);
void npri_mark_lower(struct npri_core *core, struct npr_bytes key);
void npri_mark_lower_at(struct npri_core *core, uint32_t mark);

#endif /* NPRI_CORE_GRANT_H */
