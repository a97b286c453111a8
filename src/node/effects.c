/* What the core wants done, and what the answers to it mean (node/registry.h). */
#include <stdio.h>

#include "base/fail.h"
#include "node/failure.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

/* How long an answer is waited for that the core gives no deadline: by then it counts the node as
 * silent anyway. */
#define ANSWER_NS UINT64_C(30000000000)
#define NS_PER_MS UINT64_C(1000000)

/* An owner is told to take longer than the request has time whose deadline this is, and its answer
 * is waited for longer still.  So that request ends by its own deadline, which says for whom it has
 * waited, and not by a word about a time that was another one's; the start goes on for those whose
 * time is longer. */
#define GRACE_NS UINT64_C(100000000)

static const struct npr_term no_term = {0};

static struct npri_question_options options_for(struct npr_node *node,
                                                const struct npri_core_effect *effect,
                                                void (*done)(void *user,
                                                             uint64_t number,
                                                             const struct npri_outcome *outcome))
{
    return (struct npri_question_options){
        .peer = effect->node,
        .deadline_ns = effect->deadline_ns != 0 ? effect->deadline_ns
                                                : npri_loop_now_ns(node->loop) + ANSWER_NS,
        .done = done,
        .user = node,
        .number = effect->operation};
}

/* A request that could not even be sent. */
static void tell_unsent(struct npr_node *node,
                        enum npri_event_kind kind,
                        uint64_t operation,
                        npr_status status)
{
    if (status != NPR_OK) {
        npri_registry_tell(node, kind, operation,
                           status == NPR_ENOMEM ? NPR_ENOMEM : NPR_EUNREACHABLE, no_term,
                           npr_bytes_of(npr_status_text(status)));
    }
}

static npr_status call_nprocreg(struct npr_node *node,
                                const struct npri_question_options *options,
                                const struct npri_buffer *request)
{
    struct npri_buffer name;
    npr_status status = NPR_ENOMEM;

    npri_buffer_init(&name, 0);
    npri_put_atom(&name, "nprocreg");
    if (!name.failed && !request->failed) {
        status =
            npri_question_call(node, options, npri_buffer_term(&name), npri_buffer_term(request));
    }
    npri_buffer_fini(&name);
    return status;
}

/* Runs module:function(args...) there; `args` is the list. */
static npr_status apply(struct npr_node *node,
                        const struct npri_question_options *options,
                        const char *module,
                        const char *function,
                        const struct npri_buffer *args)
{
    struct npri_buffer names[2];
    npr_status status = NPR_ENOMEM;

    npri_buffer_init(&names[0], 0);
    npri_buffer_init(&names[1], 0);
    npri_put_atom(&names[0], module);
    npri_put_atom(&names[1], function);
    if (!names[0].failed && !names[1].failed && !args->failed) {
        status = npri_question_apply(node, options,
                                     &(struct npri_apply){.module = npri_buffer_term(&names[0]),
                                                          .function = npri_buffer_term(&names[1]),
                                                          .args = npri_buffer_term(args)});
    }
    npri_buffer_fini(&names[0]);
    npri_buffer_fini(&names[1]);
    return status;
}

/* ---- Membership. */

/* Between cores.  What cannot be sent is lost with the connection, or for lack of memory (`message`
 * is none then, too): then the connection goes, since the other core counts on hearing everything
 * in order. */
static void tell(struct npr_node *node, const struct npr_node_name *to, struct npr_term message)
{
    struct npri_buffer name;
    struct npri_buffer peer;
    bool sent = false;

    if (npri_connections_find(node->connections, to) == NULL) {
        return; /* The core is about to hear that it is gone. */
    }
    npri_buffer_init(&name, 0);
    npri_buffer_init(&peer, 0);
    npri_put_atom(&name, NPRI_NATIVE_NAME);
    npri_put_node(&peer, to);
    if (!name.failed && !peer.failed) {
        sent = npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                        .node = npri_buffer_term(&peer),
                                        .from = npri_service_pid(node, NPRI_SERVICE_NATIVE),
                                        .to = npri_buffer_term(&name),
                                        .payload = message});
    }
    if (!sent) {
        npri_connections_disconnect(node->connections, to, "no memory to tell it");
    }
    npri_buffer_fini(&name);
    npri_buffer_fini(&peer);
}

static void greet(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_buffer hello;

    if (node->client) {
        return; /* It enters no ring. */
    }
    npri_buffer_init(&hello, 0);
    npri_native_put_hello(node, &effect->greeting, &hello);
    tell(node, &effect->node, hello.failed ? no_term : npri_buffer_term(&hello));
    npri_buffer_fini(&hello);
}

