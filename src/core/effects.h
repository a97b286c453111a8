/* core/effects.h - the queue of what the caller of the core has to do.  Pure.
 *
 * An effect is made first and queued later: what must not get lost (an answer, a monitor) is made
 * while failing is still possible, so that queueing it cannot fail. */
#ifndef NPRI_CORE_EFFECTS_H
#define NPRI_CORE_EFFECTS_H

#include "base/list.h"
#include "core/core.h"
#include "core/shared.h"

/* A pid in normal form: NEW_PID_EXT, an atom of at most 255 bytes, three numbers. */
#define NPRI_PID_BYTES_MAX (1u + 3u + NPR_NODE_NAME_BYTES_MAX + 12u)

/* Room in an effect for a pid or a text. */
#define NPRI_EFFECT_ROOM_MAX NPR_ERROR_TEXT_BYTES

_Static_assert(NPRI_PID_BYTES_MAX <= NPRI_EFFECT_ROOM_MAX, "an answer has room for either");

struct npri_effect {
    struct npri_link link;
    struct npri_core_effect out; /* its terms and text point to what this effect holds */
    struct npri_shared *key;
    struct npri_shared *function;
    struct npri_shared *caller;
    struct npri_shared *state;
    size_t room;
    uint8_t bytes[]; /* a pid or a text */
};

struct npri_effects {
    struct npri_link queue;
    size_t count;              /* in it */
    struct npri_effect *taken; /* lent to the caller of the core */
};

void npri_effects_init(struct npri_effects *effects);
void npri_effects_fini(struct npri_effects *effects);

/* The next effect in `*out`, lent until the next call. */
bool npri_effects_take(struct npri_effects *effects, struct npri_core_effect *out);

/* An effect with `room` bytes for a pid or a text; NULL when out of memory. */
struct npri_effect *npri_effect_create(enum npri_effect_kind kind, size_t room);
void npri_effect_destroy(struct npri_effect *effect); /* accepts NULL; not of a queued one */

/* Each becomes a holder of its argument, which may be NULL. */
void npri_effect_set_key(struct npri_effect *effect, struct npri_shared *key);
void npri_effect_set_start(struct npri_effect *effect,
                           struct npri_shared *function,
                           struct npri_shared *caller,
                           uint64_t deadline_ns);

/* START: becomes a holder, too. */
void npri_effect_set_state(struct npri_effect *effect, struct npri_shared *state);

/* Copies; a term must fit, a text is cut. */
void npri_effect_set_term(struct npri_effect *effect, struct npr_term term);
void npri_effect_set_text(struct npri_effect *effect, struct npr_bytes text);

/* Takes `effect` over. */
void npri_effects_queue(struct npri_effects *effects, struct npri_effect *effect);

#endif /* NPRI_CORE_EFFECTS_H */
