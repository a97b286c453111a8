#include "term/lex.h"

#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/decimal.h"
#include "term/syntax.h"

bool npri_lex_fail(struct npri_lex *lex, const uint8_t *at, npr_status status, const char *fault)
{
    if (lex->status == NPR_OK) {
        lex->status =
            npri_fail(lex->err, status, "offset %zu: %s", (size_t)(at - lex->start), fault);
    }
    return false;
}

static size_t left(const struct npri_lex *lex)
{
    return (size_t)(lex->end - lex->at);
}

uint8_t npri_lex_peek(const struct npri_lex *lex, size_t offset)
{
    return offset < left(lex) ? lex->at[offset] : 0;
}

/* Bytes of the white space here: 0x01..0x20, and U+0080..U+00A0.  A zero byte is a fault. */
static size_t space_bytes(const struct npri_lex *lex)
{
    const uint8_t c = npri_lex_peek(lex, 0);

    if (c == 0xc2 && npri_lex_peek(lex, 1) >= 0x80 && npri_lex_peek(lex, 1) <= 0xa0) {
        return 2;
    }
    return c >= 1 && c <= ' ';
}

void npri_lex_space(struct npri_lex *lex)
{
    for (;;) {
        const size_t size = space_bytes(lex);

        if (size == 0 && npri_lex_peek(lex, 0) != '%') {
            return;
        }
        lex->at += size;
        if (size == 0) {
            while (left(lex) > 0 && lex->at[0] != '\n') {
                lex->at++;
            }
        }
    }
}

bool npri_lex_accept(struct npri_lex *lex, const char *text)
{
    const struct npr_bytes wanted = npr_bytes_of(text);

    npri_lex_space(lex);
    if (lex->status != NPR_OK || left(lex) < wanted.size ||
        !npri_bytes_equal(npri_bytes(lex->at, wanted.size), wanted)) {
        return false;
    }
    lex->at += wanted.size;
    return true;
}

bool npri_lex_expect(struct npri_lex *lex, const char *text)
{
    if (npri_lex_accept(lex, text)) {
        return true;
    }
    if (lex->status == NPR_OK) {
        lex->status = npri_fail(lex->err, NPR_ESYNTAX, "offset %zu: expected '%s'",
                                (size_t)(lex->at - lex->start), text);
    }
    return false;
}

bool npri_lex_code(struct npri_lex *lex, uint32_t *out)
{
    size_t size;

    if (left(lex) == 0) {
        return npri_lex_fail(lex, lex->at, NPR_ESYNTAX, "the text ends too early");
    }
    size = npri_utf8_take(npri_bytes(lex->at, left(lex)), out);
    if (size == 0) {
        return npri_lex_fail(lex, lex->at, NPR_ESYNTAX, "the text is not UTF-8");
    }
    lex->at += size;
    return true;
}

static bool bad_escape(struct npri_lex *lex, const uint8_t *at)
{
    return npri_lex_fail(lex, at, NPR_ESYNTAX, "no such character escape");
}

/* After "\x": two digits, or any number of them in braces. */
static bool hex_escape(struct npri_lex *lex, const uint8_t *start, uint32_t *out)
{
    const bool braces = npri_lex_peek(lex, 0) == '{';
    uint32_t code = 0;
    size_t count = 0;

    lex->at += braces;
    while (npri_digit_value(npri_lex_peek(lex, 0)) < 16 && (braces || count < 2)) {
        code = code * 16 + npri_digit_value(*lex->at++);
        if (code > 0x10ffff) {
            return bad_escape(lex, start);
        }
        count++;
    }
    if (count == 0 || (!braces && count != 2) || (braces && npri_lex_peek(lex, 0) != '}') ||
        !npri_utf8_valid(code)) {
        return bad_escape(lex, start);
    }
    lex->at += braces;
    *out = code;
    return true;
}

static uint32_t octal_escape(struct npri_lex *lex, uint32_t code)
{
    for (unsigned i = 0; i < 2 && npri_digit_value(npri_lex_peek(lex, 0)) < 8; i++) {
        code = code * 8 + npri_digit_value(*lex->at++);
    }
    return code;
}

