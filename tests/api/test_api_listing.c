/* nprocreg/keys.h: listing and counting, of this node, of another, of the cluster. */
#include "api_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

static const struct npr_behaviour behaviour = {.struct_size = sizeof(struct npr_behaviour)};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &behaviour},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "idle",
    .functions = functions,
    .functions_count = 1,
};

static struct npr_pid start_one(struct npr_node *node, const char *key)
{
    struct npr_found found = {0};

    assert_int_equal(nodes_get(node, nodes_term(key), "idle", "start", &found), NPR_OK);
    return found.pid;
}

static void put(struct npr_node *node, const char *key, const struct npr_pid *pid)
{
    assert_int_equal(npr_register(node, nodes_term(key), pid, NULL), NPR_OK);
}

/* ---- What was listed, as sorted text. */

#define LISTED_MAX 32

struct listed {
    size_t count;
    size_t stop_at; /* 0: never */
    char keys[LISTED_MAX][32];
    struct npr_pid pid;
};

static bool note(void *user, const struct npr_entry *entry)
{
    struct listed *listed = user;
    char *text = npr_term_print(entry->key);
    size_t at = listed->count;

    if (text != NULL && at < LISTED_MAX) {
        while (at > 0 && strcmp(listed->keys[at - 1], text) > 0) {
            memcpy(listed->keys[at], listed->keys[at - 1], sizeof(listed->keys[at]));
            at--;
        }
        (void)snprintf(listed->keys[at], sizeof(listed->keys[at]), "%s", text);
        listed->count++;
    }
    listed->pid = entry->pid;
    free(text);
    return listed->count != listed->stop_at;
}

