/* nprocreg node: runs a node until SIGTERM or SIGINT. */
#include "commands.h"
#include "cookie.h"
#include "fail.h"
#include "log.h"
#include "session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* How long SIGTERM may take to hand keys over. */
#define DRAIN_MS_DEFAULT 5000

/* --name as it is, or --sname with this machine's short host name. */
static npr_status own_name(const struct arguments *arguments,
                           char out[NPR_NODE_NAME_BYTES_MAX + 1],
                           struct npr_error *err)
{
    char host[200];
    const char *text = arguments->name != NULL ? arguments->name : arguments->sname;

    if ((arguments->name == NULL) == (arguments->sname == NULL)) {
        return fail(err, NPR_EINVAL,
                    "give the node a name: either --name NAME@HOST or --sname NAME");
    }
    if (strlen(text) > 100) {
        return fail(err, NPR_EINVAL, "the node's name is longer than 100 bytes");
    }
    if (arguments->sname != NULL && strchr(text, '@') == NULL) {
        session_own_host(NULL, host, sizeof(host));
        host[strcspn(host, ".")] = '\0';
        (void)snprintf(out, NPR_NODE_NAME_BYTES_MAX + 1, "%s@%.100s", text, host);
    } else {
        (void)snprintf(out, NPR_NODE_NAME_BYTES_MAX + 1, "%s", text);
    }
    return NPR_OK;
}

static npr_status load_modules(const struct arguments *arguments,
                               const struct npr_module **modules,
                               struct npr_error *err)
{
    for (size_t i = 0; i < arguments->module_count; i++) {
        const npr_status status = npr_module_load(arguments->module[i], &modules[i], err);

        if (status != NPR_OK) {
            return status;
        }
    }
    return NPR_OK;
}

/* What has been read is destroyed with the program. */
static npr_status read_commands(const struct arguments *arguments,
                                const struct npr_command **commands,
                                struct npr_error *err)
{
    for (size_t i = 0; i < arguments->command_count; i++) {
        struct npr_command *command;
        const npr_status status = npr_command_parse(arguments->command[i], &command, err);

        if (status != NPR_OK) {
            return status;
        }
        commands[i] = command;
    }
    return NPR_OK;
}

static void set_options(const struct arguments *arguments, struct npr_node_options *options)
{
    options->listen = arguments->listen;
    options->join = arguments->join;
    options->join_count = arguments->join_count;
    options->modules_count = arguments->module_count;
    options->commands_count = arguments->command_count;
    options->otp = arguments->otp;
    options->workers = arguments->workers;
    if (arguments->threads_max != 0) {
        options->threads_max = arguments->threads_max;
    }
    if (arguments->has_long_callback) {
        options->long_callback_ms = arguments->long_callback_ms;
    }
    if (arguments->heartbeat_ms != 0) {
        options->heartbeat_ms = arguments->heartbeat_ms;
    }
    if (arguments->node_timeout_ms != 0) {
        options->node_timeout_ms = arguments->node_timeout_ms;
    }
    options->quorum = arguments->quorum;
    options->placement = arguments->placement;
    if (arguments->net_ticktime_s != 0) {
        options->net_ticktime_s = arguments->net_ticktime_s;
    }
    if (arguments->frame_bytes_max != 0) {
        options->frame_bytes_max = arguments->frame_bytes_max;
    }
    if (arguments->queue_bytes_max != 0) {
        options->queue_bytes_max = arguments->queue_bytes_max;
    }
}

/* The signals are blocked before the node's threads begin, which inherit that: only sigwait() here
 * takes them. */
static void block_signals(sigset_t *out)
{
    (void)sigemptyset(out);
    (void)sigaddset(out, SIGTERM);
    (void)sigaddset(out, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, out, NULL);
}

static uint32_t options_drain_ms(const struct arguments *arguments)
{
    return arguments->has_drain_deadline ? arguments->drain_deadline_ms : DRAIN_MS_DEFAULT;
}

/* Whether nobody has sent another signal. */
static bool is_still_wanted(void *user, const struct npr_drain_progress *progress)
{
    const struct timespec now = {0};

    (void)progress;
    return sigtimedwait(user, NULL, &now) < 0;
}

