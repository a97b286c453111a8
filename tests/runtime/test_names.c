/* Names of processes, as callbacks and programs give them; callers that are kept. */
#include "world.h"

#include "nprocreg/names.h"

#include "base/alloc.h"
#include "runtime/internal.h"

static const struct npr_term any;

/* 255 characters of two bytes each, and one more. */
static char longest[511];
static char too_long[513];

static void make_long_names(void)
{
    for (size_t i = 0; i < sizeof(too_long) - 1; i += 2) {
        too_long[i] = '\xc3';
        too_long[i + 1] = '\xa9';
    }
    memcpy(longest, too_long, sizeof(longest) - 1);
}

/* Would catch: a name that two processes have, one that is not free again, one that outlives its
 * process; names that are no atoms; the library's own names being taken or freed. */
static void names_are_given_and_freed(void **state)
{
    struct world world;
    struct npri_runtime *runtime;
    struct npr_pid away = world_remote_pid("b@h", 3);
    struct npr_pid first;
    struct npr_pid second;
    struct npr_pid found;

    (void)state;
    make_long_names();
    world_open(&world, 1);
    runtime = world.runtime;
    first = world_puppet(&world);
    second = world_puppet(&world);
    assert_int_equal(npri_runtime_named(runtime, "x", &found), NPR_ENOTFOUND);
    assert_int_equal(npri_runtime_unname(runtime, "x"), NPR_ENOTFOUND);
    assert_int_equal(npri_runtime_name(runtime, "x", &first), NPR_OK);
    assert_int_equal(npri_runtime_name(runtime, "x", &second), NPR_EEXIST);
    assert_int_equal(npri_runtime_name(runtime, "x", &first), NPR_EEXIST);
    assert_int_equal(npri_runtime_name(runtime, longest, &first), NPR_OK);
    assert_int_equal(npri_runtime_named(runtime, "x", &found), NPR_OK);
    assert_true(npr_pid_equal(&found, &first));
    assert_int_equal(npri_runtime_unname(runtime, "x"), NPR_OK);
    assert_int_equal(npri_runtime_name(runtime, "x", &second), NPR_OK);
    assert_int_equal(npri_runtime_named(runtime, longest, &found), NPR_OK);

    world_do_term(&world, &first, WORLD_STOP, NPRI_WORD_NORMAL);
    (void)world_await_end(&world, &first);
    assert_int_equal(npri_runtime_named(runtime, longest, &found), NPR_ENOTFOUND);
    assert_int_equal(npri_runtime_name(runtime, "y", &first), NPR_ENOPROC);
    assert_int_equal(npri_runtime_name(runtime, "y", &away), NPR_ENOPROC);
    assert_int_equal(npri_runtime_name(runtime, "y", &world.probe), NPR_ENOPROC);

    assert_int_equal(npri_runtime_name(runtime, "probe", &second), NPR_EEXIST);
    assert_int_equal(npri_runtime_unname(runtime, "probe"), NPR_EREFUSED);
    assert_int_equal(npri_runtime_named(runtime, "probe", &found), NPR_OK);

    assert_int_equal(npri_runtime_name(runtime, NULL, &second), NPR_EINVAL);
    assert_int_equal(npri_runtime_name(runtime, "", &second), NPR_EINVAL);
    assert_int_equal(npri_runtime_name(runtime, "undefined", &second), NPR_EINVAL);
    assert_int_equal(npri_runtime_name(runtime, "\xff", &second), NPR_EINVAL);
    assert_int_equal(npri_runtime_name(runtime, too_long, &second), NPR_EINVAL);
    assert_int_equal(npri_runtime_name(runtime, "y", NULL), NPR_EINVAL);
    assert_int_equal(npri_runtime_named(runtime, "x", NULL), NPR_EINVAL);
    assert_int_equal(npri_runtime_unname(runtime, ""), NPR_EINVAL);
    world_close(&world);
}

