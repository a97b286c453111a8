/* cli/original.h - registering at a node that runs the original nprocreg, which asks nobody: what
 * is told to it is carried out, and what it has done is looked up afterwards. */
#ifndef NPR_CLI_ORIGINAL_H
#define NPR_CLI_ORIGINAL_H

#include "session.h"

/* Puts the entry into the table of the node that is asked.  Without `replace` the key is looked up
 * first, as get does it; another process that comes to have it after that is overwritten all the
 * same.  Returns NPR_OK, NPR_EEXIST and who has it, NPR_EREFUSED (its table has no such entry
 * afterwards), or as get_open(). */
NPR_NODISCARD npr_status original_register(struct session *session,
                                           struct npr_term key,
                                           const struct npr_pid *pid,
                                           bool replace,
                                           struct npr_error *err);

/* Takes the entry of the key out of the table of the node that is asked, if there is one.  Returns
 * likewise. */
NPR_NODISCARD npr_status original_unregister(struct session *session,
                                             struct npr_term key,
                                             struct npr_error *err);

#endif /* NPR_CLI_ORIGINAL_H */
