#include "node/inbox.h"

#include "node/node.h"

static void task_run(struct npri_task *task)
{
    struct npri_inbox *inbox = NPRI_CONTAINER_OF(task, struct npri_inbox, task);

    npri_node_enter(inbox->node);
    /* acq_rel: pairs with the exchange in post().  Whoever saw `posted` there pushed before it, and
     * the drain that follows sees what it pushed. */
    (void)atomic_exchange_explicit(&inbox->posted, false, memory_order_acq_rel);
    (void)npri_inbox_drain(inbox);
    npri_node_leave(inbox->node);
}

void npri_inbox_init(struct npri_inbox *inbox,
                     struct npr_node *node,
                     void (*handle)(struct npri_inbox *inbox, struct npri_signal *signal))
{
    inbox->node = node;
    inbox->handle = handle;
    atomic_init(&inbox->newest, NULL);
    atomic_init(&inbox->posted, false);
    inbox->task = (struct npri_task){.run = task_run};
}

static void post(struct npri_inbox *inbox)
{
    /* acq_rel: pairs with the exchange in task_run(). */
    if (!atomic_exchange_explicit(&inbox->posted, true, memory_order_acq_rel)) {
        npri_loop_post(inbox->node->loop, &inbox->task);
    }
}

void npri_inbox_push(struct npri_inbox *inbox, struct npri_signal *signal)
{
    struct npri_signal *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

    do {
        signal->next = newest;
        /* release: pairs with the acquire in take_all(), which reads the signal. */
    } while (!atomic_compare_exchange_weak_explicit(&inbox->newest, &newest, signal,
                                                    memory_order_release, memory_order_relaxed));
    if (!npri_node_is_entered(inbox->node)) {
        post(inbox);
    }
}

/* What is there now, oldest first. */
static struct npri_signal *take_all(struct npri_inbox *inbox)
{
    /* acquire: pairs with the release in npri_inbox_push(). */
    struct npri_signal *newest =
        atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire);
    struct npri_signal *oldest = NULL;

    while (newest != NULL) {
        struct npri_signal *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool npri_inbox_drain(struct npri_inbox *inbox)
{
    struct npri_signal *signal = take_all(inbox);
    const bool any = signal != NULL;

    while (signal != NULL) {
        struct npri_signal *next = signal->next;

        signal->next = NULL;
        inbox->handle(inbox, signal);
        signal = next;
    }
    return any;
}

void npri_inbox_postpone(struct npri_inbox *inbox)
{
    /* relaxed: a push that is not seen here posts the task itself. */
    if (atomic_load_explicit(&inbox->newest, memory_order_relaxed) != NULL) {
        post(inbox);
    }
}

void npri_inbox_discard(struct npri_inbox *inbox)
{
    struct npri_signal *signal = take_all(inbox);

    while (signal != NULL) {
        struct npri_signal *next = signal->next;

        npri_signal_destroy(signal);
        signal = next;
    }
}
