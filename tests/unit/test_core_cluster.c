/* core/core.h: several cores on one network of many seeds.  Replay: test_core_cluster SEED. */
#include "core_cluster.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"

#define SEEDS_COUNT 60u

static uint64_t first_seed = 1;
static uint64_t last_seed = SEEDS_COUNT;

/* Says which seed failed: cmocka ends the case at once. */
#define CHECK_SEED(seed, condition)                                                                \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("seed %llu: %s", (unsigned long long)(seed), #condition);                     \
        }                                                                                          \
    } while (0)

static struct cluster *formed_with(const struct cluster_options *options)
{
    const unsigned natives = options->natives;
    const unsigned originals = options->originals;
    struct cluster *cluster = cluster_create(options);

    for (unsigned node = natives; node < natives + originals; node++) {
        cluster_boot(cluster, node, node);
    }
    for (unsigned node = 0; node < natives; node++) {
        cluster_boot(cluster, node, originals > 0 ? natives : 0);
    }
    return cluster;
}

static struct cluster *formed(uint64_t seed, unsigned natives, unsigned originals)
{
    return formed_with(&(struct cluster_options){
        .seed = seed, .natives = natives, .originals = originals, .delay_ns_max = 20 * MS});
}

static void check_all_answered(uint64_t seed, const struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
        const struct cluster_request *request = cluster_request(cluster, i);

        CHECK_SEED(seed, request->answers_count == 1);
        CHECK_SEED(seed, request->answered_ns - request->asked_ns <= 5000 * MS);
    }
}

/* Everybody wants the same fresh keys at once. */
static void race(struct cluster *cluster, unsigned natives, unsigned keys)
{
    for (unsigned key = 0; key < keys; key++) {
        for (unsigned i = 0; i < 2 * natives; i++) {
            (void)cluster_get(cluster, i % natives, key, true);
            cluster_pass(cluster, cluster_random(cluster, 3 * MS));
        }
    }
}

static void check_one_each(uint64_t seed, const struct cluster *cluster, unsigned keys)
{
    for (unsigned key = 0; key < keys; key++) {
        CHECK_SEED(seed, cluster_started(cluster, key) == 1);
    }
    for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
        const struct cluster_request *request = cluster_request(cluster, i);

        CHECK_SEED(seed, request->status == NPR_OK);
        CHECK_SEED(seed, cluster_process(cluster, request->process)->key == request->key);
    }
}

/* Exactly one of those who asked is told that his start made the process. */
static void check_one_starter_each(uint64_t seed, const struct cluster *cluster, unsigned keys)
{
    unsigned starters[CLUSTER_KEYS_MAX] = {0};

    for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
        const struct cluster_request *request = cluster_request(cluster, i);

        if (request->started && request->node < CLUSTER_NODES_MAX) {
            starters[request->key]++;
        }
    }
    for (unsigned key = 0; key < keys; key++) {
        CHECK_SEED(seed, starters[key] == 1);
    }
}

/* Natives with settled views: one process per key, for every seed.  (Two originals: 1,908 of 2,000
 * keys with two.) */
static void settled_natives_start_once(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        const unsigned natives = 2 + (unsigned)(seed % 4);
        struct cluster *cluster = formed(seed, natives, 0);

        cluster_pass(cluster, 2000 * MS);
        CHECK_SEED(seed, cluster_settled(cluster));
        race(cluster, natives, 40);
        cluster_pass(cluster, 6000 * MS);
        check_all_answered(seed, cluster);
        check_one_each(seed, cluster, 40);
        check_one_starter_each(seed, cluster, 40);
        cluster_destroy(cluster);
    }
}

/* The living process of a key; -1: none. */
static int living(const struct cluster *cluster, unsigned key)
{
    for (int i = 0; cluster_process(cluster, i) != NULL; i++) {
        if (cluster_process(cluster, i)->alive && cluster_process(cluster, i)->key == key) {
            return i;
        }
    }
    return -1;
}

/* Permanent processes that end again and again while all nodes ask for their keys: never two for
 * one key, never "not here" to anybody, and always on the same node.  Would catch: a lookup of
 * another node that is told "no" during a restart, which then has a second one started. */
