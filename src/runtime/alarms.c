#include "runtime/alarms.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "runtime/internal.h"

#define NS_PER_S UINT64_C(1000000000)

uint64_t npri_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* it exists, and the pointer is good */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t npri_now_coarse_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct npri_alarm *heap_first(const struct npri_alarms *alarms)
{
    struct npri_heap_node *first = npri_heap_first(&alarms->heap);

    return first == NULL ? NULL : NPRI_CONTAINER_OF(first, struct npri_alarm, node);
}

/* Moves all that is due to its owners, under the mutex.  Those that the caller must put in a run
 * queue, in this order, linked by run_next. */
static struct npr_process *alarms_fire(struct npri_alarms *alarms, uint64_t now_ns)
{
    struct npr_process *idle = NULL;
    struct npr_process **end = &idle;
    struct npri_alarm *alarm;

    while ((alarm = heap_first(alarms)) != NULL && alarm->node.key <= now_ns) {
        struct npr_process *owner = alarm->owner;

        npri_heap_remove(&alarms->heap, &alarm->node);
        /* From here on the timer is its owner's worker's. */
        if (npri_mailbox_push(&owner->mailbox, &alarm->signal)) {
            owner->run_next = NULL;
            *end = owner;
            end = &owner->run_next;
        }
    }
    return idle;
}

/* Until the first timer is due, another one is first, or it is time to look after the workers. */
static void alarms_sleep(struct npri_alarms *alarms)
{
    const struct npri_alarm *first = heap_first(alarms);
    uint64_t until_ns = alarms->look_ns;

    if (first != NULL && first->node.key < until_ns) {
        until_ns = first->node.key;
    }
    if (until_ns == UINT64_MAX) {
        (void)pthread_cond_wait(&alarms->cond, &alarms->mutex);
    } else {
        const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                       .tv_nsec = (long)(until_ns % NS_PER_S)};

        (void)pthread_cond_timedwait(&alarms->cond, &alarms->mutex, &until);
    }
}

static void alarms_look(struct npri_alarms *alarms, uint64_t now_ns)
{
    uint64_t next_ns;

    alarms->look_ns = UINT64_MAX; /* npri_alarms_look() may say otherwise meanwhile */
    (void)pthread_mutex_unlock(&alarms->mutex);
    next_ns = npri_lookout_tick(alarms->lookout, now_ns);
    (void)pthread_mutex_lock(&alarms->mutex);
    if (next_ns < alarms->look_ns) {
        alarms->look_ns = next_ns;
    }
}

void npri_alarms_look(struct npri_alarms *alarms)
{
    (void)pthread_mutex_lock(&alarms->mutex);
    alarms->look_ns = 0;
    (void)pthread_cond_signal(&alarms->cond);
    (void)pthread_mutex_unlock(&alarms->mutex);
}

static void *alarms_main(void *argument)
{
    struct npri_alarms *alarms = argument;

    (void)pthread_mutex_lock(&alarms->mutex);
    while (!alarms->quit) {
        const uint64_t now_ns = npri_now_ns();
        struct npr_process *idle = alarms_fire(alarms, now_ns);

        if (idle == NULL && now_ns >= alarms->look_ns) {
            alarms_look(alarms, now_ns);
            continue;
        }
        if (idle == NULL) {
            alarms_sleep(alarms);
            continue;
        }
        (void)pthread_mutex_unlock(&alarms->mutex);
        while (idle != NULL) {
            struct npr_process *next = idle->run_next;

            npri_scheduler_add(alarms->scheduler, idle);
            idle = next;
        }
        (void)pthread_mutex_lock(&alarms->mutex);
    }
    (void)pthread_mutex_unlock(&alarms->mutex);
    return NULL;
}

npr_status npri_alarms_start(struct npri_alarms *alarms,
                             struct npri_scheduler *scheduler,
                             struct npri_lookout *lookout,
                             struct npr_error *err)
{
    pthread_condattr_t monotonic;

    alarms->scheduler = scheduler;
    alarms->lookout = lookout;
    (void)pthread_mutex_init(&alarms->mutex, NULL); /* none of these can fail on Linux */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&alarms->cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (pthread_create(&alarms->thread, NULL, alarms_main, alarms) != 0) {
        return npri_fail(err, NPR_EIO, "cannot start a thread for timers");
    }
    alarms->runs = true;
    return NPR_OK;
}

void npri_alarms_stop(struct npri_alarms *alarms)
{
    if (!alarms->runs) {
        return;
    }
    (void)pthread_mutex_lock(&alarms->mutex);
    NPRI_ASSERT(heap_first(alarms) == NULL);
    alarms->quit = true;
    (void)pthread_cond_signal(&alarms->cond);
    (void)pthread_mutex_unlock(&alarms->mutex);
    (void)pthread_join(alarms->thread, NULL);
    alarms->runs = false;
}

void npri_alarms_fini(struct npri_alarms *alarms)
{
    if (alarms->scheduler == NULL) {
        return;
    }
    NPRI_ASSERT(!alarms->runs);
    (void)pthread_mutex_destroy(&alarms->mutex);
    (void)pthread_cond_destroy(&alarms->cond);
    *alarms = (struct npri_alarms){0};
}

/* ---- One timer. */

static struct npr_term place(uint8_t **at, struct npr_term term)
{
    const struct npr_term placed = {.data = term.data == NULL ? NULL : *at, .size = term.size};

    if (term.data != NULL) {
        memcpy(*at, term.data, term.size);
        *at += term.size;
    }
    return placed;
}

struct npri_alarm *npri_alarm_create(struct npr_process *owner,
                                     struct npr_term to,
                                     struct npr_term message)
{
    struct npri_alarm *alarm = npri_alloc(sizeof(*alarm) + to.size + message.size);
    uint8_t *at = (uint8_t *)(alarm + 1);

    if (alarm == NULL) {
        return NULL;
    }
    *alarm = (struct npri_alarm){.signal.kind = NPRI_SIGNAL_TIMER, .owner = owner};
    alarm->signal.to = place(&at, to);
    alarm->signal.payload = place(&at, message);
    return alarm;
}

void npri_alarm_arm(struct npri_alarms *alarms, struct npri_alarm *alarm)
{
    (void)pthread_mutex_lock(&alarms->mutex);
    npri_heap_insert(&alarms->heap, &alarm->node, alarm->due_ns);
    if (heap_first(alarms) == alarm) {
        (void)pthread_cond_signal(&alarms->cond);
    }
    (void)pthread_mutex_unlock(&alarms->mutex);
}

bool npri_alarm_disarm(struct npri_alarms *alarms, struct npri_alarm *alarm)
{
    bool armed;

    (void)pthread_mutex_lock(&alarms->mutex);
    armed = npri_heap_has(&alarm->node);
    npri_heap_remove(&alarms->heap, &alarm->node);
    (void)pthread_mutex_unlock(&alarms->mutex);
    return armed;
}