static void announce(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_buffer name;
    struct npri_buffer peer;
    struct npri_buffer cast;

    npri_buffer_init(&name, 0);
    npri_buffer_init(&peer, 0);
    npri_buffer_init(&cast, 0);
    npri_put_atom(&name, "nprocreg");
    npri_put_node(&peer, &effect->node);
    npri_put_tuple(&cast, 2);
    npri_put_atom(&cast, "$gen_cast");
    npri_put_tuple(&cast, 2);
    npri_put_atom(&cast, "register_node");
    npri_put_node(&cast, &node->name);
    if (!name.failed && !peer.failed && !cast.failed) {
        (void)npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                        .node = npri_buffer_term(&peer),
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = npri_buffer_term(&name),
                                        .payload = npri_buffer_term(&cast)});
    }
    npri_buffer_fini(&name);
    npri_buffer_fini(&peer);
    npri_buffer_fini(&cast);
}

static void on_polled(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    npri_registry_tell(user, NPRI_EVENT_POLLED, number, outcome->status, outcome->term,
                       outcome->text);
}

static void poll(struct npr_node *node, const struct npri_core_effect *effect)
{
    const struct npri_question_options options = options_for(node, effect, on_polled);
    struct npri_buffer request;

    npri_buffer_init(&request, 0);
    npri_put_atom(&request, "get_nodes");
    tell_unsent(node, NPRI_EVENT_POLLED, effect->operation,
                call_nprocreg(node, &options, &request));
    npri_buffer_fini(&request);
}

/* A release is a string of digits: "25". */
static bool read_release(struct npr_term term, enum npr_otp *out)
{
    struct npr_term_walk walk;
    struct npr_term item;
    int64_t digit;
    unsigned release = 0;

    if (npr_term_kind(term) != NPR_TERM_LIST || !npr_term_list(term, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &item)) {
        if (!npr_term_get_int64(item, &digit) || digit < '0' || digit > '9' || release > 1000) {
            return false;
        }
        release = release * 10 + (unsigned)(digit - '0');
    }
    *out = release < 26 ? NPR_OTP_25 : NPR_OTP_26;
    return true;
}

static void on_release(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_core_event event = {
        .kind = NPRI_EVENT_RELEASE_TOLD, .operation = number, .status = outcome->status};

    if (event.status == NPR_OK && !read_release(outcome->term, &event.otp)) {
        event.status = NPR_EPROTO;
    }
    (void)npri_registry_step(user, &event);
}

static void ask_release(struct npr_node *node, const struct npri_core_effect *effect)
{
    const struct npri_question_options options = options_for(node, effect, on_release);
    struct npri_buffer args;

    npri_buffer_init(&args, 0);
    npri_put_list(&args, 1);
    npri_put_atom(&args, "otp_release");
    npri_put_nil(&args);
    tell_unsent(node, NPRI_EVENT_RELEASE_TOLD, effect->operation,
                apply(node, &options, "erlang", "system_info", &args));
    npri_buffer_fini(&args);
}

/* ---- Keys. */

/* {ok, Pid, Started, Token, ...} or {ok, Pid, Token, ...}, of a native node of this version, an
 * older one, which knows no tokens, or a newer one, which says more at the end. */
static bool read_ok(struct npr_term term, bool says_started, struct npri_core_event *out)
{
    struct npr_term parts[4] = {{0}};
    struct npr_term_walk walk;
    uint32_t arity;
    uint32_t count = 0;
    const uint32_t token = says_started ? 3 : 2;

    if (!npr_term_tuple(term, &walk, &arity) || arity < token) {
        return false;
    }
    while (count <= token && npr_term_next(&walk, &parts[count])) {
        count++;
    }
    if (!npr_term_is_atom(parts[0], "ok")) {
        return false;
    }
    out->term = parts[1];
    out->started = says_started && npr_term_is_atom(parts[2], "true");
    out->token = 0;
    (void)npr_term_get_uint64(parts[token], &out->token);
    return true;
}

/* {ok, Pid, Token}, `absent` (it is nowhere) or `undefined`: nprocreg_native:lookup(Key). */
static void on_asked_natively(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_ASKED,
                                    .operation = number,
                                    .status = outcome->status,
                                    .text = outcome->text};

    event.final = event.status == NPR_OK && npr_term_is_atom(outcome->term, "absent");
    if (event.final || (event.status == NPR_OK && npr_term_is_atom(outcome->term, "undefined"))) {
        event.status = NPR_ENOTFOUND;
    } else if (event.status == NPR_OK && !read_ok(outcome->term, false, &event)) {
        event.status = NPR_EPROTO;
        event.text = npr_bytes_of("the lookup gave no pid");
    }
    (void)npri_registry_step(user, &event);
}

