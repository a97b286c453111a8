/* dist/control.h - the control messages of connected nodes, as values.  Pure.
 *
 * Erlang's distribution protocol, "Protocol between Connected Nodes"
 * (https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html).  Reading checks the arity and the
 * type of every field; the trace token of the TT forms is accepted and dropped.  Writing uses the
 * form that the peer's flags ask for. */
#ifndef NPRI_DIST_CONTROL_H
#define NPRI_DIST_CONTROL_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* What a control message means, whichever of its wire forms carried it. */
enum npri_control_kind {
    NPRI_CONTROL_LINK,          /* from, to */
    NPRI_CONTROL_SEND,          /* to (pid), payload; from when the sender was told, else none */
    NPRI_CONTROL_EXIT_LINK,     /* from, to, payload = reason: a link broke */
    NPRI_CONTROL_UNLINK,        /* from, to; id (0: the old form, no ack expected) */
    NPRI_CONTROL_UNLINK_ACK,    /* from, to, id */
    NPRI_CONTROL_REG_SEND,      /* from, to (atom), payload */
    NPRI_CONTROL_GROUP_LEADER,  /* from, to */
    NPRI_CONTROL_EXIT,          /* from, to, payload = reason: exit/2 */
    NPRI_CONTROL_MONITOR,       /* from, to (pid or atom), ref */
    NPRI_CONTROL_DEMONITOR,     /* from, to (pid or atom), ref */
    NPRI_CONTROL_DOWN,          /* from (pid or atom), to, ref, payload = reason */
    NPRI_CONTROL_SPAWN_REQUEST, /* ref, from, leader, mfa {M,F,Arity}, options, payload = arguments
                                 */
    NPRI_CONTROL_SPAWN_REPLY, /* ref, to, id = flags (bit 0 link, bit 1 monitor), result (pid, atom)
                               */
    NPRI_CONTROL_ALIAS_SEND,  /* from, to (ref), payload */
};

/* One control message.  Fields that its kind does not name are "no term".  All terms are borrowed:
 * when read, from the frame (and its scratch). */
struct npri_control {
    enum npri_control_kind kind;
    struct npr_term from;
    struct npr_term to;
    struct npr_term ref;
    struct npr_term leader;
    struct npr_term mfa;
    struct npr_term options;
    struct npr_term result;
    struct npr_term payload;
    uint64_t id;
};

/* The name of a kind for log lines, e.g. "SPAWN_REQUEST". */
const char *npri_control_name(enum npri_control_kind kind);

/* Whether a payload term follows that tuple on the wire.  False for what is no control tuple. */
bool npri_control_wants_payload(struct npr_term tuple);

/* Takes a control tuple apart.  `payload` is what followed it, or "no term"; it is ignored where
 * none is wanted.  Returns NPR_OK or NPR_EPROTO with the fault in `err` (unknown operation, arity,
 * type of a field, missing payload).  Fields said to be a pid, ref or atom can then be had with
 * npr_term_get_pid(), _ref() and _atom(), and `mfa` is two atoms and an integer (any one). */
NPR_NODISCARD npr_status npri_control_read(struct npr_term tuple,
                                           struct npr_term payload,
                                           struct npri_control *out,
                                           struct npr_error *err);

/* Appends the control tuple (no payload, no version byte) in the form for a peer with these
 * effective flags (NPRI_FLAG_*).  All fields of the kind must be set.  True in `*out_has_payload`:
 * `control->payload` must follow. */
void npri_control_write(const struct npri_control *control,
                        uint64_t flags,
                        struct npri_buffer *out,
                        bool *out_has_payload);

#endif /* NPRI_DIST_CONTROL_H */
