#include "runtime/receive.h"

#include "runtime/call.h"
#include "runtime/words.h"

/* What is kept is what was sent, which counts in the mailbox, or a copy of what was made here: a
 * TIMER whose id is the number of the timer, or OTHER, which is no such number. */
#define KEPT_OTHER UINT64_MAX

/* ---- What is kept. */

static void kept_append(struct npri_thread *thread, struct npri_signal *signal)
{
    signal->next = NULL;
    if (thread->kept == NULL) {
        thread->kept = signal;
    } else {
        thread->kept_last->next = signal;
    }
    thread->kept_last = signal;
}

/* Takes the one after `before` out; NULL: the first. */
static struct npri_signal *kept_remove(struct npri_thread *thread, struct npri_signal *before)
{
    struct npri_signal *signal = before == NULL ? thread->kept : before->next;

    if (before == NULL) {
        thread->kept = signal->next;
    } else {
        before->next = signal->next;
    }
    if (thread->kept_last == signal) {
        thread->kept_last = before;
    }
    if (thread->looked == signal) {
        thread->looked = before;
    }
    return signal;
}

/* The first that `is_it`: `*out_before` is the one before it. */
static bool kept_find(const struct npri_thread *thread,
                      bool (*is_it)(const struct npri_signal *signal, uint64_t id),
                      uint64_t id,
                      struct npri_signal **out_before)
{
    struct npri_signal *before = NULL;

    for (struct npri_signal *at = thread->kept; at != NULL; at = at->next) {
        if (is_it(at, id)) {
            *out_before = before;
            return true;
        }
        before = at;
    }
    return false;
}

static bool is_of_timer(const struct npri_signal *signal, uint64_t number)
{
    return signal->kind == NPRI_SIGNAL_TIMER && signal->id == number;
}

static bool is_counted(const struct npri_signal *signal, uint64_t unused)
{
    (void)unused;
    return npri_signal_is_message(signal);
}

enum npri_verdict npri_receive_keep(struct npr_process *process, struct npr_term message)
{
    const struct npri_signal draft = {
        .kind = NPRI_SIGNAL_TIMER, .payload = message, .id = KEPT_OTHER};
    struct npri_thread *thread = npri_thread_of(process);
    struct npri_signal *copy;

    if (npri_receive_is_late(thread, message)) {
        return NPRI_GO_ON;
    }
    copy = npri_signal_create(&draft);
    if (copy == NULL) {
        return NPRI_AGAIN;
    }
    kept_append(thread, copy);
    return NPRI_GO_ON;
}

enum npri_verdict npri_receive_keep_timer(struct npr_process *process,
                                          const struct npri_alarm *timer)
{
    const struct npri_signal draft = {
        .kind = NPRI_SIGNAL_TIMER, .payload = timer->signal.payload, .id = timer->signal.id};
    struct npri_thread *thread = npri_thread_of(process);
    struct npri_signal *before;
    struct npri_signal *copy;

    if (timer->period_ns != 0 && kept_find(thread, is_of_timer, timer->signal.id, &before)) {
        return NPRI_GO_ON; /* one that repeats has one message on its way */
    }
    copy = npri_signal_create(&draft);
    if (copy == NULL) {
        return NPRI_AGAIN;
    }
    kept_append(thread, copy);
    return NPRI_GO_ON;
}

void npri_receive_forget_timer(struct npr_process *process, uint64_t number)
{
    struct npri_thread *thread = npri_thread_of(process);
    struct npri_signal *before;

    if (kept_find(thread, is_of_timer, number, &before)) {
        npri_signal_destroy(kept_remove(thread, before));
    }
}

/* By its policy, the oldest messages give way to those that wait beyond the limit. */
static void kept_give_way(struct npri_thread *thread)
{
    struct npr_process *process = thread->process;
    struct npri_signal *before;

    while (npri_process_overflows(process) && kept_find(thread, is_counted, 0, &before)) {
        /* relaxed: a figure, which who pushes raises too. */
        (void)atomic_fetch_add_explicit(&process->overflowed, 1, memory_order_relaxed);
        NPRI_COUNT_UP(&process->taken);
        npri_signal_destroy(kept_remove(thread, before));
    }
}

