/* What processes are started from: behaviours, also of other releases (the structure grows at its
 * end only), under the names of functions. */
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/internal.h"

/* Of the first release. */
#define BEHAVIOUR_BYTES_MIN offsetof(struct npr_behaviour, resume)

/* A larger one is no behaviour but a mistake. */
#define BEHAVIOUR_BYTES_MAX 4096u

void npri_behaviour_complete(const struct npr_behaviour *behaviour, struct npr_behaviour *out)
{
    memset(out, 0, sizeof(*out)); /* padding too: it is compared */
    memcpy(out, behaviour,
           behaviour->struct_size < sizeof(*out) ? behaviour->struct_size : sizeof(*out));
}

const char *npri_behaviour_fault(const struct npr_behaviour *behaviour)
{
    const uint8_t *bytes = (const uint8_t *)behaviour;
    struct npr_behaviour complete;

    if (behaviour == NULL) {
        return "no behaviour";
    }
    if (behaviour->struct_size < BEHAVIOUR_BYTES_MIN ||
        behaviour->struct_size > BEHAVIOUR_BYTES_MAX) {
        return "a behaviour whose struct_size is that of no release";
    }
    for (size_t i = sizeof(*behaviour); i < behaviour->struct_size; i++) {
        if (bytes[i] != 0) {
            return "a behaviour that wants something that this release does not know";
        }
    }
    npri_behaviour_complete(behaviour, &complete);
    if (complete.overflow > NPR_OVERFLOW_DROP_OLDEST) {
        return "a behaviour whose overflow is none of enum npr_overflow";
    }
    if (complete.restart > NPR_RESTART_PERMANENT) {
        return "a behaviour whose restart is none of enum npr_restart";
    }
    if (complete.on_conflict > NPR_CONFLICT_NOTIFY) {
        return "a behaviour whose on_conflict is none of enum npr_on_conflict";
    }
    if (complete.restarts_max > NPR_RESTARTS_MAX) {
        return "a behaviour whose restarts_max is above NPR_RESTARTS_MAX";
    }
    if (complete.run != NULL && (complete.call != NULL || complete.cast != NULL ||
                                 complete.info != NULL || complete.resume != NULL)) {
        return "a behaviour with both run and callbacks for messages";
    }
    return NULL;
}

/* `behaviour`, which is valid, with all fields of this release.  NULL: no memory.  Under the setup
 * mutex. */
static const struct npr_behaviour *runtime_complete(struct npri_runtime *runtime,
                                                    const struct npr_behaviour *behaviour)
{
    struct npr_behaviour complete;
    struct npri_behaviour_copy *at;

    if (behaviour->struct_size >= sizeof(*behaviour)) {
        return behaviour;
    }
    npri_behaviour_complete(behaviour, &complete);
    at = runtime->behaviours;
    /* All bytes count: those of older releases have no padding, and what they lack is zero.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
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
    return at == NULL ? NULL : &at->behaviour;
}

static const struct npri_origin *runtime_find_origin(struct npri_runtime *runtime,
                                                     const struct npr_behaviour *behaviour,
                                                     const char *function)
{
    /* acquire: pairs with the release in runtime_add_origin(). */
    const struct npri_origin *at = atomic_load_explicit(&runtime->origins, memory_order_acquire);

    while (at != NULL && !(at->given == behaviour && strcmp(at->function, function) == 0)) {
        at = at->next;
    }
    return at;
}

/* Under the setup mutex. */
static const struct npri_origin *runtime_add_origin(struct npri_runtime *runtime,
                                                    const struct npr_behaviour *behaviour,
                                                    const char *function)
{
    const size_t function_bytes = strlen(function) + 1;
    const struct npr_behaviour *complete = runtime_complete(runtime, behaviour);
    struct npri_origin *origin =
        complete == NULL ? NULL : npri_alloc(sizeof(*origin) + function_bytes);

    if (origin == NULL) {
        return NULL;
    }
    *origin = (struct npri_origin){
        /* relaxed: written under the mutex only. */
        .next = atomic_load_explicit(&runtime->origins, memory_order_relaxed),
        .runtime = runtime,
        .behaviour = complete,
        .given = behaviour,
        .has_thread = complete->run != NULL,
    };
    memcpy(origin->function, function, function_bytes);
    /* release: pairs with the acquire in runtime_find_origin(). */
    atomic_store_explicit(&runtime->origins, origin, memory_order_release);
    return origin;
}

const struct npri_origin *npri_runtime_origin(struct npri_runtime *runtime,
                                              const struct npr_behaviour *behaviour,
                                              const char *function)
{
    const struct npri_origin *origin = runtime_find_origin(runtime, behaviour, function);

    if (origin == NULL) {
        (void)pthread_mutex_lock(&runtime->setup_mutex);
        origin = runtime_find_origin(runtime, behaviour, function);
        if (origin == NULL) {
            origin = runtime_add_origin(runtime, behaviour, function);
        }
        (void)pthread_mutex_unlock(&runtime->setup_mutex);
    }
    return origin;
}

void npri_origins_fini(struct npri_runtime *runtime)
{
    /* relaxed: nobody else uses the runtime any more. */
    struct npri_origin *origin = atomic_load_explicit(&runtime->origins, memory_order_relaxed);

    while (origin != NULL) {
        struct npri_origin *next = origin->next;

        npri_free(origin);
        origin = next;
    }
    while (runtime->behaviours != NULL) {
        struct npri_behaviour_copy *copy = runtime->behaviours;

        runtime->behaviours = copy->next;
        npri_free(copy);
    }
}
