#include "core/claim.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/faults.h"
#include "core/native.h"
#include "core/state.h"
#include "term/write.h"

static struct npr_term claimed_pid(const struct npri_claim *claim)
{
    return (struct npr_term){.data = claim->pid, .size = claim->pid_size};
}

static bool is_claimed(const struct npri_claim *claim, struct npr_term pid)
{
    return npri_bytes_equal(npri_bytes(claim->pid, claim->pid_size),
                            npri_bytes(pid.data, pid.size));
}

/* ---- Making. */

/* NULL: no memory. */
static struct npri_claim *create(struct npr_term pid, bool keep)
{
    struct npri_claim *claim = npri_alloc_zeroed(1, sizeof(*claim));

    if (claim == NULL) {
        return NULL;
    }
    claim->release = pid.data == NULL;
    claim->keep = keep;
    if (pid.data != NULL) {
        NPRI_ASSERT(pid.size <= sizeof(claim->pid));
        claim->pid_size = (uint32_t)pid.size;
        memcpy(claim->pid, pid.data, pid.size);
    }
    return claim;
}

static void not_waiting(struct npri_core *core, struct npri_claim *claim)
{
    if (claim->ref != 0) {
        npri_map_remove(&core->claims, &claim->node);
        claim->ref = 0;
        claim->owner = NULL;
    }
}

npr_status npri_claim_accept(struct npri_core *core, const struct npri_core_event *event)
{
    const bool registers = event->kind == NPRI_EVENT_REGISTER;
    struct npr_term pid = {0};
    struct npri_claim *claim;

    if (registers && !npri_core_normal_pid(core, event->term, &pid)) {
        return npri_request_refuse(core, event, NPR_EINVAL, "not a pid");
    }
    if (registers && !core->options.member) {
        return npri_request_refuse(core, event, NPR_EINVAL, "a client holds no entries");
    }
    claim = create(pid, event->keep);
    return claim == NULL ? NPR_ENOMEM : npri_request_accept_claim(core, event, claim);
}

/* ---- Answers to peers. */

/* What the peer's claim is told first: {Word, Ref, ...}. */
static struct npri_buffer *begin(struct npri_core *core,
                                 const struct npri_claim *claim,
                                 uint32_t arity,
                                 const char *word)
{
    struct npri_buffer *message = npri_tell_begin(core, arity, word);

    npri_put_uint(message, claim->peer_ref);
    return message;
}

static void tell(struct npri_core *core, const struct npri_claim *claim)
{
    core->out_of_memory |= !npri_tell_end(core, claim->peer);
}

static void tell_taken(struct npri_core *core,
                       const struct npri_claim *claim,
                       const struct npri_activation *living)
{
    struct npri_buffer *message = begin(core, claim, 4, "taken");

    npri_put_term(message, living->pid);
    npri_put_uint(message, living->token);
    tell(core, claim);
}

/* Which statuses the asker can tell apart.  Anything else is a refusal. */
static const struct {
    npr_status status;
    const char *name;
} told_statuses[] = {
    {NPR_EREFUSED, "erefused"},
    {NPR_ETIMEDOUT, "etimedout"},
    {NPR_ENOMEM, "enomem"},
    {NPR_EINVAL, "einval"},
};

#define TOLD_STATUSES_COUNT (sizeof(told_statuses) / sizeof(told_statuses[0]))

static const char *name_status(npr_status status)
{
    for (size_t i = 0; i < TOLD_STATUSES_COUNT; i++) {
        if (told_statuses[i].status == status) {
            return told_statuses[i].name;
        }
    }
    return told_statuses[0].name;
}

static npr_status read_status(struct npr_term name)
{
    for (size_t i = 0; i < TOLD_STATUSES_COUNT; i++) {
        if (npr_term_is_atom(name, told_statuses[i].name)) {
            return told_statuses[i].status;
        }
    }
    return NPR_EREFUSED;
}

static void tell_unclaimed(struct npri_core *core,
                           const struct npri_claim *claim,
                           const char *status,
                           struct npr_bytes text)
{
    struct npri_buffer *message = begin(core, claim, 4, "unclaimed");

