/* dist/ticker.h: both sides of every boundary in time. */
#include "dist/ticker.h"
#include "support/check.h"

#define START UINT64_C(1000)
#define TIME  UINT64_C(400) /* net_ticktime; a quarter is 100 */

static void idle_connection_ticks_each_quarter(void **state)
{
    struct npri_ticker ticker;

    (void)state;
    npri_ticker_init(&ticker, TIME, START);
    for (uint64_t now = START; now < START + 10000; now++) {
        ticker.read_ns = now; /* The peer is talkative. */
        assert_int_equal(npri_ticker_step(&ticker, now), now != START && (now - START) % 100 == 0
                                                             ? NPRI_TICK_SEND
                                                             : NPRI_TICK_NONE);
    }
}

/* Would catch ticks on a busy connection, which only cost. */
static void writing_puts_the_tick_off(void **state)
{
    struct npri_ticker ticker;

    (void)state;
    npri_ticker_init(&ticker, TIME, START);
    ticker.wrote_ns = START + 50;
    ticker.read_ns = START + 60;
    assert_int_equal(npri_ticker_step(&ticker, START + 100), NPRI_TICK_NONE);
    assert_int_equal(npri_ticker_deadline_ns(&ticker), START + 150);
    assert_int_equal(npri_ticker_step(&ticker, START + 149), NPRI_TICK_NONE);
    assert_int_equal(npri_ticker_step(&ticker, START + 150), NPRI_TICK_SEND);
}

/* A peer that answers ticks only is asked while we write without pause; once a quarter. */
static void silent_peer_is_asked_however_much_is_written(void **state)
{
    struct npri_ticker ticker;
    int sent = 0;

    (void)state;
    npri_ticker_init(&ticker, TIME, START);
    for (uint64_t now = START; now < START + TIME; now++) {
        ticker.wrote_ns = now;
        sent += npri_ticker_step(&ticker, now) == NPRI_TICK_SEND;
    }
    assert_int_equal(sent, 3);
}

static void silent_peer_is_given_up_after_the_full_time(void **state)
{
    struct npri_ticker ticker;

    (void)state;
    npri_ticker_init(&ticker, TIME, START);
    assert_int_not_equal(npri_ticker_step(&ticker, START + TIME - 1), NPRI_TICK_SILENT);
    assert_int_equal(npri_ticker_step(&ticker, START + TIME), NPRI_TICK_SILENT);
    ticker.read_ns = START + TIME; /* One byte is enough. */
    assert_int_not_equal(npri_ticker_step(&ticker, START + TIME + 1), NPRI_TICK_SILENT);
}

/* Stepping at each deadline sees everything; a deadline in the past would spin. */
static void deadline_is_always_ahead(void **state)
{
    struct npri_ticker ticker;
    uint64_t now = START;
    enum npri_tick tick = NPRI_TICK_NONE;
    int steps = 0;

    (void)state;
    npri_ticker_init(&ticker, TIME, START);
    while (tick != NPRI_TICK_SILENT) {
        assert_true(npri_ticker_deadline_ns(&ticker) > now);
        now = npri_ticker_deadline_ns(&ticker);
        tick = npri_ticker_step(&ticker, now);
        assert_int_not_equal(tick, NPRI_TICK_NONE);
        steps++;
    }
    assert_int_equal(steps, 4);
    assert_int_equal(now, START + TIME);
}

static void endless_ticktime_does_not_wrap(void **state)
{
    struct npri_ticker ticker;

    (void)state;
    npri_ticker_init(&ticker, UINT64_MAX, UINT64_MAX / 2);
    assert_int_equal(npri_ticker_step(&ticker, UINT64_MAX / 2 + 1), NPRI_TICK_NONE);
    assert_true(npri_ticker_deadline_ns(&ticker) > UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_connection_ticks_each_quarter),
        cmocka_unit_test(writing_puts_the_tick_off),
        cmocka_unit_test(silent_peer_is_asked_however_much_is_written),
        cmocka_unit_test(silent_peer_is_given_up_after_the_full_time),
        cmocka_unit_test(deadline_is_always_ahead),
        cmocka_unit_test(endless_ticktime_does_not_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
