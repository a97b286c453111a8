/* The registry's monitors: one for each registered process, in the name of the client service. */
#include <string.h>

#include "base/alloc.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

struct monitor {
    struct npri_index_entry entry; /* by the pid's hash */
    struct npr_ref ref;
    uint32_t pid_size;
    uint8_t pid[]; /* a term in normal form */
};

static struct npr_term pid_of(const struct monitor *monitor)
{
    return (struct npr_term){.data = monitor->pid, .size = monitor->pid_size};
}

static struct monitor *find(const struct npr_node *node, struct npr_term pid)
{
    struct npri_index_entry *at = npri_index_find(&node->registry.monitors, npr_term_hash(pid));

    for (; at != NULL; at = npri_index_again(at)) {
        struct monitor *monitor = NPRI_CONTAINER_OF(at, struct monitor, entry);

        if (npr_term_equal(pid_of(monitor), pid)) {
            return monitor;
        }
    }
    return NULL;
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

static void tell_down(struct npr_node *node, struct npr_term pid)
{
    (void)npri_registry_step(
        node, &(struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN, .term = pid});
}

/* A process that cannot be watched is not kept under its key: better none than a dead one. */
void npri_monitor_add(struct npr_node *node, struct npr_term pid)
{
    struct monitor *monitor;

    if (find(node, pid) != NULL) {
        return;
    }
    monitor = npri_alloc(sizeof(*monitor) + pid.size);
    if (monitor == NULL) {
        tell_down(node, pid);
        return;
    }
    monitor->ref = npri_runtime_new_ref(node->runtime);
    monitor->pid_size = (uint32_t)pid.size;
    memcpy(monitor->pid, pid.data, pid.size);
    npri_index_insert(&node->registry.monitors, &monitor->entry, npr_term_hash(pid));
    if (!send_monitor(node, NPRI_SIGNAL_MONITOR, monitor)) {
        npri_index_remove(&node->registry.monitors, &monitor->entry);
        tell_down(node, pid_of(monitor));
        npri_free(monitor);
    }
}

void npri_monitor_remove(struct npr_node *node, struct npr_term pid)
{
    struct monitor *monitor = find(node, pid);

    if (monitor != NULL) {
        npri_index_remove(&node->registry.monitors, &monitor->entry);
        (void)send_monitor(node, NPRI_SIGNAL_DEMONITOR, monitor);
        npri_free(monitor);
    }
}

bool npri_monitor_on_down(struct npr_node *node, const struct npri_signal *signal)
{
    struct monitor *monitor;
    struct npr_ref ref;

    if (npr_term_kind(signal->from) != NPR_TERM_PID || !npr_term_get_ref(signal->ref, &ref)) {
        return false;
    }
    monitor = find(node, signal->from);
    if (monitor == NULL || !npr_ref_equal(&monitor->ref, &ref)) {
        return false;
    }
    npri_index_remove(&node->registry.monitors, &monitor->entry);
    tell_down(node, pid_of(monitor));
    npri_free(monitor);
    return true;
}

static bool is_of_node(const struct npri_index_entry *entry, const void *name)
{
    const struct monitor *monitor =
        (const struct monitor *)(const void *)((const char *)entry -
                                               offsetof(struct monitor, entry));
    struct npr_node_name node;

    return npri_term_node(pid_of(monitor), &node) && npr_node_name_equal(&node, name);
}

void npri_monitors_on_disconnect(struct npr_node *node, const struct npr_node_name *peer)
{
    struct npri_index_entry *list = npri_index_extract(&node->registry.monitors, is_of_node, peer);

    while (list != NULL) {
        struct monitor *monitor = NPRI_CONTAINER_OF(list, struct monitor, entry);

        list = list->next;
        tell_down(node, pid_of(monitor));
        npri_free(monitor);
    }
}

void npri_monitors_fini(struct npr_node *node)
{
    struct npri_index_entry *list;

    if (node->registry.monitors.buckets == NULL) {
        return;
    }
    list = npri_index_extract(&node->registry.monitors, NULL, NULL);
    while (list != NULL) {
        struct npri_index_entry *next = list->next;

        npri_free(NPRI_CONTAINER_OF(list, struct monitor, entry));
        list = next;
    }
}
