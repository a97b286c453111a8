/* nprocreg/registry.h: keys, their processes and entries. */
#include "counters.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A key that is started on one node is found, not started again, on every other. */
static void a_key_is_one_process_everywhere(void **state)
{
    size_t per_node[NODES_MAX] = {0};

    (void)state;
    counters_start(3);
    for (int64_t key = 0; key < 60; key++) {
        struct npr_found first;
        struct npr_found again;
        struct npr_node_name name;

        assert_int_equal(counters_get(nodes[key % 3], key, false, &first), NPR_ENOTFOUND);
        assert_int_equal(counters_get(nodes[key % 3], key, true, &first), NPR_OK);
        assert_true(first.started);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(counters_get(nodes[i], key, i == 1, &again), NPR_OK);
            assert_false(again.started);
            assert_true(npr_pid_equal(&first.pid, &again.pid));
            npr_node_name(nodes[i], &name);
            per_node[i] += npr_node_name_equal(&name, &first.pid.node) ? 1 : 0;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(per_node[i], 5, 50); /* The work is spread. */
    }
}

/* ---- Races. */

#define RACE_KEYS    200
#define RACE_THREADS 6

struct racer {
    pthread_t thread;
    struct npr_node *node;
    npr_status worst;
    struct npr_found found[RACE_KEYS];
};

static void *race(void *user)
{
    struct racer *racer = user;

    for (int64_t key = 0; key < RACE_KEYS; key++) {
        npr_status status = counters_get(racer->node, 1000 + key, true, &racer->found[key]);

        if (status != NPR_OK) {
            racer->worst = status;
        }
    }
    return NULL;
}

/* Catches a start without a second look, an owner that two nodes see differently, and a `started`
 * that more than one caller gets. */
static void a_race_for_fresh_keys_starts_one_process_each(void **state)
{
    static struct racer racers[RACE_THREADS];

    (void)state;
    counters_start(3);
    for (size_t i = 0; i < RACE_THREADS; i++) {
        racers[i] = (struct racer){.node = nodes[i % 3]};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACE_THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
    }
    for (size_t key = 0; key < RACE_KEYS; key++) {
        unsigned started = 0;

        for (size_t i = 0; i < RACE_THREADS; i++) {
            assert_int_equal(racers[i].worst, NPR_OK);
            assert_true(npr_pid_equal(&racers[0].found[key].pid, &racers[i].found[key].pid));
            started += racers[i].found[key].started ? 1 : 0;
        }
        assert_int_equal(started, 1);
    }
    assert_int_equal(atomic_load(&counters_alive), RACE_KEYS);
}

/* ---- Entries. */

/* A process under two keys, one of them in another node's table: its death removes both. */
static void a_death_removes_all_entries_of_the_process(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term key = counters_atom(builder, "second_name");
    struct npr_found found;
    struct npr_found again;
    struct npr_address to = {0};

    (void)state;
    counters_start(2);
    assert_int_equal(counters_get(nodes[0], 1, true, &found), NPR_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(npr_register(nodes[i], key, &found.pid, NULL), NPR_OK);
    }
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &again, NULL), NPR_OK);
    assert_true(npr_pid_equal(&found.pid, &again.pid));
    to.pid = found.pid;
    assert_int_equal(counters_call(nodes[1], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
    counters_wait_until_gone(nodes[0], key);
    counters_wait_until_gone(nodes[1], key);
    assert_int_equal(counters_get(nodes[0], 1, true, &again), NPR_OK);
    assert_true(again.started);
    npr_builder_destroy(builder);
    npr_builder_destroy(reply);
}

/* A call that fails because the process ended is told so by a monitor.  Would catch: a monitor that
 * fires while the key still leads to the dead process. */
static void an_entry_is_gone_before_its_down_is_seen(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {0};
    struct npr_found found;
    struct npr_found again;

    (void)state;
    counters_start(1);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(counters_get(nodes[0], 1, true, &found), NPR_OK);
        assert_true(found.started);
        to.pid = found.pid;
        assert_int_equal(counters_call(nodes[0], &to, "stop", TIMEOUT_MS, reply), NPR_EEXIT);
        npr_builder_reset(reply);
        assert_int_equal(counters_get(nodes[0], 1, false, &again), NPR_ENOTFOUND);
    }
    npr_builder_destroy(reply);
}

