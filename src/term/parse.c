#include "term/parse.h"

#include "base/fail.h"
#include "base/limits.h"
#include "term/builder.h"
#include "term/decimal.h"
#include "term/parser.h"
#include "term/scan.h"
#include "term/syntax.h"
#include "term/write.h"

#define PIECE_BYTES_MAX                                                                            \
    (NPRI_ATOM_BYTES_MAX + 64u) /* the most that is appended to `raw` at once                      \
                                 */

static bool fail(struct npri_parser *p, const uint8_t *at, const char *fault)
{
    return npri_lex_fail(&p->lex, at, NPR_ESYNTAX, fault);
}

/* A string one code point after another; strings that follow each other are one. */
bool npri_parse_strings(struct npri_parser *p, bool (*each)(void *user, uint32_t code), void *user)
{
    while (npri_lex_accept(&p->lex, "\"")) {
        const uint8_t *start = p->lex.at - 1;

        while (npri_lex_peek(&p->lex, 0) != '"') {
            uint32_t code;

            if (p->lex.at == p->lex.end) {
                return fail(p, start, "string without an end");
            }
            if (!npri_lex_char(&p->lex, &code) || (each != NULL && !each(user, code))) {
                return false;
            }
        }
        p->lex.at++;
    }
    return true;
}

struct string_list {
    struct npri_buffer *raw;
    uint32_t count;
};

static bool put_code_point(void *user, uint32_t code)
{
    struct string_list *list = user;

    npri_put_int(list->raw, code);
    list->count++;
    return !list->raw->failed;
}

static bool parse_string(struct npri_parser *p)
{
    const size_t start = p->raw.size;
    struct string_list list = {.raw = &p->raw};

    npri_put_list(&p->raw, 1);
    if (!npri_parse_strings(p, put_code_point, &list)) {
        return false;
    }
    npri_buffer_patch_u32(&p->raw, start + 1, list.count);
    npri_put_nil(&p->raw);
    return true;
}

static bool parse_digits(struct npri_parser *p,
                         struct npr_bytes digits,
                         unsigned base,
                         bool negative)
{
    struct npri_buffer magnitude;
    npr_status status;

    npri_buffer_init(&magnitude, NPRI_TERM_BYTES_MAX);
    status = npri_digits_read(digits, base, &magnitude);
    if (status == NPR_OK) {
        npri_put_integer(&p->raw, negative, magnitude.data, magnitude.size);
    } else {
        (void)npri_lex_fail(&p->lex, digits.data, status,
                            status == NPR_EFULL
                                ? "so many digits are read only in base 2, 4, 8, 16 or 32"
                                : "no memory for the number");
    }
    npri_buffer_fini(&magnitude);
    return status == NPR_OK;
}

static bool based_integer(struct npri_parser *p, struct npr_bytes base_digits, bool negative)
{
    struct npr_bytes digits;
    unsigned base = 0;

    for (size_t i = 0; i < base_digits.size && base <= 36; i++) {
        if (base_digits.data[i] != '_') {
            base = base * 10 + npri_digit_value(base_digits.data[i]);
        }
    }
    if (base < 2 || base > 36) {
        return fail(p, base_digits.data, "the base of a number is 2 to 36");
    }
    p->lex.at++; /* # */
    if (!npri_lex_digits(&p->lex, base, &digits)) {
        return fail(p, p->lex.at, "expected a digit of that base");
    }
    return parse_digits(p, digits, base, negative);
}

