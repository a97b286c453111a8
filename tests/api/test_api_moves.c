/* Processes that give their key up, on real nodes: moved by a drain, or on the losing side of a
 * conflict. */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"

/* ---- A ledger: what has been added to it.
 *
 *      call {add,N}   -> the total       call where -> {Node,Token,Argument}
 *      call later     -> the total, once something is added
 *      call else      -> the total
 *      message N      adds
 *
 * It hands its total over; told of that of a loser, it adds that. */
struct ledger {
    int64_t total;
    int64_t argument;
    uint64_t token;
    struct npr_from from; /* of the call that is to be answered later; none: its tag is empty */
    uint8_t from_bytes[2048];
};

static atomic_int handovers_to_refuse;
static atomic_int living;
static atomic_int quorum_news;
static atomic_int kept; /* calls that are to be answered later */

static npr_status ledger_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct ledger *ledger = state;
    const struct npr_term handed = npr_start_state(self);
    struct npr_term_walk walk;
    struct npr_term term;

    ledger->token = npr_start_token(self);
    if (npr_term_list(args, &walk) && npr_term_next(&walk, &term)) {
        (void)npr_term_get_int64(term, &ledger->argument);
    }
    if (handed.data != NULL && !npr_term_get_int64(handed, &ledger->total)) {
        return NPR_EINVAL;
    }
    atomic_fetch_add(&living, 1);
    return NPR_OK;
}

static void ledger_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    atomic_fetch_sub(&living, 1);
}

static npr_status keep_call(struct ledger *ledger, const struct npr_from *from)
{
    uint8_t *tag = ledger->from_bytes + from->pid.size;

    if (from->pid.size + from->tag.size > sizeof(ledger->from_bytes)) {
        return NPR_EFULL;
    }
    memcpy(ledger->from_bytes, from->pid.data, from->pid.size);
    memcpy(tag, from->tag.data, from->tag.size);
    ledger->from = (struct npr_from){.pid = {.data = ledger->from_bytes, .size = from->pid.size},
                                     .tag = {.data = tag, .size = from->tag.size}};
    atomic_fetch_add(&kept, 1);
    return NPR_OK;
}

static npr_status answer_kept(struct npr_process *self, struct ledger *ledger)
{
    struct npr_builder *built = npr_scratch(self);
    const struct npr_from from = ledger->from;
    struct npr_term reply;

    if (from.tag.size == 0) {
        return NPR_OK;
    }
    ledger->from = (struct npr_from){0};
    NPR_BUILD(built, "~i", ledger->total);
    return npr_builder_finish(built, &reply, NULL) == NPR_OK ? npr_reply(self, &from, reply)
                                                             : NPR_ENOMEM;
}

static npr_status ledger_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    struct ledger *ledger = state;
    struct npr_builder *built = npr_scratch(self);
    const struct npr_pid pid = npr_self(self);
    struct npr_term reply;
    int64_t value;

    if (npr_term_is_atom(request, "later")) {
        return keep_call(ledger, from);
    }
    if (NPR_MATCH(request, "{add,~i}", &value)) {
        ledger->total += value;
        if (answer_kept(self, ledger) != NPR_OK) {
            return NPR_ENOMEM;
        }
        npr_builder_reset(built);
    }
    if (npr_term_is_atom(request, "where")) {
        const struct npr_bytes node = {.data = (const uint8_t *)pid.node.text,
                                       .size = pid.node.size};

        NPR_BUILD(built, "{~a,~i}", node, ledger->argument);
    } else {
        NPR_BUILD(built, "~i", ledger->total);
    }
    return npr_builder_finish(built, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                             : NPR_ENOMEM;
}

static npr_status ledger_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct ledger *ledger = state;
    int64_t value;

    (void)self;
    if (npr_term_get_int64(message, &value) ||
        NPR_MATCH(message, "{nprocreg,handover,_,_,~i}", &value)) {
        ledger->total += value;
    } else if (NPR_MATCH(message, "{nprocreg,quorum,_}")) {
        atomic_fetch_add(&quorum_news, 1);
    }
    return NPR_OK;
}

