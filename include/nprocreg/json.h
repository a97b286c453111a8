/* nprocreg/json.h - Erlang terms as JSON, and JSON as terms.
 *
 *     Erlang                            JSON
 *     -------------------------------   ---------------------------------------------
 *     12, of any size                   12                     a number without . or e
 *     1.5, 1.0e10                       1.5, 1.0e10            a number with one
 *     true, false, null                 true, false, null
 *     <<"text">> (UTF-8)                "text"
 *     [1,2,3], "abc", []                [1,2,3], [97,98,99], []
 *     #{<<"a">> => 1} (such keys only)  {"a":1}
 *     room                              {"$atom":"room"}
 *     {1,2}                             {"$tuple":[1,2]}
 *     [1|2]                             [1,{"$tail":2}]
 *     #{1 => 2} (other maps)            {"$map":[[1,2]]}
 *     <<255>> (other binaries)          {"$bytes":"/w=="}      base64
 *     a pid                             {"$pid":"<a@h.85.0.17>"}     node.id.serial.creation
 *     a reference                       {"$ref":"<a@h.17.1,2,3>"}    node.creation.words
 *     any other term, and what is too   {"$term":"g2EB"}       base64 of term_to_binary
 *     large or deep for the above
 *     #{<<"$atom">> => 1}               {"$$atom":1}           one $ more, when it is the only key
 *
 * Every term has a JSON text, and that text gives the same term again.  Every JSON text (of those
 * that RFC 7493, "I-JSON", allows: no name twice in an object, no half of a surrogate pair, no
 * fraction beyond the range of doubles) has a term: an object is one of the forms with a $ only if
 * it has that one member with a value of that form, and is a map otherwise.
 *
 * Threads: any.  Nothing here blocks. */
#ifndef NPROCREG_JSON_H
#define NPROCREG_JSON_H

#include "nprocreg/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* On one line: without spaces outside of strings.  What it returns is NUL-terminated (a JSON text
 * has no NUL in it), allocated with malloc and belongs to the caller; NULL when out of memory, and
 * for no term. */
NPR_API NPR_NODISCARD char *npr_term_to_json(struct npr_term term);

/* Reads one JSON value, with nothing but spaces around it, and appends it to `builder` as one
 * element.  Returns NPR_OK, NPR_ESYNTAX (`err` names the offset and the fault), NPR_EFULL (nested
 * more than 1024 deep, an integer of more than 10,000 digits, over 64 MiB) or NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_term_from_json(struct npr_bytes text,
                                                    struct npr_builder *builder,
                                                    struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_JSON_H */
