/* The life of a node: npr_node_start() to npr_node_stop(). */
#include <inttypes.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "dist/flags.h"
#include "net/entropy.h"
#include "node/call.h"
#include "node/node.h"
#include "node/options.h"
#include "node/router.h"
#include "node/survey.h"
#include "term/write.h"

#define NS_PER_MS          UINT64_C(1000000)
#define BREAK_ATTEMPTS_MAX 3u

/* Of the reason of a crash in the log. */
#define REASON_TEXT_BYTES_MAX 500u

/* ---- What the layers below call. */

/* Any thread. */
static void on_route(void *user, struct npri_signal *signal)
{
    struct npr_node *node = user;

    npri_inbox_push(&node->outbox, signal);
}

/* Any worker. */
static void on_crashed(void *user,
                       const struct npr_pid *pid,
                       const char *function,
                       struct npr_term reason)
{
    struct npr_node *node = user;
    struct npri_buffer text;

    npri_buffer_init(&text, REASON_TEXT_BYTES_MAX);
    npri_term_print(reason, &text);
    npri_node_log(node, NPR_LOG_WARNING, "process_crashed pid=<%.*s.%u.%u> function=%s reason=%.*s",
                  (int)pid->node.size, pid->node.text, (unsigned)pid->id, (unsigned)pid->serial,
                  function, (int)text.size, text.size == 0 ? "" : (const char *)text.data);
    npri_buffer_fini(&text);
}

/* Any worker. */
static void on_ended(void *user)
{
    npri_monitors_on_ended(user);
}

/* The timer thread. */
static void on_slow(void *user, const struct npri_slow *slow)
{
    npri_node_log(user, NPR_LOG_WARNING,
                  "long_callback pid=<%.*s.%u.%u> function=%s ms=%" PRIu64 " state=%s",
                  (int)slow->pid->node.size, slow->pid->node.text, (unsigned)slow->pid->id,
                  (unsigned)slow->pid->serial, slow->function, slow->ms,
                  slow->returned ? "returned" : "running");
}

static void on_up(void *user, const struct npri_peer *peer)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_CONNECTED,
                                                             .node = peer->name,
                                                             .creation = peer->creation});
    npri_questions_on_up(node, &peer->name);
    npri_node_leave(node);
}

/* Links and monitors of processes here with processes there. */
static void break_ties(struct npr_node *node, const struct npr_node_name *peer)
{
    unsigned attempts = BREAK_ATTEMPTS_MAX;

    while (npri_runtime_node_down(node->runtime, peer) != NPR_OK) {
        if (--attempts == 0) {
            npri_node_log(node, NPR_LOG_ERROR, "links_kept node=%.*s reason=\"out of memory\"",
                          (int)peer->size, peer->text);
            return;
        }
    }
}

static void on_down(void *user,
                    const struct npr_node_name *name,
                    bool was_up,
                    const struct npr_error *reason)
{
    struct npr_node *node = user;
    const struct npr_node_name peer = *name;

    npri_node_enter(node);
    if (was_up) {
        break_ties(node, &peer);
        npri_leaders_on_down(node, &peer);
        npri_monitors_on_disconnect(node, &peer);
    }
    npri_questions_on_down(node, &peer, reason);
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED,
                                                             .node = peer,
                                                             .was_up = was_up,
                                                             .text = npr_bytes_of(reason->text)});
    npri_node_leave(node);
}

static void on_received(void *user,
                        const struct npri_peer *peer,
                        const struct npri_control *control)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    npri_router_received(node, peer, control);
    npri_node_leave(node);
}

static void on_heard(void *user, const struct npri_peer *peer)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    (void)npri_registry_step(
        node, &(struct npri_core_event){.kind = NPRI_EVENT_HEARD, .node = peer->name});
    npri_node_leave(node);
}

static void on_undelivered(void *user,
                           const struct npr_node_name *peer,
                           const struct npri_control *control)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    npri_router_undelivered(node, peer, control);
    npri_node_leave(node);
}

static void on_log(void *user, int level, const char *line)
{
    npri_node_log(user, (npr_log_level)level, "%s", line);
}

/* ---- Making the parts. */

