/* fault_figures.c - what native and original nodes do with a fault, side by side: keys with two
 * live processes, and how long a dead node's keys, and all others, have to wait.  Measurements, not
 * tests: nothing here passes or fails.  bench/faults runs it.
 *
 * Three nodes of one kind at a time, each in a network namespace.  Clients are threads of this
 * program, each where its node is.  A key has two live processes when callers were given two pids,
 * and both still answer, each for itself. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/bed.h"
#include "fault/programs.h"
#include "fault/query.h"
#include "fault/report.h"

#define RACES         2000
#define JOIN_KEYS     3000
#define PAUSE_KEYS    64
#define PAUSE_MS      3000
#define OTHER_KEYS    40
#define LOAD_THREADS  4
#define ROUNDS_MAX    7
#define LATENCIES_MAX 2000000
#define CALL_MS       20000
#define GIVE_UP_NS    (100 * UINT64_C(1000000000))
#define AFTER_MS      1000 /* other keys are watched so much longer */
#define NS_PER_MS     UINT64_C(1000000)

/* Where the keys of each measurement begin. */
#define RACE_BASE  0
#define JOIN_BASE  10000
#define FRESH_BASE 20000
#define KEYS_COUNT 1000000

struct settings {
    const char *command;
    const char *witness;
    const char *ebin;
    const char *directory;
    unsigned rounds;
};

/* A caller: a thread where a node is, with a client of its own. */
struct caller {
    pthread_t thread;
    struct bed *bed;
    int64_t number;
    void (*run)(struct caller *caller);
    void *user;
    struct query_client client;
    unsigned node;
    struct query_peer via;
};

/* Waiting times of one kind of fault. */
struct outage {
    size_t rounds;
    double
        first_ms[ROUNDS_MAX]; /* until the first good answer for a dead node's key; < 0: given up */
    size_t latencies_count;   /* of calls for other keys meanwhile */
    float *latencies_ms;
};

struct figures {
    unsigned races_double;
    unsigned join_double;
    unsigned pause_double;
    struct outage quiet; /* nothing is done: what the machine costs */
    struct outage killed;
    struct outage cut;
};

static void give_up(const char *what)
{
    (void)fprintf(stderr, "fault_figures: %s\n", what);
    exit(2);
}

/* ---- Callers. */

static void *caller_thread(void *user)
{
    struct caller *caller = user;

    bed_enter(caller->bed, caller->node);
    if (!query_open(&caller->client, caller->number, &caller->via, bed_cookie(caller->bed))) {
        give_up("no client");
    }
    caller->run(caller);
    query_close(&caller->client);
    return NULL;
}

static void caller_start(struct caller *caller,
                         struct bed *bed,
                         unsigned node,
                         void (*run)(struct caller *caller),
                         void *user)
{
    static int64_t number; /* started by one thread */
    char text[128];

    *caller =
        (struct caller){.bed = bed, .node = node, .number = ++number, .run = run, .user = user};
    (void)snprintf(text, sizeof(text), "%s%s", bed_is_original(bed, node) ? "original:" : "",
                   bed_name(bed, node));
    if (!query_peer_parse(text, &caller->via) ||
        pthread_create(&caller->thread, NULL, caller_thread, caller) != 0) {
        give_up("no caller");
    }
}

static void caller_join(struct caller *caller)
{
    (void)pthread_join(caller->thread, NULL);
}

/* Runs it once and waits for it. */
static void call_from(struct bed *bed, unsigned node, void (*run)(struct caller *), void *user)
{
    struct caller caller;

    caller_start(&caller, bed, node, run, user);
    caller_join(&caller);
}

/* Both answer, and not one for the other: what is sent to a process that has lost its key is passed
 * on for a while, so that one process counts both. */
