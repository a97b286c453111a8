#include "jobs.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

#define JOBS_MAX      64u
#define PROGRESS_NS   (UINT64_C(10) * 1000 * 1000 * 1000)
#define LOOK_AGAIN_MS 200

/* One child's, shared with it. */
struct slot {
    uint64_t seed; /* the one that it is running */
    uint64_t done;
    struct sim_counts counts;
};

/* What a child writes into its pipe: less than PIPE_BUF, so in one piece. */
struct finding {
    uint64_t seed;
    enum sim_verdict verdict;
    char checker[24];
    char text[600];
};

struct child {
    pid_t pid; /* 0: none */
    int pipe;
    uint64_t next; /* the seed to begin with */
};

struct runner {
    const struct sim_jobs *jobs;
    struct sim_jobs_outcome *out;
    struct slot *slots;
    struct child children[JOBS_MAX];
    uint64_t findings;
};

static void add_counts(struct sim_counts *to, const struct sim_counts *from)
{
    to->events += from->events;
    to->messages += from->messages;
    to->bytes += from->bytes;
    to->births += from->births;
    to->answers += from->answers;
    to->conflicts += from->conflicts;
    to->moved += from->moved;
}

/* Every jobs-th seed from `seed` on.  Never returns. */
static _Noreturn void run_child(const struct sim_jobs *jobs,
                                struct slot *slot,
                                uint64_t seed,
                                int pipe)
{
    for (; seed < jobs->first + jobs->count; seed += jobs->jobs) {
        struct sim_options options;
        struct sim_result result;

        slot->seed = seed;
        (void)alarm(SIM_SEED_SECONDS_MAX);
        sim_options_draw(&options, seed, jobs->protocol, jobs->nodes);
        options.only = jobs->only;
        sim_run(&options, &result);
        add_counts(&slot->counts, &result.counts);
        slot->done++;
        if (result.verdict != SIM_OK) {
            struct finding finding = {.seed = seed, .verdict = result.verdict};

            memcpy(finding.checker, result.checker, sizeof(finding.checker));
            memcpy(finding.text, result.finding, sizeof(finding.text));
            if (write(pipe, &finding, sizeof(finding)) != (ssize_t)sizeof(finding)) {
                _exit(SIM_CRASHED);
            }
        }
    }
    slot->seed = UINT64_MAX;
    _exit(0);
}

static void begin(struct runner *runner, unsigned index)
{
    struct child *child = &runner->children[index];
    int ends[2];

    child->pid = 0;
    if (child->next >= runner->jobs->first + runner->jobs->count || pipe(ends) != 0) {
        return;
    }
    (void)fflush(NULL);
    child->pid = fork();
    if (child->pid == 0) {
        (void)close(ends[0]);
        run_child(runner->jobs, &runner->slots[index], child->next, ends[1]);
    }
    (void)close(ends[1]);
    child->pipe = ends[0];
}

static void report(struct runner *runner, const struct finding *finding)
{
    struct sim_jobs_outcome *out = runner->out;
    struct sim_options options;
    char line[500];

    if (runner->findings == 0 || finding->seed < out->first_seed) {
        out->first_seed = finding->seed;
        memcpy(out->first_checker, finding->checker, sizeof(out->first_checker));
    }
    runner->findings++;
    out->unsafe += finding->verdict == SIM_UNSAFE ? 1 : 0;
    out->stuck += finding->verdict == SIM_STUCK ? 1 : 0;
    out->crashed += finding->verdict == SIM_CRASHED ? 1 : 0;
    if (runner->jobs->quiet) {
        return;
    }
    sim_options_draw(&options, finding->seed, runner->jobs->protocol, runner->jobs->nodes);
    (void)printf("FAILED %s: %s\n    %s\n    replay: %s --seed %" PRIu64 " --trace\n",
                 finding->checker, finding->text, sim_options_print(&options, line, sizeof(line)),
                 runner->jobs->replay, finding->seed);
    (void)fflush(stdout);
}

