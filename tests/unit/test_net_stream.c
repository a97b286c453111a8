/* net/stream.h: connections over loopback, in the test's own thread.  "End" is one side of a
 * connection and writes down what it is told. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/stream.h"
#include "support/check.h"

#define NS_PER_MS   UINT64_C(1000000)
#define WATCHDOG_NS (UINT64_C(30000) * NS_PER_MS)
#define BIG_BYTES   (UINT32_C(24) << 20)
#define TWO_BIG     (UINT64_C(2) * BIG_BYTES)

struct world;

struct end {
    struct world *world;
    struct npri_stream *stream;
    unsigned opened;
    unsigned received_calls;
    size_t received_bytes;
    uint32_t sum; /* order-sensitive */
    unsigned closed;
    unsigned after_close; /* callbacks that must not come */
    bool released;
    struct npr_error error;
    void (*on_opened)(struct end *end);
    void (*on_received)(struct end *end, struct npr_bytes bytes);
    void (*on_closed)(struct end *end);
};

struct world {
    struct npri_loop *loop;
    struct npri_listener *listener;
    uint16_t port;
    struct end client;
    struct end server;
    unsigned accepted;
    bool stop_on_accept;
};

static void world_stop(struct end *end)
{
    npri_loop_stop(end->world->loop);
}

static void end_release(struct end *end)
{
    npri_stream_close(end->stream);
    end->stream = NULL;
    end->released = true;
}

static void end_opened(void *user)
{
    struct end *end = user;

    end->after_close += end->released;
    end->opened++;
    if (end->on_opened != NULL) {
        end->on_opened(end);
    }
}

static void end_received(void *user, struct npr_bytes bytes)
{
    struct end *end = user;

    end->after_close += end->released;
    end->received_calls++;
    end->received_bytes += bytes.size;
    for (size_t i = 0; i < bytes.size; i++) {
        end->sum = end->sum * 31 + bytes.data[i];
    }
    if (end->on_received != NULL) {
        end->on_received(end, bytes);
    }
}

static void end_closed(void *user, const struct npr_error *error)
{
    struct end *end = user;

    end->after_close += end->released;
    end->closed++;
    end->error = *error;
    if (end->on_closed != NULL) {
        end->on_closed(end);
    }
}

static const struct npri_stream_events end_events = {.opened = end_opened,
                                                     .received = end_received,
                                                     .closed = end_closed};

static void end_append(struct end *end, const char *text)
{
    npri_put_bytes(npri_stream_output(end->stream), npr_bytes_of(text));
}

static void watchdog_bites(void *user)
{
    (void)user;
    fail_msg("the test waited for something that did not come");
}

static void world_accepted(void *user, struct npri_stream *stream)
{
    struct world *world = user;

    world->accepted++;
    world->server.stream = stream;
    npri_stream_set_events(stream, &end_events, &world->server);
    if (world->stop_on_accept) {
        npri_loop_stop(world->loop);
    }
}

static void world_init(struct world *world)
{
    struct npri_timer *watchdog;

    *world = (struct world){.client.world = world, .server.world = world};
    assert_int_equal(npri_loop_create(&world->loop, NULL), NPR_OK);
    watchdog = npri_timer_create(world->loop, watchdog_bites, NULL);
    assert_non_null(watchdog);
    npri_timer_set(watchdog, npri_loop_now_ns(world->loop) + WATCHDOG_NS);
    assert_int_equal(npri_listener_open(world->loop, "127.0.0.1", 0, world_accepted, world,
                                        &world->listener, &world->port, NULL),
                     NPR_OK);
}

static void world_connect_to(struct world *world, const char *host, uint64_t wait_ms)
{
    assert_int_equal(npri_stream_connect(world->loop, host, world->port,
                                         npri_loop_now_ns(world->loop) + wait_ms * NS_PER_MS,
                                         &end_events, &world->client, &world->client.stream, NULL),
                     NPR_OK);
}

static void world_connect(struct world *world)
{
    world_connect_to(world, "127.0.0.1", 20000);
}

