/* counter.c - a module: counter:start/0 starts a process that counts, counter:start/1 one that
 * begins with a given total, counter:permanent/0 one that is started again when it ends.
 *
 *      call  get         -> the total                 cast  inc          adds 1
 *      call  {add,N}     -> the total with N added    message {ping,Pid} sends {pong,Self} to Pid
 *      call  where       -> the name of its node
 *      call  pid         -> its own pid
 *      call  stop        -> ok, and exits with reason normal
 *      call  {crash,R}   exits with reason R, without an answer
 *      call  else        -> {error,unknown}
 *
 * When its node is drained it goes on from its total on another one.  When two have counted under
 * one key, in parts of the cluster that could not see each other, the one that stays adds what the
 * other had.
 *
 *      nprocreg node --name a@127.0.0.1 --module counter.so */
#include "nprocreg/format.h"
#include "nprocreg/module.h"

struct counter {
    int64_t total;
};

/* Answers with what has been built. */
static npr_status counter_reply(struct npr_process *self,
                                const struct npr_from *from,
                                struct npr_builder *built)
{
    struct npr_term reply;
    npr_status status = npr_builder_finish(built, &reply, NULL);

    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static npr_status counter_stop(struct npr_process *self, const struct npr_from *from)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term normal;
    npr_status status;

    NPR_BUILD(built, "ok");
    status = counter_reply(self, from, built);
    if (status != NPR_OK) {
        return status;
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "normal");
    status = npr_builder_finish(built, &normal, NULL);
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

static npr_status counter_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct counter *counter = state;
    struct npr_builder *reply = npr_scratch(self);
    struct npr_pid pid = npr_self(self);
    struct npr_term reason;
    int64_t value;

    if (NPR_MATCH(request, "{crash,~t}", &reason)) {
        return npr_stop(self, reason);
    }
    if (NPR_MATCH(request, "stop")) {
        return counter_stop(self, from);
    }
    if (NPR_MATCH(request, "get") ||
        (NPR_MATCH(request, "{add,~i}", &value) && counter_add(counter, value))) {
        NPR_BUILD(reply, "~i", counter->total);
    } else if (NPR_MATCH(request, "where")) {
        const struct npr_bytes node = {.data = (const uint8_t *)pid.node.text,
                                       .size = pid.node.size};

        NPR_BUILD(reply, "~a", node);
    } else if (NPR_MATCH(request, "pid")) {
        NPR_BUILD(reply, "~p", &pid);
    } else {
        NPR_BUILD(reply, "{error,unknown}");
    }
    return counter_reply(self, from, reply);
}

static npr_status counter_cast(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    if (NPR_MATCH(message, "inc")) {
        (void)counter_add(state, 1); /* nobody waits to hear that it is full */
    }
    return NPR_OK;
}

static npr_status counter_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_pid pid = npr_self(self);
    struct npr_builder *built;
    struct npr_term pong;
    struct npr_pid asker;
    int64_t value;
    npr_status status;

    if (NPR_MATCH(message, "{nprocreg,handover,_,_,~i}", &value)) {
        (void)counter_add(state, value); /* what the other one had */
        return NPR_OK;
    }
    if (!NPR_MATCH(message, "{ping,~p}", &asker)) {
        return NPR_OK;
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "{pong,~p}", &pid);
    status = npr_builder_finish(built, &pong, NULL);
    return status == NPR_OK ? npr_send(self, &asker, pong) : status;
}

/* The total: for the process that takes over when this node is drained, */
static npr_status counter_handover(struct npr_process *self, void *state, struct npr_builder *out)
{
    const struct counter *counter = state;

    (void)self;
    NPR_BUILD(out, "~i", counter->total);
    return NPR_OK;
}

/* and for the one that stays when two have lived under this key. */
static npr_status counter_conflict(struct npr_process *self,
                                   void *state,
                                   const struct npr_conflict *conflict,
                                   struct npr_builder *out)
{
    (void)conflict;
    return counter_handover(self, state, out);
}

/* [] or [Total]; but what has been handed over comes first. */
static npr_status counter_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct counter *counter = state;
    struct npr_term total = npr_start_state(self);
    struct npr_term_walk walk;

    if ((total.data != NULL || (npr_term_list(args, &walk) && npr_term_next(&walk, &total))) &&
        !npr_term_get_int64(total, &counter->total)) {
        return NPR_EINVAL;
    }
    return NPR_OK;
}

static const struct npr_behaviour counter_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct counter),
    .init = counter_init,
    .call = counter_call,
    .cast = counter_cast,
    .info = counter_info,
    .conflict = counter_conflict,
    .handover = counter_handover,
};

/* The same, and whatever it ends with it is there again, from 0. */
static const struct npr_behaviour counter_permanent = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct counter),
    .init = counter_init,
    .call = counter_call,
    .cast = counter_cast,
    .info = counter_info,
    .restart = NPR_RESTART_PERMANENT,
    .conflict = counter_conflict,
    .handover = counter_handover,
};

static const struct npr_function counter_functions[] = {
    {.name = "start", .arity = 0, .behaviour = &counter_behaviour},
    {.name = "start", .arity = 1, .behaviour = &counter_behaviour},
    {.name = "permanent", .arity = 0, .behaviour = &counter_permanent},
};

static const struct npr_module counter_module = {
    .abi = NPR_MODULE_ABI,
    .name = "counter",
    .functions = counter_functions,
    .functions_count = 3,
};

NPR_MODULE(counter_module)
