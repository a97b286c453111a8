#include "core/settling.h"

#include "core/faults.h"
#include "core/state.h"

bool npri_members_settling(const struct npri_core *core)
{
    return core->members.settling_count > 0 && !NPRI_FAULT(HOLD_LEFT_OUT);
}

void npri_settling_begin(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->settling) {
        peer->settling = true;
        core->members.settling_count++;
        npri_tally(core, peer);
    }
    npri_timer_arm(core, &peer->settle_timer, npri_time_after(core, core->options.suspect_ns));
}

void npri_settling_begin_named(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_members *members = &core->members;

    if (!members->names_hold || core->now_ns - members->names_hold_ns > core->options.expire_ns) {
        members->names_hold = true;
        members->names_hold_ns = core->now_ns;
    }
    if (core->now_ns - members->names_hold_ns <= core->options.suspect_ns) {
        npri_settling_begin(core, peer);
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

/* See "Mending".  A node that has slept waits longer: until it knows whether it was missed. */
void npri_mending_go_on(struct npri_core *core, struct npri_peer *peer)
{
    uint64_t most_ns = NPRI_MENDING_MAX * core->options.suspect_ns;
    uint64_t step_ns = core->options.suspect_ns;
    uint64_t end_ns;

    if (core->views.stalled) {
        most_ns = npri_views_patience_ns(core);
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

void npri_mending_begin(struct npri_core *core, struct npri_peer *peer)
{
    peer->pause_ns = NPRI_DIAL_PAUSE_NS;
    if (!peer->mending) {
        npri_settling_begin(core, peer);
        peer->mending = true;
        peer->mending_ns = core->now_ns;
        npri_tally(core, peer);
    }
    npri_mending_go_on(core, peer);
    npri_dial_now(core, peer);
}
