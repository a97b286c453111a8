/* runtime/outside.h - for behaviours of this library whose work is done outside of the runtime: by
 * a child program, say.  Such a process starts late (when the outside says so), is told of news by
 * a nudge, takes nothing from its mailbox while the outside cannot keep up, and ends late (when the
 * outside is gone), so that nobody hears of its end while something of it still lives.
 *
 *   operation                   | thread
 *   ----------------------------+----------------------------------------------
 *   nudge                       | any, one at a time, and never after the last one
 *   everything else             | the process's worker, inside its callbacks
 *
 *      init: defer_start --> paused --> nudge: started --> LIVE
 *      terminate: linger --> CLOSING --> nudge: let_go --> ENDING
 *
 * While it is CLOSING the process counts as alive: links and monitors still come and are told the
 * reason in the end; messages are dropped; exit signals are ignored, but for `kill`, for which
 * terminate is called once more with reason `killed`. */
#ifndef NPRI_RUNTIME_OUTSIDE_H
#define NPRI_RUNTIME_OUTSIDE_H

#include "runtime/runtime.h"

/* One standing piece of news for one process.  It belongs to whoever made it; the process has it
 * from npri_nudge() until `run` is called, which is when it may be given again.  Who nudges must
 * make sure that the process is there: the last nudge comes before it lets go. */
struct npri_nudge {
    struct npri_signal signal; /* first: the runtime knows it by this */
    struct npr_process *process;
    /* On the process's worker: a callback like others, in its state.  NPR_ENOMEM: once more, later;
     * while CLOSING what it returns means nothing else, and npr_stop() has no effect. */
    npr_status (*run)(struct npr_process *self, void *state);
};

void npri_nudge_init(struct npri_nudge *nudge,
                     struct npr_process *self,
                     npr_status (*run)(struct npr_process *self, void *state));

/* Needs no memory, never blocks.  What the caller wrote before is seen by `run`. */
void npri_nudge(struct npri_nudge *nudge);

/* In init: its return does not complete the start; the process is paused.  What comes first,
 * npri_process_started() or the end, tells the starter; with the end, terminate is called too. */
void npri_process_defer_start(struct npr_process *self);
void npri_process_started(struct npr_process *self);

/* Whether messages wait in the mailbox, to which its limit and policy apply.  What sys asks is
 * still answered, exit signals still end the process, and it is not idle meanwhile. */
void npri_process_pause(struct npr_process *self, bool paused);

/* Whether its idle time may not end it: it owes somebody an answer. */
void npri_process_keep_awake(struct npr_process *self, bool awake);

/* Sends `message` to a pid, or to the process with a name (an atom), here or, unless it is none, on
 * `node` (an atom); also in terminate and while CLOSING.  NPR_OK, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_process_tell(struct npr_process *self,
                                           struct npr_term to,
                                           struct npr_term node,
                                           struct npr_term message);

/* In terminate: the end is not told until npri_process_let_go(), in a nudge. */
void npri_process_linger(struct npr_process *self);
void npri_process_let_go(struct npr_process *self);

#endif /* NPRI_RUNTIME_OUTSIDE_H */
