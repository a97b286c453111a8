#include "core/links.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/sort.h"
#include "core/cliques.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* What an origin sees, as identities of nodes that do not drain, in order. */
struct npri_links_list {
    struct npri_map_node node; /* by `name` */
    struct npr_node_name name;
    uint64_t id;
    uint64_t serial;
    uint32_t count;
    uint64_t ids[];
};

bool npri_links_init(struct npri_core *core)
{
    return npri_map_init(&core->links.lists, core->options.hash_key);
}

static void remove_list(struct npri_core *core, struct npri_links_list *list)
{
    npri_map_remove(&core->links.lists, &list->node);
    npri_free(list);
}

static void remove_all(struct npri_core *core)
{
    struct npri_map_node *at;

    while ((at = npri_map_first(&core->links.lists)) != NULL) {
        remove_list(core, NPRI_CONTAINER_OF(at, struct npri_links_list, node));
    }
}

void npri_links_fini(struct npri_core *core)
{
    if (core->links.lists.buckets != NULL) {
        remove_all(core);
    }
    npri_map_fini(&core->links.lists);
}

void npri_links_on_seen(struct npri_core *core)
{
    core->links.changed_ns = core->now_ns;
}

void npri_links_forget(struct npri_core *core)
{
    remove_all(core);
    core->links.told_ns = 0;
    core->links.decided_hash = 0;
}

static uint64_t link_id(const struct npri_core *core, const struct npri_peer *peer)
{
    return npri_identity(core, &peer->name, peer->creation, false);
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

static bool find_id(const uint64_t *ids, uint32_t count, uint64_t id)
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

static bool has_id(const struct npri_links_list *list, uint64_t id)
{
    return find_id(list->ids, list->count, id);
}

/* ---- Telling. */

/* Our own list, as an element of a message. */
static void put_seen(const struct npri_core *core, struct npri_buffer *message)
{
    uint32_t count = 0;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        count += NPRI_MAP_AT(at, struct npri_peer, node)->seen ? 1 : 0;
    }
    if (count > 0) {
        npri_put_list(message, count);
    }
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->seen) {
            npri_put_tuple(message, 2);
            npri_put_node(message, &peer->name);
            npri_put_uint(message, peer->creation);
        }
    }
    npri_put_nil(message);
}

/* The time, so that it grows over incarnations, too. */
static uint64_t next_serial(struct npri_core *core)
{
    const uint64_t time_us =
        core->options.epoch_us + (core->now_ns - core->options.now_ns) / UINT64_C(1000);

    core->links.serial = time_us > core->links.serial ? time_us : core->links.serial + 1;
    return core->links.serial;
}

static void tell_own(struct npri_core *core)
{
    const uint64_t serial = next_serial(core);

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
        struct npri_buffer *message;

        if (!peer->native || !peer->seen) {
            continue;
        }
        message = npri_tell_begin(core, 5, "links");
        npri_put_node(message, &core->options.self);
        npri_put_uint(message, core->options.creation);
        npri_put_uint(message, serial);
        put_seen(core, message);
        core->out_of_memory |= !npri_tell_end(core, peer);
    }
    core->links.told_hash = core->views.sees_hash;
    core->links.told_ns = core->now_ns;
}

/* To all that its origin does not reach. */
static void pass_on(struct npri_core *core,
                    const struct npri_links_list *list,
                    const struct npri_peer *from,
                    const struct npr_term *elements)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
        struct npri_buffer *message;

        if (!peer->native || !peer->seen || peer == from ||
            npr_node_name_equal(&peer->name, &list->name) || has_id(list, link_id(core, peer))) {
            continue;
        }
        message = npri_tell_begin(core, 5, "links");
        for (unsigned i = 0; i < 4; i++) {
            npri_put_term(message, elements[i]);
        }
        core->out_of_memory |= !npri_tell_end(core, peer);
    }
}

/* ---- Being told. */

static struct npri_links_list *find_list(const struct npri_core *core,
                                         const struct npr_node_name *name)
{
    struct npri_map_node *at =
        npri_map_find(&core->links.lists, npri_bytes(name->text, name->size));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_links_list, node);
}

/* The elements of a list's term, 0 for none; UINT32_MAX: it is no list of that kind. */
static uint32_t count_elements(struct npr_term term)
{
    struct npr_term_walk walk;
    struct npr_term item;
    uint32_t count = 0;

    if (!npr_term_list(term, &walk)) {
        return UINT32_MAX;
    }
    while (npr_term_next(&walk, &item)) {
        if (++count > NPRI_VIEW_NODES_MAX) {
            return UINT32_MAX;
        }
    }
    return npr_term_kind(term) == NPR_TERM_NIL ||
                   (npr_term_tail(&walk, &item) && npr_term_kind(item) == NPR_TERM_NIL)
               ? count
               : UINT32_MAX;
}

static bool read_node(struct npr_term name,
                      struct npr_term creation,
                      struct npr_node_name *out_name,
                      uint32_t *out_creation)
{
    struct npr_bytes atom;
    uint64_t number;

    if (!npr_term_get_atom(name, &atom) || npr_node_name_parse(atom, out_name, NULL) != NPR_OK ||
        !npr_term_get_uint64(creation, &number) || number > UINT32_MAX) {
        return false;
    }
    *out_creation = (uint32_t)number;
    return true;
}

/* What `elements` say; false when they are wrong.  `*out` is NULL when out of memory. */
static bool read_list(struct npri_core *core,
                      const struct npr_term *elements,
                      struct npri_links_list **out)
{
    const uint32_t count = count_elements(elements[3]);
    struct npri_links_list *list;
    struct npr_node_name name;
    struct npr_term_walk walk;
    struct npr_term item;
    uint32_t creation;

