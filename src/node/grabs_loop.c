/* The loop thread's side of node/grabs.h: what came of them, the core's questions, the fence. */
#include "base/alloc.h"
#include "base/limits.h"
#include "core/effects.h"
#include "node/grab.h"
#include "node/node.h"
#include "term/write.h"

/* How long the loop leaves it to readers to leave before it looks. */
#define GRACE_NS UINT64_C(1000000)

/* While starts end all the time the loop looks for them so often, */
#define LOOK_NS UINT64_C(1000000)

/* and when so many wait. */
#define HURRY_COUNT 128u

/* ---- The core's questions. */

static struct npri_grab *find_locked(struct npr_node *node,
                                     struct npr_bytes key,
                                     struct npri_grabs_shard **out_shard)
{
    *out_shard = npri_grabs_shard_of(node, npri_hash(node->hash_key, key));
    npri_grabs_lock(*out_shard);
    return npri_grabs_find(*out_shard, key);
}

/* What it tells stays there: only this thread takes a note out. */
static bool find(void *user, struct npr_bytes key, struct npri_grabbed *out)
{
    struct npri_grabs_shard *shard;
    const struct npri_grab *grab = find_locked(user, key, &shard);
    const bool found = grab != NULL && grab->operation == 0;

    if (found) {
        *out = (struct npri_grabbed){.function = npri_grab_function(grab), .token = grab->token};
    }
    npri_grabs_unlock(shard);
    return found;
}

static void adopt(void *user, struct npr_bytes key, uint64_t operation)
{
    struct npri_grabs_shard *shard;
    struct npri_grab *grab = find_locked(user, key, &shard);

    NPRI_ASSERT(grab != NULL && grab->operation == 0);
    grab->operation = operation;
    npri_grabs_unlock(shard);
}

/* ---- What came of them. */

void npri_grabs_push(struct npri_grab *grab)
{
    struct npri_grabs *grabs = &grab->node->grabs;
    struct npri_grab *newest = atomic_load_explicit(&grabs->ended, memory_order_relaxed);
    unsigned before;

    do {
        grab->ended_next = newest;
        /* release: pairs with the acquire in take_ended(), which reads the grab. */
    } while (!atomic_compare_exchange_weak_explicit(&grabs->ended, &newest, grab,
                                                    memory_order_release, memory_order_relaxed));
    before = atomic_fetch_add_explicit(&grabs->ended_count, 1, memory_order_relaxed);
    /* acq_rel: pairs with the exchange in rest(). */
    if (!atomic_exchange_explicit(&grabs->posted, true, memory_order_acq_rel)) {
        npri_loop_post(grabs->node->loop, &grabs->task);
    } else if (before == HURRY_COUNT &&
               !atomic_exchange_explicit(&grabs->hurrying, true, memory_order_acq_rel)) {
        npri_loop_post(grabs->node->loop, &grabs->hurry);
    }
}

/* Oldest first. */
static struct npri_grab *take_ended(struct npri_grabs *grabs)
{
    struct npri_grab *oldest = NULL;
    struct npri_grab *newest;

    /* relaxed: a push that is missed here is seen by the next look, which it has asked for. */
    if (atomic_load_explicit(&grabs->ended, memory_order_relaxed) == NULL) {
        return NULL;
    }
    atomic_store_explicit(&grabs->ended_count, 0, memory_order_relaxed);
    /* acquire: pairs with the release in npri_grabs_push(). */
    newest = atomic_exchange_explicit(&grabs->ended, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct npri_grab *next = newest->ended_next;

        newest->ended_next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* The core has its entry, or has given it up: only now may another be noted.  True: nobody else
 * holds it. */
static bool take_out(struct npri_grab *grab)
{
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, grab->key_hash);
    struct npri_grab **at = &shard->first;
    bool is_last;

    npri_grabs_lock(shard);
    while (*at != grab) {
        at = &(*at)->next;
    }
    *at = grab->next;
    is_last = grab->holders == 1;
    npri_grabs_unlock(shard);
    return is_last;
}

/* It is in `*free` when nobody else holds it, else who does frees it. */
static void release(struct npri_grab *grab, bool is_last, struct npri_grab **free)
{
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, grab->key_hash);

    if (is_last) {
        grab->next = *free;
        *free = grab;
        return;
    }
    npri_grabs_lock(shard);
    npri_grab_release(grab);
    npri_grabs_unlock(shard);
}

/* Its end is told to the registry from its birth on, unless somebody has said since that it need
 * not be. */
