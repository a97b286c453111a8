#include "term/scan.h"

#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/number.h"

struct scanner {
    const uint8_t *start;
    size_t origin; /* of `start`, in what the caller was given */
    const uint8_t *at;
    const uint8_t *end;
    bool normal;
    npr_status status;
    struct npr_error *err;
};

static bool scan_term(struct scanner *s, unsigned depth);

static size_t left(const struct scanner *s)
{
    return (size_t)(s->end - s->at);
}

static bool refuse_at(struct scanner *s, const uint8_t *at, npr_status status, const char *fault)
{
    s->status =
        npri_fail(s->err, status, "offset %zu: %s", s->origin + (size_t)(at - s->start), fault);
    return false;
}

static bool refuse(struct scanner *s, const char *fault)
{
    return refuse_at(s, s->at, NPR_ESYNTAX, fault);
}

static bool need(struct scanner *s, uint64_t bytes)
{
    return bytes <= left(s) || refuse_at(s, s->end, NPR_ESYNTAX, "the term ends too early");
}

/* A count of parts of at least one byte each cannot exceed the bytes that are left. */
static bool need_parts(struct scanner *s, uint64_t count)
{
    return count <= left(s) || refuse(s, "more elements than bytes are left");
}

static bool scan_utf8_atom(struct scanner *s, struct npr_bytes text)
{
    size_t chars;

    if (text.size > NPRI_ATOM_BYTES_MAX || !npri_utf8_count(text, &chars, NULL)) {
        return refuse(s, "atom is not UTF-8, or too long");
    }
    return chars <= NPRI_ATOM_CHARS_MAX || refuse(s, "atom of more than 255 characters");
}

/* `tag` has been taken; leaves s->at behind the atom. */
static bool scan_atom_text(struct scanner *s, uint8_t tag)
{
    const bool wide = tag == NPRI_TAG_ATOM || tag == NPRI_TAG_ATOM_UTF8;
    const size_t head = wide ? 2 : 1;
    size_t size;

    if (!need(s, head)) {
        return false;
    }
    size = wide ? npri_get_u16(s->at) : s->at[0];
    s->at += head;
    if (!need(s, size)) {
        return false;
    }
    if (tag == NPRI_TAG_ATOM || tag == NPRI_TAG_SMALL_ATOM) {
        s->normal = false;
        if (size > NPRI_ATOM_CHARS_MAX) {
            return refuse(s, "atom of more than 255 characters");
        }
    } else if (!scan_utf8_atom(s, npri_bytes(s->at, size))) {
        return false;
    } else if (wide && size <= 255) {
        s->normal = false;
    }
    s->at += size;
    return true;
}

static bool scan_atom(struct scanner *s, const char *fault)
{
    if (!need(s, 1)) {
        return false;
    }
    switch (s->at[0]) {
    case NPRI_TAG_ATOM:
    case NPRI_TAG_SMALL_ATOM:
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        return scan_atom_text(s, *s->at++);
    default:
        return refuse(s, fault);
    }
}

/* A magnitude of `size` bytes after its sign. */
static bool scan_big(struct scanner *s, uint8_t tag)
{
    const size_t head = tag == NPRI_TAG_SMALL_BIG ? 1 : 4;
    uint64_t size;
    uint64_t low = 0;

    if (!need(s, head + 1)) {
        return false;
    }
    size = head == 1 ? s->at[0] : npri_get_u32(s->at);
    if (!need(s, head + 1 + size)) {
        return false;
    }
    s->at += head;
    for (uint64_t i = size < 4 ? size : 4; i > 0; i--) {
        low = low << 8 | s->at[i];
    }
    if (s->at[0] > 1 || size < 4 || (head == 4 && size <= 255) || s->at[size] == 0 ||
        (size == 4 && low <= (uint64_t)INT32_MAX + s->at[0])) {
        s->normal = false;
    }
    s->at += 1 + size;
    return true;
}

