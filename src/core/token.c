#include "core/token.h"

#include "core/state.h"

/* Those of the present base are used up: the next ones begin where they end. */
static void take_next_range(struct npri_core *core)
{
    npri_views_raise_base(core, core->views.base + NPRI_TOKEN_RANGE);
}

uint64_t npri_token_next(struct npri_core *core)
{
    if (core->token_last >= core->views.base + NPRI_TOKEN_RANGE) {
        take_next_range(core);
    }
    if (core->token_last < core->views.base) {
        core->token_last = core->views.base;
    }
    core->token_last++;
    if (core->token_last - core->views.base >= NPRI_TOKEN_RANGE / 4 * 3) {
        npri_views_on_range_ending(core); /* before they are: others are to know the next base */
    }
    return core->token_last;
}

/* One that no node could give comes from a peer that is out of its mind: ours must not follow it to
 * where it would have no room to grow. */
uint64_t npri_token_on_seen(struct npri_core *core, uint64_t token)
{
    if (token > NPRI_TOKEN_MAX) {
        return 0;
    }
    if (token > core->views.base + NPRI_TOKEN_RANGE) {
        npri_views_raise_base(core, token);
    } else if (token > core->token_last) {
        core->token_last = token;
    }
    return token;
}
