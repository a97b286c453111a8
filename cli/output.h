/* cli/output.h - terms and answers to standard output, as text and as JSON (jansson). */
#ifndef NPR_CLI_OUTPUT_H
#define NPR_CLI_OUTPUT_H

#include <jansson.h>

#include "nprocreg/term.h"

/* Says so and ends the program: a command has nothing better to do.  All here do it. */
_Noreturn void output_no_memory(void);

/* A term as Erlang text, owned by the caller. */
char *output_text(struct npr_term term);

/* The same as a JSON string. */
json_t *output_term(struct npr_term term);

/* A pid as <node.id.serial>, owned by the caller. */
char *output_pid(const struct npr_pid *pid);

/* A node's name. */
json_t *output_node(const struct npr_node_name *node);

/* Bytes in hexadecimal, owned by the caller. */
char *output_hex(struct npr_bytes bytes);

/* Prints one line of JSON and releases it. */
void output_json(json_t *value);

#endif /* NPR_CLI_OUTPUT_H */
