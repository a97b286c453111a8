/* report.h - how a program under test tells the referee what it does: one line of text for each
 * thing that happened, over a Unix socket, with the time of the machine's monotonic clock.  A line
 * is in the socket before report() returns, so what a process has reported outlives a kill -9.
 *
 *      hello ROLE NAME RUN         first on each connection: what the harness gave in FAULT_ROLE
 *                                  (`node` or `client`), FAULT_NAME and FAULT_RUN
 *      beat T                      each 50 ms, by a thread that does nothing else
 *      start T PID KEY TOKEN COUNT a process began; COUNT is what it was handed over, or 0
 *      op T PID CLIENT SEQ COUNT   it carries out request SEQ of a client, its COUNT-th
 *      gave T PID                  it gave its count to the next process of its key, and rests
 *      kept T PID                  there is no next one: it goes on
 *      lost T PID WINNER TOKEN COUNT
 *                                  another process keeps its key, with that token; COUNT is given
 *                                  along
 *      took T PID LOSER COUNT      what a loser has given along has come to it
 *      told T PID WORD             it was told that its side has `lost` the quorum, or `regained`
 * it end T PID WHY               it ends call T0 TG T1 VIA KEY SEQ STATUS PID TOKEN DONE COUNT
 * TRIES a client asked node VIA for KEY at T0, at last had a pid at TG (0: none), and an answer, or
 * none, at T1; TOKEN is the get's, DONE that of the process that answered; more than one try when
 *                                  the process that was found was gone when it was called
 *      clung T0 T1 PID STATUS      a client called a process that it had found long ago, and that
 *                                  was gone; it asks anew then
 */
#ifndef NPRI_TESTS_FAULT_REPORT_H
#define NPRI_TESTS_FAULT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#define REPORT_LINE_BYTES_MAX 512

/* Connects to the socket that FAULT_REFEREE names and says hello.  False: there is none. */
bool report_open(void);

/* Begins the beats. */
bool report_beats(void);

/* Sends one line; the newline is added.  Any thread; blocks only while the referee does not read.
 * Does nothing when nobody listens. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t report_now_ns(void);

#endif /* NPRI_TESTS_FAULT_REPORT_H */
