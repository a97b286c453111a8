/* term/parse.h - terms as an Erlang shell takes them.  Pure. */
#ifndef NPRI_TERM_PARSE_H
#define NPRI_TERM_PARSE_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* Appends the normal form of the one term in `text` (UTF-8) to `out`.  See npr_term_parse(). */
NPR_NODISCARD npr_status npri_term_parse(struct npr_bytes text,
                                         struct npri_buffer *out,
                                         struct npr_error *err);

#endif /* NPRI_TERM_PARSE_H */
