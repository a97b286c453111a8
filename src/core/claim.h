/* core/claim.h - registering and unregistering with the consent of the key's owner: a claim, and
 * what it comes to.  Pure.
 *
 *     REGISTER here --> own table, else the owner's word:
 *         the owner is this node: DECIDED here
 *         a native node: {claim, Ref, Key, Pid, Keep, TimeoutMs} --> it decides, and answers
 *             {claimed, Ref, Key, Pid, Token}   the entry is to be made, with that token; its
 *                 push confirms it, else {declined, Key, Token} says that it is not wanted any more
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
 * one means nothing.  But the owner that was asked may carry it out until it has heard of that
 * epoch: so nothing is decided of it here before the others have acknowledged that they have.
 *
 * Many at once: an owner that has NPRI_CLAIMS_ASKED_BYTES_MAX to answer is asked no more; the rest
 * waits in order on the node that asks, until it has answered some.  So no claim of a node that
 * keeps to this finds the owner's room for the claims of each peer (NPRI_CLAIMS_BYTES_MAX) full;
 * what does is refused with `moved`, and comes again.
 *
 * core/register.h is the side of the node that registers, core/consent.h that of the owner; the
 * first calls the second when it is the owner itself, and both end their claims here. */
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
    uint64_t epoch;    /* ours, in which it was asked, or in which others were looked at */
    bool release;      /* else it registers */
    bool keep;         /* another process's entry stays */
    uint64_t looked;   /* core->looks when nobody else had it, in `epoch`; 0: not yet */
    bool asked;        /* of an owner that may carry it out yet, though it is asked no more */
    size_t bytes;      /* that it costs, with its request; */
    bool cast;         /* charged to casts, since nobody waits for it, */
    bool lent;         /* or to the peer whose claim it is */
    uint32_t pid_size; /* of a release: what is being dropped; 0: nothing yet */
    uint8_t pid[NPRI_PID_BYTES_MAX];
};

/* What it costs, with its request. */
size_t npri_claim_cost(struct npr_term key);

/* What registers `pid` (or, when that has no data, a release).  NULL: no memory. */
struct npri_claim *npri_claim_create(struct npr_term key, struct npr_term pid, bool keep);

/* Its request ends.  Accepts NULL. */
void npri_claim_destroy(struct npri_core *core, struct npri_claim *claim);

/* The answer of the owner that was asked, if any, means nothing any more. */
void npri_claim_forget_owner(struct npri_core *core, struct npri_claim *claim);

/* The pid that is claimed (of a release: that is being dropped, or an empty term). */
struct npr_term npri_claim_pid(const struct npri_claim *claim);
bool npri_claim_is_of(const struct npri_claim *claim, struct npr_term pid);

/* Whether a release means the entry of `pid`: not what has come since it had another one dropped.
 */
bool npri_claim_releases(const struct npri_claim *claim, struct npr_term pid);

/* ---- What it comes to: each ends the request, or has it wait for what is in the way. */

/* It is so: `living` has the key, or nothing when it was released. */
void npri_claim_succeed(struct npri_core *core,
                        struct npri_request *request,
                        const struct npri_activation *living);

/* Another process has the key. */
void npri_claim_refuse_taken(struct npri_core *core,
                             struct npri_request *request,
                             const struct npri_activation *living);

/* This node's own claim: its entry is made, with `token`.  False: no memory for it. */
bool npri_claim_put_own(struct npri_core *core, struct npri_request *request, uint64_t token);

/* Somebody has the key: what its request was waiting for has ended with that. */
void npri_claim_on_found(struct npri_core *core,
                         struct npri_request *request,
                         const struct npri_activation *found);

/* ---- Answers to a peer's claim.  The request goes on. */

/* It is to make the entry, with `token`: to be queued.  NULL: no memory. */
struct npri_effect *npri_claim_make_claimed(struct npri_core *core,
                                            const struct npri_request *request,
                                            uint64_t token);

/* It has come to nothing. */

void npri_claim_tell_failed(struct npri_core *core,
                            const struct npri_claim *claim,
                            npr_status status,
                            struct npr_bytes text);
void npri_claim_tell_unclaimed(struct npri_core *core,
                               const struct npri_claim *claim,
                               const char *status,
                               struct npr_bytes text);

/* The status that such an answer names. */
npr_status npri_claim_read_status(struct npr_term name);

#endif /* NPRI_CORE_CLAIM_H */
