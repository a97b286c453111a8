#include "core/register.h"

#include "core/native.h"
#include "core/state.h"
#include "term/write.h"

/* That are asked in one step, of those that have waited for their turn. */
#define TURN_MAX 1024u

_Static_assert(2 * NPRI_CLAIMS_ASKED_BYTES_MAX <= NPRI_CLAIMS_BYTES_MAX,
               "some whose time is up here may wait there still");

npr_status npri_claim_accept(struct npri_core *core, const struct npri_core_event *event)
{
    const bool registers = event->kind == NPRI_EVENT_REGISTER;
    struct npr_term pid = {0};
    /* Whoever casts does not wait for an answer, and so is not held back by its coming late. */
    const size_t cost = event->request == 0 ? npri_claim_cost(event->key) : 0;
    struct npri_claim *claim;

    if (registers && !npri_core_normal_pid(core, event->term, &pid)) {
        return npri_request_refuse(core, event, NPR_EINVAL, "not a pid");
    }
    if (registers && !core->options.member) {
        return npri_request_refuse(core, event, NPR_EINVAL, "a client holds no entries");
    }
    if (cost > NPRI_CASTS_BYTES_MAX - core->casts_bytes) {
        return npri_request_refuse(core, event, NPR_EFULL, "too many registrations wait");
    }
    claim = npri_claim_create(event->key, pid, event->keep);
    if (claim == NULL) {
        return NPR_ENOMEM;
    }
    claim->cast = cost > 0;
    core->casts_bytes += cost;
    return npri_request_accept_claim(core, event, claim);
}

/* ---- Asking the owner. */

static void ask(struct npri_core *core, struct npri_request *request, struct npri_peer *owner)
{
    struct npri_claim *claim = request->claim;
    const uint64_t left_ns =
        request->deadline_ns > core->now_ns ? request->deadline_ns - core->now_ns : 0;
    const uint64_t ref = core->claims_begun + 1;
    struct npri_buffer *message =
        npri_tell_begin(core, claim->release ? 4 : 6, claim->release ? "release" : "claim");

    npri_put_uint(message, ref);
    npri_put_bytes(message, npri_shared_bytes(request->key));
    if (!claim->release) {
        npri_put_term(message, npri_claim_pid(claim));
        npri_put_atom(message, claim->keep ? "true" : "false");
    }
    npri_put_uint(message, left_ns / UINT64_C(1000000));
    if (!npri_tell_end(core, owner)) {
        npri_request_answer_failed(core, request, NPR_ENOMEM,
                                   npr_bytes_of("no memory to ask the key's owner"));
        return;
    }
    core->claims_begun = ref;
    claim->ref = ref;
    claim->asked = true;
    claim->owner = owner;
    claim->epoch = npri_views_epoch(core);
    owner->asking.bytes += claim->bytes;
    npri_map_insert(&core->claims, &claim->node, npri_bytes(&claim->ref, sizeof(claim->ref)));
    npri_request_wait_for_owner(core, request);
}

/* In their order: who comes later waits behind those that wait. */
static void ask_in_turn(struct npri_core *core,
                        struct npri_request *request,
                        struct npri_peer *owner)
{
    struct npri_asking *asking = &owner->asking;
    const bool room = asking->bytes + request->claim->bytes <= NPRI_CLAIMS_ASKED_BYTES_MAX;

    if (room && (asking->turn || npri_list_empty(&asking->queue))) {
        ask(core, request, owner);
    } else {
        request->claim->owner = owner;
        request->state = NPRI_REQUEST_CLAIMING;
        npri_list_append(&asking->queue, &request->waiting);
    }
}

/* Each finds its way anew, since much may have happened. */
void npri_claims_work(struct npri_core *core, struct npri_peer *owner)
{
    struct npri_asking *asking = &owner->asking;

    asking->turn = true;
    for (unsigned i = 0; i < TURN_MAX && !npri_list_empty(&asking->queue); i++) {
        struct npri_request *request =
            NPRI_CONTAINER_OF(asking->queue.next, struct npri_request, waiting);

        if (asking->bytes + request->claim->bytes > NPRI_CLAIMS_ASKED_BYTES_MAX) {
            break; /* Its answers come first. */
        }
        npri_list_remove(&request->waiting);
        request->claim->owner = NULL;
        npri_request_route(core, request);
    }
    asking->turn = false;
    if (!npri_list_empty(&asking->queue) &&
        asking->bytes + npri_claim_cost((struct npr_term){.size = NPRI_KEY_BYTES_MAX}) <=
            NPRI_CLAIMS_ASKED_BYTES_MAX) {
        npri_work_add(core, &asking->work, false);
    }
}

/* What this node decides alone: what is its own already, and keys that no native node owns.  False:
 * the owner is to be asked. */
