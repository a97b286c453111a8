/* What is continued later, idle times, and behaviours of other releases. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/alloc.h"
#include "runtime/internal.h"

#define MS UINT64_C(1000000)

static const struct npr_term any;

static struct npr_pid start(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);
    struct npri_signal *started = world_take(world, &world->started);

    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);
    return pid;
}

/* ---- Continue. */

static char steps[32];
static size_t steps_count;
static struct npr_pid probe;
static atomic_uint resumed;

static npr_status say(struct npr_process *self, const struct npr_pid *to, const char *text)
{
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term atom;

    npr_build_atom(builder, text);
    if (npr_builder_finish(builder, &atom, NULL) != NPR_OK) {
        return NPR_ENOMEM;
    }
    return to == NULL ? npr_continue(self, atom) : npr_send(self, to, atom);
}

static void note_char(char c)
{
    if (steps_count + 1 < sizeof(steps)) {
        steps[steps_count++] = c;
    }
}

static void note(struct npr_term term)
{
    struct npr_bytes text;

    if (npr_term_get_atom(term, &text)) {
        note_char((char)text.data[0]);
    }
}

static npr_status steps_init(struct npr_process *self, void *state, struct npr_term args)
{
    const struct npr_pid me = npr_self(self);

    (void)state;
    (void)args;
    memset(steps, 0, sizeof(steps));
    steps_count = 0;
    if (say(self, &me, "m") != NPR_OK || say(self, NULL, "1") != NPR_OK) {
        return NPR_ENOMEM;
    }
    return say(self, NULL, "2");
}

static npr_status steps_resume(struct npr_process *self, void *state, struct npr_term term)
{
    (void)state;
    note(term);
    if (npr_term_is_atom(term, "1")) {
        return say(self, NULL, "3");
    }
    return npr_term_is_atom(term, "e") ? npr_stop(self, term) : NPR_OK;
}

static npr_status steps_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct npr_pid me = npr_self(self);

    (void)state;
    note(message);
    if (!npr_term_is_atom(message, "m")) {
        return NPR_OK;
    }
    if (say(self, &me, "x") != NPR_OK || say(self, NULL, "4") != NPR_OK) {
        return NPR_ENOMEM;
    }
    return say(self, NULL, "e");
}

static void steps_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)state;
    note_char(npr_continue(self, reason) == NPR_EINVAL ? 't' : '?');
}

static const struct npr_behaviour steps_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = steps_init,
    .info = steps_info,
    .terminate = steps_terminate,
    .resume = steps_resume,
};

/* Would catch: messages that come first, a wrong order of several, a stop in resume that is lost,
 * one from terminate that is taken. */
static void continued_work_comes_before_messages(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = start(&world, &steps_behaviour);
    (void)world_await_end(&world, &pid);
    assert_string_equal(steps, "123m4et");
    world_close(&world);
}

static npr_status endless_resume(struct npr_process *self, void *state, struct npr_term term)
{
    (void)state;
    (void)atomic_fetch_add(&resumed, 1);
    return npr_continue(self, term);
}

static npr_status endless_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    return npr_continue(self, args);
}

static const struct npr_behaviour endless_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = endless_init,
    .resume = endless_resume,
};

/* Would catch: a process that continues without end and keeps the only worker, or the runtime. */
static void endless_continuation_gives_way(void **state)
{
    struct world world;
    struct npr_pid puppet;

    (void)state;
    world_open(&world, 1);
    atomic_store(&resumed, 0);
    (void)start(&world, &endless_behaviour);
    puppet = world_puppet(&world);
    world_settle(&world, &puppet);
    while (atomic_load(&resumed) < 1000) {
        (void)sched_yield();
    }
    world_settle(&world, &puppet);
    world_close(&world);
}

static npr_status misuse_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    return npr_continue(self, args) == NPR_EINVAL && npr_continue(NULL, args) == NPR_EINVAL &&
                   npr_continue(self, any) == NPR_EINVAL
               ? NPR_OK
               : NPR_EIO;
}

static const struct npr_behaviour misuse_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = misuse_init,
};

/* The first of two continuations finds no memory. */
static npr_status poor_init(struct npr_process *self, void *state, struct npr_term args)
{
    npr_status status;

    (void)state;
    npri_alloc_fail_after(1);
    status = npr_continue(self, args);
    npri_alloc_fail_after(0);
    return status == NPR_ENOMEM ? npr_continue(self, args) : NPR_EIO;
}

static npr_status poor_resume(struct npr_process *self, void *state, struct npr_term term)
{
    (void)state;
    (void)atomic_fetch_add(&resumed, 1);
    return npr_send(self, &probe, term);
}

static const struct npr_behaviour poor_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = poor_init,
    .resume = poor_resume,
};