static bool scan_float(struct scanner *s, uint8_t tag)
{
    double value;

    if (!need(s, tag == NPRI_TAG_FLOAT ? 31 : 8)) {
        return false;
    }
    if (tag == NPRI_TAG_FLOAT) {
        s->normal = false;
        if (!npri_float_of_old_text(s->at, &value)) {
            return refuse(s, "old float is not the text of a finite float");
        }
        s->at += 31;
        return true;
    }
    if (!npri_double_is_finite(npri_double_of_bits(npri_get_u64(s->at)))) {
        return refuse(s, "float is not finite");
    }
    s->at += 8;
    return true;
}

static bool scan_integer(struct scanner *s, uint8_t tag)
{
    if (tag == NPRI_TAG_SMALL_INTEGER) {
        if (!need(s, 1)) {
            return false;
        }
        s->at += 1;
        return true;
    }
    if (tag == NPRI_TAG_INTEGER) {
        if (!need(s, 4)) {
            return false;
        }
        s->normal = s->normal && npri_get_u32(s->at) > 255;
        s->at += 4;
        return true;
    }
    return scan_big(s, tag);
}

static bool scan_bits(struct scanner *s, uint8_t tag)
{
    const bool partial = tag == NPRI_TAG_BIT_BINARY;
    const size_t head = partial ? 5 : 4;
    size_t size;

    if (!need(s, head)) {
        return false;
    }
    size = npri_get_u32(s->at);
    if (!need(s, (uint64_t)head + size)) {
        return false;
    }
    if (partial) {
        const unsigned bits = s->at[4];

        if (bits > 8 || (bits == 0) != (size == 0)) {
            return refuse(s, "bitstring with a wrong number of bits in its last byte");
        }
        if (bits == 0 || bits == 8 || (s->at[head + size - 1] & (0xffu >> bits)) != 0) {
            s->normal = false;
        }
    }
    s->at += head + size;
    return true;
}

/* Pids and ports: a node, then numbers. */
static bool scan_pid_or_port(struct scanner *s, uint8_t tag)
{
    const bool old = tag == NPRI_TAG_PID || tag == NPRI_TAG_PORT;
    const bool pid = tag == NPRI_TAG_PID || tag == NPRI_TAG_NEW_PID;
    const size_t creation = old ? 1 : 4;
    const size_t id = pid || tag == NPRI_TAG_V4_PORT ? 8 : 4;

    if (!scan_atom(s, "the node is no atom") || !need(s, id + creation)) {
        return false;
    }
    if (old) {
        s->normal = false;
        if (s->at[id] > 3) {
            return refuse(s, "old pid or port with a creation above 3");
        }
    } else if (tag == NPRI_TAG_V4_PORT) {
        s->normal = s->normal && npri_get_u64(s->at) >> 28 != 0;
    } else if (tag == NPRI_TAG_NEW_PORT) {
        s->normal = s->normal && npri_get_u32(s->at) >> 28 == 0;
    }
    s->at += id + creation;
    return true;
}

static bool scan_ref(struct scanner *s, uint8_t tag)
{
    size_t words = 1;
    size_t creation = 4;

    if (tag != NPRI_TAG_REFERENCE) {
        if (!need(s, 2)) {
            return false;
        }
        words = npri_get_u16(s->at);
        if (words == 0 || words > NPR_REF_WORDS_MAX) {
            return refuse(s, "a reference has 1 to 5 words");
        }
        s->at += 2;
    }
    if (!scan_atom(s, "the node is no atom")) {
        return false;
    }
    if (tag != NPRI_TAG_NEWER_REFERENCE) {
        s->normal = false;
        creation = 1;
    }
    if (!need(s, creation + 4 * words)) {
        return false;
    }
    s->at += creation + 4 * words;
    return true;
}

/* An integer in a place that allows only 0..2^31-1 ("small" to OTP); OTP writes it minimal. */
static bool scan_small(struct scanner *s, const char *fault)
{
    uint8_t tag;

    if (!need(s, 1)) {
        return false;
    }
    tag = s->at[0];
    if (tag != NPRI_TAG_SMALL_INTEGER && tag != NPRI_TAG_INTEGER) {
        return refuse(s, fault);
    }
    s->at++;
    return scan_integer(s, tag);
}

