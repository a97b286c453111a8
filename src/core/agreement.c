#include "core/agreement.h"

#include "core/faults.h"
#include "core/state.h"
#include "term/write.h"

bool npri_agreement_is_awaited(const struct npri_peer *peer)
{
    return peer->mending || (peer->join && peer->settling && !peer->was_member) || peer->lent;
}

/* Why a native member of the view has not agreed with us; NULL: it has. */
static const char *dissent(const struct npri_core *core, const struct npri_peer *peer)
{
    const struct npri_told_view *told = &peer->told;

    if (!told->is || told->view_hash != npri_views_hash(core)) {
        return peer->manner_known && peer->otp != core->manner.otp
                   ? " places keys as another release of Erlang does: all nodes need the same --otp"
                   : " has another view of the cluster";
    }
    if ((told->base != core->views.base && !NPRI_FAULT(BASE_NOT_SHARED)) ||
        told->ack != core->views.epoch) {
        return " has not acknowledged the view of this node";
    }
    return NULL;
}

bool npri_agreement_dissents(const struct npri_core *core, const struct npri_peer *peer)
{
    return peer->in_view && !peer->self && peer->native && dissent(core, peer) != NULL;
}

static bool has_dissenter(const struct npri_core *core)
{
    return core->tally.counts[NPRI_TALLY_DISSENTS] > 0;
}

static bool has_awaited(const struct npri_core *core)
{
    return core->tally.counts[NPRI_TALLY_AWAITED] > 0;
}

void npri_agreement_meet(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    const bool sees_natives = core->tally.counts[NPRI_TALLY_TELLING] > 0;

    if (!sees_natives) {
        views->joining = false;
    } else if (views->alone && !views->saw_natives &&
               core->now_ns - views->alone_ns < npri_views_patience_ns(core)) {
        views->joining = !NPRI_FAULT(JOINING_LEFT_OUT);
    }
    views->saw_natives = sees_natives;
}

/* It has not been agreed with others yet, and its view lacks one of those that it has met. */
static bool is_about_to_join(const struct npri_core *core)
{
    return core->views.joining && core->tally.counts[NPRI_TALLY_LEFT_OUT] > 0;
}

bool npri_agreement_may_acknowledge(const struct npri_core *core)
{
    return !has_awaited(core) && !is_about_to_join(core);
}

static void look_stalled(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    if (!views->stalled || views->fence != 0) {
        return;
    }
    if (core->now_ns - views->stalled_ns >= npri_views_patience_ns(core) ||
        (!has_dissenter(core) && !has_awaited(core))) {
        views->stalled = false;
    }
}

static bool tell_epoch(struct npri_core *core,
                       const struct npri_peer *peer,
                       const char *word,
                       uint64_t epoch)
{
    npri_put_uint(npri_tell_begin(core, 2, word), epoch);
    return npri_tell_end(core, peer);
}

/* Whether all native nodes of the view have heard what we hold, and decided on it. */
static bool all_probed(struct npri_core *core)
{
    bool all = true;

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        struct npri_peer *peer = core->members.view[i];

        if (!peer->native || peer->probed == core->views.epoch) {
            continue;
        }
        all = false;
        if (peer->pushing.state == NPRI_PUSH_LIVE && peer->probe_told != core->views.epoch &&
            tell_epoch(core, peer, "probe", core->views.epoch)) {
            peer->probe_told = core->views.epoch;
        }
    }
    return all;
}

static void look_hushed(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    struct npri_text text = {0};
    bool over;

    if (!views->hushed || views->stalled) {
        return;
    }
    over = views->agreed && all_probed(core) && npri_leads_settled(core);
    if (over || core->now_ns - views->stalled_ns >= 2 * npri_views_patience_ns(core)) {
        views->hushed = false;
        npri_text_add(&text, "stall_over");
        npri_core_log(core, NPRI_LOG_INFO, &text);
    }
}

/* What others have asked us is true as soon as we are agreed: we have decided on what they told. */
static void answer_probes(struct npri_core *core)
{
    if (!core->views.agreed || !core->views.probed) {
        return;
    }
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        struct npri_peer *peer = core->members.view[i];

        if (peer->probe_due != 0 && tell_epoch(core, peer, "probed", peer->probe_due)) {
            peer->probe_due = 0;
        }
    }
    core->views.probed = false;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        core->views.probed |= NPRI_MAP_AT(at, struct npri_peer, node)->probe_due != 0;
    }
}

static void look_agreed(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    look_stalled(core);
    views->agreed = !views->changed && views->fence == 0 && !views->stalled &&
                    !is_about_to_join(core) && !has_awaited(core) && !has_dissenter(core);
    if (views->agreed) {
        views->joining = false;
        views->unagreed_ns = 0;
    } else if (views->unagreed_ns == 0) {
        views->unagreed_ns = core->now_ns;
    }
}

void npri_agreement_look(struct npri_core *core)
{
    look_agreed(core);
    look_hushed(core);
    answer_probes(core);
}

/* ---- What others ask. */

bool npri_views_agreed(const struct npri_core *core)
{
    return core->views.agreed || NPRI_FAULT(AGREEMENT_IGNORED);
}

bool npri_views_same(const struct npri_core *core, const struct npri_peer *peer)
{
    return peer->in_view && peer->native && peer->told.is &&
           peer->told.view_hash == npri_views_hash(core);
}

bool npri_views_stalled(const struct npri_core *core)
{
    return core->views.stalled || core->views.hushed;
}

static const struct npri_peer *find_awaited(const struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (npri_agreement_is_awaited(peer)) {
            return peer;
        }
    }
    return NULL;
}

static const struct npri_peer *find_dissenter(const struct npri_core *core)
{
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        if (npri_agreement_dissents(core, core->members.view[i])) {
            return core->members.view[i];
        }
    }
    return NULL;
}

void npri_views_add_dissent(const struct npri_core *core, struct npri_text *text)
{
    const struct npri_peer *awaited = find_awaited(core);
    const struct npri_peer *peer = find_dissenter(core);

    if (awaited != NULL) {
        npri_text_add(text, "this node waits for ");
        npri_text_add_node(text, &awaited->name);
        npri_text_add(text, ", to which it was connected or is to be");
    } else if (core->views.stalled) {
        npri_text_add(text, "this node was asleep, and others may have taken it for lost");
    } else if (is_about_to_join(core)) {
        npri_text_add(text, "this node is about to join others");
    } else if (peer != NULL) {
        npri_text_add_node(text, &peer->name);
        npri_text_add(text, dissent(core, peer));
    } else {
        npri_text_add(text, "the view of this node has just changed");
    }
}

/* ---- Messages. */

bool npri_views_on_told_probe(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    core->views.look = true;
    core->views.probed = true;
    return npr_term_get_uint64(elements[0], &peer->probe_due);
}

bool npri_views_on_told_probed(struct npri_core *core,
                               struct npri_peer *peer,
                               const struct npr_term *elements)
{
    core->views.look = true;
    return npr_term_get_uint64(elements[0], &peer->probed);
}
