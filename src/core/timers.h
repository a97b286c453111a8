/* core/timers.h - everything in the core that waits for a time, in one heap.  Pure. */
#ifndef NPRI_CORE_TIMERS_H
#define NPRI_CORE_TIMERS_H

#include "base/heap.h"

struct npri_core;

enum npri_timer_kind {
    NPRI_TIMER_TICK,         /* chatter, polls and expiry */
    NPRI_TIMER_DIAL,         /* a peer that is not connected */
    NPRI_TIMER_SETTLE,       /* a peer that requests wait for */
    NPRI_TIMER_OPERATION,    /* a question without an answer */
    NPRI_TIMER_REQUEST,      /* a request's deadline */
    NPRI_TIMER_REQUEST_HELD, /* a request that has waited long enough for the view */
    NPRI_TIMER_START,        /* a start that nobody has reported on */
    NPRI_TIMER_WATCH,        /* what is done in pieces */
    NPRI_TIMER_DRAIN,        /* the keys of a node that leaves */
    NPRI_TIMER_BEAT,         /* our heartbeat */
    NPRI_TIMER_TROUBLE,      /* views that are not one */
    NPRI_TIMER_QUORUM,       /* who has left the view, and may still count on this node */
    NPRI_TIMER_SEES,         /* what is seen, and has not been told yet */
    NPRI_TIMER_TURNS,        /* requests that go on after many others */
};

/* Embedded in what waits; `kind` says in what. */
struct npri_timer {
    struct npri_heap_node node;
    enum npri_timer_kind kind;
};

/* (Re)arms; UINT64_MAX: never. */
void npri_timer_arm(struct npri_core *core, struct npri_timer *timer, uint64_t at_ns);
void npri_timer_stop(struct npri_core *core, struct npri_timer *timer);

/* `after_ns` from now; saturates. */
uint64_t npri_time_after(const struct npri_core *core, uint64_t after_ns);

/* Runs those that are due at core->now_ns, the earliest first, NPRI_TIMERS_MAX at the most. */
void npri_timers_run(struct npri_core *core);

#endif /* NPRI_CORE_TIMERS_H */
