#include "net/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"

/* Of the child until it executes: it calls nothing but system calls. */
#define STACK_BYTES         (64u << 10)

#define PATH_DEFAULT        "/usr/local/bin:/usr/bin:/bin"
#define PROGRAM_BYTES_MAX   4096u
#define DESCRIPTORS_MAX     65536u /* tried one by one on kernels without close_range() */

#define FIRST_FREE_FD       3
#define SIGNALS_COUNT       64
#define KERNEL_SIGNAL_BYTES 8 /* of a set of them, on all machines that this runs on */
#define EXIT_NOT_EXECUTED   127

/* A process that ends with the thread that made it. */
struct launch {
    const char *program;
    char *const *argv;
    char *const *envp;
    int fds[3]; /* its own ends, all above 2 */
    pid_t parent;
    int error; /* errno of what failed; written by the child, whose memory is ours */
};

/* The thread sanitizer's clone() takes the child for one with memory of its own, and forgets all
 * other threads.  This is the same function by its other name. */
#ifdef __SANITIZE_THREAD__
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c) */
extern int __clone(int (*run)(void *user), void *stack, int flags, void *user, ...);
#define CLONE __clone
#else
#define CLONE clone
#endif

/* ---- In the child: on its own stack, in our memory, while our thread waits.  It calls the kernel
 * and nothing else: whoever stands between programs and libc (sanitizers do) keeps notes of its
 * own, in our memory, of calls that have returned. */

static void child_reset_signals(void)
{
    /* A kernel's struct sigaction with SIG_DFL, whatever its layout.  Not through libc, which keeps
     * notes of its own, in our memory. */
    static const unsigned long defaults[8];

    for (int number = 1; number <= SIGNALS_COUNT; number++) {
        (void)syscall(SYS_rt_sigaction, number, defaults, NULL, KERNEL_SIGNAL_BYTES);
    }
}

static void child_close_others(void)
{
    if (syscall(SYS_close_range, (unsigned)FIRST_FREE_FD, ~0u, 0u) != 0) {
        for (unsigned fd = FIRST_FREE_FD; fd < DESCRIPTORS_MAX; fd++) {
            (void)syscall(SYS_close, fd);
        }
    }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): clone() says so. */
static int child_main(void *user)
{
    static const unsigned long no_signals[2];
    struct launch *launch = user;

    /* From here on it ends with our thread; if that has ended already, it has another parent. */
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        syscall(SYS_getppid) != launch->parent) {
        launch->error = errno;
        (void)syscall(SYS_exit_group, EXIT_NOT_EXECUTED);
    }
    (void)syscall(SYS_setsid);
    child_reset_signals();
    for (int fd = 0; fd < FIRST_FREE_FD; fd++) {
        if (syscall(SYS_dup3, launch->fds[fd], fd, 0) < 0) {
            launch->error = errno;
            (void)syscall(SYS_exit_group, EXIT_NOT_EXECUTED);
        }
    }
    child_close_others();
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, KERNEL_SIGNAL_BYTES);
    (void)syscall(SYS_execve, launch->program, launch->argv, launch->envp);
    launch->error = errno;
    (void)syscall(SYS_exit_group, EXIT_NOT_EXECUTED);
    return 0;
}

/* ---- The program's file. */

static const char *path_of(char *const *envp)
{
    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, "PATH=", 5) == 0) {
            return *envp + 5;
        }
    }
    return PATH_DEFAULT;
}

static bool is_program(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

static npr_status find_program(const char *name,
                               char *const *envp,
                               char out[PROGRAM_BYTES_MAX],
                               struct npr_error *err)
{
    const size_t name_size = strlen(name);
    const char *at = path_of(envp);

    if (name_size == 0 || name_size >= PROGRAM_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "the program's name is empty or too long");
    }
    if (strchr(name, '/') != NULL) {
        memcpy(out, name, name_size + 1);
        return NPR_OK;
    }
    for (;;) {
        const size_t size = strcspn(at, ":");

        if (size > 0 && size + name_size + 2 <= PROGRAM_BYTES_MAX) {
            memcpy(out, at, size);
            out[size] = '/';
            memcpy(out + size + 1, name, name_size + 1);
            if (is_program(out)) {
                return NPR_OK;
            }
        }
        if (at[size] == '\0') {
            return npri_fail(err, NPR_EINVAL, "%.200s: no such program in PATH", name);
        }
        at += size + 1;
    }
}

/* ---- Pipes. */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

/* `ours` and `its` are the ends of a new pipe; its own is not among 0, 1 and 2, where it would be
 * in the way of the others. */
