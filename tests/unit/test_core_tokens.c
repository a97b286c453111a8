/* core/token.h: fencing tokens.  An activation that is not above every one before it, or that two
 * callers are told differently, lets an old process write over a new one's work. */
#include "core_host.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"

#define EPOCH_US UINT64_C(1764194400000000)

static void open_host(struct core_host *host)
{
    struct npri_core_options options = host_options("a");

    options.epoch_us = EPOCH_US;
    host_init_with(host, &options);
}

static void begin(struct core_host *host, uint64_t request, const char *key)
{
    host_get(host, request, key, "f");
    assert_int_equal(host_status(host, "starts"), 1);
    assert_true(host->start_token != 0);
}

/* Would catch: one that is the time, not one for each activation; one that is lost on its way to
 * the entry. */
static void each_activation_has_a_greater_one(void **state)
{
    struct core_host host;
    uint64_t first;

    (void)state;
    open_host(&host);
    begin(&host, 1, "ka");
    first = host.start_token;
    assert_int_equal(first, EPOCH_US + 1);
    host_started(&host, 1, NPR_OK, "a.1");
    assert_int_equal(host.answer_token, first);
    begin(&host, 2, "xa");
    assert_int_equal(host.start_token, first + 1);
    host_started(&host, 2, NPR_OK, "a.2");
    host_get(&host, 3, "ka", NULL);
    assert_int_equal(host.answer_token, first);
    host_down(&host, "a.1");
    host_pass(&host, 1000 * MS);
    begin(&host, 4, "ka");
    assert_int_equal(host.start_token, first + 2);
    host_started(&host, 3, NPR_OK, "a.3");
    host_get(&host, 5, "ka", "f");
    assert_int_equal(host.answer_token, first + 2);
    host_fini(&host);
}

/* Who began a start and who waited for it are told the same one.  A start that failed has used its
 * token up. */
static void all_who_wait_are_told_the_same(void **state)
{
    struct core_host host;
    uint64_t failed;

    (void)state;
    open_host(&host);
    begin(&host, 1, "ka");
    failed = host.start_token;
    host_started(&host, 1, NPR_EREFUSED, NULL);
    assert_int_equal(host.answer_token, 0);
    begin(&host, 2, "ka");
    assert_true(host.start_token > failed);
    host_get(&host, 3, "ka", "f");
    host.answer_token = 0;
    host_started(&host, 2, NPR_OK, "a.1");
    assert_int_equal(host.answer_token, host.start_token);
    host_fini(&host);
}

/* What is registered has a token as every activation, by its owner's consent, and takes none over.
 */
static void a_registered_pid_has_one_of_its_own(void **state)
{
    struct core_host host;
    uint64_t first;

    (void)state;
    open_host(&host);
    begin(&host, 1, "ka");
    host_started(&host, 1, NPR_OK, "a.1");
    host_register(&host, "ka", "a.1"); /* the same */
    host_get(&host, 2, "ka", NULL);
    assert_int_equal(host.answer_token, host.start_token);
    first = host.answer_token;
    host_register(&host, "ka", "a.2");
    host_get(&host, 3, "ka", NULL);
    assert_true(host.answer_token > first);

    begin(&host, 4, "xa");
    host_register(&host, "xa", "a.3");
    host_started(&host, 2, NPR_OK, "a.3");
    assert_true(host.answer_token > host.start_token); /* of the registration, which came later */
    first = host.answer_token;
    host_get(&host, 5, "xa", NULL);
    assert_int_equal(host.answer_token, first);
    host_fini(&host);
}

static void tell(struct core_host *host,
                 enum npri_event_kind kind,
                 uint64_t operation,
                 uint64_t token)
{
    (void)host_step(host, (struct npri_core_event){.kind = kind,
                                                   .operation = operation,
                                                   .term = host_pid_term("b.1"),
                                                   .token = token});
}

/* The operation of the first effect of that kind in the trace. */
static uint64_t operation_of(struct core_host *host, const char *kind)
{
    const char *at = strstr(host->trace, kind);

    assert_non_null(at);
    return strtoul(at + strlen(kind), NULL, 10);
}

/* Would catch: an owner whose clock is behind that starts a key again with a token below the one
 * that its last process had on another node. */
static void tokens_of_others_are_outdone(void **state)
{
    const uint64_t ahead = EPOCH_US + UINT64_C(3600) * 1000000;
    struct core_host host;

    (void)state;
    open_host(&host);
    host_with_natives(&host, "b");
    host_get(&host, 1, "ka", NULL); /* looked for at b */
    tell(&host, NPRI_EVENT_ASKED, operation_of(&host, "ASK "), ahead);
    assert_int_equal(host.answer_token, ahead);
    host_forget_trace(&host);
    host_get(&host, 2, "kb", "f"); /* b's to start */
    tell(&host, NPRI_EVENT_DELEGATED, operation_of(&host, "DELEGATE "), ahead + 7);
    assert_int_equal(host.answer_token, ahead + 7);
    host_agree(&host, "b"); /* on what tokens are counted from, now */
    host_forget_trace(&host);

    host_get(&host, 3, "xa", "f");
    host_asked(&host, operation_of(&host, "ASK "), NULL);
    assert_int_equal(host.start_token, ahead + 8);
    host_fini(&host);
}

/* Would catch: a peer that sends a number without meaning and leaves our clock no room to grow. */
static void a_token_from_no_clock_is_none(void **state)
{
    struct core_host host;

    (void)state;
    open_host(&host);
    host_with_natives(&host, "b");
    host_get(&host, 1, "ka", NULL);
    tell(&host, NPRI_EVENT_ASKED, operation_of(&host, "ASK "), UINT64_MAX);
    assert_int_equal(host.answer_token, 0);
    host_forget_trace(&host);
    host_get(&host, 2, "kb", NULL);
    tell(&host, NPRI_EVENT_ASKED, operation_of(&host, "ASK "), NPRI_TOKEN_MAX);
    assert_int_equal(host.answer_token, NPRI_TOKEN_MAX);
    host_agree(&host, "b");
    host_forget_trace(&host);
    host_get(&host, 3, "xa", "f");
    host_asked(&host, operation_of(&host, "ASK "), NULL);
    assert_int_equal(host.start_token, NPRI_TOKEN_MAX + 1);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_activation_has_a_greater_one),
        cmocka_unit_test(all_who_wait_are_told_the_same),
        cmocka_unit_test(a_registered_pid_has_one_of_its_own),
        cmocka_unit_test(tokens_of_others_are_outdone),
        cmocka_unit_test(a_token_from_no_clock_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
