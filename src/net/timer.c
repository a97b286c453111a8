#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/handles.h"

#define NS_PER_MS UINT64_C(1000000)

struct npri_timer {
    struct npri_loop_item item;
    struct npri_loop *loop;
    uv_timer_t uv;
    void (*fire)(void *user);
    void *user;
};

static void timer_on_closed(uv_handle_t *handle)
{
    npri_free(handle->data);
}

static void timer_on_fire(uv_timer_t *handle)
{
    struct npri_timer *timer = handle->data;
    struct npri_loop *loop = timer->loop;

    loop->ran = true;
    loop->in_timers = true;
    timer->fire(timer->user);
    loop->in_timers = false;
}

static void timer_close_item(struct npri_loop_item *item)
{
    npri_timer_destroy(NPRI_CONTAINER(item, struct npri_timer, item));
}

struct npri_timer *npri_timer_create(struct npri_loop *loop, void (*fire)(void *user), void *user)
{
    struct npri_timer *timer = npri_alloc_zeroed(1, sizeof(*timer));

    if (timer == NULL) {
        return NULL;
    }
    timer->loop = loop;
    timer->fire = fire;
    timer->user = user;
    NPRI_ASSERT(uv_timer_init(&loop->uv, &timer->uv) == 0); /* It cannot fail. */
    timer->uv.data = timer;
    npri_loop_add_item(loop, &timer->item, timer_close_item);
    return timer;
}

void npri_timer_disown(struct npri_timer *timer)
{
    npri_ring_remove(&timer->item.link);
}

void npri_timer_set(struct npri_timer *timer, uint64_t deadline_ns)
{
    const uint64_t now_ms = uv_now(&timer->loop->uv);
    const uint64_t ours_ns = npri_loop_now_ns(timer->loop);
    const uint64_t libuvs_ns = uv_hrtime();
    /* While the machine is suspended our time goes on and libuv's does not. */
    const uint64_t ahead_ns = ours_ns > libuvs_ns ? ours_ns - libuvs_ns : 0;
    uint64_t deadline_ms;
    uint64_t delay_ms;

    if (deadline_ns == UINT64_MAX) {
        (void)uv_timer_stop(&timer->uv);
        return;
    }
    /* Rounded up, and counted from libuv's own time, so that it never fires early. */
    deadline_ns = deadline_ns > ahead_ns ? deadline_ns - ahead_ns : 0;
    deadline_ms = deadline_ns / NS_PER_MS + (deadline_ns % NS_PER_MS != 0);
    delay_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    if (delay_ms == 0 && timer->loop->in_timers) {
        delay_ms = 1; /* libuv would run it again before anything else, for ever. */
    }
    NPRI_ASSERT(uv_timer_start(&timer->uv, timer_on_fire, delay_ms, 0) == 0);
}

void npri_timer_destroy(struct npri_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    npri_ring_remove(&timer->item.link);
    uv_close((uv_handle_t *)&timer->uv, timer_on_closed);
}