static npr_status named_init(struct npr_process *self, void *state, struct npr_term args)
{
    const struct npr_pid me = npr_self(self);
    struct npr_pid found;

    (void)state;
    (void)args;
    if (npr_whereis(self, "own", &found) != NPR_ENOTFOUND ||
        npr_register_name(self, "own") != NPR_OK || npr_register_name(self, "old") != NPR_OK ||
        npr_register_name(self, "own") != NPR_EEXIST ||
        npr_whereis(self, "own", &found) != NPR_OK || !npr_pid_equal(&found, &me) ||
        npr_unregister_name(self, "old") != NPR_OK ||
        npr_unregister_name(self, "old") != NPR_ENOTFOUND ||
        npr_unregister_name(self, "probe") != NPR_EREFUSED ||
        npr_register_name(NULL, "own") != NPR_EINVAL ||
        npr_unregister_name(NULL, "own") != NPR_EINVAL ||
        npr_whereis(NULL, "own", &found) != NPR_EINVAL) {
        return NPR_EIO;
    }
    return NPR_OK;
}

static npr_status named_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_pid probe;

    (void)state;
    return npr_whereis(self, "probe", &probe) == NPR_OK ? npr_send(self, &probe, message) : NPR_EIO;
}

static const struct npr_behaviour named_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = named_init,
    .info = named_info,
};

/* Would catch: a callback's names that are not those of its process, or of its node. */
static void callbacks_name_themselves(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &named_behaviour};
    struct world world;
    struct npri_signal *started;
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = NPRI_WORD_OK};

    (void)state;
    world_open(&world, 1);
    (void)world_puppet_with(&world, &spawn);
    started = world_take(&world, &world.started);
    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);
    draft.to = world_atom(&world, "own");
    world_deliver(&world, &draft);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, NPRI_WORD_OK);
    world_close(&world);
}

/* Would catch: a caller that is not kept as it came, or a reply that goes elsewhere. */
static void callers_are_kept_and_answered(void **state)
{
    struct world world;
    struct npr_ref ref;
    struct npr_term probe;
    struct npr_term tag;
    struct npr_term aliased;
    struct npr_caller *caller = NULL;
    struct npr_from from;

    (void)state;
    world_open(&world, 1);
    ref = npri_runtime_new_ref(world.runtime);
    probe = world_pid(&world, &world.probe);
    tag = WORLD_TUPLE(&world, world_atom(&world, "any"), world_int(&world, 7));
    from = (struct npr_from){.pid = probe, .tag = tag};
    npri_alloc_fail_after(1);
    assert_null(npr_caller_create(&from));
    npri_alloc_fail_after(0);
    caller = npr_caller_create(&from);
    assert_non_null(caller);
    from = (struct npr_from){{0}, {0}};
    assert_int_equal(
        npri_runtime_reply(world.runtime, probe, npr_caller_from(caller), NPRI_WORD_OK), NPR_OK);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, probe,
                 WORLD_TUPLE(&world, tag, NPRI_WORD_OK));
    npr_caller_destroy(caller);
    npr_caller_destroy(NULL);

    aliased = world_cons(&world, world_atom(&world, "alias"), world_ref(&world, &ref));
    from = (struct npr_from){.pid = probe, .tag = aliased};
    assert_int_equal(npri_runtime_reply(world.runtime, probe, &from, NPRI_WORD_OK), NPR_OK);
    world_expect(&world, &world.aliased, NPRI_SIGNAL_MESSAGE, probe,
                 WORLD_TUPLE(&world, aliased, NPRI_WORD_OK));

    assert_null(npr_caller_create(NULL));
    from.pid = tag;
    assert_null(npr_caller_create(&from));
    assert_int_equal(npri_runtime_reply(world.runtime, probe, &from, NPRI_WORD_OK), NPR_EINVAL);
    from = (struct npr_from){.pid = probe, .tag = any};
    assert_int_equal(npri_runtime_reply(world.runtime, probe, &from, NPRI_WORD_OK), NPR_EINVAL);
    from.tag = tag;
    assert_int_equal(npri_runtime_reply(world.runtime, probe, &from, any), NPR_EINVAL);
    npri_alloc_fail_after(1);
    assert_int_equal(npri_runtime_reply(world.runtime, probe, &from, NPRI_WORD_OK), NPR_ENOMEM);
    npri_alloc_fail_after(0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_given_and_freed),
        cmocka_unit_test(callbacks_name_themselves),
        cmocka_unit_test(callers_are_kept_and_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
