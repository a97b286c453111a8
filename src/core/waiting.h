/* core/waiting.h - requests that wait (core/requests.h): what they wait for has come, or will not,
 * or is decided anew by another view.  Pure. */
#ifndef NPRI_CORE_WAITING_H
#define NPRI_CORE_WAITING_H

#include "core/requests.h"

/* ---- What they wait for.  Each leaves `waiting` empty. */

/* It is there: answers all. */
void npri_requests_answer_all(struct npri_core *core,
                              struct npri_link *waiting,
                              const struct npri_activation *activation);

/* It has failed: so have all that asked for a start.  The others find their way anew. */
void npri_requests_fail_all(struct npri_core *core,
                            struct npri_link *waiting,
                            npr_status status,
                            struct npr_bytes text);

/* It will not come: each finds its way anew. */
void npri_requests_route_all(struct npri_core *core, struct npri_link *waiting);

/* The same, in a moment, or with the next view. */
void npri_requests_hold_all(struct npri_core *core, struct npri_link *waiting);

/* ---- The view. */

/* A marker has come. */
void npri_requests_on_marker(struct npri_core *core);

/* What some node has told is void: what rests on that begins anew. */
void npri_requests_look_again(struct npri_core *core);

/* Our epoch is another: what rests on the one before begins anew. */
void npri_requests_on_view(struct npri_core *core);

#endif /* NPRI_CORE_WAITING_H */