static bool decide_here(struct npri_core *core,
                        struct npri_request *request,
                        const struct npri_peer *owner)
{
    const struct npr_bytes key = npri_shared_bytes(request->key);
    const struct npri_claim *claim = request->claim;
    const struct npri_activation nothing = {0};
    struct npri_activation own;
    const bool is_here = npri_directory_find(&core->directory, key, &own);

    if (claim->release && (is_here || npri_start_restarting(core, key) != NULL)) {
        if (!is_here || npri_claim_releases(claim, own.pid)) {
            (void)npri_directory_remove(&core->directory, key);
            npri_start_cancel_restart(core, key);
        }
        npri_claim_succeed(core, request, &nothing);
    } else if (is_here && npri_claim_is_of(claim, own.pid)) {
        npri_claim_succeed(core, request, &own);
    } else if (is_here && claim->keep) {
        npri_claim_refuse_taken(core, request, &own);
    } else if (!is_here && claim->keep && npri_start_is_under_way(core, key)) {
        npri_start_wait(core, request);
    } else if (owner != NULL && (owner->self || owner->native)) {
        return false;
    } else if (claim->release) {
        npri_claim_succeed(core, request, &nothing);
    } else if (owner == NULL) {
        npri_request_fail_ownerless(core, request);
    } else {
        /* Among originals a registration is its node's own affair. */
        (void)npri_claim_put_own(core, request, 0);
    }
    return true;
}

static void route_own(struct npri_core *core, struct npri_request *request)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (request->claim->asked && !npri_views_agreed(core)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
        return;
    }
    request->claim->asked = false;
    if (decide_here(core, request, owner)) {
        return;
    }
    if (owner->self) {
        npri_claim_decide(core, request);
    } else if (owner->said.epoch != npri_views_epoch(core)) {
        /* It would take it for a claim of the epoch before, and forget it with the news. */
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else {
        ask_in_turn(core, request, owner);
    }
}

/* While it is decided no thread of the program may begin to start the key by itself; who has begun
 * is waited for. */
void npri_claim_route(struct npri_core *core, struct npri_request *request)
{
    struct npri_shared *key = npri_shared_acquire(request->key);

    (void)npri_mark_raise(core, npri_shared_bytes(key));
    if (!npri_start_meet(core, key)) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
    } else if (npri_start_is_grabbed(core, key)) {
        npri_start_wait(core, request);
    } else if (request->claim->peer == NULL) {
        route_own(core, request);
    } else {
        npri_claim_route_of_peer(core, request);
    }
    npri_mark_lower(core, npri_shared_bytes(key));
    npri_shared_release(key);
}

void npri_claim_on_looked(struct npri_core *core, struct npri_request *request)
{
    request->claim->looked = core->looks;
    npri_claim_route(core, request);
}

/* Also of one that has waited for its turn. */
static void forget_owner(struct npri_core *core, struct npri_claim *claim)
{
    npri_claim_forget_owner(core, claim);
    claim->owner = NULL;
}

void npri_claims_on_view(struct npri_core *core)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    npri_list_splice(&waiting, &core->claiming);
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        npri_list_splice(&waiting, &NPRI_MAP_AT(at, struct npri_peer, node)->asking.queue);
    }
    NPRI_LIST_FOREACH (at, &waiting) {
        forget_owner(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting)->claim);
    }
    npri_requests_route_all(core, &waiting);
}

void npri_claims_on_owner_lost(struct npri_core *core, struct npri_peer *owner)
{
    struct npri_link *next;

    for (struct npri_link *at = core->claiming.next; at != &core->claiming; at = next) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        next = at->next;
        if (request->claim->owner == owner) {
            forget_owner(core, request->claim);
            npri_list_remove(at);
            npri_request_hold(core, request, NPRI_HOLD_RETRY);
        }
    }
    while (!npri_list_empty(&owner->asking.queue)) {
        struct npri_request *request =
            NPRI_CONTAINER_OF(owner->asking.queue.next, struct npri_request, waiting);

        forget_owner(core, request->claim);
        npri_list_remove(&request->waiting);
        npri_request_hold(core, request, NPRI_HOLD_RETRY);
    }
    npri_list_remove(&owner->asking.work.link);
}

/* ---- The owner's answers. */

/* The claim that `peer` answers; NULL: late, repeated or unknown.  `*out` is its request, which
 * waits no more. */
static struct npri_claim *take_asked(struct npri_core *core,
                                     const struct npri_peer *peer,
                                     uint64_t ref)
{
    struct npri_map_node *at = npri_map_find(&core->claims, npri_bytes(&ref, sizeof(ref)));
    struct npri_claim *claim = at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_claim, node);

    if (claim == NULL || claim->owner != peer) {
        return NULL;
    }
    npri_claim_forget_owner(core, claim);
    claim->asked = false;
    npri_list_remove(&claim->request->waiting);
    return claim;
}

/* Whether a restart here, begun while the owner consented, has the higher token: then the owner has
 * not heard of that. */
