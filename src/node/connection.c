#include "node/connection.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "dist/flags.h"
#include "net/entropy.h"

#define NS_PER_MS UINT64_C(1000000)

/* Ends it and tells the user. */
static void connection_end(struct npri_connection *connection, const struct npr_error *reason)
{
    npri_connection_close(connection);
    connection->events->closed(connection, reason);
}

static void connection_end_memory(struct npri_connection *connection)
{
    struct npr_error reason;

    (void)npri_fail(&reason, NPR_ENOMEM, "no memory for the connection");
    connection_end(connection, &reason);
}

/* ---- Handshaking. */

/* Starts the handshake: an initiator's first frame is written. */
static void connection_greet(struct npri_connection *connection)
{
    struct npri_handshake_options options = {
        .self = connection->options->self,
        .creation = connection->options->creation,
        .flags = connection->options->flags,
        .cookie = connection->options->cookie,
        .md5 = npri_md5,
    };

    npri_entropy(&options.challenge, sizeof(options.challenge));
    connection->state = NPRI_CONNECTION_HANDSHAKING;
    if (connection->peer.incoming) {
        npri_handshake_init_acceptor(&connection->handshake, &options);
        return;
    }
    /* We dial only nodes that we are not connected to: one that thinks otherwise is out of date. */
    npri_handshake_init_initiator(&connection->handshake, &options, &connection->peer.name, true);
}

/* Hands the handshake's frames to the stream.  False when there was no memory for them. */
static bool connection_write_handshake(struct npri_connection *connection)
{
    struct npri_buffer *frames = &connection->handshake.out;
    struct npri_buffer *output = npri_stream_output(connection->stream);

    npri_put_bytes(output, npri_buffer_bytes(frames));
    if (frames->failed || output->failed) {
        return false;
    }
    npri_buffer_reset(frames);
    return true;
}

static void connection_fail_handshake(struct npri_connection *connection,
                                      const struct npr_error *reason)
{
    (void)connection_write_handshake(connection); /* A last word to the peer, if there is one. */
    connection_end(connection, reason);
}

/* A name is known now: asks for the verdict and passes it on.  False: the connection has ended. */
static bool connection_answer_name(struct npri_connection *connection)
{
    enum npri_verdict verdict;
    struct npr_error reason;

    connection->peer.name = connection->handshake.peer;
    verdict = connection->events->named(connection);
    if (connection->state == NPRI_CONNECTION_CLOSED) {
        return false;
    }
    npri_handshake_accept(&connection->handshake, verdict);
    if (connection->handshake.state == NPRI_HANDSHAKE_FAILED) {
        connection->told_nok = verdict == NPRI_VERDICT_NOK;
        (void)npri_fail(&reason, NPR_EREFUSED, "%s",
                        connection->told_nok ? "our own attempt goes on instead"
                        : npr_node_name_equal(&connection->peer.name, &connection->options->self)
                            ? "it has the name of this node"
                            : "there is no room for another node");
        connection_fail_handshake(connection, &reason);
        return false;
    }
    if (!connection_write_handshake(connection)) {
        connection_end_memory(connection);
        return false;
    }
    return true;
}

/* HANDSHAKING -> UP.  False: the connection has ended. */
static bool connection_rise(struct npri_connection *connection)
{
    const uint64_t now_ns = npri_loop_now_ns(connection->loop);
    const struct npri_connections_options *options = connection->options;

    connection->channel = npri_channel_create(&(struct npri_channel_options){
        .flags = connection->handshake.peer_flags,
        .frame_bytes_max = options->frame_bytes_max,
        .net_ticktime_ns = options->net_ticktime_ns,
        .now_ns = now_ns,
        .peer = connection->peer.name,
    });
    if (connection->channel == NULL) {
        connection_end_memory(connection);
        return false;
    }
    connection->peer.creation = connection->handshake.peer_creation;
    connection->peer.flags = connection->handshake.peer_flags;
    connection->peer.hidden = (connection->handshake.peer_offered & NPRI_FLAG_PUBLISHED) == 0;
    npri_handshake_fini(&connection->handshake);
    connection->state = NPRI_CONNECTION_UP;
    npri_timer_set(connection->timer, npri_channel_deadline_ns(connection->channel));
    connection->events->up(connection);
    return connection->state == NPRI_CONNECTION_UP;
}

/* Takes handshake frames off the front of `bytes`; what is left belongs to the channel.  False: the
 * connection has ended. */
