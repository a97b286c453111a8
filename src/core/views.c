#include "core/views.h"

#include "base/assert.h"
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

/* What others must have told to have our view: the members, and how owners are chosen among them.
 */
static uint64_t view_hash(const struct npri_core *core)
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
    if (core->options.member) {
        self->seen = true;
        self->seen_id = identity_of(core, self);
        views->sees_hash = self->seen_id;
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
    core->views.members_changed = true;
    note_change(core);
    npri_core_log_node(core, NPRI_LOG_INFO, "node_joined", &peer->name, NULL);
}

static void leave(struct npri_core *core, struct npri_peer *peer, const char *reason)
{
    struct npri_members *members = &core->members;
    const uint32_t index = view_index(members, peer);

    NPRI_ASSERT(members->view[index] == peer);
    members->view_count--;
    memmove(&members->view[index], &members->view[index + 1],
            (members->view_count - index) * sizeof(struct npri_peer *));
    peer->in_view = false;
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

static bool tells_views(const struct npri_core *core, const struct npri_peer *peer)
{
    return core->options.member && peer->native && peer->seen;
}

/* Whether all native nodes that we see have told that they see the same. */
static bool all_see_the_same(const struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (tells_views(core, peer) &&
            (!peer->told.is || peer->told.sees_hash != core->views.sees_hash)) {
            return false;
        }
    }
    return true;
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

/* ---- Telling. */

/* Whether somebody may be about to enter the view of whom others cannot know: a member that was cut
 * off, or a node that this one was to join when it began. */
static const struct npri_peer *find_awaited(const struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->mending || (peer->join && peer->settling && !peer->was_member)) {
            return peer;
        }
    }
    return NULL;
}

/* Its present epoch, if it has our view.  Who waits for somebody acknowledges nothing new: the
 * other would be agreed without the one that is waited for. */
static uint64_t ack_for(const struct npri_core *core, const struct npri_peer *peer)
{
    if (!peer->in_view || !peer->told.is || peer->told.view_hash != view_hash(core)) {
        return 0;
    }
    if (find_awaited(core) != NULL && peer->said.ack != peer->told.epoch) {
        return 0;
    }
    return peer->told.epoch;
}

/* What `peer` is to know. */
static struct npri_told_view view_for(const struct npri_core *core, const struct npri_peer *peer)
{
    return (struct npri_told_view){.is = true,
                                   .draining = core->views.draining,
                                   .epoch = core->views.epoch,
                                   .view_hash = view_hash(core),
                                   .sees_hash = core->views.sees_hash,
                                   .ack = ack_for(core, peer),
                                   .base = core->views.base};
}

static bool equal(const struct npri_told_view *a, const struct npri_told_view *b)
{
    return a->is == b->is && a->draining == b->draining && a->epoch == b->epoch &&
           a->view_hash == b->view_hash && a->sees_hash == b->sees_hash && a->ack == b->ack &&
           a->base == b->base;
}

static void tell(struct npri_core *core, struct npri_peer *peer)
{
    const struct npri_told_view view = view_for(core, peer);
    struct npri_buffer *message;

    if (equal(&view, &peer->said)) {
        return;
    }
    message = npri_tell_begin(core, 7, "view");
    npri_put_uint(message, view.epoch);
    npri_put_uint(message, view.view_hash);
    npri_put_uint(message, view.sees_hash);
    npri_put_uint(message, view.ack);
    npri_put_uint(message, view.base);
    npri_put_atom(message, view.draining ? "true" : "false");
    if (!npri_tell_end(core, peer)) {
        core->out_of_memory = true;
        core->views.untold = true;
        return;
    }
    peer->said = view;
    core->views.acked |= view.ack != 0;
}

static void tell_all(struct npri_core *core)
{
    core->views.untold = false;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (tells_views(core, peer)) {
            tell(core, peer);
        }
    }
}

static void tell_lost(struct npri_core *core, const struct npri_peer *lost)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
        struct npri_buffer *message;

        if (peer == lost || !tells_views(core, peer)) {
            continue;
        }
        message = npri_tell_begin(core, 3, "node_lost");
        npri_put_node(message, &lost->name);
        npri_put_uint(message, lost->creation);
        core->out_of_memory |= !npri_tell_end(core, peer);
    }
}