/* Hands its keys over; what is left when that ends goes with the node. */
static void drain(struct npr_node *node, uint32_t deadline_ms, sigset_t *signals)
{
    struct npr_error err = {0};
    char line[NPR_ERROR_TEXT_BYTES + 64];
    npr_status status;

    (void)snprintf(line, sizeof(line), "draining deadline_ms=%u", (unsigned)deadline_ms);
    log_line(NULL, NPR_LOG_INFO, line);
    status = npr_drain(node, NULL, deadline_ms, is_still_wanted, signals, &err);
    /* That there is nobody to take over is no news for the last node of a cluster. */
    if (status != NPR_OK && status != NPR_EREFUSED) {
        (void)snprintf(line, sizeof(line), "drain_ended reason=\"%s\"", err.text);
        log_line(NULL, NPR_LOG_WARNING, line);
    }
}

static enum exit_code run(const struct arguments *arguments)
{
    static const struct npr_module *modules[REPEATED_MAX];
    static const struct npr_command *commands[REPEATED_MAX];
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    char name[NPR_NODE_NAME_BYTES_MAX + 1];
    char cookie[COOKIE_BYTES_MAX + 1];
    struct npr_node *node = NULL;
    struct npr_error err = {0};
    sigset_t signals;
    int signal_number = 0;

    block_signals(&signals);
    if (!log_open(arguments->log_level)) {
        (void)fail(&err, NPR_ENOMEM, "no thread for the log");
        return report(arguments, &err);
    }
    set_options(arguments, &options);
    options.name = name;
    options.cookie = cookie;
    options.modules = modules;
    options.commands = commands;
    options.log = log_line;
    if (own_name(arguments, name, &err) != NPR_OK ||
        cookie_read(arguments->cookie_file, cookie, &err) != NPR_OK ||
        load_modules(arguments, modules, &err) != NPR_OK ||
        read_commands(arguments, commands, &err) != NPR_OK ||
        npr_node_start(&options, &node, &err) != NPR_OK) {
        log_close();
        return report(arguments, &err);
    }
    (void)printf("ready name=%s port=%u\n", name, (unsigned)npr_node_port(node));
    (void)fflush(stdout); /* A script that waits for the line must not wait for a full buffer. */
    (void)sigwait(&signals, &signal_number);
    if (signal_number == SIGTERM && options_drain_ms(arguments) > 0) {
        drain(node, options_drain_ms(arguments), &signals);
    }
    log_line(NULL, NPR_LOG_INFO,
             signal_number == SIGTERM ? "stopping signal=SIGTERM" : "stopping signal=SIGINT");
    npr_node_stop(node);
    log_close();
    return EXIT_DONE;
}

static const enum option_id options[] = {
    OPTION_NAME,         OPTION_SNAME,       OPTION_COOKIE_FILE,   OPTION_JOIN,
    OPTION_MODULE,       OPTION_COMMAND,     OPTION_LISTEN,        OPTION_OTP,
    OPTION_WORKERS,      OPTION_THREADS,     OPTION_LONG_CALLBACK, OPTION_NET_TICKTIME,
    OPTION_FRAME_BYTES,  OPTION_QUEUE_BYTES, OPTION_LOG_LEVEL,     OPTION_HEARTBEAT,
    OPTION_NODE_TIMEOUT, OPTION_QUORUM,      OPTION_PLACEMENT,     OPTION_DRAIN_DEADLINE,
    OPTION_END,
};

const struct command command_node = {
    .name = "node",
    .synopsis = "",
    .summary = "Run a node of the registry until SIGTERM or SIGINT",
    .details =
        "Prints 'ready name=NAME port=N' on standard output when it can serve, and logs one "
        "event a\n"
        "line to standard error.  It finds its peers by the machine's epmd, or serves as "
        "epmd itself\n"
        "when none runs; with --listen and --join NAME@HOST:PORT no epmd is needed at all.\n\n"
        "SIGTERM hands its keys over to the other nodes first ('nprocreg drain --help'), for at "
        "most\n"
        "--drain-deadline; a second one, and SIGINT, stop it at once.\n\n"
        "--command MODULE:FUNCTION[/ARITY][,OPTION]...='PROGRAM [ARGUMENT]...' declares a "
        "program that is\n"
        "started as a process, and told its key and arguments on its standard input; no "
        "shell is\n"
        "involved.  OPTION is json (the default) or packet4, idle:TIME, start:TIME, "
        "kill:TIME,\n"
        "mailbox:N, overflow:fail|drop-newest|drop-oldest|unbounded, children:N, calls:N, "
        "restarts:N,\n"
        "restart:temporary|transient|permanent, window:TIME, input-bytes:N or message-bytes:N.\n"
        "docs/commands.md says what the program is to do.",
    .options = options,
    .run = run,
};
