/* Text as a term, and back.  What parses is in normal form and prints as text that parses to the
 * same term; what that prints is the same text. */
#include "term/parse.h"
#include "term/read.h"
#include "term/write.h"

#include "fuzz/fuzz.h"

/* The most bytes that one byte of text can ask for; a size in a binary, such as <<0:800>>, asks for
 * more, so inputs with a ':' are not held to it. */
#define GROWTH_MAX 16u

/* Whether a number of more digits than DIGITS_MAX follows a ':'.  As the size of a segment it would
 * only fill memory, allowed as that is, and slow everything else down. */
#define DIGITS_MAX 5
static bool has_long_size(const uint8_t *data, size_t size)
{
    size_t digits = 0;
    bool counting = false;

    for (size_t i = 0; i < size; i++) {
        if (data[i] == ':') {
            counting = true;
            digits = 0;
        } else if (data[i] >= '0' && data[i] <= '9') {
            digits++;
        } else if (data[i] > ' ') {
            counting = false;
        }
        if (counting && digits > DIGITS_MAX) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_buffer term = {.data = NULL};
    struct npri_buffer again = {.data = NULL};
    struct npri_buffer text = {.data = NULL};
    struct npri_buffer text_again = {.data = NULL};
    struct npri_buffer scratch = {.data = NULL};
    struct npr_error err = {.status = NPR_OK};
    struct npr_term view;
    npr_status status;
    size_t used;

    if (has_long_size(data, size)) {
        return 0;
    }
    status = npri_term_parse(npri_bytes(data, size), &term, &err);
    if (status != NPR_OK) {
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        FUZZ_CHECK(term.size == 0);
        goto done;
    }
    FUZZ_CHECK(memchr(data, ':', size) != NULL || term.size <= GROWTH_MAX * size);
    FUZZ_CHECK(npri_term_read(npri_buffer_bytes(&term), &scratch, &view, &used, NULL) == NPR_OK);
    FUZZ_CHECK(view.data == term.data && used == term.size);
    npri_term_print(view, &text);
    FUZZ_CHECK(npri_term_parse(npri_buffer_bytes(&text), &again, NULL) == NPR_OK);
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&term), npri_buffer_bytes(&again)));
    npri_term_print((struct npr_term){.data = again.data, .size = again.size}, &text_again);
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&text), npri_buffer_bytes(&text_again)));
done:
    npri_buffer_fini(&term);
    npri_buffer_fini(&again);
    npri_buffer_fini(&text);
    npri_buffer_fini(&text_again);
    npri_buffer_fini(&scratch);
    return 0;
}
