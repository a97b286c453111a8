/* cli/input.h - arguments to terms. */
#ifndef NPR_CLI_INPUT_H
#define NPR_CLI_INPUT_H

#include "options.h"

/* Appends the term that `text` stands for to `builder`: Erlang text, or with --hex the external
 * format in hexadecimal (with or without the version byte 131).  `what` names the argument in the
 * error. */
NPR_NODISCARD npr_status input_term(const struct arguments *arguments,
                                    const char *what,
                                    const char *text,
                                    struct npr_builder *builder,
                                    struct npr_error *err);

/* A KEY: as input_term(), or with -b the text itself as a binary. */
NPR_NODISCARD npr_status input_key(const struct arguments *arguments,
                                   const char *text,
                                   struct npr_builder *builder,
                                   struct npr_error *err);

/* One term in a builder of its own, which the caller destroys in any case. */
struct input {
    struct npr_builder *builder;
    struct npr_term term;
};
NPR_NODISCARD npr_status input_open_key(const struct arguments *arguments,
                                        const char *text,
                                        struct input *out,
                                        struct npr_error *err);
NPR_NODISCARD npr_status input_open_term(const struct arguments *arguments,
                                         const char *what,
                                         const char *text,
                                         struct input *out,
                                         struct npr_error *err);
/* --args: a list as Erlang text; NULL gives no term. */
NPR_NODISCARD npr_status input_open_args(const char *text,
                                         struct input *out,
                                         struct npr_error *err);
void input_close(struct input *input);

/* "module:function" in two parts, copied into `out` (NUL-terminated each).  False when malformed.
 */
struct input_function {
    char module[256];
    char function[256];
};
bool input_function(const char *text, struct input_function *out);

#endif /* NPR_CLI_INPUT_H */
