#include "system/rogue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dist/flags.h"
#include "dist/handshake.h"
#include "net/entropy.h"

#define QUEUE_BYTES     ((size_t)256 << 10)
#define STEP_TIMEOUT_MS 20000
#define ROGUE_CREATION  7u
#define ROGUE_FRAME_MAX ((size_t)256 << 20)
#define TICKTIME_NS     UINT64_C(60000000000)
#define PASS_THROUGH    112u
#define VERSION         131u
#define PID_TAG         88u
#define SMALL_ATOM      119u
#define CREATION_OFFSET 8u /* in a pid, after its node */

static void die(const char *what)
{
    perror(what);
    exit(2);
}

uint32_t rogue_random(uint32_t below)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int rogue_dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        die("connect");
    }
    return fd;
}

/* ---- Bytes. */

static void take_bytes(struct rogue *rogue, struct npr_bytes bytes)
{
    struct npri_control control;

    if (npri_channel_feed(rogue->channel, bytes, 0, NULL) != NPR_OK) {
        return;
    }
    while (npri_channel_next(rogue->channel, &control, NULL) == NPR_OK) {
        rogue->received[control.kind]++;
        rogue->received_all++;
        if (rogue->on_control != NULL) {
            rogue->on_control(rogue, &control);
        }
    }
}

