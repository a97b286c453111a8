/* sim/report.h - what it costs as the cluster grows: a table, for docs/simulator.md. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Prints a row for each size: 10, 50, 200 and 1000 nodes, or `nodes` alone when that is not 0. */
void sim_report(uint32_t nodes, uint32_t keys, bool uneven);

#endif /* SIM_REPORT_H */