/* {error, badarg}: it has no such table, so it runs no registry and has no entry. */
static bool is_without_table(const struct npri_outcome *outcome)
{
    struct npr_term reason[2];

    return outcome->status == NPR_EEXIT && npr_term_get_tuple(outcome->term, 2, reason) &&
           npr_term_is_atom(reason[0], "error") &&
           (npr_term_is_atom(reason[1], "badarg") || npr_term_is_atom(reason[1], "undef"));
}

static void on_asked(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    npr_status status = outcome->status;
    struct npr_bytes text = outcome->text;
    struct npr_term_walk walk;
    struct npr_term entry[2] = {{0}};
    struct npr_term item;

    if (is_without_table(outcome) ||
        (status == NPR_OK && npr_term_kind(outcome->term) == NPR_TERM_NIL)) {
        status = NPR_ENOTFOUND;
    } else if (status == NPR_OK &&
               (!npr_term_list(outcome->term, &walk) || !npr_term_next(&walk, &item) ||
                !npr_term_get_tuple(item, 2, entry))) {
        status = NPR_EPROTO;
        text = npr_bytes_of("the lookup gave no list of entries");
    }
    npri_registry_tell(user, NPRI_EVENT_ASKED, number, status, entry[1], text);
}

static void ask(struct npr_node *node, const struct npri_core_effect *effect)
{
    const bool natively = npri_core_native_version(node->registry.core, &effect->node) >= 2;
    const struct npri_question_options options =
        options_for(node, effect, natively ? on_asked_natively : on_asked);
    struct npri_buffer args;
    npr_status status;

    npri_buffer_init(&args, 0);
    npri_put_list(&args, natively ? 1 : 2);
    if (!natively) {
        npri_put_atom(&args, "nprocreg_data");
    }
    npri_put_given(&args, effect->key);
    npri_put_nil(&args);
    status = natively ? apply(node, &options, NPRI_NATIVE_NAME, "lookup", &args)
                      : apply(node, &options, "ets", "lookup", &args);
    tell_unsent(node, NPRI_EVENT_ASKED, effect->operation, status);
    npri_buffer_fini(&args);
}

/* An original starts whenever it is told to, so it has. */
static void on_delegated(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    (void)npri_registry_step(user, &(struct npri_core_event){.kind = NPRI_EVENT_DELEGATED,
                                                             .operation = number,
                                                             .status = outcome->status,
                                                             .started = true,
                                                             .term = outcome->term,
                                                             .text = outcome->text});
}

/* {ok, Pid, Started, Token}, {error, Status, Text}, or `moved`: it does not own the key. */
static void on_delegated_natively(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_DELEGATED,
                                    .operation = number,
                                    .status = outcome->status,
                                    .text = outcome->text};
    struct npr_term parts[3];

    event.moved = event.status == NPR_OK && npr_term_is_atom(outcome->term, "moved");
    if (event.moved) {
        event.status = NPR_EREFUSED;
    } else if (event.status == NPR_OK) {
        event.status = NPR_EPROTO;
        if (read_ok(outcome->term, true, &event)) {
            event.status = NPR_OK;
        } else if (npr_term_get_tuple(outcome->term, 3, parts) &&
                   npr_term_is_atom(parts[0], "error") &&
                   npri_status_read(parts[1], &event.status)) {
            (void)npr_term_get_binary(parts[2], &event.text);
        }
    }
    (void)npri_registry_step(user, &event);
}

static void extend(struct npri_question_options *options)
{
    options->deadline_ns += options->deadline_ns < UINT64_MAX - GRACE_NS ? GRACE_NS : UINT64_C(0);
}

/* nprocreg_native:start(Key, Fun, Caller, TimeoutMs): like start_function, but it says whether it
 * has started the process, and if not, why. */
static void delegate_natively(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_question_options options = options_for(node, effect, on_delegated_natively);
    const uint64_t now_ns = npri_loop_now_ns(node->loop);
    struct npri_buffer args;

    extend(&options);
    npri_buffer_init(&args, 0);
    npri_put_list(&args, 4);
    npri_put_given(&args, effect->key);
    npri_put_given(&args, effect->function);
    npri_put_given(&args, effect->caller.data != NULL
                              ? effect->caller
                              : npri_service_pid(node, NPRI_SERVICE_CLIENT));
    npri_put_uint(&args,
                  options.deadline_ns > now_ns ? (options.deadline_ns - now_ns) / NS_PER_MS : 0);
    npri_put_nil(&args);
    extend(&options);
    tell_unsent(node, NPRI_EVENT_DELEGATED, effect->operation,
                apply(node, &options, NPRI_NATIVE_NAME, "start", &args));
    npri_buffer_fini(&args);
}

