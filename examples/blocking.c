/* blocking.c - a module: blocking:start/0 starts a process with a thread of its own, whose code may
 * wait for whatever it likes.
 *
 *      call  {sleep,Ms}     -> ok, when the time is over; meanwhile it does nothing else
 *      call  {read,Path}    -> {ok,Line}, the first line of a file; a FIFO's once it is written;
 *                              or {error,Why}
 *      call  {ask,Whom,Term} -> {ok,Reply} of another process, which it calls and waits for, or
 *                              {error,Why}.  Whom is a pid, or {echo,Node}
 *      call  {await,Tag}    -> {ok,Message}, the first that is {Tag,_}: it may have come before;
 *                              or {error,Why}
 *      call  {name,Atom}    -> ok: it is registered by that name; or {error,Why}
 *      call  else           -> {error,unknown}
 *
 *      nprocreg node --name a@127.0.0.1 --module blocking.so */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nprocreg/format.h"
#include "nprocreg/module.h"
#include "nprocreg/names.h"
#include "nprocreg/thread.h"

#define WAIT_MS        5000
#define NAME_BYTES_MAX 255
#define PATH_BYTES_MAX 4095
#define LINE_BYTES_MAX 255

static npr_status answer(struct npr_process *self,
                         const struct npr_from *from,
                         struct npr_builder *built)
{
    struct npr_term reply;
    npr_status status = npr_builder_finish(built, &reply, NULL);

    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static npr_status sleep_and_answer(struct npr_process *self,
                                   const struct npr_from *from,
                                   int64_t ms)
{
    const struct timespec span = {.tv_sec = (time_t)(ms / 1000),
                                  .tv_nsec = (long)(ms % 1000) * 1000000};
    struct npr_builder *built;

    (void)nanosleep(&span, NULL);
    built = npr_scratch(self);
    NPR_BUILD(built, "ok");
    return answer(self, from, built);
}

static npr_status read_and_answer(struct npr_process *self,
                                  const struct npr_from *from,
                                  struct npr_bytes path)
{
    struct npr_builder *built = npr_scratch(self);
    char name[PATH_BYTES_MAX + 1] = {0};
    char line[LINE_BYTES_MAX + 1] = {0};
    FILE *file = NULL;

    if (path.size <= PATH_BYTES_MAX) {
        memcpy(name, path.data, path.size);
        file = fopen(name, "rb");
    }
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
        }
        (void)fclose(file);
        NPR_BUILD(built, "{ok,~b}", line);
    } else {
        NPR_BUILD(built, "{error,~s}", "the file cannot be opened");
    }
    return answer(self, from, built);
}

/* While it waits for the answer everything else waits for it. */
static npr_status ask_and_answer(struct npr_process *self,
                                 const struct npr_from *from,
                                 const struct npr_address *to,
                                 struct npr_term question)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_builder *built;
    struct npr_term term;
    npr_status status;

    if (reply == NULL) {
        return NPR_ENOMEM;
    }
    status = npr_receive_call(self, to, question, WAIT_MS, reply, NULL);
    built = npr_scratch(self);
    if (status == NPR_OK && npr_builder_finish(reply, &term, NULL) == NPR_OK) {
        NPR_BUILD(built, "{ok,~t}", term);
    } else {
        NPR_BUILD(built, "{error,~s}", npr_status_text(status));
    }
    status = answer(self, from, built);
    npr_builder_destroy(reply);
    return status;
}

/* {Tag,_} with this tag; all else stays where it is. */
static bool has_tag(void *user, const struct npr_received *received)
{
    const struct npr_term *tag = user;
    struct npr_term parts[2];

    return received->kind == NPR_RECEIVED_MESSAGE && npr_term_get_tuple(received->term, 2, parts) &&
           npr_term_equal(parts[0], *tag);
}