    *out = NULL;
    if (count == UINT32_MAX || !read_node(elements[0], elements[1], &name, &creation)) {
        return false;
    }
    list = npri_alloc_zeroed(1, sizeof(*list) + count * sizeof(uint64_t));
    if (list == NULL) {
        return true;
    }
    list->name = name;
    list->id = npri_identity(core, &name, creation, false);
    (void)npr_term_list(elements[3], &walk);
    while (npr_term_next(&walk, &item)) {
        struct npr_term pair[2];

        if (!npr_term_get_tuple(item, 2, pair) || !read_node(pair[0], pair[1], &name, &creation)) {
            npri_free(list);
            return false;
        }
        list->ids[list->count++] = npri_identity(core, &name, creation, false);
    }
    npri_sort(list->ids, list->count, sizeof(uint64_t), compare_ids);
    *out = list;
    return true;
}

/* Nodes that we have never heard of. */
static void hear_names(struct npri_core *core, struct npr_term term)
{
    struct npr_node_name name;
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_term pair[2];
    uint32_t creation;

    (void)npr_term_list(term, &walk);
    while (npr_term_next(&walk, &item)) {
        if (npr_term_get_tuple(item, 2, pair) && read_node(pair[0], pair[1], &name, &creation)) {
            core->out_of_memory |= !npri_member_on_named(core, &name);
        }
    }
}

static bool same_links(const struct npri_links_list *a, const struct npri_links_list *b)
{
    return a->id == b->id && a->count == b->count &&
           memcmp(a->ids, b->ids, a->count * sizeof(uint64_t)) == 0;
}

/* An incarnation speaks for itself, whatever its clock says. */
static bool is_newer(const struct npri_peer *from,
                     const struct npri_links_list *list,
                     const struct npri_links_list *old)
{
    return old == NULL || list->serial > old->serial ||
           (list->id != old->id && npr_node_name_equal(&from->name, &list->name));
}

bool npri_links_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements)
{
    struct npri_links_list *list;
    struct npri_links_list *old;
    uint64_t serial;

    if (!npr_term_get_uint64(elements[2], &serial) || !read_list(core, elements, &list)) {
        return false;
    }
    if (list == NULL) {
        core->out_of_memory = true;
        return true;
    }
    list->serial = serial;
    old = find_list(core, &list->name);
    if (npr_node_name_equal(&list->name, &core->options.self) || !is_newer(peer, list, old) ||
        (old == NULL && core->links.lists.count >= NPRI_VIEW_NODES_MAX)) {
        npri_free(list);
        return true;
    }
    if (old == NULL || !same_links(old, list)) {
        core->links.changed_ns = core->now_ns;
    }
    if (old != NULL) {
        remove_list(core, old);
    }
    npri_map_insert(&core->links.lists, &list->node, npri_bytes(list->name.text, list->name.size));
    pass_on(core, list, peer, elements);
    hear_names(core, elements[3]);
    return true;
}

/* ---- Parting. */

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
    return find_id(vertex->ids, vertex->count, id);
}

static uint32_t list_own(const struct npri_core *core, uint64_t *ids)
{
    uint32_t count = 0;

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->seen) {
            ids[count++] = link_id(core, peer);
        }
    }
    npri_sort(ids, count, sizeof(uint64_t), compare_ids);
    return count;
}

static void list_vertices(struct parting *parting)
{
    struct npri_core *core = parting->core;

    parting->vertices[parting->count++] =
        (struct vertex){.name = &core->options.self,
                        .ids = parting->own_ids,
                        .id = link_id(core, &core->members.self),
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

/* False when out of memory. */
static bool part(struct npri_core *core)
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
            const uint64_t id = link_id(core, peer);

            peer->chosen = peer->native ? is_of_part(&parting, id) : all_see(&parting, id);
        }
        npri_views_take(core, is_chosen);
        npri_members_on_parted(core);
        npri_views_on_parted(core);
    }
    end(&parting);
    return ok;
}

/* Of all that is known, in whatever order. */
static uint64_t hash_known(const struct npri_core *core)
{
    uint64_t sum = core->views.sees_hash;

    NPRI_LIST_FOREACH (at, &core->links.lists.order) {
        const struct npri_links_list *list = NPRI_MAP_AT(at, struct npri_links_list, node);
        uint64_t hash = list->id;

        for (uint32_t i = 0; i < list->count; i++) {
            hash = hash * UINT64_C(0x9e3779b97f4a7c15) + list->ids[i];
        }
        sum += hash;
    }
    return sum | 1;
}

static uint64_t since(const struct npri_core *core, uint64_t time_ns)
{
    return core->now_ns > time_ns ? core->now_ns - time_ns : 0;
}

void npri_links_work(struct npri_core *core)
{
    struct npri_links *links = &core->links;
    const struct npri_views *views = &core->views;
    const uint64_t patience_ns = npri_views_patience_ns(core);
    uint64_t known;

    if (links->told_ns == 0 || links->told_hash != views->sees_hash ||
        since(core, links->told_ns) >= patience_ns / 4) {
        tell_own(core);
    }
    if (since(core, links->changed_ns) < patience_ns ||
        since(core, views->trouble_ns) < patience_ns) {
        return;
    }
    known = hash_known(core);
    if (known == links->decided_hash &&
        (views->unagreed_ns == 0 || since(core, views->unagreed_ns) < patience_ns ||
         since(core, links->decided_ns) < patience_ns)) {
        return;
    }
    if (!part(core)) {
        core->out_of_memory = true;
        return;
    }
    links->decided_hash = known;
    links->decided_ns = core->now_ns;
}
