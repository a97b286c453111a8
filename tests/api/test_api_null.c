/* Every public function with NULL, or no term, in the place of each thing that it needs: it must
 * say so (include/nprocreg/error.h, "Misuse"), and leave what it was to fill as it was. */
#include "counters.h"

#include <stdlib.h>
#include <string.h>

#include "nprocreg/thread.h"
#include "nprocreg/watch.h"

static const struct npr_term no_term = {0};

#define EINVAL_IS(call) assert_int_equal((call), NPR_EINVAL)

/* ---- types.h, error.h, module.h. */

static void values(void **state)
{
    const struct npr_bytes no_bytes = {.size = 3};
    const struct npr_module *module = NULL;
    struct npr_command *command = NULL;
    struct npr_node_name name = {.size = 1};
    struct npr_pid pid = {.id = 1};
    struct npr_ref ref = {.creation = 1};

    (void)state;
    assert_int_equal(npr_bytes_of(NULL).size, 0);
    assert_false(npr_pid_equal(NULL, &pid));
    assert_false(npr_pid_equal(&pid, NULL));
    assert_false(npr_ref_equal(NULL, &ref));
    assert_false(npr_ref_equal(&ref, NULL));
    assert_false(npr_node_name_equal(NULL, &name));
    assert_false(npr_node_name_equal(&name, NULL));
    EINVAL_IS(npr_node_name_parse(npr_bytes_of("a@h"), NULL, NULL));
    EINVAL_IS(npr_node_name_parse(no_bytes, &name, NULL));
    assert_int_equal(name.size, 1);
    assert_string_equal(npr_status_text((npr_status)-999), "unknown status");
    assert_string_equal(npr_status_name((npr_status)7), "EUNKNOWN");
    EINVAL_IS(npr_command_parse(NULL, &command, NULL));
    EINVAL_IS(npr_command_parse("m:f=true", NULL, NULL));
    assert_null(command);
    npr_command_destroy(NULL);
    EINVAL_IS(npr_module_load(NULL, &module, NULL));
    EINVAL_IS(npr_module_load("libm.so.6", NULL, NULL));
}

/* ---- term.h: builders. */

static void builders(void **state)
{
    const struct npr_value none[] = {{.kind = NPR_VALUE_END}};
    const struct npr_bytes no_bytes = {.size = 3};
    const struct npr_pid pid = {.node = {.size = 3, .text = "a@h"}};
    struct npr_term term = {.size = 77};
    struct npr_error err = {0};

    (void)state;
    npr_builder_destroy(NULL);
    npr_builder_reset(NULL);
    npr_build_int(NULL, 1);
    npr_build_uint(NULL, 1);
    npr_build_double(NULL, 1);
    npr_build_atom(NULL, "a");
    npr_build_atom_bytes(NULL, npr_bytes_of("a"));
    npr_build_binary(NULL, npr_bytes_of("a"));
    npr_build_text(NULL, "a");
    npr_build_string(NULL, "a");
    npr_build_pid(NULL, &pid);
    npr_build_ref(NULL, NULL);
    npr_build_export(NULL, "m", "f", 0);
    npr_build_tuple(NULL, 1);
    npr_build_list(NULL, 1);
    npr_build_nil(NULL);
    npr_build_map(NULL, 1);
    npr_build_term(NULL, no_term);
    npr_build_format(NULL, "{}", none);
    NPR_BUILD(NULL, "{a,~i}", 1);
    EINVAL_IS(npr_builder_finish(NULL, &term, &err));
    EINVAL_IS(err.status);
    EINVAL_IS(npr_term_decode(npr_bytes_of("\203j"), NULL, &err));
    EINVAL_IS(npr_term_parse(npr_bytes_of("a"), NULL, &err));
    EINVAL_IS(npr_term_from_json(npr_bytes_of("1"), NULL, &err));
    assert_int_equal(term.size, 77);

    for (unsigned wrong = 0; wrong < 13; wrong++) {
        struct npr_builder *builder = npr_builder_create();

        switch (wrong) {
        case 0:
            npr_build_atom(builder, NULL);
            break;
        case 1:
            npr_build_atom_bytes(builder, no_bytes);
            break;
        case 2:
            npr_build_binary(builder, no_bytes);
            break;
        case 3:
            npr_build_text(builder, NULL);
            break;
        case 4:
            npr_build_string(builder, NULL);
            break;
        case 5:
            npr_build_pid(builder, NULL);
            break;
        case 6:
            npr_build_ref(builder, NULL);
            break;
        case 7:
            npr_build_export(builder, NULL, "f", 0);
            break;
        case 8:
            npr_build_export(builder, "m", NULL, 0);
            break;
        case 9:
            npr_build_term(builder, no_term);
            break;
        case 10:
            npr_build_format(builder, NULL, none);
            break;
        case 11:
            npr_build_format(builder, "a", NULL);
            break;
        default:
            NPR_BUILD(builder, "{~a,~p}", (const char *)NULL, (const struct npr_pid *)NULL);
            break;
        }
        EINVAL_IS(npr_builder_finish(builder, &term, &err));
        assert_int_equal(term.size, 77);
        npr_builder_reset(builder);
        npr_build_int(builder, 1); /* as good as new */
        EINVAL_IS(npr_builder_finish(builder, NULL, &err));
        npr_builder_destroy(builder);
    }
}

