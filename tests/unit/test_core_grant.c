/* core/grant.h: when threads of the program may start keys by themselves, and what the core makes
 * of those that they do. */
#include "core_host.h"

#include <string.h>

#include "base/alloc.h"
#include "core/state.h"
#include "support/check.h"

/* ---- A thread of the program, as the core sees it: at most one key is noted. */

struct bed {
    struct core_host host;
    struct npri_core_grabs hooks;
    const char *noted;  /* the key; NULL: none */
    uint64_t token;     /* of its activation */
    uint64_t operation; /* of the core; 0: it has not met it */
};

static bool find(void *user, struct npr_bytes key, struct npri_grabbed *out)
{
    const struct bed *bed = user;
    struct npr_term noted;

    if (bed->noted == NULL || bed->operation != 0) {
        return false;
    }
    noted = host_atom(bed->noted);
    if (!npri_bytes_equal(npri_bytes(noted.data, noted.size), key)) {
        return false;
    }
    *out = (struct npri_grabbed){.function = host_atom("f"), .token = bed->token};
    return true;
}

static void adopt(void *user, struct npr_bytes key, uint64_t operation)
{
    (void)key;
    ((struct bed *)user)->operation = operation;
}

static void bed_init_with(struct bed *bed, struct npri_core_options options)
{
    memset(bed, 0, sizeof(*bed));
    bed->hooks = (struct npri_core_grabs){.user = bed, .find = find, .adopt = adopt};
    options.shared = true;
    options.grabs = &bed->hooks;
    host_init_with(&bed->host, &options);
    host_forget_trace(&bed->host);
}

static void bed_init(struct bed *bed)
{
    bed_init_with(bed, host_options("a"));
}

static bool is_granted(const struct bed *bed, const char *key)
{
    return npri_core_grant(bed->host.core, host_atom(key)) != NULL;
}

/* Whether a thread that has the grant may start it, too. */
static bool may_start(struct bed *bed, const char *key, uint64_t *out_token)
{
    const struct npri_grant *grant = npri_core_grant(bed->host.core, host_atom(key));

    return grant != NULL && npri_core_draw(bed->host.core, grant, host_atom(key), out_token);
}

/* A thread notes it. */
static void note(struct bed *bed, const char *key)
{
    assert_true(may_start(bed, key, &bed->token));
    bed->noted = key;
    bed->operation = 0;
}

/* What came of it, as the glue tells it. */
static void end_note(struct bed *bed, npr_status status, const char *pid)
{
    if (bed->operation == 0) {
        (void)host_step(&bed->host, (struct npri_core_event){.kind = NPRI_EVENT_GRABBED,
                                                             .key = host_atom(bed->noted)});
    }
    assert_true(bed->operation != 0);
    host_started(&bed->host, bed->operation, status, pid);
    bed->noted = NULL;
}

/* ---- When. */

/* Would catch: keys of others, and a token that is given twice. */
static void alone_all_keys_may_be_started(void **state)
{
    uint64_t first = 0;
    uint64_t second = 0;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    assert_true(may_start(&bed, "ka", &first));
    assert_true(may_start(&bed, "kb", &second));
    assert_true(second > first && first > 0);
    host_get(&bed.host, 1, "kc", "f");
    assert_true(bed.host.start_token > second);
    host_fini(&bed.host);
}

/* Would catch: a grant before the others have told what they hold, and of their keys. */
static void among_natives_the_settled_owner_may(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_with_natives(&bed.host, "b");
    assert_false(is_granted(&bed, "ka"));
    host_mark(&bed.host, "b");
    assert_true(is_granted(&bed, "ka"));
    assert_false(is_granted(&bed, "kb"));
    host_fini(&bed.host);
}

/* Would catch: a grant that outlives what it says, or is back before the fence. */
static void a_change_takes_it_back_until_the_fence(void **state)
{
    uint64_t before = 0;
    uint64_t after = 0;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_with_natives(&bed.host, "b");
    host_mark(&bed.host, "b");
    assert_true(may_start(&bed, "ka", &before));
    bed.host.fences = true;
    host_disconnected(&bed.host, "b");
    assert_false(is_granted(&bed, "ka"));
    (void)host_step(&bed.host, (struct npri_core_event){.kind = NPRI_EVENT_FENCED,
                                                        .operation = bed.host.core->views.fence});
    host_pass(&bed.host, 10000 * MS); /* nobody tries to mend it any more */
    assert_true(is_granted(&bed, "kb"));
    assert_true(may_start(&bed, "kb", &after));
    assert_true(after > before + (UINT64_C(1) << 20)); /* of another range */
    host_fini(&bed.host);
}

