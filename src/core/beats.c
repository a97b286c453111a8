#include "core/beats.h"

#include "core/faults.h"
#include "core/state.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* Nobody is judged for that part of a heartbeat after one of ours that came late by more than
 * that. */
#define LATE_PART 4u

/* Of a beat that is told now: above 0. */
static uint64_t number_now(const struct npri_core *core)
{
    return core->now_ns - core->options.now_ns + 1;
}

void npri_beats_init(struct npri_core *core)
{
    core->beats.timer.kind = NPRI_TIMER_BEAT;
    core->beats.due_ns = UINT64_MAX;
    if (core->options.member && core->options.heartbeat_ns > 0) {
        core->beats.due_ns = npri_time_after(core, core->options.heartbeat_ns);
        npri_timer_arm(core, &core->beats.timer, core->beats.due_ns);
    }
}

bool npri_beats_watch(const struct npri_core *core, const struct npri_peer *peer)
{
    return peer->connected && peer->native && core->beats.due_ns != UINT64_MAX;
}

void npri_beats_begin(struct npri_core *core, struct npri_peer *peer)
{
    peer->alive_ns = core->now_ns;
    peer->watched_ns = core->now_ns;
}

void npri_beats_on_heard(struct npri_core *core, struct npri_peer *peer)
{
    if (npri_beats_watch(core, peer)) {
        peer->alive_ns = core->now_ns;
        npri_member_on_answer(core, peer);
    }
}

uint64_t npri_beats_silence_ns(const struct npri_core *core, const struct npri_peer *peer)
{
    return core->now_ns - peer->alive_ns;
}

/* After a delay of our own, what others have said meanwhile may still lie in our sockets. */
bool npri_beats_were_late(const struct npri_core *core)
{
    return core->beats.late_ns != 0 &&
           core->now_ns - core->beats.late_ns < core->options.heartbeat_ns / LATE_PART;
}

/* ---- Our own beat. */

static bool tell_beat(struct npri_core *core, const struct npri_peer *peer)
{
    struct npri_buffer *message = npri_tell_begin(core, 4, "beat");

    npri_put_uint(message, number_now(core));
    npri_put_uint(message, peer->beat_heard);
    npri_put_uint(message, npri_beats_silence_ns(core, peer) / NS_PER_MS);
    return npri_tell_end(core, peer);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Why it has to go, or NULL. */
static const char *find_fault(const struct npri_core *core, const struct npri_peer *peer)
{
    const uint64_t timeout_ns = core->options.node_timeout_ns;

    if (core->now_ns - later(peer->alive_ns, peer->watched_ns) >= timeout_ns) {
        return "nothing was heard of it for node_timeout";
    }
    if (core->now_ns - later(peer->echoed_ns, peer->watched_ns) >= timeout_ns &&
        peer->deaf_ns > 2 * core->options.heartbeat_ns) {
        return "it hears nothing of this node";
    }
    return NULL;
}

static void beat(struct npri_core *core, struct npri_peer *peer)
{
    const char *fault = npri_beats_were_late(core) ? NULL : find_fault(core, peer);

    if (fault != NULL) {
        npri_member_drop(core, peer, npr_bytes_of(fault));
        return;
    }
    if (core->now_ns - later(peer->alive_ns, peer->watched_ns) > 2 * core->options.heartbeat_ns) {
        npri_member_on_silence(core, peer);
    }
    core->out_of_memory |= !tell_beat(core, peer);
}

void npri_beats_on_time(struct npri_core *core)
{
    struct npri_link *next;

    core->beats.due_ns =
        npri_time_after(core, npri_beats_were_late(core) ? core->options.heartbeat_ns / LATE_PART
                                                         : core->options.heartbeat_ns);
    npri_timer_arm(core, &core->beats.timer, core->beats.due_ns);
    for (struct npri_link *at = core->members.peers.order.next; at != &core->members.peers.order;
         at = next) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        next = at->next;
        if (npri_beats_watch(core, peer)) {
            beat(core, peer);
        }
    }
    npri_quorum_look(core);
}

