#include "core/shared.h"

#include "base/alloc.h"
#include "base/assert.h"

struct npri_shared *npri_shared_create(struct npr_bytes bytes)
{
    struct npri_shared *shared = npri_alloc(sizeof(*shared) + bytes.size);

    if (shared == NULL) {
        return NULL;
    }
    shared->holders_count = 1;
    shared->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(shared->data, bytes.data, bytes.size);
    }
    return shared;
}

struct npri_shared *npri_shared_acquire(struct npri_shared *shared)
{
    if (shared != NULL) {
        shared->holders_count++;
    }
    return shared;
}

void npri_shared_release(struct npri_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    NPRI_ASSERT(shared->holders_count > 0);
    shared->holders_count--;
    if (shared->holders_count == 0) {
        npri_free(shared);
    }
}
