/* nprocreg-sim: clusters of the registry's core in virtual time, with faults, and what must hold
 * all the same.  How to use it and how to read what it says: docs/simulator.md. */
#include "checks.h"
#include "jobs.h"
#include "planted.h"
#include "report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

#define USAGE_ERROR     64
#define FINDINGS_MAX    10
#define REPORT_KEYS_MAX 10000000u

struct arguments {
    bool one;
    bool trace;
    bool report;
    bool uneven;    /* the network of a report */
    uint64_t nodes; /* 0: several sizes, or as drawn */
    uint64_t keys;  /* of a report */
    struct sim_jobs jobs;
};

static const char help[] =
    "nprocreg-sim - the registry of a cluster in virtual time, under faults\n"
    "\n"
    "  nprocreg-sim --seeds N [--first N] [--jobs N]   N runs, each drawn from its seed\n"
    "  nprocreg-sim --seed N [--trace]                 one of them, twice: or once, told as a "
    "story\n"
    "  nprocreg-sim --report [--nodes N] [--keys N]    what a change costs, as the cluster grows\n"
    "               [--uneven]                         ... with delays of 0.1 to 2 ms\n"
    "\n"
    "  --protocol native|original   the rules: ours (as given), or a model of the original's\n"
    "  --fault NAME                 the core makes that mistake: some checker must find it\n"
    "  --list-faults                the names\n"
    "  --only CHECKER               what the others find is no failure\n"
    "  --findings N                 stop after so many seeds that failed (10)\n"
    "  --nodes N                    of a run from a seed: so many nodes, 2 to 24, not 2 to 9\n"
    "  --help\n"
    "\n"
    "Exit code: 0 all is well, 1 something happened that must not, 2 something did not happen "
    "that\n"
    "must, 3 a crash, 64 wrong arguments.\n";

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

/* An option with a number, from `least` on; false: it is not this one. */
static bool take_number(char **argv, int *at, const char *name, uint64_t least, uint64_t *out)
{
    if (strcmp(argv[*at], name) != 0) {
        return false;
    }
    if (!read_number(argv[*at + 1], out) || *out < least) {
        (void)fprintf(stderr, "%s needs a number, from %" PRIu64 " on\n", name, least);
        exit(USAGE_ERROR);
    }
    (*at)++;
    return true;
}

static void read_checker(const char *name, struct sim_jobs *jobs)
{
    if (name == NULL || !sim_is_checker(name)) {
        (void)fprintf(stderr, "--only is one of %s\n", SIM_CHECKERS);
        exit(USAGE_ERROR);
    }
    jobs->only = name;
}

static void read_protocol(const char *text, struct sim_jobs *jobs)
{
    if (text != NULL && strcmp(text, "original") == 0) {
        jobs->protocol = SIM_PROTOCOL_ORIGINAL;
        jobs->replay = "nprocreg-sim --protocol original";
    } else if (text == NULL || strcmp(text, "native") != 0) {
        (void)fprintf(stderr, "--protocol is native or original\n");
        exit(USAGE_ERROR);
    }
}

static void plant(const char *name, struct sim_jobs *jobs)
{
    static char replay[100];

    if (name == NULL || !sim_plant(name)) {
        (void)fprintf(stderr, "--fault is one of\n");
        sim_planted_list();
        exit(USAGE_ERROR);
    }
    (void)snprintf(replay, sizeof(replay), "nprocreg-sim --fault %s", name);
    jobs->replay = replay;
}

static void read_arguments(char **argv, struct arguments *out)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t number;

    out->keys = 100000;
    out->jobs = (struct sim_jobs){.first = 1,
                                  .jobs = processors < 1    ? 1
                                          : processors > 64 ? 64
                                                            : (unsigned)processors,
                                  .findings_max = FINDINGS_MAX,
                                  .replay = "nprocreg-sim"};
    for (int i = 1; argv[i] != NULL; i++) {
        if (take_number(argv, &i, "--seeds", 1, &out->jobs.count) ||
            take_number(argv, &i, "--first", 0, &out->jobs.first) ||
            take_number(argv, &i, "--nodes", 1, &out->nodes) ||
            take_number(argv, &i, "--keys", 1, &out->keys)) {
            continue;
        }
        if (take_number(argv, &i, "--seed", 0, &out->jobs.first)) {
            out->one = true;
        } else if (take_number(argv, &i, "--jobs", 1, &number)) {
            out->jobs.jobs = number > 64 ? 64 : (unsigned)number;
        } else if (take_number(argv, &i, "--findings", 1, &number)) {
            out->jobs.findings_max = number > UINT_MAX ? UINT_MAX : (unsigned)number;
        } else if (strcmp(argv[i], "--trace") == 0) {
            out->trace = true;
        } else if (strcmp(argv[i], "--list-faults") == 0) {
            sim_planted_list();
            exit(0);
        } else if (strcmp(argv[i], "--fault") == 0) {
            plant(argv[++i], &out->jobs);
        } else if (strcmp(argv[i], "--report") == 0) {
            out->report = true;
        } else if (strcmp(argv[i], "--uneven") == 0) {
            out->uneven = true;
        } else if (strcmp(argv[i], "--only") == 0) {
            read_checker(argv[++i], &out->jobs);
        } else if (strcmp(argv[i], "--protocol") == 0) {
            read_protocol(argv[++i], &out->jobs);
        } else if (strcmp(argv[i], "--help") == 0) {
            (void)printf("%s", help);
            exit(0);
        } else {
            (void)fprintf(stderr, "unknown argument %s\n%s", argv[i], help);
            exit(USAGE_ERROR);
        }
    }
}

