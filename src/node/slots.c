#include "node/slots.h"

#include <stdio.h>

#include "nprocreg/node.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

#define SLOTS_CAPACITY_MIN 16u
#define LOG_LINE_BYTES     1024u

/* ---- The table: an array in order of name.  Names are few (one per node), found often. */

static struct npr_bytes name_bytes(const struct npr_node_name *name)
{
    return npri_bytes(name->text, name->size);
}

/* The first index whose name is not before `name`. */
static size_t slots_lower_bound(const struct npri_connections *connections,
                                const struct npr_node_name *name)
{
    size_t low = 0;
    size_t high = connections->slots_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (npri_bytes_compare(name_bytes(&connections->slots[middle]->name), name_bytes(name)) <
            0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct npri_slot *npri_slot_find(const struct npri_connections *connections,
                                 const struct npr_node_name *name)
{
    const size_t index = slots_lower_bound(connections, name);

    if (index == connections->slots_count ||
        !npr_node_name_equal(&connections->slots[index]->name, name)) {
        return NULL;
    }
    return connections->slots[index];
}

static bool slots_reserve(struct npri_connections *connections)
{
    size_t capacity = connections->slots_capacity;
    struct npri_slot **slots;

    if (connections->slots_count < capacity) {
        return true;
    }
    capacity = capacity == 0 ? SLOTS_CAPACITY_MIN : 2 * capacity;
    slots = npri_realloc(connections->slots, capacity * sizeof(struct npri_slot *));
    if (slots == NULL) {
        return false;
    }
    connections->slots = slots;
    connections->slots_capacity = capacity;
    return true;
}

struct npri_slot *npri_slot_get(struct npri_connections *connections,
                                const struct npr_node_name *name)
{
    const size_t index = slots_lower_bound(connections, name);
    struct npri_slot *slot = npri_slot_find(connections, name);

    if (slot != NULL) {
        return slot;
    }
    if (connections->slots_count == NPRI_VIEW_NODES_MAX || !slots_reserve(connections)) {
        return NULL;
    }
    slot = npri_alloc_zeroed(1, sizeof(*slot));
    if (slot == NULL) {
        return NULL;
    }
    slot->timer = npri_timer_create(connections->loop, npri_slot_on_timer, slot);
    if (slot->timer == NULL) {
        npri_free(slot);
        return NULL;
    }
    slot->connections = connections;
    slot->name = *name;
    memmove(connections->slots + index + 1, connections->slots + index,
            (connections->slots_count - index) * sizeof(struct npri_slot *));
    connections->slots[index] = slot;
    connections->slots_count++;
    return slot;
}

struct npri_slot *npri_slot_get_to_send(struct npri_connections *connections,
                                        const struct npr_node_name *name)
{
    struct npri_slot *slot = npri_slot_find(connections, name);
    size_t down_count = 0;

    if (slot != NULL) {
        return slot;
    }
    for (size_t i = 0; i < connections->slots_count; i++) {
        down_count += connections->slots[i]->up == NULL && connections->slots[i]->port == 0 ? 1 : 0;
    }
    return down_count >= NPRI_NAMED_NODES_MAX ? NULL : npri_slot_get(connections, name);
}

struct npri_slot *npri_slot_next_up(const struct npri_connections *connections,
                                    const struct npr_node_name *name)
{
    size_t index = name == NULL ? 0 : slots_lower_bound(connections, name);

    if (name != NULL && index < connections->slots_count &&
        npr_node_name_equal(&connections->slots[index]->name, name)) {
        index++;
    }
    while (index < connections->slots_count && connections->slots[index]->up == NULL) {
        index++;
    }
    return index == connections->slots_count ? NULL : connections->slots[index];
}

static void connections_wake_soon(struct npri_connections *connections)
{
    npri_timer_set(connections->soon, 0);
}

static void slot_remove(struct npri_slot *slot)
{
    struct npri_connections *connections = slot->connections;
    const size_t index = slots_lower_bound(connections, &slot->name);

    NPRI_ASSERT(connections->slots[index] == slot);
    connections->slots_count--;
    memmove(connections->slots + index, connections->slots + index + 1,
            (connections->slots_count - index) * sizeof(struct npri_slot *));
    npri_timer_destroy(slot->timer);
    slot->timer = NULL;
    slot->due_next = connections->removed;
    connections->removed = slot;
    connections_wake_soon(connections);
}

void npri_slot_settle(struct npri_slot *slot)
{
    uint64_t wake_ns = UINT64_MAX;

    if (slot->timer == NULL) {
        return; /* Removed already. */
    }
    NPRI_ASSERT(slot->up == NULL || slot->attempt == NPRI_ATTEMPT_NONE); /* S1 */
    if (slot->attempt == NPRI_ATTEMPT_AWAITING) {
        wake_ns = slot->incoming > 0 || slot->redial_ns > slot->deadline_ns ? slot->deadline_ns
                                                                            : slot->redial_ns;
    } else if (slot->attempt == NPRI_ATTEMPT_NONE && slot->up == NULL) {
        if (npri_loop_now_ns(slot->connections->loop) < slot->quiet_until_ns) {
            wake_ns = slot->quiet_until_ns;
        } else if (slot->incoming == 0 && slot->port == 0 && !slot->due) {
            slot_remove(slot);
            return;
        }
    }
    npri_timer_set(slot->timer, wake_ns);
}

/* ---- Telling the user. */

void npri_slot_set_due(struct npri_slot *slot)
{
    struct npri_connections *connections = slot->connections;

    if (!slot->due) {
        slot->due = true;
        slot->due_next = NULL;
        *connections->due_last = slot;
        connections->due_last = &slot->due_next;
        connections_wake_soon(connections);
    }
}

void npri_slot_note_down(struct npri_slot *slot, const struct npr_error *reason)
{
    NPRI_ASSERT(!slot->down_due); /* The one before was told when this one came up. */
    slot->down_due = true;
    slot->down_reason = *reason;
    npri_slot_set_due(slot);
}

void npri_slot_tell(struct npri_slot *slot)
{
    const struct npri_connections_events *events = &slot->connections->options.events;
    void *user = slot->connections->options.user;
    struct npri_waiting undelivered = {.first = NULL};
    struct npri_waiting_message *message;
    struct npr_error reason;

    if (slot->down_due) {
        reason = slot->down_reason;
        slot->down_due = false;
        events->down(user, &slot->name, true, &reason);
    }
    npri_waiting_move(&undelivered, &slot->undelivered);
    message = npri_waiting_take(&undelivered);
    while (message != NULL) {
        events->undelivered(user, &slot->name, &message->control);
        npri_waiting_message_free(message);
        message = npri_waiting_take(&undelivered);
    }
    if (slot->failed_due) {
        reason = slot->failed_reason;
        slot->failed_due = false;
        events->down(user, &slot->name, false, &reason);
    }
}

static void slot_free(struct npri_slot *slot)
{
    npri_epmd_lookup_cancel(slot->lookup);
    npri_timer_destroy(slot->timer);
    npri_waiting_fini(&slot->waiting);
    npri_waiting_fini(&slot->undelivered);
    npri_free(slot);
}

/* Frees what earlier turns of the loop have left: nobody can look at it any more. */
static void connections_reap(struct npri_connections *connections)
{
    while (connections->closed != NULL) {
        struct npri_connection *connection = connections->closed;

        connections->closed = connection->next;
        npri_connection_destroy(connection);
    }
    while (connections->removed != NULL) {
        struct npri_slot *slot = connections->removed;

        connections->removed = slot->due_next;
        slot_free(slot);
    }
}

static void connections_on_soon(void *user)
{
    struct npri_connections *connections = user;
    struct npri_slot *slot = connections->due;

    connections_reap(connections);
    /* What becomes due meanwhile has its turn in the next one. */
    connections->due = NULL;
    connections->due_last = &connections->due;
    while (slot != NULL) {
        struct npri_slot *next = slot->due_next;

        npri_slot_tell(slot); /* Being due still, it is not removed meanwhile. */
        slot->due = false;
        if (slot->down_due || slot->failed_due || slot->undelivered.first != NULL) {
            npri_slot_set_due(slot);
        }
        npri_slot_settle(slot);
        slot = next;
    }
}

bool npri_slots_init(struct npri_connections *connections)
{
    connections->due_last = &connections->due;
    connections->soon = npri_timer_create(connections->loop, connections_on_soon, connections);
    return connections->soon != NULL;
}

void npri_slots_fini(struct npri_connections *connections)
{
    while (connections->live != NULL) {
        npri_connections_drop(connections, connections->live);
    }
    connections_reap(connections);
    for (size_t i = 0; i < connections->slots_count; i++) {
        slot_free(connections->slots[i]);
    }
    npri_free(connections->slots);
    npri_timer_destroy(connections->soon);
}

/* ---- The connections themselves. */

void npri_connections_keep(struct npri_connections *connections, struct npri_connection *connection)
{
    connection->next = connections->live;
    if (connections->live != NULL) {
        connections->live->previous = connection;
    }
    connections->live = connection;
}

void npri_connections_drop(struct npri_connections *connections, struct npri_connection *connection)
{
    npri_connection_close(connection);
    if (connection->previous == NULL) {
        connections->live = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    connection->next = connections->closed;
    connections->closed = connection;
    connections_wake_soon(connections);
}

/* ---- Log lines. */

/* Adds to the line what fits.  Text may come from a peer: quotes and control characters become
 * question marks, so that a line stays one line and a value one value. */
static void line_add(char line[LOG_LINE_BYTES],
                     const char *key,
                     const char *quote,
                     const char *text)
{
    size_t at = strlen(line);

    (void)snprintf(line + at, LOG_LINE_BYTES - at, " %s=%s", key, quote);
    at = strlen(line);
    for (; *text != '\0' && at + 2 < LOG_LINE_BYTES; text++) {
        const unsigned char c = (unsigned char)*text;
        const bool plain = c >= ' ' && c != 0x7f && c != '"';

        line[at] = '?';
        if (plain) {
            line[at] = *text;
        }
        at++;
    }
    (void)snprintf(line + at, LOG_LINE_BYTES - at, "%s", quote);
}

void npri_connections_log(const struct npri_connections *connections,
                          const struct npri_log_entry *entry)
{
    const struct npri_connection *connection = entry->connection;
    char line[LOG_LINE_BYTES];
    char name[NPR_NODE_NAME_BYTES_MAX + 1];

    if (connections->options.events.log == NULL) {
        return;
    }
    (void)snprintf(line, sizeof(line), "%s", entry->event);
    if (entry->node != NULL) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)entry->node->size, entry->node->text);
        line_add(line, "node", "", name);
    }
    if (connection != NULL) {
        line_add(line, "address", "", connection->address);
        line_add(line, "direction", "", connection->peer.incoming ? "in" : "out");
    }
    if (entry->reason != NULL) {
        line_add(line, "status", "", npr_status_name(entry->reason->status));
        line_add(line, "reason", "\"", entry->reason->text);
    }
    connections->options.events.log(connections->options.user, entry->level, line);
}
