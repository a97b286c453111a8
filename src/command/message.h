/* command/message.h - what a node and a child program tell each other, as bytes.  Pure: no I/O,
 * clock or threads.
 *
 * Every message is a map with names, on both wires (docs/commands.md); each wire is a way to write
 * terms:  json: a line;  packet4: 4 bytes of length, 131, the term.
 *
 *   to the child                                        from it
 *   -------------------------------------------------   ---------------------------------
 *   {"start":{"args":[..],"key":Key,"token":N}}  first  {"started":true}, {"failed":Reason}
 *   {"call":N,"request":Term}                           {"reply":N,"value":Term}
 *   {"cast":Term}, {"info":Term}                        {"send":To,"message":Term}
 *                                                       {"exit":Reason} */
#ifndef NPRI_COMMAND_MESSAGE_H
#define NPRI_COMMAND_MESSAGE_H

#include "nprocreg/command.h"

#include "base/bytes.h"

enum npri_to_child_kind {
    NPRI_TO_CHILD_START,
    NPRI_TO_CHILD_CALL,
    NPRI_TO_CHILD_CAST,
    NPRI_TO_CHILD_INFO,
};

struct npri_to_child {
    enum npri_to_child_kind kind;
    uint64_t number;      /* of a CALL; the token of a START with a key */
    struct npr_term key;  /* of a START; may be none */
    struct npr_term term; /* the arguments, request or message */
};

/* Appends one whole message.  Returns NPR_OK, NPR_EFULL (over `bytes_max`) or NPR_ENOMEM; then
 * `out` is as it was. */
NPR_NODISCARD npr_status npri_to_child_write(const struct npri_to_child *message,
                                             enum npr_command_wire wire,
                                             size_t bytes_max,
                                             struct npri_buffer *out);

enum npri_from_child_kind {
    NPRI_FROM_CHILD_NONE, /* more bytes are needed */
    NPRI_FROM_CHILD_STARTED,
    NPRI_FROM_CHILD_FAILED,
    NPRI_FROM_CHILD_REPLY,
    NPRI_FROM_CHILD_SEND,
    NPRI_FROM_CHILD_EXIT,
};

struct npri_from_child {
    enum npri_from_child_kind kind;
    uint64_t number;      /* of a REPLY */
    struct npr_term to;   /* of a SEND: a pid or an atom, a name */
    struct npr_term node; /* of a SEND to a name elsewhere: an atom */
    struct npr_term term; /* the reason, value or message */
};

/* Bytes of a child on their way to messages.  A zeroed one with its first two fields set is empty.
 */
struct npri_from_child_reader {
    enum npr_command_wire wire;
    size_t message_bytes_max;
    struct npri_buffer bytes; /* from `from` on: not read yet */
    size_t from;
    size_t looked;           /* at, for the end of a line: from `from` on */
    struct npri_buffer room; /* of the terms given out */
};

void npri_from_child_fini(struct npri_from_child_reader *reader);

/* Takes over what has been received.  False: no memory, nothing is taken. */
NPR_NODISCARD bool npri_from_child_feed(struct npri_from_child_reader *reader,
                                        struct npr_bytes bytes);

/* The next message, or NONE.  Its terms live until the next call.  Returns NPR_OK, NPR_ESYNTAX (no
 * such message; `err` says why), NPR_EFULL (larger than allowed) or NPR_ENOMEM (call again).  After
 * ESYNTAX and EFULL what follows makes no sense any more. */
NPR_NODISCARD npr_status npri_from_child_next(struct npri_from_child_reader *reader,
                                              struct npri_from_child *out,
                                              struct npr_error *err);

/* Whether a message has begun and not ended. */
bool npri_from_child_is_within(const struct npri_from_child_reader *reader);

#endif /* NPRI_COMMAND_MESSAGE_H */
