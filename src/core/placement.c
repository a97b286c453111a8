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
