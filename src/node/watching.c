#include "node/watching.h"

#include "base/assert.h"
#include "node/node.h"

bool npri_watching_init(struct npr_node *node)
{
    return npri_map_init(&node->watching.watchers, node->hash_key) &&
           npri_map_init(&node->watching.processes, node->hash_key);
}

void npri_watching_close(struct npr_node *node)
{
    struct npri_map_node *first;

    NPRI_ASSERT(node->closing);
    while ((first = npri_map_first(&node->watching.watchers)) != NULL) {
        struct npri_watcher *watcher = NPRI_CONTAINER_OF(first, struct npri_watcher, node);

        npri_watcher_remove(node, watcher);
        watcher->on_event(watcher, &(struct npr_watch_event){.kind = NPR_WATCH_CLOSED});
    }
}

void npri_watching_fini(struct npr_node *node)
{
    NPRI_ASSERT(node->watching.watchers.count == 0);
    npri_map_fini(&node->watching.watchers);
    npri_map_fini(&node->watching.processes);
}

npr_status npri_watcher_add(struct npr_node *node,
                            struct npri_watcher *watcher,
                            const struct npri_select *select)
{
    npr_status status;

    if (node->closing) {
        return NPR_ECLOSED;
    }
    watcher->number = ++node->watching.last_number;
    npri_map_insert(&node->watching.watchers, &watcher->node,
                    npri_bytes(&watcher->number, sizeof(watcher->number)));
    status = npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_SUBSCRIBE,
                                                                .request = watcher->number,
                                                                .term = select->wire});
    if (status != NPR_OK) {
        npri_map_remove(&node->watching.watchers, &watcher->node);
    }
    return status;
}

void npri_watcher_remove(struct npr_node *node, struct npri_watcher *watcher)
{
    npri_map_remove(&node->watching.watchers, &watcher->node);
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_UNSUBSCRIBE,
                                                             .request = watcher->number});
}

struct npri_watcher *npri_watcher_find(struct npr_node *node, uint64_t number)
{
    struct npri_map_node *found =
        npri_map_find(&node->watching.watchers, npri_bytes(&number, sizeof(number)));

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_watcher, node);
}

/* What came to the queue before the subscription ended has nobody any more. */
void npri_watching_on_news(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_watcher *watcher = npri_watcher_find(node, effect->request);
    struct npr_watch_event event = {.kind = effect->news,
                                    .gone = effect->gone,
                                    .key = effect->key,
                                    .token = effect->token,
                                    .node = effect->node};

    if (watcher == NULL) {
        return;
    }
    (void)npr_term_get_pid(effect->term, &event.pid);
    (void)npr_term_get_pid(effect->old, &event.old);
    watcher->on_event(watcher, &event);
}
