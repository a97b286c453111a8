#include "core/placement.h"

#include "base/assert.h"
#include "base/bytes.h"

/* Long division, one byte at a time: the remainder stays below 2^32, times 256 below 2^40. */
uint32_t npri_placement_index(const uint8_t digest[16], uint32_t nodes_count)
{
    uint64_t remainder = 0;

    NPRI_ASSERT(nodes_count > 0);
    for (size_t i = 0; i < 16; i++) {
        remainder = (remainder << 8 | digest[i]) % nodes_count;
    }
    return (uint32_t)remainder;
}

/* On UTF-8 the order of bytes is the order of code points. */
int npri_placement_compare(const struct npr_node_name *a, const struct npr_node_name *b)
{
    return npri_bytes_compare(npri_bytes(a->text, a->size), npri_bytes(b->text, b->size));
}

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Each bit of either reaches each bit of the result (the end of splitmix64). */
uint64_t npri_placement_mix(const uint8_t digest[16], uint64_t name_hash)
{
    uint64_t word = (read_u64(digest) ^ name_hash) + read_u64(digest + 8);

    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}
