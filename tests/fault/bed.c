#include "bed_inside.h"
#include "report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Words. */

void bed_say(const struct bed *bed, const char *format, ...)
{
    va_list arguments;

    FILE *out = bed->options.narration;

    (void)fprintf(out, "%7.2f s  ", (double)(report_now_ns() - bed->began_ns) / 1e9);
    va_start(arguments, format);
    (void)vfprintf(out, format, arguments);
    va_end(arguments);
    (void)fprintf(out, "\n");
    (void)fflush(out);
}

void bed_fault(struct bed *bed, const char *what)
{
    (void)fprintf(bed->options.narration, "FAULT: %s\n", what);
    bed->faults_count++;
}

/* A mark in the chart, which lasts until bed_mark_ends(). */
static void bed_mark(struct bed *bed, const char *verb, unsigned node)
{
    if (!bed->closing && bed->marks_count < CHART_MARKS_MAX) {
        struct chart_mark *mark = &bed->marks[bed->marks_count++];

        mark->from_ns = report_now_ns();
        mark->to_ns = mark->from_ns;
        (void)snprintf(mark->label, sizeof(mark->label), "%s %c", verb,
                       node < BOOK_NODES_MAX ? (char)('a' + node) : ' ');
    }
}

static void bed_marks_end(struct bed *bed, const char *verb)
{
    for (size_t i = 0; i < bed->marks_count; i++) {
        struct chart_mark *mark = &bed->marks[i];

        if (mark->to_ns == mark->from_ns && strncmp(mark->label, verb, strlen(verb)) == 0) {
            mark->to_ns = report_now_ns();
        }
    }
}

/* ---- Opening. */

static void write_cookie(struct bed *bed)
{
    FILE *file;

    (void)snprintf(bed->cookie_text, sizeof(bed->cookie_text), "FAULT%d", (int)getpid());
    (void)snprintf(bed->cookie, sizeof(bed->cookie), "%s/.erlang.cookie", bed->options.directory);
    (void)unlink(bed->cookie);
    (void)umask(077);
    file = fopen(bed->cookie, "we");
    if (file == NULL || fputs(bed->cookie_text, file) < 0 || fclose(file) != 0) {
        perror(bed->cookie);
        exit(2);
    }
}

struct bed *bed_open(const struct bed_options *options)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    struct book *book = book_create(options->keys_count + SPARE_KEYS, options->call_ms);
    char path[256];

    if (bed == NULL || book == NULL) {
        perror("bed");
        exit(2);
    }
    bed->options = *options;
    bed->nodes_count = options->nodes_count + options->originals_count;
    bed->began_ns = report_now_ns();
    if (bed->options.function == NULL) {
        bed->options.function = "start";
    }
    (void)snprintf(bed->quorum, sizeof(bed->quorum), "%u", options->quorum);
    book_set_quorum(book, options->quorum);
    write_cookie(bed);
    (void)snprintf(path, sizeof(path), "%s/reports", options->directory);
    bed->reports = fopen(path, "we");
    (void)snprintf(bed->socket, sizeof(bed->socket), "%s/referee", options->directory);
    (void)unlink(bed->socket);
    bed->network = network_open(options->network, bed->nodes_count);
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        struct bed_node *node = &bed->nodes[i];

        node->original = i >= options->nodes_count;
        (void)snprintf(node->log, sizeof(node->log), "%s/%c.log", options->directory,
                       (char)('a' + i));
        (void)snprintf(node->output, sizeof(node->output), "%s/%c.out", options->directory,
                       (char)('a' + i));
        (void)unlink(node->log);
        bed->wanted[i] = (1U << bed->nodes_count) - 1;
        book_name_node(book, i, network_name(bed->network, i), node->original);
    }
    bed->referee = referee_open(bed->socket, book, bed->reports);
    if (bed->referee == NULL) {
        perror(bed->socket);
        exit(2);
    }
    return bed;
}

unsigned bed_nodes_count(const struct bed *bed)
{
    return bed->nodes_count;
}

const char *bed_name(const struct bed *bed, unsigned node)
{
    return network_name(bed->network, node);
}

const char *bed_cookie(const struct bed *bed)
{
    return bed->cookie_text;
}

void bed_enter(const struct bed *bed, unsigned node)
{
    network_enter_thread(bed->network, node);
}

bool bed_is_original(const struct bed *bed, unsigned node)
{
    return bed->nodes[node].original;
}

