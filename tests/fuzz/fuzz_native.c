/* A sequence of terms, each told by one of two native peers (a byte says which, and how much time
 * passes, or that the peer agrees first) to our core: views, losses, beats, lists of links, and
 * what keys hang on them, of which some are wanted here, too.  Nothing breaks, however wrong it is;
 * whoever says what is no message is gone.  (The core's own invariants are checked after each.) */
#include <string.h>

#include "core/core.h"
#include "core/views.h"
#include "term/read.h"
#include "term/write.h"

#include "fuzz/fuzz.h"

#define HEARTBEAT_NS    UINT64_C(500000000)
#define NODE_TIMEOUT_NS UINT64_C(3000000000)

static const char *const names[2] = {"b@h", "c@h"};

static struct npr_node_name name(const char *text)
{
    struct npr_node_name node = {.size = (uint8_t)strlen(text)};

    memcpy(node.text, text, node.size);
    return node;
}

static void digest(const void *data, size_t size, uint8_t out[16])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    }
    memcpy(out, &hash, sizeof(hash));
    memcpy(out + sizeof(hash), &hash, sizeof(hash));
}

/* What is told is one term, to its last byte. */
static void check_told(struct npr_term term)
{
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term read;
    size_t used = 0;

    FUZZ_CHECK(npri_term_read(npri_bytes(term.data, term.size), &scratch, &read, &used, NULL) ==
               NPR_OK);
    FUZZ_CHECK(used == term.size && npr_term_equal(read, term));
    npri_buffer_fini(&scratch);
}

/* The view that a peer was last told: it can say that it has the same. */
struct view {
    uint64_t epoch;
    uint64_t hashes[2];
    uint64_t base;
};

static struct view told_views[2];

static void note_view(const struct npri_core_effect *effect)
{
    struct view *view = &told_views[effect->node.text[0] == names[0][0] ? 0 : 1];
    struct npr_term_walk walk;
    struct npr_term parts[7];
    uint32_t arity;

    FUZZ_CHECK(npr_term_tuple(effect->term, &walk, &arity));
    for (unsigned i = 0; i < 7 && npr_term_next(&walk, &parts[i]); i++) {
    }
    if (arity == 7 && npr_term_is_atom(parts[0], "view")) {
        FUZZ_CHECK(npr_term_get_uint64(parts[1], &view->epoch));
        FUZZ_CHECK(npr_term_get_uint64(parts[2], &view->hashes[0]));
        FUZZ_CHECK(npr_term_get_uint64(parts[3], &view->hashes[1]));
        FUZZ_CHECK(npr_term_get_uint64(parts[5], &view->base));
    }
}

/* Fences pass at once; whoever is to be disconnected is. */
static void step(struct npri_core *core, struct npri_core_event event)
{
    struct npri_core_effect effect;
    uint64_t fence = 0;

    FUZZ_CHECK(npri_core_step(core, &event) == NPR_OK);
    npri_core_check(core);
    while (npri_core_take(core, &effect)) {
        fence = effect.kind == NPRI_EFFECT_FENCE ? effect.operation : fence;
        if (effect.kind == NPRI_EFFECT_TELL) {
            check_told(effect.term);
            note_view(&effect);
        }
    }
    if (fence != 0) {
        step(core, (struct npri_core_event){
                       .kind = NPRI_EVENT_FENCED, .now_ns = event.now_ns, .operation = fence});
    }
}

static void connect_native(struct npri_core *core, const char *text, uint64_t now_ns)
{
    struct npri_core_event event = {
        .kind = NPRI_EVENT_CONNECTED, .now_ns = now_ns, .node = name(text), .creation = 1};

    step(core, event);
    event.kind = NPRI_EVENT_GREETED;
    event.greeting = (struct npri_greeting){.version = NPRI_NATIVE_VERSION,
                                            .oldest = NPRI_NATIVE_OLDEST,
                                            .heartbeat_ns = HEARTBEAT_NS,
                                            .node_timeout_ns = NODE_TIMEOUT_NS};
    step(core, event);
}

