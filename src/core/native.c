#include "core/native.h"

#include "core/state.h"
#include "term/write.h"

/* ---- Telling. */

struct npri_buffer *npri_tell_begin(struct npri_core *core, uint32_t arity, const char *word)
{
    struct npri_buffer *message = &core->watch.message;

    npri_buffer_reset(message);
    npri_put_tuple(message, arity);
    npri_put_atom(message, word);
    return message;
}

struct npri_effect *npri_tell_make(struct npri_core *core, const struct npri_peer *peer)
{
    const struct npri_buffer *message = &core->watch.message;
    struct npri_effect *effect =
        message->failed ? NULL : npri_effect_create(NPRI_EFFECT_TELL, message->size);

    if (effect != NULL) {
        effect->out.node = peer->name;
        npri_effect_set_term(effect,
                             (struct npr_term){.data = message->data, .size = message->size});
    }
    return effect;
}

bool npri_tell_end(struct npri_core *core, const struct npri_peer *peer)
{
    struct npri_effect *effect = npri_tell_make(core, peer);

    if (effect != NULL) {
        npri_effects_queue(&core->effects, effect);
    }
    return effect != NULL;
}

/* ---- Being told. */

/* What is handed on has `arity` elements after its word: false when they are not of the kinds that
 * it needs. */
static const struct {
    const char *word;
    uint32_t arity;
    bool (*on)(struct npri_core *core, struct npri_peer *peer, const struct npr_term *elements);
} messages[] = {
    {"view", 6, npri_views_on_told},
    {"node_lost", 2, npri_views_on_told_lost},
    {"probe", 1, npri_views_on_told_probe},
    {"probed", 1, npri_views_on_told_probed},
    {"beat", 3, npri_beats_on_told},
    {"links", 4, npri_links_on_told},
    {"push", 3, npri_push_on_told_push},
    {"busy", 4, npri_push_on_told_busy},
    {"free", 4, npri_push_on_told_free},
    {"marker", 2, npri_push_on_told_marker},
    {"unsure", 2, npri_push_on_told_unsure},
    {"pushed", 1, npri_push_on_told_read},
    {"claim", 5, npri_claim_on_told_claim},
    {"claimed", 4, npri_claim_on_told_claimed},
    {"taken", 3, npri_claim_on_told_taken},
    {"unclaimed", 3, npri_claim_on_told_unclaimed},
    {"release", 3, npri_claim_on_told_release},
    {"released", 1, npri_claim_on_told_released},
    {"declined", 2, npri_claim_on_told_declined},
    {"drop", 2, npri_conflict_on_told_drop},
    {"conflict", 5, npri_conflict_on_told},
    {"handover", 6, npri_takeover_on_told_handover},
    {"adopt", 4, npri_takeover_on_told_adopt},
    {"handed", 3, npri_handover_on_told_handed},
    {"unhanded", 3, npri_handover_on_told_unhanded},
};

#define ELEMENTS_MAX 6u

static void drop(struct npri_core *core, struct npri_peer *peer, const char *word)
{
    struct npri_text text = {0};

    npri_text_add(&text, "it told a ");
    npri_text_add(&text, word);
    npri_text_add(&text, " that is none");
    npri_member_drop(core, peer, npri_text_bytes(&text));
}

void npri_native_on_told(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);
    struct npr_term elements[ELEMENTS_MAX] = {{0}};
    struct npr_term_walk walk;
    struct npr_term word;
    uint32_t arity;

    if (peer == NULL || !peer->connected || !npri_member_is_from(peer, event)) {
        return;
    }
    npri_beats_on_heard(core, peer);
    if (!npr_term_tuple(event->term, &walk, &arity) || !npr_term_next(&walk, &word)) {
        return;
    }
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (!npr_term_is_atom(word, messages[i].word)) {
            continue;
        }
        if (!peer->native || !core->options.member) {
            return;
        }
        for (uint32_t at = 0; at < ELEMENTS_MAX && npr_term_next(&walk, &elements[at]); at++) {
        }
        if (arity != messages[i].arity + 1 || !messages[i].on(core, peer, elements)) {
            drop(core, peer, messages[i].word);
        }
        return;
    }
    npri_watch_on_told(core, event);
}