    npri_put_atom(message, status);
    npri_put_binary(message, text);
    tell(core, claim);
}

void npri_claim_tell_failed(struct npri_core *core,
                            const struct npri_claim *claim,
                            npr_status status,
                            struct npr_bytes text)
{
    tell_unclaimed(core, claim, name_status(status), text);
}

void npri_claim_destroy(struct npri_core *core, struct npri_claim *claim)
{
    if (claim != NULL) {
        not_waiting(core, claim);
        npri_list_remove(&claim->of_peer);
        if (claim->consented) {
            npri_push_correct(core, npri_shared_bytes(claim->request->key), claimed_pid(claim));
        }
        npri_free(claim);
    }
}

/* ---- Outcomes. */

static void succeed(struct npri_core *core,
                    struct npri_request *request,
                    const struct npri_activation *living)
{
    if (request->claim->peer == NULL) {
        npri_request_answer_claim(core, request, NPR_OK, living);
    } else if (request->claim->release) {
        (void)begin(core, request->claim, 2, "released");
        tell(core, request->claim);
        npri_request_end_told(core, request);
    } else {
        tell_taken(core, request->claim, living); /* by the very pid: it reads that as a success */
        npri_request_end_told(core, request);
    }
}

static void refuse_taken(struct npri_core *core,
                         struct npri_request *request,
                         const struct npri_activation *living)
{
    if (request->claim->peer == NULL) {
        npri_request_answer_claim(core, request, NPR_EEXIST, living);
    } else {
        tell_taken(core, request->claim, living);
        npri_request_end_told(core, request);
    }
}

/* This node's own entry. */
static void put_own(struct npri_core *core, struct npri_request *request, uint64_t token)
{
    const struct npri_activation living = {.pid = claimed_pid(request->claim), .token = token};

    if (npri_directory_put(&core->directory, npri_shared_bytes(request->key), &living, NULL) !=
        NPR_OK) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    npri_start_overtake(core, npri_shared_bytes(request->key));
    npri_request_answer_claim(core, request, NPR_OK, &living);
}

static void tell_claimed(struct npri_core *core, struct npri_request *request, uint64_t token)
{
    const struct npri_claim *claim = request->claim;
    struct npri_buffer *message = begin(core, claim, 5, "claimed");

    npri_put_bytes(message, npri_shared_bytes(request->key));
    npri_put_term(message, claimed_pid(claim));
    npri_put_uint(message, token);
    tell(core, claim);
    npri_request_end_told(core, request);
}

/* The peer may have it.  The lead is there before it hears of it, and it hears of it before anybody
 * who has waited may take it away again. */
static void grant_peer(struct npri_core *core, struct npri_request *request, uint64_t token)
{
    const struct npri_claim *claim = request->claim;
    const struct npr_bytes key = npri_shared_bytes(request->key);
    const struct npri_activation living = {.pid = claimed_pid(claim), .token = token};
    struct npri_activation own;
    struct npri_link waiting;

    if (!npri_lead_put(core, claim->peer, key, &living, &waiting)) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    if (npri_directory_find(&core->directory, key, &own)) {
        (void)npri_directory_remove(&core->directory, key); /* The claim does not keep it. */
    }
    tell_claimed(core, request, token);
    npri_requests_route_all(core, &waiting);
}

static void grant(struct npri_core *core, struct npri_request *request)
{
    struct npri_text why = {0};
    uint64_t token;

    if (!npri_quorum_permits(core, &why)) {
        npri_request_answer_failed(core, request, NPR_EREFUSED, npri_text_bytes(&why));
        return;
    }
    token = npri_token_next(core);
    if (request->claim->peer == NULL) {
        put_own(core, request, token);
    } else {
        grant_peer(core, request, token);
    }
}

/* ---- Deciding: this node is the agreed owner. */

