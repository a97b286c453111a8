/* Terms as JSON. */
#include "nprocreg/json.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/base64.h"
#include "term/decimal.h"
#include "term/json.h"
#include "term/number.h"
#include "term/tag.h"

/* Bytes of maps that may be looked through for keys which are no text, before the map is written.
 * Beyond it (maps nested many levels deep in large maps, which no program means) maps are written
 * as $map without looking. */
#define LOOKED_BYTES_MAX (16 * (uint64_t)NPRI_TERM_BYTES_MAX)

struct writer {
    struct npri_buffer *out;
    unsigned depth; /* of JSON arrays and objects */
    uint64_t looked;
};

const char *const npri_json_tag_names[NPRI_JSON_TAGS] = {
    [NPRI_JSON_ATOM] = "$atom", [NPRI_JSON_TUPLE] = "$tuple", [NPRI_JSON_TAIL] = "$tail",
    [NPRI_JSON_MAP] = "$map",   [NPRI_JSON_BYTES] = "$bytes", [NPRI_JSON_PID] = "$pid",
    [NPRI_JSON_REF] = "$ref",   [NPRI_JSON_TERM] = "$term",
};

static const uint8_t *write_term(struct writer *w, const uint8_t *at);

/* ---- Strings. */

static void put_escape(struct npri_buffer *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    npri_put_u8(out, '\\');
    if (c == '"' || c == '\\') {
        npri_put_u8(out, c);
    } else if (c < sizeof(letters) && letters[c] != 0) {
        npri_put_u8(out, (uint8_t)letters[c]);
    } else {
        npri_put_text(out, "u00");
        npri_put_u8(out, (uint8_t)hex[c >> 4]);
        npri_put_u8(out, (uint8_t)hex[c & 15]);
    }
}

/* What stands between the quotes. */
static void put_inner(struct npri_buffer *out, struct npr_bytes utf8)
{
    size_t from = 0;

    for (size_t i = 0; i < utf8.size; i++) {
        const uint8_t c = utf8.data[i];

        if (c < ' ' || c == '"' || c == '\\') {
            npri_put_bytes(out, npri_bytes(utf8.data + from, i - from));
            put_escape(out, c);
            from = i + 1;
        }
    }
    npri_put_bytes(out, npri_bytes(utf8.data + from, utf8.size - from));
}

static void put_string(struct npri_buffer *out, struct npr_bytes utf8)
{
    npri_put_u8(out, '"');
    put_inner(out, utf8);
    npri_put_u8(out, '"');
}

/* ---- Tags. */

static void put_open(struct npri_buffer *out, enum npri_json_tag tag)
{
    npri_put_text(out, "{\"");
    npri_put_text(out, npri_json_tag_names[tag]);
    npri_put_text(out, "\":");
}

/* The last resort: `size` bytes of one term. */
static void put_whole(struct npri_buffer *out, const uint8_t *at, size_t size)
{
    static const uint8_t version[] = {NPRI_TERM_VERSION};
    struct npri_buffer bytes;

    npri_buffer_init(&bytes, 0);
    npri_put_bytes(&bytes, npri_bytes(version, sizeof(version)));
    npri_put_bytes(&bytes, npri_bytes(at, size));
    put_open(out, NPRI_JSON_TERM);
    npri_put_u8(out, '"');
    npri_put_base64(out, npri_buffer_bytes(&bytes));
    npri_put_text(out, "\"}");
    out->failed = out->failed || bytes.failed;
    npri_buffer_fini(&bytes);
}

static const uint8_t *write_whole(struct writer *w, const uint8_t *at)
{
    const uint8_t *end = npri_tag_skip(at, 1);

    put_whole(w->out, at, (size_t)(end - at));
    return end;
}

/* ---- Leaves. */

static const uint8_t *write_integer(struct writer *w, const uint8_t *at)
{
    struct npri_integer integer;
    const uint8_t *end = npri_integer_take(at, &integer);

    if (integer.size > NPRI_DECIMAL_BYTES_MAX) { /* whose decimal would take too long */
        put_whole(w->out, at, (size_t)(end - at));
    } else {
        npri_put_integer_text(w->out, &integer);
    }
    return end;
}

static const uint8_t *write_atom(struct writer *w, const uint8_t *at)
{
    const struct npr_bytes text = npri_tag_atom(at);

    if (npri_bytes_equal(text, npr_bytes_of("true")) ||
        npri_bytes_equal(text, npr_bytes_of("false")) ||
        npri_bytes_equal(text, npr_bytes_of("null"))) {
        npri_put_bytes(w->out, text);
    } else {
        put_open(w->out, NPRI_JSON_ATOM);
        put_string(w->out, text);
        npri_put_u8(w->out, '}');
    }
    return text.data + text.size;
}

