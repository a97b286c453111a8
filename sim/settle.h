/* sim/settle.h - after the faults: has everything come to rest, and is it as it should be? */
#ifndef SIM_SETTLE_H
#define SIM_SETTLE_H

#include "world.h"

/* What has not come to rest yet, in words (static, until the next call); NULL: nothing. */
const char *sim_pending(const struct sim *sim);

/* Waits until nothing is pending, then asks every node for every key: all must be told of one
 * process.  What goes wrong is in sim->failed, and failed_liveness. */
void sim_settle(struct sim *sim);

#endif /* SIM_SETTLE_H */
