/* term/syntax.h - the rules that printing and parsing share.  Pure. */
#ifndef NPRI_TERM_SYNTAX_H
#define NPRI_TERM_SYNTAX_H

#include "base/bytes.h"

/* Characters that an atom without quotes may begin with, and may have further on. */
bool npri_syntax_atom_start(uint32_t code);
bool npri_syntax_atom_char(uint32_t code);

/* Whether `text` is a reserved word of Erlang: as an atom it needs quotes. */
bool npri_syntax_reserved(struct npr_bytes text);

/* Whether the atom `text` (UTF-8) can stand without quotes. */
bool npri_syntax_bare_atom(struct npr_bytes text);

/* Whether `text` can stand as the node of a pid without quotes. */
bool npri_syntax_bare_node(struct npr_bytes text);

/* What io_lib:printable_unicode_list/1 takes for printable. */
bool npri_syntax_printable(uint32_t code);

#endif /* NPRI_TERM_SYNTAX_H */