/* From the first digit at `start` on; the part before the point has been taken. */
NPRI_NOT_INLINED static bool parse_float(struct npri_parser *p, const uint8_t *start, bool negative)
{
    uint8_t text[NPRI_DECIMAL_TEXT_MAX];
    struct npr_bytes part;
    const uint8_t *exponent;
    size_t size = 0;
    double value;

    p->lex.at++; /* the point, behind which a digit stands */
    (void)npri_lex_digits(&p->lex, 10, &part);
    exponent = p->lex.at;
    if (npri_lex_peek(&p->lex, 0) == 'e' || npri_lex_peek(&p->lex, 0) == 'E') {
        const uint8_t sign = npri_lex_peek(&p->lex, 1);

        p->lex.at += sign == '-' || sign == '+' ? 2 : 1;
        if (!npri_lex_digits(&p->lex, 10, &part)) {
            p->lex.at = exponent;
        }
    }
    for (const uint8_t *at = start; at < p->lex.at; at++) {
        if (size == sizeof(text)) {
            return npri_lex_fail(&p->lex, start, NPR_EFULL, "a float of too many digits");
        }
        if (*at != '_') {
            text[size++] = *at;
        }
    }
    if (!npri_decimal_read(npri_bytes(text, size), &value)) {
        return fail(p, start, "the float is out of range");
    }
    npri_put_double(&p->raw, negative ? -value : value);
    return true;
}

static bool parse_number(struct npri_parser *p, bool negative)
{
    const uint8_t *start = p->lex.at;
    struct npr_bytes digits;

    if (!npri_lex_digits(&p->lex, 10, &digits)) {
        return fail(p, start, "expected a number");
    }
    if (npri_lex_peek(&p->lex, 0) == '#') {
        return based_integer(p, digits, negative);
    }
    if (npri_lex_peek(&p->lex, 0) == '.' && npri_digit_value(npri_lex_peek(&p->lex, 1)) < 10) {
        return parse_float(p, start, negative);
    }
    return parse_digits(p, digits, 10, negative);
}

static bool parse_signed(struct npri_parser *p)
{
    const bool negative = *p->lex.at++ == '-';

    npri_lex_space(&p->lex);
    return parse_number(p, negative);
}

static bool parse_char(struct npri_parser *p)
{
    uint32_t code;

    p->lex.at++;
    if (!npri_lex_char(&p->lex, &code)) {
        return false;
    }
    npri_put_int(&p->raw, code);
    return true;
}

NPRI_NOT_INLINED static bool parse_atom(struct npri_parser *p)
{
    uint8_t text[NPRI_ATOM_BYTES_MAX];
    size_t size;

    npri_lex_space(&p->lex);
    if (!npri_lex_at_atom(&p->lex)) {
        return fail(p, p->lex.at, "expected an atom");
    }
    if (!npri_lex_atom(&p->lex, text, &size)) {
        return false;
    }
    npri_put_atom_bytes(&p->raw, npri_bytes(text, size));
    return true;
}

static bool parse_fun(struct npri_parser *p)
{
    uint64_t arity = 0;

    p->lex.at += 3;
    npri_put_u8(&p->raw, NPRI_TAG_EXPORT);
    if (!parse_atom(p) || !npri_lex_expect(&p->lex, ":") || !parse_atom(p) ||
        !npri_lex_expect(&p->lex, "/")) {
        return false;
    }
    npri_lex_space(&p->lex);
    if (!npri_lex_number(&p->lex, 255, &arity)) {
        return false;
    }
    npri_put_uint(&p->raw, arity);
    return true;
}

/* The node in <a@127.0.0.1.85.0>, before the last `numbers` dotted numbers; or any atom in quotes.
 */
static bool parse_node(struct npri_parser *p, size_t numbers)
{
    const uint8_t *end = p->lex.at;
    const uint8_t *start = p->lex.at;

    if (npri_lex_peek(&p->lex, 0) == '\'') {
        return parse_atom(p);
    }
    while (end < p->lex.end && *end != '>' && *end > ' ') {
        end++;
    }
    for (size_t i = 0; i < numbers; i++) {
        do {
            if (end == start) {
                return fail(p, start, "expected <name@host.number.number>");
            }
            end--;
        } while (*end != '.');
    }
    if (!npri_syntax_bare_node(npri_bytes(start, (size_t)(end - start)))) {
        return fail(p, start, "expected the name of a node, name@host, or an atom in quotes");
    }
    if (end - start > (ptrdiff_t)NPRI_ATOM_CHARS_MAX) {
        return fail(p, start, "node name of more than 255 characters");
    }
    npri_put_atom_bytes(&p->raw, npri_bytes(start, (size_t)(end - start)));
    p->lex.at = end;
    return true;
}