static npr_status ledger_handover(struct npr_process *self, void *state, struct npr_builder *out)
{
    const struct ledger *ledger = state;

    (void)self;
    if (atomic_load(&handovers_to_refuse) > 0) {
        atomic_fetch_sub(&handovers_to_refuse, 1);
        return NPR_EFULL;
    }
    npr_build_int(out, ledger->total);
    return NPR_OK;
}

static npr_status ledger_conflict(struct npr_process *self,
                                  void *state,
                                  const struct npr_conflict *conflict,
                                  struct npr_builder *out)
{
    const struct ledger *ledger = state;

    (void)self;
    (void)conflict;
    npr_build_int(out, ledger->total);
    return NPR_OK;
}

#define LEDGER                                                                                     \
    .struct_size = sizeof(struct npr_behaviour), .state_bytes = sizeof(struct ledger),             \
    .init = ledger_init, .call = ledger_call, .info = ledger_info, .terminate = ledger_terminate

static const struct npr_behaviour ledger = {LEDGER, .handover = ledger_handover,
                                            .conflict = ledger_conflict};
static const struct npr_behaviour stateless = {LEDGER};
static const struct npr_behaviour notified = {LEDGER, .on_conflict = NPR_CONFLICT_NOTIFY};
static const struct npr_behaviour supervised = {LEDGER, .handover = ledger_handover,
                                                .restart = NPR_RESTART_PERMANENT};

static const struct npr_function functions[] = {
    {.name = "ledger", .arity = 0, .behaviour = &ledger},
    {.name = "ledger", .arity = 1, .behaviour = &ledger},
    {.name = "stateless", .arity = 0, .behaviour = &stateless},
    {.name = "stateless", .arity = 1, .behaviour = &stateless},
    {.name = "notified", .arity = 0, .behaviour = &notified},
    {.name = "supervised", .arity = 0, .behaviour = &supervised},
};
static const struct npr_module module = {.abi = NPR_MODULE_ABI,
                                         .name = "moves",
                                         .functions = functions,
                                         .functions_count =
                                             sizeof(functions) / sizeof(functions[0])};

static int setup(void **state)
{
    (void)state;
    atomic_store(&handovers_to_refuse, 0);
    atomic_store(&living, 0);
    atomic_store(&quorum_news, 0);
    atomic_store(&kept, 0);
    return 0;
}

static struct npr_found get(struct npr_node *node, struct npr_term key, const char *function)
{
    struct npr_found found = {0};

    assert_int_equal(nodes_get(node, key, "moves", function, &found), NPR_OK);
    return found;
}

static void assert_call(struct npr_node *node,
                        const struct npr_pid *pid,
                        const char *request,
                        const char *reply)
{
    assert_string_equal(nodes_call(node, pid, request), reply);
}

static void assert_on(const struct npr_pid *pid, struct npr_node *node)
{
    struct npr_node_name name;

    npr_node_name(node, &name);
    assert_true(npr_node_name_equal(&pid->node, &name));
}

static struct npr_drain_progress last_progress;
static bool note_progress(void *user, const struct npr_drain_progress *progress)
{
    (void)user;
    last_progress = *progress;
    last_progress.failure = NULL;
    return true;
}

static void drain(struct npr_node *node, uint32_t deadline_ms, npr_status expected)
{
    struct npr_error err = {0};
    const npr_status status = npr_drain(node, NULL, deadline_ms, note_progress, NULL, &err);

    if (status != expected) {
        fail_msg("drain: %d, %s", status, err.text);
    }
}

/* ---- Drains. */

/* Would catch: a drain that loses state, arguments or keys; two living processes for a key; a pid
 * of before that leads nowhere; a drained node that starts something new. */
