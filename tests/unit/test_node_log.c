/* node/log.h: a flood of one event is cut short, takes no other event with it, and is counted. */
#include <stdio.h>

#include "node/log.h"
#include "support/check.h"

#define START_NS UINT64_C(5000000000)

static unsigned admitted(struct npri_log_limits *limits,
                         const char *line,
                         unsigned times,
                         uint64_t ns)
{
    unsigned count = 0;

    for (unsigned i = 0; i < times; i++) {
        count += npri_log_limits_admit(limits, line, ns) ? 1 : 0;
    }
    return count;
}

/* Mistakes: one allowance for all events; the whole line taken for the event's name; a name that
 * another begins with taken for it. */
static void each_event_has_its_own_allowance(void **state)
{
    struct npri_log_limits limits;
    char line[64];
    unsigned count = 0;

    (void)state;
    npri_log_limits_init(&limits);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "node_ignored node=junk%u@host", i);
        count += admitted(&limits, line, 1, START_NS);
    }
    assert_int_equal(count, NPRI_LOG_BURST);
    assert_int_equal(admitted(&limits, "node_joined node=b@host", 1, START_NS), 1);
    assert_int_equal(admitted(&limits, "node", 1, START_NS), 1);
    npri_log_limits_fini(&limits);
}

/* Mistakes: an allowance that never comes back, or comes back without bound. */
static void the_allowance_comes_back(void **state)
{
    struct npri_log_limits limits;

    (void)state;
    npri_log_limits_init(&limits);
    assert_int_equal(admitted(&limits, "event", 1000, START_NS), NPRI_LOG_BURST);
    assert_int_equal(admitted(&limits, "event", 1000, START_NS + 3 * NPRI_LOG_STEP_NS), 3);
    assert_int_equal(admitted(&limits, "event", 1000, START_NS + 9000 * NPRI_LOG_STEP_NS),
                     NPRI_LOG_BURST);
    npri_log_limits_fini(&limits);
}

/* Mistakes: lines lost without a word; a count for each of them. */
static void what_is_left_out_is_counted(void **state)
{
    struct npri_log_limits limits;

    (void)state;
    npri_log_limits_init(&limits);
    assert_int_equal(npri_log_limits_take_count(&limits, START_NS), 0);
    (void)admitted(&limits, "event", NPRI_LOG_BURST + 7, START_NS);
    assert_int_equal(npri_log_limits_take_count(&limits, START_NS), 7);
    (void)admitted(&limits, "event", 5, START_NS);
    assert_int_equal(npri_log_limits_take_count(&limits, START_NS + 1), 0);
    assert_int_equal(npri_log_limits_take_count(&limits, START_NS + NPRI_LOG_REPORT_NS), 5);
    npri_log_limits_fini(&limits);
}

/* Mistakes: more events, or longer names, than there is room for, written beyond it. */
static void events_beyond_the_room_share_one(void **state)
{
    struct npri_log_limits limits;
    char line[128];

    (void)state;
    npri_log_limits_init(&limits);
    for (unsigned i = 0; i < 3 * NPRI_LOG_EVENTS_MAX; i++) {
        (void)snprintf(line, sizeof(line), "event%u_with_a_name_that_is_longer_than_any x=1", i);
        (void)admitted(&limits, line, 1, START_NS);
        (void)snprintf(line, sizeof(line), "e%u", i);
        (void)admitted(&limits, line, 1, START_NS);
    }
    assert_int_equal(limits.events_count, NPRI_LOG_EVENTS_MAX);
    assert_int_equal(admitted(&limits, "e0", 1000, START_NS), NPRI_LOG_BURST - 1);
    npri_log_limits_fini(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_has_its_own_allowance),
        cmocka_unit_test(the_allowance_comes_back),
        cmocka_unit_test(what_is_left_out_is_counted),
        cmocka_unit_test(events_beyond_the_room_share_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
