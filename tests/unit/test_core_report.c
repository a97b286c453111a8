/* core/core.h, the queries for operators: where a key belongs, and whom an owner waits for. */
#include "core_host.h"
#include "core_host_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

static char *place_text(struct core_host *host, const char *key)
{
    struct npri_buffer buffer = {0};
    char *text;

    npri_core_put_place(host->core, host_atom(key), &buffer);
    text = npr_term_print(host_term_in(&buffer));
    npri_buffer_fini(&buffer);
    return text;
}

static void check_place(struct core_host *host, const char *key, const char *expected)
{
    char *text = place_text(host, key);

    assert_string_equal(text, expected);
    free(text);
}

/* The text of the status's `waits`; and `settled` says the same. */
static void check_waits(struct core_host *host, const char *expected)
{
    struct npri_buffer buffer = {0};
    struct npr_term value;
    struct npr_bytes text;

    npri_core_put_status(host->core, host->now_ns, &buffer);
    assert_true(npr_term_map_get(host_term_in(&buffer), "waits", &value));
    assert_true(npr_term_get_binary(value, &text));
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
    assert_true(npr_term_map_get(host_term_in(&buffer), "settled", &value));
    assert_true(npr_term_is_atom(value, text.size == 0 ? "true" : "false"));
    npri_buffer_fini(&buffer);
}

/* Would catch: an owner that is computed in another way than the core chooses one. */
static void a_place_names_the_owner_and_from_whom_it_is_chosen(void **state)
{
    struct core_host host;

    (void)state;
    host_init_settled(&host, "b c");
    check_place(&host, "kc",
                "#{index => 2,nodes => [a@h,b@h,c@h],owner => c@h,placement => original}");
    host_fini(&host);
}

/* The same as npri_core_owner(), which chooses. */
static void a_place_by_rendezvous_is_that_of_the_core(void **state)
{
    struct npri_core_options options = host_options("a");
    struct npr_node_name owner;
    struct core_host host;
    uint32_t index;

    (void)state;
    options.placement = NPR_PLACEMENT_RENDEZVOUS;
    host_init_with(&host, &options);
    host_with_natives(&host, "b c");
    for (int letter = 'a'; letter <= 'z'; letter++) {
        const char key[] = {'k', (char)letter, '\0'};
        char expected[160];

        npri_core_owner(host.core, host_atom(key), &owner, &index);
        (void)snprintf(expected, sizeof(expected),
                       "#{index => %u,nodes => [a@h,b@h,c@h],owner => %.*s,"
                       "placement => rendezvous}",
                       (unsigned)index, (int)owner.size, owner.text);
        check_place(&host, key, expected);
    }
    host_fini(&host);
}

/* A client is in no view of its own. */
static void without_nodes_there_is_no_owner(void **state)
{
    struct npri_core_options options = host_options("a");
    struct core_host host;

    (void)state;
    options.member = false;
    host_init_with(&host, &options);
    check_place(&host, "kc", "#{index => 0,nodes => [],owner => undefined,placement => original}");
    host_fini(&host);
}

/* Would catch: a node that is named although its marker is in; a text beside `settled`. */
static void who_is_not_settled_says_whom_it_waits_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    check_waits(&host, "this node waits for the entries of b@h, c@h");
    host_mark(&host, "c");
    check_waits(&host, "this node waits for the entries of b@h");
    host_mark(&host, "b");
    check_waits(&host, "");
    host_disconnected(&host, "b");
    check_waits(&host, "this node waits for b@h, to which it was connected or is to be");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_names_the_owner_and_from_whom_it_is_chosen),
        cmocka_unit_test(a_place_by_rendezvous_is_that_of_the_core),
        cmocka_unit_test(without_nodes_there_is_no_owner),
        cmocka_unit_test(who_is_not_settled_says_whom_it_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
