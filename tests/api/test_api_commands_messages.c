/* Command processes: what a child is told and says, in JSON and packet4, and its stderr. */
#include "api_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Would catch: a key, token or argument that is lost, or given where a shell or `ps` could see it.
 */
static void the_first_message_is_the_start(void **state)
{
    const struct npr_start start = {
        .module = "t", .function = "echo", .arguments = nodes_term("[1,{a},<<\"$HOME `id`\">>]")};
    struct npr_found found;

    (void)state;
    (void)commands_declare("echo", SH_STARTED SH_CALLS SH_REPLY("\"$start\"") SH_DONE);
    commands_start_node();
    assert_int_equal(
        npr_get_or_start(nodes[0], nodes_term("{room,7}"), &start, 20000, &found, NULL), NPR_OK);
    assert_true(found.token > 0);
    {
        char expected[300];

        (void)snprintf(expected, sizeof(expected),
                       "#{<<\"start\">> => #{<<\"args\">> => [1,{a},<<\"$HOME `id`\">>],"
                       "<<\"key\">> => {room,7},<<\"token\">> => %llu}}",
                       (unsigned long long)found.token);
        commands_check_call(&found.pid, "x", expected);
    }
}

/* Would catch: an envelope that is written otherwise than docs/commands.md says. */
static void calls_casts_and_messages_arrive_in_order(void **state)
{
    struct npr_pid pid;

    (void)state;
    (void)commands_declare("log",
                           SH_STARTED "all=; " SH_LINES "all=\"$all${all:+,}$l\"; case \"$l\" in "
                                      "'{\"call\":'*) " SH_NUMBER SH_REPLY("\"[$all]\"") SH_DONE);
    commands_start_node();
    pid = commands_get("k", "log");
    commands_send_text(&pid, "{a,1}", true);
    commands_send_text(&pid, "<<\"b\">>", false);
    commands_check_call(&pid, "c",
                        "[#{<<\"cast\">> => {a,1}},#{<<\"info\">> => <<\"b\">>},"
                        "#{<<\"call\">> => 1,<<\"request\">> => c}]");
}

/* Would catch: replies that reach the wrong caller, and numbers that are answered twice. */
static void replies_may_come_in_any_order(void **state)
{
    struct npr_pid pid;

    (void)state;
    (void)commands_declare(
        "late", SH_STARTED
        "read a; read b; "
        "echo '{\"reply\":2,\"value\":\"second\"}'; "
        "echo '{\"reply\":1,\"value\":\"first\"}'; "
        "echo '{\"reply\":1,\"value\":\"again\"}'; "
        "echo '{\"reply\":77,\"value\":\"never asked\"}'; " SH_CALLS SH_REPLY("3") SH_DONE);
    commands_start_node();
    pid = commands_get("k", "late");
    assert_int_equal(commands_call(&pid, nodes_term("one"), 200, NULL),
                     NPR_ETIMEDOUT); /* nobody waits */
    commands_check_call(&pid, "two", "<<\"second\">>");
    commands_check_call(&pid, "three", "3");
}

static void a_child_sends_to_pids_and_names(void **state)
{
    struct npr_pid pid;
    struct npr_pid other;
    char script[600];

    (void)state;
    (void)commands_declare("log", SH_STARTED
                           "all=; " SH_LINES "case \"$l\" in '{\"call\":'*) " SH_NUMBER SH_REPLY(
                               "\"[$all]\"") ";; *) all=\"$all${all:+,}$l\"" SH_DONE);
    (void)commands_declare(
        "send", SH_STARTED SH_LINES
        "printf '%s\\n' '{\"send\":\"nobody\",\"message\":1}' "
        "'{\"send\":{\"$tuple\":[\"nobody\",\"a@127.0.0.1\"]},\"message\":1}'; "
        "p=${l#*:}; printf '{\"send\":%s,\"message\":{\"$tuple\":[1,\"x\"]}}\\n' "
        "\"${p%?}\"; done");
    commands_start_node();
    other = commands_get("other", "log");
    pid = commands_get("k", "send");
    /* A pid as text has no creation: it is given as a term. */
    {
        const struct npr_address to = {.pid = pid};
        struct npr_builder *builder = npr_builder_create();
        struct npr_term term;

        npr_build_pid(builder, &other);
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        assert_int_equal(npr_node_cast(nodes[0], &to, term), NPR_OK);
        npr_builder_destroy(builder);
    }
    (void)snprintf(script, sizeof(script), "[#{<<\"info\">> => {1,<<\"x\">>}}]");
    for (unsigned i = 0; i < 2000; i++) {
        char *text = commands_reply_to(&other, "x");

        if (strcmp(text, "[]") != 0) {
            assert_string_equal(text, script);
            free(text);
            return;
        }
        free(text);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    fail_msg("the message has not arrived");
}

/* packet4 and JSON carry the same. */
static void packet4_carries_terms(void **state)
{
    struct npr_command *command = commands_declare(
        "p4",
        /* The start, #{<<"started">> => true}, the call, #{<<"exit">> => <<"ok">>}. */
        "next() { dd bs=65536 count=1 of=/dev/null 2>/dev/null; }; "
        "m='\\203t\\0\\0\\0\\1m\\0\\0\\0'; "
        "next; printf \"\\0\\0\\0\\030${m}\\7startedw\\4true\"; "
        "next; printf \"\\0\\0\\0\\026${m}\\4exitm\\0\\0\\0\\2ok\"; sleep 100");
    struct npr_pid pid;

    (void)state;
    command->wire = NPR_COMMAND_PACKET4;
    command->kill_ms = 50;
    commands_start_node();
    pid = commands_get("k", "p4");
    commands_check_call_ends(&pid, "x", "<<\"ok\">>");
}

static void stderr_is_logged_line_by_line(void **state)
{
    (void)state;
    (void)commands_declare("err", "printf 'one\\ntwo \"q\" \\001\\nhalf' >&2; exit 1");
    commands_start_node();
    commands_check_start_fails("err", "{exit_status,1}");
    nodes_wait(commands_is_logged, "line=\"one\"\n");
    nodes_wait(commands_is_logged, "line=\"two \\\"q\\\" \\x01\"\n");
    nodes_wait(commands_is_logged, "line=\"half\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMANDS_CASE(the_first_message_is_the_start),
        COMMANDS_CASE(calls_casts_and_messages_arrive_in_order),
        COMMANDS_CASE(replies_may_come_in_any_order),
        COMMANDS_CASE(a_child_sends_to_pids_and_names),
        COMMANDS_CASE(packet4_carries_terms),
        COMMANDS_CASE(stderr_is_logged_line_by_line),
    };

    commands_pick_case();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
