/* term/builder.h - what the readers of bytes and of text need of a builder.  Pure. */
#ifndef NPRI_TERM_BUILDER_H
#define NPRI_TERM_BUILDER_H

#include "nprocreg/term.h"

#include "base/bytes.h"

/* Appends the one term in `bytes` to `out`, in normal form. */
typedef npr_status npri_term_source(struct npr_bytes bytes,
                                    struct npri_buffer *out,
                                    struct npr_error *err);

/* Appends what `source` makes of `bytes` to `builder` as one element; `call` names it in errors. On
 * failure `builder` is as it was. */
NPR_NODISCARD npr_status npri_builder_append(struct npr_builder *builder,
                                             const char *call,
                                             struct npr_bytes bytes,
                                             npri_term_source *source,
                                             struct npr_error *err);

/* Whether nothing has been built, nor tried to be. */
bool npri_builder_is_empty(const struct npr_builder *builder);

/* Appends what `maker` makes as one element; `call` names it in errors, which stick. */
typedef npr_status npri_term_maker(void *user, struct npri_buffer *out, struct npr_error *err);
void npri_builder_make(struct npr_builder *builder,
                       const char *call,
                       npri_term_maker *maker,
                       void *user);

#endif /* NPRI_TERM_BUILDER_H */
