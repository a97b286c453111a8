#include "core/retired.h"

#include "base/alloc.h"

void npri_retire(struct npri_retiring *retiring, struct npri_retired *memory)
{
    if (!retiring->shared) {
        npri_free(memory);
        return;
    }
    memory->next = retiring->first;
    retiring->first = memory;
    retiring->count++;
}

struct npri_retired *npri_retiring_take(struct npri_retiring *retiring)
{
    struct npri_retired *chain = retiring->first;

    retiring->first = NULL;
    retiring->count = 0;
    return chain;
}

void npri_retired_free(struct npri_retired *chain)
{
    while (chain != NULL) {
        struct npri_retired *next = chain->next;

        npri_free(chain);
        chain = next;
    }
}
