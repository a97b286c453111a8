/* net/child.h: programs of the system as children, on a loop in the test's own thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/child.h"
#include "support/check.h"

#define NS_PER_MS   UINT64_C(1000000)
#define WATCHDOG_NS (UINT64_C(30000) * NS_PER_MS)
#define BIG_BYTES   (UINT32_C(4) << 20)
#define MANY        300u

struct world {
    struct npri_loop *loop;
    struct npri_timer *watchdog;
    struct npri_child *child;
    struct npri_buffer output;
    struct npri_buffer errors;
    unsigned drained;
    unsigned output_ended;
    unsigned exited;
    unsigned running; /* of many */
    struct npri_exec_end end;
    size_t stop_at_output; /* stops the loop when so much has come */
    bool close_on_output;
};

static char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "WORD=a $HOME *", NULL};

static void on_output(void *user, struct npr_bytes bytes)
{
    struct world *world = user;

    npri_put_bytes(&world->output, bytes);
    if (world->close_on_output) {
        npri_child_close(world->child);
        world->child = NULL;
        npri_loop_stop(world->loop);
    } else if (world->stop_at_output != 0 && world->output.size >= world->stop_at_output) {
        npri_child_read_output(world->child, false);
        npri_loop_stop(world->loop);
    }
}

static void on_errors(void *user, struct npr_bytes bytes)
{
    struct world *world = user;

    npri_put_bytes(&world->errors, bytes);
}

static void on_drained(void *user)
{
    struct world *world = user;

    world->drained++;
}

static void on_output_ended(void *user)
{
    struct world *world = user;

    world->output_ended++;
}

static void on_exited(void *user, const struct npri_exec_end *end)
{
    struct world *world = user;

    world->exited++;
    world->end = *end;
    npri_loop_stop(world->loop);
}

static const struct npri_child_events events = {.output = on_output,
                                                .errors = on_errors,
                                                .drained = on_drained,
                                                .output_ended = on_output_ended,
                                                .exited = on_exited};

static void on_watchdog(void *user)
{
    (void)user;
    (void)fprintf(stderr, "test_net_child: a wait has not ended\n");
    abort();
}

static void open_world(struct world *world)
{
    memset(world, 0, sizeof(*world));
    assert_int_equal(npri_loop_create(&world->loop, NULL), NPR_OK);
    world->watchdog = npri_timer_create(world->loop, on_watchdog, world);
    assert_non_null(world->watchdog);
    npri_timer_set(world->watchdog, npri_loop_now_ns(world->loop) + WATCHDOG_NS);
}

static void close_world(struct world *world)
{
    npri_child_close(world->child);
    npri_timer_destroy(world->watchdog);
    npri_loop_destroy(world->loop);
    npri_buffer_fini(&world->output);
    npri_buffer_fini(&world->errors);
}

static void start(struct world *world, char *const *argv)
{
    const struct npri_program program = {.argv = argv, .envp = env};
    struct npr_error err = {.status = NPR_OK};

    if (npri_child_start(world->loop, &program, &events, world, &world->child, &err) != NPR_OK) {
        fail_msg("%s: %s", argv[0], err.text);
    }
}

static void start_shell(struct world *world, char *script)
{
    char *const argv[] = {"sh", "-c", script, NULL};

    start(world, argv);
}

static void check_end(const struct world *world, int how, int value)
{
    assert_int_equal(world->exited, 1);
    assert_int_equal(world->end.how, how);
    assert_int_equal(world->end.value, value);
}

static void check_output(const struct world *world, const char *text)
{
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&world->output), npr_bytes_of(text));
}

/* Descriptors of this program. */
static unsigned open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* 'R', 'S', 'Z' ..., or 0: there is no such process. */
static char process_state(pid_t pid)
{
    char path[64];
    char text[512] = {0};
    const char *at;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    (void)fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    at = strrchr(text, ')');
    return (char)(at == NULL || strlen(at) < 3 ? 0 : at[2]);
}

