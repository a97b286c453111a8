#include "nprocreg/format.h"

#include "base/fail.h"
#include "base/limits.h"
#include "term/parser.h"
#include "term/syntax.h"

#define PATTERN_DEPTH_MAX 100u

/* A pattern, read along a term.  What no longer has a counterpart in the term is still read, with
 * `term` NULL, so that a wrong pattern is wrong for every term. */
struct matcher {
    struct npri_lex lex;
    const struct npr_slot *slots;
    size_t slots_used;
    bool differs;
    bool store; /* the second time, when all is known to match */
};

static bool match_any(struct matcher *m, const struct npr_term *term, unsigned depth);

static bool fault(struct matcher *m, const uint8_t *at, const char *text)
{
    return npri_lex_fail(&m->lex, at, NPR_EINVAL, text);
}

/* Notes that the term, if there is one, must be as `same` says. */
static void require(struct matcher *m, const struct npr_term *term, bool same)
{
    m->differs = m->differs || (term != NULL && !same);
}

/* ---- Places. */

static bool put_signed(const struct npr_slot *slot, int64_t value, bool store)
{
    const int32_t narrow = (int32_t)value;

    if (slot->kind == NPR_SLOT_INT64) {
        if (store) {
            memcpy(slot->out, &value, sizeof(value));
        }
        return true;
    }
    if (value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    if (store) {
        memcpy(slot->out, &narrow, sizeof(narrow));
    }
    return true;
}

static bool put_unsigned(const struct npr_slot *slot, uint64_t value, bool store)
{
    const uint32_t narrow = (uint32_t)value;

    if (slot->kind == NPR_SLOT_UINT64) {
        if (store) {
            memcpy(slot->out, &value, sizeof(value));
        }
        return true;
    }
    if (value > UINT32_MAX) {
        return false;
    }
    if (store) {
        memcpy(slot->out, &narrow, sizeof(narrow));
    }
    return true;
}

static bool take_integer(const struct npr_slot *slot, struct npr_term term, bool store)
{
    uint64_t positive;
    int64_t value;

    if (slot->kind == NPR_SLOT_UINT32 || slot->kind == NPR_SLOT_UINT64) {
        return npr_term_get_uint64(term, &positive) && put_unsigned(slot, positive, store);
    }
    return npr_term_get_int64(term, &value) && put_signed(slot, value, store);
}

/* Whether `term` is what `letter` stands for; then it is stored, if that is due. */
static bool take(const struct npr_slot *slot, uint8_t letter, struct npr_term term, bool store)
{
    struct npr_term_walk walk;
    struct npr_bytes bytes;
    struct npr_pid pid;
    struct npr_ref ref;
    double value;
    const void *from = &term;
    size_t size = sizeof(term);
    bool same = true;

    switch (slot->kind) {
    case NPR_SLOT_END:
        return false;
    case NPR_SLOT_INT32:
    case NPR_SLOT_UINT32:
    case NPR_SLOT_INT64:
    case NPR_SLOT_UINT64:
        return take_integer(slot, term, store);
    case NPR_SLOT_DOUBLE:
        same = npr_term_get_double(term, &value);
        from = &value;
        size = sizeof(value);
        break;
    case NPR_SLOT_BYTES:
        same = letter == 'a' ? npr_term_get_atom(term, &bytes) : npr_term_get_binary(term, &bytes);
        from = &bytes;
        size = sizeof(bytes);
        break;
    case NPR_SLOT_PID:
        same = npr_term_get_pid(term, &pid);
        from = &pid;
        size = sizeof(pid);
        break;
    case NPR_SLOT_REF:
        same = npr_term_get_ref(term, &ref);
        from = &ref;
        size = sizeof(ref);
        break;
    case NPR_SLOT_TERM:
        break;
    case NPR_SLOT_WALK:
        same = npr_term_list(term, &walk);
        from = &walk;
        size = sizeof(walk);
        break;
    }
    if (same && store) {
        memcpy(slot->out, from, size);
    }
    return same;
}

/* What is wrong with the type of `slot` for `letter`; NULL: nothing. */
static const char *slot_fault(uint8_t letter, const struct npr_slot *slot)
{
    const enum npr_slot_kind kind = slot->kind;

    if (kind == NPR_SLOT_END) {
        return "there are fewer arguments than places";
    }
    if (slot->out == NULL) {
        return "the argument is NULL";
    }
    switch (letter) {
    case 'a':
    case 'b':
        return kind == NPR_SLOT_BYTES ? NULL : "the argument is no struct npr_bytes *";
    case 'i':
    case 'l':
    case 'u':
        return kind >= NPR_SLOT_INT32 && kind <= NPR_SLOT_UINT64
                   ? NULL
                   : "the argument points to no integer";
    case 'd':
    case 'f':
        return kind == NPR_SLOT_DOUBLE ? NULL : "the argument is no double *";
    case 'p':
        return kind == NPR_SLOT_PID ? NULL : "the argument is no struct npr_pid *";
    case 'r':
        return kind == NPR_SLOT_REF ? NULL : "the argument is no struct npr_ref *";
    case 't':
        return kind == NPR_SLOT_TERM ? NULL : "the argument is no struct npr_term *";
    case 'w':
        return kind == NPR_SLOT_WALK ? NULL : "the argument is no struct npr_term_walk *";
    default:
        return "expected ~ and one of a, b, i, l, u, d, f, p, r, t and w";
    }
}

/* The slot for the place that begins here, which is left behind; NULL: a fault. */
static const struct npr_slot *take_slot(struct matcher *m, uint8_t *out_letter)
{
    const struct npr_slot *slot = &m->slots[m->slots_used];
    const uint8_t letter = npri_lex_peek(&m->lex, 1);
    const char *text = slot_fault(letter, slot);

    if (text != NULL) {
        (void)fault(m, m->lex.at, text);
        return NULL;
    }
    m->lex.at += 2;
    m->slots_used++;
    *out_letter = letter;
    return slot;
}

static bool match_place(struct matcher *m, const struct npr_term *term)
{
    uint8_t letter = 0;
    const struct npr_slot *slot = take_slot(m, &letter);

    if (slot == NULL) {
        return false;
    }
    if (term != NULL) {
        require(m, term, take(slot, letter, *term, m->store));
    }
    return true;
}

/* ---- Literals. */

NPRI_NOT_INLINED static bool match_atom(struct matcher *m, const struct npr_term *term)
{
    uint8_t text[NPRI_ATOM_BYTES_MAX];
    struct npr_bytes atom;
    size_t size;

    if (!npri_lex_atom(&m->lex, text, &size)) {
        return false;
    }
    require(m, term,
            term != NULL && npr_term_get_atom(*term, &atom) &&
                npri_bytes_equal(atom, npri_bytes(text, size)));
    return true;
}

static bool match_integer(struct matcher *m, const struct npr_term *term)
{
    const bool negative = npri_lex_peek(&m->lex, 0) == '-';
    uint64_t wanted = 0;
    uint64_t positive = 0;
    int64_t value = 0;

    m->lex.at += negative;
    if (!npri_lex_number(&m->lex, negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX, &wanted)) {
        return false;
    }
    if (term == NULL) {
        return true;
    }
    if (negative) {
        require(m, term, npr_term_get_int64(*term, &value) && (uint64_t)value == 0 - wanted);
    } else {
        require(m, term, npr_term_get_uint64(*term, &positive) && positive == wanted);
    }
    return true;
}

/* The text of a string or a binary, along the list or the bytes in the term. */
struct characters {
    struct npr_term_walk list;
    struct npr_bytes bytes;
    bool binary;
    bool same;
};

static bool match_character(void *user, uint32_t code)
{
    struct characters *at = user;
    struct npr_term element;
    uint64_t value = 0;

    if (at->binary) {
        at->same = at->same && at->bytes.size > 0 && at->bytes.data[0] == code;
        if (at->same) {
            at->bytes = npri_bytes(at->bytes.data + 1, at->bytes.size - 1);
        }
    } else {
        at->same = at->same && npr_term_next(&at->list, &element) &&
                   npr_term_get_uint64(element, &value) && value == code;
    }
    return true;
}

static bool read_characters(struct matcher *m, struct characters *at)
{
    struct npri_parser parser = {.lex = m->lex};
    const bool read = npri_parse_strings(&parser, match_character, at);

    m->lex = parser.lex;
    return read;
}

/* Nothing but [] is left. */
static bool at_end(struct npr_term_walk *walk)
{
    struct npr_term tail;

    return npr_term_tail(walk, &tail) && npr_term_kind(tail) == NPR_TERM_NIL;
}

static bool match_string(struct matcher *m, const struct npr_term *term)
{
    struct characters at = {.same = term != NULL && npr_term_list(*term, &at.list)};

    if (!read_characters(m, &at)) {
        return false;
    }
    require(m, term, at.same && at_end(&at.list));
    return true;
}

static bool match_binary(struct matcher *m, const struct npr_term *term)
{
    struct characters at = {.binary = true,
                            .same = term != NULL && npr_term_get_binary(*term, &at.bytes)};

    if (!npri_lex_expect(&m->lex, "<<") || !read_characters(m, &at) ||
        !npri_lex_expect(&m->lex, ">>")) {
        return false;
    }
    require(m, term, at.same && at.bytes.size == 0);
    return true;
}

static bool match_literal(struct matcher *m, const struct npr_term *term)
{
    const uint8_t c = npri_lex_peek(&m->lex, 0);

    if (npri_lex_at_atom(&m->lex)) {
        return match_atom(m, term);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return match_integer(m, term);
    }
    if (c == '"') {
        return match_string(m, term);
    }
    if (c == '<') {
        return match_binary(m, term);
    }
    return fault(m, m->lex.at,
                 m->lex.at == m->lex.end ? "the pattern ends too early"
                                         : "nothing that can be matched begins like this");
}

/* ---- What has elements. */

/* One element of `walk`, unless that is NULL. */
static bool match_next(struct matcher *m, struct npr_term_walk *walk, unsigned depth)
{
    struct npr_term element;
    const bool found = walk != NULL && npr_term_next(walk, &element);

    m->differs = m->differs || (walk != NULL && !found);
    return match_any(m, found ? &element : NULL, depth);
}

static bool match_tuple(struct matcher *m, const struct npr_term *term, unsigned depth)
{
    struct npr_term_walk walk;
    uint32_t arity;
    const bool tuple = term != NULL && npr_term_tuple(*term, &walk, &arity);
    uint32_t count = 0;

    m->lex.at++;
    if (!npri_lex_accept(&m->lex, "}")) {
        do {
            if (!match_next(m, tuple ? &walk : NULL, depth)) {
                return false;
            }
            count++;
        } while (npri_lex_accept(&m->lex, ","));
        if (!npri_lex_expect(&m->lex, "}")) {
            return false;
        }
    }
    require(m, term, tuple && arity == count);
    return true;
}

/* After "|": what is left of the list. */
static bool match_rest(struct matcher *m, const struct npr_term_walk *walk)
{
    const struct npr_slot *slot;
    const uint8_t *start;
    uint8_t letter = 0;

    if (npri_lex_accept(&m->lex, "_")) {
        return true;
    }
    start = m->lex.at;
    if (npri_lex_peek(&m->lex, 0) != '~' || npri_lex_peek(&m->lex, 1) != 'w') {
        return fault(m, start, "expected _ or ~w: what is left of a list is no term");
    }
    slot = take_slot(m, &letter);
    if (slot == NULL) {
        return false;
    }
    if (walk != NULL && m->store) {
        memcpy(slot->out, walk, sizeof(*walk));
    }
    return true;
}

static bool match_list(struct matcher *m, const struct npr_term *term, unsigned depth)
{
    struct npr_term_walk walk;
    const bool list = term != NULL && npr_term_list(*term, &walk);

    m->lex.at++;
    require(m, term, list);
    if (!npri_lex_accept(&m->lex, "]")) {
        do {
            if (!match_next(m, list ? &walk : NULL, depth)) {
                return false;
            }
        } while (npri_lex_accept(&m->lex, ","));
        if (npri_lex_accept(&m->lex, "|")) {
            return match_rest(m, list ? &walk : NULL) && npri_lex_expect(&m->lex, "]");
        }
        if (!npri_lex_expect(&m->lex, "]")) {
            return false;
        }
    }
    require(m, term, list && at_end(&walk));
    return true;
}

/* Reads the key that is written here; `*out_found` tells whether `map` has it. */
static bool match_key(struct matcher *m,
                      const struct npr_term *map,
                      struct npr_term *out_value,
                      bool *out_found)
{
    const uint8_t *start;
    struct npr_term_walk walk;
    struct npr_term key;
    uint32_t pairs;

    npri_lex_space(&m->lex);
    start = m->lex.at;
    *out_found = false;
    if (!match_literal(m, NULL)) {
        return false;
    }
    if (map == NULL || !npr_term_map(*map, &walk, &pairs)) {
        return true;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, out_value)) {
        struct matcher try = *m;

        try.lex.at = start;
        try.differs = false;
        *out_found = match_literal(&try, &key) && !try.differs;
        if (*out_found) {
            return true;
        }
    }
    return true;
}