/* A thread that has the grant draws while it is taken back.  Would catch: a token of the view
 * before that is not below all of the next one. */
static void a_late_token_is_of_the_view_before(void **state)
{
    const struct npri_grant *grant;
    uint64_t token = 0;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    grant = npri_core_grant(bed.host.core, host_atom("ka"));
    assert_non_null(grant);
    host_with_natives(&bed.host, "b"); /* nothing is freed before it is taken */
    assert_true(npri_core_draw(bed.host.core, grant, host_atom("ka"), &token));
    assert_true(token < bed.host.core->views.base);
    host_fini(&bed.host);
}

/* Would catch: starts that go round what the loop thread would ask or refuse. */
static void some_nodes_never_may(void **state)
{
    struct npri_core_options client = host_options("a");
    struct npri_core_options with_quorum = host_options("a");
    struct bed bed;

    (void)state;
    client.member = false;
    bed_init_with(&bed, client);
    assert_false(is_granted(&bed, "ka"));
    host_fini(&bed.host);

    with_quorum.quorum = 1;
    bed_init_with(&bed, with_quorum);
    assert_false(is_granted(&bed, "ka"));
    host_fini(&bed.host);

    bed_init(&bed);
    host_with_originals(&bed.host, "b");
    assert_false(is_granted(&bed, "ka"));
    host_fini(&bed.host);

    bed_init(&bed);
    (void)host_step(&bed.host, (struct npri_core_event){.kind = NPRI_EVENT_CLOSING});
    assert_false(is_granted(&bed, "ka"));
    host_fini(&bed.host);
}

/* ---- Marks. */

/* Would catch: a key that the core starts, and a thread as well. */
static void what_is_under_way_is_marked(void **state)
{
    uint64_t token;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_get(&bed.host, 1, "ka", "f");
    assert_false(may_start(&bed, "ka", &token));
    assert_true(may_start(&bed, "kb", &token));
    host_started(&bed.host, 1, NPR_EREFUSED, NULL);
    assert_true(may_start(&bed, "ka", &token));
    host_fini(&bed.host);
}

/* Would catch: a key whose process is restarted and that looks free in between. */
static void what_is_restarted_is_marked(void **state)
{
    uint64_t token;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_get(&bed.host, 1, "ka", "f");
    (void)host_step(
        &bed.host, (struct npri_core_event){
                       .kind = NPRI_EVENT_STARTED,
                       .operation = 1,
                       .status = NPR_OK,
                       .term = host_pid_term("a.1"),
                       .rule = {.kind = NPRI_RESTART_PERMANENT, .max = 3, .window_ns = 5000 * MS}});
    host_down(&bed.host, "a.1");
    assert_true(npri_core_is_restarting(bed.host.core, host_atom("ka")));
    assert_false(may_start(&bed, "ka", &token));
    host_started(&bed.host, 2, NPR_EREFUSED, NULL);
    host_started(&bed.host, 3, NPR_EREFUSED, NULL);
    host_started(&bed.host, 4, NPR_EREFUSED, NULL);
    assert_false(npri_core_is_restarting(bed.host.core, host_atom("ka")));
    assert_true(may_start(&bed, "ka", &token));
    host_fini(&bed.host);
}

