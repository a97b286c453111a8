/* What a million registered processes cost, and what is left when they are gone.
 *
 *      registered N
 *
 * Starts N processes of 16 bytes of state under keys of 12 bytes, calls each once, and ends each by
 * a call; prints the resident memory of the program at the start, with all of them, and when the
 * last one is gone, and how long each part took. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nprocreg/nprocreg.h>

#define THREADS    8u
#define TIMEOUT_MS 60000u
#define KEY_BYTES  12

/* ---- The processes. */

struct counter {
    uint64_t count;
    uint64_t calls;
};

static npr_status counter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct counter *counter = state;
    struct npr_builder *built = npr_scratch(self);
    struct npr_term reply;
    npr_status status;

    counter->calls++;
    npr_build_uint(built, counter->calls);
    status = npr_builder_finish(built, &reply, NULL);
    if (status == NPR_OK) {
        status = npr_reply(self, from, reply);
    }
    if (status == NPR_OK && npr_term_is_atom(request, "stop")) {
        built = npr_scratch(self);
        npr_build_atom(built, "normal");
        status = npr_builder_finish(built, &reply, NULL);
        return status == NPR_OK ? npr_stop(self, reply) : status;
    }
    return status;
}

static const struct npr_behaviour counter_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                       .state_bytes = sizeof(struct counter),
                                                       .call = counter_call};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &counter_behaviour}};

static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "counter",
                                         .functions = functions,
                                         .functions_count = 1};

/* ---- Threads that share the keys. */

struct part {
    pthread_t thread;
    struct npr_node *node;
    uint64_t first;
    uint64_t step;
    uint64_t end;
    const char *request; /* NULL: start only */
};

static atomic_uint_fast64_t failures;

static npr_status work_on(const struct part *part,
                          uint64_t index,
                          struct npr_builder *built,
                          struct npr_error *err)
{
    char text[KEY_BYTES + 1];
    struct npr_address to = {0};
    struct npr_found found;
    struct npr_term term;
    npr_status status;

    (void)snprintf(text, sizeof(text), "k%011u", (unsigned)(index % 100000000u));
    npr_builder_reset(built);
    npr_build_text(built, text);
    status = npr_builder_finish(built, &term, err);
    if (status == NPR_OK) {
        status = npr_get_pid(part->node, term, "counter", part->request == NULL ? "start" : NULL,
                             TIMEOUT_MS, &found, err);
    }
    if (status != NPR_OK || part->request == NULL) {
        return status;
    }
    to.pid = found.pid;
    npr_builder_reset(built);
    npr_build_atom(built, part->request);
    status = npr_builder_finish(built, &term, err);
    if (status == NPR_OK) {
        struct npr_builder *reply = npr_builder_create();

        status = reply == NULL ? NPR_ENOMEM
                               : npr_node_call(part->node, &to, term, TIMEOUT_MS, reply, err);
        npr_builder_destroy(reply);
    }
    return status;
}

static void *part_main(void *argument)
{
    const struct part *part = argument;
    struct npr_builder *built = npr_builder_create();
    struct npr_error err = {0};

    for (uint64_t i = part->first; built != NULL && i < part->end; i += part->step) {
        if (work_on(part, i, built, &err) != NPR_OK && atomic_fetch_add(&failures, 1) == 0) {
            (void)fprintf(stderr, "registered: key %" PRIu64 ": %s\n", i, err.text);
        }
    }
    npr_builder_destroy(built);
    return NULL;
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* In seconds. */
static double all_parts(struct npr_node *node, uint64_t count, const char *request)
{
    const double began = seconds_now();
    struct part parts[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        parts[i] = (struct part){
            .node = node, .first = i, .step = THREADS, .end = count, .request = request};
        if (pthread_create(&parts[i].thread, NULL, part_main, &parts[i]) != 0) {
            (void)fprintf(stderr, "registered: no thread\n");
            exit(1);
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(parts[i].thread, NULL);
    }
    return seconds_now() - began;
}

/* Of this program, in bytes. */
static uint64_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128] = "";
    char *at = line;

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        (void)fprintf(stderr, "registered: no /proc/self/statm\n");
        exit(1);
    }
    (void)fclose(file);
    (void)strtoull(line, &at, 10);
    return strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void measure(struct npr_node *node, uint64_t count)
{
    double seconds;
    uint64_t before;
    uint64_t with;
    uint64_t after;

    (void)all_parts(node, count / 100, NULL);
    (void)all_parts(node, count / 100, "stop");
    (void)sleep(1); /* the node gives memory back once it rests */
    before = resident();
    seconds = all_parts(node, count, NULL);
    with = resident();

    (void)printf("started %" PRIu64 " in %.1f s: %.1f MB, then %.1f MB: %.0f bytes for each\n",
                 count, seconds, (double)before / 1e6, (double)with / 1e6,
                 (double)(with - before) / (double)count);
    seconds = all_parts(node, count, "add");
    (void)printf("called each in %.1f s: %.1f MB\n", seconds, (double)resident() / 1e6);
    seconds = all_parts(node, count, "stop");
    (void)sleep(1);
    after = resident();
    (void)printf("ended each in %.1f s: %.1f MB, %.1f %% over the start\n", seconds,
                 (double)after / 1e6, 100.0 * ((double)after - (double)before) / (double)before);
}

int main(int argc, char **argv)
{
    static const struct npr_module *const modules[] = {&module};
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    const uint64_t count = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    struct npr_node *node;
    struct npr_error err;

    if (count == 0) {
        (void)fprintf(stderr, "usage: registered COUNT\n");
        return 2;
    }
    options.name = "bench@127.0.0.1";
    options.cookie = "bench";
    options.listen = "127.0.0.1:0";
    options.modules = modules;
    options.modules_count = 1;
    if (npr_node_start(&options, &node, &err) != NPR_OK) {
        (void)fprintf(stderr, "registered: %s\n", err.text);
        return 1;
    }
    measure(node, count);
    npr_node_stop(node);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
