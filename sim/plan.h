/* sim/plan.h - which fault comes when, and when it is mended.  Drawn as the run goes, from what is
 * there to be hurt. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "world.h"

/* The nodes come up, now or later; clients and faults begin. */
void sim_plan_begin(struct sim *sim);

/* SIM_ACT, SIM_FAULT, SIM_MEND: the next one. */
void sim_plan_handle(struct sim *sim, enum sim_message_kind kind, uint64_t operation);

/* No more faults: everything is mended, and every node is there. */
void sim_plan_mend_all(struct sim *sim);

#endif /* SIM_PLAN_H */