static const uint8_t *write_binary(struct writer *w, const uint8_t *at)
{
    const struct npr_bytes bytes = npri_bytes(at + 5, npri_get_u32(at + 1));
    size_t count;

    if (npri_utf8_count(bytes, &count, NULL)) {
        put_string(w->out, bytes);
    } else {
        put_open(w->out, NPRI_JSON_BYTES);
        npri_put_u8(w->out, '"');
        npri_put_base64(w->out, bytes);
        npri_put_text(w->out, "\"}");
    }
    return bytes.data + bytes.size;
}

static void put_identity_open(struct npri_buffer *out,
                              enum npri_json_tag tag,
                              const struct npr_node_name *node)
{
    put_open(out, tag);
    npri_put_text(out, "\"<");
    put_inner(out, npri_bytes(node->text, node->size));
}

static const uint8_t *write_pid(struct writer *w, const uint8_t *at)
{
    const uint8_t *end = npri_tag_skip(at, 1);
    struct npr_pid pid;

    if (!npr_term_get_pid((struct npr_term){.data = at, .size = (size_t)(end - at)}, &pid) ||
        pid.node.size == 0) {
        return write_whole(w, at);
    }
    put_identity_open(w->out, NPRI_JSON_PID, &pid.node);
    npri_put_u8(w->out, '.');
    npri_put_uint_text(w->out, pid.id);
    npri_put_u8(w->out, '.');
    npri_put_uint_text(w->out, pid.serial);
    npri_put_u8(w->out, '.');
    npri_put_uint_text(w->out, pid.creation);
    npri_put_text(w->out, ">\"}");
    return end;
}

static const uint8_t *write_ref(struct writer *w, const uint8_t *at)
{
    const uint8_t *end = npri_tag_skip(at, 1);
    struct npr_ref ref;

    if (!npr_term_get_ref((struct npr_term){.data = at, .size = (size_t)(end - at)}, &ref) ||
        ref.node.size == 0 || ref.words_count == 0) {
        return write_whole(w, at);
    }
    put_identity_open(w->out, NPRI_JSON_REF, &ref.node);
    npri_put_u8(w->out, '.');
    npri_put_uint_text(w->out, ref.creation);
    for (uint32_t i = 0; i < ref.words_count; i++) {
        npri_put_u8(w->out, i == 0 ? '.' : ',');
        npri_put_uint_text(w->out, ref.words[i]);
    }
    npri_put_text(w->out, ">\"}");
    return end;
}

/* ---- What has parts. */

/* `depth` arrays and objects further in. */
static const uint8_t *write_elements(struct writer *w,
                                     const uint8_t *at,
                                     uint32_t count,
                                     unsigned depth)
{
    w->depth += depth;
    for (uint32_t i = 0; i < count && !w->out->failed; i++) {
        if (i > 0) {
            npri_put_u8(w->out, ',');
        }
        at = write_term(w, at);
    }
    w->depth -= depth;
    return at;
}

static const uint8_t *write_list(struct writer *w, const uint8_t *at)
{
    npri_put_u8(w->out, '[');
    at = write_elements(w, at + 5, npri_get_u32(at + 1), 1);
    if (w->out->failed) {
        return at;
    }
    if (at[0] == NPRI_TAG_NIL) {
        npri_put_u8(w->out, ']');
        return at + 1;
    }
    npri_put_u8(w->out, ',');
    put_open(w->out, NPRI_JSON_TAIL);
    at = write_elements(w, at, 1, 2);
    npri_put_text(w->out, "}]");
    return at;
}

/* A list of bytes. */
static const uint8_t *write_bytes(struct writer *w, const uint8_t *at)
{
    const uint32_t count = npri_get_u16(at + 1);

    for (uint32_t i = 0; i < count && !w->out->failed; i++) {
        npri_put_u8(w->out, i == 0 ? '[' : ',');
        npri_put_uint_text(w->out, at[3 + i]);
    }
    npri_put_u8(w->out, ']');
    return at + 3 + count;
}

static const uint8_t *write_tuple(struct writer *w, const uint8_t *at)
{
    const bool small = at[0] == NPRI_TAG_SMALL_TUPLE;
    const uint32_t arity = small ? at[1] : npri_get_u32(at + 1);

    put_open(w->out, NPRI_JSON_TUPLE);
    npri_put_u8(w->out, '[');
    at = write_elements(w, at + (small ? 2 : 5), arity, 2);
    npri_put_text(w->out, "]}");
    return at;
}