static void no_bytes_to_read(void **state)
{
    const struct npr_bytes no_bytes = {.size = 3};
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;

    (void)state;
    EINVAL_IS(npr_term_decode(no_bytes, builder, NULL));
    EINVAL_IS(npr_term_parse(no_bytes, builder, NULL));
    EINVAL_IS(npr_term_from_json(no_bytes, builder, NULL));
    assert_int_not_equal(npr_term_decode((struct npr_bytes){0}, builder, NULL), NPR_OK);
    assert_int_not_equal(npr_term_parse((struct npr_bytes){0}, builder, NULL), NPR_OK);
    assert_int_not_equal(npr_term_from_json((struct npr_bytes){0}, builder, NULL), NPR_OK);
    npr_build_int(builder, 1);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    npr_builder_destroy(builder);
}

/* ---- term.h: taking apart. */

/* Each reader of a term, with nowhere to put what it finds. */
static void take_apart_into_nothing(struct npr_term term)
{
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_bytes bytes;
    uint32_t count;

    assert_false(npr_term_get_int64(term, NULL));
    assert_false(npr_term_get_uint64(term, NULL));
    assert_false(npr_term_get_double(term, NULL));
    assert_false(npr_term_get_atom(term, NULL));
    assert_false(npr_term_get_binary(term, NULL));
    assert_false(npr_term_get_pid(term, NULL));
    assert_false(npr_term_get_ref(term, NULL));
    assert_false(npr_term_get_export(term, NULL, &bytes, &count));
    assert_false(npr_term_get_export(term, &bytes, NULL, &count));
    assert_false(npr_term_get_export(term, &bytes, &bytes, NULL));
    assert_false(npr_term_is_atom(term, NULL));
    assert_false(npr_term_tuple(term, NULL, &count));
    assert_false(npr_term_tuple(term, &walk, NULL));
    assert_false(npr_term_list(term, NULL));
    assert_false(npr_term_map(term, NULL, &count));
    assert_false(npr_term_map(term, &walk, NULL));
    assert_false(npr_term_get_tuple(term, 2, NULL));
    assert_false(npr_term_map_get(term, "a", NULL));
    assert_false(npr_term_map_get(term, NULL, &item));
    EINVAL_IS(npr_term_match(term, NULL, NULL, NULL));
    EINVAL_IS(npr_term_match(term, "_", NULL, NULL));
    if (npr_term_list(term, &walk)) {
        assert_false(npr_term_next(&walk, NULL));
        while (npr_term_next(&walk, &item)) {
        }
        assert_false(npr_term_tail(&walk, NULL));
    }
}