/* It has ended: of itself, or since a seed has crashed it. */
static void on_end(struct runner *runner, unsigned index)
{
    struct child *child = &runner->children[index];
    struct finding finding = {.seed = runner->slots[index].seed, .verdict = SIM_CRASHED};
    int status = 0;

    (void)close(child->pipe);
    (void)waitpid(child->pid, &status, 0);
    child->pid = 0;
    if (finding.seed == UINT64_MAX) {
        return;
    }
    (void)snprintf(finding.checker, sizeof(finding.checker), "crash");
    (void)snprintf(finding.text, sizeof(finding.text), "%s %d",
                   WIFSIGNALED(status) ? "signal" : "exit code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    report(runner, &finding);
    child->next = finding.seed + runner->jobs->jobs;
    begin(runner, index);
}

static void read_child(struct runner *runner, unsigned index)
{
    struct finding finding;

    if (read(runner->children[index].pipe, &finding, sizeof(finding)) == (ssize_t)sizeof(finding)) {
        report(runner, &finding);
    } else {
        on_end(runner, index);
    }
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t count_done(const struct runner *runner)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < runner->jobs->jobs; i++) {
        done += runner->slots[i].done;
    }
    return done;
}

static void show_progress(const struct runner *runner, uint64_t began_ns, uint64_t *last_ns)
{
    const uint64_t now_ns = clock_ns();
    const uint64_t done = count_done(runner);

    if (runner->jobs->quiet || now_ns - *last_ns < PROGRESS_NS) {
        return;
    }
    *last_ns = now_ns;
    (void)fprintf(stderr,
                  "%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " a second, %" PRIu64 " failed\n",
                  done, runner->jobs->count, done * 1000 / ((now_ns - began_ns) / 1000000 + 1),
                  runner->findings);
}

/* Until all have ended, or there are findings enough. */
static void watch(struct runner *runner)
{
    const uint64_t began_ns = clock_ns();
    uint64_t last_ns = began_ns;

    while (runner->findings < runner->jobs->findings_max) {
        struct pollfd fds[JOBS_MAX];
        unsigned owners[JOBS_MAX];
        nfds_t count = 0;

        for (unsigned i = 0; i < runner->jobs->jobs; i++) {
            if (runner->children[i].pid != 0) {
                owners[count] = i;
                fds[count++] = (struct pollfd){.fd = runner->children[i].pipe, .events = POLLIN};
            }
        }
        if (count == 0) {
            return;
        }
        (void)poll(fds, count, LOOK_AGAIN_MS);
        for (nfds_t i = 0; i < count; i++) {
            if (fds[i].revents != 0) {
                read_child(runner, owners[i]);
            }
        }
        show_progress(runner, began_ns, &last_ns);
    }
}

static void stop_children(struct runner *runner)
{
    for (unsigned i = 0; i < runner->jobs->jobs; i++) {
        if (runner->children[i].pid != 0) {
            (void)kill(runner->children[i].pid, SIGKILL);
            (void)waitpid(runner->children[i].pid, NULL, 0);
            (void)close(runner->children[i].pipe);
        }
    }
}

enum sim_verdict sim_jobs_run(const struct sim_jobs *jobs, struct sim_jobs_outcome *out)
{
    struct runner runner = {.jobs = jobs, .out = out};
    const size_t size = jobs->jobs * sizeof(*runner.slots);

    *out = (struct sim_jobs_outcome){0};
    NPRI_ASSERT(jobs->jobs > 0 && jobs->jobs <= JOBS_MAX);
    runner.slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NPRI_ASSERT(runner.slots != MAP_FAILED);
    for (unsigned i = 0; i < jobs->jobs; i++) {
        runner.children[i].next = jobs->first + i;
        begin(&runner, i);
    }
    watch(&runner);
    stop_children(&runner);
    out->done = count_done(&runner) + out->crashed;
    for (unsigned i = 0; i < jobs->jobs; i++) {
        add_counts(&out->counts, &runner.slots[i].counts);
    }
    (void)munmap(runner.slots, size);
    return out->crashed > 0  ? SIM_CRASHED
           : out->unsafe > 0 ? SIM_UNSAFE
           : out->stuck > 0  ? SIM_STUCK
                             : SIM_OK;
}
