#include "term/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void npri_put_base64(struct npri_buffer *buffer, struct npr_bytes bytes)
{
    uint8_t *at = npri_buffer_extend(buffer, (bytes.size + 2) / 3 * 4);

    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const uint32_t group = (uint32_t)bytes.data[i] << 16 |
                               (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                               (left > 2 ? bytes.data[i + 2] : 0u);

        *at++ = (uint8_t)digits[group >> 18];
        *at++ = (uint8_t)digits[group >> 12 & 63];
        *at++ = (uint8_t)(left > 1 ? digits[group >> 6 & 63] : '=');
        *at++ = (uint8_t)(left > 2 ? digits[group & 63] : '=');
    }
}

/* 64: none. */
static uint32_t digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0' + 52);
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : 64;
}

bool npri_base64_read(uint8_t *text, size_t size, size_t *out_size)
{
    size_t digits_count = size;
    size_t written = 0;
    uint32_t bits = 0;
    unsigned bits_count = 0;

    if (size % 4 != 0) {
        return false;
    }
    while (digits_count > 0 && size - digits_count < 2 && text[digits_count - 1] == '=') {
        digits_count--;
    }
    for (size_t i = 0; i < digits_count; i++) {
        const uint32_t value = digit_value(text[i]);

        if (value == 64) {
            return false;
        }
        bits = bits << 6 | value;
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            text[written++] = (uint8_t)(bits >> bits_count); /* not ahead of what is read */
            bits &= (1u << bits_count) - 1;
        }
    }
    if (bits != 0) {
        return false;
    }
    *out_size = written;
    return true;
}
