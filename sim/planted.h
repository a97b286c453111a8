/* sim/planted.h - mistakes that are planted into the core on purpose (core/faults.h). */
#ifndef SIM_PLANTED_H
#define SIM_PLANTED_H

#include <stdbool.h>

/* From now on the core makes that mistake.  False: there is none of that name. */
bool sim_plant(const char *name);

/* Prints their names, one a line, each with what is wrong. */
void sim_planted_list(void);

#endif /* SIM_PLANTED_H */
