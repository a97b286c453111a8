/* core/claim.h - registering and unregistering with the consent of the key's owner.  Pure.
 *
 *     REGISTER here --> own table, else the owner's word:
 *         the owner is this node: DECIDED here
 *         a native node: {claim, Ref, Key, Pid, Keep, TimeoutMs} --> it decides, and answers
 *             {claimed, Ref, Key, Pid, Token}   the entry is to be made, with that token
 *             {taken, Ref, Pid, Token}          that process has the key
 *             {unclaimed, Ref, Status, Text}    it could not decide; `moved`: it is not the owner
 *         an original: put into our own table, as originals do
 *     UNREGISTER here --> own entry: removed; else the owner: {release, Ref, Key, TimeoutMs} -->
 *             {released, Ref}                   there is no such entry any more
 *
 * Deciding, at the owner, once it is agreed: an entry or a lead says no (`keep`), or is dropped
 * first; a start in flight and a busy lead are waited for; if some node may have the key and has
 * not told it yet, it is asked.  So two who register one key at once get one answer: the one that
 * decides notes the winner before it answers anyone, as a lead, or an entry of its own.
 *
 * A claim is a request (core/requests.h) with this beside it, held, routed and ended as any other.
 * It holds for one epoch of its node: with the next one it is asked anew, and an answer to the old
 * one means nothing. */
#ifndef NPRI_CORE_CLAIM_H
#define NPRI_CORE_CLAIM_H

#include "base/map.h"
#include "core/effects.h"

struct npri_peer;
struct npri_request;

struct npri_claim {
    struct npri_map_node node; /* by `ref`, while the owner is asked */
    struct npri_link of_peer;  /* a peer's claim */
    struct npri_request *request;
    struct npri_peer *peer; /* whose claim it is; NULL: this node's */
    uint64_t peer_ref;
    struct npri_peer *owner; /* that is asked; meaningful while CLAIMING */
    uint64_t ref;
    uint64_t epoch; /* ours, in which it was asked, or in which others were looked at */
    bool release;   /* else it registers */
    bool keep;      /* another process's entry stays */
    bool looked;    /* nobody else had it in `epoch` */
    bool consented; /* some owner has, to the same in another epoch: it hears what comes of this */
    uint32_t pid_size; /* of a release: what is being dropped; 0: nothing yet */
    uint8_t pid[NPRI_PID_BYTES_MAX];
};

/* REGISTER and UNREGISTER came: NPR_OK (an answer follows, unless `request` is 0), NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_claim_accept(struct npri_core *core,
                                           const struct npri_core_event *event);

/* The request of a claim finds its way. */
void npri_claim_route(struct npri_core *core, struct npri_request *request);

/* Somebody has the key: what its request was waiting for has ended with that. */
void npri_claim_on_found(struct npri_core *core,
                         struct npri_request *request,
                         const struct npri_activation *found);

/* Nobody has; the lookup of an owner that is not settled. */
void npri_claim_on_looked(struct npri_core *core, struct npri_request *request);

/* The answer to a peer's claim that came to nothing. */
void npri_claim_tell_failed(struct npri_core *core,
                            const struct npri_claim *claim,
                            npr_status status,
                            struct npr_bytes text);

/* Its request ends.  Accepts NULL. */
void npri_claim_destroy(struct npri_core *core, struct npri_claim *claim);

/* What the peer has claimed here is void: it asks anew, or is gone. */
void npri_claims_on_peer_epoch(struct npri_core *core, struct npri_peer *peer);

/* What was asked of others in the epoch before, or of one that is lost, is asked anew. */
void npri_claims_on_view(struct npri_core *core);
void npri_claims_on_owner_lost(struct npri_core *core, const struct npri_peer *owner);

/* Messages: false when they are none. */
bool npri_claim_on_told_claim(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_claim_on_told_release(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements);
bool npri_claim_on_told_claimed(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements);
bool npri_claim_on_told_taken(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_claim_on_told_unclaimed(struct npri_core *core,
                                  struct npri_peer *peer,
                                  const struct npr_term *elements);
bool npri_claim_on_told_released(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements);

#endif /* NPRI_CORE_CLAIM_H */
