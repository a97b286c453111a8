/* core/grabbed.h - starts that threads of the program have begun by themselves (core/grant.h): met
 * by the core, they are starts in flight like any other (core/start.h).  Pure. */
#ifndef NPRI_CORE_GRABBED_H
#define NPRI_CORE_GRABBED_H

#include "core/starts.h"

/* Whether a thread of the program does the start of `key`: it may have been answered already. */
bool npri_start_is_grabbed(const struct npri_core *core, const struct npri_shared *key);

/* A thread of the program may be starting the key by itself: then that is a start in flight from
 * here on.  False: it is, but there is no memory for that: nothing is to be decided of the key now.
 */
bool npri_start_meet(struct npri_core *core, struct npri_shared *key);
void npri_start_on_grabbed(struct npri_core *core, const struct npri_core_event *event);

/* From here on none may begin to, until the key is opened again; who has begun is met.  A copy of
 * the key; NULL: no memory, and it is not closed. */
struct npri_shared *npri_start_close(struct npri_core *core, struct npr_bytes key);
void npri_start_open(struct npri_core *core, struct npri_shared *key);

/* ---- core/start.c, whose start has marked the key already. */

/* Whether a thread has begun it, too. */
bool npri_start_find_grab(const struct npri_core *core,
                          const struct npri_shared *key,
                          struct npri_grabbed *out);

/* `start` is new, or has not begun: what the thread does is what it does.  False: no memory. */
bool npri_start_adopt(struct npri_core *core,
                      struct npri_start *start,
                      const struct npri_grabbed *grabbed);

#endif /* NPRI_CORE_GRABBED_H */
