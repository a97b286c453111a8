/* How a process comes to be. */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "runtime/internal.h"

static const struct npr_term no_term;

/* The kept copy of `text`; NULL: no memory.  There are as many as functions, which are few. */
static const char *runtime_function(struct npri_runtime *runtime, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    struct npri_function_name *at;

    (void)pthread_mutex_lock(&runtime->setup_mutex);
    at = runtime->functions;
    while (at != NULL && strcmp(at->text, text) != 0) {
        at = at->next;
    }
    if (at == NULL) {
        at = npri_alloc(sizeof(*at) + bytes);
        if (at != NULL) {
            memcpy(at->text, text, bytes);
            at->next = runtime->functions;
            runtime->functions = at;
        }
    }
    (void)pthread_mutex_unlock(&runtime->setup_mutex);
    return at == NULL ? NULL : at->text;
}

static bool process_add_parent(struct npr_process *process, const struct npri_spawn *spawn)
{
    struct npri_relation *link = NULL;
    struct npri_relation *watched = NULL;
    struct npri_local local;

    if (spawn->link) {
        link = npri_relation_create(process->runtime->options.hash_key, NPRI_RELATION_LINK,
                                    spawn->parent, no_term, no_term);
    }
    if (spawn->monitor) {
        watched = npri_relation_create(process->runtime->options.hash_key, NPRI_RELATION_WATCHED,
                                       spawn->parent, spawn->monitor_ref, no_term);
    }
    if (link != NULL) {
        npri_relations_add(&process->relations, link);
    }
    if (watched != NULL) {
        npri_relations_add(&process->relations, watched);
    }
    if ((spawn->link || spawn->monitor) &&
        npri_pid_place(process->runtime, spawn->parent, &local) == NPRI_PLACE_AWAY) {
        atomic_store_explicit(&process->has_remote, true, memory_order_relaxed);
    }
    return (link != NULL) == spawn->link && (watched != NULL) == spawn->monitor;
}

static bool process_add_start(struct npr_process *process, const struct npri_spawn *spawn)
{
    struct npri_start *start = npri_alloc(sizeof(*start) + spawn->args.size);
    uint8_t *args = (uint8_t *)(start + 1);

    process->start = start;
    if (start == NULL) {
        return false;
    }
    *start = (struct npri_start){.started = spawn->started, .user = spawn->started_user};
    if (spawn->args.data != NULL) {
        memcpy(args, spawn->args.data, spawn->args.size);
        start->args = (struct npr_term){.data = args, .size = spawn->args.size};
    }
    return true;
}

static bool process_add_leader(struct npr_process *process, const struct npri_spawn *spawn)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_GROUP_LEADER, .from = spawn->leader};

    if (spawn->leader.data == NULL) {
        return true;
    }
    process->leader = npri_signal_create(&draft);
    return process->leader != NULL;
}

static bool process_add_idle(struct npr_process *process)
{
    const uint64_t idle_ms = process->behaviour->idle_ms;

    if (idle_ms == 0) {
        return true;
    }
    process->idle = npri_alarm_create(process, no_term, no_term);
    process->active = true; /* it has just been born */
    if (process->idle != NULL) {
        process->idle->period_ns =
            (idle_ms < NPR_TIMER_MS_MAX ? idle_ms : NPR_TIMER_MS_MAX) * NPRI_NS_PER_MS;
    }
    return process->idle != NULL;
}

npr_status npri_runtime_spawn(struct npri_runtime *runtime,
                              const struct npri_spawn *spawn,
                              struct npr_pid *out_pid,
                              struct npr_error *err)
{
    const struct npr_behaviour *behaviour = spawn->behaviour;
    struct npr_process *process;
    struct npr_pid pid;

    if (!npri_behaviour_is_valid(behaviour) ||
        behaviour->state_bytes > SIZE_MAX - sizeof(*process)) {
        return npri_fail(err, NPR_EINVAL, "%s: a behaviour of another release", spawn->function);
    }
    if (((spawn->link || spawn->monitor) && npr_term_kind(spawn->parent) != NPR_TERM_PID) ||
        (spawn->monitor && npr_term_kind(spawn->monitor_ref) != NPR_TERM_REF)) {
        return npri_fail(err, NPR_EINVAL, "%s: a link or monitor of nobody", spawn->function);
    }

    process = npri_alloc_zeroed(1, sizeof(*process) + behaviour->state_bytes);
    if (process == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a process of %s", spawn->function);
    }
    pid = npri_runtime_new_pid(runtime);
    npri_mailbox_init(&process->mailbox);
    process->runtime = runtime;
    process->behaviour = npri_runtime_behaviour(runtime, behaviour);
    process->mailbox_max = process->behaviour == NULL ? 0 : process->behaviour->mailbox_max;
    process->local = (struct npri_local){.id = pid.id, .serial = pid.serial};
    process->phase = NPRI_PHASE_STARTING;
    process->function = runtime_function(runtime, spawn->function);
    /* seq_cst: see struct npri_runtime. */
    (void)atomic_fetch_add_explicit(&runtime->unfinished, 1, memory_order_seq_cst);

    if (process->function == NULL || process->behaviour == NULL ||
        !process_add_parent(process, spawn) || !process_add_start(process, spawn) ||
        !process_add_leader(process, spawn) || !process_add_idle(process)) {
        npri_process_free(process);
        return npri_fail(err, NPR_ENOMEM, "no memory for a process of %s", spawn->function);
    }
    if (!npri_table_add(&runtime->table, process)) {
        npri_process_free(process);
        return npri_fail(err, NPR_ECLOSED, "the node is stopping");
    }
    /* relaxed: a figure. */
    (void)atomic_fetch_add_explicit(&runtime->alive, 1, memory_order_relaxed);
    *out_pid = pid; /* before it runs, and may be gone */
    npri_scheduler_add(&runtime->scheduler, process);
    return NPR_OK;
}
