/* nprocreg/watch.h: subscriptions of processes.
 *
 * The reference that a process is given is in its messages, and that of the monitor by which this
 * node learns of its end. */
#include "base/alloc.h"
#include "node/call.h"
#include "node/failure.h"
#include "node/node.h"
#include "node/router.h"
#include "node/selector.h"
#include "term/write.h"

struct process_watcher {
    struct npri_watcher watcher; /* first */
    struct npri_map_node by_ref;
    struct npri_task task;
    struct npr_node *node;
    struct npri_select *select;
    struct npr_ref ref;
    struct npri_signal *failure; /* what it is told when there is no memory; has its pid as `to` */
    struct npri_buffer ref_term;
};

/* What a reference is known by here. */
static struct npr_bytes ref_name(const struct npr_ref *ref)
{
    return npri_bytes(ref->words, ref->words_count * sizeof(ref->words[0]));
}

static struct process_watcher *find(struct npr_node *node, const struct npr_ref *ref)
{
    struct npri_map_node *found = npri_map_find(&node->watching.processes, ref_name(ref));

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct process_watcher, by_ref);
}

static void watcher_destroy(struct process_watcher *watcher)
{
    npri_select_destroy(watcher->select);
    npri_signal_destroy(watcher->failure);
    npri_buffer_fini(&watcher->ref_term);
    npri_free(watcher);
}

static void tell_monitor(struct process_watcher *watcher, enum npri_signal_kind kind)
{
    (void)npri_router_send(
        watcher->node,
        &(struct npri_signal){.kind = kind,
                              .from = npri_service_pid(watcher->node, NPRI_SERVICE_CLIENT),
                              .to = watcher->failure->to,
                              .ref = npri_buffer_term(&watcher->ref_term)});
}

/* ---- Messages. */

static void put_event(struct npri_buffer *out, const struct npr_watch_event *event)
{
    const char *name = npr_watch_kind_name(event->kind);

    switch (event->kind) {
    case NPR_WATCH_REGISTERED:
        npri_put_tuple(out, 4);
        npri_put_atom(out, name);
        npri_put_term(out, event->key);
        npri_put_pid(out, &event->pid);
        npri_put_uint(out, event->token);
        return;
    case NPR_WATCH_GONE:
        npri_put_tuple(out, 4);
        npri_put_atom(out, name);
        npri_put_term(out, event->key);
        npri_put_pid(out, &event->pid);
        npri_put_atom(out, npr_gone_name(event->gone));
        return;
    case NPR_WATCH_MOVED:
        npri_put_tuple(out, 5);
        npri_put_atom(out, name);
        npri_put_term(out, event->key);
        npri_put_pid(out, &event->old);
        npri_put_pid(out, &event->pid);
        npri_put_uint(out, event->token);
        return;
    case NPR_WATCH_NODE_DOWN:
        npri_put_tuple(out, 2);
        npri_put_atom(out, name);
        npri_put_node(out, &event->node);
        return;
    case NPR_WATCH_SYNCED:
    case NPR_WATCH_CLOSED:
        npri_put_atom(out, name);
        return;
    }
}

/* ---- Ending. */

static void forget(struct process_watcher *watcher)
{
    npri_map_remove(&watcher->node->watching.processes, &watcher->by_ref);
    watcher_destroy(watcher);
}

/* Tells the process that nothing follows. */
static void give_up(struct process_watcher *watcher)
{
    struct npri_signal *failure = watcher->failure;

    npri_watcher_remove(watcher->node, &watcher->watcher);
    tell_monitor(watcher, NPRI_SIGNAL_DEMONITOR);
    watcher->failure = NULL;
    npri_runtime_deliver(watcher->node->runtime, failure);
    forget(watcher);
}

static void on_event(struct npri_watcher *base, const struct npr_watch_event *event)
{
    struct process_watcher *watcher = (struct process_watcher *)base;
    struct npri_signal *message;
    struct npri_buffer what;

    if (event->kind == NPR_WATCH_CLOSED) {
        forget(watcher); /* The process ends, too. */
        return;
    }
    npri_buffer_init(&what, 0);
    put_event(&what, event);
    message = npri_client_message(watcher->node, &watcher->ref, watcher->failure->to, &what);
    npri_buffer_fini(&what);
    if (message == NULL) {
        give_up(watcher);
    } else {
        npri_runtime_deliver(watcher->node->runtime, message);
    }
}

bool npri_watching_on_down(struct npr_node *node, const struct npri_signal *signal)
{
    struct process_watcher *watcher;
    struct npr_ref ref;

    if (!npr_term_get_ref(signal->ref, &ref) || ref.words_count > NPR_REF_WORDS_MAX ||
        (watcher = find(node, &ref)) == NULL || !npr_ref_equal(&watcher->ref, &ref)) {
        return false;
    }
    npri_watcher_remove(node, &watcher->watcher);
    forget(watcher);
    return true;
}

