#include "core_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

#define TERMS_KEPT 16

void host_fake_md5(const void *data, size_t size, uint8_t out[16])
{
    const uint8_t *bytes = data;

    memset(out, 0, 16);
    if (bytes[0] == 0) { /* a member of a view: no term begins so */
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        }
        memcpy(out, &hash, sizeof(hash));
        return;
    }
    out[15] = (uint8_t)(bytes[size - 1] - 'a');
}

struct npr_node_name host_node(const char *name)
{
    struct npr_node_name node = {0};
    char full[NPR_NODE_NAME_BYTES_MAX + 1];

    (void)snprintf(full, sizeof(full), "%s%s", name, strchr(name, '@') == NULL ? "@h" : "");
    node.size = (uint8_t)strlen(full);
    memcpy(node.text, full, node.size);
    return node;
}

struct npr_pid host_pid(const char *text)
{
    char name[NPR_NODE_NAME_BYTES_MAX + 1] = {0};
    const char *dot = strchr(text, '.');

    assert_non_null(dot);
    memcpy(name, text, (size_t)(dot - text));
    return (struct npr_pid){
        .node = host_node(name), .id = (uint32_t)strtoul(dot + 1, NULL, 10), .creation = 1};
}

/* Terms live in a ring of buffers, so that a case can write them inline. */
static struct npri_buffer *next_buffer(void)
{
    static struct npri_buffer ring[TERMS_KEPT];
    static uint8_t memory[TERMS_KEPT][4096];
    static size_t next;
    const size_t index = next++ % TERMS_KEPT;

    ring[index] = (struct npri_buffer){.data = memory[index], .capacity = 4096, .size_max = 4096};
    return &ring[index];
}

static struct npr_term term_in(const struct npri_buffer *buffer)
{
    assert_false(buffer->failed);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

struct npr_term host_atom(const char *name)
{
    struct npri_buffer *buffer = next_buffer();

    npri_put_atom(buffer, name);
    return term_in(buffer);
}

struct npr_term host_pid_term(const char *text)
{
    struct npri_buffer *buffer = next_buffer();
    const struct npr_pid pid = host_pid(text);

