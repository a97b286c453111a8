#include "base/alloc.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef NPRI_ALLOC_FAULTS
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic uint64_t fail_countdown;
static atomic_bool fails_once;

/* Relaxed throughout: the counter orders nothing but itself; whether it stays at its end is said
 * before anything is counted. */
static int allocation_fails(void)
{
    const bool once = atomic_load_explicit(&fails_once, memory_order_relaxed);
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left > 1 || (left == 1 && once)) {
        if (atomic_compare_exchange_weak_explicit(&fail_countdown, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return left == 1;
        }
    }
    return left == 1;
}

void npri_alloc_fail_after(uint64_t count)
{
    atomic_store_explicit(&fails_once, false, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, count, memory_order_relaxed);
}

void npri_alloc_fail_once(uint64_t count)
{
    atomic_store_explicit(&fails_once, true, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, count, memory_order_relaxed);
}

int npri_alloc_is_counted(void)
{
    return atomic_load_explicit(&fail_countdown, memory_order_relaxed) != 0;
}
#else
static int allocation_fails(void)
{
    return 0;
}

void npri_alloc_fail_after(uint64_t count)
{
    (void)count;
}

void npri_alloc_fail_once(uint64_t count)
{
    (void)count;
}

int npri_alloc_is_counted(void)
{
    return 0;
}
#endif

void *npri_alloc(size_t bytes)
{
    return allocation_fails() ? NULL : malloc(bytes == 0 ? 1 : bytes);
}

void *npri_alloc_zeroed(size_t count, size_t bytes)
{
    return allocation_fails() ? NULL : calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);
}

void *npri_realloc(void *old, size_t bytes)
{
    return allocation_fails() ? NULL : realloc(old, bytes == 0 ? 1 : bytes);
}

void npri_free(void *memory)
{
    free(memory);
}

void npri_alloc_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
