/* term/lex.h - characters and small pieces of Erlang text.  Pure. */
#ifndef NPRI_TERM_LEX_H
#define NPRI_TERM_LEX_H

#include "base/bytes.h"

/* Where reading has come to.  The first fault sticks: `status` and `err` are set by it, and every
 * function below then returns false. */
struct npri_lex {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    npr_status status;
    struct npr_error *err;
};

/* Sets the fault at `at` (unless there is one) and returns false. */
bool npri_lex_fail(struct npri_lex *lex, const uint8_t *at, npr_status status, const char *fault);

/* Skips white space and % comments. */
void npri_lex_space(struct npri_lex *lex);

/* The byte at the current place, 0 at the end; and `offset` bytes further. */
uint8_t npri_lex_peek(const struct npri_lex *lex, size_t offset);

/* Skips white space, then takes `text` if it stands there; no fault if not. */
bool npri_lex_accept(struct npri_lex *lex, const char *text);

/* The same, but a fault if it does not. */
bool npri_lex_expect(struct npri_lex *lex, const char *text);

/* Takes one code point as it stands. */
bool npri_lex_code(struct npri_lex *lex, uint32_t *out);

/* Takes one character of a quoted text or after $: itself, or an escape sequence. */
bool npri_lex_char(struct npri_lex *lex, uint32_t *out);

/* Takes an atom, quoted or not (what an unquoted one begins with must stand here), into `text`,
 * which has room for NPRI_ATOM_BYTES_MAX bytes.  A reserved word is a fault. */
bool npri_lex_atom(struct npri_lex *lex, uint8_t *text, size_t *out_size);

/* Whether an atom begins here. */
bool npri_lex_at_atom(const struct npri_lex *lex);

/* Takes digits with single underscores between them; false and no fault when there is no digit. */
bool npri_lex_digits(struct npri_lex *lex, unsigned base, struct npr_bytes *out);

/* Takes a decimal number of at most `max`. */
bool npri_lex_number(struct npri_lex *lex, uint64_t max, uint64_t *out);

#endif /* NPRI_TERM_LEX_H */