static void world_fini(struct world *world)
{
    npri_loop_destroy(world->loop); /* Closes what is left, without callbacks. */
    assert_int_equal(world->client.after_close, 0);
    assert_int_equal(world->server.after_close, 0);
    assert_true(world->client.closed <= 1);
    assert_true(world->server.closed <= 1);
}

/* A plain blocking socket that plays the other side where a stream would behave too well. */
static int raw_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* ---- Bytes. */

static void hundred_bytes(struct end *end)
{
    for (unsigned i = 0; i < 100; i++) {
        npri_put_u8(npri_stream_output(end->stream), (uint8_t)i);
    }
}

static void stop_at_hundred(struct end *end, struct npr_bytes bytes)
{
    (void)bytes;
    if (end->received_bytes >= 100) {
        npri_loop_stop(end->world->loop);
    }
}

/* A write for each append would cost a system call each, and arrive in pieces. */
static void what_is_appended_in_a_turn_goes_out_in_one_write(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.client.on_opened = hundred_bytes;
    world.server.on_received = stop_at_hundred;
    npri_loop_run(world.loop);
    assert_int_equal(world.server.received_bytes, 100);
    assert_int_equal(world.server.received_calls, 1);
    assert_int_equal(world.server.opened, 0);
    assert_int_equal(world.client.opened, 1);
    assert_int_equal(npri_stream_queued_bytes(world.client.stream), 0);
    assert_int_equal(npri_stream_written_bytes(world.client.stream), 100);
    world_fini(&world);
}

/* What is appended before the connection is up must not be lost, nor written to a socket that is
 * not open. */
static void output_before_the_opening_is_kept(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect(&world);
    hundred_bytes(&world.client);
    assert_int_equal(npri_stream_queued_bytes(world.client.stream), 100);
    world.server.on_received = stop_at_hundred;
    npri_loop_run(world.loop);
    assert_int_equal(world.server.received_bytes, 100);
    world_fini(&world);
}

static uint32_t big_append(struct end *end, uint32_t seed)
{
    uint8_t *at = npri_buffer_extend(npri_stream_output(end->stream), BIG_BYTES);
    uint32_t sum = seed;

    assert_non_null(at);
    for (uint32_t i = 0; i < BIG_BYTES; i++) {
        at[i] = (uint8_t)(i * 7 + i / 1021 + seed);
        sum = sum * 31 + at[i];
    }
    return sum;
}

static void big_received(struct end *end, struct npr_bytes bytes)
{
    struct end *client = &end->world->client;

    (void)bytes;
    if (end->received_calls == 3) { /* While libuv still writes the first. */
        (void)big_append(client, 5);
        assert_true(npri_stream_queued_bytes(client->stream) > BIG_BYTES);
    }
    if (end->received_bytes == TWO_BIG) {
        npri_loop_stop(end->world->loop);
    }
}

/* More than the kernel takes at once, and more behind it while the first is under way: nothing may
 * be lost, doubled or overtaken, in both directions at once. */
static void large_outputs_arrive_whole_and_in_order(void **state)
{
    struct world world;
    uint32_t sum;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.server.on_received = big_received;
    (void)big_append(&world.client, 0);
    npri_loop_run(world.loop);
    sum = 0;
    for (uint32_t seed = 0; seed <= 5; seed += 5) {
        for (uint32_t i = 0; i < BIG_BYTES; i++) {
            sum = sum * 31 + (uint8_t)(i * 7 + i / 1021 + seed);
        }
    }
    assert_int_equal(world.server.received_bytes, TWO_BIG);
    assert_int_equal(world.server.sum, sum);
    world_fini(&world);
}

/* ---- Closing. */

static void bye_and_release(struct end *end)
{
    end_append(end, "bye");
    end_release(end);
}

/* The last words of a stream (a refusal, a reply) go out though it is closed in the same breath. */
static void what_was_queued_is_offered_at_the_close(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.client.on_opened = bye_and_release;
    world.server.on_closed = world_stop;
    npri_loop_run(world.loop);
    assert_int_equal(world.server.received_bytes, 3);
    assert_int_equal(world.server.closed, 1);
    assert_int_equal(world.server.error.status, NPR_ECLOSED);
    assert_int_equal(world.client.closed, 0);
    world_fini(&world);
}

static void release_on_received(struct end *end, struct npr_bytes bytes)
{
    (void)bytes;
    end_release(end);
}

