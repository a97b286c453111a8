#include "core/select.h"

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"

static const struct npr_slot no_slots[] = {{.kind = NPR_SLOT_END}};

static npr_status check_prefix(struct npr_term term, struct npr_error *err)
{
    const enum npr_term_kind kind = npr_term_kind(term);
    struct npr_term_walk walk;
    struct npr_term item;

    if (kind == NPR_TERM_BINARY || kind == NPR_TERM_TUPLE || kind == NPR_TERM_NIL) {
        return NPR_OK;
    }
    if (kind == NPR_TERM_LIST && npr_term_list(term, &walk)) {
        while (npr_term_next(&walk, &item)) {
        }
        if (npr_term_tail(&walk, &item) && npr_term_kind(item) == NPR_TERM_NIL) {
            return NPR_OK;
        }
    }
    return npri_fail(err, NPR_EINVAL, "a prefix is a binary, a tuple or a list");
}

/* What is said of it in `draft`; terms borrow from `wire`. */
static npr_status read_wire(struct npr_term wire, struct npri_select *draft, struct npr_error *err)
{
    struct npr_term parts[2];
    struct npr_bytes text;

    if (npr_term_is_atom(wire, "all")) {
        draft->kind = NPRI_SELECT_ALL;
        return NPR_OK;
    }
    if (!npr_term_get_tuple(wire, 2, parts)) {
        return npri_fail(err, NPR_EINVAL, "no selector of keys");
    }
    draft->term = parts[1];
    if (npr_term_is_atom(parts[0], "key")) {
        draft->kind = NPRI_SELECT_KEY;
    } else if (npr_term_is_atom(parts[0], "prefix")) {
        draft->kind = NPRI_SELECT_PREFIX;
        return check_prefix(parts[1], err);
    } else if (npr_term_is_atom(parts[0], "match") && npr_term_get_binary(parts[1], &text)) {
        draft->kind = NPRI_SELECT_MATCH;
        if (text.size > NPRI_PATTERN_BYTES_MAX) {
            return npri_fail(err, NPR_EFULL, "the pattern has %zu bytes, the limit is %u",
                             text.size, NPRI_PATTERN_BYTES_MAX);
        }
        if (text.size > 0 && memchr(text.data, 0, text.size) != NULL) {
            return npri_fail(err, NPR_EINVAL, "the pattern has a zero byte");
        }
    } else {
        return npri_fail(err, NPR_EINVAL, "no selector of keys");
    }
    return NPR_OK;
}

/* The same in memory of its own, a pattern with an end. */
static struct npri_select *copy(const struct npri_select *draft, struct npr_term wire)
{
    struct npr_bytes pattern = {0};
    struct npri_select *select;

    if (draft->kind == NPRI_SELECT_MATCH) {
        (void)npr_term_get_binary(draft->term, &pattern);
    }
    select = npri_alloc(sizeof(*select) + wire.size + pattern.size + 1);
    if (select == NULL) {
        return NULL;
    }
    memcpy(select->data, wire.data, wire.size);
    *select = (struct npri_select){.kind = draft->kind,
                                   .wire = {.data = select->data, .size = wire.size}};
    if (draft->term.data != NULL) {
        select->term = (struct npr_term){.data = select->data + (draft->term.data - wire.data),
                                         .size = draft->term.size};
    }
    if (draft->kind == NPRI_SELECT_MATCH) {
        char *text = (char *)select->data + wire.size;

        if (pattern.size > 0) {
            memcpy(text, pattern.data, pattern.size);
        }
        text[pattern.size] = '\0';
        select->pattern = text;
    }
    return select;
}

npr_status npri_select_create(struct npr_term wire, struct npri_select **out, struct npr_error *err)
{
    struct npri_select draft = {.kind = NPRI_SELECT_ALL};
    struct npri_select *select;
    npr_status status;

    if (wire.data == NULL) {
        return npri_fail(err, NPR_EINVAL, "no selector of keys");
    }
    /* A key of the largest size, and what is around it. */
    if (wire.size > NPRI_KEY_BYTES_MAX + NPRI_SELECTOR_BYTES_AROUND) {
        return npri_fail(err, NPR_EFULL, "the selector has %zu bytes, the limit is %u", wire.size,
                         NPRI_KEY_BYTES_MAX + NPRI_SELECTOR_BYTES_AROUND);
    }
    status = read_wire(wire, &draft, err);
    if (status != NPR_OK) {
        return status;
    }
    select = copy(&draft, wire);
    if (select == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    if (select->kind == NPRI_SELECT_MATCH &&
        npr_term_match(select->wire, select->pattern, no_slots, err) == NPR_EINVAL) {
        npri_select_destroy(select); /* Wrong for every term. */
        return NPR_EINVAL;
    }
    *out = select;
    return NPR_OK;
}

void npri_select_destroy(struct npri_select *select)
{
    npri_free(select);
}

/* Whether the first elements of `whole` are those of `first`, from where both walks stand. */
static bool begins(struct npr_term_walk *whole, struct npr_term_walk *first)
{
    struct npr_term a;
    struct npr_term b;

    while (npr_term_next(first, &a)) {
        if (!npr_term_next(whole, &b) || !npr_term_equal(a, b)) {
            return false;
        }
    }
    return true;
}

static bool has_prefix(struct npr_term key, struct npr_term prefix)
{
    struct npr_term_walk walks[2];
    struct npr_bytes bytes[2];
    uint32_t arity;

    if (npr_term_get_binary(prefix, &bytes[0])) {
        return npr_term_get_binary(key, &bytes[1]) && bytes[1].size >= bytes[0].size &&
               (bytes[0].size == 0 || memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0);
    }
    if (npr_term_tuple(prefix, &walks[0], &arity)) {
        return npr_term_tuple(key, &walks[1], &arity) && begins(&walks[1], &walks[0]);
    }
    return npr_term_list(prefix, &walks[0]) && npr_term_list(key, &walks[1]) &&
           begins(&walks[1], &walks[0]);
}

bool npri_select_has(const struct npri_select *select, struct npr_term key)
{
    switch (select->kind) {
    case NPRI_SELECT_ALL:
        return true;
    case NPRI_SELECT_KEY:
        return npr_term_equal(key, select->term);
    case NPRI_SELECT_PREFIX:
        return has_prefix(key, select->term);
    case NPRI_SELECT_MATCH:
        return npr_term_match(key, select->pattern, no_slots, NULL) == NPR_OK;
    }
    return false;
}
