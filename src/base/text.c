#include "base/text.h"

#define DIGITS_MAX 20 /* of a uint64_t */

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
    char digits[DIGITS_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    npri_text_add_bytes(text, npri_bytes(digits + at, sizeof(digits) - at));
}

void npri_text_add_node(struct npri_text *text, const struct npr_node_name *node)
{
    npri_text_add_bytes(text, npri_bytes(node->text, node->size));
}