static bool scan_export(struct scanner *s)
{
    const uint8_t *arity;

    if (!scan_atom(s, "the module of a fun is no atom") ||
        !scan_atom(s, "the function of a fun is no atom")) {
        return false;
    }
    arity = s->at;
    if (!scan_small(s, "the arity of a fun is no small integer")) {
        return false;
    }
    return arity[0] == NPRI_TAG_SMALL_INTEGER || arity[1] < 0x80 ||
           refuse_at(s, arity, NPR_ESYNTAX, "the arity of a fun is negative");
}

/* OTP does not look at the size field; a wrong one is put right by rewriting. */
static bool scan_fun(struct scanner *s, unsigned depth)
{
    const uint8_t *size_field = s->at;
    uint32_t free_count;

    if (!need(s, NPRI_FUN_HEAD_BYTES - 1)) {
        return false;
    }
    free_count = npri_get_u32(s->at + NPRI_FUN_HEAD_BYTES - 5);
    if (free_count > 255) {
        return refuse(s, "closure with more than 255 free variables");
    }
    s->at += NPRI_FUN_HEAD_BYTES - 1;
    if (!scan_atom(s, "the module of a closure is no atom") ||
        !scan_small(s, "the old index of a closure is no small integer") ||
        !scan_small(s, "the old uniq of a closure is no small integer") || !need(s, 1)) {
        return false;
    }
    if (s->at[0] != NPRI_TAG_NEW_PID && s->at[0] != NPRI_TAG_PID) {
        return refuse(s, "the process of a closure is no pid");
    }
    if (!scan_term(s, depth - 1)) {
        return false;
    }
    for (uint32_t i = 0; i < free_count; i++) {
        if (!scan_term(s, depth - 1)) {
            return false;
        }
    }
    if (npri_get_u32(size_field) != (uint32_t)(s->at - size_field)) {
        s->normal = false;
    }
    return true;
}

static bool scan_tuple(struct scanner *s, uint8_t tag, unsigned depth)
{
    const size_t head = tag == NPRI_TAG_SMALL_TUPLE ? 1 : 4;
    uint32_t arity;

    if (!need(s, head)) {
        return false;
    }
    arity = head == 1 ? s->at[0] : npri_get_u32(s->at);
    s->at += head;
    if (!need_parts(s, arity)) {
        return false;
    }
    if (head == 4 && arity <= 255) {
        s->normal = false;
    }
    for (uint32_t i = 0; i < arity; i++) {
        if (!scan_term(s, depth - 1)) {
            return false;
        }
    }
    return true;
}

static bool scan_string(struct scanner *s)
{
    size_t size;

    if (!need(s, 2)) {
        return false;
    }
    size = npri_get_u16(s->at);
    s->normal = s->normal && size > 0;
    s->at += 2;
    if (!need(s, size)) {
        return false;
    }
    s->at += size;
    return true;
}

/* A tail that is a list itself continues the list: no recursion, and rewriting joins the two. */
static bool scan_list(struct scanner *s, unsigned depth)
{
    for (;;) {
        bool all_bytes = true;
        uint32_t count;

        if (!need(s, 4)) {
            return false;
        }
        count = npri_get_u32(s->at);
        s->at += 4;
        if (!need_parts(s, (uint64_t)count + 1)) {
            return false;
        }
        for (uint32_t i = 0; i < count; i++) {
            all_bytes = all_bytes && left(s) > 0 && s->at[0] == NPRI_TAG_SMALL_INTEGER;
            if (!scan_term(s, depth - 1)) {
                return false;
            }
        }
        if (!need(s, 1)) {
            return false;
        }
        if (count == 0 || s->at[0] == NPRI_TAG_STRING || s->at[0] == NPRI_TAG_LIST ||
            (all_bytes && count <= NPRI_STRING_BYTES_MAX && s->at[0] == NPRI_TAG_NIL)) {
            s->normal = false;
        }
        if (s->at[0] != NPRI_TAG_LIST) {
            return scan_term(s, depth - 1);
        }
        s->at++;
    }
}

