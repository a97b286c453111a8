#include "api_commands.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 8 /* of one case */

static struct npr_command commands[COMMANDS_MAX];
static char *arguments[COMMANDS_MAX][4];
static const struct npr_command *declared[COMMANDS_MAX];
static size_t declared_count;

struct npr_command *commands_declare(const char *name, char *script)
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
}

bool commands_is_logged(void *text)
{
    bool found;

    (void)pthread_mutex_lock(&log_lock);
    found = strstr(log_text, text) != NULL;
    (void)pthread_mutex_unlock(&log_lock);
    return found;
}

struct npr_node_options commands_options(const struct npr_module *module)
{
    struct npr_node_options options = nodes_options("a@127.0.0.1", module);

    options.commands = declared;
    options.commands_count = declared_count;
    return options;
}

void commands_start_node(void)
{
    struct npr_node_options options = commands_options(NULL);
    struct npr_error err;

    log_text[0] = '\0';
    options.log = on_log;
    if (npr_node_start(&options, &nodes[0], &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
}

int commands_teardown(void **state)
{
    declared_count = 0;
    return nodes_stop(state);
}

struct npr_pid commands_get(const char *key, const char *name)
{
    struct npr_found found;
    struct npr_error err = {.status = NPR_OK};

    if (npr_get_pid(nodes[0], nodes_term(key), "t", name, 20000, &found, &err) != NPR_OK) {
        fail_msg("t:%s: %s", name, err.text);
    }
    return found.pid;
}

void commands_check_start_fails(const char *name, const char *why)
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

npr_status commands_call(const struct npr_pid *pid,
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

char *commands_reply_to(const struct npr_pid *pid, const char *request)
{
    char *text = NULL;

    assert_int_equal(commands_call(pid, nodes_term(request), 20000, &text), NPR_OK);
    if (text == NULL) {
        abort();
    }
    return text;
}

void commands_check_call_ends(const struct npr_pid *pid, const char *request, const char *reason)
{
    char *text = NULL;

    assert_int_equal(commands_call(pid, nodes_term(request), 20000, &text), NPR_EEXIT);
    assert_string_equal(text, reason);
    free(text);
}

void commands_check_call(const struct npr_pid *pid, const char *request, const char *reply)
{
    char *text = commands_reply_to(pid, request);

    assert_string_equal(text, reply);
    free(text);
}

void commands_send_text(const struct npr_pid *pid, const char *message, bool is_cast)
{
    const struct npr_address to = {.pid = *pid};

    assert_int_equal(is_cast ? npr_node_cast(nodes[0], &to, nodes_term(message))
                             : npr_node_send(nodes[0], &to, nodes_term(message)),
                     NPR_OK);
}

pid_t commands_os_pid(const struct npr_pid *pid)
{
    char *text = commands_reply_to(pid, "pid");
    const pid_t number = (pid_t)strtol(text, NULL, 10);

    free(text);
    assert_true(number > 1);
    return number;
}

bool commands_is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

void commands_pick_case(void)
{
    if (getenv("NPRI_TEST_CASE") != NULL) {
        cmocka_set_test_filter(getenv("NPRI_TEST_CASE"));
    }
}
