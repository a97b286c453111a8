/* Thread processes, receiving: order, filters, times, the descriptor that tells of what is new. */
#include "threads_world.h"

#include <poll.h>
#include <sched.h>

#include "runtime/internal.h"

#define MS UINT64_C(1000000)

static npr_status take_each_kind(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 1));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(received.kind == NPR_RECEIVED_CALL && npr_term_is_atom(received.term, "question"));
    REQUIRE(npr_reply(self, &received.from, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(received.kind == NPR_RECEIVED_CAST && npr_term_is_atom(received.term, "news"));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 2));
    return NPR_OK;
}

/* Would catch: another order than that of sending, a call or cast that is told as something else, a
 * reply that goes astray, another end than normal. */
static void what_is_sent_is_received_in_order(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_term tag;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, take_each_kind);
    tag = world_atom(&world, "tag");
    threads_send_int(&world, &pid, 1);
    world_send(&world, &pid,
               WORLD_TUPLE(&world, world_atom(&world, "$gen_call"),
                           WORLD_TUPLE(&world, world_pid(&world, &world.probe), tag),
                           world_atom(&world, "question")));
    world_send(&world, &pid,
               WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), world_atom(&world, "news")));
    threads_send_int(&world, &pid, 2);
    threads_expect_told(&world, WORLD_TUPLE(&world, tag, NPRI_WORD_OK));
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static bool is_even(void *user, const struct npr_received *received)
{
    int64_t value;

    (void)user;
    (void)atomic_fetch_add(&threads_seen_count, 1);
    return npr_term_get_int64(received->term, &value) && value % 2 == 0;
}

static npr_status take_even_ones(struct npr_process *self)
{
    struct npr_received received;

    threads_pass_gate();
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 4));
    REQUIRE(atomic_load(&threads_seen_count) == 3);
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 6));
    REQUIRE(atomic_load(&threads_seen_count) == 7);
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_process_waiting(self) == 3);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 1));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 3));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 5));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_process_waiting(self) == 0);
    return NPR_OK;
}

/* Would catch: messages that a filter leaves being lost, reordered, or no longer counted as
 * waiting; one being looked at twice by the same receive. */
static void filters_leave_the_rest_in_order(void **state)
{
    static const int64_t values[] = {1, 3, 4, 5, 6};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, take_even_ones);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        threads_send_int(&world, &pid, values[i]);
    }
    threads_open_gate();
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status wait_for_times(struct npr_process *self)
{
    struct npr_received received;
    const struct npr_pid me = npr_self(self);
    uint64_t began_ns;

    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    began_ns = npri_now_ns();
    REQUIRE(npr_receive(self, 30, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_now_ns() >= began_ns + 30 * MS);

    /* What came before the time was over is there, however late it is asked for. */
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);

    /* So much later that a busy machine does not keep this thread from looking in between. */
    began_ns = npri_now_ns();
    REQUIRE(npr_send_after(self, &me, NPRI_WORD_OK, 500, NULL) == NPR_OK);
    REQUIRE(npr_receive(self, 10, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npri_now_ns() >= began_ns + 500 * MS);
    return NPR_OK;
}

/* Would catch: a time that is over too early or never, a wait that misses what comes. */
static void times_are_kept(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, wait_for_times);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* There is always one more. */
static bool is_nothing_but_sends(void *user, const struct npr_received *received)
{
    struct npr_process *self = user;
    const struct npr_pid me = npr_self(self);

    (void)npr_send(self, &me, received->term);
    return false;
}

static npr_status wait_in_a_stream(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;

    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, is_nothing_but_sends, self, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_receive(self, 20, is_nothing_but_sends, self, &received) == NPR_ETIMEDOUT);
    return NPR_OK;
}

/* Would catch: a deadline that is only looked at when the mailbox is empty. */
static void a_stream_of_what_is_not_wanted_does_not_hold_the_time(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, wait_in_a_stream);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* ---- The descriptor. */

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1;
}

static npr_status poll_and_receive(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;
    int fd;

    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    fd = npr_receive_fd(self);
    REQUIRE(fd >= 0 && npr_receive_fd(self) == fd);
    REQUIRE(!is_readable(fd, 0));
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(is_readable(fd, 0));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(is_readable(fd, 0)); /* one is left */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(!is_readable(fd, 0));
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, threads_is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(!is_readable(fd, 0)); /* nothing new */
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(is_readable(fd, 0));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);

    REQUIRE(threads_tell(self, NPRI_WORD_OK) == NPR_OK); /* now from elsewhere */
    REQUIRE(is_readable(fd, LONG_MS));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 1));
    REQUIRE(threads_tell(self, NPRI_WORD_OK) == NPR_OK);
    while (npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT) {
        REQUIRE(is_readable(fd, LONG_MS));
    }
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_EEXIT);
    REQUIRE(is_readable(fd, 0));
    return NPR_OK;
}

/* Would catch: a poll that sleeps while something waits, or spins while nothing is new. */
static void the_descriptor_tells_what_is_new(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, poll_and_receive);
    threads_expect_told(&world, NPRI_WORD_OK);
    threads_send_int(&world, &pid, 1);
    threads_expect_told(&world, NPRI_WORD_OK);
    threads_send_exit(&world, &pid, world_atom(&world, "kill"));
    threads_expect_end(&world, &pid, NPRI_WORD_KILLED);
    world_close(&world);
}

/* ---- All at once. */

enum {
    SENDERS = 3,
    EACH = 3000,
};

static npr_status count_all(struct npr_process *self)
{
    struct npr_received received;
    uint32_t wait_ms = 0;
    const int fd = npr_receive_fd(self);

    REQUIRE(fd >= 0);
    while (atomic_load(&threads_seen_count) < SENDERS * EACH) {
        const npr_status status = npr_receive(self, wait_ms, NULL, NULL, &received);

        REQUIRE(status == NPR_OK || status == NPR_ETIMEDOUT);
        if (status == NPR_OK) {
            (void)atomic_fetch_add(&threads_seen_count, 1);
        } else if (wait_ms == 0) {
            REQUIRE(is_readable(fd, LONG_MS));
        }
        wait_ms = (wait_ms + 1) % 3; /* look, or wait for a little */
    }
    return NPR_OK;
}

static void *flood(void *user)
{
    struct world *world = user;

    for (int i = 0; i < EACH; i++) {
        threads_send_int(world, &threads_other, i);
        if (i % 64 == 0) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* Would catch: a wake-up that is lost between a look and the sleep after it. */
static void no_wake_up_is_lost(void **state)
{
    struct world world;
    pthread_t senders[SENDERS];

    (void)state;
    world_open(&world, 2);
    threads_other = threads_start(&world, count_all);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&senders[i], NULL, flood, &world), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i], NULL), 0);
    }
    threads_expect_end(&world, &threads_other, NPRI_WORD_NORMAL);
    assert_int_equal(atomic_load(&threads_seen_count), SENDERS * EACH);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_is_received_in_order),
        cmocka_unit_test(filters_leave_the_rest_in_order),
        cmocka_unit_test(times_are_kept),
        cmocka_unit_test(a_stream_of_what_is_not_wanted_does_not_hold_the_time),
        cmocka_unit_test(the_descriptor_tells_what_is_new),
        cmocka_unit_test(no_wake_up_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