static void release_on_closed(struct end *end)
{
    end_release(end);
    npri_loop_stop(end->world->loop);
}

/* Closing inside `received` and inside `closed` must free nothing that is still in use (the address
 * sanitizer's to find), and be followed by no callback. */
static void a_stream_may_be_closed_inside_its_callbacks(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.client.on_opened = hundred_bytes;
    world.client.on_closed = release_on_closed;
    world.server.on_received = release_on_received;
    npri_loop_run(world.loop);
    assert_int_equal(world.server.received_calls, 1);
    assert_int_equal(world.server.closed, 0);
    assert_int_equal(world.client.closed, 1);
    assert_true(world.client.released);
    world_fini(&world);
}

static void stop_soon(void *user)
{
    npri_loop_stop(user);
}

static void run_for(struct world *world, uint64_t wait_ms)
{
    struct npri_timer *timer = npri_timer_create(world->loop, stop_soon, world->loop);

    assert_non_null(timer);
    npri_timer_set(timer, npri_loop_now_ns(world->loop) + wait_ms * NS_PER_MS);
    npri_loop_run(world->loop);
    npri_timer_destroy(timer);
}

/* A peer that does not read must be told from one that reads slowly, and must not keep a closed
 * stream: the close does not wait for it. */
static void a_peer_that_does_not_read_holds_nothing_up(void **state)
{
    struct world world;
    uint64_t written;
    int fd;

    (void)state;
    world_init(&world);
    fd = raw_connect(world.port);
    world.stop_on_accept = true;
    npri_loop_run(world.loop);
    assert_int_equal(world.accepted, 1);
    (void)big_append(&world.server, 1);
    run_for(&world, 1); /* A turn is enough: it writes at its end. */
    written = npri_stream_written_bytes(world.server.stream);
    assert_true(written > 0 && written < BIG_BYTES);
    assert_int_equal(npri_stream_queued_bytes(world.server.stream) + written, BIG_BYTES);
    end_append(&world.server, "more");
    run_for(&world, 1);
    written = npri_stream_written_bytes(world.server.stream);
    assert_true(written < BIG_BYTES);
    assert_int_equal(npri_stream_queued_bytes(world.server.stream) + written, BIG_BYTES + 4);
    end_release(&world.server);
    world_fini(&world); /* Would hang if the flush had to end first. */
    assert_int_equal(close(fd), 0);
}

/* A client that closes its own direction after asking (as `nc` does) still gets the answer. */
static void answer_ok(struct end *end, struct npr_bytes bytes)
{
    (void)bytes;
    end_append(end, "ok");
}

