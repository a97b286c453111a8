#include "term/tag.h"

#include "base/assert.h"

struct npr_bytes npri_tag_atom(const uint8_t *at)
{
    if (at[0] == NPRI_TAG_SMALL_ATOM_UTF8) {
        return npri_bytes(at + 2, at[1]);
    }
    NPRI_ASSERT(at[0] == NPRI_TAG_ATOM_UTF8);
    return npri_bytes(at + 3, npri_get_u16(at + 1));
}

static size_t atom_bytes(const uint8_t *at)
{
    return at[0] == NPRI_TAG_SMALL_ATOM_UTF8 ? 2u + at[1] : 3u + npri_get_u16(at + 1);
}

/* Module, function and arity follow each other. */
static size_t export_bytes(const uint8_t *at)
{
    size_t size = 1;

    size += atom_bytes(at + size);
    size += atom_bytes(at + size);
    return size + (at[size] == NPRI_TAG_SMALL_INTEGER ? 2 : 5);
}

size_t npri_tag_head(const uint8_t *at, uint64_t *out_children)
{
    *out_children = 0;
    switch ((enum npri_tag)at[0]) {
    case NPRI_TAG_NEW_FLOAT:
        return 9;
    case NPRI_TAG_SMALL_INTEGER:
        return 2;
    case NPRI_TAG_INTEGER:
        return 5;
    case NPRI_TAG_SMALL_BIG:
        return 3u + at[1];
    case NPRI_TAG_LARGE_BIG:
        return 6u + (size_t)npri_get_u32(at + 1);
    case NPRI_TAG_ATOM_UTF8:
    case NPRI_TAG_SMALL_ATOM_UTF8:
        return atom_bytes(at);
    case NPRI_TAG_NEW_PID:
    case NPRI_TAG_V4_PORT:
        return 1 + atom_bytes(at + 1) + 12;
    case NPRI_TAG_NEW_PORT:
        return 1 + atom_bytes(at + 1) + 8;
    case NPRI_TAG_NEWER_REFERENCE:
        return 3 + atom_bytes(at + 3) + 4 + 4 * (size_t)npri_get_u16(at + 1);
    case NPRI_TAG_NIL:
        return 1;
    case NPRI_TAG_STRING:
        return 3u + npri_get_u16(at + 1);
    case NPRI_TAG_BINARY:
        return 5u + (size_t)npri_get_u32(at + 1);
    case NPRI_TAG_BIT_BINARY:
        return 6u + (size_t)npri_get_u32(at + 1);
    case NPRI_TAG_NEW_FUN:
        return 1u + (size_t)npri_get_u32(at + 1);
    case NPRI_TAG_EXPORT:
        return export_bytes(at);
    case NPRI_TAG_SMALL_TUPLE:
        *out_children = at[1];
        return 2;
    case NPRI_TAG_LARGE_TUPLE:
        *out_children = npri_get_u32(at + 1);
        return 5;
    case NPRI_TAG_LIST:
        *out_children = (uint64_t)npri_get_u32(at + 1) + 1;
        return 5;
    case NPRI_TAG_MAP:
        *out_children = 2 * (uint64_t)npri_get_u32(at + 1);
        return 5;
    case NPRI_TAG_COMPRESSED:
    case NPRI_TAG_FLOAT:
    case NPRI_TAG_ATOM:
    case NPRI_TAG_REFERENCE:
    case NPRI_TAG_PORT:
    case NPRI_TAG_PID:
    case NPRI_TAG_NEW_REFERENCE:
    case NPRI_TAG_SMALL_ATOM:
        break;
    }
    NPRI_ASSERT(false && "a checked term has only tags of the normal form");
    return 0;
}

const uint8_t *npri_tag_skip(const uint8_t *at, uint64_t count)
{
    while (count > 0) {
        uint64_t children;

        at += npri_tag_head(at, &children);
        count += children;
        count--;
    }
    return at;
}