/* The entry of another process, at another host, is in the way. */
static void drop_lead(struct npri_core *core, struct npri_request *request, struct npri_lead *lead)
{
    const struct npr_term pid = npri_lead_activation(lead).pid;
    struct npri_claim *claim = request->claim;

    if (!npri_tell_drop(core, lead->set->peer, npri_shared_bytes(request->key), pid)) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    if (claim->release) {
        claim->pid_size = (uint32_t)pid.size;
        memcpy(claim->pid, pid.data, pid.size);
    }
    npri_lead_set_busy(lead);
    npri_request_wait_for_lead(core, request, lead);
}

static void decide_on_lead(struct npri_core *core,
                           struct npri_request *request,
                           struct npri_lead *lead)
{
    const struct npri_claim *claim = request->claim;
    struct npri_activation living;

    if (lead->set->peer == claim->peer && !claim->release && !claim->keep) {
        grant(core, request); /* The host itself puts another over it. */
        return;
    }
    if (lead->busy) {
        npri_request_wait_for_lead(core, request, lead);
        return;
    }
    living = npri_lead_activation(lead);
    if (claim->release && claim->pid_size > 0 && !is_claimed(claim, living.pid)) {
        succeed(core, request, &living); /* Another has come since: that is not meant. */
    } else if (!claim->release && is_claimed(claim, living.pid)) {
        if (lead->set->peer == claim->peer) {
            tell_claimed(core, request, living.token); /* It may have missed our first word. */
        } else {
            succeed(core, request, &living);
        }
    } else if (claim->keep) {
        refuse_taken(core, request, &living);
    } else if (!npri_views_agreed(core)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else {
        drop_lead(core, request, lead);
    }
}

/* False: there is none. */
static bool decide_on_own(struct npri_core *core, struct npri_request *request)
{
    const struct npr_bytes key = npri_shared_bytes(request->key);
    const struct npri_claim *claim = request->claim;
    struct npri_activation own;

    if (!npri_directory_find(&core->directory, key, &own)) {
        return false;
    }
    if (claim->release) {
        if (claim->pid_size == 0) { /* else another has come since */
            (void)npri_directory_remove(&core->directory, key);
        }
        succeed(core, request, &own);
    } else if (is_claimed(claim, own.pid)) {
        succeed(core, request, &own);
    } else if (claim->keep) {
        refuse_taken(core, request, &own);
    } else {
        grant(core, request);
    }
    return true;
}

/* Whether all that may have the key have told, or were asked in this epoch. */
static bool is_known(const struct npri_core *core, const struct npri_claim *claim)
{
    return NPRI_FAULT(CLAIM_UNASKED) || npri_leads_know_all(core) ||
           (claim->looked && claim->epoch == npri_views_epoch(core));
}

static void decide(struct npri_core *core, struct npri_request *request)
{
    struct npri_claim *claim = request->claim;
    struct npri_lead *lead = npri_lead_find(core, npri_shared_bytes(request->key));
    const struct npri_activation nothing = {0};

    if (decide_on_own(core, request)) {
        return;
    }
    if (npri_start_find(core, request->key) != NULL && (claim->keep || claim->peer != NULL)) {
        npri_start_wait(core, request); /* What is put over it here is put at once. */
    } else if (lead != NULL) {
        decide_on_lead(core, request, lead);
    } else if (claim->release) {
        succeed(core, request, &nothing);
    } else if (npri_members_settling(core) && !request->held_enough) {
        npri_request_hold(core, request, NPRI_HOLD_SETTLING);
    } else if (!npri_views_agreed(core)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else if (is_known(core, claim) || (!claim->keep && npri_leads_settled(core))) {
        grant(core, request); /* An original's entry cannot be taken from it. */
    } else {
        claim->epoch = npri_views_epoch(core);
        npri_request_look(core, request, NULL, NPRI_LOOKUP_UNMARKED);
    }
}

void npri_claim_on_looked(struct npri_core *core, struct npri_request *request)
{
    request->claim->looked = true;
    npri_claim_route(core, request);
}

void npri_claim_on_found(struct npri_core *core,
                         struct npri_request *request,
                         const struct npri_activation *found)
{
    const struct npri_claim *claim = request->claim;

    if (!claim->release && is_claimed(claim, found->pid)) {
        succeed(core, request, found);
    } else if (claim->keep) {
        refuse_taken(core, request, found);
    } else {
        npri_request_hold(core, request, NPRI_HOLD_RETRY); /* It is in the way: once it is told. */
    }
}

/* ---- Asking the owner. */

static void ask(struct npri_core *core, struct npri_request *request, struct npri_peer *owner)
{
    struct npri_claim *claim = request->claim;
    const uint64_t left_ns = request->deadline_ns - core->now_ns;
    const uint64_t ref = core->claims_begun + 1;
    struct npri_buffer *message =
        npri_tell_begin(core, claim->release ? 4 : 6, claim->release ? "release" : "claim");

    npri_put_uint(message, ref);
    npri_put_bytes(message, npri_shared_bytes(request->key));
    if (!claim->release) {
        npri_put_term(message, claimed_pid(claim));
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
    claim->owner = owner;
    claim->epoch = npri_views_epoch(core);
    npri_map_insert(&core->claims, &claim->node, npri_bytes(&claim->ref, sizeof(claim->ref)));
    npri_request_wait_for_owner(core, request);
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
        (void)npri_directory_remove(&core->directory, key);
        npri_start_cancel_restart(core, key);
        succeed(core, request, &nothing);
    } else if (is_here && is_claimed(claim, own.pid)) {
        succeed(core, request, &own);
    } else if (is_here && claim->keep) {
        refuse_taken(core, request, &own);
    } else if (!is_here && claim->keep && npri_start_is_under_way(core, key)) {
        npri_start_wait(core, request);
    } else if (owner != NULL && (owner->self || owner->native)) {
        return false;
    } else if (claim->release) {
        succeed(core, request, &nothing);
    } else if (owner == NULL) {
        npri_request_fail_ownerless(core, request);
    } else {
        put_own(core, request, 0); /* Among originals a registration is its node's own affair. */
    }
    return true;
}

static void route_own(struct npri_core *core, struct npri_request *request)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (decide_here(core, request, owner)) {
        return;
    }
    if (owner->self) {
        decide(core, request);
    } else if (owner->said.epoch != npri_views_epoch(core)) {
        /* It would take it for a claim of the epoch before, and forget it with the news. */
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else {
        ask(core, request, owner);
    }
}

static void route_of_peer(struct npri_core *core, struct npri_request *request)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (!npri_views_agreed(core) || !npri_views_same(core, request->claim->peer)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT); /* With the asker, too. */
    } else if (owner == NULL || !owner->self) {
        tell_unclaimed(core, request->claim, "moved", (struct npr_bytes){0});
        npri_request_end_told(core, request);
    } else {
        decide(core, request);
    }
}

