/* nprocreg/watch.h: subscriptions of threads and of processes, and waiting for a key. */
#include "api_nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

/* ---- A process that watches: {watch,Prefix} begins, unwatch ends, and `told` is answered with the
 * list of what its info got, oldest first.  {stop,Reason} ends it. */

#define TOLD_MAX 64

struct watching {
    struct npr_ref ref;
    size_t count;
    struct npr_builder *told[TOLD_MAX];
};

static void put_told(struct watching *watching, struct npr_builder *out)
{
    struct npr_term term;

    if (watching->count > 0) {
        npr_build_list(out, (uint32_t)watching->count);
    }
    for (size_t i = 0; i < watching->count; i++) {
        if (npr_builder_finish(watching->told[i], &term, NULL) == NPR_OK) {
            npr_build_term(out, term);
        }
    }
    npr_build_nil(out);
}

static npr_status watcher_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct watching *watching = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_selector selector;
    struct npr_term term;

    if (npr_term_is_atom(request, "told")) {
        put_told(watching, scratch);
    } else if (NPR_MATCH(request, "{watch,~t}", &term)) {
        selector = npr_select_prefix(term);
        npr_build_int(scratch, npr_watch(self, &selector, &watching->ref));
    } else if (npr_term_is_atom(request, "unwatch")) {
        npr_build_int(scratch, npr_unwatch(self, &watching->ref));
    } else if (npr_term_is_atom(request, "misuse")) {
        selector = npr_select_all();
        npr_build_int(scratch, npr_watch(self, &selector, NULL) == NPR_EINVAL &&
                                       npr_watch(NULL, &selector, &watching->ref) == NPR_EINVAL &&
                                       npr_watch(self, NULL, &watching->ref) == NPR_EINVAL &&
                                       npr_unwatch(self, NULL) == NPR_EINVAL &&
                                       npr_unwatch(NULL, &watching->ref) == NPR_EINVAL
                                   ? 1
                                   : 0);
    } else if (NPR_MATCH(request, "{stop,~t}", &term)) {
        npr_build_int(scratch, npr_stop(self, term));
    }
    return npr_builder_finish(scratch, &term, NULL) == NPR_OK ? npr_reply(self, from, term)
                                                              : NPR_ENOMEM;
}

static npr_status watcher_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct watching *watching = state;
    struct npr_builder *told = npr_builder_create();
    struct npr_term what;
    struct npr_ref ref;

    (void)self;
    if (told == NULL || watching->count == TOLD_MAX ||
        !NPR_MATCH(message, "{nprocreg,~r,~t}", &ref, &what) ||
        !npr_ref_equal(&ref, &watching->ref)) {
        npr_builder_destroy(told);
        return NPR_EPROTO;
    }
    npr_build_term(told, what);
    watching->told[watching->count++] = told;
    return NPR_OK;
}

static void watcher_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct watching *watching = state;

    (void)self;
    (void)reason;
    while (watching->count > 0) {
        npr_builder_destroy(watching->told[--watching->count]);
    }
}

static const struct npr_behaviour behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct watching),
    .call = watcher_call,
    .info = watcher_info,
    .terminate = watcher_terminate,
};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &behaviour},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "watcher",
    .functions = functions,
    .functions_count = 1,
};

static struct npr_pid start_one(struct npr_node *node, struct npr_term key)
{
    struct npr_found found = {0};

    assert_int_equal(nodes_get(node, key, "watcher", "start", &found), NPR_OK);
    return found.pid;
}

static void stop_one(const struct npr_pid *pid, const char *reason)
{
    char request[64];

    (void)snprintf(request, sizeof(request), "{stop,%s}", reason);
    assert_string_equal(nodes_call(nodes[0], pid, request), "0");
}

/* ---- What a callback was told, as text: "registered {room,1} a; moved {room,1} a>b; synced; ..."
 */

struct journal {
    pthread_mutex_t lock;
    size_t size;
    char text[8192];
    atomic_uint events;
};

