#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "net/handles.h"

/* How a stream comes to be connected.  In digits, the one address is tried; a name is resolved (in
 * one of libuv's threads), and its addresses are tried one after another: those of IPv4 first, as
 * Erlang's distribution does.
 *
 *   - An address that refuses or cannot be reached: the next one; after the last: NPR_EUNREACHABLE.
 *   - The deadline passes, in whatever state: NPR_ETIMEDOUT.
 *   - The user closes the stream: no callback; a lookup that cannot be cancelled any more ends on
 *     its own, and finds the stream gone. */
struct npri_dial {
    uv_getaddrinfo_t lookup;
    struct npri_stream *stream; /* NULL: gone, `lookup` frees this when it ends */
    bool resolving;             /* libuv holds `lookup` */
    struct npri_timer *deadline;
    struct sockaddr_storage numeric; /* ss_family 0: `found` is meant */
    struct addrinfo *found;
    struct addrinfo *next; /* in `found`; NULL: this pass is over */
    bool second_pass;      /* over the addresses that are not IPv4 */
    uint16_t port;
    char host[256];
};

static void dial_free(struct npri_dial *dial)
{
    uv_freeaddrinfo(dial->found); /* Accepts NULL. */
    npri_free(dial);
}

void npri_dial_end(struct npri_stream *stream)
{
    struct npri_dial *dial = stream->dial;

    if (dial == NULL) {
        return;
    }
    stream->dial = NULL;
    dial->stream = NULL;
    npri_timer_destroy(dial->deadline);
    dial->deadline = NULL;
    if (dial->resolving) {
        (void)uv_cancel((uv_req_t *)&dial->lookup); /* It may be running: then it ends later. */
        return;
    }
    dial_free(dial);
}

/* The next address to try; false when there is none left. */
static bool dial_take_address(struct npri_dial *dial, struct sockaddr_storage *out)
{
    if (dial->numeric.ss_family != 0) {
        *out = dial->numeric;
        dial->numeric.ss_family = 0;
        return true;
    }
    for (;;) {
        while (dial->next != NULL) {
            const struct addrinfo *at = dial->next;

            dial->next = at->ai_next;
            if ((at->ai_family == AF_INET) != dial->second_pass && at->ai_addrlen <= sizeof(*out)) {
                memset(out, 0, sizeof(*out));
                memcpy(out, at->ai_addr, at->ai_addrlen);
                return true;
            }
        }
        if (dial->second_pass) {
            return false;
        }
        dial->second_pass = true;
        dial->next = dial->found;
    }
}

/* This attempt failed with libuv's `code`; another address may do better. */
static void dial_retry(struct npri_stream *stream, int code)
{
    (void)npri_fail(&stream->error, NPR_EUNREACHABLE, "connect to %s: %s", stream->peer_text,
                    uv_strerror(code));
    stream->state = NPRI_STREAM_RETRYING;
    uv_close((uv_handle_t *)&stream->tcp, npri_stream_on_tcp_closed);
}

/* Connecting to a local port of the range that clients get theirs from can end in a connection with
 * oneself, when nobody listens: TCP takes it for a simultaneous open. */
static bool dial_met_itself(struct npri_stream *stream)
{
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    int here_size = (int)sizeof(here);
    int there_size = (int)sizeof(there);

    return uv_tcp_getsockname(&stream->tcp, (struct sockaddr *)&here, &here_size) == 0 &&
           uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&there, &there_size) == 0 &&
           here_size == there_size && memcmp(&here, &there, (size_t)here_size) == 0;
}

static void dial_on_connected(uv_connect_t *request, int code)
{
    struct npri_stream *stream = request->data;

    if (stream->released || stream->state != NPRI_STREAM_CONNECTING) {
        return; /* Cancelled by the closing. */
    }
    if (code == 0 && dial_met_itself(stream)) {
        code = UV_ECONNREFUSED;
    }
    if (code != 0) {
        dial_retry(stream, code);
        return;
    }
    if (!npri_stream_open(stream)) {
        npri_stream_fail(stream);
        return;
    }
    npri_dial_end(stream);
    if (stream->output.size != 0 || stream->output.failed) {
        (void)npri_stream_output(stream); /* Appended before: to be flushed with this turn. */
    }
    stream->loop->ran = true;
    if (stream->events.opened != NULL) {
        stream->events.opened(stream->user);
    }
}