static void watch(struct npr_node *node, const struct npri_grab *grab)
{
    uint8_t bytes[NPRI_PID_BYTES_MAX];
    struct npri_buffer term = {.data = bytes, .capacity = sizeof(bytes)};
    struct npr_pid pid;

    if (atomic_load_explicit(&node->registry.unwatched, memory_order_relaxed) != grab->unwatched) {
        pid = npri_grab_pid(grab);
        npri_put_pid(&term, &pid); /* needs no memory */
        npri_monitor_add(node, npri_buffer_term(&term));
    }
}

/* As nearly all end: the core has met nothing else of the key, and makes the entry at once. */
static bool tell_core_at_once(struct npr_node *node, const struct npri_grab *grab, uint64_t now_ns)
{
    const struct npr_bytes key = npri_grab_key(grab);

    return grab->operation == 0 && grab->state == NPRI_GRAB_LIVES && !grab->is_restarted &&
           npri_core_step(node->registry.core,
                          &(struct npri_core_event){.kind = NPRI_EVENT_GRAB_LIVES,
                                                    .now_ns = now_ns,
                                                    .key = {.data = key.data, .size = key.size},
                                                    .pid = {.id = grab->id, .serial = grab->serial},
                                                    .token = grab->token}) == NPR_OK;
}

static void tell_core(struct npr_node *node, struct npri_grab *grab)
{
    const struct npr_bytes key = npri_grab_key(grab);
    const struct npr_term key_term = {.data = key.data, .size = key.size};
    const bool failed = grab->state == NPRI_GRAB_FAILED;
    const struct npr_pid pid = npri_grab_pid(grab);
    uint8_t bytes[NPRI_PID_BYTES_MAX];
    struct npri_buffer term = {.data = bytes, .capacity = sizeof(bytes)};

    if (grab->operation == 0 && failed) {
        return; /* It never heard of it. */
    }
    if (grab->operation == 0) {
        (void)npri_registry_step_only(
            node, &(struct npri_core_event){.kind = NPRI_EVENT_GRABBED, .key = key_term});
    }
    if (grab->operation == 0) { /* It has no memory to remember it. */
        npri_runtime_deliver_to(node->runtime, &pid, node->registry.kill);
        node->registry.kill = NULL;
        return;
    }
    npri_put_pid(&term, &pid); /* needs no memory */
    (void)npri_registry_step_only(
        node, &(struct npri_core_event){.kind = NPRI_EVENT_STARTED,
                                        .operation = grab->operation,
                                        .status = failed ? grab->error.status : NPR_OK,
                                        .term = npri_buffer_term(&term),
                                        .rule = npri_launch_rule(grab->behaviour),
                                        .text = npr_bytes_of(failed ? grab->error.text : "")});
}

/* The note goes between the core's step and what that wants to be done: by the time that anybody
 * hears of the process's end there is neither. */
static void end(struct npr_node *node,
                struct npri_grab *grab,
                uint64_t now_ns,
                struct npri_grab **free)
{
    struct npri_registry *registry = &node->registry;
    struct npri_signal *kill_before = registry->kill;
    bool is_last;

    if (tell_core_at_once(node, grab, now_ns)) {
        is_last = take_out(grab);
        watch(node, grab);
        release(grab, is_last, free);
        return; /* what the step wants is done after those that come with it */
    }
    npri_registry_pump(node);
    registry->kill = grab->kill;
    grab->kill = NULL;
    tell_core(node, grab);
    is_last = take_out(grab);
    npri_registry_pump(node);
    grab->kill = registry->kill; /* unless it was needed */
    registry->kill = kill_before;
    release(grab, is_last, free);
}

/* While one is ended the memory that the next one needs comes, from a core that has just written
 * it.  NULL: there is no next one. */
static void expect(const struct npr_node *node, const struct npri_grab *grab)
{
    if (grab != NULL) {
        __builtin_prefetch(npri_grabs_shard_of(grab->node, grab->key_hash), 1);
        npri_core_expect(node->registry.core, grab->key_hash);
    }
}

void npri_grabs_drain(struct npr_node *node)
{
    struct npri_grabs *grabs = &node->grabs;
    struct npri_grab *grab = take_ended(grabs);
    struct npri_grab *free = NULL;
    size_t count = 0;
    uint64_t now_ns;

    if (grab == NULL) {
        return;
    }
    now_ns = npri_loop_now_ns(node->loop);
    while (grab != NULL) {
        struct npri_grab *next = grab->ended_next;

        expect(node, next);
        end(node, grab, now_ns, &free);
        count++;
        grab = next;
    }
    (void)atomic_fetch_sub_explicit(&grabs->count, count, memory_order_relaxed);
    grabs->drained += count;
    npri_registry_pump(node);
    npri_grabs_give_back(grabs, free);
}

/* ---- When the loop looks. */

static void look_soon(struct npri_grabs *grabs)
{
    grabs->looked = grabs->drained;
    npri_timer_set(grabs->look_timer, npri_loop_now_ns(grabs->node->loop) + LOOK_NS);
}

