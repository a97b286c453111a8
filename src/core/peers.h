/* core/peers.h - the table of peers: found, made, forgotten.  Pure.
 *
 * Invariants (npri_members_check):
 *     M1  the view is in order, without duplicates, and has exactly the peers with `in_view`; the
 *         ring is the view without those that drain;
 *     M2  in the view implies seen, seen implies connected or self; a suspect and every operation
 *         has a connected peer;
 *     M3  settling_count is the number of peers with `settling`; named_count that of peers which
 * are neither connected nor to be joined. */
#ifndef NPRI_CORE_PEERS_H
#define NPRI_CORE_PEERS_H

#include "core/members.h"

/* False when out of memory. */
bool npri_members_init(struct npri_core *core);
void npri_members_fini(struct npri_core *core);

void npri_members_check(const struct npri_core *core);

struct npri_peer *npri_member_find(const struct npri_core *core, const struct npr_node_name *name);

/* NULL with *out_memory false: `name` is ignored, with a line in the log.  `named`: that it was
 * heard of is all that is known of it. */
struct npri_peer *npri_peer_find_or_create(struct npri_core *core,
                                           const struct npr_node_name *name,
                                           bool named,
                                           bool *out_memory);

/* To be called whenever `connected` or `join` has changed. */
void npri_peer_count_named(struct npri_members *members, struct npri_peer *peer);

/* Forgets a peer that nothing holds any more. */
void npri_member_forget_unused(struct npri_core *core, struct npri_peer *peer);

#endif /* NPRI_CORE_PEERS_H */
