/* npr_call(): calls between processes, of this node and of others. */
#include "world.h"

#include <sched.h>
#include <semaphore.h>

#include "base/alloc.h"
#include "runtime/internal.h"

#define FOREVER UINT32_MAX

static const struct npr_term any;

/* ---- A server: answers `now` at once and `later` when it is told `reply`; `pass` is answered by
 * another process, `die` is its end. */

struct server {
    uint8_t pid[NPRI_IDENTITY_BYTES_MAX];
    uint8_t tag[2 * NPRI_IDENTITY_BYTES_MAX];
    struct npr_from from; /* of the call that is to be answered later */
};

static void server_keep(struct server *server, const struct npr_from *from)
{
    memcpy(server->pid, from->pid.data, from->pid.size);
    memcpy(server->tag, from->tag.data, from->tag.size);
    server->from = (struct npr_from){.pid = {.data = server->pid, .size = from->pid.size},
                                     .tag = {.data = server->tag, .size = from->tag.size}};
}

static npr_status reply_word(struct npr_process *self,
                             const struct npr_from *from,
                             const char *word)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term reply;

    npr_build_atom(built, word);
    return npr_builder_finish(built, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                             : NPR_ENOMEM;
}

static npr_status helper_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_from from;
    struct npr_term parts[2];

    (void)state;
    if (!npr_term_get_tuple(message, 2, parts)) {
        return NPR_EINVAL;
    }
    from = (struct npr_from){.pid = parts[0], .tag = parts[1]};
    return reply_word(self, &from, "helped");
}

static const struct npr_behaviour helper_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .info = helper_info};

static npr_status server_pass(struct npr_process *self, const struct npr_from *from)
{
    const struct npr_spawn spawn = {.behaviour = &helper_behaviour, .function = "helper:start"};
    struct npr_builder *built = npr_scratch(self);
    struct npr_term message;
    struct npr_pid helper;

    npr_build_tuple(built, 2);
    npr_build_term(built, from->pid);
    npr_build_term(built, from->tag);
    if (npr_builder_finish(built, &message, NULL) != NPR_OK ||
        npr_spawn(self, &spawn, &helper, NULL) != NPR_OK) {
        return NPR_ENOMEM;
    }
    return npr_send(self, &helper, message);
}

static npr_status server_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    if (npr_term_is_atom(request, "now")) {
        return reply_word(self, from, "ok");
    }
    if (npr_term_is_atom(request, "later")) {
        server_keep(state, from);
        return NPR_OK;
    }
    if (npr_term_is_atom(request, "pass")) {
        return server_pass(self, from);
    }
    return npr_term_is_atom(request, "die") ? npr_stop(self, request) : NPR_OK;
}

static npr_status server_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct server *server = state;

    return npr_term_is_atom(message, "reply") ? reply_word(self, &server->from, "replied")
                                              : npr_stop(self, message);
}

static const struct npr_behaviour server_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct server),
    .call = server_call,
    .info = server_info,
};

/* ---- A caller: {Pid,Request,TimeoutMs} makes it call, each answer goes to the probe as
 * {Status,Term}; anything else is its end. */

static struct npr_pid probe;
static uint64_t fail_after; /* which allocation of the next call fails, and all after it; 0: none */
static npr_status called;   /* what npr_call() returned; read after the wait for: */
static sem_t has_called;    /* until then this thread must not allocate, which would be counted */

static npr_status caller_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_term parts[3];
    struct npr_pid to;
    uint64_t timeout_ms;

    (void)state;
    if (!npr_term_get_tuple(message, 3, parts) || !npr_term_get_pid(parts[0], &to) ||
        !npr_term_get_uint64(parts[2], &timeout_ms)) {
        return npr_stop(self, message);
    }
    npri_alloc_fail_after(fail_after);
    called = npr_call(self, &to, parts[1], (uint32_t)timeout_ms, NULL);
    npri_alloc_fail_after(0);
    (void)sem_post(&has_called);
    return NPR_OK;
}

static npr_status caller_answer(struct npr_process *self,
                                void *state,
                                const struct npr_answer *answer)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term message;

    (void)state;
    npr_build_tuple(built, 2);
    npr_build_int(built, answer->status);
    if (answer->term.data == NULL) {
        npr_build_nil(built);
    } else {
        npr_build_term(built, answer->term);
    }
    return npr_builder_finish(built, &message, NULL) == NPR_OK ? npr_send(self, &probe, message)
                                                               : NPR_ENOMEM;
}

static const struct npr_behaviour caller_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .info = caller_info,
    .answer = caller_answer,
};

