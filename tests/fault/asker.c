/* asker.c - a client under fault: asks nodes for random keys without pause, starts what is not
 * there, has its request carried out by the process, and tells the referee of each call.
 *
 *      fault_asker --client N --cookie FILE --keys K --deadline-ms D --seed S --end-permille P
 * NODE... fault_asker --sweep ... NODE...     each node for each key, once; one line a key on
 * standard output: KEY NODE STATUS PID T0 T1
 *
 * It asks the first NODE; when that cannot be reached, or does not answer in time, the next one.
 * Ends with SIGTERM. */
#include "report.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nprocreg/format.h"
#include "nprocreg/node.h"

#define NODES_MAX       16
#define PID_TEXT_MAX    320
#define COOKIE_MAX      256
#define ALL_DOWN_NS     5000000L /* between two tries when no node at all can be reached */
#define NS_PER_MS       1000000U
#define STATUS_TEXT_MAX 32

struct asker {
    struct npr_node *node;
    struct npr_node_name peers[NODES_MAX];
    bool original[NODES_MAX]; /* an Erlang node, which knows no nprocreg_native */
    size_t peers_count;
    size_t peer; /* the one that is asked */
    int64_t client;
    uint32_t deadline_ms;
    uint32_t keys_count;
    uint32_t end_permille; /* of the requests are followed by one that the process end */
    int64_t seq;           /* of the last request */
    uint64_t random;
    struct npr_builder *request;
    struct npr_builder *reply;
};

/* What one call came to. */
struct outcome {
    const char *stage; /* "ok", or the step that failed */
    npr_status status;
    struct npr_pid pid;
    uint64_t token; /* as the get told it */
    int64_t seq;
    int64_t count;
    uint32_t tries;
    uint64_t found_ns; /* 0: not found */
    char error[STATUS_TEXT_MAX];
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

/* {ok,Pid,Started,Token}, or {error,Status,Text}, whose Status is noted; an original's answer is
 * the pid itself. */
static npr_status read_found(struct npr_term answer, struct outcome *out)
{
    struct npr_term text;
    struct npr_term started;
    struct npr_bytes word;

    if (NPR_MATCH(answer, "{ok,~p,~t,~u}", &out->pid, &started, &out->token) ||
        NPR_MATCH(answer, "~p", &out->pid)) {
        return NPR_OK;
    }
    if (NPR_MATCH(answer, "{error,~a,~t}", &word, &text)) {
        (void)snprintf(out->error, sizeof(out->error), "%.*s", (int)word.size,
                       (const char *)word.data);
        return NPR_EREFUSED;
    }
    return NPR_EPROTO;
}

static npr_status find(struct asker *asker,
                       int64_t key,
                       bool start,
                       uint32_t timeout_ms,
                       struct outcome *out)
{
    const bool original = asker->original[asker->peer];
    struct npr_builder *args = asker->request;
    struct npr_term term = {0};
    npr_status status;

    npr_builder_reset(args);
    npr_builder_reset(asker->reply);
    npr_build_list(args, original ? (start ? 2 : 1) : 3);
    NPR_BUILD(args, "{key,~i}", key);
    if (start) {
        npr_build_export(args, "witness", "start", 0);
    } else if (!original) {
        npr_build_atom(args, "undefined");
    }
    if (!original) {
        npr_build_uint(args, timeout_ms);
    }
    npr_build_nil(args);
    status = npr_builder_finish(args, &term, NULL);
    if (status == NPR_OK) {
        status = npr_node_rpc(asker->node, &asker->peers[asker->peer],
                              original ? "nprocreg" : "nprocreg_native",
                              original ? "get_pid" : "get", term, timeout_ms, asker->reply, NULL);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(asker->reply, &term, NULL);
    }
    return status == NPR_OK ? read_found(term, out) : status;
}

static npr_status operate(struct asker *asker,
                          int64_t key,
                          int64_t seq,
                          uint32_t timeout_ms,
                          struct outcome *out)
{
    const struct npr_address to = {.pid = out->pid};
    struct npr_term term = {0};
    uint64_t token;
    npr_status status;

