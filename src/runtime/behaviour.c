/* Behaviours of other releases: the structure grows at its end only. */
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/internal.h"

/* Of the first release. */
#define BEHAVIOUR_BYTES_MIN offsetof(struct npr_behaviour, resume)

/* A larger one is no behaviour but a mistake. */
#define BEHAVIOUR_BYTES_MAX 4096u

bool npri_behaviour_is_valid(const struct npr_behaviour *behaviour)
{
    const uint8_t *bytes = (const uint8_t *)behaviour;

    if (behaviour == NULL || behaviour->struct_size < BEHAVIOUR_BYTES_MIN ||
        behaviour->struct_size > BEHAVIOUR_BYTES_MAX) {
        return false;
    }
    if (behaviour->struct_size >= sizeof(*behaviour) &&
        behaviour->overflow > NPR_OVERFLOW_DROP_OLDEST) {
        return false;
    }
    for (size_t i = sizeof(*behaviour); i < behaviour->struct_size; i++) {
        if (bytes[i] != 0) {
            return false; /* it wants something that this release does not know */
        }
    }
    return true;
}

const struct npr_behaviour *npri_runtime_behaviour(struct npri_runtime *runtime,
                                                   const struct npr_behaviour *behaviour)
{
    struct npr_behaviour complete;
    struct npri_behaviour_copy *at;

    if (behaviour->struct_size >= sizeof(*behaviour)) {
        return behaviour;
    }
    memset(&complete, 0, sizeof(complete)); /* padding too: it is compared */
    memcpy(&complete, behaviour, behaviour->struct_size);

    (void)pthread_mutex_lock(&runtime->setup_mutex);
    at = runtime->behaviours;
    while (at != NULL && memcmp(&at->behaviour, &complete, sizeof(complete)) != 0) {
        at = at->next;
    }
    if (at == NULL) {
        at = npri_alloc(sizeof(*at));
        if (at != NULL) {
            memcpy(&at->behaviour, &complete, sizeof(complete));
            at->next = runtime->behaviours;
            runtime->behaviours = at;
        }
    }
    (void)pthread_mutex_unlock(&runtime->setup_mutex);
    return at == NULL ? NULL : &at->behaviour;
}
