/* A socket of our own under uv_poll, not uv_listen(): that spins when the process has run out of
 * descriptors and the one that libuv keeps for this case is gone too.
 *
 *   listening --out of descriptors or memory--> resting --BACKOFF_NS--> listening
 *
 * Who waits in the kernel's backlog meanwhile is accepted afterwards. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "net/handles.h"

#define BACKLOG     512
#define BACKOFF_NS  UINT64_C(100000000)
#define ACCEPTS_MAX 64 /* in one turn, so that others get theirs */

struct npri_listener {
    struct npri_loop_item item;
    struct npri_loop *loop;
    uv_poll_t poll;
    int fd;
    bool closed;
    struct npri_timer *backoff;
    void (*accepted)(void *user, struct npri_stream *stream);
    void *user;
};

static void listener_on_poll(uv_poll_t *handle, int status, int events);

static void listener_on_rested(void *user)
{
    struct npri_listener *listener = user;

    NPRI_ASSERT(uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll) == 0);
}

/* One connection.  False: there is none, or none can be had now. */
static bool listener_accept(struct npri_listener *listener)
{
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct npri_stream *stream;

    if (fd < 0) {
        switch (errno) {
        case EAGAIN:
            return false;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            (void)uv_poll_stop(&listener->poll);
            npri_timer_set(listener->backoff, npri_loop_now_ns(listener->loop) + BACKOFF_NS);
            return false;
        default: /* That connection broke before it was accepted. */
            return true;
        }
    }
    stream = npri_stream_adopt(listener->loop, fd);
    if (stream != NULL) {
        listener->loop->ran = true;
        listener->accepted(listener->user, stream);
        NPRI_ASSERT(stream->released || stream->events.received != NULL);
    }
    return true;
}

static void listener_on_poll(uv_poll_t *handle, int status, int events)
{
    struct npri_listener *listener = handle->data;

    (void)status; /* An error is accept's to tell. */
    (void)events;
    for (unsigned count = 0; count < ACCEPTS_MAX && !listener->closed; count++) {
        if (!listener_accept(listener)) {
            return;
        }
    }
}

static void listener_on_closed(uv_handle_t *handle)
{
    npri_free(handle->data);
}

static void listener_close_item(struct npri_loop_item *item)
{
    npri_listener_close(NPRI_CONTAINER(item, struct npri_listener, item));
}

void npri_listener_close(struct npri_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    NPRI_ASSERT(!listener->closed);
    listener->closed = true;
    npri_ring_remove(&listener->item.link);
    npri_timer_destroy(listener->backoff);
    uv_close((uv_handle_t *)&listener->poll, listener_on_closed);
    (void)close(listener->fd); /* uv_close() has let go of it. */
}

/* The first address of `host`.  A name is resolved there and then. */
static npr_status listener_resolve(struct npri_loop *loop,
                                   const char *host,
                                   uint16_t port,
                                   struct sockaddr_storage *out,
                                   struct npr_error *err)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t lookup;
    char service[8];
    int code;

    if (npri_address_parse(host, port, out)) {
        return NPR_OK;
    }
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    code = uv_getaddrinfo(&loop->uv, &lookup, NULL, host, service, &hints);
    if (code == UV_EAI_NONAME || code == UV_EAI_ADDRFAMILY || code == UV_EAI_NODATA) {
        hints.ai_family = AF_INET6;
        code = uv_getaddrinfo(&loop->uv, &lookup, NULL, host, service, &hints);
    }
    if (code != 0) {
        return npri_fail(err, code == UV_ENOMEM ? NPR_ENOMEM : NPR_EINVAL, "listen on %s:%u: %s",
                         host, (unsigned)port, uv_strerror(code));
    }
    memset(out, 0, sizeof(*out));
    memcpy(out, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
    return NPR_OK;
}

/* Bound, listening, non-blocking, close-on-exec.  On success `*out_fd` belongs to the caller. */
static npr_status listener_bind(const struct sockaddr_storage *address,
                                int *out_fd,
                                struct npr_error *err)
{
    const socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    const int reuse = 1;
    const char *doing = "socket";
    npr_status status;
    char text[64];
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        goto fail;
    }
    /* A restarted node must get its old port back while the previous connections linger. */
    doing = "SO_REUSEADDR";
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0) {
        goto fail;
    }
    doing = "bind";
    if (bind(fd, (const struct sockaddr *)address, size) < 0) {
        goto fail;
    }
    doing = "listen";
    if (listen(fd, BACKLOG) < 0) {
        goto fail;
    }
    *out_fd = fd;
    return NPR_OK;

fail:
    status = errno == EADDRINUSE                               ? NPR_EADDRINUSE
             : errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT ? NPR_EINVAL
                                                               : NPR_EIO;
    npri_address_text(address, text);
    (void)npri_fail(err, status, "listen on %s: %s: %s", text, doing,
                    uv_strerror(uv_translate_sys_error(errno)));
    if (fd >= 0) {
        (void)close(fd); /* The first error is the one worth reporting. */
    }
    return status;
}

/* The port that the kernel gave, in host byte order. */
static uint16_t listener_port(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    struct sockaddr_in ip4;

    NPRI_ASSERT(getsockname(fd, (struct sockaddr *)&bound, &size) == 0); /* It is bound. */
    memcpy(&ip4, &bound, sizeof(ip4)); /* The port is at the same place in both families. */
    return ntohs(ip4.sin_port);
}

/* Many arguments, but each of them is needed at each call. */
/* NOLINTNEXTLINE(readability-function-size) */
npr_status npri_listener_open(struct npri_loop *loop,
                              const char *host,
                              uint16_t port,
                              void (*accepted)(void *user, struct npri_stream *stream),
                              void *user,
                              struct npri_listener **out,
                              uint16_t *out_port,
                              struct npr_error *err)
{
    struct sockaddr_storage address;
    struct npri_listener *listener;
    npr_status status = listener_resolve(loop, host, port, &address, err);

    if (status != NPR_OK) {
        return status;
    }
    listener = npri_alloc_zeroed(1, sizeof(*listener));
    if (listener == NULL) {
        return npri_fail(err, NPR_ENOMEM, "listen on %s: out of memory", host);
    }
    listener->loop = loop;
    listener->accepted = accepted;
    listener->user = user;
    listener->backoff = npri_timer_create(loop, listener_on_rested, listener);
    if (listener->backoff == NULL) {
        npri_free(listener);
        return npri_fail(err, NPR_ENOMEM, "listen on %s: out of memory", host);
    }
    npri_timer_disown(listener->backoff);
    status = listener_bind(&address, &listener->fd, err);
    if (status != NPR_OK) {
        goto fail_memory;
    }
    if (uv_poll_init(&loop->uv, &listener->poll, listener->fd) != 0) {
        status = npri_fail(err, NPR_EIO, "listen on %s: cannot be polled", host);
        goto fail_descriptor;
    }
    listener->poll.data = listener;
    NPRI_ASSERT(uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll) == 0);
    npri_loop_add_item(loop, &listener->item, listener_close_item);
    *out_port = listener_port(listener->fd);
    *out = listener;
    return NPR_OK;

fail_descriptor:
    (void)close(listener->fd);
fail_memory:
    npri_timer_destroy(listener->backoff);
    npri_free(listener);
    return status;
}
