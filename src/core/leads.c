#include "core/leads.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/faults.h"
#include "core/state.h"

bool npri_leads_init(struct npri_core *core)
{
    npri_list_init(&core->leads.voids);
    core->leads.work.kind = NPRI_WORK_LEADS;
    return npri_map_init(&core->leads.map, core->options.hash_key);
}

/* ---- Making and freeing. */

static struct npri_lead *lead_at(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&core->leads.map, key);

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_lead, node);
}

static struct npr_term lead_pid(const struct npri_lead *lead)
{
    return (struct npr_term){.data = lead->bytes + lead->key_size, .size = lead->pid_size};
}

static bool is_void(const struct npri_lead *lead)
{
    return lead->set->peer == NULL;
}

static void put_first(struct npri_core *core, struct npri_lead *lead)
{
    lead->is_aside = false;
    npri_map_insert(&core->leads.map, &lead->node, npri_lead_key(lead));
}

/* Out of the key's leads; the first one that is aside takes its place. */
static void unlink_lead(struct npri_core *core, struct npri_lead *lead)
{
    struct npri_lead **at;

    if (!lead->is_aside) {
        npri_map_remove(&core->leads.map, &lead->node);
        if (lead->aside != NULL) {
            put_first(core, lead->aside);
        }
    } else {
        for (at = &lead_at(core, npri_lead_key(lead))->aside; *at != lead; at = &(*at)->aside) {
        }
        *at = lead->aside;
    }
    lead->aside = NULL;
}

/* A void set that has become empty goes, too. */
static void destroy(struct npri_core *core, struct npri_lead *lead)
{
    struct npri_lead_set *set = lead->set;

    NPRI_ASSERT(npri_list_empty(&lead->waiting));
    unlink_lead(core, lead);
    npri_mark_lower(core, npri_lead_key(lead));
    npri_list_remove(&lead->of_set);
    npri_free(lead);
    if (set->peer == NULL && npri_list_empty(&set->leads) && npri_list_empty(&set->busy)) {
        npri_list_remove(&set->of_void);
        npri_free(set);
    }
}

static struct npri_lead_set *set_of(struct npri_peer *peer)
{
    struct npri_lead_set *set = peer->lending.set;

    if (set != NULL) {
        return set;
    }
    set = npri_alloc_zeroed(1, sizeof(*set));
    if (set != NULL) {
        set->peer = peer;
        npri_list_init(&set->leads);
        npri_list_init(&set->busy);
        peer->lending.set = set;
    }
    return set;
}

/* It is to be put: its key is marked from here on. */
static struct npri_lead *create(struct npri_core *core,
                                struct npri_peer *peer,
                                struct npr_bytes key,
                                const struct npri_activation *living)
{
    struct npri_lead_set *set = set_of(peer);
    const size_t pid_size = living == NULL ? 0 : living->pid.size;
    struct npri_lead *lead = set == NULL ? NULL : npri_alloc(sizeof(*lead) + key.size + pid_size);

    if (lead == NULL) {
        return NULL;
    }
    memset(lead, 0, sizeof(*lead));
    lead->set = set;
    lead->busy = living == NULL;
    lead->key_size = (uint32_t)key.size;
    lead->pid_size = (uint32_t)pid_size;
    npri_list_init(&lead->waiting);
    memcpy(lead->bytes, key.data, key.size);
    if (living != NULL) {
        lead->token = living->token;
        memcpy(lead->bytes + key.size, living->pid.data, pid_size);
    }
    (void)npri_mark_raise(core, npri_lead_key(lead));
    return lead;
}

struct npri_lead *npri_lead_find(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_lead *lead = lead_at(core, key);

    while (lead != NULL && is_void(lead)) {
        lead = lead->aside;
    }
    return lead;
}

struct npri_lead *npri_lead_find_other(const struct npri_core *core,
                                       const struct npri_peer *peer,
                                       struct npr_bytes key)
{
    struct npri_lead *lead = lead_at(core, key);

