#include "node/connections.h"

#include <inttypes.h>

#include "nprocreg/node.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/slots.h"

/* One line about too many handshakes in that time. */
#define REFUSED_LOG_NS UINT64_C(1000000000)

/* ---- What a connection tells. */

/* An accepted one is in handshake no more: it is up or closed. */
static void connections_uncount(struct npri_connection *connection)
{
    struct npri_connections *connections = connection->user;

    if (connection->counted) {
        connection->counted = false;
        connections->handshakes--;
        if (connection->slot != NULL) {
            connection->slot->incoming--;
        }
    }
}

static enum npri_verdict connections_on_named(struct npri_connection *connection)
{
    struct npri_connections *connections = connection->user;
    const struct npr_node_name *name = &connection->peer.name;
    struct npri_verdict_facts facts = {.same_name =
                                           npr_node_name_equal(name, &connections->options.self)};
    struct npri_slot *slot;
    enum npri_verdict verdict;

    if (npr_node_name_equal(name, &connections->options.self)) {
        return NPRI_VERDICT_NOT_ALLOWED; /* Not "nok", on which it would wait for us to dial. */
    }
    slot = npri_slot_get(connections, name);
    if (slot == NULL) {
        return NPRI_VERDICT_NOT_ALLOWED;
    }
    facts.connected = slot->up != NULL;
    /* One that has not said its name yet is not known to the peer, and simply dropped. */
    facts.dialling = slot->dialled != NULL && slot->dialled->state == NPRI_CONNECTION_HANDSHAKING;
    verdict = npri_handshake_verdict(&connections->options.self, name, facts);
    if (verdict != NPRI_VERDICT_NOK && verdict != NPRI_VERDICT_NOT_ALLOWED) {
        connection->slot = slot;
        slot->incoming++;
        npri_slot_give_way(slot);
    }
    npri_slot_settle(slot);
    return verdict;
}

/* The slot's connection is gone, whoever ended it. */
static void connections_lose(struct npri_slot *slot, const struct npr_error *reason)
{
    struct npri_connections *connections = slot->connections;
    struct npri_connection *connection = slot->up;
    const bool orderly = reason->status == NPR_ECLOSED || reason->status == NPR_EIO;

    slot->up = NULL;
    npri_connections_log(connections,
                         &(struct npri_log_entry){.level = orderly ? NPR_LOG_INFO : NPR_LOG_WARNING,
                                                  .event = "connection_down",
                                                  .node = &slot->name,
                                                  .connection = connection,
                                                  .reason = reason});
    npri_connections_drop(connections, connection);
    if (connection->announced) {
        npri_slot_note_down(slot, reason);
    } else {
        npri_slot_fail(slot, reason);
    }
}

/* Writes what waited.  False: the connection was lost for want of memory. */
static bool connections_send_waiting(struct npri_slot *slot)
{
    struct npr_error reason;

    while (slot->waiting.first != NULL) {
        if (npri_connection_send(slot->up, &slot->waiting.first->control, &reason) != NPR_OK) {
            connections_lose(slot, &reason);
            return false;
        }
        npri_waiting_message_free(npri_waiting_take(&slot->waiting));
    }
    return true;
}

static void connections_on_up(struct npri_connection *connection)
{
    struct npri_connections *connections = connection->user;
    struct npri_slot *slot = connection->slot;
    struct npr_error reason;

    connections_uncount(connection);
    if (slot->dialled == connection) {
        slot->dialled = NULL;
    }
    npri_slot_stop_attempt(slot);
    if (slot->up != NULL) {
        (void)npri_fail(&reason, NPR_ECLOSED, "replaced by a new connection of the same name");
        connections_lose(slot, &reason);
    }
    slot->up = connection;
    npri_slot_settle(slot);
    /* First, since what is sent from inside the callbacks below must come after it. */
    if (!connections_send_waiting(slot)) {
        return;
    }
    npri_slot_tell(slot);
    if (slot->up == connection) {
        connection->announced = true;
        npri_connections_log(connections, &(struct npri_log_entry){.level = NPR_LOG_INFO,
                                                                   .event = "connection_up",
                                                                   .node = &slot->name,
                                                                   .connection = connection});
        connections->options.events.up(connections->options.user, &connection->peer);
    }
}

static void connections_on_received(struct npri_connection *connection,
                                    const struct npri_control *control)
{
    const struct npri_connections_options *options =
        &((struct npri_connections *)connection->user)->options;

    options->events.received(options->user, &connection->peer, control);
}

static void connections_on_heard(struct npri_connection *connection)
{
    const struct npri_connections_options *options =
        &((struct npri_connections *)connection->user)->options;

    if (connection->announced) {
        options->events.heard(options->user, &connection->peer);
    }
}

