/* witness.c - a module: witness:start/0 starts a process that counts the requests that it carries
 * out, and tells the referee of its start, of each request before it answers, and of its end.  One
 * that loses its key ends, if it was started by start/0; by rest/0, it lives on and does nothing.
 *
 *      call  {op,Key,Client,Seq}  -> {ok,Token,Count}, with this request counted; {error,moved}: it
 *                                    rests
 *      call  stop                 -> ok, and it ends */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

#include "nprocreg/format.h"
#include "nprocreg/module.h"

#define PID_TEXT_BYTES_MAX 320

struct witness {
    char pid[PID_TEXT_BYTES_MAX];
    uint64_t token;
    int64_t key;
    int64_t count;
    bool rests;
};

/* A name for the process that no other has had: with the creation of its node. */
static void witness_name(const struct npr_pid *pid, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%.*s.%u.%u.%u", (int)pid->node.size, pid->node.text,
                   (unsigned)pid->id, (unsigned)pid->serial, (unsigned)pid->creation);
}

static npr_status witness_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct witness *witness = state;
    const struct npr_term given = npr_start_state(self);
    const uint64_t now_ns = report_now_ns();
    const struct npr_pid pid = npr_self(self);

    (void)args;
    if (!NPR_MATCH(npr_start_key(self), "{key,~i}", &witness->key)) {
        return NPR_EINVAL;
    }
    if (given.data != NULL && !npr_term_get_int64(given, &witness->count)) {
        return NPR_EINVAL;
    }
    witness_name(&pid, witness->pid, sizeof(witness->pid));
    witness->token = npr_start_token(self);
    report("start %llu %s %lld %llu %lld", (unsigned long long)now_ns, witness->pid,
           (long long)witness->key, (unsigned long long)witness->token, (long long)witness->count);
    return NPR_OK;
}

static npr_status witness_answer(struct npr_process *self,
                                 const struct npr_from *from,
                                 struct npr_builder *built)
{
    struct npr_term reply;
    npr_status status = npr_builder_finish(built, &reply, NULL);

    return status == NPR_OK ? npr_reply(self, from, reply) : status;
}

static npr_status witness_stop(struct npr_process *self, const struct npr_from *from)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term normal;
    npr_status status;

    NPR_BUILD(built, "ok");
    status = witness_answer(self, from, built);
    if (status != NPR_OK) {
        return status;
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "normal");
    status = npr_builder_finish(built, &normal, NULL);
    return status == NPR_OK ? npr_stop(self, normal) : status;
}

static npr_status witness_call(struct npr_process *self,
                               void *state,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct witness *witness = state;
    struct npr_builder *built = npr_scratch(self);
    int64_t client;
    int64_t seq;
    int64_t key;

    if (NPR_MATCH(request, "stop")) {
        return witness_stop(self, from);
    }
    if (witness->rests) {
        NPR_BUILD(built, "{error,moved}");
    } else if (NPR_MATCH(request, "{op,~i,~i,~i}", &key, &client, &seq) && key == witness->key) {
        witness->count++;
        report("op %llu %s %lld %lld %lld", (unsigned long long)report_now_ns(), witness->pid,
               (long long)client, (long long)seq, (long long)witness->count);
        NPR_BUILD(built, "{ok,~u,~i}", witness->token, witness->count);
    } else {
        NPR_BUILD(built, "{error,unknown}");
    }
    return witness_answer(self, from, built);
}

/* Its count goes to the next process of the key; from here on it must not do anything. */
static npr_status witness_handover(struct npr_process *self, void *state, struct npr_builder *out)
{
    struct witness *witness = state;

    (void)self;
    report("gave %llu %s", (unsigned long long)report_now_ns(), witness->pid);
    npr_build_int(out, witness->count);
    return NPR_OK;
}

/* Another process keeps its key, and gets its count. */
static npr_status witness_conflict(struct npr_process *self,
                                   void *state,
                                   const struct npr_conflict *conflict,
                                   struct npr_builder *out)
{
    struct witness *witness = state;
    char winner[PID_TEXT_BYTES_MAX];

    (void)self;
    witness->rests = true;
    witness_name(&conflict->winner, winner, sizeof(winner));
    report("lost %llu %s %s %llu %lld", (unsigned long long)report_now_ns(), witness->pid, winner,
           (unsigned long long)conflict->token, (long long)witness->count);
    npr_build_int(out, witness->count);
    return NPR_OK;
}

/* What a loser has given along; its side of a partition; or there is no next process after all. */
static npr_status witness_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct witness *witness = state;
    const unsigned long long now_ns = report_now_ns();
    char other[PID_TEXT_BYTES_MAX];
    struct npr_pid loser;
    int64_t count;
    int64_t key;

    (void)self;
    if (NPR_MATCH(message, "{nprocreg,handover,failed}")) {
        report("kept %llu %s", now_ns, witness->pid);
    } else if (NPR_MATCH(message, "{nprocreg,handover,{key,~i},~p,~i}", &key, &loser, &count)) {
        witness_name(&loser, other, sizeof(other));
        report("took %llu %s %s %lld", now_ns, witness->pid, other, (long long)count);
    } else if (NPR_MATCH(message, "{nprocreg,quorum,lost}")) {
        report("told %llu %s lost", now_ns, witness->pid);
    } else if (NPR_MATCH(message, "{nprocreg,quorum,regained}")) {
        report("told %llu %s regained", now_ns, witness->pid);
    }
    return NPR_OK;
}

/* The reason without blanks, so that it stays one word of the line. */
static void witness_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct witness *witness = state;
    char *text = npr_term_print(reason);

    (void)self;
    for (char *at = text; at != NULL && *at != '\0'; at++) {
        if (*at <= ' ') {
            *at = '_';
        }
    }
    report("end %llu %s %.100s", (unsigned long long)report_now_ns(), witness->pid,
           text == NULL ? "?" : text);
    free(text);
}

static const struct npr_behaviour witness_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct witness),
    .init = witness_init,
    .call = witness_call,
    .info = witness_info,
    .terminate = witness_terminate,
    .handover = witness_handover,
    .conflict = witness_conflict,
};

static const struct npr_behaviour resting_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct witness),
    .init = witness_init,
    .call = witness_call,
    .info = witness_info,
    .terminate = witness_terminate,
    .handover = witness_handover,
    .conflict = witness_conflict,
    .on_conflict = NPR_CONFLICT_NOTIFY,
};

static const struct npr_function witness_functions[] = {
    {.name = "start", .arity = 0, .behaviour = &witness_behaviour},
    {.name = "rest", .arity = 0, .behaviour = &resting_behaviour},
};

static const struct npr_module witness_module = {
    .abi = NPR_MODULE_ABI,
    .name = "witness",
    .functions = witness_functions,
    .functions_count = 2,
};

NPR_MODULE(witness_module)

/* When it is loaded, which is before the node starts: no process can be earlier. */
static void __attribute__((constructor)) witness_load(void)
{
    if (!report_open() || !report_beats()) {
        (void)fprintf(stderr, "witness: no referee\n");
        abort();
    }
}
