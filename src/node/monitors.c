/* How the registry hears of the deaths of registered processes.
 *
 * Of those of this node from the runtime, before anybody else does: so a key never leads to a
 * process whose DOWN has been seen here.  Of those of other nodes by monitors, in the name of the
 * client service. */
#include <string.h>

#include "base/alloc.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

/* NEW_PID_EXT, node, id, serial, creation. */
#define PID_BYTES_MAX (1u + 2u + NPR_NODE_NAME_BYTES_MAX + 12u + 1u)

/* Of processes, that are told of in one turn of the loop: some milliseconds. */
#define ENDS_IN_TURN_MAX 2000u

/* Why is not known of a process that was dead before it was registered; of those of other nodes it
 * does not matter, since none is restarted here. */
static const struct npr_term unknown;

struct monitor {
    struct npri_map_node node;
    struct npr_ref ref;
    uint32_t pid_size;
    uint8_t pid[]; /* a term in normal form: the key */
};

static struct npr_term pid_of(const struct monitor *monitor)
{
    return (struct npr_term){.data = monitor->pid, .size = monitor->pid_size};
}

/* Pids come in whatever encoding their sender likes. */
static struct monitor *find(const struct npr_node *node, const struct npr_pid *pid)
{
    uint8_t bytes[PID_BYTES_MAX];
    struct npri_buffer normal = {.data = bytes, .capacity = sizeof(bytes)};
    struct npri_map_node *found;

    npri_put_pid(&normal, pid);
    found = npri_map_find(&node->registry.monitors, npri_buffer_bytes(&normal));
    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct monitor, node);
}

static bool send_monitor(struct npr_node *node,
                         enum npri_signal_kind kind,
                         const struct monitor *monitor)
{
    struct npri_buffer ref;
    bool sent = false;

    npri_buffer_init(&ref, 0);
    npri_put_ref(&ref, &monitor->ref);
    if (!ref.failed) {
        sent = npri_router_send(
            node, &(struct npri_signal){.kind = kind,
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = pid_of(monitor),
                                        .ref = npri_buffer_term(&ref)});
    }
    npri_buffer_fini(&ref);
    return sent;
}

static void tell_down(struct npr_node *node, struct npr_term pid, struct npr_term reason)
{
    (void)npri_registry_step(
        node,
        &(struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN, .term = pid, .reason = reason});
}

/* ---- Processes of this node. */

static void tell_end(struct npr_node *node, struct npr_process *process)
{
    uint8_t bytes[PID_BYTES_MAX];
    struct npri_buffer term = {.data = bytes, .capacity = sizeof(bytes)};
    struct npr_pid pid;
    struct npr_term reason;

    npri_ended_read(process, &pid, &reason);
    npri_put_pid(&term, &pid);
    npri_moving_on_end(node, npri_buffer_term(&term));
    tell_down(node, npri_buffer_term(&term), reason);
    npri_runtime_finish(process);
}

/* A process's start is posted to the loop before its end is pushed, maybe by another worker.  What
 * is taken now is told in the next turn: by then its start has been heard of.  However many there
 * are, the loop does its other work in between. */
static void ends_run(struct npri_task *task)
{
    struct npri_registry *registry = NPRI_CONTAINER_OF(task, struct npri_registry, ends_task);
    struct npr_node *node = NPRI_CONTAINER_OF(registry, struct npr_node, registry);

    npri_node_enter(node); /* Who has ended has started: the entry is made, and then goes. */
    for (unsigned i = 0; i < ENDS_IN_TURN_MAX && registry->ends != NULL; i++) {
        struct npr_process *process = registry->ends;

        registry->ends = npri_ended_next(process);
        tell_end(node, process);
    }
    if (registry->ends == NULL) {
        registry->ends = npri_runtime_take_ended(node->runtime);
    }
    if (registry->ends != NULL) {
        npri_loop_post(node->loop, task);
    }
    npri_node_leave(node);
}

void npri_monitors_on_ended(struct npr_node *node)
{
    node->registry.ends_task.run = ends_run;
    npri_loop_post(node->loop, &node->registry.ends_task);
}

/* ---- Processes of other nodes. */

static void forget(struct npr_node *node, struct monitor *monitor)
{
    npri_map_remove(&node->registry.monitors, &monitor->node);
    npri_free(monitor);
}

