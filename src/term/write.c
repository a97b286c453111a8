#include "term/write.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/number.h"
#include "term/tag.h"

static void put_magnitude(struct npri_buffer *buffer, bool negative, uint64_t value)
{
    uint8_t magnitude[8];

    for (unsigned i = 0; i < 8; i++) {
        magnitude[i] = (uint8_t)(value >> 8 * i);
    }
    npri_put_integer(buffer, negative, magnitude, sizeof(magnitude));
}

void npri_put_int(struct npri_buffer *buffer, int64_t value)
{
    if (value >= 0 && value <= UINT8_MAX) {
        npri_put_u8(buffer, NPRI_TAG_SMALL_INTEGER);
        npri_put_u8(buffer, (uint8_t)value);
        return;
    }
    if (value >= INT32_MIN && value <= INT32_MAX) {
        npri_put_u8(buffer, NPRI_TAG_INTEGER);
        npri_put_u32(buffer, (uint32_t)value);
        return;
    }
    put_magnitude(buffer, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void npri_put_uint(struct npri_buffer *buffer, uint64_t value)
{
    if (value <= INT32_MAX) {
        npri_put_int(buffer, (int64_t)value);
    } else {
        put_magnitude(buffer, false, value);
    }
}

void npri_put_double(struct npri_buffer *buffer, double value)
{
    NPRI_ASSERT(npri_double_is_finite(value));
    npri_put_u8(buffer, NPRI_TAG_NEW_FLOAT);
    npri_put_u64(buffer, npri_bits_of_double(value));
}

void npri_put_atom(struct npri_buffer *buffer, const char *utf8)
{
    npri_put_atom_bytes(buffer, npr_bytes_of(utf8));
}

void npri_put_atom_bytes(struct npri_buffer *buffer, struct npr_bytes utf8)
{
    NPRI_ASSERT(utf8.size <= NPRI_ATOM_BYTES_MAX);
    if (utf8.size <= 255) {
        npri_put_u8(buffer, NPRI_TAG_SMALL_ATOM_UTF8);
        npri_put_u8(buffer, (uint8_t)utf8.size);
    } else {
        npri_put_u8(buffer, NPRI_TAG_ATOM_UTF8);
        npri_put_u16(buffer, (uint16_t)utf8.size);
    }
    npri_put_bytes(buffer, utf8);
}

bool npri_atom_is_possible(struct npr_bytes utf8)
{
    size_t chars;

    return npri_utf8_count(utf8, &chars, NULL) && chars <= NPRI_ATOM_CHARS_MAX;
}

void npri_put_node(struct npri_buffer *buffer, const struct npr_node_name *node)
{
    npri_put_atom_bytes(buffer, npri_bytes(node->text, node->size));
}

void npri_put_pid(struct npri_buffer *buffer, const struct npr_pid *pid)
{
    npri_put_u8(buffer, NPRI_TAG_NEW_PID);
    npri_put_node(buffer, &pid->node);
    npri_put_u32(buffer, pid->id);
    npri_put_u32(buffer, pid->serial);
    npri_put_u32(buffer, pid->creation);
}

void npri_put_ref(struct npri_buffer *buffer, const struct npr_ref *ref)
{
    NPRI_ASSERT(ref->words_count <= NPR_REF_WORDS_MAX);
    npri_put_u8(buffer, NPRI_TAG_NEWER_REFERENCE);
    npri_put_u16(buffer, (uint16_t)ref->words_count);
    npri_put_node(buffer, &ref->node);
    npri_put_u32(buffer, ref->creation);
    for (uint32_t i = 0; i < ref->words_count; i++) {
        npri_put_u32(buffer, ref->words[i]);
    }
}

void npri_put_export(struct npri_buffer *buffer,
                     struct npr_bytes module,
                     struct npr_bytes function,
                     uint8_t arity)
{
    npri_put_u8(buffer, NPRI_TAG_EXPORT);
    npri_put_atom_bytes(buffer, module);
    npri_put_atom_bytes(buffer, function);
    npri_put_u8(buffer, NPRI_TAG_SMALL_INTEGER);
    npri_put_u8(buffer, arity);
}

void npri_put_binary(struct npri_buffer *buffer, struct npr_bytes bytes)
{
    NPRI_ASSERT(bytes.size <= UINT32_MAX);
    npri_put_u8(buffer, NPRI_TAG_BINARY);
    npri_put_u32(buffer, (uint32_t)bytes.size);
    npri_put_bytes(buffer, bytes);
}

void npri_put_string(struct npri_buffer *buffer, struct npr_bytes bytes)
{
    if (bytes.size == 0) {
        npri_put_nil(buffer);
        return;
    }
    if (bytes.size <= NPRI_STRING_BYTES_MAX) {
        npri_put_u8(buffer, NPRI_TAG_STRING);
        npri_put_u16(buffer, (uint16_t)bytes.size);
        npri_put_bytes(buffer, bytes);
        return;
    }
    NPRI_ASSERT(bytes.size <= UINT32_MAX);
    npri_put_list(buffer, (uint32_t)bytes.size);
    for (size_t i = 0; i < bytes.size; i++) {
        npri_put_u8(buffer, NPRI_TAG_SMALL_INTEGER);
        npri_put_u8(buffer, bytes.data[i]);
    }
    npri_put_nil(buffer);
}

void npri_put_tuple(struct npri_buffer *buffer, uint32_t arity)
{
    if (arity <= 255) {
        npri_put_u8(buffer, NPRI_TAG_SMALL_TUPLE);
        npri_put_u8(buffer, (uint8_t)arity);
    } else {
        npri_put_u8(buffer, NPRI_TAG_LARGE_TUPLE);
        npri_put_u32(buffer, arity);
    }
}

void npri_put_list(struct npri_buffer *buffer, uint32_t count)
{
    NPRI_ASSERT(count > 0);
    npri_put_u8(buffer, NPRI_TAG_LIST);
    npri_put_u32(buffer, count);
}

void npri_put_nil(struct npri_buffer *buffer)
{
    npri_put_u8(buffer, NPRI_TAG_NIL);
}

void npri_put_list_of(struct npri_buffer *buffer, uint32_t count, const struct npri_buffer *items)
{
    if (count > 0) {
        npri_put_list(buffer, count);
        npri_put_bytes(buffer, npri_buffer_bytes(items));
    }
    npri_put_nil(buffer);
    buffer->failed = buffer->failed || items->failed;
}

void npri_put_map(struct npri_buffer *buffer, uint32_t pairs)
{
    npri_put_u8(buffer, NPRI_TAG_MAP);
    npri_put_u32(buffer, pairs);
}

void npri_put_term(struct npri_buffer *buffer, struct npr_term term)
{
    NPRI_ASSERT(term.data != NULL);
    npri_put_bytes(buffer, npri_bytes(term.data, term.size));
}