/* While it is decided no thread of the program may begin to start the key by itself; who has begun
 * is waited for. */
void npri_claim_route(struct npri_core *core, struct npri_request *request)
{
    struct npri_shared *key = npri_shared_acquire(request->key);

    (void)npri_mark_raise(core, npri_shared_bytes(key));
    npri_start_meet(core, key);
    if (npri_start_is_grabbed(core, key)) {
        npri_start_wait(core, request);
    } else if (request->claim->peer == NULL) {
        route_own(core, request);
    } else {
        route_of_peer(core, request);
    }
    npri_mark_lower(core, npri_shared_bytes(key));
    npri_shared_release(key);
}

void npri_claims_on_view(struct npri_core *core)
{
    struct npri_link waiting;

    npri_list_init(&waiting);
    npri_list_splice(&waiting, &core->claiming);
    NPRI_LIST_FOREACH (at, &waiting) {
        not_waiting(core, NPRI_CONTAINER_OF(at, struct npri_request, waiting)->claim);
    }
    npri_requests_route_all(core, &waiting);
}

void npri_claims_on_owner_lost(struct npri_core *core, const struct npri_peer *owner)
{
    struct npri_link *next;

    for (struct npri_link *at = core->claiming.next; at != &core->claiming; at = next) {
        struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        next = at->next;
        if (request->claim->owner == owner) {
            not_waiting(core, request->claim);
            npri_list_remove(at);
            npri_request_hold(core, request, NPRI_HOLD_RETRY);
        }
    }
}

/* ---- A peer's claims. */

