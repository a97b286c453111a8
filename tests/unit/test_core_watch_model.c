/* core/watch.h under everything at once: three cores on an in-memory network, entries that come and
 * go, connections that break, subscribers that come and go, memory that runs out in any step.  The
 * check keeps its own tables: no news may contradict the news before it, and in the end every
 * subscriber's picture is what the tables say. */
#include "core_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

#define NODES   3
#define KEYS    24 /* the even ones are {x,N}, the odd ones {y,N} */
#define STREAMS 2  /* of each node: 0 is all, 1 is {prefix,{x}} */
#define ROUNDS  3000
#define SEEDS   40

struct message {
    struct npri_link link;
    size_t size;
    uint8_t bytes[];
};

struct picture {
    bool open;
    unsigned synced;
    uint32_t pids[KEYS]; /* what was told: 0: nothing, else node * 1000 + id */
};

static struct world {
    struct npri_core *cores[NODES];
    struct npri_link queues[NODES][NODES]; /* from, to */
    bool connected[NODES][NODES];
    uint32_t tables[NODES][KEYS];
    struct picture pictures[NODES][STREAMS];
    uint64_t now_ns;
    uint64_t random;
    uint32_t last_id;
    bool no_memory; /* it may run out */
} world;

static const char *const names[NODES] = {"a", "b", "c"};

static uint32_t draw(uint32_t bound)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (uint32_t)(world.random >> 32) % bound;
}

/* ---- Terms. */

static struct npr_term key_term(struct npri_buffer *buffer, unsigned key)
{
    npri_buffer_reset(buffer);
    npri_put_tuple(buffer, 2);
    npri_put_atom(buffer, key % 2 == 0 ? "x" : "y");
    npri_put_uint(buffer, key);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

static unsigned read_key(struct npr_term term)
{
    struct npr_term parts[2];
    uint64_t key = KEYS;

    assert_true(npr_term_get_tuple(term, 2, parts));
    assert_true(npr_term_get_uint64(parts[1], &key));
    assert_true(key < KEYS);
    assert_true(npr_term_is_atom(parts[0], key % 2 == 0 ? "x" : "y"));
    return (unsigned)key;
}

static struct npr_term pid_term(struct npri_buffer *buffer, uint32_t code)
{
    struct npr_pid pid = {.node = host_node(names[code / 100000]), .id = code, .creation = 1};

