#include "core/members.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/faults.h"
#include "core/placement.h"
#include "core/state.h"

static void init_peer(struct npri_core *core,
                      struct npri_peer *peer,
                      const struct npr_node_name *name)
{
    memset(peer, 0, sizeof(*peer));
    peer->name = *name;
    peer->name_hash = npri_identity(core, name, 0, false);
    peer->serial = ++core->members.serial;
    peer->pause_ns = NPRI_DIAL_PAUSE_NS;
    peer->dial_timer.kind = NPRI_TIMER_DIAL;
    peer->settle_timer.kind = NPRI_TIMER_SETTLE;
    npri_list_init(&peer->operations);
    npri_list_init(&peer->feeding.feeds);
    npri_list_init(&peer->feeding.sources);
    npri_list_init(&peer->lending.claims);
    peer->pushing.work.kind = NPRI_WORK_PUSH_ALONE;
}

static bool reserve_view(struct npri_members *members, size_t nodes_count)
{
    uint32_t capacity = members->view_capacity == 0 ? 8 : members->view_capacity;
    struct npri_peer **view;
    struct npri_peer **ring;

    if (nodes_count <= members->view_capacity) {
        return true;
    }
    while (capacity < nodes_count) {
        capacity *= 2;
    }
    view = npri_realloc(members->view, capacity * sizeof(struct npri_peer *));
    if (view == NULL) {
        return false;
    }
    members->view = view;
    ring = npri_realloc(members->ring, capacity * sizeof(struct npri_peer *));
    if (ring == NULL) {
        return false;
    }
    members->ring = ring;
    members->view_capacity = capacity;
    return true;
}

bool npri_members_init(struct npri_core *core)
{
    struct npri_members *members = &core->members;

    if (!npri_map_init(&members->peers, core->options.hash_key) || !reserve_view(members, 1)) {
        return false;
    }
    init_peer(core, &members->self, &core->options.self);
    members->self.self = true;
    members->self.creation = core->options.creation;
    members->tick_timer.kind = NPRI_TIMER_TICK;
    npri_timer_arm(core, &members->tick_timer, npri_time_after(core, core->options.announce_ns));
    return true;
}

void npri_members_fini(struct npri_core *core)
{
    struct npri_members *members = &core->members;
    struct npri_map_node *at;

    while (members->peers.buckets != NULL && (at = npri_map_first(&members->peers)) != NULL) {
        struct npri_peer *peer = NPRI_CONTAINER_OF(at, struct npri_peer, node);
        struct npri_link *link;

        while ((link = npri_list_take(&peer->operations)) != NULL) {
            npri_operation_end(core, NPRI_CONTAINER_OF(link, struct npri_operation, of_peer));
        }
        npri_map_remove(&members->peers, at);
        npri_free(peer->takeovers);
        npri_free(peer);
    }
    npri_map_fini(&members->peers);
    npri_free(members->view);
    npri_free(members->ring);
}

struct npri_peer *npri_member_find(const struct npri_core *core, const struct npr_node_name *name)
{
    struct npri_map_node *at =
        npri_map_find(&core->members.peers, npri_bytes(name->text, name->size));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_peer, node);
}

/* To be called whenever `connected` or `join` has changed. */
static void count_named(struct npri_members *members, struct npri_peer *peer)
{
    const bool named_only = !peer->connected && !peer->join;

    if (named_only && !peer->counted) {
        members->named_count++;
    } else if (!named_only && peer->counted) {
        members->named_count--;
    }
    peer->counted = named_only;
}

/* NULL with *out_memory false: `name` is ignored, with a line in the log.  `named`: that it was
 * heard of is all that is known of it. */
