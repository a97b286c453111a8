/* net/loop.h: tasks of several threads, timers, the end of a turn.  The loop runs in the test's own
 * thread; a watchdog ends a test that waits for something that never comes. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/entropy.h"
#include "net/loop.h"
#include "support/check.h"

#define NS_PER_MS   UINT64_C(1000000)
#define WATCHDOG_NS (UINT64_C(20000) * NS_PER_MS)

static void watchdog_bites(void *user)
{
    (void)user;
    fail_msg("the test waited for something that did not come");
}

static struct npri_loop *loop_with_watchdog(void)
{
    struct npri_loop *loop = NULL;
    struct npri_timer *watchdog;

    assert_int_equal(npri_loop_create(&loop, NULL), NPR_OK);
    watchdog = npri_timer_create(loop, watchdog_bites, NULL);
    assert_non_null(watchdog);
    npri_timer_set(watchdog, npri_loop_now_ns(loop) + WATCHDOG_NS);
    return loop; /* npri_loop_destroy() closes the watchdog. */
}

/* ---- Tasks. */

#define POSTERS          4u
#define TASKS_PER_POSTER 5000u

struct post_task {
    struct npri_task task;
    struct post_run *run;
    unsigned poster;
    unsigned number;
};

struct post_run {
    struct npri_loop *loop;
    unsigned next[POSTERS];
    unsigned out_of_order;
    unsigned done;
    struct post_task tasks[POSTERS][TASKS_PER_POSTER];
};

struct poster {
    struct post_run *run;
    unsigned index;
};

static void post_task_run(struct npri_task *task)
{
    struct post_task *mine = (struct post_task *)(void *)task;
    struct post_run *run = mine->run;

    run->out_of_order += run->next[mine->poster] != mine->number;
    run->next[mine->poster]++;
    if (++run->done == POSTERS * TASKS_PER_POSTER) {
        npri_loop_stop(run->loop);
    }
}

static void *post_all(void *argument)
{
    const struct poster *poster = argument;
    struct post_run *run = poster->run;

    for (unsigned i = 0; i < TASKS_PER_POSTER; i++) {
        struct post_task *mine = &run->tasks[poster->index][i];

        *mine = (struct post_task){
            .task = {.run = post_task_run}, .run = run, .poster = poster->index, .number = i};
        npri_loop_post(run->loop, &mine->task);
    }
    return NULL;
}

/* A lost task or wake-up would leave the loop waiting; a list run as it was linked (newest first)
 * would be out of order; a missing release is the thread sanitizer's to find. */
static void tasks_of_many_threads_run_once_and_in_each_ones_order(void **state)
{
    struct post_run *run = calloc(1, sizeof(*run));
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    (void)state;
    assert_non_null(run);
    run->loop = loop_with_watchdog();
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.run = run, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    npri_loop_run(run->loop);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(run->next[i], TASKS_PER_POSTER);
    }
    assert_int_equal(run->out_of_order, 0);
    npri_loop_destroy(run->loop);
    free(run);
}

struct again {
    struct npri_task task;
    struct npri_loop *loop;
    unsigned runs;
};

static void once_run(struct npri_task *task)
{
    ((struct again *)(void *)task)->runs++;
}

static void again_run(struct npri_task *task)
{
    struct again *again = (struct again *)(void *)task;

    if (++again->runs == 100) {
        npri_loop_stop(again->loop);
        return;
    }
    npri_loop_post(again->loop, task);
}

/* The task is its owner's from its run on: reading its link after the run would follow the new one
 * and lose the task behind it.  Also before the loop runs, a post must not be lost. */
static void a_task_may_post_itself_again(void **state)
{
    struct again again = {.task = {.run = again_run}, .loop = loop_with_watchdog()};
    struct again behind = {.task = {.run = once_run}};

    (void)state;
    npri_loop_post(again.loop, &again.task);
    npri_loop_post(again.loop, &behind.task);
    npri_loop_run(again.loop);
    assert_int_equal(again.runs, 100);
    assert_int_equal(behind.runs, 1);
    npri_loop_destroy(again.loop);
}

static void again_stop(struct npri_task *task)
{
    struct again *again = (struct again *)(void *)task;

    again->runs++;
    npri_loop_stop(again->loop);
}

static void *again_thread(void *argument)
{
    struct again *again = argument;

    npri_loop_run(again->loop);
    return NULL;
}

