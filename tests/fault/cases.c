#include "cases.h"

#include "report.h"

#define NS_PER_S UINT64_C(1000000000)

static uint32_t all_nodes(const struct bed *bed)
{
    return (1U << bed_nodes_count(bed)) - 1;
}

/* ---- The short ones, which `make test` runs. */

/* A node dies and comes back under its name, while its keys are asked for. */
static void kill_and_return(struct bed *bed)
{
    for (unsigned node = 1; node <= 2; node++) {
        bed_kill(bed, node);
        (void)bed_wait_views(bed, all_nodes(bed) & ~(1U << node), all_nodes(bed) & ~(1U << node));
        bed_go_on_ms(bed, 500);
        bed_start(bed, node);
        (void)bed_settle(bed);
    }
}

/* A node is stopped, shortly, and for longer than the others wait for it. */
static void stop_and_go_on(struct bed *bed)
{
    const uint32_t others = all_nodes(bed) & ~2U;

    bed_pause(bed, 1);
    bed_go_on_ms(bed, 300);
    bed_resume(bed, 1);
    (void)bed_settle(bed);
    bed_pause(bed, 1);
    (void)bed_wait_views(bed, others, others);
    bed_go_on_ms(bed, 1000); /* Its keys are started elsewhere. */
    bed_resume(bed, 1);
    (void)bed_settle(bed);
}

/* Each side goes on by itself; then they are one again. */
static void part_and_heal(struct bed *bed)
{
    const uint32_t sides[2] = {1, all_nodes(bed) & ~1U};

    bed_partition(bed, sides, 2);
    (void)bed_wait_views(bed, sides[0], sides[0]);
    (void)bed_wait_views(bed, sides[1], sides[1]);
    bed_go_on_ms(bed, 1000);
    bed_heal(bed);
    (void)bed_settle(bed);
}

/* The same, and then a look at those that have lost their keys.  A node joins first: so it is not
 * always the loser's own node that owns the key and decides. */
static void part_and_heal_with_losers(struct bed *bed, bool end)
{
    const uint32_t sides[2] = {1, all_nodes(bed) & ~1U};

    bed_start(bed, bed_nodes_count(bed) - 1);
    (void)bed_settle(bed);
    bed_partition(bed, sides, 2);
    (void)bed_wait_views(bed, sides[0], sides[0]);
    (void)bed_wait_views(bed, sides[1], sides[1]);
    bed_wait_double(bed); /* Clients that wait for a silent node ask for nothing meanwhile. */
    bed_go_on_ms(bed, 1000);
    bed_heal(bed);
    (void)bed_settle(bed);
    bed_wait_losers(bed, end);
}

/* Losers end, and what their clients go on to send to them reaches the winners. */
static void lose_and_end(struct bed *bed)
{
    part_and_heal_with_losers(bed, true);
    bed_wait_passed_on(bed);
    bed_wait_journals(bed);
}

/* Losers live on without their keys. */
static void lose_and_rest(struct bed *bed)
{
    part_and_heal_with_losers(bed, false);
    bed_wait_journals(bed);
}

/* One node is cut off from the two others: a side that may start nothing, with processes on it.
 * Then another. */
static void lose_the_quorum(struct bed *bed)
{
    bed_start_spares(bed, 0); /* They are not replaced by the others meanwhile. */
    for (unsigned node = 0; node <= 1; node++) {
        const uint32_t sides[2] = {1U << node, all_nodes(bed) & ~(1U << node)};
        const uint64_t cut_ns = report_now_ns();

        bed_partition(bed, sides, 2);
        (void)bed_wait_views(bed, sides[0], sides[0]);
        (void)bed_wait_views(bed, sides[1], sides[1]);
        bed_wait_refusal(bed, node, sides[0]);
        bed_wait_told(bed, node, cut_ns, false);
        bed_wait_finds_own(bed, sides[0]);
        bed_go_on_ms(bed, 500);
        bed_heal(bed);
        (void)bed_settle(bed);
        bed_wait_told(bed, node, cut_ns, true);
    }
}

/* A node joins, and one leaves, while keys are asked for. */
static void join_and_leave(struct bed *bed)
{
    const unsigned last = bed_nodes_count(bed) - 1;

    bed_start(bed, last);
    (void)bed_settle(bed);
    bed_terminate(bed, 1);
    (void)bed_wait_views(bed, all_nodes(bed) & ~2U, all_nodes(bed) & ~2U);
    bed_start(bed, 1);
    (void)bed_settle(bed);
}