static void journal_init(struct journal *journal)
{
    memset(journal, 0, sizeof(*journal));
    (void)pthread_mutex_init(&journal->lock, NULL);
}

static void journal_note(void *user, const struct npr_watch_event *event)
{
    struct journal *journal = user;
    char *key = event->key.data == NULL ? NULL : npr_term_print(event->key);
    char *at;
    size_t room;

    (void)pthread_mutex_lock(&journal->lock);
    at = journal->text + journal->size;
    room = sizeof(journal->text) - journal->size;
    if (event->kind == NPR_WATCH_REGISTERED) {
        (void)snprintf(at, room, "registered %s %c; ", key, event->pid.node.text[0]);
    } else if (event->kind == NPR_WATCH_GONE) {
        (void)snprintf(at, room, "gone %s %s; ", key, npr_gone_name(event->gone));
    } else if (event->kind == NPR_WATCH_MOVED) {
        (void)snprintf(at, room, "moved %s %c>%c; ", key, event->old.node.text[0],
                       event->pid.node.text[0]);
    } else if (event->kind == NPR_WATCH_NODE_DOWN) {
        (void)snprintf(at, room, "nodedown %c; ", event->node.text[0]);
    } else {
        (void)snprintf(at, room, "%s; ", npr_watch_kind_name(event->kind));
    }
    journal->size += strlen(at);
    atomic_fetch_add(&journal->events, 1);
    (void)pthread_mutex_unlock(&journal->lock);
    free(key);
}

struct expectation {
    struct journal *journal;
    const char *text;
};

static bool journal_is_so(void *user)
{
    const struct expectation *expectation = user;
    bool so;

    (void)pthread_mutex_lock(&expectation->journal->lock);
    so = expectation->journal->size >= strlen(expectation->text);
    (void)pthread_mutex_unlock(&expectation->journal->lock);
    return so;
}

/* Waits until as much was told; it is then exactly this, and forgotten. */
static void expect_journal(struct journal *journal, const char *text)
{
    struct expectation expectation = {.journal = journal, .text = text};

    nodes_wait(journal_is_so, &expectation);
    (void)pthread_mutex_lock(&journal->lock);
    assert_string_equal(journal->text, text);
    journal->size = 0;
    journal->text[0] = '\0';
    (void)pthread_mutex_unlock(&journal->lock);
}

struct events {
    atomic_uint *events;
    unsigned count;
};

static bool events_are_there(void *user)
{
    const struct events *events = user;

    return atomic_load(events->events) >= events->count;
}

static void wait_for_events(struct journal *journal, unsigned count)
{
    struct events events = {.events = &journal->events, .count = count};

    nodes_wait(events_are_there, &events);
}

static struct npr_subscription subscribe(struct npr_node *node,
                                         struct npr_selector selector,
                                         struct journal *journal)
{
    struct npr_subscription subscription = {0};
    struct npr_error err;