static npr_status create_connections(struct npr_node *node,
                                     const struct npr_node_options *options,
                                     struct npr_error *err)
{
    struct npri_connections_options connections = {
        .self = node->name,
        .creation = node->creation,
        .cookie = npr_bytes_of(options->cookie),
        .flags = NPRI_FLAGS_OFFERED,
        .handshake_ns_max = options->handshake_ms_max * NS_PER_MS,
        .handshakes_max = options->handshakes_max,
        .frame_bytes_max = options->frame_bytes_max,
        .queue_bytes_max = options->queue_bytes_max,
        .queue_ns_max = options->queue_ms_max * NS_PER_MS,
        .net_ticktime_ns = (uint64_t)options->net_ticktime_s * 1000 * NS_PER_MS,
        .events = {.up = on_up,
                   .down = on_down,
                   .received = on_received,
                   .heard = on_heard,
                   .undelivered = on_undelivered,
                   .log = on_log},
        .user = node,
    };
    struct npri_endpoint endpoint = {0};
    npr_status status = npri_connections_create(node->loop, &connections, &node->connections, err);

    if (status != NPR_OK || node->client) {
        return status;
    }
    npri_host_of(&node->name, endpoint.host);
    if (options->listen != NULL) {
        status = npri_endpoint_parse(options->listen, &endpoint, err);
        if (status != NPR_OK) {
            return npri_fail_prefix(err, status, "listen: ");
        }
    }
    status =
        npri_connections_listen(node->connections, endpoint.host, endpoint.port, &node->port, err);
    return status == NPR_OK ? NPR_OK : npri_fail_prefix(err, status, "listen: ");
}

static npr_status add_joins(struct npr_node *node,
                            const struct npr_node_options *options,
                            struct npr_error *err)
{
    for (size_t i = 0; i < options->join_count; i++) {
        struct npr_node_name peer;
        uint16_t port = 0;
        npr_status status = options->join[i] == NULL
                                ? npri_fail(err, NPR_EINVAL, "an entry is NULL")
                                : npri_peer_parse(options->join[i], &peer, &port, err);

        if (status == NPR_OK && npr_node_name_equal(&peer, &node->name)) {
            continue; /* A list of all nodes may be given to each of them. */
        }
        if (status == NPR_OK && port != 0) {
            status = npri_connections_set_port(node->connections, &peer, port);
        }
        if (status == NPR_OK) {
            status = npri_registry_step(
                node, &(struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = peer});
        }
        if (status == NPR_ENOMEM) {
            return npri_fail(err, NPR_ENOMEM, "out of memory");
        }
        if (status != NPR_OK) {
            return npri_fail_prefix(err, status, "join: ");
        }
    }
    return NPR_OK;
}

/* Of this incarnation of the name: any number that an earlier one did not have.  epmd offers one
 * too, but gives another when it is restarted, and Erlang nodes keep their first then; 0 to 3 had a
 * meaning of their own once. */
static uint32_t choose_creation(void)
{
    uint32_t creation = 0;

    while (creation <= 3) {
        npri_entropy(&creation, sizeof(creation));
    }
    return creation;
}

static npr_status create_parts(struct npr_node *node,
                               const struct npr_node_options *options,
                               struct npr_error *err)
{
    struct npri_registry_options registry = {.otp_fixed = options->otp != 0,
                                             .otp = options->otp == 25 ? NPR_OTP_25 : NPR_OTP_26,
                                             .placement = options->placement,
                                             .quorum = options->quorum,
                                             .heartbeat_ns = options->heartbeat_ms * NS_PER_MS,
                                             .node_timeout_ns =
                                                 options->node_timeout_ms * NS_PER_MS};
    npr_status status =
        npri_exports_init(&node->exports, options->modules, options->modules_count, err);

