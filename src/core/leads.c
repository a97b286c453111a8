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

void npri_lead_destroy(struct npri_core *core, struct npri_lead *lead)
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

static struct npri_lead_set *set_of(struct npri_peer *peer, struct npri_lead_set **at_set)
{
    struct npri_lead_set *set = *at_set;

    if (set != NULL) {
        return set;
    }
    set = npri_alloc_zeroed(1, sizeof(*set));
    if (set != NULL) {
        set->peer = peer;
        npri_list_init(&set->leads);
        npri_list_init(&set->busy);
        *at_set = set;
    }
    return set;
}

/* It is to be put: its key is marked from here on. */
static struct npri_lead *create(struct npri_core *core,
                                struct npri_lead_set *set,
                                struct npr_bytes key,
                                const struct npri_activation *living)
{
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

struct npri_lead *npri_lead_find_busy(const struct npri_core *core,
                                      struct npr_bytes key,
                                      const struct npri_peer *except)
{
    struct npri_lead *lead = lead_at(core, key);

    while (lead != NULL && (is_void(lead) || !lead->busy || lead->set->peer == except)) {
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

void npri_lead_take_waiting(struct npri_lead *lead, struct npri_link *waiting)
{
    npri_list_splice(waiting, &lead->waiting);
}

static void link_to_set(struct npri_lead *lead)
{
    npri_list_append(lead->busy ? &lead->set->busy : &lead->set->leads, &lead->of_set);
}

/* It takes the place of the others of its key.  One of another host that is busy goes aside: what
 * will come of it is compared with what is here then.  Who has waited is in `out_waiting`. */
static void link_first(struct npri_core *core,
                       struct npri_lead *lead,
                       struct npri_link *out_waiting)
{
    const struct npr_bytes key = npri_lead_key(lead);
    struct npri_lead *old;

    npri_list_init(out_waiting);
    while ((old = find_of(core, lead->set->peer, key)) != NULL) {
        npri_lead_take_waiting(old, out_waiting);
        npri_lead_destroy(core, old);
    }
    old = lead_at(core, key);
    if (old != NULL) {
        npri_lead_take_waiting(old, out_waiting);
        if (is_void(old) || !old->busy) {
            npri_lead_destroy(core, old);
            old = lead_at(core, key);
        }
    }
    if (old != NULL) {
        npri_lead_take_waiting(old, out_waiting);
        npri_map_remove(&core->leads.map, &old->node);
        old->is_aside = true;
        lead->aside = old;
    }
    put_first(core, lead);
    link_to_set(lead);
}

bool npri_lead_consent(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       const struct npri_activation *living,
                       struct npri_link *out_waiting)
{
    struct npri_lead *lead = create(core, set_of(peer, &peer->lending.consents), key, living);

    if (lead != NULL) {
        lead->busy = true;
        lead->consented = true;
        link_first(core, lead, out_waiting);
    }
    return lead != NULL;
}

/* False: no memory. */
static bool put_aside(struct npri_core *core, struct npri_peer *peer, struct npr_bytes key)
{
    struct npri_lead *first = lead_at(core, key);
    struct npri_lead *lead = create(core, set_of(peer, &peer->lending.set), key, NULL);

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
    npri_lead_take_waiting(lead, &waiting);
    npri_lead_destroy(core, lead);
    npri_requests_route_all(core, &waiting);
}

/* ---- What peers tell. */

/* Of a lead without a pid: whether there is none. */
bool npri_lead_means(const struct npri_lead *lead, struct npr_term pid)
{
    return npri_bytes_equal(npri_bytes(lead->bytes + lead->key_size, lead->pid_size),
                            npri_bytes(pid.data, pid.data == NULL ? 0 : pid.size));
}

static void put(struct npri_core *core,
                struct npri_peer *peer,
                struct npr_bytes key,
                const struct npri_activation *living)
{
    struct npri_lead *lead = create(core, set_of(peer, &peer->lending.set), key, living);
    struct npri_link waiting;

    if (lead == NULL) {
        core->out_of_memory = true;
        return;
    }
    link_first(core, lead, &waiting);
    npri_requests_route_all(core, &waiting);
}

/* Whether its host has said that before it heard of our consent. */
static bool is_late(struct npri_lead *lead, const struct npri_activation *living)
{
    if (lead == NULL || !lead->consented) {
        return false;
    }
    if (living == NULL || living->token < lead->token || !npri_lead_means(lead, living->pid)) {
        return true;
    }
    lead->consented = false;
    return false;
}

void npri_lead_on_entry(struct npri_core *core,
                        struct npri_peer *peer,
                        struct npr_bytes key,
                        const struct npri_activation *living)
{
    struct npri_lead *lead = find_of(core, peer, key);
    uint32_t mark;

    if (lead != NULL && !lead->busy && npri_lead_means(lead, living->pid)) {
        lead->token = living->token;
        return;
    }
    if (is_late(lead, living)) {
        return;
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
    struct npri_lead *own = find_of(core, peer, key);

    if (is_late(own, NULL) || NPRI_FAULT(BUSY_IGNORED)) {
        return;
    }
    if (lead == NULL || lead == own) {
        put(core, peer, key, NULL);
    } else if (own == NULL) {
        core->out_of_memory |= !put_aside(core, peer, key);
    } else if (own->is_aside) {
        own->pid_size = 0;
    }
}

/* A word that comes late must not end the waiting for the drop of another one: the pid tells.  A
 * start that has come to nothing has none. */
void npri_lead_on_gone(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       struct npr_term pid)
{
    struct npri_lead *lead = find_of(core, peer, key);

    if (NPRI_FAULT(LATE_GONE)) {
        lead = npri_lead_find(core, key);
    }
    if (lead != NULL &&
        (NPRI_FAULT(LATE_GONE) || (npri_lead_means(lead, pid) && !is_late(lead, NULL)))) {
        npri_lead_remove(core, lead);
    }
}

/* One that has told all says in the same breath what is there; another one is asked, or will. */
void npri_lead_on_declined(struct npri_core *core,
                           struct npri_peer *peer,
                           struct npr_bytes key,
                           uint64_t token)
{
    struct npri_lead *lead = find_of(core, peer, key);

    if (lead == NULL || !lead->consented || lead->token != token) {
        return; /* It was asked for again, and consented to. */
    }
    lead->consented = false;
    if (!peer->lending.marked) {
        npri_lead_remove(core, lead);
    }
}

/* ---- Markers. */

void npri_leads_on_marker(struct npri_core *core, struct npri_peer *peer)
{
    if (!peer->lending.marked) {
        peer->lending.marked = true;
        npri_tally(core, peer);
        npri_requests_on_marker(core);
    }
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

/* ---- Checking. */

static void check_lead(const struct npri_lead *lead)
{
    const struct npri_lead_set *set = lead->set;

    NPRI_ASSERT(npri_list_empty(&lead->waiting) || (lead->busy && set->peer != NULL));
    NPRI_ASSERT(lead->busy || lead->pid_size > 0);
    NPRI_ASSERT(!lead->is_aside || lead->busy);
    NPRI_ASSERT(!lead->consented || (lead->busy && lead->pid_size > 0));
    NPRI_ASSERT(set->peer == NULL || (set->peer->connected && set->peer->native &&
                                      (set->peer->lending.set == set ||
                                       (set->peer->lending.consents == set && lead->busy))));
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