    if (npr_subscribe(node, &selector, journal_note, journal, &subscription, &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
    return subscription;
}

/* The whole life of keys on both nodes, seen from one of them; and that of another subscriber who
 * comes later. */
static void a_subscriber_sees_the_keys_of_all_nodes(void **state)
{
    struct npr_subscription subscriptions[2];
    static struct journal journals[2];
    struct npr_term here;
    struct npr_term there;
    struct npr_pid pids[2];
    unsigned events;
    char text[256];

    (void)state;
    journal_init(&journals[0]);
    journal_init(&journals[1]);
    nodes_start(2, &module);
    here = nodes_key_of("room", 0, 2);
    there = nodes_key_of("room", 1, 2);
    pids[0] = start_one(nodes[0], nodes_term("outside"));
    subscriptions[0] = subscribe(nodes[0], npr_select_prefix(nodes_term("{room}")), &journals[0]);
    expect_journal(&journals[0], "synced; ");
    pids[0] = start_one(nodes[1], here);
    (void)snprintf(text, sizeof(text), "registered %s a; ", nodes_text(here));
    expect_journal(&journals[0], text);
    pids[1] = start_one(nodes[0], there);
    (void)snprintf(text, sizeof(text), "registered %s b; ", nodes_text(there));
    expect_journal(&journals[0], text);

    assert_int_equal(npr_reregister(nodes[1], there, &pids[0], NULL), NPR_OK);
    (void)snprintf(text, sizeof(text), "moved %s b>a; ", nodes_text(there));
    expect_journal(&journals[0], text);
    assert_int_equal(npr_unregister(nodes[1], there, NULL), NPR_OK);
    (void)snprintf(text, sizeof(text), "gone %s unregistered; ", nodes_text(there));
    expect_journal(&journals[0], text);
    stop_one(&pids[0], "shutdown");
    (void)snprintf(text, sizeof(text), "gone %s shutdown; ", nodes_text(here));
    expect_journal(&journals[0], text);
    assert_int_equal(npr_register(nodes[1], there, &pids[1], NULL), NPR_OK);
    (void)snprintf(text, sizeof(text), "registered %s b; ", nodes_text(there));
    expect_journal(&journals[0], text);

    subscriptions[1] = subscribe(nodes[0], npr_select_key(there), &journals[1]);
    (void)snprintf(text, sizeof(text), "registered %s b; synced; ", nodes_text(there));
    expect_journal(&journals[1], text);
    stop_one(&pids[1], "{my,reason}");
    (void)snprintf(text, sizeof(text), "gone %s error; ", nodes_text(there));
    expect_journal(&journals[0], text);
    expect_journal(&journals[1], text);

    assert_int_equal(npr_unsubscribe(nodes[0], subscriptions[1]), NPR_OK);
    assert_int_equal(npr_unsubscribe(nodes[0], subscriptions[1]), NPR_OK);
    (void)start_one(nodes[0], there);
    (void)snprintf(text, sizeof(text), "registered %s b; ", nodes_text(there));
    expect_journal(&journals[0], text);
    events = atomic_load(&journals[0].events);
    npr_node_stop(nodes[1]);
    nodes[1] = NULL;
    wait_for_events(&journals[0], events + 2);
    assert_non_null(
        strstr(journals[0].text, "gone ")); /* Its process, or its node: who is first. */
    assert_non_null(strstr(journals[0].text, "; nodedown b; "));
    journals[0].size = 0;
    assert_string_equal(journals[1].text, "");
    assert_true(subscriptions[0].number != subscriptions[1].number);
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    expect_journal(&journals[0], "closed; ");
}

/* A node that comes later is watched, too; a client watches without being a member. */
static void nodes_that_come_later_and_clients(void **state)
{
    struct npr_node_options options;
    static struct journal journals[2];
    struct npr_error err;
    struct npr_pid pid;
    char join[64];
    const char *const joins[] = {join};

    (void)state;
    journal_init(&journals[0]);
    journal_init(&journals[1]);
    nodes_start(1, &module);
    (void)snprintf(join, sizeof(join), "a@127.0.0.1:%u", (unsigned)npr_node_port(nodes[0]));
    (void)subscribe(nodes[0], npr_select_prefix(nodes_term("{late}")), &journals[0]);
    expect_journal(&journals[0], "synced; ");
    options = nodes_options("b@127.0.0.1", &module);
    options.join = joins;
    options.join_count = 1;
    assert_int_equal(npr_node_start(&options, &nodes[1], &err), NPR_OK);
    pid = start_one(nodes[1], nodes_term("any"));
    assert_int_equal(npr_register(nodes[1], nodes_term("{late,1}"), &pid, NULL), NPR_OK);
    nodes_wait_for_view(nodes[1], 2);
    assert_int_equal(npr_register(nodes[1], nodes_term("{late,2}"), &pid, NULL), NPR_OK);
    nodes_wait_for_view(nodes[0], 2);
    wait_for_events(&journals[0], 3);
    assert_non_null(strstr(journals[0].text, "registered {late,1} "));
    assert_non_null(strstr(journals[0].text, "registered {late,2} "));

    options = nodes_options("client@127.0.0.1", NULL);
    options.client = true;
    options.listen = NULL;
    assert_int_equal(npr_node_start(&options, &nodes[2], &err), NPR_OK);
    assert_int_equal(npr_node_connect(nodes[2], join, TIMEOUT_MS, &err), NPR_OK);
    (void)subscribe(nodes[2], npr_select_prefix(nodes_term("{from}")), &journals[1]);
    expect_journal(&journals[1], "synced; ");
    assert_int_equal(npr_register(nodes[0], nodes_term("{from,a}"), &pid, NULL), NPR_OK);
    wait_for_events(&journals[1], 2);
    assert_non_null(strstr(journals[1].text, "registered {from,a} "));
}

/* ---- Many keys. */

#define MANY 20000

struct counted {
    atomic_uint registered;
    atomic_uint registered_before_synced;
    atomic_uint synced;
    atomic_uint gone;
};

static void count_events(void *user, const struct npr_watch_event *event)
{
    struct counted *counted = user;

    if (event->kind == NPR_WATCH_REGISTERED) {
        atomic_fetch_add(&counted->registered, 1);
    } else if (event->kind == NPR_WATCH_GONE) {
        atomic_fetch_add(&counted->gone, 1);
    } else if (event->kind == NPR_WATCH_SYNCED) {
        atomic_store(&counted->registered_before_synced, atomic_load(&counted->registered));
        atomic_fetch_add(&counted->synced, 1);
    }
}

static bool is_synced(void *user)
{
    return atomic_load(&((struct counted *)user)->synced) == 1;
}

static bool all_gone(void *user)
{
    return atomic_load(&((struct counted *)user)->gone) == MANY;
}

/* They come in parts from the other node, all before "synced"; and go with their process. */
static void many_keys_are_told_in_parts(void **state)
{
    static struct counted counted;
    struct npr_selector selector = npr_select_prefix(nodes_term("{many}"));
    struct npr_builder *builder = npr_builder_create();
    struct npr_subscription subscription = {0};
    struct npr_term key;
    struct npr_pid pid;

    (void)state;
    nodes_start(2, &module);
    pid = start_one(nodes[0], nodes_key_of("owner", 1, 2));
    for (uint32_t i = 0; i < MANY; i++) {
        npr_builder_reset(builder);
        NPR_BUILD(builder, "{many,~u}", i);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(npr_register(nodes[1], key, &pid, NULL), NPR_OK);
    }
    assert_int_equal(
        npr_subscribe(nodes[0], &selector, count_events, &counted, &subscription, NULL), NPR_OK);
    nodes_wait(is_synced, &counted);
    assert_int_equal(atomic_load(&counted.registered_before_synced), MANY);
    stop_one(&pid, "normal");
    nodes_wait(all_gone, &counted);
    assert_int_equal(atomic_load(&counted.registered), MANY);
    npr_builder_destroy(builder);
}

/* ---- Unsubscribing. */

struct once {
    struct npr_node *node;
    struct npr_subscription subscription;
    atomic_uint events;
    npr_status blocked;
};

static void once_callback(void *user, const struct npr_watch_event *event)
{
    struct once *once = user;
    struct npr_found found;

    (void)event;
    atomic_fetch_add(&once->events, 1);
    once->blocked = npr_get_pid(once->node, nodes_term("x"), NULL, NULL, TIMEOUT_MS, &found, NULL);
    (void)npr_unsubscribe(once->node, once->subscription);
}

/* From inside the callback, in the very first event, which comes before npr_subscribe() returns. */
static void a_callback_may_unsubscribe_itself(void **state)
{
    struct npr_selector selector = npr_select_all();
    static struct once once;

    (void)state;
    nodes_start(1, &module);
    (void)start_one(nodes[0], nodes_term("a"));
    (void)start_one(nodes[0], nodes_term("b"));
    once.node = nodes[0];
    assert_int_equal(
        npr_subscribe(nodes[0], &selector, once_callback, &once, &once.subscription, NULL), NPR_OK);
    (void)start_one(nodes[0], nodes_term("c"));
    nodes_wait_for_view(nodes[0], 1);
    assert_int_equal(atomic_load(&once.events), 1);
    assert_int_equal(once.blocked, NPR_EINVAL);
}

struct busy {
    atomic_bool alive; /* false: no callback may run */
    atomic_bool wrong;
};

static void busy_callback(void *user, const struct npr_watch_event *event)
{
    struct busy *busy = user;

    (void)event;
    if (!atomic_load(&busy->alive)) {
        atomic_store(&busy->wrong, true);
    }
}

/* While keys come and go: once npr_unsubscribe() has returned, what the callback used may go. */
static void after_unsubscribing_nothing_is_called(void **state)
{
    struct npr_selector selector = npr_select_all();
    static struct busy busy;
    struct npr_pid pid;

    (void)state;
    nodes_start(2, &module);
    pid = start_one(nodes[0], nodes_term("first"));
    for (unsigned i = 0; i < 200; i++) {
        struct npr_subscription subscription = {0};

        atomic_store(&busy.alive, true);
        assert_int_equal(
            npr_subscribe(nodes[0], &selector, busy_callback, &busy, &subscription, NULL), NPR_OK);
        assert_int_equal(npr_reregister(nodes[1], nodes_term("{x,1}"), &pid, NULL), NPR_OK);
        assert_int_equal(npr_unregister(nodes[1], nodes_term("{x,1}"), NULL), NPR_OK);
        assert_int_equal(npr_unsubscribe(nodes[0], subscription), NPR_OK);
        atomic_store(&busy.alive, false);
    }
    assert_false(atomic_load(&busy.wrong));
}

static void wrong_subscriptions_are_refused(void **state)
{
    struct npr_selector all = npr_select_all();
    struct npr_selector prefix;
    struct npr_subscription subscription = {.number = 77};
    static struct journal journal;
    struct npr_error err = {0};
    npr_status status = NPR_ENOMEM;

    (void)state;
    journal_init(&journal);
    nodes_start(1, &module);
    prefix = npr_select_prefix(nodes_term("atom"));
#define REFUSED(node, selector, callback, out)                                                     \
    assert_int_equal(npr_subscribe((node), (selector), (callback), &journal, (out), &err),         \
                     NPR_EINVAL)
    REFUSED(NULL, &all, journal_note, &subscription);
    REFUSED(nodes[0], NULL, journal_note, &subscription);
    REFUSED(nodes[0], &all, NULL, &subscription);
    REFUSED(nodes[0], &all, journal_note, NULL);
    REFUSED(nodes[0], &prefix, journal_note, &subscription);
#undef REFUSED
    assert_non_null(strstr(err.text, "prefix"));
    assert_int_equal(npr_unsubscribe(NULL, subscription), NPR_EINVAL);
    assert_int_equal(npr_unsubscribe(nodes[0], subscription), NPR_OK);
    for (uint64_t count = 1; status != NPR_OK; count++) {
        assert_true(count < 100);
        assert_int_equal(subscription.number, 77);
        npri_alloc_fail_after(count);
        status = npr_subscribe(nodes[0], &all, journal_note, &journal, &subscription, NULL);
        npri_alloc_fail_after(0);
        assert_true(status == NPR_OK || status == NPR_ENOMEM);
    }
    wait_for_events(&journal, 1);
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    assert_non_null(strstr(journal.text, "synced; closed; "));
}

/* ---- How many subscriptions a node has, and serves. */

static uint64_t status_count(struct npr_node *node, const char *what)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_node_name name;
    struct npr_term status;
    struct npr_term value;
    uint64_t count = 0;

    npr_node_name(node, &name);
    assert_int_equal(npr_node_rpc(node, &name, "nprocreg_native", "status", nodes_term("[]"),
                                  TIMEOUT_MS, reply, NULL),
                     NPR_OK);
    assert_int_equal(npr_builder_finish(reply, &status, NULL), NPR_OK);
    assert_true(npr_term_map_get(status, what, &value) && npr_term_get_uint64(value, &count));
    npr_builder_destroy(reply);
    return count;
}

static bool nobody_watches(void *user)
{
    (void)user;
    return status_count(nodes[0], "watched") + status_count(nodes[0], "watching") +
               status_count(nodes[1], "watched") + status_count(nodes[1], "watching") ==
           0;
}

static bool three_watch(void *user)
{
    (void)user;
    return status_count(nodes[0], "watching") == 3 && status_count(nodes[1], "watched") == 3;
}

/* ---- Processes. */

struct telling {
    const struct npr_pid *pid;
    const char *part;
};

static bool was_told(void *user)
{
    const struct telling *telling = user;

    return strstr(nodes_call(nodes[0], telling->pid, "told"), telling->part) != NULL;
}

static const char *told_up_to(const struct npr_pid *pid, const char *part)
{
    struct telling telling = {.pid = pid, .part = part};

    nodes_wait(was_told, &telling);
    return nodes_call(nodes[0], pid, "told");
}

/* Each form of the messages, in order, with the reference that it was given. */
static void a_process_watches(void **state)
{
    struct npr_pid watcher;
    struct npr_pid other;
    const char *told;

    (void)state;
    nodes_start(2, &module);
    watcher = start_one(nodes[0], nodes_key_of("watcher", 0, 2));
    other = start_one(nodes[0], nodes_key_of("other", 1, 2));
    assert_string_equal(nodes_call(nodes[0], &watcher, "misuse"), "1");
    assert_string_equal(nodes_call(nodes[0], &watcher, "{watch,atom}"), "-1");
    assert_string_equal(nodes_call(nodes[0], &watcher, "{watch,{k}}"), "0");
    told = told_up_to(&watcher, "synced");
    assert_string_equal(told, "[synced]");
    assert_int_equal(npr_register(nodes[1], nodes_term("{k,1}"), &other, NULL), NPR_OK);
    (void)told_up_to(&watcher, "{registered,{k,1},<");
    assert_int_equal(npr_reregister(nodes[1], nodes_term("{k,1}"), &watcher, NULL), NPR_OK);
    (void)told_up_to(&watcher, "{moved,{k,1},<");
    assert_int_equal(npr_unregister(nodes[1], nodes_term("{k,1}"), NULL), NPR_OK);
    told = told_up_to(&watcher, ",unregistered}");
    assert_non_null(strstr(told, "{gone,{k,1},<"));
    npr_node_stop(nodes[1]);
    nodes[1] = NULL;
    (void)told_up_to(&watcher, "{nodedown,'b@127.0.0.1'}");
    assert_string_equal(nodes_call(nodes[0], &watcher, "unwatch"), "0");
    assert_string_equal(nodes_call(nodes[0], &watcher, "unwatch"), "0");
    nodes_wait_for_view(nodes[0], 1); /* The loop has done it. */
    assert_int_equal(npr_register(nodes[0], nodes_term("{k,2}"), &watcher, NULL), NPR_OK);
    nodes_wait_for_view(nodes[0], 1);
    assert_null(strstr(nodes_call(nodes[0], &watcher, "told"), "{k,2}"));
}

/* Its subscription ends with it, on its node and at the others. */
static void a_process_that_ends_watches_no_more(void **state)
{
    (void)state;
    nodes_start(2, &module);
    for (unsigned i = 0; i < 50; i++) {
        char key[32];
        struct npr_pid watcher;

        (void)snprintf(key, sizeof(key), "{mortal,%u}", i);
        watcher = start_one(nodes[i % 2], nodes_term(key));
        assert_string_equal(nodes_call(nodes[0], &watcher, "{watch,{}}"), "0");
        if (i % 3 != 0) {
            (void)told_up_to(&watcher, "synced");
        }
        stop_one(&watcher, "normal");
    }
    nodes_wait(nobody_watches, NULL);
}

/* ---- Waiting for a key. */

struct waiter {
    pthread_t thread;
    struct npr_node *node;
    struct npr_term key;
    uint32_t timeout_ms;
    npr_status status;
    struct npr_found found;
    struct npr_error err;
};

static void *wait_for_key(void *user)
{
    struct waiter *waiter = user;

    waiter->status =
        npr_await(waiter->node, waiter->key, waiter->timeout_ms, &waiter->found, &waiter->err);
    return NULL;
}

/* What is there is found at once; what comes, wherever, when it comes. */
static void a_key_is_awaited(void **state)
{
    struct waiter waiters[4];
    struct npr_found found = {0};
    struct npr_error err = {0};
    struct npr_pid pid;

    (void)state;
    nodes_start(2, &module);
    for (size_t i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){.node = nodes[i % 2],
                                     .key = nodes_key_of(i < 2 ? "one" : "two", i < 2 ? 0 : 1, 2),
                                     .timeout_ms = 20000};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_key, &waiters[i]), 0);
    }
    for (size_t i = 0; i < 4; i += 2) {
        pid = start_one(nodes[0], waiters[i].key);
        for (size_t j = i; j < i + 2; j++) {
            assert_int_equal(pthread_join(waiters[j].thread, NULL), 0);
            assert_int_equal(waiters[j].status, NPR_OK);
            assert_true(npr_pid_equal(&waiters[j].found.pid, &pid));
        }
        assert_int_equal(npr_await(nodes[1], waiters[i].key, 1000, &found, &err), NPR_OK);
        assert_true(npr_pid_equal(&found.pid, &pid));
    }
    assert_int_equal(npr_await(nodes[0], nodes_term("nothing"), 30, &found, &err), NPR_ETIMEDOUT);
    assert_int_equal(npr_await(nodes[0], (struct npr_term){0}, 30, &found, &err), NPR_EINVAL);
    assert_int_equal(npr_await(NULL, waiters[0].key, 30, &found, &err), NPR_EINVAL);
    assert_int_equal(npr_await(nodes[0], waiters[0].key, 30, NULL, &err), NPR_EINVAL);
    nodes_wait(nobody_watches, NULL);
}

