/* base/text.h - one line of text in fixed room, without stdio.  A text that does not fit is cut. */
#ifndef NPRI_BASE_TEXT_H
#define NPRI_BASE_TEXT_H

#include "base/bytes.h"

/* A zeroed text is empty. */
struct npri_text {
    size_t size;
    char data[NPR_ERROR_TEXT_BYTES - 1]; /* so that it fits into a struct npr_error */
};

void npri_text_add(struct npri_text *text, const char *literal);
void npri_text_add_bytes(struct npri_text *text, struct npr_bytes utf8);
void npri_text_add_uint(struct npri_text *text, uint64_t value);
void npri_text_add_node(struct npri_text *text, const struct npr_node_name *node);

static inline struct npr_bytes npri_text_bytes(const struct npri_text *text)
{
    return npri_bytes(text->data, text->size);
}

#endif /* NPRI_BASE_TEXT_H */