static struct npr_pid start(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};

    return world_puppet_with(world, &spawn);
}

static void open_world(struct world *world, unsigned workers, struct npr_pid *out_caller)
{
    world_open(world, workers);
    probe = world->probe;
    fail_after = 0;
    assert_int_equal(sem_init(&has_called, 0, 0), 0);
    *out_caller = start(world, &caller_behaviour);
}

static void call(struct world *world,
                 const struct npr_pid *caller,
                 const struct npr_pid *to,
                 const char *request,
                 uint32_t timeout_ms)
{
    world_send(world, caller,
               WORLD_TUPLE(world, world_pid(world, to), world_atom(world, request),
                           world_int(world, timeout_ms)));
    while (sem_wait(&has_called) != 0) {
    }
}

static void expect(struct world *world, npr_status status, struct npr_term term)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_int(world, status), term));
}

static void await_no_relations(struct world *world, const struct npr_pid *pid)
{
    struct npri_process_info info;

    do {
        (void)sched_yield();
        assert_true(npri_runtime_info(world->runtime, pid, &info));
    } while (info.relations != 0);
}

static struct npr_term nil(struct world *world)
{
    struct npr_builder *built = npr_builder_create();
    struct npr_term term;

    assert_non_null(built);
    npr_build_nil(built);
    assert_int_equal(npr_builder_finish(built, &term, NULL), NPR_OK);
    world->terms[world->terms_count++] = built;
    return term;
}

/* Would catch: an answer that is lost, comes twice or to the wrong call; a callee that still
 * watches a caller whom it has answered. */
static void answers_come_at_once_or_later(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;

    (void)state;
    open_world(&world, 2, &caller);
    server = start(&world, &server_behaviour);
    for (unsigned i = 0; i < 5; i++) {
        call(&world, &caller, &server, "now", FOREVER);
        expect(&world, NPR_OK, world_atom(&world, "ok"));
    }
    call(&world, &caller, &server, "later", FOREVER);
    call(&world, &caller, &server, "now", FOREVER);
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    world_send(&world, &server, world_atom(&world, "reply"));
    expect(&world, NPR_OK, world_atom(&world, "replied"));
    await_no_relations(&world, &server);
    world_send(&world, &server, world_atom(&world, "reply")); /* once more: nobody waits */
    call(&world, &caller, &server, "now", FOREVER);
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    world_close(&world);
}

/* Would catch: a reply that only the process that was called can give; one that leaves it watching
 * the caller. */
static void another_process_may_answer(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;

    (void)state;
    open_world(&world, 2, &caller);
    server = start(&world, &server_behaviour);
    call(&world, &caller, &server, "pass", FOREVER);
    expect(&world, NPR_OK, world_atom(&world, "helped"));
    await_no_relations(&world, &server);
    world_close(&world);
}

/* Would catch: a caller that waits for ever for a process that is gone, whenever it went. */
static void ends_of_the_callee_are_answers(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;

    (void)state;
    open_world(&world, 2, &caller);
    server = start(&world, &server_behaviour);
    call(&world, &caller, &server, "die", FOREVER);
    expect(&world, NPR_EEXIT, world_atom(&world, "die"));
    (void)world_await_end(&world, &server);
    call(&world, &caller, &server, "now", FOREVER); /* dead */
    expect(&world, NPR_ENOPROC, nil(&world));

    server = start(&world, &server_behaviour);
    call(&world, &caller, &server, "later", FOREVER);
    call(&world, &caller, &server, "now", FOREVER);
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    world_send(&world, &server, world_atom(&world, "ended")); /* while it owes an answer */
    expect(&world, NPR_EEXIT, world_atom(&world, "ended"));
    world_close(&world);
}

/* Would catch: a time that is not kept, an alarm that is not set again, a late reply that is taken
 * for another's. */
static void late_answers_are_dropped(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;
    uint64_t began_ns;

    (void)state;
    open_world(&world, 2, &caller);
    server = start(&world, &server_behaviour);
    call(&world, &caller, &server, "later", 60000); /* the alarm is set for this one first */
    began_ns = npri_now_ns();
    call(&world, &caller, &server, "never", 20);
    expect(&world, NPR_ETIMEDOUT, nil(&world));
    assert_true(npri_now_ns() - began_ns >= 20 * NPRI_NS_PER_MS);
    call(&world, &caller, &server, "later", 1); /* in place of the one before */
    expect(&world, NPR_ETIMEDOUT, nil(&world));
    world_send(&world, &server, world_atom(&world, "reply"));
    call(&world, &caller, &server, "now", 60000);
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    call(&world, &caller, &server, "never", 1);  /* set for this one; the next is for when it is */
    call(&world, &caller, &server, "never", 30); /* set again */
    expect(&world, NPR_ETIMEDOUT, nil(&world));
    expect(&world, NPR_ETIMEDOUT, nil(&world));
    world_close(&world);
}

