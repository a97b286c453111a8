/* nprocreg/watch.h: subscriptions of the program. */
#include "base/alloc.h"
#include "base/fail.h"
#include "node/call.h"
#include "node/node.h"
#include "node/selector.h"

struct subscriber {
    struct npri_watcher watcher; /* first */
    npr_watch_callback *callback;
    void *user;
    bool calling; /* the callback runs */
    bool removed; /* meanwhile */
};

static void on_event(struct npri_watcher *watcher, const struct npr_watch_event *event)
{
    struct subscriber *subscriber = (struct subscriber *)watcher;

    subscriber->calling = true;
    subscriber->callback(subscriber->user, event);
    subscriber->calling = false;
    if (subscriber->removed || event->kind == NPR_WATCH_CLOSED) {
        npri_free(subscriber);
    }
}

/* ---- Subscribing. */

struct subscribing {
    struct npri_call call; /* first */
    const struct npri_select *select;
    struct subscriber *subscriber; /* taken over when it succeeds */
    struct npr_subscription *out;
};

/* Events, which may come from inside, are to find `*out` set. */
static npr_status subscribe_now(struct npr_node *node, struct subscribing *subscribing)
{
    const struct npr_subscription before = *subscribing->out;
    npr_status status;

    subscribing->out->number = node->watching.last_number + 1;
    status = npri_watcher_add(node, &subscribing->subscriber->watcher, subscribing->select);
    if (status != NPR_OK) {
        *subscribing->out = before;
    }
    return status;
}

static void subscribing_run(struct npri_call *call)
{
    npri_call_end(call, subscribe_now(call->node, (struct subscribing *)call), npr_bytes_of(""));
}

npr_status npr_subscribe(struct npr_node *node,
                         const struct npr_selector *selector,
                         npr_watch_callback *callback,
                         void *user,
                         struct npr_subscription *out,
                         struct npr_error *err)
{
    struct subscribing subscribing = {.call.err = err, .out = out};
    struct npri_select *select = NULL;
    npr_status status;

    if (node == NULL || selector == NULL || callback == NULL || out == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node, selector, function or place for the number");
    }
    status = npri_selector_create(selector, &select, err);
    if (status != NPR_OK) {
        return status;
    }
    subscribing.select = select;
    subscribing.subscriber = npri_alloc_zeroed(1, sizeof(*subscribing.subscriber));
    if (subscribing.subscriber == NULL) {
        npri_select_destroy(select);
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    *subscribing.subscriber =
        (struct subscriber){.watcher.on_event = on_event, .callback = callback, .user = user};
    if (npri_node_is_entered(node)) {
        status = subscribe_now(node, &subscribing);
        if (status != NPR_OK) {
            (void)npri_fail(err, status, "%s", npr_status_text(status));
        }
    } else {
        status = npri_call_run(node, &subscribing.call, subscribing_run);
    }
    if (status != NPR_OK) {
        npri_free(subscribing.subscriber);
    }
    npri_select_destroy(select);
    return status;
}

/* ---- Unsubscribing. */

struct unsubscribing {
    struct npri_call call; /* first */
    uint64_t number;
};

static void unsubscribe_now(struct npr_node *node, uint64_t number)
{
    struct npri_watcher *watcher = npri_watcher_find(node, number);
    struct subscriber *subscriber = (struct subscriber *)watcher;

    if (watcher == NULL || watcher->on_event != on_event) {
        return; /* It has ended. */
    }
    npri_watcher_remove(node, watcher);
    if (subscriber->calling) {
        subscriber->removed = true;
    } else {
        npri_free(subscriber);
    }
}

static void unsubscribing_run(struct npri_call *call)
{
    unsubscribe_now(call->node, ((struct unsubscribing *)call)->number);
    npri_call_end(call, NPR_OK, npr_bytes_of(""));
}

npr_status npr_unsubscribe(struct npr_node *node, struct npr_subscription subscription)
{
    struct unsubscribing unsubscribing = {.number = subscription.number};

    if (node == NULL) {
        return NPR_EINVAL;
    }
    if (npri_node_is_entered(node)) {
        unsubscribe_now(node, subscription.number);
        return NPR_OK;
    }
    return npri_call_run(node, &unsubscribing.call, unsubscribing_run);
}