/* Dead, whether or not somebody has waited for it. */
static void wait_until_dead(pid_t pid)
{
    for (unsigned i = 0; i < 3000; i++) {
        const char process = process_state(pid);

        if (process == 0 || process == 'Z' || process == 'X') {
            return;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("process %d lives", (int)pid);
}

/* ---- Bytes. */

/* Would catch: input or output lost, doubled or in the wrong order when pipes are full; an end of
 * input that comes before what was written. */
static void what_goes_in_comes_out(void **state)
{
    char *const argv[] = {"cat", NULL};
    struct npri_buffer bytes = {.data = NULL};
    struct world world;

    (void)state;
    open_world(&world);
    for (uint32_t i = 0; i < BIG_BYTES / 4; i++) {
        npri_put_u32(&bytes, i * 2654435761u);
    }
    start(&world, argv);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(npri_child_write(world.child, npri_bytes(bytes.data + i * (BIG_BYTES / 4),
                                                                  BIG_BYTES / 4)),
                         NPR_OK);
    }
    assert_true(npri_child_queued_bytes(world.child) > BIG_BYTES / 2);
    npri_child_end_input(world.child);
    assert_int_equal(npri_child_write(world.child, npr_bytes_of("late")), NPR_OK);
    npri_loop_run(world.loop);
    check_end(&world, NPRI_EXEC_EXITED, 0);
    assert_true(npri_bytes_equal(npri_buffer_bytes(&world.output), npri_buffer_bytes(&bytes)));
    assert_int_equal(world.drained, 1);
    assert_int_equal(npri_child_queued_bytes(world.child), 0);
    npri_buffer_fini(&bytes);
    close_world(&world);
}

/* Would catch: a loop that reads on, and so holds more and more, while its user has no room. */
static void one_that_is_not_read_waits(void **state)
{
    struct world world;
    size_t size;

    (void)state;
    open_world(&world);
    start_shell(&world, "yes; echo not reached");
    world.stop_at_output = 100000;
    npri_loop_run(world.loop);
    size = world.output.size;
    assert_true(size < 100000 + 65536 + 1);
    npri_child_signal(world.child, SIGTERM);
    npri_loop_run(world.loop); /* until it has exited */
    check_end(&world, NPRI_EXEC_KILLED, SIGTERM);
    assert_true(world.output.size - size <= 65536); /* what the pipe held */
    close_world(&world);
}

/* Would catch: a broken pipe that ends the program, or keeps the loop busy. */
static void one_that_reads_nothing_costs_nothing(void **state)
{
    struct npri_buffer bytes = {.data = NULL};
    struct world world;

    (void)state;
    open_world(&world);
    memset(npri_buffer_extend(&bytes, 1 << 20), 'x', 1 << 20);
    start_shell(&world, "exec <&-; echo closed; sleep 0.05; exit 3");
    world.stop_at_output = 1;
    npri_loop_run(world.loop);
    npri_child_read_output(world.child, true);
    world.stop_at_output = 0;
    assert_int_equal(npri_child_write(world.child, npri_buffer_bytes(&bytes)), NPR_OK);
    assert_int_equal(npri_child_queued_bytes(world.child), 0);
    npri_loop_run(world.loop);
    check_end(&world, NPRI_EXEC_EXITED, 3);
    npri_buffer_fini(&bytes);
    close_world(&world);
}

/* Would catch: the last words of a child, lost because its end was noticed first. */
static void last_words_are_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct world world;

        open_world(&world);
        start_shell(&world, "echo out; echo err >&2; exit 7");
        npri_loop_run(world.loop);
        check_end(&world, NPRI_EXEC_EXITED, 7);
        check_output(&world, "out\n");
        CHECK_BYTES_EQUAL(npri_buffer_bytes(&world.errors), npr_bytes_of("err\n"));
        close_world(&world);
    }
}

/* A grandchild keeps the pipe open: the end of the child is its end all the same. */
static void others_do_not_keep_it_open(void **state)
{
    struct world world;
    pid_t other;

    (void)state;
    open_world(&world);
    start_shell(&world, "sleep 1000 & echo $!; exit 0");
    npri_loop_run(world.loop);
    check_end(&world, NPRI_EXEC_EXITED, 0);
    npri_put_u8(&world.output, 0);
    other = (pid_t)strtol((const char *)world.output.data, NULL, 10);
    assert_true(other > 1);
    wait_until_dead(other); /* it is of the same group */
    close_world(&world);
}

