#include "core/greeting.h"

#include "core/state.h"

const char *npri_placement_name(enum npr_placement placement)
{
    return placement == NPR_PLACEMENT_RENDEZVOUS ? "rendezvous" : "original";
}

struct npri_greeting npri_greeting_own(const struct npri_core *core)
{
    return (struct npri_greeting){.version = NPRI_NATIVE_VERSION,
                                  .oldest = NPRI_NATIVE_OLDEST,
                                  .otp = core->manner.otp,
                                  .placement = core->options.placement,
                                  .quorum = core->options.quorum,
                                  .heartbeat_ns = core->options.heartbeat_ns,
                                  .node_timeout_ns = core->options.node_timeout_ns};
}

static void add_version(struct npri_text *text, const struct npri_peer *peer)
{
    npri_text_add_node(text, &peer->name);
    npri_text_add(text, " speaks version ");
    npri_text_add_uint(text, peer->greeting.version);
    npri_text_add(text, " of the protocol between native nodes, this node ");
    npri_text_add_uint(text, NPRI_NATIVE_VERSION);
    npri_text_add(text, peer->greeting.version < NPRI_NATIVE_OLDEST
                            ? ": that node must be updated"
                            : ": this node must be updated");
}

/* Why they do not go together: empty when they do. */
static struct npri_text find_fault(const struct npri_core *core, const struct npri_peer *peer)
{
    const struct npri_greeting *theirs = &peer->greeting;
    struct npri_text text = {0};

    if (theirs->version < NPRI_NATIVE_OLDEST || theirs->oldest > NPRI_NATIVE_VERSION) {
        add_version(&text, peer);
    } else if (!core->options.member) {
        return text; /* A client owns nothing and is no peer of theirs: it does as they do. */
    } else if (theirs->placement != core->options.placement) {
        npri_text_add_node(&text, &peer->name);
        npri_text_add(&text, " has placement ");
        npri_text_add(&text, npri_placement_name(theirs->placement));
        npri_text_add(&text, ", this node ");
        npri_text_add(&text, npri_placement_name(core->options.placement));
        npri_text_add(&text, ": start all nodes of a cluster with the same --placement");
    } else if (2 * theirs->heartbeat_ns > core->options.node_timeout_ns ||
               2 * core->options.heartbeat_ns > theirs->node_timeout_ns) {
        npri_text_add_node(&text, &peer->name);
        npri_text_add(&text, " has heartbeats each ");
        npri_text_add_uint(&text, theirs->heartbeat_ns / 1000000);
        npri_text_add(&text, " ms and node_timeout ");
        npri_text_add_uint(&text, theirs->node_timeout_ns / 1000000);
        npri_text_add(&text, " ms: each node's --heartbeat must be at most half of the other's "
                             "--node-timeout");
    }
    return text;
}

static void warn(struct npri_core *core,
                 const struct npri_peer *peer,
                 const char *what,
                 uint64_t theirs,
                 uint64_t ours)
{
    struct npri_text text = {0};

    npri_text_add(&text, "settings_differ node=");
    npri_text_add_node(&text, &peer->name);
    npri_text_add(&text, " setting=");
    npri_text_add(&text, what);
    npri_text_add(&text, " its=");
    npri_text_add_uint(&text, theirs);
    npri_text_add(&text, " our=");
    npri_text_add_uint(&text, ours);
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

static void warn_of_differences(struct npri_core *core, struct npri_peer *peer)
{
    const struct npri_greeting *theirs = &peer->greeting;

    if (peer->settings_warned) {
        return;
    }
    peer->settings_warned = true;
    if (theirs->quorum != core->options.quorum) {
        warn(core, peer, "quorum", theirs->quorum, core->options.quorum);
    }
    if (theirs->node_timeout_ns != core->options.node_timeout_ns) {
        warn(core, peer, "node_timeout_ms", theirs->node_timeout_ns / 1000000,
             core->options.node_timeout_ns / 1000000);
    }
}

static void refuse(struct npri_core *core, struct npri_peer *peer, const struct npri_text *why)
{
    const bool repeated = peer->refused && core->now_ns < peer->refused_until_ns;
    struct npri_text line = {0};

    peer->refused = true;
    peer->refused_until_ns = npri_time_after(core, NPRI_REFUSED_NS);
    core->members.refusal = *why;
    if (!repeated) {
        npri_text_add(&line, "node_refused node=");
        npri_text_add_node(&line, &peer->name);
        npri_text_add(&line, " reason=\"");
        npri_text_add_bytes(&line, npri_text_bytes(why));
        npri_text_add(&line, "\"");
        npri_core_log(core, NPRI_LOG_ERROR, &line);
    }
    npri_member_close(core, peer, npri_text_bytes(why));
}

bool npri_greeting_accept(struct npri_core *core, struct npri_peer *peer)
{
    const struct npri_text why = find_fault(core, peer);

    if (why.size > 0) {
        refuse(core, peer, &why);
        return false;
    }
    peer->refused = false;
    if (core->options.member) {
        warn_of_differences(core, peer);
    } else {
        core->options.placement = peer->greeting.placement;
    }
    return true;
}
