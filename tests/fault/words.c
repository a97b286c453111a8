#include "words.h"

#include <string.h>

static size_t word_size(const struct words *words)
{
    return strcspn(words->at, " \n");
}

static void step_over(struct words *words, size_t size)
{
    words->at += size;
    if (*words->at == ' ') {
        words->at++;
    }
}

bool words_take(struct words *words, const char *word)
{
    const size_t size = word_size(words);

    if (strlen(word) != size || memcmp(words->at, word, size) != 0) {
        return false;
    }
    step_over(words, size);
    return true;
}

uint64_t words_u64(struct words *words)
{
    const size_t size = word_size(words);
    uint64_t value = 0;

    words->bad = words->bad || size == 0 || size > 20;
    for (size_t i = 0; i < size; i++) {
        const char digit = words->at[i];

        if (digit < '0' || digit > '9') {
            words->bad = true;
        } else {
            value = value * 10 + (uint64_t)(digit - '0');
        }
    }
    step_over(words, size);
    return value;
}

int64_t words_i64(struct words *words)
{
    const bool negative = *words->at == '-';

    words->at += negative ? 1 : 0;
    return negative ? -(int64_t)words_u64(words) : (int64_t)words_u64(words);
}

uint32_t words_u32(struct words *words)
{
    const uint64_t value = words_u64(words);

    words->bad = words->bad || value > UINT32_MAX;
    return (uint32_t)value;
}

void words_text(struct words *words, char *out, size_t out_size)
{
    const size_t size = word_size(words);

    if (size == 0 || size >= out_size) {
        words->bad = true;
        out[0] = '\0';
    } else {
        memcpy(out, words->at, size);
        out[size] = '\0';
    }
    step_over(words, size);
}

bool words_done(const struct words *words)
{
    return !words->bad && (*words->at == '\0' || *words->at == '\n');
}