static void readers(void **state)
{
    static const char *const texts[] = {"1",         "-7",       "123456789012345678901",
                                        "1.5",       "a",        "''",
                                        "{}",        "{a,b}",    "[]",
                                        "[1,2]",     "[a|b]",    "#{a => 1}",
                                        "#{}",       "<<1>>",    "<<1:3>>",
                                        "fun m:f/1", "<a@h.1.2>"};
    struct npr_term_walk walk = {0};
    struct npr_term item;
    uint8_t *encoded = NULL;
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        take_apart_into_nothing(nodes_term(texts[i]));
    }
    take_apart_into_nothing(no_term);
    assert_int_equal(npr_term_kind(no_term), NPR_TERM_NONE);
    assert_false(npr_term_next(NULL, &item));
    assert_false(npr_term_next(&walk, &item));
    assert_false(npr_term_tail(NULL, &item));
    assert_false(npr_term_tail(&walk, &item));
    assert_true(npr_term_equal(no_term, no_term));
    assert_false(npr_term_equal(no_term, nodes_term("a")));
    assert_int_equal(npr_term_compare(no_term, no_term), 0);
    assert_true(npr_term_compare(no_term, nodes_term("a")) < 0);
    (void)npr_term_hash(no_term);
    assert_false(NPR_MATCH(no_term, "a"));
    assert_null(npr_term_print(no_term));
    assert_null(npr_term_to_json(no_term));
    EINVAL_IS(npr_term_encode(no_term, NPR_OTP_26, &encoded, &size));
    EINVAL_IS(npr_term_encode(nodes_term("a"), NPR_OTP_26, NULL, &size));
    EINVAL_IS(npr_term_encode(nodes_term("a"), NPR_OTP_26, &encoded, NULL));
    assert_null(encoded);
    (void)nodes_stop(state);
}

/* ---- node.h, inspect.h. */

static void see(void *user, const struct npr_process_info *info)
{
    (void)user;
    (void)info;
}