/* ---- Agreement. */

/* The first native member of the view that has not agreed with us, and why not. */
static const struct npri_peer *find_dissenter(const struct npri_core *core, const char **out_why)
{
    const uint64_t hash = view_hash(core);

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];
        const struct npri_told_view *told = &peer->told;

        if (peer->self || !peer->native) {
            continue;
        }
        if (!told->is || told->view_hash != hash) {
            *out_why =
                peer->manner_known && peer->otp != core->manner.otp
                    ? " places keys as another release of Erlang does: all nodes need the same "
                      "--otp"
                    : " has another view of the cluster";
            return peer;
        }
        if ((told->base != core->views.base && !NPRI_FAULT(BASE_NOT_SHARED)) ||
            told->ack != core->views.epoch) {
            *out_why = " has not acknowledged the view of this node";
            return peer;
        }
    }
    return NULL;
}

/* A node that meets others soon after it began, or was left alone. */
static void look_joining(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    bool sees_natives = false;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        sees_natives |= tells_views(core, NPRI_MAP_AT(at, struct npri_peer, node));
    }
    if (!sees_natives || !views->alone) {
        views->joining = false;
    } else if (!views->saw_natives &&
               core->now_ns - views->alone_ns < npri_views_patience_ns(core)) {
        views->joining = !NPRI_FAULT(JOINING_LEFT_OUT);
    }
    views->saw_natives = sees_natives;
}