static bool parse_dotted(struct npri_parser *p, uint64_t max, uint64_t *out)
{
    if (npri_lex_peek(&p->lex, 0) != '.') {
        return fail(p, p->lex.at, "expected '.'");
    }
    p->lex.at++;
    return npri_lex_number(&p->lex, max, out);
}

/* The text does not tell the creation, which is 0. */
static bool parse_pid(struct npri_parser *p)
{
    uint64_t id = 0;
    uint64_t serial = 0;

    p->lex.at++;
    npri_put_u8(&p->raw, NPRI_TAG_NEW_PID);
    if (!parse_node(p, 2) || !parse_dotted(p, UINT32_MAX, &id) ||
        !parse_dotted(p, UINT32_MAX, &serial) || !npri_lex_expect(&p->lex, ">")) {
        return false;
    }
    npri_put_u32(&p->raw, (uint32_t)id);
    npri_put_u32(&p->raw, (uint32_t)serial);
    npri_put_u32(&p->raw, 0);
    return true;
}

static bool parse_port(struct npri_parser *p)
{
    uint64_t id = 0;

    npri_put_u8(&p->raw, NPRI_TAG_V4_PORT);
    if (!parse_node(p, 1) || !parse_dotted(p, UINT64_MAX, &id) || !npri_lex_expect(&p->lex, ">")) {
        return false;
    }
    npri_put_u64(&p->raw, id);
    npri_put_u32(&p->raw, 0);
    return true;
}

static bool parse_ref(struct npri_parser *p)
{
    const size_t start = p->raw.size;
    uint64_t words[NPR_REF_WORDS_MAX] = {0};
    uint16_t count = 0;

    npri_put_u8(&p->raw, NPRI_TAG_NEWER_REFERENCE);
    npri_put_u16(&p->raw, 0);
    if (!parse_node(p, 3)) {
        return false;
    }
    while (count < NPR_REF_WORDS_MAX && npri_lex_peek(&p->lex, 0) == '.') {
        if (!parse_dotted(p, UINT32_MAX, &words[count])) {
            return false;
        }
        count++;
    }
    if (count == 0) {
        return fail(p, p->lex.at, "a reference has 1 to 5 words");
    }
    if (!npri_lex_expect(&p->lex, ">")) {
        return false;
    }
    npri_put_u32(&p->raw, 0);
    for (unsigned i = count; i > 0; i--) {
        npri_put_u32(&p->raw, (uint32_t)words[i - 1]);
    }
    if (!p->raw.failed) {
        p->raw.data[start + 2] = (uint8_t)count;
    }
    return true;
}

static bool parse_tuple(struct npri_parser *p, unsigned depth)
{
    const size_t start = p->raw.size;
    uint32_t arity = 0;

    p->lex.at++;
    npri_put_u8(&p->raw, NPRI_TAG_LARGE_TUPLE);
    npri_put_u32(&p->raw, 0);
    if (!npri_lex_accept(&p->lex, "}")) {
        do {
            if (!npri_parse_term(p, depth - 1)) {
                return false;
            }
            arity++;
        } while (npri_lex_accept(&p->lex, ","));
        if (!npri_lex_expect(&p->lex, "}")) {
            return false;
        }
    }
    npri_buffer_patch_u32(&p->raw, start + 1, arity);
    return true;
}

