/* Terms in any accepted encoding -> normal form.  The input has passed npri_term_scan(): it is
 * whole, valid and not too deep, so nothing here looks at its end. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/number.h"
#include "term/read.h"
#include "term/scan.h"
#include "term/write.h"

/* Bytes that sorting the keys of maps may move.  One map moves its own size; only maps nested in
 * unsorted maps many levels deep, which no program means, move theirs again at each level. */
#define MOVED_BYTES_MAX (16 * (uint64_t)NPRI_TERM_BYTES_MAX)

struct rewriter {
    const uint8_t *start;
    size_t origin; /* of `start`, in what the caller was given */
    const uint8_t *at;
    struct npri_buffer *out;
    uint64_t moved;
    npr_status status;
    struct npr_error *err;
};

/* One pair of a map, as offsets into `out`. */
struct pair {
    size_t key;
    size_t end;
};

static void rewrite_term(struct rewriter *r);

static void rewrite_fail(struct rewriter *r, npr_status status, const uint8_t *at, const char *why)
{
    if (r->status == NPR_OK) {
        r->status =
            npri_fail(r->err, status, "offset %zu: %s", r->origin + (size_t)(at - r->start), why);
    }
}

static void put_latin1_atom(struct npri_buffer *out, struct npr_bytes text)
{
    uint8_t utf8[2 * NPRI_ATOM_CHARS_MAX];
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        size += npri_utf8_write(text.data[i], utf8 + size);
    }
    npri_put_atom_bytes(out, npri_bytes(utf8, size));
}

static void rewrite_atom(struct rewriter *r)
{
    const uint8_t tag = r->at[0];
    const bool wide = tag == NPRI_TAG_ATOM || tag == NPRI_TAG_ATOM_UTF8;
    const struct npr_bytes text =
        wide ? npri_bytes(r->at + 3, npri_get_u16(r->at + 1)) : npri_bytes(r->at + 2, r->at[1]);

    if (tag == NPRI_TAG_ATOM || tag == NPRI_TAG_SMALL_ATOM) {
        put_latin1_atom(r->out, text);
    } else {
        npri_put_atom_bytes(r->out, text);
    }
    r->at = text.data + text.size;
}

static void rewrite_integer(struct rewriter *r)
{
    struct npri_integer integer;

    r->at = npri_integer_take(r->at, &integer);
    npri_put_integer(r->out, integer.negative, integer.magnitude, integer.size);
}

static void rewrite_float(struct rewriter *r)
{
    double value = 0;

    if (r->at[0] == NPRI_TAG_FLOAT) {
        const bool scanned = npri_float_of_old_text(r->at + 1, &value);

        NPRI_ASSERT(scanned);
        npri_put_double(r->out, value);
        r->at += 32;
        return;
    }
    npri_put_bytes(r->out, npri_bytes(r->at, 9));
    r->at += 9;
}

/* Copies `size` bytes of the input as they are. */
static void copy(struct rewriter *r, size_t size)
{
    npri_put_bytes(r->out, npri_bytes(r->at, size));
    r->at += size;
}

static void rewrite_creation(struct rewriter *r, bool old)
{
    if (old) {
        npri_put_u32(r->out, *r->at++);
    } else {
        copy(r, 4);
    }
}

static void rewrite_pid(struct rewriter *r)
{
    const bool old = *r->at++ == NPRI_TAG_PID;

    npri_put_u8(r->out, NPRI_TAG_NEW_PID);
    rewrite_atom(r);
    copy(r, 8);
    rewrite_creation(r, old);
}

static void rewrite_port(struct rewriter *r)
{
    const uint8_t tag = *r->at++;
    const size_t tag_at = r->out->size;
    uint64_t id;

    npri_put_u8(r->out, NPRI_TAG_NEW_PORT);
    rewrite_atom(r);
    if (tag == NPRI_TAG_V4_PORT) {
        id = npri_get_u64(r->at);
        r->at += 8;
    } else {
        id = npri_get_u32(r->at);
        r->at += 4;
    }
    if (id >> 28 == 0) {
        npri_put_u32(r->out, (uint32_t)id);
    } else {
        npri_put_u64(r->out, id);
        if (!r->out->failed) {
            r->out->data[tag_at] = NPRI_TAG_V4_PORT;
        }
    }
    rewrite_creation(r, tag == NPRI_TAG_PORT);
}