/* The functions of a node, called with `node` (or none), and with the rest missing in turn. */
static void node_functions(struct npr_node *node)
{
    const struct npr_address nowhere = {0};
    const struct npr_address unnamed = {.name = "x"};
    struct npr_address to = {.pid = {.node = {.size = 11, .text = "z@127.0.0.1"}, .id = 1}};
    struct npr_process_info info = {.struct_size = sizeof(info)};
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = nodes_term("[]");
    struct npr_node *none = NULL;
    struct npr_pid pid;

    EINVAL_IS(npr_node_connect(node, NULL, 100, NULL));
    EINVAL_IS(npr_node_complete_pid(node, NULL, 100, NULL));
    EINVAL_IS(npr_node_send(node, NULL, term));
    EINVAL_IS(npr_node_send(node, &nowhere, term));
    EINVAL_IS(npr_node_send(node, &unnamed, term));
    EINVAL_IS(npr_node_send(node, &to, no_term));
    EINVAL_IS(npr_node_cast(node, NULL, term));
    EINVAL_IS(npr_node_cast(node, &nowhere, term));
    EINVAL_IS(npr_node_cast(node, &to, no_term));
    EINVAL_IS(npr_node_exit(node, NULL, term));
    EINVAL_IS(npr_node_exit(node, &nowhere.pid, term));
    EINVAL_IS(npr_node_exit(node, &to.pid, no_term));
    EINVAL_IS(npr_node_call(node, NULL, term, 100, reply, NULL));
    EINVAL_IS(npr_node_call(node, &nowhere, term, 100, reply, NULL));
    EINVAL_IS(npr_node_call(node, &to, no_term, 100, reply, NULL));
    EINVAL_IS(npr_node_call(node, &to, term, 100, NULL, NULL));
    EINVAL_IS(npr_node_rpc(node, NULL, "m", "f", term, 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(node, &to.pid.node, NULL, "f", term, 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(node, &to.pid.node, "m", NULL, term, 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(node, &to.pid.node, "m", "f", no_term, 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(node, &to.pid.node, "m", "f", term, 100, NULL, NULL));
    EINVAL_IS(npr_node_spawn(node, NULL, &pid, NULL));
    EINVAL_IS(npr_node_spawn(node, &(struct npr_spawn){.function = "f"}, &pid, NULL));
    EINVAL_IS(npr_node_processes(node, NPR_FIGURE_PID, 0, NULL, NULL));
    EINVAL_IS(npr_node_processes(node, (enum npr_figure)99, 0, see, NULL));
    EINVAL_IS(npr_node_process_info(node, NULL, &info));
    EINVAL_IS(npr_node_register_name(node, NULL, &to.pid));
    EINVAL_IS(npr_node_register_name(node, "name", NULL));
    EINVAL_IS(npr_node_unregister_name(node, NULL));
    EINVAL_IS(npr_node_whereis(node, NULL, &pid));
    EINVAL_IS(npr_node_whereis(node, "nprocreg", NULL));
    EINVAL_IS(npr_node_reply(node, NULL, term));
    EINVAL_IS(npr_node_reply(node, &(struct npr_from){.pid = term, .tag = term}, term));
    EINVAL_IS(npr_node_process_info(node, &to.pid, NULL));

    /* Names that cannot be. */
    memset(to.pid.node.text, 0xff, 3);
    EINVAL_IS(npr_node_send(node, &to, term));
    EINVAL_IS(npr_node_exit(node, &to.pid, term));
    EINVAL_IS(npr_node_call(node, &to, term, 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(node, &to.pid.node, "m", "f", term, 100, reply, NULL));

    EINVAL_IS(npr_node_start(NULL, &none, NULL));
    npr_builder_destroy(reply);
}

static void node_pointers(void **state)
{
    const struct npr_address to = {.pid = {.node = {.size = 11, .text = "a@127.0.0.1"}, .id = 1}};
    const struct npr_node_options options = counters_options("b@127.0.0.1");
    struct npr_process_info info = {.struct_size = sizeof(info)};
    struct npr_builder *reply = npr_builder_create();
    struct npr_pid pid = to.pid;
    struct npr_node_name name;

    (void)state;
    counters_start(1);
    node_functions(nodes[0]);
    node_functions(NULL);
    npr_node_stop(NULL);
    npr_node_close(NULL);
    npr_node_name(nodes[0], NULL);
    npr_node_name(NULL, &name);
    assert_int_equal(name.size, 0);
    assert_int_equal(npr_node_port(NULL), 0);
    EINVAL_IS(npr_node_start(&options, NULL, NULL));
    EINVAL_IS(npr_node_connect(NULL, "a@127.0.0.1", 100, NULL));
    EINVAL_IS(npr_node_complete_pid(NULL, &pid, 100, NULL));
    EINVAL_IS(npr_node_send(NULL, &to, nodes_term("a")));
    EINVAL_IS(npr_node_cast(NULL, &to, nodes_term("a")));
    EINVAL_IS(npr_node_exit(NULL, &to.pid, nodes_term("a")));
    EINVAL_IS(npr_node_call(NULL, &to, nodes_term("a"), 100, reply, NULL));
    EINVAL_IS(npr_node_rpc(NULL, &to.pid.node, "m", "f", nodes_term("[]"), 100, reply, NULL));
    EINVAL_IS(npr_node_processes(NULL, NPR_FIGURE_PID, 0, see, NULL));
    EINVAL_IS(npr_node_process_info(NULL, &to.pid, &info));
    EINVAL_IS(npr_node_register_name(NULL, "name", &to.pid));
    EINVAL_IS(npr_node_unregister_name(NULL, "name"));
    EINVAL_IS(npr_node_whereis(NULL, "nprocreg", &pid));
    EINVAL_IS(npr_node_reply(
        NULL, &(struct npr_from){.pid = nodes_term("<a@h.1.2>"), .tag = nodes_term("tag")},
        nodes_term("a")));
    npr_builder_destroy(reply);
}

/* ---- registry.h, keys.h. */

static void got(void *user, npr_status status, const struct npr_found *found, const char *text)
{
    (void)user;
    (void)status;
    (void)found;
    (void)text;
}

static bool each(void *user, const struct npr_entry *entry)
{
    (void)user;
    (void)entry;
    return true;
}

static void watched(void *user, const struct npr_watch_event *event)
{
    (void)user;
    (void)event;
}

/* The functions of the registry, called with `node` (or none), and with the rest missing in turn.
 */
static void registry_functions(struct npr_node *node)
{
    const struct npr_start half = {.function = "start"};
    const struct npr_start other_half = {.module = "counter"};
    const struct npr_start no_list = {"counter", "start", nodes_term("a")};
    const struct npr_query query = {.selector = npr_select_all(), .timeout_ms = 100};
    const struct npr_pid nowhere = {.id = 1};
    struct npr_subscription subscription;
    struct npr_term key = nodes_term("key");
    struct npr_found found;
    uint64_t count;

    EINVAL_IS(npr_get_pid(node, no_term, NULL, NULL, 100, &found, NULL));
    EINVAL_IS(npr_get_pid(node, key, NULL, NULL, 100, NULL, NULL));
    EINVAL_IS(npr_get_pid(node, key, NULL, "start", 100, &found, NULL));
    EINVAL_IS(npr_get_or_start(node, no_term, NULL, 100, &found, NULL));
    EINVAL_IS(npr_get_or_start(node, key, &half, 100, &found, NULL));
    EINVAL_IS(npr_get_or_start(node, key, &other_half, 100, &found, NULL));
    EINVAL_IS(npr_get_or_start(node, key, &no_list, 100, &found, NULL));
    EINVAL_IS(npr_get_or_start(node, key, NULL, 100, NULL, NULL));
    EINVAL_IS(npr_get_async(node, no_term, NULL, 100, got, NULL));
    EINVAL_IS(npr_get_async(node, key, &half, 100, got, NULL));
    EINVAL_IS(npr_get_async(node, key, NULL, 100, NULL, NULL));
    EINVAL_IS(npr_register(node, no_term, &nowhere, NULL));
    EINVAL_IS(npr_register(node, key, &nowhere, NULL));
    EINVAL_IS(npr_register(node, key, NULL, NULL));
    EINVAL_IS(npr_reregister(node, key, NULL, NULL));
    EINVAL_IS(npr_unregister(node, no_term, NULL));
    EINVAL_IS(npr_keys(node, NULL, each, NULL, NULL));
    EINVAL_IS(npr_keys(node, &query, NULL, NULL, NULL));
    EINVAL_IS(npr_count(node, NULL, &count, NULL));
    EINVAL_IS(npr_subscribe(node, NULL, watched, NULL, &subscription, NULL));
    EINVAL_IS(npr_subscribe(node, &query.selector, NULL, NULL, &subscription, NULL));
    EINVAL_IS(npr_subscribe(node, &query.selector, watched, NULL, NULL, NULL));
    EINVAL_IS(npr_await(node, no_term, 100, &found, NULL));
    EINVAL_IS(npr_await(node, key, 100, NULL, NULL));
    EINVAL_IS(npr_count(node, &query, NULL, NULL));
}

static void registry_pointers(void **state)
{
    const struct npr_query query = {.selector = npr_select_all(), .timeout_ms = 100};
    const struct npr_pid pid = {.node = {.size = 11, .text = "a@127.0.0.1"}, .id = 1};
    struct npr_term key;
    struct npr_found found;
    uint64_t count;
    uint8_t md5[16];
    size_t index;
    struct npr_node_name name = pid.node;
    struct npr_node_name owner;
    struct npr_subscription subscription = {0};

    counters_start(1);
    registry_functions(nodes[0]);
    (void)nodes_stop(state);
    key = nodes_term("key");
    registry_functions(NULL);
    EINVAL_IS(npr_get_pid(NULL, key, NULL, NULL, 100, &found, NULL));
    EINVAL_IS(npr_get_async(NULL, key, NULL, 100, got, NULL));
    EINVAL_IS(npr_register(NULL, key, &pid, NULL));
    EINVAL_IS(npr_reregister(NULL, key, &pid, NULL));
    EINVAL_IS(npr_unregister(NULL, key, NULL));
    EINVAL_IS(npr_keys(NULL, &query, each, NULL, NULL));
    EINVAL_IS(npr_count(NULL, &query, &count, NULL));
    EINVAL_IS(npr_subscribe(NULL, &query.selector, watched, NULL, &subscription, NULL));
    EINVAL_IS(npr_unsubscribe(NULL, subscription));
    EINVAL_IS(npr_await(NULL, key, 100, &found, NULL));
    EINVAL_IS(npr_place(no_term, NPR_OTP_26, &name, 1, md5, &index, &owner, NULL));
    EINVAL_IS(npr_place(key, NPR_OTP_26, NULL, 1, md5, &index, &owner, NULL));
    EINVAL_IS(npr_place(key, NPR_OTP_26, &name, 1, NULL, &index, &owner, NULL));
    EINVAL_IS(npr_place(key, NPR_OTP_26, &name, 1, md5, NULL, &owner, NULL));
    EINVAL_IS(npr_place(key, NPR_OTP_26, &name, 1, md5, &index, NULL, NULL));
}

/* ---- process.h, thread.h. */

static void no_process(void **state)
{
    const struct npr_pid pid = {.node = {.size = 3, .text = "a@h"}};
    const struct npr_from from = {.pid = nodes_term("<a@h.1.2>"), .tag = nodes_term("tag")};
    const struct npr_address to = {.pid = pid};
    const struct npr_selector selector = npr_select_all();
    struct npr_term term = nodes_term("a");
    struct npr_received received;
    struct npr_ref ref = {.node = pid.node, .words_count = 1};
    struct npr_pid out;

    (void)state;
    assert_int_equal(npr_self(NULL).node.size, 0);
    assert_null(npr_user(NULL));
    assert_null(npr_start_key(NULL).data);
    assert_int_equal(npr_start_token(NULL), 0);
    assert_null(npr_scratch(NULL));
    npr_trap_exit(NULL, true);
    assert_false(npr_cancel_timer(NULL, &ref));
    EINVAL_IS(npr_stop(NULL, term));
    EINVAL_IS(npr_continue(NULL, term));
    EINVAL_IS(npr_reply(NULL, &from, term));
    EINVAL_IS(npr_send(NULL, &pid, term));
    EINVAL_IS(npr_exit(NULL, &pid, term));
    EINVAL_IS(npr_link(NULL, &pid));
    EINVAL_IS(npr_unlink(NULL, &pid));
    EINVAL_IS(npr_monitor(NULL, &pid, &ref));
    EINVAL_IS(npr_demonitor(NULL, &ref));
    EINVAL_IS(npr_send_after(NULL, &pid, term, 1, NULL));
    EINVAL_IS(npr_send_every(NULL, &pid, term, 1, NULL));
    EINVAL_IS(npr_spawn(NULL, &(struct npr_spawn){.function = "f"}, &out, &ref));
    EINVAL_IS(npr_watch(NULL, &selector, &ref));
    EINVAL_IS(npr_unwatch(NULL, &ref));
    EINVAL_IS(npr_call(NULL, &pid, term, 100, NULL));
    EINVAL_IS(npr_get(NULL, term, NULL, 100, &ref));
    EINVAL_IS(npr_register_name(NULL, "name"));
    EINVAL_IS(npr_unregister_name(NULL, "name"));
    EINVAL_IS(npr_whereis(NULL, "nprocreg", &out));
    assert_null(npr_caller_create(NULL));
    assert_null(npr_caller_create(&(struct npr_from){.pid = from.pid}));
    assert_null(npr_caller_create(&(struct npr_from){.pid = term, .tag = term}));
    npr_caller_destroy(NULL);
    assert_null(npr_caller_from(NULL));
    EINVAL_IS(npr_receive(NULL, 1, NULL, NULL, &received));
    EINVAL_IS(npr_receive_call(NULL, &to, term, 1, NULL, NULL));
    assert_int_equal(npr_receive_fd(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values, nodes_stop),
        cmocka_unit_test_teardown(builders, nodes_stop),
        cmocka_unit_test_teardown(no_bytes_to_read, nodes_stop),
        cmocka_unit_test_teardown(readers, nodes_stop),
        cmocka_unit_test_teardown(node_pointers, nodes_stop),
        cmocka_unit_test_teardown(registry_pointers, nodes_stop),
        cmocka_unit_test_teardown(no_process, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_null", tests, NULL, NULL);
}
