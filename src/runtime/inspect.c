/* What can be told of processes from outside: `nprocreg ps`. */
#include "base/limits.h"
#include "runtime/internal.h"
#include "runtime/ranking.h"
#include "term/write.h"

_Static_assert(NPRI_RUNTIME_PARTS == NPRI_TABLE_SHARDS, "a part is a shard");

static enum npr_process_status process_status(struct npr_process *process)
{
    if (npri_process_is_suspended(process)) {
        return NPR_PROCESS_SUSPENDED;
    }
    /* relaxed: a figure. */
    return atomic_load_explicit(&process->mailbox.head, memory_order_relaxed) == &npri_mailbox_idle
               ? NPR_PROCESS_WAITING
               : NPR_PROCESS_RUNNING;
}

/* Under the lock of its shard. */
static void process_tell(struct npr_process *process, struct npri_process_info *out)
{
    /* relaxed all: figures. */
    *out = (struct npri_process_info){
        .id = process->local.id,
        .serial = process->local.serial,
        .status = process_status(process),
        .named = process->named,
        .function = process->origin->function,
        .state_bytes = process->origin->behaviour->state_bytes,
        .waiting = npri_process_waiting(process),
        .handled = atomic_load_explicit(&process->taken, memory_order_relaxed),
        .overflowed = atomic_load_explicit(&process->overflowed, memory_order_relaxed),
        .relations = atomic_load_explicit(&process->relations_count, memory_order_relaxed),
        .busy_ns = atomic_load_explicit(&process->busy_ns, memory_order_relaxed),
    };
}

struct survey {
    struct npri_ranking *ranking;
    uint32_t count;
};

static void survey_visit(void *user, struct npr_process *process)
{
    struct survey *survey = user;
    struct npri_process_info info;

    process_tell(process, &info);
    npri_ranking_offer(survey->ranking, &info);
    survey->count++;
}

uint32_t npri_runtime_rank(struct npri_runtime *runtime,
                           unsigned part,
                           struct npri_ranking *ranking)
{
    struct survey survey = {.ranking = ranking};

    npri_table_visit_shard(&runtime->table, part,
                           &(struct npri_table_visit){.visit = survey_visit, .user = &survey});
    return survey.count;
}

static void info_visit(void *user, struct npr_process *process)
{
    process_tell(process, user);
}

static bool is_ours(const struct npri_runtime *runtime, const struct npr_pid *pid)
{
    return pid->creation == runtime->options.creation &&
           npr_node_name_equal(&pid->node, &runtime->options.node);
}

bool npri_runtime_info(struct npri_runtime *runtime,
                       const struct npr_pid *pid,
                       struct npri_process_info *out)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    return is_ours(runtime, pid) &&
           npri_table_visit_one(&runtime->table, local,
                                &(struct npri_table_visit){.visit = info_visit, .user = out});
}

struct npr_pid npri_runtime_pid_of(const struct npri_runtime *runtime, uint32_t id, uint32_t serial)
{
    return npri_runtime_pid(runtime, (struct npri_local){.id = id, .serial = serial});
}

void npri_runtime_names(struct npri_runtime *runtime,
                        const struct npr_pid *pid,
                        void (*visit)(void *user, struct npr_bytes name),
                        void *user)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    if (is_ours(runtime, pid)) {
        npri_names_each_of(&runtime->names, local, visit, user);
    }
}

/* ---- Links and monitors, told by the process itself. */

struct telling {
    enum npri_relation_kind kind;
    struct npr_term except; /* who asks monitors it meanwhile, by this reference */
    struct npri_buffer terms;
    uint32_t count;
};

static void telling_visit(void *user, const struct npri_relation *relation)
{
    struct telling *telling = user;

    if (relation->kind != telling->kind ||
        (relation->kind == NPRI_RELATION_LINK && relation->unlink_id != 0) ||
        (relation->kind == NPRI_RELATION_WATCHED &&
         npr_term_equal(npri_relation_ref(relation), telling->except))) {
        return;
    }
    if (relation->kind == NPRI_RELATION_WATCHING) {
        npri_put_tuple(&telling->terms, 2);
        npri_put_atom(&telling->terms, "process");
    }
    npri_put_term(&telling->terms, npri_relation_peer(relation));
    telling->count++;
}

/* The list of those of one kind, as erlang:process_info/2 has it. */
static void put_relations(const struct npr_process *process,
                          enum npri_relation_kind kind,
                          struct npr_term except,
                          struct npri_buffer *out)
{
    struct telling telling = {.kind = kind, .except = except};

    npri_buffer_init(&telling.terms, 0);
    npri_relations_each(&process->relations, telling_visit, &telling);
    npri_put_list_of(out, telling.count, &telling.terms);
    npri_buffer_fini(&telling.terms);
}

enum npri_verdict npri_process_tell_relations(struct npr_process *process,
                                              const struct npri_signal *signal)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = signal->from};
    struct npri_buffer answer;
    npr_status status = NPR_ENOMEM;

    npri_buffer_init(&answer, 0);
    npri_put_tuple(&answer, 2);
    npri_put_term(&answer, signal->ref);
    if (process->relations.count > NPRI_RELATIONS_TOLD_MAX) {
        npri_put_atom(&answer, "too_many");
    } else {
        npri_put_tuple(&answer, 3);
        put_relations(process, NPRI_RELATION_LINK, signal->ref, &answer);
        put_relations(process, NPRI_RELATION_WATCHING, signal->ref, &answer);
        put_relations(process, NPRI_RELATION_WATCHED, signal->ref, &answer);
    }
    if (!answer.failed) {
        const struct npr_term term = {.data = answer.data, .size = answer.size};

        status = npri_process_send(process, &draft, &term, 1);
    }
    npri_buffer_fini(&answer);
    return status == NPR_ENOMEM ? NPRI_AGAIN : NPRI_GO_ON;
}