static struct npri_peer *find_or_create(struct npri_core *core,
                                        const struct npr_node_name *name,
                                        bool named,
                                        bool *out_memory)
{
    struct npri_members *members = &core->members;
    struct npri_peer *peer = npri_member_find(core, name);
    struct npr_node_name checked;

    *out_memory = false;
    if (peer != NULL) {
        return peer;
    }
    if (npr_node_name_parse(npri_bytes(name->text, name->size), &checked, NULL) != NPR_OK) {
        npri_core_log_node(core, NPRI_LOG_WARNING, "node_ignored", name, "not a node name");
        return NULL;
    }
    if (members->peers.count + 1 >= NPRI_VIEW_NODES_MAX ||
        (named && members->named_count >= NPRI_NAMED_NODES_MAX)) {
        npri_core_log_node(core, NPRI_LOG_WARNING, "node_ignored", name, "too many nodes");
        return NULL;
    }
    peer = reserve_view(members, members->peers.count + 2) ? npri_alloc(sizeof(*peer)) : NULL;
    if (peer == NULL) {
        *out_memory = true;
        return NULL;
    }
    init_peer(core, peer, name);
    npri_map_insert(&members->peers, &peer->node, npri_bytes(peer->name.text, peer->name.size));
    count_named(members, peer);
    return peer;
}

void npri_member_forget_unused(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->connected || peer->join || peer->dialling || npri_heap_has(&peer->dial_timer.node)) {
        return;
    }
    NPRI_ASSERT(npri_list_empty(&peer->operations) && !peer->in_view && peer->counted);
    core->members.named_count--;
    npri_member_settled(core, peer);
    npri_tally_forget(core, peer);
    npri_map_remove(&core->members.peers, &peer->node);
    npri_free(peer->takeovers);
    npri_free(peer);
}

/* ---- Settling. */

bool npri_members_settling(const struct npri_core *core)
{
    return core->members.settling_count > 0 && !NPRI_FAULT(HOLD_LEFT_OUT);
}

static void begin_settling(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->settling) {
        peer->settling = true;
        core->members.settling_count++;
        npri_tally(core, peer);
    }
    npri_timer_arm(core, &peer->settle_timer, npri_time_after(core, core->options.suspect_ns));
}

/* Of a new name that may be a lie. */
static void begin_settling_named(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_members *members = &core->members;

    if (!members->names_hold || core->now_ns - members->names_hold_ns > core->options.expire_ns) {
        members->names_hold = true;
        members->names_hold_ns = core->now_ns;
    }
    if (core->now_ns - members->names_hold_ns <= core->options.suspect_ns) {
        begin_settling(core, peer);
    }
}

void npri_member_settled(struct npri_core *core, struct npri_peer *peer)
{
    npri_timer_stop(core, &peer->settle_timer);
    if (peer->mending) {
        peer->mending = false;
        core->views.look = true;
    }
    if (peer->settling) {
        peer->settling = false;
        core->members.settling_count--;
        core->views.look = true; /* Held requests go on in the view that has come of it. */
        npri_watch_on_settled(core);
    }
    npri_tally(core, peer);
}

/* See "Mending".  A node that has slept waits longer: until it knows whether it was missed.  So
 * does one with a quorum: the other may not know that its connection was closed, and may start
 * things until its lease ends. */
static void go_on_mending(struct npri_core *core, struct npri_peer *peer)
{
    uint64_t most_ns = NPRI_MENDING_MAX * core->options.suspect_ns;
    uint64_t step_ns = core->options.suspect_ns;
    uint64_t end_ns;

    if (core->views.stalled) {
        most_ns = npri_views_patience_ns(core);
        step_ns = most_ns;
    } else if (core->options.quorum > 0) {
        most_ns = core->options.node_timeout_ns; /* its lease */
        step_ns = most_ns;
    }
    end_ns = peer->mending_ns + most_ns;

    npri_timer_arm(core, &peer->settle_timer,
                   end_ns < core->now_ns + step_ns ? end_ns : core->now_ns + step_ns);
}

/* Who is met again is waited for until it is in the view, or the graph is parted without it: that
 * is bounded, too. */
