#include "node/reads.h"

#include <sched.h>

#include "base/limits.h"
#include "node/node.h"

/* How long the loop leaves it to readers to leave before it looks. */
#define GRACE_NS UINT64_C(1000000)

static void look_later(struct npr_node *node)
{
    npri_timer_set(node->reads.timer, npri_loop_now_ns(node->loop) + GRACE_NS);
}

static void on_timer(void *user)
{
    struct npr_node *node = user;
    struct npri_reads *reads = &node->reads;

    if (!npri_readers_passed(&reads->readers, reads->grace)) {
        look_later(node);
        return;
    }
    npri_retired_free(reads->waiting);
    reads->waiting = NULL;
    npri_reads_collect(node);
}

npr_status npri_reads_start(struct npr_node *node)
{
    node->reads.timer = npri_timer_create(node->loop, on_timer, node);
    return node->reads.timer == NULL ? NPR_ENOMEM : NPR_OK;
}

void npri_reads_open(struct npr_node *node)
{
    atomic_store_explicit(&node->reads.open, true, memory_order_release);
}

void npri_reads_close(struct npr_node *node)
{
    struct npri_reads *reads = &node->reads;
    uint64_t grace;

    atomic_store_explicit(&reads->open, false, memory_order_release);
    grace = npri_readers_begin(&reads->readers);
    while (!npri_readers_passed(&reads->readers, grace)) {
        (void)sched_yield(); /* A reader is out in some hundred instructions. */
    }
}

void npri_reads_collect(struct npr_node *node)
{
    struct npri_reads *reads = &node->reads;

    if (reads->waiting != NULL) {
        return;
    }
    reads->waiting = npri_core_take_retired(node->registry.core);
    if (reads->waiting != NULL) {
        reads->grace = npri_readers_begin(&reads->readers);
        look_later(node);
    }
}

void npri_reads_fini(struct npr_node *node)
{
    npri_reads_close(node);
    npri_retired_free(node->reads.waiting);
    node->reads.waiting = NULL;
    npri_timer_destroy(node->reads.timer);
    node->reads.timer = NULL;
}

bool npri_reads_answer(const struct npr_node *node)
{
    /* acquire: pairs with the release of who opens it. */
    const bool open = atomic_load_explicit(&node->reads.open, memory_order_acquire);
    const uint64_t until_ns = open ? npri_core_answers_until_ns(node->registry.core) : 0;

    return until_ns == UINT64_MAX || npri_loop_now_ns(node->loop) < until_ns;
}

bool npri_reads_find(struct npr_node *node, struct npr_term key, struct npr_found *out)
{
    struct npri_reads *reads = &node->reads;
    const struct npri_reading reading = npri_readers_enter(&reads->readers);
    const bool found = npri_reads_answer(node) && npri_core_see(node->registry.core, key, &out->pid,
                                                                &out->token) == NPRI_SIGHT_THERE;

    npri_readers_leave(reading);
    if (found) {
        out->started = false;
    }
    return found;
}
