#include "core/views.h"

#include "base/assert.h"
#include "core/agreement.h"
#include "core/faults.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* ---- Identities and their sets. */

uint64_t npri_identity(const struct npri_core *core,
                       const struct npr_node_name *name,
                       uint32_t creation,
                       bool draining)
{
    uint8_t bytes[6 + NPR_NODE_NAME_BYTES_MAX] = {0, draining ? 1 : 0}; /* no term begins with 0 */
    uint8_t digest[16];
    uint64_t hash = 0;

    npri_write_u32(bytes + 2, creation);
    memcpy(bytes + 6, name->text, name->size);
    core->options.md5(bytes, 6u + name->size, digest);
    for (size_t i = 0; i < 8; i++) {
        hash = hash << 8 | digest[i];
    }
    return hash;
}

static uint64_t identity_of(const struct npri_core *core, const struct npri_peer *peer)
{
    return npri_identity(core, &peer->name, peer->creation,
                         peer->self ? core->views.draining : peer->told.draining);
}

uint64_t npri_views_hash(const struct npri_core *core)
{
    return core->views.members_hash + (core->manner.otp == NPR_OTP_25 ? 25 : 26);
}

uint64_t npri_views_patience_ns(const struct npri_core *core)
{
    return core->options.node_timeout_ns + 2 * core->options.heartbeat_ns;
}

void npri_views_init(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    struct npri_peer *self = &core->members.self;

    views->epoch = 1;
    views->base = core->options.epoch_us;
    views->alone = true;
    views->alone_ns = core->now_ns;
    views->agreed = true;
    views->trouble_timer.kind = NPRI_TIMER_TROUBLE;
    views->sees_timer.kind = NPRI_TIMER_SEES;
    if (core->options.member) {
        self->seen = true;
        self->seen_id = identity_of(core, self);
        views->sees_hash = self->seen_id;
        views->sees_said = self->seen_id;
        self->in_view = true;
        self->view_id = self->seen_id;
        views->members_hash = self->view_id;
        core->members.view[core->members.view_count++] = self;
        core->members.ring[core->members.ring_count++] = self;
    }
}

/* ---- The view. */

/* Where `peer` is in the view, or would be. */
static uint32_t view_index(const struct npri_members *members, const struct npri_peer *peer)
{
    uint32_t low = 0;
    uint32_t high = members->view_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (npri_placement_compare(&members->view[middle]->name, &peer->name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void note_change(struct npri_core *core)
{
    core->views.changed = true;
    core->views.look = true;
    core->views.agreed = false;
}

static void enter(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_members *members = &core->members;
    const uint32_t index = view_index(members, peer);

    NPRI_ASSERT(members->view_count < members->view_capacity);
    memmove(&members->view[index + 1], &members->view[index],
            (members->view_count - index) * sizeof(struct npri_peer *));
    members->view[index] = peer;
    members->view_count++;
    peer->in_view = true;
    peer->was_member = true;
    npri_quorum_on_met(core, peer);
    npri_tally(core, peer);
    core->views.members_changed = true;
    note_change(core);
    npri_core_log_node(core, NPRI_LOG_INFO, "node_joined", &peer->name, NULL);
}

static void leave(struct npri_core *core, struct npri_peer *peer, const char *reason)
{
    struct npri_members *members = &core->members;
    const uint32_t index = view_index(members, peer);

    NPRI_ASSERT(members->view[index] == peer);
    npri_quorum_on_leaving(core, peer);
    members->view_count--;
    memmove(&members->view[index], &members->view[index + 1],
            (members->view_count - index) * sizeof(struct npri_peer *));
    peer->in_view = false;
    npri_tally(core, peer);
    core->views.members_changed = true;
    note_change(core);
    npri_core_log_node(core, NPRI_LOG_INFO, "node_left", &peer->name, reason);
}

/* `peer` is in the view exactly when `wanted`, as it is seen now. */
static void set_member(struct npri_core *core, struct npri_peer *peer, bool wanted)
{
    if (wanted && !peer->in_view) {
        enter(core, peer);
    } else if (!wanted && peer->in_view) {
        leave(core, peer, "the nodes that stay cannot all reach it");
    }
    if (wanted && peer->view_id != peer->seen_id) {
        peer->view_id = peer->seen_id;
        peer->view_draining = peer->self ? core->views.draining : peer->told.draining;
        core->views.members_changed = true;
        note_change(core);
    }
}

static uint32_t natives_in_view(const struct npri_core *core)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        count += core->members.view[i]->native ? 1 : 0;
    }
    return count;
}

/* The ring and the hash follow the view. */
static void follow_members(struct npri_core *core)
{
    struct npri_members *members = &core->members;
    struct npri_views *views = &core->views;

    views->members_hash = 0;
    members->ring_count = 0;
    for (uint32_t i = 0; i < members->view_count; i++) {
        struct npri_peer *peer = members->view[i];

        views->members_hash += peer->view_id;
        if (!peer->view_draining) {
            members->ring[members->ring_count++] = peer;
        }
    }
    if (natives_in_view(core) > 0) {
        views->alone = false;
    } else if (!views->alone) {
        views->alone = true;
        views->alone_ns = core->now_ns;
        views->saw_natives = false; /* Those that it sees are met anew, unless it was parted. */
    }
}

void npri_views_on_parted(struct npri_core *core)
{
    core->views.joining = false;
    core->views.saw_natives = true;
}

void npri_views_take(struct npri_core *core, bool (*wanted)(const struct npri_peer *peer))
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        set_member(core, peer, peer->seen && wanted(peer));
    }
    if (core->options.member) {
        set_member(core, &core->members.self, true);
    }
    if (core->views.members_changed) {
        follow_members(core);
    }
}

