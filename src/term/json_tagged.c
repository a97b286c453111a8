/* Objects that stand for what JSON has no form for: {"$atom":"x"} and the like. */
#include "base/limits.h"
#include "base/utf8.h"
#include "term/base64.h"
#include "term/json_reader.h"
#include "term/read.h"
#include "term/tag.h"
#include "term/write.h"

/* Bytes that may be moved, as in rewrite.c: what no program writes would move everything at each
 * level. */
#define MOVED_BYTES_MAX (16 * (uint64_t)NPRI_TERM_BYTES_MAX)

/* The longest text of a pid or reference: a node, and seven numbers of up to 10 digits. */
#define IDENTITY_TEXT_MAX 340u

static bool value_is_binary(const struct npri_json_reader *r, size_t start, struct npr_bytes *out)
{
    if (r->raw.data[start] != NPRI_TAG_BINARY) {
        return false;
    }
    *out = npri_bytes(r->raw.data + start + NPRI_JSON_HEADER_BYTES,
                      r->raw.size - start - NPRI_JSON_HEADER_BYTES);
    return true;
}

static bool convert_atom(struct npri_json_reader *r, size_t start)
{
    uint8_t text[NPRI_ATOM_BYTES_MAX];
    struct npr_bytes value;
    size_t count;

    if (!value_is_binary(r, start, &value) || value.size > sizeof(text) ||
        !npri_utf8_count(value, &count, NULL) || count > NPRI_ATOM_CHARS_MAX) {
        return false;
    }
    memcpy(text, value.data, value.size);
    r->raw.size = start;
    npri_put_atom_bytes(&r->raw, npri_bytes(text, value.size));
    return true;
}

static bool convert_tuple(struct npri_json_reader *r, size_t start)
{
    if (r->array_at != start) {
        return false;
    }
    if (r->raw.data[start] == NPRI_TAG_NIL) {
        r->raw.size = start;
        npri_put_tuple(&r->raw, 0);
    } else {
        r->raw.data[start] = NPRI_TAG_LARGE_TUPLE; /* whose header has the same form */
        r->raw.size--;                             /* the [] at its end */
    }
    return true;
}

/* Whether each element is a proper list of two. */
static bool pairs_are_valid(const uint8_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (at[0] != NPRI_TAG_LIST || npri_get_u32(at + 1) != 2) {
            return false;
        }
        at = npri_tag_skip(at + NPRI_JSON_HEADER_BYTES, 2);
        if (*at++ != NPRI_TAG_NIL) {
            return false;
        }
    }
    return true;
}

