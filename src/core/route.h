/* core/route.h - which way a request goes, by what is wanted and whose the key is.  Pure.
 *
 * The ways are the states of core/requests.h.  A request that has lost what it waited for comes
 * here again.
 *
 * What an owner says: it is settled when every native node of its view has told what it holds. Then
 * its "no" is final, one round trip for whoever asks.  Else it is not, and the others are asked. */
#ifndef NPRI_CORE_ROUTE_H
#define NPRI_CORE_ROUTE_H

#include "core/requests.h"

/* A GET or a START came.  Returns NPR_OK (an answer follows) or NPR_ENOMEM (none does). */
NPR_NODISCARD npr_status npri_request_accept(struct npri_core *core,
                                             const struct npri_core_event *event);

/* REGISTER and UNREGISTER.  Takes `claim` over, also on failure.  NPR_OK or NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_request_accept_claim(struct npri_core *core,
                                                   const struct npri_core_event *event,
                                                   struct npri_claim *claim);

/* It waits for nothing: it is answered, or waits for something from now on; maybe only for its turn
 * (core/held.h). */
void npri_request_route(struct npri_core *core, struct npri_request *request);

/* This is its turn. */
void npri_request_take_turn(struct npri_core *core, struct npri_request *request);

/* It waits for what others say of the key. */
void npri_request_look(struct npri_core *core,
                       struct npri_request *request,
                       struct npri_peer *first,
                       enum npri_lookup_scope scope);

/* Its lookup ended; `found` is NULL when nobody has the key. */
void npri_request_on_looked(struct npri_core *core,
                            struct npri_request *request,
                            const struct npri_activation *found);

/* Nobody can own its key: that is its answer. */
void npri_request_fail_ownerless(struct npri_core *core, struct npri_request *request);

#endif /* NPRI_CORE_ROUTE_H */
