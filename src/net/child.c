#include "net/child.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "net/handles.h"

/* Reads of what a child has left behind in a pipe: as much as the largest pipe holds. */
#define LAST_READS_MAX 32u

/* An input buffer that has grown beyond this is given back once it is empty. */
#define INPUT_KEPT_BYTES (64u << 10)

/* One descriptor on the loop. */
struct end {
    uv_poll_t poll;
    struct npri_child *child;
    int fd;    /* -1: closed */
    bool live; /* `poll` is initialised, and the callback of its closing has not come */
    bool polls;
};

struct npri_child {
    struct npri_loop_item item;
    struct npri_loop *loop;
    struct npri_child_events events;
    void *user;
    struct npri_exec exec; /* its descriptors are in the ends */
    struct end exit;
    struct end input;
    struct end output;
    struct end errors;
    struct npri_buffer queue; /* input, from `queue_from` on */
    size_t queue_from;
    bool input_ends; /* behind the queue */
    bool exited;
    bool released;
};

/* ---- Descriptors. */

static void child_free_if_done(struct npri_child *child)
{
    if (child->released && !child->exit.live && !child->input.live && !child->output.live &&
        !child->errors.live) {
        npri_buffer_fini(&child->queue);
        npri_free(child);
    }
}

static void end_on_closed(uv_handle_t *handle)
{
    struct end *end = handle->data;

    end->live = false;
    child_free_if_done(end->child);
}

static void end_close(struct end *end)
{
    if (end->fd < 0) {
        return;
    }
    uv_close((uv_handle_t *)&end->poll, end_on_closed); /* stops it, too */
    (void)close(end->fd);
    end->fd = -1;
    end->polls = false;
}

/* Takes over `fd`, unless it returns false. */
static bool end_open(struct npri_child *child, struct end *end, int fd)
{
    end->child = child;
    if (uv_poll_init(&child->loop->uv, &end->poll, fd) != 0) {
        return false;
    }
    end->fd = fd;
    end->live = true;
    end->poll.data = end;
    return true;
}

static void end_poll(struct end *end, int events, uv_poll_cb on_event)
{
    if (end->fd < 0 || (events != 0) == end->polls) {
        return;
    }
    end->polls = events != 0;
    if (events != 0) {
        NPRI_ASSERT(uv_poll_start(&end->poll, events, on_event) == 0);
    } else {
        NPRI_ASSERT(uv_poll_stop(&end->poll) == 0);
    }
}

/* ---- Input. */

static void child_empty_queue(struct npri_child *child)
{
    npri_buffer_reset(&child->queue);
    child->queue_from = 0;
    if (child->queue.capacity > INPUT_KEPT_BYTES) {
        npri_buffer_fini(&child->queue);
    }
}

/* Bytes that the pipe has taken; the input is closed when it is broken. */
static size_t input_write(struct npri_child *child, struct npr_bytes bytes)
{
    size_t written = 0;

    while (written < bytes.size && child->input.fd >= 0) {
        const ssize_t sent = write(child->input.fd, bytes.data + written, bytes.size - written);

        if (sent > 0) {
            written += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) { /* EPIPE: it does not want any more; its end will tell */
            end_close(&child->input);
            child_empty_queue(child);
        }
    }
    return written;
}

static void child_on_writable(uv_poll_t *handle, int status, int events)
{
    struct end *end = handle->data;
    struct npri_child *child = end->child;

    (void)status; /* The write will tell. */
    (void)events;
    child->loop->ran = true;
    child->queue_from += input_write(child, npri_bytes(child->queue.data + child->queue_from,
                                                       child->queue.size - child->queue_from));
    if (child->input.fd < 0) {
        child->queue_from = 0;
        child->events.drained(child->user);
        return;
    }
    if (child->queue_from < child->queue.size) {
        if (child->queue_from >= child->queue.size / 2) {
            npri_buffer_consume(&child->queue, child->queue_from);
            child->queue_from = 0;
        }
        return;
    }
    child_empty_queue(child);
    end_poll(&child->input, 0, NULL);
    if (child->input_ends) {
        end_close(&child->input);
    }
    child->events.drained(child->user);
}

npr_status npri_child_write(struct npri_child *child, struct npr_bytes bytes)
{
    size_t written = 0;

    if (child->input.fd < 0 || child->input_ends) {
        return NPR_OK;
    }
    if (child->queue.size == 0) {
        written = input_write(child, bytes);
    }
    if (child->input.fd < 0 || written == bytes.size) {
        return NPR_OK;
    }
    npri_put_bytes(&child->queue, npri_bytes(bytes.data + written, bytes.size - written));
    end_poll(&child->input, UV_WRITABLE, child_on_writable);
    if (child->queue.failed) {
        child->queue.failed = false; /* what is in it stays */
        return NPR_ENOMEM;
    }
    return NPR_OK;
}

size_t npri_child_queued_bytes(const struct npri_child *child)
{
    return child->queue.size - child->queue_from;
}

void npri_child_end_input(struct npri_child *child)
{
    child->input_ends = true;
    if (npri_child_queued_bytes(child) == 0) {
        end_close(&child->input);
    }
}

/* ---- Output and errors. */

