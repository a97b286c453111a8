/* base/readers.h: nothing is over too early, nothing takes for ever, and threads are kept apart. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/readers.h"
#include "support/check.h"

enum {
    THREADS = 4,
    ROUNDS = 20000,
    NESTED = 3,
};

/* Would catch: a grace period that ends while somebody reads. */
static void it_waits_for_who_was_there(void **state)
{
    struct npri_readers *readers = calloc(1, sizeof(*readers));
    struct npri_reading reading[NESTED];
    uint64_t grace;

    (void)state;
    for (unsigned i = 0; i < NESTED; i++) {
        reading[i] = npri_readers_enter(readers);
    }
    grace = npri_readers_begin(readers);
    for (unsigned i = 0; i < NESTED; i++) {
        assert_false(npri_readers_passed(readers, grace));
        npri_readers_leave(reading[i]);
    }
    assert_true(npri_readers_passed(readers, grace));
    assert_true(npri_readers_passed(readers, npri_readers_begin(readers)));
    free(readers);
}

/* Would catch: readers that come all the time and hold every grace period up. */
static void it_does_not_wait_for_who_comes_later(void **state)
{
    struct npri_readers *readers = calloc(1, sizeof(*readers));
    struct npri_reading there = npri_readers_enter(readers);
    uint64_t grace = npri_readers_begin(readers);

    (void)state;
    assert_false(npri_readers_passed(readers, grace)); /* turned */
    for (unsigned i = 0; i < 10; i++) {
        const struct npri_reading next = npri_readers_enter(readers);

        npri_readers_leave(there);
        assert_true(npri_readers_passed(readers, grace));
        grace = npri_readers_begin(readers);
        assert_false(npri_readers_passed(readers, grace));
        there = next;
    }
    npri_readers_leave(there);
    free(readers);
}

/* Would catch: a grace period that has turned the phases already and is taken for one that waits
 * for who came after that; it was the reason for the second one. */
static void one_that_is_half_over_does_not_count(void **state)
{
    struct npri_readers *readers = calloc(1, sizeof(*readers));
    const struct npri_reading first = npri_readers_enter(readers);
    const uint64_t one = npri_readers_begin(readers);
    struct npri_reading second;
    uint64_t two;

    (void)state;
    assert_false(npri_readers_passed(readers, one)); /* turned */
    second = npri_readers_enter(readers);
    two = npri_readers_begin(readers);
    npri_readers_leave(first);
    assert_true(npri_readers_passed(readers, one));
    assert_false(npri_readers_passed(readers, two));
    npri_readers_leave(second);
    assert_true(npri_readers_passed(readers, two));
    free(readers);
}

/* Would catch: one look at the phase that readers have left, and none at the other: a reader that
 * had read the phase before it turned is in there, and has what was taken out since. */
static void late_comers_are_waited_for(void **state)
{
    struct npri_readers *readers = calloc(1, sizeof(*readers));
    struct npri_reading late;
    uint64_t grace;

    (void)state;
    late = npri_readers_enter(readers);
    npri_readers_leave(late);
    assert_true(npri_readers_passed(readers, npri_readers_begin(readers))); /* turns them */
    /* It has read the phase before, and comes in now. */
    (void)atomic_fetch_add(&late.line->entered[late.phase], 1);
    assert_int_not_equal(late.phase, atomic_load(&readers->phase));
    grace = npri_readers_begin(readers);
    assert_false(npri_readers_passed(readers, grace));
    npri_readers_leave(late);
    assert_true(npri_readers_passed(readers, grace));
    free(readers);
}

/* ---- Threads. */

struct thing {
    uint64_t a;
    uint64_t b;
};

static struct npri_readers shared_readers;
static _Atomic(struct thing *) shared_thing;
static atomic_bool over;
static atomic_uint wrong;

static void *read_main(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        const struct npri_reading reading = npri_readers_enter(&shared_readers);
        const struct thing *thing = atomic_load_explicit(&shared_thing, memory_order_acquire);

        if (thing->a != thing->b) {
            (void)atomic_fetch_add(&wrong, 1);
        }
        npri_readers_leave(reading);
    }
    return NULL;
}

/* Would catch, under the sanitizers, an order that is too weak anywhere: what is freed was read. */
static void what_is_freed_is_not_read(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    atomic_store(&shared_thing, calloc(1, sizeof(struct thing)));
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_main, NULL), 0);
    }
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct thing *old = atomic_load(&shared_thing);
        struct thing *thing = malloc(sizeof(*thing));
        uint64_t grace;

        assert_non_null(thing);
        *thing = (struct thing){.a = i, .b = i};
        atomic_store_explicit(&shared_thing, thing, memory_order_release);
        grace = npri_readers_begin(&shared_readers);
        while (!npri_readers_passed(&shared_readers, grace)) {
        }
        old->a = UINT64_MAX;
        free(old);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    free(atomic_load(&shared_thing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_who_was_there),
        cmocka_unit_test(it_does_not_wait_for_who_comes_later),
        cmocka_unit_test(one_that_is_half_over_does_not_count),
        cmocka_unit_test(late_comers_are_waited_for),
        cmocka_unit_test(what_is_freed_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
