/* nprocreg_native: {hello, Version, Node, Otp}, by which native nodes know each other.  One of
 * another version is understood: version 1 knows no tokens and is told none; one that is newer says
 * more than we know, and what it adds stands at the end. */
#include "node/node.h"

void npri_service_native_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_GREETED};
    struct npr_term hello[4];
    struct npr_node_name sender;
    int64_t version;
    int64_t otp;

    if (signal->kind != NPRI_SIGNAL_MESSAGE || !npr_term_get_tuple(signal->payload, 4, hello) ||
        !npr_term_is_atom(hello[0], "hello") || !npr_term_get_int64(hello[1], &version) ||
        !npri_term_node(hello[2], &event.node) || !npr_term_get_int64(hello[3], &otp)) {
        return;
    }
    /* A node speaks for itself only. */
    if (!npri_term_node(signal->from, &sender) || !npr_node_name_equal(&sender, &event.node)) {
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