/* One read.  False: nothing is there, now or any more. */
static bool end_read(struct end *end, void (*received)(void *user, struct npr_bytes bytes))
{
    struct npri_child *child = end->child;
    ssize_t got;

    do {
        got = read(end->fd, child->loop->read_buffer, NPRI_READ_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        received(child->user, npri_bytes(child->loop->read_buffer, (size_t)got));
        return true;
    }
    if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        end_close(end);
    }
    return false;
}

static void child_on_output(uv_poll_t *handle, int status, int events)
{
    struct end *end = handle->data;
    struct npri_child *child = end->child;

    (void)status;
    (void)events;
    child->loop->ran = true;
    (void)end_read(end, child->events.output);
    if (end->fd < 0 && !child->released) {
        child->events.output_ended(child->user);
    }
}

static void child_on_errors(uv_poll_t *handle, int status, int events)
{
    struct end *end = handle->data;

    (void)status;
    (void)events;
    end->child->loop->ran = true;
    (void)end_read(end, end->child->events.errors);
}

void npri_child_read_output(struct npri_child *child, bool on)
{
    end_poll(&child->output, on ? UV_READABLE : 0, child_on_output);
}

void npri_child_read_errors(struct npri_child *child, bool on)
{
    end_poll(&child->errors, on ? UV_READABLE : 0, child_on_errors);
}

void npri_child_close_output(struct npri_child *child)
{
    end_close(&child->output);
}

/* ---- Its end. */

/* What it has left behind.  Others may hold the pipe and write on: it is not read for ever. */
static void end_read_last(struct end *end, void (*received)(void *user, struct npr_bytes bytes))
{
    for (unsigned i = 0; i < LAST_READS_MAX && end->fd >= 0 && end_read(end, received); i++) {
    }
    end_close(end);
}

static void child_on_exit(uv_poll_t *handle, int status, int events)
{
    struct end *end = handle->data;
    struct npri_child *child = end->child;
    struct npri_exec_end how;

    (void)status;
    (void)events;
    child->loop->ran = true;
    if (!npri_exec_reap(&child->exec, false, &how)) {
        return;
    }
    child->exited = true;
    end_close(&child->exit);
    end_close(&child->input);
    end_read_last(&child->errors, child->events.errors);
    end_read_last(&child->output, child->events.output);
    if (!child->released) {
        child->events.exited(child->user, &how);
    }
}

void npri_child_signal(struct npri_child *child, int number)
{
    if (!child->exited) {
        npri_exec_signal(&child->exec, number);
    }
}

pid_t npri_child_pid(const struct npri_child *child)
{
    return child->exec.pid;
}

/* ---- Life. */

void npri_child_close(struct npri_child *child)
{
    struct npri_exec_end how;

    if (child == NULL) {
        return;
    }
    NPRI_ASSERT(!child->released);
    if (!child->exited) {
        npri_exec_signal(&child->exec, SIGKILL);
        (void)npri_exec_reap(&child->exec, true, &how);
    }
    npri_ring_remove(&child->item.link);
    child->released = true;
    end_close(&child->exit);
    end_close(&child->input);
    end_close(&child->output);
    end_close(&child->errors);
    child_free_if_done(child);
}

static void child_close_item(struct npri_loop_item *item)
{
    npri_child_close(NPRI_CONTAINER(item, struct npri_child, item));
}

/* False: what could not be opened is closed, and the child reaped if nobody could hear of its end.
 */
static bool child_open_ends(struct npri_child *child)
{
    struct end *const ends[] = {&child->input, &child->output, &child->errors};
    const int fds[] = {child->exec.input_fd, child->exec.output_fd, child->exec.errors_fd};
    struct npri_exec_end how;
    bool opened = true;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (!end_open(child, ends[i], fds[i])) {
            (void)close(fds[i]);
            opened = false;
        }
    }
    if (!end_open(child, &child->exit, child->exec.pid_fd)) {
        npri_exec_signal(&child->exec, SIGKILL);
        child->exited = npri_exec_reap(&child->exec, true, &how);
        (void)close(child->exec.pid_fd);
        opened = false;
    }
    return opened;
}

npr_status npri_child_start(struct npri_loop *loop,
                            const struct npri_program *program,
                            const struct npri_child_events *events,
                            void *user,
                            struct npri_child **out,
                            struct npr_error *err)
{
    struct npri_child *child = npri_alloc_zeroed(1, sizeof(*child));
    npr_status status;

    if (child == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    status = npri_exec_start(program, &child->exec, err);
    if (status != NPR_OK) {
        npri_free(child);
        return status;
    }
    child->loop = loop;
    child->events = *events;
    child->user = user;
    child->exit.fd = child->input.fd = child->output.fd = child->errors.fd = -1;
    npri_buffer_init(&child->queue, 0);
    npri_loop_add_item(loop, &child->item, child_close_item);
    if (!child_open_ends(child)) {
        npri_child_close(child);
        return npri_fail(err, NPR_EIO, "the child's pipes could not be polled");
    }
    end_poll(&child->exit, UV_READABLE, child_on_exit);
    npri_child_read_output(child, true);
    npri_child_read_errors(child, true);
    *out = child;
    return NPR_OK;
}