/* Reads all that is there, for a target drops who reads too little. */
static void read_some(struct rogue *rogue)
{
    static uint8_t bytes[1 << 20];
    ssize_t size = recv(rogue->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    while (size > 0) {
        take_bytes(rogue, npri_bytes(bytes, (size_t)size));
        size = recv(rogue->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    }
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        rogue->closed = true;
    }
}

static void write_some(struct rogue *rogue)
{
    const ssize_t size =
        send(rogue->fd, rogue->out.data, rogue->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (size > 0) {
        npri_buffer_consume(&rogue->out, (size_t)size);
    } else if (size < 0 && errno != EAGAIN && errno != EINTR) {
        rogue->closed = true;
    }
}

/* One round of poll(); false when nothing came of it in time. */
static bool turn(struct rogue *rogue, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = rogue->fd, .events = rogue->deaf ? 0 : POLLIN};

    poll_fd.events = (short)(poll_fd.events | (rogue->out.size > 0 ? POLLOUT : 0));
    if (poll(&poll_fd, 1, timeout_ms) <= 0) {
        return false;
    }
    if (rogue->deaf) {
        rogue->closed = (poll_fd.revents & (POLLERR | POLLHUP)) != 0;
    } else if ((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
        read_some(rogue);
    }
    if (!rogue->closed && (poll_fd.revents & POLLOUT) != 0) {
        write_some(rogue);
    }
    return true;
}

bool rogue_flush(struct rogue *rogue)
{
    while (!rogue->closed && rogue->out.size > 0) {
        if (!turn(rogue, STEP_TIMEOUT_MS)) {
            die("the target does not read");
        }
    }
    return !rogue->closed;
}

bool rogue_wait(struct rogue *rogue, unsigned count, int timeout_ms)
{
    const int64_t until_ms = now_ms() + timeout_ms;

    while (!rogue->closed && (rogue->received_all < count || rogue->out.size > 0)) {
        const int64_t left_ms = until_ms - now_ms();

        if (left_ms <= 0) {
            break;
        }
        (void)turn(rogue, (int)left_ms);
    }
    return rogue->received_all >= count;
}

bool rogue_wait_closed(struct rogue *rogue, int timeout_ms)
{
    (void)rogue_wait(rogue, UINT32_MAX, timeout_ms);
    return rogue->closed;
}

/* ---- The handshake. */

static bool shake_hands(struct rogue *rogue, struct npri_handshake *handshake)
{
    uint8_t bytes[1024];
    size_t used = 0;

    while (handshake->state != NPRI_HANDSHAKE_DONE) {
        ssize_t size;

        if (send(rogue->fd, handshake->out.data, handshake->out.size, MSG_NOSIGNAL) < 0) {
            return false;
        }
        npri_buffer_reset(&handshake->out);
        size = recv(rogue->fd, bytes, sizeof(bytes), 0);
        if (size <= 0) {
            return false;
        }
        for (size_t at = 0; at < (size_t)size; at += used) {
            if (handshake->state == NPRI_HANDSHAKE_DONE) {
                take_bytes(rogue, npri_bytes(bytes + at, (size_t)size - at));
                break;
            }
            if (npri_handshake_feed(handshake, npri_bytes(bytes + at, (size_t)size - at), &used,
                                    NULL) != NPR_OK) {
                return false;
            }
        }
    }
    return true;
}

bool rogue_open(struct rogue *rogue, uint16_t port, const char *name, const char *cookie)
{
    struct npri_handshake_options options = {
        .creation = ROGUE_CREATION,
        .flags = NPRI_FLAGS_OFFERED & ~NPRI_FLAG_FRAGMENTS,
        .challenge = 1,
        .cookie = npr_bytes_of(cookie),
        .md5 = npri_md5,
    };
    struct npri_handshake handshake;
    struct npr_node_name target;
    bool up;

    *rogue = (struct rogue){.name = name, .fd = rogue_dial(port)};
    npri_buffer_init(&rogue->out, 0);
    rogue->builder = npr_builder_create();
    rogue->channel =
        npri_channel_create(&(struct npri_channel_options){.flags = options.flags,
                                                           .frame_bytes_max = ROGUE_FRAME_MAX,
                                                           .net_ticktime_ns = TICKTIME_NS});
    if (rogue->builder == NULL || rogue->channel == NULL ||
        npr_node_name_parse(npr_bytes_of(name), &options.self, NULL) != NPR_OK ||
        npr_node_name_parse(npr_bytes_of(TARGET_NAME), &target, NULL) != NPR_OK) {
        die("a rogue could not be made");
    }
    npri_handshake_init_initiator(&handshake, &options, &target, true);
    up = shake_hands(rogue, &handshake);
    rogue->target_creation = handshake.peer_creation;
    npri_handshake_fini(&handshake);
    return up;
}

void rogue_close(struct rogue *rogue)
{
    (void)close(rogue->fd);
    npri_buffer_fini(&rogue->out);
    npri_channel_destroy(rogue->channel);
    npr_builder_destroy(rogue->builder);
}

/* ---- Saying things. */

/* Text cannot tell the creation of a pid. */
static void complete_pids(const struct rogue *rogue, uint8_t *bytes, size_t size)
{
    static const uint8_t start[] = {PID_TAG, SMALL_ATOM, sizeof(TARGET_NAME) - 1};
    const size_t node_bytes = sizeof(start) + sizeof(TARGET_NAME) - 1;

    for (size_t at = 0; at + node_bytes + CREATION_OFFSET + 4 <= size; at++) {
        if (memcmp(bytes + at, start, sizeof(start)) == 0 &&
            memcmp(bytes + at + sizeof(start), TARGET_NAME, sizeof(TARGET_NAME) - 1) == 0) {
            const uint32_t creation = htonl(rogue->target_creation);

            memcpy(bytes + at + node_bytes + CREATION_OFFSET, &creation, sizeof(creation));
        }
    }
}

void rogue_put(struct rogue *rogue, struct npri_buffer *out, const char *text)
{
    const size_t start = out->size;
    struct npr_error error = {0};
    struct npr_term term;

    npr_builder_reset(rogue->builder);
    if (npr_term_parse(npr_bytes_of(text), rogue->builder, &error) != NPR_OK ||
        npr_builder_finish(rogue->builder, &term, &error) != NPR_OK) {
        (void)fprintf(stderr, "%s: %s\n", text, error.text);
        exit(2);
    }
    npri_put_bytes(out, npri_bytes(term.data, term.size));
    complete_pids(rogue, out->data + start, out->size - start);
}

void rogue_say_terms(struct rogue *rogue, struct npr_bytes control, struct npr_bytes payload)
{
    const size_t payload_bytes = payload.data == NULL ? 0 : payload.size + 1;

    npri_put_u32(&rogue->out, (uint32_t)(2 + control.size + payload_bytes));
    npri_put_u8(&rogue->out, PASS_THROUGH);
    npri_put_u8(&rogue->out, VERSION);
    npri_put_bytes(&rogue->out, control);
    if (payload.data != NULL) {
        npri_put_u8(&rogue->out, VERSION);
        npri_put_bytes(&rogue->out, payload);
    }
    if (rogue->out.size > QUEUE_BYTES) {
        (void)rogue_flush(rogue);
    }
}

void rogue_say(struct rogue *rogue, const char *control, const char *payload)
{
    struct npri_buffer terms;
    size_t control_bytes;

    npri_buffer_init(&terms, 0);
    rogue_put(rogue, &terms, control);
    control_bytes = terms.size;
    if (payload != NULL) {
        rogue_put(rogue, &terms, payload);
    }
    rogue_say_terms(rogue, npri_bytes(terms.data, control_bytes),
                    payload == NULL
                        ? (struct npr_bytes){0}
                        : npri_bytes(terms.data + control_bytes, terms.size - control_bytes));
    npri_buffer_fini(&terms);
}
