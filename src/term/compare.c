/* Erlang's order of terms, on terms in normal form. */
#include "base/assert.h"
#include "term/number.h"
#include "term/scan.h"

/* Two terms side by side.  Comparing moves both cursors behind their terms if these are equal, and
 * also if they differ while `consume` is set: inside the value of a map whose later keys still
 * count, so that nothing is walked twice. */
struct pair_cursor {
    const uint8_t *a;
    const uint8_t *b;
    bool exact; /* as keys of a map */
    bool consume;
};

enum rank {
    RANK_NUMBER,
    RANK_ATOM,
    RANK_REF,
    RANK_FUN,
    RANK_PORT,
    RANK_PID,
    RANK_TUPLE,
    RANK_MAP,
    RANK_NIL,
    RANK_LIST,
    RANK_BITS,
};

static int compare_terms(struct pair_cursor *c);

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static enum rank rank_of(const uint8_t *at)
{
    switch ((enum npri_tag)at[0]) {
    case NPRI_TAG_SMALL_INTEGER:
    case NPRI_TAG_INTEGER:
    case NPRI_TAG_SMALL_BIG:
    case NPRI_TAG_LARGE_BIG:
    case NPRI_TAG_NEW_FLOAT:
        return RANK_NUMBER;
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        return RANK_ATOM;
    case NPRI_TAG_NEWER_REFERENCE:
        return RANK_REF;
    case NPRI_TAG_NEW_FUN:
    case NPRI_TAG_EXPORT:
        return RANK_FUN;
    case NPRI_TAG_NEW_PORT:
    case NPRI_TAG_V4_PORT:
        return RANK_PORT;
    case NPRI_TAG_NEW_PID:
        return RANK_PID;
    case NPRI_TAG_SMALL_TUPLE:
    case NPRI_TAG_LARGE_TUPLE:
        return RANK_TUPLE;
    case NPRI_TAG_MAP:
        return RANK_MAP;
    case NPRI_TAG_NIL:
        return RANK_NIL;
    case NPRI_TAG_STRING:
    case NPRI_TAG_LIST:
        return RANK_LIST;
    case NPRI_TAG_BINARY:
    case NPRI_TAG_BIT_BINARY:
        return RANK_BITS;
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
    return RANK_BITS;
}

static int compare_floats(double a, double b, bool exact)
{
    if (a != b) {
        return a < b ? -1 : 1;
    }
    /* 0.0 and -0.0: the sign bit decides where only equal terms may compare as 0. */
    return exact ? order_u64(npri_bits_of_double(b) >> 63, npri_bits_of_double(a) >> 63) : 0;
}

static int compare_numbers(const uint8_t *a, const uint8_t *b, bool exact)
{
    const bool a_float = a[0] == NPRI_TAG_NEW_FLOAT;
    const bool b_float = b[0] == NPRI_TAG_NEW_FLOAT;
    const double a_value = a_float ? npri_double_of_bits(npri_get_u64(a + 1)) : 0;
    const double b_value = b_float ? npri_double_of_bits(npri_get_u64(b + 1)) : 0;
    struct npri_integer a_integer;
    struct npri_integer b_integer;

    if (a_float && b_float) {
        return compare_floats(a_value, b_value, exact);
    }
    if (a_float != b_float && exact) {
        return a_float ? 1 : -1;
    }
    if (a_float) {
        (void)npri_integer_take(b, &b_integer);
        return -npri_integer_compare_double(&b_integer, a_value);
    }
    (void)npri_integer_take(a, &a_integer);
    if (b_float) {
        return npri_integer_compare_double(&a_integer, b_value);
    }
    (void)npri_integer_take(b, &b_integer);
    return npri_integer_compare(&a_integer, &b_integer);
}

static int compare_nodes(const uint8_t *a, const uint8_t *b, uint32_t a_cr, uint32_t b_cr)
{
    const int order = npri_bytes_compare(npri_tag_atom(a), npri_tag_atom(b));

    return order != 0 ? order : order_u64(a_cr, b_cr);
}

static const uint8_t *behind_atom(const uint8_t *at)
{
    const struct npr_bytes text = npri_tag_atom(at);

    return text.data + text.size;
}

static int compare_pids(const uint8_t *a, const uint8_t *b)
{
    const uint8_t *a_numbers = behind_atom(a + 1);
    const uint8_t *b_numbers = behind_atom(b + 1);
    int order = order_u64(npri_get_u32(a_numbers + 4), npri_get_u32(b_numbers + 4));

    if (order == 0) {
        order = order_u64(npri_get_u32(a_numbers), npri_get_u32(b_numbers));
    }
    return order != 0 ? order
                      : compare_nodes(a + 1, b + 1, npri_get_u32(a_numbers + 8),
                                      npri_get_u32(b_numbers + 8));
}

static uint64_t port_id(const uint8_t *port, const uint8_t **out_creation)
{
    const uint8_t *numbers = behind_atom(port + 1);

    if (port[0] == NPRI_TAG_V4_PORT) {
        *out_creation = numbers + 8;
        return npri_get_u64(numbers);
    }
    *out_creation = numbers + 4;
    return npri_get_u32(numbers);
}

static int compare_ports(const uint8_t *a, const uint8_t *b)
{
    const uint8_t *a_creation;
    const uint8_t *b_creation;
    const uint64_t a_id = port_id(a, &a_creation);
    const uint64_t b_id = port_id(b, &b_creation);
    const int order =
        compare_nodes(a + 1, b + 1, npri_get_u32(a_creation), npri_get_u32(b_creation));

    return order != 0 ? order : order_u64(a_id, b_id);
}

/* Word `index` from the low end, 0 beyond the last. */
static uint32_t ref_word(const uint8_t *ref, size_t index)
{
    const uint8_t *words = behind_atom(ref + 3) + 4;

    return index < npri_get_u16(ref + 1) ? npri_get_u32(words + 4 * index) : 0;
}

/* To Erlang, words of 0 at the high end do not count. */
static int compare_refs(const uint8_t *a, const uint8_t *b, bool exact)
{
    const uint32_t a_count = npri_get_u16(a + 1);
    const uint32_t b_count = npri_get_u16(b + 1);
    int order = compare_nodes(a + 3, b + 3, npri_get_u32(behind_atom(a + 3)),
                              npri_get_u32(behind_atom(b + 3)));

    for (size_t i = NPR_REF_WORDS_MAX; i > 0 && order == 0; i--) {
        order = order_u64(ref_word(a, i - 1), ref_word(b, i - 1));
    }
    return order != 0 || !exact ? order : order_u64(a_count, b_count);
}

static int compare_bits(const uint8_t *a, const uint8_t *b)
{
    const bool a_partial = a[0] == NPRI_TAG_BIT_BINARY;
    const bool b_partial = b[0] == NPRI_TAG_BIT_BINARY;
    const size_t a_bytes = npri_get_u32(a + 1);
    const size_t b_bytes = npri_get_u32(b + 1);
    const uint64_t a_bits = 8 * (uint64_t)a_bytes - (a_partial ? 8u - a[5] : 0);
    const uint64_t b_bits = 8 * (uint64_t)b_bytes - (b_partial ? 8u - b[5] : 0);
    const uint64_t bits = a_bits < b_bits ? a_bits : b_bits;
    const size_t whole = (size_t)(bits / 8);
    const uint8_t *a_data = a + (a_partial ? 6 : 5);
    const uint8_t *b_data = b + (b_partial ? 6 : 5);
    const int order = npri_bytes_compare(npri_bytes(a_data, whole), npri_bytes(b_data, whole));

    if (order != 0) {
        return order;
    }
    if (bits % 8 != 0) {
        const unsigned mask = 0xff00u >> bits % 8 & 0xffu;
        const unsigned a_rest = a_data[whole] & mask;
        const unsigned b_rest = b_data[whole] & mask;

        if (a_rest != b_rest) {
            return a_rest < b_rest ? -1 : 1;
        }
    }
    return order_u64(a_bits, b_bits);
}

/* Compares `left` further terms of each; the difference found is `order` if that is not 0. */
static int compare_rest(struct pair_cursor *c, uint64_t count)
{
    while (count > 0) {
        const int order = compare_terms(c);

        count--;
        if (order != 0) {
            if (c->consume) {
                c->a = npri_tag_skip(c->a, count);
                c->b = npri_tag_skip(c->b, count);
            }
            return order;
        }
    }
    return 0;
}

static int compare_exports(const uint8_t *a, const uint8_t *b)
{
    struct pair_cursor c = {.a = a + 1, .b = b + 1, .exact = true};

    return compare_rest(&c, 3);
}

/* By module, index, old uniq and free variables, as OTP does; what OTP ignores (such as the process
 * that made the closure) decides last among keys, so that only equal encodings compare as 0. */
static int compare_closures(const uint8_t *a, const uint8_t *b, bool exact)
{
    struct pair_cursor c = {
        .a = a + NPRI_FUN_HEAD_BYTES, .b = b + NPRI_FUN_HEAD_BYTES, .exact = exact};
    const uint32_t a_free = npri_get_u32(a + NPRI_FUN_HEAD_BYTES - 4);
    const uint32_t b_free = npri_get_u32(b + NPRI_FUN_HEAD_BYTES - 4);
    int order = compare_terms(&c); /* module */

    if (order == 0) {
        order = order_u64(npri_get_u32(a + NPRI_FUN_HEAD_BYTES - 8),
                          npri_get_u32(b + NPRI_FUN_HEAD_BYTES - 8));
    }
    if (order == 0) {
        c.a = npri_tag_skip(c.a, 1);
        c.b = npri_tag_skip(c.b, 1);
        order = compare_terms(&c); /* old uniq */
    }
    if (order == 0) {
        order = order_u64(a_free, b_free);
    }
    if (order == 0) {
        c.a = npri_tag_skip(c.a, 1);
        c.b = npri_tag_skip(c.b, 1);
        order = compare_rest(&c, a_free);
    }
    if (order == 0 && exact) {
        order = npri_bytes_compare(npri_bytes(a, 1 + (size_t)npri_get_u32(a + 1)),
                                   npri_bytes(b, 1 + (size_t)npri_get_u32(b + 1)));
    }
    return order;
}

static int compare_funs(const uint8_t *a, const uint8_t *b, bool exact)
{
    if (a[0] != b[0]) {
        return a[0] == NPRI_TAG_NEW_FUN ? -1 : 1;
    }
    return a[0] == NPRI_TAG_EXPORT ? compare_exports(a, b) : compare_closures(a, b, exact);
}

static int compare_leaves(const uint8_t *a, const uint8_t *b, enum rank rank, bool exact)
{
    switch (rank) {
    case RANK_NUMBER:
        return compare_numbers(a, b, exact);
    case RANK_ATOM:
        return npri_bytes_compare(npri_tag_atom(a), npri_tag_atom(b));
    case RANK_REF:
        return compare_refs(a, b, exact);
    case RANK_FUN:
        return compare_funs(a, b, exact);
    case RANK_PORT:
        return compare_ports(a, b);
    case RANK_PID:
        return compare_pids(a, b);
    case RANK_BITS:
        return compare_bits(a, b);
    case RANK_NIL:
    case RANK_TUPLE:
    case RANK_MAP:
    case RANK_LIST:
        break;
    }
    return 0;
}

static int compare_tuples(struct pair_cursor *c)
{
    uint64_t a_arity;
    uint64_t b_arity;

    c->a += npri_tag_head(c->a, &a_arity);
    c->b += npri_tag_head(c->b, &b_arity);
    if (a_arity != b_arity) {
        if (c->consume) {
            c->a = npri_tag_skip(c->a, a_arity);
            c->b = npri_tag_skip(c->b, b_arity);
        }
        return a_arity < b_arity ? -1 : 1;
    }
    return compare_rest(c, a_arity);
}

/* What is still to come of a list. */
struct list_cursor {
    const uint8_t *at;
    uint32_t left; /* elements before the tail */
    bool string;
};

static struct list_cursor list_begin(const uint8_t *at)
{
    if (at[0] == NPRI_TAG_STRING) {
        return (struct list_cursor){.at = at + 3, .left = npri_get_u16(at + 1), .string = true};
    }
    return (struct list_cursor){.at = at + 5, .left = npri_get_u32(at + 1)};
}

/* Behind the list, tail included. */
static const uint8_t *list_end(const struct list_cursor *list)
{
    return list->string ? list->at + list->left : npri_tag_skip(list->at, (uint64_t)list->left + 1);
}

/* The next element as a term of its own; a byte of a string is written to `small`. */
static const uint8_t *list_element(const struct list_cursor *list, uint8_t small[2])
{
    if (!list->string) {
        return list->at;
    }
    small[0] = NPRI_TAG_SMALL_INTEGER;
    small[1] = list->at[0];
    return small;
}

static int compare_elements(struct pair_cursor *c, struct list_cursor *a, struct list_cursor *b)
{
    uint8_t a_small[2];
    uint8_t b_small[2];
    struct pair_cursor element = {.a = list_element(a, a_small),
                                  .b = list_element(b, b_small),
                                  .exact = c->exact,
                                  .consume = c->consume};
    const int order = compare_terms(&element);

    a->at = a->string ? a->at + 1 : element.a;
    b->at = b->string ? b->at + 1 : element.b;
    a->left--;
    b->left--;
    return order;
}

static int compare_lists(struct pair_cursor *c)
{
    static const uint8_t nil[] = {NPRI_TAG_NIL};
    static const uint8_t list[] = {NPRI_TAG_LIST};
    struct list_cursor a = list_begin(c->a);
    struct list_cursor b = list_begin(c->b);
    struct pair_cursor tail = {.exact = c->exact, .consume = c->consume};
    int order = 0;

    while (order == 0 && a.left > 0 && b.left > 0) {
        order = compare_elements(c, &a, &b);
    }
    if (order != 0 || a.left > 0 || b.left > 0) {
        if (order == 0) { /* one goes on where the other has its tail, which is no list */
            const uint8_t *a_rest = a.left > 0 ? list : (a.string ? nil : a.at);
            const uint8_t *b_rest = b.left > 0 ? list : (b.string ? nil : b.at);

            order = rank_of(a_rest) < rank_of(b_rest) ? -1 : 1;
        }
        if (c->consume) {
            c->a = list_end(&a);
            c->b = list_end(&b);
        }
        return order;
    }
    tail.a = a.string ? nil : a.at;
    tail.b = b.string ? nil : b.at;
    order = compare_terms(&tail);
    c->a = a.string ? a.at : tail.a;
    c->b = b.string ? b.at : tail.b;
    return order;
}

/* All keys count before any value, but lie between the values: the first difference of values is
 * kept while the keys behind it are compared. */
static int compare_maps(struct pair_cursor *c)
{
    uint64_t a_terms;
    uint64_t b_terms;
    const bool exact = c->exact;
    const bool consume = c->consume;
    int order = 0;

    c->a += npri_tag_head(c->a, &a_terms);
    c->b += npri_tag_head(c->b, &b_terms);
    if (a_terms != b_terms) {
        if (consume) {
            c->a = npri_tag_skip(c->a, a_terms);
            c->b = npri_tag_skip(c->b, b_terms);
        }
        return a_terms < b_terms ? -1 : 1;
    }
    while (a_terms > 0) {
        int key_order;

        c->exact = true;
        key_order = compare_terms(c);
        c->exact = exact;
        a_terms -= 2;
        if (key_order != 0) {
            if (consume) {
                c->a = npri_tag_skip(c->a, a_terms + 1);
                c->b = npri_tag_skip(c->b, a_terms + 1);
            }
            return key_order;
        }
        if (order == 0) {
            c->consume = consume || a_terms > 0;
            order = compare_terms(c);
            c->consume = consume;
        } else {
            c->a = npri_tag_skip(c->a, 1);
            c->b = npri_tag_skip(c->b, 1);
        }
    }
    return order;
}

static int compare_terms(struct pair_cursor *c)
{
    const enum rank a_rank = rank_of(c->a);
    const enum rank b_rank = rank_of(c->b);
    const uint8_t *a = c->a;
    const uint8_t *b = c->b;

    if (a_rank == b_rank) {
        if (a_rank == RANK_TUPLE) {
            return compare_tuples(c);
        }
        if (a_rank == RANK_LIST) {
            return compare_lists(c);
        }
        if (a_rank == RANK_MAP) {
            return compare_maps(c);
        }
    } else if (!c->consume) {
        return a_rank < b_rank ? -1 : 1;
    }
    c->a = npri_tag_skip(a, 1);
    c->b = npri_tag_skip(b, 1);
    if (a_rank != b_rank) {
        return a_rank < b_rank ? -1 : 1;
    }
    return compare_leaves(a, b, a_rank, c->exact);
}

int npri_term_compare_keys(const uint8_t *a, const uint8_t *b)
{
    struct pair_cursor c = {.a = a, .b = b, .exact = true};

    return compare_terms(&c);
}

int npr_term_compare(struct npr_term a, struct npr_term b)
{
    struct pair_cursor c = {.a = a.data, .b = b.data};

    if (a.data == NULL || b.data == NULL) {
        return (a.data != NULL) - (b.data != NULL);
    }
    return compare_terms(&c);
}

/* Normal form has one encoding per value. */
bool npr_term_equal(struct npr_term a, struct npr_term b)
{
    if (a.data == NULL || b.data == NULL) {
        return a.data == b.data;
    }
    return npri_bytes_equal(npri_bytes(a.data, a.size), npri_bytes(b.data, b.size));
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

uint64_t npr_term_hash(struct npr_term term)
{
    uint64_t hash = mix(UINT64_C(0x243f6a8885a308d3), term.size);
    size_t at = 0;

    if (term.data == NULL) {
        return 0;
    }
    for (; term.size - at >= 8; at += 8) {
        hash = mix(hash, npri_get_u64(term.data + at));
    }
    if (at < term.size) {
        uint64_t rest = 0;

        for (; at < term.size; at++) {
            rest = rest << 8 | term.data[at];
        }
        hash = mix(hash, rest);
    }
    return mix(hash, hash >> 29);
}
