/* runtime/forward.h - processes that give their key up: to one that was started in their place on
 * another node (they are moved), or to one that has lived beside them (they lose a conflict).
 *
 *      LIVE --HANDOVER, a state--> HANDING --MOVED: to whom--> MOVES
 *                                    |  <--MOVED: none, it failed-- LIVE
 *      LIVE --HANDOVER, no state--> MOVES         (a command: once it has answered all calls)
 *      LIVE --CONFLICT, exit------> LOSES
 *      LIVE --CONFLICT, notify----> LIVE
 *
 *      MOVES --terminate--> FORWARDING
 *      LOSES --terminate--> told to the registry, links and monitors --> FORWARDING, for a time
 *            --then, calls are not answered yet--> OWES --the last answer--> ended
 *
 * A process that is FORWARDING runs no code of its own.  It is dead for everybody but its senders:
 * what they send goes to the process that has the key, in order, what was in its mailbox first.
 *
 *      signal          | moved                            | has lost
 *      ----------------+----------------------------------+----------------------------------------
 *      message         | goes on                          | the same
 *      call            | goes on, and the reply comes     | the same
 *                      | back here (relay.h)              |
 *      exit signal     | goes on, as exit(Pid, Reason)    | dropped: it has ended
 *      link, monitor   | stays: no end is told while the  | those of before were told its end; new
 *                      | other process lives              | ones stay, and those of calls that
 *                      |                                  | go on
 *
 * It monitors the other process, and ends with its reason: then its links and monitors are told.
 * So who monitors the old pid and calls it, as gen_server:call does, hears of the end of the one
 * that really answers.  One that has lost ends after its time, with its own reason; but for who
 * waits for the answer to a call that went on, and until that has come: it OWES.
 *
 * One that moved without a state has nobody to forward to at first.  When something comes, it asks
 * for somebody (options.wanted), and what comes waits until MOVED.
 *
 * It costs what it cost before: the process stays, with the room of its state.  All that happens
 * here happens on its worker, in its turns.
 *
 * runtime/conflict.h and runtime/handover.h are what comes before MOVES and LOSES, this is what
 * comes then. */
#ifndef NPRI_RUNTIME_FORWARD_H
#define NPRI_RUNTIME_FORWARD_H

#include "runtime/internal.h"

/* Instead of its end, of one that MOVES; and when the end of one that LOSES has been told to the
 * registry: it is FORWARDING, or tries again at its next turn.  False: the runtime stops. */
bool npri_forward_instead_of_end(struct npr_process *process);
bool npri_forward_after_end(struct npr_process *process);

bool npri_forward_is_on(const struct npr_process *process);

/* One turn.  True: it has ended, and is freed. */
bool npri_forward_turn(struct npr_process *process);

#endif /* NPRI_RUNTIME_FORWARD_H */
