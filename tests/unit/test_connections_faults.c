/* node/connections.h against peers that lie, stall, fall silent or do not read: each is dropped
 * with one line in the log, within its limit, and the node goes on. */
#include "connections_world.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "dist/flags.h"
#include "support/check.h"

#define RAW_NAME "raw@127.0.0.1"

/* The one node of these tests. */
static struct side *node_of(struct world *world)
{
    return &world->sides[0];
}

static struct npri_connections_options world_begin(struct world *world)
{
    world_open(world);
    node_of(world)->world = world;
    return world_options(node_of(world), "node@127.0.0.1");
}

static bool node_is_up(struct world *world)
{
    return node_of(world)->ups == 1;
}

static bool node_is_down(struct world *world)
{
    return node_of(world)->downs == 1;
}

static bool node_has_failed(struct world *world)
{
    return node_of(world)->failures == 1;
}

static bool node_has_warned(struct world *world)
{
    return node_of(world)->warnings > 0;
}

/* Whether the warning names these; the last may be NULL. */
static void check_warning(const struct side *side,
                          const char *event,
                          const char *node,
                          const char *why)
{
    assert_int_equal(side->warnings, 1);
    assert_memory_equal(side->warning, event, strlen(event));
    if (node != NULL) {
        assert_non_null(strstr(side->warning, node));
    }
    assert_non_null(strstr(side->warning, why));
    assert_null(strchr(side->warning, '\n'));
}

/* A node that is up with a peer made by hand; the peer's socket. */
static int begin_with_peer(struct world *world, const struct npri_connections_options *options)
{
    struct raw_peer peer;

    side_open(node_of(world), options);
    raw_peer_start(&peer, node_of(world), RAW_NAME, WORLD_COOKIE);
    assert_true(world_run(world, node_is_up));
    raw_peer_join(&peer);
    assert_true(peer.done);
    return peer.fd;
}

/* ---- In handshake. */

/* The cookie is asked for before anything else is believed, and its lack is not explained to the
 * stranger. */
static void wrong_cookie_is_refused_without_a_word(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct raw_peer peer;

    (void)state;
    side_open(node_of(&world), &options);
    raw_peer_start(&peer, node_of(&world), RAW_NAME, "wrong");
    assert_true(world_run(&world, node_has_warned));
    raw_peer_join(&peer);
    assert_false(peer.done);
    assert_true(raw_sees_end(peer.fd));
    assert_int_equal(node_of(&world)->ups, 0);
    check_warning(node_of(&world), "connection_refused", "node=" RAW_NAME, "status=EAUTH");
    (void)close(peer.fd);
    world_close(&world);
}

/* Two nodes of one name: a mistake that somebody should hear of. */
static void borrowed_own_name_is_refused(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct raw_peer peer;

    (void)state;
    side_open(node_of(&world), &options);
    raw_peer_start(&peer, node_of(&world), "node@127.0.0.1", WORLD_COOKIE);
    assert_true(world_run(&world, node_has_warned));
    raw_peer_join(&peer);
    assert_false(peer.done);
    assert_int_equal(node_of(&world)->ups, 0);
    check_warning(node_of(&world), "connection_refused", "node=node@127.0.0.1",
                  "name of this node");
    (void)close(peer.fd);
    world_close(&world);
}

