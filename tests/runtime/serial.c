#include "serial.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/yield.h"

#define THREADS_MAX  64u
#define STEP_NS      1000u /* of the clock, at each point */
#define POINTS_MAX   UINT64_C(50000000)
#define SPURIOUS_ONE 2048u /* of so many points wakes a condition without a cause */
#define NS_PER_S     UINT64_C(1000000000)

/* The real ones.  The names are the linker's. */
/* NOLINTBEGIN(*-reserved-identifier,cert-dcl*,readability-identifier-naming) */
int __real_pthread_create(pthread_t *thread,
                          const pthread_attr_t *attributes,
                          void *(*main)(void *),
                          void *argument);
int __real_pthread_join(pthread_t thread, void **out);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __real_pthread_cond_timedwait(pthread_cond_t *cond,
                                  pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __real_pthread_cond_signal(pthread_cond_t *cond);
int __real_pthread_cond_broadcast(pthread_cond_t *cond);
int __real_sched_yield(void);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __real_nanosleep(const struct timespec *span, struct timespec *left);

int __wrap_pthread_create(pthread_t *thread,
                          const pthread_attr_t *attributes,
                          void *(*main)(void *),
                          void *argument);
int __wrap_pthread_join(pthread_t thread, void **out);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond,
                                  pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_sched_yield(void);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_nanosleep(const struct timespec *span, struct timespec *left);

enum state {
    FREE, /* this place */
    READY,
    ON_MUTEX,
    ON_COND, /* or a sleep: for nothing but the time */
    ON_END,  /* of another thread */
    ENDED,
};

struct thread {
    enum state state;
    const void *object; /* that it waits for */
    uint64_t deadline_ns;
    bool timed_out;
    sem_t baton; /* posted when it is its turn */
    pthread_t real;
    void *(*main)(void *);
    void *argument;
};

/* Touched by the one thread that runs. */
static struct {
    struct thread threads[THREADS_MAX];
    uint64_t seed;
    uint64_t random;
    uint64_t now_ns;
    uint32_t stay_of; /* one point in so many is another's chance */
    struct serial_account account;
} serial;

static _Thread_local struct thread *self;

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = serial.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t random_below(uint32_t below)
{
    return (uint32_t)(next_random() >> 32) % below;
}

static _Noreturn void fail(const char *why)
{
    static const char *const states[] = {"free", "ready", "mutex", "cond", "end", "ended"};

    (void)fprintf(stderr, "systematic: seed %" PRIu64 ", point %" PRIu64 ": %s\n", serial.seed,
                  serial.account.points, why);
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (serial.threads[i].state != FREE) {
            (void)fprintf(stderr, "  thread %u: %s%s\n", i, states[serial.threads[i].state],
                          &serial.threads[i] == self ? ", at work" : "");
        }
    }
    abort();
}

/* ---- Who goes on. */

static bool can_go_on(const struct thread *thread)
{
    return thread->state == READY ||
           (thread->state == ON_COND && thread->deadline_ns <= serial.now_ns);
}

/* Anyone who can, but `apart`, unless there is nobody else; NULL: nobody. */
static struct thread *choose_among(const struct thread *apart)
{
    struct thread *able[THREADS_MAX];
    uint32_t count = 0;

    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (&serial.threads[i] != apart && can_go_on(&serial.threads[i])) {
            able[count++] = &serial.threads[i];
        }
    }
    if (count != 0) {
        return able[random_below(count)];
    }
    return apart != NULL && can_go_on(apart) ? self : NULL;
}

/* All wait: the first deadline has come. */
static void jump(void)
{
    uint64_t first_ns = UINT64_MAX;

    for (unsigned i = 0; i < THREADS_MAX; i++) {
        const struct thread *thread = &serial.threads[i];

        if (thread->state == ON_COND && thread->deadline_ns < first_ns) {
            first_ns = thread->deadline_ns;
        }
    }
    if (first_ns == UINT64_MAX) {
        fail("all wait, and for nothing that will come");
    }
    serial.now_ns = first_ns;
}

static void note(const struct thread *next)
{
    const uint64_t index = (uint64_t)(next - serial.threads);

    serial.account.order = (serial.account.order ^ index) * UINT64_C(0x100000001b3);
}

/* Lets another go on; returns when it is this one's turn again, unless it has ended. */
static void give_way(const struct thread *apart)
{
    struct thread *me = self;
    struct thread *next = choose_among(apart);
    bool has_ended;

    if (next == NULL) {
        jump();
        next = choose_among(NULL);
    }
    if (next->state == ON_COND) {
        next->state = READY;
        next->timed_out = true;
    }
    note(next);
    if (next == me) {
        return;
    }
    has_ended = me->state == ENDED;
    (void)sem_post(&next->baton); /* from here on all is the other's */
    if (!has_ended) {
        while (sem_wait(&me->baton) != 0) {
        }
    }
}

static void wake(struct thread *thread)
{
    thread->state = READY;
    thread->object = NULL;
}

static void wake_all(enum state state, const void *object)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (serial.threads[i].state == state && serial.threads[i].object == object) {
            wake(&serial.threads[i]);
        }
    }
}

/* One of those that wait for a condition; `object` NULL: for any. */
static void wake_one_on_cond(const void *object)
{
    struct thread *waiting[THREADS_MAX];
    uint32_t count = 0;

    for (unsigned i = 0; i < THREADS_MAX; i++) {
        struct thread *thread = &serial.threads[i];

        if (thread->state == ON_COND && thread->object != NULL &&
            (object == NULL || thread->object == object)) {
            waiting[count++] = thread;
        }
    }
    if (count != 0) {
        wake(waiting[random_below(count)]);
    }
}

