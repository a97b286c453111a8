#include "core/drain.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"
#include "core/views.h"
#include "term/write.h"

/* Entries looked at in one step. */
#define WALK_STEPS 1024u

/* How soon it is looked again whether the others have left us out, or a key's owner takes it. */
#define RETRY_NS (UINT64_C(20) * 1000 * 1000)

/* The least time from one round to the next: those that could not be moved are asked again. */
#define ROUND_NS (UINT64_C(200) * 1000 * 1000)

void npri_drain_init(struct npri_core *core)
{
    npri_list_init(&core->drain.handovers);
    core->drain.timer.kind = NPRI_TIMER_DRAIN;
}

void npri_drain_fini(struct npri_core *core)
{
    while (core->drain.handovers_count > 0) {
        npri_handover_end(
            core, NPRI_CONTAINER_OF(core->drain.handovers.next, struct npri_handover, link));
    }
    npri_timer_stop(core, &core->drain.timer);
}

/* At the next step: when something has ended, there is room for more. */
void npri_drain_look_again(struct npri_core *core)
{
    npri_timer_arm(core, &core->drain.timer, npri_time_after(core, 1));
}

/* Before anything else is given: who was given more than it has answered is to be asked of that
 * first (struct npri_takeovers). */
static void resolve_all(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        npri_handover_resolve(core, NPRI_CONTAINER_OF(at, struct npri_handover, link));
    }
}

static void give_all(struct npri_core *core)
{
    struct npri_link *next;

    for (struct npri_link *at = core->drain.handovers.next; at != &core->drain.handovers;
         at = next) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        next = at->next;
        if (handover->state == NPRI_HANDOVER_READY) {
            npri_handover_give(core, handover);
        }
    }
}

/* What a walk finds; handled when it is over, since that changes the table. */
struct found {
    struct npri_core *core;
    struct npri_handover *handovers[NPRI_HANDOVERS_MAX];
    uint32_t count;
    bool no_memory;
};

static bool visit(void *user, const struct npri_entry *entry)
{
    struct found *found = user;
    struct npri_drain *drain = &found->core->drain;
    const struct npr_term pid = npri_directory_pid(&found->core->directory, entry);
    struct npri_handover *handover;

    /* What is left of the bucket comes, too. */
    if (found->no_memory || drain->handovers_count == NPRI_HANDOVERS_MAX) {
        return false;
    }
    if (npri_handover_exists(found->core, npri_entry_key(entry), pid)) {
        return true;
    }
    handover = npri_alloc_zeroed(1, sizeof(*handover));
    if (handover == NULL) {
        found->no_memory = true;
        return false;
    }
    handover->key = npri_shared_create(npri_entry_key(entry));
    handover->pid = npri_shared_create(npri_bytes(pid.data, pid.size));
    handover->token = entry->token;
    handover->number = ++found->core->operations_begun;
    npri_list_append(&drain->handovers, &handover->link);
    drain->handovers_count++;
    if (handover->key == NULL || handover->pid == NULL) {
        npri_handover_end(found->core, handover);
        found->no_memory = true;
        return false;
    }
    NPRI_ASSERT(found->count < NPRI_HANDOVERS_MAX);
    found->handovers[found->count++] = handover;
    return drain->handovers_count < NPRI_HANDOVERS_MAX;
}

/* A piece of the walk. */
static void walk(struct npri_core *core)
{
    struct found found = {.core = core};

    if (core->drain.cursor == 0) {
        core->drain.round_ns = core->now_ns;
    }
    npri_directory_walk(&core->directory, &core->drain.cursor, WALK_STEPS, visit, &found);
    core->out_of_memory |= found.no_memory;
    for (uint32_t i = 0; i < found.count; i++) {
        npri_handover_begin(core, found.handovers[i]);
    }
}

/* ---- The drain. */

/* Whether somebody is there to take over: a member of the view that does not drain itself. */
static bool has_heir(const struct npri_core *core)
{
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        if (!peer->self && !peer->view_draining) {
            return true;
        }
    }
    return false;
}

static bool is_left_out(const struct npri_core *core)
{
    return core->members.self.view_draining && npri_views_agreed(core) &&
           core->members.ring_count > 0;
}

static bool is_empty(const struct npri_core *core)
{
    return core->drain.handovers_count == 0 && core->starts.count == 0 &&
           npri_core_entries_count(core) == 0;
}

npr_status npri_drain_on_drain(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_drain *drain = &core->drain;

    if (!core->options.member) {
        return NPR_EINVAL;
    }
    if (!has_heir(core)) {
        return NPR_EREFUSED;
    }
    npri_views_set_draining(core);
    drain->state = NPRI_DRAIN_WAITS;
    drain->deadline_ns = event->deadline_ns;
    drain->moved = drain->ended = drain->failed = 0;
    drain->failure.size = 0;
    drain->cursor = 0;
    drain->round_ns = 0;
    npri_drain_look_again(core);
    return NPR_OK;
}

static void finish(struct npri_core *core, enum npri_drain_state state)
{
    struct npri_text text = {0};

    core->drain.state = state;
    npri_text_add(&text, state == NPRI_DRAIN_DONE ? "drained" : "drain_late left=");
    if (state == NPRI_DRAIN_LATE) {
        npri_text_add_uint(&text, npri_core_entries_count(core));
    }
    npri_text_add(&text, " moved=");
    npri_text_add_uint(&text, core->drain.moved);
    npri_text_add(&text, " ended=");
    npri_text_add_uint(&text, core->drain.ended);
    npri_text_add(&text, " failed=");
    npri_text_add_uint(&text, core->drain.failed);
    npri_core_log(core, state == NPRI_DRAIN_DONE ? NPRI_LOG_INFO : NPRI_LOG_WARNING, &text);
}