/* An accepted one ended before it was up. */
static void connections_on_incoming_closed(struct npri_connection *connection,
                                           const struct npr_error *reason)
{
    struct npri_connections *connections = connection->user;
    /* Those who only look whether the port is open, and those whom we told to wait for us. */
    const bool usual = reason->status == NPR_ECLOSED || reason->status == NPR_EIO ||
                       reason->status == NPR_EFULL || connection->told_nok;

    connections_uncount(connection);
    npri_connections_log(
        connections, &(struct npri_log_entry){
                         .level = usual ? NPR_LOG_DEBUG : NPR_LOG_WARNING,
                         .event = "connection_refused",
                         .node = connection->peer.name.size == 0 ? NULL : &connection->peer.name,
                         .connection = connection,
                         .reason = reason});
    npri_connections_drop(connections, connection);
    if (connection->slot != NULL) {
        npri_slot_on_incoming_closed(connection->slot, reason);
        npri_slot_settle(connection->slot);
    }
}

static void connections_on_closed(struct npri_connection *connection,
                                  const struct npr_error *reason)
{
    struct npri_slot *slot = connection->slot;

    if (slot != NULL && slot->up == connection) {
        connections_lose(slot, reason);
        npri_slot_settle(slot);
    } else if (slot != NULL && slot->dialled == connection) {
        npri_slot_on_dialled_closed(slot, connection->told_nok, reason);
        npri_slot_settle(slot);
    } else {
        connections_on_incoming_closed(connection, reason);
    }
}

static const struct npri_connection_events connection_events = {
    .named = connections_on_named,
    .up = connections_on_up,
    .received = connections_on_received,
    .heard = connections_on_heard,
    .closed = connections_on_closed,
};

struct npri_connection_setup npri_connections_setup(struct npri_connections *connections,
                                                    uint64_t deadline_ns)
{
    return (struct npri_connection_setup){
        .loop = connections->loop,
        .options = &connections->options,
        .events = &connection_events,
        .user = connections,
        .deadline_ns = deadline_ns,
    };
}

/* ---- Accepting. */

/* Too many handshakes at once: the one that began first gives way.  A good peer's takes a moment;
 * those who only keep the door busy must begin anew all the time to keep one out. */
static void connections_make_room(struct npri_connections *connections, uint64_t now_ns)
{
    struct npri_connection *oldest = NULL;
    struct npr_error reason;

    for (struct npri_connection *at = connections->live; at != NULL; at = at->next) {
        oldest = at->counted ? at : oldest; /* The newest are in front. */
    }
    NPRI_ASSERT(oldest != NULL);
    (void)npri_fail(&reason, NPR_EFULL, "gave way to others");
    npri_connection_close(oldest);
    connections_on_incoming_closed(oldest, &reason);
    connections->refused++;
    if (connections->refused_logged_ns != 0 &&
        now_ns - connections->refused_logged_ns < REFUSED_LOG_NS) {
        return;
    }
    (void)npri_fail(&reason, NPR_EFULL,
                    "%" PRIu32 " handshakes in progress: %" PRIu32 " that took long were dropped",
                    connections->options.handshakes_max, connections->refused);
    npri_connections_log(connections, &(struct npri_log_entry){.level = NPR_LOG_WARNING,
                                                               .event = "handshakes_full",
                                                               .reason = &reason});
    connections->refused_logged_ns = now_ns;
    connections->refused = 0;
}

static void connections_on_accepted(void *user, struct npri_stream *stream)
{
    struct npri_connections *connections = user;
    const uint64_t now_ns = npri_loop_now_ns(connections->loop);
    struct npri_connection_setup setup;
    struct npri_connection *connection;

    if (connections->handshakes >= connections->options.handshakes_max) {
        connections_make_room(connections, now_ns);
    }
    setup = npri_connections_setup(connections, now_ns + connections->options.handshake_ns_max);
    connection = npri_connection_accept(&setup, stream);
    if (connection != NULL) {
        npri_connections_keep(connections, connection);
        connection->counted = true;
        connections->handshakes++;
    }
}

npr_status npri_connections_listen(struct npri_connections *connections,
                                   const char *host,
                                   uint16_t port,
                                   uint16_t *out_port,
                                   struct npr_error *err)
{
    NPRI_ASSERT(connections->listener == NULL);
    return npri_listener_open(connections->loop, host, port, connections_on_accepted, connections,
                              &connections->listener, out_port, err);
}

/* ---- Beginning and end. */

npr_status npri_connections_create(struct npri_loop *loop,
                                   const struct npri_connections_options *options,
                                   struct npri_connections **out,
                                   struct npr_error *err)
{
    struct npri_connections *connections;