static bool key_is_text(const uint8_t *at)
{
    size_t count;

    return at[0] == NPRI_TAG_BINARY &&
           npri_utf8_count(npri_bytes(at + 5, npri_get_u32(at + 1)), &count, NULL);
}

/* In Erlang's order, so a first key which is a binary has only binaries and bitstrings after it. */
static bool map_has_names(struct writer *w, const uint8_t *at, uint32_t pairs)
{
    for (uint32_t i = 0; i < pairs; i++) {
        const uint8_t *end;

        if (w->looked > LOOKED_BYTES_MAX || !key_is_text(at)) {
            return false;
        }
        if (i + 1 == pairs) {
            return true;
        }
        end = npri_tag_skip(at, 2);
        w->looked += (uint64_t)(end - at);
        at = end;
    }
    return true;
}

static const uint8_t *write_object(struct writer *w, const uint8_t *at, uint32_t pairs)
{
    npri_put_u8(w->out, '{');
    for (uint32_t i = 0; i < pairs && !w->out->failed; i++) {
        const struct npr_bytes name = npri_bytes(at + 5, npri_get_u32(at + 1));

        if (i > 0) {
            npri_put_u8(w->out, ',');
        }
        npri_put_u8(w->out, '"');
        if (pairs == 1 && name.size > 0 && name.data[0] == '$') {
            npri_put_u8(w->out, '$');
        }
        put_inner(w->out, name);
        npri_put_text(w->out, "\":");
        at = write_elements(w, name.data + name.size, 1, 1);
    }
    npri_put_u8(w->out, '}');
    return at;
}

static const uint8_t *write_map(struct writer *w, const uint8_t *at)
{
    const uint32_t pairs = npri_get_u32(at + 1);

    at += 5;
    if (map_has_names(w, at, pairs)) {
        return write_object(w, at, pairs);
    }
    put_open(w->out, NPRI_JSON_MAP);
    for (uint32_t i = 0; i < pairs && !w->out->failed; i++) {
        npri_put_u8(w->out, i == 0 ? '[' : ',');
        npri_put_u8(w->out, '[');
        at = write_elements(w, at, 2, 3);
        npri_put_u8(w->out, ']');
    }
    npri_put_text(w->out, "]}");
    return at;
}

/* ---- All. */

/* {"$map":[[{"$atom": */
#define DEPTH_OF_ONE 4u

static const uint8_t *write_float(struct writer *w, const uint8_t *at)
{
    npri_put_double_text(w->out, npri_double_of_bits(npri_get_u64(at + 1)));
    return at + 9;
}

static const uint8_t *write_term(struct writer *w, const uint8_t *at)
{
    const bool deep = w->depth + DEPTH_OF_ONE > NPRI_JSON_DEPTH_MAX;

    if (w->out->failed) {
        return at;
    }
    switch (at[0]) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
        return write_integer(w, at);
    case NPRI_TAG_NEW_FLOAT:
        return write_float(w, at);
    case NPRI_TAG_SMALL_ATOM_UTF8:
    case NPRI_TAG_ATOM_UTF8:
        return write_atom(w, at);
    case NPRI_TAG_BINARY:
        return write_binary(w, at);
    case NPRI_TAG_NIL:
        npri_put_text(w->out, "[]");
        return at + 1;
    case NPRI_TAG_STRING:
        return write_bytes(w, at);
    case NPRI_TAG_LIST:
        return deep ? write_whole(w, at) : write_list(w, at);
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        return deep ? write_whole(w, at) : write_tuple(w, at);
    case NPRI_TAG_MAP:
        return deep ? write_whole(w, at) : write_map(w, at);
    case NPRI_TAG_NEW_PID:
        return write_pid(w, at);
    case NPRI_TAG_NEWER_REFERENCE:
        return write_ref(w, at);
    default:
        return write_whole(w, at);
    }
}

void npri_json_write(struct npr_term term, struct npri_buffer *out)
{
    struct writer w = {.out = out};

    NPRI_ASSERT(term.data != NULL);
    (void)write_term(&w, term.data);
}

char *npr_term_to_json(struct npr_term term)
{
    struct npri_buffer buffer;

    if (term.data == NULL) {
        return NULL;
    }
    npri_buffer_init(&buffer, 0);
    npri_json_write(term, &buffer);
    return npri_buffer_take_text(&buffer);
}
