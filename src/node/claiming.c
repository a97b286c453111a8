#include "node/claiming.h"

#include "base/fail.h"
#include "node/node.h"

/* Who has the key.  A process of this node that is dead has it no more, though the loop has not
 * heard of its end yet: true then, unless it will be restarted. */
static bool holder_is_dead(struct npr_node *node,
                           struct npr_term key,
                           const struct npr_pid *pid,
                           struct npr_error *error)
{
    if (npr_node_name_equal(&pid->node, &node->name) && !npri_service_is(node, pid) &&
        !npri_runtime_is_alive(node->runtime, pid) &&
        !npri_core_supervises(node->registry.core, key)) {
        return true;
    }
    (void)npri_fail(error, NPR_EEXIST, "already registered: <%.*s.%u.%u> has the key",
                    (int)pid->node.size, pid->node.text, (unsigned)pid->id, (unsigned)pid->serial);
    return false;
}

static void answered(struct npri_get *get, const struct npri_answer *answer)
{
    struct npri_claiming *claiming = NPRI_CONTAINER_OF(get, struct npri_claiming, get);
    struct npr_error error = {0};
    struct npr_pid pid;

    if (answer->status != NPR_EEXIST || !npr_term_get_pid(answer->pid, &pid)) {
        claiming->done(claiming, answer->status, answer->text);
    } else if (claiming->event.keep &&
               holder_is_dead(claiming->node, claiming->event.key, &pid, &error)) {
        claiming->event.keep = false;
        npri_claiming_begin(claiming);
    } else {
        claiming->done(claiming, NPR_EEXIST, npr_bytes_of(error.text));
    }
}

void npri_claiming_begin(struct npri_claiming *claiming)
{
    claiming->get.done = answered;
    npri_registry_claim(claiming->node, &claiming->get, &claiming->event);
}
