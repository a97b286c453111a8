/* nprocreg/command.h: programs behind pids.  The children are small shell scripts. */
#include "api_nodes.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "support/check.h"

#define COMMANDS_MAX 8

/* What a script says of its start, and how it takes the number of a call off a line. */
#define STARTED "IFS= read -r start; echo '{\"started\":true}'; "
#define NUMBER  "n=${l#*:}; n=${n%%,*}; "
#define LINES   "while IFS= read -r l; do "
#define CALLS   LINES "case \"$l\" in '{\"call\":'*) " NUMBER
#define DONE    ";; esac; done"

/* A call is answered with this JSON. */
#define REPLY(json) "printf '{\"reply\":%s,\"value\":%s}\\n' \"$n\" " json

static struct npr_command commands[COMMANDS_MAX];
static char *arguments[COMMANDS_MAX][4];
static const struct npr_command *declared[COMMANDS_MAX];
static size_t declared_count;

/* `t:NAME` is a script; more can be set in what is returned. */
static struct npr_command *declare(const char *name, char *script)
{
    struct npr_command *command = &commands[declared_count];
    char **argv = arguments[declared_count];

    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    *command = (struct npr_command)NPR_COMMAND_INIT;
    command->module = "t";
    command->function = name;
    command->argv = argv;
    declared[declared_count++] = command;
    return command;
}

static atomic_uint log_count;
static char log_text[65536]; /* lines, in order */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_log(void *user, npr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)pthread_mutex_lock(&log_lock);
    if (strlen(log_text) + strlen(line) + 2 < sizeof(log_text)) {
        strncat(log_text, line, sizeof(log_text) - strlen(log_text) - 2);
        strncat(log_text, "\n", 2);
    }
    (void)pthread_mutex_unlock(&log_lock);
    (void)atomic_fetch_add(&log_count, 1);
}

static bool is_logged(void *text)
{
    bool found;

    (void)pthread_mutex_lock(&log_lock);
    found = strstr(log_text, text) != NULL;
    (void)pthread_mutex_unlock(&log_lock);
    return found;
}

