/* nprocreg watch: keys as they come and go. */
#include "commands.h"
#include "complete.h"
#include "fail.h"
#include "input.h"
#include "output.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Events that wait to be printed; a reader that stays behind that far is not waited for. */
#define WAITING_MAX 1000000u

/* One line to be printed. */
struct line {
    struct line *next;
    char *text;
};

/* Lines, from the node's thread to ours: printing may block, which that thread must not. */
struct feed {
    const struct arguments *arguments;
    struct npr_node_name peer; /* the node that was asked */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct line *first;
    struct line **last;
    unsigned waiting_count;
    bool too_slow;
    bool peer_gone;
    bool interrupted;
};

/* ---- Events as text. */

/* {"event":"moved","key":K,"pid":P,"old":P,"token":T}; the caller frees it. */
static char *json_line(const struct npr_watch_event *event)
{
    json_t *object = json_object();
    char *pid;
    char *text;

    (void)json_object_set_new(object, "event", json_string(npr_watch_kind_name(event->kind)));
    if (event->key.data != NULL) {
        pid = output_pid(&event->pid);
        (void)json_object_set_new(object, "key", output_term(event->key));
        (void)json_object_set_new(object, "pid", json_string(pid));
        free(pid);
    }
    if (event->kind == NPR_WATCH_MOVED) {
        pid = output_pid(&event->old);
        (void)json_object_set_new(object, "old", json_string(pid));
        free(pid);
    }
    if (event->token != 0) {
        (void)json_object_set_new(object, "token", json_integer((json_int_t)event->token));
    }
    if (event->kind == NPR_WATCH_GONE) {
        (void)json_object_set_new(object, "reason", json_string(npr_gone_name(event->gone)));
    }
    if (event->kind == NPR_WATCH_NODE_DOWN) {
        (void)json_object_set_new(object, "node", output_node(&event->node));
    }
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

/* "moved", key, pid, and what else there is, with tabs between; the caller frees it. */
static char *plain_line(const struct npr_watch_event *event)
{
    const char *name = npr_watch_kind_name(event->kind);
    char *key = event->key.data == NULL ? NULL : output_text(event->key);
    char *pid = event->key.data == NULL ? NULL : output_pid(&event->pid);
    char *more = NULL;
    size_t room;
    char *text;

    if (event->kind == NPR_WATCH_MOVED) {
        more = output_pid(&event->old);
    }
    room = strlen(name) + (key == NULL ? NPR_NODE_NAME_BYTES_MAX : strlen(key) + strlen(pid)) +
           (more == NULL ? 16 : strlen(more)) + 8;
    text = malloc(room);
    if (text != NULL && key == NULL) {
        (void)snprintf(text, room, "%s%s%.*s", name, event->node.size > 0 ? "\t" : "",
                       (int)event->node.size, event->node.text);
    } else if (text != NULL) {
        (void)snprintf(text, room, "%s\t%s\t%s%s%s", name, key, pid,
                       event->kind == NPR_WATCH_REGISTERED ? "" : "\t",
                       event->kind == NPR_WATCH_GONE ? npr_gone_name(event->gone)
                       : more == NULL                ? ""
                                                     : more);
    }
    free(key);
    free(pid);
    free(more);
    return text;
}

/* ---- Between the threads. */

static void on_event(void *user, const struct npr_watch_event *event)
{
    struct feed *feed = user;
    struct line *line = malloc(sizeof(*line));

    if (line != NULL) {
        *line = (struct line){.text = (feed->arguments->json ? json_line : plain_line)(event)};
    }
    (void)pthread_mutex_lock(&feed->lock);
    if (line == NULL || line->text == NULL || feed->waiting_count >= WAITING_MAX) {
        feed->too_slow = true;
    } else {
        *feed->last = line;
        feed->last = &line->next;
        feed->waiting_count++;
        line = NULL;
    }
    if (event->kind == NPR_WATCH_NODE_DOWN && event->node.size == feed->peer.size &&
        memcmp(event->node.text, feed->peer.text, feed->peer.size) == 0) {
        feed->peer_gone = true;
    }
    (void)pthread_cond_signal(&feed->changed);
    (void)pthread_mutex_unlock(&feed->lock);
    if (line != NULL) {
        free(line->text);
        free(line);
    }
}

/* NULL: no more, since it is over. */
static struct line *next_line(struct feed *feed)
{
    struct line *line;

    (void)pthread_mutex_lock(&feed->lock);
    while (feed->first == NULL && !feed->too_slow && !feed->peer_gone && !feed->interrupted) {
        (void)pthread_cond_wait(&feed->changed, &feed->lock);
    }
    line = feed->interrupted ? NULL : feed->first;
    if (line != NULL) {
        feed->first = line->next;
        feed->last = feed->first == NULL ? &feed->first : feed->last;
        feed->waiting_count--;
    }
    (void)pthread_mutex_unlock(&feed->lock);
    return line;
}

static void print_lines(struct feed *feed)
{
    struct line *line;

    while ((line = next_line(feed)) != NULL) {
        (void)printf("%s\n", line->text);
        free(line->text);
        free(line);
    }
}

static void free_lines(struct feed *feed)
{
    while (feed->first != NULL) {
        struct line *line = feed->first;

        feed->first = line->next;
        free(line->text);
        free(line);
    }
}

static void *wait_for_signal(void *user)
{
    struct feed *feed = user;
    sigset_t signals;
    int number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigwait(&signals, &number);
    (void)pthread_mutex_lock(&feed->lock);
    feed->interrupted = true;
    (void)pthread_cond_signal(&feed->changed);
    (void)pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* Before the node's threads begin, which inherit that. */
static void block_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* ---- The command. */

/* An original node tells nobody of its entries. */
static npr_status check_native(struct session *session, struct npr_error *err)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_builder *args = npr_builder_create();
    struct npr_term none = {0};
    npr_status status = NPR_ENOMEM;

    if (reply != NULL && args != NULL) {
        npr_build_nil(args);
        status = npr_builder_finish(args, &none, err);
    }
    if (status == NPR_OK) {
        status = session_rpc(session, "nprocreg_native", "status", none, reply, err);
    }
    if (session_is_undef(status, reply)) {
        status = fail(err, NPR_EREFUSED, "%.*s is an original node: it sends no events",
                      (int)session->peer.size, session->peer.text);
    }
    npr_builder_destroy(reply);
    npr_builder_destroy(args);
    return status;
}

static npr_status read_selector(const struct arguments *arguments,
                                struct session *session,
                                struct input *prefix,
                                struct npr_selector *out,
                                struct npr_error *err)
{
    npr_status status = NPR_OK;

    *out = npr_select_all();
    if (arguments->positional_count > 0) {
        status = complete_pids(session, prefix, err);
        *out = npr_select_prefix(prefix->term);
    } else if (arguments->match != NULL) {
        *out = npr_select_match(arguments->match);
    }
    return status;
}

static npr_status run_feed(struct session *session,
                           const struct npr_selector *selector,
                           struct feed *feed,
                           struct npr_error *err)
{
    struct npr_subscription subscription = {0};
    pthread_t thread;
    npr_status status;

    feed->peer = session->peer;
    feed->last = &feed->first;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* Each line as it happens, into a pipe, too. */
    status = npr_subscribe(session->node, selector, on_event, feed, &subscription, err);
    if (status != NPR_OK) {
        return status;
    }
    if (pthread_create(&thread, NULL, wait_for_signal, feed) == 0) {
        (void)pthread_detach(thread);
    }
    print_lines(feed);
    (void)npr_unsubscribe(session->node, subscription);
    if (feed->interrupted) {
        return NPR_OK;
    }
    if (feed->peer_gone) {
        return fail(err, NPR_EUNREACHABLE, "%.*s is gone", (int)session->peer.size,
                    session->peer.text);
    }
    return fail(err, NPR_EFULL, "the reader is too slow for the events");
}

static enum exit_code run(const struct arguments *arguments)
{
    /* Not on the stack: the thread that waits for a signal may outlive this. */
    static struct feed feed = {.lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};
    struct npr_error err = {0};
    struct session session = {0};
    struct input prefix = {0};
    struct npr_selector selector;
    npr_status status = NPR_OK;

    feed.arguments = arguments;
    if (arguments->positional_count > 0 && arguments->match != NULL) {
        status = fail(&err, NPR_EINVAL, "PREFIX and --match exclude each other");
    } else if (arguments->positional_count > 0) {
        status = input_open_key(arguments, arguments->positional[0], &prefix, &err);
    }
    block_signals();
    if (status == NPR_OK) {
        status = session_open(arguments, &session, &err);
    }
    if (status == NPR_OK) {
        status = check_native(&session, &err);
    }
    if (status == NPR_OK) {
        status = read_selector(arguments, &session, &prefix, &selector, &err);
    }
    if (status == NPR_OK) {
        status = run_feed(&session, &selector, &feed, &err);
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    free_lines(&feed);
    input_close(&prefix);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id options[] = {
    OPTION_NODE,   OPTION_MATCH,       OPTION_TIMEOUT, OPTION_HEX,
    OPTION_BINARY, OPTION_COOKIE_FILE, OPTION_JSON,    OPTION_END,
};
const struct command command_watch = {
    .name = "watch",
    .synopsis = "[PREFIX]",
    .summary = "Print keys as they come and go, on all native nodes, until interrupted",
    .details =
        "First what is there, then `synced`, then what happens; a line for each, with tabs "
        "between:\n"
        "  registered KEY PID        moved KEY PID OLD-PID        gone KEY PID REASON\n"
        "  synced                    nodedown NODE\n"
        "where REASON is unregistered, normal, shutdown, killed, error, noconnection or unknown.\n"
        "With --json a line is one object: "
        "{\"event\":\"moved\",\"key\":K,\"pid\":P,\"old\":P,\"token\":T},\n"
        "with \"reason\" for gone, and \"node\" for nodedown.\n\n"
        "PREFIX and --match as of `nprocreg keys`.  Original nodes send no events.  Ends with 0 "
        "when\n"
        "it is interrupted, with 3 when the node that was asked is gone.  --timeout is for "
        "connecting.",
    .options = options,
    .positional_max = 1,
    .run = run,
};
