/* puppet.c - a module for the interop tests: a native process that does to other processes what it
 * is told, and passes on what it hears.
 *
 *      call {tell,Pid}          from now on Pid gets {heard,Self,Message} for each message
 *      call {link,Pid}, {unlink,Pid}, {exit,Pid,Reason}
 *      call {monitor,Pid}       -> {ok,Ref}
 *      call {demonitor,Ref}
 *      call {trap,true|false}
 *      call {name,Atom}         is registered by that name
 *      call {stop,Reason}       -> ok, and ends with it
 *      call else                -> {error,unknown}
 *
 * puppet:start/0 starts it; puppet:start/1 with {fail,Reason} fails for that reason. */
#include <string.h>

#include "nprocreg/format.h"
#include "nprocreg/module.h"
#include "nprocreg/names.h"

#define NAME_BYTES_MAX 64

struct puppet {
    struct npr_pid owner; /* none: its node's name is empty */
};

static npr_status puppet_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_term reason;

    (void)state;
    return NPR_MATCH(args, "[{fail,~t}]", &reason) ? npr_stop(self, reason) : NPR_OK;
}

static npr_status puppet_reply(struct npr_process *self,
                               const struct npr_from *from,
                               struct npr_builder *built)
{
    struct npr_term reply;
    const npr_status status = npr_builder_finish(built, &reply, NULL);

    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static npr_status puppet_name(struct npr_process *self, struct npr_bytes atom)
{
    char name[NAME_BYTES_MAX] = "";

    if (atom.size >= sizeof(name)) {
        return NPR_EINVAL;
    }
    memcpy(name, atom.data, atom.size);
    return npr_register_name(self, name);
}

/* Does what is asked; NPR_ENOTFOUND: it is none of these. */
static npr_status puppet_obey(struct npr_process *self,
                              struct puppet *puppet,
                              struct npr_term request)
{
    struct npr_term reason;
    struct npr_bytes name;
    struct npr_pid pid;
    struct npr_ref ref;

    if (NPR_MATCH(request, "{name,~a}", &name)) {
        return puppet_name(self, name);
    }
    if (NPR_MATCH(request, "{tell,~p}", &pid)) {
        puppet->owner = pid;
        return NPR_OK;
    }
    if (NPR_MATCH(request, "{link,~p}", &pid)) {
        return npr_link(self, &pid);
    }
    if (NPR_MATCH(request, "{unlink,~p}", &pid)) {
        return npr_unlink(self, &pid);
    }
    if (NPR_MATCH(request, "{demonitor,~r}", &ref)) {
        return npr_demonitor(self, &ref);
    }
    if (NPR_MATCH(request, "{exit,~p,~t}", &pid, &reason)) {
        return npr_exit(self, &pid, reason);
    }
    if (NPR_MATCH(request, "{trap,true}") || NPR_MATCH(request, "{trap,false}")) {
        npr_trap_exit(self, NPR_MATCH(request, "{trap,true}"));
        return NPR_OK;
    }
    if (NPR_MATCH(request, "{stop,~t}", &reason)) {
        return npr_stop(self, reason);
    }
    return NPR_ENOTFOUND;
}

static npr_status puppet_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    struct npr_builder *reply;
    npr_status status = NPR_OK;
    struct npr_pid pid;
    struct npr_ref ref;

    if (NPR_MATCH(request, "{monitor,~p}", &pid)) {
        status = npr_monitor(self, &pid, &ref);
        reply = npr_scratch(self);
        NPR_BUILD(reply, "{ok,~r}", &ref);
    } else {
        status = puppet_obey(self, state, request);
        reply = npr_scratch(self);
        NPR_BUILD(reply, status == NPR_OK ? "ok" : "{error,unknown}");
        status = status == NPR_ENOTFOUND ? NPR_OK : status;
    }
    return status == NPR_OK ? puppet_reply(self, from, reply) : status;
}

static npr_status puppet_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct puppet *puppet = state;
    const struct npr_pid pid = npr_self(self);
    struct npr_builder *built = npr_scratch(self);
    struct npr_term heard;
    npr_status status;

    if (puppet->owner.node.size == 0) {
        return NPR_OK;
    }
    NPR_BUILD(built, "{heard,~p,~t}", &pid, message);
    status = npr_builder_finish(built, &heard, NULL);
    return status == NPR_OK ? npr_send(self, &puppet->owner, heard) : status;
}

static const struct npr_behaviour puppet_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct puppet),
    .init = puppet_init,
    .call = puppet_call,
    .info = puppet_info,
};

static const struct npr_function puppet_functions[] = {
    {.name = "start", .arity = 0, .behaviour = &puppet_behaviour},
    {.name = "start", .arity = 1, .behaviour = &puppet_behaviour},
};

static const struct npr_module puppet_module = {
    .abi = NPR_MODULE_ABI,
    .name = "puppet",
    .functions = puppet_functions,
    .functions_count = 2,
};

NPR_MODULE(puppet_module)