    npri_put_pid(buffer, &pid);
    return term_in(buffer);
}

struct npr_term host_nodes(const char *names)
{
    struct npri_buffer *buffer = next_buffer();
    struct npr_node_name nodes[16];
    uint32_t count = 0;
    char copy[512];
    char *rest = copy;
    char *name;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        assert_true(count < 16);
        nodes[count++] = host_node(name);
    }
    if (count > 0) {
        npri_put_list(buffer, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        npri_put_node(buffer, &nodes[i]);
    }
    npri_put_nil(buffer);
    return term_in(buffer);
}

/* ---- The trace. */

static void add(struct core_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct core_host *host, const char *format, ...)
{
    const size_t room = sizeof(host->trace) - host->trace_size;
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(host->trace + host->trace_size, room, format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < room);
    host->trace_size += (size_t)size;
}

static void add_node(struct core_host *host, const struct npr_node_name *node)
{
    const int size = (int)node->size;
    const bool is_short = size > 2 && memcmp(node->text + size - 2, "@h", 2) == 0;

    add(host, " %.*s", is_short ? size - 2 : size, node->text);
}

static void add_term(struct core_host *host, const char *before, struct npr_term term)
{
    struct npr_bytes atom;
    struct npr_pid pid;

    if (npr_term_get_atom(term, &atom)) {
        add(host, "%s%.*s", before, (int)atom.size, (const char *)atom.data);
    } else if (npr_term_get_pid(term, &pid)) {
        add(host, "%s%.*s.%u", before, pid.node.size - 2, pid.node.text, pid.id);
    } else if (term.data != NULL) {
        add(host, "%s?", before);
    }
}

static const char *name_of(enum npri_effect_kind kind)
{
    static const char *const names[] = {
        [NPRI_EFFECT_CONNECT] = "CONNECT",
        [NPRI_EFFECT_GREET] = "GREET",
        [NPRI_EFFECT_ANNOUNCE] = "ANNOUNCE",
        [NPRI_EFFECT_POLL] = "POLL",
        [NPRI_EFFECT_ASK_RELEASE] = "ASK_RELEASE",
        [NPRI_EFFECT_ASK] = "ASK",
        [NPRI_EFFECT_DELEGATE] = "DELEGATE",
        [NPRI_EFFECT_START] = "START",
        [NPRI_EFFECT_DISCARD] = "DISCARD",
        [NPRI_EFFECT_MONITOR] = "MONITOR",
        [NPRI_EFFECT_DEMONITOR] = "DEMONITOR",
        [NPRI_EFFECT_ANSWER] = "ANSWER",
        [NPRI_EFFECT_LOG] = "LOG",
        [NPRI_EFFECT_TELL] = "TELL",
        [NPRI_EFFECT_NEWS] = "NEWS",
        [NPRI_EFFECT_DISCONNECT] = "DISCONNECT",
        [NPRI_EFFECT_FENCE] = "FENCE",
        [NPRI_EFFECT_QUORUM] = "QUORUM",
        [NPRI_EFFECT_CONFLICT] = "CONFLICT",
        [NPRI_EFFECT_HANDOVER] = "HANDOVER",
        [NPRI_EFFECT_MOVED] = "MOVED",
    };

    return names[kind];
}

static void count_told(struct core_host *host, struct npr_term message)
{
    struct npr_term_walk walk;
    struct npr_term parts[3] = {{0}};
    uint32_t arity;

    assert_true(npr_term_tuple(message, &walk, &arity));
    for (unsigned i = 0; i < 3; i++) {
        (void)npr_term_next(&walk, &parts[i]);
    }
    host->told_bytes += message.size;
    host->told_lost += npr_term_is_atom(parts[0], "lost") ? 1 : 0;
    host->told_synced += npr_term_is_atom(parts[0], "synced") ? 1 : 0;
    host->told_unsure += npr_term_is_atom(parts[0], "unsure") ? 1 : 0;
    host->told_markers += npr_term_is_atom(parts[0], "marker") ? 1 : 0;
    (void)npr_term_get_uint64(parts[2], &host->told_at);
}

bool host_note_view(struct core_host *host, struct npr_term message)
{
    static const char *const words[] = {"view", "node_lost", "beat", "links"};
    struct npr_term_walk walk;
    struct npr_term parts[7] = {{0}};
    uint32_t arity;
    bool found = false;

    assert_true(npr_term_tuple(message, &walk, &arity));
    for (unsigned i = 0; i < 7; i++) {
        (void)npr_term_next(&walk, &parts[i]);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        found = found || npr_term_is_atom(parts[0], words[i]);
    }
    if (arity == 7 && npr_term_is_atom(parts[0], "view")) {
        host->view.is = true;
        assert_true(npr_term_get_uint64(parts[1], &host->view.epoch));
        assert_true(npr_term_get_uint64(parts[2], &host->view.view_hash));
        assert_true(npr_term_get_uint64(parts[3], &host->view.sees_hash));
        assert_true(npr_term_get_uint64(parts[4], &host->view.ack));
        assert_true(npr_term_get_uint64(parts[5], &host->view.base));
    }
    return found;
}

/* What cores tell each other, as Erlang text. */
static void narrate_tell(struct core_host *host, const struct npri_core_effect *effect)
{
    char *text;

    if (host_note_view(host, effect->term) && !host->views) {
        return;
    }
    if (host->only_told) {
        count_told(host, effect->term);
        return;
    }
    text = npr_term_print(effect->term);
    assert_non_null(text);
    add(host, "TELL");
    add_node(host, &effect->node);
    add(host, " %s\n", text);
    free(text);
}

static void narrate_news(struct core_host *host, const struct npri_core_effect *effect)
{
    if (host->only_told) {
        host->news[effect->news]++;
        return;
    }
    add(host, "NEWS %u %s", (unsigned)effect->request, npr_watch_kind_name(effect->news));
    if (effect->node.size > 0) {
        add_node(host, &effect->node);
    }
    add_term(host, " key=", effect->key);
    add_term(host, " ", effect->old);
    add_term(host, effect->old.data == NULL ? " " : " -> ", effect->term);
    if (effect->news == NPR_WATCH_GONE) {
        add(host, " %s", npr_gone_name(effect->gone));
    }
    add(host, "\n");
}

static void narrate(struct core_host *host, const struct npri_core_effect *effect)
{
    if (effect->kind == NPRI_EFFECT_LOG && host->quiet) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_FENCE && !host->fences) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_TELL) {
        narrate_tell(host, effect);
        return;
    }
    if (effect->kind == NPRI_EFFECT_NEWS) {
        narrate_news(host, effect);
        return;
    }
    if (host->only_watch) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_START) {
        host->start_token = effect->token;
    } else if (effect->kind == NPRI_EFFECT_ANSWER) {
        host->answer_token = effect->token;
    }
    add(host, "%s", name_of(effect->kind));
    if (effect->operation != 0) {
        add(host, " %u", (unsigned)effect->operation);
    }
    if (effect->node.size > 0) {
        add_node(host, &effect->node);
    }
    if (effect->kind == NPRI_EFFECT_ANSWER) {
        add(host, " %u %s", (unsigned)effect->request, npr_status_name(effect->status));
    }
    add_term(host, " key=", effect->key);
    add_term(host, " function=", effect->function);
    add_term(host, " ", effect->term);
    if (effect->kind == NPRI_EFFECT_CONFLICT || effect->kind == NPRI_EFFECT_MOVED) {
        add_term(host, " -> ", effect->old);
    }
    add_term(host, " state=", effect->state);
    if (effect->started || effect->final || effect->moved) {
        add(host, effect->started ? " started" : effect->final ? " final" : " moved");
    }
    if (effect->kind == NPRI_EFFECT_QUORUM) {
        add(host, " %s", effect->regained ? "regained" : "lost");
    }
    if (effect->text.size > 0) {
        add(host, " %.*s", (int)effect->text.size, (const char *)effect->text.data);
    }
    add(host, "\n");
}

