/* term/base64.h - bytes as text (RFC 4648, section 4, with padding) and back.  Pure. */
#ifndef NPRI_TERM_BASE64_H
#define NPRI_TERM_BASE64_H

#include "base/bytes.h"

void npri_put_base64(struct npri_buffer *buffer, struct npr_bytes bytes);

/* The bytes that `text` stands for, written over its own beginning; false when it is no such text:
 * another character, padding that is missing or of the wrong length, bits that are left over. */
bool npri_base64_read(uint8_t *text, size_t size, size_t *out_size);

#endif /* NPRI_TERM_BASE64_H */
