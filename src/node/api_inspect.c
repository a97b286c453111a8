/* nprocreg/inspect.h: this node's processes, from the program's threads. */
#include <string.h>

#include "nprocreg/inspect.h"

#include "node/call.h"
#include "node/node.h"
#include "runtime/ranking.h"

#define NS_PER_US UINT64_C(1000)

/* More may have been started by the time that all have been looked at. */
#define STARTED_MEANWHILE 1024u

static struct npr_process_info public_info(const struct npr_node *node,
                                           const struct npri_process_info *info)
{
    return (struct npr_process_info){
        .struct_size = sizeof(struct npr_process_info),
        .pid = npri_runtime_pid_of(node->runtime, info->id, info->serial),
        .function = info->function,
        .status = info->status,
        .mailbox = info->waiting,
        .handled = info->handled,
        .dropped = info->overflowed,
        .time_us = info->busy_ns / NS_PER_US,
        .state_bytes = info->state_bytes,
        .links = info->relations,
    };
}

static npr_status visit_all(struct npr_node *node,
                            struct npri_ranking *ranking,
                            void (*visit)(void *user, const struct npr_process_info *info),
                            void *user)
{
    for (unsigned part = 0; part < NPRI_RUNTIME_PARTS; part++) {
        (void)npri_runtime_rank(node->runtime, part, ranking);
    }
    npri_ranking_sort(ranking);
    for (uint32_t i = 0; i < ranking->count; i++) {
        const struct npr_process_info info = public_info(node, &ranking->infos[i]);

        visit(user, &info);
    }
    return NPR_OK;
}

npr_status npr_node_processes(struct npr_node *node,
                              enum npr_figure order,
                              uint32_t limit,
                              void (*visit)(void *user, const struct npr_process_info *info),
                              void *user)
{
    struct npri_ranking ranking;
    npr_status status = NPR_ENOMEM;
    size_t count;

    if (node == NULL || visit == NULL || (unsigned)order > NPR_FIGURE_LINKS) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    count = npri_runtime_process_count(node->runtime) + STARTED_MEANWHILE;
    if (limit == 0 || limit > count) {
        limit = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    }
    if (npri_ranking_init(&ranking, order, limit)) {
        status = visit_all(node, &ranking, visit, user);
    }
    npri_ranking_fini(&ranking);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_process_info(struct npr_node *node,
                                 const struct npr_pid *pid,
                                 struct npr_process_info *out)
{
    struct npri_process_info info;
    npr_status status = NPR_ENOPROC;

    if (node == NULL || pid == NULL || out == NULL ||
        out->struct_size < sizeof(struct npr_process_info)) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    if (npri_runtime_info(node->runtime, pid, &info)) {
        const struct npr_process_info told = public_info(node, &info);
        const size_t struct_size = out->struct_size;

        /* A newer program has fields that this release does not know: they stay as they are. */
        memcpy(out, &told, sizeof(told));
        out->struct_size = struct_size;
        status = NPR_OK;
    }
    npri_calls_leave(node);
    return status;
}
