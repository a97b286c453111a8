/* node/connections.h between nodes that behave: one connection per name, messages in order, both
 * sides of the same opinion whoever dials, and callbacks that call back. */
#include "connections_world.h"

#include "base/alloc.h"
#include "dist/flags.h"
#include "support/check.h"

#define ROUNDS         200
#define THREADS_ROUNDS 200

static struct side *a_of(struct world *world)
{
    return &world->sides[0];
}

static struct side *b_of(struct world *world)
{
    return &world->sides[1];
}

static bool both_up(struct world *world)
{
    return a_of(world)->ups == 1 && b_of(world)->ups == 1;
}

static bool both_down(struct world *world)
{
    return a_of(world)->downs == 1 && b_of(world)->downs == 1;
}

static bool a_has_failed(struct world *world)
{
    return a_of(world)->failures > 0;
}

static void check_orderly(const struct world *world)
{
    for (size_t i = 0; i < SIDES_MAX; i++) {
        assert_int_equal(world->sides[i].disorder, 0);
        assert_int_equal(world->sides[i].failures, 0);
        assert_string_equal(world->sides[i].warning, "");
    }
}

/* ---- Up, and messages. */

#define MESSAGES    300u
#define LARGE_BYTES (200u << 10) /* in fragments */
#define LARGE_EVERY 50u
#define SMALL_BYTES 10u
#define LARGE_COUNT (MESSAGES / LARGE_EVERY)
#define HEAD_BYTES  5u
#define EXPECT_BYTES                                                                               \
    (MESSAGES * HEAD_BYTES + LARGE_COUNT * LARGE_BYTES + (MESSAGES - LARGE_COUNT) * SMALL_BYTES)

static bool all_received(struct world *world)
{
    return a_of(world)->received == MESSAGES && b_of(world)->received == MESSAGES;
}

static void send_all(struct side *side, const struct side *to)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_true(
            side_send(side, &to->name, i, i % LARGE_EVERY == 0 ? LARGE_BYTES : SMALL_BYTES));
    }
}

/* Messages sent before the connection is up and after it, in one row and each once; large ones do
 * not overtake or hold up the order. */
static void messages_arrive_once_and_in_order(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    send_all(a_of(&world), b_of(&world)); /* Dials; all of them wait. */
    assert_true(world_run(&world, both_up));
    send_all(b_of(&world), a_of(&world)); /* Goes out at once. */
    assert_true(world_run(&world, all_received));
    check_orderly(&world);
    assert_int_equal(a_of(&world)->received_bytes, EXPECT_BYTES);
    assert_int_equal(b_of(&world)->received_bytes, EXPECT_BYTES);
    world_close(&world);
}

static void count_peer(void *user, const struct npri_peer *peer)
{
    unsigned *count = user;

    assert_true(peer->flags != 0);
    ++*count;
}

/* Each side knows who the other is, who dialled, and that it is hidden or not, also when it does
 * not publish itself (then the effective flags do not tell). */
static void both_sides_know_each_other(void **state)
{
    struct npri_connections_options options;
    struct world world;
    unsigned count = 0;

    (void)state;
    world_open(&world);
    a_of(&world)->world = &world;
    options = world_options(a_of(&world), "a@127.0.0.1");
    options.creation = 11;
    side_open(a_of(&world), &options);
    b_of(&world)->world = &world;
    options = world_options(b_of(&world), "b@127.0.0.1");
    options.flags |= NPRI_FLAG_PUBLISHED;
    side_open(b_of(&world), &options);
    npri_connections_set_creation(b_of(&world)->connections, 22);
    side_knows(a_of(&world), b_of(&world));

    assert_false(npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name));
    assert_true(world_run(&world, both_up));
    assert_true(npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name));
    assert_true(npr_node_name_equal(&a_of(&world)->peer.name, &b_of(&world)->name));
    assert_true(npr_node_name_equal(&b_of(&world)->peer.name, &a_of(&world)->name));
    assert_int_equal(a_of(&world)->peer.creation, 22);
    assert_int_equal(b_of(&world)->peer.creation, 11);
    assert_false(a_of(&world)->peer.incoming);
    assert_true(b_of(&world)->peer.incoming);
    assert_false(a_of(&world)->peer.hidden);
    assert_true(b_of(&world)->peer.hidden);
    assert_non_null(npri_connections_find(a_of(&world)->connections, &b_of(&world)->name));
    assert_null(npri_connections_find(a_of(&world)->connections, &a_of(&world)->name));
    npri_connections_each(a_of(&world)->connections, count_peer, &count);
    assert_int_equal(count, 1);
    check_orderly(&world);
    world_close(&world);
}

