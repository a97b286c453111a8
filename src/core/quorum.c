#include "core/quorum.h"

#include "core/agreement.h"
#include "core/faults.h"
#include "core/state.h"

/* ---- What others may start. */

static uint64_t grown_ns(const struct npri_core *core)
{
    return core->options.now_ns + core->options.node_timeout_ns;
}

bool npri_quorum_is_young(const struct npri_core *core)
{
    return core->options.quorum > 0 && core->options.member && core->options.heartbeat_ns > 0 &&
           core->now_ns < grown_ns(core);
}

static void arm(struct npri_core *core)
{
    uint64_t next_ns = npri_quorum_is_young(core) ? grown_ns(core) : UINT64_MAX;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->lent && peer->lent_until_ns < next_ns) {
            next_ns = peer->lent_until_ns;
        }
    }
    npri_timer_arm(core, &core->quorum.timer, next_ns);
}

void npri_quorum_init(struct npri_core *core)
{
    core->quorum.timer.kind = NPRI_TIMER_QUORUM;
    arm(core);
}

void npri_quorum_on_leaving(struct npri_core *core, struct npri_peer *peer)
{
    peer->lent_until_ns = peer->alive_ns + core->options.node_timeout_ns;
    peer->lent_creation = peer->creation;
    peer->lent = core->options.quorum > 0 && !peer->leaves && npri_beats_watch(core, peer) &&
                 peer->lent_until_ns > core->now_ns;
    if (peer->lent) {
        arm(core);
    }
}

void npri_quorum_on_met(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->lent && (peer->in_view || peer->creation != peer->lent_creation)) {
        peer->lent = false;
        npri_tally(core, peer);
        core->views.look = true;
    }
}

void npri_quorum_on_time(struct npri_core *core)
{
    struct npri_link *next;

    for (struct npri_link *at = core->members.peers.order.next; at != &core->members.peers.order;
         at = next) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        next = at->next;
        if (peer->lent && peer->lent_until_ns <= core->now_ns) {
            peer->lent = false;
            npri_tally(core, peer);
            npri_member_forget_unused(core, peer);
        }
    }
    core->views.look = true;
    arm(core);
}

void npri_quorum_on_closing(struct npri_core *core)
{
    core->closing = true;
    npri_views_tell_lost(core, &core->members.self);
}

/* ---- What this node may start. */

static uint32_t count_nodes(const struct npri_core *core)
{
    uint32_t count = 1;

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        count += !peer->self && (npri_beats_lease(core, peer) || NPRI_FAULT(QUORUM_WITHOUT_LEASE))
                     ? 1
                     : 0;
    }
    return count;
}

static void add_missing(const struct npri_core *core, struct npri_text *text)
{
    const char *before = "; missing ";

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (!peer->was_member || (peer->in_view && npri_beats_lease(core, peer))) {
            continue;
        }
        npri_text_add(text, before);
        npri_text_add_node(text, &peer->name);
        before = ", ";
    }
}

bool npri_quorum_permits(const struct npri_core *core, struct npri_text *out_why)
{
    const uint32_t count = core->options.quorum == 0 ? 0 : count_nodes(core);

    if (core->options.quorum > 0 && core->closing) { /* It has said so. */
        out_why->size = 0;
        npri_text_add(out_why, "quorum: this node is being stopped");
        return false;
    }
    if (count >= core->options.quorum || NPRI_FAULT(QUORUM_IGNORED)) {
        return true;
    }
    out_why->size = 0;
    npri_text_add(out_why, "quorum: this side has ");
    npri_text_add_uint(out_why, count);
    npri_text_add(out_why, " of the ");
    npri_text_add_uint(out_why, core->options.quorum);
    npri_text_add(out_why, " nodes that are needed");
    add_missing(core, out_why);
    return false;
}

static void tell(struct npri_core *core, bool regained, const struct npri_text *text)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_QUORUM, text->size);
    struct npri_text line = {0};

    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    core->quorum.state = regained ? NPRI_QUORUM_HAD : NPRI_QUORUM_LOST;
    effect->out.regained = regained;
    npri_effect_set_text(effect, npri_text_bytes(text));
    npri_effects_queue(&core->effects, effect);
    npri_text_add(&line, regained ? "quorum_regained" : "quorum_lost reason=\"");
    npri_text_add_bytes(&line, npri_text_bytes(text));
    npri_text_add(&line, regained ? "" : "\"");
    npri_core_log(core, regained ? NPRI_LOG_INFO : NPRI_LOG_WARNING, &line);
}

void npri_quorum_look(struct npri_core *core)
{
    struct npri_text text = {0};
    bool has;

    if (core->options.quorum == 0 || !core->options.member || core->closing) {
        return;
    }
    has = npri_quorum_permits(core, &text);
    if (has && core->quorum.state == NPRI_QUORUM_NEVER) {
        core->quorum.state = NPRI_QUORUM_HAD;
    } else if (has && core->quorum.state == NPRI_QUORUM_LOST) {
        tell(core, true, &text);
    } else if (!has && core->quorum.state == NPRI_QUORUM_HAD) {
        tell(core, false, &text);
    }
}
