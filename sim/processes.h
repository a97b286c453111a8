/* sim/processes.h - who lives, since when, and under which key: the truth that the checks compare
 * with.  A process is the number in its pid, less one. */
#ifndef SIM_PROCESSES_H
#define SIM_PROCESSES_H

#include "world.h"

/* A new process on `node`; it is under no key yet. */
uint32_t sim_process_create(struct sim *sim, uint32_t node, uint32_t key);

/* Now it lives under its key; the checks of a new activation run. */
void sim_process_on_registered(struct sim *sim, uint32_t process);

/* It lives under its key no longer. */
void sim_process_on_unregistered(struct sim *sim, uint32_t process);

/* It ends; its node hears of that a moment later. */
void sim_process_kill(struct sim *sim, uint32_t process);

void sim_processes_on_node_end(struct sim *sim, uint32_t node);

/* Somebody asks for what lives under it to be registered no longer, or replaced: from now on that
 * may be so or not, and it does not count. */
void sim_key_is_uncertain(struct sim *sim, uint32_t key);

/* Ends those of which nobody can tell whether they are registered. */
void sim_processes_end_uncertain(struct sim *sim);

/* Its pid as a term, in `room` (of 64 bytes). */
#define SIM_PID_BYTES 64
struct npr_term sim_process_pid(const struct sim *sim, uint32_t process, uint8_t *room);

/* SIM_NOBODY: no pid of this run. */
uint32_t sim_process_of(const struct sim *sim, struct npr_term term);

#define SIM_KEY_BYTES 16
struct npr_term sim_key_term(uint32_t key, uint8_t *room);
uint32_t sim_key_of(struct npr_term term);

#endif /* SIM_PROCESSES_H */