/* A run from a seed, with the number of nodes that was asked for, is run again by that, too. */
static void check_sizes(struct arguments *arguments)
{
    const unsigned nodes_max = arguments->report ? NPRI_VIEW_NODES_MAX : SIM_SWARM_MAX;
    static char replay[140];

    if (arguments->keys > REPORT_KEYS_MAX) {
        (void)fprintf(stderr, "--keys is %u at most\n", REPORT_KEYS_MAX);
        exit(USAGE_ERROR);
    }
    if (arguments->nodes == 0) {
        return;
    }
    if (arguments->nodes < 2 || arguments->nodes > nodes_max) {
        (void)fprintf(stderr, "--nodes is 2 to %u for %s\n", nodes_max,
                      arguments->report ? "a report" : "runs from seeds");
        exit(USAGE_ERROR);
    }
    arguments->jobs.nodes = (unsigned)arguments->nodes;
    (void)snprintf(replay, sizeof(replay), "%s --nodes %u", arguments->jobs.replay,
                   arguments->jobs.nodes);
    arguments->jobs.replay = replay;
}

static int run_one(const struct arguments *arguments)
{
    struct sim_options options;
    struct sim_result result;
    struct sim_result again;
    char line[500];

    sim_options_draw(&options, arguments->jobs.first, arguments->jobs.protocol,
                     arguments->jobs.nodes);
    options.trace = arguments->trace;
    options.only = arguments->jobs.only;
    (void)printf("%s\n", sim_options_print(&options, line, sizeof(line)));
    (void)fflush(stdout);
    sim_run(&options, &result);
    if (result.verdict != SIM_OK) {
        (void)printf("FAILED %s: %s\n", result.checker, result.finding);
    }
    (void)printf("%s after %" PRIu64 ".%03" PRIu64 " s: %" PRIu64 " events, %" PRIu64
                 " messages, %" PRIu64 " starts, %" PRIu64 " answers, digest %016" PRIx64 "\n",
                 result.verdict == SIM_OK ? "settled" : "ended", result.ended_ns / SIM_SECOND,
                 result.ended_ns / SIM_MS % 1000, result.counts.events, result.counts.messages,
                 result.counts.births, result.counts.answers, result.digest);
    options.trace = false;
    sim_run(&options, &again);
    if (again.digest != result.digest) {
        (void)printf("FAILED determinism: the same seed again is another story\n");
        return SIM_UNSAFE;
    }
    return (int)result.verdict;
}

static int run_many(const struct arguments *arguments)
{
    struct sim_jobs_outcome outcome;
    const enum sim_verdict verdict = sim_jobs_run(&arguments->jobs, &outcome);

    (void)printf(
        "%" PRIu64 " seeds from %" PRIu64 " on: %" PRIu64 " unsafe, %" PRIu64 " stuck, %" PRIu64
        " crashed; %" PRIu64 " events, %" PRIu64 " starts, %" PRIu64 " answers\n",
        outcome.done, arguments->jobs.first, outcome.unsafe, outcome.stuck, outcome.crashed,
        outcome.counts.events, outcome.counts.births, outcome.counts.answers);
    return (int)verdict;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};

    (void)argc;
    read_arguments(argv, &arguments);
    check_sizes(&arguments);
    if (arguments.report) {
        sim_report((uint32_t)arguments.nodes, (uint32_t)arguments.keys, arguments.uneven);
        return SIM_OK;
    }
    if (!arguments.one && arguments.jobs.count == 0) {
        (void)printf("%s", help);
        return USAGE_ERROR;
    }
    return arguments.one ? run_one(&arguments) : run_many(&arguments);
}
