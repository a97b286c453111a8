/* Calls that thread processes make, and in which they wait for the answer. */
#include "threads_world.h"

#include "runtime/internal.h"

/* Answers {answer,N} with N; keeps the one who asks `later` until told so; ends on `end`. */
struct answerer {
    uint8_t pid[512];
    uint8_t tag[512];
    struct npr_from from;
};

static npr_status answerer_call(struct npr_process *self,
                                void *state,
                                const struct npr_from *from,
                                struct npr_term request)
{
    struct answerer *answerer = state;

    if (npr_term_is_atom(request, "later")) {
        memcpy(answerer->pid, from->pid.data, from->pid.size);
        memcpy(answerer->tag, from->tag.data, from->tag.size);
        answerer->from = (struct npr_from){.pid = {answerer->pid, from->pid.size},
                                           .tag = {answerer->tag, from->tag.size}};
        return NPR_OK;
    }
    if (npr_term_is_atom(request, "end")) {
        return npr_stop(self, NPRI_WORD_SHUTDOWN);
    }
    return npr_reply(self, from, request);
}

static npr_status answerer_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct answerer *answerer = state;

    (void)message;
    return npr_reply(self, &answerer->from, NPRI_WORD_OPAQUE);
}

static const struct npr_behaviour answerer_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct answerer),
    .call = answerer_call,
    .info = answerer_info,
};

static struct npr_pid answerer(struct world *world)
{
    const struct npri_spawn spawn = {.behaviour = &answerer_behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);

    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

static bool reply_is(struct npr_builder *reply, const char *atom)
{
    struct npr_term term;

    return npr_builder_finish(reply, &term, NULL) == NPR_OK && npr_term_is_atom(term, atom);
}

static npr_status call_another(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;
    const struct npr_address by_name = {.name = "answerer", .node = npr_self(self).node};
    const struct npr_address nobody = {.name = "nobody", .node = npr_self(self).node};

    REQUIRE(reply != NULL);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 1));
    REQUIRE(threads_call(self, received.term, LONG_MS, reply) == NPR_OK);
    REQUIRE(threads_is_int(&received, 1)); /* still there */
    REQUIRE(npr_receive_call(self, &nobody, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_ENOPROC);
    npr_builder_reset(reply);
    REQUIRE(npr_receive_call(self, &by_name, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_OK);
    REQUIRE(reply_is(reply, "ok"));

    /* An answer that comes too late. */
    REQUIRE(threads_call(self, (struct npr_term){.data = (const uint8_t *)"w\005later", .size = 7},
                         1, reply) == NPR_ETIMEDOUT);
    REQUIRE(npr_send(self, &threads_other, NPRI_WORD_OK) == NPR_OK); /* now it answers */
    REQUIRE(threads_call(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_OK && reply_is(reply, "ok"));
    REQUIRE(npri_process_waiting(self) == 1); /* the 2, and nothing late */

    REQUIRE(threads_call(self, (struct npr_term){.data = (const uint8_t *)"w\003end", .size = 5},
                         LONG_MS, reply) == NPR_EEXIT);
    REQUIRE(reply_is(reply, "shutdown"));
    REQUIRE(threads_call(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_ENOPROC);
    REQUIRE(self->relations.count == 1); /* the probe's monitor */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 2));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: a reply that is taken for a message or the other way round, messages lost meanwhile,
 * a late reply that stays, a monitor that is left over, an end that is not told. */
static void calls_wait_for_their_answer(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    threads_other = answerer(&world);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("answerer"), &threads_other),
                     NPR_OK);
    pid = threads_start(&world, call_another);
    threads_send_int(&world, &pid, 1);
    threads_send_int(&world, &pid, 2);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status call_until_ended(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    const npr_status status =
        threads_call(self, (struct npr_term){.data = (const uint8_t *)"w\005later", .size = 7},
                     NPR_FOREVER, reply);

    REQUIRE(status == NPR_ECLOSED);
    REQUIRE(threads_call(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_ECLOSED);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: a caller that cannot be killed while it waits. */
static void callers_are_ended_while_they_wait(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    threads_other = answerer(&world);
    pid = threads_start(&world, call_until_ended);
    threads_send_exit(&world, &pid, world_atom(&world, "kill"));
    threads_expect_end(&world, &pid, NPRI_WORD_KILLED); /* before its call, or in it */
    world_close(&world);
}

static npr_status call_away(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;
    const struct npr_address name = {.name = "server", .node = threads_other.node};

    REQUIRE(threads_call(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_OK &&
            reply_is(reply, "opaque"));
    npr_builder_reset(reply);
    REQUIRE(npr_receive_call(self, &name, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_EUNREACHABLE);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: calls to other nodes that are not written as Erlang's, or do not end with the
 * connection. */
static void calls_leave_the_node(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npri_signal *signal;
    struct npr_term self;
    struct npr_term ref;
    struct npr_term server;

    (void)state;
    world_open(&world, 1);
    threads_other = world_remote_pid("b@h", 9);
    pid = threads_start(&world, call_away);
    self = world_pid(&world, &pid);
    signal = world_take(&world, &world.routed);
    assert_int_equal(signal->kind, NPRI_SIGNAL_MONITOR);
    ref = WORLD_TUPLE(&world, signal->ref); /* a copy */
    npri_signal_destroy(signal);
    assert_true(npr_term_get_tuple(ref, 1, &ref));
    world_expect(&world, &world.routed, NPRI_SIGNAL_MESSAGE, self,
                 WORLD_TUPLE(&world, world_atom(&world, "$gen_call"),
                             WORLD_TUPLE(&world, self, ref), NPRI_WORD_OK));
    world_send(&world, &pid, WORLD_TUPLE(&world, ref, NPRI_WORD_OPAQUE));
    world_expect(&world, &world.routed, NPRI_SIGNAL_DEMONITOR, self, threads_any);

    server = world_atom(&world, "server");
    for (int i = 0; i < 2; i++) {
        signal = world_take(&world, &world.routed);
        assert_int_equal(signal->kind, i == 0 ? NPRI_SIGNAL_MONITOR : NPRI_SIGNAL_MESSAGE);
        assert_true(npr_term_equal(signal->to, server));
        assert_true(npr_term_is_atom(signal->node, "b@h"));
        npri_signal_destroy(signal);
    }
    assert_int_equal(npri_runtime_node_down(world.runtime, &threads_other.node), NPR_OK);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_wait_for_their_answer),
        cmocka_unit_test(callers_are_ended_while_they_wait),
        cmocka_unit_test(calls_leave_the_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