/* ---- Beginning. */

static void watch_run(struct npri_task *task)
{
    struct process_watcher *watcher = NPRI_CONTAINER_OF(task, struct process_watcher, task);
    struct npr_node *node = watcher->node;
    const struct npr_ref ref = watcher->ref;
    npr_status status;

    npri_node_enter(node);
    npri_map_insert(&node->watching.processes, &watcher->by_ref, ref_name(&watcher->ref));
    status = npri_watcher_add(node, &watcher->watcher, watcher->select);
    if (status == NPR_OK) {
        watcher = find(node, &ref); /* It may have had to give up at once. */
        if (watcher != NULL) {
            tell_monitor(watcher, NPRI_SIGNAL_MONITOR);
        }
    } else {
        npri_runtime_deliver(node->runtime, watcher->failure);
        watcher->failure = NULL;
        forget(watcher);
    }
    npri_node_leave(node);
    npri_calls_leave(node);
}

/* What has to be there when there is no memory any more. */
static bool prepare(struct process_watcher *watcher, const struct npr_process *self)
{
    const struct npr_pid pid = npr_self(self);
    struct npri_buffer what;
    struct npri_buffer to;

    npri_buffer_init(&what, 0);
    npri_buffer_init(&to, 0);
    npri_put_pid(&to, &pid);
    npri_put_error(&what, NPR_ENOMEM, npr_bytes_of("out of memory"));
    npri_put_ref(&watcher->ref_term, &watcher->ref);
    if (!to.failed && !watcher->ref_term.failed) {
        watcher->failure =
            npri_client_message(watcher->node, &watcher->ref, npri_buffer_term(&to), &what);
    }
    npri_buffer_fini(&what);
    npri_buffer_fini(&to);
    return watcher->failure != NULL;
}

npr_status npr_watch(struct npr_process *self,
                     const struct npr_selector *selector,
                     struct npr_ref *out_ref)
{
    struct npri_select *select = NULL;
    struct process_watcher *watcher;
    struct npr_node *node = npri_process_user(self);
    npr_status status;

    if (node == NULL || selector == NULL || out_ref == NULL) {
        return NPR_EINVAL;
    }
    status = npri_selector_create(selector, &select, NULL);
    if (status != NPR_OK) {
        return status;
    }
    watcher = npri_alloc_zeroed(1, sizeof(*watcher));
    if (watcher == NULL) {
        npri_select_destroy(select);
        return NPR_ENOMEM;
    }
    *watcher = (struct process_watcher){.watcher.on_event = on_event,
                                        .task.run = watch_run,
                                        .node = node,
                                        .select = select,
                                        .ref = npri_runtime_new_ref(node->runtime)};
    npri_buffer_init(&watcher->ref_term, 0);
    status = prepare(watcher, self) ? NPR_OK : NPR_ENOMEM;
    if (status == NPR_OK && !npri_calls_enter(node)) {
        status = NPR_ECLOSED;
    }
    if (status != NPR_OK) {
        watcher_destroy(watcher);
        return status;
    }
    *out_ref = watcher->ref;
    npri_loop_post(node->loop, &watcher->task);
    return NPR_OK;
}

/* ---- Taking it back. */

struct unwatching {
    struct npri_task task;
    struct npr_node *node;
    struct npr_ref ref;
};

static void unwatch_run(struct npri_task *task)
{
    struct unwatching *unwatching = NPRI_CONTAINER_OF(task, struct unwatching, task);
    struct npr_node *node = unwatching->node;
    struct process_watcher *watcher;

    npri_node_enter(node);
    watcher = find(node, &unwatching->ref);
    if (watcher != NULL && npr_ref_equal(&watcher->ref, &unwatching->ref)) {
        npri_watcher_remove(node, &watcher->watcher);
        tell_monitor(watcher, NPRI_SIGNAL_DEMONITOR);
        forget(watcher);
    }
    npri_free(unwatching);
    npri_node_leave(node);
    npri_calls_leave(node);
}

npr_status npr_unwatch(struct npr_process *self, const struct npr_ref *ref)
{
    struct unwatching *unwatching;
    struct npr_node *node = npri_process_user(self);

    if (node == NULL || ref == NULL || ref->words_count > NPR_REF_WORDS_MAX) {
        return NPR_EINVAL;
    }
    unwatching = npri_alloc_zeroed(1, sizeof(*unwatching));
    if (unwatching == NULL) {
        return NPR_ENOMEM;
    }
    if (!npri_calls_enter(node)) {
        npri_free(unwatching);
        return NPR_ECLOSED;
    }
    unwatching->task.run = unwatch_run;
    unwatching->node = node;
    unwatching->ref = *ref;
    npri_loop_post(node->loop, &unwatching->task);
    return NPR_OK;
}
