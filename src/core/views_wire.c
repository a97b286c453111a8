#include "core/agreement.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* What nodes tell each other of their views (core/views.h), and of those that they have lost. */

/* ---- Telling. */

/* Its present epoch, if it has our view, and what has been acknowledged is not taken back. */
static uint64_t ack_for(const struct npri_core *core, const struct npri_peer *peer)
{
    if (!peer->in_view || !peer->told.is || peer->told.view_hash != npri_views_hash(core)) {
        return 0;
    }
    if (peer->said.ack != peer->told.epoch && !npri_agreement_may_acknowledge(core)) {
        return 0;
    }
    return peer->told.epoch;
}

/* What `peer` is to know. */
static struct npri_told_view view_for(const struct npri_core *core, const struct npri_peer *peer)
{
    /* Who is young sees nothing yet that others could take it for one of. */
    const uint64_t sees_hash = npri_quorum_is_young(core) ? 0 : core->views.sees_said;

    return (struct npri_told_view){.is = true,
                                   .draining = core->views.draining,
                                   .epoch = core->views.epoch,
                                   .view_hash = npri_views_hash(core),
                                   .sees_hash = sees_hash,
                                   .ack = ack_for(core, peer),
                                   .base = core->views.base};
}

static bool equal(const struct npri_told_view *a, const struct npri_told_view *b)
{
    return a->is == b->is && a->draining == b->draining && a->epoch == b->epoch &&
           a->view_hash == b->view_hash && a->sees_hash == b->sees_hash && a->ack == b->ack &&
           a->base == b->base;
}

void npri_views_tell(struct npri_core *core, struct npri_peer *peer)
{
    const struct npri_told_view view = view_for(core, peer);
    struct npri_buffer *message;

    if (!npri_views_tells(core, peer) || equal(&view, &peer->said)) {
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
    if (peer->said.epoch != view.epoch) {
        peer->said_ns = core->now_ns;
    }
    peer->said = view;
    core->views.acked |= view.ack != 0;
}

/* What is seen is told from now on, or in a moment. */
static void say_sees(struct npri_core *core)
{
    struct npri_views *views = &core->views;
    const uint64_t count = core->tally.counts[NPRI_TALLY_TELLING];
    const uint64_t pause_ns = count <= NPRI_SEES_AT_ONCE_MAX ? 0 : count * NPRI_SEES_PAUSE_NS;
    const bool anew = views->said_epoch != views->epoch;

    if (!anew && views->sees_said != views->sees_hash && core->now_ns - views->said_ns < pause_ns) {
        npri_timer_arm(core, &views->sees_timer, views->said_ns + pause_ns);
        return;
    }
    if (!anew && views->sees_said != views->sees_hash) {
        views->said_ns = core->now_ns;
    }
    npri_timer_stop(core, &views->sees_timer);
    views->said_epoch = views->epoch;
    views->sees_said = views->sees_hash;
}

void npri_views_tell_all(struct npri_core *core)
{
    say_sees(core);
    core->views.untold = false;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        npri_views_tell(core, NPRI_MAP_AT(at, struct npri_peer, node));
    }
}

/* Of itself: goodbye. */
void npri_views_tell_lost(struct npri_core *core, const struct npri_peer *lost)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
        struct npri_buffer *message;

        if (peer == lost || !npri_views_tells(core, peer)) {
            continue;
        }
        message = npri_tell_begin(core, 3, "node_lost");
        npri_put_node(message, &lost->name);
        npri_put_uint(message, lost->creation);
        core->out_of_memory |= !npri_tell_end(core, peer);
    }
}

/* ---- Being told. */

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
    core->views.teller = peer;
    core->views.agreed = false; /* until this has been looked at */
    if (tells_anew) {
        npri_leads_on_peer_epoch(core, peer);
    }
    if (view.ack != 0 && view.ack == peer->said.epoch) {
        npri_beats_on_acknowledged(core, peer, peer->said_ns);
    }
    /* That of another view is followed when this node takes that view.  If it was followed before,
     * this node would leave its own view with a base above it, and all others would follow again.
     */
    if (npri_views_same(core, peer)) {
        npri_views_raise_base(core, view.base);
    }
    npri_views_on_seen(core, peer);
    return true;
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

    if (!npr_term_get_atom(elements[0], &atom) ||
        npr_node_name_parse(atom, &name, NULL) != NPR_OK ||
        !npr_term_get_uint64(elements[1], &creation) || creation > UINT32_MAX) {
        return false;
    }
    lost = npri_member_find(core, &name);
    if (lost == peer) {
        peer->leaves |= peer->creation == creation; /* goodbye: it stops */
    } else if (lost != NULL && lost->seen && lost->creation == creation) {
        doubt(core, lost);
    }
    return true;
}
