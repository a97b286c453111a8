#include "core_host_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

struct npri_core_options host_options(const char *self)
{
    return (struct npri_core_options){
        .self = host_node(self),
        .creation = 1,
        .member = true,
        .otp = NPR_OTP_26,
        .md5 = host_fake_md5,
        .announce_ns = 5000 * MS,
        .expire_ns = 10000 * MS,
        .suspect_ns = 1000 * MS,
        .node_timeout_ns = 3000 * MS,
        .now_ns = 1000 * MS,
    };
}

void host_init_with(struct core_host *host, const struct npri_core_options *options)
{
    memset(host, 0, sizeof(*host));
    host->now_ns = options->now_ns;
    host->quiet = true;
    host->greeting = (struct npri_greeting){.version = NPRI_NATIVE_VERSION,
                                            .oldest = NPRI_NATIVE_OLDEST,
                                            .placement = options->placement,
                                            .quorum = options->quorum,
                                            .heartbeat_ns = options->heartbeat_ns,
                                            .node_timeout_ns = options->node_timeout_ns};
    host->core = npri_core_create(options);
    assert_non_null(host->core);
}

void host_init(struct core_host *host)
{
    const struct npri_core_options options = host_options("a");

    host_init_with(host, &options);
}

void host_fini(struct core_host *host)
{
    npri_core_destroy(host->core);
    host->core = NULL;
}

/* What the core wants, into the trace. */
static void take_effects(struct core_host *host)
{
    struct npri_core_effect effect;
    unsigned count = 0;
    uint64_t fence = 0;

    npri_core_check(host->core);
    while (npri_core_take(host->core, &effect)) {
        host_narrate(host, &effect);
        count += effect.kind == NPRI_EFFECT_NEWS ? 1 : 0;
        fence = effect.kind == NPRI_EFFECT_FENCE ? effect.operation : fence;
    }
    if (fence != 0 && !host->fences) {
        assert_int_equal(host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_FENCED,
                                                                  .operation = fence}),
                         NPR_OK);
    }
    host->news_in_step_max = count > host->news_in_step_max ? count : host->news_in_step_max;
}

npr_status host_step(struct core_host *host, struct npri_core_event event)
{
    npr_status status;

    event.now_ns = host->now_ns;
    npri_alloc_fail_once(host->scarce);
    status = npri_core_step(host->core, &event);
    host->lacked = host->scarce != 0 && !npri_alloc_is_counted();
    npri_alloc_fail_once(0);
    host->scarce = 0;
    take_effects(host);
    return status;
}

static void step(struct core_host *host, struct npri_core_event event)
{
    const bool scarce = host->scarce != 0;
    const npr_status status = host_step(host, event);

    assert_true(status == NPR_OK || (scarce && status == NPR_ENOMEM));
}

void host_join(struct core_host *host, const char *node)
{
    step(host, (struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = host_node(node)});
}

void host_connected(struct core_host *host, const char *node)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_CONNECTED, .node = host_node(node), .creation = 1});
}

void host_disconnected(struct core_host *host, const char *node)
{
    step(host, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED,
                                        .node = host_node(node),
                                        .text = npr_bytes_of("closed")});
}

void host_greeted(struct core_host *host, const char *node, enum npr_otp otp)
{
    struct npri_greeting greeting = host->greeting;

    greeting.otp = otp;
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_GREETED, .node = host_node(node), .greeting = greeting});
}

void host_announced(struct core_host *host, const char *node)
{
    step(host, (struct npri_core_event){.kind = NPRI_EVENT_ANNOUNCED, .node = host_node(node)});
}

void host_polled(struct core_host *host, uint64_t operation, const char *nodes)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_POLLED, .operation = operation, .term = host_nodes(nodes)});
}

void host_poll_failed(struct core_host *host, uint64_t operation, npr_status status)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_POLLED, .operation = operation, .status = status});
}

void host_release(struct core_host *host, uint64_t operation, enum npr_otp otp)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_RELEASE_TOLD, .operation = operation, .otp = otp});
}

static struct npri_core_event wanted(const struct core_host *host,
                                     enum npri_event_kind kind,
                                     uint64_t request,
                                     const char *key,
                                     const char *function)
{
    return (struct npri_core_event){
        .kind = kind,
        .request = request,
        .key = host_atom(key),
        .function = function == NULL ? (struct npr_term){0} : host_atom(function),
        .caller = host_pid_term("z.1"),
        .deadline_ns = host->now_ns + 5000 * MS,
    };
}

void host_get(struct core_host *host, uint64_t request, const char *key, const char *function)
{
    step(host, wanted(host, NPRI_EVENT_GET, request, key, function));
}

void host_start(struct core_host *host, uint64_t request, const char *key, const char *function)
{
    step(host, wanted(host, NPRI_EVENT_START, request, key, function));
}

void host_start_from(struct core_host *host,
                     const char *from,
                     uint64_t request,
                     const char *key,
                     const char *function)
{
    struct npri_core_event event = wanted(host, NPRI_EVENT_START, request, key, function);

    event.node = host_node(from);
    step(host, event);
}

static struct npri_core_event answered(enum npri_event_kind kind,
                                       uint64_t operation,
                                       npr_status status,
                                       const char *pid)
{
    return (struct npri_core_event){
        .kind = kind,
        .operation = operation,
        .status = status,
        .term = pid == NULL ? (struct npr_term){0} : host_pid_term(pid),
        .text = status == NPR_OK ? (struct npr_bytes){0} : npr_bytes_of("because"),
    };
}

