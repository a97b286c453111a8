/* Bytes of a peer as terms.  What is read is in normal form; writing it in either manner and
 * reading that gives the same term again; order, equality and hash agree. */
#include "term/read.h"
#include "term/write.h"

#include "fuzz/fuzz.h"

/* Reading never makes more of its input than this.  (ATOM_EXT in Latin-1 doubles, old references
 * gain 5 bytes in 10; a list joined from strings doubles.) */
#define GROWTH_MAX 4u

static void check_written(struct npr_term term, enum npr_otp otp)
{
    struct npri_buffer written;
    struct npri_buffer again;
    struct npri_buffer scratch;
    struct npr_term back;
    size_t used;

    npri_buffer_init(&written, 0);
    npri_buffer_init(&again, 0);
    npri_buffer_init(&scratch, 0);
    npri_term_write(term, otp, &written);
    FUZZ_CHECK(npri_term_read_versioned(npri_buffer_bytes(&written), &scratch, &back, &used,
                                        NULL) == NPR_OK);
    FUZZ_CHECK(used == written.size);
    FUZZ_CHECK(npr_term_equal(term, back));
    FUZZ_CHECK(npr_term_compare(term, back) == 0);
    FUZZ_CHECK(npr_term_hash(term) == npr_term_hash(back));
    npri_term_write(back, otp, &again);
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&written), npri_buffer_bytes(&again)));
    npri_buffer_fini(&written);
    npri_buffer_fini(&again);
    npri_buffer_fini(&scratch);
}

/* Walks all of it, to the bytes of every leaf. */
static size_t walk(struct npr_term term)
{
    struct npr_term_walk elements;
    struct npr_term element;
    struct npr_pid pid;
    struct npr_ref ref;
    uint32_t count;
    size_t terms = 1;

    (void)npr_term_get_pid(term, &pid);
    (void)npr_term_get_ref(term, &ref);
    if (!npr_term_tuple(term, &elements, &count) && !npr_term_map(term, &elements, &count) &&
        !npr_term_list(term, &elements)) {
        return terms;
    }
    while (npr_term_next(&elements, &element)) {
        terms += walk(element);
        FUZZ_CHECK((npr_term_compare(term, element) < 0) == (npr_term_compare(element, term) > 0));
    }
    if (npr_term_kind(term) == NPR_TERM_LIST) {
        FUZZ_CHECK(npr_term_tail(&elements, &element));
    }
    return terms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_buffer scratch;
    struct npri_buffer copy;
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term;
    struct npr_term same;
    size_t used;
    npr_status status;

    npri_buffer_init(&scratch, 0);
    npri_buffer_init(&copy, 0);
    status = npri_term_read_versioned(npri_bytes(data, size), &scratch, &term, &used, &err);
    if (status != NPR_OK) {
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        FUZZ_CHECK(scratch.size == 0);
        goto done;
    }
    FUZZ_CHECK(used <= size);
    FUZZ_CHECK(size < 2 || data[1] == 80 || term.size <= GROWTH_MAX * size);
    FUZZ_CHECK(npri_term_read(npri_bytes(term.data, term.size), &copy, &same, &used, NULL) ==
               NPR_OK);
    FUZZ_CHECK(same.data == term.data && same.size == term.size && used == term.size);
    FUZZ_CHECK(npri_term_normalise(term, &copy));
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&copy), npri_bytes(term.data, term.size)));
    if (size < 4096) {
        (void)walk(term);
    }
    check_written(term, NPR_OTP_25);
    check_written(term, NPR_OTP_26);
done:
    npri_buffer_fini(&copy);
    npri_buffer_fini(&scratch);
    return 0;
}
