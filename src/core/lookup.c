#include "core/lookup.h"

#include "base/assert.h"
#include "core/state.h"

bool npri_lookup_runs(const struct npri_lookup *lookup)
{
    return lookup->key != NULL;
}

void npri_lookup_stop(struct npri_lookup *lookup)
{
    struct npri_link *at;

    if (lookup->key == NULL) {
        return;
    }
    while ((at = npri_list_take(&lookup->operations)) != NULL) {
        NPRI_CONTAINER_OF(at, struct npri_operation, of_lookup)->lookup = NULL;
    }
    npri_shared_release(lookup->key);
    lookup->key = NULL;
}

static void add_name(struct npri_text *text, const struct npr_node_name *node)
{
    if (text->size > 0) {
        npri_text_add(text, ", ");
    }
    npri_text_add_node(text, node);
}

static bool ask(struct npri_core *core, struct npri_lookup *lookup, struct npri_peer *peer)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_ASK, 0);
    struct npri_operation *operation;

    if (effect != NULL) {
        npri_effect_set_key(effect, lookup->key);
    }
    operation = npri_operation_begin(core, NPRI_OPERATION_ASK, peer, effect);
    if (operation == NULL) {
        return false;
    }
    operation->lookup = lookup;
    npri_list_append(&lookup->operations, &operation->of_lookup);
    return true;
}

bool npri_lookup_insists(const struct npri_lookup *lookup)
{
    return lookup->start != NULL || (lookup->request != NULL && lookup->request->claim != NULL);
}

static bool may_have_it(const struct npri_lookup *lookup, const struct npri_peer *peer)
{
    if (peer->serial == lookup->first_serial) {
        return false;
    }
    if (lookup->scope == NPRI_LOOKUP_UNMARKED) {
        return peer->in_view && !(peer->native && peer->lending.marked);
    }
    return peer->in_view || (peer->connected && peer->native);
}

/* Asks all that may have it and have not been asked, in the order in which they were first known.
 */
static bool ask_rest(struct npri_core *core, struct npri_lookup *lookup)
{
    lookup->rest_asked = true;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (!may_have_it(lookup, peer)) {
            continue;
        }
        if (peer->suspect && !(peer->native && npri_lookup_insists(lookup))) {
            lookup->silent = true;
            add_name(&lookup->missed, &peer->name);
        } else if (!ask(core, lookup, peer)) {
            return false;
        }
    }
    return true;
}

npr_status npri_lookup_begin(struct npri_core *core,
                             struct npri_lookup *lookup,
                             struct npri_shared *key,
                             struct npri_peer *first,
                             enum npri_lookup_scope scope)
{
    NPRI_ASSERT(lookup->key == NULL);
    npri_list_init(&lookup->operations);
    lookup->scope = scope;
    lookup->key = npri_shared_acquire(key);
    lookup->first_serial = first == NULL ? 0 : first->serial;
    lookup->rest_asked = scope == NPRI_LOOKUP_FIRST;
    lookup->silent = false;
    lookup->lost = false;
    lookup->no_memory = false;
    lookup->unsure = false;
    lookup->broken = false;
    lookup->final = false;
    lookup->missed.size = 0;
    if (!(first == NULL ? ask_rest(core, lookup) : ask(core, lookup, first))) {
        npri_lookup_stop(lookup);
        return NPR_ENOMEM;
    }
    if (npri_list_empty(&lookup->operations)) {
        npri_lookup_stop(lookup);
    }
    return NPR_OK;
}

/* The lookup has ended.  `found` is NULL when nobody has the key. */
static void end(struct npri_core *core,
                struct npri_lookup *lookup,
                const struct npri_activation *found)
{
    npri_lookup_stop(lookup);
    if (lookup->request != NULL) {
        npri_request_on_looked(core, lookup->request, found);
    } else if (lookup->start != NULL) {
        npri_start_on_looked(core, lookup->start, found);
    } else {
        npri_delegation_on_looked(core, lookup->delegation, found);
    }
}

/* A question less, and no pid: perhaps the next stage, perhaps the end. */
static void go_on(struct npri_core *core, struct npri_lookup *lookup)
{
    if (!npri_list_empty(&lookup->operations)) {
        return;
    }
    if (!lookup->rest_asked && !ask_rest(core, lookup)) {
        lookup->no_memory = true;
    }
    if (npri_list_empty(&lookup->operations)) {
        end(core, lookup, NULL);
    }
}

void npri_lookup_on_silent(struct npri_core *core,
                           struct npri_lookup *lookup,
                           const struct npr_node_name *node)
{
    lookup->silent = true;
    add_name(&lookup->missed, node);
    go_on(core, lookup);
}

void npri_lookup_on_lost(struct npri_core *core, struct npri_lookup *lookup)
{
    lookup->broken = true;
    go_on(core, lookup);
}

static void on_not_told(struct npri_core *core,
                        struct npri_lookup *lookup,
                        const struct npri_peer *peer,
                        npr_status status)
{
    /* It has no registry, or no such key there; anything else is no statement about the key. */
    const bool says_no = status == NPR_ENOTFOUND || status == NPR_ENOPROC;

    lookup->unsure |= !says_no && peer->native;
    if (status == NPR_ETIMEDOUT) {
        npri_lookup_on_silent(core, lookup, &peer->name);
        return;
    }
    if (!says_no) {
        lookup->lost = true;
        add_name(&lookup->missed, &peer->name);
    }
    go_on(core, lookup);
}

void npri_lookup_on_asked(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_ASK);
    struct npri_activation found = {.token = npri_token_on_seen(core, event->token)};
    struct npri_lookup *lookup;
    struct npri_peer *peer;

    if (operation == NULL) {
        return;
    }
    lookup = operation->lookup;
    peer = operation->peer;
    npri_operation_end(core, operation);
    if (npri_status_is_answer(event->status)) {
        npri_member_on_answer(core, peer);
    } else if (event->status == NPR_ETIMEDOUT && !peer->native) {
        npri_member_on_silence(core, peer);
    }
    if (lookup == NULL) {
        return;
    }
    if (event->status == NPR_ENOTFOUND && event->final && lookup->request != NULL &&
        npri_views_same(core, peer)) {
        lookup->final = true;
        end(core, lookup, NULL);
    } else if (event->status != NPR_OK) {
        on_not_told(core, lookup, peer, event->status);
    } else if (npri_core_normal_pid(core, event->term, &found.pid)) {
        end(core, lookup, &found);
    } else {
        /* The original lets anything be registered: what is no pid is no process. */
        go_on(core, lookup);
    }
}

void npri_lookup_add_waiting(const struct npri_lookup *lookup, struct npri_text *text)
{
    bool first = true;

    if (lookup->key == NULL) {
        return;
    }
    NPRI_LIST_FOREACH (at, &lookup->operations) {
        const struct npri_peer *peer =
            NPRI_CONTAINER_OF(at, struct npri_operation, of_lookup)->peer;

        if (peer != NULL) {
            npri_text_add(text, first ? "" : ", ");
            npri_text_add_node(text, &peer->name);
            first = false;
        }
    }
    npri_text_add(text, first ? "a node that was lost" : "");
}