bool bed_is_running(const struct bed *bed, unsigned node)
{
    return bed->nodes[node].pid != 0;
}

uint32_t bed_running(const struct bed *bed)
{
    uint32_t set = 0;

    for (unsigned i = 0; i < bed->nodes_count; i++) {
        set |= bed->nodes[i].pid == 0 ? 0 : 1U << i;
    }
    return set;
}

/* ---- Reach. */

/* What the network lets through, without the nodes that are stopped. */
static void tell_reach(struct bed *bed)
{
    uint32_t reach[BOOK_NODES_MAX] = {0};
    uint32_t awake = 0;

    for (unsigned i = 0; i < bed->nodes_count; i++) {
        awake |= bed->nodes[i].paused || bed->nodes[i].pid == 0 ? 0 : 1U << i;
    }
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        reach[i] = (awake & 1U << i) == 0 ? 0 : bed->wanted[i] & awake;
    }
    /* A node that does not run is no reason for two others to differ. */
    book_reach(referee_book(bed->referee), reach, report_now_ns());
    referee_release(bed->referee);
}

void bed_tell_settled(struct bed *bed)
{
    book_settled(referee_book(bed->referee), report_now_ns());
    referee_release(bed->referee);
}

/* ---- Nodes. */

static void native_words(const struct bed *bed, unsigned node, struct program *program)
{
    const char *const fixed[] = {
        bed->options.command, "node",      "--name",   network_name(bed->network, node),
        "--cookie-file",      bed->cookie, "--module", bed->options.witness,
        "--quorum",           bed->quorum};
    size_t count = sizeof(fixed) / sizeof(fixed[0]);

    memcpy(program->words, fixed, sizeof(fixed));
    if (bed->options.placement != NULL) {
        program->words[count++] = "--placement";
        program->words[count++] = bed->options.placement;
    }
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        if (i != node && (bed->joins_to & 1U << i) != 0) {
            program->words[count++] = "--join";
            program->words[count++] = network_name(bed->network, i);
        }
    }
    program->output = bed->nodes[node].output;
}

static void original_words(const struct bed *bed, unsigned node, struct program *program)
{
    const char *const fixed[] = {
        "erl",         "-noinput", "-name",    network_name(bed->network, node),
        "-start_epmd", "false",    "+sbwt",    "none",
        "+sbwtdcpu",   "none",     "+sbwtdio", "none",
        "-run",        "witness",  "main"};
    size_t count = sizeof(fixed) / sizeof(fixed[0]);
    static char ebin[4096];
    char *rest = ebin;

    memcpy(program->words, fixed, sizeof(fixed));
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        if (i != node && (bed->joins_to & 1U << i) != 0 && bed->nodes[i].original) {
            program->words[count++] = network_name(bed->network, i);
        }
    }
    program->words[count++] = "-pa";
    (void)snprintf(ebin, sizeof(ebin), "%s", bed->options.ebin);
    for (char *at = strtok_r(ebin, ":", &rest); at != NULL; at = strtok_r(NULL, ":", &rest)) {
        program->words[count++] = at;
    }
    program->output = bed->nodes[node].output;
    program->home = bed->options.directory;
}

static void start_epmd(struct bed *bed, unsigned node)
{
    const struct program program = {.words = {"epmd", "-relaxed_command_check"},
                                    .log = bed->nodes[node].log};

    if (bed->options.network == NETWORK_CABLES && bed->nodes[node].original &&
        bed->nodes[node].epmd == 0) {
        bed->nodes[node].epmd = program_start(bed->network, node, &program);
    }
}

static void wait_ready(struct bed *bed, unsigned node)
{
    const uint64_t deadline_ns = report_now_ns() + READY_MS_MAX * NS_PER_MS;

    while (!program_said(bed->nodes[node].output, "ready ")) {
        if (report_now_ns() > deadline_ns || program_wait_until(bed->nodes[node].pid, 0) >= 0) {
            (void)fprintf(stderr, "bed: %s did not get ready, see %s\n",
                          network_name(bed->network, node), bed->nodes[node].log);
            exit(2);
        }
        program_pause_ms(POLL_MS);
    }
}