static void rewrite_ref(struct rewriter *r)
{
    const uint8_t tag = *r->at++;

    uint16_t count = 1;

    if (tag != NPRI_TAG_REFERENCE) {
        count = npri_get_u16(r->at);
        r->at += 2;
    }
    npri_put_u8(r->out, NPRI_TAG_NEWER_REFERENCE);
    npri_put_u16(r->out, count);
    rewrite_atom(r);
    if (tag == NPRI_TAG_REFERENCE) { /* here the creation comes last */
        const uint8_t *id = r->at;

        npri_put_u32(r->out, id[4]);
        npri_put_bytes(r->out, npri_bytes(id, 4));
        r->at = id + 5;
        return;
    }
    rewrite_creation(r, tag == NPRI_TAG_NEW_REFERENCE);
    copy(r, 4 * (size_t)count);
}

static void rewrite_bits(struct rewriter *r)
{
    const size_t size = npri_get_u32(r->at + 1);
    const unsigned bits = r->at[0] == NPRI_TAG_BIT_BINARY ? r->at[5] : 8;
    const uint8_t *data = r->at + (r->at[0] == NPRI_TAG_BIT_BINARY ? 6 : 5);

    r->at = data + size;
    if (size == 0 || bits == 8) {
        npri_put_binary(r->out, npri_bytes(data, size));
        return;
    }
    npri_put_u8(r->out, NPRI_TAG_BIT_BINARY);
    npri_put_u32(r->out, (uint32_t)size);
    npri_put_u8(r->out, (uint8_t)bits);
    npri_put_bytes(r->out, npri_bytes(data, size - 1));
    npri_put_u8(r->out, (uint8_t)(data[size - 1] & 0xff00u >> bits));
}

static void rewrite_export(struct rewriter *r)
{
    npri_put_u8(r->out, NPRI_TAG_EXPORT);
    r->at++;
    rewrite_atom(r);
    rewrite_atom(r);
    rewrite_integer(r);
}

static void rewrite_fun(struct rewriter *r)
{
    const size_t start = r->out->size;
    const uint32_t free_count = npri_get_u32(r->at + NPRI_FUN_HEAD_BYTES - 4);

    copy(r, NPRI_FUN_HEAD_BYTES);
    rewrite_atom(r);
    rewrite_integer(r);
    rewrite_integer(r);
    for (uint32_t i = 0; i < 1 + free_count && r->status == NPR_OK; i++) {
        rewrite_term(r);
    }
    npri_buffer_patch_u32(r->out, start + 1, (uint32_t)(r->out->size - start - 1));
}

static void rewrite_tuple(struct rewriter *r)
{
    const bool small = r->at[0] == NPRI_TAG_SMALL_TUPLE;
    const uint32_t arity = small ? r->at[1] : npri_get_u32(r->at + 1);

    r->at += small ? 2 : 5;
    npri_put_tuple(r->out, arity);
    for (uint32_t i = 0; i < arity && r->status == NPR_OK; i++) {
        rewrite_term(r);
    }
}

/* The `count` elements written as LIST_EXT at `start` are all SMALL_INTEGER_EXT: makes them, with
 * the tail, a STRING_EXT in place. */
static void pack_string(struct npri_buffer *out, size_t start, size_t count)
{
    uint8_t *at = out->data + start;

    at[0] = NPRI_TAG_STRING;
    at[1] = (uint8_t)(count >> 8);
    at[2] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        at[3 + i] = at[5 + 2 * i + 1];
    }
    out->size = start + 3 + count;
}

/* The elements of one STRING_EXT, one by one. */
static uint64_t spread_string(struct rewriter *r)
{
    const size_t size = npri_get_u16(r->at + 1);

    r->at += 3;
    for (size_t i = 0; i < size; i++) {
        npri_put_u8(r->out, NPRI_TAG_SMALL_INTEGER);
        npri_put_u8(r->out, r->at[i]);
    }
    r->at += size;
    return size;
}

