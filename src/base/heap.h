/* base/heap.h - an intrusive priority queue (a pairing heap): least first.  Allocates nothing, so
 * that arming a timer cannot fail.
 *
 * Equal keys come out in the order in which they were inserted. */
#ifndef NPRI_BASE_HEAP_H
#define NPRI_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One element; embed it.  A zeroed node is in no heap.  All fields are the heap's. */
struct npri_heap_node {
    struct npri_heap_node *child;
    struct npri_heap_node *next; /* sibling */
    struct npri_heap_node *prev; /* sibling before it, or its parent when it is the first child */
    uint64_t key;
    uint64_t sequence; /* not 0 while in a heap */
};

/* A zeroed heap is empty. */
struct npri_heap {
    struct npri_heap_node *root;
    uint64_t sequence;
    size_t count;
};

static inline bool npri_heap_has(const struct npri_heap_node *node)
{
    return node->sequence != 0;
}

/* `node` must be in no heap. */
void npri_heap_insert(struct npri_heap *heap, struct npri_heap_node *node, uint64_t key);

/* Of a node that is in no heap: nothing. */
void npri_heap_remove(struct npri_heap *heap, struct npri_heap_node *node);

/* The least; NULL when empty. */
static inline struct npri_heap_node *npri_heap_first(const struct npri_heap *heap)
{
    return heap->root;
}

#endif /* NPRI_BASE_HEAP_H */