/* Would catch: a child that is waited for, or bytes that are told, after it was given up. */
static void one_that_is_closed_is_killed(void **state)
{
    struct world world;
    pid_t pid;

    (void)state;
    open_world(&world);
    start_shell(&world, "echo x; sleep 1000");
    pid = npri_child_pid(world.child);
    world.close_on_output = true;
    npri_loop_run(world.loop);
    assert_null(world.child);
    assert_int_equal(process_state(pid), 0);
    assert_int_equal(world.exited, 0);

    start_shell(&world, "sleep 1000");
    pid = npri_child_pid(world.child);
    world.child = NULL; /* the loop closes what is left */
    close_world(&world);
    assert_int_equal(process_state(pid), 0);
}

/* ---- What it is given. */

/* Would catch: a shell in between. */
static void arguments_and_environment_are_literal(void **state)
{
    char *const argv[] = {"printf", "%s|", "$HOME", "*", "a b", "`id`", "", "\"'\\", NULL};
    char *const environment[] = {"env", NULL};
    struct world world;

    (void)state;
    open_world(&world);
    start(&world, argv);
    npri_loop_run(world.loop);
    check_output(&world, "$HOME|*|a b|`id`||\"'\\|");
    close_world(&world);

    open_world(&world);
    start(&world, environment);
    npri_loop_run(world.loop);
    check_output(&world, "PATH=/usr/local/bin:/usr/bin:/bin\nWORD=a $HOME *\n");
    close_world(&world);
}

/* Would catch: descriptors of the program, sockets of other nodes and files among them, in the
 * hands of its children. */
static void descriptors_stay_here(void **state)
{
    char *const argv[] = {"ls", "/proc/self/fd", NULL};
    const int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */
    const int high = fcntl(fd, F_DUPFD, 700);
    struct world world;

    (void)state;
    assert_true(fd > 2 && high >= 700);
    open_world(&world);
    start(&world, argv);
    npri_loop_run(world.loop);
    check_output(&world, "0\n1\n2\n3\n"); /* 3 is the folder, opened by ls */
    close_world(&world);
    (void)close(fd);
    (void)close(high);
}

/* Descriptors 0, 1 and 2 of the program may be closed, and pipes become those. */
static void standard_descriptors_may_be_missing(void **state)
{
    int saved[3];
    npr_status written;
    struct world world;

    (void)state;
    open_world(&world); /* libuv's own descriptors may not be among them */
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        (void)close(fd);
    }
    start_shell(&world, "read line; echo got $line; echo bad >&2");
    written = npri_child_write(world.child, npr_bytes_of("it\n"));
    npri_loop_run(world.loop);
    for (int fd = 0; fd < 3; fd++) {
        (void)dup2(saved[fd], fd);
        (void)close(saved[fd]);
    }
    assert_int_equal(written, NPR_OK);
    check_output(&world, "got it\n");
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&world.errors), npr_bytes_of("bad\n"));
    close_world(&world);
}

static void ignore(int number)
{
    (void)number;
}

/* Would catch: a child that cannot be ended by SIGTERM, since the node's threads block signals or
 * the program ignores them; a handler of the program's that was changed. */
static void signals_are_as_new(void **state)
{
    char *const argv[] = {"sed", "-n", "/^Sig[BIC]/p", "/proc/self/status", NULL};
    struct sigaction action = {.sa_handler = ignore};
    struct sigaction old[2];
    struct sigaction now;
    sigset_t all;
    sigset_t old_mask;
    struct world world;

    (void)state;
    (void)sigfillset(&all);
    (void)sigaction(SIGUSR1, &action, &old[0]);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGTERM, &action, &old[1]);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old_mask);
    open_world(&world);
    start(&world, argv);
    npri_loop_run(world.loop);
    check_output(&world, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                         "SigCgt:\t0000000000000000\n");
    close_world(&world);
    (void)pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    (void)sigaction(SIGTERM, &old[1], &now);
    assert_true(now.sa_handler == SIG_IGN);
    (void)sigaction(SIGUSR1, &old[0], &now);
    assert_true(now.sa_handler == ignore);
    (void)sigaction(SIGCHLD, NULL, &now);
    assert_true(now.sa_handler == SIG_DFL);
}