    while (lead != NULL && (is_void(lead) || lead->set->peer == peer)) {
        lead = lead->aside;
    }
    return lead;
}

/* The lead of that host, aside or not; NULL: there is none. */
static struct npri_lead *find_of(const struct npri_core *core,
                                 const struct npri_peer *peer,
                                 struct npr_bytes key)
{
    struct npri_lead *lead = lead_at(core, key);

    while (lead != NULL && lead->set->peer != peer) {
        lead = lead->aside;
    }
    return lead;
}

struct npri_activation npri_lead_activation(const struct npri_lead *lead)
{
    NPRI_ASSERT(!lead->busy);
    return (struct npri_activation){.pid = lead_pid(lead), .token = lead->token};
}

/* Who waits for it, into `waiting`. */
static void take_waiting(struct npri_lead *lead, struct npri_link *waiting)
{
    npri_list_splice(waiting, &lead->waiting);
}

/* A start that is under way there: what will come of it is compared with what is here then. */
static bool is_starting(const struct npri_lead *lead)
{
    return !is_void(lead) && lead->busy && lead->pid_size == 0;
}

static void link_to_set(struct npri_lead *lead)
{
    npri_list_append(lead->busy ? &lead->set->busy : &lead->set->leads, &lead->of_set);
}

bool npri_lead_put(struct npri_core *core,
                   struct npri_peer *peer,
                   struct npr_bytes key,
                   const struct npri_activation *living,
                   struct npri_link *out_waiting)
{
    struct npri_lead *lead = create(core, peer, key, living);
    struct npri_lead *old;

    if (lead == NULL) {
        return false;
    }
    npri_list_init(out_waiting);
    while ((old = find_of(core, peer, key)) != NULL) {
        take_waiting(old, out_waiting);
        destroy(core, old);
    }
    old = lead_at(core, key);
    if (old != NULL) {
        take_waiting(old, out_waiting);
        if (!is_starting(old)) {
            destroy(core, old);
            old = lead_at(core, key);
        }
    }
    if (old != NULL) {
        take_waiting(old, out_waiting);
        npri_map_remove(&core->leads.map, &old->node);
        old->is_aside = true;
        lead->aside = old;
    }
    put_first(core, lead);
    link_to_set(lead);
    return true;
}

/* False: no memory. */
static bool put_aside(struct npri_core *core, struct npri_peer *peer, struct npr_bytes key)
{
    struct npri_lead *first = lead_at(core, key);
    struct npri_lead *lead = create(core, peer, key, NULL);

    if (lead == NULL) {
        return false;
    }
    lead->is_aside = true;
    lead->aside = first->aside;
    first->aside = lead;
    link_to_set(lead);
    return true;
}

void npri_lead_set_busy(struct npri_lead *lead)
{
    lead->busy = true;
    npri_list_remove(&lead->of_set);
    link_to_set(lead);
}

void npri_lead_wait(struct npri_lead *lead, struct npri_request *request)
{
    NPRI_ASSERT(lead->busy && lead->set->peer != NULL);
    npri_list_append(&lead->waiting, &request->waiting);
}

void npri_lead_remove(struct npri_core *core, struct npri_lead *lead)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    take_waiting(lead, &waiting);
    destroy(core, lead);
    npri_requests_route_all(core, &waiting);
}

/* ---- What peers tell. */

/* Of a lead without a pid: whether there is none. */
static bool same_pid(const struct npri_lead *lead, struct npr_term pid)
{
    return npri_bytes_equal(npri_bytes(lead->bytes + lead->key_size, lead->pid_size),
                            npri_bytes(pid.data, pid.data == NULL ? 0 : pid.size));
}

static void put(struct npri_core *core,
                struct npri_peer *peer,
                struct npr_bytes key,
                const struct npri_activation *living)
{
    struct npri_link waiting;

    if (npri_lead_put(core, peer, key, living, &waiting)) {
        npri_requests_route_all(core, &waiting);
    } else {
        core->out_of_memory = true;
    }
}

