/* Terms as io_lib:format("~0tp") prints them. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "term/decimal.h"
#include "term/number.h"
#include "term/syntax.h"
#include "term/tag.h"
#include "term/write.h"

static const uint8_t *print_term(const uint8_t *at, struct npri_buffer *out);

static void put_code(struct npri_buffer *out, uint32_t code)
{
    uint8_t utf8[NPRI_UTF8_BYTES_MAX];

    npri_put_bytes(out, npri_bytes(utf8, npri_utf8_write(code, utf8)));
}

/* One character between `quote`s. */
static void put_quoted_code(struct npri_buffer *out, uint32_t code, char quote)
{
    static const char control[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v',
                                   ['\f'] = 'f', ['\r'] = 'r', [0x1b] = 'e', [0x7f] = 'd'};

    if (code == (uint32_t)quote || code == '\\') {
        npri_put_u8(out, '\\');
        npri_put_u8(out, (uint8_t)code);
    } else if (code < sizeof(control) && control[code] != 0) {
        npri_put_u8(out, '\\');
        npri_put_u8(out, (uint8_t)control[code]);
    } else if (code < ' ' || (code >= 0x7f && code < 0xa0)) {
        npri_put_u8(out, '\\');
        npri_put_u8(out, (uint8_t)('0' + (code >> 6)));
        npri_put_u8(out, (uint8_t)('0' + (code >> 3 & 7)));
        npri_put_u8(out, (uint8_t)('0' + (code & 7)));
    } else {
        put_code(out, code);
    }
}

static void put_quoted(struct npri_buffer *out, struct npr_bytes text, char quote)
{
    npri_put_u8(out, (uint8_t)quote);
    while (text.size > 0 && !out->failed) {
        uint32_t code = 0;
        const size_t size = npri_utf8_take(text, &code);

        NPRI_ASSERT(size > 0);
        put_quoted_code(out, code, quote);
        text = npri_bytes(text.data + size, text.size - size);
    }
    npri_put_u8(out, (uint8_t)quote);
}

/* Returns the end of the atom. */
static const uint8_t *print_atom(const uint8_t *at, struct npri_buffer *out)
{
    const struct npr_bytes text = npri_tag_atom(at);

    if (npri_syntax_bare_atom(text)) {
        npri_put_bytes(out, text);
    } else {
        put_quoted(out, text, '\'');
    }
    return text.data + text.size;
}

static void put_dotted(struct npri_buffer *out, uint64_t value)
{
    npri_put_u8(out, '.');
    npri_put_uint_text(out, value);
}

/* Returns the end of the node's atom. */
static const uint8_t *print_node(const uint8_t *at, bool bare_allowed, struct npri_buffer *out)
{
    const struct npr_bytes text = npri_tag_atom(at);

    if (bare_allowed && npri_syntax_bare_node(text)) {
        npri_put_bytes(out, text);
    } else {
        put_quoted(out, text, '\'');
    }
    return text.data + text.size;
}

static void print_pid(const uint8_t *at, struct npri_buffer *out)
{
    npri_put_u8(out, '<');
    at = print_node(at + 1, true, out);
    put_dotted(out, npri_get_u32(at));
    put_dotted(out, npri_get_u32(at + 4));
    npri_put_u8(out, '>');
}

static void print_port(const uint8_t *at, struct npri_buffer *out)
{
    const bool wide = at[0] == NPRI_TAG_V4_PORT;

    npri_put_text(out, "#Port<");
    at = print_node(at + 1, true, out);
    put_dotted(out, wide ? npri_get_u64(at) : npri_get_u32(at));
    npri_put_u8(out, '>');
}

/* The last word first, as Erlang does.  A node whose name may end in numbers stands without quotes
 * only before the usual three words. */
static void print_ref(const uint8_t *at, struct npri_buffer *out)
{
    const size_t words = npri_get_u16(at + 1);

    npri_put_text(out, "#Ref<");
    at = print_node(at + 3, words == 3, out) + 4;
    for (size_t i = words; i > 0; i--) {
        put_dotted(out, npri_get_u32(at + 4 * (i - 1)));
    }
    npri_put_u8(out, '>');
}

static const uint8_t *print_integer(const uint8_t *at, struct npri_buffer *out)
{
    struct npri_integer integer;
    const uint8_t *end = npri_integer_take(at, &integer);

    npri_put_integer_text(out, &integer);
    return end;
}

static void print_export(const uint8_t *at, struct npri_buffer *out)
{
    npri_put_text(out, "fun ");
    at = print_atom(at + 1, out);
    npri_put_u8(out, ':');
    at = print_atom(at, out);
    npri_put_u8(out, '/');
    (void)print_integer(at, out);
}

