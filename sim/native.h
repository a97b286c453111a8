/* sim/native.h - a native node: the very core, and in place of src/node the few lines that carry
 * its effects out in this world. */
#ifndef SIM_NATIVE_H
#define SIM_NATIVE_H

#include "world.h"

void sim_native_boot(struct sim *sim, struct sim_node *node);

/* Steps its core, and does what that wants done. */
npr_status sim_native_step(struct sim *sim, struct sim_node *node, struct npri_core_event *event);

void sim_native_on_time(struct sim *sim, struct sim_node *node);
void sim_native_on_connection(struct sim *sim,
                              uint32_t node,
                              uint32_t peer,
                              bool up,
                              const char *why);

/* What has come for it, or happened on it. */
void sim_native_handle(struct sim *sim, struct sim_node *node, struct sim_message *message);

/* Of a key, in place of MD5: on every node. */
void sim_native_digest(const void *data, size_t size, uint8_t out[16]);

#endif /* SIM_NATIVE_H */
