/* runtime/alarms.h - what is to happen to a process later: timers, but for the name,
 * which those of the core and the network have.
 *
 * A timer belongs to the process that set it.  When it is due, the timer thread only puts the
 * timer's own signal into the owner's mailbox, which allocates nothing; the owner's worker then
 * does what is to be done.  So a timer never has more than one signal on its way, its messages are
 * in order with all else that its owner sends, and whether it is still pending has one answer: that
 * of its owner's worker.
 *
 *      ARMED --due: timer thread----> FIRED   its signal is in the owner's mailbox
 *      ARMED --cancelled: worker----> freed
 *      FIRED --cancelled: worker----> VOID    freed when its signal is met
 *      FIRED --its signal is met----> acted on; then freed, or ARMED again when it repeats
 *
 *      operation  | thread           | how
 *      -----------+------------------+----------------------------------------------
 *      arm        | owner's worker   | mutex; the thread is woken if it is the first
 *      disarm     | owner's worker   | mutex
 *      fire       | timer thread     | mutex; the owner's mailbox under it
 *      look       | any              | mutex; the thread is woken
 *
 * A process takes its timers out of the heap before it ends, so an owner is there as long as a
 * timer of it is in the heap.  The mutex is taken last of all.
 *
 * The thread sleeps until the first timer is due, and for ever when there is none.  In between it
 * looks after the workers, for as long as they are at work (lookout.h). */
#ifndef NPRI_RUNTIME_ALARMS_H
#define NPRI_RUNTIME_ALARMS_H

#include <pthread.h>

#include "base/heap.h"
#include "base/map.h"
#include "runtime/lookout.h"
#include "runtime/scheduler.h"
#include "runtime/signal.h"

struct npri_alarm {
    struct npri_signal signal;  /* TIMER; first: who destroys the signal frees the timer */
    struct npri_heap_node node; /* under the mutex; in the heap while ARMED */
    struct npr_process *owner;

    /* The owner's worker. */
    struct npri_map_node by_number; /* key: signal.id, in this byte order; of messages only */
    uint64_t due_ns;
    uint64_t period_ns; /* 0: once; of an idle time: that time */
    bool to_owner;      /* the message is for the owner itself */
    bool is_void;
};

/* The timers of one process that can be cancelled. */
struct npri_alarm_set {
    struct npri_map by_number;
};

struct npri_alarms {
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* of the monotonic clock: another timer is first, or `quit` */
    struct npri_heap heap;
    uint64_t look_ns; /* when the lookout is to look */
    bool quit;

    /* Of who starts and stops. */
    struct npri_scheduler *scheduler;
    struct npri_lookout *lookout;
    pthread_t thread;
    bool runs;
};

#define NPRI_NS_PER_MS UINT64_C(1000000)

/* Now, by the monotonic clock. */
uint64_t npri_now_ns(void);

/* The same as of the last tick of the kernel, some milliseconds ago: cheap enough for each turn. */
uint64_t npri_now_coarse_ns(void);

/* The lookout is to look now.  Any thread. */
void npri_alarms_look(struct npri_alarms *alarms);

/* A zeroed one starts; `scheduler` runs the owners.  NPR_EIO: no thread; fini() all the same. */
NPR_NODISCARD npr_status npri_alarms_start(struct npri_alarms *alarms,
                                           struct npri_scheduler *scheduler,
                                           struct npri_lookout *lookout,
                                           struct npr_error *err);

/* Joins the thread.  No timer may be armed. */
void npri_alarms_stop(struct npri_alarms *alarms);

/* After start, even if it failed, and stop. */
void npri_alarms_fini(struct npri_alarms *alarms);

/* A timer with copies of both terms, which may be none; owned by the caller until it is armed.
 * NULL: no memory. */
struct npri_alarm *npri_alarm_create(struct npr_process *owner,
                                     struct npr_term to,
                                     struct npr_term message);

/* Due at alarm->due_ns.  Equal times: in the order of arming. */
void npri_alarm_arm(struct npri_alarms *alarms, struct npri_alarm *alarm);

/* True: it was ARMED, and is the caller's again.  False: it has FIRED; its signal is on its way. */
bool npri_alarm_disarm(struct npri_alarms *alarms, struct npri_alarm *alarm);

#endif /* NPRI_RUNTIME_ALARMS_H */
