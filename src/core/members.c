#include "core/members.h"

#include "base/assert.h"
#include "core/state.h"

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
    peer = npri_peer_find_or_create(core, &event->node, false, &no_memory);
    if (peer == NULL) {
        return !no_memory;
    }
    peer->join = true;
    npri_tally(core, peer);
    npri_peer_count_named(&core->members, peer);
    if (!peer->connected && !peer->dialling) {
        npri_settling_begin(core, peer);
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
    peer->leaves = false;
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
    size_t entries_count;

    if (peer->native && peer->in_view) {
        peer->lost_ns = core->now_ns;
    }
    npri_views_on_unseen(core, peer, reason);
    peer->connected = false;
    npri_peer_count_named(&core->members, peer);
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
    npri_operations_on_lost(core, peer);
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
        npri_mending_begin(core, peer);
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
    peer = npri_peer_find_or_create(core, &event->node, false, &no_memory);
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
    npri_peer_count_named(&core->members, peer);
    peer->creation = event->creation;
    npri_quorum_on_met(core, peer);
    peer->dialling = false;
    npri_timer_stop(core, &peer->dial_timer);
    if (peer->mending) {
        npri_mending_go_on(core, peer);
    } else {
        npri_settling_begin(core, peer);
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
            npri_mending_begin(core, peer);
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
    peer = npri_peer_find_or_create(core, name, true, &no_memory);
    if (peer == NULL) {
        return !no_memory;
    }
    peer->named_ns = core->now_ns;
    if (!peer->connected && !peer->dialling && !npri_heap_has(&peer->dial_timer.node)) {
        if (!known) {
            npri_settling_begin_named(core, peer);
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