/* Joins lists that are each other's tails into one. */
static void rewrite_list(struct rewriter *r)
{
    const size_t start = r->out->size;
    uint64_t count = 0;
    bool bytes = true;

    npri_put_list(r->out, 1); /* the count is patched below */
    while (r->at[0] == NPRI_TAG_LIST) {
        const uint32_t part = npri_get_u32(r->at + 1);

        r->at += 5;
        for (uint32_t i = 0; i < part; i++) {
            const size_t element = r->out->size;

            rewrite_term(r);
            if (r->status != NPR_OK || r->out->failed) {
                return;
            }
            bytes = bytes && r->out->data[element] == NPRI_TAG_SMALL_INTEGER;
        }
        count += part;
    }
    bytes = bytes && (r->at[0] == NPRI_TAG_STRING || r->at[0] == NPRI_TAG_NIL);
    if (r->at[0] == NPRI_TAG_STRING) {
        count += spread_string(r);
        npri_put_nil(r->out);
    } else {
        rewrite_term(r);
    }
    if (r->status != NPR_OK || r->out->failed) {
        return;
    }
    if (count == 0) { /* only a tail: it takes the list's place */
        r->out->size -= 5;
        memmove(r->out->data + start, r->out->data + start + 5, r->out->size - start);
    } else if (bytes && count <= NPRI_STRING_BYTES_MAX) {
        pack_string(r->out, start, (size_t)count);
    } else {
        npri_buffer_patch_u32(r->out, start + 1, (uint32_t)count);
    }
}

static void rewrite_string(struct rewriter *r)
{
    const size_t size = npri_get_u16(r->at + 1);

    if (size == 0) {
        npri_put_nil(r->out);
        r->at += 3;
        return;
    }
    copy(r, 3 + size);
}

/* Merges the sorted runs [0, middle) and [middle, count) of `from` into `to`. */
static void merge_runs(const uint8_t *data,
                       const struct pair *from,
                       struct pair *to,
                       size_t middle,
                       size_t count)
{
    size_t left = 0;
    size_t right = middle;

    for (size_t i = 0; i < count; i++) {
        const bool take_left =
            left < middle &&
            (right == count ||
             npri_term_compare_keys(data + from[left].key, data + from[right].key) <= 0);

        to[i] = take_left ? from[left++] : from[right++];
    }
}

/* Bottom-up merge sort; `pairs` has room for twice `count`.  Returns where the result is. */
static struct pair *sort_pairs(const uint8_t *data, struct pair *pairs, size_t count)
{
    struct pair *from = pairs;
    struct pair *to = pairs + count;

    for (size_t width = 1; width < count; width *= 2) {
        struct pair *swap = from;

        for (size_t start = 0; start < count; start += 2 * width) {
            const size_t room = count - start;
            const size_t size = room < 2 * width ? room : 2 * width;

            merge_runs(data, from + start, to + start, size < width ? size : width, size);
        }
        from = to;
        to = swap;
    }
    return from;
}

/* Brings the pairs, which lie one after another from `start` to the end of `out`, into the order of
 * `sorted`. */
static void move_pairs(struct rewriter *r, const struct pair *sorted, size_t count, size_t start)
{
    const size_t size = r->out->size - start;
    uint8_t *copied = npri_alloc(size);
    uint8_t *to = r->out->data + start;

    if (copied == NULL) {
        rewrite_fail(r, NPR_ENOMEM, r->at, "no memory to sort the keys of a map");
        return;
    }
    memcpy(copied, to, size);
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = sorted[i].end - sorted[i].key;

        memcpy(to, copied + (sorted[i].key - start), bytes);
        to += bytes;
    }
    npri_free(copied);
}

static void order_pairs(struct rewriter *r, struct pair *pairs, size_t count, const uint8_t *map)
{
    const uint8_t *data = r->out->data;
    const size_t start = pairs[0].key;
    bool ascending = true;
    struct pair *sorted;

    for (size_t i = 1; i < count && ascending; i++) {
        ascending = npri_term_compare_keys(data + pairs[i - 1].key, data + pairs[i].key) < 0;
    }
    if (ascending) {
        return;
    }
    r->moved += r->out->size - start;
    if (r->moved > MOVED_BYTES_MAX) {
        rewrite_fail(r, NPR_EFULL, map, "unsorted maps are nested too deep for their size");
        return;
    }
    sorted = sort_pairs(data, pairs, count);
    for (size_t i = 1; i < count; i++) {
        if (npri_term_compare_keys(data + sorted[i - 1].key, data + sorted[i].key) == 0) {
            rewrite_fail(r, NPR_ESYNTAX, map, "the map has a key twice");
            return;
        }
    }
    move_pairs(r, sorted, count, start);
}

