/* nprocreg_native: what the cores of native nodes tell each other (core/native.h), and before that
 *
 *     {hello, Version, Node, Otp, #{heartbeat => Ms, node_timeout => Ms, oldest => Version,
 *                                   placement => original | rendezvous, quorum => N}}
 *
 * by which they know each other.  Versions 1 and 2 had no map; whether we go together with a node
 * of another version is the core's to say (core/greeting.h). */
#include "node/node.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* What the map says of a duration, or `otherwise`. */
static uint64_t read_ms(struct npr_term map, const char *name, uint64_t otherwise_ns)
{
    struct npr_term value;
    uint64_t ms;

    return npr_term_map_get(map, name, &value) && npr_term_get_uint64(value, &ms) &&
                   ms <= UINT32_MAX
               ? ms * NS_PER_MS
               : otherwise_ns;
}

static uint32_t read_number(struct npr_term map, const char *name, uint32_t otherwise)
{
    struct npr_term value;
    uint64_t number;

    return npr_term_map_get(map, name, &value) && npr_term_get_uint64(value, &number) &&
                   number <= UINT32_MAX
               ? (uint32_t)number
               : otherwise;
}

/* False: it is none, and is ignored. */
static bool read_hello(struct npr_term hello,
                       struct npr_node_name *out_node,
                       struct npri_greeting *out)
{
    struct npr_term parts[5] = {{0}};
    struct npr_term placement;
    uint64_t version;
    int64_t otp;

    if (!npr_term_get_tuple(hello, 5, parts) && !npr_term_get_tuple(hello, 4, parts)) {
        return false;
    }
    if (!npr_term_is_atom(parts[0], "hello") || !npr_term_get_uint64(parts[1], &version) ||
        version < 1 || version > UINT32_MAX || !npri_term_node(parts[2], out_node) ||
        !npr_term_get_int64(parts[3], &otp)) {
        return false;
    }
    *out = (struct npri_greeting){.version = (uint32_t)version,
                                  .oldest = (uint32_t)version,
                                  .otp = otp < 26 ? NPR_OTP_25 : NPR_OTP_26};
    if (parts[4].data != NULL) {
        out->oldest = read_number(parts[4], "oldest", out->oldest);
        out->quorum = read_number(parts[4], "quorum", 0);
        out->heartbeat_ns = read_ms(parts[4], "heartbeat", 0);
        out->node_timeout_ns = read_ms(parts[4], "node_timeout", 0);
        out->placement = npr_term_map_get(parts[4], "placement", &placement) &&
                                 npr_term_is_atom(placement, "rendezvous")
                             ? NPR_PLACEMENT_RENDEZVOUS
                             : NPR_PLACEMENT_ORIGINAL;
    }
    return true;
}

void npri_native_put_hello(const struct npr_node *node,
                           const struct npri_greeting *greeting,
                           struct npri_buffer *out)
{
    npri_put_tuple(out, 5);
    npri_put_atom(out, "hello");
    npri_put_uint(out, greeting->version);
    npri_put_node(out, &node->name);
    npri_put_int(out, greeting->otp == NPR_OTP_25 ? 25 : 26);
    npri_put_map(out, 5); /* in the order of its keys */
    npri_put_atom(out, "heartbeat");
    npri_put_uint(out, greeting->heartbeat_ns / NS_PER_MS);
    npri_put_atom(out, "node_timeout");
    npri_put_uint(out, greeting->node_timeout_ns / NS_PER_MS);
    npri_put_atom(out, "oldest");
    npri_put_uint(out, greeting->oldest);
    npri_put_atom(out, "placement");
    npri_put_atom(out, greeting->placement == NPR_PLACEMENT_RENDEZVOUS ? "rendezvous" : "original");
    npri_put_atom(out, "quorum");
    npri_put_uint(out, greeting->quorum);
}

/* The creation in a sender's pid: a message of an incarnation that is gone may have waited here
 * while the next one connected. */
static uint32_t creation_of(struct npr_term from)
{
    struct npr_pid pid;

    return npr_term_get_pid(from, &pid) ? pid.creation : 0;
}

void npri_service_native_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_TOLD, .term = signal->payload};
    struct npr_node_name named;

    if (signal->kind != NPRI_SIGNAL_MESSAGE || !npri_term_node(signal->from, &event.node)) {
        return;
    }
    event.creation = creation_of(signal->from);
    if (read_hello(signal->payload, &named, &event.greeting)) {
        if (!npr_node_name_equal(&named, &event.node)) {
            return; /* A node speaks for itself only. */
        }
        event.kind = NPRI_EVENT_GREETED;
    }
    if (npri_registry_step(node, &event) != NPR_OK) {
        npri_connections_disconnect(node->connections, &event.node, "no memory to hear it");
    }
}