void npri_member_on_settle_time(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->mending && peer->native && peer->seen) {
        npri_timer_arm(core, &peer->settle_timer,
                       npri_time_after(core, npri_views_patience_ns(core)));
    } else {
        npri_member_settled(core, peer);
    }
}

void npri_members_on_parted(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->mending) {
            npri_member_settled(core, peer);
        }
    }
}

static void begin_mending(struct npri_core *core, struct npri_peer *peer)
{
    peer->pause_ns = NPRI_DIAL_PAUSE_NS;
    if (!peer->mending) {
        begin_settling(core, peer);
        peer->mending = true;
        peer->mending_ns = core->now_ns;
        npri_tally(core, peer);
    }
    go_on_mending(core, peer);
    npri_dial_now(core, peer);
}

/* ---- Joining and leaving the view. */

/* It would find other owners than we do. */
static void warn_of_original(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->settings_warned) {
        peer->settings_warned = true;
        npri_core_log_node(core, NPRI_LOG_WARNING, "original_left_out", &peer->name,
                           "beside original nodes, placement must be original");
    }
}

void npri_member_on_heard(struct npri_core *core, struct npri_peer *peer)
{
    NPRI_ASSERT(peer->connected);
    peer->registry = true;
    peer->heard_ns = core->now_ns;
    peer->pause_ns = NPRI_DIAL_PAUSE_NS;
    if (!peer->native && core->options.placement != NPR_PLACEMENT_ORIGINAL) {
        warn_of_original(core, peer);
        return;
    }
    if (!peer->native) {
        peer->refused = false; /* What it was once, it is no more. */
    }
    npri_views_on_seen(core, peer);
}

void npri_member_leave(struct npri_core *core, struct npri_peer *peer, const char *reason)
{
    npri_views_on_unseen(core, peer, reason);
}

void npri_member_on_silence(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->suspect) {
        peer->suspect = true;
        npri_core_log_node(core, peer->in_view ? NPRI_LOG_WARNING : NPRI_LOG_DEBUG, "node_suspect",
                           &peer->name, "no answer");
    }
    if (peer->doubted) {
        npri_member_leave(core, peer, "another node has lost it, and it does not answer here");
    }
    npri_operations_on_silence(core, peer);
    npri_member_settled(core, peer);
}

void npri_member_on_answer(struct npri_core *core, struct npri_peer *peer)
{
    peer->doubted = false;
    if (peer->suspect) {
        peer->suspect = false;
        npri_core_log_node(core, peer->in_view ? NPRI_LOG_INFO : NPRI_LOG_DEBUG, "node_answers",
                           &peer->name, NULL);
    }
}

/* ---- Events. */

bool npri_members_on_join(struct npri_core *core, const struct npri_core_event *event)
{
    bool no_memory;
    struct npri_peer *peer;

    if (npr_node_name_equal(&event->node, &core->options.self)) {
        return true;
    }
    peer = find_or_create(core, &event->node, false, &no_memory);
    if (peer == NULL) {
        return !no_memory;
    }
    peer->join = true;
    npri_tally(core, peer);
    count_named(&core->members, peer);
    if (!peer->connected && !peer->dialling) {
        begin_settling(core, peer);
        npri_dial_now(core, peer);
    }
    return true;
}

/* Of the connection. */
static void forget_told(struct npri_peer *peer)
{
    peer->native = false;
    peer->registry = false;
    peer->suspect = false;
    peer->doubted = false;
    peer->release_asked = false;
    peer->manner_known = false;
    peer->manner_warned = false;
    peer->settings_warned = false;
    peer->creation = 0;
    peer->heard_ns = 0;
    peer->told = (struct npri_told_view){0};
    peer->said = (struct npri_told_view){0};
    peer->said_ns = 0;
    peer->probe_told = 0;
    peer->probed = 0;
    peer->probe_due = 0;
    peer->echoed_ns = 0;
    peer->beat_heard = 0;
    peer->deaf_ns = 0;
}

