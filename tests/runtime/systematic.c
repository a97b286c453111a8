/* Runs of the runtime in an order that a seed decides (serial.h).
 *
 *      systematic                   a handful of seeds
 *      systematic --seed N          that one, which is how a failure is replayed
 *      systematic --seed N --count C
 *
 * For each scenario and seed it prints a hash of the order: the same for the same seed, different
 * ones for different seeds, which it checks with the first ones.  A run that fails ends the program
 * in the middle of its line. */
#include "scenario.h"
#include "serial.h"
#include "stress.h"
#include "world.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 12u

void scenario_stress(uint64_t seed)
{
    (void)stress_run(1 + (unsigned)(seed % 4), 60, (uint32_t)seed);
}

static const struct {
    const char *name;
    void (*run)(uint64_t seed);
} scenarios[] = {
    {"stress", scenario_stress}, {"receive", scenario_receive},       {"wake", scenario_wake},
    {"idle", scenario_idle},     {"timers", scenario_timers},         {"stop", scenario_stop},
    {"calls", scenario_calls},   {"registered", scenario_registered},
};

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static uint64_t run(size_t scenario, uint64_t seed)
{
    struct serial_account account;

    /* Before it runs: whatever becomes of it, this is how to see it again. */
    (void)printf("%-10s seed=%" PRIu64, scenarios[scenario].name, seed);
    (void)fflush(stdout);
    serial_begin(seed);
    scenarios[scenario].run(seed);
    account = serial_end();
    (void)printf(" points=%" PRIu64 " order=%016" PRIx64 "\n", account.points, account.order);
    return account.order;
}

/* The same seed twice, and another one. */
static bool seeds_decide(uint64_t seed)
{
    bool decide = true;

    for (size_t i = 0; i < SCENARIOS; i++) {
        const uint64_t order = run(i, seed);

        if (run(i, seed) != order || run(i, seed + 1) == order) {
            (void)fprintf(stderr, "systematic: %s: the seed does not decide the order\n",
                          scenarios[i].name);
            decide = false;
        }
    }
    return decide;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t count = argc > 1 ? 1 : SEEDS_DEFAULT;

    for (int i = 1; i < argc; i += 2) {
        uint64_t *number = strcmp(argv[i], "--seed") == 0    ? &seed
                           : strcmp(argv[i], "--count") == 0 ? &count
                                                             : NULL;

        if (number == NULL || i + 1 == argc || !read_number(argv[i + 1], number)) {
            (void)fprintf(stderr, "usage: systematic [--seed N] [--count C]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        for (size_t scenario = 0; scenario < SCENARIOS; scenario++) {
            (void)run(scenario, seed + i);
        }
    }
    return argc > 1 || seeds_decide(seed) ? 0 : 1;
}
