/* Keys of one node, from the program's threads: how many in a second.
 *
 *      keys lookup KEYS CALLERS N    each of CALLERS threads looks N random ones of KEYS up
 *      keys fresh N CALLERS          CALLERS threads start N processes in all, each under a new key
 *
 * Prints one line: the work, and millions of it in a second, by all callers together.  bench/run
 * compares them with Erlang's, which does the same (bench/bench_peer.erl). */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nprocreg/nprocreg.h>

#define CALLERS_MAX 64u
#define TIMEOUT_MS  60000u
#define KEY_BYTES   12

/* ---- The processes: a counter that nobody calls. */

struct counter {
    uint64_t count;
    uint64_t calls;
};

static const struct npr_behaviour counter_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                       .state_bytes = sizeof(struct counter)};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &counter_behaviour}};

static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "counter",
                                         .functions = functions,
                                         .functions_count = 1};

/* ---- Keys, made beforehand: their making is not measured. */

#define TERM_BYTES (KEY_BYTES + 5) /* a binary */

static uint8_t *make_keys(uint64_t count, uint64_t (*number)(uint64_t *random), uint64_t random)
{
    struct npr_builder *built = npr_builder_create();
    uint8_t *keys = calloc(count, TERM_BYTES);

    for (uint64_t i = 0; i < count; i++) {
        char text[KEY_BYTES + 1];
        struct npr_term term = {0};

        (void)snprintf(text, sizeof(text), "k%011u", (unsigned)(number(&random) % 100000000u));
        if (keys == NULL || built == NULL) {
            (void)fprintf(stderr, "keys: no memory\n");
            exit(1);
        }
        npr_builder_reset(built);
        npr_build_text(built, text);
        if (npr_builder_finish(built, &term, NULL) != NPR_OK || term.size != TERM_BYTES) {
            exit(1);
        }
        memcpy(keys + i * TERM_BYTES, term.data, TERM_BYTES);
    }
    npr_builder_destroy(built);
    return keys;
}

static uint64_t keys_count;

static uint64_t next_number(uint64_t *random)
{
    return (*random)++;
}

static uint64_t random_number(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % keys_count;
}

/* ---- Callers. */

struct caller {
    pthread_t thread;
    struct npr_node *node;
    const uint8_t *keys;
    uint64_t count;
    const char *function; /* NULL: look only */
    double seconds;
};

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *caller_main(void *argument)
{
    struct caller *caller = argument;
    const double began = seconds_now();

    for (uint64_t i = 0; i < caller->count; i++) {
        const struct npr_term key = {.data = caller->keys + i * TERM_BYTES, .size = TERM_BYTES};
        struct npr_found found;
        struct npr_error err;

        if (npr_get_pid(caller->node, key, "counter", caller->function, TIMEOUT_MS, &found, &err) !=
            NPR_OK) {
            (void)fprintf(stderr, "keys: %s\n", err.text);
            exit(1);
        }
    }
    caller->seconds = seconds_now() - began;
    return NULL;
}

/* In seconds: of the slowest. */
static double run(struct caller *callers, unsigned callers_count)
{
    double seconds = 0;

    for (unsigned i = 0; i < callers_count; i++) {
        if (pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]) != 0) {
            exit(1);
        }
    }
    for (unsigned i = 0; i < callers_count; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        seconds = callers[i].seconds > seconds ? callers[i].seconds : seconds;
    }
    return seconds;
}

static double start_all(struct npr_node *node, unsigned callers_count)
{
    uint8_t *keys = make_keys(keys_count, next_number, 0);
    struct caller callers[CALLERS_MAX];
    double seconds;

    for (unsigned i = 0; i < callers_count; i++) {
        const uint64_t first = keys_count * i / callers_count;

        callers[i] = (struct caller){.node = node,
                                     .keys = keys + first * TERM_BYTES,
                                     .count = keys_count * (i + 1) / callers_count - first,
                                     .function = "start"};
    }
    seconds = run(callers, callers_count);
    free(keys);
    return seconds;
}

static double look_up(struct npr_node *node, unsigned callers_count, uint64_t count)
{
    struct caller callers[CALLERS_MAX];
    uint8_t *keys[CALLERS_MAX];
    double seconds;

    for (unsigned i = 0; i < callers_count; i++) {
        keys[i] = make_keys(count, random_number, 20261126 + i);
        callers[i] = (struct caller){.node = node, .keys = keys[i], .count = count};
    }
    seconds = run(callers, callers_count);
    for (unsigned i = 0; i < callers_count; i++) {
        free(keys[i]);
    }
    return seconds;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: keys lookup KEYS CALLERS N | keys fresh N CALLERS\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct npr_module *const modules[] = {&module};
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    const bool looks = argc == 5 && strcmp(argv[1], "lookup") == 0;
    const unsigned callers = argc < 4 ? 0 : (unsigned)strtoul(argv[3], NULL, 10);
    const uint64_t lookups = looks ? strtoull(argv[4], NULL, 10) : 0;
    struct npr_node *node;
    struct npr_error err;
    double seconds;

    keys_count = argc < 4 ? 0 : strtoull(argv[2], NULL, 10);
    if (keys_count == 0 || callers == 0 || callers > CALLERS_MAX || (looks && lookups == 0) ||
        (!looks && (argc != 4 || strcmp(argv[1], "fresh") != 0))) {
        return usage();
    }
    options.name = "bench@127.0.0.1";
    options.cookie = "bench";
    options.listen = "127.0.0.1:0";
    options.modules = modules;
    options.modules_count = 1;
    if (npr_node_start(&options, &node, &err) != NPR_OK) {
        (void)fprintf(stderr, "keys: %s\n", err.text);
        return 1;
    }
    seconds = start_all(node, looks ? 8 : callers);
    if (looks) {
        (void)look_up(node, callers, lookups / 10 + 1);
        seconds = look_up(node, callers, lookups);
    }
    (void)printf("%s %.3f\n", argv[1],
                 (double)(looks ? lookups * callers : keys_count) / seconds / 1e6);
    npr_node_stop(node);
    return 0;
}
