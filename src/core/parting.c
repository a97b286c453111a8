#include "core/parting.h"

#include "base/alloc.h"
#include "base/sort.h"
#include "core/cliques.h"
#include "core/placement.h"
#include "core/state.h"

/* ---- Lists. */

uint64_t npri_link_id(const struct npri_core *core, const struct npri_peer *peer)
{
    return npri_identity(core, &peer->name, peer->creation, false);
}

int npri_link_compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

bool npri_link_find(const uint64_t *ids, uint32_t count, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && ids[low] == id;
}

/* ---- The graph. */

/* A node of the graph: one whose list is known, or this one. */
struct vertex {
    const struct npr_node_name *name;
    const uint64_t *ids;
    uint64_t id;
    uint32_t count;
};

struct parting {
    struct npri_core *core;
    uint32_t count;
    struct vertex *vertices; /* in the order of their names */
    uint64_t *own_ids;
    struct npri_graph graph;
    uint32_t *parts;
    uint32_t self;
};

static int compare_vertices(const void *a, const void *b)
{
    const struct vertex *left = a;
    const struct vertex *right = b;

    return npri_placement_compare(left->name, right->name);
}

static bool sees(const struct vertex *vertex, uint64_t id)
{
    return npri_link_find(vertex->ids, vertex->count, id);
}

static uint32_t list_own(const struct npri_core *core, uint64_t *ids)
{
    uint32_t count = 0;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->seen) {
            ids[count++] = npri_link_id(core, peer);
        }
    }
    npri_sort(ids, count, sizeof(uint64_t), npri_link_compare_ids);
    return count;
}

static void list_vertices(struct parting *parting)
{
    struct npri_core *core = parting->core;

    parting->vertices[parting->count++] =
        (struct vertex){.name = &core->options.self,
                        .ids = parting->own_ids,
                        .id = npri_link_id(core, &core->members.self),
                        .count = list_own(core, parting->own_ids)};
    NPRI_LIST_FOREACH (at, &core->links.lists.order) {
        const struct npri_links_list *list = NPRI_MAP_AT(at, struct npri_links_list, node);

        parting->vertices[parting->count++] = (struct vertex){
            .name = &list->name, .ids = list->ids, .id = list->id, .count = list->count};
    }
    npri_sort(parting->vertices, parting->count, sizeof(struct vertex), compare_vertices);
    for (uint32_t i = 0; i < parting->count; i++) {
        if (parting->vertices[i].name == &core->options.self) {
            parting->self = i;
        }
    }
}

/* A link is one that both ends see. */
static void link_vertices(struct parting *parting)
{
    for (uint32_t a = 0; a < parting->count; a++) {
        for (uint32_t b = a + 1; b < parting->count; b++) {
            if (sees(&parting->vertices[a], parting->vertices[b].id) &&
                sees(&parting->vertices[b], parting->vertices[a].id)) {
                npri_graph_link(&parting->graph, a, b);
            }
        }
    }
}

static bool begin(struct parting *parting, struct npri_core *core)
{
    const uint32_t count = (uint32_t)core->links.lists.count + 1;

    *parting = (struct parting){.core = core};
    parting->vertices = npri_alloc_zeroed(count, sizeof(struct vertex));
    parting->own_ids = npri_alloc_zeroed(core->members.peers.count + 1, sizeof(uint64_t));
    parting->parts = npri_alloc_zeroed(count, sizeof(uint32_t));
    return npri_graph_init(&parting->graph, count) && parting->vertices != NULL &&
           parting->own_ids != NULL && parting->parts != NULL;
}

static void end(struct parting *parting)
{
    npri_graph_fini(&parting->graph);
    npri_free(parting->vertices);
    npri_free(parting->own_ids);
    npri_free(parting->parts);
}

/* Whether every node of our part sees it. */
static bool all_see(const struct parting *parting, uint64_t id)
{
    for (uint32_t i = 0; i < parting->count; i++) {
        const struct vertex *vertex = &parting->vertices[i];

        if (parting->parts[i] == parting->parts[parting->self] && vertex->id != id &&
            !sees(vertex, id)) {
            return false;
        }
    }
    return true;
}

static bool is_of_part(const struct parting *parting, uint64_t id)
{
    for (uint32_t i = 0; i < parting->count; i++) {
        if (parting->vertices[i].id == id) {
            return parting->parts[i] == parting->parts[parting->self];
        }
    }
    return false;
}

static bool is_chosen(const struct npri_peer *peer)
{
    return peer->chosen;
}

bool npri_part(struct npri_core *core)
{
    struct parting parting;
    bool ok = begin(&parting, core);

    if (ok) {
        list_vertices(&parting);
        link_vertices(&parting);
        ok = npri_cliques(&parting.graph, parting.parts);
    }
    if (ok) {
        NPRI_LIST_FOREACH (at, &core->members.peers.order) {
            struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
            const uint64_t id = npri_link_id(core, peer);

            peer->chosen = peer->native ? is_of_part(&parting, id) : all_see(&parting, id);
        }
        npri_views_take(core, is_chosen);
        npri_members_on_parted(core);
        npri_views_on_parted(core);
    }
    end(&parting);
    return ok;
}
