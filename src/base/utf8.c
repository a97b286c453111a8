#include "base/utf8.h"

bool npri_utf8_valid(uint32_t code)
{
    return code < 0xd800 || (code > 0xdfff && code <= 0x10ffff);
}

size_t npri_utf8_take(struct npr_bytes text, uint32_t *out)
{
    static const uint32_t code_min[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t size;

    if (text.size == 0) {
        return 0;
    }
    code = text.data[0];
    if (code < 0x80) {
        *out = code;
        return 1;
    }
    if (code >= 0xc2 && code < 0xe0) {
        size = 2;
        code &= 0x1f;
    } else if (code >= 0xe0 && code < 0xf0) {
        size = 3;
        code &= 0x0f;
    } else if (code >= 0xf0 && code < 0xf5) {
        size = 4;
        code &= 0x07;
    } else {
        return 0;
    }
    if (text.size < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (text.data[i] & 0x3fu);
    }
    if (code < code_min[size] || !npri_utf8_valid(code)) {
        return 0;
    }
    *out = code;
    return size;
}

size_t npri_utf8_write(uint32_t code, uint8_t out[NPRI_UTF8_BYTES_MAX])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

bool npri_utf8_count(struct npr_bytes text, size_t *out_count, bool *out_latin1)
{
    size_t count = 0;
    bool latin1 = true;

    while (count < text.size && text.data[count] < 0x80) { /* ASCII, as most is */
        count++;
    }
    text = npri_bytes(text.data + count, text.size - count);
    while (text.size > 0) {
        uint32_t code;
        const size_t size = npri_utf8_take(text, &code);

        if (size == 0) {
            return false;
        }
        text = npri_bytes(text.data + size, text.size - size);
        latin1 = latin1 && code < 0x100;
        count++;
    }
    *out_count = count;
    if (out_latin1 != NULL) {
        *out_latin1 = latin1;
    }
    return true;
}