    npri_buffer_reset(buffer);
    npri_put_pid(buffer, &pid);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

static uint32_t read_pid(struct npr_term term)
{
    struct npr_pid pid = {.id = 0};

    assert_true(npr_term_get_pid(term, &pid));
    assert_true(pid.id != 0);
    return pid.id;
}

static unsigned node_of(const struct npr_node_name *name)
{
    for (unsigned i = 0; i < NODES; i++) {
        const struct npr_node_name known = host_node(names[i]);

        if (npr_node_name_equal(&known, name)) {
            return i;
        }
    }
    return NODES;
}

/* ---- What the cores want. */

static void on_news(unsigned node, const struct npri_core_effect *effect)
{
    const unsigned stream = (unsigned)effect->request % STREAMS;
    struct picture *picture = &world.pictures[node][stream];
    unsigned key;

    if (!picture->open) {
        return; /* It was on its way when the subscription ended. */
    }
    switch (effect->news) {
    case NPR_WATCH_REGISTERED:
        key = read_key(effect->key);
        assert_int_equal(picture->pids[key], 0);
        picture->pids[key] = read_pid(effect->term);
        break;
    case NPR_WATCH_MOVED:
        key = read_key(effect->key);
        assert_int_equal(picture->pids[key], read_pid(effect->old));
        assert_int_not_equal(picture->pids[key], read_pid(effect->term));
        picture->pids[key] = read_pid(effect->term);
        break;
    case NPR_WATCH_GONE:
        key = read_key(effect->key);
        assert_int_equal(picture->pids[key], read_pid(effect->term));
        picture->pids[key] = 0;
        break;
    case NPR_WATCH_SYNCED:
        picture->synced++;
        assert_int_equal(picture->synced, 1);
        break;
    case NPR_WATCH_NODE_DOWN:
        assert_true(node_of(&effect->node) != node);
        break;
    case NPR_WATCH_CLOSED:
        fail();
        break;
    }
}

static void on_tell(unsigned node, const struct npri_core_effect *effect)
{
    const unsigned to = node_of(&effect->node);
    struct message *message = malloc(sizeof(*message) + effect->term.size);

    assert_true(to < NODES && world.connected[node][to]);
    assert_non_null(message);
    memset(message, 0, sizeof(*message));
    message->size = effect->term.size;
    memcpy(message->bytes, effect->term.data, effect->term.size);
    npri_list_append(&world.queues[node][to], &message->link);
}

static void take_effects(unsigned node)
{
    struct npri_core_effect effect;

    npri_alloc_fail_after(0);
    npri_core_check(world.cores[node]);
    while (npri_core_take(world.cores[node], &effect)) {
        if (effect.kind == NPRI_EFFECT_NEWS) {
            on_news(node, &effect);
        } else if (effect.kind == NPRI_EFFECT_TELL) {
            on_tell(node, &effect);
        }
    }
}

static void draw_memory(void)
{
    if (world.no_memory && draw(6) == 0) {
        npri_alloc_fail_after(1 + draw(8));
    }
}

static npr_status step(unsigned node, struct npri_core_event event)
{
    npr_status status;

    event.now_ns = world.now_ns;
    if (event.kind != NPRI_EVENT_CONNECTED && event.kind != NPRI_EVENT_GREETED) {
        draw_memory();
    }
    status = npri_core_step(world.cores[node], &event);
    take_effects(node);
    return status;
}

/* Straight into the table, or out of it: consent is not this test's business. */
static bool put_entry(unsigned node, struct npr_term key, struct npr_term pid)
{
    const struct npri_activation living = {.pid = pid};
    bool put;

    draw_memory();
    put = npri_directory_put(&world.cores[node]->directory, npri_bytes(key.data, key.size), &living,
                             NULL) == NPR_OK;
    take_effects(node);
    return put;
}

static void remove_entry(unsigned node, struct npr_term key)
{
    draw_memory();
    (void)npri_directory_remove(&world.cores[node]->directory, npri_bytes(key.data, key.size));
    take_effects(node);
}

/* ---- What happens. */

static void drop_messages(unsigned from, unsigned to)
{
    struct npri_link *at;

    while ((at = npri_list_take(&world.queues[from][to])) != NULL) {
        free(NPRI_CONTAINER_OF(at, struct message, link));
    }
}

static void connect_pair(unsigned a, unsigned b)
{
    const unsigned pair[2] = {a, b};

    if (a == b || world.connected[a][b]) {
        return;
    }
    world.connected[a][b] = world.connected[b][a] = true;
    for (unsigned i = 0; i < 2; i++) {
        struct npri_core_event event = {
            .kind = NPRI_EVENT_CONNECTED, .node = host_node(names[pair[1 - i]]), .creation = 1};

        (void)step(pair[i], event);
        event.kind = NPRI_EVENT_GREETED;
        event.greeting = (struct npri_greeting){
            .version = NPRI_NATIVE_VERSION, .oldest = NPRI_NATIVE_OLDEST, .node_timeout_ns = 1};
        (void)step(pair[i], event);
    }
}

static void disconnect_pair(unsigned a, unsigned b)
{
    if (a == b || !world.connected[a][b]) {
        return;
    }
    world.connected[a][b] = world.connected[b][a] = false;
    drop_messages(a, b);
    drop_messages(b, a);
    (void)step(
        a, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED, .node = host_node(names[b])});
    (void)step(
        b, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED, .node = host_node(names[a])});
}

/* False: there is none. */
static bool deliver(unsigned from, unsigned to)
{
    struct npri_link *at = npri_list_take(&world.queues[from][to]);
    struct message *message;

    if (at == NULL) {
        return false;
    }
    message = NPRI_CONTAINER_OF(at, struct message, link);
    if (step(to, (struct npri_core_event){
                     .kind = NPRI_EVENT_TOLD,
                     .node = host_node(names[from]),
                     .term = {.data = message->bytes, .size = message->size}}) == NPR_ENOMEM) {
        disconnect_pair(from, to);
    }
    free(message);
    return true;
}

static void subscribe(unsigned node, unsigned stream)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_SUBSCRIBE, .request = stream};
    struct picture *picture = &world.pictures[node][stream];
    struct npri_buffer selector = {0};

    if (picture->open) {
        event.kind = NPRI_EVENT_UNSUBSCRIBE;
        picture->open = false;
        (void)step(node, event);
        return;
    }
    if (stream == 0) {
        npri_put_atom(&selector, "all");
    } else {
        npri_put_tuple(&selector, 2);
        npri_put_atom(&selector, "prefix");
        npri_put_tuple(&selector, 1);
        npri_put_atom(&selector, "x");
    }
    event.term = (struct npr_term){.data = selector.data, .size = selector.size};
    *picture = (struct picture){.open = true};
    picture->open = step(node, event) == NPR_OK;
    npri_buffer_fini(&selector);
}

