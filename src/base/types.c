#include "nprocreg/types.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/utf8.h"

struct npr_bytes npr_bytes_of(const char *text)
{
    return (struct npr_bytes){.data = (const uint8_t *)text,
                              .size = text == NULL ? 0 : strlen(text)};
}

bool npr_node_name_equal(const struct npr_node_name *a, const struct npr_node_name *b)
{
    return a != NULL && b != NULL && a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

bool npr_pid_equal(const struct npr_pid *a, const struct npr_pid *b)
{
    return a != NULL && b != NULL && a->id == b->id && a->serial == b->serial &&
           a->creation == b->creation && npr_node_name_equal(&a->node, &b->node);
}

bool npr_ref_equal(const struct npr_ref *a, const struct npr_ref *b)
{
    return a != NULL && b != NULL && a->creation == b->creation &&
           a->words_count == b->words_count &&
           memcmp(a->words, b->words, a->words_count * sizeof(a->words[0])) == 0 &&
           npr_node_name_equal(&a->node, &b->node);
}

npr_status npr_node_name_parse(struct npr_bytes text,
                               struct npr_node_name *out,
                               struct npr_error *err)
{
    size_t at_count = 0;
    size_t at_index = 0;
    size_t chars;

    if (out == NULL || (text.data == NULL && text.size > 0)) {
        return npri_fail(err, NPR_EINVAL, "no name, or nowhere to put it");
    }
    if (text.size > NPR_NODE_NAME_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "node name of %zu bytes: at most %d", text.size,
                         NPR_NODE_NAME_BYTES_MAX);
    }
    if (!npri_utf8_count(text, &chars, NULL)) {
        return npri_fail(err, NPR_EINVAL, "node name is not UTF-8");
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f) {
            return npri_fail(err, NPR_EINVAL, "node name has a space or control character");
        }
        if (text.data[i] == '@') {
            at_count++;
            at_index = i;
        }
    }
    if (at_count != 1 || at_index == 0 || at_index + 1 == text.size) {
        return npri_fail(err, NPR_EINVAL, "node name '%.*s' is not of the form name@host",
                         (int)text.size, (const char *)text.data);
    }
    memset(out, 0, sizeof(*out));
    out->size = (uint8_t)text.size;
    memcpy(out->text, text.data, text.size);
    return NPR_OK;
}
