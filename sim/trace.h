/* sim/trace.h - the run as a story: one line per event, when it is asked for.
 *
 *     [   1.204 513] b    told by a: {view,7,...}
 *
 * The time is in seconds and microseconds since the run began, then the node. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "world.h"

/* `node` SIM_NOBODY: the world. */
void sim_trace_line(const struct sim *sim, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define SIM_TRACE(sim, ...)                                                                        \
    do {                                                                                           \
        if ((sim)->options.trace) {                                                                \
            sim_trace_line((sim), __VA_ARGS__);                                                    \
        }                                                                                          \
    } while (0)

/* Static texts: good until some more calls. */
const char *sim_trace_name(uint32_t node);
const char *sim_trace_process(const struct sim *sim, uint32_t process);
const char *sim_trace_term(struct npr_term term);

#endif /* SIM_TRACE_H */
