/* Ownership under threads (node/grabs.h): threads of the program that start keys by themselves,
 * against a core that gives ownership up and takes it back.  A key never has two processes.
 *
 * The fence is taken out, too, one half at a time; then it must have: so the cases see what they
 * are to see. */
#include "counters.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/node.h"

enum {
    KEYS_MAX = 1 << 17,
    STARTERS = 4, /* on the node that stays; as many on the one that comes and goes */
    ROUNDS = 12,
    WRONG_MS = 1000,  /* how long an answer is looked for that must not come, */
    RIGHT_MS = 20000, /* and one that must */
};

/* ---- Processes that count themselves by the number in their key: {AnyText, Number}. */

static atomic_uint lives[KEYS_MAX];
static atomic_uint twice; /* keys that had two at once */
static atomic_uint started_all;

/* Inits of key 0 wait here, when they are to. */
static atomic_bool inits_wait;
static sem_t init_reached;
static sem_t init_goes_on;

static uint32_t number_of(const struct npr_process *self)
{
    struct npr_term parts[2];
    uint64_t number = 0;

    if (!npr_term_get_tuple(npr_start_key(self), 2, parts) ||
        !npr_term_get_uint64(parts[1], &number) || number >= KEYS_MAX) {
        abort();
    }
    return (uint32_t)number;
}

struct once {
    uint32_t number;
};

static npr_status once_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct once *once = state;

    (void)args;
    once->number = number_of(self);
    (void)atomic_fetch_add(&started_all, 1);
    if (atomic_fetch_add(&lives[once->number], 1) > 0) {
        (void)atomic_fetch_add(&twice, 1);
    }
    if (atomic_exchange(&inits_wait, false)) {
        (void)sem_post(&init_reached);
        (void)sem_wait(&init_goes_on);
    }
    return NPR_OK;
}

static void once_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)reason;
    (void)atomic_fetch_sub(&lives[((struct once *)state)->number], 1);
}

static const struct npr_behaviour once_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                    .state_bytes = sizeof(struct once),
                                                    .init = once_init,
                                                    .terminate = once_terminate};

static const struct npr_function functions[] = {{.name = "start", .behaviour = &once_behaviour}};

static const struct npr_module once_module = {.abi = NPR_MODULE_ABI,
                                              .name = "once",
                                              .functions = functions,
                                              .functions_count = 1};

/* ---- Nodes: a stays, b comes and goes. */

static char join_text[64];

static struct npr_node *start_node(const char *name, bool joins)
{
    struct npr_node_options options = nodes_options(name, &once_module);
    static const char *const join[] = {join_text};
    struct npr_node *node = NULL;
    struct npr_error err = {0};