static bool both_live(struct caller *caller,
                      int64_t key,
                      const struct npr_pid *first,
                      const struct npr_pid *second)
{
    struct query_outcome one = {.pid = *first};
    struct query_outcome other = {.pid = *second};

    if (first->node.size == 0 || second->node.size == 0 || npr_pid_equal(first, second)) {
        return false;
    }
    query_operate(&caller->client, key, 1, CALL_MS, &one);
    query_operate(&caller->client, key, 2, CALL_MS, &other);
    return one.status == NPR_OK && other.status == NPR_OK &&
           (one.done_token != other.done_token || other.count != one.count + 1);
}

/* What two callers were given for each of so many keys. */
struct pair {
    struct npr_pid first;
    struct npr_pid second;
};
struct pairs {
    int64_t base;
    size_t count;
    struct pair *pairs;
    unsigned double_count;
};

static void count_double(struct caller *caller)
{
    struct pairs *pairs = caller->user;

    pairs->double_count = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        pairs->double_count += both_live(caller, pairs->base + (int64_t)i, &pairs->pairs[i].first,
                                         &pairs->pairs[i].second)
                                   ? 1
                                   : 0;
    }
}

static void find_first(struct caller *caller)
{
    struct pairs *pairs = caller->user;

    for (size_t i = 0; i < pairs->count; i++) {
        pairs->pairs[i].first =
            query_find(&caller->client, &caller->via, pairs->base + (int64_t)i, CALL_MS).pid;
    }
}

static void find_second(struct caller *caller)
{
    struct pairs *pairs = caller->user;

    for (size_t i = 0; i < pairs->count; i++) {
        pairs->pairs[i].second =
            query_find(&caller->client, &caller->via, pairs->base + (int64_t)i, CALL_MS).pid;
    }
}

/* ---- Races: two callers at two nodes ask for one fresh key at the same time. */

static pthread_barrier_t race_barrier;

static void race(struct caller *caller)
{
    struct pairs *pairs = caller->user;

    for (size_t i = 0; i < pairs->count; i++) {
        struct npr_pid *pid = caller->node == 0 ? &pairs->pairs[i].first : &pairs->pairs[i].second;

        (void)pthread_barrier_wait(&race_barrier);
        *pid = query_find(&caller->client, &caller->via, pairs->base + (int64_t)i, CALL_MS).pid;
    }
}

static unsigned measure_races(struct bed *bed)
{
    static struct pair results[RACES];
    struct pairs pairs = {.base = RACE_BASE, .count = RACES, .pairs = results};
    struct caller callers[2];

    memset(results, 0, sizeof(results));
    (void)pthread_barrier_init(&race_barrier, NULL, 2);
    for (unsigned node = 0; node < 2; node++) {
        caller_start(&callers[node], bed, node, race, &pairs);
    }
    for (unsigned node = 0; node < 2; node++) {
        caller_join(&callers[node]);
    }
    (void)pthread_barrier_destroy(&race_barrier);
    call_from(bed, 0, count_double, &pairs);
    return pairs.double_count;
}

/* ---- A join: keys that live on two nodes are asked for by way of a third, as soon as it serves.
 */

static atomic_bool load_stops; /* relaxed: only a flag */

static void load(struct caller *caller)
{
    int64_t key = caller->number;

    while (!atomic_load_explicit(&load_stops, memory_order_relaxed)) {
        key = (key * 7 + 1) % JOIN_KEYS;
        (void)query_find(&caller->client, &caller->via, JOIN_BASE + key, CALL_MS);
    }
}

static unsigned measure_join(struct bed *bed)
{
    static struct pair results[JOIN_KEYS];
    struct pairs pairs = {.base = JOIN_BASE, .count = JOIN_KEYS, .pairs = results};
    struct caller callers[LOAD_THREADS];

    memset(results, 0, sizeof(results));
    call_from(bed, 0, find_first, &pairs);
    atomic_store_explicit(&load_stops, false, memory_order_relaxed);
    for (unsigned i = 0; i < LOAD_THREADS; i++) {
        caller_start(&callers[i], bed, i % 2, load, NULL);
    }
    bed_start(bed, 2);
    call_from(bed, 2, find_second, &pairs);
    atomic_store_explicit(&load_stops, true, memory_order_relaxed);
    for (unsigned i = 0; i < LOAD_THREADS; i++) {
        caller_join(&callers[i]);
    }
    (void)bed_wait_views(bed, 7, 7);
    call_from(bed, 0, count_double, &pairs);
    return pairs.double_count;
}

