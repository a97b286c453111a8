/* asker.c - a client under fault: asks nodes for random keys without pause, starts what is not
 * there, has its request carried out by the process, and tells the referee of each call.
 *
 * It asks the first of the NODEs that it is given; when that cannot be reached, or does not answer
 * in time, the next one.  Ends with SIGTERM.
 *
 * With --cling it calls the process that it has once found for a key, for as long as that answers.
 *
 * With --sweep it asks each node for each key once, and prints a line for each: KEY NODE STATUS PID
 * T0 T1.  With --look nothing is started for it. */
#include "query.h"
#include "report.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEERS_MAX   16
#define COOKIE_MAX  256
#define ALL_DOWN_NS 5000000L /* between two tries when no node at all can be reached */
#define NS_PER_MS   UINT64_C(1000000)

struct asker {
    struct query_client client;
    struct query_peer peers[PEERS_MAX];
    size_t peers_count;
    size_t peer; /* the one that is asked */
    int64_t number;
    uint32_t deadline_ms;
    uint32_t keys_count;
    uint32_t end_permille; /* of the requests are followed by one that the process end */
    int64_t seq;           /* of the last request */
    uint64_t random;
    bool is_sweep;
    bool clings;
    const char *function;       /* what is started; NULL: nothing */
    struct query_outcome *held; /* of each key what was found; NULL: it does not cling */
    char cookie[COOKIE_MAX];
};

static volatile sig_atomic_t stopped;

static void on_term(int signal)
{
    (void)signal;
    stopped = 1;
}

/* xorshift64*: what a seed gives does not depend on the C library. */
static uint64_t draw(struct asker *asker, uint64_t below)
{
    asker->random ^= asker->random >> 12;
    asker->random ^= asker->random << 25;
    asker->random ^= asker->random >> 27;
    return (asker->random * UINT64_C(2685821657736338717) >> 33) % below;
}

static uint32_t left_ms(uint64_t deadline_ns)
{
    const uint64_t now_ns = report_now_ns();

    return now_ns >= deadline_ns ? 1 : (uint32_t)((deadline_ns - now_ns) / NS_PER_MS) + 1;
}

/* The process ended, or its node did, between the get and the call: whoever wants the key's process
 * asks again. */
static bool is_gone(npr_status status)
{
    return status == NPR_ENOPROC || status == NPR_EEXIT || status == NPR_EUNREACHABLE;
}

/* Calls the process that was found for the key, if one was.  False: it is to be looked for. */
static bool ask_held(struct asker *asker,
                     int64_t key,
                     uint64_t deadline_ns,
                     struct query_outcome *out)
{
    struct query_outcome *held = asker->held == NULL ? NULL : &asker->held[key];
    const uint64_t began_ns = report_now_ns();
    char status[QUERY_STATUS_BYTES];
    char pid[QUERY_PID_BYTES];

    if (held == NULL || !held->found) {
        return false;
    }
    *out = *held;
    asker->seq++;
    query_operate(&asker->client, key, asker->seq, left_ms(deadline_ns), out);
    if (!is_gone(out->status)) {
        return true;
    }
    query_status_text(out, status);
    query_pid_text(&out->pid, pid);
    report("clung %llu %llu %s %s", (unsigned long long)began_ns,
           (unsigned long long)report_now_ns(), pid, status);
    *held = (struct query_outcome){0};
    return false;
}

/* One request, carried out by the key's process, whichever that is by then.  Each try has a number
 * of its own: what broke off may have been carried out. */
static struct query_outcome ask_until(struct asker *asker,
                                      int64_t key,
                                      uint64_t deadline_ns,
                                      uint64_t *out_found_ns,
                                      unsigned *out_tries)
{
    const struct query_peer *via = &asker->peers[asker->peer];
    struct query_outcome outcome;

    *out_tries = 1;
    *out_found_ns = 0;
    if (ask_held(asker, key, deadline_ns, &outcome)) {
        return outcome;
    }
    *out_tries = 0;
    do {
        (*out_tries)++;
        asker->seq++;
        outcome = query_find(&asker->client, via, key, left_ms(deadline_ns));
        *out_found_ns = outcome.found ? report_now_ns() : 0;
        if (outcome.found) {
            query_operate(&asker->client, key, asker->seq, left_ms(deadline_ns), &outcome);
        }
    } while (outcome.found && is_gone(outcome.status) && report_now_ns() < deadline_ns);
    if (asker->held != NULL && outcome.status == NPR_OK) {
        asker->held[key] = outcome;
    }
    return outcome;
}