    if (status != NPR_OK) {
        return npri_fail_prefix(err, status, "modules: ");
    }
    status = npri_commands_create(node, options->commands, options->commands_count, &node->commands,
                                  err);
    if (status != NPR_OK) {
        return npri_fail_prefix(err, status, "commands: ");
    }
    node->exports.commands = node->commands;
    status = npri_loop_create(&node->loop, err);
    if (status == NPR_OK) {
        status = npri_runtime_create(
            &(struct npri_runtime_options){.node = node->name,
                                           .creation = node->creation,
                                           .workers = options->workers,
                                           .threads_max = options->threads_max,
                                           .hash_key = node->hash_key,
                                           .user = node,
                                           .route = on_route,
                                           .crashed = on_crashed,
                                           .ended = on_ended,
                                           .redirect_ms = NPR_CONFLICT_GRACE_MS,
                                           .handed = npri_moving_on_handed,
                                           .wanted = npri_moving_on_wanted,
                                           .long_callback_ms = options->long_callback_ms,
                                           .slow = on_slow},
            &node->runtime, err);
    }
    if (status != NPR_OK) {
        return status;
    }
    npri_put_node(&node->name_term, &node->name);
    if (node->name_term.failed || !npri_leaders_init(&node->leaders, node->hash_key) ||
        !npri_questions_init(node) || !npri_watching_init(node) || !npri_moving_init(node) ||
        npri_services_start(node) != NPR_OK || npri_registry_start(node, &registry) != NPR_OK ||
        npri_reads_start(node) != NPR_OK || npri_quorum_news_start(node) != NPR_OK ||
        npri_grabs_start(node) != NPR_OK) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    status = create_connections(node, options, err);
    return status == NPR_OK ? add_joins(node, options, err) : status;
}

/* ---- The loop thread. */

/* The node whose loop this thread runs. */
static _Thread_local const struct npr_node *loop_node;

bool npri_node_is_loop_thread(const struct npr_node *node)
{
    return loop_node == node;
}

static void *loop_main(void *user)
{
    struct npr_node *node = user;

    loop_node = node;
    npri_loop_run(node->loop);
    return NULL;
}

/* The program's signals are handled on the program's threads. */
static npr_status start_thread(struct npr_node *node, struct npr_error *err)
{
    sigset_t all;
    sigset_t old;
    int code;

    (void)sigfillset(&all);
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    code = pthread_create(&node->thread, NULL, loop_main, node);
    NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    if (code != 0) {
        return npri_fail(err, NPR_EIO, "the loop thread could not be started");
    }
    node->thread_runs = true;
    return NPR_OK;
}

/* ---- The name in epmd. */

static void on_registered(void *user,
                          npr_status status,
                          uint32_t creation,
                          const struct npr_error *error)
{
    struct npr_node *node = user;
    struct npri_call *call = node->registering;

    (void)creation; /* choose_creation() */
    node->registering = NULL;
    if (call != NULL) {
        npri_call_end(call, status, npr_bytes_of(error == NULL ? "" : error->text));
    }
}

static void on_epmd_log(void *user, const char *line)
{
    npri_node_log(user, NPR_LOG_INFO, "%s", line);
}

/* The registration stays as long as the node; the call ends with its first outcome. */
static void registering_run(struct npri_call *call)
{
    struct npr_node *node = call->node;
    struct npr_error error = {0};
    npr_status status;

    node->registering = call;
    status =
        npri_epmd_registration_start(node->loop,
                                     &(struct npri_epmd_registration_options){.node = node->name,
                                                                              .port = node->port,
                                                                              .done = on_registered,
                                                                              .log = on_epmd_log,
                                                                              .user = node},
                                     &node->registration, &error);
    if (status != NPR_OK && node->registering != NULL) {
        node->registering = NULL;
        npri_call_end(call, status, npr_bytes_of(error.text));
    }
}

/* ---- Stopping. */

static void closing_run(struct npri_call *call)
{
    struct npr_node *node = call->node;

    node->closing = true;
    npri_reads_close(node);
    npri_grabs_close(node);
    npri_watching_close(node);
    npri_registry_close(node);
    npri_questions_close(node);
    npri_call_end(call, NPR_OK, npr_bytes_of(""));
}

/* The last task: what the processes' ends have put into the outbox still goes out. */
static void quitting_run(struct npri_call *call)
{
    struct npr_node *node = call->node;

    while (npri_inbox_drain(&node->outbox)) {
    }
    npri_epmd_registration_stop(node->registration);
    node->registration = NULL;
    npri_connections_destroy(node->connections);
    node->connections = NULL;
    npri_loop_stop(node->loop);
    npri_call_end(call, NPR_OK, npr_bytes_of(""));
}

/* Each step ends what could still use what the next one takes away:
 * callers, then processes (the loop still runs, for their last signals), then connections, then the
 * loop thread. */