void bed_start(struct bed *bed, unsigned node)
{
    struct program program = {
        .role = "node", .index = node, .referee = bed->socket, .log = bed->nodes[node].log};

    program.run = ++bed->nodes[node].run;
    if (bed->nodes[node].original) {
        start_epmd(bed, node);
        original_words(bed, node, &program);
    } else {
        native_words(bed, node, &program);
    }
    (void)unlink(bed->nodes[node].output);
    book_run_begins(referee_book(bed->referee), node, program.run, report_now_ns());
    referee_release(bed->referee);
    bed_marks_end(bed, "kill");
    bed_marks_end(bed, "term");
    bed->nodes[node].pid = program_start(bed->network, node, &program);
    tell_reach(bed);
    wait_ready(bed, node);
    bed->joins_to |= 1U << node;
    bed_say(bed, "%s runs", network_name(bed->network, node));
}

static void run_ended(struct bed *bed, unsigned node)
{
    bed->nodes[node].pid = 0;
    bed->nodes[node].paused = false;
    tell_reach(bed);
}

void bed_kill(struct bed *bed, unsigned node)
{
    bed_say(bed, "%s is killed", network_name(bed->network, node));
    bed_mark(bed, "kill", node);
    book_run_ends(referee_book(bed->referee), node, report_now_ns());
    referee_release(bed->referee);
    (void)kill(bed->nodes[node].pid, SIGKILL);
    (void)program_wait(bed->nodes[node].pid);
    run_ended(bed, node);
}

void bed_terminate(struct bed *bed, unsigned node)
{
    int status;

    bed_say(bed, "%s is to end", network_name(bed->network, node));
    bed_mark(bed, "term", node);
    (void)kill(bed->nodes[node].pid, SIGTERM);
    status = program_wait_until(bed->nodes[node].pid, report_now_ns() + END_MS_MAX * NS_PER_MS);
    if (status != 0) {
        char text[128];

        (void)snprintf(text, sizeof(text), "%s ended with %d", network_name(bed->network, node),
                       status);
        bed_fault(bed, text);
        if (status < 0) {
            (void)kill(bed->nodes[node].pid, SIGKILL);
            (void)program_wait(bed->nodes[node].pid);
        }
    }
    book_run_ends(referee_book(bed->referee), node, report_now_ns());
    referee_release(bed->referee);
    run_ended(bed, node);
}

void bed_pause(struct bed *bed, unsigned node)
{
    bed_say(bed, "%s is stopped", network_name(bed->network, node));
    bed_mark(bed, "stop", node);
    bed->nodes[node].paused = true;
    bed->nodes[node].paused_ns = report_now_ns();
    tell_reach(bed);
    (void)kill(bed->nodes[node].pid, SIGSTOP);
}

void bed_resume(struct bed *bed, unsigned node)
{
    const uint64_t now_ns = report_now_ns(); /* before it runs: what it does then is after that */

    bed_say(bed, "%s goes on", network_name(bed->network, node));
    bed_marks_end(bed, "stop");
    book_resumed(referee_book(bed->referee), node, bed->nodes[node].paused_ns, now_ns);
    referee_release(bed->referee);
    (void)kill(bed->nodes[node].pid, SIGCONT);
    bed->nodes[node].paused = false;
    tell_reach(bed);
}

/* ---- The network. */

/* The book hears of a cut first, and of a mending afterwards. */
static void set_reach(struct bed *bed, const uint32_t *reach)
{
    uint32_t both[BOOK_NODES_MAX];

    for (unsigned i = 0; i < BOOK_NODES_MAX; i++) {
        both[i] = reach[i] & bed->wanted[i];
    }
    memcpy(bed->wanted, both, sizeof(both));
    tell_reach(bed);
    network_reach(bed->network, reach);
    memcpy(bed->wanted, reach, sizeof(bed->wanted));
    tell_reach(bed);
}

void bed_partition(struct bed *bed, const uint32_t *sides, size_t sides_count)
{
    uint32_t reach[BOOK_NODES_MAX] = {0};
    char text[64] = "";

    for (size_t side = 0; side < sides_count; side++) {
        for (unsigned i = 0; i < bed->nodes_count; i++) {
            if ((sides[side] & 1U << i) != 0) {
                reach[i] = sides[side];
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%c",
                               (char)('a' + i));
            }
        }
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
                       side + 1 < sides_count ? " | " : "");
    }
    bed_say(bed, "the network is parted: %s", text);
    bed_mark(bed, "parted", BOOK_NODES_MAX);
    set_reach(bed, reach);
}

