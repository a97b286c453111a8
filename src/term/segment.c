/* <<...>> in Erlang text. */
#include "base/limits.h"
#include "base/utf8.h"
#include "term/bits.h"
#include "term/parser.h"
#include "term/tag.h"

enum segment_type {
    SEGMENT_INTEGER,
    SEGMENT_FLOAT,
    SEGMENT_BITS, /* binary, bytes, bitstring, bits */
    SEGMENT_UTF8,
    SEGMENT_UTF16,
    SEGMENT_UTF32,
};

/* What stands behind a value: `:size/type-little-unit:8`. */
struct spec {
    enum segment_type type;
    bool has_type;
    bool has_size;
    bool little;
    uint64_t size;
    uint64_t unit; /* 0: the type's own */
};

/* One segment being written, value by value. */
struct segment {
    struct npri_parser *parser;
    struct npri_bits *bits;
    struct spec spec;
    const uint8_t *start; /* in the text, for faults */
};

static bool fault(struct segment *s, const char *text)
{
    return npri_lex_fail(&s->parser->lex, s->start, NPR_ESYNTAX, text);
}

static const struct {
    const char *name;
    enum segment_type type;
    uint64_t unit;
} type_names[] = {
    {"integer", SEGMENT_INTEGER, 1}, {"float", SEGMENT_FLOAT, 1},    {"binary", SEGMENT_BITS, 8},
    {"bytes", SEGMENT_BITS, 8},      {"bitstring", SEGMENT_BITS, 1}, {"bits", SEGMENT_BITS, 1},
    {"utf8", SEGMENT_UTF8, 1},       {"utf16", SEGMENT_UTF16, 1},    {"utf32", SEGMENT_UTF32, 1},
};

/* One word of a type list.  Signedness means nothing when binaries are built. */
static bool spec_word(struct segment *s, struct npr_bytes word)
{
    struct npri_lex *lex = &s->parser->lex;

    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (npri_bytes_equal(word, npr_bytes_of(type_names[i].name))) {
            if (s->spec.has_type) {
                return fault(s, "two types in one segment");
            }
            s->spec.has_type = true;
            s->spec.type = type_names[i].type;
            s->spec.unit = s->spec.unit == 0 ? type_names[i].unit : s->spec.unit;
            return true;
        }
    }
    if (npri_bytes_equal(word, npr_bytes_of("unit"))) {
        return npri_lex_expect(lex, ":") && npri_lex_number(lex, 256, &s->spec.unit) &&
               (s->spec.unit > 0 || fault(s, "the unit of a segment is 1 to 256"));
    }
    if (npri_bytes_equal(word, npr_bytes_of("little")) ||
        npri_bytes_equal(word, npr_bytes_of("native"))) {
        s->spec.little = true;
        return true;
    }
    return npri_bytes_equal(word, npr_bytes_of("big")) ||
           npri_bytes_equal(word, npr_bytes_of("signed")) ||
           npri_bytes_equal(word, npr_bytes_of("unsigned")) ||
           fault(s, "unknown type of a segment");
}

NPRI_NOT_INLINED static bool parse_spec(struct segment *s)
{
    struct npri_lex *lex = &s->parser->lex;

    if (npri_lex_accept(lex, ":")) {
        s->spec.has_size = true;
        npri_lex_space(lex);
        if (!npri_lex_number(lex, 8 * (uint64_t)NPRI_TERM_BYTES_MAX, &s->spec.size)) {
            return false;
        }
    }
    if (npri_lex_accept(lex, "/")) {
        do {
            uint8_t word[NPRI_ATOM_BYTES_MAX];
            size_t size;

            npri_lex_space(lex);
            if (!npri_lex_at_atom(lex)) {
                return fault(s, "expected the type of a segment");
            }
            if (!npri_lex_atom(lex, word, &size) || !spec_word(s, npri_bytes(word, size))) {
                return false;
            }
        } while (npri_lex_accept(lex, "-"));
    }
    if (s->spec.has_size && s->spec.type >= SEGMENT_UTF8) {
        return fault(s, "a UTF segment has no size");
    }
    return true;
}

