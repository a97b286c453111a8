/* JSON as terms: recursive descent over the text, writing terms as they come, then their normal
 * form.
 *
 * An object whose first name is a tag is written without its header: most such objects are what
 * they seem, and the value needs only a few bytes changed in place.  If it turns out to be a plain
 * object, the header and the name are put in front of the value. */
#include "nprocreg/json.h"

#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/builder.h"
#include "term/decimal.h"
#include "term/json_reader.h"
#include "term/number.h"
#include "term/scan.h"
#include "term/write.h"

#define SHORT_DIGITS_MAX 18u

static void read_value(struct npri_json_reader *r, bool may_be_tail);

void npri_json_fail(struct npri_json_reader *r, npr_status status, const char *why)
{
    if (r->status == NPR_OK) {
        r->status = npri_fail(r->err, status, "offset %zu: %s", (size_t)(r->at - r->start), why);
    }
}

/* ---- Characters. */

static void skip_spaces(struct npri_json_reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
}

/* The next character after spaces; 0 at the end. */
static uint8_t peek(struct npri_json_reader *r)
{
    skip_spaces(r);
    return r->at < r->end ? *r->at : 0;
}

static bool take(struct npri_json_reader *r, char c)
{
    if (peek(r) != (uint8_t)c) {
        return false;
    }
    r->at++;
    return true;
}

/* ---- Strings. */

static bool read_hex4(struct npri_json_reader *r, uint32_t *out)
{
    uint32_t code = 0;

    if (r->end - r->at < 4) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        const unsigned digit = npri_digit_value(r->at[i]);

        if (digit >= 16) {
            return false;
        }
        code = code << 4 | digit;
    }
    r->at += 4;
    *out = code;
    return true;
}

/* Behind \u. */
static void read_unicode(struct npri_json_reader *r)
{
    uint8_t utf8[NPRI_UTF8_BYTES_MAX];
    uint32_t code = 0;
    uint32_t low = 0;

    if (!read_hex4(r, &code)) {
        npri_json_fail(r, NPR_ESYNTAX, "four hexadecimal digits must follow \\u");
        return;
    }
    if (code >= 0xd800 && code < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' &&
        r->at[1] == 'u') {
        r->at += 2;
        if (read_hex4(r, &low) && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    if (!npri_utf8_valid(code)) {
        npri_json_fail(r, NPR_ESYNTAX, "half of a surrogate pair is no character");
        return;
    }
    npri_put_bytes(&r->raw, npri_bytes(utf8, npri_utf8_write(code, utf8)));
}

static void read_escape(struct npri_json_reader *r)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        read_unicode(r);
        return;
    }
    for (size_t i = 0; r->at < r->end && from[i] != '\0'; i++) {
        if (*r->at == (uint8_t)from[i]) {
            npri_put_u8(&r->raw, (uint8_t)to[i]);
            r->at++;
            return;
        }
    }
    npri_json_fail(r, NPR_ESYNTAX, "no such escape");
}

/* Characters up to the next quote or escape. */
static void read_plain(struct npri_json_reader *r)
{
    const uint8_t *from = r->at;
    size_t count;

    while (r->at < r->end && *r->at >= ' ' && *r->at != '"' && *r->at != '\\') {
        r->at++;
    }
    if (!npri_utf8_count(npri_bytes(from, (size_t)(r->at - from)), &count, NULL)) {
        r->at = from;
        npri_json_fail(r, NPR_ESYNTAX, "a string is not UTF-8");
        return;
    }
    npri_put_bytes(&r->raw, npri_bytes(from, (size_t)(r->at - from)));
}

/* At the quote. */
static void read_string(struct npri_json_reader *r)
{
    const size_t start = r->raw.size;

    r->at++;
    npri_put_binary(&r->raw, npri_bytes(NULL, 0));
    while (npri_json_going(r)) {
        if (r->at == r->end || *r->at < ' ') {
            npri_json_fail(r, NPR_ESYNTAX, "a string does not end on its line");
        } else if (*r->at == '"') {
            r->at++;
            npri_buffer_patch_u32(&r->raw, start + 1,
                                  (uint32_t)(r->raw.size - start - NPRI_JSON_HEADER_BYTES));
            return;
        } else if (*r->at == '\\') {
            r->at++;
            read_escape(r);
        } else {
            read_plain(r);
        }
    }
}

/* ---- Numbers and words. */

static size_t count_digits(struct npri_json_reader *r)
{
    const uint8_t *from = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - from);
}

