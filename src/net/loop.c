/* Posting, between any number of posters P and the loop thread L:
 *
 *   npri_loop_post(), P   task->next = head; CAS(posted, head -> task) release;
 *                         when head was NULL: write(wake_fd)
 *   loop_on_wake(), L     read(wake_fd); exchange(posted, NULL) acquire; reverse; run each
 *
 * P1  What a poster wrote before posting is seen by the task: the CAS releases, and the exchange,
 *     which takes that task, acquires.  Later CAS's in between continue the release sequence.
 * P2  No task is left behind: whoever made `posted` non-NULL wakes the loop afterwards, and L reads
 *     the wake-up before it takes the tasks, so that a write after the read finds L again.
 * P3  Tasks run in the order of their CAS's, so in the order of posting for each poster.
 * P4  No ABA: L takes the whole list and never compares with a task that it has taken; a poster
 *     whose CAS meets a `head` that was taken and posted again links to the very same list.
 *
 * An eventfd of our own, not uv_async_send(): that looks at a flag without a barrier before it
 * wakes, and may miss the loop's clearing of it on machines that let loads pass stores. */
#include "net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "net/handles.h"

void npri_loop_add_item(struct npri_loop *loop,
                        struct npri_loop_item *item,
                        void (*close)(struct npri_loop_item *item))
{
    item->close = close;
    npri_ring_append(&loop->items, &item->link);
}

/* ---- Turns. */

static void loop_end_turn(struct npri_loop *loop)
{
    if (loop->ran) {
        loop->ran = false;
        if (loop->turn_end != NULL) {
            loop->turn_end(loop->turn_end_user);
        }
        loop->ran = false; /* What the hook did belongs to this turn. */
    }
    npri_stream_flush_all(loop);
}

static void loop_before_poll(uv_prepare_t *handle)
{
    struct npri_loop *loop = handle->data;

    loop_end_turn(loop);
    uv_update_time(&loop->uv); /* The time to sleep is counted from here. */
}

void npri_loop_on_turn_end(struct npri_loop *loop, void (*run)(void *user), void *user)
{
    loop->turn_end = run;
    loop->turn_end_user = user;
}

/* ---- Tasks. */

void npri_loop_post(struct npri_loop *loop, struct npri_task *task)
{
    const uint64_t one = 1;
    /* relaxed: `head` is only linked to, never looked into. */
    struct npri_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

    do {
        task->next = head;
        /* release: pairs with the acquire exchange in loop_on_wake() (P1). */
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task,
                                                    memory_order_release, memory_order_relaxed));
    if (head == NULL) {
        /* It can fail only when 2^64 - 2 wake-ups are unread, and then the loop is awake. */
        const ssize_t written = write(loop->wake_fd, &one, sizeof(one));
        (void)written;
    }
}

static void loop_on_wake(uv_poll_t *handle, int status, int events)
{
    struct npri_loop *loop = handle->data;
    struct npri_task *taken;
    struct npri_task *ordered = NULL;
    uint64_t wakes;
    const ssize_t got = read(loop->wake_fd, &wakes, sizeof(wakes)); /* Before the exchange: P2. */

    (void)status;
    (void)events;
    (void)got;
    /* acquire: pairs with the release CAS in npri_loop_post() (P1). */
    taken = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    while (taken != NULL) {
        struct npri_task *next = taken->next;

        taken->next = ordered;
        ordered = taken;
        taken = next;
    }
    while (ordered != NULL) {
        struct npri_task *task = ordered;

        ordered = task->next; /* From its run on, the task is its owner's. */
        loop->ran = true;
        task->run(task);
    }
}

/* ---- Life. */

/* libuv opens one descriptor for a loop and, at the first one of the program, a pipe for signals:
 * when that fails it calls abort().  So whether there are as many is tried before.  Another thread
 * may still take the last ones in between.  Returns 0 or an error of libuv's. */
static int check_descriptors(int any_fd)
{
    int tried[3];
    size_t count = 0;
    int code = 0;

    while (count < sizeof(tried) / sizeof(tried[0])) {
        tried[count] = fcntl(any_fd, F_DUPFD_CLOEXEC, 0);
        if (tried[count] < 0) {
            code = uv_translate_sys_error(errno);
            break;
        }
        count++;
    }
    while (count > 0) {
        (void)close(tried[--count]);
    }
    return code;
}

npr_status npri_loop_create(struct npri_loop **out, struct npr_error *err)
{
    struct npri_loop *loop = npri_alloc_zeroed(1, sizeof(*loop));
    int code;

    if (loop == NULL) {
        return npri_fail(err, NPR_ENOMEM, "loop: out of memory");
    }
    atomic_init(&loop->posted, NULL);
    npri_ring_init(&loop->items);
    npri_ring_init(&loop->unflushed);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        code = uv_translate_sys_error(errno);
        goto fail_memory;
    }
    code = check_descriptors(loop->wake_fd);
    if (code == 0) {
        code = uv_loop_init(&loop->uv);
    }
    if (code != 0) {
        goto fail_descriptor;
    }
    code = uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd);
    if (code != 0) {
        goto fail_loop;
    }
    /* None of these can fail once the handles are there. */
    loop->wake.data = loop;
    NPRI_ASSERT(uv_poll_start(&loop->wake, UV_READABLE, loop_on_wake) == 0);
    NPRI_ASSERT(uv_prepare_init(&loop->uv, &loop->before_poll) == 0);
    loop->before_poll.data = loop;
    NPRI_ASSERT(uv_prepare_start(&loop->before_poll, loop_before_poll) == 0);
    *out = loop;
    return NPR_OK;

fail_loop:
    (void)uv_loop_close(&loop->uv); /* Nothing is open in it. */
fail_descriptor:
    (void)close(loop->wake_fd);
fail_memory:
    npri_free(loop);
    return npri_fail(err, code == UV_ENOMEM ? NPR_ENOMEM : NPR_EIO, "loop: %s", uv_strerror(code));
}

void npri_loop_destroy(struct npri_loop *loop)
{
    while (!npri_ring_alone(&loop->items)) {
        struct npri_loop_item *item = NPRI_CONTAINER(loop->items.next, struct npri_loop_item, link);

        item->close(item);
    }
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* Ends when all that was closed is. */
    NPRI_ASSERT(uv_loop_close(&loop->uv) == 0);
    (void)close(loop->wake_fd);
    npri_free(loop);
}

/* libuv writes with write(), which raises SIGPIPE on a socket that the peer has closed.  The signal
 * goes to the thread that writes, so blocking it here is enough, and leaves the program's own
 * handling of it alone. */
void npri_loop_run(struct npri_loop *loop)
{
    const struct timespec at_once = {0};
    sigset_t pipe_set;
    sigset_t old;

    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    NPRI_ASSERT(pthread_sigmask(SIG_BLOCK, &pipe_set, &old) == 0);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop_end_turn(loop); /* Of the turn that stopped it. */
    if (sigismember(&old, SIGPIPE) == 0) {
        while (sigtimedwait(&pipe_set, NULL, &at_once) == SIGPIPE) {
            /* One that we caused must not arrive when it is let through again. */
        }
        NPRI_ASSERT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    }
}

void npri_loop_stop(struct npri_loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t npri_loop_now_ns(const struct npri_loop *loop)
{
    struct timespec now;

    (void)loop;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
        return uv_hrtime(); /* A kernel without it. */
    }
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
