/* The loop thread's side of node/grabs.h: what came of them, the core's questions, the fence. */
#include "base/alloc.h"
#include "base/limits.h"
#include "core/effects.h"
#include "node/grab.h"
#include "node/node.h"
#include "term/write.h"

/* How long the loop leaves it to readers to leave before it looks. */
#define GRACE_NS UINT64_C(1000000)

/* ---- The core's questions. */

static struct npri_grab *find_locked(struct npr_node *node,
                                     struct npr_bytes key,
                                     struct npri_grabs_shard **out_shard)
{
    *out_shard = npri_grabs_shard_of(node, key);
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
        *out = (struct npri_grabbed){
            .function = {.data = grab->bytes + grab->key_size, .size = grab->function_size},
            .token = grab->token};
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

    do {
        grab->ended_next = newest;
        /* release: pairs with the acquire in take_ended(), which reads the grab. */
    } while (!atomic_compare_exchange_weak_explicit(&grabs->ended, &newest, grab,
                                                    memory_order_release, memory_order_relaxed));
    /* acq_rel: pairs with the exchange in run(). */
    if (!atomic_exchange_explicit(&grabs->posted, true, memory_order_acq_rel)) {
        npri_loop_post(grabs->node->loop, &grabs->task);
    }
}

/* Oldest first. */
static struct npri_grab *take_ended(struct npri_grabs *grabs)
{
    /* acquire: pairs with the release in npri_grabs_push(). */
    struct npri_grab *newest = atomic_exchange_explicit(&grabs->ended, NULL, memory_order_acquire);
    struct npri_grab *oldest = NULL;

    while (newest != NULL) {
        struct npri_grab *next = newest->ended_next;

        newest->ended_next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* The core has its entry, or has given it up: only now may another be noted. */
static void take_out(struct npri_grab *grab)
{
    struct npri_grabs *grabs = &grab->node->grabs;
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, npri_grab_key(grab));
    struct npri_grab **at = &shard->first;

    npri_grabs_lock(shard);
    while (*at != grab) {
        at = &(*at)->next;
    }
    *at = grab->next;
    npri_grabs_unlock(shard);
    (void)atomic_fetch_sub_explicit(&grabs->count, 1, memory_order_relaxed);
}

static void release(struct npri_grab *grab)
{
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, npri_grab_key(grab));

    npri_grabs_lock(shard);
    npri_grab_release(grab);
    npri_grabs_unlock(shard);
}

static void tell_core(struct npr_node *node, struct npri_grab *grab)
{
    const struct npr_bytes key = npri_grab_key(grab);
    const struct npr_term key_term = {.data = key.data, .size = key.size};
    uint8_t bytes[NPRI_PID_BYTES_MAX];
    struct npri_buffer pid = {.data = bytes, .capacity = sizeof(bytes)};

    if (grab->operation == 0 && grab->state == NPRI_GRAB_FAILED) {
        return; /* It never heard of it. */
    }
    if (grab->operation == 0) {
        (void)npri_registry_step_only(
            node, &(struct npri_core_event){.kind = NPRI_EVENT_GRABBED, .key = key_term});
    }
    if (grab->operation == 0) { /* It has no memory to remember it. */
        npri_runtime_deliver_to(node->runtime, &grab->pid, node->registry.kill);
        node->registry.kill = NULL;
        return;
    }
    npri_put_pid(&pid, &grab->pid); /* needs no memory */
    (void)npri_registry_step_only(
        node, &(struct npri_core_event){.kind = NPRI_EVENT_STARTED,
                                        .operation = grab->operation,
                                        .status = grab->error.status,
                                        .term = npri_buffer_term(&pid),
                                        .rule = npri_launch_rule(grab->behaviour),
                                        .text = npr_bytes_of(grab->error.text)});
}

/* The note goes between the core's step and what that wants to be done: by the time that anybody
 * hears of the process's end there is neither. */
static void end(struct npr_node *node, struct npri_grab *grab)
{
    struct npri_registry *registry = &node->registry;
    struct npri_signal *kill_before = registry->kill;

    registry->kill = grab->kill;
    grab->kill = NULL;
    tell_core(node, grab);
    take_out(grab);
    npri_registry_pump(node);
    grab->kill = registry->kill; /* unless it was needed */
    registry->kill = kill_before;
    release(grab);
}

void npri_grabs_drain(struct npr_node *node)
{
    struct npri_grab *grab = take_ended(&node->grabs);

    while (grab != NULL) {
        struct npri_grab *next = grab->ended_next;

        end(node, grab);
        grab = next;
    }
}

static void run(struct npri_task *task)
{
    struct npri_grabs *grabs = NPRI_CONTAINER_OF(task, struct npri_grabs, task);

    npri_node_enter(grabs->node);
    /* acq_rel: pairs with the exchange in npri_grabs_push().  Whoever saw `posted` there pushed
     * before it, and the drain that follows sees what it pushed. */
    (void)atomic_exchange_explicit(&grabs->posted, false, memory_order_acq_rel);
    npri_grabs_drain(grabs->node);
    npri_node_leave(grabs->node);
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
    grabs->fence_timer = npri_timer_create(node->loop, on_timer, node);
    return grabs->fence_timer == NULL ? NPR_ENOMEM : NPR_OK;
}

void npri_grabs_loop_fini(struct npr_node *node)
{
    npri_timer_destroy(node->grabs.fence_timer);
    node->grabs.fence_timer = NULL;
}