static void delegate(struct npr_node *node, const struct npri_core_effect *effect)
{
    const struct npri_question_options options = options_for(node, effect, on_delegated);
    struct npri_buffer request;

    npri_buffer_init(&request, 0);
    npri_put_tuple(&request, 3);
    npri_put_atom(&request, "start_function");
    npri_put_given(&request, effect->key);
    npri_put_given(&request, effect->function);
    tell_unsent(node, NPRI_EVENT_DELEGATED, effect->operation,
                call_nprocreg(node, &options, &request));
    npri_buffer_fini(&request);
}

static void discard(struct npr_node *node, struct npr_term pid)
{
    struct npri_buffer reason;
    struct npr_pid here;

    if (node->registry.kill != NULL && npr_term_get_pid(pid, &here) &&
        npr_node_name_equal(&here.node, &node->name)) {
        npri_runtime_deliver_to(node->runtime, &here, node->registry.kill);
        node->registry.kill = NULL;
        return;
    }
    npri_buffer_init(&reason, 0);
    npri_put_atom(&reason, "kill");
    (void)npri_router_send(
        node, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                    .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                    .to = pid,
                                    .payload = npri_buffer_term(&reason)});
    npri_buffer_fini(&reason);
}

static void disconnect(struct npr_node *node, const struct npri_core_effect *effect)
{
    char why[NPR_ERROR_TEXT_BYTES];

    (void)snprintf(why, sizeof(why), "%.*s", (int)effect->text.size,
                   (const char *)effect->text.data);
    if (npri_connections_find(node->connections, &effect->node) != NULL) {
        npri_connections_disconnect(node->connections, &effect->node, why);
    }
}

/* A node that leaves dials nobody. */
static void dial(struct npr_node *node, const struct npri_core_effect *effect)
{
    if (!node->closing) {
        (void)npri_connections_connect(node->connections, &effect->node);
    }
}

_Static_assert((int)NPRI_LOG_ERROR == (int)NPR_LOG_ERROR &&
                   (int)NPRI_LOG_DEBUG == (int)NPR_LOG_DEBUG,
               "the core's levels are the program's");

void npri_effect_carry_out(struct npr_node *node, const struct npri_core_effect *effect)
{
    switch (effect->kind) {
    case NPRI_EFFECT_CONNECT:
        dial(node, effect);
        return;
    case NPRI_EFFECT_GREET:
        greet(node, effect);
        return;
    case NPRI_EFFECT_ANNOUNCE:
        announce(node, effect);
        return;
    case NPRI_EFFECT_POLL:
        poll(node, effect);
        return;
    case NPRI_EFFECT_ASK_RELEASE:
        ask_release(node, effect);
        return;
    case NPRI_EFFECT_ASK:
        ask(node, effect);
        return;
    case NPRI_EFFECT_DELEGATE:
        if (npri_core_is_native(node->registry.core, &effect->node)) {
            delegate_natively(node, effect);
        } else {
            delegate(node, effect);
        }
        return;
    case NPRI_EFFECT_START:
        npri_start_function(node, effect);
        return;
    case NPRI_EFFECT_DISCARD:
        discard(node, effect->term);
        return;
    case NPRI_EFFECT_MONITOR:
        npri_monitor_add(node, effect->term);
        return;
    case NPRI_EFFECT_DEMONITOR:
        npri_monitor_remove(node, effect->term);
        return;
    case NPRI_EFFECT_ANSWER:
        npri_registry_answer(node, effect);
        return;
    case NPRI_EFFECT_TELL:
        tell(node, &effect->node, effect->term);
        return;
    case NPRI_EFFECT_NEWS:
        npri_watching_on_news(node, effect);
        return;
    case NPRI_EFFECT_DISCONNECT:
        disconnect(node, effect);
        return;
    case NPRI_EFFECT_FENCE:
        npri_grabs_fence(node, effect->operation);
        return;
    case NPRI_EFFECT_CONFLICT:
    case NPRI_EFFECT_HANDOVER:
    case NPRI_EFFECT_MOVED:
        npri_moving_carry_out(node, effect);
        return;
    case NPRI_EFFECT_QUORUM:
        npri_quorum_news_tell(node, effect->regained);
        return;
    case NPRI_EFFECT_LOG:
        npri_node_log(node, (npr_log_level)effect->level, "%.*s", (int)effect->text.size,
                      (const char *)effect->text.data);
        return;
    }
}