void bed_cut_way(struct bed *bed, unsigned from, unsigned to)
{
    uint32_t reach[BOOK_NODES_MAX];

    memcpy(reach, bed->wanted, sizeof(reach));
    reach[from] &= ~(1U << to);
    bed_say(bed, "nothing gets from %s to %s", network_name(bed->network, from),
            network_name(bed->network, to));
    bed_mark(bed, "one way", from);
    set_reach(bed, reach);
}

void bed_delay(struct bed *bed, unsigned a, unsigned b, uint32_t delay_ms)
{
    bed_say(bed, "%u ms from %s to %s and back", (unsigned)delay_ms, network_name(bed->network, a),
            network_name(bed->network, b));
    bed_mark(bed, "slow", a);
    network_delay(bed->network, a, b, delay_ms);
    bed->delayed = true;
}

void bed_reset(struct bed *bed, unsigned a, unsigned b)
{
    bed_say(bed, "the connection of %s and %s breaks", network_name(bed->network, a),
            network_name(bed->network, b));
    bed_mark(bed, "reset", a);
    network_reset(bed->network, a, b);
}

void bed_heal(struct bed *bed)
{
    uint32_t reach[BOOK_NODES_MAX] = {0};

    for (unsigned i = 0; i < bed->nodes_count; i++) {
        reach[i] = (1U << bed->nodes_count) - 1;
        for (unsigned j = 0; bed->delayed && j < i; j++) {
            network_delay(bed->network, i, j, 0);
        }
    }
    bed->delayed = false;
    bed_say(bed, "the network is whole");
    bed_marks_end(bed, "");
    set_reach(bed, reach);
}

/* ---- The end. */

static void end_programs(struct bed *bed)
{
    for (unsigned i = 0; i < bed->options.clients_count; i++) {
        if (bed->clients[i] != 0) {
            (void)kill(bed->clients[i], SIGTERM);
        }
    }
    for (unsigned i = 0; i < bed->options.clients_count; i++) {
        if (bed->clients[i] != 0 &&
            program_wait_until(bed->clients[i], report_now_ns() + END_MS_MAX * NS_PER_MS) != 0) {
            bed_fault(bed, "a client did not end as it should");
            (void)kill(bed->clients[i], SIGKILL);
        }
    }
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        if (bed->nodes[i].pid != 0 && !bed->nodes[i].original) {
            bed_terminate(bed, i);
        } else if (bed->nodes[i].pid != 0) {
            bed_kill(bed, i);
        }
        if (bed->nodes[i].epmd != 0) {
            (void)kill(bed->nodes[i].epmd, SIGKILL);
            (void)program_wait(bed->nodes[i].epmd);
        }
    }
}

static void print_figures(const struct book *book, FILE *out)
{
    struct book_figures figures;

    book_figures(book, &figures);
    (void)fprintf(
        out,
        "%llu calls, %llu answered, %llu tried again, %llu passed on, the longest %llu ms; %llu "
        "processes; two at once while "
        "apart: %llu, with an original node: %llu; %llu lost their key; stalls of the machine: "
        "%llu\n",
        (unsigned long long)figures.calls, (unsigned long long)figures.answered,
        (unsigned long long)figures.retries, (unsigned long long)figures.forwarded,
        (unsigned long long)figures.longest_call_ms, (unsigned long long)figures.lives,
        (unsigned long long)figures.allowed_pairs, (unsigned long long)figures.original_pairs,
        (unsigned long long)figures.losses, (unsigned long long)figures.stalls);
    book_print_statuses(book, out);
}

size_t bed_close(struct bed *bed, const char *title, const char *chart_path)
{
    const uint64_t deadline_ns = report_now_ns() + END_MS_MAX * NS_PER_MS;
    struct book *book;
    size_t faults;

    bed->closing = true;
    end_programs(bed);
    while (referee_connections(bed->referee) > 0 && report_now_ns() < deadline_ns) {
        program_pause_ms(1);
    }
    book = referee_book(bed->referee);
    book_finish(book);
    faults = book_judge(book, report_now_ns(), bed->options.narration) + bed->faults_count;
    print_figures(book, bed->options.narration);
    if (chart_path != NULL && !chart_write(chart_path, title, book, bed->marks, bed->marks_count)) {
        perror(chart_path);
    }
    referee_release(bed->referee);
    referee_close(bed->referee);
    network_close(bed->network);
    if (bed->reports != NULL) {
        (void)fclose(bed->reports);
    }
    free(bed);
    return faults;
}
