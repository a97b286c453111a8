/* Timers as their owner sees them, idle times, and what is continued later. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/internal.h"

/* ---- The set. */

static struct npr_bytes number_key(const uint64_t *number)
{
    return npri_bytes(number, sizeof(*number));
}

static bool process_needs_timer_set(struct npr_process *process)
{
    struct npri_alarm_set *set = process->timers;

    if (set != NULL) {
        return true;
    }
    set = npri_alloc_zeroed(1, sizeof(*set));
    if (set == NULL ||
        !npri_map_init(&set->by_number, process->origin->runtime->options.hash_key)) {
        npri_free(set);
        return false;
    }
    process->timers = set;
    return true;
}

static void timer_enter(struct npr_process *process, struct npri_alarm *timer)
{
    npri_map_insert(&process->timers->by_number, &timer->by_number, number_key(&timer->signal.id));
}

static void timer_leave(struct npr_process *process, struct npri_alarm *timer)
{
    npri_map_remove(&process->timers->by_number, &timer->by_number);
}

static void process_drop_set(struct npr_process *process)
{
    struct npri_alarms *alarms = &process->origin->runtime->alarms;
    struct npri_map_node *node;

    while ((node = npri_map_first(&process->timers->by_number)) != NULL) {
        struct npri_alarm *timer = NPRI_CONTAINER_OF(node, struct npri_alarm, by_number);

        timer_leave(process, timer);
        if (npri_alarm_disarm(alarms, timer)) {
            npri_signal_destroy(&timer->signal);
        }
        /* Else it is in the mailbox, which is about to be emptied. */
    }
    npri_map_fini(&process->timers->by_number);
    npri_free(process->timers);
    process->timers = NULL;
}

void npri_process_drop_timers(struct npr_process *process)
{
    npri_process_drop_calls(process);
    if (process->timers != NULL) {
        process_drop_set(process);
    }
    if (process->idle != NULL) {
        if (!process->idle_lent ||
            npri_alarm_disarm(&process->origin->runtime->alarms, process->idle)) {
            npri_signal_destroy(&process->idle->signal);
        }
        process->idle = NULL;
    }
}

/* ---- When one is due. */

static enum npri_verdict timer_act(struct npr_process *process, struct npri_alarm *timer)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = timer->signal.to};

    if (timer->to_owner) {
        return npri_process_has_thread(process) ? npri_receive_keep_timer(process, timer)
                                                : npri_process_on_message(process, &timer->signal);
    }
    return npri_process_send(process, &draft, &timer->signal.payload, 1) == NPR_ENOMEM ? NPRI_AGAIN
                                                                                       : NPRI_GO_ON;
}

/* The first multiple of the period that is not past: what was missed is not made up for. */
static void timer_arm_again(struct npr_process *process, struct npri_alarm *timer)
{
    const uint64_t now_ns = npri_now_ns();

    timer->due_ns += timer->period_ns;
    if (timer->due_ns < now_ns) {
        const uint64_t late_ns = now_ns - timer->due_ns;

        timer->due_ns += (late_ns + timer->period_ns - 1) / timer->period_ns * timer->period_ns;
    }
    npri_alarm_arm(&process->origin->runtime->alarms, timer);
}

enum npri_verdict npri_process_on_timer(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_alarm *timer = NPRI_CONTAINER_OF(signal, struct npri_alarm, signal);
    const bool repeats = timer->period_ns != 0;
    enum npri_verdict verdict;

    if (npri_process_is_calls_alarm(process, timer)) {
        return npri_process_on_calls_alarm(process);
    }
    if (timer == process->idle) {
        process->idle_lent = false; /* to be looked at when there is nothing else to do */
        return NPRI_KEPT;
    }
    if (timer->is_void) {
        return NPRI_GO_ON;
    }
    /* One that repeats stays while its callback runs, which may cancel it. */
    if (!repeats) {
        timer_leave(process, timer);
    }
    verdict = timer_act(process, timer);
    if (verdict == NPRI_AGAIN && !repeats) {
        timer_enter(process, timer);
    }
    if (verdict == NPRI_AGAIN || !repeats || timer->is_void) {
        return verdict;
    }
    if (verdict == NPRI_END) {
        timer_leave(process, timer);
        return verdict;
    }
    timer_arm_again(process, timer);
    return NPRI_KEPT;
}

/* ---- Idle times. */

