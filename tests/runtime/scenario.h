/* scenario.h - what systematic.c runs: each makes a world, does something in it whose outcome is
 * known exactly, and fails the program when it is another.  The seed is that of the order; a
 * scenario takes its own choices from it, too. */
#ifndef NPRI_TESTS_SCENARIO_H
#define NPRI_TESTS_SCENARIO_H

#include <stdint.h>

/* Links, monitors, starts, exits and messages of many processes (stress.h). */
void scenario_stress(uint64_t seed);

/* Thread processes that wait in each way. */
void scenario_receive(uint64_t seed);

/* Workers that go to sleep and are woken. */
void scenario_wake(uint64_t seed);

/* Messages at the moment when a process ends for lack of them. */
void scenario_idle(uint64_t seed);

/* Timers that are cancelled when they are due. */
void scenario_timers(uint64_t seed);

/* Starts while the runtime stops. */
void scenario_stop(uint64_t seed);

/* Calls between processes, answered, late, never, or by an end. */
void scenario_calls(uint64_t seed);

/* Ends of registered processes, heard of by a thread like the registry's. */
void scenario_registered(uint64_t seed);

#endif /* NPRI_TESTS_SCENARIO_H */
