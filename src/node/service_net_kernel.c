/* net_kernel: an Erlang node that gets no `yes` here takes this one for dead. */
#include "node/node.h"
#include "term/write.h"

void npri_service_net_kernel_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_gen_call call;
    struct npr_term request[2];
    struct npri_buffer reply;

    if (signal->kind != NPRI_SIGNAL_MESSAGE || !npri_gen_call_read(signal->payload, &call)) {
        return;
    }
    npri_buffer_init(&reply, 0);
    if (npr_term_get_tuple(call.request, 2, request) && npr_term_is_atom(request[0], "is_auth")) {
        npri_put_atom(&reply, "yes");
    } else {
        npri_put_tuple(&reply, 2);
        npri_put_atom(&reply, "error");
        npri_put_atom(&reply, "enotsup");
    }
    if (!reply.failed) {
        npri_gen_reply(node, NPRI_SERVICE_NET_KERNEL, call.from, call.tag,
                       npri_buffer_term(&reply));
    }
    npri_buffer_fini(&reply);
}