/* A closure has no text that could be read back. */
static void print_closure(const uint8_t *at, struct npri_buffer *out)
{
    const struct npr_bytes module = npri_tag_atom(at + NPRI_FUN_HEAD_BYTES);

    npri_put_text(out, "#Fun<");
    npri_put_bytes(out, module);
    npri_put_u8(out, '.');
    at = print_integer(module.data + module.size, out);
    npri_put_u8(out, '.');
    (void)print_integer(at, out);
    npri_put_u8(out, '>');
}

enum text_kind {
    TEXT_ASCII, /* printable, all below 128 */
    TEXT_UTF8,  /* printable */
    TEXT_NOT_PRINTABLE,
    TEXT_NOT_UTF8,
};

static enum text_kind text_kind(struct npr_bytes bytes)
{
    enum text_kind kind = TEXT_ASCII;

    while (bytes.size > 0) {
        uint32_t code;
        const size_t size = npri_utf8_take(bytes, &code);

        if (size == 0) {
            return TEXT_NOT_UTF8;
        }
        if (!npri_syntax_printable(code)) {
            kind = TEXT_NOT_PRINTABLE;
        } else if (code >= 0x80 && kind == TEXT_ASCII) {
            kind = TEXT_UTF8;
        }
        bytes = npri_bytes(bytes.data + size, bytes.size - size);
    }
    return kind;
}

static bool printable_latin1(struct npr_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (!npri_syntax_printable(bytes.data[i])) {
            return false;
        }
    }
    return true;
}

static void put_quoted_bytes(struct npri_buffer *out, struct npr_bytes bytes)
{
    npri_put_u8(out, '"');
    for (size_t i = 0; i < bytes.size && !out->failed; i++) {
        put_quoted_code(out, bytes.data[i], '"');
    }
    npri_put_u8(out, '"');
}

/* `bits`: how many of the last byte. */
static void put_byte_values(struct npri_buffer *out, struct npr_bytes bytes, unsigned bits)
{
    for (size_t i = 0; i < bytes.size && !out->failed; i++) {
        const bool partial = bits < 8 && i + 1 == bytes.size;

        if (i > 0) {
            npri_put_u8(out, ',');
        }
        npri_put_uint_text(out, partial ? (unsigned)bytes.data[i] >> (8 - bits) : bytes.data[i]);
        if (partial) {
            npri_put_u8(out, ':');
            npri_put_uint_text(out, bits);
        }
    }
}

static void print_bits(const uint8_t *at, struct npri_buffer *out)
{
    const unsigned bits = at[0] == NPRI_TAG_BIT_BINARY ? at[5] : 8;
    const struct npr_bytes bytes =
        npri_bytes(at + (at[0] == NPRI_TAG_BIT_BINARY ? 6 : 5), npri_get_u32(at + 1));
    const enum text_kind kind = bits < 8 ? TEXT_NOT_PRINTABLE : text_kind(bytes);

    npri_put_text(out, "<<");
    if (bytes.size > 0 && (kind == TEXT_ASCII || kind == TEXT_UTF8)) {
        put_quoted(out, bytes, '"');
        npri_put_text(out, kind == TEXT_ASCII ? "" : "/utf8");
    } else if (kind == TEXT_NOT_UTF8 && printable_latin1(bytes)) {
        put_quoted_bytes(out, bytes);
    } else {
        put_byte_values(out, bytes, bits);
    }
    npri_put_text(out, ">>");
}

/* The code point that the list element at `at` is; false when it is none, or not printable. */
static bool printable_element(const uint8_t *at, uint32_t *out)
{
    if (at[0] == NPRI_TAG_SMALL_INTEGER) {
        *out = at[1];
    } else if (at[0] == NPRI_TAG_INTEGER) {
        *out = npri_get_u32(at + 1);
    } else {
        return false;
    }
    return npri_syntax_printable(*out);
}

static bool printable_list(const uint8_t *at, uint32_t count)
{
    uint32_t code;

    for (uint32_t i = 0; i < count; i++) {
        if (!printable_element(at, &code)) {
            return false;
        }
        at += at[0] == NPRI_TAG_SMALL_INTEGER ? 2 : 5;
    }
    return at[0] == NPRI_TAG_NIL;
}