static bool is_behind(const struct npri_core *core,
                      const struct npri_request *request,
                      uint64_t token)
{
    const struct npr_bytes key = npri_shared_bytes(request->key);
    uint64_t own_token = npri_start_token(core, key);
    struct npri_activation own;

    if (own_token == 0 && npri_directory_find(&core->directory, key, &own) &&
        !npri_claim_is_of(request->claim, own.pid)) {
        own_token = own.token;
    }
    return own_token != 0 && own_token >= token;
}

/* By the consent of the owner, which waits for our word.  Of a new entry it is told by itself, but
 * not of another token.  False: no memory. */
static bool put_consented(struct npri_core *core,
                          struct npri_peer *owner,
                          struct npri_request *request,
                          uint64_t token)
{
    struct npri_shared *key = npri_shared_acquire(request->key);
    struct npri_activation own;
    const bool was_here = npri_directory_find(&core->directory, npri_shared_bytes(key), &own) &&
                          npri_claim_is_of(request->claim, own.pid);
    const bool done = npri_claim_put_own(core, request, token);

    if (done && was_here) {
        npri_push_word(core, owner, npri_shared_bytes(key), (struct npr_term){0});
    }
    npri_shared_release(key);
    return done;
}

/* The owner has consented to what nobody wants any more, and is not to wait for it.  Without memory
 * to say so, only another epoch ends that. */
static void decline(struct npri_core *core,
                    struct npri_peer *owner,
                    struct npr_bytes key,
                    struct npr_term pid,
                    uint64_t token)
{
    struct npri_buffer *message = npri_tell_begin(core, 3, "declined");

    npri_put_bytes(message, key);
    npri_put_uint(message, token);
    if (npri_tell_end(core, owner)) {
        npri_push_word(core, owner, key, pid);
    } else {
        core->out_of_memory = true;
        npri_views_begin_anew(core);
    }
}

bool npri_claim_on_told_claimed(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements)
{
    struct npri_claim *claim;
    struct npr_bytes key;
    struct npr_term pid;
    uint64_t token;
    uint64_t ref;

    if (!npr_term_get_uint64(elements[0], &ref) || !npri_core_normal_key(core, elements[1], &key) ||
        !npri_core_normal_pid(core, elements[2], &pid) ||
        !npr_term_get_uint64(elements[3], &token)) {
        return false;
    }
    token = npri_token_on_seen(core, token);
    claim = take_asked(core, peer, ref);
    if (claim != NULL && is_behind(core, claim->request, token)) {
        decline(core, peer, key, pid, token);
        npri_claim_route(core, claim->request); /* It has heard of that when it is asked again. */
    } else if (claim == NULL || !put_consented(core, peer, claim->request, token)) {
        decline(core, peer, key, pid, token);
    }
    return true;
}

static bool lives_here(const struct npri_core *core, struct npr_term term)
{
    struct npr_pid pid;

    return npr_term_get_pid(term, &pid) && npr_node_name_equal(&pid.node, &core->options.self);
}

bool npri_claim_on_told_taken(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    struct npri_activation living;
    struct npri_claim *claim;
    uint64_t ref;

    if (!npr_term_get_uint64(elements[0], &ref) ||
        !npri_core_normal_pid(core, elements[1], &living.pid) ||
        !npr_term_get_uint64(elements[2], &living.token)) {
        return false;
    }
    living.token = npri_token_on_seen(core, living.token);
    claim = take_asked(core, peer, ref);
    if (claim != NULL && npri_claim_is_of(claim, living.pid) && lives_here(core, living.pid)) {
        /* Another node holds the entry for it: of the two it will be the one to go. */
        (void)npri_claim_put_own(core, claim->request, living.token);
    } else if (claim != NULL) {
        npri_request_answer_claim(core, claim->request,
                                  npri_claim_is_of(claim, living.pid) ? NPR_OK : NPR_EEXIST,
                                  &living);
    }
    return true;
}

bool npri_claim_on_told_unclaimed(struct npri_core *core,
                                  struct npri_peer *peer,
                                  const struct npr_term *elements)
{
    struct npri_claim *claim;
    struct npr_bytes text;
    uint64_t ref;

    if (!npr_term_get_uint64(elements[0], &ref) || !npr_term_get_binary(elements[2], &text)) {
        return false;
    }
    claim = take_asked(core, peer, ref);
    if (claim == NULL) {
        return true;
    }
    if (npr_term_is_atom(elements[1], "moved")) {
        npri_request_hold(core, claim->request, NPRI_HOLD_RETRY);
    } else {
        npri_request_answer_failed(core, claim->request, npri_claim_read_status(elements[1]), text);
    }
    return true;
}

bool npri_claim_on_told_released(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements)
{
    const struct npri_activation nothing = {0};
    struct npri_claim *claim;
    uint64_t ref;

    if (!npr_term_get_uint64(elements[0], &ref)) {
        return false;
    }
    claim = take_asked(core, peer, ref);
    if (claim != NULL) {
        npri_request_answer_claim(core, claim->request, NPR_OK, &nothing);
    }
    return true;
}
