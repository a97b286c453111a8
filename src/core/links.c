#include "core/links.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/sort.h"
#include "core/parting.h"
#include "core/state.h"
#include "term/write.h"

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

static bool has_id(const struct npri_links_list *list, uint64_t id)
{
    return npri_link_find(list->ids, list->count, id);
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
            npr_node_name_equal(&peer->name, &list->name) ||
            has_id(list, npri_link_id(core, peer))) {
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
    npri_sort(list->ids, list->count, sizeof(uint64_t), npri_link_compare_ids);
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

/* ---- Working. */

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
    if (!npri_part(core)) {
        core->out_of_memory = true;
        return;
    }
    links->decided_hash = known;
    links->decided_ns = core->now_ns;
}