/* After the backslash. */
static bool escape(struct npri_lex *lex, const uint8_t *start, uint32_t *out)
{
    static const uint8_t codes[128] = {
        ['b'] = '\b', ['d'] = 0x7f, ['e'] = 0x1b, ['f'] = '\f', ['n'] = '\n',
        ['r'] = '\r', ['s'] = ' ',  ['t'] = '\t', ['v'] = '\v'};
    uint32_t code = 0;

    if (!npri_lex_code(lex, &code)) {
        return false;
    }
    if (code == 'x') {
        return hex_escape(lex, start, out);
    }
    if (code == '^') {
        if (!npri_lex_code(lex, &code)) {
            return false;
        }
        if (code <= ' ' || code > '~') {
            return bad_escape(lex, start);
        }
        *out = code & 31;
    } else if (npri_digit_value(code) < 8) {
        *out = octal_escape(lex, npri_digit_value(code));
    } else {
        *out = code < sizeof(codes) && codes[code] != 0 ? codes[code] : code;
    }
    return true;
}

bool npri_lex_char(struct npri_lex *lex, uint32_t *out)
{
    const uint8_t *start = lex->at;

    if (!npri_lex_code(lex, out)) {
        return false;
    }
    return *out != '\\' || escape(lex, start, out);
}

bool npri_lex_at_atom(const struct npri_lex *lex)
{
    uint32_t code;

    return npri_lex_peek(lex, 0) == '\'' ||
           (npri_utf8_take(npri_bytes(lex->at, left(lex)), &code) > 0 &&
            npri_syntax_atom_start(code));
}

/* One more character of an atom at `start`. */
static bool add_char(struct npri_lex *lex,
                     const uint8_t *start,
                     uint32_t code,
                     uint8_t *text,
                     size_t counts[2])
{
    if (counts[1] == NPRI_ATOM_CHARS_MAX) {
        return npri_lex_fail(lex, start, NPR_ESYNTAX, "atom of more than 255 characters");
    }
    counts[0] += npri_utf8_write(code, text + counts[0]);
    counts[1]++;
    return true;
}

static bool quoted_atom(struct npri_lex *lex, uint8_t *text, size_t *out_size)
{
    const uint8_t *start = lex->at++;
    size_t counts[2] = {0, 0}; /* bytes, characters */
    uint32_t code;

    while (npri_lex_peek(lex, 0) != '\'') {
        if (left(lex) == 0) {
            return npri_lex_fail(lex, start, NPR_ESYNTAX, "quoted atom without an end");
        }
        if (!npri_lex_char(lex, &code) || !add_char(lex, start, code, text, counts)) {
            return false;
        }
    }
    lex->at++;
    *out_size = counts[0];
    return true;
}

bool npri_lex_atom(struct npri_lex *lex, uint8_t *text, size_t *out_size)
{
    const uint8_t *start = lex->at;
    size_t counts[2] = {0, 0};

    if (npri_lex_peek(lex, 0) == '\'') {
        return quoted_atom(lex, text, out_size);
    }
    for (;;) {
        uint32_t code;
        const size_t size = npri_utf8_take(npri_bytes(lex->at, left(lex)), &code);

        if (size == 0 || !npri_syntax_atom_char(code)) {
            break;
        }
        if (!add_char(lex, start, code, text, counts)) {
            return false;
        }
        lex->at += size;
    }
    *out_size = counts[0];
    if (npri_syntax_reserved(npri_bytes(text, counts[0]))) {
        return npri_lex_fail(lex, start, NPR_ESYNTAX,
                             "a reserved word: as an atom it needs quotes");
    }
    return true;
}

bool npri_lex_digits(struct npri_lex *lex, unsigned base, struct npr_bytes *out)
{
    const uint8_t *start = lex->at;

    if (npri_digit_value(npri_lex_peek(lex, 0)) >= base) {
        return false;
    }
    for (;;) {
        const size_t underscore = npri_lex_peek(lex, 0) == '_';

        if (npri_digit_value(npri_lex_peek(lex, underscore)) >= base) {
            break;
        }
        lex->at += underscore + 1;
    }
    *out = npri_bytes(start, (size_t)(lex->at - start));
    return true;
}

bool npri_lex_number(struct npri_lex *lex, uint64_t max, uint64_t *out)
{
    const uint8_t *start = lex->at;
    uint64_t value = 0;

    while (npri_digit_value(npri_lex_peek(lex, 0)) < 10) {
        const unsigned digit = npri_digit_value(*lex->at++);

        if (value > (max - digit) / 10) {
            return npri_lex_fail(lex, start, NPR_ESYNTAX, "the number is too large here");
        }
        value = value * 10 + digit;
    }
    if (lex->at == start) {
        return npri_lex_fail(lex, start, NPR_ESYNTAX, "expected a number");
    }
    *out = value;
    return true;
}