static bool convert_map(struct npri_json_reader *r, size_t start)
{
    uint32_t count;
    uint8_t *to;
    const uint8_t *from;

    if (r->array_at != start) {
        return false;
    }
    r->moved += r->raw.size - start;
    if (r->moved > MOVED_BYTES_MAX) {
        npri_json_fail(r, NPR_EFULL, "objects with $ are nested too deep");
        return true;
    }
    if (r->raw.data[start] == NPRI_TAG_NIL) {
        r->raw.size = start;
        npri_put_map(&r->raw, 0);
        return true;
    }
    count = npri_get_u32(r->raw.data + start + 1);
    to = r->raw.data + start + NPRI_JSON_HEADER_BYTES;
    from = to;
    if (!pairs_are_valid(from, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *pair = from + NPRI_JSON_HEADER_BYTES;
        const uint8_t *end = npri_tag_skip(pair, 2);

        memmove(to, pair, (size_t)(end - pair));
        to += end - pair;
        from = end + 1;
    }
    r->raw.data[start] = NPRI_TAG_MAP;
    r->raw.size = (size_t)(to - r->raw.data);
    return true;
}

/* Decodes in a copy, since the value may yet have to stay as it is. */
static bool convert_base64(struct npri_json_reader *r, size_t start, bool is_term)
{
    struct npri_buffer scratch;
    struct npr_bytes value;
    struct npr_term term = {0};
    uint8_t *copy;
    size_t size = 0;
    size_t used = 0;
    bool valid;

    if (!value_is_binary(r, start, &value)) {
        return false;
    }
    npri_buffer_init(&scratch, 0);
    copy = npri_buffer_extend(&scratch, value.size + 1);
    if (copy == NULL) {
        r->raw.failed = true;
        return true;
    }
    memcpy(copy, value.data, value.size);
    valid = npri_base64_read(copy, value.size, &size);
    if (valid && !is_term) {
        r->raw.size = start;
        npri_put_binary(&r->raw, npri_bytes(copy, size));
    } else if (valid) {
        struct npri_buffer rewritten;
        npr_status status;

        npri_buffer_init(&rewritten, NPRI_TERM_BYTES_MAX);
        status = npri_term_read_versioned(npri_bytes(copy, size), &rewritten, &term, &used, NULL);
        valid = status == NPR_OK && used == size;
        if (valid) {
            r->raw.size = start;
            npri_put_term(&r->raw, term);
        }
        r->raw.failed = r->raw.failed || status == NPR_ENOMEM;
        npri_buffer_fini(&rewritten);
    }
    npri_buffer_fini(&scratch);
    return valid;
}

/* ---- Pids and references. */

/* Takes a number, and `before` in front of it, off the end of `text`. */
static bool take_number(struct npr_bytes *text, uint8_t *out_before, uint32_t *out)
{
    size_t at = text->size;
    uint64_t value = 0;

    while (at > 0 && text->data[at - 1] >= '0' && text->data[at - 1] <= '9') {
        at--;
    }
    if (at == 0 || at == text->size || text->size - at > 10 ||
        (text->data[at] == '0' && text->size - at > 1)) {
        return false;
    }
    for (size_t i = at; i < text->size; i++) {
        value = value * 10 + (uint64_t)(text->data[i] - '0');
    }
    if (value > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)value;
    *out_before = text->data[at - 1];
    text->size = at - 1;
    return true;
}

static bool take_node(struct npr_bytes text, struct npr_node_name *out)
{
    size_t count;

    if (text.size == 0 || text.size > sizeof(out->text) || !npri_utf8_count(text, &count, NULL)) {
        return false;
    }
    out->size = (uint8_t)text.size;
    memcpy(out->text, text.data, text.size);
    return true;
}

static bool read_pid(struct npr_bytes text, struct npr_pid *out)
{
    uint8_t dots[3] = {0};

    return take_number(&text, &dots[0], &out->creation) &&
           take_number(&text, &dots[1], &out->serial) && take_number(&text, &dots[2], &out->id) &&
           dots[0] == '.' && dots[1] == '.' && dots[2] == '.' && take_node(text, &out->node);
}

static bool read_ref(struct npr_bytes text, struct npr_ref *out)
{
    uint8_t before = ',';
    uint32_t words[NPR_REF_WORDS_MAX];

    while (before == ',') {
        if (out->words_count == NPR_REF_WORDS_MAX ||
            !take_number(&text, &before, &words[out->words_count])) {
            return false;
        }
        out->words_count++;
    }
    for (uint32_t i = 0; i < out->words_count; i++) {
        out->words[i] = words[out->words_count - 1 - i];
    }
    return before == '.' && take_number(&text, &before, &out->creation) && before == '.' &&
           take_node(text, &out->node);
}

static bool convert_identity(struct npri_json_reader *r, size_t start, bool is_pid)
{
    struct npr_bytes value;
    struct npr_pid pid = {0};
    struct npr_ref ref = {0};

    if (!value_is_binary(r, start, &value) || value.size < 2 || value.size > IDENTITY_TEXT_MAX ||
        value.data[0] != '<' || value.data[value.size - 1] != '>') {
        return false;
    }
    value = npri_bytes(value.data + 1, value.size - 2);
    if (is_pid && read_pid(value, &pid)) {
        r->raw.size = start;
        npri_put_pid(&r->raw, &pid);
        return true;
    }
    if (!is_pid && read_ref(value, &ref)) {
        r->raw.size = start;
        npri_put_ref(&r->raw, &ref);
        return true;
    }
    return false;
}

/* ---- All. */

bool npri_json_convert(struct npri_json_reader *r,
                       enum npri_json_tag tag,
                       size_t start,
                       bool is_tail)
{
    switch (tag) {
    case NPRI_JSON_ATOM:
        return convert_atom(r, start);
    case NPRI_JSON_TUPLE:
        return convert_tuple(r, start);
    case NPRI_JSON_TAIL:
        r->tail_at = is_tail ? start : r->tail_at;
        return is_tail;
    case NPRI_JSON_MAP:
        return convert_map(r, start);
    case NPRI_JSON_BYTES:
    case NPRI_JSON_TERM:
        return convert_base64(r, start, tag == NPRI_JSON_TERM);
    case NPRI_JSON_PID:
    case NPRI_JSON_REF:
        return convert_identity(r, start, tag == NPRI_JSON_PID);
    case NPRI_JSON_PLAIN:
    case NPRI_JSON_TAGS:
        break;
    }
    return false;
}

/* ---- None after all. */

/* Makes room for `size` bytes in front of `offset`. */
static void make_room(struct npri_json_reader *r, size_t offset, size_t size)
{
    const size_t behind = r->raw.size - offset;

    r->moved += behind;
    if (r->moved > MOVED_BYTES_MAX) {
        npri_json_fail(r, NPR_EFULL, "objects with $ are nested too deep");
        return;
    }
    if (npri_buffer_extend(&r->raw, size) != NULL) {
        memmove(r->raw.data + offset + size, r->raw.data + offset, behind);
    }
}

static void put_header(uint8_t *at, uint8_t tag, uint32_t count)
{
    at[0] = tag;
    at[1] = (uint8_t)(count >> 24);
    at[2] = (uint8_t)(count >> 16);
    at[3] = (uint8_t)(count >> 8);
    at[4] = (uint8_t)count;
}

void npri_json_put_name(struct npri_json_reader *r, enum npri_json_tag tag, size_t start)
{
    const struct npr_bytes name = npr_bytes_of(npri_json_tag_names[tag]);
    uint8_t *at;

    make_room(r, start, 2 * NPRI_JSON_HEADER_BYTES + name.size);
    if (!npri_json_going(r)) {
        return;
    }
    at = r->raw.data + start;
    put_header(at, NPRI_TAG_MAP, 1);
    put_header(at + NPRI_JSON_HEADER_BYTES, NPRI_TAG_BINARY, (uint32_t)name.size);
    memcpy(at + 2 * NPRI_JSON_HEADER_BYTES, name.data, name.size);
}

void npri_json_strip_name(struct npri_json_reader *r, size_t start)
{
    uint8_t *name = r->raw.data + start + NPRI_JSON_HEADER_BYTES;
    const uint32_t size = npri_get_u32(name + 1);

    if (size < 2 || name[NPRI_JSON_HEADER_BYTES] != '$' ||
        name[NPRI_JSON_HEADER_BYTES + 1] != '$') {
        return;
    }
    r->moved += r->raw.size - start;
    if (r->moved > MOVED_BYTES_MAX) {
        npri_json_fail(r, NPR_EFULL, "objects with $ are nested too deep");
        return;
    }
    put_header(name, NPRI_TAG_BINARY, size - 1);
    name += NPRI_JSON_HEADER_BYTES;
    memmove(name, name + 1, (size_t)(r->raw.data + r->raw.size - (name + 1)));
    r->raw.size--;
}
