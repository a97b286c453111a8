/* core/links.h: views that overlap, and the lists of links that part them.  (core/cliques.h, which
 * says how, has test_core_cliques.c.) */
#include "core_host_views.h"

#include "support/check.h"

/* Three nodes, two of which cannot reach each other: all three part alike, and the two that stay
 * together are agreed.  Would catch: views that overlap for ever; a middle that follows both. */
static void views_that_overlap_are_parted(void **state)
{
    struct npri_told_view view;
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    view = host.view;
    view.ack = 0;
    view.epoch = 20;
    view.view_hash = 1; /* b has lost c */
    view.sees_hash = 1;
    host_told_view(&host, "b", &view);
    view.view_hash = 2; /* and c b */
    view.sees_hash = 2;
    host_told_view(&host, "c", &view);
    assert_false(agreed(&host));
    host_pass(&host, 300 * MS);
    host_told(&host, "b", "{links,'b@h',1,1,[{'a@h',1}]}");
    host_told(&host, "c", "{links,'c@h',1,1,[{'a@h',1}]}");
    host_pass(&host, TIMEOUT - 200 * MS);
    CHECK_VIEW(&host, "a b c");
    host_pass(&host, 1000 * MS);
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 21);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* A newcomer is in a view with b, and has met c, which sees others: it is not agreed with b alone
 * before the graph has been parted, and then it is.  Would catch: one that waits for ever. */
static void a_newcomer_goes_on_when_it_was_parted(void **state)
{
    struct npri_told_view view;
    struct core_host host;

    (void)state;
    host_init(&host);
    connect_native(&host, "b");
    agrees(&host, "b", 1);
    connect_native(&host, "c");
    view = host.view;
    view.ack = 0;
    view.sees_hash = 1; /* somebody whom neither a nor b sees */
    host_told_view(&host, "c", &view);
    agrees(&host, "b", 2);
    host_pass(&host, 300 * MS);
    host_told(&host, "b", "{links,'b@h',1,1,[{'a@h',1}]}");
    host_told(&host, "c", "{links,'c@h',1,1,[{'a@h',1},{'d@h',1}]}");
    host_pass(&host, TIMEOUT);
    CHECK_VIEW(&host, "a b");
    assert_false(agreed(&host));
    host_pass(&host, 1000 * MS);
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 3);
    assert_int_equal(host.view.ack, 3);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* A list goes on to those whom its origin does not reach, once.  Would catch: lists that go round
 * and round, or nowhere. */
static void lists_are_passed_on_once(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host.views = true;
    host_told(&host, "b", "{links,'d@h',1,5,[{'b@h',1}]}");
    CHECK_TRACE(&host, "TELL c {links,d@h,1,5,[{b@h,1}]}\n");
    host_told(&host, "c", "{links,'d@h',1,5,[{'b@h',1}]}");
    CHECK_TRACE(&host, "");
    host_told(&host, "c", "{links,'d@h',1,4,[]}"); /* an older one */
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{links,'d@h',1,6,[{'b@h',1},{'c@h',1},{'e@h',1}]}");
    CHECK_TRACE(&host, "CONNECT e\n"); /* c has it from d; and nobody had told us of e */
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_that_overlap_are_parted),
        cmocka_unit_test(a_newcomer_goes_on_when_it_was_parted),
        cmocka_unit_test(lists_are_passed_on_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