/* Its monitor is gone: the core hears of it, and may at once ask for another. */
static void end_down(struct npr_node *node, struct monitor *monitor)
{
    npri_map_remove(&node->registry.monitors, &monitor->node);
    tell_down(node, pid_of(monitor), unknown);
    npri_free(monitor);
}

/* A process that cannot be watched is not kept under its key: better none than a dead one. */
void npri_monitor_add(struct npr_node *node, struct npr_term term)
{
    struct npri_buffer normal;
    struct monitor *monitor = NULL;
    struct npr_pid pid;

    if (!npr_term_get_pid(term, &pid)) {
        return;
    }
    if (npr_node_name_equal(&pid.node, &node->name)) {
        if (npri_runtime_watch(node->runtime, &pid) == NPRI_WATCH_DEAD) {
            tell_down(node, term, unknown);
        }
        return;
    }
    if (find(node, &pid) != NULL) {
        return;
    }
    npri_buffer_init(&normal, 0);
    npri_put_pid(&normal, &pid);
    if (!normal.failed) {
        monitor = npri_alloc(sizeof(*monitor) + normal.size);
    }
    if (monitor != NULL) {
        monitor->ref = npri_runtime_new_ref(node->runtime);
        monitor->pid_size = (uint32_t)normal.size;
        memcpy(monitor->pid, normal.data, normal.size);
        npri_map_insert(&node->registry.monitors, &monitor->node,
                        npri_bytes(monitor->pid, monitor->pid_size));
    }
    npri_buffer_fini(&normal);
    if (monitor == NULL) {
        tell_down(node, term, unknown);
    } else if (!send_monitor(node, NPRI_SIGNAL_MONITOR, monitor)) {
        end_down(node, monitor);
    }
}

void npri_monitor_remove(struct npr_node *node, struct npr_term term)
{
    struct monitor *monitor;
    struct npr_pid pid;

    if (!npr_term_get_pid(term, &pid)) {
        return;
    }
    if (npr_node_name_equal(&pid.node, &node->name)) {
        (void)atomic_fetch_add_explicit(&node->registry.unwatched, 1, memory_order_relaxed);
        npri_runtime_unwatch(node->runtime, &pid);
        return;
    }
    monitor = find(node, &pid);
    if (monitor != NULL) {
        (void)send_monitor(node, NPRI_SIGNAL_DEMONITOR, monitor);
        forget(node, monitor);
    }
}

bool npri_monitor_on_down(struct npr_node *node, const struct npri_signal *signal)
{
    struct monitor *monitor;
    struct npr_pid pid;
    struct npr_ref ref;

    if (!npr_term_get_pid(signal->from, &pid) || !npr_term_get_ref(signal->ref, &ref)) {
        return false;
    }
    monitor = find(node, &pid);
    if (monitor == NULL || !npr_ref_equal(&monitor->ref, &ref)) {
        return false;
    }
    end_down(node, monitor);
    return true;
}

/* All are taken out before the core hears of the first, which may change the map. */
void npri_monitors_on_disconnect(struct npr_node *node, const struct npr_node_name *peer)
{
    struct npri_link *at = node->registry.monitors.order.next;
    struct npri_link gone;
    struct npri_link *next;

    npri_list_init(&gone);
    for (; at != &node->registry.monitors.order; at = next) {
        struct monitor *monitor = NPRI_MAP_AT(at, struct monitor, node);
        struct npr_node_name name;

        next = at->next;
        if (npri_term_node(pid_of(monitor), &name) && npr_node_name_equal(&name, peer)) {
            npri_map_remove(&node->registry.monitors, &monitor->node);
            npri_list_append(&gone, &monitor->node.order);
        }
    }
    while ((at = npri_list_take(&gone)) != NULL) {
        struct monitor *monitor = NPRI_MAP_AT(at, struct monitor, node);

        tell_down(node, pid_of(monitor), unknown);
        npri_free(monitor);
    }
}

void npri_monitors_fini(struct npr_node *node)
{
    struct npri_map_node *first;

    if (node->registry.monitors.buckets == NULL) {
        return;
    }
    while ((first = npri_map_first(&node->registry.monitors)) != NULL) {
        forget(node, NPRI_CONTAINER_OF(first, struct monitor, node));
    }
}