static void stop_running(struct npr_node *node)
{
    struct npri_call call = {0};

    npri_calls_close(node);
    (void)npri_call_run_unchecked(node, &call, closing_run);
    npri_calls_wait(node);
    npri_runtime_stop(node->runtime);
    node->runtime_stopped = true;
    (void)npri_call_run_unchecked(node, &call, quitting_run);
    NPRI_ASSERT(pthread_join(node->thread, NULL) == 0);
    node->thread_runs = false;
}

/* Frees a node whose loop does not run; any part of it may be missing. */
static void destroy(struct npr_node *node)
{
    node->closing = true;
    if (node->runtime != NULL && !node->runtime_stopped) {
        npri_runtime_stop(node->runtime);
    }
    npri_connections_destroy(node->connections);
    if (node->questions.open.buckets != NULL) {
        npri_questions_close(node);
        npri_questions_fini(node);
    }
    npri_inbox_discard(&node->outbox);
    npri_services_fini(node);
    npri_surveys_fini(node);
    npri_evaluations_fini(node);
    npri_leaders_fini(&node->leaders);
    npri_watching_fini(node);
    npri_grabs_fini(node);
    npri_reads_fini(node);
    npri_quorum_news_fini(node);
    npri_moving_fini(node);
    npri_registry_fini(node);
    npri_runtime_destroy(node->runtime);
    npri_commands_destroy(node->commands);
    if (node->loop != NULL) {
        npri_loop_destroy(node->loop);
    }
    npri_exports_fini(&node->exports);
    npri_buffer_fini(&node->name_term);
    npri_log_limits_fini(&node->log_limits);
    (void)pthread_cond_destroy(&node->calls_none);
    (void)pthread_mutex_destroy(&node->calls_lock);
    npri_free(node);
}

void npr_node_close(struct npr_node *node)
{
    if (node != NULL && node->thread_runs) {
        stop_running(node);
    }
}

void npr_node_stop(struct npr_node *node)
{
    if (node != NULL) {
        npr_node_close(node);
        destroy(node);
    }
}

/* ---- Starting. */

static struct npr_node *allocate(const struct npr_node_options *options,
                                 const struct npr_node_name *name)
{
    struct npr_node *node = npri_alloc_zeroed(1, sizeof(*node));

    if (node == NULL) {
        return NULL;
    }
    node->name = *name;
    node->creation = choose_creation();
    npri_entropy(&node->hash_key, sizeof(node->hash_key));
    node->client = options->client;
    node->log = options->log;
    node->log_user = options->log_user;
    npri_log_limits_init(&node->log_limits);
    npri_list_init(&node->surveys);
    npri_buffer_init(&node->name_term, 0);
    npri_inbox_init(&node->outbox, node, npri_router_handle_outbox);
    NPRI_ASSERT(pthread_mutex_init(&node->calls_lock, NULL) == 0);
    NPRI_ASSERT(pthread_cond_init(&node->calls_none, NULL) == 0);
    return node;
}

npr_status npr_node_start(const struct npr_node_options *options,
                          struct npr_node **out,
                          struct npr_error *err)
{
    struct npr_node_name name;
    struct npr_node *node;
    npr_status status;

    if (out == NULL) {
        return npri_fail(err, NPR_EINVAL, "nowhere to put the node");
    }
    status = npri_options_check(options, err);
    if (status != NPR_OK) {
        return status;
    }
    status = npr_node_name_parse(npr_bytes_of(options->name), &name, err);
    if (status != NPR_OK) {
        return npri_fail_prefix(err, status, "name: ");
    }
    node = allocate(options, &name);
    if (node == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    status = create_parts(node, options, err);
    if (status == NPR_OK) {
        status = start_thread(node, err);
    }
    if (status == NPR_OK) {
        npri_reads_open(node);
    }
    if (status == NPR_OK && !options->client && options->listen == NULL) {
        struct npri_call call = {.err = err};

        status = npri_call_run_unchecked(node, &call, registering_run);
    }
    if (status != NPR_OK) {
        npr_node_stop(node);
        return status;
    }
    *out = node;
    return NPR_OK;
}

void npr_node_name(const struct npr_node *node, struct npr_node_name *out)
{
    if (out != NULL) {
        *out = node == NULL ? (struct npr_node_name){0} : node->name;
    }
}

uint16_t npr_node_port(const struct npr_node *node)
{
    return node == NULL ? 0 : node->port;
}
