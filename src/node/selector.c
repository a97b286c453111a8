#include "node/selector.h"

#include "base/fail.h"
#include "node/node.h"
#include "term/write.h"

/* Its form on the wire, which is where selectors are checked. */
static npr_status put_wire(struct npri_buffer *out,
                           const struct npr_selector *selector,
                           struct npr_error *err)
{
    static const char *const words[] = {
        [NPR_SELECTOR_KEY] = "key",
        [NPR_SELECTOR_PREFIX] = "prefix",
        [NPR_SELECTOR_MATCH] = "match",
    };

    switch (selector->kind) {
    case NPR_SELECTOR_ALL:
        npri_put_atom(out, "all");
        return NPR_OK;
    case NPR_SELECTOR_KEY:
    case NPR_SELECTOR_PREFIX:
        if (selector->term.data == NULL) {
            return npri_fail(err, NPR_EINVAL, "no key or prefix");
        }
        npri_put_tuple(out, 2);
        npri_put_atom(out, words[selector->kind]);
        npri_put_term(out, selector->term);
        return NPR_OK;
    case NPR_SELECTOR_MATCH:
        if (selector->pattern == NULL) {
            return npri_fail(err, NPR_EINVAL, "there is no pattern");
        }
        npri_put_tuple(out, 2);
        npri_put_atom(out, words[selector->kind]);
        npri_put_binary(out, npr_bytes_of(selector->pattern));
        return NPR_OK;
    }
    return npri_fail(err, NPR_EINVAL, "no selector of keys");
}

npr_status npri_selector_create(const struct npr_selector *selector,
                                struct npri_select **out,
                                struct npr_error *err)
{
    struct npri_buffer wire;
    npr_status status;

    npri_buffer_init(&wire, 0);
    status = put_wire(&wire, selector, err);
    if (status == NPR_OK) {
        status = wire.failed ? npri_fail(err, NPR_ENOMEM, "out of memory")
                             : npri_select_create(npri_buffer_term(&wire), out, err);
    }
    npri_buffer_fini(&wire);
    return status;
}
