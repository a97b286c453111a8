/* node/slots.h - what node/connections.c, slots.c and dialler.c share: a slot per node name, with
 * the one connection that is up, our attempt to make one, and what waits for it.  Loop thread only.
 *
 * An attempt of ours:
 *
 *      NONE --start--> LOOKING_UP --port--> DIALLING --up--> NONE
 *        |                |                   |  ^
 *        |                |                   v  |
 *        +----------------+--------------> AWAITING     theirs is under way, or promised ("nok")
 *
 *      any of them --failed, deadline--> NONE, and quiet for a moment
 *
 * Invariants:
 *   S1  up != NULL implies attempt == NONE and nothing waiting
 *   S2  while a peer's own attempt is under way (incoming > 0) we do not dial it: it would take our
 *       attempt for a simultaneous one and give up its own, which we may have finished by then
 *   S3  users are told only from npri_connections' own callbacks on the loop, never from inside
 *       their own call: what is to be told is noted in the slot, and the slot is due */
#ifndef NPRI_NODE_SLOTS_H
#define NPRI_NODE_SLOTS_H

#include "base/limits.h"
#include "node/connection.h"
#include "node/connections.h"
#include "node/epmd.h"
#include "node/waiting.h"

enum npri_slot_attempt {
    NPRI_ATTEMPT_NONE,
    NPRI_ATTEMPT_LOOKING_UP,
    NPRI_ATTEMPT_DIALLING,
    NPRI_ATTEMPT_AWAITING,
};

struct npri_slot {
    struct npri_connections *connections;
    struct npr_node_name name;
    uint16_t port; /* where it always is; 0: ask epmd */

    struct npri_connection *up;
    uint32_t incoming; /* the peer's attempts that we allowed and that are in handshake */

    enum npri_slot_attempt attempt;
    struct npri_epmd_lookup *lookup; /* LOOKING_UP */
    struct npri_connection *dialled; /* DIALLING */
    uint64_t deadline_ns;            /* of the attempt */
    uint64_t redial_ns;              /* AWAITING: when to try again ourselves */
    uint32_t dials_left;             /* of the attempt */
    uint64_t quiet_until_ns;         /* after a failure: messages do not start an attempt */
    struct npri_timer *timer;        /* AWAITING and quiet */
    struct npri_waiting waiting;

    /* What the user is yet to be told, in this order. */
    bool down_due; /* of a connection that was up */
    struct npr_error down_reason;
    struct npri_waiting undelivered;
    bool failed_due; /* of an attempt */
    struct npr_error failed_reason;
    bool due;
    struct npri_slot *due_next; /* also links removed slots */
};

struct npri_connections {
    struct npri_loop *loop;
    struct npri_connections_options options; /* its cookie is the copy below */
    uint8_t cookie[NPRI_COOKIE_BYTES_MAX];
    struct npri_listener *listener;

    struct npri_slot **slots; /* in order of name */
    size_t slots_count;
    size_t slots_capacity;

    struct npri_connection *live;
    uint32_t handshakes;        /* of accepted streams, in progress */
    uint64_t refused_logged_ns; /* the last line about too many of them */
    uint32_t refused;           /* dropped for others since that line */

    struct npri_timer *soon; /* tells what is due, frees what is gone */
    struct npri_slot *due;
    struct npri_slot **due_last;
    struct npri_slot *removed;
    struct npri_connection *closed;
};

/* ---- slots.c: the table, and telling the user. */

struct npri_slot *npri_slot_find(const struct npri_connections *connections,
                                 const struct npr_node_name *name);

/* NULL: no memory, or NPRI_VIEW_NODES_MAX names already. */
struct npri_slot *npri_slot_get(struct npri_connections *connections,
                                const struct npr_node_name *name);

/* The same for a message to a node that we may have no connection with.  NULL, too: as many nodes
 * as may be are being dialled.  Names to write to come from anyone; they must not use up all slots.
 */
struct npri_slot *npri_slot_get_to_send(struct npri_connections *connections,
                                        const struct npr_node_name *name);

/* The first slot after `name` in order that has a connection up; NULL name: the very first. */
struct npri_slot *npri_slot_next_up(const struct npri_connections *connections,
                                    const struct npr_node_name *name);

/* Sets the slot's timer, or removes the slot when nothing needs it.  To be called last by whatever
 * changed it; a removed slot stays readable until the loop's turn ends. */
void npri_slot_settle(struct npri_slot *slot);

/* Notes that its connection, which was up, is gone. */
void npri_slot_note_down(struct npri_slot *slot, const struct npr_error *reason);

/* The slot has something to tell. */
void npri_slot_set_due(struct npri_slot *slot);

/* Tells the user what is due of this slot.  From the loop only (S3). */
void npri_slot_tell(struct npri_slot *slot);

/* Creates `soon`. */
NPR_NODISCARD bool npri_slots_init(struct npri_connections *connections);
void npri_slots_fini(struct npri_connections *connections);

/* Keeps a connection in the list of the live ones, or closes it and frees it later. */
void npri_connections_keep(struct npri_connections *connections,
                           struct npri_connection *connection);
void npri_connections_drop(struct npri_connections *connections,
                           struct npri_connection *connection);

/* One log line: `event` and its keys; node, address and reason are left out when NULL. */
struct npri_log_entry {
    int level;
    const char *event;
    const struct npr_node_name *node;
    const struct npri_connection *connection;
    const struct npr_error *reason;
};
void npri_connections_log(const struct npri_connections *connections,
                          const struct npri_log_entry *entry);

/* ---- dialler.c: our attempts. */

/* Starts one unless one is under way; not while up. */
void npri_slot_start_attempt(struct npri_slot *slot);

/* Ends ours without a word, since another connection takes its place: NONE. */
void npri_slot_stop_attempt(struct npri_slot *slot);

/* Ours, if any, gives way to the peer's: AWAITING. */
void npri_slot_give_way(struct npri_slot *slot);

/* Ends it (or none) as failed: what waited is undelivered, the user will be told. */
void npri_slot_fail(struct npri_slot *slot, const struct npr_error *reason);

/* The connection that we dialled (still in `dialled`) has closed, not having been up. */
void npri_slot_on_dialled_closed(struct npri_slot *slot,
                                 bool told_nok,
                                 const struct npr_error *reason);

/* One of the peer's attempts has ended, not having been up. */
void npri_slot_on_incoming_closed(struct npri_slot *slot, const struct npr_error *reason);

/* Its timer. */
void npri_slot_on_timer(void *user);

/* How connections that it dials are set up; defined in connections.c. */
struct npri_connection_setup npri_connections_setup(struct npri_connections *connections,
                                                    uint64_t deadline_ns);

#endif /* NPRI_NODE_SLOTS_H */
