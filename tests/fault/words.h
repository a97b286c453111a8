/* words.h - reads a line of words that are separated by single blanks.  What is missing or
 * malformed is remembered, and asked for at the end. */
#ifndef NPRI_TESTS_FAULT_WORDS_H
#define NPRI_TESTS_FAULT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct words {
    const char *at;
    bool bad;
};

/* True, and behind it: the next word is this one. */
bool words_take(struct words *words, const char *word);

uint64_t words_u64(struct words *words);
int64_t words_i64(struct words *words);
uint32_t words_u32(struct words *words);

/* The next word, which must fit. */
void words_text(struct words *words, char *out, size_t out_size);

/* All has been read, and was as it should be. */
bool words_done(const struct words *words);

#endif /* NPRI_TESTS_FAULT_WORDS_H */
