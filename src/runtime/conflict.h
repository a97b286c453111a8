/* runtime/conflict.h - what a process does that is told to have lost its key (forward.h): its
 * callback runs, what that builds goes to the winner, and it ends, or lives on if its behaviour
 * says so.  Its worker, in its turns. */
#ifndef NPRI_RUNTIME_CONFLICT_H
#define NPRI_RUNTIME_CONFLICT_H

#include "runtime/internal.h"

/* CONFLICT, to a process that is LIVE or HANDING. */
enum npri_verdict npri_conflict_on_signal(struct npr_process *process, struct npri_signal *signal);

#endif /* NPRI_RUNTIME_CONFLICT_H */
