/* cli/fail.h - filling a struct npr_error, and telling the user of one. */
#ifndef NPR_CLI_FAIL_H
#define NPR_CLI_FAIL_H

#include "options.h"

/* Writes the text into `err` and returns `status`. */
npr_status fail(struct npr_error *err, npr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For a call or a function that ended with NPR_EEXIT: says so with the reason that `reply` holds.
 */
npr_status fail_with_reason(struct npr_builder *reply, struct npr_error *err);

/* For the answer of a native node that was no success: {error,Name,Text}, or NPR_EPROTO. */
npr_status fail_with_answer(struct npr_term answer, struct npr_error *err);

/* The exit code that stands for a status. */
enum exit_code exit_code_of(npr_status status);

/* Prints the failure (one line on stderr; with --json also an object on stdout) and returns its
 * exit code. */
enum exit_code report(const struct arguments *arguments, const struct npr_error *err);

#endif /* NPR_CLI_FAIL_H */