/* Nodes come and go in a slow network, in which they hear of it at different times. */
static void slow_changes(struct bed *bed)
{
    bed_delay(bed, 0, 1, 30);
    bed_delay(bed, 0, 2, 150);
    bed_delay(bed, 1, 2, 80);
    for (unsigned i = 0; i < 5; i++) {
        bed_start(bed, 2);
        (void)bed_wait_views(bed, all_nodes(bed), all_nodes(bed));
        bed_go_on_ms(bed, 300);
        bed_kill(bed, 2);
        (void)bed_wait_views(bed, 3, 3);
    }
    bed_start(bed, 2);
    bed_heal(bed);
    (void)bed_settle(bed);
}

/* Of two native and two original nodes one of each kind dies and returns.  The originals know for
 * 10 s of a node that is gone: nobody waits for their views meanwhile. */
static void beside_originals(struct bed *bed)
{
    bed_kill(bed, 1);
    bed_go_on_ms(bed, 1000);
    bed_start(bed, 1);
    (void)bed_settle(bed);
    bed_kill(bed, bed_nodes_count(bed) - 1);
    bed_go_on_ms(bed, 1000);
    bed_start(bed, bed_nodes_count(bed) - 1);
    (void)bed_settle(bed);
}

/* A node hands its keys over, leaves, and returns: no call fails before it has left. */
static void drain_and_return(struct bed *bed)
{
    for (unsigned node = 0; node <= 1; node++) {
        bed_drain(bed, node);
        bed_terminate(bed, node);
        bed_start(bed, node);
        (void)bed_settle(bed);
    }
}

/* Connections that break, that are slow, and that work one way only. */
static void bad_links(struct bed *bed)
{
    for (unsigned i = 0; i < 3; i++) {
        bed_reset(bed, 0, 1);
        bed_go_on_ms(bed, 200);
    }
    (void)bed_settle(bed);
    bed_delay(bed, 0, 2, 100);
    bed_go_on_ms(bed, 1000);
    bed_heal(bed);
    bed_cut_way(bed, 1, 2);
    bed_go_on_ms(bed, 5000);
    bed_heal(bed);
    (void)bed_settle(bed);
}

/* Where keys move at once, many are to be started meanwhile; where two processes are to be found
 * again and one of them ended, few may end by themselves. */
const struct fault_case fault_cases[] = {
    {.name = "kill",
     .what = "nodes are killed and return",
     .end_permille = 100,
     .run = kill_and_return},
    {.name = "pause",
     .what = "a node is stopped and goes on",
     .end_permille = 1,
     .run = stop_and_go_on},
    {.name = "partition",
     .what = "the network is parted and healed",
     .end_permille = 1,
     .run = part_and_heal},
    {.name = "conflict",
     .what = "two sides start the same keys; losers end, and what they are sent goes on",
     .nodes_first = 2,
     .end_permille = 1,
     .clings_count = 4,
     .run = lose_and_end},
    {.name = "notify",
     .what = "two sides start the same keys; losers live on",
     .nodes_first = 2,
     .end_permille = 1,
     .clings_count = 4,
     .function = "rest",
     .run = lose_and_rest},
    {.name = "quorum",
     .what = "a node is cut off from the quorum, then another",
     .end_permille = 50,
     .quorum = 2,
     .run = lose_the_quorum},
    {.name = "join",
     .what = "a node joins, another leaves and returns",
     .nodes_first = 2,
     .end_permille = 300,
     .run = join_and_leave},
    {.name = "drain",
     .what = "nodes hand their keys over, leave, and return",
     .end_permille = 50,
     .run = drain_and_return},
    {.name = "links",
     .what = "connections break, are slow, work one way",
     .proxies_only = true,
     .end_permille = 100,
     .run = bad_links},
    {.name = "slow",
     .what = "a node comes and goes in a slow network",
     .proxies_only = true,
     .nodes_first = 2,
     .end_permille = 500,
     .run = slow_changes},
    {.name = "originals",
     .what = "a native and an original node are killed and return",
     .end_permille = 100,
     .run = beside_originals},
};
const size_t fault_cases_count = sizeof(fault_cases) / sizeof(fault_cases[0]);

/* ---- The long one. */

struct draw {
    struct bed *bed;
    uint64_t state;
};

static unsigned below(struct draw *draw, unsigned limit)
{
    draw->state ^= draw->state >> 12;
    draw->state ^= draw->state << 25;
    draw->state ^= draw->state >> 27;
    return (unsigned)((draw->state * UINT64_C(2685821657736338717) >> 33) % limit);
}

static unsigned some_node(struct draw *draw)
{
    return below(draw, bed_nodes_count(draw->bed));
}

static void soak_kill(struct draw *draw)
{
    const unsigned node = some_node(draw);

    bed_kill(draw->bed, node);
    bed_go_on_ms(draw->bed, below(draw, 4000));
    bed_start(draw->bed, node);
}