/* Anything global in src/net would show here, or to the thread sanitizer. */
static void two_loops_run_side_by_side(void **state)
{
    struct again one = {.task = {.run = again_run}, .loop = loop_with_watchdog()};
    struct again two = {.task = {.run = again_run}, .loop = loop_with_watchdog()};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, again_thread, &two), 0);
    npri_loop_post(one.loop, &one.task);
    npri_loop_post(two.loop, &two.task);
    npri_loop_run(one.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(one.runs, 100);
    assert_int_equal(two.runs, 100);

    one.task.run = again_stop; /* Stopped loops run again. */
    npri_loop_post(one.loop, &one.task);
    npri_loop_run(one.loop);
    assert_int_equal(one.runs, 101);
    npri_loop_destroy(one.loop);
    npri_loop_destroy(two.loop);
}

/* ---- Timers. */

struct timers {
    struct npri_loop *loop;
    struct npri_timer *timers[4];
    char order[16];
    uint64_t deadline_ns;
    bool early;
};

static void timers_note(struct timers *timers, char letter)
{
    const size_t used = strlen(timers->order);

    assert_true(used + 1 < sizeof(timers->order));
    timers->order[used] = letter;
}

static void timers_fire_a(void *user)
{
    timers_note(user, 'a');
}

static void timers_fire_b(void *user)
{
    struct timers *timers = user;

    timers->early = npri_loop_now_ns(timers->loop) < timers->deadline_ns;
    timers_note(timers, 'b');
    npri_timer_set(timers->timers[2], UINT64_MAX);
    npri_timer_destroy(timers->timers[1]); /* Inside its own callback. */
    timers->timers[1] = NULL;
}

static void timers_fire_c(void *user)
{
    timers_note(user, 'c');
}

static void timers_fire_last(void *user)
{
    struct timers *timers = user;

    timers_note(timers, '.');
    npri_loop_stop(timers->loop);
}

/* By deadline and not by order of setting; never early; an unset one never; a replaced deadline
 * only once. */
static void timers_fire_by_deadline(void **state)
{
    struct timers timers = {.loop = loop_with_watchdog()};
    const uint64_t now_ns = npri_loop_now_ns(timers.loop);
    void (*const fires[4])(void *) = {timers_fire_a, timers_fire_b, timers_fire_c,
                                      timers_fire_last};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        timers.timers[i] = npri_timer_create(timers.loop, fires[i], &timers);
        assert_non_null(timers.timers[i]);
    }
    timers.deadline_ns = now_ns + 7 * NS_PER_MS + 1;
    npri_timer_set(timers.timers[3], now_ns + 30 * NS_PER_MS);
    npri_timer_set(timers.timers[2], now_ns + 20 * NS_PER_MS);
    npri_timer_set(timers.timers[1], timers.deadline_ns);
    npri_timer_set(timers.timers[0], now_ns + 25 * NS_PER_MS);
    npri_timer_set(timers.timers[0], now_ns + 2 * NS_PER_MS);
    npri_loop_run(timers.loop);
    assert_string_equal(timers.order, "ab.");
    assert_false(timers.early);
    npri_timer_destroy(NULL);
    npri_timer_destroy(timers.timers[0]);
    npri_loop_destroy(timers.loop); /* The others are its to close. */
}

struct eager {
    struct npri_loop *loop;
    struct npri_timer *timer;
    struct npri_task task;
    unsigned fires;
    bool task_ran;
};

static void eager_fire(void *user)
{
    struct eager *eager = user;

    if (++eager->fires == 1) {
        npri_loop_post(eager->loop, &eager->task);
    }
    npri_timer_set(eager->timer, 0);
}

static void eager_task(struct npri_task *task)
{
    struct eager *eager = (struct eager *)(void *)((char *)task - offsetof(struct eager, task));

    eager->task_ran = true;
    npri_loop_stop(eager->loop);
}

/* A deadline that has passed, set in the timer's own callback, must not keep everything else from
 * running. */
static void an_overdue_timer_does_not_starve_the_loop(void **state)
{
    struct eager eager = {.loop = loop_with_watchdog(), .task = {.run = eager_task}};

    (void)state;
    eager.timer = npri_timer_create(eager.loop, eager_fire, &eager);
    assert_non_null(eager.timer);
    npri_timer_set(eager.timer, 0);
    npri_loop_run(eager.loop);
    assert_true(eager.task_ran);
    npri_loop_destroy(eager.loop);
}

/* ---- The end of a turn. */

struct turns {
    struct npri_loop *loop;
    struct npri_task first;
    struct npri_task second;
    unsigned tasks;
    unsigned ends;
    unsigned tasks_at_end;
};