/* ---- Keys that live where they are wanted. */

struct wanted {
    char prefix[128]; /* of the node's name */
    int64_t next;     /* key to try */
    size_t count;
    int64_t keys[PAUSE_KEYS];
    struct npr_pid pids[PAUSE_KEYS];
};

static bool lives_on(const struct npr_pid *pid, const char *name)
{
    return pid->node.size == strlen(name) && memcmp(pid->node.text, name, pid->node.size) == 0;
}

static void find_wanted(struct caller *caller)
{
    struct wanted *wanted = caller->user;

    for (size_t i = 0; i < wanted->count; wanted->next++) {
        const struct query_outcome found =
            query_find(&caller->client, &caller->via, wanted->next, CALL_MS);

        if (found.found && lives_on(&found.pid, wanted->prefix)) {
            wanted->keys[i] = wanted->next;
            wanted->pids[i] = found.pid;
            i++;
        }
    }
}

/* `count` fresh keys whose processes were started on `node`. */
static void want_keys(struct bed *bed, unsigned node, size_t count, struct wanted *out)
{
    static int64_t next = FRESH_BASE;

    *out = (struct wanted){.count = count, .next = next};
    (void)snprintf(out->prefix, sizeof(out->prefix), "%s", bed_name(bed, node));
    call_from(bed, 0, find_wanted, out);
    next = out->next;
}

/* ---- A pause: an owner is stopped for 3 s, its keys are asked for meanwhile. */

struct pause_asker {
    pthread_t thread;
    struct query_client client;
    const struct query_peer *via;
    int64_t key;
    struct npr_pid found;
};

static void *pause_ask(void *user)
{
    struct pause_asker *asker = user;
    const uint64_t until_ns = report_now_ns() + CALL_MS * NS_PER_MS;
    struct query_outcome outcome;

    do {
        outcome = query_find(&asker->client, asker->via, asker->key, CALL_MS);
    } while (!outcome.found && report_now_ns() < until_ns);
    asker->found = outcome.pid;
    return NULL;
}

struct pause_run {
    struct wanted wanted;
    unsigned double_count;
};

/* At node a, which asks; b is stopped for as long as the keys are being asked for, or 3 s. */
static void pause_and_ask(struct caller *caller)
{
    static struct pause_asker askers[PAUSE_KEYS];
    struct pause_run *run = caller->user;

    bed_pause(caller->bed, 1);
    for (size_t i = 0; i < PAUSE_KEYS; i++) {
        askers[i] = (struct pause_asker){.via = &caller->via, .key = run->wanted.keys[i]};
        if (!query_share(&askers[i].client, &caller->client) ||
            pthread_create(&askers[i].thread, NULL, pause_ask, &askers[i]) != 0) {
            give_up("no asker");
        }
    }
    program_pause_ms(PAUSE_MS); /* that is the fault */
    bed_resume(caller->bed, 1);
    for (size_t i = 0; i < PAUSE_KEYS; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        query_close(&askers[i].client);
    }
    (void)bed_wait_views(caller->bed, 7, 7);
    program_pause_ms(AFTER_MS); /* what is to be mended is mended; the originals mend nothing */
    for (size_t i = 0; i < PAUSE_KEYS; i++) {
        run->double_count +=
            both_live(caller, run->wanted.keys[i], &run->wanted.pids[i], &askers[i].found) ? 1 : 0;
    }
}