/* What holds for a connection ends with it: its entries, its questions, its place in the view. */
static void disconnect(struct npri_core *core, struct npri_peer *peer, const char *reason)
{
    struct npri_link *at;
    size_t entries_count;

    if (peer->native && peer->in_view) {
        peer->lost_ns = core->now_ns;
    }
    npri_views_on_unseen(core, peer, reason);
    peer->connected = false;
    count_named(&core->members, peer);
    forget_told(peer);
    npri_tally(core, peer);
    entries_count = npri_directory_on_node_down(&core->directory, &peer->name);
    if (entries_count > 0) {
        struct npri_text text = {0};

        npri_text_add(&text, "entries_dropped node=");
        npri_text_add_node(&text, &peer->name);
        npri_text_add(&text, " count=");
        npri_text_add_uint(&text, entries_count);
        npri_core_log(core, NPRI_LOG_INFO, &text);
    }
    npri_watch_on_disconnected(core, peer);
    npri_push_on_peer_lost(core, peer);
    npri_leads_on_peer_lost(core, peer);
    npri_handover_on_peer_lost(core, peer);
    npri_claims_on_owner_lost(core, peer);
    while ((at = npri_list_take(&peer->operations)) != NULL) {
        npri_operation_on_lost(core, NPRI_CONTAINER_OF(at, struct npri_operation, of_peer));
    }
}

void npri_member_close(struct npri_core *core, struct npri_peer *peer, struct npr_bytes why)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_DISCONNECT, why.size);

    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    effect->out.node = peer->name;
    npri_effect_set_text(effect, why);
    npri_effects_queue(&core->effects, effect);
    disconnect(core, peer, "its connection was ended");
    if (core->views.stalled && peer->lost_ns == core->now_ns) {
        begin_mending(core, peer);
        return;
    }
    npri_dial_later(core, peer);
    npri_member_settled(core, peer);
    npri_member_forget_unused(core, peer);
}

void npri_member_drop(struct npri_core *core, struct npri_peer *peer, struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add(&text, "node_dropped node=");
    npri_text_add_node(&text, &peer->name);
    npri_text_add(&text, " reason=\"");
    npri_text_add_bytes(&text, why);
    npri_text_add(&text, "\"");
    npri_core_log(core, NPRI_LOG_WARNING, &text);
    npri_member_close(core, peer, why);
}

bool npri_members_on_connected(struct npri_core *core, const struct npri_core_event *event)
{
    bool no_memory;
    struct npri_peer *peer;

    if (npr_node_name_equal(&event->node, &core->options.self)) {
        return true;
    }
    peer = find_or_create(core, &event->node, false, &no_memory);
    if (peer == NULL) {
        return !no_memory;
    }
    if (peer->connected) {
        if (peer->creation == event->creation) {
            return true;
        }
        disconnect(core, peer, "another incarnation");
    }
    if (peer->named_ns != 0) {
        core->members.names_hold = false; /* There is something in names. */
    }
    peer->connected = true;
    count_named(&core->members, peer);
    peer->creation = event->creation;
    peer->dialling = false;
    npri_timer_stop(core, &peer->dial_timer);
    if (peer->mending) {
        go_on_mending(core, peer);
    } else {
        begin_settling(core, peer);
    }
    if (core->options.member) {
        npri_chatter_greet(core, peer);
    }
    npri_chatter_poll(core, peer);
    return true;
}

/* The end of a connection has its own line where the connections are kept; news is only that a node
 * which the operator named cannot be reached. */