static void garbage_instead_of_a_name_ends_the_connection(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    int fd;

    (void)state;
    side_open(node_of(&world), &options);
    fd = raw_connect(node_of(&world)->port);
    raw_write(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(world_run(&world, node_has_warned));
    assert_true(raw_sees_end(fd));
    check_warning(node_of(&world), "connection_refused", NULL, "status=EPROTO");
    (void)close(fd);
    world_close(&world);
}

/* A stranger that says nothing holds a place for the time of a handshake, and no longer. */
static void stalled_handshake_ends_at_its_deadline(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    int fd;

    (void)state;
    options.handshake_ns_max = 50 * NS_PER_MS;
    side_open(node_of(&world), &options);
    fd = raw_connect(node_of(&world)->port);
    assert_true(world_run(&world, node_has_warned));
    assert_true(raw_sees_end(fd));
    check_warning(node_of(&world), "connection_refused", NULL, "status=ETIMEDOUT");
    (void)close(fd);
    world_close(&world);
}

/* The same for a node that we dial: it accepts, and says nothing. */
static void dialled_node_that_stalls_is_given_up(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct side other = {.name = name_of(RAW_NAME)};
    const int fd = raw_listen(&other.port);

    (void)state;
    options.handshake_ns_max = 50 * NS_PER_MS;
    side_open(node_of(&world), &options);
    side_knows(node_of(&world), &other);
    assert_true(side_send(node_of(&world), &other.name, 0, 4));
    assert_true(world_run(&world, node_has_failed));
    assert_int_equal(node_of(&world)->reason.status, NPR_ETIMEDOUT);
    assert_int_equal(node_of(&world)->undelivered, 1);
    (void)close(fd);
    world_close(&world);
}

/* Strangers cannot fill the node with handshakes, nor keep a good peer out by holding them: those
 * that began first give way. */
static void handshakes_in_progress_are_bounded(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct raw_peer peer;
    int fds[6];

    (void)state;
    options.handshakes_max = 3;
    side_open(node_of(&world), &options);
    for (size_t i = 0; i < 6; i++) {
        fds[i] = raw_connect(node_of(&world)->port);
    }
    for (size_t i = 0; i < 3; i++) {
        world_wait_readable(&world, fds[i]);
        assert_true(raw_sees_end(fds[i]));
    }
    check_warning(node_of(&world), "handshakes_full", NULL, "3 handshakes in progress");
    for (size_t i = 3; i < 6; i++) {
        assert_false(raw_is_readable(fds[i])); /* These may go on. */
    }
    raw_peer_start(&peer, node_of(&world), RAW_NAME, WORLD_COOKIE);
    assert_true(world_run(&world, node_is_up));
    raw_peer_join(&peer);
    (void)close(peer.fd);
    for (size_t i = 0; i < 6; i++) {
        (void)close(fds[i]);
    }
    world_close(&world);
}

/* Messages to ever new nodes that are not there use up neither all slots nor all descriptors: a
 * node that connects finds room.  (4,096 of them were dialled at once, and it was refused.) */
static void messages_to_nobody_leave_room(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct raw_peer peer;
    unsigned taken = 0;

    (void)state;
    side_open(node_of(&world), &options);
    for (unsigned i = 0; i < 2 * NPRI_VIEW_NODES_MAX; i++) {
        struct npr_node_name name;
        char text[64];

        (void)snprintf(text, sizeof(text), "nobody%u@127.0.0.1", i);
        name = name_of(text);
        taken += side_send(node_of(&world), &name, 0, 8) ? 1 : 0;
    }
    assert_int_equal(taken, NPRI_NAMED_NODES_MAX);
    raw_peer_start(&peer, node_of(&world), RAW_NAME, WORLD_COOKIE);
    assert_true(world_run(&world, node_is_up));
    raw_peer_join(&peer);
    (void)close(peer.fd);
    world_close(&world);
}

/* Says "nok" to the first, and lets the second one in. */
struct fickle {
    int listener;
    pthread_t thread;
    struct npri_handshake_options options;
    bool first;
    bool second;
};

static void *fickle_run(void *argument)
{
    struct fickle *fickle = argument;
    struct npri_handshake handshake;
    int fd = accept(fickle->listener, NULL, NULL);

    npri_handshake_init_acceptor(&handshake, &fickle->options);
    fickle->first = raw_handshake(fd, &handshake, NPRI_VERDICT_NOK);
    npri_handshake_fini(&handshake);
    (void)close(fd);
    fd = accept(fickle->listener, NULL, NULL);
    npri_handshake_init_acceptor(&handshake, &fickle->options);
    fickle->second = raw_handshake(fd, &handshake, NPRI_VERDICT_OK);
    npri_handshake_fini(&handshake);
    (void)close(fd);
    return NULL;
}

/* "nok" is a promise that the peer's own attempt is coming.  It is waited for, and when it does not
 * come we try again, without a failure being told. */
static void broken_promise_is_not_waited_for_in_vain(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct side other = {.name = name_of(RAW_NAME)};
    struct fickle fickle = {.listener = raw_listen(&other.port),
                            .options = raw_options(RAW_NAME, WORLD_COOKIE)};

    (void)state;
    options.handshake_ns_max = 1000 * NS_PER_MS;
    side_open(node_of(&world), &options);
    side_knows(node_of(&world), &other);
    assert_int_equal(pthread_create(&fickle.thread, NULL, fickle_run, &fickle), 0);
    assert_true(side_send(node_of(&world), &other.name, 0, 4));
    assert_true(world_run(&world, node_is_up));
    assert_int_equal(pthread_join(fickle.thread, NULL), 0);
    assert_false(fickle.first);
    assert_true(fickle.second);
    assert_int_equal(node_of(&world)->failures + node_of(&world)->undelivered, 0);
    (void)close(fickle.listener);
    world_close(&world);
}

/* A second connection of a name is told that there is one, and only comes in its place when it
 * insists. */
static void second_connection_may_give_way(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    struct raw_peer peer;
    int first;

    (void)state;
    side_open(node_of(&world), &options);
    raw_peer_start(&peer, node_of(&world), RAW_NAME, WORLD_COOKIE);
    assert_true(world_run(&world, node_is_up));
    raw_peer_join(&peer);
    first = peer.fd;
    raw_peer_run_again(&peer, false);
    assert_true(world_run(&world, node_has_warned));
    raw_peer_join(&peer);
    assert_false(peer.done);
    assert_int_equal(node_of(&world)->downs, 0);
    assert_false(raw_is_readable(first));
    check_warning(node_of(&world), "connection_refused", "node=" RAW_NAME, "status=EREFUSED");
    (void)close(peer.fd);
    raw_peer_run_again(&peer, true);
    assert_true(world_run(&world, node_is_down));
    raw_peer_join(&peer);
    assert_true(peer.done);
    assert_true(raw_sees_end(first));
    assert_int_equal(node_of(&world)->ups, 2);
    (void)close(first);
    (void)close(peer.fd);
    world_close(&world);
}

/* ---- Up. */

static void check_dropped(struct world *world, int fd, npr_status status, const char *text)
{
    struct side *node = node_of(world);

    assert_true(world_run(world, node_is_down));
    assert_int_equal(node->reason.status, status);
    check_warning(node, "connection_down", "node=" RAW_NAME, npr_status_name(status));
    assert_non_null(strstr(node->warning, text));
    assert_non_null(strstr(node->warning, "address=127.0.0.1:"));
    assert_true(raw_sees_end(fd));
    assert_null(npri_connections_find(node->connections, &node->peer.name));
    (void)close(fd);
    world_close(world);
}

static void garbage_in_a_frame_drops_the_peer(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    const int fd = begin_with_peer(&world, &options);

    (void)state;
    raw_write(fd, "\0\0\0\5hello", 9);
    check_dropped(&world, fd, NPR_EPROTO, "reason=");
}

/* By its length alone: nothing of that size is ever asked for. */
static void oversize_frame_drops_the_peer(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    const int fd = begin_with_peer(&world, &options);

    (void)state;
    raw_write(fd, "\x7f\xff\xff\xff", 4);
    check_dropped(&world, fd, NPR_EFULL, "reason=");
}

static void silent_peer_is_dropped(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    uint64_t begun_ns;
    int fd;

    (void)state;
    options.net_ticktime_ns = 100 * NS_PER_MS;
    fd = begin_with_peer(&world, &options);
    begun_ns = npri_loop_now_ns(world.loop);
    assert_true(world_run(&world, node_is_down));
    assert_true(npri_loop_now_ns(world.loop) - begun_ns > 50 * NS_PER_MS);
    check_dropped(&world, fd, NPR_ETIMEDOUT, "silent for 100 ms");
}

/* Two nodes that have nothing to say to each other stay connected, by ticks. */
static void idle_nodes_stay_connected(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    for (size_t i = 0; i < 2; i++) {
        struct side *side = &world.sides[i];
        struct npri_connections_options options =
            world_options(side, i == 0 ? "a@127.0.0.1" : "b@127.0.0.1");

        side->world = &world;
        options.net_ticktime_ns = 800 * NS_PER_MS;
        side_open(side, &options);
    }
    side_knows(&world.sides[0], &world.sides[1]);
    (void)npri_connections_connect(world.sides[0].connections, &world.sides[1].name);
    world_wait(&world, 2000 * NS_PER_MS);
    assert_int_equal(world.sides[0].ups + world.sides[1].ups, 2);
    assert_int_equal(world.sides[0].downs + world.sides[1].downs, 0);
    world_close(&world);
}

#define QUEUE_BYTES_MAX ((size_t)256 << 10)
#define MESSAGE_BYTES   ((size_t)16 << 10)

/* A peer that does not read is dropped when its queue has been too long for too long; what the
 * kernel takes does not count. */
static void peer_that_does_not_read_is_dropped(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    int fd;

    (void)state;
    options.queue_bytes_max = QUEUE_BYTES_MAX;
    options.queue_ns_max = 10 * NS_PER_MS; /* Less than it takes to come to twice the limit. */
    fd = begin_with_peer(&world, &options);
    for (unsigned i = 0;
         npri_connections_find(node_of(&world)->connections, &node_of(&world)->peer.name) != NULL;
         i++) {
        assert_true(i < 10000);
        (void)side_send(node_of(&world), &node_of(&world)->peer.name, i, MESSAGE_BYTES);
        world_wait(&world, 5 * NS_PER_MS);
    }
    check_dropped(&world, fd, NPR_EFULL, "bytes waited for 10 ms");
}

/* Within one turn of the loop, when no time passes, memory is bounded all the same. */
static void queue_has_a_hard_bound(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    size_t sent = 0;
    int fd;

    (void)state;
    options.queue_bytes_max = QUEUE_BYTES_MAX;
    fd = begin_with_peer(&world, &options);
    while (side_send(node_of(&world), &node_of(&world)->peer.name, 0, MESSAGE_BYTES)) {
        sent += MESSAGE_BYTES;
        assert_true(sent <= 2 * QUEUE_BYTES_MAX);
    }
    assert_true(sent > QUEUE_BYTES_MAX);
    assert_int_equal(node_of(&world)->downs, 0); /* Not from inside the call. */
    check_dropped(&world, fd, NPR_EFULL, "twice the limit");
}

/* A queue that is long for a moment is no fault: the peer reads it, and stays. */
static void peer_that_reads_late_stays(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    uint8_t bytes[4096];
    size_t got = 0;
    int fd;

    (void)state;
    options.queue_bytes_max = QUEUE_BYTES_MAX;
    options.queue_ns_max = 200 * NS_PER_MS;
    fd = begin_with_peer(&world, &options);
    for (unsigned i = 0; i < QUEUE_BYTES_MAX / MESSAGE_BYTES + 2; i++) {
        assert_true(side_send(node_of(&world), &node_of(&world)->peer.name, i, MESSAGE_BYTES));
    }
    while (got < QUEUE_BYTES_MAX) {
        const ssize_t part = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (part > 0) {
            got += (size_t)part;
        } else {
            world_wait(&world, NS_PER_MS);
        }
    }
    world_wait(&world, 300 * NS_PER_MS);
    assert_int_equal(node_of(&world)->downs, 0);
    assert_int_equal(node_of(&world)->warnings, 0);
    (void)close(fd);
    world_close(&world);
}

/* The process at the other end has gone without a word. */
static void reset_is_a_down(void **state)
{
    struct world world;
    struct npri_connections_options options = world_begin(&world);
    const int fd = begin_with_peer(&world, &options);
    const struct linger abortive = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof(abortive)), 0);
    (void)close(fd);
    assert_true(world_run(&world, node_is_down));
    assert_int_equal(node_of(&world)->reason.status, NPR_EIO);
    assert_int_equal(node_of(&world)->warnings, 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_cookie_is_refused_without_a_word),
        cmocka_unit_test(borrowed_own_name_is_refused),
        cmocka_unit_test(garbage_instead_of_a_name_ends_the_connection),
        cmocka_unit_test(stalled_handshake_ends_at_its_deadline),
        cmocka_unit_test(dialled_node_that_stalls_is_given_up),
        cmocka_unit_test(handshakes_in_progress_are_bounded),
        cmocka_unit_test(messages_to_nobody_leave_room),
        cmocka_unit_test(broken_promise_is_not_waited_for_in_vain),
        cmocka_unit_test(second_connection_may_give_way),
        cmocka_unit_test(garbage_in_a_frame_drops_the_peer),
        cmocka_unit_test(oversize_frame_drops_the_peer),
        cmocka_unit_test(silent_peer_is_dropped),
        cmocka_unit_test(idle_nodes_stay_connected),
        cmocka_unit_test(peer_that_does_not_read_is_dropped),
        cmocka_unit_test(queue_has_a_hard_bound),
        cmocka_unit_test(peer_that_reads_late_stays),
        cmocka_unit_test(reset_is_a_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
