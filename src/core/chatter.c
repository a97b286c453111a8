#include "base/assert.h"
#include "core/members.h"
#include "core/state.h"
#include "term/write.h"

/* What nodes tell each other without being asked for a key: register_node every announce_ns to all
 * that run nprocreg, get_nodes to all that are connected (an original node does not send its
 * chatter to hidden nodes such as we are, and what it lists is how nodes find each other), the
 * release once. */

static void send_plain(struct npri_core *core, struct npri_peer *peer, enum npri_effect_kind kind)
{
    struct npri_effect *effect = npri_effect_create(kind, 0);

    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    effect->out.node = peer->name;
    npri_effects_queue(&core->effects, effect);
}

void npri_chatter_announce(struct npri_core *core, struct npri_peer *peer)
{
    if (core->options.member) {
        send_plain(core, peer, NPRI_EFFECT_ANNOUNCE);
    }
}

void npri_chatter_greet(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_GREET, 0);

    if (effect == NULL) {
        core->out_of_memory = true;
        return;
    }
    effect->out.node = peer->name;
    effect->out.greeting = npri_greeting_own(core);
    npri_effects_queue(&core->effects, effect);
}

void npri_chatter_poll(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->poll == NULL) {
        peer->poll = npri_operation_begin(core, NPRI_OPERATION_POLL, peer,
                                          npri_effect_create(NPRI_EFFECT_POLL, 0));
    }
}

static void ask_release(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->native && !peer->release_asked) {
        peer->release_asked =
            npri_operation_begin(core, NPRI_OPERATION_RELEASE, peer,
                                 npri_effect_create(NPRI_EFFECT_ASK_RELEASE, 0)) != NULL;
    }
}

static void tick_peer(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->connected) {
        return;
    }
    /* One that has not told its view may not know that we are native: a greeting gets lost when
     * memory runs out, here or there. */
    if (core->options.member && peer->native && !peer->told.is) {
        npri_chatter_greet(core, peer);
    }
    if (npri_beats_watch(core, peer)) {
        npri_manner_on_tick(core, peer);
        if (core->views.trouble) {
            npri_chatter_poll(core, peer);
        }
        return;
    }
    if (core->now_ns - peer->heard_ns > core->options.expire_ns) {
        npri_member_leave(core, peer, "not heard of");
        npri_delegations_on_left(core, peer);
    }
    if (peer->registry) {
        npri_chatter_announce(core, peer);
        ask_release(core, peer);
    }
    npri_manner_on_tick(core, peer);
    npri_chatter_poll(core, peer);
}

void npri_chatter_on_tick(struct npri_core *core)
{
    struct npri_members *members = &core->members;

    npri_timer_arm(core, &members->tick_timer, npri_time_after(core, core->options.announce_ns));
    NPRI_LIST_FOREACH (at, &members->peers.order) {
        tick_peer(core, NPRI_MAP_AT(at, struct npri_peer, node));
    }
}

/* The nodes that a peer lists: all are heard of.  Whoever lists too many is believed as far as the
 * limit goes.  True when it lists itself: a node that does not is no member of its own ring, as a
 * client of ours that answers calls is not. */
static bool hear_names(struct npri_core *core, const struct npri_peer *peer, struct npr_term list)
{
    struct npr_term_walk walk;
    struct npr_term element;
    struct npr_bytes atom;
    struct npr_node_name name;
    bool is_member = false;

    if (!npr_term_list(list, &walk)) {
        return false;
    }
    for (uint32_t i = 0; i < NPRI_VIEW_NODES_MAX && npr_term_next(&walk, &element); i++) {
        if (!npr_term_get_atom(element, &atom) ||
            npri_bytes_equal(atom, npr_bytes_of("nonode@nohost"))) {
            continue;
        }
        if (npr_node_name_parse(atom, &name, NULL) == NPR_OK) {
            is_member |= npr_node_name_equal(&name, &peer->name);
            core->out_of_memory |= !npri_member_on_named(core, &name);
        }
    }
    return is_member;
}

static void on_poll_answered(struct npri_core *core,
                             struct npri_peer *peer,
                             const struct npri_core_event *event)
{
    const bool known = peer->registry;

    if (peer->native && core->options.member) {
        (void)hear_names(core, peer, event->term);
        return;
    }
    if (event->status != NPR_OK || !hear_names(core, peer, event->term)) {
        peer->registry = false;
        npri_member_leave(core, peer, "no registry there");
        npri_delegations_on_left(core, peer);
        return;
    }
    npri_member_on_heard(core, peer);
    if (!known) {
        npri_chatter_announce(core, peer);
    }
    ask_release(core, peer);
}

/* Whether nothing more is to be waited for.  A native node that is awaited is so until it is in the
 * view; and a question that was lost has answered nothing. */
static bool settles(const struct npri_core *core, const struct npri_peer *peer, npr_status status)
{
    const bool joined = peer->join && !peer->was_member && core->options.member;

    return !peer->mending && !(joined && (peer->native || !npri_status_is_answer(status)));
}

void npri_chatter_on_polled(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_POLL);
    struct npri_peer *peer;

    if (operation == NULL) {
        return;
    }
    peer = operation->peer;
    npri_operation_end(core, operation);
    if (npri_status_is_answer(event->status)) {
        npri_member_on_answer(core, peer);
        on_poll_answered(core, peer, event);
    } else if (event->status == NPR_ETIMEDOUT) {
        npri_member_on_silence(core, peer);
    }
    if (settles(core, peer, event->status)) {
        npri_member_settled(core, peer);
    }
}

void npri_chatter_on_release(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_RELEASE);
    struct npri_peer *peer;

    if (operation == NULL) {
        return;
    }
    peer = operation->peer;
    npri_operation_end(core, operation);
    if (npri_status_is_answer(event->status)) {
        npri_member_on_answer(core, peer);
    }
    if (event->status == NPR_OK) {
        npri_manner_on_erlang(core, peer, event->otp);
    }
}