static void put_long_integer(struct npri_json_reader *r, bool negative, struct npr_bytes digits)
{
    struct npri_buffer magnitude;
    npr_status status;

    npri_buffer_init(&magnitude, 0);
    status = npri_digits_read(digits, 10, &magnitude);
    if (status == NPR_OK) {
        npri_put_integer(&r->raw, negative, magnitude.data, magnitude.size);
    } else {
        npri_json_fail(r, status,
                       status == NPR_EFULL ? "an integer has too many digits" : "out of memory");
    }
    npri_buffer_fini(&magnitude);
}

static void put_integer(struct npri_json_reader *r, bool negative, struct npr_bytes digits)
{
    int64_t value = 0;

    if (digits.size > SHORT_DIGITS_MAX) {
        put_long_integer(r, negative, digits);
        return;
    }
    for (size_t i = 0; i < digits.size; i++) {
        value = value * 10 + (digits.data[i] - '0');
    }
    npri_put_int(&r->raw, negative ? -value : value);
}

/* -? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)? */
static void read_number(struct npri_json_reader *r)
{
    const uint8_t *from = r->at;
    const bool negative = *r->at == '-';
    const uint8_t *digits = r->at += negative;
    size_t size = count_digits(r);
    bool valid = size > 0 && (size == 1 || *digits != '0');
    bool is_float = false;
    double value;

    if (valid && r->at < r->end && *r->at == '.') {
        is_float = true;
        r->at++;
        valid = count_digits(r) > 0;
    }
    if (valid && r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        is_float = true;
        r->at++;
        r->at += r->at < r->end && (*r->at == '+' || *r->at == '-');
        valid = count_digits(r) > 0;
    }
    if (!valid) {
        npri_json_fail(r, NPR_ESYNTAX, "no such number");
    } else if (!is_float) {
        put_integer(r, negative, npri_bytes(digits, size));
    } else if (!npri_decimal_read(npri_bytes(from, (size_t)(r->at - from)), &value)) {
        npri_json_fail(r, NPR_ESYNTAX, "a number beyond the range of floats, or too long");
    } else {
        npri_put_double(&r->raw, value);
    }
}

static void read_word(struct npri_json_reader *r)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct npr_bytes word = npr_bytes_of(words[i]);

        if ((size_t)(r->end - r->at) >= word.size && memcmp(r->at, word.data, word.size) == 0) {
            r->at += word.size;
            npri_put_atom(&r->raw, words[i]);
            return;
        }
    }
    npri_json_fail(r, NPR_ESYNTAX,
                   r->at == r->end ? "a value is missing" : "no JSON value begins so");
}

/* ---- Arrays. */

/* At the bracket. */
static void read_array(struct npri_json_reader *r)
{
    const size_t start = r->raw.size;
    uint32_t count = 0;
    size_t last;

    r->at++;
    if (take(r, ']')) {
        npri_put_nil(&r->raw);
        r->array_at = start;
        return;
    }
    npri_put_list(&r->raw, 1);
    do {
        last = r->raw.size;
        r->tail_at = NPRI_JSON_NOWHERE;
        read_value(r, count > 0);
        count++;
    } while (npri_json_going(r) && take(r, ','));
    if (npri_json_going(r) && !take(r, ']')) {
        npri_json_fail(r, NPR_ESYNTAX, ", or ] must follow an array's element");
    }
    if (!npri_json_going(r)) {
        return;
    }
    if (r->tail_at == last) {
        npri_buffer_patch_u32(&r->raw, start + 1, count - 1);
    } else {
        npri_buffer_patch_u32(&r->raw, start + 1, count);
        npri_put_nil(&r->raw);
        r->array_at = start;
    }
}

/* ---- Objects. */

static enum npri_json_tag tag_of(struct npr_bytes name)
{
    for (int tag = NPRI_JSON_PLAIN + 1; tag < NPRI_JSON_TAGS; tag++) {
        if (npri_bytes_equal(name, npr_bytes_of(npri_json_tag_names[tag]))) {
            return (enum npri_json_tag)tag;
        }
    }
    return NPRI_JSON_PLAIN;
}

/* The name and its colon. */
static void read_name(struct npri_json_reader *r)
{
    if (peek(r) != '"') {
        npri_json_fail(r, NPR_ESYNTAX, "a member's name is missing");
        return;
    }
    read_string(r);
    if (npri_json_going(r) && !take(r, ':')) {
        npri_json_fail(r, NPR_ESYNTAX, ": must follow a member's name");
    }
}

/* The first name, and its value; a tag is left out. */
static enum npri_json_tag read_first(struct npri_json_reader *r, size_t start)
{
    enum npri_json_tag tag = NPRI_JSON_PLAIN;

