/* counter.c - a module with one function: counter:start/0 starts a process that counts.
 *
 *      call  get         -> the total                 cast  inc          adds 1
 *      call  {add,N}     -> the total with N added    message {ping,Pid} sends {pong,Self} to Pid
 *      call  where       -> the name of its node
 *      call  pid         -> its own pid
 *      call  stop        -> ok, and exits with reason normal
 *      call  {crash,R}   exits with reason R, without an answer
 *      call  else        -> {error,unknown}
 *
 *      nprocreg node --name a@127.0.0.1 --module counter.so */
#include "nprocreg/module.h"

struct counter {
    int64_t total;
};

static npr_status counter_reply_with(struct npr_process *self,
                                     const struct npr_from *from,
                                     struct npr_builder *built)
{
    struct npr_term reply;
    npr_status status = npr_builder_finish(built, &reply, NULL);

    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static npr_status counter_reply_int(struct npr_process *self,
                                    const struct npr_from *from,
                                    int64_t value)
{
    struct npr_builder *reply = npr_scratch(self);

    npr_build_int(reply, value);
    return counter_reply_with(self, from, reply);
}

static npr_status counter_reply_atom(struct npr_process *self,
                                     const struct npr_from *from,
                                     struct npr_bytes text)
{
    struct npr_builder *reply = npr_scratch(self);

    npr_build_atom_bytes(reply, text);
    return counter_reply_with(self, from, reply);
}

static npr_status counter_reply_unknown(struct npr_process *self, const struct npr_from *from)
{
    struct npr_builder *reply = npr_scratch(self);

    npr_build_tuple(reply, 2);
    npr_build_atom(reply, "error");
    npr_build_atom(reply, "unknown");
    return counter_reply_with(self, from, reply);
}

static npr_status counter_stop(struct npr_process *self, const struct npr_from *from)
{
    struct npr_builder *reason;
    struct npr_term normal;
    npr_status status = counter_reply_atom(self, from, npr_bytes_of("ok"));

    if (status != NPR_OK) {
        return status;
    }
    reason = npr_scratch(self);
    npr_build_atom(reason, "normal");
    status = npr_builder_finish(reason, &normal, NULL);
    return status == NPR_OK ? npr_stop(self, normal) : status;
}

/* False: the sum does not fit. */
static bool counter_add(struct counter *counter, int64_t value)
{
    if (value > 0 ? counter->total > INT64_MAX - value : counter->total < INT64_MIN - value) {
        return false;
    }
    counter->total += value;
    return true;
}

static npr_status counter_call_pair(struct npr_process *self,
                                    struct counter *counter,
                                    const struct npr_from *from,
                                    const struct npr_term pair[2])
{
    int64_t value;

    if (npr_term_is_atom(pair[0], "crash")) {
        return npr_stop(self, pair[1]);
    }
    if (npr_term_is_atom(pair[0], "add") && npr_term_get_int64(pair[1], &value) &&
        counter_add(counter, value)) {
        return counter_reply_int(self, from, counter->total);
    }
    return counter_reply_unknown(self, from);
}

static npr_status counter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct counter *counter = state;
    struct npr_pid pid = npr_self(self);
    struct npr_term pair[2];

    if (npr_term_is_atom(request, "get")) {
        return counter_reply_int(self, from, counter->total);
    }
    if (npr_term_is_atom(request, "where")) {
        const struct npr_bytes node = {.data = (const uint8_t *)pid.node.text,
                                       .size = pid.node.size};

        return counter_reply_atom(self, from, node);
    }
    if (npr_term_is_atom(request, "pid")) {
        struct npr_builder *reply = npr_scratch(self);

        npr_build_pid(reply, &pid);
        return counter_reply_with(self, from, reply);
    }
    if (npr_term_is_atom(request, "stop")) {
        return counter_stop(self, from);
    }
    if (npr_term_get_tuple(request, 2, pair)) {
        return counter_call_pair(self, counter, from, pair);
    }
    return counter_reply_unknown(self, from);
}

static npr_status counter_cast(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    if (npr_term_is_atom(message, "inc")) {
        (void)counter_add(state, 1); /* nobody waits to hear that it is full */
    }
    return NPR_OK;
}

static npr_status counter_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_builder *pong;
    struct npr_term pair[2];
    struct npr_term answer;
    struct npr_pid asker;
    struct npr_pid pid;
    npr_status status;

    (void)state;
    if (!npr_term_get_tuple(message, 2, pair) || !npr_term_is_atom(pair[0], "ping") ||
        !npr_term_get_pid(pair[1], &asker)) {
        return NPR_OK;
    }
    pid = npr_self(self);
    pong = npr_scratch(self);
    npr_build_tuple(pong, 2);
    npr_build_atom(pong, "pong");
    npr_build_pid(pong, &pid);
    status = npr_builder_finish(pong, &answer, NULL);
    return status == NPR_OK ? npr_send(self, &asker, answer) : status;
}

static const struct npr_behaviour counter_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct counter),
    .call = counter_call,
    .cast = counter_cast,
    .info = counter_info,
};

static const struct npr_function counter_functions[] = {
    {.name = "start", .arity = 0, .behaviour = &counter_behaviour},
};

static const struct npr_module counter_module = {
    .abi = NPR_MODULE_ABI,
    .name = "counter",
    .functions = counter_functions,
    .functions_count = 1,
};

NPR_MODULE(counter_module)