static bool parse_list(struct npri_parser *p, unsigned depth)
{
    const size_t start = p->raw.size;
    uint32_t count = 0;

    p->lex.at++;
    if (npri_lex_accept(&p->lex, "]")) {
        npri_put_nil(&p->raw);
        return true;
    }
    npri_put_list(&p->raw, 1);
    do {
        if (!npri_parse_term(p, depth - 1)) {
            return false;
        }
        count++;
    } while (npri_lex_accept(&p->lex, ","));
    if (!npri_lex_accept(&p->lex, "|")) {
        npri_put_nil(&p->raw);
    } else if (!npri_parse_term(p, depth - 1)) {
        return false;
    }
    npri_buffer_patch_u32(&p->raw, start + 1, count);
    return npri_lex_expect(&p->lex, "]");
}

/* Whether the map in `raw` from `start` on has a key twice. */
static bool check_map(struct npri_parser *p, size_t start, const uint8_t *map)
{
    struct npri_buffer normal;
    npr_status status;

    if (p->raw.failed) {
        return false;
    }
    npri_buffer_init(&normal, 0);
    status =
        npri_term_rewrite(npri_bytes(p->raw.data + start, p->raw.size - start), 0, &normal, NULL);
    npri_buffer_fini(&normal);
    return status == NPR_OK || npri_lex_fail(&p->lex, map, status, "the map has a key twice");
}

static bool parse_map(struct npri_parser *p, unsigned depth)
{
    const size_t start = p->raw.size;
    const uint8_t *map = p->lex.at;
    uint32_t pairs = 0;

    p->lex.at += 2;
    npri_put_map(&p->raw, 0);
    if (!npri_lex_accept(&p->lex, "}")) {
        do {
            if (!npri_parse_term(p, depth - 1) || !npri_lex_expect(&p->lex, "=>") ||
                !npri_parse_term(p, depth - 1)) {
                return false;
            }
            pairs++;
        } while (npri_lex_accept(&p->lex, ","));
        if (!npri_lex_expect(&p->lex, "}")) {
            return false;
        }
    }
    npri_buffer_patch_u32(&p->raw, start + 1, pairs);
    return !p->check_maps || check_map(p, start, map);
}

/* What begins with '#'. */
static bool parse_hash(struct npri_parser *p, unsigned depth)
{
    const uint8_t *start = p->lex.at;

    if (npri_lex_peek(&p->lex, 1) == '{') {
        return parse_map(p, depth);
    }
    if (npri_lex_accept(&p->lex, "#Port<")) {
        return parse_port(p);
    }
    if (npri_lex_accept(&p->lex, "#Ref<")) {
        return parse_ref(p);
    }
    if (npri_lex_accept(&p->lex, "#Fun<")) {
        return fail(p, start, "a closure cannot be read from text");
    }
    return fail(p, start, "expected #{, #Port< or #Ref<");
}

/* Names, and what is no term at all. */
static bool parse_word(struct npri_parser *p)
{
    const uint8_t *start = p->lex.at;
    const uint8_t c = npri_lex_peek(&p->lex, 0);

    if (c == 'f' && npri_lex_peek(&p->lex, 1) == 'u' && npri_lex_peek(&p->lex, 2) == 'n' &&
        !npri_syntax_atom_char(npri_lex_peek(&p->lex, 3))) {
        return parse_fun(p);
    }
    if (npri_lex_at_atom(&p->lex)) {
        return parse_atom(p);
    }
    if (start == p->lex.end) {
        return fail(p, start, "the text ends where a term should be");
    }
    if (npri_syntax_atom_char(c) && c < 0x80) {
        return fail(p, start, "a variable is no term (an atom like this needs quotes)");
    }
    return fail(p, start, "no term begins like this");
}