static void turns_first(struct npri_task *task)
{
    struct turns *turns = (struct turns *)(void *)((char *)task - offsetof(struct turns, first));

    turns->tasks++;
}

static void turns_second(struct npri_task *task)
{
    struct turns *turns = (struct turns *)(void *)((char *)task - offsetof(struct turns, second));

    turns->tasks++;
    npri_loop_stop(turns->loop);
}

static void turns_end(void *user)
{
    struct turns *turns = user;

    turns->ends++;
    turns->tasks_at_end = turns->tasks;
}

/* Two tasks that run in one turn are flushed once, after both, though that turn is the last. */
static void the_end_of_a_turn_comes_once_after_all_that_ran(void **state)
{
    struct turns turns = {.loop = loop_with_watchdog(),
                          .first = {.run = turns_first},
                          .second = {.run = turns_second}};

    (void)state;
    npri_loop_on_turn_end(turns.loop, turns_end, &turns);
    npri_loop_post(turns.loop, &turns.first);
    npri_loop_post(turns.loop, &turns.second);
    npri_loop_run(turns.loop);
    assert_int_equal(turns.ends, 1);
    assert_int_equal(turns.tasks_at_end, 2);
    npri_loop_destroy(turns.loop);
}

/* ---- Out of memory, signals, entropy. */

static void a_loop_that_cannot_be_made_says_so(void **state)
{
    struct npri_loop *loop = NULL;
    struct npri_timer *timer;
    struct npr_error error;

    (void)state;
    npri_alloc_fail_after(1);
    assert_int_equal(npri_loop_create(&loop, &error), NPR_ENOMEM);
    npri_alloc_fail_after(0);
    assert_null(loop);
    assert_int_equal(npri_loop_create(&loop, &error), NPR_OK);
    npri_alloc_fail_after(1);
    timer = npri_timer_create(loop, watchdog_bites, NULL);
    npri_alloc_fail_after(0);
    assert_null(timer);
    npri_loop_destroy(loop);
}

static void signal_raise(struct npri_task *task)
{
    struct again *again = (struct again *)(void *)task;

    (void)raise(SIGPIPE); /* As a write of libuv's does: to this thread. */
    npri_loop_stop(again->loop);
}

/* The program's own SIGPIPE (here: the default, which kills) must meet none of ours, neither while
 * the loop runs nor when it ends; and the mask is as it was. */
static void sigpipe_stays_inside_the_loop(void **state)
{
    struct again again = {.task = {.run = signal_raise}, .loop = loop_with_watchdog()};
    sigset_t mask;

    (void)state;
    (void)signal(SIGPIPE, SIG_DFL);
    npri_loop_post(again.loop, &again.task);
    npri_loop_run(again.loop);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
    npri_loop_destroy(again.loop);
}

/* RFC 1321, A.5; and the empty input, whose `data` may be NULL. */
static void md5_is_md5(void **state)
{
    uint8_t expected[16];
    uint8_t digest[16];

    (void)state;
    npri_md5(NULL, 0, digest);
    assert_int_equal(check_unhex("d41d8cd98f00b204e9800998ecf8427e", expected, 16), 16);
    assert_memory_equal(digest, expected, 16);
    npri_md5("message digest", 14, digest);
    assert_int_equal(check_unhex("f96b697d7cb7938d525a2f31aaf161d0", expected, 16), 16);
    assert_memory_equal(digest, expected, 16);
}

/* Fills all of it, and differently each time. */
static void entropy_fills_the_whole_buffer(void **state)
{
    uint8_t one[600] = {0};
    uint8_t two[600] = {0};

    (void)state;
    npri_entropy(one, sizeof(one));
    npri_entropy(two, sizeof(two));
    for (size_t at = 0; at < sizeof(one); at += 50) {
        assert_memory_not_equal(one + at, two + at, 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_many_threads_run_once_and_in_each_ones_order),
        cmocka_unit_test(a_task_may_post_itself_again),
        cmocka_unit_test(two_loops_run_side_by_side),
        cmocka_unit_test(timers_fire_by_deadline),
        cmocka_unit_test(an_overdue_timer_does_not_starve_the_loop),
        cmocka_unit_test(the_end_of_a_turn_comes_once_after_all_that_ran),
        cmocka_unit_test(a_loop_that_cannot_be_made_says_so),
        cmocka_unit_test(sigpipe_stays_inside_the_loop),
        cmocka_unit_test(md5_is_md5),
        cmocka_unit_test(entropy_fills_the_whole_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