/* Would catch: a SIGHUP or a Ctrl-C for the node that its children get, too. */
static void it_leads_its_own_session(void **state)
{
    struct world world;
    char expected[64];

    (void)state;
    open_world(&world);
    start_shell(&world, "cut -d ' ' -f 5,6 /proc/$$/stat");
    (void)snprintf(expected, sizeof(expected), "%d %d\n", (int)npri_child_pid(world.child),
                   (int)npri_child_pid(world.child));
    npri_loop_run(world.loop);
    check_output(&world, expected);
    close_world(&world);
}

/* ---- Whose children. */

/* Would catch: a library that reaps what the program has started, or minds what the program does.
 */
static void children_of_the_program_stay_its_own(void **state)
{
    struct world world;
    int status = 0;
    const pid_t own = fork();

    (void)state;
    if (own == 0) {
        _exit(5);
    }
    open_world(&world);
    start_shell(&world, "exit 1");
    npri_loop_run(world.loop);
    check_end(&world, NPRI_EXEC_EXITED, 1);
    assert_int_equal(waitpid(own, &status, 0), own);
    assert_int_equal(WEXITSTATUS(status), 5);
    close_world(&world);

    (void)signal(SIGCHLD, SIG_IGN); /* the kernel forgets children then */
    open_world(&world);
    start_shell(&world, "exit 1");
    npri_loop_run(world.loop);
    assert_int_equal(world.end.how, NPRI_EXEC_STOLEN);
    close_world(&world);
    (void)signal(SIGCHLD, SIG_DFL);
}