/* Would catch: open calls of a process that has ended, which keep its callee watching. */
static void calls_end_with_their_caller(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;

    (void)state;
    open_world(&world, 2, &caller);
    server = start(&world, &server_behaviour);
    call(&world, &caller, &server, "later", 60000);
    call(&world, &caller, &server, "now", 60000);
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    world_send(&world, &caller, world_atom(&world, "normal"));
    (void)world_await_end(&world, &caller);
    await_no_relations(&world, &server);
    world_send(&world, &server, world_atom(&world, "reply")); /* to a dead process */
    world_close(&world);
}

static const struct npr_behaviour full_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct server),
    .call = server_call,
    .mailbox_max = 1,
    .overflow = NPR_OVERFLOW_FAIL,
};

static npr_status burst_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term now;
    struct npr_pid to;

    (void)state;
    npr_build_atom(built, "now");
    if (!npr_term_get_pid(message, &to) || npr_builder_finish(built, &now, NULL) != NPR_OK) {
        return NPR_EINVAL;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (npr_call(self, &to, now, FOREVER, NULL) != NPR_OK) {
            return NPR_ENOMEM;
        }
    }
    return NPR_OK;
}

static const struct npr_behaviour burst_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .info = burst_info,
    .answer = caller_answer,
};

/* Would catch: calls that a full mailbox loses, or takes all the same. */
static void full_mailboxes_answer_calls(void **state)
{
    static const uint8_t overload[] = "\x68\x02\x77\x05"
                                      "error\x77\x08overload";
    struct world world;
    struct npr_pid caller;
    struct npr_pid full;

    (void)state;
    open_world(&world, 1, &caller); /* one worker: the callee runs when the caller is through */
    caller = start(&world, &burst_behaviour);
    full = start(&world, &full_behaviour);
    world_send(&world, &caller, world_pid(&world, &full));
    for (unsigned i = 0; i < 2; i++) {
        expect(&world, NPR_OK, (struct npr_term){.data = overload, .size = sizeof(overload) - 1});
    }
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    world_close(&world);
}

static struct npr_pid idle_calls; /* written before the process that calls it is started */

static npr_status idle_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term later;

    (void)state;
    (void)args;
    npr_build_atom(built, "later");
    return npr_builder_finish(built, &later, NULL) == NPR_OK
               ? npr_call(self, &idle_calls, later, FOREVER, NULL)
               : NPR_ENOMEM;
}

static const struct npr_behaviour idle_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = idle_init,
    .answer = caller_answer,
    .idle_ms = 1,
};

/* Would catch: a process that is taken for idle while it waits for an answer, or ever after. */
static void open_calls_keep_a_process(void **state)
{
    struct world world;
    struct npr_pid caller;
    uint64_t until_ns;

    (void)state;
    open_world(&world, 2, &caller);
    idle_calls = start(&world, &server_behaviour);
    caller = start(&world, &idle_behaviour);
    until_ns = npri_now_ns() + 50 * NPRI_NS_PER_MS;
    while (npri_now_ns() < until_ns) {
        (void)sched_yield();
    }
    assert_true(npri_runtime_is_alive(world.runtime, &caller));
    world_send(&world, &idle_calls, world_atom(&world, "reply"));
    expect(&world, NPR_OK, world_atom(&world, "replied"));
    (void)world_await_end(&world, &caller);
    world_close(&world);
}

static npr_status mortal_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    (void)state;
    (void)from;
    return npr_stop(self, request);
}

static const struct npr_behaviour mortal_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .call = mortal_call};

/* Would catch: calls that are lost with the mailbox that they wait in. */
static void waiting_calls_end_with_the_callee(void **state)
{
    struct world world;
    struct npr_pid caller;
    struct npr_pid mortal;

    (void)state;
    open_world(&world, 1, &caller); /* one worker: the callee runs when the caller is through */
    caller = start(&world, &burst_behaviour);
    mortal = start(&world, &mortal_behaviour);
    world_send(&world, &caller, world_pid(&world, &mortal));
    for (unsigned i = 0; i < 3; i++) {
        expect(&world, NPR_EEXIT, world_atom(&world, "now"));
    }
    world_close(&world);
}

