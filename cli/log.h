/* log.h - the lines of `nprocreg node`, on standard error, without ever waiting for it.
 *
 * Lines go into a queue, which a thread of its own writes: whoever reads them (a pipe, a terminal
 * that is stopped) may be slow without holding the node up, whose heartbeats and whose processes
 * run on the threads that log.  When the queue is full, lines are left out, and their number is
 * told once there is room.
 *
 *     thread        may
 *     main          log_open(), log_close()
 *     any           log_line(), between these two
 */
#ifndef NPROCREG_CLI_LOG_H
#define NPROCREG_CLI_LOG_H

#include "nprocreg/node.h"

/* Lines above `most` are left out from now on.  False when there is no thread or memory for it. */
bool log_open(npr_log_level most);

/* Of struct npr_node_options; `user` is not used.  Does not block. */
void log_line(void *user, npr_log_level level, const char *line);

/* Waits until all has been written, but not for ever for one who does not read. */
void log_close(void);

#endif /* NPROCREG_CLI_LOG_H */