static void change_entry(unsigned node, unsigned key)
{
    struct npri_buffer buffers[2] = {{0}};
    const struct npr_term term = key_term(&buffers[0], key);
    struct npri_core_event event;
    uint32_t code = node * 100000 + ++world.last_id;

    switch (draw(4)) {
    case 0:
        remove_entry(node, term);
        world.tables[node][key] = 0;
        break;
    case 1: /* its process ends: all its keys */
        if (world.tables[node][key] != 0) {
            code = world.tables[node][key];
            event = (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                             .term = pid_term(&buffers[1], code)};
            (void)step(node, event);
            for (unsigned i = 0; i < KEYS; i++) {
                world.tables[node][i] = world.tables[node][i] == code ? 0 : world.tables[node][i];
            }
        }
        break;
    case 2: /* a process that has a key already */
        if (world.tables[node][draw(KEYS)] != 0) {
            code = world.tables[node][draw(KEYS)];
        }
        /* fallthrough */
    default:
        code = code == 0 ? node * 100000 + ++world.last_id : code;
        if (put_entry(node, term, pid_term(&buffers[1], code))) {
            world.tables[node][key] = code;
        }
        break;
    }
    npri_buffer_fini(&buffers[0]);
    npri_buffer_fini(&buffers[1]);
}

static void pass(uint64_t ns)
{
    const uint64_t end_ns = world.now_ns + ns;

    for (unsigned node = 0; node < NODES; node++) {
        if (npri_core_deadline_ns(world.cores[node]) <= end_ns) {
            world.now_ns = end_ns;
            (void)step(node, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
        }
    }
    world.now_ns = end_ns;
}

static void happen(void)
{
    const unsigned node = draw(NODES);
    const unsigned other = draw(NODES);

    switch (draw(20)) {
    case 0:
        subscribe(node, draw(STREAMS));
        break;
    case 1:
        disconnect_pair(node, other);
        break;
    case 2:
    case 3:
        connect_pair(node, other);
        break;
    case 4:
    case 5:
        pass(draw(200) * MS);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        change_entry(node, draw(KEYS));
        break;
    default:
        (void)deliver(node, other);
        break;
    }
}

/* ---- The end: everyone is connected, memory is there, all is delivered. */

static void settle(void)
{
    bool any = true;

    world.no_memory = false;
    for (unsigned a = 0; a < NODES; a++) {
        for (unsigned b = 0; b < NODES; b++) {
            connect_pair(a, b);
        }
    }
    for (unsigned quiet = 0; quiet < 20; quiet = any ? 0 : quiet + 1) {
        any = false;
        for (unsigned i = 0; i < NODES * NODES; i++) {
            while (deliver(i / NODES, i % NODES)) {
                any = true;
            }
        }
        pass(150 * MS);
    }
}

static void compare(unsigned node, unsigned stream)
{
    const struct picture *picture = &world.pictures[node][stream];

    for (unsigned key = 0; picture->open && key < KEYS; key++) {
        const bool meant = stream == 0 || key % 2 == 0;
        bool there = false;
        bool right = false;

        for (unsigned at = 0; at < NODES; at++) {
            there = there || world.tables[at][key] != 0;
            right =
                right || (picture->pids[key] != 0 && world.tables[at][key] == picture->pids[key]);
        }
        if (right != (there && meant) || (picture->pids[key] != 0) != right) {
            fail_msg("node %u stream %u key %u: told %u, has %u %u %u", node, stream, key,
                     picture->pids[key], world.tables[0][key], world.tables[1][key],
                     world.tables[2][key]);
        }
    }
    if (picture->open) {
        assert_int_equal(picture->synced, 1);
    }
}

static void run(uint64_t seed, bool no_memory)
{
    memset(&world, 0, sizeof(world));
    world.random = seed * 0x9e3779b97f4a7c15u + 1;
    world.no_memory = no_memory;
    for (unsigned i = 0; i < NODES; i++) {
        const struct npri_core_options options = host_options(names[i]);

        world.now_ns = options.now_ns;
        world.cores[i] = npri_core_create(&options);
        for (unsigned j = 0; j < NODES; j++) {
            npri_list_init(&world.queues[i][j]);
        }
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        happen();
    }
    settle();
    for (unsigned node = 0; node < NODES; node++) {
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            compare(node, stream);
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        npri_core_destroy(world.cores[i]);
        for (unsigned j = 0; j < NODES; j++) {
            drop_messages(i, j);
        }
    }
}

static void pictures_are_right_in_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, false);
    }
}

static void pictures_are_right_when_memory_ran_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, true);
    }
}

/* ---- One long walk. */

#define MANY 30000

static struct long_walk {
    struct npri_core *core;
    uint32_t table[MANY];
    uint32_t told[MANY];
    uint64_t told_at;
    unsigned entries_messages;
    bool synced;
} walk;

