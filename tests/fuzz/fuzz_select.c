/* Two terms: a selector of a peer's, and a key.  One that is taken says the same of the key each
 * time; one that is refused says why. */
#include "core/select.h"
#include "term/read.h"

#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_buffer scratch[2] = {{.data = NULL}, {.data = NULL}};
    struct npri_select *select = NULL;
    struct npr_error err = {.status = NPR_OK};
    struct npr_term terms[2];
    npr_status status;
    size_t used[2];

    if (npri_term_read(npri_bytes(data, size), &scratch[0], &terms[0], &used[0], NULL) == NPR_OK &&
        npri_term_read(npri_bytes(data + used[0], size - used[0]), &scratch[1], &terms[1], &used[1],
                       NULL) == NPR_OK) {
        status = npri_select_create(terms[0], &select, &err);
        FUZZ_CHECK((status == NPR_OK) == (select != NULL));
        FUZZ_CHECK(status == NPR_OK || (err.status == status && err.text[0] != '\0'));
        if (select != NULL) {
            const bool has = npri_select_has(select, terms[1]);

            FUZZ_CHECK(has == npri_select_has(select, terms[1]));
            FUZZ_CHECK(npr_term_equal(select->wire, terms[0]));
            FUZZ_CHECK(select->kind != NPRI_SELECT_ALL || has);
            FUZZ_CHECK(select->kind != NPRI_SELECT_KEY ||
                       has == npr_term_equal(select->term, terms[1]));
        }
    }
    npri_select_destroy(select);
    npri_buffer_fini(&scratch[0]);
    npri_buffer_fini(&scratch[1]);
    return 0;
}
