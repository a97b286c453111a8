/* nprocreg/names.h. */
#include "nprocreg/names.h"

#include "node/call.h"
#include "node/node.h"

npr_status npr_node_register_name(struct npr_node *node,
                                  const char *name,
                                  const struct npr_pid *pid)
{
    npr_status status;

    if (node == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status = npri_runtime_name(node->runtime, name, pid);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_unregister_name(struct npr_node *node, const char *name)
{
    npr_status status;

    if (node == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status = npri_runtime_unname(node->runtime, name);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_whereis(struct npr_node *node, const char *name, struct npr_pid *out_pid)
{
    npr_status status;

    if (node == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status = npri_runtime_named(node->runtime, name, out_pid);
    npri_calls_leave(node);
    return status;
}
