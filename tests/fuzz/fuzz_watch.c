/* A sequence of terms, each as a message of a native peer to our core, which has subscriptions
 * there and may be given some: nothing breaks, and no news contradicts the news before it.  (The
 * core's own invariants are checked after each.) */
#include <string.h>

#include "core/core.h"
#include "term/read.h"
#include "term/write.h"

#include "fuzz/fuzz.h"

#define KEYS_MAX 64u

/* What subscription 1, to everything, was told: hashes of the keys that have a process. */
struct picture {
    uint64_t keys[KEYS_MAX];
    size_t count;
    int synced;
};

static struct npr_node_name name(const char *text)
{
    struct npr_node_name node = {.size = (uint8_t)strlen(text)};

    memcpy(node.text, text, node.size);
    return node;
}

static void no_digest(const void *data, size_t size, uint8_t out[16])
{
    (void)data;
    (void)size;
    memset(out, 0, 16);
}

static size_t find(const struct picture *picture, uint64_t key)
{
    size_t at = 0;

    while (at < picture->count && picture->keys[at] != key) {
        at++;
    }
    return at;
}

static void look(struct picture *picture, const struct npri_core_effect *effect)
{
    const uint64_t key = effect->key.data == NULL ? 0 : npr_term_hash(effect->key);
    const size_t at = find(picture, key);

    if (effect->kind != NPRI_EFFECT_NEWS || effect->request != 1 || picture->count == KEYS_MAX) {
        return;
    }
    switch (effect->news) {
    case NPR_WATCH_REGISTERED:
        FUZZ_CHECK(at == picture->count);
        picture->keys[picture->count++] = key;
        return;
    case NPR_WATCH_MOVED:
        FUZZ_CHECK(at < picture->count);
        return;
    case NPR_WATCH_GONE:
        FUZZ_CHECK(at < picture->count);
        picture->keys[at] = picture->keys[--picture->count];
        return;
    case NPR_WATCH_SYNCED:
        FUZZ_CHECK(picture->synced++ == 0);
        return;
    case NPR_WATCH_NODE_DOWN:
    case NPR_WATCH_CLOSED:
        return;
    }
}

static void step(struct npri_core *core, struct picture *picture, struct npri_core_event event)
{
    struct npri_core_effect effect;

    FUZZ_CHECK(npri_core_step(core, &event) == NPR_OK);
    npri_core_check(core);
    while (npri_core_take(core, &effect)) {
        look(picture, &effect);
    }
}

static void subscribe(struct npri_core *core,
                      struct picture *picture,
                      uint64_t number,
                      struct npri_buffer *selector)
{
    step(core, picture,
         (struct npri_core_event){.kind = NPRI_EVENT_SUBSCRIBE,
                                  .request = number,
                                  .term = {.data = selector->data, .size = selector->size}});
    npri_buffer_fini(selector);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct npri_core_options options = {.self = name("a@h"),
                                              .creation = 1,
                                              .member = true,
                                              .md5 = no_digest,
                                              .announce_ns = 5000000000,
                                              .expire_ns = 10000000000,
                                              .suspect_ns = 1000000000,
                                              .node_timeout_ns = 3000000000};
    struct npri_core_event event = {.kind = NPRI_EVENT_CONNECTED, .node = name("b@h")};
    struct npri_buffer selectors[2] = {{.data = NULL}, {.data = NULL}};
    struct npri_buffer scratch = {.data = NULL};
    struct picture picture = {.count = 0};
    struct npri_core *core = npri_core_create(&options);
    size_t used = 0;

    FUZZ_CHECK(core != NULL);
    npri_put_atom(&selectors[0], "all");
    subscribe(core, &picture, 1, &selectors[0]);
    npri_put_tuple(&selectors[1], 2);
    npri_put_atom(&selectors[1], "key");
    npri_put_atom(&selectors[1], "k");
    subscribe(core, &picture, 2, &selectors[1]);
    event.creation = 1;
    step(core, &picture, event);
    event.kind = NPRI_EVENT_GREETED;
    event.greeting = (struct npri_greeting){.version = NPRI_NATIVE_VERSION,
                                            .oldest = NPRI_NATIVE_OLDEST,
                                            .node_timeout_ns = 3000000000};
    step(core, &picture, event);
    event.kind = NPRI_EVENT_TOLD;
    while (size > 0 &&
           npri_term_read(npri_bytes(data, size), &scratch, &event.term, &used, NULL) == NPR_OK) {
        step(core, &picture, event);
        npri_buffer_reset(&scratch);
        data += used;
        size -= used;
        event.now_ns += 50000000;
    }
    event.kind = NPRI_EVENT_TIME;
    step(core, &picture, event);
    event.kind = NPRI_EVENT_DISCONNECTED;
    step(core, &picture, event);
    FUZZ_CHECK(picture.count == 0 || picture.count == KEYS_MAX);
    npri_core_destroy(core);
    npri_buffer_fini(&scratch);
    return 0;
}
