#include "core/timers.h"

#include "base/assert.h"
#include "core/state.h"

void npri_timer_arm(struct npri_core *core, struct npri_timer *timer, uint64_t at_ns)
{
    npri_timer_stop(core, timer);
    if (at_ns != UINT64_MAX) {
        npri_heap_insert(&core->timers, &timer->node, at_ns);
    }
}

void npri_timer_stop(struct npri_core *core, struct npri_timer *timer)
{
    npri_heap_remove(&core->timers, &timer->node);
}

uint64_t npri_time_after(const struct npri_core *core, uint64_t after_ns)
{
    return after_ns > UINT64_MAX - core->now_ns ? UINT64_MAX : core->now_ns + after_ns;
}

static void run(struct npri_core *core, struct npri_timer *timer)
{
    switch (timer->kind) {
    case NPRI_TIMER_TICK:
        npri_chatter_on_tick(core);
        return;
    case NPRI_TIMER_DIAL:
        npri_dial_on_time(core, NPRI_CONTAINER_OF(timer, struct npri_peer, dial_timer));
        return;
    case NPRI_TIMER_SETTLE:
        npri_member_on_settle_time(core, NPRI_CONTAINER_OF(timer, struct npri_peer, settle_timer));
        return;
    case NPRI_TIMER_OPERATION:
        npri_operation_on_time(core, NPRI_CONTAINER_OF(timer, struct npri_operation, timer));
        return;
    case NPRI_TIMER_REQUEST:
        npri_request_on_deadline(core, NPRI_CONTAINER_OF(timer, struct npri_request, timer));
        return;
    case NPRI_TIMER_REQUEST_HELD:
        npri_held_on_request_time(core, NPRI_CONTAINER_OF(timer, struct npri_request, held_timer));
        return;
    case NPRI_TIMER_START:
        npri_start_on_time(core, NPRI_CONTAINER_OF(timer, struct npri_start, timer));
        return;
    case NPRI_TIMER_WATCH:
        npri_work_on_time(core);
        return;
    case NPRI_TIMER_DRAIN:
        npri_drain_on_time(core);
        return;
    case NPRI_TIMER_BEAT:
        npri_beats_on_time(core);
        return;
    case NPRI_TIMER_TROUBLE:
        npri_views_on_trouble_time(core);
        return;
    case NPRI_TIMER_QUORUM:
        npri_quorum_on_time(core);
        return;
    case NPRI_TIMER_SEES:
        npri_views_on_sees_time(core);
        return;
    case NPRI_TIMER_TURNS:
        npri_held_on_time(core);
        return;
    }
}

static void run_if_due(struct npri_core *core, struct npri_timer *timer)
{
    if (npri_heap_has(&timer->node) && timer->node.key <= core->now_ns) {
        npri_timer_stop(core, timer);
        run(core, timer);
    }
}

/* With very many the others are left to the next step, which npri_core_deadline_ns() asks for at
 * once; but not our beat, or this node would be taken for lost. */
void npri_timers_run(struct npri_core *core)
{
    struct npri_heap_node *first;
    unsigned left = NPRI_TIMERS_MAX;

    while (left > 0 && (first = npri_heap_first(&core->timers)) != NULL &&
           first->key <= core->now_ns) {
        run_if_due(core, NPRI_CONTAINER_OF(first, struct npri_timer, node));
        left--;
    }
    run_if_due(core, &core->beats.timer);
}