static const uint8_t *print_code_points(const uint8_t *at, uint32_t count, struct npri_buffer *out)
{
    npri_put_u8(out, '"');
    for (uint32_t i = 0; i < count && !out->failed; i++) {
        uint32_t code = 0;

        (void)printable_element(at, &code);
        put_quoted_code(out, code, '"');
        at += at[0] == NPRI_TAG_SMALL_INTEGER ? 2 : 5;
    }
    npri_put_u8(out, '"');
    return at + 1; /* [] */
}

static const uint8_t *print_list(const uint8_t *at, struct npri_buffer *out)
{
    const uint32_t count = npri_get_u32(at + 1);

    at += 5;
    if (printable_list(at, count)) {
        return print_code_points(at, count, out);
    }
    npri_put_u8(out, '[');
    for (uint32_t i = 0; i < count && !out->failed; i++) {
        if (i > 0) {
            npri_put_u8(out, ',');
        }
        at = print_term(at, out);
    }
    if (out->failed) {
        return at;
    }
    if (at[0] == NPRI_TAG_NIL) {
        at++;
    } else {
        npri_put_u8(out, '|');
        at = print_term(at, out);
    }
    npri_put_u8(out, ']');
    return at;
}

static const uint8_t *print_string(const uint8_t *at, struct npri_buffer *out)
{
    const struct npr_bytes bytes = npri_bytes(at + 3, npri_get_u16(at + 1));

    if (printable_latin1(bytes)) {
        put_quoted_bytes(out, bytes);
    } else {
        npri_put_u8(out, '[');
        put_byte_values(out, bytes, 8);
        npri_put_u8(out, ']');
    }
    return bytes.data + bytes.size;
}

static const uint8_t *print_tuple(const uint8_t *at, struct npri_buffer *out)
{
    uint64_t arity;

    at += npri_tag_head(at, &arity);
    npri_put_u8(out, '{');
    for (uint64_t i = 0; i < arity && !out->failed; i++) {
        if (i > 0) {
            npri_put_u8(out, ',');
        }
        at = print_term(at, out);
    }
    npri_put_u8(out, '}');
    return at;
}

static const uint8_t *print_map(const uint8_t *at, struct npri_buffer *out)
{
    const uint32_t pairs = npri_get_u32(at + 1);

    at += 5;
    npri_put_text(out, "#{");
    for (uint32_t i = 0; i < pairs && !out->failed; i++) {
        if (i > 0) {
            npri_put_u8(out, ',');
        }
        at = print_term(at, out);
        npri_put_text(out, " => ");
        at = print_term(at, out);
    }
    npri_put_u8(out, '}');
    return at;
}

static void print_leaf(const uint8_t *at, struct npri_buffer *out)
{
    switch (at[0]) {
    case NPRI_TAG_NEW_FLOAT:
        npri_put_double_text(out, npri_double_of_bits(npri_get_u64(at + 1)));
        break;
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        (void)print_atom(at, out);
        break;
    case NPRI_TAG_NEW_PID:
        print_pid(at, out);
        break;
    case NPRI_TAG_NEW_PORT:
    case NPRI_TAG_V4_PORT:
        print_port(at, out);
        break;
    case NPRI_TAG_NEWER_REFERENCE:
        print_ref(at, out);
        break;
    case NPRI_TAG_EXPORT:
        print_export(at, out);
        break;
    case NPRI_TAG_NEW_FUN:
        print_closure(at, out);
        break;
    case NPRI_TAG_BINARY:
    case NPRI_TAG_BIT_BINARY:
        print_bits(at, out);
        break;
    case NPRI_TAG_NIL:
        npri_put_text(out, "[]");
        break;
    default:
        (void)print_integer(at, out);
        break;
    }
}

/* Once `out` has failed, what is returned means nothing: every loop ends then, so that the first
 * bytes of a large term cost no more than they are. */
static const uint8_t *print_term(const uint8_t *at, struct npri_buffer *out)
{
    if (out->failed) {
        return at;
    }
    switch (at[0]) {
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        return print_tuple(at, out);
    case NPRI_TAG_MAP:
        return print_map(at, out);
    case NPRI_TAG_STRING:
        return print_string(at, out);
    case NPRI_TAG_LIST:
        return print_list(at, out);
    default:
        print_leaf(at, out);
        return npri_tag_skip(at, 1);
    }
}

void npri_term_print(struct npr_term term, struct npri_buffer *buffer)
{
    NPRI_ASSERT(term.data != NULL);
    (void)print_term(term.data, buffer);
}

char *npr_term_print(struct npr_term term)
{
    struct npri_buffer buffer;

    if (term.data == NULL) {
        return NULL;
    }
    npri_buffer_init(&buffer, 0);
    npri_term_print(term, &buffer);
    return npri_buffer_take_text(&buffer);
}
