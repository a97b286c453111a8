/* Command processes under load: children that do not read, do not answer, or write without end. */
#include "api_commands.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Would catch: a node that holds whatever is sent to a child which does not read: beyond input and
 * mailbox, calls are refused. */
static void one_that_does_not_read_is_bounded(void **state)
{
    char request[5000];
    struct npr_command *command =
        commands_declare("deaf", SH_STARTED "sleep 0.2; IFS= read -r l; sleep 1000");
    struct npr_pid pid;
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;
    unsigned refused = 0;
    char *text = NULL;

    (void)state;
    command->input_bytes_max = 100000;
    command->mailbox_max = 10;
    command->kill_ms = 100;
    commands_start_node();
    pid = commands_get("k", "deaf");
    memset(request, 'x', sizeof(request));
    npr_build_binary(builder,
                     (struct npr_bytes){.data = (uint8_t *)request, .size = sizeof(request)});
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    for (unsigned i = 0; i < 200; i++) { /* 1 MB: the pipe has 64 KB, the input 100 */
        const struct npr_address to = {.pid = pid};

        assert_int_equal(npr_node_cast(nodes[0], &to, term), NPR_OK);
    }
    /* Once it takes nothing any more, none has to wait for its time-out; which is short only while
     * they do. */
    for (unsigned i = 0; i < 400 && refused < 20; i++) {
        const npr_status status = commands_call(&pid, term, refused == 0 ? 10 : 1000, &text);

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
    struct npr_command *command = commands_declare(
        "slow", SH_STARTED
        "c=0; sleep 0.3; " SH_LINES
        "case \"$l\" in '{\"call\":'*) " SH_NUMBER SH_REPLY("$c") ";; *) c=$((c+1))" SH_DONE);
    struct npr_pid pid;

    (void)state;
    command->input_bytes_max = 2000;
    command->mailbox_max = 100000;
    commands_start_node();
    pid = commands_get("k", "slow");
    {
        const struct npr_address to = {.pid = pid};
        const struct npr_term message =
            nodes_term("<<\"a message of some length, so that it adds up\">>");

        for (unsigned i = 0; i < 5000; i++) {
            assert_int_equal(npr_node_cast(nodes[0], &to, message), NPR_OK);
        }
    }
    commands_check_call(&pid, "count", "5000");
}

/* Would catch: output that is held without a limit while its receiver has no room; a node that
 * serves nobody else meanwhile. */
static void one_that_floods_is_ended_or_served_in_turn(void **state)
{
    struct npr_pid pid;
    struct npr_pid other;
    struct npr_command *command = commands_declare("long", SH_STARTED "yes | tr -d '\\n'");

    (void)state;
    command->message_bytes_max = 100000;
    command->kill_ms = 100;
    (void)commands_declare("echo", SH_STARTED SH_CALLS SH_REPLY("1") SH_DONE);
    (void)commands_declare("send", SH_STARTED "yes '{\"send\":\"nobody\",\"message\":[1,2,3]}'");
    (void)commands_declare("stderr", SH_STARTED "yes complaint >&2");
    commands_start_node();
    other = commands_get("other", "echo");
    pid = commands_get("k", "long");
    commands_check_call_ends(&pid, "x",
                             "{bad_output,<<\"a message is larger than 100000 bytes\">>}");
    (void)commands_get("flood", "send");
    (void)commands_get("errors", "stderr");
    for (unsigned i = 0; i < 20; i++) {
        commands_check_call(&other, "x", "1");
    }
    nodes_wait(commands_is_logged, "command_stderr function=t:stderr");
    nodes_wait(commands_is_logged, "log_suppressed");
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
    struct npr_node_options options;
    char path[] = "/tmp/nprocreg-commands-XXXXXX";
    const int fd = mkstemp(path);
    char script[600];
    struct npr_found found;
    struct npr_pid pid;
    unsigned count;
    unsigned most;
    bool rests;

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(script, sizeof(script),
                   SH_STARTED
                   "x=$(yes 0123456789abcdef | head -n 1000 | tr -d '\\n'); read go; "
                   "while :; do printf '{\"send\":\"nobody\",\"message\":\"%%s\"}\\n' $x; "
                   "printf . >>%s; done",
                   path);
    (void)commands_declare("flood", script);
    options = commands_options(&blocker_module);
    options.workers = 1;
    assert_int_equal(npr_node_start(&options, &nodes[0], NULL), NPR_OK);
    pid = commands_get("k", "flood");
    assert_int_equal(
        npr_get_pid(nodes[0], nodes_term("b"), "blocker", "start", 20000, &found, NULL), NPR_OK);
    atomic_store(&blocked, false);
    atomic_store(&blocks, true);
    commands_send_text(&pid, "go", true);
    while (lines_written(path) == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    commands_send_text(&found.pid, "block", true);
    while (!atomic_load(&blocked)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    /* Lines of 16 KB: 64 read ahead, 64 of a read, 64, and one that has not been counted. */
    most = lines_written(path) + 13;
    do {
        count = lines_written(path);
        (void)nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
        rests = lines_written(path) == count;
    } while (!rests && count <= most);
    rests = rests && count <= most;
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

struct long_call {
    struct npr_pid pid;
    struct npr_term request;
    char *text;
    atomic_bool ended;
};

static void *call_for_long(void *user)
{
    struct long_call *long_call = user;

    (void)commands_call(&long_call->pid, long_call->request, 20000, &long_call->text);
    atomic_store(&long_call->ended, true);
    return NULL;
}

/* Would catch: calls that are kept for ever for a child which never answers. */
static void calls_that_are_not_answered_are_bounded(void **state)
{
    struct npr_command *command = commands_declare("silent", SH_STARTED SH_LINES ":; done");
    struct long_call first = {.request = nodes_term("x")};
    pthread_t thread;

    (void)state;
    command->calls_max = 2;
    commands_start_node();
    first.pid = commands_get("k", "silent");
    assert_int_equal(pthread_create(&thread, NULL, call_for_long, &first), 0);
    while (!atomic_load(&first.ended)) { /* which it has when two have come after it */
        assert_int_equal(commands_call(&first.pid, nodes_term("y"), 100, NULL), NPR_ETIMEDOUT);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(first.text);
    assert_string_equal(first.text, "{error,overload}"); /* the oldest gave way */
    free(first.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMANDS_CASE(one_that_does_not_read_is_bounded),
        COMMANDS_CASE(one_that_reads_slowly_gets_everything),
        COMMANDS_CASE(one_that_floods_is_ended_or_served_in_turn),
        COMMANDS_CASE(output_is_read_as_it_is_acted_on),
        COMMANDS_CASE(calls_that_are_not_answered_are_bounded),
    };

    commands_pick_case();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
