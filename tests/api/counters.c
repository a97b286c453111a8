#include "counters.h"

#include <stdio.h>
#include <time.h>

/* ---- A process to talk to. */

struct counter {
    int64_t total;
};

atomic_int counters_alive;

static npr_status counter_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct counter *counter = state;
    struct npr_term_walk walk;
    struct npr_term item;
    int64_t value;

    (void)self;
    if (npr_term_list(args, &walk)) {
        while (npr_term_next(&walk, &item) && npr_term_get_int64(item, &value)) {
            counter->total += value;
        }
    }
    atomic_fetch_add(&counters_alive, 1);
    return NPR_OK;
}

static npr_status counter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct counter *counter = state;
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term reply;
    struct npr_pid pid = npr_self(self);

    if (npr_term_is_atom(request, "silence")) {
        return NPR_OK;
    }
    if (npr_term_is_atom(request, "stop")) {
        return NPR_EREFUSED; /* ends with {error,erefused} and no reply */
    }
    if (npr_term_is_atom(request, "pid")) {
        npr_build_pid(scratch, &pid);
    } else {
        counter->total++;
        npr_build_int(scratch, counter->total);
    }
    return npr_builder_finish(scratch, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                               : NPR_ENOMEM;
}

static npr_status counter_cast(struct npr_process *self, void *state, struct npr_term message)
{
    struct counter *counter = state;

    (void)self;
    if (npr_term_is_atom(message, "inc")) {
        counter->total += 100;
    }
    return NPR_OK;
}

static npr_status counter_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct counter *counter = state;

    (void)self;
    if (npr_term_is_atom(message, "thousand")) {
        counter->total += 1000;
    }
    return NPR_OK;
}

static void counter_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    atomic_fetch_sub(&counters_alive, 1);
}

static const struct npr_behaviour counter_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct counter),
    .init = counter_init,
    .call = counter_call,
    .cast = counter_cast,
    .info = counter_info,
    .terminate = counter_terminate,
};

static npr_status failing_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    return NPR_EREFUSED;
}

static const struct npr_behaviour failing_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = failing_init,
};

static const struct npr_function functions[] = {
    {.name = "start", .arity = 0, .behaviour = &counter_behaviour},
    {.name = "start", .arity = 2, .behaviour = &counter_behaviour},
    {.name = "fail", .arity = 0, .behaviour = &failing_behaviour},
};

const struct npr_module counters_module = {
    .abi = NPR_MODULE_ABI,
    .name = "counter",
    .functions = functions,
    .functions_count = 3,
};

/* ---- Nodes. */

struct npr_node_options counters_options(const char *name)
{
    return nodes_options(name, &counters_module);
}

struct npr_node *counters_start_node(const struct npr_node_options *options)
{
    struct npr_node *node = NULL;
    struct npr_error err = {0};

    if (npr_node_start(options, &node, &err) != NPR_OK) {
        fail_msg("%s", err.text);
    }
    return node;
}

void counters_start(size_t count)
{
    nodes_start(count, &counters_module);
}

/* ---- Keys. */

npr_status counters_get(struct npr_node *node, int64_t number, bool starts, struct npr_found *out)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_error err = {0};
    struct npr_term key;
    npr_status status;

    npr_build_tuple(builder, 2);
    npr_build_atom(builder, "user");
    npr_build_int(builder, number);
    assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
    status = npr_get_pid(node, key, "counter", starts ? "start" : NULL, TIMEOUT_MS, out, &err);
    if (status != NPR_OK && status != NPR_ENOTFOUND) {
        (void)fprintf(stderr, "get %lld: %s: %s\n", (long long)number, npr_status_name(status),
                      err.text);
    }
    npr_builder_destroy(builder);
    return status;
}

struct npr_term counters_atom(struct npr_builder *builder, const char *atom)
{
    struct npr_term term = {0};

    npr_builder_reset(builder);
    npr_build_atom(builder, atom);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    return term;
}

void counters_wait_until_gone(struct npr_node *node, struct npr_term key)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct npr_found found;

    for (unsigned i = 0; npr_get_pid(node, key, NULL, NULL, TIMEOUT_MS, &found, NULL) == NPR_OK;
         i++) {
        assert_true(i < 5000);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(npr_get_pid(node, key, NULL, NULL, TIMEOUT_MS, &found, NULL), NPR_ENOTFOUND);
}

/* ---- Messages. */

npr_status counters_call(struct npr_node *node,
                         const struct npr_address *to,
                         const char *atom,
                         uint32_t timeout_ms,
                         struct npr_builder *reply)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_term term;
    npr_status status;

    npr_build_atom(request, atom);
    assert_int_equal(npr_builder_finish(request, &term, NULL), NPR_OK);
    status = npr_node_call(node, to, term, timeout_ms, reply, NULL);
    npr_builder_destroy(request);
    return status;
}

int64_t counters_reply(struct npr_builder *reply)
{
    struct npr_term term;
    int64_t number;

    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    assert_true(npr_term_get_int64(term, &number));
    npr_builder_reset(reply);
    return number;
}

void counters_send(struct npr_node *node, const struct npr_address *to, const char *atom, bool cast)
{
    struct npr_builder *message = npr_builder_create();
    struct npr_term term;

    npr_build_atom(message, atom);
    assert_int_equal(npr_builder_finish(message, &term, NULL), NPR_OK);
    assert_int_equal(cast ? npr_node_cast(node, to, term) : npr_node_send(node, to, term), NPR_OK);
    npr_builder_destroy(message);
}