void check_trace(struct core_host *host, const char *lines, const char *file, int line)
{
    if (strcmp(host->trace, lines) != 0) {
        (void)fprintf(stderr, "actual:\n%sexpected:\n%s", host->trace, lines);
        _fail(file, line);
    }
    host_forget_trace(host);
}

void host_forget_trace(struct core_host *host)
{
    host->trace_size = 0;
    host->trace[0] = '\0';
}

void check_view(struct core_host *host, const char *names, const char *file, int line)
{
    struct core_host seen = {0};
    struct npri_buffer buffer = {0};
    struct npr_term_walk walk;
    struct npr_term element;
    struct npr_bytes atom;

    npri_core_put_nodes(host->core, &buffer);
    assert_true(npr_term_list(term_in(&buffer), &walk));
    while (npr_term_next(&walk, &element)) {
        assert_true(npr_term_get_atom(element, &atom));
        add(&seen, "%s%.*s", seen.trace_size == 0 ? "" : " ", (int)atom.size - 2,
            (const char *)atom.data);
    }
    npri_buffer_fini(&buffer);
    check_trace(&seen, names, file, line);
}

uint64_t host_status(struct core_host *host, const char *name)
{
    struct npri_buffer buffer = {0};
    struct npr_term value;
    uint64_t number;

    npri_core_put_status(host->core, host->now_ns, &buffer);
    assert_true(npr_term_map_get(term_in(&buffer), name, &value));
    assert_true(npr_term_get_uint64(value, &number));
    npri_buffer_fini(&buffer);
    return number;
}

/* ---- The host. */

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
        narrate(host, &effect);
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
    status = npri_core_step(host->core, &event);
    take_effects(host);
    return status;
}

static void step(struct core_host *host, struct npri_core_event event)
{
    assert_int_equal(host_step(host, event), NPR_OK);
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
                   .kind = NPRI_EVENT_TOLD, .node = host_node(node), .term = term_in(&read)});
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

struct npr_term host_view(const struct npri_told_view *view)
{
    struct npri_buffer *buffer = next_buffer();

    npri_put_tuple(buffer, 7);
    npri_put_atom(buffer, "view");
    npri_put_uint(buffer, view->epoch);
    npri_put_uint(buffer, view->view_hash);
    npri_put_uint(buffer, view->sees_hash);
    npri_put_uint(buffer, view->ack);
    npri_put_uint(buffer, view->base);
    npri_put_atom(buffer, view->draining ? "true" : "false");
    return term_in(buffer);
}

void host_told_view(struct core_host *host, const char *node, const struct npri_told_view *view)
{
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_TOLD, .node = host_node(node), .term = host_view(view)});
}

/* Pids as text have no creation; ours have this one. */
static struct npr_term with_creations(struct npr_term term)
{
    struct npri_buffer *buffer = next_buffer();
    uint8_t *data = npri_buffer_extend(buffer, term.size);

    memcpy(data, term.data, term.size);
    for (size_t i = 0; i + 15 < term.size; i++) {
        if (data[i] == 'X' && data[i + 1] == 'w') { /* NEW_PID_EXT, SMALL_ATOM_UTF8_EXT */
            data[i + 3 + data[i + 2] + 11] = 1;
        }
    }
    return term_in(buffer);
}

void host_told(struct core_host *host, const char *node, const char *text)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;

    assert_non_null(builder);
    assert_int_equal(npr_term_parse(npr_bytes_of(text), builder, NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    step(host, (struct npri_core_event){
                   .kind = NPRI_EVENT_TOLD, .node = host_node(node), .term = with_creations(term)});
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