    npr_builder_reset(asker->request);
    npr_builder_reset(asker->reply);
    NPR_BUILD(asker->request, "{op,~i,~i,~i}", key, asker->client, seq);
    status = npr_builder_finish(asker->request, &term, NULL);
    if (status == NPR_OK) {
        status = npr_node_call(asker->node, &to, term, timeout_ms, asker->reply, NULL);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(asker->reply, &term, NULL);
    }
    if (status == NPR_OK && !NPR_MATCH(term, "{ok,~u,~i}", &token, &out->count)) {
        status = NPR_EPROTO;
    }
    return status;
}

static void pid_text(const struct outcome *outcome, char *out, size_t out_size)
{
    const struct npr_pid *pid = &outcome->pid;

    if (pid->node.size == 0) {
        (void)snprintf(out, out_size, "-");
    } else {
        (void)snprintf(out, out_size, "%.*s.%u.%u.%u", (int)pid->node.size, pid->node.text,
                       (unsigned)pid->id, (unsigned)pid->serial, (unsigned)pid->creation);
    }
}

/* ok, or where it failed and how: get-ETIMEDOUT, call-ENOPROC. */
static void outcome_text(const struct outcome *outcome, char *out, size_t out_size)
{
    if (outcome->status == NPR_OK) {
        (void)snprintf(out, out_size, "ok");
    } else {
        (void)snprintf(out, out_size, "%s-%s", outcome->stage,
                       outcome->error[0] != '\0' ? outcome->error
                                                 : npr_status_name(outcome->status));
    }
}

/* The process ended, or its node did, between the get and the call: whoever wants the key's process
 * asks again. */
static bool is_gone(npr_status status)
{
    return status == NPR_ENOPROC || status == NPR_EEXIT || status == NPR_EUNREACHABLE;
}

/* One request, carried out by the key's process, whichever that is by then.  Each try has a number
 * of its own: what broke off may have been carried out. */
static struct outcome ask_until(struct asker *asker, int64_t key, uint64_t deadline_ns)
{
    struct outcome outcome;
    uint32_t tries = 0;