bool npri_process_is_idle(struct npr_process *process)
{
    struct npri_alarm *idle = process->idle;
    uint64_t now_ns;

    if (npri_process_has_open_calls(process)) {
        return false; /* what becomes of them is a callback */
    }
    if (!process->active && process->idle_lent) {
        return false;
    }
    now_ns = npri_now_ns();
    if (process->active) {
        process->active = false;
        idle->due_ns = now_ns + idle->period_ns;
    }
    if (process->idle_lent) {
        return false; /* when it comes, due_ns will tell */
    }
    if (now_ns < idle->due_ns) {
        process->idle_lent = true;
        npri_alarm_arm(&process->origin->runtime->alarms, idle);
        return false;
    }
    process->left = npri_table_leave(&process->origin->runtime->table, process);
    return process->left;
}

/* ---- nprocreg/process.h. */

npr_status npr_continue(struct npr_process *self, struct npr_term term)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = term};
    struct npri_signal **end;

    if (!npri_process_is_here(self) || term.data == NULL ||
        self->origin->behaviour->resume == NULL || self->worker->terminating) {
        return NPR_EINVAL;
    }
    end = &self->resumes;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = npri_signal_create(&draft);
    return *end == NULL ? NPR_ENOMEM : NPR_OK;
}

static npr_status process_set_timer(struct npr_process *self,
                                    const struct npr_pid *to,
                                    struct npr_term message,
                                    uint64_t after_ms,
                                    bool repeats,
                                    struct npr_ref *out_ref)
{
    const uint64_t number = npri_runtime_new_number(self->origin->runtime);
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_alarm *timer = NULL;

    if (process_needs_timer_set(self)) {
        timer = npri_alarm_create(self, npri_pid_term(to, to_bytes), message);
    }
    if (timer == NULL) {
        return NPR_ENOMEM;
    }
    timer->signal.id = number;
    timer->to_owner = npri_process_is(self, to);
    timer->due_ns = npri_now_ns() + after_ms * NPRI_NS_PER_MS;
    timer->period_ns = repeats ? after_ms * NPRI_NS_PER_MS : 0;
    timer_enter(self, timer);
    npri_alarm_arm(&self->origin->runtime->alarms, timer);
    if (out_ref != NULL) {
        *out_ref = npri_runtime_number_ref(self->origin->runtime, number);
    }
    return NPR_OK;
}

static bool timer_is_valid(const struct npr_process *self,
                           const struct npr_pid *to,
                           struct npr_term message,
                           uint64_t ms)
{
    return npri_process_is_here(self) && to != NULL && to->node.size != 0 && message.data != NULL &&
           ms <= NPR_TIMER_MS_MAX;
}

npr_status npr_send_after(struct npr_process *self,
                          const struct npr_pid *to,
                          struct npr_term message,
                          uint64_t after_ms,
                          struct npr_ref *out_ref)
{
    if (!timer_is_valid(self, to, message, after_ms)) {
        return NPR_EINVAL;
    }
    return process_set_timer(self, to, message, after_ms, false, out_ref);
}

npr_status npr_send_every(struct npr_process *self,
                          const struct npr_pid *to,
                          struct npr_term message,
                          uint64_t period_ms,
                          struct npr_ref *out_ref)
{
    if (!timer_is_valid(self, to, message, period_ms) || period_ms == 0) {
        return NPR_EINVAL;
    }
    return process_set_timer(self, to, message, period_ms, true, out_ref);
}

bool npr_cancel_timer(struct npr_process *self, const struct npr_ref *ref)
{
    struct npri_map_node *node;
    struct npri_alarm *timer;
    uint64_t number;

    if (!npri_process_is_here(self) || ref == NULL || self->timers == NULL ||
        !npri_runtime_ref_number(self->origin->runtime, ref, &number)) {
        return false;
    }
    node = npri_map_find(&self->timers->by_number, number_key(&number));
    if (node == NULL) {
        return false;
    }
    timer = NPRI_CONTAINER_OF(node, struct npri_alarm, by_number);
    timer_leave(self, timer);
    if (npri_process_has_thread(self)) {
        npri_receive_forget_timer(self, number);
    }
    if (npri_alarm_disarm(&self->origin->runtime->alarms, timer)) {
        npri_signal_destroy(&timer->signal);
    } else {
        timer->is_void = true;
    }
    return true;
}
