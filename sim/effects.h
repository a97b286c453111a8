/* sim/effects.h - what a core wants done (sim/native.h). */
#ifndef SIM_EFFECTS_H
#define SIM_EFFECTS_H

#include "world.h"

void sim_effect_carry_out(struct sim *sim,
                          struct sim_node *node,
                          const struct npri_core_effect *effect);

#endif /* SIM_EFFECTS_H */