void npri_lead_on_entry(struct npri_core *core,
                        struct npri_peer *peer,
                        struct npr_bytes key,
                        const struct npri_activation *living)
{
    struct npri_lead *lead = find_of(core, peer, key);
    uint32_t mark;

    if (lead != NULL && !lead->busy && same_pid(lead, living->pid)) {
        lead->token = living->token;
        return;
    }
    if (lead != NULL && living->token != 0 && living->token < lead->token) {
        return; /* Told before it heard of what it has been granted since. */
    }
    mark = npri_mark_raise(core, key); /* own entry that loses goes before the lead comes */
    if (!npri_conflict_on_entry(core, peer, key, living)) {
        put(core, peer, key, living);
    } else if (lead != NULL) {
        npri_lead_remove(core, lead); /* It has lost, and what it told before is over. */
    }
    npri_mark_lower_at(core, mark);
}

/* An entry that is there already stays: what will come of this start is compared with it then. */
void npri_lead_on_busy(struct npri_core *core, struct npri_peer *peer, struct npr_bytes key)
{
    const struct npri_lead *lead = npri_lead_find(core, key);
    const struct npri_lead *own = find_of(core, peer, key);

    if (!NPRI_FAULT(BUSY_IGNORED) && (lead == NULL || lead == own)) {
        put(core, peer, key, NULL);
    } else if (own == NULL) {
        core->out_of_memory |= !put_aside(core, peer, key);
    }
}

/* A word that comes late must not erase what was put by consent meanwhile, nor end the waiting for
 * the drop of that: the pid tells.  A start that has come to nothing has none. */
void npri_lead_on_gone(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       struct npr_term pid)
{
    struct npri_lead *lead = find_of(core, peer, key);

    if (NPRI_FAULT(LATE_GONE)) {
        lead = npri_lead_find(core, key);
    }
    if (lead != NULL && (NPRI_FAULT(LATE_GONE) || same_pid(lead, pid))) {
        npri_lead_remove(core, lead);
    }
}

/* ---- Markers. */

void npri_leads_on_marker(struct npri_core *core, struct npri_peer *peer)
{
    peer->lending.marked = true;
    npri_tally(core, peer);
    npri_requests_on_marker(core);
}

bool npri_leads_settled(const struct npri_core *core)
{
    return npri_views_agreed(core) && core->tally.counts[NPRI_TALLY_UNMARKED] == 0;
}

void npri_leads_add_unsettled(const struct npri_core *core, struct npri_text *text)
{
    const char *before = "this node waits for the entries of ";

    if (!npri_views_agreed(core)) {
        npri_views_add_dissent(core, text);
        return;
    }
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        if (!peer->self && peer->native && !peer->lending.marked) {
            npri_text_add(text, before);
            npri_text_add_node(text, &peer->name);
            before = ", ";
        }
    }
}

bool npri_leads_know_all(const struct npri_core *core)
{
    return core->tally.counts[NPRI_TALLY_ORIGINAL] == 0 && npri_leads_settled(core);
}

/* ---- The end of a peer's word. */

/* Who waited for a busy one goes into `waiting`. */
static void void_leads(struct npri_core *core, struct npri_peer *peer, struct npri_link *waiting)
{
    struct npri_lead_set *set = peer->lending.set;
    struct npri_link *at;

    peer->lending.marked = peer->lending.marked && NPRI_FAULT(MARKER_KEPT);
    npri_tally(core, peer);
    peer->lending.set = NULL;
    if (set == NULL) {
        return;
    }
    set->peer = NULL;
    npri_grants_on_void(core);
    npri_list_append(&core->leads.voids, &set->of_void);
    NPRI_LIST_FOREACH (busy, &set->busy) {
        take_waiting(NPRI_CONTAINER_OF(busy, struct npri_lead, of_set), waiting);
    }
    while ((at = npri_list_take(&set->busy)) != NULL) {
        npri_list_append(&set->leads, at);
    }
    npri_work_add(core, &core->leads.work, false);
}

