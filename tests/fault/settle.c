/* settle.c - bed.h: what the nodes say, clients, and whether all is as it should be. */
#include "bed_inside.h"
#include "report.h"
#include "words.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- Views. */

int bed_run(struct bed *bed, unsigned node, const struct program *program)
{
    const pid_t pid = program_start(bed->network, node, program);
    const int status = program_wait_until(pid, report_now_ns() + 10000 * NS_PER_MS);

    if (status < 0) {
        (void)kill(pid, SIGKILL);
        (void)program_wait(pid);
    }
    return status;
}

/* The nodes in its view as a set; 0: it does not say. */
static uint32_t view_of(struct bed *bed, unsigned node)
{
    char path[512];
    char line[256];
    uint32_t view = 0;
    FILE *file;
    struct program program = {.words = {bed->options.command, "nodes", "--timeout", "2s", "--node",
                                        network_name(bed->network, node), "--cookie-file",
                                        bed->cookie},
                              .output = path,
                              .log = bed->nodes[node].log};

    (void)snprintf(path, sizeof(path), "%s/view", bed->options.directory);
    if (bed_run(bed, node, &program) != 0) {
        return 0;
    }
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        for (unsigned i = 0; i < bed->nodes_count; i++) {
            const char *name = network_name(bed->network, i);

            if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] <= ' ') {
                view |= 1U << i;
            }
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return view;
}

static bool views_are(struct bed *bed, uint32_t of_nodes, uint32_t view)
{
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        if ((of_nodes & 1U << i) != 0 && view_of(bed, i) != view) {
            return false;
        }
    }
    return true;
}

static void say_views(struct bed *bed, uint32_t of_nodes, uint32_t wanted)
{
    char text[256] = "";

    for (unsigned i = 0; i < bed->nodes_count; i++) {
        if ((of_nodes & 1U << i) != 0) {
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " %c sees %#x",
                           (char)('a' + i), (unsigned)view_of(bed, i));
        }
    }
    bed_say(bed, "views, wanted %#x:%s", (unsigned)wanted, text);
}

bool bed_wait_views(struct bed *bed, uint32_t of_nodes, uint32_t view)
{
    const uint64_t began_ns = report_now_ns();

    while (!views_are(bed, of_nodes, view)) {
        if (report_now_ns() > began_ns + bed->options.settle_ms * NS_PER_MS) {
            say_views(bed, of_nodes, view);
            bed_fault(bed, "the nodes do not see what they should");
            return false;
        }
        program_pause_ms(POLL_MS);
    }
    bed_say(bed, "so many nodes are in the views of all: %d", __builtin_popcount(view));
    return true;
}

/* ---- Draining. */

static uint64_t failed_calls(struct bed *bed)
{
    struct book_figures figures;

    book_figures(referee_book(bed->referee), &figures);
    referee_release(bed->referee);
    return figures.calls - figures.answered;
}

void bed_drain(struct bed *bed, unsigned node)
{
    const uint64_t failed = failed_calls(bed);
    const struct program program = {.words = {bed->options.command, "drain", "--deadline", "30s",
                                              "--node", network_name(bed->network, node),
                                              "--cookie-file", bed->cookie},
                                    .log = bed->nodes[node].log};
    pid_t pid;

    bed_say(bed, "%s is drained", network_name(bed->network, node));
    pid = program_start(bed->network, node, &program);
    if (program_wait_until(pid, report_now_ns() + END_MS_MAX * NS_PER_MS) != 0) {
        (void)kill(pid, SIGKILL);
        bed_fault(bed, "not all keys were handed over");
    }
    if (failed_calls(bed) != failed) {
        bed_fault(bed, "calls failed while a node was drained");
    }
    bed_say(bed, "%s has nothing left", network_name(bed->network, node));
}

/* ---- Clients. */

