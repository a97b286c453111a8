/* Our attempts to connect to a node; see the diagram in node/slots.h. */
#include <inttypes.h>

#include "nprocreg/node.h"

#include "base/assert.h"
#include "base/fail.h"
#include "node/slots.h"

#define NS_PER_MS UINT64_C(1000000)

/* After a failed attempt, messages do not start another one for that long. */
#define QUIET_NS (500 * NS_PER_MS)

/* An attempt dials that often at most: again when the peer's own one, for which it gave way or was
 * turned down, does not come or breaks. */
#define DIALS_MAX 4u

/* Of the time for an attempt, the part that we wait for the peer's own before we dial again. */
#define REDIAL_PART 8u

static void slot_dial(struct npri_slot *slot);

static uint64_t slot_now_ns(const struct npri_slot *slot)
{
    return npri_loop_now_ns(slot->connections->loop);
}

/* Ends the steps of the attempt, whichever are under way. */
static void slot_clear_attempt(struct npri_slot *slot)
{
    struct npri_connection *dialled = slot->dialled;

    npri_epmd_lookup_cancel(slot->lookup);
    slot->lookup = NULL;
    slot->dialled = NULL;
    if (dialled != NULL) {
        npri_connections_drop(slot->connections, dialled);
    }
    slot->attempt = NPRI_ATTEMPT_NONE;
}

void npri_slot_stop_attempt(struct npri_slot *slot)
{
    slot_clear_attempt(slot);
    slot->quiet_until_ns = 0;
}

/* What the peer, the network or the other side's set-up did wrong deserves a warning; a node that
 * is simply not there does not: its user asks for it again and again. */
static int failure_level(npr_status status)
{
    return status == NPR_EUNREACHABLE || status == NPR_ENOTFOUND || status == NPR_ETIMEDOUT ||
                   status == NPR_ECLOSED || status == NPR_EIO
               ? NPR_LOG_DEBUG
               : NPR_LOG_WARNING;
}

void npri_slot_fail(struct npri_slot *slot, const struct npr_error *reason)
{
    npri_connections_log(slot->connections,
                         &(struct npri_log_entry){.level = failure_level(reason->status),
                                                  .event = "connection_failed",
                                                  .node = &slot->name,
                                                  .connection = slot->dialled,
                                                  .reason = reason});
    slot->failed_reason = *reason;
    slot->failed_due = true;
    slot_clear_attempt(slot);
    slot->quiet_until_ns = slot_now_ns(slot) + QUIET_NS;
    npri_waiting_move(&slot->undelivered, &slot->waiting);
    npri_slot_set_due(slot);
}

/* The peer's own attempt is to come, or under way. */
static void slot_await(struct npri_slot *slot)
{
    slot->attempt = NPRI_ATTEMPT_AWAITING;
    slot->redial_ns = slot_now_ns(slot) + slot->connections->options.handshake_ns_max / REDIAL_PART;
}

void npri_slot_give_way(struct npri_slot *slot)
{
    if (slot->attempt != NPRI_ATTEMPT_NONE) {
        slot_clear_attempt(slot);
        slot_await(slot);
    }
}

/* ---- The steps. */

static void slot_dial_port(struct npri_slot *slot, uint16_t port)
{
    struct npri_connection_setup setup =
        npri_connections_setup(slot->connections, slot->deadline_ns);
    struct npri_connection *dialled = NULL;
    struct npr_error reason;

    if (npri_connection_dial(&setup, &slot->name, port, &dialled, &reason) != NPR_OK) {
        npri_slot_fail(slot, &reason);
        return;
    }
    dialled->slot = slot;
    npri_connections_keep(slot->connections, dialled);
    slot->dialled = dialled;
    slot->attempt = NPRI_ATTEMPT_DIALLING;
}

static void slot_on_looked_up(void *user,
                              npr_status status,
                              uint16_t port,
                              const struct npr_error *error)
{
    struct npri_slot *slot = user;
    struct npr_error reason;

    NPRI_ASSERT(slot->attempt == NPRI_ATTEMPT_LOOKING_UP);
    slot->lookup = NULL;
    if (status == NPR_OK) {
        slot_dial_port(slot, port);
    } else {
        reason = *error;
        npri_slot_fail(slot, &reason);
    }
    npri_slot_settle(slot);
}

static void slot_dial(struct npri_slot *slot)
{
    struct npr_error reason;

    slot->dials_left--;
    if (slot->port != 0) {
        slot_dial_port(slot, slot->port);
        return;
    }
    slot->attempt = NPRI_ATTEMPT_LOOKING_UP;
    if (npri_epmd_lookup_start(slot->connections->loop, &slot->name, slot->deadline_ns,
                               slot_on_looked_up, slot, &slot->lookup, &reason) != NPR_OK) {
        npri_slot_fail(slot, &reason);
    }
}

void npri_slot_start_attempt(struct npri_slot *slot)
{
    const struct npri_connections *connections = slot->connections;
    struct npr_error reason;

    NPRI_ASSERT(slot->up == NULL);
    if (slot->attempt != NPRI_ATTEMPT_NONE) {
        return;
    }
    slot->deadline_ns = slot_now_ns(slot) + connections->options.handshake_ns_max;
    slot->dials_left = DIALS_MAX;
    if (npr_node_name_equal(&slot->name, &connections->options.self)) {
        (void)npri_fail(&reason, NPR_EINVAL, "that is the name of this node itself");
        npri_slot_fail(slot, &reason);
    } else if (slot->incoming > 0) {
        slot_await(slot); /* S2 */
    } else {
        slot_dial(slot);
    }
}

/* ---- What becomes of them. */

void npri_slot_on_dialled_closed(struct npri_slot *slot,
                                 bool told_nok,
                                 const struct npr_error *reason)
{
    if (told_nok || slot->incoming > 0) {
        slot_clear_attempt(slot);
        slot_await(slot);
    } else {
        npri_slot_fail(slot, reason);
    }
}

void npri_slot_on_incoming_closed(struct npri_slot *slot, const struct npr_error *reason)
{
    if (slot->attempt != NPRI_ATTEMPT_AWAITING || slot->incoming > 0) {
        return;
    }
    if (slot->dials_left == 0) {
        npri_slot_fail(slot, reason);
    } else {
        slot_dial(slot);
    }
}

void npri_slot_on_timer(void *user)
{
    struct npri_slot *slot = user;
    const uint64_t now_ns = slot_now_ns(slot);
    struct npr_error reason;

    if (slot->attempt == NPRI_ATTEMPT_AWAITING) {
        if (now_ns >= slot->deadline_ns) {
            (void)npri_fail(&reason, NPR_ETIMEDOUT,
                            "its own attempt to connect did not end within %" PRIu64 " ms",
                            slot->connections->options.handshake_ns_max / NS_PER_MS);
            npri_slot_fail(slot, &reason);
        } else if (now_ns >= slot->redial_ns && slot->incoming == 0) {
            if (slot->dials_left > 0) {
                slot_dial(slot);
            } else {
                slot->redial_ns = UINT64_MAX;
            }
        }
    }
    npri_slot_settle(slot);
}
