/* nprocreg_native: {hello, Version, Node, Otp}, by which native nodes know each other.  One of
 * another version is understood: version 1 knows no tokens and is told none; one that is newer says
 * more than we know, and what it adds stands at the end. */
#include "node/node.h"

static void on_hello(struct npr_node *node,
                     const struct npr_node_name *sender,
                     const struct npr_term *hello)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_GREETED};
    int64_t version;
    int64_t otp;

    /* A node speaks for itself only. */
    if (!npr_term_get_int64(hello[1], &version) || !npri_term_node(hello[2], &event.node) ||
        !npr_term_get_int64(hello[3], &otp) || !npr_node_name_equal(sender, &event.node)) {
        return;
    }
    if (version < 1 || version > UINT32_MAX) {
        return;
    }
    if (version != NPRI_NATIVE_VERSION) {
        npri_node_log(node, NPR_LOG_WARNING, "native_version node=%.*s its=%lld our=%d",
                      (int)event.node.size, event.node.text, (long long)version,
                      NPRI_NATIVE_VERSION);
    }
    event.version = (uint32_t)version;
    event.otp = otp < 26 ? NPR_OTP_25 : NPR_OTP_26;
    (void)npri_registry_step(node, &event);
}

void npri_service_native_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_TOLD, .term = signal->payload};
    struct npr_term hello[4];

    if (signal->kind != NPRI_SIGNAL_MESSAGE || !npri_term_node(signal->from, &event.node)) {
        return;
    }
    if (npr_term_get_tuple(signal->payload, 4, hello) && npr_term_is_atom(hello[0], "hello")) {
        on_hello(node, &event.node, hello);
    } else if (npri_registry_step(node, &event) != NPR_OK) {
        npri_connections_disconnect(node->connections, &event.node, "no memory to hear it");
    }
}