static void rewrite_map(struct rewriter *r)
{
    const uint8_t *map = r->at;
    const uint32_t count = npri_get_u32(r->at + 1);
    struct pair *pairs = NULL;

    r->at += 5;
    npri_put_map(r->out, count);
    if (count > 1) {
        pairs = npri_alloc(2 * (size_t)count * sizeof(*pairs));
        if (pairs == NULL) {
            rewrite_fail(r, NPR_ENOMEM, map, "no memory to sort the keys of a map");
            return;
        }
    }
    for (uint32_t i = 0; i < count && r->status == NPR_OK && !r->out->failed; i++) {
        const size_t key = r->out->size;

        rewrite_term(r);
        if (r->status == NPR_OK) {
            rewrite_term(r);
        }
        if (pairs != NULL) {
            pairs[i] = (struct pair){.key = key, .end = r->out->size};
        }
    }
    if (pairs != NULL && r->status == NPR_OK && !r->out->failed) {
        order_pairs(r, pairs, count, map);
    }
    npri_free(pairs);
}

static void rewrite_term(struct rewriter *r)
{
    if (r->out->failed) {
        rewrite_fail(r, NPR_ENOMEM, r->at, "no memory for the term");
        return;
    }
    switch ((enum npri_tag)r->at[0]) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
        rewrite_integer(r);
        return;
    case NPRI_TAG_NEW_FLOAT:
    case NPRI_TAG_FLOAT:
        rewrite_float(r);
        return;
    case NPRI_TAG_ATOM:
    case NPRI_TAG_SMALL_ATOM:
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        rewrite_atom(r);
        return;
    case NPRI_TAG_NEW_PID:
    case NPRI_TAG_PID:
        rewrite_pid(r);
        return;
    case NPRI_TAG_NEW_PORT:
    case NPRI_TAG_PORT:
    case NPRI_TAG_V4_PORT:
        rewrite_port(r);
        return;
    case NPRI_TAG_NEWER_REFERENCE:
    case NPRI_TAG_NEW_REFERENCE:
    case NPRI_TAG_REFERENCE:
        rewrite_ref(r);
        return;
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        rewrite_tuple(r);
        return;
    case NPRI_TAG_NIL:
        copy(r, 1);
        return;
    case NPRI_TAG_STRING:
        rewrite_string(r);
        return;
    case NPRI_TAG_LIST:
        rewrite_list(r);
        return;
    case NPRI_TAG_MAP:
        rewrite_map(r);
        return;
    case NPRI_TAG_BINARY:
    case NPRI_TAG_BIT_BINARY:
        rewrite_bits(r);
        return;
    case NPRI_TAG_EXPORT:
        rewrite_export(r);
        return;
    case NPRI_TAG_NEW_FUN:
        rewrite_fun(r);
        return;
    case NPRI_TAG_COMPRESSED:
        break;
    }
    NPRI_ASSERT(false && "npri_term_scan() refuses all other tags");
}

npr_status npri_term_rewrite(struct npr_bytes bytes,
                             size_t origin,
                             struct npri_buffer *out,
                             struct npr_error *err)
{
    const size_t start = out->size;
    struct rewriter r = {.start = bytes.data,
                         .origin = origin,
                         .at = bytes.data,
                         .out = out,
                         .status = NPR_OK,
                         .err = err};

    rewrite_term(&r);
    if (r.status == NPR_OK && out->failed) {
        rewrite_fail(&r, NPR_ENOMEM, r.at, "no memory for the term");
    }
    if (r.status == NPR_OK && out->size - start > NPRI_TERM_BYTES_MAX) {
        rewrite_fail(&r, NPR_EFULL, r.start, "the term is too large in normal form");
    }
    if (r.status != NPR_OK) {
        out->size = start;
    }
    return r.status;
}

bool npri_term_normalise(struct npr_term term, struct npri_buffer *out)
{
    return !out->failed &&
           npri_term_rewrite(npri_bytes(term.data, term.size), 0, out, NULL) == NPR_OK;
}
