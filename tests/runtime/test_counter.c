/* examples/counter.c, loaded as a node loads it and driven as Erlang drives it. */
#include "world.h"

#include <dlfcn.h>

#include "nprocreg/module.h"

static const struct npr_term any;

static struct npr_pid start_counter(struct world *world, void **out_library)
{
    void *library = dlopen(NPRI_TEST_COUNTER, RTLD_NOW | RTLD_LOCAL);
    npr_module_fn module_fn;
    void *symbol;
    const struct npr_module *module;
    struct npri_spawn spawn = {0};
    struct npr_pid pid;

    if (library == NULL) {
        fail_msg("%s", dlerror());
    }
    symbol = dlsym(library, NPR_MODULE_SYMBOL);
    assert_non_null(symbol);
    memcpy(&module_fn, &symbol, sizeof(module_fn)); /* C has no cast to a function */
    module = module_fn();
    assert_int_equal(module->abi, NPR_MODULE_ABI);
    assert_string_equal(module->name, "counter");
    assert_int_equal(module->functions_count, 3);
    assert_string_equal(module->functions[0].name, "start");
    assert_int_equal(module->functions[0].arity, 0);
    assert_string_equal(module->functions[1].name, "start");
    assert_int_equal(module->functions[1].arity, 1);
    spawn.behaviour = module->functions[0].behaviour;
    pid = world_puppet_with(world, &spawn);
    npri_signal_destroy(world_take(world, &world->started));
    *out_library = library;
    return pid;
}

static void send_call(struct world *world, const struct npr_pid *pid, struct npr_term request)
{
    const struct npr_term tag = world_atom(world, "tag");
    const struct npr_term from = WORLD_TUPLE(world, world_pid(world, &world->probe), tag);

    world_send(world, pid, WORLD_TUPLE(world, world_atom(world, "$gen_call"), from, request));
}

static void check_call(struct world *world,
                       const struct npr_pid *pid,
                       struct npr_term request,
                       struct npr_term reply)
{
    send_call(world, pid, request);
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_atom(world, "tag"), reply));
}

/* Would catch: a module that does not load, any answer but the documented one. */
static void counter_does_as_documented(void **state)
{
    struct world world;
    void *library = NULL;
    struct npr_pid pid;
    struct npr_term get;
    struct npr_term add;
    struct npr_term unknown;
    struct npr_term term;

    (void)state;
    world_open(&world, 2);
    pid = start_counter(&world, &library);
    get = world_atom(&world, "get");
    add = world_atom(&world, "add");
    unknown = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "unknown"));

    check_call(&world, &pid, get, world_int(&world, 0));
    term = WORLD_TUPLE(&world, add, world_int(&world, 5));
    check_call(&world, &pid, term, world_int(&world, 5));
    term = WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), world_atom(&world, "inc"));
    world_send(&world, &pid, term);
    term = WORLD_TUPLE(&world, add, world_int(&world, -2));
    check_call(&world, &pid, term, world_int(&world, 4));
    term = WORLD_TUPLE(&world, add, world_int(&world, INT64_MAX));
    check_call(&world, &pid, term, unknown); /* it would not fit */
    check_call(&world, &pid, get, world_int(&world, 4));
    check_call(&world, &pid, world_atom(&world, "where"), world_atom(&world, "a@h"));
    check_call(&world, &pid, world_atom(&world, "pid"), world_pid(&world, &pid));
    check_call(&world, &pid, world_atom(&world, "what"), unknown);
    check_call(&world, &pid, WORLD_TUPLE(&world, add, get), unknown);

    term = WORLD_TUPLE(&world, world_atom(&world, "ping"), world_pid(&world, &world.probe));
    world_send(&world, &pid, term);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, world_pid(&world, &pid),
                 WORLD_TUPLE(&world, world_atom(&world, "pong"), world_pid(&world, &pid)));

    (void)world_watch(&world, &pid);
    check_call(&world, &pid, world_atom(&world, "stop"), world_atom(&world, "ok"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "normal"));
    world_close(&world);
    (void)dlclose(library);
}

/* Would catch: a crash that answers first, or loses its reason. */
static void counter_crashes_with_the_reason(void **state)
{
    struct world world;
    void *library = NULL;
    struct npr_pid pid;
    struct npr_term reason;

    (void)state;
    world_open(&world, 2);
    pid = start_counter(&world, &library);
    reason = WORLD_TUPLE(&world, world_atom(&world, "my"), world_int(&world, 1));
    (void)world_watch(&world, &pid);
    send_call(&world, &pid, WORLD_TUPLE(&world, world_atom(&world, "crash"), reason));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid), reason);
    world_expect(&world, &world.crashes, NPRI_SIGNAL_MESSAGE, any, reason);
    world_close(&world);
    (void)dlclose(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_does_as_documented),
        cmocka_unit_test(counter_crashes_with_the_reason),
    };

    return cmocka_run_group_tests_name("counter", tests, NULL, NULL);
}
