/* Command processes before they live: how declarations are read, and starts that fail. */
#include "api_commands.h"

#include <string.h>

/* ---- Declarations. */

static void check_not_declared(const char *text, const char *fault)
{
    struct npr_command *command = NULL;
    struct npr_error err;

    assert_int_equal(npr_command_parse(text, &command, &err), NPR_EINVAL);
    assert_string_equal(err.text, fault);
    assert_null(command);
}

static void declarations_are_read(void **state)
{
    struct npr_command *command = NULL;

    (void)state;
    assert_int_equal(
        npr_command_parse("room:open=python3  'my room.py' \"a \\\"b\\\\ $HOME\" c\\ d ''",
                          &command, NULL),
        NPR_OK);
    assert_string_equal(command->module, "room");
    assert_string_equal(command->function, "open");
    assert_int_equal(command->arity, NPR_COMMAND_ANY);
    assert_int_equal(command->wire, NPR_COMMAND_JSON);
    assert_string_equal(command->argv[0], "python3");
    assert_string_equal(command->argv[1], "my room.py");
    assert_string_equal(command->argv[2], "a \"b\\ $HOME");
    assert_string_equal(command->argv[3], "c d");
    assert_string_equal(command->argv[4], "");
    assert_null(command->argv[5]);
    npr_command_destroy(command);

    assert_int_equal(
        npr_command_parse(
            "r:o/2,packet4,idle:5m,start:500ms,kill:2,mailbox:7,overflow:"
            "drop-oldest,children:3,calls:4,input-bytes:5,message-bytes:6,restart:permanent,"
            "restarts:9,window:1m=x"
            " --a=b,c",
            &command, NULL),
        NPR_OK);
    assert_int_equal(command->arity, 2);
    assert_int_equal(command->wire, NPR_COMMAND_PACKET4);
    assert_int_equal(command->idle_ms, 300000);
    assert_int_equal(command->start_ms, 500);
    assert_int_equal(command->kill_ms, 2000);
    assert_int_equal(command->mailbox_max, 7);
    assert_int_equal(command->overflow, NPR_OVERFLOW_DROP_OLDEST);
    assert_int_equal(command->children_max, 3);
    assert_int_equal(command->calls_max, 4);
    assert_int_equal(command->input_bytes_max, 5);
    assert_int_equal(command->message_bytes_max, 6);
    assert_int_equal(command->restart, NPR_RESTART_PERMANENT);
    assert_int_equal(command->restarts_max, 9);
    assert_int_equal(command->restart_window_ms, 60000);
    assert_string_equal(command->argv[1], "--a=b,c");
    npr_command_destroy(command);
    command = NULL;

    check_not_declared(NULL, "command: it must be MODULE:FUNCTION=PROGRAM");
    check_not_declared("room:open", "command: it must be MODULE:FUNCTION=PROGRAM");
    check_not_declared("room=x", "command: it must begin with MODULE:FUNCTION or "
                                 "MODULE:FUNCTION/ARITY");
    check_not_declared("room:open/256=x", "command: it must begin with MODULE:FUNCTION or "
                                          "MODULE:FUNCTION/ARITY");
    check_not_declared("room:open,idle=x", "command: \"idle\" is no option, or its value is wrong");
    check_not_declared("room:open,idle:1d=x",
                       "command: \"idle:1d\" is no option, or its value is wrong");
    check_not_declared("room:open,=x", "command: \"\" is no option, or its value is wrong");
    check_not_declared("room:open= ", "command: the program is missing behind =");
    check_not_declared("room:open=''", "command: the program is missing behind =");
    check_not_declared("room:open=a 'b",
                       "command: a quote does not end, or \\ is the last character");
    check_not_declared("room:open=a \\",
                       "command: a quote does not end, or \\ is the last character");
}

static void wrong_declarations_are_refused(void **state)
{
    struct npr_command *command = commands_declare("x", "true");
    struct npr_node_options options;
    struct npr_node *node = NULL;
    struct npr_error err;

    (void)state;
    (void)commands_declare("x", "true");
    options = commands_options(NULL);
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_string_equal(err.text, "commands: t:x is declared twice");
    options.commands_count = 1;
    command->start_ms = 0;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    command->start_ms = 1;
    command->argv = (char *[]){NULL};
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_string_equal(err.text, "commands: t:x: no program");
    command->struct_size--;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_null(node);
}

/* ---- Starts that fail. */

static void a_start_that_fails_says_why(void **state)
{
    (void)state;
    (void)commands_declare("exits", "exit 3");
    (void)commands_declare("exits0", "exit 0");
    (void)commands_declare("refuses",
                           "echo '{\"failed\":{\"$tuple\":[{\"$atom\":\"no\"},\"room\"]}}'");
    (void)commands_declare("garbage", "echo hello");
    commands_declare("silent", "sleep 1000")->start_ms = 100;
    (void)commands_declare("dies", "kill -9 $$");
    commands_declare("missing", "x")->argv = (char *[]){"no-such-program", NULL};
    (void)commands_declare("half", "printf '{\"start'");
    commands_start_node();
    commands_check_start_fails("exits", "t:exits/0 failed to start: {exit_status,3}");
    commands_check_start_fails("exits0", "failed to start: {exit_status,0}");
    commands_check_start_fails("refuses", "failed to start: {no,<<\"room\">>}");
    commands_check_start_fails("garbage",
                               "failed to start: {bad_output,<<\"offset 0: no JSON value begins");
    commands_check_start_fails("silent",
                               "failed to start: {not_started,<<\"it has not answered in time");
    commands_check_start_fails("dies", "failed to start: {signal,'SIGKILL'}");
    commands_check_start_fails("missing",
                               "{not_started,<<\"no-such-program: no such program in PATH");
    commands_check_start_fails("half", "failed to start: {exit_status,0}");
    nodes_wait(commands_is_logged, "command_bad_output function=t:half");
}

/* Would catch: a function that nobody declared. */
static void only_what_is_declared_starts(void **state)
{
    struct npr_found found;
    struct npr_error err;

    (void)state;
    commands_declare("one", SH_STARTED SH_LINES ":; done")->arity = 1;
    commands_start_node();
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("k"), "t", "one", 5000, &found, &err),
                     NPR_EREFUSED);
    assert_string_equal(err.text, "no function t:one/0 is exported by node a@127.0.0.1");
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("k"), "t", "sh", 5000, &found, &err),
                     NPR_EREFUSED);
}

/* More than may live at once are refused, and say so. */
static void children_have_a_limit(void **state)
{
    struct npr_found found;
    struct npr_error err;

    (void)state;
    commands_declare("two", SH_STARTED SH_LINES ":; done")->children_max = 2;
    commands_start_node();
    (void)commands_get("a", "two");
    (void)commands_get("b", "two");
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("c"), "t", "two", 20000, &found, &err),
                     NPR_EREFUSED);
    assert_non_null(strstr(err.text, "2 children of t:two live already"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMANDS_CASE(declarations_are_read),       COMMANDS_CASE(wrong_declarations_are_refused),
        COMMANDS_CASE(a_start_that_fails_says_why), COMMANDS_CASE(only_what_is_declared_starts),
        COMMANDS_CASE(children_have_a_limit),
    };

    commands_pick_case();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
