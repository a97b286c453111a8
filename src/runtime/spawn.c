/* How a process comes to be. */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "runtime/internal.h"
#include "runtime/pool.h"
#include "runtime/thread.h"
#include "term/tag.h"

static const struct npr_term no_term;

static bool process_add_parent(struct npr_process *process, const struct npri_spawn *spawn)
{
    struct npri_relation *link = NULL;
    struct npri_relation *watched = NULL;
    struct npri_local local;

    if (spawn->link) {
        link = npri_relation_create(NPRI_RELATION_LINK, spawn->parent, no_term, no_term);
    }
    if (spawn->monitor) {
        watched =
            npri_relation_create(NPRI_RELATION_WATCHED, spawn->parent, spawn->monitor_ref, no_term);
    }
    if (link != NULL) {
        npri_process_tie(process, link);
    }
    if (watched != NULL) {
        npri_process_tie(process, watched);
    }
    if ((spawn->link || spawn->monitor) &&
        npri_pid_place(process->origin->runtime, spawn->parent, &local) == NPRI_PLACE_AWAY) {
        atomic_store_explicit(&process->has_remote, true, memory_order_relaxed);
    }
    return (link != NULL) == spawn->link && (watched != NULL) == spawn->monitor;
}

/* None stays none. */
static struct npr_term term_copy(struct npr_term term, uint8_t **at)
{
    struct npr_term copy = {0};

    if (term.data != NULL) {
        memcpy(*at, term.data, term.size);
        copy = (struct npr_term){.data = *at, .size = term.size};
        *at += term.size;
    }
    return copy;
}

