#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* The queries of core/core.h: they read every part and change none. */

bool npri_core_lookup(const struct npri_core *core,
                      struct npr_term key,
                      struct npri_activation *out)
{
    struct npr_bytes normal;

    return npri_core_normal_key(core, key, &normal) &&
           npri_directory_find(&core->directory, normal, out);
}

bool npri_core_lookup_known(const struct npri_core *core,
                            struct npr_term key,
                            struct npri_activation *out)
{
    const struct npri_lead *lead;
    struct npr_bytes normal;

    if (!npri_core_normal_key(core, key, &normal)) {
        return false;
    }
    if (npri_directory_find(&core->directory, normal, out)) {
        return true;
    }
    lead = npri_lead_find(core, normal);
    if (lead == NULL || lead->busy) {
        return false;
    }
    *out = npri_lead_activation(lead);
    return true;
}

bool npri_core_is_stalled(const struct npri_core *core, uint64_t now_ns)
{
    return npri_views_stalled(core) || npri_beats_is_late(core, now_ns);
}

bool npri_core_is_restarting(const struct npri_core *core, struct npr_term key)
{
    struct npr_bytes normal;

    return npri_core_normal_key(core, key, &normal) && npri_start_restarting(core, normal) != NULL;
}

bool npri_core_supervises(const struct npri_core *core, struct npr_term key)
{
    struct npr_bytes normal;

    return npri_core_normal_key(core, key, &normal) &&
           (npri_directory_supervises(&core->directory, normal) ||
            npri_start_restarting(core, normal) != NULL);
}

size_t npri_core_entries_count(const struct npri_core *core)
{
    return core->directory.entries.count;
}

void npri_core_put_entries(const struct npri_core *core, size_t limit, struct npri_buffer *out)
{
    const struct npri_entry *entry = NULL;
    size_t count = npri_core_entries_count(core);

    count = limit != 0 && limit < count ? limit : count;
    if (count > UINT32_MAX) {
        count = UINT32_MAX;
    }
    if (count > 0) {
        npri_put_list(out, (uint32_t)count);
    }
    for (size_t i = 0; i < count; i++) {
        entry = npri_directory_next(&core->directory, entry);
        npri_put_tuple(out, 2);
        npri_put_term(out, (struct npr_term){.data = entry->key, .size = entry->key_size});
        npri_put_term(out, npri_directory_pid(&core->directory, entry));
    }
    npri_put_nil(out);
}

void npri_core_put_keys_of(const struct npri_core *core,
                           struct npr_term pid,
                           uint32_t limit,
                           struct npri_buffer *out)
{
    const struct npri_directory *directory = &core->directory;
    const struct npri_entry *entry = NULL;
    uint32_t count = 0;

    while (count < limit && (entry = npri_directory_next_of(directory, pid, entry)) != NULL) {
        count++;
    }
    if (count > 0) {
        npri_put_list(out, count);
    }
    for (entry = NULL; count > 0; count--) {
        entry = npri_directory_next_of(directory, pid, entry);
        npri_put_term(out, (struct npr_term){.data = entry->key, .size = entry->key_size});
    }
    npri_put_nil(out);
}

void npri_core_put_nodes(const struct npri_core *core, struct npri_buffer *out)
{
    const struct npri_members *members = &core->members;

    if (members->view_count > 0) {
        npri_put_list(out, members->view_count);
    }
    for (uint32_t i = 0; i < members->view_count; i++) {
        npri_put_node(out, &members->view[i]->name);
    }
    npri_put_nil(out);
}

static const char *kind_of(const struct npri_peer *peer)
{
    if (peer->self) {
        return "self";
    }
    return peer->native ? "native" : "original";
}

static void put_bool(struct npri_buffer *out, const char *key, bool value)
{
    npri_put_atom(out, key);
    npri_put_atom(out, value ? "true" : "false");
}

static void put_count(struct npri_buffer *out, const char *key, uint64_t value)
{
    npri_put_atom(out, key);
    npri_put_uint(out, value);
}

/* An original has nothing to acknowledge. */
static bool has_acknowledged(const struct npri_core *core, const struct npri_peer *peer)
{
    return !peer->native || peer->told.ack == core->views.epoch;
}

/* Keys in their order as terms, so that the map is in normal form. */
static void put_member(const struct npri_core *core,
                       const struct npri_peer *peer,
                       uint64_t now_ns,
                       struct npri_buffer *out)
{
    uint64_t heard_ns = npri_beats_watch(core, peer) ? peer->alive_ns : peer->heard_ns;

    heard_ns = peer->self ? now_ns : heard_ns;
    npri_put_map(out, 6);
    npri_put_atom(out, "acknowledged");
    npri_put_atom(out, has_acknowledged(core, peer) ? "true" : "false");
    put_count(out, "age_ms", heard_ns > now_ns ? 0 : (now_ns - heard_ns) / 1000000);
    put_bool(out, "draining", peer->view_draining);
    npri_put_atom(out, "kind");
    npri_put_atom(out, kind_of(peer));
    npri_put_atom(out, "node");
    npri_put_node(out, &peer->name);
    put_bool(out, "suspect", peer->suspect);
}

