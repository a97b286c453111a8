#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/json.h"
#include "term/read.h"
#include "term/tag.h"
#include "term/write.h"

#include "command/message.h"

/* Bytes of an emptied buffer that are kept for the next message. */
#define KEPT_BYTES (64u << 10)

/* ---- Bytes to frames. */

void npri_from_child_fini(struct npri_from_child_reader *reader)
{
    npri_buffer_fini(&reader->bytes);
    npri_buffer_fini(&reader->room);
    reader->from = 0;
    reader->looked = 0;
}

static void drop_read(struct npri_from_child_reader *reader)
{
    npri_buffer_consume(&reader->bytes, reader->from);
    reader->looked -= reader->from;
    reader->from = 0;
    if (reader->bytes.size == 0 && reader->bytes.capacity > KEPT_BYTES) {
        npri_buffer_fini(&reader->bytes);
    }
}

bool npri_from_child_feed(struct npri_from_child_reader *reader, struct npr_bytes bytes)
{
    drop_read(reader);
    npri_put_bytes(&reader->bytes, bytes);
    if (reader->bytes.failed) {
        reader->bytes.failed = false; /* nothing of it was taken */
        return false;
    }
    return true;
}

bool npri_from_child_is_within(const struct npri_from_child_reader *reader)
{
    return reader->from < reader->bytes.size;
}

static npr_status fail_size(const struct npri_from_child_reader *reader, struct npr_error *err)
{
    return npri_fail(err, NPR_EFULL, "a message is larger than %zu bytes",
                     reader->message_bytes_max);
}

/* The bytes of the next message, which are not taken yet; `*out_end` is behind it.  NPR_OK with no
 * data: more is needed. */
static npr_status next_packet(const struct npri_from_child_reader *reader,
                              struct npr_bytes *out,
                              size_t *out_end,
                              struct npr_error *err)
{
    const size_t left = reader->bytes.size - reader->from;
    const uint8_t *at = reader->bytes.data + reader->from;
    size_t size;

    if (left < 4) {
        return NPR_OK;
    }
    size = npri_get_u32(at);
    if (size > reader->message_bytes_max) {
        return fail_size(reader, err);
    }
    if (left - 4 >= size) {
        *out = npri_bytes(at + 4, size);
        *out_end = reader->from + 4 + size;
    }
    return NPR_OK;
}

