/* base/bytes.h - big-endian reading from borrowed bytes, and a growing buffer to write to. */
#ifndef NPRI_BASE_BYTES_H
#define NPRI_BASE_BYTES_H

#include <stdbool.h>
#include <string.h>

#include "nprocreg/types.h"

static inline struct npr_bytes npri_bytes(const void *data, size_t size)
{
    return (struct npr_bytes){.data = (const uint8_t *)data, .size = size};
}

static inline bool npri_bytes_equal(struct npr_bytes a, struct npr_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Bytewise, a prefix first: on UTF-8 this is the order of code points. */
int npri_bytes_compare(struct npr_bytes a, struct npr_bytes b);

static inline uint16_t npri_get_u16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t npri_get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t npri_get_u64(const uint8_t *at)
{
    return (uint64_t)npri_get_u32(at) << 32 | npri_get_u32(at + 4);
}

/* `value` in decimal, in `room`. */
#define NPRI_UINT_DIGITS_MAX 20
struct npr_bytes npri_uint_digits(uint64_t value, char room[NPRI_UINT_DIGITS_MAX]);

/* Bytes that grow at the end.  A failed write (no memory, or beyond size_max) sets `failed`, writes
 * nothing, and so does every later one: check once, when all is written. */
struct npri_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* 0: no limit */
    bool failed;
    bool full; /* `failed` since it would have been more than size_max */
};

void npri_buffer_init(struct npri_buffer *buffer, size_t size_max);
void npri_buffer_fini(struct npri_buffer *buffer);  /* a zeroed one is fine */
void npri_buffer_reset(struct npri_buffer *buffer); /* empty, not failed; keeps the memory */

/* Room for `size` more bytes at the end, counted as written; NULL when failed. */
uint8_t *npri_buffer_extend(struct npri_buffer *buffer, size_t size);

/* Makes sure that `size` more bytes can be appended without allocating; false sets `failed`. */
bool npri_buffer_reserve(struct npri_buffer *buffer, size_t size);

/* The writers are inline, and so is what they need when there is room: messages are made of them.
 */

/* npri_buffer_extend() for the usual case. */
static inline uint8_t *npri_buffer_room(struct npri_buffer *buffer, size_t size)
{
    if (buffer->failed || size > buffer->capacity - buffer->size ||
        (buffer->size_max != 0 && size + buffer->size > buffer->size_max)) {
        return npri_buffer_extend(buffer, size);
    }
    buffer->size += size;
    return buffer->data + buffer->size - size;
}

static inline void npri_write_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static inline void npri_put_u8(struct npri_buffer *buffer, uint8_t value)
{
    uint8_t *at = npri_buffer_room(buffer, 1);

    if (at != NULL) {
        at[0] = value;
    }
}

static inline void npri_put_u16(struct npri_buffer *buffer, uint16_t value)
{
    uint8_t *at = npri_buffer_room(buffer, 2);

    if (at != NULL) {
        at[0] = (uint8_t)(value >> 8);
        at[1] = (uint8_t)value;
    }
}

static inline void npri_put_u32(struct npri_buffer *buffer, uint32_t value)
{
    uint8_t *at = npri_buffer_room(buffer, 4);

    if (at != NULL) {
        npri_write_u32(at, value);
    }
}

static inline void npri_put_u64(struct npri_buffer *buffer, uint64_t value)
{
    npri_put_u32(buffer, (uint32_t)(value >> 32));
    npri_put_u32(buffer, (uint32_t)value);
}

static inline void npri_put_bytes(struct npri_buffer *buffer, struct npr_bytes bytes)
{
    uint8_t *at = bytes.size == 0 ? NULL : npri_buffer_room(buffer, bytes.size);

    if (at != NULL && bytes.data != NULL) { /* the second for the analyzer: a size has bytes */
        memcpy(at, bytes.data, bytes.size);
    }
}

static inline void npri_put_text(struct npri_buffer *buffer, const char *text)
{
    npri_put_bytes(buffer, npr_bytes_of(text));
}

void npri_put_uint_text(struct npri_buffer *buffer, uint64_t value); /* in decimal */

/* What was written, as a string that the caller frees with npri_free(); NULL when it has failed.
 * The buffer is done with either way. */
char *npri_buffer_take_text(struct npri_buffer *buffer);

/* Overwrites four bytes that were written before (a length known only afterwards). */
void npri_buffer_patch_u32(struct npri_buffer *buffer, size_t offset, uint32_t value);

/* Removes `size` bytes from the front; the rest moves down. */
void npri_buffer_consume(struct npri_buffer *buffer, size_t size);

static inline struct npr_bytes npri_buffer_bytes(const struct npri_buffer *buffer)
{
    return npri_bytes(buffer->data, buffer->size);
}

#endif /* NPRI_BASE_BYTES_H */