enum npri_verdict npri_receive_on_message(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_thread *thread = npri_thread_of(process);

    if (signal->kind == NPRI_SIGNAL_CALL) {
        struct npri_signal *message = npri_call_expand(process, signal);

        if (message == NULL) {
            return NPRI_AGAIN;
        }
        npri_signal_destroy(signal);
        kept_append(thread, message);
        return NPRI_KEPT;
    }
    if (npri_receive_is_late(thread, signal->payload)) {
        NPRI_COUNT_UP(&process->taken);
        return NPRI_GO_ON;
    }
    if (npri_message_is_for_runtime(signal->payload)) {
        const enum npri_verdict verdict = npri_process_on_message(process, signal);

        if (verdict != NPRI_AGAIN) {
            NPRI_COUNT_UP(&process->taken);
        }
        return verdict;
    }
    kept_append(thread, signal);
    return NPRI_KEPT;
}

void npri_receive_give_back(struct npr_process *process)
{
    struct npri_thread *thread = npri_thread_of(process);

    if (thread->kept != NULL) {
        thread->kept_last->next = process->todo;
        process->todo = thread->kept;
        thread->kept = thread->kept_last = thread->looked = NULL;
    }
}

void npri_receive_drop(struct npri_thread *thread)
{
    npri_signal_destroy(thread->current);
    thread->current = NULL;
    while (thread->kept != NULL) {
        npri_signal_destroy(kept_remove(thread, NULL));
    }
}

/* ---- Looking. */

static struct npr_received received_from(struct npr_term message)
{
    struct npr_received received = {.kind = NPR_RECEIVED_MESSAGE, .term = message};
    struct npr_term parts[3];

    if (npri_message_is_call(message, &received.from, &received.term)) {
        received.kind = NPR_RECEIVED_CALL;
    } else if (npr_term_get_tuple(message, 2, parts) && npr_term_is_atom(parts[0], "$gen_cast")) {
        received.kind = NPR_RECEIVED_CAST;
        received.term = parts[1];
    }
    return received;
}

static void hand_over(struct npri_thread *thread, struct npri_signal *before)
{
    struct npr_process *process = thread->process;
    struct npri_signal *signal = kept_remove(thread, before);

    if (npri_signal_is_message(signal)) {
        NPRI_COUNT_UP(&process->taken);
    }
    npri_signal_destroy(thread->current);
    thread->current = signal;
    process->active = true;
}

/* Looks at what is kept and has not been looked at; true: `*out` is wanted, and handed over. */
static bool look_at_kept(struct npri_thread *thread,
                         npr_receive_filter filter,
                         void *user,
                         struct npr_received *out)
{
    struct npri_signal *at;

    if (npri_process_is_suspended(thread->process) || thread->process->paused) {
        return false;
    }
    kept_give_way(thread);
    while ((at = thread->looked == NULL ? thread->kept : thread->looked->next) != NULL) {
        const struct npr_received received = received_from(at->payload);
        bool wanted = true;

        if (filter != NULL) {
            thread->filtering = true;
            wanted = filter(user, &received);
            thread->filtering = false;
        }
        if (wanted) {
            hand_over(thread, thread->looked);
            *out = received;
            return true;
        }
        thread->looked = at;
    }
    return false;
}

/* Acts on what has come until something is wanted.  NPR_ENOTFOUND: nothing is left to act on. */
static npr_status look(struct npri_thread *thread,
                       npr_receive_filter filter,
                       void *user,
                       struct npr_received *out)
{
    for (;;) {
        enum npri_verdict verdict = NPRI_GO_ON;

        if (look_at_kept(thread, filter, user, out)) {
            return NPR_OK;
        }
        if (!npri_process_next(thread->process, &verdict)) {
            return NPR_ENOTFOUND;
        }
        if (verdict == NPRI_END) {
            thread->ended = true;
            return NPR_EEXIT;
        }
        if (verdict == NPRI_AGAIN) {
            return NPR_ENOMEM;
        }
    }
}

