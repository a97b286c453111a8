/* Taking checked terms apart.  They are in normal form: see term/read.h. */
#include "base/assert.h"
#include "term/number.h"
#include "term/tag.h"

/* struct npr_term_walk.form */
enum walk_form {
    WALK_ELEMENTS, /* of a tuple or map: terms, and no tail */
    WALK_LIST,     /* terms, then a tail */
    WALK_STRING,   /* bytes that stand for small integers; the tail is [] */
};

enum npr_term_kind npr_term_kind(struct npr_term term)
{
    if (term.data == NULL) {
        return NPR_TERM_NONE;
    }
    switch ((enum npri_tag)term.data[0]) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
        return NPR_TERM_INTEGER;
    case NPRI_TAG_NEW_FLOAT:
        return NPR_TERM_FLOAT;
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        return NPR_TERM_ATOM;
    case NPRI_TAG_NEWER_REFERENCE:
        return NPR_TERM_REF;
    case NPRI_TAG_NEW_FUN:
    case NPRI_TAG_EXPORT:
        return NPR_TERM_FUN;
    case NPRI_TAG_NEW_PORT:
    case NPRI_TAG_V4_PORT:
        return NPR_TERM_PORT;
    case NPRI_TAG_NEW_PID:
        return NPR_TERM_PID;
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        return NPR_TERM_TUPLE;
    case NPRI_TAG_MAP:
        return NPR_TERM_MAP;
    case NPRI_TAG_NIL:
        return NPR_TERM_NIL;
    case NPRI_TAG_STRING:
    case NPRI_TAG_LIST:
        return NPR_TERM_LIST;
    case NPRI_TAG_BINARY:
        return NPR_TERM_BINARY;
    case NPRI_TAG_BIT_BINARY:
        return NPR_TERM_BITSTRING;
    case NPRI_TAG_COMPRESSED:
    case NPRI_TAG_FLOAT:
    case NPRI_TAG_ATOM:
    case NPRI_TAG_REFERENCE:
    case NPRI_TAG_PORT:
    case NPRI_TAG_PID:
    case NPRI_TAG_NEW_REFERENCE:
    case NPRI_TAG_SMALL_ATOM:
        break;
    }
    NPRI_ASSERT(false && "a checked term has only tags of the normal form");
    return NPR_TERM_NONE;
}

/* The magnitude if `term` is an integer of up to 64 bits. */
static bool get_magnitude(struct npr_term term, bool *out_negative, uint64_t *out)
{
    struct npri_integer integer;

    if (npr_term_kind(term) != NPR_TERM_INTEGER) {
        return false;
    }
    (void)npri_integer_take(term.data, &integer);
    if (integer.size > sizeof(*out)) {
        return false;
    }
    *out = 0;
    for (size_t i = integer.size; i > 0; i--) {
        *out = *out << 8 | integer.magnitude[i - 1];
    }
    *out_negative = integer.negative;
    return true;
}