/* Keys are compared only while everything so far is in normal form: that is what the order is
 * defined on, and otherwise npri_term_rewrite() will look. */
static bool scan_map(struct scanner *s, unsigned depth)
{
    const uint8_t *previous = NULL;
    uint32_t pairs;

    if (!need(s, 4)) {
        return false;
    }
    pairs = npri_get_u32(s->at);
    s->at += 4;
    if (!need_parts(s, 2 * (uint64_t)pairs)) {
        return false;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        const uint8_t *key = s->at;

        if (!scan_term(s, depth - 1)) {
            return false;
        }
        if (s->normal && previous != NULL) {
            const int order = npri_term_compare_keys(previous, key);

            if (order == 0) {
                return refuse_at(s, key, NPR_ESYNTAX, "the map has this key twice");
            }
            s->normal = order < 0;
        }
        previous = key;
        if (!scan_term(s, depth - 1)) {
            return false;
        }
    }
    return true;
}

/* Pids, ports, references and funs. */
static bool scan_opaque(struct scanner *s, uint8_t tag, unsigned depth)
{
    switch (tag) {
    case NPRI_TAG_NEW_PID:
    case NPRI_TAG_PID:
    case NPRI_TAG_NEW_PORT:
    case NPRI_TAG_PORT:
    case NPRI_TAG_V4_PORT:
        return scan_pid_or_port(s, tag);
    case NPRI_TAG_NEWER_REFERENCE:
    case NPRI_TAG_NEW_REFERENCE:
    case NPRI_TAG_REFERENCE:
        return scan_ref(s, tag);
    case NPRI_TAG_EXPORT:
        return scan_export(s);
    case NPRI_TAG_NEW_FUN:
        return scan_fun(s, depth);
    default:
        s->at--;
        return refuse(s, "unknown tag");
    }
}

static bool scan_term(struct scanner *s, unsigned depth)
{
    uint8_t tag;

    if (!need(s, 1)) {
        return false;
    }
    if (depth == 0) {
        return refuse_at(s, s->at, NPR_EFULL, "terms are nested too deep");
    }
    tag = *s->at++;
    switch (tag) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
        return scan_integer(s, tag);
    case NPRI_TAG_NEW_FLOAT:
    case NPRI_TAG_FLOAT:
        return scan_float(s, tag);
    case NPRI_TAG_ATOM:
    case NPRI_TAG_SMALL_ATOM:
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        return scan_atom_text(s, tag);
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        return scan_tuple(s, tag, depth);
    case NPRI_TAG_NIL:
        return true;
    case NPRI_TAG_STRING:
        return scan_string(s);
    case NPRI_TAG_LIST:
        return scan_list(s, depth);
    case NPRI_TAG_MAP:
        return scan_map(s, depth);
    case NPRI_TAG_BINARY:
    case NPRI_TAG_BIT_BINARY:
        return scan_bits(s, tag);
    default:
        return scan_opaque(s, tag, depth);
    }
}

npr_status npri_term_scan(struct npr_bytes bytes,
                          size_t origin,
                          struct npri_scan *out,
                          struct npr_error *err)
{
    const bool cut = bytes.size > NPRI_TERM_BYTES_MAX;
    struct scanner s = {.start = bytes.data,
                        .origin = origin,
                        .at = bytes.data,
                        .end = bytes.data,
                        .normal = true,
                        .status = NPR_OK,
                        .err = err};

    if (bytes.size == 0) {
        return npri_fail(err, NPR_ESYNTAX, "offset %zu: the term ends too early", origin);
    }
    s.end += cut ? NPRI_TERM_BYTES_MAX : bytes.size;
    if (!scan_term(&s, NPRI_TERM_DEPTH_MAX)) {
        if (cut && s.status == NPR_ESYNTAX) {
            return npri_fail(err, NPR_EFULL, "the term is larger than %u bytes, or malformed",
                             NPRI_TERM_BYTES_MAX);
        }
        return s.status;
    }
    *out = (struct npri_scan){.used = (size_t)(s.at - s.start), .normal = s.normal};
    return NPR_OK;
}
