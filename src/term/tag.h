/* term/tag.h - the tags of the external term format, and how far each term reaches.  Pure.
 *
 * The functions here trust their input: they are for terms that npri_term_scan() has passed. */
#ifndef NPRI_TERM_TAG_H
#define NPRI_TERM_TAG_H

#include "nprocreg/term.h"

#include "base/bytes.h"

#define NPRI_TERM_VERSION 131

/* Names as in the format's description.  "old": read, never written. */
enum npri_tag {
    NPRI_TAG_NEW_FLOAT = 70,
    NPRI_TAG_BIT_BINARY = 77,
    NPRI_TAG_COMPRESSED = 80,
    NPRI_TAG_NEW_PID = 88,
    NPRI_TAG_NEW_PORT = 89,
    NPRI_TAG_NEWER_REFERENCE = 90,
    NPRI_TAG_SMALL_INTEGER = 97,
    NPRI_TAG_INTEGER = 98,
    NPRI_TAG_FLOAT = 99,      /* old: 31 characters of text */
    NPRI_TAG_ATOM = 100,      /* Latin-1; what OTP 25's term_to_binary writes */
    NPRI_TAG_REFERENCE = 101, /* old */
    NPRI_TAG_PORT = 102,      /* old */
    NPRI_TAG_PID = 103,       /* old */
    NPRI_TAG_SMALL_TUPLE = 104,
    NPRI_TAG_LARGE_TUPLE = 105,
    NPRI_TAG_NIL = 106,
    NPRI_TAG_STRING = 107,
    NPRI_TAG_LIST = 108,
    NPRI_TAG_BINARY = 109,
    NPRI_TAG_SMALL_BIG = 110,
    NPRI_TAG_LARGE_BIG = 111,
    NPRI_TAG_NEW_FUN = 112,
    NPRI_TAG_EXPORT = 113,
    NPRI_TAG_NEW_REFERENCE = 114, /* old */
    NPRI_TAG_SMALL_ATOM = 115,    /* old */
    NPRI_TAG_MAP = 116,
    NPRI_TAG_ATOM_UTF8 = 118,
    NPRI_TAG_SMALL_ATOM_UTF8 = 119,
    NPRI_TAG_V4_PORT = 120,
};

/* Bytes of NEW_FUN_EXT from its tag to the module: tag, size, arity, uniq, index, free count. */
#define NPRI_FUN_HEAD_BYTES   30u
#define NPRI_FUN_ARITY_OFFSET 5u

#define NPRI_STRING_BYTES_MAX 65535u /* STRING_EXT has a 16-bit length */

/* Bytes of the head of the term at `at`: the whole term, or for a tuple, list or map what comes
 * before its elements.  `*out_children` is how many terms follow as its parts. */
size_t npri_tag_head(const uint8_t *at, uint64_t *out_children);

/* Just behind `count` whole terms that begin at `at`.  No recursion. */
const uint8_t *npri_tag_skip(const uint8_t *at, uint64_t count);

/* The text of the atom at `at`, which is in normal form. */
struct npr_bytes npri_tag_atom(const uint8_t *at);

#endif /* NPRI_TERM_TAG_H */
