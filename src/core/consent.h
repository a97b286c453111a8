/* core/consent.h - the owner's side of a claim (core/claim.h): whether it consents.  Pure.
 *
 * Its own claims come from core/register.h, those of peers as messages.  Decided is only what is
 * known: what lives here, what the leads say, and when those are not all there, what the nodes say
 * that have not told. */
#ifndef NPRI_CORE_CONSENT_H
#define NPRI_CORE_CONSENT_H

#include "core/claim.h"

/* This node owns the key: consents, refuses, or has the request wait for what it has to know. */
void npri_claim_decide(struct npri_core *core, struct npri_request *request);

/* The request of a peer's claim finds its way. */
void npri_claim_route_of_peer(struct npri_core *core, struct npri_request *request);

/* What the peer has claimed here is void: it asks anew, or is gone. */
void npri_claims_on_peer_epoch(struct npri_core *core, struct npri_peer *peer);

/* Messages: false when they are none. */
bool npri_claim_on_told_claim(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_claim_on_told_release(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements);
bool npri_claim_on_told_declined(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements);

#endif /* NPRI_CORE_CONSENT_H */