static bool connection_feed_handshake(struct npri_connection *connection, struct npr_bytes *bytes)
{
    while (bytes->size > 0 && connection->state == NPRI_CONNECTION_HANDSHAKING) {
        struct npr_error reason;
        size_t used = 0;

        if (npri_handshake_feed(&connection->handshake, *bytes, &used, &reason) != NPR_OK) {
            connection->told_nok = connection->handshake.peer_said_nok;
            connection_fail_handshake(connection, &reason);
            return false;
        }
        NPRI_ASSERT(used > 0 && used <= bytes->size);
        *bytes = npri_bytes(bytes->data + used, bytes->size - used);
        if (!connection_write_handshake(connection)) {
            connection_end_memory(connection);
            return false;
        }
        if (connection->handshake.state == NPRI_HANDSHAKE_NAMED &&
            !connection_answer_name(connection)) {
            return false;
        }
        if (connection->handshake.state == NPRI_HANDSHAKE_DONE && !connection_rise(connection)) {
            return false;
        }
    }
    return true;
}

/* ---- What the stream tells. */

static void connection_on_opened(void *user)
{
    struct npri_connection *connection = user;

    npri_stream_peer_text(connection->stream, connection->address);
    connection_greet(connection);
    if (!connection_write_handshake(connection)) {
        connection_end_memory(connection);
    }
}

static void connection_on_received(void *user, struct npr_bytes bytes)
{
    struct npri_connection *connection = user;
    const uint64_t now_ns = npri_loop_now_ns(connection->loop);
    struct npri_control control;
    struct npr_error reason;
    npr_status status;

    if (!connection_feed_handshake(connection, &bytes) || bytes.size == 0) {
        return;
    }
    if (now_ns - connection->heard_ns >= NPRI_HEARD_NS) {
        connection->heard_ns = now_ns;
        connection->events->heard(connection);
        if (connection->state == NPRI_CONNECTION_CLOSED) {
            return;
        }
    }
    status = npri_channel_feed(connection->channel, bytes, now_ns, &reason);
    while (status == NPR_OK) {
        status = npri_channel_next(connection->channel, &control, &reason);
        if (status == NPR_OK) {
            connection->events->received(connection, &control);
            if (connection->state == NPRI_CONNECTION_CLOSED) {
                return;
            }
        }
    }
    if (status != NPR_ENOTFOUND) {
        connection_end(connection, &reason);
    }
}

static void connection_on_closed(void *user, const struct npr_error *error)
{
    struct npri_connection *connection = user;
    struct npr_error reason = *error;

    /* An acceptor says nothing when the answer to its challenge was wrong: it hangs up. */
    if (connection->state == NPRI_CONNECTION_HANDSHAKING && error->status == NPR_ECLOSED &&
        connection->handshake.state == NPRI_HANDSHAKE_AWAIT_ACK) {
        (void)npri_fail(&reason, NPR_EAUTH,
                        "closed after our answer to its challenge: "
                        "its cookie is most likely another one");
    }
    connection_end(connection, &reason);
}

static const struct npri_stream_events stream_events = {
    .opened = connection_on_opened,
    .received = connection_on_received,
    .closed = connection_on_closed,
};

/* ---- Time. */

/* The next moment at which an UP connection needs a look. */
static uint64_t connection_deadline_ns(const struct npri_connection *connection)
{
    const uint64_t tick_ns = npri_channel_deadline_ns(connection->channel);
    const uint64_t queue_ns = connection->over_since_ns == 0
                                  ? UINT64_MAX
                                  : connection->over_since_ns + connection->options->queue_ns_max;

    return tick_ns < queue_ns ? tick_ns : queue_ns;
}

/* Follows the output queue across its limit; `now_ns` is only the time when it is above. */
static void connection_watch_queue(struct npri_connection *connection, uint64_t now_ns)
{
    if (npri_stream_queued_bytes(connection->stream) <= connection->options->queue_bytes_max) {
        connection->over_since_ns = 0;
    } else if (connection->over_since_ns == 0) {
        connection->over_since_ns = now_ns;
    }
}

/* Drops a peer that is silent or does not read; sends a tick when one is due. */
static void connection_check(struct npri_connection *connection, uint64_t now_ns)
{
    const struct npri_connections_options *options = connection->options;
    struct npr_error reason;

    connection_watch_queue(connection, now_ns);
    if (connection->over_since_ns != 0 &&
        now_ns - connection->over_since_ns >= options->queue_ns_max) {
        (void)npri_fail(&reason, NPR_EFULL,
                        "it does not read: more than %zu bytes waited for %" PRIu64 " ms",
                        options->queue_bytes_max, options->queue_ns_max / NS_PER_MS);
        connection_end(connection, &reason);
        return;
    }
    if (now_ns >= npri_channel_deadline_ns(connection->channel)) {
        switch (npri_channel_tick(connection->channel, now_ns)) {
        case NPRI_TICK_NONE:
            break;
        case NPRI_TICK_SEND:
            npri_put_u32(npri_stream_output(connection->stream), 0);
            npri_channel_wrote(connection->channel, now_ns);
            break;
        case NPRI_TICK_SILENT:
            (void)npri_fail(&reason, NPR_ETIMEDOUT, "silent for %" PRIu64 " ms",
                            options->net_ticktime_ns / NS_PER_MS);
            connection_end(connection, &reason);
            return;
        }
    }
    npri_timer_set(connection->timer, connection_deadline_ns(connection));
}