/* Would catch: a key that lives elsewhere. */
static void what_lives_elsewhere_is_marked(void **state)
{
    uint64_t token;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_with_natives(&bed.host, "b");
    host_told(&bed.host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    host_mark(&bed.host, "b");
    assert_true(is_granted(&bed, "ka"));
    assert_false(may_start(&bed, "ka", &token));
    host_told(&bed.host, "b", "{free,7,200,ka,<b@h.5.0>}");
    assert_true(may_start(&bed, "ka", &token));
    host_told(&bed.host, "b", "{busy,7,300,ka,0}");
    assert_false(may_start(&bed, "ka", &token));
    assert_true(may_start(&bed, "xa", &token));
    host_fini(&bed.host);
}

/* ---- What a thread starts. */

/* Would catch: a start that others do not wait for, or that is made a second time. */
static void a_grab_is_a_start_in_flight(void **state)
{
    struct bed bed;

    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* whoever asks first */
        bed_init(&bed);
        note(&bed, "ka");
        host_get(&bed.host, 1, "ka", i == 0 ? "g" : NULL);
        host_get(&bed.host, 2, "ka", i == 0 ? NULL : "g");
        CHECK_TRACE(&bed.host, "");
        end_note(&bed, NPR_OK, "a.1");
        CHECK_TRACE(&bed.host, "MONITOR a.1\nANSWER 1 OK a.1\nANSWER 2 OK a.1\n");
        assert_int_equal(bed.host.answer_token, bed.token);
        host_fini(&bed.host);
    }
}

/* The usual way: nobody asked.  Would catch: an entry that is not made, or without its token. */
static void a_grab_becomes_an_entry(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    end_note(&bed, NPR_OK, "a.1");
    CHECK_TRACE(&bed.host, "MONITOR a.1\n");
    host_get(&bed.host, 1, "ka", NULL);
    CHECK_TRACE(&bed.host, "ANSWER 1 OK a.1\n");
    assert_int_equal(bed.host.answer_token, bed.token);
    assert_int_equal(npri_core_entries_count(bed.host.core), 1);
    host_fini(&bed.host);
}

/* Would catch: one that fails and leaves its key closed. */
static void a_grab_that_fails_leaves_nothing(void **state)
{
    uint64_t token;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    host_get(&bed.host, 1, "ka", NULL);
    end_note(&bed, NPR_EREFUSED, NULL);
    CHECK_TRACE(&bed.host, "ANSWER 1 ENOTFOUND no node has the key\n");
    assert_true(may_start(&bed, "ka", &token));
    assert_int_equal(npri_core_entries_count(bed.host.core), 0);
    host_fini(&bed.host);
}

/* Would catch: an unregister, or a registration over it, that comes to nothing or ends the process,
 * since who started it was answered before the core heard of it. */
static void an_unregister_waits_for_a_grab(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    host_unregister(&bed.host, "ka");
    end_note(&bed, NPR_OK, "a.1");
    host_pass(&bed.host, 100 * MS);
    assert_int_equal(npri_core_entries_count(bed.host.core), 0);
    note(&bed, "kb");
    host_forget_trace(&bed.host);
    (void)host_step(&bed.host,
                    (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                             .request = 9,
                                             .key = host_atom("kb"),
                                             .term = host_pid_term("a.5"),
                                             .deadline_ns = bed.host.now_ns + 5000 * MS});
    end_note(&bed, NPR_OK, "a.2");
    host_pass(&bed.host, 100 * MS);
    CHECK_TRACE(&bed.host, "MONITOR a.2\nDEMONITOR a.2\nMONITOR a.5\nANSWER 9 OK a.5\n");
    host_fini(&bed.host);
}

/* Would catch: a registration over a process that is being started by a thread. */
static void a_registration_waits_for_a_grab(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    (void)host_step(&bed.host,
                    (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                             .request = 9,
                                             .key = host_atom("ka"),
                                             .term = host_pid_term("a.5"),
                                             .keep = true,
                                             .deadline_ns = bed.host.now_ns + 5000 * MS});
    CHECK_TRACE(&bed.host, "");
    end_note(&bed, NPR_OK, "a.1");
    CHECK_TRACE(&bed.host, "MONITOR a.1\nANSWER 9 EEXIST a.1\n");
    host_fini(&bed.host);
}

/* Whether the key was given to another process, or that is being made. */
static bool is_given_away(const struct bed *bed)
{
    return strstr(bed->host.trace, "MONITOR") != NULL || strstr(bed->host.trace, " OK") != NULL ||
           strstr(bed->host.trace, "START") != NULL ||
           strstr(bed->host.trace, "{claimed") != NULL ||
           strstr(bed->host.trace, "ENOTFOUND") != NULL;
}

