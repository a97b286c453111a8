/* The service in whose name this node asks others: what comes to it is answers. */
#include "node/node.h"
#include "term/write.h"

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

struct npri_signal *npri_client_message(const struct npr_node *node,
                                        const struct npr_ref *ref,
                                        struct npr_term to,
                                        const struct npri_buffer *what)
{
    struct npri_signal *signal = NULL;
    struct npri_buffer payload;

    npri_buffer_init(&payload, 0);
    npri_put_tuple(&payload, 3);
    npri_put_atom(&payload, "nprocreg");
    npri_put_ref(&payload, ref);
    npri_put_given(&payload, npri_buffer_term(what));
    if (!payload.failed) {
        signal = npri_signal_create(
            &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                  .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                  .to = to,
                                  .payload = npri_buffer_term(&payload)});
    }
    npri_buffer_fini(&payload);
    return signal;
}
