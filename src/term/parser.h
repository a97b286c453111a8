/* term/parser.h - what the two halves of the reader of Erlang text (terms; binaries) share.  Pure.
 */
#ifndef NPRI_TERM_PARSER_H
#define NPRI_TERM_PARSER_H

#include "term/lex.h"

/* For functions with a large buffer that the recursion calls: inlined, the buffer would lie in each
 * of up to NPRI_TERM_DEPTH_MAX frames. */
#define NPRI_NOT_INLINED __attribute__((noinline))

struct npri_parser;

/* Appends to `raw` what stands for the place, "~" and a letter, that begins here, and goes beyond
 * it; as the functions below. */
typedef bool npri_parse_place(struct npri_parser *parser, void *user);

/* `raw` gets the term in an encoding that npri_term_scan() takes: counts are patched in when they
 * are known, so tuples are LARGE_TUPLE_EXT and all lists LIST_EXT. */
struct npri_parser {
    struct npri_lex lex;
    struct npri_buffer raw;
    bool check_maps; /* look for duplicate keys at the end of each map */
    npri_parse_place *place;
    void *user;
    size_t places_count; /* met so far */
};

/* Each takes what its name says from the text (white space before it included, where it can stand)
 * and appends it to `raw`.  False: the fault is set in `lex`. */
bool npri_parse_term(struct npri_parser *parser, unsigned depth);
bool npri_parse_binary(struct npri_parser *parser, unsigned depth); /* "<<" stands here */

/* Takes strings one after another, of which the first begins here, and gives every code point to
 * `each` (unless NULL) until that returns false. */
bool npri_parse_strings(struct npri_parser *parser,
                        bool (*each)(void *user, uint32_t code),
                        void *user);

/* npri_term_parse() of a text with places in it, which begin with '~'.  `place` is called for each,
 * in order, and may be called for all of them again from the first one on (`places_count` is 0). */
NPR_NODISCARD npr_status npri_parse_places(struct npr_bytes text,
                                           npri_parse_place *place,
                                           void *user,
                                           struct npri_buffer *out,
                                           struct npr_error *err);

#endif /* NPRI_TERM_PARSER_H */