bool npr_term_get_int64(struct npr_term term, int64_t *out)
{
    uint64_t magnitude;
    bool negative;

    if (out == NULL) {
        return false;
    }
    if (term.data != NULL && term.data[0] == NPRI_TAG_SMALL_INTEGER) {
        *out = term.data[1];
        return true;
    }
    if (term.data != NULL && term.data[0] == NPRI_TAG_INTEGER) {
        *out = (int32_t)npri_get_u32(term.data + 1);
        return true;
    }
    if (!get_magnitude(term, &negative, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    if (magnitude == (uint64_t)INT64_MAX + 1) {
        *out = INT64_MIN;
    } else {
        *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    }
    return true;
}

bool npr_term_get_uint64(struct npr_term term, uint64_t *out)
{
    uint64_t magnitude;
    bool negative;

    if (out == NULL || !get_magnitude(term, &negative, &magnitude) || negative) {
        return false;
    }
    *out = magnitude;
    return true;
}

bool npr_term_get_double(struct npr_term term, double *out)
{
    if (out == NULL || npr_term_kind(term) != NPR_TERM_FLOAT) {
        return false;
    }
    *out = npri_double_of_bits(npri_get_u64(term.data + 1));
    return true;
}

bool npr_term_get_atom(struct npr_term term, struct npr_bytes *out_utf8)
{
    if (out_utf8 == NULL || npr_term_kind(term) != NPR_TERM_ATOM) {
        return false;
    }
    *out_utf8 = npri_tag_atom(term.data);
    return true;
}

bool npr_term_get_binary(struct npr_term term, struct npr_bytes *out)
{
    if (out == NULL || npr_term_kind(term) != NPR_TERM_BINARY) {
        return false;
    }
    *out = npri_bytes(term.data + 5, npri_get_u32(term.data + 1));
    return true;
}

/* The node atom at `at`, and its end; false when its name is too long for a node. */
static bool get_node(const uint8_t *at, struct npr_node_name *out, const uint8_t **out_end)
{
    const struct npr_bytes name = npri_tag_atom(at);

    if (name.size > NPR_NODE_NAME_BYTES_MAX) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    out->size = (uint8_t)name.size;
    if (name.size > 0) {
        memcpy(out->text, name.data, name.size);
    }
    *out_end = name.data + name.size;
    return true;
}

bool npr_term_get_pid(struct npr_term term, struct npr_pid *out)
{
    struct npr_pid pid;
    const uint8_t *at;

    if (out == NULL || npr_term_kind(term) != NPR_TERM_PID ||
        !get_node(term.data + 1, &pid.node, &at)) {
        return false;
    }
    pid.id = npri_get_u32(at);
    pid.serial = npri_get_u32(at + 4);
    pid.creation = npri_get_u32(at + 8);
    *out = pid;
    return true;
}

bool npr_term_get_ref(struct npr_term term, struct npr_ref *out)
{
    struct npr_ref ref;
    const uint8_t *at;

    if (out == NULL || npr_term_kind(term) != NPR_TERM_REF ||
        !get_node(term.data + 3, &ref.node, &at)) {
        return false;
    }
    ref.creation = npri_get_u32(at);
    ref.words_count = npri_get_u16(term.data + 1);
    memset(ref.words, 0, sizeof(ref.words));
    for (uint32_t i = 0; i < ref.words_count; i++) {
        ref.words[i] = npri_get_u32(at + 4 + 4 * (size_t)i);
    }
    *out = ref;
    return true;
}

bool npr_term_get_export(struct npr_term term,
                         struct npr_bytes *out_module,
                         struct npr_bytes *out_function,
                         uint32_t *out_arity)
{
    const uint8_t *arity;
    struct npr_bytes module;

    if (out_module == NULL || out_function == NULL || out_arity == NULL ||
        npr_term_kind(term) != NPR_TERM_FUN || term.data[0] != NPRI_TAG_EXPORT) {
        return false;
    }
    module = npri_tag_atom(term.data + 1);
    *out_function = npri_tag_atom(module.data + module.size);
    *out_module = module;
    arity = out_function->data + out_function->size;
    *out_arity = arity[0] == NPRI_TAG_SMALL_INTEGER ? arity[1] : npri_get_u32(arity + 1);
    return true;
}

bool npr_term_is_atom(struct npr_term term, const char *name)
{
    struct npr_bytes text;

    return name != NULL && npr_term_get_atom(term, &text) &&
           npri_bytes_equal(text, npr_bytes_of(name));
}

bool npr_term_tuple(struct npr_term term, struct npr_term_walk *out, uint32_t *out_arity)
{
    uint64_t arity;
    size_t head;

    if (out == NULL || out_arity == NULL || npr_term_kind(term) != NPR_TERM_TUPLE) {
        return false;
    }
    head = npri_tag_head(term.data, &arity);
    *out = (struct npr_term_walk){.at = term.data + head,
                                  .end = term.data + term.size,
                                  .left = (uint32_t)arity,
                                  .form = WALK_ELEMENTS};
    *out_arity = (uint32_t)arity;
    return true;
}

bool npr_term_list(struct npr_term term, struct npr_term_walk *out)
{
    struct npr_term_walk walk = {.form = WALK_LIST};

    if (out == NULL) {
        return false;
    }
    if (npr_term_kind(term) == NPR_TERM_NIL) {
        walk.at = term.data;
    } else if (npr_term_kind(term) != NPR_TERM_LIST) {
        return false;
    } else if (term.data[0] == NPRI_TAG_STRING) {
        walk.at = term.data + 3;
        walk.left = npri_get_u16(term.data + 1);
        walk.form = WALK_STRING;
    } else {
        walk.at = term.data + 5;
        walk.left = npri_get_u32(term.data + 1);
    }
    walk.end = term.data + term.size;
    *out = walk;
    return true;
}

/* The walk counts terms in 32 bits; a map of more than 2^31 pairs does not fit any size limit. */
bool npr_term_map(struct npr_term term, struct npr_term_walk *out, uint32_t *out_pairs)
{
    uint32_t pairs;

    if (out == NULL || out_pairs == NULL || npr_term_kind(term) != NPR_TERM_MAP) {
        return false;
    }
    pairs = npri_get_u32(term.data + 1);
    *out = (struct npr_term_walk){.at = term.data + 5,
                                  .end = term.data + term.size,
                                  .left = 2 * pairs,
                                  .form = WALK_ELEMENTS};
    *out_pairs = pairs;
    return true;
}

/* 0..255 as terms, so that the bytes of a string can be handed out as such. */
#define BYTE_TERM(n)                                                                               \
    {                                                                                              \
        NPRI_TAG_SMALL_INTEGER, (n)                                                                \
    }
#define BYTE_TERMS_4(n) BYTE_TERM(n), BYTE_TERM((n) + 1), BYTE_TERM((n) + 2), BYTE_TERM((n) + 3)
#define BYTE_TERMS_16(n)                                                                           \
    BYTE_TERMS_4(n), BYTE_TERMS_4((n) + 4), BYTE_TERMS_4((n) + 8), BYTE_TERMS_4((n) + 12)
#define BYTE_TERMS_64(n)                                                                           \
    BYTE_TERMS_16(n), BYTE_TERMS_16((n) + 16), BYTE_TERMS_16((n) + 32), BYTE_TERMS_16((n) + 48)

static const uint8_t byte_terms[256][2] = {BYTE_TERMS_64(0), BYTE_TERMS_64(64), BYTE_TERMS_64(128),
                                           BYTE_TERMS_64(192)};

static const uint8_t nil_term[] = {NPRI_TAG_NIL};

bool npr_term_next(struct npr_term_walk *walk, struct npr_term *out)
{
    const uint8_t *at;

    if (walk == NULL || out == NULL || walk->left == 0) {
        return false;
    }
    at = walk->at;
    walk->left--;
    if (walk->form == WALK_STRING) {
        *out = (struct npr_term){.data = byte_terms[*at], .size = 2};
        walk->at = at + 1;
        return true;
    }
    walk->at = npri_tag_skip(at, 1);
    *out = (struct npr_term){.data = at, .size = (size_t)(walk->at - at)};
    return true;
}

bool npr_term_tail(struct npr_term_walk *walk, struct npr_term *out)
{
    if (walk == NULL || out == NULL || walk->at == NULL || walk->left > 0 ||
        walk->form == WALK_ELEMENTS) {
        return false;
    }
    if (walk->form == WALK_STRING) {
        *out = (struct npr_term){.data = nil_term, .size = sizeof(nil_term)};
        return true;
    }
    *out = (struct npr_term){.data = walk->at,
                             .size = (size_t)(npri_tag_skip(walk->at, 1) - walk->at)};
    return true;
}

bool npr_term_get_tuple(struct npr_term term, uint32_t arity, struct npr_term *out)
{
    const uint8_t *at;
    uint64_t count;

    if ((out == NULL && arity > 0) || npr_term_kind(term) != NPR_TERM_TUPLE) {
        return false;
    }
    at = term.data + npri_tag_head(term.data, &count);
    if (count != arity) {
        return false;
    }
    for (uint32_t i = 0; i < arity; i++) {
        const uint8_t *end = npri_tag_skip(at, 1);

        out[i] = (struct npr_term){.data = at, .size = (size_t)(end - at)};
        at = end;
    }
    return true;
}

bool npr_term_map_get(struct npr_term map, const char *name, struct npr_term *out)
{
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    uint32_t pairs;

    if (out == NULL || !npr_term_map(map, &walk, &pairs)) {
        return false;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
        if (npr_term_is_atom(key, name)) {
            *out = value;
            return true;
        }
    }
    return false;
}
