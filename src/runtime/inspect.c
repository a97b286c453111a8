/* What can be told of processes from outside: `nprocreg ps`. */
#include "base/alloc.h"
#include "runtime/internal.h"

static void process_tell(struct npr_process *process, struct npri_process_info *out)
{
    const struct npri_runtime *runtime = process->origin->runtime;

    /* relaxed all: figures. */
    *out = (struct npri_process_info){
        .pid = {.node = runtime->options.node,
                .id = process->local.id,
                .serial = process->local.serial,
                .creation = runtime->options.creation},
        .function = process->origin->function,
        .state_bytes = process->origin->behaviour->state_bytes,
        .waiting = npri_process_waiting(process),
        .handled = atomic_load_explicit(&process->taken, memory_order_relaxed),
        .overflowed = atomic_load_explicit(&process->overflowed, memory_order_relaxed),
        .relations = atomic_load_explicit(&process->relations_count, memory_order_relaxed),
        .busy_ns = atomic_load_explicit(&process->busy_ns, memory_order_relaxed),
    };
}

/* The processes of one shard, copied under its lock. */
struct gathering {
    struct npri_process_info *infos;
    uint32_t count;
    bool failed;
};

static bool gathering_before(void *user, uint32_t count)
{
    struct gathering *gathering = user;

    if (count == 0) {
        return false;
    }
    gathering->infos = npri_alloc_zeroed(count, sizeof(*gathering->infos));
    gathering->failed = gathering->infos == NULL;
    return !gathering->failed;
}

static void gathering_visit(void *user, struct npr_process *process)
{
    struct gathering *gathering = user;

    process_tell(process, &gathering->infos[gathering->count++]);
}

npr_status npri_runtime_each(struct npri_runtime *runtime,
                             void (*visit)(void *user, const struct npri_process_info *info),
                             void *user)
{
    bool complete = true;

    for (unsigned shard = 0; shard < NPRI_TABLE_SHARDS; shard++) {
        struct gathering gathering = {0};

        npri_table_visit_shard(&runtime->table, shard,
                               &(struct npri_table_visit){.before = gathering_before,
                                                          .visit = gathering_visit,
                                                          .user = &gathering});
        for (uint32_t i = 0; i < gathering.count; i++) {
            visit(user, &gathering.infos[i]);
        }
        npri_free(gathering.infos);
        complete = complete && !gathering.failed;
    }
    return complete ? NPR_OK : NPR_ENOMEM;
}

static void info_visit(void *user, struct npr_process *process)
{
    process_tell(process, user);
}

bool npri_runtime_info(struct npri_runtime *runtime,
                       const struct npr_pid *pid,
                       struct npri_process_info *out)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    return pid->creation == runtime->options.creation &&
           npr_node_name_equal(&pid->node, &runtime->options.node) &&
           npri_table_visit_one(&runtime->table, local,
                                &(struct npri_table_visit){.visit = info_visit, .user = out});
}
