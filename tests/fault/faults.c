/* faults.c - real nodes under fault: processes, a network that breaks, clients that ask without
 * pause, and a referee.
 *
 *      faults --case NAME|soak [OPTION]...
 *
 * Exit code 0: all was as promised; 1: a fault, each printed as a sentence; 2: the bed itself
 * failed. docs/testing.md says what is decided, and how it is run. */
#include "cases.h"
#include "report.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef FAULT_SCALE
#define FAULT_SCALE 1 /* how much longer everything takes with a sanitizer */
#endif
#define SETTLE_MS         (20000U * FAULT_SCALE)
#define ORIGINALS_MS      20000U /* so much later do originals notice */
#define SOAK_END_PERMILLE 20
#define SOAK_CLINGS       2

struct arguments {
    const char *name;
    const char *network; /* cables, proxies or auto */
    const char *chart;
    unsigned seconds;
    struct bed_options bed;
};

static _Noreturn void usage(void)
{
    (void)fputs(
        "usage: faults --case NAME --command FILE --witness FILE --asker FILE [OPTION]...\n\n"
        "  --case NAME        one of those below, or soak: whatever the seed draws\n"
        "  --network KIND     cables (namespaces; needs root), proxies, or auto\n"
        "  --nodes N          native nodes (3)\n"
        "  --originals N      Erlang nodes with nprocreg beside them (0)\n"
        "  --ebin DIRS        where their code is\n"
        "  --clients N        that ask without pause (8)\n"
        "  --clings N         of them stay with what they have found (the case's)\n"
        "  --keys N           (100)\n"
        "  --quorum N         native nodes that must be together (the case's; the soak draws)\n"
        "  --placement RULE   original, rendezvous (the soak draws)\n"
        "  --end-permille N   of the requests, after which the process is to end (the case's)\n"
        "  --seconds N        how long a soak goes on (600)\n"
        "  --seed N           (drawn)\n"
        "  --call-ms N        the calls' time-out (5000)\n"
        "  --chart FILE.svg   availability over time\n"
        "  --directory DIR    logs and reports go there\n\n",
        stderr);
    for (size_t i = 0; i < fault_cases_count; i++) {
        (void)fprintf(stderr, "  %-12s %s\n", fault_cases[i].name, fault_cases[i].what);
    }
    exit(2);
}

static unsigned number(const char *text)
{
    char *end = NULL;
    const unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value > 1000000) {
        usage();
    }
    return (unsigned)value;
}

static void read_option(struct arguments *arguments, int option, const char *value)
{
    struct bed_options *bed = &arguments->bed;
    const char **const texts[] = {
        ['c'] = &arguments->name,  ['C'] = &bed->command,       ['w'] = &bed->witness,
        ['a'] = &bed->asker,       ['n'] = &arguments->network, ['e'] = &bed->ebin,
        ['g'] = &arguments->chart, ['d'] = &bed->directory,     ['P'] = &bed->placement};
    unsigned *const numbers[] = {
        ['N'] = &bed->nodes_count,  ['O'] = &bed->originals_count, ['l'] = &bed->clients_count,
        ['k'] = &bed->keys_count,   ['t'] = &arguments->seconds,   ['m'] = &bed->call_ms,
        ['p'] = &bed->end_permille, ['q'] = &bed->quorum,          ['h'] = &bed->clings_count};
    const size_t index = (size_t)option;

    if (option == 's') {
        bed->seed = number(value);
    } else if (index < sizeof(texts) / sizeof(texts[0]) && texts[index] != NULL) {
        *texts[index] = value;
    } else if (index < sizeof(numbers) / sizeof(numbers[0]) && numbers[index] != NULL) {
        *numbers[index] = number(value);
    } else {
        usage();
    }
}

static void read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"case", required_argument, NULL, 'c'},      {"command", required_argument, NULL, 'C'},
        {"witness", required_argument, NULL, 'w'},   {"asker", required_argument, NULL, 'a'},
        {"network", required_argument, NULL, 'n'},   {"nodes", required_argument, NULL, 'N'},
        {"originals", required_argument, NULL, 'O'}, {"ebin", required_argument, NULL, 'e'},
        {"clients", required_argument, NULL, 'l'},   {"keys", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 't'},   {"seed", required_argument, NULL, 's'},
        {"call-ms", required_argument, NULL, 'm'},   {"chart", required_argument, NULL, 'g'},
        {"directory", required_argument, NULL, 'd'}, {"end-permille", required_argument, NULL, 'p'},
        {"quorum", required_argument, NULL, 'q'},    {"placement", required_argument, NULL, 'P'},
        {"clings", required_argument, NULL, 'h'},    {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        read_option(arguments, option, optarg);
    }
    if (arguments->name == NULL || arguments->bed.command == NULL ||
        arguments->bed.witness == NULL || arguments->bed.asker == NULL || optind != argc ||
        arguments->bed.nodes_count + arguments->bed.originals_count > BOOK_NODES_MAX ||
        arguments->bed.nodes_count + arguments->bed.originals_count < 2 ||
        arguments->bed.clients_count > BOOK_CLIENTS_MAX || arguments->bed.keys_count == 0 ||
        (arguments->bed.originals_count > 0 && arguments->bed.ebin == NULL)) {
        usage();
    }
}

