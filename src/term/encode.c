/* Normal form -> the bytes of term_to_binary.  Normal form is what OTP 26 and later write; up to
 * OTP 25 only atoms, wherever they stand, are written otherwise. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/read.h"
#include "term/tag.h"
#include "term/write.h"

static void encode_range(const uint8_t *at, const uint8_t *end, struct npri_buffer *buffer);

/* ATOM_EXT with the Latin-1 text where it fits, else as it is. */
static const uint8_t *encode_atom(const uint8_t *at, struct npri_buffer *buffer)
{
    struct npr_bytes text = npri_tag_atom(at);
    const uint8_t *end = text.data + text.size;
    size_t chars;
    bool latin1;

    if (!npri_utf8_count(text, &chars, &latin1) || !latin1) {
        npri_put_bytes(buffer, npri_bytes(at, (size_t)(end - at)));
        return end;
    }
    npri_put_u8(buffer, NPRI_TAG_ATOM);
    npri_put_u16(buffer, (uint16_t)chars);
    while (text.size > 0) {
        uint32_t code = 0;
        const size_t size = npri_utf8_take(text, &code);

        npri_put_u8(buffer, (uint8_t)code);
        text = npri_bytes(text.data + size, text.size - size);
    }
    return end;
}

/* Copies `head` bytes, an atom, and the rest of the leaf. */
static void encode_with_node(const uint8_t *at,
                             size_t head,
                             const uint8_t *end,
                             struct npri_buffer *buffer)
{
    const uint8_t *rest;

    npri_put_bytes(buffer, npri_bytes(at, head));
    rest = encode_atom(at + head, buffer);
    npri_put_bytes(buffer, npri_bytes(rest, (size_t)(end - rest)));
}

static void encode_fun(const uint8_t *at, const uint8_t *end, struct npri_buffer *buffer)
{
    const size_t start = buffer->size;

    npri_put_bytes(buffer, npri_bytes(at, NPRI_FUN_HEAD_BYTES));
    encode_range(at + NPRI_FUN_HEAD_BYTES, end, buffer);
    npri_buffer_patch_u32(buffer, start + 1, (uint32_t)(buffer->size - start - 1));
}

/* The elements of a container follow its head, so that a term, or many, is a flat run of heads and
 * leaves.  Only closures recurse, for their size; they were counted as depth when they were read.
 */
static void encode_range(const uint8_t *at, const uint8_t *end, struct npri_buffer *buffer)
{
    while (at < end) {
        uint64_t children;
        const uint8_t *next = at + npri_tag_head(at, &children);

        switch (at[0]) {
        case NPRI_TAG_ATOM_UTF8:
        case NPRI_TAG_SMALL_ATOM_UTF8:
            (void)encode_atom(at, buffer);
            break;
        case NPRI_TAG_NEW_PID:
        case NPRI_TAG_NEW_PORT:
        case NPRI_TAG_V4_PORT:
            encode_with_node(at, 1, next, buffer);
            break;
        case NPRI_TAG_NEWER_REFERENCE:
            encode_with_node(at, 3, next, buffer);
            break;
        case NPRI_TAG_EXPORT:
            npri_put_u8(buffer, NPRI_TAG_EXPORT);
            encode_range(at + 1, next, buffer); /* two atoms and an integer */
            break;
        case NPRI_TAG_NEW_FUN:
            encode_fun(at, next, buffer);
            break;
        default:
            npri_put_bytes(buffer, npri_bytes(at, (size_t)(next - at)));
            break;
        }
        at = next;
    }
}

void npri_term_write(struct npr_term term, enum npr_otp otp, struct npri_buffer *buffer)
{
    NPRI_ASSERT(term.data != NULL);
    npri_put_u8(buffer, NPRI_TERM_VERSION);
    if (otp == NPR_OTP_25) {
        encode_range(term.data, term.data + term.size, buffer);
    } else {
        npri_put_term(buffer, term);
    }
}

npr_status npr_term_encode(struct npr_term term, enum npr_otp otp, uint8_t **out, size_t *out_size)
{
    struct npri_buffer buffer;

    if (term.data == NULL || out == NULL || out_size == NULL) {
        return NPR_EINVAL;
    }
    npri_buffer_init(&buffer, 0);
    npri_term_write(term, otp, &buffer);
    if (buffer.failed) {
        npri_buffer_fini(&buffer);
        return NPR_ENOMEM;
    }
    *out = buffer.data;
    *out_size = buffer.size;
    return NPR_OK;
}

/* Also inside closures, whose free variables are terms: from the module on, a flat run like any. */
bool npri_term_is_placeable(struct npr_term term)
{
    const uint8_t *at = term.data;
    const uint8_t *end = term.data + term.size;

    while (at < end) {
        uint64_t children;

        if (at[0] == NPRI_TAG_MAP && npri_get_u32(at + 1) > NPRI_MAP_SORTED_MAX) {
            return false;
        }
        at += at[0] == NPRI_TAG_NEW_FUN ? NPRI_FUN_HEAD_BYTES : npri_tag_head(at, &children);
    }
    return true;
}