static void a_half_closed_peer_gets_its_answer(void **state)
{
    struct world world;
    char answer[8];
    int fd;

    (void)state;
    world_init(&world);
    world.server.on_received = answer_ok;
    world.server.on_closed = world_stop;
    fd = raw_connect(world.port);
    assert_int_equal(send(fd, "?", 1, 0), 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    npri_loop_run(world.loop);
    assert_int_equal(recv(fd, answer, sizeof(answer), MSG_WAITALL), 2);
    assert_memory_equal(answer, "ok", 2);
    assert_int_equal(close(fd), 0);
    world_fini(&world);
}

/* A reset is not an orderly close, is told once, and raises no SIGPIPE on what is written after. */
static void a_broken_connection_is_told_once(void **state)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct world world;
    int fd;

    (void)state;
    world_init(&world);
    world.server.on_closed = world_stop;
    fd = raw_connect(world.port);
    world.stop_on_accept = true;
    npri_loop_run(world.loop);
    assert_int_equal(world.accepted, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    assert_int_equal(close(fd), 0);
    end_append(&world.server, "into the void");
    npri_loop_run(world.loop);
    assert_int_equal(world.server.closed, 1);
    assert_int_equal(world.server.error.status, NPR_EIO);
    end_append(&world.server, "nor does this write anything");
    run_for(&world, 1);
    end_release(&world.server);
    world_fini(&world);
}

/* Output that could not be kept leaves a hole: the stream must not go on behind it. */
static void lost_output_closes_the_stream(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.client.on_opened = world_stop;
    npri_loop_run(world.loop);
    end_append(&world.client, "fits");
    npri_alloc_fail_after(1);
    (void)npri_buffer_extend(npri_stream_output(world.client.stream), 1u << 20);
    npri_alloc_fail_after(0);
    world.client.on_closed = world_stop;
    npri_loop_run(world.loop);
    assert_int_equal(world.client.error.status, NPR_ENOMEM);
    assert_int_equal(world.client.closed, 1);
    assert_int_equal(world.server.received_bytes, 0);
    world_fini(&world);
}

/* ---- Connecting. */

static void a_name_is_resolved(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect_to(&world, "localhost", 20000);
    world.client.on_opened = world_stop;
    world.client.on_closed = world_stop;
    npri_loop_run(world.loop);
    assert_int_equal(world.client.opened, 1);
    world_fini(&world);
}

/* A lookup outlives its stream, or even the loop's run: neither may be touched by its end. */
static void a_stream_may_be_closed_while_its_name_is_resolved(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world_connect_to(&world, "localhost", 20000);
    end_release(&world.client);
    world_connect_to(&world, "localhost", 20000);
    world_fini(&world);
    assert_int_equal(world.client.opened, 0);
}

/* Nobody listens: told once, not at once from inside the call, as unreachable and not as a
 * time-out. */
static void a_refused_connection_is_unreachable(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    npri_listener_close(world.listener);
    world.client.on_closed = world_stop;
    world_connect(&world);
    assert_int_equal(world.client.closed, 0);
    npri_loop_run(world.loop);
    assert_int_equal(world.client.error.status, NPR_EUNREACHABLE);
    assert_non_null(strstr(world.client.error.text, "127.0.0.1:"));
    assert_int_equal(world.client.opened, 0);
    world_fini(&world);
}

/* Someone who is there and does not answer: a listener whose backlog is full drops what comes. */
static void a_connection_that_never_comes_up_times_out(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    struct world world;
    int fillers[4];
    int fd;

    (void)state;
    world_init(&world);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fcntl(fillers[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(fillers[i], (const struct sockaddr *)&address, sizeof(address));
    }
    world.port = ntohs(address.sin_port);
    world_connect_to(&world, "127.0.0.1", 50);
    world.client.on_opened = world_stop;
    world.client.on_closed = world_stop;
    npri_loop_run(world.loop);
    assert_int_equal(world.client.opened, 0);
    assert_int_equal(world.client.error.status, NPR_ETIMEDOUT);
    world_fini(&world);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(close(fillers[i]), 0);
    }
    assert_int_equal(close(fd), 0);
}

static void impossible_addresses_are_refused_at_once(void **state)
{
    struct npri_listener *listener = NULL;
    struct npri_stream *stream = NULL;
    uint16_t port = 77;
    struct world world;

    (void)state;
    world_init(&world);
    assert_int_equal(npri_stream_connect(world.loop, "", 1, 0, &end_events, NULL, &stream, NULL),
                     NPR_EINVAL);
    assert_int_equal(
        npri_stream_connect(world.loop, "127.0.0.1", 0, 0, &end_events, NULL, &stream, NULL),
        NPR_EINVAL);
    assert_null(stream);
    assert_int_equal(npri_listener_open(world.loop, "127.0.0.1", world.port, world_accepted, NULL,
                                        &listener, &port, NULL),
                     NPR_EADDRINUSE);
    assert_int_equal(npri_listener_open(world.loop, "203.0.113.77", 0, world_accepted, NULL,
                                        &listener, &port, NULL),
                     NPR_EINVAL); /* An address for documents, so no machine's own. */
    assert_null(listener);
    assert_int_equal(port, 77);
    world_fini(&world);
}

/* A node that restarts gets its port back, though its old connections linger in the kernel. */
static void a_port_is_free_again_when_its_listener_is_closed(void **state)
{
    struct world world;
    uint16_t port;

    (void)state;
    world_init(&world);
    world_connect(&world);
    world.stop_on_accept = true;
    npri_loop_run(world.loop);
    end_release(&world.server); /* This side closes first, and lingers. */
    npri_listener_close(world.listener);
    world.client.on_closed = release_on_closed;
    npri_loop_run(world.loop);
    assert_int_equal(npri_listener_open(world.loop, "127.0.0.1", world.port, world_accepted, &world,
                                        &world.listener, &port, NULL),
                     NPR_OK);
    assert_int_equal(port, world.port);
    world_fini(&world);
}

/* ---- Out of descriptors, out of memory. */

static void more_descriptors(void *user)
{
    const struct rlimit *old = user;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, old), 0);
}

