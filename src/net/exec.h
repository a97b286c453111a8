/* net/exec.h - a child program, from nothing to running, without a moment in which it could be
 * lost.
 *
 * Made by clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD), as posix_spawn() does it, since
 *   - it must be bound to this thread's life before it runs (PR_SET_PDEATHSIG, which posix_spawn
 *     and libuv have no way to set), so that no child outlives the node, however that ends;
 *   - its end is told by a descriptor of its own: the library installs no handler for SIGCHLD, and
 *     waits for nobody else's children;
 *   - nothing is copied, however large the program is.
 *
 * The child has: the three pipes as 0, 1 and 2 and no other descriptor, a session and process group
 * of its own, no signal blocked, ignored or handled, and exactly `envp`. */
#ifndef NPRI_NET_EXEC_H
#define NPRI_NET_EXEC_H

#include <stdbool.h>
#include <sys/types.h>

#include "nprocreg/error.h"

struct npri_exec {
    pid_t pid; /* and process group; reserved until it is reaped */
    int pid_fd;
    int input_fd;  /* writes to its 0; like the others not blocking, and close-on-exec */
    int output_fd; /* reads its 1 */
    int errors_fd; /* reads its 2 */
};

/* What to run: both end with NULL. */
struct npri_program {
    char *const *argv;
    char *const *envp;
};

/* Starts the program `argv[0]`, a path when it has a slash, else looked for in the PATH of `envp`.
 * No shell is involved.  The child is killed when the calling thread ends.
 *
 * Returns NPR_OK and `*out`, whose descriptors belong to the caller, or NPR_EINVAL (no such
 * program, or it cannot be run), NPR_EFULL (no descriptors or processes left), NPR_ENOMEM, NPR_EIO;
 * then there is no child. */
NPR_NODISCARD npr_status npri_exec_start(const struct npri_program *program,
                                         struct npri_exec *out,
                                         struct npr_error *err);

struct npri_exec_end {
    enum {
        NPRI_EXEC_EXITED, /* value: its exit status */
        NPRI_EXEC_KILLED, /* value: the signal */
        NPRI_EXEC_STOLEN, /* somebody else in this program waited for it: nothing is known */
    } how;
    int value;
};

/* Its end, once `pid_fd` is readable: kills what is left of its process group, then reaps it.
 * False: it has not ended.  With `wait` it blocks until it has. */
bool npri_exec_reap(const struct npri_exec *child, bool wait, struct npri_exec_end *out);

/* To its whole process group; it must not be reaped yet. */
void npri_exec_signal(const struct npri_exec *child, int number);

#endif /* NPRI_NET_EXEC_H */
