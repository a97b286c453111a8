#include "core/token.h"

#include "core/state.h"

/* Those of the present base are used up: the next ones begin where they end. */
static void take_next_range(struct npri_core *core)
{
    npri_views_raise_base(core, core->views.base + NPRI_TOKEN_RANGE);
}

/* Threads draw, too: each takes its own by an exchange.  relaxed: the numbers are told apart, and
 * grow, by the order of the exchanges alone; nothing else is published by them. */
static bool take(struct npri_core *core, uint64_t base, uint64_t *out_token)
{
    uint64_t last = atomic_load_explicit(&core->token_last, memory_order_relaxed);
    uint64_t next;

    do {
        if (last >= base + NPRI_TOKEN_RANGE) {
            return false;
        }
        next = (last < base ? base : last) + 1;
    } while (!atomic_compare_exchange_weak_explicit(&core->token_last, &last, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    *out_token = next;
    return true;
}

void npri_token_look(struct npri_core *core)
{
    const uint64_t last = atomic_load_explicit(&core->token_last, memory_order_relaxed);

    if (last > core->views.base && last - core->views.base >= NPRI_TOKEN_RANGE / 4 * 3) {
        npri_views_on_range_ending(core); /* before they are: others are to know the next base */
    }
}

uint64_t npri_token_next(struct npri_core *core)
{
    uint64_t token = 0;

    while (!take(core, core->views.base, &token)) {
        take_next_range(core);
    }
    npri_token_look(core);
    return token;
}

bool npri_token_draw(struct npri_core *core, uint64_t base, uint64_t *out_token)
{
    return take(core, base, out_token);
}

/* One that no node could give comes from a peer that is out of its mind: ours must not follow it to
 * where it would have no room to grow. */
uint64_t npri_token_on_seen(struct npri_core *core, uint64_t token)
{
    uint64_t last = atomic_load_explicit(&core->token_last, memory_order_relaxed);

    if (token > NPRI_TOKEN_MAX) {
        return 0;
    }
    if (token > core->views.base + NPRI_TOKEN_RANGE) {
        npri_views_raise_base(core, token);
        return token;
    }
    while (token > last &&
           !atomic_compare_exchange_weak_explicit(&core->token_last, &last, token,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return token;
}
