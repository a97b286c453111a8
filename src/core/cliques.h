/* core/cliques.h - a graph parted into cliques, the same way wherever it is done.  Pure.
 *
 * Repeatedly: of the nodes that are left, the one with the most links to others that are left (of
 * several, the first), and then in the same order each that has links to all taken so far. */
#ifndef NPRI_CORE_CLIQUES_H
#define NPRI_CORE_CLIQUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nodes 0 .. count-1, in the order of their names, and which of them are linked. */
struct npri_graph {
    uint32_t count;
    size_t words;   /* of a row */
    uint64_t *rows; /* of bits; symmetric, nobody is linked to itself */
};

/* No links.  False when out of memory. */
bool npri_graph_init(struct npri_graph *graph, uint32_t count);
void npri_graph_fini(struct npri_graph *graph);

void npri_graph_link(struct npri_graph *graph, uint32_t a, uint32_t b);
bool npri_graph_linked(const struct npri_graph *graph, uint32_t a, uint32_t b);

/* `out_parts[i]`: the first node of the clique that node i is in.  False when out of memory. */
bool npri_cliques(const struct npri_graph *graph, uint32_t *out_parts);

#endif /* NPRI_CORE_CLIQUES_H */