static void look_stalled(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    const char *why;

    if (!views->stalled || views->fence != 0) {
        return;
    }
    if (core->now_ns - views->stalled_ns >= npri_views_patience_ns(core) ||
        (find_dissenter(core, &why) == NULL && find_awaited(core) == NULL)) {
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
    for (uint32_t i = 0; core->views.agreed && i < core->members.view_count; i++) {
        struct npri_peer *peer = core->members.view[i];

        if (peer->probe_due != 0 && tell_epoch(core, peer, "probed", peer->probe_due)) {
            peer->probe_due = 0;
        }
    }
}

static void look_agreed(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    const char *why;

    look_joining(core);
    look_stalled(core);
    views->agreed = !views->changed && views->fence == 0 && !views->stalled && !views->joining &&
                    find_awaited(core) == NULL && find_dissenter(core, &why) == NULL;
    if (views->agreed) {
        views->unagreed_ns = 0;
    } else if (views->unagreed_ns == 0) {
        views->unagreed_ns = core->now_ns;
    }
}

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

static void look_others(struct npri_core *core)
{
    if (core->views.fence == 0) {
        tell_all(core);
    }
    look_agreed(core);
    look_hushed(core);
    answer_probes(core);
    look_trouble(core);
}

void npri_views_flush(struct npri_core *core)
{
    struct npri_views *views = &core->views;

    views->look |= views->hushed; /* What it waits for may have been told. */
    while (views->look) {
        views->look = false;
        if (!core->options.member || all_see_the_same(core)) {
            npri_views_take(core, any);
        }
        if (views->changed || views->fence_unmade) {
            begin_epoch(core);
        }
        if (!core->options.member) {
            views->agreed = true;
        } else {
            look_others(core);
        }
        npri_requests_release_held(core);
    }
    if (views->fence_unmade || views->untold) {
        views->look = true; /* at the next step */
    }
}

bool npri_views_agreed(const struct npri_core *core)
{
    return core->views.agreed || NPRI_FAULT(AGREEMENT_IGNORED);
}

bool npri_views_same(const struct npri_core *core, const struct npri_peer *peer)
{
    return peer->in_view && peer->native && peer->told.is &&
           peer->told.view_hash == view_hash(core);
}

bool npri_views_stalled(const struct npri_core *core)
{
    return core->views.stalled || core->views.hushed;
}

uint64_t npri_views_epoch(const struct npri_core *core)
{
    return core->views.epoch;
}

void npri_views_add_dissent(const struct npri_core *core, struct npri_text *text)
{
    const char *why = NULL;
    const struct npri_peer *awaited = find_awaited(core);
    const struct npri_peer *peer = find_dissenter(core, &why);

    if (awaited != NULL) {
        npri_text_add(text, "this node waits for ");
        npri_text_add_node(text, &awaited->name);
        npri_text_add(text, ", to which it was connected or is to be");
    } else if (core->views.stalled) {
        npri_text_add(text, "this node was asleep, and others may have taken it for lost");
    } else if (core->views.joining) {
        npri_text_add(text, "this node is about to join others");
    } else if (peer != NULL) {
        npri_text_add_node(text, &peer->name);
        npri_text_add(text, why);
    } else {
        npri_text_add(text, "the view of this node has just changed");
    }
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
    }
    peer->seen = true;
    peer->seen_id = id;
    core->views.sees_hash += id;
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
    core->views.look = true;
    npri_links_on_seen(core);
    if (peer->in_view) {
        leave(core, peer, reason);
        follow_members(core);
        tell_lost(core, peer);
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

/* ---- Messages. */

bool npri_views_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements)
{
    struct npri_told_view view = {.is = true};
    bool tells_anew;
    bool ok = npr_term_get_uint64(elements[0], &view.epoch) && view.epoch > 0;

    ok = ok && npr_term_get_uint64(elements[1], &view.view_hash);
    ok = ok && npr_term_get_uint64(elements[2], &view.sees_hash);
    ok = ok && npr_term_get_uint64(elements[3], &view.ack) && view.ack <= core->views.epoch;
    ok = ok && npr_term_get_uint64(elements[4], &view.base) && view.base <= NPRI_TOKEN_BASE_MAX;
    view.draining = npr_term_is_atom(elements[5], "true");
    if (!ok || (!view.draining && !npr_term_is_atom(elements[5], "false"))) {
        return false;
    }
    tells_anew = !peer->told.is || peer->told.epoch != view.epoch;
    peer->told = view;
    core->views.look = true;
    core->views.agreed = false; /* until this has been looked at */
    if (tells_anew) {
        npri_leads_on_peer_epoch(core, peer);
    }
    if (peer->in_view) {
        npri_views_raise_base(core, view.base);
    }
    npri_views_on_seen(core, peer);
    return true;
}

bool npri_views_on_told_probe(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    core->views.look = true;
    return npr_term_get_uint64(elements[0], &peer->probe_due);
}

bool npri_views_on_told_probed(struct npri_core *core,
                               struct npri_peer *peer,
                               const struct npr_term *elements)
{
    core->views.look = true;
    return npr_term_get_uint64(elements[0], &peer->probed);
}

/* Somebody has lost it.  We keep it only when we have heard it lately. */
static void doubt(struct npri_core *core, struct npri_peer *peer)
{
    if (npri_beats_watch(core, peer)) {
        if (npri_beats_silence_ns(core, peer) > 2 * core->options.heartbeat_ns &&
            !npri_beats_were_late(core)) {
            npri_member_drop(core, peer,
                             npr_bytes_of("another node has lost it, and it is silent here, too"));
        }
    } else if (!peer->native && peer->suspect) {
        npri_member_leave(core, peer, "another node has lost it, and it does not answer here");
    } else if (!peer->native) {
        peer->doubted = true;
        npri_chatter_poll(core, peer);
    }
}

bool npri_views_on_told_lost(struct npri_core *core,
                             struct npri_peer *peer,
                             const struct npr_term *elements)
{
    struct npr_node_name name;
    struct npr_bytes atom;
    struct npri_peer *lost;
    uint64_t creation;

    (void)peer;
    if (!npr_term_get_atom(elements[0], &atom) ||
        npr_node_name_parse(atom, &name, NULL) != NPR_OK ||
        !npr_term_get_uint64(elements[1], &creation) || creation > UINT32_MAX) {
        return false;
    }
    lost = npri_member_find(core, &name);
    if (lost != NULL && lost->seen && lost->creation == creation) {
        doubt(core, lost);
    }
    return true;
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
        view += members->view[i]->view_id;
    }
    NPRI_ASSERT(view == views->members_hash);
    NPRI_ASSERT(!views->changed && !views->members_changed);
    NPRI_ASSERT(!views->agreed || !core->options.member ||
                (views->fence == 0 && !views->stalled && !views->joining));
}
