#include "core/cliques.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define WORD_BITS 64u

bool npri_graph_init(struct npri_graph *graph, uint32_t count)
{
    graph->count = count;
    graph->words = (count + WORD_BITS - 1) / WORD_BITS;
    graph->rows = npri_alloc_zeroed(count == 0 ? 1 : count, graph->words * sizeof(uint64_t) + 1);
    return graph->rows != NULL;
}

void npri_graph_fini(struct npri_graph *graph)
{
    npri_free(graph->rows);
    graph->rows = NULL;
}

static void set_bit(uint64_t *row, uint32_t at)
{
    row[at / WORD_BITS] |= UINT64_C(1) << at % WORD_BITS;
}

static void clear_bit(uint64_t *row, uint32_t at)
{
    row[at / WORD_BITS] &= ~(UINT64_C(1) << at % WORD_BITS);
}

static bool has_bit(const uint64_t *row, uint32_t at)
{
    return (row[at / WORD_BITS] >> at % WORD_BITS & 1) != 0;
}

static uint64_t *row_of(const struct npri_graph *graph, uint32_t node)
{
    return graph->rows + (size_t)node * graph->words;
}

void npri_graph_link(struct npri_graph *graph, uint32_t a, uint32_t b)
{
    NPRI_ASSERT(a != b && a < graph->count && b < graph->count);
    set_bit(row_of(graph, a), b);
    set_bit(row_of(graph, b), a);
}

bool npri_graph_linked(const struct npri_graph *graph, uint32_t a, uint32_t b)
{
    return has_bit(row_of(graph, a), b);
}

static uint32_t count_bits(uint64_t word)
{
    uint32_t count = 0;

    for (; word != 0; word &= word - 1) {
        count++;
    }
    return count;
}

/* How many links a node has. */
static uint32_t degree(const struct npri_graph *graph, uint32_t node)
{
    const uint64_t *row = row_of(graph, node);
    uint32_t count = 0;

    for (size_t i = 0; i < graph->words; i++) {
        count += count_bits(row[i]);
    }
    return count;
}

/* Of `among`, the one with the highest degree, of several the first; `count` when it is empty. */
static uint32_t pick(const struct npri_graph *graph, const uint64_t *among, const uint32_t *degrees)
{
    uint32_t best = graph->count;

    for (uint32_t node = 0; node < graph->count; node++) {
        if (has_bit(among, node) && (best == graph->count || degrees[node] > degrees[best])) {
            best = node;
        }
    }
    return best;
}

/* What is being parted. */
struct parting {
    const struct npri_graph *graph;
    uint64_t *left;    /* nodes in no clique yet */
    uint64_t *among;   /* room for those that may still enter the present one */
    uint32_t *degrees; /* links to those that were left when it was begun */
    uint32_t *parts;
};

/* `node` has been taken: its neighbours have a link less. */
static void unlink_node(struct parting *parting, uint32_t node)
{
    const uint64_t *row = row_of(parting->graph, node);

    for (uint32_t other = 0; other < parting->graph->count; other++) {
        parting->degrees[other] -= has_bit(row, other) ? 1 : 0;
    }
}

/* False: none are left. */
static bool take_clique(struct parting *parting)
{
    const struct npri_graph *graph = parting->graph;
    uint32_t first;

    memcpy(parting->among, parting->left, graph->words * sizeof(uint64_t));
    first = pick(graph, parting->among, parting->degrees);
    for (uint32_t node = first; node < graph->count;
         node = pick(graph, parting->among, parting->degrees)) {
        parting->parts[node] = first;
        clear_bit(parting->left, node);
        for (size_t i = 0; i < graph->words; i++) {
            parting->among[i] &= row_of(graph, node)[i]; /* not linked to itself: it is out, too */
        }
    }
    for (uint32_t node = 0; node < graph->count && first < graph->count; node++) {
        if (!has_bit(parting->left, node) && parting->parts[node] == first) {
            unlink_node(parting, node);
        }
    }
    return first < graph->count;
}

bool npri_cliques(const struct npri_graph *graph, uint32_t *out_parts)
{
    uint64_t *rows = npri_alloc_zeroed(2 * graph->words + 1, sizeof(uint64_t));
    uint32_t *degrees = npri_alloc_zeroed((size_t)graph->count + 1, sizeof(uint32_t));
    struct parting parting = {.graph = graph, .left = rows, .degrees = degrees, .parts = out_parts};

    if (rows == NULL || degrees == NULL) {
        npri_free(rows);
        npri_free(degrees);
        return false;
    }
    parting.among = rows + graph->words;
    for (uint32_t node = 0; node < graph->count; node++) {
        set_bit(parting.left, node);
        out_parts[node] = node;
        degrees[node] = degree(graph, node);
    }
    while (take_clique(&parting)) {
    }
    npri_free(rows);
    npri_free(degrees);
    return true;
}