/* Takes what was routed: a MONITOR and a call; gives the reference and the tag. */
static void take_call(struct world *world,
                      struct npri_signal **out_monitor,
                      struct npri_signal **out)
{
    struct npr_from from;
    struct npr_term request;

    *out_monitor = world_take(world, &world->routed);
    assert_int_equal((*out_monitor)->kind, NPRI_SIGNAL_MONITOR);
    *out = world_take(world, &world->routed);
    assert_int_equal((*out)->kind, NPRI_SIGNAL_MESSAGE);
    assert_true(npri_message_is_call((*out)->payload, &from, &request));
    assert_true(npr_term_is_atom(request, "now"));
}

static void expect_demonitor(struct world *world)
{
    world_expect(world, &world->routed, NPRI_SIGNAL_DEMONITOR, any, any);
}

/* Would catch: a call of another node's process that is not what gen_server:call sends; a reply, an
 * end or a lost connection that is not its answer; a monitor that stays. */
static void calls_of_other_nodes_are_gen_calls(void **state)
{
    struct world world;
    struct npr_pid caller;
    const struct npr_pid there = world_remote_pid("b@h", 7);
    struct npri_signal *monitor;
    struct npri_signal *message;
    struct npr_from from;
    struct npr_term request;

    (void)state;
    open_world(&world, 2, &caller);

    call(&world, &caller, &there, "now", FOREVER);
    take_call(&world, &monitor, &message);
    assert_true(npri_message_is_call(message->payload, &from, &request));
    world_deliver(&world, &(struct npri_signal){
                              .kind = NPRI_SIGNAL_MESSAGE,
                              .to = monitor->ref,
                              .payload = WORLD_TUPLE(&world, from.tag, world_atom(&world, "ok"))});
    expect(&world, NPR_OK, world_atom(&world, "ok"));
    expect_demonitor(&world);
    npri_signal_destroy(monitor);
    npri_signal_destroy(message);

    call(&world, &caller, &there, "now", FOREVER);
    take_call(&world, &monitor, &message);
    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_DOWN,
                                                .from = world_pid(&world, &there),
                                                .to = world_pid(&world, &caller),
                                                .ref = monitor->ref,
                                                .payload = world_atom(&world, "over")});
    expect(&world, NPR_EEXIT, world_atom(&world, "over"));
    npri_signal_destroy(monitor);
    npri_signal_destroy(message);

    call(&world, &caller, &there, "now", FOREVER);
    take_call(&world, &monitor, &message);
    assert_int_equal(npri_runtime_node_down(world.runtime, &there.node), NPR_OK);
    expect(&world, NPR_EUNREACHABLE, nil(&world));
    npri_signal_destroy(monitor);
    npri_signal_destroy(message);

    call(&world, &caller, &there, "now", 1);
    take_call(&world, &monitor, &message);
    expect(&world, NPR_ETIMEDOUT, nil(&world));
    expect_demonitor(&world);
    npri_signal_destroy(monitor);
    npri_signal_destroy(message);
    world_close(&world);
}

/* Would catch: a call that is half made when memory ends, here or to another node. */
static void calls_without_memory_change_nothing(void **state)
{
    const struct npr_pid there = world_remote_pid("b@h", 7);
    struct world world;
    struct npr_pid caller;
    struct npr_pid server;

    (void)state;
    for (unsigned remote = 0; remote < 2; remote++) {
        open_world(&world, 2, &caller);
        server = start(&world, &server_behaviour);
        called = NPR_ENOMEM;
        for (fail_after = 1; called == NPR_ENOMEM; fail_after++) {
            call(&world, &caller, remote != 0 ? &there : &server, "later", FOREVER);
            assert_true(called == NPR_OK || called == NPR_ENOMEM);
        }
        assert_true(fail_after > 2);
        fail_after = 0;
        if (remote == 0) {
            world_send(&world, &server, world_atom(&world, "reply"));
            expect(&world, NPR_OK, world_atom(&world, "replied"));
        } else {
            assert_int_equal(world_count(&world, &world.routed), 2);
        }
        assert_int_equal(world_count(&world, &world.probed), 0);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_at_once_or_later),
        cmocka_unit_test(another_process_may_answer),
        cmocka_unit_test(ends_of_the_callee_are_answers),
        cmocka_unit_test(late_answers_are_dropped),
        cmocka_unit_test(calls_end_with_their_caller),
        cmocka_unit_test(full_mailboxes_answer_calls),
        cmocka_unit_test(waiting_calls_end_with_the_callee),
        cmocka_unit_test(open_calls_keep_a_process),
        cmocka_unit_test(calls_of_other_nodes_are_gen_calls),
        cmocka_unit_test(calls_without_memory_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
