/* The end of a peer's word (core/leads.h): what it has told is void at once, and freed in pieces.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/faults.h"
#include "core/leads.h"
#include "core/state.h"

/* Who waited for a busy one goes into `waiting`. */
static void void_set(struct npri_core *core,
                     struct npri_lead_set **at_set,
                     struct npri_link *waiting)
{
    struct npri_lead_set *set = *at_set;
    struct npri_link *at;

    *at_set = NULL;
    if (set == NULL) {
        return;
    }
    set->peer = NULL;
    npri_grants_on_void(core);
    npri_list_append(&core->leads.voids, &set->of_void);
    NPRI_LIST_FOREACH (busy, &set->busy) {
        npri_lead_take_waiting(NPRI_CONTAINER_OF(busy, struct npri_lead, of_set), waiting);
    }
    while ((at = npri_list_take(&set->busy)) != NULL) {
        npri_list_append(&set->leads, at);
    }
    npri_work_add(core, &core->leads.work, false);
}

static void void_told(struct npri_core *core, struct npri_peer *peer, struct npri_link *waiting)
{
    peer->lending.marked = peer->lending.marked && NPRI_FAULT(MARKER_KEPT);
    npri_tally(core, peer);
    void_set(core, &peer->lending.set, waiting);
}

/* Those that wait for a word which will not come. */
static void destroy_declined(struct npri_core *core,
                             struct npri_lead_set *consents,
                             struct npri_link *waiting)
{
    struct npri_link *next;

    if (consents == NULL) {
        return;
    }
    for (struct npri_link *at = consents->busy.next; at != &consents->busy; at = next) {
        struct npri_lead *lead = NPRI_CONTAINER_OF(at, struct npri_lead, of_set);

        next = at->next;
        if (!lead->consented) {
            npri_lead_take_waiting(lead, waiting);
            npri_lead_destroy(core, lead);
        }
    }
}

/* Its claims stay, and what was consented to: it tells anew, but it has not begun anew. */
void npri_leads_on_unsure(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    void_told(core, peer, &waiting);
    destroy_declined(core, peer->lending.consents, &waiting);
    npri_requests_look_again(core);
    npri_requests_route_all(core, &waiting);
}

void npri_leads_on_peer_epoch(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link waiting;

    npri_claims_on_peer_epoch(core, peer);
    if (!NPRI_FAULT(LEADS_KEPT)) {
        npri_list_init(&waiting);
        void_told(core, peer, &waiting);
        void_set(core, &peer->lending.consents, &waiting);
        npri_requests_look_again(core);
        npri_requests_route_all(core, &waiting);
    }
}

/* It may be back in a moment: what it has made wait is not decided yet. */
void npri_leads_on_peer_lost(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    npri_claims_on_peer_epoch(core, peer);
    void_told(core, peer, &waiting);
    void_set(core, &peer->lending.consents, &waiting);
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
            npri_lead_destroy(core, NPRI_CONTAINER_OF(set->leads.next, struct npri_lead, of_set));
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
        npri_lead_destroy(core, NPRI_CONTAINER_OF(first, struct npri_lead, node));
    }
    while (!npri_list_empty(&core->leads.voids)) {
        free_some(core, 1);
    }
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        npri_free(peer->lending.set);
        npri_free(peer->lending.consents);
        peer->lending.set = NULL;
        peer->lending.consents = NULL;
    }
    npri_map_fini(&core->leads.map);
}
