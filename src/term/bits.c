#include "term/bits.h"

#include "base/assert.h"
#include "base/limits.h"
#include "term/write.h"

void npri_bits_init(struct npri_bits *bits)
{
    npri_buffer_init(&bits->bytes, NPRI_TERM_BYTES_MAX);
    bits->last_bits = 0;
}

void npri_bits_fini(struct npri_bits *bits)
{
    npri_buffer_fini(&bits->bytes);
}

void npri_bits_put(struct npri_bits *bits, unsigned value, unsigned count)
{
    const unsigned room = bits->last_bits == 0 ? 0 : 8 - bits->last_bits;

    NPRI_ASSERT(count >= 1 && count <= 8);
    value = (value & (0xffu >> (8 - count))) << (8 - count); /* from the high end */
    if (room > 0 && !bits->bytes.failed) {
        bits->bytes.data[bits->bytes.size - 1] |= (uint8_t)(value >> bits->last_bits);
    }
    if (count > room) {
        npri_put_u8(&bits->bytes, (uint8_t)(value << room));
    }
    bits->last_bits = (bits->last_bits + count) % 8;
}

void npri_bits_append(struct npri_bits *bits, const uint8_t *from, uint64_t count)
{
    NPRI_ASSERT(from != NULL || count == 0);
    if (bits->last_bits == 0) {
        npri_put_bytes(&bits->bytes, npri_bytes(from, (size_t)(count / 8)));
        from += count / 8;
        count %= 8;
    }
    for (; count >= 8 && !bits->bytes.failed; count -= 8) {
        npri_bits_put(bits, *from++, 8);
    }
    if (count > 0 && !bits->bytes.failed) {
        npri_bits_put(bits, (unsigned)*from >> (8 - count), (unsigned)count);
    }
}

/* Byte `index` (from the low end) of the infinite two's complement of `integer`: that of -m is the
 * complement of m - 1.  `borrow` is whether all bytes of m below `index` are 0. */
static unsigned complement_byte(const struct npri_integer *integer, uint64_t index, bool borrow)
{
    const unsigned byte = index < integer->size ? integer->magnitude[index] : 0;

    if (!integer->negative) {
        return byte;
    }
    return ~(byte - borrow) & 0xffu;
}

/* Index of the lowest byte that is not 0. */
static uint64_t lowest_byte(const struct npri_integer *integer)
{
    uint64_t index = 0;

    while (index < integer->size && integer->magnitude[index] == 0) {
        index++;
    }
    return index;
}

void npri_bits_put_integer(struct npri_bits *bits,
                           const struct npri_integer *integer,
                           uint64_t count,
                           bool little)
{
    const uint64_t whole = count / 8;
    const unsigned rest = (unsigned)(count % 8);
    const uint64_t lowest = lowest_byte(integer);

    if (little) {
        for (uint64_t i = 0; i < whole && !bits->bytes.failed; i++) {
            npri_bits_put(bits, complement_byte(integer, i, i <= lowest), 8);
        }
    }
    if (rest > 0) {
        npri_bits_put(bits, complement_byte(integer, whole, whole <= lowest), rest);
    }
    if (!little) {
        for (uint64_t i = whole; i > 0 && !bits->bytes.failed; i--) {
            npri_bits_put(bits, complement_byte(integer, i - 1, i - 1 <= lowest), 8);
        }
    }
}

void npri_bits_finish(const struct npri_bits *bits, struct npri_buffer *out)
{
    if (bits->bytes.failed) {
        out->failed = true;
    } else if (bits->last_bits == 0) {
        npri_put_binary(out, npri_buffer_bytes(&bits->bytes));
    } else {
        npri_put_u8(out, NPRI_TAG_BIT_BINARY);
        npri_put_u32(out, (uint32_t)bits->bytes.size);
        npri_put_u8(out, (uint8_t)bits->last_bits);
        npri_put_bytes(out, npri_buffer_bytes(&bits->bytes));
    }
}