static void restarted_processes_are_one_each(void **state)
{
    const unsigned keys = 8;

    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        const unsigned natives = 2 + (unsigned)(seed % 3);
        struct cluster *cluster =
            formed_with(&(struct cluster_options){.seed = seed,
                                                  .natives = natives,
                                                  .originals = (unsigned)(seed % 2),
                                                  .delay_ns_max = 20 * MS,
                                                  .restarts = true});
        unsigned homes[CLUSTER_KEYS_MAX];

        cluster_pass(cluster, 3000 * MS);
        for (unsigned key = 0; key < keys; key++) {
            (void)cluster_get(cluster, 0, key, true);
        }
        cluster_pass(cluster, 6000 * MS);
        for (unsigned key = 0; key < keys; key++) {
            CHECK_SEED(seed, living(cluster, key) >= 0);
            homes[key] = cluster_process(cluster, living(cluster, key))->node;
        }
        for (unsigned i = 0; i < 200; i++) {
            const unsigned key = (unsigned)cluster_random(cluster, keys);

            if (homes[key] < natives && living(cluster, key) >= 0 &&
                cluster_random(cluster, 3) == 0) {
                cluster_kill_process(cluster, living(cluster, key));
            }
            (void)cluster_get(cluster, (unsigned)cluster_random(cluster, natives), key,
                              cluster_random(cluster, 2) == 0);
            cluster_pass(cluster, cluster_random(cluster, 30 * MS));
            CHECK_SEED(seed, cluster_living(cluster, key) <= 1);
        }
        cluster_pass(cluster, 6000 * MS);
        check_all_answered(seed, cluster);
        for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
            CHECK_SEED(seed, cluster_request(cluster, i)->node >= CLUSTER_NODES_MAX ||
                                 cluster_request(cluster, i)->status == NPR_OK);
        }
        for (unsigned key = 0; key < keys; key++) {
            CHECK_SEED(seed, cluster_living(cluster, key) == 1);
            CHECK_SEED(seed, cluster_process(cluster, living(cluster, key))->node == homes[key]);
        }
        cluster_destroy(cluster);
    }
}

/* With an original among them: keys that natives own are started once; those of the original too,
 * as long as it is natives that ask (one delegation in flight per node and key is not enough for
 * more: that is the original's own race, and not checked). */
static void originals_are_asked_and_answered(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        struct cluster *cluster = formed(seed, 1, 2);

        cluster_pass(cluster, 12000 * MS);
        CHECK_SEED(seed, cluster_settled(cluster));
        for (unsigned key = 0; key < 40; key++) {
            (void)cluster_get(cluster, 0, key, true);
            (void)cluster_get(cluster, 0, key, true);
            cluster_pass(cluster, cluster_random(cluster, 3 * MS));
        }
        cluster_pass(cluster, 6000 * MS);
        check_all_answered(seed, cluster);
        check_one_each(seed, cluster, 40);
        cluster_destroy(cluster);
    }
}

/* Nodes join one after the other while keys are wanted: newcomers wait until they know the others,
 * and the others until they know them. */
static void joining_node_starts_no_second_process(void **state)
{
    unsigned doubles = 0;

    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        struct cluster *cluster = cluster_create(
            &(struct cluster_options){.seed = seed, .natives = 4, .delay_ns_max = 20 * MS});

        cluster_boot(cluster, 0, 0);
        for (unsigned node = 1; node < 4; node++) {
            for (unsigned key = 0; key < 30; key++) {
                (void)cluster_get(cluster, (unsigned)cluster_random(cluster, node), key, true);
            }
            cluster_pass(cluster, cluster_random(cluster, 500 * MS));
            cluster_boot(cluster, node, (unsigned)cluster_random(cluster, node));
            for (unsigned key = 0; key < 30; key++) {
                (void)cluster_get(cluster, node, key, true);
                cluster_pass(cluster, cluster_random(cluster, 5 * MS));
            }
        }
        cluster_pass(cluster, 6000 * MS);
        check_all_answered(seed, cluster);
        for (unsigned key = 0; key < 30; key++) {
            doubles += cluster_started(cluster, key) > 1 ? 1 : 0;
        }
        cluster_destroy(cluster);
    }
    assert_int_equal(doubles, 0);
}

/* "Not found" and "found" are true as long as nothing fails, and no third answer comes. */
static void answers_are_true_when_nothing_fails(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        struct cluster *cluster = formed(seed, 3, seed % 3 == 0 ? 1 : 0);

        cluster_pass(cluster, 12000 * MS);
        for (unsigned key = 0; key < 40; key += 2) {
            (void)cluster_get(cluster, key % 3, key, true);
        }
        cluster_pass(cluster, 3000 * MS);
        for (unsigned key = 0; key < 40; key++) {
            const unsigned index =
                cluster_get(cluster, (unsigned)cluster_random(cluster, 3), key, false);

            cluster_pass(cluster, 500 * MS);
            CHECK_SEED(seed, cluster_request(cluster, index)->status ==
                                 (key % 2 == 0 ? NPR_OK : NPR_ENOTFOUND));
        }
        cluster_destroy(cluster);
    }
}

/* An original that hangs costs one second, once, and none of the keys that natives own. */
static void hanging_original_delays_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        struct cluster *cluster = formed(seed, 2, 1);
        unsigned first;

        cluster_pass(cluster, 12000 * MS);
        cluster_pause(cluster, 2, true);
        first = cluster_get(cluster, 0, 0, true);
        (void)cluster_get(cluster, 1, 1, true);
        cluster_pass(cluster, 3000 * MS);
        for (unsigned key = 2; key < 40; key++) {
            (void)cluster_get(cluster, key % 2, key, true);
        }
        cluster_pass(cluster, 3000 * MS);
        check_all_answered(seed, cluster);
        for (unsigned i = first; i < cluster_requests_count(cluster); i++) {
            const struct cluster_request *request = cluster_request(cluster, i);
            const uint64_t most_ns = request->key < 2 ? 2500 * MS : 300 * MS;

            CHECK_SEED(seed, request->answered_ns - request->asked_ns <= most_ns);
            CHECK_SEED(seed, request->status == NPR_OK || request->status == NPR_ETIMEDOUT ||
                                 request->node == CLUSTER_NODES_MAX); /* a node asked another */
        }
        cluster_destroy(cluster);
    }
}