static void log_disconnected(struct npri_core *core,
                             const struct npri_peer *peer,
                             struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add(&text, peer->connected ? "node_disconnected node=" : "connect_failed node=");
    npri_text_add_node(&text, &peer->name);
    npri_text_add(&text, " reason=\"");
    npri_text_add_bytes(&text, why);
    npri_text_add(&text, "\"");
    npri_core_log(core, !peer->connected && peer->join ? NPRI_LOG_INFO : NPRI_LOG_DEBUG, &text);
}

void npri_members_on_disconnected(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);
    bool awaited;

    /* The end of a connection that counts as lost already is not that of the attempt since. */
    if (peer == NULL || (!peer->connected && (!peer->dialling || event->was_up))) {
        return;
    }
    log_disconnected(core, peer, event->text);
    if (peer->dialling && core->now_ns >= peer->refused_until_ns) {
        peer->refused = false; /* It is not there any more. */
    }
    peer->dialling = false;
    if (peer->connected) {
        awaited = peer->settling || (peer->native && (peer->in_view || core->views.joining));
        disconnect(core, peer, "connection lost");
        if (awaited && core->options.member) {
            begin_mending(core, peer);
            return;
        }
    }
    npri_dial_later(core, peer);
    npri_member_settled(core, peer);
    npri_member_forget_unused(core, peer);
}

bool npri_member_on_named(struct npri_core *core, const struct npr_node_name *name)
{
    bool no_memory;
    bool known = npri_member_find(core, name) != NULL;
    struct npri_peer *peer;

    if (npr_node_name_equal(name, &core->options.self)) {
        return true;
    }
    peer = find_or_create(core, name, true, &no_memory);
    if (peer == NULL) {
        return !no_memory;
    }
    peer->named_ns = core->now_ns;
    if (!peer->connected && !peer->dialling && !npri_heap_has(&peer->dial_timer.node)) {
        if (!known) {
            begin_settling_named(core, peer);
        }
        npri_dial_now(core, peer);
    }
    return true;
}

bool npri_members_on_announced(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);

    if (peer == NULL || !peer->connected) {
        return npri_member_on_named(core, &event->node);
    }
    peer->named_ns = core->now_ns;
    npri_member_on_heard(core, peer);
    return true;
}

bool npri_member_is_from(const struct npri_peer *peer, const struct npri_core_event *event)
{
    return event->creation == 0 || event->creation == peer->creation;
}

void npri_members_on_greeted(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);
    const bool known = peer != NULL && peer->connected && peer->native;

    if (peer == NULL || !peer->connected || !npri_member_is_from(peer, event)) {
        return;
    }
    peer->greeting = event->greeting;
    if (!npri_greeting_accept(core, peer)) {
        return;
    }
    peer->native = true;
    if (!known) {
        npri_tally(core, peer);
        core->views.look = true;
        npri_beats_begin(core, peer);
        npri_operations_on_native(core, peer);
    }
    npri_member_on_heard(core, peer);
    npri_manner_on_native(core, peer, event->greeting.otp);
    npri_watch_on_native(core);
}

void npri_members_on_heard(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);

    if (peer != NULL) {
        npri_beats_on_heard(core, peer);
    }
}

void npri_members_check(const struct npri_core *core)
{
    const struct npri_members *members = &core->members;
    uint32_t settling = 0;
    uint32_t named = 0;

    NPRI_LIST_FOREACH (at, &members->peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        NPRI_ASSERT(peer->connected || (!peer->suspect && peer->poll == NULL && !peer->native));
        NPRI_ASSERT(peer->connected || npri_list_empty(&peer->operations));
        NPRI_ASSERT(peer->settling == npri_heap_has(&peer->settle_timer.node));
        NPRI_ASSERT(peer->settling || !peer->mending);
        settling += peer->settling ? 1 : 0;
        named += !peer->connected && !peer->join ? 1 : 0;
    }
    NPRI_ASSERT(named == members->named_count);
    NPRI_ASSERT(settling == members->settling_count);
    NPRI_ASSERT(members->peers.count + 1 <= members->view_capacity);
    npri_tally_check(core);
}