/* One allocation fails while the core meets what a thread has begun, of which somebody may have
 * been told already.  Would catch: a registration, a consent or a takeover beside it; a "no". */
static void without_memory_nothing_is_decided_beside_a_grab(void **state)
{
    bool lacked = true;

    (void)state;
    for (uint64_t n = 1; lacked && n < 20; n++) {
        lacked = false;
        for (unsigned kind = 0; kind < 4; kind++) {
            struct bed bed;

            bed_init(&bed);
            host_with_natives(&bed.host, "b");
            host_mark(&bed.host, "b");
            note(&bed, "ka");
            host_forget_trace(&bed.host);
            bed.host.scarce = n;
            if (kind == 0) {
                host_register(&bed.host, "ka", "a.5");
            } else if (kind == 1) {
                host_told(&bed.host, "b", "{claim,4,ka,<b@h.6.0>,false,5000}");
            } else if (kind == 2) {
                host_told(&bed.host, "b", "{handover,17,ka,<b@h.1.0>,f,total,5}");
            } else {
                host_get(&bed.host, 1, "ka", NULL);
            }
            lacked = lacked || bed.host.lacked;
            assert_false(is_given_away(&bed));
            host_fini(&bed.host);
        }
    }
    assert_false(lacked);
}

/* Would catch: a thread that starts a key by an old grant, while its new owner is told that nothing
 * is known of it. */
static void a_grab_is_told_to_the_next_owner(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "kb"); /* b's, when it is there */
    (void)host_step(&bed.host,
                    (struct npri_core_event){.kind = NPRI_EVENT_GRABBED, .key = host_atom("kb")});
    assert_true(npri_start_is_under_way(bed.host.core,
                                        npri_bytes(host_atom("kb").data, host_atom("kb").size)));
    host_with_natives(&bed.host, "b");
    host_get(&bed.host, 1, "kb", "f");
    CHECK_TRACE(&bed.host, ""); /* it waits; b is not asked */
    host_fini(&bed.host);
}

/* A thread has read the grant when a peer tells anew: what that peer hosts is void, though no epoch
 * of ours has ended and nobody waits for a fence.  Would catch: a process beside the one that lives
 * there. */
