#include "core/peers.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/placement.h"
#include "core/state.h"

static void init_peer(struct npri_core *core,
                      struct npri_peer *peer,
                      const struct npr_node_name *name)
{
    memset(peer, 0, sizeof(*peer));
    peer->name = *name;
    peer->name_hash = npri_identity(core, name, 0, false);
    peer->serial = ++core->members.serial;
    peer->pause_ns = NPRI_DIAL_PAUSE_NS;
    peer->dial_timer.kind = NPRI_TIMER_DIAL;
    peer->settle_timer.kind = NPRI_TIMER_SETTLE;
    npri_list_init(&peer->operations);
    npri_list_init(&peer->feeding.feeds);
    npri_list_init(&peer->feeding.sources);
    npri_list_init(&peer->lending.claims);
    npri_list_init(&peer->asking.queue);
    peer->asking.work.kind = NPRI_WORK_CLAIMS;
    peer->pushing.work.kind = NPRI_WORK_PUSH_ALONE;
}

static bool reserve_view(struct npri_members *members, size_t nodes_count)
{
    uint32_t capacity = members->view_capacity == 0 ? 8 : members->view_capacity;
    struct npri_peer **view;
    struct npri_peer **ring;

    if (nodes_count <= members->view_capacity) {
        return true;
    }
    while (capacity < nodes_count) {
        capacity *= 2;
    }
    view = npri_realloc(members->view, capacity * sizeof(struct npri_peer *));
    if (view == NULL) {
        return false;
    }
    members->view = view;
    ring = npri_realloc(members->ring, capacity * sizeof(struct npri_peer *));
    if (ring == NULL) {
        return false;
    }
    members->ring = ring;
    members->view_capacity = capacity;
    return true;
}

bool npri_members_init(struct npri_core *core)
{
    struct npri_members *members = &core->members;

    if (!npri_map_init(&members->peers, core->options.hash_key) || !reserve_view(members, 1)) {
        return false;
    }
    init_peer(core, &members->self, &core->options.self);
    members->self.self = true;
    members->self.creation = core->options.creation;
    members->tick_timer.kind = NPRI_TIMER_TICK;
    npri_timer_arm(core, &members->tick_timer, npri_time_after(core, core->options.announce_ns));
    return true;
}

void npri_members_fini(struct npri_core *core)
{
    struct npri_members *members = &core->members;
    struct npri_map_node *at;

    while (members->peers.buckets != NULL && (at = npri_map_first(&members->peers)) != NULL) {
        struct npri_peer *peer = NPRI_CONTAINER_OF(at, struct npri_peer, node);
        struct npri_link *link;

        while ((link = npri_list_take(&peer->operations)) != NULL) {
            npri_operation_end(core, NPRI_CONTAINER_OF(link, struct npri_operation, of_peer));
        }
        npri_push_on_peer_lost(core, peer); /* It may be in the middle of being told. */
        npri_map_remove(&members->peers, at);
        npri_free(peer->takeovers);
        npri_free(peer);
    }
    npri_map_fini(&members->peers);
    npri_free(members->view);
    npri_free(members->ring);
}

struct npri_peer *npri_member_find(const struct npri_core *core, const struct npr_node_name *name)
{
    struct npri_map_node *at =
        npri_map_find(&core->members.peers, npri_bytes(name->text, name->size));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_peer, node);
}

void npri_peer_count_named(struct npri_members *members, struct npri_peer *peer)
{
    const bool named_only = !peer->connected && !peer->join;

    if (named_only && !peer->counted) {
        members->named_count++;
    } else if (!named_only && peer->counted) {
        members->named_count--;
    }
    peer->counted = named_only;
}

struct npri_peer *npri_peer_find_or_create(struct npri_core *core,
                                           const struct npr_node_name *name,
                                           bool named,
                                           bool *out_memory)
{
    struct npri_members *members = &core->members;
    struct npri_peer *peer = npri_member_find(core, name);
    struct npr_node_name checked;

    *out_memory = false;
    if (peer != NULL) {
        return peer;
    }
    if (npr_node_name_parse(npri_bytes(name->text, name->size), &checked, NULL) != NPR_OK) {
        npri_core_log_node(core, NPRI_LOG_WARNING, "node_ignored", name, "not a node name");
        return NULL;
    }
    if (members->peers.count + 1 >= NPRI_VIEW_NODES_MAX ||
        (named && members->named_count >= NPRI_NAMED_NODES_MAX)) {
        npri_core_log_node(core, NPRI_LOG_WARNING, "node_ignored", name, "too many nodes");
        return NULL;
    }
    peer = reserve_view(members, members->peers.count + 2) ? npri_alloc(sizeof(*peer)) : NULL;
    if (peer == NULL) {
        *out_memory = true;
        return NULL;
    }
    init_peer(core, peer, name);
    npri_map_insert(&members->peers, &peer->node, npri_bytes(peer->name.text, peer->name.size));
    npri_peer_count_named(members, peer);
    return peer;
}

void npri_member_forget_unused(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->connected || peer->join || peer->dialling || peer->lent ||
        npri_heap_has(&peer->dial_timer.node)) {
        return;
    }
    NPRI_ASSERT(npri_list_empty(&peer->operations) && !peer->in_view && peer->counted);
    core->members.named_count--;
    npri_member_settled(core, peer);
    npri_tally_forget(core, peer);
    npri_map_remove(&core->members.peers, &peer->node);
    npri_free(peer->takeovers);
    npri_free(peer);
}

void npri_members_check(const struct npri_core *core)
{
    const struct npri_members *members = &core->members;
    uint32_t settling = 0;
    uint32_t named = 0;

    NPRI_LIST_FOREACH (at, &members->peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        NPRI_ASSERT(peer->connected || (!peer->suspect && peer->poll == NULL && !peer->native));
        NPRI_ASSERT(peer->connected || npri_list_empty(&peer->operations));
        NPRI_ASSERT(peer->settling == npri_heap_has(&peer->settle_timer.node));
        NPRI_ASSERT(peer->settling || !peer->mending);
        NPRI_ASSERT(!peer->lent || (!peer->in_view && npri_heap_has(&core->quorum.timer.node)));
        settling += peer->settling ? 1 : 0;
        named += !peer->connected && !peer->join ? 1 : 0;
    }
    NPRI_ASSERT(named == members->named_count);
    NPRI_ASSERT(settling == members->settling_count);
    NPRI_ASSERT(members->peers.count + 1 <= members->view_capacity);
    npri_tally_check(core);
}