static bool match_map(struct matcher *m, const struct npr_term *term, unsigned depth)
{
    struct npr_term value;
    bool found;

    require(m, term, term != NULL && npr_term_kind(*term) == NPR_TERM_MAP);
    if (!npri_lex_expect(&m->lex, "#{")) {
        return false;
    }
    if (npri_lex_accept(&m->lex, "}")) {
        return true;
    }
    do {
        if (!match_key(m, term, &value, &found) || !npri_lex_expect(&m->lex, ":=")) {
            return false;
        }
        require(m, term, found);
        if (!match_any(m, found ? &value : NULL, depth)) {
            return false;
        }
    } while (npri_lex_accept(&m->lex, ","));
    return npri_lex_expect(&m->lex, "}");
}

/* False: the pattern is wrong, and `lex` says how. */
static bool match_any(struct matcher *m, const struct npr_term *term, unsigned depth)
{
    npri_lex_space(&m->lex);
    if (depth == 0) {
        return fault(m, m->lex.at, "the pattern is nested too deep");
    }
    switch (npri_lex_peek(&m->lex, 0)) {
    case '~':
        return match_place(m, term);
    case '{':
        return match_tuple(m, term, depth - 1);
    case '[':
        return match_list(m, term, depth - 1);
    case '#':
        return match_map(m, term, depth - 1);
    case '_':
        if (npri_syntax_atom_char(npri_lex_peek(&m->lex, 1))) {
            return fault(m, m->lex.at, "a variable: write ~t, or _ alone");
        }
        m->lex.at++;
        return true;
    default:
        return match_literal(m, term);
    }
}