static void connection_on_timer(void *user)
{
    struct npri_connection *connection = user;
    struct npr_error reason;

    if (connection->state == NPRI_CONNECTION_UP) {
        connection_check(connection, npri_loop_now_ns(connection->loop));
        return;
    }
    (void)npri_fail(&reason, NPR_ETIMEDOUT, "not connected within %" PRIu64 " ms",
                    connection->options->handshake_ns_max / NS_PER_MS);
    connection_end(connection, &reason);
}

/* ---- Beginning, sending, ending. */

static struct npri_connection *connection_create(const struct npri_connection_setup *setup)
{
    struct npri_connection *connection = npri_alloc_zeroed(1, sizeof(*connection));

    if (connection == NULL) {
        return NULL;
    }
    connection->timer = npri_timer_create(setup->loop, connection_on_timer, connection);
    if (connection->timer == NULL) {
        npri_free(connection);
        return NULL;
    }
    connection->loop = setup->loop;
    connection->options = setup->options;
    connection->events = setup->events;
    connection->user = setup->user;
    connection->deadline_ns = setup->deadline_ns;
    npri_timer_set(connection->timer, setup->deadline_ns);
    return connection;
}

npr_status npri_connection_dial(const struct npri_connection_setup *setup,
                                const struct npr_node_name *peer,
                                uint16_t port,
                                struct npri_connection **out,
                                struct npr_error *err)
{
    struct npri_connection *connection = connection_create(setup);
    char host[NPR_NODE_NAME_BYTES_MAX + 1];
    const char *at = memchr(peer->text, '@', peer->size);
    npr_status status;

    if (connection == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a connection");
    }
    NPRI_ASSERT(at != NULL);
    (void)snprintf(host, sizeof(host), "%.*s", (int)(peer->text + peer->size - (at + 1)), at + 1);
    connection->state = NPRI_CONNECTION_CONNECTING;
    connection->peer.name = *peer;
    (void)snprintf(connection->address, sizeof(connection->address), "%.50s:%u", host, port);
    status = npri_stream_connect(setup->loop, host, port, setup->deadline_ns, &stream_events,
                                 connection, &connection->stream, err);
    if (status != NPR_OK) {
        npri_connection_close(connection);
        npri_connection_destroy(connection);
        return status;
    }
    *out = connection;
    return NPR_OK;
}

struct npri_connection *npri_connection_accept(const struct npri_connection_setup *setup,
                                               struct npri_stream *stream)
{
    struct npri_connection *connection = connection_create(setup);

    if (connection == NULL) {
        npri_stream_close(stream);
        return NULL;
    }
    connection->stream = stream;
    connection->peer.incoming = true;
    npri_stream_peer_text(stream, connection->address);
    npri_stream_set_events(stream, &stream_events, connection);
    connection_greet(connection);
    return connection;
}

npr_status npri_connection_send(struct npri_connection *connection,
                                const struct npri_control *control,
                                struct npr_error *err)
{
    const size_t queue_bytes_max = connection->options->queue_bytes_max;
    const size_t queued = npri_stream_queued_bytes(connection->stream);
    uint64_t now_ns;

    NPRI_ASSERT(connection->state == NPRI_CONNECTION_UP);
    if (queued / 2 >= queue_bytes_max) {
        return npri_fail(err, NPR_EFULL, "it does not read: %zu bytes wait, twice the limit",
                         queued);
    }
    if (queued <= queue_bytes_max) {
        connection->over_since_ns = 0; /* It may have been below since the last look. */
    }
    if (!npri_channel_write(connection->channel, control, npri_stream_output(connection->stream))) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a message");
    }
    now_ns = npri_loop_now_ns(connection->loop);
    npri_channel_wrote(connection->channel, now_ns);
    if (connection->over_since_ns == 0) {
        connection_watch_queue(connection, now_ns);
        if (connection->over_since_ns != 0) {
            npri_timer_set(connection->timer, connection_deadline_ns(connection));
        }
    }
    return NPR_OK;
}

void npri_connection_close(struct npri_connection *connection)
{
    if (connection->stream != NULL) {
        npri_stream_close(connection->stream);
        connection->stream = NULL;
    }
    npri_timer_destroy(connection->timer);
    connection->timer = NULL;
    connection->state = NPRI_CONNECTION_CLOSED;
}

void npri_connection_destroy(struct npri_connection *connection)
{
    NPRI_ASSERT(connection->state == NPRI_CONNECTION_CLOSED);
    npri_handshake_fini(&connection->handshake);
    npri_channel_destroy(connection->channel);
    npri_free(connection);
}