/* The peer has our view in its epoch 7, and has told all that it holds. */
static void agree(struct npri_core *core, unsigned who, uint64_t now_ns)
{
    const struct view view = told_views[who];
    struct npri_core_event event = {
        .kind = NPRI_EVENT_TOLD, .now_ns = now_ns, .node = name(names[who])};
    uint8_t bytes[128];
    struct npri_buffer told = {.data = bytes, .capacity = sizeof(bytes), .size_max = sizeof(bytes)};

    npri_put_tuple(&told, 7);
    npri_put_atom(&told, "view");
    npri_put_uint(&told, 7);
    npri_put_uint(&told, view.hashes[0]);
    npri_put_uint(&told, view.hashes[1]);
    npri_put_uint(&told, view.epoch);
    npri_put_uint(&told, view.base);
    npri_put_atom(&told, "false");
    event.term = (struct npr_term){.data = told.data, .size = told.size};
    step(core, event);
    npri_buffer_reset(&told);
    npri_put_tuple(&told, 3);
    npri_put_atom(&told, "marker");
    npri_put_uint(&told, 7);
    npri_put_uint(&told, 64);
    event.term = (struct npr_term){.data = told.data, .size = told.size};
    step(core, event);
}

/* What was told may be of keys that somebody wants here: any element of it, if it is one. */
static void want(struct npri_core *core, struct npr_term told, uint64_t now_ns)
{
    struct npri_core_event event = {
        .now_ns = now_ns, .request = 1, .deadline_ns = now_ns + 1000000000};
    struct npr_term_walk walk;
    uint32_t arity;
    uint8_t bytes[64];
    struct npri_buffer pid = {.data = bytes, .capacity = sizeof(bytes), .size_max = sizeof(bytes)};
    const struct npr_pid own = {.node = name("a@h"), .id = 1, .creation = 1};

    npri_put_pid(&pid, &own);
    if (!npr_term_tuple(told, &walk, &arity)) {
        return;
    }
    while (npr_term_next(&walk, &event.key)) {
        event.kind = NPRI_EVENT_GET;
        event.function = event.key;
        event.caller = (struct npr_term){.data = pid.data, .size = pid.size};
        step(core, event);
        event.kind = NPRI_EVENT_REGISTER;
        event.term = event.caller;
        step(core, event);
        event.kind = NPRI_EVENT_UNREGISTER;
        step(core, event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct npri_core_options options = {.self = name("a@h"),
                                              .creation = 1,
                                              .member = true,
                                              .md5 = digest,
                                              .announce_ns = 5000000000,
                                              .expire_ns = 10000000000,
                                              .suspect_ns = 1000000000,
                                              .heartbeat_ns = HEARTBEAT_NS,
                                              .node_timeout_ns = NODE_TIMEOUT_NS,
                                              .quorum = 2};
    struct npri_core_event event = {.kind = NPRI_EVENT_TOLD};
    struct npri_buffer scratch = {.data = NULL};
    struct npri_core *core = npri_core_create(&options);
    size_t used = 0;

    FUZZ_CHECK(core != NULL);
    connect_native(core, names[0], 0);
    connect_native(core, names[1], 0);
    while (size > 1 && npri_term_read(npri_bytes(data + 1, size - 1), &scratch, &event.term, &used,
                                      NULL) == NPR_OK) {
        event.node = name(names[data[0] & 1]);
        if (data[0] >= 0xe0 && data[0] < 0xf0) {
            agree(core, data[0] & 1, event.now_ns);
        } else {
            event.now_ns += (uint64_t)(data[0] >> 1) * 20000000;
        }
        step(core, event);
        if (data[0] >= 0xf8) {
            want(core, event.term, event.now_ns);
        }
        if (!npri_core_is_native(core, &event.node)) {
            connect_native(core, names[data[0] & 1], event.now_ns);
        }
        npri_buffer_reset(&scratch);
        data += used + 1;
        size -= used + 1;
        while (npri_core_deadline_ns(core) <= event.now_ns) {
            step(core, (struct npri_core_event){.kind = NPRI_EVENT_TIME, .now_ns = event.now_ns});
        }
    }
    npri_core_destroy(core);
    npri_buffer_fini(&scratch);
    return 0;
}