    options.join = join;
    options.join_count = joins ? 1 : 0;
    options.workers = 2;
    if (npr_node_start(&options, &node, &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
    return node;
}

static void start_stayer(void)
{
    memset(lives, 0, sizeof(lives));
    atomic_store(&twice, 0);
    atomic_store(&started_all, 0);
    nodes[0] = start_node("a@127.0.0.1", false);
    (void)snprintf(join_text, sizeof(join_text), "a@127.0.0.1:%u",
                   (unsigned)npr_node_port(nodes[0]));
}

/* A key with that number; in a builder of the caller's. */
static struct npr_term make_key(struct npr_builder *builder, const char *text, uint32_t number)
{
    struct npr_term key = {0};

    npr_builder_reset(builder);
    npr_build_tuple(builder, 2);
    npr_build_atom(builder, text);
    npr_build_uint(builder, number);
    if (npr_builder_finish(builder, &key, NULL) != NPR_OK) {
        abort();
    }
    return key;
}

/* One that b owns as soon as it is there: {Text, 0} for some Text. */
static struct npr_term key_of_b(struct npr_builder *builder)
{
    struct npr_node_name members[2];
    struct npr_node_name owner;
    uint8_t md5[16];
    size_t at = 0;

    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@127.0.0.1"), &members[0], NULL), NPR_OK);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("b@127.0.0.1"), &members[1], NULL), NPR_OK);
    for (unsigned i = 0; i < 100; i++) {
        char text[16];
        struct npr_term key;

        (void)snprintf(text, sizeof(text), "room%u", i);
        key = make_key(builder, text, 0);
        assert_int_equal(npr_place(key, NPR_OTP_26, members, 2, md5, &at, &owner, NULL), NPR_OK);
        if (at == 1) {
            return key;
        }
    }
    fail_msg("no key of b");
    return (struct npr_term){0};
}

/* ---- One get on a thread of its own. */

struct getter {
    pthread_t thread;
    struct npr_node *node;
    struct npr_term key;
    npr_status status;
    struct npr_found found;
    atomic_bool done;
};

static void *getter_main(void *argument)
{
    struct getter *getter = argument;
    struct npr_error err;

    getter->status =
        npr_get_pid(getter->node, getter->key, "once", "start", 20000, &getter->found, &err);
    atomic_store(&getter->done, true);
    return NULL;
}

static void getter_begin(struct getter *getter, struct npr_node *node, struct npr_term key)
{
    *getter = (struct getter){.node = node, .key = key};
    assert_int_equal(pthread_create(&getter->thread, NULL, getter_main, getter), 0);
}

/* Where a key has two processes one of them is ended, maybe before it has begun. */
static void getter_end(struct getter *getter, bool fenced)
{
    assert_int_equal(pthread_join(getter->thread, NULL), 0);
    if (fenced) {
        assert_int_equal(getter->status, NPR_OK);
    }
}

/* Whether it is answered, within so many milliseconds. */
static bool is_answered(struct getter *getter, unsigned most_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < most_ms && !atomic_load(&getter->done); i++) {
        (void)nanosleep(&pause, NULL);
    }
    return atomic_load(&getter->done);
}

/* ---- One thread that is held between the grant and the note, while ownership goes. */

static sem_t in_section;
static sem_t section_goes_on;
static atomic_bool section_waits;

static void before_note(void)
{
    if (atomic_exchange(&section_waits, false)) {
        (void)sem_post(&in_section);
        (void)sem_wait(&section_goes_on);
    }
}

/* Returns how many processes the key had at the most. */
static unsigned give_up_while_one_is_inside(bool fenced)
{
    struct npr_builder *builder = npr_builder_create();
    struct getter here;
    struct getter there;
    struct npr_term key;
    bool early;

    assert_int_equal(sem_init(&in_section, 0, 0), 0);
    assert_int_equal(sem_init(&section_goes_on, 0, 0), 0);
    npri_grabs_test = (struct npri_grabs_test){.before_note = before_note, .no_grace = !fenced};
    start_stayer();
    key = key_of_b(builder);
    atomic_store(&section_waits, true);
    getter_begin(&here, nodes[0], key);
    assert_int_equal(sem_wait(&in_section), 0);

    nodes[1] = start_node("b@127.0.0.1", true);
    nodes_wait_for_view(nodes[0], 2); /* b cannot have it yet, unless a tells */
    getter_begin(&there, nodes[1], key);
    early = is_answered(&there, fenced ? WRONG_MS : RIGHT_MS);
    assert_int_equal(sem_post(&section_goes_on), 0);
    getter_end(&here, fenced);
    getter_end(&there, fenced);
    assert_int_equal(early, !fenced);
    if (fenced) {
        assert_true(npr_pid_equal(&here.found.pid, &there.found.pid));
        assert_int_equal(here.found.token, there.found.token);
    }
    npr_builder_destroy(builder);
    return atomic_load(&started_all);
}

/* Would catch: a marker, an acknowledgement or a "not here" that is told while a thread may still
 * start a key by what was true before. */
static void who_is_inside_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(give_up_while_one_is_inside(true), 1);
    assert_int_equal(atomic_load(&twice), 0);
}

static void without_the_grace_period_a_key_has_two(void **state)
{
    (void)state;
    assert_int_equal(give_up_while_one_is_inside(false), 2);
}

/* ---- One start that goes on, while ownership goes. */

/* Whether b has been told all, and need not ask. */
static bool is_settled(void *user)
{
    struct npr_node *node = nodes[1];
    const struct npri_reading reading = npri_readers_enter(&node->reads.readers);
    const bool granted = npri_core_grant(node->registry.core, *(struct npr_term *)user) != NULL;

    npri_readers_leave(reading);
    return granted;
}

static unsigned give_up_while_one_starts(bool fenced)
{
    struct npr_builder *builder = npr_builder_create();
    struct getter here;
    struct getter there;
    struct npr_term key;
    bool early;

    assert_int_equal(sem_init(&init_reached, 0, 0), 0);
    assert_int_equal(sem_init(&init_goes_on, 0, 0), 0);
    npri_grabs_test = (struct npri_grabs_test){.no_adoption = !fenced};
    start_stayer();
    key = key_of_b(builder);
    atomic_store(&inits_wait, true);
    getter_begin(&here, nodes[0], key);
    assert_int_equal(sem_wait(&init_reached), 0);

    nodes[1] = start_node("b@127.0.0.1", true);
    nodes_wait_for_view(nodes[1], 2);
    nodes_wait(is_settled, &key);
    getter_begin(&there, nodes[1], key);
    early = is_answered(&there, fenced ? WRONG_MS : RIGHT_MS);
    assert_int_equal(sem_post(&init_goes_on), 0);
    getter_end(&here, fenced);
    getter_end(&there, fenced);
    assert_int_equal(early, !fenced);
    if (fenced) {
        assert_true(npr_pid_equal(&here.found.pid, &there.found.pid));
    }
    npr_builder_destroy(builder);
    return atomic_load(&started_all);
}