static bool parse_any(struct npri_parser *p, unsigned depth)
{
    switch (npri_lex_peek(&p->lex, 0)) {
    case '[':
        return parse_list(p, depth);
    case '{':
        return parse_tuple(p, depth);
    case '#':
        return parse_hash(p, depth);
    case '"':
        return parse_string(p);
    case '$':
        return parse_char(p);
    case '-':
    case '+':
        return parse_signed(p);
    case '<':
        return npri_lex_peek(&p->lex, 1) == '<' ? npri_parse_binary(p, depth) : parse_pid(p);
    case '(':
        p->lex.at++;
        return npri_parse_term(p, depth - 1) && npri_lex_expect(&p->lex, ")");
    case '~':
        return p->place != NULL ? p->place(p, p->user) : parse_word(p);
    default:
        return npri_digit_value(npri_lex_peek(&p->lex, 0)) < 10 ? parse_number(p, false)
                                                                : parse_word(p);
    }
}

bool npri_parse_term(struct npri_parser *p, unsigned depth)
{
    npri_lex_space(&p->lex);
    if (depth == 0) {
        return npri_lex_fail(&p->lex, p->lex.at, NPR_EFULL, "terms are nested too deep");
    }
    if (p->raw.failed) {
        return false;
    }
    return parse_any(p, depth);
}

/* One term and nothing after it but a full stop.  On failure `err` is set. */
static npr_status parse_whole(struct npri_parser *p)
{
    if (npri_parse_term(p, NPRI_TERM_DEPTH_MAX)) {
        (void)npri_lex_accept(&p->lex, ".");
        npri_lex_space(&p->lex);
        if (p->lex.at != p->lex.end) {
            (void)fail(p, p->lex.at, "something follows the term");
        }
    }
    if (p->lex.status == NPR_OK && p->raw.failed) {
        const bool full = p->raw.size_max - p->raw.size <= PIECE_BYTES_MAX;

        (void)npri_lex_fail(&p->lex, p->lex.at, full ? NPR_EFULL : NPR_ENOMEM,
                            full ? "the term is too large" : "no memory for the term");
    }
    return p->lex.status;
}

static struct npri_parser begin(struct npr_bytes text, struct npr_error *err)
{
    static const uint8_t nothing[1];
    const uint8_t *data = text.data == NULL ? nothing : text.data;
    struct npri_parser parser = {
        .lex = {.start = data, .at = data, .end = data + text.size, .err = err}};

    npri_buffer_init(&parser.raw, NPRI_TERM_BYTES_MAX);
    return parser;
}

npr_status npri_parse_places(struct npr_bytes text,
                             npri_parse_place *place,
                             void *user,
                             struct npri_buffer *out,
                             struct npr_error *err)
{
    struct npri_parser parser = begin(text, err);
    struct npri_scan scan;
    npr_status status;

    if (text.size > NPRI_TERM_BYTES_MAX) {
        return npri_fail(err, NPR_EFULL, "a text of more than %u bytes", NPRI_TERM_BYTES_MAX);
    }
    parser.place = place;
    parser.user = user;
    status = parse_whole(&parser);
    if (status == NPR_OK) { /* a syntax error here is a key twice, whose place is not known */
        status = npri_term_scan(npri_buffer_bytes(&parser.raw), 0, &scan, err);
    }
    if (status == NPR_OK) {
        status = npri_term_rewrite(npri_buffer_bytes(&parser.raw), 0, out, err);
    }
    if (status == NPR_ESYNTAX && parser.lex.status == NPR_OK) {
        npri_buffer_fini(&parser.raw);
        parser = begin(text, err);
        parser.place = place;
        parser.user = user;
        parser.check_maps = true;
        status = parse_whole(&parser);
    }
    npri_buffer_fini(&parser.raw);
    return status;
}

npr_status npri_term_parse(struct npr_bytes text, struct npri_buffer *out, struct npr_error *err)
{
    return npri_parse_places(text, NULL, NULL, out, err);
}

npr_status npr_term_parse(struct npr_bytes text, struct npr_builder *builder, struct npr_error *err)
{
    return npri_builder_append(builder, "parse", text, npri_term_parse, err);
}