/* Would catch: misuse that is not answered; a continuation that failed and runs. */
static void misuse_of_continue_is_refused(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 1);
    (void)start(&world, &misuse_behaviour);
    probe = world.probe;
    atomic_store(&resumed, 0);
    (void)start(&world, &poor_behaviour);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, any);
    assert_int_equal(atomic_load(&resumed), 1);
    world_close(&world);
}

/* ---- Idle. */

enum {
    IDLE_MS = 40,
    RACES = 150,
    PUSHES_MAX = 8,
};

static atomic_uint_fast64_t last_ns;
static atomic_uint_fast64_t ended_ns;
static atomic_uint handled;

static npr_status idle_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    atomic_store(&last_ns, npri_now_ns());
    return NPR_OK;
}

static npr_status idle_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    atomic_store(&last_ns, npri_now_ns());
    (void)atomic_fetch_add(&handled, 1);
    return NPR_OK;
}

static void idle_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    atomic_store(&ended_ns, npr_term_is_atom(reason, "normal") ? npri_now_ns() : 0);
}

static const struct npr_behaviour idle_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = idle_init,
    .info = idle_info,
    .terminate = idle_terminate,
    .idle_ms = IDLE_MS,
};

static size_t alarms_armed(struct world *world)
{
    struct npri_alarms *alarms = &world->runtime->alarms;
    size_t count;

    (void)pthread_mutex_lock(&alarms->mutex);
    count = alarms->heap.count;
    (void)pthread_mutex_unlock(&alarms->mutex);
    return count;
}

/* Would catch: an end before the time, or none; a time that does not begin anew with a message; no
 * terminate, a wrong reason, a log line. */
static void idle_processes_end_normally(void **state)
{
    struct world world;
    struct npr_pid pid;
    uint64_t sent_ns;

    (void)state;
    world_open(&world, 2);
    pid = start(&world, &idle_behaviour);
    (void)world_watch(&world, &pid);
    /* When it has slept for some time. */
    sent_ns = npri_now_ns() + IDLE_MS / 2 * MS;
    while (npri_now_ns() < sent_ns) {
        (void)sched_yield();
    }
    world_send(&world, &pid, NPRI_WORD_OK);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "normal"));
    assert_true(atomic_load(&ended_ns) >= atomic_load(&last_ns) + IDLE_MS * MS);
    assert_int_equal(alarms_armed(&world), 0);
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);

    /* One that others end, one whose time is still to come, one that fails to start. */
    pid = start(&world, &idle_behaviour);
    (void)world_watch(&world, &pid);
    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                                .from = world_pid(&world, &world.probe),
                                                .to = world_pid(&world, &pid),
                                                .payload = NPRI_WORD_SHUTDOWN});
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, world_atom(&world, "shutdown"));
    assert_int_equal(alarms_armed(&world), 0);
    (void)start(&world, &idle_behaviour);
    world_close(&world);
    assert_int_equal(world.crashes.count, 0);
}

/* As npri_runtime_deliver() does, but tells whether the message was accepted. */
static bool push(struct world *world, const struct npr_pid *pid)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = NPRI_WORD_OK};
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};
    struct npri_signal *signal = npri_signal_create(&draft);
    struct npr_process *wake;
    bool accepted;

    assert_non_null(signal);
    accepted =
        npri_table_push(&world->runtime->table, local, signal, false, &wake) == NPRI_PUSH_DONE;
    if (!accepted) {
        npri_signal_destroy(signal);
    } else if (wake != NULL) {
        npri_scheduler_add(&world->runtime->scheduler, wake);
    }
    return accepted;
}

/* Would catch: a message that is accepted while the process decides that it is idle, and lost. */
static void idle_processes_lose_nothing(void **state)
{
    struct npr_behaviour brief = idle_behaviour;
    struct world world;
    unsigned accepted = 0;
    unsigned refused = 0;
    uint32_t random = 12345;

    (void)state;
    brief.idle_ms = 1;
    world_open(&world, 2);
    atomic_store(&handled, 0);
    for (unsigned race = 0; race < RACES; race++) {
        const struct npr_pid pid = start(&world, &brief);
        bool alive = true;

        for (unsigned i = 0; i < PUSHES_MAX && alive; i++) {
            uint64_t until_ns;

            /* About when its time is over: the timer's wake-up takes some more. */
            random = random * UINT32_C(1664525) + UINT32_C(1013904223);
            until_ns = npri_now_ns() + MS + (random >> 8) % (MS / 8);
            while (npri_now_ns() < until_ns) {
            }
            alive = push(&world, &pid);
            accepted += alive ? 1 : 0;
        }
        refused += alive ? 0 : 1;
        while (npri_runtime_process_count(world.runtime) != 0) {
            (void)sched_yield();
        }
    }
    assert_int_equal(atomic_load(&handled), accepted);
    assert_true(accepted > 0 && refused > 0);
    world_close(&world);
}

/* Would catch: the same, in the very moment: the process is held up at the lock that it leaves the
 * table under, and by the time it gets it a message has come. */