static npr_status match_whole(struct matcher *m, struct npr_term term)
{
    if (match_any(m, &term, PATTERN_DEPTH_MAX)) {
        npri_lex_space(&m->lex);
        if (m->lex.at != m->lex.end) {
            (void)fault(m, m->lex.at, "something follows the pattern");
        } else if (m->slots[m->slots_used].kind != NPR_SLOT_END) {
            (void)fault(m, m->lex.at, "there are more arguments than places");
        }
    }
    return m->lex.status;
}

npr_status npr_term_match(struct npr_term term,
                          const char *pattern,
                          const struct npr_slot *slots,
                          struct npr_error *err)
{
    struct matcher start = {.slots = slots};
    struct matcher matcher;
    struct npr_bytes text;

    if (pattern == NULL || slots == NULL) {
        return npri_fail(err, NPR_EINVAL, "there is no pattern");
    }
    text = npr_bytes_of(pattern);
    start.lex = (struct npri_lex){
        .start = text.data, .at = text.data, .end = text.data + text.size, .err = err};
    matcher = start;
    if (match_whole(&matcher, term) != NPR_OK) {
        return npri_fail_prefix(err, NPR_EINVAL, "pattern: ");
    }
    if (matcher.differs) {
        return npri_fail(err, NPR_ENOTFOUND, "the term does not match");
    }
    start.store = true;
    (void)match_whole(&start, term);
    return NPR_OK;
}