/* A listener that goes on accepting in vain spins; one that gives up is deaf for ever after.  The
 * one who waited must get in when there are descriptors again. */
static void a_listener_survives_a_lack_of_descriptors(void **state)
{
    struct npri_timer *timer;
    struct world world;
    struct timespec before;
    struct timespec after;
    struct rlimit old;
    struct rlimit low;
    int fd;

    (void)state;
    world_init(&world);
    fd = raw_connect(world.port);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)dup(fd);
    assert_int_equal(close((int)low.rlim_cur), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    timer = npri_timer_create(world.loop, more_descriptors, &old);
    assert_non_null(timer);
    npri_timer_set(timer, npri_loop_now_ns(world.loop) + 150 * NS_PER_MS);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
    run_for(&world, 80);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
    assert_int_equal(world.accepted, 0);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
                40); /* Milliseconds of work in 80. */
    world.server.on_received = stop_at_hundred;
    world.server.on_closed = world_stop;
    assert_int_equal(close(fd), 0); /* It is accepted, and found closed. */
    npri_loop_run(world.loop);
    assert_int_equal(world.accepted, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    world_fini(&world);
}

static void sweep_answer(struct end *end, struct npr_bytes bytes)
{
    (void)bytes;
    if (end->received_bytes == 100) {
        hundred_bytes(end);
    }
}

/* One connection with a question and an answer, the n-th allocation and all later ones failing.
 * True when none failed. */
static bool sweep_once(uint64_t count)
{
    struct world world;
    struct end *client = &world.client;
    npr_status status;

    world_init(&world);
    client->on_opened = hundred_bytes;
    client->on_received = stop_at_hundred;
    client->on_closed = world_stop;
    world.server.on_received = sweep_answer;
    npri_alloc_fail_after(count);
    status = npri_stream_connect(world.loop, count % 2 == 0 ? "127.0.0.1" : "localhost", world.port,
                                 npri_loop_now_ns(world.loop) + WATCHDOG_NS, &end_events, client,
                                 &client->stream, NULL);
    if (status == NPR_OK) {
        npri_loop_run(world.loop);
    } else {
        assert_int_equal(status, NPR_ENOMEM);
        assert_null(client->stream);
    }
    npri_alloc_fail_after(0);
    world_fini(&world);
    return client->received_bytes == 100;
}

/* Whichever allocation fails, somebody is told, nothing leaks and nobody waits for ever. */
static void every_allocation_may_fail(void **state)
{
    uint64_t count = 1;

    (void)state;
    while (!sweep_once(count)) {
        assert_true(++count < 100);
    }
    assert_true(count > 4); /* Stream, dial, timer, output, the accepted stream... */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_in_a_turn_goes_out_in_one_write),
        cmocka_unit_test(output_before_the_opening_is_kept),
        cmocka_unit_test(large_outputs_arrive_whole_and_in_order),
        cmocka_unit_test(what_was_queued_is_offered_at_the_close),
        cmocka_unit_test(a_stream_may_be_closed_inside_its_callbacks),
        cmocka_unit_test(a_peer_that_does_not_read_holds_nothing_up),
        cmocka_unit_test(a_half_closed_peer_gets_its_answer),
        cmocka_unit_test(a_broken_connection_is_told_once),
        cmocka_unit_test(lost_output_closes_the_stream),
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(a_stream_may_be_closed_while_its_name_is_resolved),
        cmocka_unit_test(a_refused_connection_is_unreachable),
        cmocka_unit_test(a_connection_that_never_comes_up_times_out),
        cmocka_unit_test(impossible_addresses_are_refused_at_once),
        cmocka_unit_test(a_port_is_free_again_when_its_listener_is_closed),
        cmocka_unit_test(a_listener_survives_a_lack_of_descriptors),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
