#include "base/heap.h"

#include "base/assert.h"

static bool comes_before(const struct npri_heap_node *a, const struct npri_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

/* Joins two trees; either may be NULL.  The result has no siblings. */
static struct npri_heap_node *meld(struct npri_heap_node *a, struct npri_heap_node *b)
{
    struct npri_heap_node *low = a;
    struct npri_heap_node *high = b;

    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (comes_before(b, a)) {
        low = b;
        high = a;
    }
    high->next = low->child;
    if (high->next != NULL) {
        high->next->prev = high;
    }
    high->prev = low;
    low->child = high;
    return low;
}

/* Joins a row of siblings: in pairs from the left, then the pairs from the right.  The pairs are
 * kept on a stack that is threaded through `next`. */
static struct npri_heap_node *meld_row(struct npri_heap_node *row)
{
    struct npri_heap_node *pairs = NULL;
    struct npri_heap_node *root = NULL;

    while (row != NULL) {
        struct npri_heap_node *a = row;
        struct npri_heap_node *b = a->next;

        row = b == NULL ? NULL : b->next;
        a->next = NULL;
        a->prev = NULL;
        if (b != NULL) {
            b->next = NULL;
            b->prev = NULL;
        }
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct npri_heap_node *rest = pairs->next;

        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

void npri_heap_insert(struct npri_heap *heap, struct npri_heap_node *node, uint64_t key)
{
    NPRI_ASSERT(!npri_heap_has(node));
    *node = (struct npri_heap_node){.key = key, .sequence = ++heap->sequence};
    heap->root = meld(heap->root, node);
    heap->count++;
}

void npri_heap_remove(struct npri_heap *heap, struct npri_heap_node *node)
{
    struct npri_heap_node *below;

    if (!npri_heap_has(node)) {
        return;
    }
    below = meld_row(node->child);
    if (node == heap->root) {
        heap->root = below;
    } else {
        if (node->prev->child == node) {
            node->prev->child = node->next;
        } else {
            node->prev->next = node->next;
        }
        if (node->next != NULL) {
            node->next->prev = node->prev;
        }
        heap->root = meld(heap->root, below);
    }
    heap->count--;
    *node = (struct npri_heap_node){0};
}
