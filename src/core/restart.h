/* core/restart.h - what becomes of a key whose process has ended: started again in its place, or
 * let go.  Pure.
 *
 *     STARTED with a rule --> the entry has a restart record: it is supervised
 *         |--the process ends, and its rule does not mind: the entry goes
 *         |--it ends otherwise: RESTARTING, a start without a look around (core/start.h), at once;
 *         |    who wants the key meanwhile waits for it
 *         |        |--STARTED ok--> an entry with the same record, a new pid and a new token
 *         |        |--STARTED failed--> as if it had ended once more
 *         |--more than `max` restarts within `window_ns`: the entry goes, with a line that says so
 *         +--unregistered, or the key given to another pid: the record goes
 *
 * The record belongs to the one key that the process was started for; other keys that were
 * registered for it go with it.  docs/decisions/restart.md says why all this is as it is. */
#ifndef NPRI_CORE_RESTART_H
#define NPRI_CORE_RESTART_H

#include "core/core.h"
#include "core/shared.h"

struct npri_restart {
    struct npri_restart_rule rule;
    struct npri_shared *function;
    uint32_t count;   /* restarts so far, at most rule.max */
    uint32_t next;    /* in `at_ns`: where the next one goes, and the oldest is once it is full */
    uint64_t at_ns[]; /* of the last rule.max restarts */
};

/* What `rule` and `function` make, which it becomes a holder of; NULL when out of memory. */
struct npri_restart *npri_restart_create(const struct npri_restart_rule *rule,
                                         struct npri_shared *function);
void npri_restart_destroy(struct npri_restart *restart); /* accepts NULL */

/* The process of that pid has ended: its entries go, or are restarted. */
void npri_restart_on_down(struct npri_core *core, struct npr_term pid, struct npr_term reason);

/* Whether one more restart now is within the limit; if so it counts. */
bool npri_restart_admit(struct npri_restart *restart, uint64_t now_ns);

/* One line: the key is not restarted any more. */
void npri_restart_log_end(struct npri_core *core,
                          const struct npri_restart *restart,
                          struct npr_term key,
                          struct npr_bytes reason);

#endif /* NPRI_CORE_RESTART_H */
