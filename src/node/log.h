/* node/log.h - how many lines a node may write, so that no peer can fill a disk by misbehaving.
 *
 * Each event (the first word of a line) has an allowance of its own: a burst, and then so many a
 * second.  What goes beyond is counted, and the count is told at most once a second.  Lines for
 * debugging are not limited: who asks for them wants them all. */
#ifndef NPRI_NODE_LOG_H
#define NPRI_NODE_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define NPRI_LOG_BURST       100u                 /* lines of one event at once */
#define NPRI_LOG_STEP_NS     UINT64_C(100000000)  /* one more each */
#define NPRI_LOG_REPORT_NS   UINT64_C(1000000000) /* between two counts of what was left out */
#define NPRI_LOG_EVENTS_MAX  64u                  /* beyond, events share the last allowance */
#define NPRI_LOG_EVENT_BYTES 32u

struct npri_log_limits {
    pthread_mutex_t lock; /* of all below */
    struct {
        char name[NPRI_LOG_EVENT_BYTES];
        uint64_t paid_until_ns; /* the time that its lines have used up */
    } events[NPRI_LOG_EVENTS_MAX];
    unsigned events_count;
    uint64_t suppressed; /* since it was last told */
    uint64_t told_ns;
};

void npri_log_limits_init(struct npri_log_limits *limits);
void npri_log_limits_fini(struct npri_log_limits *limits);

/* Whether this line may be written now.  Any thread. */
bool npri_log_limits_admit(struct npri_log_limits *limits, const char *line, uint64_t now_ns);

/* How many lines were left out since the last count, when it is time to tell; else 0.  Any thread.
 */
uint64_t npri_log_limits_take_count(struct npri_log_limits *limits, uint64_t now_ns);

#endif /* NPRI_NODE_LOG_H */