static unsigned measure_pause(struct bed *bed)
{
    static struct pause_run run;

    run.double_count = 0;
    want_keys(bed, 1, PAUSE_KEYS, &run.wanted);
    call_from(bed, 0, pause_and_ask, &run);
    return run.double_count;
}

/* ---- Outages: how long a dead node's key waits, and how long all others. */

struct outage_run {
    struct outage *outage;
    struct wanted dead;        /* one key on b */
    struct wanted others[2];   /* on a and on c */
    _Atomic uint64_t began_ns; /* 0: not yet; relaxed: nothing else is told by them */
    _Atomic uint64_t first_ns; /* of a good answer; UINT64_MAX: given up */
    atomic_bool ready[2];      /* both callers run */
};

/* Asks for the dead node's key until another node answers for it. */
static void wait_for_first(struct caller *caller)
{
    struct outage_run *run = caller->user;
    uint64_t began_ns = 0;

    atomic_store_explicit(&run->ready[0], true, memory_order_relaxed);
    for (;;) {
        struct query_outcome outcome =
            query_find(&caller->client, &caller->via, run->dead.keys[0], CALL_MS);
        const uint64_t now_ns = report_now_ns();

        began_ns = atomic_load_explicit(&run->began_ns, memory_order_relaxed);
        if (began_ns != 0 && outcome.found && !lives_on(&outcome.pid, run->dead.prefix)) {
            query_operate(&caller->client, run->dead.keys[0], 1, CALL_MS, &outcome);
            if (outcome.status == NPR_OK) {
                atomic_store_explicit(&run->first_ns, report_now_ns(), memory_order_relaxed);
                return;
            }
        }
        if (began_ns != 0 && now_ns > began_ns + GIVE_UP_NS) {
            atomic_store_explicit(&run->first_ns, UINT64_MAX, memory_order_relaxed);
            return;
        }
        program_pause_ms(1);
    }
}

static void note_latency(struct outage *outage, uint64_t from_ns, uint64_t to_ns)
{
    if (outage->latencies_ms == NULL) {
        outage->latencies_ms = calloc(LATENCIES_MAX, sizeof(float));
        if (outage->latencies_ms == NULL) {
            give_up("no memory");
        }
    }
    if (outage->latencies_count < LATENCIES_MAX) {
        outage->latencies_ms[outage->latencies_count++] = (float)((double)(to_ns - from_ns) / 1e6);
    }
}

/* Calls the other keys' processes without pause; notes each call that ended after the fault. */
static void call_others(struct caller *caller)
{
    struct outage_run *run = caller->user;

    atomic_store_explicit(&run->ready[1], true, memory_order_relaxed);
    for (size_t i = 0;; i++) {
        const struct wanted *others = &run->others[i % 2];
        const int64_t key = others->keys[i / 2 % OTHER_KEYS];
        const uint64_t from_ns = report_now_ns();
        struct query_outcome outcome = query_find(&caller->client, &caller->via, key, CALL_MS);
        uint64_t to_ns;
        uint64_t began_ns;
        uint64_t first_ns;

        if (outcome.found) {
            query_operate(&caller->client, key, 1, CALL_MS, &outcome);
        }
        to_ns = report_now_ns();
        began_ns = atomic_load_explicit(&run->began_ns, memory_order_relaxed);
        first_ns = atomic_load_explicit(&run->first_ns, memory_order_relaxed);
        if (began_ns != 0 && to_ns > began_ns) {
            note_latency(run->outage, from_ns, to_ns);
        }
        if (first_ns != 0 && (first_ns == UINT64_MAX || to_ns > first_ns + AFTER_MS * NS_PER_MS)) {
            return;
        }
    }
}

enum fault_kind { FAULT_NONE, FAULT_KILL, FAULT_CUT };