/* The next one that comes wakes the loop.  What has come since the drain is looked for once more:
 * who saw `posted` has left it to us. */
static void rest(struct npri_grabs *grabs)
{
    /* acq_rel: pairs with the exchange in npri_grabs_push().  Whoever saw `posted` there pushed
     * before it, and the drain that follows sees what it pushed. */
    (void)atomic_exchange_explicit(&grabs->posted, false, memory_order_acq_rel);
    npri_grabs_drain(grabs->node);
}

/* npri_node_enter() drains. */
static void run(struct npri_task *task)
{
    struct npri_grabs *grabs = NPRI_CONTAINER_OF(task, struct npri_grabs, task);

    npri_node_enter(grabs->node);
    look_soon(grabs);
    npri_node_leave(grabs->node);
}

static void run_hurry(struct npri_task *task)
{
    struct npri_grabs *grabs = NPRI_CONTAINER_OF(task, struct npri_grabs, hurry);

    /* acq_rel: as in rest(). */
    (void)atomic_exchange_explicit(&grabs->hurrying, false, memory_order_acq_rel);
    npri_node_enter(grabs->node);
    npri_node_leave(grabs->node);
}

static void on_look_timer(void *user)
{
    struct npr_node *node = user;
    struct npri_grabs *grabs = &node->grabs;

    npri_node_enter(node);
    if (grabs->drained != grabs->looked) {
        look_soon(grabs);
    } else {
        rest(grabs);
    }
    npri_node_leave(node);
}

/* ---- The fence. */

/* One of the shard that the core does not know of, held; or NULL. */
static struct npri_grab *find_unknown(struct npri_grabs_shard *shard)
{
    struct npri_grab *at;

    npri_grabs_lock(shard);
    at = shard->first;
    while (at != NULL && at->operation != 0) {
        at = at->next;
    }
    npri_grabs_unlock(shard);
    return at;
}

/* False: no memory. */
static bool adopt_all(struct npr_node *node)
{
    for (unsigned i = 0; i < NPRI_GRABS_SHARDS; i++) {
        const struct npri_grab *grab;

        while ((grab = find_unknown(&node->grabs.shards[i])) != NULL) {
            const struct npr_term key = {.data = grab->bytes, .size = grab->key_size};

            (void)npri_registry_step(
                node, &(struct npri_core_event){.kind = NPRI_EVENT_GRABBED, .key = key});
            if (grab->operation == 0) {
                return false;
            }
        }
    }
    return true;
}

static void look_later(struct npr_node *node)
{
    npri_timer_set(node->grabs.fence_timer, npri_loop_now_ns(node->loop) + GRACE_NS);
}

/* Without memory for what the core is to know it does not pass: later, then. */
static void look(struct npr_node *node)
{
    struct npri_grabs *grabs = &node->grabs;
    const uint64_t operation = grabs->fence;

    if (operation == 0) {
        return;
    }
    if ((!npri_readers_passed(&node->reads.readers, grabs->grace) && !npri_grabs_test.no_grace) ||
        (!npri_grabs_test.no_adoption && !adopt_all(node))) {
        look_later(node);
        return;
    }
    if (grabs->fence == operation) { /* no other has begun meanwhile */
        grabs->fence = 0;
        (void)npri_registry_step(
            node, &(struct npri_core_event){.kind = NPRI_EVENT_FENCED, .operation = operation});
    }
}

static void on_timer(void *user)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    look(node);
    npri_node_leave(node);
}

/* An earlier one that has not passed is of no interest to the core any more. */
void npri_grabs_fence(struct npr_node *node, uint64_t operation)
{
    node->grabs.fence = operation;
    node->grabs.grace = npri_readers_begin(&node->reads.readers);
    look(node);
}

/* ---- Beginning and end. */

npr_status npri_grabs_loop_start(struct npr_node *node)
{
    struct npri_grabs *grabs = &node->grabs;

    grabs->node = node;
    grabs->hooks = (struct npri_core_grabs){.user = node, .find = find, .adopt = adopt};
    grabs->task.run = run;
    grabs->hurry.run = run_hurry;
    grabs->look_timer = npri_timer_create(node->loop, on_look_timer, node);
    grabs->fence_timer = npri_timer_create(node->loop, on_timer, node);
    return grabs->fence_timer == NULL || grabs->look_timer == NULL ? NPR_ENOMEM : NPR_OK;
}

void npri_grabs_loop_fini(struct npr_node *node)
{
    npri_timer_destroy(node->grabs.look_timer);
    npri_timer_destroy(node->grabs.fence_timer);
    node->grabs.look_timer = NULL;
    node->grabs.fence_timer = NULL;
}
