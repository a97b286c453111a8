#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "net/handles.h"

/* A buffer that has grown beyond this is given back once it is empty. */
#define OUTPUT_KEPT_BYTES (256u << 10)

static void stream_free(struct npri_stream *stream)
{
    npri_buffer_fini(&stream->output);
    npri_buffer_fini(&stream->flight);
    npri_free(stream);
}

static void stream_close_item(struct npri_loop_item *item)
{
    npri_stream_close(NPRI_CONTAINER(item, struct npri_stream, item));
}

struct npri_stream *npri_stream_create(struct npri_loop *loop)
{
    struct npri_stream *stream = npri_alloc_zeroed(1, sizeof(*stream));

    if (stream == NULL) {
        return NULL;
    }
    stream->loop = loop;
    stream->state = NPRI_STREAM_RESOLVING;
    npri_buffer_init(&stream->output, 0);
    npri_buffer_init(&stream->flight, 0);
    npri_ring_init(&stream->unflushed);
    NPRI_ASSERT(uv_tcp_init(&loop->uv, &stream->tcp) == 0); /* It opens nothing yet. */
    stream->tcp.data = stream;
    stream->tcp_live = true;
    npri_loop_add_item(loop, &stream->item, stream_close_item);
    return stream;
}

void npri_stream_set_events(struct npri_stream *stream,
                            const struct npri_stream_events *events,
                            void *user)
{
    stream->events = *events;
    stream->user = user;
}

void npri_stream_peer_text(const struct npri_stream *stream, char out[64])
{
    memcpy(out, stream->peer_text, sizeof(stream->peer_text));
}

/* ---- Failing and closing. */

void npri_stream_on_tcp_closed(uv_handle_t *handle)
{
    struct npri_stream *stream = handle->data;

    stream->tcp_live = false;
    if (stream->released) {
        stream_free(stream);
        return;
    }
    if (stream->state == NPRI_STREAM_RETRYING) {
        npri_dial_next(stream);
        return;
    }
    NPRI_ASSERT(stream->state == NPRI_STREAM_FAILED);
    stream->loop->ran = true;
    stream->events.closed(stream->user, &stream->error);
}

/* The output that libuv has not written yet, and what was appended since, without waiting. */
static void stream_offer_once(struct npri_stream *stream)
{
    const size_t left =
        stream->writing
            ? uv_stream_get_write_queue_size((const uv_stream_t *)(const void *)&stream->tcp)
            : 0;
    const size_t output = stream->output.failed ? 0 : stream->output.size;
    struct iovec parts[2];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    uv_os_fd_t fd;

    if (left + output == 0 || uv_fileno((uv_handle_t *)&stream->tcp, &fd) != 0) {
        return;
    }
    parts[0].iov_base = left == 0 ? NULL : stream->flight.data + stream->flight.size - left;
    parts[0].iov_len = left;
    parts[1].iov_base = output == 0 ? NULL : stream->output.data;
    parts[1].iov_len = output;
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* There is nobody left to tell. */
}

void npri_stream_fail(struct npri_stream *stream)
{
    if (stream->state == NPRI_STREAM_FAILED) {
        return;
    }
    stream->state = NPRI_STREAM_FAILED;
    npri_ring_remove(&stream->unflushed);
    npri_dial_end(stream);
    if (!uv_is_closing((uv_handle_t *)&stream->tcp)) { /* It is, when RETRYING. */
        uv_close((uv_handle_t *)&stream->tcp, npri_stream_on_tcp_closed);
    }
}

void npri_stream_close(struct npri_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    NPRI_ASSERT(!stream->released);
    stream->released = true;
    if (stream->state == NPRI_STREAM_OPEN) {
        stream_offer_once(stream);
    }
    npri_ring_remove(&stream->item.link);
    npri_ring_remove(&stream->unflushed);
    npri_dial_end(stream);
    if (!stream->tcp_live) {
        stream_free(stream);
        return;
    }
    if (!uv_is_closing((uv_handle_t *)&stream->tcp)) {
        uv_close((uv_handle_t *)&stream->tcp, npri_stream_on_tcp_closed);
    }
}

/* The connection broke with libuv's `code`. */
static void stream_break(struct npri_stream *stream, const char *doing, int code)
{
    (void)npri_fail(&stream->error, code == UV_ENOMEM ? NPR_ENOMEM : NPR_EIO, "%s %s: %s", doing,
                    stream->peer_text, uv_strerror(code));
    npri_stream_fail(stream);
}

/* ---- Reading. */

static void stream_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct npri_stream *stream = handle->data;

    (void)suggested;
    *out = uv_buf_init((char *)stream->loop->read_buffer, NPRI_READ_BYTES);
}

static void stream_on_read(uv_stream_t *handle, ssize_t got, const uv_buf_t *buffer)
{
    struct npri_stream *stream = handle->data;

    if (got > 0) {
        stream->loop->ran = true;
        stream->events.received(stream->user, npri_bytes(buffer->base, (size_t)got));
        return;
    }
    if (got == UV_EOF) {
        stream_offer_once(stream); /* The peer may have closed only its own direction. */
        (void)npri_fail(&stream->error, NPR_ECLOSED, "closed by %s", stream->peer_text);
        npri_stream_fail(stream);
        return;
    }
    if (got < 0) {
        stream_break(stream, "read from", (int)got);
    }
}