static void start_node(void)
{
    struct npr_node_options options = nodes_options("a@127.0.0.1", NULL);
    struct npr_error err;

    log_text[0] = '\0';
    options.commands = declared;
    options.commands_count = declared_count;
    options.log = on_log;
    if (npr_node_start(&options, &nodes[0], &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
}

static int teardown(void **state)
{
    declared_count = 0;
    return nodes_stop(state);
}

/* The process under `key`, started from t:NAME. */
static struct npr_pid get(const char *key, const char *name)
{
    struct npr_found found;
    struct npr_error err = {.status = NPR_OK};

    if (npr_get_pid(nodes[0], nodes_term(key), "t", name, 20000, &found, &err) != NPR_OK) {
        fail_msg("t:%s: %s", name, err.text);
    }
    return found.pid;
}

/* The start fails, and the error's text has this in it. */
static void check_start_fails(const char *name, const char *why)
{
    struct npr_found found;
    struct npr_error err = {.status = NPR_OK};

    assert_int_equal(npr_get_pid(nodes[0], nodes_term(name), "t", name, 20000, &found, &err),
                     NPR_EREFUSED);
    if (strstr(err.text, why) == NULL) {
        fail_msg("t:%s: \"%s\" instead of \"%s\"", name, err.text, why);
    }
    assert_int_equal(npr_get_pid(nodes[0], nodes_term(name), NULL, NULL, 20000, &found, NULL),
                     NPR_ENOTFOUND);
}

static npr_status call(const struct npr_pid *pid,
                       struct npr_term request,
                       uint32_t timeout_ms,
                       char **out_text)
{
    const struct npr_address to = {.pid = *pid};
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term;
    npr_status status;

    assert_non_null(reply);
    status = npr_node_call(nodes[0], &to, request, timeout_ms, reply, NULL);
    if (out_text != NULL && (status == NPR_OK || status == NPR_EEXIT)) {
        assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
        *out_text = npr_term_print(term);
    }
    npr_builder_destroy(reply);
    return status;
}

/* The reply's text, which is the caller's. */
static char *reply_to(const struct npr_pid *pid, const char *request)
{
    char *text = NULL;

    assert_int_equal(call(pid, nodes_term(request), 20000, &text), NPR_OK);
    if (text == NULL) {
        abort();
    }
    return text;
}

/* The call ends with the process, for this reason. */
static void check_call_ends(const struct npr_pid *pid, const char *request, const char *reason)
{
    char *text = NULL;

    assert_int_equal(call(pid, nodes_term(request), 20000, &text), NPR_EEXIT);
    assert_string_equal(text, reason);
    free(text);
}

static void check_call(const struct npr_pid *pid, const char *request, const char *reply)
{
    char *text = reply_to(pid, request);

    assert_string_equal(text, reply);
    free(text);
}

static void send_text(const struct npr_pid *pid, const char *message, bool is_cast)
{
    const struct npr_address to = {.pid = *pid};

    assert_int_equal(is_cast ? npr_node_cast(nodes[0], &to, nodes_term(message))
                             : npr_node_send(nodes[0], &to, nodes_term(message)),
                     NPR_OK);
}

/* Its own number, which t:... answers a call with. */
static pid_t os_pid(const struct npr_pid *pid)
{
    char *text = reply_to(pid, "pid");
    const pid_t number = (pid_t)strtol(text, NULL, 10);

    free(text);
    assert_true(number > 1);
    return number;
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

/* ---- What a child is told, and says. */

/* Would catch: a key, token or argument that is lost, or given where a shell or `ps` could see it.
 */
static void the_first_message_is_the_start(void **state)
{
    const struct npr_start start = {
        .module = "t", .function = "echo", .arguments = nodes_term("[1,{a},<<\"$HOME `id`\">>]")};
    struct npr_found found;

    (void)state;
    (void)declare("echo", STARTED CALLS REPLY("\"$start\"") DONE);
    start_node();
    assert_int_equal(
        npr_get_or_start(nodes[0], nodes_term("{room,7}"), &start, 20000, &found, NULL), NPR_OK);
    assert_true(found.token > 0);
    {
        char expected[300];

        (void)snprintf(expected, sizeof(expected),
                       "#{<<\"start\">> => #{<<\"args\">> => [1,{a},<<\"$HOME `id`\">>],"
                       "<<\"key\">> => {room,7},<<\"token\">> => %llu}}",
                       (unsigned long long)found.token);
        check_call(&found.pid, "x", expected);
    }
}

/* Would catch: an envelope that is written otherwise than docs/commands.md says. */
static void calls_casts_and_messages_arrive_in_order(void **state)
{
    struct npr_pid pid;

    (void)state;
    (void)declare("log", STARTED "all=; " LINES "all=\"$all${all:+,}$l\"; case \"$l\" in "
                                 "'{\"call\":'*) " NUMBER REPLY("\"[$all]\"") DONE);
    start_node();
    pid = get("k", "log");
    send_text(&pid, "{a,1}", true);
    send_text(&pid, "<<\"b\">>", false);
    check_call(&pid, "c",
               "[#{<<\"cast\">> => {a,1}},#{<<\"info\">> => <<\"b\">>},"
               "#{<<\"call\">> => 1,<<\"request\">> => c}]");
}

/* Would catch: replies that reach the wrong caller, and numbers that are answered twice. */
static void replies_may_come_in_any_order(void **state)
{
    struct npr_pid pid;

    (void)state;
    (void)declare("late", STARTED
                  "read a; read b; "
                  "echo '{\"reply\":2,\"value\":\"second\"}'; "
                  "echo '{\"reply\":1,\"value\":\"first\"}'; "
                  "echo '{\"reply\":1,\"value\":\"again\"}'; "
                  "echo '{\"reply\":77,\"value\":\"never asked\"}'; " CALLS REPLY("3") DONE);
    start_node();
    pid = get("k", "late");
    assert_int_equal(call(&pid, nodes_term("one"), 200, NULL), NPR_ETIMEDOUT); /* nobody waits */
    check_call(&pid, "two", "<<\"second\">>");
    check_call(&pid, "three", "3");
}

static void a_child_sends_to_pids_and_names(void **state)
{
    struct npr_pid pid;
    struct npr_pid other;
    char script[600];

    (void)state;
    (void)declare("log", STARTED "all=; " LINES "case \"$l\" in '{\"call\":'*) " NUMBER REPLY(
                             "\"[$all]\"") ";; *) all=\"$all${all:+,}$l\"" DONE);
    (void)declare("send", STARTED LINES
                  "printf '%s\\n' '{\"send\":\"nobody\",\"message\":1}' "
                  "'{\"send\":{\"$tuple\":[\"nobody\",\"a@127.0.0.1\"]},\"message\":1}'; "
                  "p=${l#*:}; printf '{\"send\":%s,\"message\":{\"$tuple\":[1,\"x\"]}}\\n' "
                  "\"${p%?}\"; done");
    start_node();
    other = get("other", "log");
    pid = get("k", "send");
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
        char *text = reply_to(&other, "x");

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
    struct npr_command *command =
        declare("p4",
                /* The start, #{<<"started">> => true}, the call, #{<<"exit">> => <<"ok">>}. */
                "next() { dd bs=65536 count=1 of=/dev/null 2>/dev/null; }; "
                "m='\\203t\\0\\0\\0\\1m\\0\\0\\0'; "
                "next; printf \"\\0\\0\\0\\030${m}\\7startedw\\4true\"; "
                "next; printf \"\\0\\0\\0\\026${m}\\4exitm\\0\\0\\0\\2ok\"; sleep 100");
    struct npr_pid pid;

    (void)state;
    command->wire = NPR_COMMAND_PACKET4;
    command->kill_ms = 50;
    start_node();
    pid = get("k", "p4");
    check_call_ends(&pid, "x", "<<\"ok\">>");
}

/* ---- Starts that fail. */

static void a_start_that_fails_says_why(void **state)
{
    (void)state;
    (void)declare("exits", "exit 3");
    (void)declare("exits0", "exit 0");
    (void)declare("refuses", "echo '{\"failed\":{\"$tuple\":[{\"$atom\":\"no\"},\"room\"]}}'");
    (void)declare("garbage", "echo hello");
    declare("silent", "sleep 1000")->start_ms = 100;
    (void)declare("dies", "kill -9 $$");
    declare("missing", "x")->argv = (char *[]){"no-such-program", NULL};
    (void)declare("half", "printf '{\"start'");
    start_node();
    check_start_fails("exits", "t:exits/0 failed to start: {exit_status,3}");
    check_start_fails("exits0", "failed to start: {exit_status,0}");
    check_start_fails("refuses", "failed to start: {no,<<\"room\">>}");
    check_start_fails("garbage", "failed to start: {bad_output,<<\"offset 0: no JSON value begins");
    check_start_fails("silent", "failed to start: {not_started,<<\"it has not answered in time");
    check_start_fails("dies", "failed to start: {signal,'SIGKILL'}");
    check_start_fails("missing", "{not_started,<<\"no-such-program: no such program in PATH");
    check_start_fails("half", "failed to start: {exit_status,0}");
    nodes_wait(is_logged, "command_bad_output function=t:half");
}

/* Would catch: a function that nobody declared. */
static void only_what_is_declared_starts(void **state)
{
    struct npr_found found;
    struct npr_error err;

    (void)state;
    declare("one", STARTED LINES ":; done")->arity = 1;
    start_node();
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("k"), "t", "one", 5000, &found, &err),
                     NPR_EREFUSED);
    assert_string_equal(err.text, "no function t:one/0 is exported by node a@127.0.0.1");
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("k"), "t", "sh", 5000, &found, &err),
                     NPR_EREFUSED);
}