static void ask_once(struct asker *asker, unsigned *failed_in_row)
{
    const int64_t key = (int64_t)draw(asker, asker->keys_count);
    const uint64_t began_ns = report_now_ns();
    uint64_t found_ns;
    unsigned tries;
    const struct query_outcome outcome =
        ask_until(asker, key, began_ns + asker->deadline_ms * NS_PER_MS, &found_ns, &tries);
    char status[QUERY_STATUS_BYTES];
    char pid[QUERY_PID_BYTES];

    query_status_text(&outcome, status);
    query_pid_text(&outcome.pid, pid);
    report("call %llu %llu %llu %.*s %lld %lld %s %s %llu %llu %lld %u",
           (unsigned long long)began_ns, (unsigned long long)found_ns,
           (unsigned long long)report_now_ns(), (int)outcome.via->name.size, outcome.via->name.text,
           (long long)key, (long long)asker->seq, status, pid, (unsigned long long)outcome.token,
           (unsigned long long)outcome.done_token, (long long)outcome.count, tries);
    if (outcome.status == NPR_OK) {
        *failed_in_row = 0;
        if (draw(asker, 1000) < asker->end_permille) {
            query_end_process(&asker->client, asker->deadline_ms, &outcome);
        }
    } else if (!outcome.found) { /* The node does not serve: another may. */
        (*failed_in_row)++;
        asker->peer = asker->peer + 1 < asker->peers_count ? asker->peer + 1 : 0;
    }
}

static void ask_on(struct asker *asker)
{
    const struct timespec all_down = {.tv_nsec = ALL_DOWN_NS};
    unsigned failed_in_row = 0;

    asker->held = asker->clings ? calloc(asker->keys_count, sizeof(*asker->held)) : NULL;
    while (stopped == 0) {
        ask_once(asker, &failed_in_row);
        if (failed_in_row >= asker->peers_count) {
            (void)nanosleep(&all_down, NULL); /* so as not to take the machine from the nodes */
            failed_in_row = 0;
        }
    }
    free(asker->held);
}

static void sweep(struct asker *asker)
{
    for (uint32_t i = 0; i < asker->keys_count * asker->peers_count; i++) {
        const uint32_t key = i / (uint32_t)asker->peers_count;
        const struct query_peer *via = &asker->peers[i % asker->peers_count];
        const uint64_t began_ns = report_now_ns();
        const struct query_outcome outcome =
            query_find(&asker->client, via, key, asker->deadline_ms);
        char status[QUERY_STATUS_BYTES];
        char pid[QUERY_PID_BYTES];

        query_status_text(&outcome, status);
        query_pid_text(&outcome.pid, pid);
        (void)printf("%u %.*s %s %s %llu %llu\n", (unsigned)key, (int)via->name.size,
                     via->name.text, status, pid, (unsigned long long)began_ns,
                     (unsigned long long)report_now_ns());
    }
}

static bool read_cookie(const char *path, char *out, size_t out_size)
{
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(out, (int)out_size, file) != NULL;

    if (file != NULL) {
        (void)fclose(file);
    }
    if (read) {
        out[strcspn(out, "\n")] = '\0';
    }
    return read;
}

static bool read_option(struct asker *asker, int option, const char *value)
{
    switch (option) {
    case 'n':
        asker->number = strtoll(value, NULL, 10);
        return true;
    case 'c':
        return read_cookie(value, asker->cookie, sizeof(asker->cookie));
    case 'k':
        asker->keys_count = (uint32_t)strtoul(value, NULL, 10);
        return true;
    case 'd':
        asker->deadline_ms = (uint32_t)strtoul(value, NULL, 10);
        return true;
    case 's':
        asker->random = strtoull(value, NULL, 10) * 2 + 1;
        return true;
    case 'e':
        asker->end_permille = (uint32_t)strtoul(value, NULL, 10);
        return true;
    case 'w':
        asker->is_sweep = true;
        return true;
    case 'f':
        asker->function = value;
        return true;
    case 'l':
        asker->function = NULL;
        return true;
    case 'h':
        asker->clings = true;
        return true;
    default:
        return false;
    }
}

static bool read_options(struct asker *asker, int argc, char **argv)
{
    static const struct option options[] = {
        {"client", required_argument, NULL, 'n'},
        {"cookie", required_argument, NULL, 'c'},
        {"keys", required_argument, NULL, 'k'},
        {"deadline-ms", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 's'},
        {"sweep", no_argument, NULL, 'w'},
        {"end-permille", required_argument, NULL, 'e'},
        {"function", required_argument, NULL, 'f'},
        {"look", no_argument, NULL, 'l'},
        {"cling", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!read_option(asker, option, optarg)) {
            return false;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (asker->peers_count == PEERS_MAX ||
            !query_peer_parse(argv[i], &asker->peers[asker->peers_count++])) {
            return false;
        }
    }
    return asker->peers_count > 0 && asker->keys_count > 0 && asker->random != 0;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_term};
    struct asker asker = {.deadline_ms = 5000, .function = "start"};

    (void)sigaction(SIGTERM, &action, NULL);
    if (!read_options(&asker, argc, argv)) {
        (void)fprintf(stderr, "asker: bad options\n");
        return EXIT_FAILURE;
    }
    if (!asker.is_sweep && !report_open()) {
        (void)fprintf(stderr, "asker: no referee\n");
        return EXIT_FAILURE;
    }
    if (!query_open(&asker.client, asker.number, &asker.peers[0], asker.cookie)) {
        return EXIT_FAILURE;
    }
    asker.client.function = asker.function;
    if (asker.is_sweep) {
        sweep(&asker);
    } else {
        ask_on(&asker);
    }
    query_close(&asker.client);
    return EXIT_SUCCESS;
}