static void do_fault(struct bed *bed, enum fault_kind kind, struct outage_run *run)
{
    static const uint32_t sides[2] = {1 | 4, 2};

    atomic_store_explicit(&run->began_ns, report_now_ns(), memory_order_relaxed);
    switch (kind) {
    case FAULT_NONE:
        program_pause_ms(AFTER_MS);
        atomic_store_explicit(&run->first_ns, report_now_ns(), memory_order_relaxed);
        break;
    case FAULT_KILL:
        bed_kill(bed, 1);
        break;
    case FAULT_CUT:
        bed_partition(bed, sides, 2);
        break;
    }
}

static void measure_outage(struct bed *bed, enum fault_kind kind, struct outage *out)
{
    static struct outage_run run;
    struct caller callers[2];
    uint64_t first_ns;

    memset(&run, 0, sizeof(run));
    run.outage = out;
    want_keys(bed, 1, 1, &run.dead);
    want_keys(bed, 0, OTHER_KEYS, &run.others[0]);
    want_keys(bed, 2, OTHER_KEYS, &run.others[1]);
    if (kind != FAULT_NONE) {
        caller_start(&callers[0], bed, 0, wait_for_first, &run);
    } else {
        atomic_store_explicit(&run.ready[0], true, memory_order_relaxed);
    }
    caller_start(&callers[1], bed, 0, call_others, &run);
    while (!atomic_load_explicit(&run.ready[0], memory_order_relaxed) ||
           !atomic_load_explicit(&run.ready[1], memory_order_relaxed)) {
        program_pause_ms(1);
    }
    program_pause_ms(200); /* Callers are in the middle of it when it comes. */
    do_fault(bed, kind, &run);
    if (kind != FAULT_NONE) {
        caller_join(&callers[0]);
    }
    caller_join(&callers[1]);
    first_ns = atomic_load_explicit(&run.first_ns, memory_order_relaxed);
    out->first_ms[out->rounds++] =
        first_ns == UINT64_MAX
            ? -1
            : (double)(first_ns - atomic_load_explicit(&run.began_ns, memory_order_relaxed)) / 1e6;
    if (kind == FAULT_KILL) {
        bed_start(bed, 1);
        (void)bed_wait_views(bed, 7, 7);
    }
}

/* ---- One kind of nodes after the other. */

static void measure(const struct settings *settings, bool original, struct figures *out)
{
    char directory[256];
    const struct bed_options options = {.command = settings->command,
                                        .witness = settings->witness,
                                        .asker = "",
                                        .ebin = settings->ebin,
                                        .directory = directory,
                                        .network = NETWORK_CABLES,
                                        .nodes_count = original ? 0 : 3,
                                        .originals_count = original ? 3 : 0,
                                        .keys_count = KEYS_COUNT,
                                        .call_ms = CALL_MS,
                                        .settle_ms = 60000,
                                        .narration = stderr};
    struct bed *bed;

    (void)snprintf(directory, sizeof(directory), "%s/%s", settings->directory,
                   original ? "original" : "native");
    (void)mkdir(directory, 0700);
    bed = bed_open(&options);
    bed_start(bed, 0);
    bed_start(bed, 1);
    (void)bed_wait_views(bed, 3, 3);
    out->races_double = measure_races(bed);
    out->join_double = measure_join(bed);
    out->pause_double = measure_pause(bed);
    (void)bed_wait_views(bed, 7, 7);
    measure_outage(bed, FAULT_NONE, &out->quiet);
    for (unsigned i = 0; i < settings->rounds; i++) {
        measure_outage(bed, FAULT_KILL, &out->killed);
    }
    for (unsigned i = 0; i < (original ? 1 : settings->rounds);
         i++) { /* An original's takes long. */
        measure_outage(bed, FAULT_CUT, &out->cut);
        bed_heal(bed);
        if (!original) {
            (void)bed_wait_views(bed, 7, 7);
        }
    }
    (void)bed_close(bed, "", NULL);
}

