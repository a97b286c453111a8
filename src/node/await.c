/* nprocreg/watch.h: waiting for a key to have a process. */
#include "base/alloc.h"
#include "base/fail.h"
#include "node/call.h"
#include "node/node.h"
#include "node/selector.h"

#define NS_PER_MS UINT64_C(1000000)

/* How often originals are asked. */
#define ASK_NS (1000 * NS_PER_MS)

struct awaiting;

/* One lookup, which may outlive the wait that it was for. */
struct asking {
    struct npri_get get;
    struct awaiting *awaiting; /* NULL: nobody waits any more */
};

struct awaiting {
    struct npri_call call; /* first */
    struct npri_watcher watcher;
    const struct npri_select *select;
    struct npr_term key;
    uint64_t deadline_ns;
    struct npri_timer *timer;
    struct asking *asking; /* under way, or NULL */
    bool subscribed;
    bool beginning; /* an end is only noted yet */
    bool ended;
    npr_status status;
    struct npr_found found;
};

/* The call is over, and may be gone when this returns. */
static void end(struct awaiting *awaiting, npr_status status)
{
    struct npr_node *node = awaiting->call.node;

    awaiting->status = status;
    awaiting->ended = true;
    if (awaiting->beginning) {
        return;
    }
    if (awaiting->subscribed) {
        npri_watcher_remove(node, &awaiting->watcher);
    }
    if (awaiting->asking != NULL) {
        awaiting->asking->awaiting = NULL;
    }
    npri_timer_destroy(awaiting->timer);
    npri_call_end(
        &awaiting->call, status,
        npr_bytes_of(status == NPR_ETIMEDOUT ? "no process came to live under the key" : ""));
}

static void on_event(struct npri_watcher *watcher, const struct npr_watch_event *event)
{
    struct awaiting *awaiting = NPRI_CONTAINER_OF(watcher, struct awaiting, watcher);

    if (awaiting->ended) {
        return;
    }
    if (event->kind == NPR_WATCH_CLOSED) {
        awaiting->subscribed = false;
        end(awaiting, NPR_ECLOSED);
    } else if (event->kind == NPR_WATCH_REGISTERED) {
        awaiting->found = (struct npr_found){.pid = event->pid, .token = event->token};
        end(awaiting, NPR_OK);
    }
}

/* ---- Nodes that send no events. */

static void on_answer(struct npri_get *get, const struct npri_answer *answer)
{
    struct asking *asking = NPRI_CONTAINER_OF(get, struct asking, get);
    struct awaiting *awaiting = asking->awaiting;

    npri_free(asking);
    if (awaiting == NULL) {
        return;
    }
    awaiting->asking = NULL;
    if (!awaiting->ended && answer->status == NPR_OK &&
        npr_term_get_pid(answer->pid, &awaiting->found.pid)) {
        awaiting->found.token = answer->token;
        end(awaiting, NPR_OK);
    }
}

/* Without memory for it, the next time will do. */
static void ask(struct awaiting *awaiting)
{
    struct npr_node *node = awaiting->call.node;
    struct asking *asking;

    if (awaiting->asking != NULL ||
        npri_core_watches_all(node->registry.core, awaiting->watcher.number)) {
        return;
    }
    asking = npri_alloc_zeroed(1, sizeof(*asking));
    if (asking == NULL) {
        return;
    }
    asking->get.done = on_answer;
    asking->awaiting = awaiting;
    awaiting->asking = asking;
    npri_registry_get(
        node, &asking->get,
        &(struct npri_get_options){.key = awaiting->key,
                                   .caller = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                   .deadline_ns = awaiting->deadline_ns});
}

static void set_timer(struct awaiting *awaiting, uint64_t now_ns)
{
    npri_timer_set(awaiting->timer, now_ns + ASK_NS < awaiting->deadline_ns
                                        ? now_ns + ASK_NS
                                        : awaiting->deadline_ns);
}

static void on_timer(void *user)
{
    struct awaiting *awaiting = user;
    struct npr_node *node = awaiting->call.node;
    const uint64_t now_ns = npri_loop_now_ns(node->loop);

    npri_node_enter(node);
    if (now_ns >= awaiting->deadline_ns) {
        end(awaiting, NPR_ETIMEDOUT);
    } else {
        set_timer(awaiting, now_ns);
        ask(awaiting);
    }
    npri_node_leave(node);
}

/* ---- The call. */

static void run(struct npri_call *call)
{
    struct awaiting *awaiting = (struct awaiting *)call;
    struct npr_node *node = call->node;
    npr_status status;

    awaiting->timer = npri_timer_create(node->loop, on_timer, awaiting);
    if (awaiting->timer == NULL) {
        npri_call_end(call, NPR_ENOMEM, npr_bytes_of(""));
        return;
    }
    awaiting->beginning = true;
    status = npri_watcher_add(node, &awaiting->watcher, awaiting->select);
    awaiting->subscribed = status == NPR_OK;
    if (status != NPR_OK) {
        end(awaiting, status);
    } else if (!awaiting->ended) {
        ask(awaiting);
    }
    awaiting->beginning = false;
    if (awaiting->ended) {
        end(awaiting, awaiting->status);
    } else {
        set_timer(awaiting, npri_loop_now_ns(node->loop));
    }
}

npr_status npr_await(struct npr_node *node,
                     struct npr_term key,
                     uint32_t timeout_ms,
                     struct npr_found *out,
                     struct npr_error *err)
{
    struct awaiting awaiting = {.call.err = err, .watcher.on_event = on_event, .key = key};
    struct npr_selector selector = npr_select_key(key);
    struct npri_select *select = NULL;
    npr_status status;

    if (node == NULL || out == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node, or no place for what is found");
    }
    status = npri_registry_check_key(key, err);
    if (status == NPR_OK) {
        status = npri_selector_create(&selector, &select, err);
    }
    if (status != NPR_OK) {
        return status;
    }
    awaiting.select = select;
    awaiting.deadline_ns = npri_loop_now_ns(node->loop) + timeout_ms * NS_PER_MS;
    status = npri_call_run(node, &awaiting.call, run);
    npri_select_destroy(select);
    if (status == NPR_OK) {
        *out = awaiting.found;
    }
    return status;
}
