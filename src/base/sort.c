#include "base/sort.h"

#include <stdint.h>

/* A heap whose greatest item is in front. */
struct items {
    uint8_t *data;
    size_t size;
    int (*compare)(const void *, const void *);
};

static uint8_t *item(const struct items *items, size_t index)
{
    return items->data + index * items->size;
}

static void swap(const struct items *items, size_t a, size_t b)
{
    uint8_t *left = item(items, a);
    uint8_t *right = item(items, b);

    for (size_t i = 0; i < items->size; i++) {
        const uint8_t byte = left[i];

        left[i] = right[i];
        right[i] = byte;
    }
}

/* Lets the item at `at` sink to where it belongs among the first `count`. */
static void sink(const struct items *items, size_t at, size_t count)
{
    size_t child;

    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && items->compare(item(items, child), item(items, child + 1)) < 0) {
            child++;
        }
        if (items->compare(item(items, at), item(items, child)) >= 0) {
            return;
        }
        swap(items, at, child);
        at = child;
    }
}

void npri_sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    const struct items heap = {.data = items, .size = size, .compare = compare};

    for (size_t at = count / 2; at-- > 0;) {
        sink(&heap, at, count);
    }
    for (size_t left = count; left > 1; left--) {
        swap(&heap, 0, left - 1);
        sink(&heap, 0, left - 1);
    }
}