/* Adds the nodes of the set to the words, `first` first. */
static void client_peers(const struct bed *bed,
                         unsigned first,
                         uint32_t set,
                         struct program *program,
                         char (*names)[64])
{
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        const unsigned node = (first + i) % bed->nodes_count;

        if ((set & 1U << node) == 0) {
            continue;
        }
        (void)snprintf(names[i], sizeof(names[i]), "%s%s",
                       bed->nodes[node].original ? "original:" : "",
                       network_name(bed->network, node));
        program_add(program, names[i]);
    }
}

static uint64_t answered_calls(struct bed *bed)
{
    struct book_figures figures;

    book_figures(referee_book(bed->referee), &figures);
    referee_release(bed->referee);
    return figures.answered;
}

void bed_start_clients(struct bed *bed)
{
    const uint64_t deadline_ns = report_now_ns() + READY_MS_MAX * NS_PER_MS;
    char log[256];
    char keys[16];
    char call[16];
    char ends[16];

    (void)snprintf(ends, sizeof(ends), "%u", (unsigned)bed->options.end_permille);
    (void)snprintf(log, sizeof(log), "%s/clients.log", bed->options.directory);
    (void)snprintf(keys, sizeof(keys), "%u", (unsigned)bed->options.keys_count);
    (void)snprintf(call, sizeof(call), "%u", (unsigned)bed->options.call_ms);
    for (unsigned i = 0; i < bed->options.clients_count; i++) {
        char names[BOOK_NODES_MAX][64];
        char number[16];
        char seed[24];
        struct program program = {.words = {bed->options.asker, "--client", number, "--cookie",
                                            bed->cookie, "--keys", keys, "--deadline-ms", call,
                                            "--seed", seed, "--end-permille", ends, "--function",
                                            bed->options.function},
                                  .role = "client",
                                  .index = i,
                                  .referee = bed->socket,
                                  .log = log};

        (void)snprintf(number, sizeof(number), "%u", i);
        (void)snprintf(seed, sizeof(seed), "%" PRIu64, bed->options.seed + i);
        if (i >= bed->options.clients_count - bed->options.clings_count) {
            program_add(&program, "--cling");
        }
        client_peers(bed, i % bed->nodes_count, UINT32_MAX, &program, names);
        bed->clients[i] = program_start(bed->network, i % bed->nodes_count, &program);
    }
    while (answered_calls(bed) == 0) {
        if (report_now_ns() > deadline_ns) {
            (void)fprintf(stderr, "bed: the clients get no answer, see %s\n", log);
            exit(2);
        }
        program_pause_ms(POLL_MS);
    }
    bed_say(bed, "%u clients ask for %u keys", bed->options.clients_count,
            (unsigned)bed->options.keys_count);
}

void bed_go_on_ms(struct bed *bed, unsigned ms)
{
    (void)bed;
    program_pause_ms(ms); /* This is how long the fault lasts; nothing is waited for. */
}

/* ---- Settling. */

/* Whether the pid is one of these nodes'. */
static bool is_of(const struct bed *bed, const char *pid, uint32_t nodes)
{
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        const char *name = network_name(bed->network, i);
        const size_t size = strlen(name);

        if ((nodes & 1U << i) != 0 && strncmp(pid, name, size) == 0 && pid[size] == '.') {
            return true;
        }
    }
    return false;
}

/* One line of the sweep: KEY NODE STATUS PID T0 T1.  Whether the process lived then; `own_only`: on
 * these nodes, or there was none. */