void npri_claims_on_peer_epoch(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link *at;

    while ((at = npri_list_take(&peer->lending.claims)) != NULL) {
        npri_request_end_told(core, NPRI_CONTAINER_OF(at, struct npri_claim, of_peer)->request);
    }
}

/* Takes `claim`, which may be NULL for lack of memory, over as one of the peer's. */
static bool accept(struct npri_core *core,
                   struct npri_peer *peer,
                   struct npri_claim *claim,
                   struct npr_term key,
                   uint64_t timeout_ms)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_REGISTER, .key = key};

    if (claim == NULL) {
        core->out_of_memory = true;
        return true;
    }
    claim->peer = peer;
    npri_list_append(&peer->lending.claims, &claim->of_peer);
    timeout_ms = timeout_ms < NPRI_CLAIM_MS_MAX ? timeout_ms : NPRI_CLAIM_MS_MAX;
    event.deadline_ns = npri_time_after(core, timeout_ms * UINT64_C(1000000));
    core->out_of_memory |= npri_request_accept_claim(core, &event, claim) != NPR_OK;
    return true;
}

bool npri_claim_on_told_claim(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    const bool keep = npr_term_is_atom(elements[3], "true");
    struct npri_claim *claim;
    struct npr_bytes key;
    struct npr_term pid;
    uint64_t timeout_ms;
    uint64_t ref;

    if ((!keep && !npr_term_is_atom(elements[3], "false")) ||
        !npr_term_get_uint64(elements[0], &ref) || !npri_core_normal_key(core, elements[1], &key) ||
        !npri_core_normal_pid(core, elements[2], &pid) ||
        !npr_term_get_uint64(elements[4], &timeout_ms)) {
        return false;
    }
    claim = create(pid, keep);
    if (claim != NULL) {
        claim->peer_ref = ref;
    }
    return accept(core, peer, claim, elements[1], timeout_ms);
}

bool npri_claim_on_told_release(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements)
{
    struct npri_claim *claim;
    struct npr_bytes key;
    uint64_t timeout_ms;
    uint64_t ref;

    if (!npr_term_get_uint64(elements[0], &ref) || !npri_core_normal_key(core, elements[1], &key) ||
        !npr_term_get_uint64(elements[2], &timeout_ms)) {
        return false;
    }
    claim = create((struct npr_term){0}, false);
    if (claim != NULL) {
        claim->peer_ref = ref;
    }
    return accept(core, peer, claim, elements[1], timeout_ms);
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
    not_waiting(core, claim);
    npri_list_remove(&claim->request->waiting);
    return claim;
}

/* The claim of that key and pid that is with its owner, or NULL. */
static struct npri_claim *find_claiming(const struct npri_core *core,
                                        struct npr_bytes key,
                                        struct npr_term pid)
{
    NPRI_LIST_FOREACH (at, &core->claiming) {
        const struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        if (npri_bytes_equal(npri_shared_bytes(request->key), key) &&
            is_claimed(request->claim, pid)) {
            return request->claim;
        }
    }
    return NULL;
}

/* The owner has consented to what nobody wants any more, and must not believe that it is here; but
 * when the same is claimed anew, only what comes of that tells. */
static void give_back(struct npri_core *core,
                      struct npri_peer *owner,
                      struct npr_bytes key,
                      struct npr_term pid)
{
    struct npri_claim *anew = find_claiming(core, key, pid);

    if (anew == NULL) {
        npri_push_word(core, owner, key, pid);
    } else {
        anew->consented = true;
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
    if (claim == NULL) {
        give_back(core, peer, key, pid);
        return true;
    }
    put_own(core, claim->request, token);
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
    if (claim != NULL && is_claimed(claim, living.pid) && lives_here(core, living.pid)) {
        put_own(core, claim->request, living.token); /* By a consent that did not reach us. */
    } else if (claim != NULL) {
        npri_request_answer_claim(core, claim->request,
                                  is_claimed(claim, living.pid) ? NPR_OK : NPR_EEXIST, &living);
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
        npri_request_answer_failed(core, claim->request, read_status(elements[1]), text);
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
