#include "node/call.h"

#include "base/assert.h"
#include "base/fail.h"
#include "node/node.h"

bool npri_calls_enter(struct npr_node *node)
{
    bool open;

    NPRI_ASSERT(pthread_mutex_lock(&node->calls_lock) == 0);
    open = !node->calls_closed;
    if (open) {
        node->calls_count++;
    }
    NPRI_ASSERT(pthread_mutex_unlock(&node->calls_lock) == 0);
    return open;
}

void npri_calls_leave(struct npr_node *node)
{
    NPRI_ASSERT(pthread_mutex_lock(&node->calls_lock) == 0);
    if (--node->calls_count == 0 && node->calls_closed) {
        NPRI_ASSERT(pthread_cond_signal(&node->calls_none) == 0);
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