/* Tries the next address with an unopened socket; `stream->error` is why the last one failed. */
static void dial_attempt(struct npri_stream *stream)
{
    struct sockaddr_storage address;
    int code;

    if (!dial_take_address(stream->dial, &address)) {
        npri_stream_fail(stream);
        return;
    }
    npri_address_text(&address, stream->peer_text);
    stream->state = NPRI_STREAM_CONNECTING;
    stream->connecting.data = stream;
    code = uv_tcp_connect(&stream->connecting, &stream->tcp, (const struct sockaddr *)&address,
                          dial_on_connected);
    if (code != 0) {
        dial_retry(stream, code);
    }
}

void npri_dial_next(struct npri_stream *stream)
{
    NPRI_ASSERT(uv_tcp_init(&stream->loop->uv, &stream->tcp) == 0); /* It opens nothing yet. */
    stream->tcp.data = stream;
    stream->tcp_live = true;
    dial_attempt(stream);
}

static void dial_on_resolved(uv_getaddrinfo_t *request, int code, struct addrinfo *found)
{
    struct npri_dial *dial = request->data;
    struct npri_stream *stream = dial->stream;

    dial->resolving = false;
    dial->found = code == 0 ? found : NULL;
    dial->next = dial->found;
    if (stream == NULL) {
        dial_free(dial);
        return;
    }
    /* When it found nothing, this is the error; else an attempt's own error takes its place. */
    (void)npri_fail(&stream->error, NPR_EUNREACHABLE, "resolve %s: %s", dial->host,
                    code == 0 ? "no address" : uv_strerror(code));
    dial_attempt(stream);
}

static void dial_on_deadline(void *user)
{
    struct npri_stream *stream = user;

    (void)npri_fail(&stream->error, NPR_ETIMEDOUT, "connect to %s:%u: timed out",
                    stream->dial->host, (unsigned)stream->dial->port);
    npri_stream_fail(stream);
}

/* Starts the lookup or, for an address in digits, the attempt.  Nonzero: a code of libuv's. */
static int dial_start(struct npri_stream *stream, struct npri_dial *dial)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char service[8];
    int code;

    if (npri_address_parse(dial->host, dial->port, &dial->numeric)) {
        dial_attempt(stream);
        return 0;
    }
    memset(&dial->numeric, 0, sizeof(dial->numeric));
    (void)snprintf(service, sizeof(service), "%u", (unsigned)dial->port);
    (void)snprintf(stream->peer_text, sizeof(stream->peer_text), "%.54s:%s", dial->host,
                   service); /* A long name is cut. */
    dial->lookup.data = dial;
    code = uv_getaddrinfo(&stream->loop->uv, &dial->lookup, dial_on_resolved, dial->host, service,
                          &hints);
    dial->resolving = code == 0;
    return code;
}

/* Many arguments, but each of them is needed at each call. */
/* NOLINTNEXTLINE(readability-function-size) */
npr_status npri_stream_connect(struct npri_loop *loop,
                               const char *host,
                               uint16_t port,
                               uint64_t deadline_ns,
                               const struct npri_stream_events *events,
                               void *user,
                               struct npri_stream **out,
                               struct npr_error *err)
{
    const size_t host_size = strlen(host);
    struct npri_stream *stream;
    struct npri_dial *dial;
    int code = UV_ENOMEM;

    if (host_size == 0 || host_size >= sizeof(dial->host) || port == 0) {
        return npri_fail(err, NPR_EINVAL, "connect to \"%.60s\":%u: no such address", host,
                         (unsigned)port);
    }
    stream = npri_stream_create(loop);
    if (stream == NULL) {
        return npri_fail(err, NPR_ENOMEM, "connect to %s: out of memory", host);
    }
    npri_stream_set_events(stream, events, user);
    dial = npri_alloc_zeroed(1, sizeof(*dial));
    if (dial != NULL) {
        dial->stream = stream;
        dial->port = port;
        memcpy(dial->host, host, host_size);
        stream->dial = dial;
        dial->deadline = npri_timer_create(loop, dial_on_deadline, stream);
    }
    if (dial != NULL && dial->deadline != NULL) {
        npri_timer_disown(dial->deadline);
        npri_timer_set(dial->deadline, deadline_ns);
        code = dial_start(stream, dial);
    }
    if (code != 0) {
        npri_stream_close(stream);
        return npri_fail(err,
                         code == UV_ENOMEM                              ? NPR_ENOMEM
                         : code == UV_ENAMETOOLONG || code == UV_EINVAL ? NPR_EINVAL
                                                                        : NPR_EIO,
                         "connect to %s: %s", host, uv_strerror(code));
    }
    *out = stream;
    return NPR_OK;
}