/* ---- Ends. */

/* The caller hears of the end when the child is gone, not before.  Would catch: a second child for
 * the key beside it. */
static void its_end_is_the_processs_end(void **state)
{
    const struct {
        const char *request;
        const char *reason;
    } ends[] = {{"status", "{exit_status,3}"},
                {"fine", "normal"},
                {"signal", "{signal,'SIGTERM'}"},
                {"reason", "{bye,1}"},
                {"normal", "normal"},
                {"half", "{exit_status,5}"},
                {"bad", "{bad_output,<<\"offset 0: no JSON value begins so\">>}"},
                {"none", "{bad_output,<<\"it is none of {started}, {failed}, {reply,value}, "
                         "{send,message}, {exit} with values of the right kind\">>}"}};

    (void)state;
    declare(
        "ends",
        "trap '' TERM; " STARTED CALLS "case \"$l\" in *pid*) " REPLY(
            "$$") ";; *status*) exit 3;; *fine*) exit 0;; *signal*) trap - TERM; kill -TERM $$;; "
                  "*reason*) echo '{\"exit\":{\"$tuple\":[{\"$atom\":\"bye\"},1]}}'; sleep 0.1;; "
                  "*normal*) echo '{\"exit\":\"normal\"}'; sleep 0.1;; *half*) printf '{\"rep'; "
                  "exit 5;; "
                  "*bad*) echo 'not JSON'; sleep 100;; *none*) echo '{\"a\":1}'; sleep 100;; "
                  "esac" DONE)
        ->kill_ms = 100;
    start_node();
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const struct npr_pid pid = get("k", "ends");
        const pid_t child = os_pid(&pid);

        check_call_ends(&pid, ends[i].request, ends[i].reason);
        assert_false(is_alive(child));
    }
}

