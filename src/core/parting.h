/* core/parting.h - the graph of who sees whom, as it is known here, and parting it.  Pure.
 *
 * core/links.h gathers the lists; all nodes have the same ones when it parts, and so part it alike.
 */
#ifndef NPRI_CORE_PARTING_H
#define NPRI_CORE_PARTING_H

#include "nprocreg/types.h"

#include "base/map.h"

struct npri_core;
struct npri_peer;

/* What an origin sees, as identities of nodes that do not drain, in order. */
struct npri_links_list {
    struct npri_map_node node; /* by `name` */
    struct npr_node_name name;
    uint64_t id;
    uint64_t serial;
    uint32_t count;
    uint64_t ids[];
};

/* Of a node, as lists have it. */
uint64_t npri_link_id(const struct npri_core *core, const struct npri_peer *peer);

/* Of two ids, as npri_sort() wants it; and whether `id` is among sorted ones. */
int npri_link_compare_ids(const void *a, const void *b);
bool npri_link_find(const uint64_t *ids, uint32_t count, uint64_t id);

/* The graph is parted into cliques: the one that this node is of becomes its view.  False when out
 * of memory. */
bool npri_part(struct npri_core *core);

#endif /* NPRI_CORE_PARTING_H */