void host_asked(struct core_host *host, uint64_t operation, const char *pid)
{
    step(host, answered(NPRI_EVENT_ASKED, operation, pid == NULL ? NPR_ENOTFOUND : NPR_OK, pid));
}

void host_ask_failed(struct core_host *host, uint64_t operation, npr_status status)
{
    step(host, answered(NPRI_EVENT_ASKED, operation, status, NULL));
}

void host_delegated(struct core_host *host, uint64_t operation, npr_status status, const char *pid)
{
    struct npri_core_event event = answered(NPRI_EVENT_DELEGATED, operation, status, pid);

    event.started = status == NPR_OK;
    step(host, event);
}

void host_started(struct core_host *host, uint64_t operation, npr_status status, const char *pid)
{
    step(host, answered(NPRI_EVENT_STARTED, operation, status, pid));
}

void host_started_for_good(struct core_host *host, uint64_t operation, const char *pid)
{
    struct npri_core_event event = answered(NPRI_EVENT_STARTED, operation, NPR_OK, pid);

    event.rule = (struct npri_restart_rule){
        .kind = NPRI_RESTART_PERMANENT, .max = 1, .window_ns = 1000 * MS};
    step(host, event);
}

void host_register(struct core_host *host, const char *key, const char *pid)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_REGISTER, .key = host_atom(key), .term = host_pid_term(pid)});
}

void host_unregister(struct core_host *host, const char *key)
{
    step(host, (struct npri_core_event){.kind = NPRI_EVENT_UNREGISTER, .key = host_atom(key)});
}

void host_down(struct core_host *host, const char *pid)
{
    step(host,
         (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN, .term = host_pid_term(pid)});
}

void host_told_read(struct core_host *host, const char *node)
{
    struct npri_buffer read = {0};

    npri_put_tuple(&read, 2);
    npri_put_atom(&read, "read");
    npri_put_uint(&read, host->told_at);
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_TOLD, .node = host_node(node), .term = host_term_in(&read)});
    npri_buffer_fini(&read);
}

void host_pass(struct core_host *host, uint64_t ns)
{
    const uint64_t end_ns = host->now_ns + ns;
    uint64_t due_ns;

    while ((due_ns = npri_core_deadline_ns(host->core)) <= end_ns) {
        host->now_ns = due_ns > host->now_ns ? due_ns : host->now_ns;
        step(host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    }
    host->now_ns = end_ns;
}

/* The operation that the last line of that kind in the trace names. */
static uint64_t last_operation(const struct core_host *host, const char *kind)
{
    const char *found = NULL;

    for (const char *at = host->trace; (at = strstr(at, kind)) != NULL; at++) {
        found = at;
    }
    assert_non_null(found);
    return found == NULL ? 0 : strtoul(found + strlen(kind), NULL, 10);
}

static void add_peers(struct core_host *host, const char *names, bool native)
{
    char copy[128];
    char *rest = copy;
    char *name;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        host_connected(host, name);
        if (native) {
            host_greeted(host, name, NPR_OTP_26);
        }
        host_polled(host, last_operation(host, "POLL "), name);
        if (!native) {
            host_release(host, last_operation(host, "ASK_RELEASE "), NPR_OTP_26);
        }
    }
    host_forget_trace(host);
}

void host_with_originals(struct core_host *host, const char *names)
{
    add_peers(host, names, false);
}

void host_with_natives(struct core_host *host, const char *names)
{
    add_peers(host, names, true);
    host_agree(host, names);
    host_pass(host, 10); /* what it holds itself is told */
    host_forget_trace(host);
}

void host_mark(struct core_host *host, const char *names)
{
    char copy[128];
    char *rest = copy;
    char *name;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        host_told(host, name, "{marker,7,64}");
    }
}

void host_init_settled(struct core_host *host, const char *names)
{
    host_init(host);
    host_with_natives(host, names);
    host_mark(host, names);
    host_forget_trace(host);
}

static struct npr_bytes bytes_of(struct npr_term term)
{
    return (struct npr_bytes){.data = term.data, .size = term.size};
}

void host_put_entry(struct core_host *host, struct npr_term key, struct npr_term pid)
{
    const struct npri_activation living = {.pid = pid};

    assert_int_equal(npri_directory_put(&host->core->directory, bytes_of(key), &living, NULL),
                     NPR_OK);
    take_effects(host);
}

void host_remove_entry(struct core_host *host, struct npr_term key)
{
    (void)npri_directory_remove(&host->core->directory, bytes_of(key));
    take_effects(host);
}

void host_told_view(struct core_host *host, const char *node, const struct npri_told_view *view)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_TOLD, .node = host_node(node), .term = host_view(view)});
}

void host_told(struct core_host *host, const char *node, const char *text)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;

    assert_non_null(builder);
    assert_int_equal(npr_term_parse(npr_bytes_of(text), builder, NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    step(host, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                        .node = host_node(node),
                                        .term = host_with_creations(term)});
    npr_builder_destroy(builder);
}

/* Until they say the same: each sees, takes and acknowledges what the core told last. */
void host_agree(struct core_host *host, const char *names)
{
    for (unsigned round = 0; round < 4; round++) {
        char copy[128];
        char *rest = copy;
        char *name;

        (void)snprintf(copy, sizeof(copy), "%s", names);
        while ((name = strtok_r(rest, " ", &rest)) != NULL) {
            struct npri_told_view view = host->view;

            view.ack = host->view.epoch;
            view.epoch = 7;
            host_told_view(host, name, &view);
        }
    }
}
