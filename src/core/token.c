#include "core/token.h"

#include "core/state.h"

uint64_t npri_token_next(struct npri_core *core)
{
    const uint64_t passed_us = (core->now_ns - core->options.now_ns) / 1000;
    const uint64_t clock = core->options.epoch_us + passed_us;

    core->token_last = clock > core->token_last ? clock : core->token_last + 1;
    return core->token_last;
}

/* One that no clock could give comes from a peer that is out of its mind: ours must not follow it
 * to where it would have no room to grow. */
uint64_t npri_token_on_seen(struct npri_core *core, uint64_t token)
{
    if (token > NPRI_TOKEN_MAX) {
        return 0;
    }
    if (token > core->token_last) {
        core->token_last = token;
    }
    return token;
}
