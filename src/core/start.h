/* core/start.h - starting a process for a key on this node: one start in flight per key.  Pure.
 *
 *     begin --> LOOKING (those that may have it and have not told, in parallel; nobody, as a rule)
 *                  |--found--> all who wait get that pid
 *                  |--not agreed, or another's key by now--> all who wait find their way anew
 *                  +--nothing--> STARTING --STARTED ok--> entry, monitor, all who wait get the pid
 *                                    |--STARTED failed--> all who wait get the reason
 *                                    +--NPRI_START_NS_MAX--> given up; a pid that comes after that
 *                                                            is discarded (the node below reports
 *                                                            on every start that it can; this is
 *                                                            for what it cannot see)
 *
 * A restart (core/restart.h) begins with STARTING: it takes the place of a process that was here.
 * When it fails it is tried again, as long as its rule admits it.
 *
 * A handover (core/drain.h) begins with STARTING, too: what lives at the node that leaves is what
 * it replaces.
 *
 * A start that is STARTING goes on when the key becomes another node's: that one is told that it is
 * busy (core/push.h), and then what has come of it.  Every request for its key waits for it, those
 * that only look as well.
 *
 * The start outlives the requests that wait for it: a process that came too late for all of them
 * lives, and has its entry.
 *
 * core/starts.h has the table of those in flight; core/grabbed.h those that threads of the program
 * begin by themselves. */
#ifndef NPRI_CORE_START_H
#define NPRI_CORE_START_H

#include "core/starts.h"

/* `request` waits for the start that is in flight for its key, or begins one: this node is the
 * agreed owner. */
void npri_start_join(struct npri_core *core, struct npri_request *request);

/* The view, or what some node holds, is another: starts that are LOOKING begin anew, if the key is
 * ours still. */
void npri_starts_look_again(struct npri_core *core);

/* The process of that key has ended: it is started again.  Takes `restart` over; without memory the
 * key is let go, with a line in the log. */
void npri_start_again(struct npri_core *core, struct npri_restart *restart, struct npr_term key);

/* Another process is registered under the key while it is started. */
void npri_start_overtake(struct npri_core *core, struct npr_bytes key);

/* A node that leaves hands the key over to us, its next owner: it is started at once.  `taking` is
 * told what comes of it. */
void npri_start_take_over(struct npri_core *core,
                          struct npr_bytes key,
                          struct npr_term function,
                          struct npr_term state,
                          const struct npri_taking *taking);

/* The key is let go: the process that is being started is not wanted, who waits for it looks on. */
void npri_start_cancel_restart(struct npri_core *core, struct npr_bytes key);

void npri_start_on_looked(struct npri_core *core,
                          struct npri_start *start,
                          const struct npri_activation *found);
void npri_start_on_started(struct npri_core *core, const struct npri_core_event *event);
void npri_start_on_time(struct npri_core *core, struct npri_start *start);

#endif /* NPRI_CORE_START_H */