/* Would catch: a child that outlives a node which could not say goodbye. */
static void it_dies_with_the_program(void **state)
{
    char *const argv[] = {"sleep", "1000", NULL};
    const struct npri_program program = {.argv = argv, .envp = env};
    int ends[2];
    bool lived;
    pid_t child = 0;
    pid_t node;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    node = fork();
    if (node == 0) {
        struct npri_exec exec;

        (void)alarm(60); /* whatever becomes of the test */
        if (npri_exec_start(&program, &exec, NULL) == NPR_OK) {
            (void)!write(ends[1], &exec.pid, sizeof(exec.pid));
        }
        (void)pause();
        _exit(1);
    }
    (void)!read(ends[0], &child, sizeof(child));
    lived = child > 1 && process_state(child) != 0;
    (void)kill(node, SIGKILL);
    (void)waitpid(node, NULL, 0);
    assert_true(lived);
    wait_until_dead(child);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* ---- What cannot be started. */

static void check_refused(char *name, const char *fault)
{
    char *const argv[] = {name, NULL};
    const struct npri_program program = {.argv = argv, .envp = env};
    const unsigned before = open_descriptors();
    struct npr_error err = {.status = NPR_OK};
    struct npri_child *child = NULL;
    struct world world;

    open_world(&world);
    assert_int_equal(npri_child_start(world.loop, &program, &events, &world, &child, &err),
                     NPR_EINVAL);
    assert_string_equal(err.text, fault);
    assert_null(child);
    close_world(&world);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left to wait for */
}

static void what_cannot_run_is_refused(void **state)
{
    (void)state;
    check_refused("no-such-program-here", "no-such-program-here: no such program in PATH");
    check_refused("/no/such/program", "/no/such/program: No such file or directory");
    check_refused("/etc/passwd", "/etc/passwd: Permission denied");
    check_refused("/tmp", "/tmp: Permission denied");
    check_refused("", "the program's name is empty or too long");
}

/* Would catch: a pipe that is left open, or a child without one, when there are no descriptors. */
static void descriptors_may_end_anywhere(void **state)
{
    char *const argv[] = {"true", NULL};
    const struct npri_program program = {.argv = argv, .envp = env};
    struct rlimit old;
    struct world world;
    unsigned refused = 0;

    (void)state;
    open_world(&world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (rlim_t limit = 3; world.child == NULL; limit++) {
        const struct rlimit low = {.rlim_cur = limit, .rlim_max = old.rlim_max};
        const unsigned before = open_descriptors();
        struct npr_error err;
        npr_status status;

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        status = npri_child_start(world.loop, &program, &events, &world, &world.child, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_true(status == NPR_OK || status == NPR_EFULL);
        if (status != NPR_OK) {
            refused++;
            assert_int_equal(open_descriptors(), before);
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        }
    }
    assert_true(refused > 6);
    npri_loop_run(world.loop);
    check_end(&world, NPRI_EXEC_EXITED, 0);
    close_world(&world);
}

static void on_one_of_many_exited(void *user, const struct npri_exec_end *end)
{
    struct world *world = user;

    (void)end;
    if (--world->running == 0) {
        npri_loop_stop(world->loop);
    }
}

/* Would catch: a descriptor or a dead child left over. */
static void many_that_exit_at_once_leave_nothing(void **state)
{
    char *const argv[] = {"true", NULL};
    const struct npri_program program = {.argv = argv, .envp = env};
    const unsigned before = open_descriptors();
    struct npri_child_events many = events;
    struct npri_child *children[MANY];
    struct world world;

    (void)state;
    many.exited = on_one_of_many_exited;
    open_world(&world);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(npri_child_start(world.loop, &program, &many, &world, &children[i], NULL),
                         NPR_OK);
    }
    world.running = MANY;
    npri_loop_run(world.loop);
    for (unsigned i = 0; i < MANY; i++) {
        npri_child_close(children[i]);
    }
    close_world(&world);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Would catch: a child that nobody knows of, after an allocation has failed. */
static void memory_may_end_anywhere(void **state)
{
    char *const argv[] = {"sleep", "1000", NULL};
    const struct npri_program program = {.argv = argv, .envp = env};
    struct world world;
    npr_status status = NPR_ENOMEM;
    uint64_t count = 0;

    (void)state;
    open_world(&world);
    while (status != NPR_OK) {
        npri_alloc_fail_after(++count);
        status = npri_child_start(world.loop, &program, &events, &world, &world.child, NULL);
        npri_alloc_fail_after(0);
        assert_true(status == NPR_OK || status == NPR_ENOMEM);
        if (status != NPR_OK) {
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        }
        assert_true(count < 10);
    }
    assert_int_equal(count, 3);
    npri_alloc_fail_after(1);
    {
        static const char zeros[1 << 17];

        assert_int_equal(npri_child_write(world.child, npri_bytes(zeros, sizeof(zeros))),
                         NPR_ENOMEM);
    }
    npri_alloc_fail_after(0);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(one_that_is_not_read_waits),
        cmocka_unit_test(one_that_reads_nothing_costs_nothing),
        cmocka_unit_test(last_words_are_told),
        cmocka_unit_test(others_do_not_keep_it_open),
        cmocka_unit_test(one_that_is_closed_is_killed),
        cmocka_unit_test(arguments_and_environment_are_literal),
        cmocka_unit_test(descriptors_stay_here),
        cmocka_unit_test(standard_descriptors_may_be_missing),
        cmocka_unit_test(signals_are_as_new),
        cmocka_unit_test(it_leads_its_own_session),
        cmocka_unit_test(children_of_the_program_stay_its_own),
        cmocka_unit_test(it_dies_with_the_program),
        cmocka_unit_test(what_cannot_run_is_refused),
        cmocka_unit_test(descriptors_may_end_anywhere),
        cmocka_unit_test(many_that_exit_at_once_leave_nothing),
        cmocka_unit_test(memory_may_end_anywhere),
    };

    sigset_t pipe_set;

    /* As npri_loop_run() has it, outside of which some tests write. */
    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_set, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