static void apply_entry(struct npr_term entry)
{
    struct npr_term parts[3];
    uint64_t key = MANY;

    assert_true(npr_term_get_tuple(entry, 3, parts));
    assert_true(npr_term_get_uint64(parts[0], &key));
    assert_true(key < MANY);
    walk.told[key] = read_pid(parts[1]);
}

static void apply_told(struct npr_term message)
{
    struct npr_term parts[5] = {{0}};
    struct npr_term_walk elements;
    struct npr_term entry;
    uint64_t key = MANY;
    uint32_t arity;

    assert_true(npr_term_tuple(message, &elements, &arity));
    for (unsigned i = 0; i < arity; i++) {
        assert_true(npr_term_next(&elements, &parts[i]));
    }
    assert_true(npr_term_get_uint64(parts[2], &walk.told_at));
    if (npr_term_is_atom(parts[0], "entries")) {
        assert_true(npr_term_list(parts[3], &elements));
        while (npr_term_next(&elements, &entry)) {
            apply_entry(entry);
        }
        walk.entries_messages++;
    } else if (npr_term_is_atom(parts[0], "gone")) {
        assert_true(npr_term_get_uint64(parts[3], &key));
        assert_true(key < MANY && walk.told[key] != 0); /* Never of one that was not told. */
        walk.told[key] = 0;
    } else {
        assert_true(npr_term_is_atom(parts[0], "synced"));
        walk.synced = true;
    }
}

static void take_walk_effects(void)
{
    struct npri_core_effect effect;

    while (npri_core_take(walk.core, &effect)) {
        if (effect.kind == NPRI_EFFECT_TELL) {
            apply_told(effect.term);
        }
    }
}

static void walk_step(struct npri_core_event event)
{
    event.now_ns = world.now_ns;
    assert_int_equal(npri_core_step(walk.core, &event), NPR_OK);
    take_walk_effects();
}

static void change_number(uint32_t key, bool there)
{
    struct npri_directory *directory = &walk.core->directory;
    struct npri_buffer buffers[2] = {{0}};
    struct npri_activation living = {0};

    npri_put_uint(&buffers[0], key);
    walk.table[key] = there ? ++world.last_id : 0;
    if (there) {
        living.pid = pid_term(&buffers[1], world.last_id);
        assert_int_equal(
            npri_directory_put(directory, npri_buffer_bytes(&buffers[0]), &living, NULL), NPR_OK);
    } else {
        (void)npri_directory_remove(directory, npri_buffer_bytes(&buffers[0]));
    }
    take_walk_effects();
    npri_buffer_fini(&buffers[0]);
    npri_buffer_fini(&buffers[1]);
}

static void tell_core(const char *word, uint64_t number, const char *selector)
{
    struct npri_buffer message = {0};

    npri_put_tuple(&message, selector == NULL ? 2 : 3);
    npri_put_atom(&message, word);
    npri_put_uint(&message, number);
    if (selector != NULL) {
        npri_put_atom(&message, selector);
    }
    walk_step((struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                       .node = host_node("b"),
                                       .term = {.data = message.data, .size = message.size}});
    npri_buffer_fini(&message);
}

/* While a walk goes on in pieces, entries come, go and change before and behind it, and the table
 * grows and shrinks: what the peer was told by the time it is told "synced" is the table. */
static void a_walk_and_what_changes_meanwhile_agree(void **state)
{
    const struct npri_core_options options = host_options("a");
    unsigned pieces = 0;

    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&walk, 0, sizeof(walk));
    world.random = 77;
    world.now_ns = options.now_ns;
    walk.core = npri_core_create(&options);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        change_number(i, true);
    }
    walk_step((struct npri_core_event){
        .kind = NPRI_EVENT_CONNECTED, .node = host_node("b"), .creation = 1});
    tell_core("watch", 5, "all");
    for (; !walk.synced && pieces < 1000; pieces++) {
        for (unsigned i = 0; i < 1000; i++) {
            change_number(draw(MANY), draw(pieces % 8 < 4 ? 2 : 6) != 0);
        }
        world.now_ns += MS;
        walk_step((struct npri_core_event){.kind = NPRI_EVENT_TIME});
        tell_core("read", walk.told_at, NULL);
    }
    assert_in_range(pieces, 5, 200);
    assert_memory_equal(walk.told, walk.table, sizeof(walk.table));
    for (unsigned i = 0; i < 1000; i++) {
        change_number(draw(MANY), draw(2) != 0);
    }
    assert_memory_equal(walk.told, walk.table, sizeof(walk.table));
    npri_core_destroy(walk.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_right_in_the_end),
        cmocka_unit_test(pictures_are_right_when_memory_ran_out),
        cmocka_unit_test(a_walk_and_what_changes_meanwhile_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