static void point(bool stays)
{
    serial.now_ns += STEP_NS;
    if (++serial.account.points == POINTS_MAX) {
        fail("it does not end");
    }
    if (random_below(SPURIOUS_ONE) == 0) {
        wake_one_on_cond(NULL);
    }
    if (!stays || random_below(serial.stay_of) == 0) {
        give_way(stays ? NULL : self);
    }
}

void npri_yield_point(void)
{
    if (self != NULL) {
        point(true);
    }
}

/* ---- Threads. */

static struct thread *take_place(void)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (serial.threads[i].state == FREE) {
            serial.threads[i] = (struct thread){.state = READY};
            (void)sem_init(&serial.threads[i].baton, 0, 0);
            return &serial.threads[i];
        }
    }
    fail("too many threads");
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    void *result;

    while (sem_wait(&thread->baton) != 0) {
    }
    self = thread;
    result = thread->main(thread->argument);
    thread->state = ENDED;
    wake_all(ON_END, thread);
    give_way(NULL);
    self = NULL;
    return result;
}

int __wrap_pthread_create(pthread_t *thread,
                          const pthread_attr_t *attributes,
                          void *(*main)(void *),
                          void *argument)
{
    struct thread *place;
    int code;

    if (self == NULL) {
        return __real_pthread_create(thread, attributes, main, argument);
    }
    place = take_place();
    place->main = main;
    place->argument = argument;
    code = __real_pthread_create(&place->real, attributes, thread_main, place);
    if (code != 0) {
        place->state = FREE;
        return code;
    }
    *thread = place->real;
    point(true);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **out)
{
    int code;

    for (unsigned i = 0; self != NULL && i < THREADS_MAX; i++) {
        struct thread *place = &serial.threads[i];

        if (place->state != FREE && place != self && pthread_equal(place->real, thread)) {
            while (place->state != ENDED) {
                self->state = ON_END;
                self->object = place;
                give_way(NULL);
            }
            code = __real_pthread_join(thread, out);
            (void)sem_destroy(&place->baton);
            place->state = FREE;
            return code;
        }
    }
    return __real_pthread_join(thread, out);
}

/* ---- Mutexes and conditions. */

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (self == NULL) {
        return __real_pthread_mutex_lock(mutex);
    }
    point(true);
    while (pthread_mutex_trylock(mutex) != 0) {
        self->state = ON_MUTEX;
        self->object = mutex;
        give_way(NULL);
    }
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    const int code = __real_pthread_mutex_unlock(mutex);

    if (self != NULL) {
        wake_all(ON_MUTEX, mutex);
        point(true);
    }
    return code;
}

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    struct thread *me = self;

    (void)__real_pthread_mutex_unlock(mutex);
    wake_all(ON_MUTEX, mutex);
    me->state = ON_COND;
    me->object = cond;
    me->deadline_ns = deadline_ns;
    me->timed_out = false;
    give_way(NULL);
    while (pthread_mutex_trylock(mutex) != 0) {
        me->state = ON_MUTEX;
        me->object = mutex;
        give_way(NULL);
    }
    return me->timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return self == NULL ? __real_pthread_cond_wait(cond, mutex)
                        : cond_wait(cond, mutex, UINT64_MAX);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond,
                                  pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    return self == NULL ? __real_pthread_cond_timedwait(cond, mutex, until)
                        : cond_wait(cond, mutex,
                                    (uint64_t)until->tv_sec * NS_PER_S + (uint64_t)until->tv_nsec);
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    if (self == NULL) {
        return __real_pthread_cond_signal(cond);
    }
    wake_one_on_cond(cond);
    point(true);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (self == NULL) {
        return __real_pthread_cond_broadcast(cond);
    }
    wake_all(ON_COND, cond);
    point(true);
    return 0;
}

/* ---- Time. */

int __wrap_sched_yield(void)
{
    if (self == NULL) {
        return __real_sched_yield();
    }
    point(false);
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (self == NULL) {
        return __real_clock_gettime(clock, out);
    }
    *out = (struct timespec){.tv_sec = (time_t)(serial.now_ns / NS_PER_S),
                             .tv_nsec = (long)(serial.now_ns % NS_PER_S)};
    return 0;
}

int __wrap_nanosleep(const struct timespec *span, struct timespec *left)
{
    if (self == NULL) {
        return __real_nanosleep(span, left);
    }
    self->state = ON_COND;
    self->object = NULL;
    self->deadline_ns = serial.now_ns + (uint64_t)span->tv_sec * NS_PER_S + (uint64_t)span->tv_nsec;
    give_way(NULL);
    return 0;
}
/* NOLINTEND(*-reserved-identifier,cert-dcl*,readability-identifier-naming) */

/* ---- A run. */

void serial_begin(uint64_t seed)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        serial.threads[i] = (struct thread){.state = FREE};
    }
    serial.seed = seed;
    serial.random = seed;
    serial.now_ns = NS_PER_S;
    serial.account = (struct serial_account){.order = UINT64_C(0xcbf29ce484222325)};
    serial.stay_of = 1u << random_below(6); /* from at every point to at few */
    self = take_place();
    self->real = pthread_self();
}

struct serial_account serial_end(void)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (serial.threads[i].state != FREE && &serial.threads[i] != self) {
            fail("a thread is left over");
        }
    }
    (void)sem_destroy(&self->baton);
    self->state = FREE;
    self = NULL;
    return serial.account;
}