/* ---- The table. */

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static int by_float(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static void print_first(struct outage *outage, char *out, size_t out_size)
{
    double *sorted = outage->first_ms;
    const size_t count = outage->rounds;

    qsort(sorted, count, sizeof(*sorted), by_double);
    if (count == 0 || sorted[0] < 0) {
        (void)snprintf(out, out_size, "more than %u s", (unsigned)(GIVE_UP_NS / 1000000000));
    } else if (count == 1) {
        (void)snprintf(out, out_size, "%.0f ms", sorted[0]);
    } else {
        (void)snprintf(out, out_size, "%.0f ms (%.0f-%.0f)", sorted[count / 2], sorted[0],
                       sorted[count - 1]);
    }
}

static void print_others(struct outage *outage, char *out, size_t out_size)
{
    const size_t count = outage->latencies_count;

    if (count == 0) {
        (void)snprintf(out, out_size, "-");
        return;
    }
    qsort(outage->latencies_ms, count, sizeof(float), by_float);
    (void)snprintf(out, out_size, "%.2f / %.1f ms (%zu calls)",
                   (double)outage->latencies_ms[count - 1 - count / 100],
                   (double)outage->latencies_ms[count - 1], count);
}

static void print_row(const char *what, const char *ours, const char *theirs)
{
    (void)printf("| %s | %s | %s |\n", what, ours, theirs);
}

static void print_outage(const char *what, struct outage *ours, struct outage *theirs, bool waits)
{
    char text[160];
    char left[64];
    char right[64];

    if (waits) {
        (void)snprintf(text, sizeof(text), "%s: first good answer for a key of the dead node",
                       what);
        print_first(ours, left, sizeof(left));
        print_first(theirs, right, sizeof(right));
        print_row(text, left, right);
    }
    (void)snprintf(text, sizeof(text), "%s: calls for other keys, p99 / longest", what);
    print_others(ours, left, sizeof(left));
    print_others(theirs, right, sizeof(right));
    print_row(text, left, right);
}

static void print_count(const char *what, unsigned ours, unsigned theirs)
{
    char left[16];
    char right[16];

    (void)snprintf(left, sizeof(left), "%u", ours);
    (void)snprintf(right, sizeof(right), "%u", theirs);
    print_row(what, left, right);
}

static void print_table(struct figures *ours, struct figures *theirs)
{
    print_row("", "native", "original");
    print_row("---", "---", "---");
    print_count("keys with two live processes: 2,000 races from two nodes", ours->races_double,
                theirs->races_double);
    print_count("... 3,000 keys, a node joins under load", ours->join_double, theirs->join_double);
    print_count("... 64 keys, their owner is stopped for 3 s", ours->pause_double,
                theirs->pause_double);
    print_outage("no fault", &ours->quiet, &theirs->quiet, false);
    print_outage("kill -9", &ours->killed, &theirs->killed, true);
    print_outage("cut cable", &ours->cut, &theirs->cut, true);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/nprocreg-figures-XXXXXX";
    struct settings settings = {.directory = mkdtemp(directory)};
    static struct figures ours;
    static struct figures theirs;

    if (argc != 5) {
        give_up("wants COMMAND WITNESS EBIN ROUNDS");
    }
    settings.command = argv[1];
    settings.witness = argv[2];
    settings.ebin = argv[3];
    settings.rounds = (unsigned)strtoul(argv[4], NULL, 10);
    if (settings.directory == NULL || settings.rounds == 0 || settings.rounds > ROUNDS_MAX) {
        give_up("1 to 7 rounds");
    }
    if (!network_can_use_cables()) {
        give_up("network namespaces are not allowed here: run it as root");
    }
    measure(&settings, false, &ours);
    measure(&settings, true, &theirs);
    print_table(&ours, &theirs);
    free(ours.quiet.latencies_ms);
    free(ours.killed.latencies_ms);
    free(ours.cut.latencies_ms);
    free(theirs.quiet.latencies_ms);
    free(theirs.killed.latencies_ms);
    free(theirs.cut.latencies_ms);
    return EXIT_SUCCESS;
}