/* A disconnect is told on both sides, once, and is no fault. */
static void disconnect_is_told_on_both_sides(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
    assert_true(world_run(&world, both_up));
    npri_connections_disconnect(a_of(&world)->connections, &b_of(&world)->name, "as asked");
    assert_int_equal(a_of(&world)->downs, 0); /* Not from inside the call. */
    assert_null(npri_connections_find(a_of(&world)->connections, &b_of(&world)->name));
    assert_true(world_run(&world, both_down));
    assert_string_equal(a_of(&world)->reason.text, "as asked");
    assert_int_equal(b_of(&world)->reason.status, NPR_ECLOSED);
    check_orderly(&world);
    world_close(&world);
}

/* ---- Both dial at once. */

static bool both_up_and_heard(struct world *world)
{
    return both_up(world) && a_of(world)->received == 1 && b_of(world)->received == 1;
}

/* The second one to dial does so this many turns after the first, or when they are connected. */
static unsigned dial_turn;
static bool dial_done;
static struct side *dialler;
static struct side *dialled;

static void dial_later(struct world *world)
{
    if (!dial_done && (world->turns >= dial_turn || both_up(world))) {
        dial_done = true;
        assert_true(side_send(dialler, &dialled->name, 0, SMALL_BYTES));
    }
}

static void check_one_connection(struct world *world)
{
    assert_int_equal(a_of(world)->ups, 1);
    assert_int_equal(b_of(world)->ups, 1);
    assert_int_equal(a_of(world)->downs + b_of(world)->downs, 0);
    /* Not each its own. */
    assert_true(a_of(world)->peer.incoming != b_of(world)->peer.incoming);
    check_orderly(world);
}

static void forget(struct side *side)
{
    side->ups = 0;
    side->downs = 0;
    side->received = 0;
}

/* Whatever the other has seen of the first attempt when it dials itself, one connection comes of
 * it, both use that one, and neither is told of the attempt that gave way. */
static void simultaneous_dials_make_one_connection(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct side *first = &world.sides[round % 2];

        dialler = &world.sides[1 - round % 2];
        dialled = first;
        dial_turn = round / 2 % 10;
        dial_done = false;
        world.each_turn = dial_later;
        assert_true(side_send(first, &dialler->name, 0, SMALL_BYTES));
        if (dial_turn == 0) {
            dial_later(&world);
        }
        assert_true(world_run(&world, both_up_and_heard));
        check_one_connection(&world);
        world.each_turn = NULL;
        npri_connections_disconnect(first->connections, &dialler->name, "next round");
        assert_true(world_run(&world, both_down));
        forget(first);
        forget(dialler);
    }
    world_close(&world);
}

/* The same with a loop and a thread for each. */
struct duel {
    pthread_barrier_t *barrier;
    struct world world;
    struct npr_node_name other;
    unsigned rounds;   /* that went well */
    const char *wrong; /* what did not */
};

static bool duel_is_on(struct world *world)
{
    return world->sides[0].ups == 1 && world->sides[0].received == 1;
}

static bool duel_is_over(struct world *world)
{
    return world->sides[0].downs == 1;
}

static void *duel_run(void *argument)
{
    struct duel *duel = argument;
    struct side *side = &duel->world.sides[0];

    for (unsigned round = 0; round < THREADS_ROUNDS; round++) {
        (void)pthread_barrier_wait(duel->barrier);
        if (duel->wrong == NULL && (!side_send(side, &duel->other, 0, SMALL_BYTES) ||
                                    !world_run(&duel->world, duel_is_on) || side->downs != 0)) {
            duel->wrong = "not up, or not once";
        }
        (void)pthread_barrier_wait(duel->barrier);
        if (round % 2 == (side->name.text[0] == 'a' ? 0 : 1)) {
            npri_connections_disconnect(side->connections, &duel->other, "next round");
        }
        if (duel->wrong == NULL && !world_run(&duel->world, duel_is_over)) {
            duel->wrong = "not down";
        }
        if (side->ups != 1 || side->downs != 1 || side->failures != 0) {
            duel->wrong = "ups, downs or failures";
        }
        duel->rounds += duel->wrong == NULL ? 1 : 0;
        forget(side);
    }
    return NULL;
}