static bool open_pipe(int *ours, int *its, bool it_reads)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    *ours = ends[it_reads ? 1 : 0];
    *its = ends[it_reads ? 0 : 1];
    if (*its < FIRST_FREE_FD) {
        const int moved = fcntl(*its, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

        if (moved < 0) {
            return false;
        }
        (void)close(*its);
        *its = moved;
    }
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static npr_status fail_errno(struct npr_error *err, const char *doing, int code)
{
    const bool full = code == EMFILE || code == ENFILE || code == EAGAIN;
    char text[64];
    const char *words = strerror_r(code, text, sizeof(text));

    return npri_fail(err,
                     code == ENOMEM ? NPR_ENOMEM
                     : full         ? NPR_EFULL
                                    : NPR_EIO,
                     "%s: %s", doing, words);
}

/* ---- Starting. */

/* The child runs the program when this returns.  Signals are blocked meanwhile, so that none of the
 * program's handlers runs in the child. */
static npr_status launch_clone(struct launch *launch, struct npri_exec *out, struct npr_error *err)
{
    uint8_t *stack = npri_alloc(STACK_BYTES);
    sigset_t all;
    sigset_t old;
    int code;

    if (stack == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    (void)sigfillset(&all);
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    out->pid = CLONE(child_main, stack + STACK_BYTES,
                     CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, launch, &out->pid_fd);
    code = errno;
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    npri_free(stack);
    if (out->pid < 0) {
        return fail_errno(err, "no process could be made", code);
    }
    if (launch->error != 0 || out->pid_fd < 0) {
        (void)kill(out->pid, SIGKILL); /* it has ended already, unless the kernel is too old */
        (void)waitpid(out->pid, NULL, 0);
        if (launch->error == 0) {
            return npri_fail(err, NPR_EIO, "the kernel has no pidfd (Linux 5.3)");
        }
        (void)fail_errno(err, launch->program, launch->error);
        return err == NULL ? NPR_EINVAL : (err->status = NPR_EINVAL);
    }
    return NPR_OK;
}

npr_status npri_exec_start(const struct npri_program *program,
                           struct npri_exec *out,
                           struct npr_error *err)
{
    struct npri_exec child = {.pid_fd = -1, .input_fd = -1, .output_fd = -1, .errors_fd = -1};
    struct launch launch = {.fds = {-1, -1, -1}, .parent = getpid()};
    char path[PROGRAM_BYTES_MAX];
    npr_status status = find_program(program->argv[0], program->envp, path, err);

    if (status != NPR_OK) {
        return status;
    }
    launch.program = path;
    launch.argv = program->argv;
    launch.envp = program->envp;
    if (!open_pipe(&child.input_fd, &launch.fds[0], true) ||
        !open_pipe(&child.output_fd, &launch.fds[1], false) ||
        !open_pipe(&child.errors_fd, &launch.fds[2], false)) {
        status = fail_errno(err, "no pipe could be made", errno);
    } else {
        status = launch_clone(&launch, &child, err);
    }
    for (int i = 0; i < 3; i++) {
        close_fd(&launch.fds[i]);
    }
    if (status != NPR_OK) {
        close_fd(&child.input_fd);
        close_fd(&child.output_fd);
        close_fd(&child.errors_fd);
        close_fd(&child.pid_fd);
        return status;
    }
    *out = child;
    return NPR_OK;
}

/* ---- Ending. */

void npri_exec_signal(const struct npri_exec *child, int number)
{
    (void)kill(-child->pid, number);
}

/* Whether it is there to be reaped: 1; -1: it is not ours any more.  The loop has made the
 * descriptor one that does not block, also in waitid(). */
static int look(const struct npri_exec *child, siginfo_t *out)
{
    if (waitid(P_PIDFD, (id_t)child->pid_fd, out, WEXITED | WNOHANG | WNOWAIT) == 0) {
        return out->si_pid != 0;
    }
    return errno == EINTR ? 0 : -1;
}

/* As long as it is not reaped its number is nobody else's, nor its group's. */
bool npri_exec_reap(const struct npri_exec *child, bool wait, struct npri_exec_end *out)
{
    struct pollfd ended = {.fd = child->pid_fd, .events = POLLIN};
    siginfo_t info = {0};
    int found = look(child, &info);

    while (wait && found == 0) {
        (void)poll(&ended, 1, -1);
        found = look(child, &info);
    }
    if (found == 0) {
        return false;
    }
    if (found < 0) { /* the program waits for any child, or ignores SIGCHLD */
        *out = (struct npri_exec_end){.how = NPRI_EXEC_STOLEN};
        return true;
    }
    npri_exec_signal(child, SIGKILL);
    (void)waitid(P_PIDFD, (id_t)child->pid_fd, &info, WEXITED);
    *out = (struct npri_exec_end){.how = info.si_code == CLD_EXITED ? NPRI_EXEC_EXITED
                                                                    : NPRI_EXEC_KILLED,
                                  .value = info.si_status};
    return true;
}
