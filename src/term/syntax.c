#include "term/syntax.h"

#include "base/utf8.h"

static bool between(uint32_t code, uint32_t low, uint32_t high)
{
    return code >= low && code <= high;
}

bool npri_syntax_atom_start(uint32_t code)
{
    return between(code, 'a', 'z') || (between(code, 0xdf, 0xff) && code != 0xf7);
}

bool npri_syntax_atom_char(uint32_t code)
{
    return npri_syntax_atom_start(code) || between(code, 'A', 'Z') || between(code, '0', '9') ||
           code == '_' || code == '@' || (between(code, 0xc0, 0xde) && code != 0xd7);
}

bool npri_syntax_reserved(struct npr_bytes text)
{
    static const char *const words[] = {
        "after", "and",  "andalso", "band",   "begin",   "bnot", "bor", "bsl",  "bsr",
        "bxor",  "case", "catch",   "cond",   "div",     "end",  "fun", "if",   "let",
        "not",   "of",   "or",      "orelse", "receive", "rem",  "try", "when", "xor"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (npri_bytes_equal(text, npr_bytes_of(words[i]))) {
            return true;
        }
    }
    return false;
}

bool npri_syntax_bare_atom(struct npr_bytes text)
{
    const struct npr_bytes whole = text;
    bool first = true;

    if (text.size == 0) {
        return false;
    }
    while (text.size > 0) {
        uint32_t code;
        const size_t size = npri_utf8_take(text, &code);

        if (size == 0 || !(first ? npri_syntax_atom_start(code) : npri_syntax_atom_char(code))) {
            return false;
        }
        first = false;
        text = npri_bytes(text.data + size, text.size - size);
    }
    return !npri_syntax_reserved(whole);
}

bool npri_syntax_bare_node(struct npr_bytes text)
{
    size_t at_signs = 0;

    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];

        if (!between(c, 'a', 'z') && !between(c, 'A', 'Z') && !between(c, '0', '9') && c != '_' &&
            c != '@' && c != '.' && c != '-') {
            return false;
        }
        at_signs += c == '@';
    }
    return at_signs == 1;
}

bool npri_syntax_printable(uint32_t code)
{
    return between(code, ' ', '~') || between(code, '\b', '\r') || code == 0x1b ||
           between(code, 0xa0, 0xd7ff) || between(code, 0xe000, 0xfffd) ||
           between(code, 0x10000, 0x10ffff);
}