static void idle_processes_act_on_what_comes_at_the_last_moment(void **state)
{
    struct world world;
    struct npri_table_shard *shard;
    struct npr_process *process;
    struct npri_signal *signal;
    struct npr_pid pid;
    uint64_t until_ns;

    (void)state;
    world_open(&world, 2);
    atomic_store(&handled, 0);
    pid = start(&world, &idle_behaviour);
    shard = &world.runtime->table.shards[pid.id & (NPRI_TABLE_SHARDS - 1)];
    signal = npri_signal_create(
        &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE, .payload = NPRI_WORD_OK});
    assert_non_null(signal);

    (void)pthread_mutex_lock(&shard->mutex);
    process = shard->buckets[(pid.id / NPRI_TABLE_SHARDS) & shard->mask];
    until_ns = npri_now_ns() + (IDLE_MS + 20) * MS;
    while (npri_now_ns() < until_ns) {
        (void)sched_yield();
    }
    if (npri_mailbox_push(&process->mailbox, signal)) {
        npri_scheduler_add(&world.runtime->scheduler, process);
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    (void)world_await_end(&world, &pid);
    assert_int_equal(atomic_load(&handled), 1);
    world_close(&world);
}

/* Would catch: an idle process that costs the spawn memory it does not give back. */
static void idle_processes_without_memory_do_not_start(void **state)
{
    const struct npri_spawn spawn = {
        .behaviour = &idle_behaviour, .function = "idle:start", .args = NPRI_WORD_OK};
    struct world world;
    struct npr_pid pid;
    npr_status status = NPR_ENOMEM;

    (void)state;
    world_open(&world, 1);
    for (uint64_t n = 1; status == NPR_ENOMEM; n++) {
        npri_alloc_fail_after(n);
        status = npri_runtime_spawn(world.runtime, &spawn, &pid, NULL);
        npri_alloc_fail_after(0);
    }
    assert_int_equal(status, NPR_OK);
    world_close(&world);
}

/* ---- Behaviours of other releases. */

/* Would catch: fields that an older module does not have, and that are read all the same (under the
 * address sanitizer); a newer one that is refused without need, or taken for what it is not. */
static void behaviours_of_other_releases_run(void **state)
{
    const size_t old_bytes = offsetof(struct npr_behaviour, resume);
    struct world world;
    void *old = npri_alloc(old_bytes);
    struct npri_spawn spawn = {.function = "f"};
    struct npr_pid pid;
    struct {
        struct npr_behaviour behaviour;
        void *unknown;
    } newer = {.behaviour = idle_behaviour};

    (void)state;
    assert_non_null(old);
    memcpy(old, &idle_behaviour, old_bytes);
    memcpy(old, &old_bytes, sizeof(old_bytes)); /* struct_size is the first field */
    world_open(&world, 2);
    atomic_store(&handled, 0);
    for (unsigned i = 0; i < 3; i++) {
        pid = start(&world, old);
        world_send(&world, &pid, NPRI_WORD_OK);
    }
    while (atomic_load(&handled) != 3) {
        (void)sched_yield();
    }
    assert_null(world.runtime->behaviours->next); /* one copy for all */

    newer.behaviour.struct_size = sizeof(newer);
    (void)start(&world, &newer.behaviour);
    newer.unknown = old;
    spawn.behaviour = &newer.behaviour;
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    world_close(&world);
    npri_free(old);
}

/* Would catch: a rule that the registry does not know, or a history without bounds. */
static void impossible_restarts_are_refused(void **state)
{
    struct npr_behaviour behaviour = idle_behaviour;

    (void)state;
    behaviour.restart = NPR_RESTART_PERMANENT;
    behaviour.restarts_max = NPR_RESTARTS_MAX;
    assert_null(npri_behaviour_fault(&behaviour));
    behaviour.restarts_max = NPR_RESTARTS_MAX + 1;
    assert_non_null(npri_behaviour_fault(&behaviour));
    behaviour.restarts_max = 0;
    behaviour.restart = NPR_RESTART_PERMANENT + 1;
    assert_non_null(npri_behaviour_fault(&behaviour));
    behaviour.struct_size = offsetof(struct npr_behaviour, restart); /* it cannot mean that */
    assert_null(npri_behaviour_fault(&behaviour));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continued_work_comes_before_messages),
        cmocka_unit_test(endless_continuation_gives_way),
        cmocka_unit_test(misuse_of_continue_is_refused),
        cmocka_unit_test(idle_processes_end_normally),
        cmocka_unit_test(idle_processes_lose_nothing),
        cmocka_unit_test(idle_processes_act_on_what_comes_at_the_last_moment),
        cmocka_unit_test(idle_processes_without_memory_do_not_start),
        cmocka_unit_test(behaviours_of_other_releases_run),
        cmocka_unit_test(impossible_restarts_are_refused),
    };

    return cmocka_run_group_tests_name("later", tests, NULL, NULL);
}
