/* nprocreg/thread.h - thread processes: code that blocks, with a thread of its own.
 *
 * A behaviour whose `run` is set (nprocreg/process.h) makes one.  It has the same pids, calls,
 * links, monitors, timers and names as a callback process; it takes what it is sent with
 * npr_receive().
 *
 * Threads: init, run and terminate of one process run on its one thread, with all signals of the
 * program blocked but those of a fault.  Every function here and in nprocreg/process.h may be
 * called there with its `self`, at any depth, and only there: elsewhere those of this header return
 * NPR_EINVAL.  The functions of nprocreg/node.h that block may be called there, too, except
 * npr_node_stop().
 *
 * The end: an exit signal, the end of the node (npr_node_stop() waits for the thread) and an idle
 * time that is over take effect in the next receive, which says NPR_EEXIT; the code must then
 * return from `run`.  It cannot be ended from outside while it does something else.  Until it has
 * returned the process is alive: its links and monitors hear of the end, and its key is free, only
 * when none of its code runs any more. */
#ifndef NPROCREG_THREAD_H
#define NPROCREG_THREAD_H

#include "nprocreg/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A `timeout_ms` without an end. */
#define NPR_FOREVER UINT32_MAX

enum npr_received_kind {
    NPR_RECEIVED_MESSAGE, /* also {'DOWN',..}, and {'EXIT',..} when exits are trapped */
    NPR_RECEIVED_CALL,    /* answer with npr_reply() to `from`, now or later */
    NPR_RECEIVED_CAST,
};

/* What came.  Its terms, `from` too, are borrowed until the next npr_receive(), or until run
 * returns (npr_caller_create() keeps who called). */
struct npr_received {
    enum npr_received_kind kind;
    struct npr_from from; /* of a call */
    struct npr_term term; /* the message, or the request of a call or a cast without what is around
                           * it */
};

/* Whether this is what is wanted.  Must not call a function of this header. */
typedef bool (*npr_receive_filter)(void *user, const struct npr_received *received);

/* Takes the oldest of what waits that `filter` wants (NULL: any), and waits for it up to
 * `timeout_ms` (0: only looks; NPR_FOREVER: no end).  What the filter does not want stays, in
 * order, for later receives; each of them looks at it again, so a receive costs time in proportion
 * to what has been left.  It counts as waiting for the behaviour's mailbox_max.
 *
 * Requests of Erlang's sys and io are answered in here, as for any process.
 *
 * Returns NPR_OK and `*out`, or
 *   NPR_ETIMEDOUT  nothing that is wanted was there when the time was over: never before it is;
 *   NPR_EEXIT      the process has been ended: return from run.  Every later receive says so again;
 *   NPR_ENOMEM     something could not be made ready; nothing is lost, receive again;
 *   NPR_EINVAL     `self` is no thread process, or not inside its run, or this is another thread,
 * or a filter. */
NPR_API NPR_NODISCARD npr_status npr_receive(struct npr_process *self,
                                             uint32_t timeout_ms,
                                             npr_receive_filter filter,
                                             void *user,
                                             struct npr_received *out);

/* gen_server:call to a process anywhere, with this process as the caller: by its pid, or by its
 * registered name.  Waits up to `timeout_ms`; what comes meanwhile stays for later receives, and
 * what was last received stays valid.  The reply is appended to `reply` as one element, also for
 * NPR_EEXIT, where it is the exit reason.  An answer that comes too late is dropped.
 *
 * Returns NPR_OK, NPR_ETIMEDOUT (no answer; the call may yet be carried out), NPR_ENOPROC (no such
 * process; it was not carried out), NPR_EEXIT (the process that was called ended before it
 * answered), NPR_EUNREACHABLE (the connection to its node), NPR_ECLOSED (this process itself has
 * been ended: return from run), NPR_EINVAL (as npr_receive(); the address, the request or the
 * builder; a call to itself) or NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_receive_call(struct npr_process *self,
                                                  const struct npr_address *to,
                                                  struct npr_term request,
                                                  uint32_t timeout_ms,
                                                  struct npr_builder *reply,
                                                  struct npr_error *err);

/* A descriptor to poll() together with sockets: readable when npr_receive() has something new to
 * look at.  It may be nothing that concerns the code, so receive with `timeout_ms` 0 until
 * NPR_ETIMEDOUT; after that it is readable again only once more has come.  The library makes it at
 * the first call, reads and writes it, and closes it when run has returned.  Returns it, or a
 * negative npr_status: NPR_EINVAL (as npr_receive()), NPR_EFULL (no descriptor is left). */
NPR_API int npr_receive_fd(struct npr_process *self);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_THREAD_H */
