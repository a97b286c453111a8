#include "core/effects.h"

#include "base/alloc.h"
#include "base/assert.h"

void npri_effects_init(struct npri_effects *effects)
{
    npri_list_init(&effects->queue);
    effects->count = 0;
    effects->taken = NULL;
}

static void end_loan(struct npri_effects *effects)
{
    npri_effect_destroy(effects->taken);
    effects->taken = NULL;
}

void npri_effects_fini(struct npri_effects *effects)
{
    struct npri_link *at;

    end_loan(effects);
    while ((at = npri_list_take(&effects->queue)) != NULL) {
        npri_effect_destroy(NPRI_CONTAINER_OF(at, struct npri_effect, link));
    }
}

bool npri_effects_take(struct npri_effects *effects, struct npri_core_effect *out)
{
    struct npri_link *at;

    end_loan(effects);
    at = npri_list_take(&effects->queue);
    if (at == NULL) {
        return false;
    }
    effects->count--;
    effects->taken = NPRI_CONTAINER_OF(at, struct npri_effect, link);
    *out = effects->taken->out;
    return true;
}

struct npri_effect *npri_effect_create(enum npri_effect_kind kind, size_t room)
{
    struct npri_effect *effect = npri_alloc(sizeof(*effect) + room);

    if (effect == NULL) {
        return NULL;
    }
    memset(effect, 0, sizeof(*effect));
    effect->out.kind = kind;
    effect->room = room;
    return effect;
}

void npri_effect_destroy(struct npri_effect *effect)
{
    if (effect == NULL) {
        return;
    }
    NPRI_ASSERT(!npri_link_is_linked(&effect->link));
    npri_shared_release(effect->key);
    npri_shared_release(effect->function);
    npri_shared_release(effect->caller);
    npri_shared_release(effect->state);
    npri_free(effect);
}

void npri_effect_set_key(struct npri_effect *effect, struct npri_shared *key)
{
    effect->key = npri_shared_acquire(key);
    effect->out.key = npri_shared_term(key);
}

void npri_effect_set_start(struct npri_effect *effect,
                           struct npri_shared *function,
                           struct npri_shared *caller,
                           uint64_t deadline_ns)
{
    effect->function = npri_shared_acquire(function);
    effect->out.function = npri_shared_term(function);
    effect->caller = npri_shared_acquire(caller);
    effect->out.caller = npri_shared_term(caller);
    effect->out.deadline_ns = deadline_ns;
}

void npri_effect_set_state(struct npri_effect *effect, struct npri_shared *state)
{
    effect->state = npri_shared_acquire(state);
    effect->out.state = npri_shared_term(state);
}

void npri_effect_set_term(struct npri_effect *effect, struct npr_term term)
{
    NPRI_ASSERT(term.size <= effect->room);
    memcpy(effect->bytes, term.data, term.size);
    effect->out.term = (struct npr_term){.data = effect->bytes, .size = term.size};
}

void npri_effect_set_text(struct npri_effect *effect, struct npr_bytes text)
{
    const size_t size = text.size < effect->room ? text.size : effect->room;

    if (size > 0) {
        memcpy(effect->bytes, text.data, size);
    }
    effect->out.text = npri_bytes(effect->bytes, size);
}

void npri_effects_queue(struct npri_effects *effects, struct npri_effect *effect)
{
    npri_list_append(&effects->queue, &effect->link);
    effects->count++;
}