static bool process_add_start(struct npr_process *process, const struct npri_spawn *spawn)
{
    uint8_t room;
    struct npri_start *start = npri_pool_take(
        sizeof(*start) + spawn->args.size + spawn->key.size + spawn->state.size, &room);
    uint8_t *bytes = (uint8_t *)(start + 1);

    process->start = start;
    if (start == NULL) {
        return false;
    }
    *start = (struct npri_start){.started = spawn->started,
                                 .user = spawn->started_user,
                                 .token = spawn->token,
                                 .room = room};
    start->args = term_copy(spawn->args, &bytes);
    start->key = term_copy(spawn->key, &bytes);
    start->state = term_copy(spawn->state, &bytes);
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
    const uint64_t idle_ms = process->origin->behaviour->idle_ms;

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

static npr_status spawn_check(const struct npri_spawn *spawn, struct npr_error *err)
{
    const char *fault = npri_behaviour_fault(spawn->behaviour);

    if (fault != NULL || spawn->behaviour->state_bytes > SIZE_MAX - sizeof(struct npr_process)) {
        return npri_fail(err, NPR_EINVAL, "%s: %s", spawn->function,
                         fault == NULL ? "a state of that size" : fault);
    }
    if (((spawn->link || spawn->monitor) && npr_term_kind(spawn->parent) != NPR_TERM_PID) ||
        (spawn->monitor && npr_term_kind(spawn->monitor_ref) != NPR_TERM_REF)) {
        return npri_fail(err, NPR_EINVAL, "%s: a link or monitor of nobody", spawn->function);
    }
    return NPR_OK;
}

/* NULL: no memory. */
static struct npr_process *process_create(const struct npri_origin *origin, struct npri_local local)
{
    const size_t bytes = sizeof(struct npr_process) + origin->behaviour->state_bytes;
    uint8_t room;
    struct npr_process *process = npri_pool_take(bytes, &room);

    if (process != NULL) {
        memset(process, 0, bytes);
        process->room = room;
        npri_mailbox_init(&process->mailbox);
        process->origin = origin;
        process->is_bounded = origin->behaviour->mailbox_max != 0;
        process->takes_batches = !process->is_bounded && !origin->has_thread;
        process->local = local;
    }
    return process;
}

/* Its thread, if it has one, and its place in the table. */
static npr_status process_enter(struct npr_process *process,
                                const struct npri_spawn *spawn,
                                struct npr_error *err)
{
    const bool has_thread = npri_process_has_thread(process);
    npr_status status = NPR_OK;

    if (has_thread) {
        status = npri_thread_create(process, spawn->args, err);
    }
    if (status == NPR_OK && !npri_table_add(&process->origin->runtime->table, process)) {
        if (has_thread) {
            npri_thread_discard(process);
        }
        status = npri_fail(err, NPR_ECLOSED, "the node is stopping");
    }
    return status;
}

static bool list_is_proper(struct npr_term list)
{
    struct npr_term_walk walk;
    struct npr_term item;

    if (!npr_term_list(list, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &item)) {
    }
    return npr_term_kind(list) == NPR_TERM_NIL ||
           (npr_term_tail(&walk, &item) && npr_term_kind(item) == NPR_TERM_NIL);
}

bool npri_spawn_complete(const struct npr_spawn *spawn, struct npri_spawn *out)
{
    static const uint8_t nil[] = {NPRI_TAG_NIL};

    if (spawn == NULL || spawn->behaviour == NULL || spawn->function == NULL ||
        (spawn->arguments.data != NULL && !list_is_proper(spawn->arguments))) {
        return false;
    }
    *out = (struct npri_spawn){
        .behaviour = spawn->behaviour,
        .function = spawn->function,
        .args = spawn->arguments.data == NULL ? (struct npr_term){.data = nil, .size = sizeof(nil)}
                                              : spawn->arguments,
        .link = spawn->link,
        .monitor = spawn->monitor,
    };
    return true;
}

/* What a worker would find to do in its first turn is done here, and it gets none. */
static bool spawns_at_once(const struct npri_origin *origin, const struct npri_spawn *spawn)
{
    return spawn->at_once && origin->behaviour->init == NULL && !origin->has_thread;
}

/* As npri_process_tell_started() leaves it behind. */
static bool process_add_arguments(struct npr_process *process, const struct npri_spawn *spawn)
{
    const struct npri_spawn arguments = {.args = spawn->args};
    const bool wanted = spawn->key.data != NULL && npr_term_kind(spawn->args) == NPR_TERM_LIST;

    if (wanted && !process_add_start(process, &arguments)) {
        return false;
    }
    if (wanted) {
        process->start->told = true;
    }
    return true;
}

/* It is in the table, in no run queue, and not idle: like one that a worker runs, and so it is this
 * thread's until it rests. */
static void process_live_at_once(struct npr_process *process, const struct npri_spawn *spawn)
{
    struct npri_runtime *runtime = process->origin->runtime;
    const struct npr_pid pid = npri_runtime_pid(runtime, process->local);

    if (spawn->started != NULL) {
        spawn->started(spawn->started_user, &pid, NPR_OK, no_term);
    }
    if (process->idle != NULL) {
        (void)npri_process_is_idle(process); /* it is not: its time begins */
    }
    if (!npri_mailbox_rest(&process->mailbox)) {
        npri_scheduler_add(&runtime->scheduler, process);
    }
}

/* As npri_runtime_spawn(), under a number that was chosen before. */
static npr_status runtime_spawn_as(struct npri_runtime *runtime,
                                   struct npri_local local,
                                   const struct npri_spawn *spawn,
                                   struct npr_error *err)
{
    const struct npri_origin *origin;
    struct npr_process *process = NULL;
    npr_status status = spawn_check(spawn, err);
    bool at_once;

    if (status != NPR_OK) {
        return status;
    }
    origin = npri_runtime_origin(runtime, spawn->behaviour, spawn->function);
    if (origin != NULL) {
        process = process_create(origin, local);
    }
    if (process == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a process of %s", spawn->function);
    }
    at_once = spawns_at_once(origin, spawn);
    process->registered = spawn->registered;
    process->phase = at_once ? NPRI_PHASE_LIVE : NPRI_PHASE_STARTING;
    if (!process_add_parent(process, spawn) ||
        !(at_once ? process_add_arguments : process_add_start)(process, spawn) ||
        !process_add_leader(process, spawn) || !process_add_idle(process)) {
        npri_process_free(process);
        return npri_fail(err, NPR_ENOMEM, "no memory for a process of %s", spawn->function);
    }
    status = process_enter(process, spawn, err);
    if (status != NPR_OK) {
        npri_process_free(process);
        return status;
    }
    /* From here on it runs, and may be gone. */
    if (at_once) {
        process_live_at_once(process, spawn);
    } else {
        npri_scheduler_add(&runtime->scheduler, process);
    }
    return NPR_OK;
}

npr_status npri_runtime_spawn(struct npri_runtime *runtime,
                              const struct npri_spawn *spawn,
                              struct npr_pid *out_pid,
                              struct npr_error *err)
{
    const struct npri_local local = npri_runtime_new_local(runtime);
    const npr_status status = runtime_spawn_as(runtime, local, spawn, err);

    if (status == NPR_OK) {
        *out_pid = npri_runtime_pid(runtime, local);
    }
    return status;
}

/* ---- nprocreg/process.h. */

/* The parent's side of a link and a monitor, made before the child is: NULL where there is none. */
struct ties {
    struct npri_relation *link;
    struct npri_relation *watching;
};

/* False: no memory. */
static bool ties_create(struct ties *ties,
                        const struct npr_spawn *spawn,
                        struct npr_term child,
                        struct npr_term ref)
{
    *ties = (struct ties){0};
    if (spawn->link) {
        ties->link = npri_relation_create(NPRI_RELATION_LINK, child, no_term, no_term);
    }
    if (spawn->monitor) {
        ties->watching = npri_relation_create(NPRI_RELATION_WATCHING, child, ref, no_term);
    }
    return (ties->link != NULL) == spawn->link && (ties->watching != NULL) == spawn->monitor;
}

static void ties_destroy(struct ties *ties)
{
    npri_relation_destroy(ties->link);
    npri_relation_destroy(ties->watching);
}

/* The child cannot have told its end yet: this worker is the one to take it. */
static void ties_add(struct ties *ties, struct npr_process *parent)
{
    if (ties->link != NULL) {
        npri_process_tie(parent, ties->link);
    }
    if (ties->watching != NULL) {
        npri_process_tie(parent, ties->watching);
    }
}

static npr_status process_spawn_tied(struct npr_process *self,
                                     const struct npr_spawn *spawn,
                                     struct npri_spawn *complete,
                                     struct npri_local local,
                                     const struct npr_ref *ref)
{
    uint8_t bytes[3][NPRI_IDENTITY_BYTES_MAX];
    struct npri_runtime *runtime = self->origin->runtime;
    const struct npr_term child = npri_local_pid(runtime, local, bytes[0]);
    struct ties ties;
    npr_status status = NPR_ENOMEM;

    complete->parent = npri_local_pid(runtime, self->local, bytes[1]);
    if (spawn->monitor) {
        complete->monitor_ref = npri_ref_term(ref, bytes[2]);
    }
    if (ties_create(&ties, spawn, child, complete->monitor_ref)) {
        status = runtime_spawn_as(runtime, local, complete, NULL);
    }
    if (status == NPR_OK) {
        ties_add(&ties, self);
    } else {
        ties_destroy(&ties);
    }
    return status;
}

npr_status npr_spawn(struct npr_process *self,
                     const struct npr_spawn *spawn,
                     struct npr_pid *out_pid,
                     struct npr_ref *out_ref)
{
    struct npri_spawn complete;
    struct npri_runtime *runtime;
    struct npri_local local;
    struct npr_ref ref = {0};
    npr_status status;

    if (!npri_process_is_here(self) || !npri_spawn_complete(spawn, &complete)) {
        return NPR_EINVAL;
    }
    runtime = self->origin->runtime;
    local = npri_runtime_new_local(runtime);
    complete.leader = npri_process_leader(self);
    if (!spawn->link && !spawn->monitor) {
        status = runtime_spawn_as(runtime, local, &complete, NULL);
    } else {
        ref = npri_runtime_new_ref(runtime);
        status = process_spawn_tied(self, spawn, &complete, local, &ref);
    }
    if (status == NPR_OK && out_pid != NULL) {
        *out_pid = npri_runtime_pid(runtime, local);
    }
    if (status == NPR_OK && spawn->monitor && out_ref != NULL) {
        *out_ref = ref;
    }
    return status;
}
