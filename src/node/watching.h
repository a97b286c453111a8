/* node/watching.h - the subscribers of this node, and how the core's news get to them.  Loop thread
 * only.
 *
 * A watcher is what one of the public functions makes of them: calls of the program's function, the
 * messages of a process, the end of an await.  It may be removed by whatever its on_event does. */
#ifndef NPRI_NODE_WATCHING_H
#define NPRI_NODE_WATCHING_H

#include "nprocreg/watch.h"

#include "base/map.h"
#include "core/core.h"
#include "core/select.h"

struct npr_node;
struct npri_signal;

/* Part of the subscriber's own struct. */
struct npri_watcher {
    struct npri_map_node node; /* by number */
    uint64_t number;
    void (*on_event)(struct npri_watcher *watcher, const struct npr_watch_event *event);
};

struct npri_watching {
    struct npri_map watchers;
    struct npri_map processes; /* of those that are processes, by reference (process_watch.c) */
    uint64_t last_number;
};

bool npri_watching_init(struct npr_node *node); /* false: no memory */

/* Every watcher gets NPR_WATCH_CLOSED, and is removed before that. */
void npri_watching_close(struct npr_node *node);
void npri_watching_fini(struct npr_node *node); /* after close */

/* Subscribes; on_event may be called from inside.  NPR_OK, or NPR_ENOMEM, NPR_ECLOSED: then it was
 * not called. */
NPR_NODISCARD npr_status npri_watcher_add(struct npr_node *node,
                                          struct npri_watcher *watcher,
                                          const struct npri_select *select);
void npri_watcher_remove(struct npr_node *node, struct npri_watcher *watcher);

/* The watcher of that number, or NULL. */
struct npri_watcher *npri_watcher_find(struct npr_node *node, uint64_t number);

/* NPRI_EFFECT_NEWS. */
void npri_watching_on_news(struct npr_node *node, const struct npri_core_effect *effect);

/* process_watch.c: a DOWN to the client service; true when it was of a process that watches. */
bool npri_watching_on_down(struct npr_node *node, const struct npri_signal *signal);

#endif /* NPRI_NODE_WATCHING_H */
