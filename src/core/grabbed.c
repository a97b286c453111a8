#include "core/grabbed.h"

#include "core/state.h"

bool npri_start_adopt(struct npri_core *core,
                      struct npri_start *start,
                      const struct npri_grabbed *grabbed)
{
    const struct npri_core_grabs *grabs = core->options.grabs;
    struct npri_effect *discard = npri_effect_create(NPRI_EFFECT_DISCARD, NPRI_PID_BYTES_MAX);
    struct npri_shared *function =
        npri_shared_create(npri_bytes(grabbed->function.data, grabbed->function.size));

    if (discard != NULL && function != NULL) {
        start->operation = npri_operation_note(core, NPRI_OPERATION_START, NULL);
    }
    if (start->operation == NULL) {
        core->out_of_memory = true;
        npri_effect_destroy(discard);
        npri_shared_release(function);
        return false;
    }
    npri_list_remove(&start->looks);
    npri_shared_release(start->function);
    start->function = function;
    start->token = grabbed->token;
    npri_token_look(core);
    start->grabbed = true;
    start->operation->start = start;
    start->operation->discard = discard;
    grabs->adopt(grabs->user, npri_shared_bytes(start->key), start->operation->number);
    return true;
}

bool npri_start_is_grabbed(const struct npri_core *core, const struct npri_shared *key)
{
    const struct npri_start *start = npri_start_find(core, key);

    return start != NULL && start->grabbed;
}

bool npri_start_find_grab(const struct npri_core *core,
                          const struct npri_shared *key,
                          struct npri_grabbed *out)
{
    const struct npri_core_grabs *grabs = core->options.grabs;

    return grabs != NULL && grabs->find(grabs->user, npri_shared_bytes(key), out);
}

bool npri_start_meet(struct npri_core *core, struct npri_shared *key)
{
    struct npri_grabbed grabbed;
    struct npri_start *start;

    /* One that there is has marked the key before it looked. */
    if (npri_start_find(core, key) != NULL || !npri_start_find_grab(core, key, &grabbed)) {
        return true;
    }
    start = npri_start_create(core, key, NULL, NULL);
    if (start != NULL && npri_start_adopt(core, start, &grabbed)) {
        return true;
    }
    core->out_of_memory = true;
    if (start != NULL) {
        npri_start_end(core, start);
    }
    return false;
}

struct npri_shared *npri_start_close(struct npri_core *core, struct npr_bytes key)
{
    struct npri_shared *shared = npri_shared_create(key);

    if (shared != NULL) {
        (void)npri_mark_raise(core, npri_shared_bytes(shared));
        if (!npri_start_meet(core, shared)) {
            npri_start_open(core, shared);
            return NULL;
        }
    }
    return shared;
}

void npri_start_open(struct npri_core *core, struct npri_shared *key)
{
    npri_mark_lower(core, npri_shared_bytes(key));
    npri_shared_release(key);
}

void npri_start_on_grabbed(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_shared *key = npri_shared_create(npri_bytes(event->key.data, event->key.size));

    if (key == NULL) {
        core->out_of_memory = true;
        return;
    }
    (void)npri_start_meet(core, key);
    npri_shared_release(key);
}