static bool any(const struct npri_peer *peer)
{
    (void)peer;
    return true;
}

bool npri_views_tells(const struct npri_core *core, const struct npri_peer *peer)
{
    return core->options.member && peer->native && peer->seen;
}

/* Whether it is soon enough after its beginning, or after all others have left, that somebody whom
 * it is about to meet may be of a cluster that was there before. */
static bool is_meeting(const struct npri_core *core)
{
    return core->tally.counts[NPRI_TALLY_MET] > 0 && core->tally.counts[NPRI_TALLY_TELLING] > 0 &&
           core->views.alone && core->now_ns - core->views.alone_ns < npri_views_patience_ns(core);
}

/* Whether all native nodes that we see have told that they see the same.  Who is new does not take
 * these for all as long as another one that it knows of may yet turn out to be native. */
static bool all_see_the_same(const struct npri_core *core)
{
    return core->tally.counts[NPRI_TALLY_DIFFERS] == 0 && !is_meeting(core) &&
           !(core->tally.counts[NPRI_TALLY_TELLING] > 0 && npri_quorum_is_young(core));
}

/* ---- Epochs. */

/* What was given in the view that is left is below all that will be given in the next one. */
static void follow_base(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    if (!NPRI_FAULT(BASE_NOT_RAISED) && views->members_changed &&
        (views->acked ||
         atomic_load_explicit(&core->token_last, memory_order_relaxed) > views->base)) {
        views->base += NPRI_TOKEN_RANGE;
    }
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        if (!NPRI_FAULT(BASE_NOT_SHARED) && peer->told.is && peer->told.base > views->base) {
            views->base = peer->told.base;
        }
    }
}

static void begin_fence(struct npri_core *core)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_FENCE, 0);

    core->views.fence = ++core->views.fences_begun;
    core->views.fence_unmade = effect == NULL;
    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    effect->out.operation = core->views.fence;
    npri_effects_queue(&core->effects, effect);
}

/* Those who were lost and are back. */
static void end_mending(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->settling && peer->native && peer->in_view) {
            npri_member_settled(core, peer);
        }
    }
}

static void begin_epoch(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    if (views->changed) {
        views->epoch++;
        views->base += views->range_ends ? NPRI_TOKEN_RANGE : 0;
        views->range_ends = false;
        follow_base(core);
        views->acked &= !views->members_changed;
        views->changed = false;
        views->members_changed = false;
    }
    if (core->options.member) {
        begin_fence(core);
    }
    end_mending(core);
    npri_requests_on_view(core);
}

