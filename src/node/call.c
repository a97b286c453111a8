#include "node/call.h"

#include "base/assert.h"
#include "base/fail.h"
#include "node/node.h"

/* node->calls: a call counts two, so that one bit is left. */
#define CALLS_CLOSED 1u
#define CALLS_ONE    2u

/* Under the lock: who waits for the last one frees the node, and has the lock before. */
static void leave_closed(struct npr_node *node)
{
    NPRI_ASSERT(pthread_mutex_lock(&node->calls_lock) == 0);
    /* relaxed: the lock orders it. */
    if (atomic_fetch_sub_explicit(&node->calls, CALLS_ONE, memory_order_relaxed) ==
        CALLS_ONE + CALLS_CLOSED) {
        NPRI_ASSERT(pthread_cond_signal(&node->calls_none) == 0);
    }
    NPRI_ASSERT(pthread_mutex_unlock(&node->calls_lock) == 0);
}

bool npri_calls_enter(struct npr_node *node)
{
    /* relaxed: what closes it changes nothing that a call relies on. */
    const unsigned before =
        atomic_fetch_add_explicit(&node->calls, CALLS_ONE, memory_order_relaxed);

    if ((before & CALLS_CLOSED) == 0) {
        return true;
    }
    leave_closed(node);
    return false;
}

void npri_calls_leave(struct npr_node *node)
{
    unsigned calls = atomic_load_explicit(&node->calls, memory_order_relaxed);

    while ((calls & CALLS_CLOSED) == 0) {
        /* release: pairs with the acquire in npri_calls_close(), after which the node is taken
         * apart: what the call did is done. */
        if (atomic_compare_exchange_weak_explicit(&node->calls, &calls, calls - CALLS_ONE,
                                                  memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    leave_closed(node);
}

void npri_calls_close(struct npr_node *node)
{
    /* acquire: pairs with the release in npri_calls_leave(). */
    (void)atomic_fetch_or_explicit(&node->calls, CALLS_CLOSED, memory_order_acquire);
}

void npri_calls_wait(struct npr_node *node)
{
    NPRI_ASSERT(pthread_mutex_lock(&node->calls_lock) == 0);
    /* relaxed: under the lock. */
    while (atomic_load_explicit(&node->calls, memory_order_relaxed) != CALLS_CLOSED) {
        NPRI_ASSERT(pthread_cond_wait(&node->calls_none, &node->calls_lock) == 0);
    }
    NPRI_ASSERT(pthread_mutex_unlock(&node->calls_lock) == 0);
}

static void task_run(struct npri_task *task)
{
    struct npri_call *call = NPRI_CONTAINER_OF(task, struct npri_call, task);
    struct npr_node *node = call->node;

    npri_node_enter(node);
    call->run(call);
    npri_node_leave(node);
}

npr_status npri_call_run_unchecked(struct npr_node *node,
                                   struct npri_call *call,
                                   void (*run)(struct npri_call *call))
{
    call->node = node;
    call->run = run;
    call->task = (struct npri_task){.run = task_run};
    call->ended = false;
    NPRI_ASSERT(pthread_mutex_init(&call->lock, NULL) == 0);
    NPRI_ASSERT(pthread_cond_init(&call->changed, NULL) == 0);
    npri_loop_post(node->loop, &call->task);
    NPRI_ASSERT(pthread_mutex_lock(&call->lock) == 0);
    while (!call->ended) {
        NPRI_ASSERT(pthread_cond_wait(&call->changed, &call->lock) == 0);
    }
    NPRI_ASSERT(pthread_mutex_unlock(&call->lock) == 0);
    (void)pthread_cond_destroy(&call->changed);
    (void)pthread_mutex_destroy(&call->lock);
    return call->status;
}

npr_status npri_call_run(struct npr_node *node,
                         struct npri_call *call,
                         void (*run)(struct npri_call *call))
{
    npr_status status;

    if (node == NULL) {
        return npri_fail(call->err, NPR_EINVAL, "no node");
    }
    if (npri_node_is_loop_thread(node)) {
        return npri_fail(call->err, NPR_EINVAL, "this would block the node's own thread");
    }
    if (!npri_calls_enter(node)) {
        return npri_fail(call->err, NPR_ECLOSED, "the node stops");
    }
    status = npri_call_run_unchecked(node, call, run);
    npri_calls_leave(node);
    return status;
}

void npri_call_end(struct npri_call *call, npr_status status, struct npr_bytes text)
{
    if (status != NPR_OK) {
        if (text.size == 0) {
            text = npr_bytes_of(npr_status_text(status));
        }
        (void)npri_fail(call->err, status, "%.*s", (int)text.size, (const char *)text.data);
    }
    NPRI_ASSERT(pthread_mutex_lock(&call->lock) == 0);
    call->status = status;
    call->ended = true;
    /* Under the lock: the caller frees the call as soon as it has it. */
    NPRI_ASSERT(pthread_cond_signal(&call->changed) == 0);
    NPRI_ASSERT(pthread_mutex_unlock(&call->lock) == 0);
}