static bool swept_well(struct bed *bed,
                       const char *line,
                       uint32_t nodes,
                       bool own_only,
                       char *why,
                       size_t why_size)
{
    struct words words = {.at = line};
    const uint32_t key = words_u32(&words);
    char node[64];
    char status[64];
    char pid[128];
    uint64_t from_ns;
    uint64_t to_ns;
    bool well;

    words_text(&words, node, sizeof(node));
    words_text(&words, status, sizeof(status));
    words_text(&words, pid, sizeof(pid));
    from_ns = words_u64(&words);
    to_ns = words_u64(&words);
    if (!words_done(&words)) {
        (void)snprintf(why, why_size, "the sweep wrote '%.60s'", line);
        return false;
    }
    if (own_only && strcmp(status, "get-enotfound") == 0) {
        well = !book_has(referee_book(bed->referee), key, nodes, from_ns, to_ns);
    } else {
        well = strcmp(status, "ok") == 0 && (!own_only || is_of(bed, pid, nodes)) &&
               book_lived(referee_book(bed->referee), key, pid, from_ns, to_ns);
    }
    referee_release(bed->referee);
    if (!well) {
        (void)snprintf(why, why_size, "key %u at %s: %s %s, which is not what lived then",
                       (unsigned)key, node, status, pid);
    }
    return well;
}

bool bed_sweep(struct bed *bed, uint32_t nodes, bool look, char *why, size_t why_size)
{
    char names[BOOK_NODES_MAX][64];
    char keys[16];
    char path[512];
    char log[512];
    char line[512];
    size_t lines = 0;
    bool well = true;
    FILE *file;
    struct program program = {.words = {bed->options.asker, "--sweep", "--client", "99", "--cookie",
                                        bed->cookie, "--keys", keys, "--deadline-ms", "5000",
                                        "--seed", "1", "--function", bed->options.function},
                              .output = path,
                              .log = log};

    (void)snprintf(keys, sizeof(keys), "%u", (unsigned)bed->options.keys_count);
    (void)snprintf(path, sizeof(path), "%s/sweep", bed->options.directory);
    (void)snprintf(log, sizeof(log), "%s/clients.log", bed->options.directory);
    if (look) {
        program_add(&program, "--look");
    }
    client_peers(bed, (unsigned)__builtin_ctz(nodes), nodes, &program, names);
    (void)snprintf(why, why_size, "the sweep does not come to an end");
    if (bed_run(bed, (unsigned)__builtin_ctz(nodes), &program) != 0) {
        return false;
    }
    file = fopen(path, "re");
    while (well && file != NULL && fgets(line, sizeof(line), file) != NULL) {
        well = swept_well(bed, line, nodes, look, why, why_size);
        lines++;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return well && lines > 0;
}

static bool is_single(struct bed *bed)
{
    const bool single = book_is_single(referee_book(bed->referee));

    referee_release(bed->referee);
    return single;
}

static bool all_taken(struct bed *bed, char *why, size_t why_size)
{
    const bool taken = book_all_taken(referee_book(bed->referee), why, why_size);

    referee_release(bed->referee);
    return taken;
}

bool bed_settle(struct bed *bed)
{
    const uint64_t began_ns = report_now_ns();
    const uint32_t running = bed_running(bed);
    uint64_t single_ns = 0;
    char why[512] = "";

    for (;;) {
        const uint64_t now_ns = report_now_ns();

        if (!is_single(bed)) {
            single_ns = 0;
            (void)snprintf(why, sizeof(why), "some key has two processes");
        } else if (!views_are(bed, running, running)) {
            (void)snprintf(why, sizeof(why), "some node does not see all that run");
        } else {
            single_ns = single_ns == 0 ? now_ns : single_ns;
            if (bed_sweep(bed, running, false, why, sizeof(why)) && is_single(bed) &&
                all_taken(bed, why, sizeof(why))) {
                break;
            }
        }
        if (now_ns > began_ns + bed->options.settle_ms * NS_PER_MS) {
            bed_say(bed, "not settled: %s", why);
            say_views(bed, running, running);
            bed_fault(bed, "the cluster did not settle in time");
            return false;
        }
        program_pause_ms(POLL_MS);
    }
    bed_tell_settled(bed);
    bed_say(bed, "settled, after %.2f s: every node gives the one process for each key",
            (double)(single_ns - began_ns) / 1e9);
    return true;
}

size_t bed_judge(struct bed *bed)
{
    const size_t faults =
        book_judge(referee_book(bed->referee), report_now_ns(), NULL) + bed->faults_count;

    referee_release(bed->referee);
    return faults;
}