static bool is_blank(struct npr_bytes line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

static npr_status next_line(struct npri_from_child_reader *reader,
                            struct npr_bytes *out,
                            size_t *out_end,
                            struct npr_error *err)
{
    const uint8_t *data = reader->bytes.data;

    while (reader->looked < reader->bytes.size) {
        const uint8_t *end =
            memchr(data + reader->looked, '\n', reader->bytes.size - reader->looked);
        const size_t at = end == NULL ? reader->bytes.size : (size_t)(end - data);
        const struct npr_bytes line = npri_bytes(data + reader->from, at - reader->from);

        if (line.size > reader->message_bytes_max) {
            return fail_size(reader, err);
        }
        if (end == NULL) {
            reader->looked = at;
            break;
        }
        if (!is_blank(line)) {
            *out = line;
            *out_end = at + 1;
            break;
        }
        reader->from = at + 1;
        reader->looked = at + 1;
    }
    return NPR_OK;
}

/* ---- Frames to messages. */

/* Also as an atom, as programs with Erlang terms of their own may prefer. */
static bool is_name(struct npr_term term, const char *name)
{
    struct npr_bytes text;

    return (npr_term_get_binary(term, &text) && npri_bytes_equal(text, npr_bytes_of(name))) ||
           npr_term_is_atom(term, name);
}

/* The value of `name` in a map of pairs. */
static bool get(struct npr_term map, const char *name, struct npr_term *out)
{
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    uint32_t pairs;

    if (!npr_term_map(map, &walk, &pairs)) {
        return false;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
        if (is_name(key, name)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Texts are names here, and in reasons that are: a program whose language has no atoms need not
 * write
 * {"$atom":"normal"}. */
static npr_status put_as_atom(struct npri_from_child_reader *reader, struct npr_term *term)
{
    const size_t at = reader->room.size;
    struct npr_bytes text;
    struct npri_buffer *room = &reader->room;
    size_t count;

    if (!npr_term_get_binary(*term, &text)) {
        return NPR_OK;
    }
    if (!npri_utf8_count(text, &count, NULL) || count > NPRI_ATOM_CHARS_MAX) {
        return NPR_ESYNTAX;
    }
    /* Behind what `term` may point into; reserved by the caller. */
    npri_put_atom_bytes(room, text);
    *term = (struct npr_term){.data = room->data + at, .size = room->size - at};
    return NPR_OK;
}

static bool reason_is_word(struct npr_term reason)
{
    return is_name(reason, "normal") || is_name(reason, "shutdown");
}

static npr_status read_target(struct npri_from_child_reader *reader, struct npri_from_child *out)
{
    struct npr_term parts[2];

    if (npr_term_get_tuple(out->to, 2, parts)) {
        out->to = parts[0];
        out->node = parts[1];
        if (put_as_atom(reader, &out->node) != NPR_OK ||
            npr_term_kind(out->node) != NPR_TERM_ATOM) {
            return NPR_ESYNTAX;
        }
    }
    if (put_as_atom(reader, &out->to) != NPR_OK) {
        return NPR_ESYNTAX;
    }
    if (npr_term_kind(out->to) == NPR_TERM_PID) {
        return out->node.data == NULL ? NPR_OK : NPR_ESYNTAX;
    }
    return npr_term_kind(out->to) == NPR_TERM_ATOM ? NPR_OK : NPR_ESYNTAX;
}

/* By its names.  False: there is no such message. */
static bool read_message(struct npri_from_child_reader *reader,
                         struct npr_term map,
                         uint32_t pairs,
                         struct npri_from_child *out)
{
    struct npr_term value;

    if (pairs == 1 && get(map, "started", &value)) {
        out->kind = NPRI_FROM_CHILD_STARTED;
        return npr_term_is_atom(value, "true");
    }
    if (pairs == 1 && (get(map, "exit", &out->term) || get(map, "failed", &out->term))) {
        out->kind = get(map, "exit", &value) ? NPRI_FROM_CHILD_EXIT : NPRI_FROM_CHILD_FAILED;
        return !reason_is_word(out->term) || put_as_atom(reader, &out->term) == NPR_OK;
    }
    if (pairs == 2 && get(map, "reply", &value) && get(map, "value", &out->term)) {
        out->kind = NPRI_FROM_CHILD_REPLY;
        return npr_term_get_uint64(value, &out->number);
    }
    if (pairs == 2 && get(map, "send", &out->to) && get(map, "message", &out->term)) {
        out->kind = NPRI_FROM_CHILD_SEND;
        return read_target(reader, out) == NPR_OK;
    }
    return false;
}

/* Room for two names as atoms behind the term, so that nothing moves any more. */
#define NAMES_BYTES ((size_t)2 * (NPRI_ATOM_BYTES_MAX + 3))

static npr_status read_term(struct npri_from_child_reader *reader,
                            struct npr_bytes frame,
                            struct npr_term *out,
                            struct npr_error *err)
{
    struct npri_buffer *room = &reader->room;
    npr_status status;
    size_t used = 0;

    if (reader->wire == NPR_COMMAND_JSON) {
        status = npri_json_read(frame, room, err);
    } else {
        status = npri_term_read_versioned(frame, room, out, &used, err);
        if (status == NPR_OK && used != frame.size) {
            return npri_fail(err, NPR_ESYNTAX, "offset %zu: more follows the term", used);
        }
        if (status == NPR_OK && room->size != 0) {
            *out = (struct npr_term){.data = room->data, .size = room->size};
        }
    }
    if (status == NPR_OK && !npri_buffer_reserve(room, NAMES_BYTES)) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    if (status == NPR_OK && room->size != 0) {
        *out = (struct npr_term){.data = room->data, .size = room->size};
    }
    return status;
}

npr_status npri_from_child_next(struct npri_from_child_reader *reader,
                                struct npri_from_child *out,
                                struct npr_error *err)
{
    struct npri_from_child message = {.kind = NPRI_FROM_CHILD_NONE};
    struct npr_bytes frame = {.data = NULL};
    struct npr_term_walk walk;
    struct npr_term map = {.data = NULL};
    size_t end = 0;
    uint32_t pairs = 0;
    npr_status status = reader->wire == NPR_COMMAND_JSON ? next_line(reader, &frame, &end, err)
                                                         : next_packet(reader, &frame, &end, err);

    if (status != NPR_OK) {
        return status;
    }
    if (frame.data == NULL) {
        *out = message;
        return NPR_OK;
    }
    npri_buffer_reset(&reader->room);
    if (reader->room.capacity > KEPT_BYTES) {
        npri_buffer_fini(&reader->room);
    }
    status = read_term(reader, frame, &map, err);
    if (status != NPR_OK) {
        return status == NPR_EFULL ? npri_fail(err, NPR_ESYNTAX, "the term is too large or deep")
                                   : status;
    }
    if (!npr_term_map(map, &walk, &pairs) || !read_message(reader, map, pairs, &message)) {
        return npri_fail(err, NPR_ESYNTAX,
                         "it is none of {started}, {failed}, {reply,value}, {send,message}, {exit} "
                         "with values of the right kind");
    }
    reader->from = end;
    reader->looked = end;
    *out = message;
    return NPR_OK;
}
