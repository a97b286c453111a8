#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "dist/epmd.h"
#include "node/epmd.h"

#define EPMD_PORT_DEFAULT 4369u

/* ---- The port. */

static pthread_once_t port_once = PTHREAD_ONCE_INIT;
static uint16_t port_known;

/* The environment is read once: later it may be changed under our hands by another thread. */
static void port_read(void)
{
    const char *text = getenv("ERL_EPMD_PORT"); /* NOLINT(concurrency-mt-unsafe) */
    char *end = NULL;
    long value;

    port_known = EPMD_PORT_DEFAULT;
    if (text == NULL) {
        return;
    }
    value = strtol(text, &end, 10);
    if (end != text && *end == '\0' && value > 0 && value <= UINT16_MAX) {
        port_known = (uint16_t)value;
    }
}

uint16_t npri_epmd_port(void)
{
    (void)pthread_once(&port_once, port_read); /* It fails only for a misused pthread_once_t. */
    return port_known;
}

/* ---- Asking. */

struct npri_epmd_lookup {
    struct npri_stream *stream; /* NULL: it could not even be started, the timer tells */
    struct npri_timer *timer;
    struct npr_error error; /* meaningful while `stream` is NULL */
    void (*done)(void *user, npr_status status, uint16_t port, const struct npr_error *error);
    void *user;
    struct npr_node_name node;
    size_t reply_size;
    uint8_t reply[NPRI_EPMD_MESSAGE_MAX];
};

static struct npr_bytes lookup_name(const struct npr_node_name *node)
{
    const char *at = memchr(node->text, '@', node->size);

    return npri_bytes(node->text, at == NULL ? node->size : (size_t)(at - node->text));
}

void npri_epmd_lookup_cancel(struct npri_epmd_lookup *lookup)
{
    if (lookup == NULL) {
        return;
    }
    npri_stream_close(lookup->stream);
    npri_timer_destroy(lookup->timer);
    npri_free(lookup);
}

/* The end: the lookup is gone before its user hears of it. */
static void lookup_end(struct npri_epmd_lookup *lookup,
                       uint16_t port,
                       const struct npr_error *error)
{
    void (*const done)(void *, npr_status, uint16_t, const struct npr_error *) = lookup->done;
    void *const user = lookup->user;
    const struct npr_error copy = *error; /* It may be the stream's, which goes now. */

    npri_epmd_lookup_cancel(lookup);
    done(user, copy.status, port, &copy);
}

static void lookup_on_opened(void *user)
{
    struct npri_epmd_lookup *lookup = user;
    const struct npri_epmd_request request = {.kind = NPRI_EPMD_PORT_PLEASE2,
                                              .name = lookup_name(&lookup->node)};

    npri_epmd_write_request(&request, npri_stream_output(lookup->stream));
}

static void lookup_on_received(void *user, struct npr_bytes bytes)
{
    struct npri_epmd_lookup *lookup = user;
    const size_t room = sizeof(lookup->reply) - lookup->reply_size;
    const size_t taken = bytes.size < room ? bytes.size : room;
    struct npr_error error = {.status = NPR_OK};
    uint16_t port = 0;
    npr_status status;

    memcpy(lookup->reply + lookup->reply_size, bytes.data, taken);
    lookup->reply_size += taken;
    status =
        npri_epmd_read_port_reply(npri_bytes(lookup->reply, lookup->reply_size), &port, &error);
    if (status == NPR_ENOTFOUND) { /* more bytes needed */
        if (lookup->reply_size < sizeof(lookup->reply)) {
            return;
        }
        (void)npri_fail(&error, NPR_EPROTO, "epmd: reply too long");
    } else if (status == NPR_EREFUSED) {
        (void)npri_fail(&error, NPR_ENOTFOUND,
                        "epmd knows no %.*s: no such node runs there, or it is not ready yet",
                        (int)lookup->node.size, lookup->node.text);
    } else if (status == NPR_OK && port == 0) {
        (void)npri_fail(&error, NPR_EPROTO, "epmd: port 0");
    }
    lookup_end(lookup, port, &error);
}

static void lookup_on_closed(void *user, const struct npr_error *cause)
{
    struct npri_epmd_lookup *lookup = user;
    struct npr_error error = *cause;

    if (error.status == NPR_ECLOSED) {
        (void)npri_fail_prefix(&error, NPR_EPROTO, "epmd: no answer: ");
    } else if (error.status == NPR_EIO || error.status == NPR_EUNREACHABLE) {
        (void)npri_fail_prefix(&error, NPR_EUNREACHABLE,
                               "no epmd to ask for %.*s (does it run?): ", (int)lookup->node.size,
                               lookup->node.text);
    } else {
        (void)npri_fail_prefix(&error, error.status, "epmd: ");
    }
    lookup_end(lookup, 0, &error);
}

static void lookup_on_time(void *user)
{
    struct npri_epmd_lookup *lookup = user;
    struct npr_error error;
    char peer[64];

    if (lookup->stream == NULL) {
        lookup_end(lookup, 0, &lookup->error);
        return;
    }
    npri_stream_peer_text(lookup->stream, peer);
    (void)npri_fail(&error, NPR_ETIMEDOUT, "epmd at %s: timed out", peer);
    lookup_end(lookup, 0, &error);
}

/* Many arguments, but each of them is needed at each call. */
/* NOLINTNEXTLINE(readability-function-size) */
npr_status npri_epmd_lookup_start(
    struct npri_loop *loop,
    const struct npr_node_name *node,
    uint64_t deadline_ns,
    void (*done)(void *user, npr_status status, uint16_t port, const struct npr_error *error),
    void *user,
    struct npri_epmd_lookup **out,
    struct npr_error *err)
{
    static const struct npri_stream_events events = {
        .opened = lookup_on_opened, .received = lookup_on_received, .closed = lookup_on_closed};
    struct npri_epmd_lookup *lookup = npri_alloc_zeroed(1, sizeof(*lookup));
    char host[NPR_NODE_NAME_BYTES_MAX + 1] = "";
    npr_status status = NPR_ENOMEM;
    size_t name_size;

    if (lookup == NULL) {
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    lookup->done = done;
    lookup->user = user;
    lookup->node = *node;
    name_size = lookup_name(node).size;
    if (name_size < node->size) {
        memcpy(host, node->text + name_size + 1, node->size - name_size - 1);
    }
    lookup->timer = npri_timer_create(loop, lookup_on_time, lookup);
    if (lookup->timer != NULL) {
        status = npri_stream_connect(loop, host, npri_epmd_port(), deadline_ns, &events, lookup,
                                     &lookup->stream, &lookup->error);
    }
    if (status == NPR_ENOMEM) {
        npri_epmd_lookup_cancel(lookup);
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    if (status != NPR_OK) { /* E.g. a host that is no name: told as all failures are, later. */
        (void)npri_fail_prefix(&lookup->error, NPR_EUNREACHABLE, "epmd: ");
        deadline_ns = 0;
    }
    npri_timer_set(lookup->timer, deadline_ns);
    *out = lookup;
    return NPR_OK;
}