/* The original nprocreg, where it is installed, instead of its stand-in. */
static void prefer_original(struct arguments *arguments)
{
    static char ebin[4096];
    const char *original = getenv("NPROCREG_ORIGINAL_EBIN");

    if (original != NULL && original[0] != '\0' && arguments->bed.ebin != NULL) {
        (void)snprintf(ebin, sizeof(ebin), "%s:%s", original, arguments->bed.ebin);
        arguments->bed.ebin = ebin;
    }
}

static enum network_kind network_named(const char *name)
{
    if (strcmp(name, "proxies") == 0) {
        return NETWORK_PROXIES;
    }
    if (strcmp(name, "cables") != 0 && strcmp(name, "auto") != 0) {
        usage();
    }
    if (network_can_use_cables()) {
        return NETWORK_CABLES;
    }
    if (strcmp(name, "cables") == 0) {
        (void)printf("no network namespaces here: skipped\n");
        exit(77); /* ctest's SKIP_RETURN_CODE */
    }
    return NETWORK_PROXIES;
}

static const struct fault_case *case_named(const char *name)
{
    for (size_t i = 0; i < fault_cases_count; i++) {
        if (strcmp(fault_cases[i].name, name) == 0) {
            return &fault_cases[i];
        }
    }
    if (strcmp(name, "soak") != 0) {
        usage();
    }
    return NULL;
}

/* What was left to the case. */
static void take_from_case(struct bed_options *bed, const struct fault_case *one)
{
    bed->end_permille = bed->end_permille == UINT32_MAX ? one->end_permille : bed->end_permille;
    bed->quorum = bed->quorum == UINT32_MAX ? one->quorum : bed->quorum;
    bed->clings_count = bed->clings_count == UINT32_MAX ? one->clings_count : bed->clings_count;
    bed->function = one->function;
    if (one->proxies_only) {
        bed->network = NETWORK_PROXIES;
    }
}

/* What was left to the soak: half of the clusters have a quorum, half of them the other placement.
 * Originals have no part in either. */
static void draw_cluster(struct bed_options *bed)
{
    const uint64_t bits = (bed->seed * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 62;

    bed->end_permille = bed->end_permille == UINT32_MAX ? SOAK_END_PERMILLE : bed->end_permille;
    bed->clings_count = bed->clings_count == UINT32_MAX ? SOAK_CLINGS : bed->clings_count;
    if (bed->quorum == UINT32_MAX) {
        bed->quorum = bed->originals_count == 0 && (bits & 1) != 0 ? bed->nodes_count / 2 + 1 : 0;
    }
    if (bed->placement == NULL && bed->originals_count == 0 && (bits & 2) != 0) {
        bed->placement = "rendezvous";
    }
}

/* The original ones first: the others join them, and not the other way round. */
static void start_nodes(struct bed *bed, unsigned first)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned i = 0; i < bed_nodes_count(bed); i++) {
            if (bed_is_original(bed, i) == (kind == 0) && (first == 0 || i < first)) {
                bed_start(bed, i);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.network = "auto",
                                  .seconds = 600,
                                  .bed = {.nodes_count = 3,
                                          .clients_count = 8,
                                          .keys_count = 100,
                                          .end_permille = UINT32_MAX,
                                          .quorum = UINT32_MAX,
                                          .clings_count = UINT32_MAX,
                                          .call_ms = 5000,
                                          .settle_ms = SETTLE_MS,
                                          .seed = (uint64_t)time(NULL) % 1000000}};
    char directory[] = "/tmp/nprocreg-faults-XXXXXX";
    char title[256];
    const struct fault_case *one;
    struct bed *bed;
    size_t faults;

    read_arguments(&arguments, argc, argv);
    prefer_original(&arguments);
    one = case_named(arguments.name);
    arguments.bed.network = network_named(arguments.network);
    if (one != NULL) {
        take_from_case(&arguments.bed, one);
    } else {
        draw_cluster(&arguments.bed);
    }
    if (arguments.bed.originals_count > 0) {
        arguments.bed.settle_ms += ORIGINALS_MS;
    }
    if (arguments.bed.directory == NULL) {
        arguments.bed.directory = mkdtemp(directory);
    } else {
        (void)mkdir(arguments.bed.directory, 0700);
    }
    (void)snprintf(
        title, sizeof(title),
        "%s: %u native and %u original nodes, quorum %u, placement %s, %u clients, %s, seed %llu",
        arguments.name, arguments.bed.nodes_count, arguments.bed.originals_count,
        arguments.bed.quorum,
        arguments.bed.placement == NULL ? "original" : arguments.bed.placement,
        arguments.bed.clients_count, arguments.bed.network == NETWORK_CABLES ? "cables" : "proxies",
        (unsigned long long)arguments.bed.seed);
    (void)printf("%s; logs in %s\n", title, arguments.bed.directory);
    arguments.bed.narration = stdout;
    bed = bed_open(&arguments.bed);
    start_nodes(bed, one == NULL ? 0 : one->nodes_first);
    bed_start_clients(bed);
    (void)bed_settle(bed);
    if (one != NULL) {
        one->run(bed);
    } else {
        cases_soak(bed, arguments.bed.seed, arguments.seconds,
                   arguments.bed.network == NETWORK_PROXIES);
    }
    faults = bed_close(bed, title, arguments.chart);
    (void)printf("%s: %zu faults\n", title, faults);
    return faults == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