/* `call` ends with the next receive: who called, and the tag, are kept beyond. */
static npr_status await_and_answer(struct npr_process *self,
                                   const struct npr_from *from,
                                   struct npr_term tag)
{
    struct npr_caller *caller = npr_caller_create(from);
    struct npr_builder *kept = npr_builder_create();
    struct npr_received received;
    struct npr_builder *built;
    npr_status status = NPR_ENOMEM;

    if (caller != NULL && kept != NULL) {
        npr_build_term(kept, tag);
        status = npr_builder_finish(kept, &tag, NULL);
    }
    if (status == NPR_OK) {
        status = npr_receive(self, WAIT_MS, has_tag, &tag, &received);
        built = npr_scratch(self);
        if (status == NPR_OK) {
            NPR_BUILD(built, "{ok,~t}", received.term);
        } else {
            NPR_BUILD(built, "{error,~s}", npr_status_text(status));
        }
        status = answer(self, npr_caller_from(caller), built);
    }
    npr_caller_destroy(caller);
    npr_builder_destroy(kept);
    return status;
}

static npr_status name_and_answer(struct npr_process *self,
                                  const struct npr_from *from,
                                  struct npr_bytes atom)
{
    struct npr_builder *built = npr_scratch(self);
    char name[NAME_BYTES_MAX + 1] = {0};
    npr_status status = NPR_EINVAL;

    if (atom.size <= NAME_BYTES_MAX) {
        memcpy(name, atom.data, atom.size);
        status = npr_register_name(self, name);
    }
    if (status == NPR_OK) {
        NPR_BUILD(built, "ok");
    } else {
        NPR_BUILD(built, "{error,~s}", npr_status_text(status));
    }
    return answer(self, from, built);
}

static npr_status handle_call(struct npr_process *self, const struct npr_received *call)
{
    const struct npr_from *from = &call->from;
    struct npr_address to = {0};
    struct npr_builder *built;
    struct npr_bytes name;
    struct npr_term term;
    int64_t ms;

    if (NPR_MATCH(call->term, "{sleep,~i}", &ms) && ms >= 0) {
        return sleep_and_answer(self, from, ms);
    }
    if (NPR_MATCH(call->term, "{read,~b}", &name)) {
        return read_and_answer(self, from, name);
    }
    if (NPR_MATCH(call->term, "{ask,~p,~t}", &to.pid, &term)) {
        return ask_and_answer(self, from, &to, term);
    }
    if (NPR_MATCH(call->term, "{ask,{echo,~a},~t}", &name, &term) &&
        npr_node_name_parse(name, &to.node, NULL) == NPR_OK) {
        to.name = "echo";
        return ask_and_answer(self, from, &to, term);
    }
    if (NPR_MATCH(call->term, "{await,~t}", &term)) {
        return await_and_answer(self, from, term);
    }
    if (NPR_MATCH(call->term, "{name,~a}", &name)) {
        return name_and_answer(self, from, name);
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "{error,unknown}");
    return answer(self, from, built);
}

static bool is_call(void *user, const struct npr_received *received)
{
    (void)user;
    return received->kind == NPR_RECEIVED_CALL;
}

/* Until it is ended.  What is no call waits for an {await,Tag}. */
static npr_status blocking_run(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;
    npr_status status;

    (void)state;
    (void)args;
    do {
        status = npr_receive(self, NPR_FOREVER, is_call, NULL, &received);
        if (status == NPR_OK) {
            status = handle_call(self, &received);
        }
    } while (status == NPR_OK);
    return status == NPR_EEXIT ? NPR_OK : status;
}

static const struct npr_behaviour blocking_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = blocking_run,
    .mailbox_max = 1000, /* messages that nobody awaits must not pile up for ever */
    .overflow = NPR_OVERFLOW_DROP_OLDEST,
};

static const struct npr_function functions[] = {
    {.name = "start", .behaviour = &blocking_behaviour},
};

static const struct npr_module module = {
    .abi = NPR_MODULE_ABI,
    .name = "blocking",
    .functions = functions,
    .functions_count = sizeof(functions) / sizeof(functions[0]),
};

NPR_MODULE(module)
