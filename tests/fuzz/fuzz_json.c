/* JSON as terms and terms as JSON.  An input that begins with 131 is a term, any other a text. What
 * is a term has a text that gives the same term; what is a text and reads has a term whose text
 * reads as that term again. */
#include "term/json.h"
#include "term/read.h"

#include "fuzz/fuzz.h"

/* The most bytes that one byte of text can ask for ({} is a map's header), but for base64 of a
 * compressed term. */
#define GROWTH_MAX 16u

static void check_term(struct npr_term term)
{
    struct npri_buffer text = {.data = NULL};
    struct npri_buffer back = {.data = NULL};
    struct npri_buffer text_again = {.data = NULL};

    npri_json_write(term, &text);
    FUZZ_CHECK(!text.failed);
    FUZZ_CHECK(memchr(text.data, '\n', text.size) == NULL);
    FUZZ_CHECK(memchr(text.data, '\0', text.size) == NULL);
    FUZZ_CHECK(npri_json_read(npri_buffer_bytes(&text), &back, NULL) == NPR_OK);
    FUZZ_CHECK(npri_bytes_equal(npri_bytes(term.data, term.size), npri_buffer_bytes(&back)));
    npri_json_write((struct npr_term){.data = back.data, .size = back.size}, &text_again);
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&text), npri_buffer_bytes(&text_again)));
    npri_buffer_fini(&text);
    npri_buffer_fini(&back);
    npri_buffer_fini(&text_again);
}

static void check_text(struct npr_bytes text)
{
    struct npri_buffer term = {.data = NULL};
    struct npri_buffer scratch = {.data = NULL};
    struct npr_error err = {.status = NPR_OK};
    struct npr_term view;
    size_t used;
    const npr_status status = npri_json_read(text, &term, &err);

    if (status != NPR_OK) {
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        FUZZ_CHECK(term.size == 0);
    } else {
        FUZZ_CHECK(memchr(text.data, '$', text.size) != NULL ||
                   memchr(text.data, '\\', text.size) != NULL ||
                   term.size <= GROWTH_MAX * text.size);
        FUZZ_CHECK(npri_term_read(npri_buffer_bytes(&term), &scratch, &view, &used, NULL) ==
                   NPR_OK);
        FUZZ_CHECK(view.data == term.data && used == term.size);
        check_term(view);
    }
    npri_buffer_fini(&term);
    npri_buffer_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term term;
    size_t used;

    if (size == 0 || data[0] != 131) {
        check_text(npri_bytes(data, size));
    } else if (npri_term_read_versioned(npri_bytes(data, size), &scratch, &term, &used, NULL) ==
                   NPR_OK &&
               term.size < 1u << 20) {
        check_term(term);
    }
    npri_buffer_fini(&scratch);
    return 0;
}
