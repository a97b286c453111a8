#include "nprocreg/format.h"

#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/builder.h"
#include "term/number.h"
#include "term/parser.h"
#include "term/write.h"

/* One call of npr_build_format(). */
struct format {
    const char *text;
    const struct npr_value *values;
    size_t used; /* of the values */
};

#define HEAD_BYTES_MAX 16u /* any tag with its lengths and one number */

static bool refuse(struct npri_parser *p, const uint8_t *place, const char *fault)
{
    return npri_lex_fail(&p->lex, place, NPR_EINVAL, fault);
}

/* Whether `bytes` more fit.  Else the buffer would call it a lack of memory. */
static bool has_room(struct npri_parser *p, const uint8_t *place, size_t bytes)
{
    return bytes <= p->raw.size_max - p->raw.size ||
           npri_lex_fail(&p->lex, place, NPR_EFULL, "the term is too large");
}

/* Text for an atom, a string or a binary; `*out_chars` is set for the first two. */
static bool take_text(struct npri_parser *p,
                      const uint8_t *place,
                      const struct npr_value *value,
                      struct npr_bytes *out,
                      size_t *out_chars)
{
    if (value->kind != NPR_VALUE_BYTES) {
        return refuse(p, place, "the argument is no text");
    }
    if (value->as.bytes.data == NULL && value->as.bytes.size > 0) {
        return refuse(p, place, "the text is NULL");
    }
    if (out_chars != NULL && !npri_utf8_count(value->as.bytes, out_chars, NULL)) {
        return refuse(p, place, "the text is not UTF-8");
    }
    *out = value->as.bytes;
    return true;
}

static bool put_atom(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    struct npr_bytes text = {.data = NULL};
    size_t chars = 0;

    if (!take_text(p, place, value, &text, &chars)) {
        return false;
    }
    if (chars > NPRI_ATOM_CHARS_MAX) {
        return refuse(p, place, "the atom has more than 255 characters");
    }
    npri_put_atom_bytes(&p->raw, text);
    return true;
}

static bool put_binary(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    struct npr_bytes bytes = {.data = NULL};

    if (!take_text(p, place, value, &bytes, NULL) ||
        !has_room(p, place,
                  bytes.size < SIZE_MAX - HEAD_BYTES_MAX ? bytes.size + HEAD_BYTES_MAX
                                                         : SIZE_MAX)) {
        return false;
    }
    npri_put_binary(&p->raw, bytes);
    return true;
}

static bool put_string(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    struct npr_bytes text = {.data = NULL};
    size_t chars = 0;

    if (!take_text(p, place, value, &text, &chars) ||
        !has_room(p, place, chars < NPRI_TERM_BYTES_MAX ? 5 * chars + HEAD_BYTES_MAX : SIZE_MAX)) {
        return false;
    }
    if (chars > 0) {
        npri_put_list(&p->raw, (uint32_t)chars);
    }
    while (text.size > 0) {
        uint32_t code = 0;
        const size_t size = npri_utf8_take(text, &code);

        npri_put_int(&p->raw, code);
        text = npri_bytes(text.data + size, text.size - size);
    }
    npri_put_nil(&p->raw);
    return true;
}

static bool put_integer(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    if (value->kind == NPR_VALUE_INT) {
        npri_put_int(&p->raw, value->as.i);
    } else if (value->kind == NPR_VALUE_UINT) {
        npri_put_uint(&p->raw, value->as.u);
    } else {
        return refuse(p, place, "the argument is no integer");
    }
    return true;
}

static bool put_float(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    if (value->kind != NPR_VALUE_DOUBLE) {
        return refuse(p, place, "the argument is no double");
    }
    if (!npri_double_is_finite(value->as.d)) {
        return refuse(p, place, "the value is not finite");
    }
    npri_put_double(&p->raw, value->as.d);
    return true;
}

