/* node/failure.h - a status as a term, and the reason with which a native node fails a start:
 *
 *     {nprocreg_error, Status, Text}      Status an atom (etimedout, erefused, ...), Text a binary
 *
 * Erlang callers exit with it, native callers read it back.  What is answered rather than raised,
 * and what a process is told, says it so:
 *
 *     {error, Status, Text} */
#ifndef NPRI_NODE_FAILURE_H
#define NPRI_NODE_FAILURE_H

#include "nprocreg/term.h"

#include "base/bytes.h"

void npri_put_status(struct npri_buffer *buffer, npr_status status);

/* False: `term` is no status. */
bool npri_status_read(struct npr_term term, npr_status *out);

void npri_put_failure(struct npri_buffer *buffer, npr_status status, struct npr_bytes text);
void npri_put_error(struct npri_buffer *buffer, npr_status status, struct npr_bytes text);

#endif /* NPRI_NODE_FAILURE_H */