static void simultaneous_dials_between_threads_make_one_connection(void **state)
{
    const char *names[2] = {"a@127.0.0.1", "b@127.0.0.1"};
    pthread_barrier_t barrier;
    pthread_t threads[2];
    struct duel duels[2];

    (void)state;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        struct side *side = &duels[i].world.sides[0];
        struct npri_connections_options options;

        duels[i] = (struct duel){.barrier = &barrier, .other = name_of(names[1 - i])};
        world_open(&duels[i].world);
        side->world = &duels[i].world;
        options = world_options(side, names[i]);
        side_open(side, &options);
    }
    for (size_t i = 0; i < 2; i++) {
        side_knows(&duels[i].world.sides[0], &duels[1 - i].world.sides[0]);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, duel_run, &duels[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_null(duels[i].wrong);
        assert_int_equal(duels[i].rounds, THREADS_ROUNDS);
        world_close(&duels[i].world);
    }
    (void)pthread_barrier_destroy(&barrier);
}

/* ---- The same name again. */

static bool b_was_replaced(struct world *world)
{
    return b_of(world)->ups == 2 && b_of(world)->downs == 1 && world->sides[2].ups == 1 &&
           a_of(world)->downs == 1;
}

static void open_second_a(struct world *world, const char *cookie)
{
    struct side *side = &world->sides[2];
    struct npri_connections_options options = world_options(side, "a@127.0.0.1");

    side->world = world;
    options.creation = 999;
    options.cookie = npr_bytes_of(cookie);
    side_open(side, &options);
    side_knows(side, b_of(world));
}

/* A node that was restarted gets its name back, although the connection of its former life is up
 * still; the order is down, then up. */
static void restarted_node_replaces_its_old_connection(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
    assert_true(world_run(&world, both_up));
    open_second_a(&world, WORLD_COOKIE);
    assert_true(side_send(&world.sides[2], &b_of(&world)->name, 0, SMALL_BYTES));
    assert_true(world_run(&world, b_was_replaced));
    assert_non_null(strstr(b_of(&world)->reason.text, "replaced"));
    assert_int_equal(b_of(&world)->peer.creation, 999);
    assert_int_equal(
        npri_connections_find(b_of(&world)->connections, &a_of(&world)->name)->creation, 999);
    check_orderly(&world);
    world_close(&world);
}

static bool second_a_has_failed(struct world *world)
{
    return world->sides[2].failures == 1;
}

/* Whoever does not know the cookie cannot take a name away. */
static void stranger_does_not_replace_a_connection(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
    assert_true(world_run(&world, both_up));
    open_second_a(&world, "wrong");
    (void)npri_connections_connect(world.sides[2].connections, &b_of(&world)->name);
    assert_true(world_run(&world, second_a_has_failed));
    assert_int_equal(world.sides[2].reason.status, NPR_EAUTH);
    assert_int_equal(a_of(&world)->downs + b_of(&world)->downs, 0);
    assert_int_equal(b_of(&world)->ups, 1);
    assert_non_null(strstr(b_of(&world)->warning, "EAUTH"));
    world_close(&world);
}

/* Nobody is connected to itself, be it by its own doing or under a borrowed name. */
static void own_name_is_refused(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    assert_true(side_send(a_of(&world), &a_of(&world)->name, 0, SMALL_BYTES));
    assert_true(world_run(&world, a_has_failed));
    assert_int_equal(a_of(&world)->reason.status, NPR_EINVAL);
    assert_int_equal(a_of(&world)->undelivered, 1);

    assert_int_equal(a_of(&world)->ups, 0);
    world_close(&world);
}

/* ---- Nobody there. */

#define LOST_COUNT 20u

static bool a_has_failed_twice(struct world *world)
{
    return a_of(world)->failures == 2;
}

