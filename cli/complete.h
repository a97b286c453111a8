/* cli/complete.h - pids that were typed: `<a@host.85.0>` does not say which incarnation of the node
 * it means, and no process has a pid without one. */
#ifndef NPR_CLI_COMPLETE_H
#define NPR_CLI_COMPLETE_H

#include "input.h"
#include "session.h"

/* Gives every such pid in the term, however deep, the present incarnation of its node.  Connects to
 * those nodes if need be.  Returns as npr_node_complete_pid(); NPR_EINVAL for a term nested deeper
 * than anyone types. */
NPR_NODISCARD npr_status complete_pids(struct session *session,
                                       struct input *input,
                                       struct npr_error *err);

#endif /* NPR_CLI_COMPLETE_H */