    do {
        outcome = (struct outcome){.stage = "get", .tries = ++tries, .seq = ++asker->seq};
        outcome.status = find(asker, key, true, left_ms(deadline_ns), &outcome);
        if (outcome.status == NPR_OK) {
            outcome.found_ns = report_now_ns();
            outcome.stage = "call";
            outcome.status = operate(asker, key, outcome.seq, left_ms(deadline_ns), &outcome);
        }
    } while (outcome.found_ns != 0 && is_gone(outcome.status) && report_now_ns() < deadline_ns);
    return outcome;
}

/* Ends the process: the key is free, and whoever asks next starts another. */
static void end_process(struct asker *asker, const struct outcome *outcome)
{
    const struct npr_address to = {.pid = outcome->pid};
    struct npr_term term = {0};

    npr_builder_reset(asker->request);
    npr_builder_reset(asker->reply);
    NPR_BUILD(asker->request, "stop");
    if (npr_builder_finish(asker->request, &term, NULL) == NPR_OK) {
        /* Whatever comes of it: it may have ended already. */
        (void)!npr_node_call(asker->node, &to, term, asker->deadline_ms, asker->reply, NULL);
    }
}

static void ask_once(struct asker *asker, unsigned *failed_in_row)
{
    const int64_t key = (int64_t)draw(asker, asker->keys_count);
    const struct npr_node_name *via = &asker->peers[asker->peer];
    const uint64_t began_ns = report_now_ns();
    const struct outcome outcome =
        ask_until(asker, key, began_ns + asker->deadline_ms * (uint64_t)NS_PER_MS);
    char text[64];
    char pid[PID_TEXT_MAX];

    outcome_text(&outcome, text, sizeof(text));
    pid_text(&outcome, pid, sizeof(pid));
    report("call %llu %llu %llu %.*s %lld %lld %s %s %llu %lld %u", (unsigned long long)began_ns,
           (unsigned long long)outcome.found_ns, (unsigned long long)report_now_ns(),
           (int)via->size, via->text, (long long)key, (long long)outcome.seq, text, pid,
           (unsigned long long)outcome.token, (long long)outcome.count, (unsigned)outcome.tries);
    if (outcome.status == NPR_OK) {
        *failed_in_row = 0;
        if (draw(asker, 1000) < asker->end_permille) {
            end_process(asker, &outcome);
        }
    } else if (outcome.found_ns == 0) { /* The node does not serve: another may. */
        (*failed_in_row)++;
        asker->peer = (asker->peer + 1) % asker->peers_count;
    }
}

static int ask_on(struct asker *asker)
{
    const struct timespec all_down = {.tv_nsec = ALL_DOWN_NS};
    unsigned failed_in_row = 0;

    while (stopped == 0) {
        ask_once(asker, &failed_in_row);
        if (failed_in_row >= asker->peers_count) {
            (void)nanosleep(&all_down, NULL); /* so as not to take the machine from the nodes */
            failed_in_row = 0;
        }
    }
    return EXIT_SUCCESS;
}

static int sweep(struct asker *asker)
{
    for (uint32_t key = 0; key < asker->keys_count; key++) {
        for (asker->peer = 0; asker->peer < asker->peers_count; asker->peer++) {
            const struct npr_node_name *via = &asker->peers[asker->peer];
            const uint64_t began_ns = report_now_ns();
            struct outcome outcome = {.stage = "get"};
            char text[64];
            char pid[PID_TEXT_MAX];

            outcome.status = find(asker, key, true, asker->deadline_ms, &outcome);
            outcome_text(&outcome, text, sizeof(text));
            pid_text(&outcome, pid, sizeof(pid));
            (void)printf("%u %.*s %s %s %llu %llu\n", (unsigned)key, (int)via->size, via->text,
                         text, pid, (unsigned long long)began_ns,
                         (unsigned long long)report_now_ns());
        }
    }
    return EXIT_SUCCESS;
}

static void log_line(void *user, npr_log_level level, const char *line)
{
    (void)user;
    if (level <= NPR_LOG_WARNING) {
        (void)fprintf(stderr, "%s\n", line);
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

/* NODE, or original:NODE for an Erlang node. */
static bool add_peer(struct asker *asker, const char *text)
{
    static const char mark[] = "original:";
    const bool original = strncmp(text, mark, sizeof(mark) - 1) == 0;

    if (asker->peers_count == NODES_MAX) {
        return false;
    }
    asker->original[asker->peers_count] = original;
    return npr_node_name_parse(npr_bytes_of(original ? text + sizeof(mark) - 1 : text),
                               &asker->peers[asker->peers_count++], NULL) == NPR_OK;
}

static bool read_options(struct asker *asker, int argc, char **argv, char *cookie, bool *is_sweep)
{
    static const struct option options[] = {
        {"client", required_argument, NULL, 'n'},
        {"cookie", required_argument, NULL, 'c'},
        {"keys", required_argument, NULL, 'k'},
        {"deadline-ms", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 's'},
        {"sweep", no_argument, NULL, 'w'},
        {"end-permille", required_argument, NULL, 'e'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            asker->client = strtoll(optarg, NULL, 10);
            break;
        case 'c':
            if (!read_cookie(optarg, cookie, COOKIE_MAX)) {
                return false;
            }
            break;
        case 'k':
            asker->keys_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            asker->deadline_ms = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            asker->random = strtoull(optarg, NULL, 10) * 2 + 1;
            break;
        case 'e':
            asker->end_permille = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            *is_sweep = true;
            break;
        default:
            return false;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (!add_peer(asker, argv[i])) {
            return false;
        }
    }
    return asker->peers_count > 0 && asker->keys_count > 0 && asker->random != 0;
}

/* A client of the cluster, on the host of the first node. */
static bool start_node(struct asker *asker, const char *cookie)
{
    const struct npr_node_name *home = &asker->peers[0];
    const char *at = memchr(home->text, '@', home->size);
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_error err = {0};
    char name[NPR_NODE_NAME_BYTES_MAX + 1];

    (void)snprintf(name, sizeof(name), "asker%lld%.*s", (long long)asker->client,
                   (int)(home->text + home->size - at), at);
    options.name = name;
    options.cookie = cookie;
    options.client = true;
    options.workers = 1;
    options.log = log_line;
    if (npr_node_start(&options, &asker->node, &err) != NPR_OK) {
        (void)fprintf(stderr, "asker: %s\n", err.text);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_term};
    struct asker asker = {.deadline_ms = 5000};
    char cookie[COOKIE_MAX] = "";
    bool is_sweep = false;
    int result = EXIT_FAILURE;

    (void)sigaction(SIGTERM, &action, NULL);
    if (!read_options(&asker, argc, argv, cookie, &is_sweep)) {
        (void)fprintf(stderr, "asker: bad options\n");
        return EXIT_FAILURE;
    }
    if (!is_sweep && !report_open()) {
        (void)fprintf(stderr, "asker: no referee\n");
        return EXIT_FAILURE;
    }
    asker.request = npr_builder_create();
    asker.reply = npr_builder_create();
    if (asker.request != NULL && asker.reply != NULL && start_node(&asker, cookie)) {
        result = is_sweep ? sweep(&asker) : ask_on(&asker);
    }
    npr_node_stop(asker.node);
    npr_builder_destroy(asker.request);
    npr_builder_destroy(asker.reply);
    return result;
}
