/* core/placement.h - which node a key hashes to.  Pure.
 *
 * Placement `original` is the original's rule, bit for bit: MD5(term_to_binary(Key)) as a 128-bit
 * big-endian number, modulo the number of nodes, into the nodes in Erlang's order of atoms.
 *
 * Placement `rendezvous` gives each node a number for each key, mixed of both, and the key to the
 * node with the highest: only the keys of a node that comes or goes move. */
#ifndef NPRI_CORE_PLACEMENT_H
#define NPRI_CORE_PLACEMENT_H

#include "nprocreg/types.h"

/* `nodes_count` > 0.  Returns the 0-based index. */
uint32_t npri_placement_index(const uint8_t digest[16], uint32_t nodes_count);

/* Rendezvous: the number of a key for a node whose name has the hash `name_hash`. */
uint64_t npri_placement_mix(const uint8_t digest[16], uint64_t name_hash);

/* Erlang's order of atoms: by code points. */
int npri_placement_compare(const struct npr_node_name *a, const struct npr_node_name *b);

#endif /* NPRI_CORE_PLACEMENT_H */
