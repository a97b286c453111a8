/* node/command_reason.h - why a command process ends, as terms in a builder. */
#ifndef NPRI_NODE_COMMAND_REASON_H
#define NPRI_NODE_COMMAND_REASON_H

#include "nprocreg/term.h"

#include "net/exec.h"

/* {Word,<<"text">>}. */
void npri_command_build_text(struct npr_builder *out, const char *word, const char *text);

/* normal, {exit_status,N}, {signal,Name}.  A child that exits before it has answered its start has
 * failed, whatever its status: {exit_status,0} then. */
void npri_command_build_end(struct npr_builder *out, const struct npri_exec_end *end, bool started);

#endif /* NPRI_NODE_COMMAND_REASON_H */