    if (options->cookie.size == 0 || options->cookie.size > NPRI_COOKIE_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "a cookie has 1 to %u bytes, not %zu",
                         NPRI_COOKIE_BYTES_MAX, options->cookie.size);
    }
    connections = npri_alloc_zeroed(1, sizeof(*connections));
    if (connections == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for connections");
    }
    connections->loop = loop;
    connections->options = *options;
    memcpy(connections->cookie, options->cookie.data, options->cookie.size);
    connections->options.cookie = npri_bytes(connections->cookie, options->cookie.size);
    if (!npri_slots_init(connections)) {
        npri_free(connections);
        return npri_fail(err, NPR_ENOMEM, "no memory for connections");
    }
    *out = connections;
    return NPR_OK;
}

void npri_connections_destroy(struct npri_connections *connections)
{
    if (connections == NULL) {
        return;
    }
    npri_listener_close(connections->listener);
    npri_slots_fini(connections);
    npri_free(connections);
}

void npri_connections_set_creation(struct npri_connections *connections, uint32_t creation)
{
    connections->options.creation = creation;
}

/* ---- What the user asks for. */

npr_status npri_connections_set_port(struct npri_connections *connections,
                                     const struct npr_node_name *node,
                                     uint16_t port)
{
    struct npri_slot *slot = npri_slot_get(connections, node);

    if (slot == NULL) {
        return NPR_ENOMEM;
    }
    slot->port = port;
    npri_slot_settle(slot);
    return NPR_OK;
}

bool npri_connections_connect(struct npri_connections *connections,
                              const struct npr_node_name *node)
{
    struct npri_slot *slot = npri_slot_get(connections, node);

    if (slot == NULL) {
        return false;
    }
    if (slot->up != NULL) {
        return true;
    }
    npri_slot_start_attempt(slot);
    npri_slot_settle(slot);
    return false;
}

void npri_connections_disconnect(struct npri_connections *connections,
                                 const struct npr_node_name *node,
                                 const char *why)
{
    struct npri_slot *slot = npri_slot_find(connections, node);
    struct npr_error reason;

    if (slot == NULL) {
        return;
    }
    (void)npri_fail(&reason, NPR_ECLOSED, "%s", why);
    if (slot->up != NULL) {
        connections_lose(slot, &reason);
    } else if (slot->attempt != NPRI_ATTEMPT_NONE) {
        npri_slot_fail(slot, &reason);
    }
    npri_slot_settle(slot);
}

/* Keeps a message for a connection that is not up; false when it cannot. */
static bool connections_send_later(struct npri_slot *slot, const struct npri_control *control)
{
    const struct npri_connections *connections = slot->connections;
    const size_t bytes_max = connections->options.queue_bytes_max;

    if (slot->attempt == NPRI_ATTEMPT_NONE &&
        npri_loop_now_ns(connections->loop) < slot->quiet_until_ns) {
        if (!npri_waiting_push(&slot->undelivered, control, bytes_max)) {
            return false;
        }
        npri_slot_set_due(slot);
        return true;
    }
    if (!npri_waiting_push(&slot->waiting, control, bytes_max)) {
        return false;
    }
    npri_slot_start_attempt(slot);
    return true;
}

bool npri_connections_send(struct npri_connections *connections,
                           const struct npr_node_name *node,
                           const struct npri_control *control)
{
    struct npri_slot *slot = npri_slot_get_to_send(connections, node);
    struct npr_error reason;
    npr_status status;
    bool kept;

    if (slot == NULL) {
        return false;
    }
    if (slot->up == NULL) {
        kept = connections_send_later(slot, control);
        npri_slot_settle(slot);
        return kept;
    }
    status = npri_connection_send(slot->up, control, &reason);
    if (status == NPR_EFULL) {
        connections_lose(slot, &reason);
        npri_slot_settle(slot);
    }
    return status == NPR_OK;
}

const struct npri_peer *npri_connections_find(const struct npri_connections *connections,
                                              const struct npr_node_name *node)
{
    const struct npri_slot *slot = npri_slot_find(connections, node);

    return slot == NULL || slot->up == NULL ? NULL : &slot->up->peer;
}

void npri_connections_each(const struct npri_connections *connections,
                           void (*each)(void *user, const struct npri_peer *peer),
                           void *user)
{
    const struct npri_slot *slot = npri_slot_next_up(connections, NULL);

    while (slot != NULL) {
        each(user, &slot->up->peer);
        /* By name, for the table may be another one by now. */
        slot = npri_slot_next_up(connections, &slot->name);
    }
}