static bool one_more_is_lost(struct world *world)
{
    return a_of(world)->undelivered == LOST_COUNT + 1;
}

/* What waited comes back in its order, before the failure is told; for a moment after that,
 * messages come back without another attempt, but an explicit one is made. */
static void messages_come_back_in_order(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    side_close(b_of(&world)); /* Nobody listens on its port any more. */
    for (unsigned i = 0; i < LOST_COUNT; i++) {
        assert_true(side_send(a_of(&world), &b_of(&world)->name, i, SMALL_BYTES));
    }
    assert_true(world_run(&world, a_has_failed));
    assert_int_equal(a_of(&world)->undelivered, LOST_COUNT);
    assert_int_equal(a_of(&world)->disorder, 0);
    assert_int_equal(a_of(&world)->reason.status, NPR_EUNREACHABLE);

    assert_true(side_send(a_of(&world), &b_of(&world)->name, LOST_COUNT, SMALL_BYTES));
    assert_int_equal(a_of(&world)->undelivered, LOST_COUNT); /* Not from inside the call. */
    assert_true(world_run(&world, one_more_is_lost));
    assert_int_equal(a_of(&world)->failures, 1);
    assert_false(npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name));
    assert_true(world_run(&world, a_has_failed_twice));
    assert_int_equal(a_of(&world)->warnings, 0); /* It happens all the time. */
    world_close(&world);
}

/* A peer that does not come costs no more than the limit, and disconnect gives it all back. */
static void waiting_messages_are_bounded(void **state)
{
    struct npri_connections_options options;
    struct world world;
    unsigned count = 0;

    (void)state;
    world_open(&world);
    a_of(&world)->world = &world;
    options = world_options(a_of(&world), "a@127.0.0.1");
    options.queue_bytes_max = 10000;
    side_open(a_of(&world), &options);
    b_of(&world)->name = name_of("b@127.0.0.1");
    b_of(&world)->port = a_of(&world)->port; /* Any will do: the loop does not run yet. */
    side_knows(a_of(&world), b_of(&world));
    while (side_send(a_of(&world), &b_of(&world)->name, count, 1000)) {
        assert_true(++count < 10);
    }
    assert_true(count > 5);
    npri_connections_disconnect(a_of(&world)->connections, &b_of(&world)->name, "enough");
    assert_true(world_run(&world, a_has_failed));
    assert_int_equal(a_of(&world)->undelivered, count);
    assert_int_equal(a_of(&world)->disorder, 0);
    assert_string_equal(a_of(&world)->reason.text, "enough");
    world_close(&world);
}

/* ---- Calls from inside callbacks. */

static void drop_peer(struct side *side)
{
    npri_connections_disconnect(side->connections, &side->peer.name, "from inside");
}

static void dial_peer(struct side *side)
{
    (void)npri_connections_connect(side->connections, &side->peer.name);
}

static void send_third(struct side *side)
{
    (void)side_send(side, &side->peer.name, 2, SMALL_BYTES);
}

static bool b_has_three(struct world *world)
{
    return b_of(world)->received == 3;
}

/* A message sent from `up` goes behind those that waited. */
static void message_sent_inside_up_comes_last(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    a_of(&world)->inside_up = send_third;
    assert_true(side_send(a_of(&world), &b_of(&world)->name, 0, SMALL_BYTES));
    assert_true(side_send(a_of(&world), &b_of(&world)->name, 1, SMALL_BYTES));
    assert_true(world_run(&world, b_has_three));
    check_orderly(&world);
    world_close(&world);
}

static bool up_again(struct world *world)
{
    return both_down(world) && a_of(world)->ups == 2 && b_of(world)->ups == 2;
}

/* A peer that is dropped while its messages are delivered delivers no more of them, and may be
 * dialled from `down`. */
static void peer_may_be_dropped_inside_received(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    b_of(&world)->inside_received = drop_peer;
    a_of(&world)->inside_down = dial_peer;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(side_send(a_of(&world), &b_of(&world)->name, i, SMALL_BYTES));
    }
    assert_true(world_run(&world, up_again));
    assert_int_equal(b_of(&world)->received, 1);
    check_orderly(&world);
    world_close(&world);
}

