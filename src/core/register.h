/* core/register.h - the side of a claim (core/claim.h) that wants it: what registers and
 * unregisters here, and the answers of the owners that are asked.  Pure. */
#ifndef NPRI_CORE_REGISTER_H
#define NPRI_CORE_REGISTER_H

#include "core/claim.h"
#include "core/watch.h"

/* What of this node's claims is one owner's affair.  Empty while it is not connected. */
struct npri_asking {
    size_t bytes;           /* of those that it has been asked, and has not answered */
    struct npri_link queue; /* of struct npri_request, CLAIMING: it is asked when there is room */
    struct npri_work work;  /* asks it */
    bool turn;              /* of those that wait */
};

/* REGISTER and UNREGISTER came: NPR_OK (an answer follows, unless `request` is 0), NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_claim_accept(struct npri_core *core,
                                           const struct npri_core_event *event);

/* The request of a claim, ours or a peer's, finds its way. */
void npri_claim_route(struct npri_core *core, struct npri_request *request);

/* Nobody has the key; the lookup of an owner that is not settled. */
void npri_claim_on_looked(struct npri_core *core, struct npri_request *request);

/* What was asked of others in the epoch before, or of one that is lost, is asked anew. */
void npri_claims_on_view(struct npri_core *core);
void npri_claims_on_owner_lost(struct npri_core *core, struct npri_peer *owner);

/* There is room again for some that wait for their turn. */
void npri_claims_work(struct npri_core *core, struct npri_peer *owner);

/* Messages: false when they are none. */
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

#endif /* NPRI_CORE_REGISTER_H */