void npri_views_on_fenced(struct npri_core *core, const struct npri_core_event *event)
{
    if (event->operation == core->views.fence && core->views.fence != 0) {
        core->views.fence = 0;
        core->views.look = true;
        npri_held_on_news(core); /* Who owns keys now is about to be told of our epoch. */
        npri_push_on_epoch(core);
    }
}

void npri_views_raise_base(struct npri_core *core, uint64_t base)
{
    if (base > core->views.base && !NPRI_FAULT(BASE_NOT_SHARED)) {
        core->views.base = base;
        note_change(core);
    }
}

void npri_views_begin_anew(struct npri_core *core)
{
    note_change(core);
}

void npri_views_on_range_ending(struct npri_core *core)
{
    if (!core->views.range_ends) {
        core->views.range_ends = true;
        note_change(core);
    }
}

void npri_views_set_draining(struct npri_core *core)
{
    core->views.draining = true;
    npri_views_on_seen(core, &core->members.self);
}

void npri_views_on_manner(struct npri_core *core)
{
    core->views.members_changed = true;
    note_change(core);
}

/* ---- The end of a step. */

static void look_trouble(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    const bool calm = views->agreed && views->members_hash == views->sees_hash &&
                      all_see_the_same(core) && core->options.member;

    if (calm && views->trouble) {
        views->trouble = false;
        npri_timer_stop(core, &views->trouble_timer);
        npri_links_forget(core);
    } else if (!calm && !views->trouble) {
        views->trouble = true;
        views->trouble_ns = core->now_ns;
        npri_timer_arm(core, &views->trouble_timer, npri_time_after(core, NPRI_TROUBLE_NS));
    }
}

void npri_views_on_trouble_time(struct npri_core *core)
{
    npri_timer_arm(core, &core->views.trouble_timer, npri_time_after(core, NPRI_TROUBLE_NS));
    core->views.look = true;
    npri_links_work(core);
}

void npri_views_on_sees_time(struct npri_core *core)
{
    core->views.look = true;
}

/* Something is another here: the view may follow, and all may have to be told. */
static void look(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    npri_tally_all(core);
    views->followed = !core->options.member || all_see_the_same(core);
    if (views->followed) {
        npri_views_take(core, any);
    }
    if (views->changed || views->fence_unmade) {
        begin_epoch(core);
        npri_tally_all(core);
    }
    if (views->fence == 0 && core->options.member) {
        npri_views_tell_all(core);
    }
}

/* Another node has told something new, and that is all: nobody but that one may have to be told.
 * With n nodes n of these come for each change of the view: this must not take time in n. */
static void look_at_teller(struct npri_core *core, struct npri_peer *teller)
{
    npri_tally(core, teller);
    if (!core->views.followed && all_see_the_same(core)) {
        look(core);
    } else if (core->views.fence == 0) {
        npri_views_tell(core, teller);
    }
}

/* False: there is nothing to look at. */
static bool look_once(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    struct npri_peer *teller = views->look ? NULL : views->teller;

    if (!views->look && teller == NULL) {
        return false;
    }
    npri_agreement_meet(core);
    views->look = false;
    views->teller = NULL;
    if (teller == NULL) {
        look(core);
    } else {
        look_at_teller(core, teller);
    }
    if (!core->options.member) {
        views->agreed = true;
    } else {
        npri_agreement_look(core);
        look_trouble(core);
    }
    return true;
}

void npri_views_flush(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    views->look |= views->hushed; /* What it waits for may have been told. */
    while (look_once(core) || npri_held_have_reason(core)) {
        if (npri_held_have_reason(core)) {
            npri_held_go_on(core);
        }
    }
    if (views->fence_unmade || views->untold) {
        views->look = true; /* at the next step */
    }
}

uint64_t npri_views_epoch(const struct npri_core *core)
{
    return core->views.epoch;
}