static void stopping_ends_those_who_wait(void **state)
{
    struct waiter waiters[3];

    (void)state;
    nodes_start(2, &module);
    for (size_t i = 0; i < 3; i++) {
        waiters[i] =
            (struct waiter){.node = nodes[0], .key = nodes_term("nothing"), .timeout_ms = 60000};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_key, &waiters[i]), 0);
    }
    nodes_wait(three_watch, NULL); /* They are in there: from now on they are let go. */
    npr_node_stop(nodes[0]);
    nodes[0] = NULL;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_int_equal(waiters[i].status, NPR_ECLOSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_subscriber_sees_the_keys_of_all_nodes, nodes_stop),
        cmocka_unit_test_teardown(nodes_that_come_later_and_clients, nodes_stop),
        cmocka_unit_test_teardown(many_keys_are_told_in_parts, nodes_stop),
        cmocka_unit_test_teardown(a_callback_may_unsubscribe_itself, nodes_stop),
        cmocka_unit_test_teardown(after_unsubscribing_nothing_is_called, nodes_stop),
        cmocka_unit_test_teardown(wrong_subscriptions_are_refused, nodes_stop),
        cmocka_unit_test_teardown(a_process_watches, nodes_stop),
        cmocka_unit_test_teardown(a_process_that_ends_watches_no_more, nodes_stop),
        cmocka_unit_test_teardown(a_key_is_awaited, nodes_stop),
        cmocka_unit_test_teardown(stopping_ends_those_who_wait, nodes_stop),
    };

    return cmocka_run_group_tests_name("api_watch", tests, NULL, NULL);
}
