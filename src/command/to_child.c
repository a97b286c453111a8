#include "base/limits.h"
#include "term/json.h"
#include "term/tag.h"
#include "term/write.h"

#include "command/message.h"

/* One message, piece by piece, on either wire. */
struct writer {
    enum npr_command_wire wire;
    struct npri_buffer *out;
    bool first; /* in the map that is being written */
};

static void open_map(struct writer *w, uint32_t pairs)
{
    if (w->wire == NPR_COMMAND_JSON) {
        npri_put_u8(w->out, '{');
    } else {
        npri_put_map(w->out, pairs);
    }
    w->first = true;
}

static void close_map(struct writer *w)
{
    if (w->wire == NPR_COMMAND_JSON) {
        npri_put_u8(w->out, '}');
    }
    w->first = false;
}

/* Names come in Erlang's order, so that the term is in normal form. */
static void put_name(struct writer *w, const char *name)
{
    if (w->wire == NPR_COMMAND_JSON) {
        npri_put_text(w->out, w->first ? "\"" : ",\"");
        npri_put_text(w->out, name);
        npri_put_text(w->out, "\":");
    } else {
        npri_put_binary(w->out, npr_bytes_of(name));
    }
    w->first = false;
}

static void put_term(struct writer *w, struct npr_term term)
{
    if (w->wire == NPR_COMMAND_JSON) {
        npri_json_write(term, w->out);
    } else {
        npri_put_term(w->out, term);
    }
}

static void put_number(struct writer *w, uint64_t number)
{
    if (w->wire == NPR_COMMAND_JSON) {
        npri_put_uint_text(w->out, number);
    } else {
        npri_put_uint(w->out, number);
    }
}

static void put_start(struct writer *w, const struct npri_to_child *message)
{
    const bool keyed = message->key.data != NULL;

    open_map(w, 1);
    put_name(w, "start");
    open_map(w, keyed ? 3 : 1);
    put_name(w, "args");
    put_term(w, message->term);
    if (keyed) {
        put_name(w, "key");
        put_term(w, message->key);
        put_name(w, "token");
        put_number(w, message->number);
    }
    close_map(w);
    close_map(w);
}

static void put_message(struct writer *w, const struct npri_to_child *message)
{
    switch (message->kind) {
    case NPRI_TO_CHILD_START:
        put_start(w, message);
        break;
    case NPRI_TO_CHILD_CALL:
        open_map(w, 2);
        put_name(w, "call");
        put_number(w, message->number);
        put_name(w, "request");
        put_term(w, message->term);
        close_map(w);
        break;
    case NPRI_TO_CHILD_CAST:
    case NPRI_TO_CHILD_INFO:
        open_map(w, 1);
        put_name(w, message->kind == NPRI_TO_CHILD_CAST ? "cast" : "info");
        put_term(w, message->term);
        close_map(w);
        break;
    }
}

/* Into a buffer with the limit, so that what is too large costs no more than the limit. */
npr_status npri_to_child_write(const struct npri_to_child *message,
                               enum npr_command_wire wire,
                               size_t bytes_max,
                               struct npri_buffer *out)
{
    static const uint8_t head[] = {0, 0, 0, 0, NPRI_TERM_VERSION};
    const size_t start = out->size;
    const size_t size_max = out->size_max;
    struct writer w = {.wire = wire, .out = out};
    bool is_full;

    if (out->failed) {
        return NPR_ENOMEM;
    }
    out->size_max = start + sizeof(head) + bytes_max;
    if (wire == NPR_COMMAND_PACKET4) {
        npri_put_bytes(out, npri_bytes(head, sizeof(head)));
    }
    put_message(&w, message);
    if (wire == NPR_COMMAND_JSON) {
        npri_put_u8(out, '\n');
    } else if (!out->failed) {
        npri_buffer_patch_u32(out, start, (uint32_t)(out->size - start - 4));
    }
    out->size_max = size_max;
    if (!out->failed) {
        return NPR_OK;
    }
    is_full = out->full;
    out->full = false;
    out->failed = false;
    out->size = start;
    return is_full ? NPR_EFULL : NPR_ENOMEM;
}