/* Bits of the segment, `size_default` units if it has no size. */
static bool segment_bits(struct segment *s, uint64_t size_default, uint64_t *out)
{
    const uint64_t unit = s->spec.unit == 0 ? 1 : s->spec.unit;

    *out = (s->spec.has_size ? s->spec.size : size_default) * unit;
    return *out <= 8 * (uint64_t)(NPRI_TERM_BYTES_MAX - s->bits->bytes.size) ||
           npri_lex_fail(&s->parser->lex, s->start, NPR_EFULL, "the binary is too large");
}

static bool put_integer(struct segment *s, const struct npri_integer *integer)
{
    uint64_t count;

    if (!segment_bits(s, 8, &count)) {
        return false;
    }
    npri_bits_put_integer(s->bits, integer, count, s->spec.little);
    return true;
}

static void put_bits_of(struct segment *s, uint64_t value, unsigned count)
{
    struct npri_integer integer = {.size = 8};
    uint8_t magnitude[8];

    for (unsigned i = 0; i < 8; i++) {
        magnitude[i] = (uint8_t)(value >> 8 * i);
    }
    integer.magnitude = magnitude;
    npri_bits_put_integer(s->bits, &integer, count, s->spec.little);
}

static bool put_float(struct segment *s, double value)
{
    uint64_t count;

    if (!segment_bits(s, 64, &count)) {
        return false;
    }
    if (count == 64) {
        put_bits_of(s, npri_bits_of_double(value), 64);
        return true;
    }
    if (count == 32) {
        const float narrow = (float)value;
        uint32_t bits;

        if (!npri_double_is_finite((double)narrow)) {
            return fault(s, "the float does not fit 32 bits");
        }
        memcpy(&bits, &narrow, sizeof(bits));
        put_bits_of(s, bits, 32);
        return true;
    }
    return fault(s, "a float segment has 64 or 32 bits");
}

static bool put_utf(struct segment *s, uint32_t code)
{
    uint8_t utf8[NPRI_UTF8_BYTES_MAX];

    if (!npri_utf8_valid(code)) {
        return fault(s, "no such code point");
    }
    if (s->spec.type == SEGMENT_UTF8) {
        npri_bits_append(s->bits, utf8, 8 * (uint64_t)npri_utf8_write(code, utf8));
    } else if (s->spec.type == SEGMENT_UTF32) {
        put_bits_of(s, code, 32);
    } else if (code < 0x10000) {
        put_bits_of(s, code, 16);
    } else {
        put_bits_of(s, 0xd800 + ((code - 0x10000) >> 10), 16);
        put_bits_of(s, 0xdc00 + (code & 0x3ff), 16);
    }
    return true;
}

static bool put_bitstring(struct segment *s, const uint8_t *term)
{
    const bool partial = term[0] == NPRI_TAG_BIT_BINARY;
    const uint64_t bytes = npri_get_u32(term + 1);
    const uint64_t available = 8 * bytes - (partial ? 8u - term[5] : 0);
    const uint64_t unit = s->spec.unit == 0 ? 8 : s->spec.unit;
    uint64_t count = available;

    if (s->spec.has_size) {
        count = s->spec.size * unit;
        if (count > available) {
            return fault(s, "the segment is longer than its binary");
        }
    } else if (available % unit != 0) {
        return fault(s, "the bits of the segment do not fill its unit");
    }
    npri_bits_append(s->bits, term + (partial ? 6 : 5), count);
    return true;
}