static void cause_trouble(struct cluster *cluster, unsigned count, bool *alive, bool *paused)
{
    const unsigned node = (unsigned)cluster_random(cluster, count);

    switch (cluster_random(cluster, 8)) {
    case 0:
        if (alive[node] && node != 0) {
            cluster_kill(cluster, node);
            alive[node] = false;
            paused[node] = false;
        }
        break;
    case 1:
        if (!alive[node]) {
            cluster_boot(cluster, node, 0);
            alive[node] = true;
        }
        break;
    case 2:
    case 3:
        if (alive[node]) {
            paused[node] = !paused[node];
            cluster_pause(cluster, node, paused[node]);
        }
        break;
    case 4: {
        const unsigned index =
            (unsigned)cluster_random(cluster, cluster_requests_count(cluster) + 1);

        if (index < cluster_requests_count(cluster) &&
            cluster_request(cluster, index)->process >= 0) {
            cluster_kill_process(cluster, cluster_request(cluster, index)->process);
        }
        break;
    }
    default:
        break;
    }
}

/* Requests of nodes that are dead or paused now may stay without an answer, or get it late. */
static void excuse(const struct cluster *cluster, const bool *alive, const bool *paused, bool *out)
{
    for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
        const struct cluster_request *request = cluster_request(cluster, i);

        if (request->node < 4 && request->answers_count == 0 &&
            (!alive[request->node] || paused[request->node])) {
            out[i] = true;
        }
    }
}

/* Deaths, pauses, restarts in any order: whoever asked and lives is answered once, in time, and
 * when all is over every key can be had, living, from every node.  Returns the digest. */
static uint64_t run_with_faults(uint64_t seed)
{
    static bool excused[CLUSTER_REQUESTS_MAX];
    bool alive[4] = {true, true, true, true};
    bool paused[4] = {false};
    struct cluster *cluster = formed(seed, 3, 1);
    uint64_t digest;

    memset(excused, 0, sizeof(excused));
    cluster_pass(cluster, 6000 * MS);
    for (unsigned round = 0; round < 150; round++) {
        for (unsigned node = 0; node < 3; node++) {
            if (alive[node] && !paused[node]) {
                /* One draw a line: the order of two in one call is the compiler's choice. */
                const unsigned key = (unsigned)cluster_random(cluster, 30);
                const bool start = cluster_random(cluster, 3) != 0;

                (void)cluster_get(cluster, node, key, start);
            }
        }
        cause_trouble(cluster, 4, alive, paused);
        excuse(cluster, alive, paused, excused);
        cluster_pass(cluster, cluster_random(cluster, 600 * MS));
    }
    for (unsigned node = 0; node < 4; node++) {
        cluster_pause(cluster, node, false);
        if (!alive[node]) {
            cluster_boot(cluster, node, 0);
        }
    }
    cluster_pass(cluster, 60000 * MS);
    CHECK_SEED(seed, cluster_settled(cluster));
    for (unsigned i = 0; i < cluster_requests_count(cluster); i++) {
        const struct cluster_request *request = cluster_request(cluster, i);

        if (request->node < 4 && !excused[i]) {
            CHECK_SEED(seed, request->answers_count == 1);
            CHECK_SEED(seed, request->answered_ns - request->asked_ns <= 5000 * MS);
        }
    }
    for (unsigned key = 0; key < 30; key++) {
        const unsigned index = cluster_get(cluster, key % 3, key, true);

        cluster_pass(cluster, 500 * MS);
        CHECK_SEED(seed, cluster_request(cluster, index)->status == NPR_OK);
        CHECK_SEED(seed, cluster_process(cluster, cluster_request(cluster, index)->process)->alive);
    }
    digest = cluster_digest(cluster);
    cluster_destroy(cluster);
    return digest;
}

static void faults_end(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        (void)run_with_faults(seed);
    }
}

/* Nothing hangs on addresses, or on what was there before. */
static void same_seed_same_run(void **state)
{
    (void)state;
    assert_true(run_with_faults(first_seed) == run_with_faults(first_seed));
    assert_true(run_with_faults(first_seed) != run_with_faults(first_seed + 1));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settled_natives_start_once),
        cmocka_unit_test(restarted_processes_are_one_each),
        cmocka_unit_test(originals_are_asked_and_answered),
        cmocka_unit_test(joining_node_starts_no_second_process),
        cmocka_unit_test(answers_are_true_when_nothing_fails),
        cmocka_unit_test(hanging_original_delays_nobody),
        cmocka_unit_test(faults_end),
        cmocka_unit_test(same_seed_same_run),
    };

    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        last_seed = first_seed;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