/* Nothing is there.  True: its idle time is over, the process has left. */
static bool is_idle(struct npri_thread *thread)
{
    struct npr_process *process = thread->process;

    if (process->idle == NULL || npri_process_is_suspended(process) || process->paused ||
        thread->kept != NULL || !npri_process_is_idle(process)) {
        return false;
    }
    (void)npri_process_set_end(process, NPRI_WORD_NORMAL, NULL);
    thread->ended = true;
    return true;
}

/* Each round looks at what has come before it, so that a stream of what is not wanted cannot keep
 * the time from being over. */
static npr_status receive_loop(struct npri_thread *thread,
                               uint64_t deadline_ns,
                               npr_receive_filter filter,
                               void *user,
                               struct npr_received *out)
{
    struct npr_process *process = thread->process;
    bool is_last = deadline_ns == 0;

    for (;;) {
        bool has_taken;
        npr_status status;

        npri_thread_hold(thread);
        has_taken = process->todo == NULL;
        if (has_taken) {
            process->todo = npri_mailbox_take(&process->mailbox);
        }
        status = look(thread, filter, user, out);
        if (status != NPR_ENOTFOUND) {
            return status;
        }
        if (!has_taken) {
            continue; /* those were left from before */
        }
        if (is_idle(thread)) {
            return NPR_EEXIT;
        }
        if (npri_thread_rest(thread) && !is_last) {
            is_last = !npri_thread_wait(thread, deadline_ns);
        } else if (is_last) {
            return NPR_ETIMEDOUT;
        } else {
            is_last = npri_now_ns() >= deadline_ns;
        }
    }
}

/* Whether the next receive has something to look at, as far as this one can tell. */
static bool is_ready(struct npri_thread *thread, npr_status status)
{
    if (status == NPR_ETIMEDOUT) {
        return !thread->resting;
    }
    return status != NPR_OK || thread->kept != NULL || thread->process->todo != NULL ||
           !npri_thread_rest(thread);
}

npr_status npri_receive_until(struct npri_thread *thread,
                              uint64_t deadline_ns,
                              npr_receive_filter filter,
                              void *user,
                              struct npr_received *out)
{
    npr_status status;

    if (thread->ended) {
        return NPR_EEXIT;
    }
    npri_process_account(thread->process);
    thread->looked = NULL;
    status = receive_loop(thread, deadline_ns, filter, user, out);
    thread->worker.clock_ns = npri_now_coarse_ns(); /* what was waited is not work */
    if (thread->fd >= 0 && is_ready(thread, status)) {
        npri_thread_set_readable(thread);
    }
    return status;
}

uint64_t npri_receive_deadline_ns(uint32_t timeout_ms)
{
    if (timeout_ms == 0) {
        return 0;
    }
    return timeout_ms == NPR_FOREVER ? UINT64_MAX : npri_now_ns() + timeout_ms * NPRI_NS_PER_MS;
}

npr_status npr_receive(struct npr_process *self,
                       uint32_t timeout_ms,
                       npr_receive_filter filter,
                       void *user,
                       struct npr_received *out)
{
    struct npri_thread *thread = npri_thread_here(self);

    if (thread == NULL || out == NULL || thread->filtering) {
        return NPR_EINVAL;
    }
    if (!thread->running) {
        return thread->ended ? NPR_EEXIT : NPR_EINVAL; /* in terminate; in init */
    }
    npri_signal_destroy(thread->current);
    thread->current = NULL;
    return npri_receive_until(thread, npri_receive_deadline_ns(timeout_ms), filter, user, out);
}