static void an_entry_can_be_taken_out(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term key = counters_atom(builder, "a_name");
    struct npr_found found;

    (void)state;
    counters_start(2);
    assert_int_equal(counters_get(nodes[0], 1, true, &found), NPR_OK);
    assert_int_equal(npr_register(nodes[0], key, &found.pid, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_OK);
    assert_int_equal(npr_unregister(nodes[0], key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[1], key, NULL, NULL, TIMEOUT_MS, &found, NULL),
                     NPR_ENOTFOUND);
    npr_builder_destroy(builder);
}

/* What the owner cannot start is refused, and says why, whoever asks. */
static void a_start_that_fails_says_why(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_found found;
    struct npr_error err;

    (void)state;
    counters_start(2);
    for (int64_t i = 0; i < 8; i++) {
        struct npr_term key;

        npr_builder_reset(builder);
        npr_build_int(builder, i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(
            npr_get_pid(nodes[i % 2], key, "counter", "nothing", TIMEOUT_MS, &found, &err),
            NPR_EREFUSED);
        assert_non_null(strstr(err.text, "export"));
        assert_int_equal(
            npr_get_pid(nodes[i % 2], key, "counter", "fail", TIMEOUT_MS, &found, &err),
            NPR_EREFUSED);
        assert_non_null(strstr(err.text, "counter:fail/0"));
        assert_non_null(strstr(err.text, "erefused"));
    }
    npr_builder_destroy(builder);
}

static npr_status start_with(struct npr_node *node,
                             int64_t key_number,
                             const char *args_text,
                             struct npr_pid *out)
{
    struct npr_builder *builders[2] = {npr_builder_create(), npr_builder_create()};
    struct npr_start start = {.module = "counter", .function = "start"};
    struct npr_found found = {0};
    struct npr_term key;
    npr_status status;

    npr_build_int(builders[0], key_number);
    assert_int_equal(npr_builder_finish(builders[0], &key, NULL), NPR_OK);
    assert_int_equal(npr_term_parse(npr_bytes_of(args_text), builders[1], NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(builders[1], &start.arguments, NULL), NPR_OK);
    status = npr_get_or_start(node, key, &start, TIMEOUT_MS, &found, NULL);
    *out = found.pid;
    npr_builder_destroy(builders[0]);
    npr_builder_destroy(builders[1]);
    return status;
}

/* Arguments must reach the init wherever the key belongs, small numbers (which are a string on the
 * wire) and large ones; those of whoever comes second must not count. */
static void a_start_takes_arguments_along(void **state)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_builder *any = npr_builder_create();
    struct npr_address to = {0};
    struct npr_pid again;
    struct npr_term request;
    struct npr_term answer;
    int64_t total;

    (void)state;
    counters_start(3);
    npr_build_atom(any, "add one");
    assert_int_equal(npr_builder_finish(any, &request, NULL), NPR_OK);
    for (int64_t i = 0; i < 12; i++) {
        const bool small = i % 2 == 0;

        assert_int_equal(start_with(nodes[i % 3], i, small ? "[1,2]" : "[1000,2000]", &to.pid),
                         NPR_OK);
        assert_int_equal(start_with(nodes[(i + 1) % 3], i, "[7,7]", &again), NPR_OK);
        assert_true(npr_pid_equal(&to.pid, &again));
        npr_builder_reset(reply);
        assert_int_equal(npr_node_call(nodes[0], &to, request, TIMEOUT_MS, reply, NULL), NPR_OK);
        assert_int_equal(npr_builder_finish(reply, &answer, NULL), NPR_OK);
        assert_true(npr_term_get_int64(answer, &total));
        assert_int_equal(total, small ? 4 : 3001);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "[1]", &again), NPR_EREFUSED);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "[1|2]", &again), NPR_EINVAL);
        assert_int_equal(start_with(nodes[i % 3], 100 + i, "{1,2}", &again), NPR_EINVAL);
    }
    npr_builder_destroy(reply);
    npr_builder_destroy(any);
}

static void a_key_that_cannot_be_placed_is_refused(void **state)
{
    static uint8_t large[70000];
    struct npr_builder *builder = npr_builder_create();
    struct npr_found found;
    struct npr_term key;

    (void)state;
    counters_start(1);
    npr_build_binary(builder, (struct npr_bytes){.data = large, .size = sizeof(large)});
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[0], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_EINVAL);
    npr_builder_reset(builder);
    npr_build_map(builder, 33);
    for (int64_t i = 0; i < 33; i++) {
        npr_build_int(builder, i);
        npr_build_int(builder, i);
    }
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_get_pid(nodes[0], key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_EINVAL);
    npr_builder_destroy(builder);
}

/* ---- Placement without a cluster. */

static void a_key_is_placed_as_the_original_places_it(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_node_name names[3];
    struct npr_node_name owner;
    struct npr_term key;
    uint8_t md5[16];
    size_t index;

    (void)state;
    assert_int_equal(npr_node_name_parse(npr_bytes_of("c@h"), &names[0], NULL), NPR_OK);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@h"), &names[1], NULL), NPR_OK);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("b@h"), &names[2], NULL), NPR_OK);
    npr_build_int(builder, 1);
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 3, md5, &index, &owner, NULL), NPR_OK);
    /* erl: <<H:128>> = erlang:md5(term_to_binary(1)), H rem 3. */
    assert_int_equal(index, 0);
    assert_memory_equal(owner.text, "a@h", 3);
    names[2] = names[1];
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 3, md5, &index, &owner, NULL), NPR_EINVAL);
    assert_int_equal(npr_place(key, NPR_OTP_25, names, 0, md5, &index, &owner, NULL), NPR_EINVAL);
    npr_builder_destroy(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_is_one_process_everywhere, nodes_stop),
        cmocka_unit_test_teardown(a_race_for_fresh_keys_starts_one_process_each, nodes_stop),
        cmocka_unit_test_teardown(a_death_removes_all_entries_of_the_process, nodes_stop),
        cmocka_unit_test_teardown(an_entry_is_gone_before_its_down_is_seen, nodes_stop),
        cmocka_unit_test_teardown(an_entry_can_be_taken_out, nodes_stop),
        cmocka_unit_test_teardown(a_start_that_fails_says_why, nodes_stop),
        cmocka_unit_test_teardown(a_start_takes_arguments_along, nodes_stop),
        cmocka_unit_test_teardown(a_key_that_cannot_be_placed_is_refused, nodes_stop),
        cmocka_unit_test_teardown(a_key_is_placed_as_the_original_places_it, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_keys", tests, NULL, NULL);
}
