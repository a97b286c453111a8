/* base/hash.h - a hash of bytes that others choose: SipHash-1-3 (Aumasson and Bernstein, 2012).
 * Without the key nobody can find bytes that fall into one bucket, so that no peer can make a table
 * slow; with the key it is the same everywhere, so that a simulation can be run again. */
#ifndef NPRI_BASE_HASH_H
#define NPRI_BASE_HASH_H

#include "base/bytes.h"

struct npri_hash_key {
    uint64_t words[2];
};

uint64_t npri_hash(struct npri_hash_key key, struct npr_bytes bytes);

#endif /* NPRI_BASE_HASH_H */
