/* node/inbox.h: many threads push, the loop thread handles. */
#include <pthread.h>

#include "base/alloc.h"
#include "node/node.h"
#include "support/check.h"
#include "term/write.h"

#define PUSHERS     4u
#define SIGNALS_PER 20000u

/* A node with a loop and an outbox, and nothing else. */
struct world {
    struct npr_node *node;
    uint64_t next[PUSHERS]; /* of each pusher: what must come next */
    uint64_t total;
    bool disordered;
};

static struct world world;

static struct npri_signal *make_signal(uint64_t pusher, uint64_t number)
{
    struct npri_signal *signal =
        npri_signal_create(&(struct npri_signal){.kind = NPRI_SIGNAL_NODE_DOWN});

    if (signal != NULL) {
        signal->id = pusher << 32 | number;
    }
    return signal;
}

static void handle(struct npri_inbox *inbox, struct npri_signal *signal)
{
    const uint64_t pusher = signal->id >> 32;

    if (world.next[pusher] != (signal->id & UINT32_MAX)) {
        world.disordered = true;
    }
    world.next[pusher]++;
    npri_signal_destroy(signal);
    if (++world.total == (uint64_t)PUSHERS * SIGNALS_PER) {
        npri_loop_stop(inbox->node->loop);
    }
}

static void *push_all(void *user)
{
    const uint64_t pusher = *(const uint64_t *)user;

    for (uint64_t i = 0; i < SIGNALS_PER; i++) {
        struct npri_signal *signal = make_signal(pusher, i);

        if (signal != NULL) {
            npri_inbox_push(&world.node->outbox, signal);
        }
    }
    return NULL;
}

static int start_world(void **state)
{
    (void)state;
    world = (struct world){0};
    world.node = npri_alloc_zeroed(1, sizeof(*world.node));
    assert_non_null(world.node);
    assert_int_equal(npri_loop_create(&world.node->loop, NULL), NPR_OK);
    npri_inbox_init(&world.node->outbox, world.node, handle);
    return 0;
}

static int stop_world(void **state)
{
    (void)state;
    npri_inbox_discard(&world.node->outbox);
    npri_loop_destroy(world.node->loop);
    npri_free(world.node);
    return 0;
}

/* Catches a signal that is left behind because nobody woke the loop (the run would not end), one
 * that is handled twice, and a pusher's signals out of order. */
static void every_signal_comes_once_and_in_order(void **state)
{
    pthread_t threads[PUSHERS];
    uint64_t numbers[PUSHERS];

    (void)state;
    for (uint64_t i = 0; i < PUSHERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, push_all, &numbers[i]), 0);
    }
    npri_loop_run(world.node->loop);
    for (size_t i = 0; i < PUSHERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(world.next[i], SIGNALS_PER);
    }
    assert_false(world.disordered);
}

static unsigned handled;

/* Each signal makes another one: what comes in while the inboxes are emptied. */
static void handle_and_push(struct npri_inbox *inbox, struct npri_signal *signal)
{
    struct npri_signal *more = handled == 1000 ? NULL : make_signal(0, 0);

    npri_signal_destroy(signal);
    if (more == NULL) {
        npri_loop_stop(inbox->node->loop);
        return;
    }
    handled++;
    npri_inbox_push(inbox, more);
}

/* Catches a leave that loses what was pushed on the loop thread itself, and one that never lets the
 * loop go on. */
static void what_is_pushed_while_emptying_comes_too(void **state)
{
    struct npri_signal *first = make_signal(0, 0);

    (void)state;
    handled = 0;
    npri_inbox_init(&world.node->outbox, world.node, handle_and_push);
    assert_non_null(first);
    npri_node_enter(world.node);
    npri_inbox_push(&world.node->outbox, first);
    assert_int_equal(handled, 0); /* not from inside */
    npri_node_leave(world.node);
    assert_in_range(handled, 1, 999); /* it let go */
    npri_loop_run(world.node->loop);
    assert_int_equal(handled, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_signal_comes_once_and_in_order, start_world,
                                        stop_world),
        cmocka_unit_test_setup_teardown(what_is_pushed_while_emptying_comes_too, start_world,
                                        stop_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
