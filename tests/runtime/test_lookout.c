/* Callbacks that take long are told of while they do. */
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "runtime/internal.h"
#include "runtime/words.h"
#include "support/check.h"

#define FUNCTION "slow:start"
#define SHORT_MS 8

static struct npri_runtime *runtime;
static sem_t told_running;
static sem_t told_returned;
static atomic_uint running_count;
static atomic_uint returned_count;
static atomic_bool is_wrong; /* what was told is of nobody here, or too early */
static _Atomic uint64_t pid_id;
static uint32_t long_ms;
static sem_t inside; /* posted by a callback that waits */

static void on_slow(void *user, const struct npri_slow *slow)
{
    (void)user;
    if (slow->pid->id != atomic_load(&pid_id) || strcmp(slow->function, FUNCTION) != 0 ||
        slow->ms < long_ms) {
        atomic_store(&is_wrong, true);
    }
    if (slow->returned) {
        (void)atomic_fetch_add(&returned_count, 1);
        (void)sem_post(&told_returned);
    } else {
        (void)atomic_fetch_add(&running_count, 1);
        (void)sem_post(&told_running);
    }
}

static void on_route(void *user, struct npri_signal *signal)
{
    (void)user;
    npri_signal_destroy(signal);
}

static void open_runtime(uint32_t long_callback_ms)
{
    struct npri_runtime_options options = {
        .creation = 7,
        .workers = 2,
        .route = on_route,
        .long_callback_ms = long_callback_ms,
        .slow = on_slow,
    };

    long_ms = long_callback_ms;
    assert_int_equal(sem_init(&told_running, 0, 0), 0);
    assert_int_equal(sem_init(&told_returned, 0, 0), 0);
    assert_int_equal(sem_init(&inside, 0, 0), 0);
    atomic_store(&running_count, 0);
    atomic_store(&returned_count, 0);
    atomic_store(&is_wrong, false);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@h"), &options.node, NULL), NPR_OK);
    assert_int_equal(npri_runtime_create(&options, &runtime, NULL), NPR_OK);
}

static void close_runtime(void)
{
    npri_runtime_stop(runtime);
    npri_runtime_destroy(runtime);
    assert_false(atomic_load(&is_wrong));
    (void)sem_destroy(&told_running);
    (void)sem_destroy(&told_returned);
    (void)sem_destroy(&inside);
}

/* `ok` waits until it has been told of, `process` until the case says so; anything else takes
 * SHORT_MS and sends itself on, many times a turn, until `shutdown` comes. */
static npr_status slow_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct npr_pid me = npr_self(self);
    const uint64_t began_ns = npri_now_ns();
    bool *is_over = state;

    if (npr_term_is_atom(message, "ok")) {
        return sem_wait(&told_running) == 0 ? NPR_OK : NPR_EIO;
    }
    if (npr_term_is_atom(message, "process")) {
        return sem_wait(&inside) == 0 ? NPR_OK : NPR_EIO;
    }
    if (npr_term_is_atom(message, "shutdown")) {
        *is_over = true;
        return sem_post(&inside) == 0 ? NPR_OK : NPR_EIO;
    }
    while (npri_now_ns() < began_ns + SHORT_MS * NPRI_NS_PER_MS) {
    }
    return *is_over ? NPR_OK : npr_send(self, &me, message);
}

static const struct npr_behaviour slow_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(bool),
    .info = slow_info,
};

static struct npr_pid start(void)
{
    const struct npri_spawn spawn = {.behaviour = &slow_behaviour, .function = FUNCTION};
    struct npr_pid pid;

    assert_int_equal(npri_runtime_spawn(runtime, &spawn, &pid, NULL), NPR_OK);
    atomic_store(&pid_id, pid.id);
    return pid;
}

static void send_to(const struct npr_pid *pid, struct npr_term message)
{
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal *signal = npri_signal_create(&(struct npri_signal){
        .kind = NPRI_SIGNAL_MESSAGE, .to = npri_pid_term(pid, bytes), .payload = message});

    assert_non_null(signal);
    npri_runtime_deliver(runtime, signal);
}

static void wait_for(sem_t *semaphore)
{
    assert_int_equal(sem_wait(semaphore), 0);
}

static void wait_until_parked(void)
{
    while (!atomic_load(&runtime->lookout.parked)) {
        (void)sched_yield();
    }
}

/* Whether the timer thread has nothing to wait for but timers. */
static bool looks_no_more(void)
{
    uint64_t look_ns;

    (void)pthread_mutex_lock(&runtime->alarms.mutex);
    look_ns = runtime->alarms.look_ns;
    (void)pthread_mutex_unlock(&runtime->alarms.mutex);
    return look_ns == UINT64_MAX;
}

/* Would catch: a callback that is told of only when it has returned (this one never would), more
 * than once, or under another's name. */
static void they_are_told_of_while_they_run(void **state)
{
    struct npr_pid pid;

    (void)state;
    open_runtime(20);
    pid = start();
    for (unsigned i = 1; i <= 3; i++) {
        send_to(&pid, NPRI_WORD_OK);
        wait_for(&told_returned);
        assert_int_equal(atomic_load(&running_count), i);
        assert_int_equal(atomic_load(&returned_count), i);
    }
    close_runtime();
}

/* Would catch: a lookout that goes on while nobody works, or does not go on when somebody does. */
static void nobody_looks_while_all_sleep(void **state)
{
    struct npr_pid pid;

    (void)state;
    open_runtime(20);
    pid = start();
    for (unsigned i = 1; i <= 5; i++) {
        wait_until_parked();
        send_to(&pid, NPRI_WORD_OK);
        wait_for(&told_returned);
    }
    close_runtime();
}

/* Would catch: turns, or lives, that are taken for callbacks. */
static void many_short_ones_are_not_long(void **state)
{
    struct npr_pid pid;
    uint64_t began_ns;

    (void)state;
    open_runtime(1000); /* a busy machine may well not run a callback for some time */
    pid = start();
    began_ns = npri_now_ns();
    send_to(&pid, NPRI_WORD_NORMAL);
    while (npri_now_ns() < began_ns + 2600 * NPRI_NS_PER_MS) {
        (void)sched_yield();
    }
    send_to(&pid, NPRI_WORD_SHUTDOWN);
    wait_for(&inside);
    assert_int_equal(atomic_load(&running_count), 0);
    close_runtime();
}

/* Would catch: an option that does not turn it off. */
static void nobody_looks_when_it_is_off(void **state)
{
    struct npr_pid pid;

    (void)state;
    open_runtime(0);
    pid = start();
    send_to(&pid, NPRI_WORD_PROCESS);
    while (!looks_no_more()) {
        (void)sched_yield();
    }
    assert_int_equal(sem_post(&inside), 0);
    close_runtime();
    assert_int_equal(atomic_load(&running_count), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_told_of_while_they_run),
        cmocka_unit_test(nobody_looks_while_all_sleep),
        cmocka_unit_test(many_short_ones_are_not_long),
        cmocka_unit_test(nobody_looks_when_it_is_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