/* When it is to be looked next. */
static uint64_t next_ns(const struct npri_core *core)
{
    const struct npri_drain *drain = &core->drain;

    if (drain->state == NPRI_DRAIN_WAITS || drain->handovers_count == NPRI_HANDOVERS_MAX) {
        return npri_time_after(core, RETRY_NS);
    }
    if (drain->cursor != 0) {
        return npri_time_after(core, 1); /* the walk goes on */
    }
    return drain->handovers_count > 0 ? npri_time_after(core, RETRY_NS)
                                      : drain->round_ns + ROUND_NS;
}

static void work(struct npri_core *core)
{
    struct npri_drain *drain = &core->drain;
    const bool may_walk =
        drain->cursor != 0 || drain->round_ns == 0 || core->now_ns >= drain->round_ns + ROUND_NS;

    drain->state = is_left_out(core) ? NPRI_DRAIN_RUNS : NPRI_DRAIN_WAITS;
    if (drain->state == NPRI_DRAIN_RUNS) {
        give_all(core);
        if (may_walk && drain->handovers_count < NPRI_HANDOVERS_MAX) {
            walk(core);
        }
    }
    if (drain->state == NPRI_DRAIN_RUNS && is_empty(core)) {
        finish(core, NPRI_DRAIN_DONE);
    } else {
        npri_timer_arm(core, &drain->timer,
                       next_ns(core) < drain->deadline_ns ? next_ns(core) : drain->deadline_ns);
    }
}

/* Its deadline has come: those whose state is here and nowhere else go on. */
static void give_back(struct npri_core *core)
{
    struct npri_link *next;
    bool waits = false;

    for (struct npri_link *at = core->drain.handovers.next; at != &core->drain.handovers;
         at = next) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        next = at->next;
        if (handover->state == NPRI_HANDOVER_READY) {
            npri_handover_fail(core, handover, npr_bytes_of("the deadline has passed"));
        } else {
            waits |= handover->state != NPRI_HANDOVER_ASKED;
        }
    }
    if (waits) {
        npri_timer_arm(core, &core->drain.timer, npri_time_after(core, RETRY_NS));
    }
}

void npri_drain_on_time(struct npri_core *core)
{
    struct npri_drain *drain = &core->drain;

    resolve_all(core);
    if (npri_drain_is_over(core)) {
        give_back(core);
    } else if (core->now_ns < drain->deadline_ns) {
        work(core);
    } else if (is_empty(core)) {
        finish(core, NPRI_DRAIN_DONE);
    } else {
        finish(core, NPRI_DRAIN_LATE);
        give_back(core);
    }
}

bool npri_drain_is_over(const struct npri_core *core)
{
    return core->drain.state != NPRI_DRAIN_WAITS && core->drain.state != NPRI_DRAIN_RUNS;
}

/* ---- For operators and tests. */

static const char *state_name(enum npri_drain_state state)
{
    static const char *const names[] = {
        [NPRI_DRAIN_OFF] = "off",   [NPRI_DRAIN_WAITS] = "waiting", [NPRI_DRAIN_RUNS] = "running",
        [NPRI_DRAIN_DONE] = "done", [NPRI_DRAIN_LATE] = "late",
    };

    return names[state];
}

static void put_count(struct npri_buffer *out, const char *name, uint64_t count)
{
    npri_put_atom(out, name);
    npri_put_uint(out, count);
}

void npri_core_put_drain(const struct npri_core *core,
                         uint64_t now_ns,
                         bool owes_answers,
                         struct npri_buffer *out)
{
    const struct npri_drain *drain = &core->drain;
    const bool goes_on =
        drain->state == NPRI_DRAIN_DONE && owes_answers && now_ns < drain->deadline_ns;

    npri_put_map(out, 7);
    npri_put_atom(out, "state");
    npri_put_atom(out, state_name(goes_on ? NPRI_DRAIN_RUNS : drain->state));
    put_count(out, "left", npri_core_entries_count(core) + core->starts.count);
    put_count(out, "under_way", drain->handovers_count);
    put_count(out, "moved", drain->moved);
    put_count(out, "ended", drain->ended);
    put_count(out, "failed", drain->failed);
    npri_put_atom(out, "failure");
    npri_put_binary(out, npri_text_bytes(&drain->failure));
}

void npri_drain_check(const struct npri_core *core)
{
    uint32_t count = 0;

    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        const struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);
        const bool given = handover->state == NPRI_HANDOVER_GIVEN;

        NPRI_ASSERT((handover->peer != NULL) == given);
        NPRI_ASSERT(!given || (handover->peer->connected && handover->peer->native));
        NPRI_LIST_FOREACH (other, &core->drain.handovers) {
            const struct npri_handover *second =
                NPRI_CONTAINER_OF(other, struct npri_handover, link);

            NPRI_ASSERT(handover == second || handover->ref == 0 || handover->ref != second->ref);
            NPRI_ASSERT(handover == second || !npri_bytes_equal(npri_shared_bytes(handover->key),
                                                                npri_shared_bytes(second->key)));
        }
        count++;
    }
    NPRI_ASSERT(count == core->drain.handovers_count && count <= NPRI_HANDOVERS_MAX);
}