/* Would catch: a child, or a child of its, that outlives its node; a node that waits for ever for
 * one which does not want to go. */
static void the_node_takes_its_children_along(void **state)
{
    struct npr_pid pids[3];
    pid_t children[3];
    pid_t grandchild;
    char *text;

    (void)state;
    declare("stubborn",
            "trap '' TERM; sleep 1000 & g=$!; " STARTED CALLS
            "case \"$l\" in *pid*) " REPLY("$$") ";; *) " REPLY("$g") ";; esac" DONE "; sleep 1000")
        ->kill_ms = 100;
    start_node();
    for (unsigned i = 0; i < 3; i++) {
        const char *const keys[] = {"a", "b", "c"};

        pids[i] = get(keys[i], "stubborn");
        children[i] = os_pid(&pids[i]);
    }
    text = reply_to(&pids[0], "grandchild");
    grandchild = (pid_t)strtol(text, NULL, 10);
    free(text);
    assert_true(is_alive(grandchild));
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    for (unsigned i = 0; i < 3; i++) {
        assert_false(is_alive(children[i]));
    }
    for (unsigned i = 0; i < 1000 && is_alive(grandchild); i++) { /* another's to reap */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* ---- Loads. */

/* Would catch: a node that holds whatever is sent to a child which does not read: beyond input and
 * mailbox, calls are refused. */
static void one_that_does_not_read_is_bounded(void **state)
{
    char request[5000];
    struct npr_command *command = declare("deaf", STARTED "sleep 0.2; IFS= read -r l; sleep 1000");
    struct npr_pid pid;
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;
    unsigned refused = 0;
    char *text = NULL;

    (void)state;
    command->input_bytes_max = 100000;
    command->mailbox_max = 10;
    command->kill_ms = 100;
    start_node();
    pid = get("k", "deaf");
    memset(request, 'x', sizeof(request));
    npr_build_binary(builder,
                     (struct npr_bytes){.data = (uint8_t *)request, .size = sizeof(request)});
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    for (unsigned i = 0; i < 200; i++) { /* 1 MB: the pipe has 64 KB, the input 100 */
        const struct npr_address to = {.pid = pid};

        assert_int_equal(npr_node_cast(nodes[0], &to, term), NPR_OK);
    }
    /* Once it takes nothing any more, none has to wait for its time-out. */
    for (unsigned i = 0; i < 400 && refused < 20; i++) {
        const npr_status status = call(&pid, term, 10, &text);

        refused = status == NPR_OK ? refused + 1 : 0;
        if (status == NPR_OK) {
            assert_string_equal(text, "{error,overload}");
            free(text);
        }
    }
    assert_int_equal(refused, 20);
    npr_builder_destroy(builder);
}

/* Would catch: a pause that never ends: messages that waited for a slow child and are never given
 * to it. */
static void one_that_reads_slowly_gets_everything(void **state)
{
    struct npr_command *command =
        declare("slow", STARTED
                "c=0; sleep 0.3; " LINES
                "case \"$l\" in '{\"call\":'*) " NUMBER REPLY("$c") ";; *) c=$((c+1))" DONE);
    struct npr_pid pid;

    (void)state;
    command->input_bytes_max = 2000;
    command->mailbox_max = 100000;
    start_node();
    pid = get("k", "slow");
    {
        const struct npr_address to = {.pid = pid};
        const struct npr_term message =
            nodes_term("<<\"a message of some length, so that it adds up\">>");

        for (unsigned i = 0; i < 5000; i++) {
            assert_int_equal(npr_node_cast(nodes[0], &to, message), NPR_OK);
        }
    }
    check_call(&pid, "count", "5000");
}

/* Would catch: output that is held without a limit while its receiver has no room; a node that
 * serves nobody else meanwhile. */
static void one_that_floods_is_ended_or_served_in_turn(void **state)
{
    struct npr_pid pid;
    struct npr_pid other;
    struct npr_command *command = declare("long", STARTED "yes | tr -d '\\n'");

    (void)state;
    command->message_bytes_max = 100000;
    command->kill_ms = 100;
    (void)declare("echo", STARTED CALLS REPLY("1") DONE);
    (void)declare("send", STARTED "yes '{\"send\":\"nobody\",\"message\":[1,2,3]}'");
    (void)declare("stderr", STARTED "yes complaint >&2");
    start_node();
    other = get("other", "echo");
    pid = get("k", "long");
    check_call_ends(&pid, "x", "{bad_output,<<\"a message is larger than 100000 bytes\">>}");
    (void)get("flood", "send");
    (void)get("errors", "stderr");
    for (unsigned i = 0; i < 20; i++) {
        check_call(&other, "x", "1");
    }
    nodes_wait(is_logged, "command_stderr function=t:stderr");
    nodes_wait(is_logged, "log_suppressed");
}

static atomic_bool blocked;
static atomic_bool blocks;

static npr_status block(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    atomic_store(&blocked, true);
    while (atomic_load(&blocks)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NPR_OK;
}

static const struct npr_behaviour blocker = {.struct_size = sizeof(struct npr_behaviour),
                                             .cast = block};
static const struct npr_function blocker_functions[] = {{"start", 0, &blocker}};
static const struct npr_module blocker_module = {NPR_MODULE_ABI, "blocker", blocker_functions, 1};

/* Lines that the child has got rid of. */
static unsigned lines_written(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned count = 0;

    if (file != NULL) {
        while (fgetc(file) != EOF) {
            count++;
        }
        (void)fclose(file);
    }
    return count;
}

/* The process is kept from acting: its child may write as much as is read ahead and a pipe holds.
 * Would catch: reading that goes on, and memory that grows with it; reading that does not go on
 * afterwards. */
static void output_is_read_as_it_is_acted_on(void **state)
{
    struct npr_node_options options = nodes_options("a@127.0.0.1", &blocker_module);
    char path[] = "/tmp/nprocreg-commands-XXXXXX";
    const int fd = mkstemp(path);
    char script[600];
    struct npr_found found;
    struct npr_pid pid;
    unsigned count;
    bool rests;

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(script, sizeof(script),
                   STARTED "x=$(yes 0123456789abcdef | head -n 1000 | tr -d '\\n'); read go; "
                           "while :; do printf '{\"send\":\"nobody\",\"message\":\"%%s\"}\\n' $x; "
                           "printf . >>%s; done",
                   path);
    (void)declare("flood", script);
    options.workers = 1;
    options.commands = declared;
    options.commands_count = declared_count;
    assert_int_equal(npr_node_start(&options, &nodes[0], NULL), NPR_OK);
    pid = get("k", "flood");
    assert_int_equal(
        npr_get_pid(nodes[0], nodes_term("b"), "blocker", "start", 20000, &found, NULL), NPR_OK);
    atomic_store(&blocked, false);
    atomic_store(&blocks, true);
    send_text(&pid, "go", true);
    while (lines_written(path) == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    send_text(&found.pid, "block", true);
    while (!atomic_load(&blocked)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    count = lines_written(path);
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    rests = lines_written(path) <= count + 12; /* of 16 KB: 64 read ahead, 64 of a read, 64 */
    atomic_store(&blocks, false);
    assert_true(rests);
    while (lines_written(path) < count + 200) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    npr_node_stop(nodes[0]); /* first, or the child makes the file anew */
    nodes[0] = NULL;
    (void)unlink(path);
    (void)close(fd);
}

static void stderr_is_logged_line_by_line(void **state)
{
    (void)state;
    (void)declare("err", "printf 'one\\ntwo \"q\" \\001\\nhalf' >&2; exit 1");
    start_node();
    check_start_fails("err", "{exit_status,1}");
    nodes_wait(is_logged, "line=\"one\"\n");
    nodes_wait(is_logged, "line=\"two \\\"q\\\" \\x01\"\n");
    nodes_wait(is_logged, "line=\"half\"\n");
}

struct long_call {
    struct npr_pid pid;
    struct npr_term request;
    char *text;
};

static void *call_for_long(void *user)
{
    struct long_call *long_call = user;

    (void)call(&long_call->pid, long_call->request, 20000, &long_call->text);
    return NULL;
}

/* Would catch: calls that are kept for ever for a child which never answers. */
static void calls_that_are_not_answered_are_bounded(void **state)
{
    struct npr_command *command = declare("silent", STARTED LINES ":; done");
    struct long_call first = {.request = nodes_term("x")};
    pthread_t thread;

    (void)state;
    command->calls_max = 2;
    start_node();
    first.pid = get("k", "silent");
    assert_int_equal(pthread_create(&thread, NULL, call_for_long, &first), 0);
    for (unsigned i = 0; i < 4; i++) { /* two of them are certain to come after it */
        assert_int_equal(call(&first.pid, nodes_term("y"), 100, NULL), NPR_ETIMEDOUT);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(first.text, "{error,overload}"); /* the oldest gave way */
    free(first.text);
}

/* The number of the child under `k`, which may end, and begin anew, at any time. */
static pid_t os_pid_of_idle(void)
{
    char *text = NULL;
    pid_t number;
    struct npr_pid pid = get("k", "idle");

    while (call(&pid, nodes_term("pid"), 20000, &text) != NPR_OK) {
        pid = get("k", "idle");
    }
    number = text == NULL ? 0 : (pid_t)strtol(text, NULL, 10);
    free(text);
    return number;
}

/* An idle time counts from the last message, but not while a call waits for its answer. */
static void idle_ones_end(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    struct npr_found found;
    pid_t child;

    (void)state;
    declare("idle", STARTED CALLS "case \"$l\" in *slow*) sleep 1;; esac; " REPLY("$$") DONE)
        ->idle_ms = 300;
    start_node();
    pid = get("k", "idle");
    assert_int_equal(call(&pid, nodes_term("slow"), 20000, NULL), NPR_OK);
    child = os_pid_of_idle();
    while (npr_get_pid(nodes[0], key, NULL, NULL, 5000, &found, NULL) == NPR_OK) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    assert_false(is_alive(child)); /* when the entry is gone, so is the child */
    assert_int_not_equal(os_pid_of_idle(), child);
}

/* ---- Many at once. */

#ifndef MANY
#define MANY 10000u
#endif

static atomic_uint answered;
static atomic_uint succeeded;

static void on_got(void *user, npr_status status, const struct npr_found *found, const char *text)
{
    (void)user;
    (void)found;
    (void)text;
    if (status == NPR_OK) {
        (void)atomic_fetch_add(&succeeded, 1);
    }
    (void)atomic_fetch_add(&answered, 1);
}

static bool all_answered(void *user)
{
    (void)user;
    return atomic_load(&answered) == MANY;
}

static unsigned descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* Would catch: descriptors, dead children or memory that are left over, and a node that does
 * nothing else while it starts them. */
static void many_that_exit_at_once_leave_nothing(void **state)
{
    unsigned before;
    struct npr_pid other;

    (void)state;
    declare("true", NULL)->argv = (char *[]){"true", NULL};
    (void)declare("echo", STARTED CALLS REPLY("1") DONE);
    start_node();
    other = get("other", "echo");
    check_call(&other, "x", "1");
    before = descriptors();
    atomic_store(&answered, 0);
    atomic_store(&succeeded, 0);
    for (unsigned i = 0; i < MANY; i++) {
        const struct npr_start start = {.module = "t", .function = "true"};
        struct npr_builder *builder = npr_builder_create();
        struct npr_term key;

        npr_build_uint(builder, i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(npr_get_async(nodes[0], key, &start, 100000, on_got, NULL), NPR_OK);
        npr_builder_destroy(builder);
    }
    for (unsigned i = 0; i < 20; i++) {
        check_call(&other, "x", "1");
    }
    for (unsigned i = 0; i < 100 && !all_answered(NULL); i++) {
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    assert_true(all_answered(NULL));
    assert_int_equal(atomic_load(&succeeded), 0);
    assert_int_equal(descriptors(), before);
    check_call(&other, "x", "1");
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* not one is left to wait for */
}

/* Would catch: a node that cannot stop while starts are under way or wait, or leaves some
 * unanswered. */
static void a_node_stops_while_many_start(void **state)
{
    const unsigned count = 200;
    unsigned before;

    (void)state;
    declare("never", "exec sleep 1000")->kill_ms = 20000;
    start_node();
    before = descriptors();
    atomic_store(&answered, 0);
    atomic_store(&succeeded, 0);
    for (unsigned i = 0; i < count; i++) {
        const struct npr_start start = {.module = "t", .function = "never"};
        char key[16];

        (void)snprintf(key, sizeof(key), "%u", i);
        assert_int_equal(npr_get_async(nodes[0], nodes_term(key), &start, 100000, on_got, NULL),
                         NPR_OK);
    }
    while (descriptors() < before + 4) { /* some are under way */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(atomic_load(&answered), count);
    assert_int_equal(atomic_load(&succeeded), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Memory ends at some allocation of a start, a call or an end, on whichever thread, and is there
 * again afterwards.  Would catch: a start that is never answered, a child that nobody knows of, a
 * process that nothing reaches any more. */
static void memory_may_end_at_any_time(void **state)
{
    struct npr_term key;
    struct npr_term end;

    (void)state;
    declare("echo", STARTED CALLS "case \"$l\" in *ends*) exit 4;; esac; " REPLY("1") DONE)
        ->kill_ms = 200;
    start_node();
    key = nodes_term("k");
    end = nodes_term("ends");
    for (uint64_t n = 1; n <= 150; n++) {
        struct npr_builder *reply = npr_builder_create();
        struct npr_found found = {.started = false};
        struct npr_pid pid;
        npr_status status;

        npri_alloc_fail_after(n);
        status = npr_get_pid(nodes[0], key, "t", "echo", 2000, &found, NULL);
        if (status == NPR_OK) {
            const struct npr_address to = {.pid = found.pid};

            (void)!npr_node_call(nodes[0], &to, n % 2 == 0 ? end : key, 20, reply, NULL);
        }
        npri_alloc_fail_after(0);
        npr_builder_destroy(reply);
        /* What was lost for want of memory was told, or is tried again: all is well now. */
        do {
            status = npr_get_pid(nodes[0], key, "t", "echo", 20000, &found, NULL);
            assert_true(status == NPR_OK || status == NPR_EREFUSED || status == NPR_ENOMEM);
            pid = found.pid;
        } while (status != NPR_OK || call(&pid, key, 20000, NULL) != NPR_OK);
    }
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* More than may live at once are refused, and say so. */
static void children_have_a_limit(void **state)
{
    struct npr_found found;
    struct npr_error err;

    (void)state;
    declare("two", STARTED LINES ":; done")->children_max = 2;
    start_node();
    (void)get("a", "two");
    (void)get("b", "two");
    assert_int_equal(npr_get_pid(nodes[0], nodes_term("c"), "t", "two", 20000, &found, &err),
                     NPR_EREFUSED);
    assert_non_null(strstr(err.text, "2 children of t:two live already"));
}

/* exit/2: SIGTERM, and SIGKILL for kill; the process ends when the child has.  Would catch: a child
 * that has no time to end well, or takes all the time it wants. */
static void exits_reach_the_child(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    pid_t child;

    (void)state;
    declare("tidy", "trap 'echo tidied >&2; exit 0' TERM; " STARTED CALLS REPLY("$$") DONE
            "; while :; do sleep 0.05; done")
        ->kill_ms = 20000;
    declare("stubborn",
            "trap '' TERM; " STARTED CALLS REPLY("$$") DONE "; while :; do sleep 1; done")
        ->kill_ms = 100;
    start_node();
    for (unsigned i = 0; i < 3; i++) {
        struct npr_found found;

        pid = get("k", i == 0 ? "tidy" : "stubborn");
        child = os_pid(&pid);
        assert_int_equal(npr_node_exit(nodes[0], &pid, nodes_term(i == 2 ? "kill" : "shutdown")),
                         NPR_OK);
        while (npr_get_pid(nodes[0], key, NULL, NULL, 5000, &found, NULL) == NPR_OK) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_false(is_alive(child));
    }
    nodes_wait(is_logged, "line=\"tidied\"");
}

/* Would catch: a restart beside a child that is not gone, or none. */
static void permanent_ones_live_again(void **state)
{
    const struct npr_term key = nodes_term("k");
    struct npr_pid pid;
    struct npr_found found;
    pid_t child;

    (void)state;
    declare("lives", STARTED CALLS "case \"$l\" in *crash*) exit 9;; esac; " REPLY("$$") DONE)
        ->restart = NPR_RESTART_PERMANENT;
    start_node();
    pid = get("k", "lives");
    child = os_pid(&pid);
    check_call_ends(&pid, "crash", "{exit_status,9}");
    do {
        assert_int_equal(npr_get_pid(nodes[0], key, "t", "lives", 5000, &found, NULL), NPR_OK);
    } while (npr_pid_equal(&found.pid, &pid));
    assert_false(is_alive(child));
    assert_int_not_equal(os_pid(&found.pid), child);
}

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
    struct npr_node_options options = nodes_options("a@127.0.0.1", NULL);
    struct npr_node *node = NULL;
    struct npr_error err;

    (void)state;
    (void)declare("x", "true");
    (void)declare("x", "true");
    options.commands = declared;
    options.commands_count = 2;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_string_equal(err.text, "commands: t:x is declared twice");
    options.commands_count = 1;
    commands[0].start_ms = 0;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    commands[0].start_ms = 1;
    commands[0].argv = (char *[]){NULL};
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_string_equal(err.text, "commands: t:x: no program");
    commands[0].struct_size--;
    assert_int_equal(npr_node_start(&options, &node, &err), NPR_EINVAL);
    assert_null(node);
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_message_is_the_start),
        CASE(calls_casts_and_messages_arrive_in_order),
        CASE(replies_may_come_in_any_order),
        CASE(a_child_sends_to_pids_and_names),
        CASE(packet4_carries_terms),
        CASE(a_start_that_fails_says_why),
        CASE(only_what_is_declared_starts),
        CASE(its_end_is_the_processs_end),
        CASE(the_node_takes_its_children_along),
        CASE(one_that_does_not_read_is_bounded),
        CASE(one_that_reads_slowly_gets_everything),
        CASE(one_that_floods_is_ended_or_served_in_turn),
        CASE(output_is_read_as_it_is_acted_on),
        CASE(stderr_is_logged_line_by_line),
        CASE(calls_that_are_not_answered_are_bounded),
        CASE(idle_ones_end),
        CASE(many_that_exit_at_once_leave_nothing),
        CASE(a_node_stops_while_many_start),
        CASE(memory_may_end_at_any_time),
        CASE(children_have_a_limit),
        CASE(exits_reach_the_child),
        CASE(permanent_ones_live_again),
        CASE(declarations_are_read),
        CASE(wrong_declarations_are_refused),
    };

    if (getenv("NPRI_TEST_CASE") != NULL) {
        cmocka_set_test_filter(getenv("NPRI_TEST_CASE"));
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