bool npri_views_refused(const struct npri_core *core, struct npri_text *out_why)
{
    bool refused = false;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->native && peer->seen) {
            return false;
        }
        refused |= peer->join && peer->refused;
    }
    if (refused) {
        *out_why = core->members.refusal;
    }
    return refused;
}

/* ---- What happens. */

void npri_views_on_seen(struct npri_core *core, struct npri_peer *peer)
{
    const uint64_t id = identity_of(core, peer);

    if (peer->seen && peer->seen_id == id) {
        return;
    }
    if (peer->seen) {
        core->views.sees_hash -= peer->seen_id;
    } else {
        npri_held_on_news(core); /* It may have what nobody had. */
    }
    peer->seen = true;
    peer->seen_id = id;
    core->views.sees_hash += id;
    npri_tally(core, peer);
    core->views.look = true;
    npri_links_on_seen(core);
}

void npri_views_on_unseen(struct npri_core *core, struct npri_peer *peer, const char *reason)
{
    if (!peer->seen) {
        return;
    }
    core->views.sees_hash -= peer->seen_id;
    peer->seen = false;
    npri_tally(core, peer);
    core->views.look = true;
    npri_links_on_seen(core);
    if (peer->in_view) {
        leave(core, peer, reason);
        follow_members(core);
        npri_views_tell_lost(core, peer);
    }
}

void npri_views_on_stall(struct npri_core *core, uint64_t late_ns)
{
    struct npri_text text = {0};

    /* Nothing has lasted while we slept. */
    core->links.changed_ns = core->now_ns;
    core->views.trouble_ns = core->now_ns;
    core->views.unagreed_ns = core->views.unagreed_ns == 0 ? 0 : core->now_ns;
    if (natives_in_view(core) == 0) {
        return;
    }
    core->views.stalled = true;
    core->views.hushed = true;
    core->views.stalled_ns = core->now_ns;
    core->views.members_changed = true; /* Others may have left it meanwhile: tokens, too. */
    note_change(core);
    npri_text_add(&text, "stalled ms=");
    npri_text_add_uint(&text, late_ns / 1000000);
    npri_text_add(&text,
                  " consequence=\"nothing is answered until the others have said whether they "
                  "took this node for lost\"");
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

void npri_views_check(const struct npri_core *core)
{
    const struct npri_members *members = &core->members;
    const struct npri_views *views = &core->views;
    uint64_t sees_hash = members->self.seen ? members->self.seen_id : 0;
    uint64_t view = 0;
    uint32_t in_view = members->self.in_view ? 1 : 0;

    NPRI_ASSERT(members->self.in_view == core->options.member);
    NPRI_LIST_FOREACH (at, &members->peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        NPRI_ASSERT(peer->connected || !peer->seen);
        NPRI_ASSERT(peer->seen || !peer->in_view);
        NPRI_ASSERT(peer->connected || (!peer->told.is && !peer->said.is));
        sees_hash += peer->seen ? peer->seen_id : 0;
        in_view += peer->in_view ? 1 : 0;
    }
    NPRI_ASSERT(sees_hash == views->sees_hash);
    NPRI_ASSERT(in_view == members->view_count && members->ring_count <= in_view);
    for (uint32_t i = 0; i < members->view_count; i++) {
        NPRI_ASSERT(members->view[i]->in_view);
        NPRI_ASSERT(i == 0 || npri_placement_compare(&members->view[i - 1]->name,
                                                     &members->view[i]->name) < 0);
        NPRI_ASSERT(NPRI_FAULT(BASE_NOT_SHARED) || !npri_views_same(core, members->view[i]) ||
                    members->view[i]->told.base <= views->base);
        view += members->view[i]->view_id;
    }
    NPRI_ASSERT(view == views->members_hash);
    NPRI_ASSERT(!views->changed && !views->members_changed);
    NPRI_ASSERT(views->sees_said == views->sees_hash || views->look || views->fence != 0 ||
                npri_heap_has(&views->sees_timer.node) || !core->options.member);
    NPRI_ASSERT(!views->agreed || !core->options.member ||
                (views->fence == 0 && !views->stalled && !views->joining));
}