/* Two at once: half of a small cluster. */
static void soak_kill_two(struct draw *draw)
{
    const unsigned first = some_node(draw);
    const unsigned second = (first + 1) % bed_nodes_count(draw->bed);

    bed_kill(draw->bed, first);
    bed_go_on_ms(draw->bed, below(draw, 500));
    bed_kill(draw->bed, second);
    bed_go_on_ms(draw->bed, below(draw, 3000));
    bed_start(draw->bed, second);
    bed_start(draw->bed, first);
}

static void soak_leave(struct draw *draw)
{
    const unsigned node = some_node(draw);

    if (bed_is_original(draw->bed, node)) {
        soak_kill(draw);
        return;
    }
    if (below(draw, 2) == 0) {
        bed_drain(draw->bed, node);
    }
    bed_terminate(draw->bed, node);
    bed_go_on_ms(draw->bed, below(draw, 3000));
    bed_start(draw->bed, node);
}

/* 0.1 to 10 s, shorter ones more often. */
static void soak_pause(struct draw *draw)
{
    const unsigned node = some_node(draw);
    const unsigned longest_ms = below(draw, 3) == 0 ? 9900 : 2900;

    bed_pause(draw->bed, node);
    bed_go_on_ms(draw->bed, 100 + below(draw, longest_ms));
    bed_resume(draw->bed, node);
}

static void soak_part(struct draw *draw)
{
    const uint32_t all = all_nodes(draw->bed);
    uint32_t sides[2];

    sides[0] = 1 + below(draw, all - 1);
    sides[1] = all & ~sides[0];
    bed_partition(draw->bed, sides, 2);
    bed_go_on_ms(draw->bed, 200 + below(draw, 8000));
    if (below(draw, 3) == 0) { /* It is not always the same sides that stay. */
        sides[0] = 1 + below(draw, all - 1);
        sides[1] = all & ~sides[0];
        bed_partition(draw->bed, sides, 2);
        bed_go_on_ms(draw->bed, 200 + below(draw, 5000));
    }
    bed_heal(draw->bed);
}

/* A node dies on one side of a parted network, and returns there. */
static void soak_kill_parted(struct draw *draw)
{
    const unsigned node = some_node(draw);
    const uint32_t sides[2] = {1U << node, all_nodes(draw->bed) & ~(1U << node)};

    bed_partition(draw->bed, sides, 2);
    bed_go_on_ms(draw->bed, below(draw, 5000));
    bed_kill(draw->bed, node);
    bed_go_on_ms(draw->bed, below(draw, 1000));
    bed_heal(draw->bed);
    bed_start(draw->bed, node);
}

static void soak_reset(struct draw *draw)
{
    for (unsigned i = 1 + below(draw, 6); i > 0; i--) {
        const unsigned a = some_node(draw);

        bed_reset(draw->bed, a,
                  (a + 1 + below(draw, bed_nodes_count(draw->bed) - 1)) %
                      bed_nodes_count(draw->bed));
        bed_go_on_ms(draw->bed, below(draw, 300));
    }
}

static void soak_one_way(struct draw *draw)
{
    const unsigned from = some_node(draw);

    bed_cut_way(draw->bed, from,
                (from + 1 + below(draw, bed_nodes_count(draw->bed) - 1)) %
                    bed_nodes_count(draw->bed));
    bed_go_on_ms(draw->bed, 200 + below(draw, 9000));
    bed_heal(draw->bed);
}

static void soak_slow(struct draw *draw)
{
    const unsigned a = some_node(draw);

    bed_delay(draw->bed, a, (a + 1) % bed_nodes_count(draw->bed), 1 + below(draw, 400));
    bed_go_on_ms(draw->bed, 1000 + below(draw, 3000));
    if (below(draw, 2) == 0) {
        soak_kill(draw);
    }
    bed_heal(draw->bed);
}

void cases_soak(struct bed *bed, uint64_t seed, unsigned seconds, bool proxies)
{
    static void (*const any[])(struct draw *) = {soak_kill,  soak_kill_two, soak_leave,
                                                 soak_pause, soak_part,     soak_kill_parted};
    static void (*const with_proxies[])(struct draw *) = {soak_reset, soak_one_way, soak_slow};
    const unsigned any_count = sizeof(any) / sizeof(any[0]);
    const unsigned proxies_count = proxies ? sizeof(with_proxies) / sizeof(with_proxies[0]) : 0;
    const uint64_t end_ns = report_now_ns() + seconds * NS_PER_S;
    struct draw draw = {.bed = bed, .state = seed * 2 + 1};

    while (report_now_ns() < end_ns) {
        const unsigned act = below(&draw, any_count + proxies_count);

        if (act < any_count) {
            any[act](&draw);
        } else {
            with_proxies[act - any_count](&draw);
        }
        if (!bed_settle(bed) || bed_judge(bed) > 0) {
            return;
        }
        bed_go_on_ms(bed, below(&draw, 2000));
    }
}
