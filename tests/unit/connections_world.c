#include "connections_world.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "nprocreg/node.h"

#include "dist/flags.h"
#include "net/entropy.h"
#include "support/check.h"

#define GUARD_NS        (20000 * NS_PER_MS)
#define RAW_READ_BYTES  8192 /* A small buffer, soon full. */
#define RAW_TIMEOUT_S   5
#define NUMBER_OFFSET   5 /* of a payload's number: behind the binary's head */
#define MESSAGE_PID_HEX "58770b61403132372e302e302e310000000100000000000000ff"

struct npr_node_name name_of(const char *text)
{
    struct npr_node_name name;

    assert_int_equal(npr_node_name_parse(npr_bytes_of(text), &name, NULL), NPR_OK);
    return name;
}

/* ---- The world. */

static void world_on_guard(void *user)
{
    struct world *world = user;

    world->late = true;
    world->stopped = true;
    npri_loop_stop(world->loop);
}

static void world_on_waited(void *user)
{
    ((struct world *)user)->waited = true;
}

static void world_on_turn_end(void *user)
{
    struct world *world = user;

    world->turns++;
    if (world->each_turn != NULL) {
        world->each_turn(world);
    }
    if (!world->stopped && world->wanted(world)) {
        world->stopped = true;
        npri_loop_stop(world->loop);
    }
}

void world_open(struct world *world)
{
    *world = (struct world){.late = false};
    assert_int_equal(npri_loop_create(&world->loop, NULL), NPR_OK);
    world->guard = npri_timer_create(world->loop, world_on_guard, world);
    world->wait = npri_timer_create(world->loop, world_on_waited, world);
    npri_loop_on_turn_end(world->loop, world_on_turn_end, world);
}

void world_close(struct world *world)
{
    for (size_t i = 0; i < SIDES_MAX; i++) {
        side_close(&world->sides[i]);
    }
    npri_timer_destroy(world->guard);
    npri_timer_destroy(world->wait);
    npri_loop_destroy(world->loop);
}

bool world_run(struct world *world, bool (*wanted)(struct world *world))
{
    if (wanted(world)) {
        return true;
    }
    world->wanted = wanted;
    world->late = false;
    world->stopped = false;
    world->turns = 0;
    npri_timer_set(world->guard, npri_loop_now_ns(world->loop) + GUARD_NS);
    npri_loop_run(world->loop);
    npri_timer_set(world->guard, UINT64_MAX);
    return !world->late;
}

static bool world_has_waited(struct world *world)
{
    return world->waited;
}

void world_wait(struct world *world, uint64_t ns)
{
    world->waited = false;
    npri_timer_set(world->wait, npri_loop_now_ns(world->loop) + ns);
    assert_true(world_run(world, world_has_waited));
}

/* ---- Sides. */

static void side_once(struct side *side, void (**inside)(struct side *side))
{
    void (*call)(struct side * side) = *inside;

    *inside = NULL;
    if (call != NULL) {
        call(side);
    }
}

static void side_on_up(void *user, const struct npri_peer *peer)
{
    struct side *side = user;

    side->ups++;
    side->peer = *peer;
    side_once(side, &side->inside_up);
}

static void side_on_down(void *user,
                         const struct npr_node_name *node,
                         bool was_up,
                         const struct npr_error *reason)
{
    struct side *side = user;

    (void)node;
    side->downs += was_up ? 1 : 0;
    side->failures += was_up ? 0 : 1;
    side->reason = *reason;
    side_once(side, &side->inside_down);
}

static unsigned message_number(const struct npri_control *control)
{
    return npri_get_u32(control->payload.data + NUMBER_OFFSET);
}

static void side_on_received(void *user,
                             const struct npri_peer *peer,
                             const struct npri_control *control)
{
    struct side *side = user;

    (void)peer;
    side->disorder += message_number(control) == side->received ? 0 : 1;
    side->received++;
    side->received_bytes += control->payload.size;
    side_once(side, &side->inside_received);
}

static void side_on_heard(void *user, const struct npri_peer *peer)
{
    (void)user;
    (void)peer;
}

static void side_on_undelivered(void *user,
                                const struct npr_node_name *node,
                                const struct npri_control *control)
{
    struct side *side = user;

    (void)node;
    side->disorder += message_number(control) == side->undelivered ? 0 : 1;
    side->undelivered++;
    side_once(side, &side->inside_undelivered);
}

static void side_on_log(void *user, int level, const char *line)
{
    struct side *side = user;

    side->lines++;
    if (level <= NPR_LOG_WARNING) {
        side->warnings++;
        (void)snprintf(side->warning, sizeof(side->warning), "%s", line);
    }
}

struct npri_connections_options world_options(struct side *side, const char *name)
{
    return (struct npri_connections_options){
        .self = name_of(name),
        .creation = 0x01020304,
        .cookie = npr_bytes_of(WORLD_COOKIE),
        .flags = NPRI_FLAGS_OFFERED,
        .handshake_ns_max = 10000 * NS_PER_MS,
        .handshakes_max = 8,
        .frame_bytes_max = 4 << 20,
        .queue_bytes_max = 64 << 20,
        .queue_ns_max = 10000 * NS_PER_MS,
        .net_ticktime_ns = 60000 * NS_PER_MS,
        .events = {.up = side_on_up,
                   .down = side_on_down,
                   .received = side_on_received,
                   .heard = side_on_heard,
                   .undelivered = side_on_undelivered,
                   .log = side_on_log},
        .user = side,
    };
}

