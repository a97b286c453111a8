/* core/cliques.h and placement `rendezvous`: pure. */
#include <string.h>

#include "core/cliques.h"
#include "core/placement.h"
#include "support/check.h"

#define NODES 5u
#define PAIRS (NODES * (NODES - 1) / 2)

static void link_by_bits(struct npri_graph *graph, uint32_t bits)
{
    unsigned bit = 0;

    for (uint32_t a = 0; a < NODES; a++) {
        for (uint32_t b = a + 1; b < NODES; b++, bit++) {
            if ((bits >> bit & 1) != 0) {
                npri_graph_link(graph, a, b);
            }
        }
    }
}

static uint32_t degree(const struct npri_graph *graph, uint32_t node)
{
    uint32_t count = 0;

    for (uint32_t other = 0; other < NODES; other++) {
        count += other != node && npri_graph_linked(graph, node, other) ? 1 : 0;
    }
    return count;
}

/* Every graph of five nodes.  Would catch: parts that are no cliques (views that still overlap), a
 * clique that could take one more of those that are left, a busiest node that is passed over. */
static void parts_are_cliques(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < UINT32_C(1) << PAIRS; bits++) {
        struct npri_graph graph;
        uint32_t parts[NODES];
        uint32_t busiest = 0;
        bool whole = true;

        assert_true(npri_graph_init(&graph, NODES));
        link_by_bits(&graph, bits);
        assert_true(npri_cliques(&graph, parts));
        for (uint32_t a = 0; a < NODES; a++) {
            assert_int_equal(parts[parts[a]], parts[a]);
            busiest = degree(&graph, a) > degree(&graph, busiest) ? a : busiest;
            for (uint32_t b = 0; b < NODES; b++) {
                assert_true(a == b || parts[a] != parts[b] || npri_graph_linked(&graph, a, b));
            }
        }
        assert_int_equal(parts[busiest], busiest); /* the first part began with it */
        for (uint32_t a = 0; a < NODES; a++) {
            whole = true;
            for (uint32_t b = 0; b < NODES; b++) {
                whole =
                    whole && (parts[b] != busiest || (a != b && npri_graph_linked(&graph, a, b)));
            }
            assert_false(whole && parts[a] != busiest);
        }
        npri_graph_fini(&graph);
    }
}

/* More nodes than fit a word, in two cliques and a bridge. */
static void many_nodes_are_parted(void **state)
{
    enum { HALF = 70 };

    struct npri_graph graph;
    uint32_t parts[2 * HALF];

    (void)state;
    assert_true(npri_graph_init(&graph, 2 * HALF));
    for (uint32_t a = 0; a < 2 * HALF; a++) {
        for (uint32_t b = a + 1; b < 2 * HALF; b++) {
            if (a / HALF == b / HALF) {
                npri_graph_link(&graph, a, b);
            }
        }
    }
    npri_graph_link(&graph, 3, HALF + 3);
    assert_true(npri_cliques(&graph, parts));
    for (uint32_t node = 0; node < 2 * HALF; node++) {
        /* Node 3 is the busiest, and its part goes on with the next busiest: the other end. */
        const bool bridge = node == 3 || node == HALF + 3;

        assert_true(parts[node] == parts[3] ? bridge : !bridge);
    }
    npri_graph_fini(&graph);
}

static void spread(uint64_t number, uint8_t out[16])
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t word = (number + half) * UINT64_C(0x9e3779b97f4a7c15);

        word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
        memcpy(out + (size_t)half * 8, &word, sizeof(word));
    }
}

static unsigned owner_of(uint64_t key, unsigned nodes, unsigned without)
{
    uint64_t highest = 0;
    unsigned owner = nodes;
    uint8_t digest[16];

    spread(key * 2 + 1000, digest);
    for (unsigned node = 0; node < nodes; node++) {
        uint8_t name[16];
        uint64_t hash;
        uint64_t mix;

        spread(node + 7, name);
        memcpy(&hash, name, sizeof(hash));
        mix = npri_placement_mix(digest, hash);
        if (node != without && (owner == nodes || mix > highest)) {
            highest = mix;
            owner = node;
        }
    }
    return owner;
}

/* Would catch: nodes that get twice or half their share, and keys that move between nodes that
 * stay. */
static void rendezvous_spreads_and_moves_least(void **state)
{
    enum { SHARE = 2000, COUNT = 10 };

    unsigned owned[COUNT] = {0};

    (void)state;
    for (unsigned key = 0; key < SHARE * COUNT; key++) {
        const unsigned before = owner_of(key, COUNT, COUNT);
        const unsigned after = owner_of(key, COUNT, 4);

        owned[before]++;
        assert_true(before == after || before == 4);
        assert_int_not_equal(after, 4);
    }
    for (unsigned node = 0; node < COUNT; node++) {
        assert_in_range(owned[node], SHARE * 9 / 10, SHARE * 11 / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_cliques),
        cmocka_unit_test(many_nodes_are_parted),
        cmocka_unit_test(rendezvous_spreads_and_moves_least),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
