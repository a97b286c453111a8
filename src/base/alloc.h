/* base/alloc.h - the one way to memory, so that tests can make the n-th allocation fail.
 *
 * Compiled with NPRI_ALLOC_FAULTS, as the tests link it, npri_alloc_fail_after(n) makes the n-th
 * allocation from now on, and every later one, return NULL; npri_alloc_fail_once(n) only that one.
 * 0 switches either off.  In the product the calls are malloc, calloc, realloc and free. */
#ifndef NPRI_BASE_ALLOC_H
#define NPRI_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *npri_alloc(size_t bytes);                      /* NULL when out of memory */
void *npri_alloc_zeroed(size_t count, size_t bytes); /* overflow-checked */
void *npri_realloc(void *old, size_t bytes);
void npri_free(void *memory); /* accepts NULL */

/* Asks the C library to give free memory back to the system, where it keeps it: it takes some ten
 * milliseconds for each hundred megabytes.  Any thread. */
void npri_alloc_trim(void);

void npri_alloc_fail_after(uint64_t count);
void npri_alloc_fail_once(uint64_t count);

/* Whether allocations are being counted: then all of them must come here, none from what somebody
 * keeps. */
int npri_alloc_is_counted(void);

#endif /* NPRI_BASE_ALLOC_H */
