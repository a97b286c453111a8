/* The service in whose name this node asks others: what comes to it is answers. */
#include "node/node.h"

void npri_service_client_handle(struct npr_node *node, const struct npri_signal *signal)
{
    if (npri_questions_on_signal(node, signal)) {
        return;
    }
    if (signal->kind == NPRI_SIGNAL_DOWN && !npri_monitor_on_down(node, signal)) {
        (void)npri_watching_on_down(node, signal);
    }
    /* Everything else is nobody's: answers that came too late, messages to a guessed pid. */
}
