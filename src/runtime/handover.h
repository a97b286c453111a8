/* runtime/handover.h - what a process does that is asked for its state (forward.h), until it is
 * told who has its key.  Its worker, in its turns. */
#ifndef NPRI_RUNTIME_HANDOVER_H
#define NPRI_RUNTIME_HANDOVER_H

#include "runtime/internal.h"

/* HANDOVER and MOVED, to a process that is LIVE or HANDING. */
enum npri_verdict npri_handover_on_signal(struct npr_process *process, struct npri_signal *signal);
enum npri_verdict npri_handover_on_moved(struct npr_process *process, struct npri_signal *signal);

/* Whether it has been asked for its state, has none, and owes nobody an answer any more; then it
 * moves: END. */
bool npri_handover_is_due(const struct npr_process *process);
enum npri_verdict npri_handover_move(struct npr_process *process);

/* What has come of operation `operation` of the registry: NPR_OK, with the state or without any; or
 * why there is none.  NPR_ENOMEM: to be said again. */
npr_status npri_handover_tell(struct npr_process *process,
                              uint64_t operation,
                              npr_status status,
                              struct npr_term state);

/* The same for HANDOVER `signal` that comes to nothing.  AGAIN: no memory. */
enum npri_verdict npri_handover_decline(struct npr_process *process,
                                        const struct npri_signal *signal,
                                        npr_status status);

#endif /* NPRI_RUNTIME_HANDOVER_H */
