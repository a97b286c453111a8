#include "core/consent.h"

#include "base/limits.h"
#include "core/faults.h"
#include "core/native.h"
#include "core/state.h"

/* Why a claim is refused that a peer has no more room for, and how often the log says so. */
#define FULL        "too many of its registrations wait here"
#define FULL_LOG_NS (UINT64_C(60) * 1000 * 1000 * 1000)

/* ---- Deciding: this node is the agreed owner. */

/* The peer may have it.  That is noted before it hears of it, and it hears of it before anybody who
 * has waited may take it away again.  What it has of the key already is known until then: all that
 * may lack memory is made first. */
static void grant_peer(struct npri_core *core, struct npri_request *request, uint64_t token)
{
    const struct npri_claim *claim = request->claim;
    struct npri_shared *key = npri_shared_acquire(request->key);
    const struct npri_activation living = {.pid = npri_claim_pid(claim), .token = token};
    struct npri_effect *claimed = npri_claim_make_claimed(core, request, token);
    struct npri_link waiting;

    npri_list_init(&waiting);
    if (claimed != NULL &&
        npri_lead_consent(core, claim->peer, npri_shared_bytes(key), &living, &waiting)) {
        npri_effects_queue(&core->effects, claimed);
        (void)npri_directory_remove(&core->directory, npri_shared_bytes(key)); /* if it is here */
        npri_request_end(core, request);
    } else {
        npri_effect_destroy(claimed);
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
    }
    npri_requests_route_all(core, &waiting);
    npri_shared_release(key);
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
        (void)npri_claim_put_own(core, request, token);
    } else {
        grant_peer(core, request, token);
    }
}

/* Whether all that may have the key have told, or were asked in this epoch. */
static bool is_known(const struct npri_core *core, const struct npri_claim *claim)
{
    return NPRI_FAULT(CLAIM_UNASKED) || npri_leads_know_all(core) ||
           (claim->looked == core->looks && claim->epoch == npri_views_epoch(core));
}

/* Nothing that is there is in the way, if that is all.  What another host is starting would come
 * after this with a lower token: so that is waited for, and whoever has not told is asked. */
static void conclude(struct npri_core *core, struct npri_request *request)
{
    struct npri_claim *claim = request->claim;
    struct npri_lead *busy =
        npri_lead_find_busy(core, npri_shared_bytes(request->key), claim->peer);
    const struct npri_activation nothing = {0};

    if (busy != NULL) {
        npri_request_wait_for_lead(core, request, busy);
    } else if (npri_members_settling(core) && !request->held_enough) {
        npri_request_hold(core, request, NPRI_HOLD_SETTLING);
    } else if (!npri_views_agreed(core)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT);
    } else if (!is_known(core, claim) && (claim->keep || !npri_leads_settled(core))) {
        claim->epoch = npri_views_epoch(core);
        npri_request_look(core, request, NULL, NPRI_LOOKUP_UNMARKED);
    } else if (claim->release) {
        npri_claim_succeed(core, request, &nothing);
    } else {
        grant(core, request); /* An original's entry cannot be taken from it. */
    }
}

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

    if (lead->set->peer == claim->peer && !claim->release &&
        (!claim->keep || npri_lead_means(lead, npri_claim_pid(claim)))) {
        conclude(core, request); /* The host itself puts another over it, or asks for it again. */
        return;
    }
    if (lead->busy) {
        npri_request_wait_for_lead(core, request, lead);
        return;
    }
    living = npri_lead_activation(lead);
    if (claim->release ? !npri_claim_releases(claim, living.pid)
                       : npri_claim_is_of(claim, living.pid)) {
        npri_claim_succeed(core, request, &living);
    } else if (claim->keep) {
        npri_claim_refuse_taken(core, request, &living);
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
        if (npri_claim_releases(claim, own.pid)) {
            (void)npri_directory_remove(&core->directory, key);
        }
        npri_claim_succeed(core, request, &own);
    } else if (npri_claim_is_of(claim, own.pid)) {
        npri_claim_succeed(core, request, &own);
    } else if (claim->keep) {
        npri_claim_refuse_taken(core, request, &own);
    } else {
        conclude(core, request);
    }
    return true;
}

void npri_claim_decide(struct npri_core *core, struct npri_request *request)
{
    const struct npri_claim *claim = request->claim;
    struct npri_lead *lead = npri_lead_find(core, npri_shared_bytes(request->key));

    if (decide_on_own(core, request)) {
        return;
    }
    if (npri_start_find(core, request->key) != NULL && (claim->keep || claim->peer != NULL)) {
        npri_start_wait(core, request); /* What is put over it here is put at once. */
    } else if (lead != NULL) {
        decide_on_lead(core, request, lead);
    } else {
        conclude(core, request);
    }
}

bool npri_claim_on_told_declined(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements)
{
    struct npr_bytes key;
    uint64_t token;

    if (!npri_core_normal_key(core, elements[0], &key) ||
        !npr_term_get_uint64(elements[1], &token)) {
        return false;
    }
    npri_lead_on_declined(core, peer, key, token);
    return true;
}

/* ---- A peer's claims. */

void npri_claim_route_of_peer(struct npri_core *core, struct npri_request *request)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(request->key), NULL);

    if (!npri_views_agreed(core) || !npri_views_same(core, request->claim->peer)) {
        npri_request_hold(core, request, NPRI_HOLD_AGREEMENT); /* With the asker, too. */
    } else if (owner == NULL || !owner->self) {
        npri_claim_tell_unclaimed(core, request->claim, "moved", (struct npr_bytes){0});
        npri_request_end(core, request);
    } else {
        npri_claim_decide(core, request);
    }
}

void npri_claims_on_peer_epoch(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_link *at;

    while ((at = npri_list_take(&peer->lending.claims)) != NULL) {
        npri_request_end(core, NPRI_CONTAINER_OF(at, struct npri_claim, of_peer)->request);
    }
}

static void log_full(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->lending.full_ns != 0 && core->now_ns - peer->lending.full_ns < FULL_LOG_NS) {
        return;
    }
    peer->lending.full_ns = core->now_ns;
    npri_core_log_node(core, NPRI_LOG_WARNING, "claims_refused", &peer->name, FULL);
}

/* Takes `claim`, which may be NULL for lack of memory, over as one of the peer's, if there is room
 * for it. */
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
    if (claim->bytes > NPRI_CLAIMS_BYTES_MAX - peer->lending.claims_bytes) {
        npri_claim_tell_unclaimed(core, claim, "moved", npr_bytes_of(FULL));
        npri_claim_destroy(core, claim);
        log_full(core, peer);
        return true;
    }
    claim->lent = true;
    peer->lending.claims_bytes += claim->bytes;
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
    claim = npri_claim_create(elements[1], pid, keep);
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
    claim = npri_claim_create(elements[1], (struct npr_term){0}, false);
    if (claim != NULL) {
        claim->peer_ref = ref;
    }
    return accept(core, peer, claim, elements[1], timeout_ms);
}
