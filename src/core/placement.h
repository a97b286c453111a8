/* core/placement.h - which node a key hashes to.  Pure.
 *
 * The original's rule, bit for bit: MD5(term_to_binary(Key)) as a 128-bit big-endian number, modulo
 * the number of nodes, into the nodes in Erlang's order of atoms. */
#ifndef NPRI_CORE_PLACEMENT_H
#define NPRI_CORE_PLACEMENT_H

#include "nprocreg/types.h"

/* `nodes_count` > 0.  Returns the 0-based index. */
uint32_t npri_placement_index(const uint8_t digest[16], uint32_t nodes_count);

/* Erlang's order of atoms: by code points. */
int npri_placement_compare(const struct npr_node_name *a, const struct npr_node_name *b);

#endif /* NPRI_CORE_PLACEMENT_H */