static uint32_t connected_count(const struct npri_core *core)
{
    uint32_t count = 0;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        count += NPRI_MAP_AT(at, struct npri_peer, node)->connected ? 1 : 0;
    }
    return count;
}

/* The nodes that were refused when they last greeted. */
static void put_refused(const struct npri_core *core, struct npri_buffer *out)
{
    uint32_t count = 0;

    npri_put_atom(out, "refused");
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        count += NPRI_MAP_AT(at, struct npri_peer, node)->refused ? 1 : 0;
    }
    if (count > 0) {
        npri_put_list(out, count);
    }
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->refused) {
            npri_put_node(out, &peer->name);
        }
    }
    npri_put_nil(out);
}

/* Empty: for nobody. */
static void put_waits(const struct npri_core *core, struct npri_buffer *out)
{
    struct npri_text text = {0};

    if (!npri_leads_settled(core)) {
        npri_leads_add_unsettled(core, &text);
    }
    npri_put_atom(out, "waits");
    npri_put_binary(out, npri_text_bytes(&text));
}

void npri_core_put_status(const struct npri_core *core, uint64_t now_ns, struct npri_buffer *out)
{
    const struct npri_members *members = &core->members;
    struct npri_text text = {0};

    npri_put_map(out, 24);
    put_bool(out, "agreed", npri_views_agreed(core));
    put_count(out, "conflicts", core->conflicts.total);
    put_count(out, "connected", connected_count(core));
    put_count(out, "delegations", core->delegations.count);
    put_count(out, "entries", core->directory.entries.count);
    put_count(out, "epoch", npri_views_epoch(core));
    put_count(out, "leads", core->leads.map.count);
    put_bool(out, "member", core->options.member);
    npri_put_atom(out, "node");
    npri_put_node(out, &core->options.self);
    put_count(out, "operations", core->operations.count);
    put_count(out, "otp", core->manner.otp == NPR_OTP_25 ? 25 : 26);
    npri_put_atom(out, "otp_source");
    npri_put_atom(out, npri_manner_source_name(core->manner.source));
    npri_put_atom(out, "placement");
    npri_put_atom(out, npri_placement_name(core->options.placement));
    put_count(out, "processes", core->directory.processes_count);
    put_bool(out, "quorum", npri_quorum_permits(core, &text));
    put_refused(core, out);
    put_count(out, "requests", core->requests_count);
    put_bool(out, "settled", npri_leads_settled(core));
    put_count(out, "settling", members->settling_count);
    put_count(out, "starts", core->starts.count);
    npri_put_atom(out, "view");
    if (members->view_count > 0) {
        npri_put_list(out, members->view_count);
    }
    for (uint32_t i = 0; i < members->view_count; i++) {
        put_member(core, members->view[i], now_ns, out);
    }
    npri_put_nil(out);
    put_waits(core, out);
    put_count(out, "watched", core->watch.feeds.count);
    put_count(out, "watching", core->watch.streams.count);
}

void npri_core_put_place(const struct npri_core *core, struct npr_term key, struct npri_buffer *out)
{
    const struct npri_members *members = &core->members;
    struct npr_node_name owner;
    uint32_t index;

    npri_core_owner(core, key, &owner, &index);
    npri_put_map(out, 4);
    put_count(out, "index", index);
    npri_put_atom(out, "nodes");
    if (members->ring_count > 0) {
        npri_put_list(out, members->ring_count);
    }
    for (uint32_t i = 0; i < members->ring_count; i++) {
        npri_put_node(out, &members->ring[i]->name);
    }
    npri_put_nil(out);
    npri_put_atom(out, "owner");
    if (owner.size > 0) {
        npri_put_node(out, &owner);
    } else {
        npri_put_atom(out, "undefined");
    }
    npri_put_atom(out, "placement");
    npri_put_atom(out, npri_placement_name(core->options.placement));
}

void npri_core_owner(const struct npri_core *core,
                     struct npr_term key,
                     struct npr_node_name *out_owner,
                     uint32_t *out_index)
{
    const struct npri_peer *owner = NULL;
    struct npr_bytes normal;

    *out_owner = (struct npr_node_name){0};
    *out_index = 0;
    if (npri_core_normal_key(core, key, &normal)) {
        owner = npri_core_place(core, (struct npr_term){.data = normal.data, .size = normal.size},
                                out_index);
    }
    if (owner != NULL) {
        *out_owner = owner->name;
    }
}

void npri_core_check(const struct npri_core *core)
{
    npri_members_check(core);
    npri_views_check(core);
    npri_directory_check(&core->directory);
    npri_requests_check(core);
    npri_held_check(core);
    npri_starts_check(core);
    npri_leads_check(core);
    npri_watch_check(core);
    npri_drain_check(core);
}

enum npr_otp npri_core_otp(const struct npri_core *core)
{
    return core->manner.otp;
}

bool npri_core_is_native(const struct npri_core *core, const struct npr_node_name *node)
{
    const struct npri_peer *peer = npri_member_find(core, node);

    return peer != NULL && peer->connected && peer->native;
}

uint32_t npri_core_native_version(const struct npri_core *core, const struct npr_node_name *node)
{
    return npri_core_is_native(core, node) ? npri_member_find(core, node)->greeting.version : 0;
}
