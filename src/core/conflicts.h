/* core/conflicts.h - keys that live twice: which process keeps the key, and a journal of it.  Pure.
 *
 * Both sides of a partition may start a process for the same key.  When they meet, one node hears
 * of both, the key's owner: as its own entry and a peer's, or as two peers'.  The higher token
 * keeps the key, then the greater name of the host.  The owner tells the loser's host, which drops
 * its entry and says so to its program (NPRI_EFFECT_CONFLICT); both write it into their journals.
 *
 * The same pid on two hosts is no conflict: the host that told last is to drop its entry.  Of keys
 * that an original node owns nothing is decided. */
#ifndef NPRI_CORE_CONFLICTS_H
#define NPRI_CORE_CONFLICTS_H

#include "core/core.h"

struct npri_peer;

/* One of the journal. */
struct npri_conflict {
    uint64_t time_us; /* since 1970 */
    uint64_t loser_token;
    uint64_t winner_token;
    bool here; /* the loser was this node's */
    uint32_t loser_size;
    uint32_t winner_size;
    uint32_t key_size;
    uint8_t bytes[]; /* the loser's pid, the winner's, the key as text, which may be cut */
};

struct npri_conflicts {
    struct npri_conflict **ring; /* NULL: there were none */
    uint32_t next;
    uint32_t count;
    uint64_t total; /* also of those that are forgotten, or found no memory */
};

void npri_conflicts_fini(struct npri_core *core);

/* `peer` tells that `living` is under `key`.  True: it is not to be taken, since another process
 * keeps the key. */
bool npri_conflict_on_entry(struct npri_core *core,
                            struct npri_peer *peer,
                            struct npr_bytes key,
                            const struct npri_activation *living);

/* Messages of the key's owner, {conflict, Key, LoserPid, LoserToken, WinnerPid, WinnerToken} and
 * {drop, Key, Pid}: false when they are none. */
bool npri_conflict_on_told(struct npri_core *core,
                           struct npri_peer *peer,
                           const struct npr_term *elements);
bool npri_conflict_on_told_drop(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements);

/* Tells the host of an entry that it is to go.  False: no memory. */
bool npri_tell_drop(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid);

#endif /* NPRI_CORE_CONFLICTS_H */