    npri_put_map(&r->raw, 1);
    read_name(r);
    if (npri_json_going(r)) {
        const size_t name_at = start + 2 * NPRI_JSON_HEADER_BYTES;

        tag = tag_of(npri_bytes(r->raw.data + name_at, r->raw.size - name_at));
        r->raw.size = tag == NPRI_JSON_PLAIN ? r->raw.size : start;
        read_value(r, false);
    }
    return tag;
}

/* At the brace. */
static void read_object(struct npri_json_reader *r, bool may_be_tail)
{
    const size_t start = r->raw.size;
    enum npri_json_tag tag;
    uint32_t count = 1;

    r->at++;
    if (take(r, '}')) {
        npri_put_map(&r->raw, 0);
        return;
    }
    tag = read_first(r, start);
    if (npri_json_going(r) && tag != NPRI_JSON_PLAIN && peek(r) == ',') {
        npri_json_put_name(r, tag, start);
        tag = NPRI_JSON_PLAIN;
    }
    while (npri_json_going(r) && take(r, ',')) {
        read_name(r);
        if (npri_json_going(r)) {
            read_value(r, false);
        }
        count++;
    }
    if (npri_json_going(r) && !take(r, '}')) {
        npri_json_fail(r, NPR_ESYNTAX, ", or } must follow an object's member");
    }
    if (!npri_json_going(r)) {
        return;
    }
    if (tag != NPRI_JSON_PLAIN) {
        if (!npri_json_convert(r, tag, start, may_be_tail && peek(r) == ']')) {
            npri_json_put_name(r, tag, start);
        }
        r->array_at = NPRI_JSON_NOWHERE; /* what is there now is no array */
        return;
    }
    npri_buffer_patch_u32(&r->raw, start + 1, count);
    if (count == 1) {
        npri_json_strip_name(r, start);
    }
}

/* ---- All. */

static void read_value(struct npri_json_reader *r, bool may_be_tail)
{
    const uint8_t next = peek(r);

    r->array_at = NPRI_JSON_NOWHERE;
    if (next == '{' || next == '[') {
        if (r->depth == NPRI_JSON_DEPTH_MAX) {
            npri_json_fail(r, NPR_EFULL, "arrays and objects are nested too deep");
            return;
        }
        r->depth++;
        if (next == '{') {
            read_object(r, may_be_tail);
        } else {
            read_array(r);
        }
        r->depth--;
    } else if (next == '"') {
        read_string(r);
    } else if (next == '-' || (next >= '0' && next <= '9')) {
        read_number(r);
    } else {
        read_word(r);
    }
}

/* `raw` in normal form.  Only names that are twice in an object can be wrong in it, and its size.
 */
static npr_status normalise(struct npri_json_reader *r, struct npri_buffer *out)
{
    const struct npr_bytes bytes = npri_buffer_bytes(&r->raw);
    struct npri_scan scan;
    npr_status status = npri_term_scan(bytes, 0, &scan, r->err);

    if (status == NPR_OK) {
        status = npri_term_rewrite(bytes, 0, out, r->err);
    }
    if (status == NPR_ESYNTAX) {
        return npri_fail(r->err, status, "an object or map has a name or key twice");
    }
    return status;
}

npr_status npri_json_read(struct npr_bytes text, struct npri_buffer *out, struct npr_error *err)
{
    struct npri_json_reader r = {.start = text.data,
                                 .at = text.data,
                                 .end = text.data + text.size,
                                 .array_at = NPRI_JSON_NOWHERE,
                                 .tail_at = NPRI_JSON_NOWHERE,
                                 .err = err};

    if (text.size == 0 || text.size > NPRI_TERM_BYTES_MAX) {
        return npri_fail(err, text.size == 0 ? NPR_ESYNTAX : NPR_EFULL,
                         text.size == 0 ? "offset 0: a value is missing" : "the text is too large");
    }
    npri_buffer_init(&r.raw, NPRI_TERM_BYTES_MAX);
    read_value(&r, false);
    if (npri_json_going(&r) && peek(&r) != 0) {
        npri_json_fail(&r, NPR_ESYNTAX, "more follows the value");
    }
    if (npri_json_going(&r) && r.at != r.end) { /* a NUL */
        npri_json_fail(&r, NPR_ESYNTAX, "more follows the value");
    }
    if (r.status == NPR_OK && r.raw.failed) {
        npri_json_fail(&r, r.raw.full ? NPR_EFULL : NPR_ENOMEM,
                       r.raw.full ? "the term is too large" : "no memory for the term");
    }
    if (r.status == NPR_OK) {
        r.status = normalise(&r, out);
    }
    npri_buffer_fini(&r.raw);
    return r.status;
}

npr_status npr_term_from_json(struct npr_bytes text,
                              struct npr_builder *builder,
                              struct npr_error *err)
{
    return npri_builder_append(builder, "from_json", text, npri_json_read, err);
}