/* The value of an integer segment, given to a type that takes other values too. */
static bool put_integer_as(struct segment *s, const struct npri_integer *integer)
{
    uint64_t value = 0;

    if (s->spec.type == SEGMENT_INTEGER) {
        return put_integer(s, integer);
    }
    if (integer->size > 6) { /* up to 2^48: a code point, or exactly a double */
        return fault(s, "the integer is too large for this type");
    }
    for (size_t i = integer->size; i > 0; i--) {
        value = value << 8 | integer->magnitude[i - 1];
    }
    if (s->spec.type == SEGMENT_FLOAT) {
        return put_float(s, integer->negative ? -(double)value : (double)value);
    }
    if (integer->negative || value > UINT32_MAX) {
        return fault(s, "no such code point");
    }
    return put_utf(s, (uint32_t)value);
}

static bool put_value(struct segment *s, const uint8_t *term)
{
    struct npri_integer integer;

    switch (term[0]) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
        (void)npri_integer_take(term, &integer);
        return s->spec.type == SEGMENT_BITS ? fault(s, "an integer is no binary")
                                            : put_integer_as(s, &integer);
    case NPRI_TAG_NEW_FLOAT:
        return s->spec.type == SEGMENT_FLOAT
                   ? put_float(s, npri_double_of_bits(npri_get_u64(term + 1)))
                   : fault(s, "a float needs /float");
    case NPRI_TAG_BINARY:
    case NPRI_TAG_BIT_BINARY:
        return s->spec.type == SEGMENT_BITS ? put_bitstring(s, term)
                                            : fault(s, "a binary in a binary needs /binary");
    default:
        return fault(s, "only numbers, strings and binaries stand in a binary");
    }
}

static bool put_character(void *user, uint32_t code)
{
    struct segment *s = user;
    struct npri_integer integer = {.size = 3};

    for (unsigned i = 0; i < 3; i++) {
        integer.small[i] = (uint8_t)(code >> 8 * i);
    }
    integer.magnitude = integer.small;
    if (s->spec.type == SEGMENT_BITS) {
        return fault(s, "a string is no binary");
    }
    return put_integer_as(s, &integer);
}

/* The type stands behind the string, so the string is passed over once, then taken. */
static bool string_segment(struct segment *s)
{
    struct npri_parser *p = s->parser;
    const uint8_t *end;

    if (!npri_parse_strings(p, NULL, NULL) || !parse_spec(s)) {
        return false;
    }
    end = p->lex.at;
    p->lex.at = s->start;
    if (!npri_parse_strings(p, put_character, s)) {
        return false;
    }
    p->lex.at = end;
    return true;
}

/* The value is written to `raw` as a term, used from there, and taken away again. */
static bool value_segment(struct segment *s, unsigned depth)
{
    struct npri_parser *p = s->parser;
    const size_t mark = p->raw.size;

    if (!npri_parse_term(p, depth - 1) || !parse_spec(s) || p->raw.failed ||
        !put_value(s, p->raw.data + mark)) {
        return false;
    }
    p->raw.size = mark;
    return true;
}

static bool parse_segments(struct npri_parser *p, struct npri_bits *bits, unsigned depth)
{
    if (npri_lex_accept(&p->lex, ">>")) {
        return true;
    }
    do {
        struct segment s = {.parser = p, .bits = bits};

        npri_lex_space(&p->lex);
        s.start = p->lex.at;
        if (!(npri_lex_peek(&p->lex, 0) == '"' ? string_segment(&s) : value_segment(&s, depth))) {
            return false;
        }
    } while (npri_lex_accept(&p->lex, ","));
    return npri_lex_expect(&p->lex, ">>");
}

bool npri_parse_binary(struct npri_parser *p, unsigned depth)
{
    struct npri_bits bits;
    bool parsed;

    p->lex.at += 2;
    npri_bits_init(&bits);
    parsed = parse_segments(p, &bits, depth);
    if (parsed && bits.bytes.size > p->raw.size_max - p->raw.size) {
        parsed = npri_lex_fail(&p->lex, p->lex.at, NPR_EFULL, "the term is too large");
    }
    if (parsed) {
        npri_bits_finish(&bits, &p->raw);
    }
    npri_bits_fini(&bits);
    return parsed;
}
