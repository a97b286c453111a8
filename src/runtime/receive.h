/* runtime/receive.h - what a thread process takes when it wants to (nprocreg/thread.h).  Its own
 * thread only.
 *
 * Signals are acted on as for any process, but only inside a receive; what would run a callback is
 * kept instead, in order, until a receive hands it over:
 *
 *      mailbox --take--> todo --acted on--> kept --wanted--> current --next receive--> freed
 *
 * A message counts as waiting until it is handed over. */
#ifndef NPRI_RUNTIME_RECEIVE_H
#define NPRI_RUNTIME_RECEIVE_H

#include "nprocreg/thread.h"

#include "runtime/internal.h"
#include "runtime/thread.h"

/* npr_receive() from here on; `*out` belongs to thread->current.  `deadline_ns`: 0 only looks,
 * UINT64_MAX has no end. */
NPR_NODISCARD npr_status npri_receive_until(struct npri_thread *thread,
                                            uint64_t deadline_ns,
                                            npr_receive_filter filter,
                                            void *user,
                                            struct npr_received *out);

/* When `timeout_ms` from now is over. */
uint64_t npri_receive_deadline_ns(uint32_t timeout_ms);

/* Frees what was handed over last, and all that is kept.  Any thread, once its own has ended. */
void npri_receive_drop(struct npri_thread *thread);

/* Whether `message` is about a call of npr_receive_call() that nobody waits for (receive_call.c).
 */
bool npri_receive_is_late(const struct npri_thread *thread, struct npr_term message);

#endif /* NPRI_RUNTIME_RECEIVE_H */