static bool node_is_atom(const struct npr_node_name *node)
{
    size_t chars;

    return npri_utf8_count(npri_bytes(node->text, node->size), &chars, NULL);
}

static bool put_pid(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    if (value->kind != NPR_VALUE_PID || value->as.pid == NULL) {
        return refuse(p, place, "the argument is no pid");
    }
    if (!node_is_atom(&value->as.pid->node)) {
        return refuse(p, place, "the node's name is not UTF-8");
    }
    npri_put_pid(&p->raw, value->as.pid);
    return true;
}

static bool put_ref(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    const struct npr_ref *ref = value->as.ref;

    if (value->kind != NPR_VALUE_REF || ref == NULL) {
        return refuse(p, place, "the argument is no reference");
    }
    if (ref->words_count == 0 || ref->words_count > NPR_REF_WORDS_MAX) {
        return refuse(p, place, "a reference has 1 to 5 words");
    }
    if (!node_is_atom(&ref->node)) {
        return refuse(p, place, "the node's name is not UTF-8");
    }
    npri_put_ref(&p->raw, ref);
    return true;
}

static bool put_term(struct npri_parser *p, const uint8_t *place, const struct npr_value *value)
{
    if (value->kind != NPR_VALUE_TERM || value->as.term.data == NULL) {
        return refuse(p, place, "the argument is no term");
    }
    if (!has_room(p, place, value->as.term.size)) {
        return false;
    }
    npri_put_term(&p->raw, value->as.term);
    return true;
}

static bool put_by_letter(struct npri_parser *p,
                          uint8_t letter,
                          const uint8_t *place,
                          const struct npr_value *value)
{
    switch (letter) {
    case 'a':
        return put_atom(p, place, value);
    case 'b':
        return put_binary(p, place, value);
    case 's':
        return put_string(p, place, value);
    case 'i':
    case 'l':
    case 'u':
        return put_integer(p, place, value);
    case 'd':
    case 'f':
        return put_float(p, place, value);
    case 'p':
        return put_pid(p, place, value);
    case 'r':
        return put_ref(p, place, value);
    case 't':
        return put_term(p, place, value);
    default:
        return refuse(p, place, "expected ~ and one of a, b, s, i, l, u, d, f, p, r and t");
    }
}

static bool put_place(struct npri_parser *p, void *user)
{
    struct format *format = user;
    const uint8_t *place = p->lex.at;
    const uint8_t letter = npri_lex_peek(&p->lex, 1);
    const struct npr_value *value = &format->values[p->places_count];

    if (value->kind == NPR_VALUE_END) {
        return refuse(p, place, "there are fewer arguments than places");
    }
    p->places_count++;
    format->used = p->places_count;
    p->lex.at += letter != 0 ? 2 : 1;
    return put_by_letter(p, letter, place, value);
}

struct npr_value npr_value_text(const char *text)
{
    return npr_value_bytes(text != NULL ? npr_bytes_of(text) : npri_bytes(NULL, 1));
}

static npr_status make(void *user, struct npri_buffer *out, struct npr_error *err)
{
    struct format *format = user;
    const size_t size = out->size;
    npr_status status;

    if (format->text == NULL || format->values == NULL) {
        return npri_fail(err, NPR_EINVAL, "there is no format");
    }
    status = npri_parse_places(npr_bytes_of(format->text), put_place, format, out, err);
    if (status == NPR_OK && format->values[format->used].kind != NPR_VALUE_END) {
        out->size = size;
        return npri_fail(err, NPR_EINVAL, "offset %zu: there are more arguments than places",
                         npr_bytes_of(format->text).size);
    }
    return status == NPR_ESYNTAX ? NPR_EINVAL : status;
}

void npr_build_format(struct npr_builder *builder,
                      const char *format,
                      const struct npr_value *values)
{
    struct format call = {.text = values == NULL ? NULL : format, .values = values};

    npri_builder_make(builder, "format", make, &call);
}