void side_open(struct side *side, const struct npri_connections_options *options)
{
    struct world *world = side->world;

    side->name = options->self;
    assert_int_equal(npri_connections_create(world->loop, options, &side->connections, NULL),
                     NPR_OK);
    assert_int_equal(npri_connections_listen(side->connections, "127.0.0.1", 0, &side->port, NULL),
                     NPR_OK);
}

void side_close(struct side *side)
{
    npri_connections_destroy(side->connections);
    side->connections = NULL;
}

void side_knows(struct side *side, const struct side *other)
{
    assert_int_equal(npri_connections_set_port(side->connections, &other->name, other->port),
                     NPR_OK);
}

void world_open_pair(struct world *world)
{
    const char *names[2] = {"a@127.0.0.1", "b@127.0.0.1"};

    for (size_t i = 0; i < 2; i++) {
        struct npri_connections_options options = world_options(&world->sides[i], names[i]);

        world->sides[i].world = world;
        side_open(&world->sides[i], &options);
    }
    side_knows(&world->sides[0], &world->sides[1]);
    side_knows(&world->sides[1], &world->sides[0]);
}

bool side_send(struct side *side, const struct npr_node_name *to, unsigned number, size_t bytes)
{
    static const uint8_t name_atom[] = {119, 1, 'x'};
    uint8_t pid[64];
    const size_t pid_bytes = check_unhex(MESSAGE_PID_HEX, pid, sizeof(pid));
    struct npri_buffer payload;
    uint8_t *at;
    bool sent;

    assert_true(bytes >= 4);
    npri_buffer_init(&payload, 0);
    npri_put_u8(&payload, 109);
    npri_put_u32(&payload, (uint32_t)bytes);
    npri_put_u32(&payload, number);
    at = npri_buffer_extend(&payload, bytes - 4);
    if (at != NULL) {
        memset(at, (int)(number & 0x7f), bytes - 4);
    }
    sent = !payload.failed &&
           npri_connections_send(
               side->connections, to,
               &(struct npri_control){.kind = NPRI_CONTROL_REG_SEND,
                                      .from = {.data = pid, .size = pid_bytes},
                                      .to = {.data = name_atom, .size = sizeof(name_atom)},
                                      .payload = {.data = payload.data, .size = payload.size}});
    npri_buffer_fini(&payload);
    return sent;
}

/* ---- Peers made by hand. */

static void raw_set_options(int fd)
{
    const struct timeval timeout = {.tv_sec = RAW_TIMEOUT_S};
    const int read_bytes = RAW_READ_BYTES;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &read_bytes, sizeof(read_bytes));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

int raw_connect(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    raw_set_options(fd);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int raw_listen(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    raw_set_options(fd);
    *out_port = ntohs(address.sin_port);
    return fd;
}

void raw_write(int fd, const void *data, size_t size)
{
    (void)send(fd, data, size, MSG_NOSIGNAL);
}

bool raw_sees_end(int fd)
{
    uint8_t bytes[4096];
    ssize_t got = 1;

    while (got > 0) {
        got = recv(fd, bytes, sizeof(bytes), 0);
    }
    return got == 0;
}

bool raw_is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

void world_wait_readable(struct world *world, int fd)
{
    unsigned left = RAW_TIMEOUT_S * 1000;

    while (!raw_is_readable(fd)) {
        assert_true(left-- > 0);
        world_wait(world, NS_PER_MS);
    }
}

struct npri_handshake_options raw_options(const char *name, const char *cookie)
{
    return (struct npri_handshake_options){
        .self = name_of(name),
        .creation = 77,
        .flags = NPRI_FLAGS_OFFERED | NPRI_FLAG_PUBLISHED,
        .challenge = 12345,
        .cookie = npr_bytes_of(cookie),
        .md5 = npri_md5,
    };
}

bool raw_handshake(int fd, struct npri_handshake *handshake, enum npri_verdict verdict)
{
    struct npr_error err;
    bool going = true;

    while (going) {
        uint8_t byte;
        size_t used;

        raw_write(fd, handshake->out.data, handshake->out.size);
        npri_buffer_reset(&handshake->out);
        /* One by one, so that what follows the handshake stays in the socket. */
        going = handshake->state != NPRI_HANDSHAKE_DONE &&
                handshake->state != NPRI_HANDSHAKE_FAILED && recv(fd, &byte, 1, 0) == 1;
        if (going && npri_handshake_feed(handshake, npri_bytes(&byte, 1), &used, &err) == NPR_OK &&
            handshake->state == NPRI_HANDSHAKE_NAMED) {
            npri_handshake_accept(handshake, verdict);
        }
    }
    return handshake->state == NPRI_HANDSHAKE_DONE;
}

static void *raw_peer_run(void *argument)
{
    struct raw_peer *peer = argument;
    struct npri_handshake handshake;

    peer->fd = raw_connect(peer->target->port);
    if (peer->fd >= 0) {
        npri_handshake_init_initiator(&handshake, &peer->options, &peer->target->name,
                                      peer->insist);
        peer->done = raw_handshake(peer->fd, &handshake, NPRI_VERDICT_OK);
        npri_handshake_fini(&handshake);
    }
    return NULL;
}

void raw_peer_start(struct raw_peer *peer,
                    const struct side *target,
                    const char *name,
                    const char *cookie)
{
    *peer = (struct raw_peer){.target = target, .options = raw_options(name, cookie)};
    raw_peer_run_again(peer, true);
}

void raw_peer_run_again(struct raw_peer *peer, bool insist)
{
    peer->insist = insist;
    peer->fd = -1;
    peer->done = false;
    assert_int_equal(pthread_create(&peer->thread, NULL, raw_peer_run, peer), 0);
}

void raw_peer_join(struct raw_peer *peer)
{
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
}