bool npri_stream_open(struct npri_stream *stream)
{
    struct sockaddr_storage peer = {0};
    int size = (int)sizeof(peer);
    int code = uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&peer, &size);

    if (code == 0) {
        npri_address_text(&peer, stream->peer_text);
        code = uv_tcp_nodelay(&stream->tcp, 1);
    }
    if (code == 0) {
        code = uv_read_start((uv_stream_t *)&stream->tcp, stream_on_alloc, stream_on_read);
    }
    if (code != 0) {
        (void)npri_fail(&stream->error, NPR_EIO, "connection: %s", uv_strerror(code));
        return false;
    }
    stream->state = NPRI_STREAM_OPEN;
    return true;
}

struct npri_stream *npri_stream_adopt(struct npri_loop *loop, int fd)
{
    struct npri_stream *stream = npri_stream_create(loop);

    if (stream == NULL) {
        (void)close(fd);
        return NULL;
    }
    if (uv_tcp_open(&stream->tcp, fd) != 0) {
        (void)close(fd);
        npri_stream_close(stream);
        return NULL;
    }
    if (!npri_stream_open(stream)) { /* The peer has gone again. */
        npri_stream_close(stream);
        return NULL;
    }
    return stream;
}

/* ---- Writing. */

struct npri_buffer *npri_stream_output(struct npri_stream *stream)
{
    NPRI_ASSERT(!stream->released);
    if (stream->state != NPRI_STREAM_FAILED && npri_ring_alone(&stream->unflushed)) {
        npri_ring_append(&stream->loop->unflushed, &stream->unflushed);
    }
    return &stream->output;
}

size_t npri_stream_queued_bytes(const struct npri_stream *stream)
{
    return stream->output.size +
           uv_stream_get_write_queue_size((const uv_stream_t *)(const void *)&stream->tcp);
}

uint64_t npri_stream_written_bytes(const struct npri_stream *stream)
{
    return stream->handed_bytes -
           uv_stream_get_write_queue_size((const uv_stream_t *)(const void *)&stream->tcp);
}

static void stream_empty(struct npri_buffer *buffer)
{
    npri_buffer_reset(buffer);
    if (buffer->capacity > OUTPUT_KEPT_BYTES) {
        npri_buffer_fini(buffer);
    }
}

static void stream_on_written(uv_write_t *request, int status)
{
    struct npri_stream *stream = request->data;

    stream->writing = false;
    if (stream->released || stream->state == NPRI_STREAM_FAILED) {
        return; /* Cancelled by the closing. */
    }
    if (status != 0) {
        stream_break(stream, "write to", status);
        return;
    }
    stream_empty(&stream->flight);
    if (stream->output.size != 0 || stream->output.failed) {
        (void)npri_stream_output(stream); /* What came in the meantime goes out with this turn. */
    }
}

/* The rest of the output, from `offset` on, changes hands: libuv writes it when the socket takes
 * it, and a new buffer begins. */
static void stream_hand_over(struct npri_stream *stream, size_t offset)
{
    const struct npri_buffer empty = stream->flight;
    size_t left = stream->output.size - offset;
    uint8_t *at = stream->output.data + offset;
    int code = 0;

    stream->flight = stream->output;
    stream->output = empty;
    stream->writing = true;
    stream->write.data = stream;
    stream->handed_bytes += left;
    if (left <= UINT32_MAX) { /* libuv keeps a buffer's size in size_t, but system calls do not. */
        uv_buf_t part = {.base = (char *)at, .len = left};

        code = uv_write(&stream->write, (uv_stream_t *)&stream->tcp, &part, 1, stream_on_written);
    } else {
        code = UV_ENOBUFS;
    }
    if (code != 0) {
        stream->writing = false;
        stream_break(stream, "write to", code);
    }
}

static void stream_flush(struct npri_stream *stream)
{
    struct npri_buffer *output = &stream->output;
    uv_os_fd_t fd;
    ssize_t sent;

    if (output->failed) { /* Bytes are missing: what follows would make no sense to the peer. */
        (void)npri_fail(&stream->error, NPR_ENOMEM, "output to %s: out of memory",
                        stream->peer_text);
        npri_stream_fail(stream);
        return;
    }
    /* Before the stream is open, and while libuv writes, the output waits: both end in a flush. */
    if (stream->state != NPRI_STREAM_OPEN || stream->writing || output->size == 0) {
        return;
    }
    NPRI_ASSERT(uv_fileno((uv_handle_t *)&stream->tcp, &fd) == 0);
    do {
        sent = send(fd, output->data, output->size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        stream_break(stream, "write to", uv_translate_sys_error(errno));
        return;
    }
    sent = sent < 0 ? 0 : sent;
    stream->handed_bytes += (uint64_t)sent;
    if ((size_t)sent == output->size) {
        stream_empty(output);
        return;
    }
    stream_hand_over(stream, (size_t)sent);
}

void npri_stream_flush_all(struct npri_loop *loop)
{
    /* No callback of the user's runs in here, so the ring only gets shorter. */
    while (!npri_ring_alone(&loop->unflushed)) {
        struct npri_stream *stream =
            NPRI_CONTAINER(loop->unflushed.next, struct npri_stream, unflushed);

        npri_ring_remove(&stream->unflushed);
        stream_flush(stream);
    }
}