/* Would catch: a start in a caller's thread that the new owner is not told of. */
static void what_is_being_started_is_told(void **state)
{
    (void)state;
    assert_int_equal(give_up_while_one_starts(true), 1);
    assert_int_equal(atomic_load(&twice), 0);
}

static void without_its_being_told_a_key_has_two(void **state)
{
    (void)state;
    assert_int_equal(give_up_while_one_starts(false), 2);
}

/* ---- Many, without pause. */

static atomic_bool over;
static atomic_uint next_number;
static atomic_uint unexpected;

struct starter {
    pthread_t thread;
    struct npr_node *node;
    atomic_bool *over;
};

/* All starters go through the same keys, more or less together. */
static void *starter_main(void *argument)
{
    const struct starter *starter = argument;
    struct npr_builder *builder = npr_builder_create();

    while (!atomic_load(starter->over)) {
        uint32_t number = atomic_load(&next_number);
        struct npr_found found;
        const npr_status status =
            npr_get_pid(starter->node, make_key(builder, "key", number % KEYS_MAX), "once", "start",
                        20000, &found, NULL);

        /* A node that stops says so; and its processes end while others ask for them. */
        if (status != NPR_OK && status != NPR_ECLOSED && status != NPR_EUNREACHABLE &&
            status != NPR_EREFUSED) {
            (void)atomic_fetch_add(&unexpected, 1);
        }
        if (status == NPR_OK) {
            (void)atomic_compare_exchange_strong(&next_number, &number, number + 1);
        }
    }
    npr_builder_destroy(builder);
    return NULL;
}

static void start_starters(struct starter *starters, struct npr_node *node, atomic_bool *until)
{
    for (unsigned i = 0; i < STARTERS; i++) {
        starters[i] = (struct starter){.node = node, .over = until};
        assert_int_equal(pthread_create(&starters[i].thread, NULL, starter_main, &starters[i]), 0);
    }
}

static void join_starters(struct starter *starters)
{
    for (unsigned i = 0; i < STARTERS; i++) {
        assert_int_equal(pthread_join(starters[i].thread, NULL), 0);
    }
}

/* A thread that is not run for a moment, now and then, where it hurts. */
static void dawdle(void)
{
    static atomic_uint count;
    const struct timespec pause = {.tv_nsec = 3000000};

    if (atomic_fetch_add(&count, 1) % 64 == 0) {
        (void)nanosleep(&pause, NULL);
    }
}

/* Would catch: any other way in which two may start one key while b comes and goes. */
static void a_key_never_has_two(void **state)
{
    struct starter here[STARTERS];
    struct starter there[STARTERS];

    (void)state;
    npri_grabs_test = (struct npri_grabs_test){.before_note = dawdle};
    start_stayer();
    start_starters(here, nodes[0], &over);
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_bool left = false;

        nodes[1] = start_node("b@127.0.0.1", true);
        start_starters(there, nodes[1], &left);
        nodes_wait_for_view(nodes[1], 2);
        nodes_wait_for_view(nodes[0], 2);
        npr_node_close(nodes[1]);
        atomic_store(&left, true);
        join_starters(there);
        npr_node_stop(nodes[1]);
        nodes[1] = NULL;
        nodes_wait_for_view(nodes[0], 1);
    }
    atomic_store(&over, true);
    join_starters(here);
    print_message("%u started\n", atomic_load(&started_all));
    assert_int_equal(atomic_load(&unexpected), 0);
    assert_int_equal(atomic_load(&twice), 0);
    assert_true(atomic_load(&started_all) > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(who_is_inside_is_waited_for, nodes_stop),
        cmocka_unit_test_teardown(without_the_grace_period_a_key_has_two, nodes_stop),
        cmocka_unit_test_teardown(what_is_being_started_is_told, nodes_stop),
        cmocka_unit_test_teardown(without_its_being_told_a_key_has_two, nodes_stop),
        cmocka_unit_test_teardown(a_key_never_has_two, nodes_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
