/* Thread processes and what is not a message: links, monitors, timers, idle times, sys. */
#include "threads_world.h"

static npr_status watch_others(struct npr_process *self)
{
    struct npr_received received;
    struct npr_term parts[5];
    struct npr_ref ref;

    npr_trap_exit(self, true);
    REQUIRE(npr_link(self, &threads_other) == NPR_OK);
    REQUIRE(npr_monitor(self, &threads_other, &ref) == NPR_OK);
    REQUIRE(threads_tell(self, NPRI_WORD_OK) == NPR_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
        REQUIRE(received.kind == NPR_RECEIVED_MESSAGE);
        REQUIRE((npr_term_get_tuple(received.term, 3, parts) &&
                 npr_term_is_atom(parts[0], "EXIT") && npr_term_is_atom(parts[2], "why")) ||
                (npr_term_get_tuple(received.term, 5, parts) &&
                 npr_term_is_atom(parts[0], "DOWN") && npr_term_is_atom(parts[4], "why")));
    }
    npr_trap_exit(self, false);
    REQUIRE(npr_link(self, &threads_other) == NPR_OK); /* dead: noproc */
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: links and monitors of thread processes that do not tell. */
static void links_and_monitors_are_told(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    threads_other = world_puppet(&world);
    pid = threads_start_of(&world, &threads_scripted_to_the_end, watch_others);
    threads_expect_told(&world, NPRI_WORD_OK);
    world_do_term(&world, &threads_other, WORLD_STOP, world_atom(&world, "why"));
    threads_expect_told(
        &world, WORLD_TUPLE(&world, world_atom(&world, "terminate"), world_atom(&world, "why")));
    threads_expect_told(&world, NPRI_WORD_NOPROC);
    threads_expect_end(&world, &pid, NPRI_WORD_NOPROC); /* the reason that a dead link gives */
    world_close(&world);
}

static npr_status set_timers(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;
    struct npr_ref ref;

    REQUIRE(npr_send_every(self, &me, NPRI_WORD_OK, 1, &ref) == NPR_OK);
    REQUIRE(npr_receive(self, 20, threads_is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(atomic_load(&threads_seen_count) == 1); /* one on its way, however often it was due */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, 20, threads_is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_cancel_timer(self, &ref));
    REQUIRE(npr_receive(self, 5, NULL, NULL, &received) == NPR_ETIMEDOUT);
    return NPR_OK;
}

/* Would catch: messages of a timer that pile up behind a filter, or arrive after it was cancelled.
 */
static void timers_are_received(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, set_timers);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status be_idle(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, 50, threads_is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(atomic_load(&threads_seen_count) == 1); /* it waits: so this is not idle */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: an idle time that does not end a receive, or ends a process that has something. */
static void idle_times_end_a_receive(void **state)
{
    const struct npr_behaviour behaviour = {.struct_size = sizeof(behaviour),
                                            .run = threads_run,
                                            .terminate = threads_terminate,
                                            .idle_ms = 15};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start_of(&world, &behaviour, be_idle);
    threads_send_int(&world, &pid, 1);
    threads_expect_told(&world, NPRI_WORD_NORMAL);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status take_two(struct npr_process *self)
{
    struct npr_received received;

    for (int i = 1; i <= 2; i++) {
        REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
                threads_is_int(&received, i));
        REQUIRE(threads_tell(self, received.term) == NPR_OK);
    }
    return NPR_OK;
}

static void ask_system(struct world *world, const struct npr_pid *pid, const char *request)
{
    const struct npr_term tag = world_atom(world, "t");

    world_send(world, pid,
               WORLD_TUPLE(world, world_atom(world, "system"),
                           WORLD_TUPLE(world, world_pid(world, &world->probe), tag),
                           world_atom(world, request)));
    threads_expect_told(
        world, WORLD_TUPLE(world, tag,
                           strcmp(request, "get_state") == 0 ? NPRI_WORD_OPAQUE : NPRI_WORD_OK));
}

/* Would catch: requests of sys that reach the code or are not answered; a suspended process that
 * receives. */
static void sys_is_answered_in_a_receive(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, take_two);
    ask_system(&world, &pid, "get_state");
    threads_send_int(&world, &pid, 1);
    threads_expect_told(&world, world_int(&world, 1));
    ask_system(&world, &pid, "suspend");
    threads_send_int(&world, &pid, 2);
    ask_system(&world, &pid, "resume"); /* its answer comes first */
    threads_expect_told(&world, world_int(&world, 2));
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_and_monitors_are_told),
        cmocka_unit_test(timers_are_received),
        cmocka_unit_test(idle_times_end_a_receive),
        cmocka_unit_test(sys_is_answered_in_a_receive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