static void an_old_grant_starts_nothing_that_was_led_to(void **state)
{
    const struct npri_grant *grant;
    struct npri_told_view view;
    uint64_t token = 0;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    host_with_natives(&bed.host, "b");
    host_mark(&bed.host, "b");
    host_told(&bed.host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    grant = npri_core_grant(bed.host.core, host_atom("ka"));
    assert_non_null(grant);
    assert_false(npri_core_draw(bed.host.core, grant, host_atom("ka"), &token));
    view = bed.host.view;
    view.ack = bed.host.view.epoch;
    view.epoch = 8;
    host_told_view(&bed.host, "b", &view);
    host_pass(&bed.host, 10 * MS); /* the leads that are void are freed */
    assert_int_equal(bed.host.core->leads.map.count, 0);
    assert_false(npri_core_draw(bed.host.core, grant, host_atom("ka"), &token));
    host_fini(&bed.host);
}

/* It lives, as the glue tells it first. */
static npr_status tell_lives(struct bed *bed, uint32_t id)
{
    const npr_status status =
        host_step(&bed->host, (struct npri_core_event){.kind = NPRI_EVENT_GRAB_LIVES,
                                                       .key = host_atom(bed->noted),
                                                       .token = bed->token,
                                                       .pid = {.id = id}});

    if (status == NPR_OK) {
        bed->noted = NULL;
    }
    return status;
}

/* Would catch: an entry with another token or pid, a second monitor, an end that is not heard of.
 */
static void a_process_that_lives_has_its_entry_at_once(void **state)
{
    struct npri_activation living;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    assert_int_equal(tell_lives(&bed, 7), NPR_OK);
    CHECK_TRACE(&bed.host, ""); /* it is monitored already */
    assert_true(npri_core_lookup(bed.host.core, host_atom("ka"), &living));
    assert_true(npr_term_equal(living.pid, host_pid_term("a.7")));
    assert_int_equal(living.token, bed.token);
    assert_int_equal(bed.host.core->directory.processes_count, 1);
    npri_core_check(bed.host.core);
    host_down(&bed.host, "a.7");
    assert_false(npri_core_lookup(bed.host.core, host_atom("ka"), &living));
    npri_core_check(bed.host.core);
    host_fini(&bed.host);
}

/* Would catch: a process that is counted twice, and let go while it has an entry. */
static void it_may_have_another_entry(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    (void)host_step(&bed.host,
                    (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                             .request = 9,
                                             .key = host_atom("kb"),
                                             .term = host_pid_term("a.7"),
                                             .deadline_ns = bed.host.now_ns + 5000 * MS});
    assert_int_equal(tell_lives(&bed, 7), NPR_OK);
    npri_core_check(bed.host.core);
    assert_int_equal(bed.host.core->directory.processes_count, 1);
    CHECK_TRACE(&bed.host, "MONITOR a.7\nANSWER 9 OK a.7\n");
    host_fini(&bed.host);
}

/* Would catch: an entry beside the start, the lead or the entry that the core has met meanwhile. */
static void what_the_core_has_met_decides(void **state)
{
    struct npri_activation living;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    host_get(&bed.host, 1, "ka", "f"); /* waits for it */
    assert_int_equal(tell_lives(&bed, 7), NPR_EREFUSED);
    assert_false(npri_core_lookup(bed.host.core, host_atom("ka"), &living));
    end_note(&bed, NPR_OK, "a.7");
    CHECK_TRACE(&bed.host, "MONITOR a.7\nANSWER 1 OK a.7\n");
    bed.noted = "ka"; /* once more: there is an entry */
    assert_int_equal(tell_lives(&bed, 8), NPR_EREFUSED);
    host_fini(&bed.host);

    bed_init(&bed);
    note(&bed, "ka");
    host_with_natives(&bed.host, "b");
    host_mark(&bed.host, "b");
    host_told(&bed.host, "b", "{push,7,100,[{ka,<b@h.5.0>,9}]}");
    assert_int_equal(tell_lives(&bed, 7), NPR_EREFUSED);
    host_fini(&bed.host);
}

/* Would catch: half an entry. */
static void without_memory_nothing_has_changed(void **state)
{
    struct npri_activation living;
    struct bed bed;
    npr_status status = NPR_ENOMEM;

    (void)state;
    bed_init(&bed);
    note(&bed, "ka");
    for (uint64_t left = 1; status == NPR_ENOMEM; left++) {
        npri_alloc_fail_after(left);
        status = tell_lives(&bed, 7);
        npri_alloc_fail_after(0);
        npri_core_check(bed.host.core);
    }
    assert_int_equal(status, NPR_OK);
    assert_true(npri_core_lookup(bed.host.core, host_atom("ka"), &living));
    host_fini(&bed.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_all_keys_may_be_started),
        cmocka_unit_test(among_natives_the_settled_owner_may),
        cmocka_unit_test(a_change_takes_it_back_until_the_fence),
        cmocka_unit_test(an_old_grant_starts_nothing_that_was_led_to),
        cmocka_unit_test(a_process_that_lives_has_its_entry_at_once),
        cmocka_unit_test(it_may_have_another_entry),
        cmocka_unit_test(what_the_core_has_met_decides),
        cmocka_unit_test(without_memory_nothing_has_changed),
        cmocka_unit_test(a_late_token_is_of_the_view_before),
        cmocka_unit_test(some_nodes_never_may),
        cmocka_unit_test(what_is_under_way_is_marked),
        cmocka_unit_test(what_is_restarted_is_marked),
        cmocka_unit_test(what_lives_elsewhere_is_marked),
        cmocka_unit_test(a_grab_is_a_start_in_flight),
        cmocka_unit_test(a_grab_becomes_an_entry),
        cmocka_unit_test(a_grab_that_fails_leaves_nothing),
        cmocka_unit_test(an_unregister_waits_for_a_grab),
        cmocka_unit_test(a_registration_waits_for_a_grab),
        cmocka_unit_test(without_memory_nothing_is_decided_beside_a_grab),
        cmocka_unit_test(a_grab_is_told_to_the_next_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
