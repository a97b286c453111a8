/* base/sort.h - sorting in place: without memory of its own, and never slow (n log n).  Not
 * stable. */
#ifndef NPRI_BASE_SORT_H
#define NPRI_BASE_SORT_H

#include <stddef.h>

/* Of `count` items of `size` bytes; `compare` as for qsort(). */
void npri_sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));

#endif /* NPRI_BASE_SORT_H */
