/* net/child.h - a child program on the loop: bytes to its standard input, bytes from its standard
 * output and error, its end.  Moves bytes, knows no meaning.  (How it is made: net/exec.h.)
 *
 * Tells its user, on the loop thread: `output` and `errors` any number of times, `drained` each
 * time when all input has been written, `output_ended` at most once, and exactly once, and last,
 * `exited`: then it is reaped, what is left of its process group is killed, and all that it had
 * written has been told.  No callback comes from inside a call. */
#ifndef NPRI_NET_CHILD_H
#define NPRI_NET_CHILD_H

#include "base/bytes.h"
#include "net/exec.h"
#include "net/loop.h"

struct npri_child;

struct npri_child_events {
    void (*output)(void *user, struct npr_bytes bytes); /* borrowed for the callback, like errors */
    void (*errors)(void *user, struct npr_bytes bytes);
    void (*drained)(void *user);
    void (*output_ended)(void *user);
    void (*exited)(void *user, const struct npri_exec_end *end);
};

/* Starts `argv` with the environment `envp`, as npri_exec_start(), which see for what it returns.
 */
NPR_NODISCARD npr_status npri_child_start(struct npri_loop *loop,
                                          const struct npri_program *program,
                                          const struct npri_child_events *events,
                                          void *user,
                                          struct npri_child **out,
                                          struct npr_error *err);

/* Writes `bytes` as soon as the child takes them; what it does not take at once is copied.  After
 * the input is closed, or broken because the child has closed its end, nothing happens.  SIGPIPE
 * must be blocked, as it is in npri_loop_run().  Returns NPR_OK or NPR_ENOMEM: a part of them may
 * have been written. */
NPR_NODISCARD npr_status npri_child_write(struct npri_child *child, struct npr_bytes bytes);

/* Bytes that it has not taken yet. */
size_t npri_child_queued_bytes(const struct npri_child *child);

/* Its standard input ends behind what is queued. */
void npri_child_end_input(struct npri_child *child);

/* Whether its output, and its errors, are read; in the beginning both are.  One that writes and is
 * not read waits in its write.  At its end what it has written is told all the same: at most what a
 * pipe holds. */
void npri_child_read_output(struct npri_child *child, bool on);
void npri_child_read_errors(struct npri_child *child, bool on);

/* No more output: it gets SIGPIPE, or EPIPE, if it writes on. */
void npri_child_close_output(struct npri_child *child);

/* To its process group, unless it has exited. */
void npri_child_signal(struct npri_child *child, int number);

pid_t npri_child_pid(const struct npri_child *child);

/* Gives it up: after `exited`, or, when it has not, it is killed and reaped here and now.  No
 * callback comes after this, and the pointer is gone.  May be called inside a callback.  Accepts
 * NULL. */
void npri_child_close(struct npri_child *child);

#endif /* NPRI_NET_CHILD_H */