/* The keys are exactly `expected`, sorted and with a space after each; and so many. */
static void expect_keys(struct npr_node *node, struct npr_query query, const char *expected)
{
    struct listed listed = {0};
    struct npr_error err = {0};
    char text[LISTED_MAX * 33] = "";
    size_t used = 0;
    uint64_t count = 0;

    query.timeout_ms = TIMEOUT_MS;
    if (npr_keys(node, &query, note, &listed, &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < listed.count; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", listed.keys[i]);
    }
    assert_string_equal(text, expected);
    assert_int_equal(npr_count(node, &query, &count, &err), NPR_OK);
    assert_int_equal(count, listed.count);
}

/* Each selector in each scope, from every node, itself among them. */
static void keys_are_listed_by_selector_and_scope(void **state)
{
    struct npr_node_name names[2];
    struct npr_pid pid;

    (void)state;
    nodes_start(2, &module);
    npr_node_name(nodes[0], &names[0]);
    npr_node_name(nodes[1], &names[1]);
    pid = start_one(nodes[0], "first");
    assert_int_equal(npr_unregister(nodes[0], nodes_term("first"), NULL), NPR_OK);
    assert_int_equal(npr_unregister(nodes[1], nodes_term("first"), NULL), NPR_OK);
    put(nodes[0], "{room,1}", &pid);
    put(nodes[0], "{hall,1}", &pid);
    put(nodes[1], "{room,2}", &pid);
    put(nodes[1], "<<\"room 3\">>", &pid);
    for (size_t i = 0; i < 2; i++) {
        const struct npr_selector rooms = npr_select_prefix(nodes_term("{room}"));
        const struct npr_selector binaries = npr_select_prefix(nodes_term("<<\"room\">>"));

        expect_keys(nodes[i], (struct npr_query){.node = &names[0]}, "{hall,1} {room,1} ");
        expect_keys(nodes[i], (struct npr_query){.node = &names[1]}, "<<\"room 3\">> {room,2} ");
        expect_keys(nodes[i], (struct npr_query){.selector = npr_select_all()},
                    "<<\"room 3\">> {hall,1} {room,1} {room,2} ");
        expect_keys(nodes[i], (struct npr_query){.selector = rooms}, "{room,1} {room,2} ");
        expect_keys(nodes[i], (struct npr_query){.selector = rooms, .node = &names[1]},
                    "{room,2} ");
        expect_keys(nodes[i], (struct npr_query){.selector = binaries}, "<<\"room 3\">> ");
        expect_keys(nodes[i], (struct npr_query){.selector = npr_select_match("{_,1}")},
                    "{hall,1} {room,1} ");
        expect_keys(nodes[i],
                    (struct npr_query){.selector = npr_select_key(nodes_term("{room,2}"))},
                    "{room,2} ");
        expect_keys(nodes[i], (struct npr_query){.selector = npr_select_key(nodes_term("none"))},
                    "");
    }
}

/* A client has no entries of its own, and lists those of the others. */
static void a_client_lists_the_others(void **state)
{
    struct npr_node_options options;
    struct npr_node_name names[2];
    struct npr_error err;
    char join[64];

    (void)state;
    nodes_start(1, &module);
    (void)start_one(nodes[0], "{room,1}");
    options = nodes_options("client@127.0.0.1", NULL);
    options.client = true;
    options.listen = NULL;
    assert_int_equal(npr_node_start(&options, &nodes[2], &err), NPR_OK);
    (void)snprintf(join, sizeof(join), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    assert_int_equal(npr_node_connect(nodes[2], join, TIMEOUT_MS, &err), NPR_OK);
    npr_node_name(nodes[0], &names[0]);
    npr_node_name(nodes[2], &names[1]);
    expect_keys(nodes[2], (struct npr_query){.node = &names[0]}, "{room,1} ");
    expect_keys(nodes[2], (struct npr_query){.node = &names[1]}, "");
}

static void a_listing_ends_when_it_is_told(void **state)
{
    struct npr_query query = {.timeout_ms = TIMEOUT_MS, .limit = 3};
    struct listed listed = {0};
    struct npr_pid pid;
    char key[16];

    (void)state;
    nodes_start(2, &module);
    pid = start_one(nodes[0], "first");
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(key, sizeof(key), "{k,%u}", i);
        put(nodes[i % 2], key, &pid);
    }
    assert_int_equal(npr_keys(nodes[0], &query, note, &listed, NULL), NPR_OK);
    assert_int_equal(listed.count, 3);
    query.limit = 0;
    listed = (struct listed){.stop_at = 5};
    assert_int_equal(npr_keys(nodes[0], &query, note, &listed, NULL), NPR_OK);
    assert_int_equal(listed.count, 5);
}

/* ---- Many. */

#define MANY 30000

static uint8_t times[MANY];

static bool note_number(void *user, const struct npr_entry *entry)
{
    uint32_t number = MANY;

    (void)user;
    if (NPR_MATCH(entry->key, "{many,~u}", &number) && number < MANY) {
        times[number]++;
    }
    return true;
}

/* Over many parts, from another node: each once. */
static void many_keys_come_in_parts(void **state)
{
    struct npr_query query = {.timeout_ms = 20000};
    struct npr_builder *builder = npr_builder_create();
    struct npr_node_name name;
    struct npr_term key;
    struct npr_pid pid;
    uint64_t count = 0;

    (void)state;
    memset(times, 0, sizeof(times));
    nodes_start(2, &module);
    pid = start_one(nodes[0], "first");
    for (uint32_t i = 0; i < MANY; i++) {
        npr_builder_reset(builder);
        NPR_BUILD(builder, "{many,~u}", i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(npr_register(nodes[0], key, &pid, NULL), NPR_OK);
    }
    npr_node_name(nodes[0], &name);
    query.node = &name;
    query.selector = npr_select_prefix(nodes_term("{many}"));
    assert_int_equal(npr_keys(nodes[1], &query, note_number, NULL, NULL), NPR_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(times[i], 1);
    }
    assert_int_equal(npr_count(nodes[1], &query, &count, NULL), NPR_OK);
    assert_int_equal(count, MANY);
    npr_builder_destroy(builder);
}

/* ---- Failing. */

static void expect_failure(struct npr_query query, npr_status expected, const char *word)
{
    struct listed listed = {0};
    struct npr_error err = {0};
    uint64_t count = 77;

    query.timeout_ms = 500;
    assert_int_equal(npr_keys(nodes[0], &query, note, &listed, &err), expected);
    assert_non_null(strstr(err.text, word));
    assert_int_equal(npr_count(nodes[0], &query, &count, &err), expected);
    assert_int_equal(count, 77);
}

static void what_cannot_be_listed_is_said(void **state)
{
    const struct npr_selector any = {.kind = (enum npr_selector_kind)9};
    static char long_pattern[2000];
    struct npr_query query = {0};
    struct npr_node_name name;
    struct listed listed = {0};

    (void)state;
    memset(long_pattern, '_', sizeof(long_pattern) - 1);
    nodes_start(1, &module);
    expect_failure((struct npr_query){.selector = any}, NPR_EINVAL, "selector");
    expect_failure((struct npr_query){.selector = npr_select_match(NULL)}, NPR_EINVAL, "pattern");
    expect_failure((struct npr_query){.selector = npr_select_match("{a,")}, NPR_EINVAL, "pattern");
    expect_failure((struct npr_query){.selector = npr_select_match("{~i}")}, NPR_EINVAL, "pattern");
    expect_failure((struct npr_query){.selector = npr_select_match(long_pattern)}, NPR_EFULL,
                   "1024");
    expect_failure((struct npr_query){.selector = npr_select_prefix(nodes_term("room"))},
                   NPR_EINVAL, "prefix");
    expect_failure((struct npr_query){.selector = npr_select_key((struct npr_term){0})}, NPR_EINVAL,
                   "no key");
    assert_int_equal(npr_node_name_parse(npr_bytes_of("gone@127.0.0.1"), &name, NULL), NPR_OK);
    assert_int_equal(npr_node_connect(nodes[0], "gone@127.0.0.1:1", TIMEOUT_MS, NULL),
                     NPR_EUNREACHABLE); /* Nobody listens there. */
    expect_failure((struct npr_query){.node = &name}, NPR_EUNREACHABLE, "gone@127.0.0.1");
    assert_int_equal(npr_keys(NULL, &query, note, &listed, NULL), NPR_EINVAL);
    assert_int_equal(npr_keys(nodes[0], NULL, note, &listed, NULL), NPR_EINVAL);
    assert_int_equal(npr_keys(nodes[0], &query, NULL, &listed, NULL), NPR_EINVAL);
    assert_int_equal(npr_count(nodes[0], &query, NULL, NULL), NPR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(keys_are_listed_by_selector_and_scope, nodes_stop),
        cmocka_unit_test_teardown(a_client_lists_the_others, nodes_stop),
        cmocka_unit_test_teardown(a_listing_ends_when_it_is_told, nodes_stop),
        cmocka_unit_test_teardown(many_keys_come_in_parts, nodes_stop),
        cmocka_unit_test_teardown(what_cannot_be_listed_is_said, nodes_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
