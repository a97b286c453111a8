/* runtime/relay.h - calls that a process which forwards (forward.h) has passed on, and their
 * answers, which come back through it.
 *
 * A call names who is to be answered: {Pid,Tag}.  The process that has the key may be unable to
 * reach that one: a client listens nowhere, and has connections only to the nodes that it has asked
 * something.  So the call goes on with a tag of ours instead of its own, by which the answer comes
 * here, and then goes where the call came from.  Pid stays: who calls is no secret.
 *
 *      caller                    the process that forwards             the one that has the key
 *      MONITOR, ref ----------->  WATCHED
 *      {Pid,Tag of ref}, asks -->  RELAYED, our tag and Tag  {Pid,our tag}, asks -->
 *      Tag, answer <-------------  RELAYED no more              <-- our tag, answer
 *      DEMONITOR, ref ---------->  WATCHED no more
 *
 * What is a call here: the caller monitors the process that it calls by the reference of the call,
 * as gen_server:call and npr_call() do, and hears of its end that way.  Whatever else asks for an
 * answer is a message like others, and is passed on as it is.  A call is forgotten when it is
 * answered, when its caller does not monitor any more (its time is up), or is lost: so there are
 * never more of them than there are monitors.
 *
 * It is passed on once, whatever comes.  Its worker, in its turns. */
#ifndef NPRI_RUNTIME_RELAY_H
#define NPRI_RUNTIME_RELAY_H

#include "runtime/internal.h"

/* A message goes on to `target`.  AGAIN: no memory. */
enum npri_verdict npri_relay_pass_on(struct npr_process *process,
                                     struct npr_term target,
                                     struct npr_term message);

/* ANSWER; it may be one to a call of the process's own, from before.  AGAIN: no memory. */
enum npri_verdict npri_relay_on_answer(struct npr_process *process,
                                       const struct npri_signal *signal);

/* DEMONITOR, which takes back `watched`: nobody waits any more for the call that goes with it. */
void npri_relay_unwatch(struct npr_process *process, const struct npri_relation *watched);

/* So many of the process's calls are not to be answered any more: what was kept of them is gone. */
void npri_relay_lose(struct npr_process *process, uint32_t calls);

/* Tells links and monitors of the end: when it has lost, but for those of calls that wait here;
 * when its time is over, but for those of calls that were passed on.  False: no memory, some are
 * left. */
bool npri_relay_announce_loss(struct npr_process *process);
bool npri_relay_announce_over(struct npr_process *process);

#endif /* NPRI_RUNTIME_RELAY_H */
