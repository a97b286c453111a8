#include "node/log.h"

#include <string.h>

#include "base/assert.h"

void npri_log_limits_init(struct npri_log_limits *limits)
{
    memset(limits, 0, sizeof(*limits));
    NPRI_ASSERT(pthread_mutex_init(&limits->lock, NULL) == 0);
}

void npri_log_limits_fini(struct npri_log_limits *limits)
{
    (void)pthread_mutex_destroy(&limits->lock);
}

/* Of the event of this line, new or known. */
static uint64_t *paid_until(struct npri_log_limits *limits, const char *line)
{
    size_t size = strcspn(line, " ");
    unsigned at = 0;

    if (size >= NPRI_LOG_EVENT_BYTES) {
        size = NPRI_LOG_EVENT_BYTES - 1;
    }
    while (at < limits->events_count && (strncmp(limits->events[at].name, line, size) != 0 ||
                                         limits->events[at].name[size] != '\0')) {
        at++;
    }
    if (at == NPRI_LOG_EVENTS_MAX) {
        at--;
    } else if (at == limits->events_count) {
        memcpy(limits->events[at].name, line, size);
        limits->events_count++;
    }
    return &limits->events[at].paid_until_ns;
}

bool npri_log_limits_admit(struct npri_log_limits *limits, const char *line, uint64_t now_ns)
{
    bool admitted;
    uint64_t *paid_ns;

    NPRI_ASSERT(pthread_mutex_lock(&limits->lock) == 0);
    paid_ns = paid_until(limits, line);
    if (*paid_ns < now_ns) {
        *paid_ns = now_ns;
    }
    admitted = *paid_ns - now_ns < NPRI_LOG_BURST * NPRI_LOG_STEP_NS;
    if (admitted) {
        *paid_ns += NPRI_LOG_STEP_NS;
    } else {
        limits->suppressed++;
    }
    NPRI_ASSERT(pthread_mutex_unlock(&limits->lock) == 0);
    return admitted;
}

uint64_t npri_log_limits_take_count(struct npri_log_limits *limits, uint64_t now_ns)
{
    uint64_t count = 0;

    NPRI_ASSERT(pthread_mutex_lock(&limits->lock) == 0);
    if (limits->suppressed > 0 && now_ns - limits->told_ns >= NPRI_LOG_REPORT_NS) {
        count = limits->suppressed;
        limits->suppressed = 0;
        limits->told_ns = now_ns;
    }
    NPRI_ASSERT(pthread_mutex_unlock(&limits->lock) == 0);
    return count;
}
