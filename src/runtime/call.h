/* runtime/call.h - calls between processes: npr_call(), and what becomes of it.
 *
 * To a process of another node a call is what gen_server:call sends: a monitor and a message, whose
 * reply comes to the monitor's reference as an alias.  Between processes of this node it is one
 * signal each way:
 *
 *      caller                             callee
 *      open call --CALL, number-------->  its callback, as a gen_server:call
 *      answered  <--ANSWER--------------- npr_reply() inside the callback
 *                                         else, when it returns: WATCHED by the caller
 *      answered  <--ANSWER--------------- npr_reply() later, not WATCHED any more
 *      answered  <--DOWN----------------- its end, while it is WATCHED
 *      overdue   --DEMONITOR----------->  not WATCHED any more
 *
 * So a callee that answers at once keeps nothing, and one that does not cannot die unnoticed.  A
 * call that meets a dead process, or waits in the mailbox of one that ends, comes back as its
 * ANSWER.
 *
 * In both cases the call goes by a reference of the caller's node, in which the caller and the
 * number are written.  An answer whose call is not open is late, and is dropped. */
#ifndef NPRI_RUNTIME_CALL_H
#define NPRI_RUNTIME_CALL_H

#include "runtime/alarms.h"
#include "runtime/internal.h"
#include "runtime/open_calls.h"

/* Of a process that has called.  One alarm for all of its calls: it is set again when it goes off,
 * not with each call. */
struct npri_calls {
    struct npri_open_calls open;
    struct npri_alarm *alarm;
    bool lent;       /* the alarm is armed or on its way here */
    uint64_t due_ns; /* what it is armed for; meaningful while lent */
};

/* The reference of a call has the caller and the number in it.  [alias|Ref], the mark of a call,
 * written to `out`; and the reference in such a tag: none when it is another one. */
#define NPRI_CALL_TAG_BYTES_MAX (12u + NPRI_IDENTITY_BYTES_MAX)
struct npr_term npri_call_tag(const struct npri_runtime *runtime,
                              struct npri_local caller,
                              uint32_t number,
                              uint8_t out[NPRI_CALL_TAG_BYTES_MAX]);
struct npr_term npri_call_tag_ref(struct npr_term tag);

/* A CALL came: runs the callback. */
enum npri_verdict npri_process_on_call(struct npr_process *process, struct npri_signal *signal);

/* The same call as a message, WATCHED, for who takes messages only.  NULL: no memory. */
struct npri_signal *npri_call_expand(struct npr_process *process, const struct npri_signal *signal);

/* A reply to a tag that is the mark of a local call: false when it is none.  `*out_status`: NPR_OK,
 * NPR_ENOMEM. */
bool npri_call_reply(struct npr_process *process,
                     struct npr_term tag,
                     struct npr_term reply,
                     npr_status *out_status);

/* A message to one of our references: becomes an ANSWER if it is of a call; false: it is not. */
bool npri_call_from_alias(const struct npri_runtime *runtime,
                          struct npri_signal *signal,
                          struct npri_local *out_caller);

#endif /* NPRI_RUNTIME_CALL_H */
