#include "base/bytes.h"

#include "base/alloc.h"
#include "base/assert.h"

#define BUFFER_CAPACITY_MIN 64

int npri_bytes_compare(struct npr_bytes a, struct npr_bytes b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

void npri_buffer_init(struct npri_buffer *buffer, size_t size_max)
{
    *buffer = (struct npri_buffer){.size_max = size_max};
}

void npri_buffer_fini(struct npri_buffer *buffer)
{
    npri_free(buffer->data);
    *buffer = (struct npri_buffer){.size_max = buffer->size_max};
}

void npri_buffer_reset(struct npri_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
    buffer->full = false;
}

bool npri_buffer_reserve(struct npri_buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity;
    uint8_t *data;

    if (buffer->failed) {
        return false;
    }
    /* The limit holds whatever the capacity, which may be more than was asked for. */
    if (size > SIZE_MAX / 2 - buffer->size ||
        (buffer->size_max != 0 && size > buffer->size_max - buffer->size)) {
        buffer->failed = true;
        buffer->full = true;
        return false;
    }
    if (size <= capacity - buffer->size) {
        return true;
    }
    capacity = capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : capacity;
    while (capacity - buffer->size < size) {
        capacity *= 2;
    }
    data = npri_realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *npri_buffer_extend(struct npri_buffer *buffer, size_t size)
{
    uint8_t *at;

    if (!npri_buffer_reserve(buffer, size)) {
        return NULL;
    }
    at = buffer->data + buffer->size;
    buffer->size += size;
    return at;
}

struct npr_bytes npri_uint_digits(uint64_t value, char room[NPRI_UINT_DIGITS_MAX])
{
    size_t at = NPRI_UINT_DIGITS_MAX;

    do {
        room[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return npri_bytes(room + at, NPRI_UINT_DIGITS_MAX - at);
}

void npri_put_uint_text(struct npri_buffer *buffer, uint64_t value)
{
    char room[NPRI_UINT_DIGITS_MAX];

    npri_put_bytes(buffer, npri_uint_digits(value, room));
}

char *npri_buffer_take_text(struct npri_buffer *buffer)
{
    npri_put_u8(buffer, '\0');
    if (buffer->failed) {
        npri_buffer_fini(buffer);
        return NULL;
    }
    return (char *)buffer->data;
}

void npri_buffer_patch_u32(struct npri_buffer *buffer, size_t offset, uint32_t value)
{
    if (buffer->failed) {
        return;
    }
    NPRI_ASSERT(offset + 4 <= buffer->size);
    npri_write_u32(buffer->data + offset, value);
}

void npri_buffer_consume(struct npri_buffer *buffer, size_t size)
{
    NPRI_ASSERT(size <= buffer->size);
    if (size == 0) {
        return;
    }
    buffer->size -= size;
    memmove(buffer->data, buffer->data + size, buffer->size);
}