static void drained_nodes_hand_their_processes_over(void **state)
{
    const struct npr_start start = {
        .module = "moves", .function = "ledger", .arguments = nodes_term("[7]")};
    struct npr_term keys[20];
    struct npr_found before[20];
    struct npr_found after;

    (void)state;
    nodes_start(3, &module);
    for (unsigned i = 0; i < 20; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "k%u", i);
        keys[i] = nodes_key_of(text, 0, 3);
        assert_int_equal(npr_get_or_start(nodes[1], keys[i], &start, TIMEOUT_MS, &before[i], NULL),
                         NPR_OK);
        assert_on(&before[i].pid, nodes[0]);
        (void)snprintf(text, sizeof(text), "{add,%u}", i);
        (void)nodes_call(nodes[2], &before[i].pid, text);
    }
    drain(nodes[0], 20000, NPR_OK);
    assert_int_equal(last_progress.state, NPR_DRAIN_DONE);
    assert_int_equal(last_progress.left, 0);
    assert_int_equal(last_progress.moved, 20);
    assert_int_equal(last_progress.ended, 0);
    for (unsigned i = 0; i < 20; i++) {
        char text[32];

        assert_int_equal(npr_get_or_start(nodes[1], keys[i], NULL, TIMEOUT_MS, &after, NULL),
                         NPR_OK);
        assert_false(npr_pid_equal(&after.pid, &before[i].pid));
        assert_true(after.token > before[i].token);
        (void)snprintf(text, sizeof(text), "{'%.*s',7}", (int)after.pid.node.size,
                       after.pid.node.text);
        assert_call(nodes[0], &after.pid, "where", text);
        (void)snprintf(text, sizeof(text), "%u", i + 1);
        assert_call(nodes[2], &before[i].pid, "{add,1}", text); /* by the old pid */
        assert_call(nodes[1], &after.pid, "total", text);
    }
    after = get(nodes[0], nodes_term("fresh"), "ledger");
    assert_false(npr_node_name_equal(&after.pid.node, &before[0].pid.node));
    nodes_wait_for_view(nodes[0], 3); /* it is a member still */
}

