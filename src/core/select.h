/* core/select.h - which keys are meant: all, one, those with a beginning, those that look like a
 * pattern.  Pure.
 *
 * On the wire, and from the public API:
 *
 *     all    {key, Key}    {prefix, Term}    {match, <<"pattern">>}
 *
 * A selector is checked once, when it is made; then it is the same for every key.  Those of peers
 * are bounded: by NPRI_KEY_BYTES_MAX and NPRI_PATTERN_BYTES_MAX. */
#ifndef NPRI_CORE_SELECT_H
#define NPRI_CORE_SELECT_H

#include "nprocreg/format.h"

#include "base/bytes.h"

enum npri_select_kind {
    NPRI_SELECT_ALL,
    NPRI_SELECT_KEY,    /* term: the key */
    NPRI_SELECT_PREFIX, /* term: a binary, a tuple or a proper list */
    NPRI_SELECT_MATCH,  /* pattern, as nprocreg/format.h has them, without places */
};

struct npri_select {
    enum npri_select_kind kind;
    struct npr_term wire;
    struct npr_term term;
    const char *pattern;
    uint8_t data[]; /* what they point into */
};

/* Reads one from its form on the wire.  NPR_OK, NPR_EINVAL (it is none; `err` says why), NPR_EFULL
 * (too large), NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_select_create(struct npr_term wire,
                                            struct npri_select **out,
                                            struct npr_error *err);
void npri_select_destroy(struct npri_select *select); /* accepts NULL */

/* Whether `key`, in normal form, is meant. */
bool npri_select_has(const struct npri_select *select, struct npr_term key);

#endif /* NPRI_CORE_SELECT_H */