/* Being dropped inside `up` is a down like any other. */
static void peer_may_be_dropped_inside_up(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    a_of(&world)->inside_up = drop_peer;
    (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
    assert_true(world_run(&world, both_down));
    check_orderly(&world);
    world_close(&world);
}

static void lose_second(struct side *side)
{
    (void)side_send(side, &side->world->sides[1].name, 1, SMALL_BYTES);
}

static bool a_has_lost_two(struct world *world)
{
    return a_of(world)->undelivered == 2 && a_of(world)->failures == 1;
}

/* A message sent from `undelivered` has its own turn, instead of growing what is being told. */
static void message_may_be_sent_inside_undelivered(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    side_close(b_of(&world));
    a_of(&world)->inside_undelivered = lose_second;
    assert_true(side_send(a_of(&world), &b_of(&world)->name, 0, SMALL_BYTES));
    assert_true(world_run(&world, a_has_lost_two));
    assert_int_equal(a_of(&world)->disorder, 0);
    world_close(&world);
}

static void drop_each(void *user, const struct npri_peer *peer)
{
    npri_connections_disconnect(user, &peer->name, "all of them");
}

/* The connections may change while they are gone through. */
static void all_may_be_dropped_inside_each(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_open_pair(&world);
    (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
    assert_true(world_run(&world, both_up));
    npri_connections_each(b_of(&world)->connections, drop_each, b_of(&world)->connections);
    assert_true(world_run(&world, both_down));
    world_close(&world);
}

/* ---- No memory. */

static bool attempt_is_over(struct world *world)
{
    return a_of(world)->failures + a_of(world)->downs > 0 || b_of(world)->received == 1;
}

static bool b_has_one(struct world *world)
{
    return b_of(world)->received == 1;
}

/* Opens a pair and sends one message with only `n` allocations to be had.  True when they were
 * enough. */
static bool try_with_allocations(uint64_t n)
{
    struct npri_connections_options options;
    struct world world;
    bool whole;

    world_open(&world);
    world_open_pair(&world);
    side_close(a_of(&world)); /* Once more, with less patience. */
    options = world_options(a_of(&world), "a@127.0.0.1");
    options.handshake_ns_max = 100 * NS_PER_MS;
    side_open(a_of(&world), &options);
    side_knows(a_of(&world), b_of(&world));

    npri_alloc_fail_after(n);
    whole = side_send(a_of(&world), &b_of(&world)->name, 0, SMALL_BYTES) &&
            world_run(&world, attempt_is_over) && b_of(&world)->received == 1;
    npri_alloc_fail_after(0);
    assert_false(world.late);
    if (!whole) {
        (void)npri_connections_connect(a_of(&world)->connections, &b_of(&world)->name);
        assert_true(side_send(a_of(&world), &b_of(&world)->name, 0, SMALL_BYTES));
        assert_true(world_run(&world, b_has_one));
    }
    world_close(&world);
    return whole;
}

/* Whichever allocation fails, from the dialling to the first message, the attempt ends one way or
 * the other, nothing leaks, and with memory it works again. */
static void running_out_of_memory_ends_an_attempt(void **state)
{
    uint64_t n = 1;

    (void)state;
    while (!try_with_allocations(n)) {
        assert_true(++n < 200);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_once_and_in_order),
        cmocka_unit_test(both_sides_know_each_other),
        cmocka_unit_test(disconnect_is_told_on_both_sides),
        cmocka_unit_test(simultaneous_dials_make_one_connection),
        cmocka_unit_test(simultaneous_dials_between_threads_make_one_connection),
        cmocka_unit_test(restarted_node_replaces_its_old_connection),
        cmocka_unit_test(stranger_does_not_replace_a_connection),
        cmocka_unit_test(own_name_is_refused),
        cmocka_unit_test(messages_come_back_in_order),
        cmocka_unit_test(waiting_messages_are_bounded),
        cmocka_unit_test(message_sent_inside_up_comes_last),
        cmocka_unit_test(peer_may_be_dropped_inside_received),
        cmocka_unit_test(peer_may_be_dropped_inside_up),
        cmocka_unit_test(message_may_be_sent_inside_undelivered),
        cmocka_unit_test(all_may_be_dropped_inside_each),
        cmocka_unit_test(running_out_of_memory_ends_an_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