/* Would catch: a process without a state that stays, or whose key or senders find nobody. */
static void processes_without_a_state_start_afresh(void **state)
{
    const struct npr_start start = {
        .module = "moves", .function = "stateless", .arguments = nodes_term("[7]")};
    const struct npr_start other = {
        .module = "moves", .function = "stateless", .arguments = nodes_term("[8]")};
    struct npr_term keys[2];
    struct npr_found before[2];
    struct npr_found after = {0};

    (void)state;
    nodes_start(2, &module);
    for (unsigned i = 0; i < 2; i++) {
        keys[i] = nodes_key_of(i == 0 ? "x" : "y", 0, 2);
        assert_int_equal(npr_get_or_start(nodes[1], keys[i], &start, TIMEOUT_MS, &before[i], NULL),
                         NPR_OK);
        (void)nodes_call(nodes[1], &before[i].pid, "{add,5}");
    }
    drain(nodes[0], 20000, NPR_OK);
    assert_int_equal(last_progress.ended, 2);
    assert_int_equal(atomic_load(&living), 0);
    assert_int_equal(npr_get_or_start(nodes[1], keys[0], NULL, TIMEOUT_MS, &after, NULL),
                     NPR_ENOTFOUND);
    assert_call(nodes[1], &before[0].pid, "where", "{'b@127.0.0.1',7}");
    assert_call(nodes[1], &before[0].pid, "{add,1}", "1");
    assert_int_equal(npr_get_or_start(nodes[1], keys[0], NULL, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_on(&after.pid, nodes[1]);

    /* Found, when it has been started otherwise. */
    assert_int_equal(npr_get_or_start(nodes[1], keys[1], &other, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_call(nodes[1], &before[1].pid, "where", "{'b@127.0.0.1',8}");
    assert_int_equal(atomic_load(&living), 2);
}

/* Would catch: one key that cannot go holding the others up, being lost, or not being told of. */
static void what_cannot_go_stays_and_is_told(void **state)
{
    struct npr_error err = {0};
    struct npr_found stubborn;
    struct npr_found other;
    struct npr_found after = {0};
    struct npr_term key;

    (void)state;
    nodes_start(2, &module);
    key = nodes_key_of("s", 0, 2);
    stubborn = get(nodes[1], key, "ledger");
    (void)nodes_call(nodes[1], &stubborn.pid, "{add,5}");
    atomic_store(&handovers_to_refuse, 1000000);
    assert_int_equal(npr_drain(nodes[1], &stubborn.pid.node, 500, note_progress, NULL, &err),
                     NPR_ETIMEDOUT);
    assert_non_null(strstr(err.text, "keys left: 1"));
    assert_non_null(strstr(err.text, "hands nothing over"));
    assert_call(nodes[1], &stubborn.pid, "{add,1}", "6");
    assert_int_equal(npr_get_or_start(nodes[1], key, NULL, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_true(npr_pid_equal(&after.pid, &stubborn.pid));

    /* It goes when it can. */
    other = get(nodes[1], nodes_key_of("t", 1, 2), "ledger");
    atomic_store(&handovers_to_refuse, 2);
    drain(nodes[0], 20000, NPR_OK);
    assert_call(nodes[1], &stubborn.pid, "{add,1}", "7");
    assert_call(nodes[0], &other.pid, "{add,1}", "1");
}

/* Would catch: a node that drains itself to nowhere, or a drain that nobody can tell from success.
 */
static void the_last_node_cannot_be_drained(void **state)
{
    struct npr_error err = {0};
    struct npr_found found;

    (void)state;
    nodes_start(1, &module);
    found = get(nodes[0], nodes_term("k"), "ledger");
    assert_int_equal(npr_drain(nodes[0], NULL, 1000, NULL, NULL, &err), NPR_EREFUSED);
    assert_non_null(strstr(err.text, "no other node"));
    assert_call(nodes[0], &found.pid, "{add,1}", "1");
    found = get(nodes[0], nodes_term("k2"), "ledger"); /* it still starts */
    assert_on(&found.pid, nodes[0]);
}

/* Would catch: keys that were registered by hand, further keys of a process, or restarted ones that
 * go astray; a restart that brings the old process back. */
static void other_keys_go_along(void **state)
{
    struct npr_term key;
    struct npr_term second;
    struct npr_term elsewhere;
    struct npr_found found;
    struct npr_found guest;
    struct npr_found after = {0};

    (void)state;
    nodes_start(2, &module);
    key = nodes_key_of("p", 0, 2);
    second = nodes_key_of("q", 0, 2);
    elsewhere = nodes_key_of("r", 0, 2);
    found = get(nodes[1], key, "supervised");
    assert_int_equal(npr_register(nodes[0], second, &found.pid, NULL), NPR_OK);
    guest = get(nodes[1], nodes_key_of("g", 1, 2), "ledger");
    assert_int_equal(npr_register(nodes[0], elsewhere, &guest.pid, NULL), NPR_OK);
    (void)nodes_call(nodes[1], &found.pid, "{add,5}");
    drain(nodes[0], 20000, NPR_OK);
    assert_int_equal(npr_get_or_start(nodes[1], key, NULL, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_on(&after.pid, nodes[1]);
    assert_call(nodes[1], &after.pid, "total", "5");
    found = after;
    assert_int_equal(npr_get_or_start(nodes[0], second, NULL, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_true(npr_pid_equal(&after.pid, &found.pid));
    assert_int_equal(npr_get_or_start(nodes[0], elsewhere, NULL, TIMEOUT_MS, &after, NULL), NPR_OK);
    assert_true(npr_pid_equal(&after.pid, &guest.pid));
    assert_int_equal(atomic_load(&living), 2);
}

/* One that asks for keys, and calls what it gets, all the while. */
struct client {
    pthread_t thread;
    struct npr_node *node;
    struct npr_term *keys;
    struct npr_pid *pids; /* of before */
    unsigned count;
    atomic_bool *stop;
    atomic_uint *calls;
    atomic_uint *failures;
    char text[256];
};

static bool call_one(struct client *client, unsigned i, struct npr_error *err)
{
    const struct npr_start start = {.module = "moves", .function = "ledger"};
    struct npr_builder *reply = npr_builder_create();
    struct npr_address to = {.pid = client->pids[i]};
    static const uint8_t total[] = {131, 119, 5, 't', 'o', 't', 'a', 'l'};
    const struct npr_term request = {.data = total + 1, .size = sizeof(total) - 1};
    struct npr_found found = {0};
    npr_status status = NPR_OK;

    if (atomic_load(client->calls) % 2 == 0) { /* now by key, now by the pid of before */
        status = npr_get_or_start(client->node, client->keys[i], &start, TIMEOUT_MS, &found, err);
        to.pid = found.pid;
    }
    if (status == NPR_OK) {
        status = npr_node_call(client->node, &to, request, TIMEOUT_MS, reply, err);
    }
    npr_builder_destroy(reply);
    return status == NPR_OK;
}

static void *client_run(void *user)
{
    struct client *client = user;

    for (unsigned i = 0; !atomic_load(client->stop); i = (i + 1) % client->count) {
        struct npr_error err = {0};

        if (!call_one(client, i, &err) && atomic_fetch_add(client->failures, 1) == 0) {
            (void)snprintf(client->text, sizeof(client->text), "%.*s",
                           (int)sizeof(client->text) - 1, err.text);
        }
        atomic_fetch_add(client->calls, 1);
    }
    return NULL;
}

#define CLIENTS 4
#define HELD    60

/* Would catch: any call that fails, or waits too long, because a node is being drained. */
static void nobodys_call_fails(void **state)
{
    struct client clients[CLIENTS];
    struct npr_term keys[HELD];
    struct npr_pid pids[HELD];
    atomic_bool stop = false;
    atomic_uint calls = 0;
    atomic_uint failures = 0;
    unsigned before;

    (void)state;
    nodes_start(3, &module);
    for (unsigned i = 0; i < HELD; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "load%u", i);
        keys[i] = nodes_key_of(text, 0, 3);
        pids[i] = get(nodes[1], keys[i], i % 2 == 0 ? "ledger" : "stateless").pid;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.node = nodes[i % 3],
                                     .keys = keys,
                                     .pids = pids,
                                     .count = HELD,
                                     .stop = &stop,
                                     .calls = &calls,
                                     .failures = &failures};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    while (atomic_load(&calls) < 200) {
        (void)sched_yield();
    }
    drain(nodes[0], 30000, NPR_OK);
    before = atomic_load(&calls);
    while (atomic_load(&calls) < before + 200) {
        (void)sched_yield();
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].text[0] != '\0') {
            fail_msg("%u of %u calls failed: %s", atomic_load(&failures), atomic_load(&calls),
                     clients[i].text);
        }
    }
    assert_int_equal(atomic_load(&living), HELD);
}

struct late_call {
    pthread_t thread;
    struct npr_node *node;
    struct npr_pid pid;
    npr_status status;
};

static void *call_late(void *user)
{
    struct late_call *call = user;
    const struct npr_address to = {.pid = call->pid};
    static const uint8_t later[] = {119, 5, 'l', 'a', 't', 'e', 'r'};
    const struct npr_term request = {.data = later, .size = sizeof(later)};
    struct npr_builder *reply = npr_builder_create();

    call->status = npr_node_call(call->node, &to, request, 4 * TIMEOUT_MS, reply, NULL);
    npr_builder_destroy(reply);
    return NULL;
}

static bool is_kept(void *user)
{
    (void)user;
    return atomic_load(&kept) == 1;
}

struct looks {
    unsigned count;
    struct npr_pid successor;
};

/* By the fifth look the node has long nothing left; then the call is answered. */
static bool look(void *user, const struct npr_drain_progress *progress)
{
    struct looks *looks = user;

    (void)progress;
    if (++looks->count == 5) {
        (void)nodes_call(nodes[1], &looks->successor, "{add,1}");
    }
    return true;
}

/* Would catch: a drain that is done, so that the node is stopped, while a call that it has passed
 * on waits for its answer. */
static void who_has_called_gets_the_answer_first(void **state)
{
    struct late_call call = {0};
    struct looks looks = {0};

    (void)state;
    nodes_start(2, &module);
    call.node = nodes[1];
    call.pid = get(nodes[1], nodes_key_of("l", 0, 2), "ledger").pid;
    assert_on(&call.pid, nodes[0]);
    drain(nodes[0], 20000, NPR_OK);
    looks.successor = get(nodes[1], nodes_key_of("l", 0, 2), "ledger").pid;
    assert_on(&looks.successor, nodes[1]);
    assert_int_equal(pthread_create(&call.thread, NULL, call_late, &call), 0);
    nodes_wait(is_kept, NULL);
    assert_int_equal(npr_drain(nodes[0], NULL, 20000, look, &looks, NULL), NPR_OK);
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_int_equal(pthread_join(call.thread, NULL), 0);
    assert_int_equal(call.status, NPR_OK);
    assert_true(looks.count >= 5 && looks.count < 100); /* 200 are its deadline */
}

/* ---- Conflicts. */

struct meeting {
    struct npr_term key;
    struct npr_pid pids[2];
    struct npr_found found;
};

/* Two nodes that have not met: each has a process for the key, with 2 and 3 in it. */
static void start_apart(struct meeting *meeting, const char *function)
{
    static const char *const names[] = {"a@127.0.0.1", "b@127.0.0.1"};

    meeting->key = nodes_term("twice");
    for (unsigned i = 0; i < 2; i++) {
        struct npr_node_options options = nodes_options(names[i], &module);
        struct npr_error err = {0};

        if (npr_node_start(&options, &nodes[i], &err) != NPR_OK) {
            fail_msg("%s", err.text);
        }
        meeting->pids[i] = get(nodes[i], meeting->key, function).pid;
        (void)nodes_call(nodes[i], &meeting->pids[i], i == 0 ? "{add,2}" : "{add,3}");
    }
    assert_int_equal(atomic_load(&living), 2);
}

static void meet(void)
{
    char peer[64];

    (void)snprintf(peer, sizeof(peer), "b@127.0.0.1:%u", (unsigned)npr_node_port(nodes[1]));
    assert_int_equal(npr_node_connect(nodes[0], peer, TIMEOUT_MS, NULL), NPR_OK);
}

/* Both find the same one. */
static bool is_decided(void *user)
{
    struct meeting *meeting = user;
    struct npr_found found[2] = {0};

    for (unsigned i = 0; i < 2; i++) {
        if (npr_get_or_start(nodes[i], meeting->key, NULL, TIMEOUT_MS, &found[i], NULL) != NPR_OK) {
            return false;
        }
    }
    meeting->found = found[0];
    return npr_pid_equal(&found[0].pid, &found[1].pid);
}

static bool one_lives(void *user)
{
    (void)user;
    return atomic_load(&living) == 1;
}

struct journal {
    unsigned count;
    struct npr_pid winner;
    struct npr_pid loser;
    uint64_t tokens[2];
};

static bool note_conflict(void *user, const struct npr_conflict_record *record)
{
    struct journal *journal = user;

    journal->count++;
    journal->winner = record->winner;
    journal->loser = record->loser;
    journal->tokens[0] = record->loser_token;
    journal->tokens[1] = record->winner_token;
    assert_int_equal(record->key.size, 5);
    assert_memory_equal(record->key.data, "twice", 5);
    return true;
}

/* Would catch: two processes that stay, or none; a loser whose state is lost, that is still found,
 * or whose pid leads nowhere; a conflict that nobody can look up. */
static void of_two_processes_one_stays(void **state)
{
    struct meeting meeting = {0};
    struct journal journal = {0};
    const struct npr_pid *loser;
    struct npr_node *host;

    (void)state;
    start_apart(&meeting, "ledger");
    meet();
    nodes_wait(is_decided, &meeting);
    nodes_wait(one_lives, NULL);
    loser =
        npr_pid_equal(&meeting.found.pid, &meeting.pids[0]) ? &meeting.pids[1] : &meeting.pids[0];
    host = loser == &meeting.pids[0] ? nodes[0] : nodes[1];
    assert_call(nodes[0], &meeting.found.pid, "{add,1}", "6");
    assert_call(nodes[0], loser, "{add,1}", "7");
    assert_call(nodes[1], loser, "{add,1}", "8");
    assert_int_equal(npr_conflicts(host, NULL, TIMEOUT_MS, note_conflict, &journal, NULL), NPR_OK);
    assert_int_equal(journal.count, 1);
    assert_true(npr_pid_equal(&journal.winner, &meeting.found.pid));
    assert_true(npr_pid_equal(&journal.loser, loser));
    assert_true(journal.tokens[1] > journal.tokens[0]);
}

/* A program that listens nowhere, and has a connection to nodes[host] only. */
static struct npr_node *start_client(unsigned host)
{
    struct npr_node_options options = nodes_options("client@127.0.0.1", NULL);
    char peer[64];

    options.listen = NULL;
    options.client = true;
    assert_int_equal(npr_node_start(&options, &nodes[2], NULL), NPR_OK);
    (void)snprintf(peer, sizeof(peer), "%c@127.0.0.1:%u", (char)('a' + host),
                   (unsigned)npr_node_port(nodes[host]));
    assert_int_equal(npr_node_connect(nodes[2], peer, TIMEOUT_MS, NULL), NPR_OK);
    return nodes[2];
}

/* Would catch: a call of a client that the successor carries out, and whose answer is lost since
 * its node has no way to the client. */
static void successors_answer_clients_that_they_cannot_reach(void **state)
{
    struct meeting meeting = {0};
    struct npr_node *client;
    struct npr_found found;
    unsigned host;

    (void)state;
    start_apart(&meeting, "ledger");
    meet();
    nodes_wait(is_decided, &meeting);
    nodes_wait(one_lives, NULL);
    host = npr_pid_equal(&meeting.found.pid, &meeting.pids[0]) ? 1 : 0;
    client = start_client(host);
    assert_call(nodes[0], &meeting.found.pid, "{add,1}", "6"); /* the state of both is there */
    assert_call(client, &meeting.pids[host], "{add,1}", "7");
    assert_call(client, &meeting.pids[host], "{add,1}", "8");

    found = get(nodes[host], nodes_key_of("m", host, 2), "ledger");
    assert_on(&found.pid, nodes[host]);
    drain(nodes[host], 20000, NPR_OK);
    assert_call(client, &found.pid, "{add,1}", "1");
    assert_call(nodes[host], &found.pid, "{add,1}", "2"); /* likewise */
}

static bool two_live(void *user)
{
    (void)user;
    return atomic_load(&living) == 2;
}

/* Would catch: a process that wants to be told being ended. */
static void who_wants_to_be_told_lives_on(void **state)
{
    struct meeting meeting = {0};
    const struct npr_pid *loser;

    (void)state;
    start_apart(&meeting, "notified");
    meet();
    nodes_wait(is_decided, &meeting);
    nodes_wait(two_live, NULL);
    loser =
        npr_pid_equal(&meeting.found.pid, &meeting.pids[0]) ? &meeting.pids[1] : &meeting.pids[0];
    (void)nodes_call(nodes[0], loser, "{add,1}"); /* it answers itself */
    assert_int_equal(atomic_load(&living), 2);
}

/* Would catch: a NULL that is followed. */
static void misuse_is_refused(void **state)
{
    struct npr_error err = {0};

    (void)state;
    nodes_start(1, &module);
    assert_int_equal(npr_drain(NULL, NULL, 1, NULL, NULL, &err), NPR_EINVAL);
    assert_int_equal(npr_conflicts(NULL, NULL, 1, note_conflict, NULL, &err), NPR_EINVAL);
    assert_int_equal(npr_conflicts(nodes[0], NULL, 1, NULL, NULL, &err), NPR_EINVAL);
    assert_null(npr_start_state(NULL).data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drained_nodes_hand_their_processes_over, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(processes_without_a_state_start_afresh, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(what_cannot_go_stays_and_is_told, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(the_last_node_cannot_be_drained, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(other_keys_go_along, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(nobodys_call_fails, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(who_has_called_gets_the_answer_first, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(of_two_processes_one_stays, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(successors_answer_clients_that_they_cannot_reach, setup,
                                        nodes_stop),
        cmocka_unit_test_setup_teardown(who_wants_to_be_told_lives_on, setup, nodes_stop),
        cmocka_unit_test_setup_teardown(misuse_is_refused, setup, nodes_stop),
    };

    return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
