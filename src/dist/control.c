#include "dist/control.h"

#include "base/assert.h"
#include "base/fail.h"
#include "dist/flags.h"
#include "term/tag.h"
#include "term/write.h"

/* First element of a control tuple. */
enum op {
    OP_LINK = 1,
    OP_SEND = 2,
    OP_EXIT = 3,
    OP_UNLINK = 4,
    OP_REG_SEND = 6,
    OP_GROUP_LEADER = 7,
    OP_EXIT2 = 8,
    OP_SEND_TT = 12,
    OP_EXIT_TT = 13,
    OP_REG_SEND_TT = 16,
    OP_EXIT2_TT = 18,
    OP_MONITOR_P = 19,
    OP_DEMONITOR_P = 20,
    OP_MONITOR_P_EXIT = 21,
    OP_SEND_SENDER = 22,
    OP_SEND_SENDER_TT = 23,
    OP_PAYLOAD_EXIT = 24,
    OP_PAYLOAD_EXIT_TT = 25,
    OP_PAYLOAD_EXIT2 = 26,
    OP_PAYLOAD_EXIT2_TT = 27,
    OP_PAYLOAD_MONITOR_P_EXIT = 28,
    OP_SPAWN_REQUEST = 29,
    OP_SPAWN_REQUEST_TT = 30,
    OP_SPAWN_REPLY = 31,
    OP_SPAWN_REPLY_TT = 32,
    OP_ALIAS_SEND = 33,
    OP_ALIAS_SEND_TT = 34,
    OP_UNLINK_ID = 35,
    OP_UNLINK_ID_ACK = 36,
    OPS_COUNT,
};

/* An element after the operation: where it goes and what it must be. */
enum field {
    FIELD_UNUSED, /* once a cookie; the empty atom when we write it */
    FIELD_TOKEN,  /* of sequential tracing: dropped */
    FIELD_FROM_PID,
    FIELD_FROM_PID_OR_ATOM,
    FIELD_TO_PID,
    FIELD_TO_ATOM,
    FIELD_TO_PID_OR_ATOM,
    FIELD_TO_REF,
    FIELD_REF,
    FIELD_LEADER,
    FIELD_MFA,
    FIELD_OPTIONS,
    FIELD_RESULT,
    FIELD_FLAGS,
    FIELD_ID,
    FIELD_ID_NOT_0,
    FIELD_REASON,
};

#define FIELDS_MAX 6u

/* The smallest number that OTP refuses as the flags of a SPAWN_REPLY. */
#define SPAWN_REPLY_FLAGS_END (UINT64_C(1) << 27)

/* One wire form of a kind. */
struct form {
    uint8_t kind; /* enum npri_control_kind */
    bool payload;
    uint8_t fields_count; /* 0: no such operation */
    uint8_t fields[FIELDS_MAX];
};

