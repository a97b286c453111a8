#include "base/text.h"

/* Cuts between characters: a byte 10xxxxxx continues one. */
void npri_text_add_bytes(struct npri_text *text, struct npr_bytes utf8)
{
    size_t room = sizeof(text->data) - text->size;

    if (utf8.size > room) {
        while (room > 0 && (utf8.data[room] & 0xc0u) == 0x80u) {
            room--;
        }
    } else {
        room = utf8.size;
    }
    if (room > 0) {
        memcpy(text->data + text->size, utf8.data, room);
        text->size += room;
    }
}

void npri_text_add(struct npri_text *text, const char *literal)
{
    npri_text_add_bytes(text, npr_bytes_of(literal));
}

void npri_text_add_uint(struct npri_text *text, uint64_t value)
{
    char room[NPRI_UINT_DIGITS_MAX];

    npri_text_add_bytes(text, npri_uint_digits(value, room));
}

void npri_text_add_node(struct npri_text *text, const struct npr_node_name *node)
{
    npri_text_add_bytes(text, npri_bytes(node->text, node->size));
}