/* Others take us for lost when node_timeout_ns of theirs have passed since our last beat. */
static uint64_t least_timeout_ns(const struct npri_core *core)
{
    uint64_t least_ns = core->options.node_timeout_ns;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (npri_beats_watch(core, peer) && peer->greeting.node_timeout_ns < least_ns) {
            least_ns = peer->greeting.node_timeout_ns;
        }
    }
    return least_ns;
}

/* When our beat is so late that others may have taken us for lost. */
static uint64_t stall_ns(const struct npri_core *core)
{
    const uint64_t least_ns = least_timeout_ns(core);
    const uint64_t patience_ns =
        least_ns > core->options.heartbeat_ns ? least_ns - core->options.heartbeat_ns : 0;

    return core->beats.due_ns > UINT64_MAX - patience_ns ? UINT64_MAX
                                                         : core->beats.due_ns + patience_ns;
}

bool npri_beats_is_late(const struct npri_core *core, uint64_t now_ns)
{
    return now_ns > core->beats.due_ns && now_ns >= stall_ns(core);
}

uint64_t npri_beats_good_until_ns(const struct npri_core *core)
{
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        if (core->members.view[i]->native) {
            return stall_ns(core);
        }
    }
    return UINT64_MAX;
}

void npri_beats_look(struct npri_core *core)
{
    struct npri_beats *beats = &core->beats;

    if (core->now_ns > beats->due_ns &&
        core->now_ns - beats->due_ns > core->options.heartbeat_ns / LATE_PART) {
        beats->late_ns = core->now_ns;
    }
    if (NPRI_FAULT(STALL_UNNOTICED) || !npri_beats_is_late(core, core->now_ns)) {
        return;
    }
    /* While we slept we heard nobody: each gets its time anew. */
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        NPRI_MAP_AT(at, struct npri_peer, node)->watched_ns = core->now_ns;
    }
    npri_views_on_stall(core, core->now_ns - beats->due_ns);
    beats->due_ns = core->now_ns;
    npri_timer_arm(core, &core->beats.timer, core->now_ns);
}

/* ---- Theirs. */

bool npri_beats_lease(const struct npri_core *core, const struct npri_peer *peer)
{
    uint64_t timeout_ns = core->options.node_timeout_ns;

    if (!npri_beats_watch(core, peer)) {
        return peer->connected && peer->native && core->options.heartbeat_ns == 0;
    }
    if (peer->greeting.node_timeout_ns < timeout_ns) {
        timeout_ns = peer->greeting.node_timeout_ns;
    }
    return peer->echoed_ns != 0 &&
           core->now_ns + core->options.heartbeat_ns < peer->echoed_ns + timeout_ns;
}

static void note_echo(struct npri_core *core, struct npri_peer *peer, uint64_t told_ns)
{
    peer->echoed_ns = later(peer->echoed_ns, told_ns);
    npri_quorum_look(core);
}

void npri_beats_on_acknowledged(struct npri_core *core, struct npri_peer *peer, uint64_t told_ns)
{
    if (npri_beats_watch(core, peer)) {
        note_echo(core, peer, told_ns);
    }
}

bool npri_beats_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements)
{
    uint64_t number;
    uint64_t echo;
    uint64_t heard_ms;

    if (!npr_term_get_uint64(elements[0], &number) || number == 0 ||
        !npr_term_get_uint64(elements[1], &echo) || echo > number_now(core) ||
        !npr_term_get_uint64(elements[2], &heard_ms)) {
        return false;
    }
    peer->beat_heard = number;
    peer->deaf_ns = heard_ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : heard_ms * NS_PER_MS;
    if (echo != 0) {
        note_echo(core, peer, core->options.now_ns + echo - 1);
    }
    return true;
}