#define FORM(kind_name, with_payload, count, ...)                                                  \
    {                                                                                              \
        .kind = NPRI_CONTROL_##kind_name, .payload = (with_payload), .fields_count = (count),      \
        .fields = {                                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct form forms[OPS_COUNT] = {
    [OP_LINK] = FORM(LINK, false, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_SEND] = FORM(SEND, true, 2, FIELD_UNUSED, FIELD_TO_PID),
    [OP_EXIT] = FORM(EXIT_LINK, false, 3, FIELD_FROM_PID, FIELD_TO_PID, FIELD_REASON),
    [OP_UNLINK] = FORM(UNLINK, false, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_REG_SEND] = FORM(REG_SEND, true, 3, FIELD_FROM_PID, FIELD_UNUSED, FIELD_TO_ATOM),
    [OP_GROUP_LEADER] = FORM(GROUP_LEADER, false, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_EXIT2] = FORM(EXIT, false, 3, FIELD_FROM_PID, FIELD_TO_PID, FIELD_REASON),
    [OP_SEND_TT] = FORM(SEND, true, 3, FIELD_UNUSED, FIELD_TO_PID, FIELD_TOKEN),
    [OP_EXIT_TT] =
        FORM(EXIT_LINK, false, 4, FIELD_FROM_PID, FIELD_TO_PID, FIELD_TOKEN, FIELD_REASON),
    [OP_REG_SEND_TT] =
        FORM(REG_SEND, true, 4, FIELD_FROM_PID, FIELD_UNUSED, FIELD_TO_ATOM, FIELD_TOKEN),
    [OP_EXIT2_TT] = FORM(EXIT, false, 4, FIELD_FROM_PID, FIELD_TO_PID, FIELD_TOKEN, FIELD_REASON),
    [OP_MONITOR_P] = FORM(MONITOR, false, 3, FIELD_FROM_PID, FIELD_TO_PID_OR_ATOM, FIELD_REF),
    [OP_DEMONITOR_P] = FORM(DEMONITOR, false, 3, FIELD_FROM_PID, FIELD_TO_PID_OR_ATOM, FIELD_REF),
    [OP_MONITOR_P_EXIT] =
        FORM(DOWN, false, 4, FIELD_FROM_PID_OR_ATOM, FIELD_TO_PID, FIELD_REF, FIELD_REASON),
    [OP_SEND_SENDER] = FORM(SEND, true, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_SEND_SENDER_TT] = FORM(SEND, true, 3, FIELD_FROM_PID, FIELD_TO_PID, FIELD_TOKEN),
    [OP_PAYLOAD_EXIT] = FORM(EXIT_LINK, true, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_PAYLOAD_EXIT_TT] = FORM(EXIT_LINK, true, 3, FIELD_FROM_PID, FIELD_TO_PID, FIELD_TOKEN),
    [OP_PAYLOAD_EXIT2] = FORM(EXIT, true, 2, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_PAYLOAD_EXIT2_TT] = FORM(EXIT, true, 3, FIELD_FROM_PID, FIELD_TO_PID, FIELD_TOKEN),
    [OP_PAYLOAD_MONITOR_P_EXIT] =
        FORM(DOWN, true, 3, FIELD_FROM_PID_OR_ATOM, FIELD_TO_PID, FIELD_REF),
    [OP_SPAWN_REQUEST] = FORM(SPAWN_REQUEST,
                              true,
                              5,
                              FIELD_REF,
                              FIELD_FROM_PID,
                              FIELD_LEADER,
                              FIELD_MFA,
                              FIELD_OPTIONS),
    [OP_SPAWN_REQUEST_TT] = FORM(SPAWN_REQUEST,
                                 true,
                                 6,
                                 FIELD_REF,
                                 FIELD_FROM_PID,
                                 FIELD_LEADER,
                                 FIELD_MFA,
                                 FIELD_OPTIONS,
                                 FIELD_TOKEN),
    [OP_SPAWN_REPLY] =
        FORM(SPAWN_REPLY, false, 4, FIELD_REF, FIELD_TO_PID, FIELD_FLAGS, FIELD_RESULT),
    [OP_SPAWN_REPLY_TT] = FORM(SPAWN_REPLY,
                               false,
                               5,
                               FIELD_REF,
                               FIELD_TO_PID,
                               FIELD_FLAGS,
                               FIELD_RESULT,
                               FIELD_TOKEN),
    [OP_ALIAS_SEND] = FORM(ALIAS_SEND, true, 2, FIELD_FROM_PID, FIELD_TO_REF),
    [OP_ALIAS_SEND_TT] = FORM(ALIAS_SEND, true, 3, FIELD_FROM_PID, FIELD_TO_REF, FIELD_TOKEN),
    [OP_UNLINK_ID] = FORM(UNLINK, false, 3, FIELD_ID_NOT_0, FIELD_FROM_PID, FIELD_TO_PID),
    [OP_UNLINK_ID_ACK] = FORM(UNLINK_ACK, false, 3, FIELD_ID, FIELD_FROM_PID, FIELD_TO_PID),
};

const char *npri_control_name(enum npri_control_kind kind)
{
    switch (kind) {
    case NPRI_CONTROL_LINK:
        return "LINK";
    case NPRI_CONTROL_SEND:
        return "SEND";
    case NPRI_CONTROL_EXIT_LINK:
        return "EXIT_LINK";
    case NPRI_CONTROL_UNLINK:
        return "UNLINK";
    case NPRI_CONTROL_UNLINK_ACK:
        return "UNLINK_ACK";
    case NPRI_CONTROL_REG_SEND:
        return "REG_SEND";
    case NPRI_CONTROL_GROUP_LEADER:
        return "GROUP_LEADER";
    case NPRI_CONTROL_EXIT:
        return "EXIT";
    case NPRI_CONTROL_MONITOR:
        return "MONITOR";
    case NPRI_CONTROL_DEMONITOR:
        return "DEMONITOR";
    case NPRI_CONTROL_DOWN:
        return "DOWN";
    case NPRI_CONTROL_SPAWN_REQUEST:
        return "SPAWN_REQUEST";
    case NPRI_CONTROL_SPAWN_REPLY:
        return "SPAWN_REPLY";
    case NPRI_CONTROL_ALIAS_SEND:
        return "ALIAS_SEND";
    }
    return "UNKNOWN";
}

/* ---- Reading. */

/* The form of a tuple and a walk that stands at its first field; NULL when there is none. */
static const struct form *form_of(struct npr_term tuple,
                                  struct npr_term_walk *out_walk,
                                  uint32_t *out_arity)
{
    struct npr_term first;
    uint64_t op;

    if (!npr_term_tuple(tuple, out_walk, out_arity) || !npr_term_next(out_walk, &first) ||
        !npr_term_get_uint64(first, &op) || op >= OPS_COUNT || forms[op].fields_count == 0) {
        return NULL;
    }
    return &forms[op];
}

/* In normal form a node's name of up to 255 bytes is a SMALL_ATOM_UTF8_EXT: that alone decides
 * whether npr_term_get_pid() and _ref() succeed, and nothing has to be copied to know it. */
static bool is_pid(struct npr_term term)
{
    return npr_term_kind(term) == NPR_TERM_PID && term.data[1] == NPRI_TAG_SMALL_ATOM_UTF8;
}

static bool is_ref(struct npr_term term)
{
    return npr_term_kind(term) == NPR_TERM_REF && term.data[3] == NPRI_TAG_SMALL_ATOM_UTF8;
}

static bool is_atom(struct npr_term term)
{
    return npr_term_kind(term) == NPR_TERM_ATOM;
}

static bool is_mfa(struct npr_term term)
{
    struct npr_term mfa[3];
    int64_t arity;

    return npr_term_get_tuple(term, 3, mfa) && is_atom(mfa[0]) && is_atom(mfa[1]) &&
           npr_term_get_int64(mfa[2], &arity);
}

/* Stores one field; false when it is of the wrong type. */
static bool take_field(enum field field, struct npr_term term, struct npri_control *out)
{
    switch (field) {
    case FIELD_UNUSED:
    case FIELD_TOKEN:
        return true;
    case FIELD_FROM_PID:
        out->from = term;
        return is_pid(term);
    case FIELD_FROM_PID_OR_ATOM:
        out->from = term;
        return is_pid(term) || is_atom(term);
    case FIELD_TO_PID:
        out->to = term;
        return is_pid(term);
    case FIELD_TO_ATOM:
        out->to = term;
        return is_atom(term);
    case FIELD_TO_PID_OR_ATOM:
        out->to = term;
        return is_pid(term) || is_atom(term);
    case FIELD_TO_REF:
        out->to = term;
        return is_ref(term);
    case FIELD_REF:
        out->ref = term;
        return is_ref(term);
    case FIELD_LEADER:
        out->leader = term;
        return is_pid(term);
    case FIELD_MFA:
        out->mfa = term;
        return is_mfa(term);
    case FIELD_OPTIONS:
        out->options = term; /* Bad ones are answered with badopt. */
        return true;
    case FIELD_RESULT:
        out->result = term;
        return is_pid(term) || is_atom(term);
    case FIELD_FLAGS:
        return npr_term_get_uint64(term, &out->id) && out->id < SPAWN_REPLY_FLAGS_END;
    case FIELD_ID:
        return npr_term_get_uint64(term, &out->id);
    case FIELD_ID_NOT_0:
        return npr_term_get_uint64(term, &out->id) && out->id != 0;
    case FIELD_REASON:
        out->payload = term;
        return true;
    }
    return false;
}

bool npri_control_wants_payload(struct npr_term tuple)
{
    struct npr_term_walk walk;
    uint32_t arity;
    const struct form *form = form_of(tuple, &walk, &arity);

    return form != NULL && form->payload;
}

npr_status npri_control_read(struct npr_term tuple,
                             struct npr_term payload,
                             struct npri_control *out,
                             struct npr_error *err)
{
    struct npri_control control = {0};
    struct npr_term_walk walk;
    struct npr_term field;
    uint32_t arity;
    const struct form *form = form_of(tuple, &walk, &arity);

    if (form == NULL) {
        return npri_fail(err, NPR_EPROTO, "control message of an unknown form");
    }
    control.kind = form->kind;
    if (arity != 1u + form->fields_count) {
        return npri_fail(err, NPR_EPROTO, "control message %s (%u) with %u elements",
                         npri_control_name(control.kind), (unsigned)(form - forms),
                         (unsigned)arity);
    }
    for (unsigned i = 0; i < form->fields_count; i++) {
        if (!npr_term_next(&walk, &field) || !take_field(form->fields[i], field, &control)) {
            return npri_fail(err, NPR_EPROTO, "control message %s (%u): element %u is ill-typed",
                             npri_control_name(control.kind), (unsigned)(form - forms), i + 2);
        }
    }
    if (form->payload) {
        if (payload.data == NULL) {
            return npri_fail(err, NPR_EPROTO, "control message %s (%u) without its payload",
                             npri_control_name(control.kind), (unsigned)(form - forms));
        }
        control.payload = payload;
    }
    *out = control;
    return NPR_OK;
}

/* ---- Writing. */

static enum op op_for(const struct npri_control *control, uint64_t flags)
{
    const bool reason_follows = (flags & NPRI_FLAG_EXIT_PAYLOAD) != 0;

    switch (control->kind) {
    case NPRI_CONTROL_LINK:
        return OP_LINK;
    case NPRI_CONTROL_SEND:
        return (flags & NPRI_FLAG_SEND_SENDER) != 0 && control->from.data != NULL ? OP_SEND_SENDER
                                                                                  : OP_SEND;
    case NPRI_CONTROL_EXIT_LINK:
        return reason_follows ? OP_PAYLOAD_EXIT : OP_EXIT;
    case NPRI_CONTROL_UNLINK:
        return (flags & NPRI_FLAG_UNLINK_ID) != 0 && control->id != 0 ? OP_UNLINK_ID : OP_UNLINK;
    case NPRI_CONTROL_UNLINK_ACK:
        return OP_UNLINK_ID_ACK;
    case NPRI_CONTROL_REG_SEND:
        return OP_REG_SEND;
    case NPRI_CONTROL_GROUP_LEADER:
        return OP_GROUP_LEADER;
    case NPRI_CONTROL_EXIT:
        return reason_follows ? OP_PAYLOAD_EXIT2 : OP_EXIT2;
    case NPRI_CONTROL_MONITOR:
        return OP_MONITOR_P;
    case NPRI_CONTROL_DEMONITOR:
        return OP_DEMONITOR_P;
    case NPRI_CONTROL_DOWN:
        return reason_follows ? OP_PAYLOAD_MONITOR_P_EXIT : OP_MONITOR_P_EXIT;
    case NPRI_CONTROL_SPAWN_REQUEST:
        return OP_SPAWN_REQUEST;
    case NPRI_CONTROL_SPAWN_REPLY:
        return OP_SPAWN_REPLY;
    case NPRI_CONTROL_ALIAS_SEND:
        return OP_ALIAS_SEND;
    }
    NPRI_ASSERT(false && "a kind of control message");
    return OP_LINK;
}

static void put_term(struct npr_term term, struct npri_buffer *out)
{
    NPRI_ASSERT(term.data != NULL);
    npri_put_term(out, term);
}

static void put_field(const struct npri_control *control, enum field field, struct npri_buffer *out)
{
    switch (field) {
    case FIELD_UNUSED:
        npri_put_atom(out, "");
        return;
    case FIELD_TOKEN:
        break; /* The forms with a token are only read. */
    case FIELD_FROM_PID:
    case FIELD_FROM_PID_OR_ATOM:
        put_term(control->from, out);
        return;
    case FIELD_TO_PID:
    case FIELD_TO_ATOM:
    case FIELD_TO_PID_OR_ATOM:
    case FIELD_TO_REF:
        put_term(control->to, out);
        return;
    case FIELD_REF:
        put_term(control->ref, out);
        return;
    case FIELD_LEADER:
        put_term(control->leader, out);
        return;
    case FIELD_MFA:
        put_term(control->mfa, out);
        return;
    case FIELD_OPTIONS:
        put_term(control->options, out);
        return;
    case FIELD_RESULT:
        put_term(control->result, out);
        return;
    case FIELD_FLAGS:
    case FIELD_ID:
    case FIELD_ID_NOT_0:
        npri_put_uint(out, control->id);
        return;
    case FIELD_REASON:
        put_term(control->payload, out);
        return;
    }
    NPRI_ASSERT(false && "a field that is written");
}

void npri_control_write(const struct npri_control *control,
                        uint64_t flags,
                        struct npri_buffer *out,
                        bool *out_has_payload)
{
    const enum op op = op_for(control, flags);
    const struct form *form = &forms[op];

    NPRI_ASSERT(!form->payload || control->payload.data != NULL);
    npri_put_tuple(out, 1u + form->fields_count);
    npri_put_uint(out, op);
    for (unsigned i = 0; i < form->fields_count; i++) {
        put_field(control, form->fields[i], out);
    }
    *out_has_payload = form->payload;
}
