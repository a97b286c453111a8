#include "core/members.h"
#include "core/state.h"

/* Dialling until a node answers: nodes to join for ever, others as long as somebody names them. */

static bool is_wanted(const struct npri_core *core, const struct npri_peer *peer)
{
    return peer->join ||
           (peer->lost_ns != 0 && core->now_ns - peer->lost_ns <= NPRI_DIAL_LOST_NS) ||
           (peer->named_ns != 0 && core->now_ns - peer->named_ns <= core->options.expire_ns);
}

/* The pause before this dial, and a longer one for the next. */
static uint64_t take_pause(const struct npri_core *core, struct npri_peer *peer)
{
    const uint64_t most =
        peer->join || peer->lost_ns != 0 ? NPRI_DIAL_PAUSE_JOIN_MAX : NPRI_DIAL_PAUSE_MAX;
    const uint64_t pause = peer->pause_ns < most ? peer->pause_ns : most;

    peer->pause_ns = pause * 2;
    if (core->now_ns < peer->refused_until_ns) {
        return peer->refused_until_ns - core->now_ns;
    }
    return pause;
}

/* The timer stays armed while the attempt lasts, in case that nobody reports how it ended. */
void npri_dial_now(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_effect *effect;

    if (core->now_ns < peer->refused_until_ns) {
        npri_dial_later(core, peer);
        return;
    }
    effect = npri_effect_create(NPRI_EFFECT_CONNECT, 0);
    npri_timer_arm(
        core, &peer->dial_timer,
        npri_time_after(core, effect == NULL ? take_pause(core, peer) : NPRI_DIAL_PAUSE_MAX));
    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    peer->dialling = true;
    effect->out.node = peer->name;
    npri_effects_queue(&core->effects, effect);
}

void npri_dial_later(struct npri_core *core, struct npri_peer *peer)
{
    if (is_wanted(core, peer)) {
        npri_timer_arm(core, &peer->dial_timer, npri_time_after(core, take_pause(core, peer)));
    } else {
        npri_timer_stop(core, &peer->dial_timer);
    }
}

void npri_dial_on_time(struct npri_core *core, struct npri_peer *peer)
{
    if (is_wanted(core, peer)) {
        npri_dial_now(core, peer);
    } else {
        peer->dialling = false;
        npri_member_forget_unused(core, peer);
    }
}