/* Its claims stay: it tells anew, but it has not begun anew. */
void npri_leads_on_unsure(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    void_leads(core, peer, &waiting);
    npri_requests_look_again(core);
    npri_requests_route_all(core, &waiting);
}

void npri_leads_on_peer_epoch(struct npri_core *core, struct npri_peer *peer)
{
    npri_claims_on_peer_epoch(core, peer);
    if (!NPRI_FAULT(LEADS_KEPT)) {
        npri_leads_on_unsure(core, peer);
    }
}

/* It may be back in a moment: what it has made wait is not decided yet. */
void npri_leads_on_peer_lost(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    npri_claims_on_peer_epoch(core, peer);
    void_leads(core, peer, &waiting);
    peer->lending.heard = 0;
    peer->lending.heard_read = 0;
    npri_requests_hold_all(core, &waiting);
}

/* ---- Freeing. */

static void free_some(struct npri_core *core, unsigned most)
{
    struct npri_link *first;

    while (most > 0 && (first = core->leads.voids.next) != &core->leads.voids) {
        struct npri_lead_set *set = NPRI_CONTAINER_OF(first, struct npri_lead_set, of_void);

        if (npri_list_empty(&set->leads)) {
            npri_list_remove(&set->of_void);
            npri_free(set);
        } else {
            destroy(core, NPRI_CONTAINER_OF(set->leads.next, struct npri_lead, of_set));
        }
        most--;
    }
}

void npri_leads_work(struct npri_core *core)
{
    free_some(core, NPRI_WORK_ITEMS_MAX);
    if (!npri_list_empty(&core->leads.voids)) {
        npri_work_add(core, &core->leads.work, false);
    }
}

/* The requests are gone already, and the peers with their sets are still there. */
void npri_leads_fini(struct npri_core *core)
{
    struct npri_map_node *first;

    if (core->leads.map.buckets == NULL || core->members.peers.buckets == NULL) {
        npri_map_fini(&core->leads.map); /* only half made */
        return;
    }
    while ((first = npri_map_first(&core->leads.map)) != NULL) {
        destroy(core, NPRI_CONTAINER_OF(first, struct npri_lead, node));
    }
    while (!npri_list_empty(&core->leads.voids)) {
        free_some(core, 1);
    }
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        npri_free(peer->lending.set);
        peer->lending.set = NULL;
    }
    npri_map_fini(&core->leads.map);
}

/* ---- Checking. */

static void check_lead(const struct npri_lead *lead)
{
    const struct npri_lead_set *set = lead->set;

    NPRI_ASSERT(npri_list_empty(&lead->waiting) || (lead->busy && set->peer != NULL));
    NPRI_ASSERT(lead->busy || lead->pid_size > 0);
    NPRI_ASSERT(!lead->is_aside || lead->busy);
    NPRI_ASSERT(set->peer == NULL ||
                (set->peer->lending.set == set && set->peer->connected && set->peer->native));
    NPRI_ASSERT((set->peer == NULL) == npri_link_is_linked(&set->of_void));
}

void npri_leads_check(const struct npri_core *core)
{
    size_t count = 0;

    NPRI_LIST_FOREACH (at, &core->leads.map.order) {
        const struct npri_lead *lead = NPRI_MAP_AT(at, struct npri_lead, node);

        NPRI_ASSERT(!lead->is_aside);
        for (; lead != NULL; lead = lead->aside) {
            check_lead(lead);
            NPRI_ASSERT(lead->aside == NULL || lead->aside->is_aside);
        }
        count++;
    }
    NPRI_ASSERT(count == core->leads.map.count);
    NPRI_ASSERT(npri_list_empty(&core->leads.voids) || npri_link_is_linked(&core->leads.work.link));
}
