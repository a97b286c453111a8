/* One runtime: made, ended, and the way that every signal takes through it. */
#include "runtime/runtime.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "runtime/call.h"
#include "runtime/internal.h"
#include "runtime/words.h"
#include "term/write.h"

#define PID_NUMBERS_BYTES 12u /* id, serial, creation: the end of a pid */

/* ---- Identity. */

/* Writes to memory that is large enough by NPRI_IDENTITY_BYTES_MAX, and so never allocates. */
static struct npri_buffer buffer_over(uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    return (struct npri_buffer){
        .data = out, .capacity = NPRI_IDENTITY_BYTES_MAX, .size_max = NPRI_IDENTITY_BYTES_MAX};
}

static struct npr_term buffer_term(const struct npri_buffer *buffer)
{
    NPRI_ASSERT(!buffer->failed);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

struct npr_term npri_pid_term(const struct npr_pid *pid, uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_pid(&buffer, pid);
    return buffer_term(&buffer);
}

struct npr_term npri_ref_term(const struct npr_ref *ref, uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_ref(&buffer, ref);
    return buffer_term(&buffer);
}

struct npr_term npri_local_pid(const struct npri_runtime *runtime,
                               struct npri_local local,
                               uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_bytes(&buffer, npri_bytes(runtime->pid_prefix, runtime->pid_prefix_bytes));
    npri_put_u32(&buffer, local.id);
    npri_put_u32(&buffer, local.serial);
    npri_put_u32(&buffer, runtime->options.creation);
    return buffer_term(&buffer);
}

enum npri_place npri_pid_place(const struct npri_runtime *runtime,
                               struct npr_term term,
                               struct npri_local *out)
{
    struct npr_pid pid;

    /* Nearly all pids of ours come in the encoding that we write. */
    if (term.size == runtime->pid_prefix_bytes + PID_NUMBERS_BYTES &&
        memcmp(term.data, runtime->pid_prefix, runtime->pid_prefix_bytes) == 0) {
        const uint8_t *numbers = term.data + runtime->pid_prefix_bytes;

        *out =
            (struct npri_local){.id = npri_get_u32(numbers), .serial = npri_get_u32(numbers + 4)};
        return npri_get_u32(numbers + 8) == runtime->options.creation ? NPRI_PLACE_HERE
                                                                      : NPRI_PLACE_STALE;
    }
    if (!npr_term_get_pid(term, &pid)) {
        return NPRI_PLACE_NONE;
    }
    if (!npr_node_name_equal(&pid.node, &runtime->options.node)) {
        return NPRI_PLACE_AWAY;
    }
    *out = (struct npri_local){.id = pid.id, .serial = pid.serial};
    return pid.creation == runtime->options.creation ? NPRI_PLACE_HERE : NPRI_PLACE_STALE;
}

struct npri_local npri_runtime_new_local(struct npri_runtime *runtime)
{
    struct npri_local local;

    do {
        /* relaxed: a number. */
        const uint64_t number =
            atomic_fetch_add_explicit(&runtime->next_process, 1, memory_order_relaxed);

        local.id = (uint32_t)(number & NPRI_PROCESS_ID_MAX);
        local.serial = (uint32_t)(number >> 28);
    } while (local.id <= NPRI_SERVICES_MAX); /* and never 0 */
    return local;
}

struct npr_pid npri_runtime_pid(const struct npri_runtime *runtime, struct npri_local local)
{
    return (struct npr_pid){
        .node = runtime->options.node,
        .id = local.id,
        .serial = local.serial,
        .creation = runtime->options.creation,
    };
}

struct npr_pid npri_runtime_new_pid(struct npri_runtime *runtime)
{
    return npri_runtime_pid(runtime, npri_runtime_new_local(runtime));
}

uint64_t npri_runtime_new_number(struct npri_runtime *runtime)
{
    /* relaxed: a number. */
    return atomic_fetch_add_explicit(&runtime->next_ref, 1, memory_order_relaxed);
}

struct npr_ref npri_runtime_number_ref(const struct npri_runtime *runtime, uint64_t number)
{
    return (struct npr_ref){
        .node = runtime->options.node,
        .creation = runtime->options.creation,
        .words_count = 3,
        /* Of the first word, Erlang nodes keep 18 bits. */
        .words = {(uint32_t)(number & 0x3ffff), (uint32_t)(number >> 18), (uint32_t)(number >> 50)},
    };
}

bool npri_runtime_ref_number(const struct npri_runtime *runtime,
                             const struct npr_ref *ref,
                             uint64_t *out)
{
    if (ref->words_count != 3 || ref->words[2] >> 14 != 0 ||
        ref->creation != runtime->options.creation ||
        !npr_node_name_equal(&ref->node, &runtime->options.node)) {
        return false;
    }
    *out = (uint64_t)ref->words[2] << 50 | (uint64_t)ref->words[1] << 18 | ref->words[0];
    return true;
}

struct npr_ref npri_runtime_new_ref(struct npri_runtime *runtime)
{
    return npri_runtime_number_ref(runtime, npri_runtime_new_number(runtime));
}

/* ---- Create, stop, destroy. */

static void runtime_write_errors(struct npri_runtime *runtime)
{
    for (int i = 0; i <= NPRI_STATUS_COUNT; i++) {
        uint8_t *bytes = runtime->error_bytes[i];
        struct npri_buffer buffer = {.data = bytes,
                                     .capacity = sizeof(runtime->error_bytes[i]),
                                     .size_max = sizeof(runtime->error_bytes[i])};
        const char *upper = npr_status_name((npr_status)-i);
        char name[16] = {0};

        for (size_t c = 0; upper[c] != '\0'; c++) {
            NPRI_ASSERT(c + 1 < sizeof(name));
            name[c] = (char)(upper[c] | 0x20); /* names of statuses are letters */
        }
        npri_put_tuple(&buffer, 2);
        npri_put_atom(&buffer, "error");
        npri_put_atom(&buffer, name);
        runtime->error_reasons[i] = buffer_term(&buffer);
    }
}

npr_status npri_runtime_create(const struct npri_runtime_options *options,
                               struct npri_runtime **out,
                               struct npr_error *err)
{
    struct npri_runtime *runtime = npri_alloc_zeroed(1, sizeof(*runtime));
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npr_pid pid;
    struct npr_ref ref;
    npr_status status;

    NPRI_ASSERT(options->route != NULL && options->node.size != 0);
    if (runtime == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a runtime");
    }
    runtime->options = *options;
    pid = npri_runtime_pid(runtime, (struct npri_local){0});
    runtime->pid_prefix_bytes = npri_pid_term(&pid, bytes).size - PID_NUMBERS_BYTES;
    memcpy(runtime->pid_prefix, bytes, runtime->pid_prefix_bytes);
    ref = npri_runtime_number_ref(runtime, 0);
    runtime->ref_prefix_bytes = npri_ref_term(&ref, bytes).size - NPRI_REF_WORDS_BYTES;
    memcpy(runtime->ref_prefix, bytes, runtime->ref_prefix_bytes);
    runtime_write_errors(runtime);
    npri_names_init(&runtime->names);
    npri_ends_init(&runtime->ends);
    npri_threads_init(&runtime->threads, options->threads_max);
    (void)pthread_mutex_init(&runtime->setup_mutex, NULL); /* default attributes: cannot fail */
    (void)pthread_mutex_init(&runtime->stop_mutex, NULL);
    (void)pthread_cond_init(&runtime->stop_cond, NULL);
    atomic_init(&runtime->next_process, NPRI_SERVICES_MAX + 1);
    atomic_init(&runtime->next_ref, 1);
    atomic_init(&runtime->next_unlink, 1); /* 0 is no id */

    if (!npri_table_init(&runtime->table)) {
        status = npri_fail(err, NPR_ENOMEM, "no memory for a process table");
        goto fail;
    }
    status = npri_scheduler_start(&runtime->scheduler, options->workers, npri_process_run, err);
    if (status == NPR_OK && npri_lookout_init(&runtime->lookout, runtime) != NPR_OK) {
        status = npri_fail(err, NPR_ENOMEM, "no memory to look after the workers");
    }
    if (status == NPR_OK) {
        status = npri_alarms_start(&runtime->alarms, &runtime->scheduler, &runtime->lookout, err);
    }
    if (status != NPR_OK) {
        goto fail;
    }
    *out = runtime;
    return NPR_OK;

fail:
    npri_scheduler_stop(&runtime->scheduler);
    runtime->stopped = true; /* nothing has run */
    npri_runtime_destroy(runtime);
    return status;
}

static void runtime_wake(void *user, struct npr_process *process)
{
    struct npri_runtime *runtime = user;

    npri_scheduler_add(&runtime->scheduler, process);
}

void npri_runtime_stop(struct npri_runtime *runtime)
{
    uint64_t added;

    NPRI_ASSERT(!runtime->stopped && npri_scheduler_worker(&runtime->scheduler) == NULL &&
                !npri_threads_is_here(&runtime->threads));

    /* seq_cst: before the counts are read, see struct npri_runtime.  Processes learn of it by the
     * poke, new ones by the closed table. */
    atomic_store_explicit(&runtime->stopping, true, memory_order_seq_cst);
    added = npri_table_close(&runtime->table, runtime_wake, runtime);

    (void)pthread_mutex_lock(&runtime->stop_mutex);
    while (npri_scheduler_finished(&runtime->scheduler) +
               atomic_load_explicit(&runtime->threads.finished, memory_order_seq_cst) !=
           added) {
        (void)pthread_cond_wait(&runtime->stop_cond, &runtime->stop_mutex);
    }
    (void)pthread_mutex_unlock(&runtime->stop_mutex);
    npri_threads_stop(&runtime->threads);
    npri_alarms_stop(&runtime->alarms);
    npri_scheduler_stop(&runtime->scheduler);
    runtime->stopped = true;
}

void npri_runtime_destroy(struct npri_runtime *runtime)
{
    if (runtime == NULL) {
        return;
    }
    NPRI_ASSERT(runtime->stopped);
    npri_threads_fini(&runtime->threads);
    npri_alarms_fini(&runtime->alarms);
    npri_lookout_fini(&runtime->lookout);
    npri_scheduler_fini(&runtime->scheduler);
    npri_table_fini(&runtime->table);
    npri_names_fini(&runtime->names);
    npri_origins_fini(runtime);
    (void)pthread_mutex_destroy(&runtime->setup_mutex);
    (void)pthread_mutex_destroy(&runtime->stop_mutex);
    (void)pthread_cond_destroy(&runtime->stop_cond);
    npri_free(runtime);
}

/* ---- Delivery. */

/* For a process that does not exist, or no longer. */
static void runtime_answer_dead(struct npri_runtime *runtime, struct npri_signal *signal)
{
    if (signal->kind == NPRI_SIGNAL_CALL) {
        npri_call_fail(runtime, signal, NPRI_WORD_NOPROC);
    } else if (npri_signal_answer_dead(signal)) {
        npri_runtime_deliver(runtime, signal);
    } else {
        npri_signal_destroy(signal);
    }
}

static bool signal_makes_remote_relation(const struct npri_runtime *runtime,
                                         const struct npri_signal *signal)
{
    struct npri_local local;

    return (signal->kind == NPRI_SIGNAL_LINK || signal->kind == NPRI_SIGNAL_MONITOR) &&
           npri_pid_place(runtime, signal->from, &local) == NPRI_PLACE_AWAY;
}

void npri_runtime_push(struct npri_runtime *runtime,
                       struct npri_local local,
                       struct npri_signal *signal,
                       bool remote)
{
    struct npri_worker *worker = npri_scheduler_worker(&runtime->scheduler);
    struct npr_process *wake;
    enum npri_push outcome;

    if (worker != NULL) {
        npri_batch_send(runtime, &worker->batch); /* in the order of sending */
    }
    outcome = npri_table_push(&runtime->table, local, signal, remote, &wake);
    switch (outcome) {
    case NPRI_PUSH_DONE:
    case NPRI_PUSH_OPENS:
        if (outcome == NPRI_PUSH_OPENS && worker != NULL) {
            npri_batch_open(&worker->batch, local);
        }
        if (wake != NULL) {
            npri_scheduler_add(&runtime->scheduler, wake);
        }
        return;
    case NPRI_PUSH_NOBODY:
        runtime_answer_dead(runtime, signal);
        return;
    case NPRI_PUSH_REFUSED:
        npri_runtime_refuse(runtime, local, signal);
        return;
    case NPRI_PUSH_DROPPED:
        npri_signal_destroy(signal);
        return;
    }
}

static void runtime_deliver_local(struct npri_runtime *runtime,
                                  struct npri_local local,
                                  struct npri_signal *signal)
{
    if (npri_local_may_be_service(local)) {
        const struct npri_service *service = &runtime->services[local.id - 1];

        /* acquire: pairs with the release in npri_runtime_add_service(). */
        if (local.id > atomic_load_explicit(&runtime->services_count, memory_order_acquire) ||
            signal->kind == NPRI_SIGNAL_UNLINK) {
            runtime_answer_dead(runtime, signal);
        } else {
            service->deliver(service->user, signal);
        }
        return;
    }
    npri_runtime_push(runtime, local, signal, signal_makes_remote_relation(runtime, signal));
}

npr_status npri_runtime_send_local(struct npri_runtime *runtime,
                                   struct npri_local from,
                                   struct npri_local to,
                                   const struct npr_term *parts,
                                   size_t parts_count)
{
    uint8_t pids[2][NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal *signal;

    if (npri_local_may_be_service(to)) {
        /* A service is shown all that a node would be. */
        signal = npri_signal_create_parts(
            &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                  .from = npri_local_pid(runtime, from, pids[0]),
                                  .to = npri_local_pid(runtime, to, pids[1])},
            parts, parts_count);
        if (signal != NULL) {
            runtime_deliver_local(runtime, to, signal);
        }
    } else {
        signal = npri_signal_create_short(NPRI_SIGNAL_PLAIN, parts, parts_count);
        if (signal != NULL) {
            npri_runtime_push(runtime, to, signal, false);
        }
    }
    return signal == NULL ? NPR_ENOMEM : NPR_OK;
}

/* Whether `atom` names another node; none is this one. */
static bool node_is_away(const struct npri_runtime *runtime, struct npr_term atom)
{
    const struct npr_node_name *node = &runtime->options.node;
    struct npr_bytes name;

    return npr_term_get_atom(atom, &name) &&
           !npri_bytes_equal(name, npri_bytes(node->text, node->size));
}

static void runtime_deliver_named(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npr_bytes name;
    struct npri_local local;

    if (node_is_away(runtime, signal->node)) {
        runtime->options.route(runtime->options.user, signal);
    } else if (npr_term_get_atom(signal->to, &name) &&
               npri_names_find(&runtime->names, name, &local)) {
        runtime_deliver_local(runtime, local, signal);
    } else {
        runtime_answer_dead(runtime, signal);
    }
}

static void runtime_deliver_alias(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npri_local caller;
    struct npr_ref ref;

    const bool is_ref = npr_term_get_ref(signal->to, &ref);

    if (is_ref && !npr_node_name_equal(&ref.node, &runtime->options.node)) {
        runtime->options.route(runtime->options.user, signal);
    } else if (is_ref && npri_call_from_alias(runtime, signal, &caller)) {
        npri_runtime_push(runtime, caller, signal, false);
    } else if (is_ref && ref.creation == runtime->options.creation &&
               runtime->options.alias != NULL) {
        runtime->options.alias(runtime->options.user, signal);
    } else {
        npri_signal_destroy(signal); /* a term that nothing can be sent to, or an old reference */
    }
}

void npri_runtime_deliver(struct npri_runtime *runtime, struct npri_signal *signal)
{
    struct npri_worker *worker = npri_scheduler_worker(&runtime->scheduler);
    struct npri_local local;

    if (worker != NULL) {
        npri_batch_send(runtime, &worker->batch); /* before what may go to another node */
    }
    if (signal->to.data == NULL) {
        /* A request to a node itself, e.g. to spawn. */
        if (node_is_away(runtime, signal->node)) {
            runtime->options.route(runtime->options.user, signal);
        } else {
            npri_signal_destroy(signal);
        }
        return;
    }
    switch (npri_pid_place(runtime, signal->to, &local)) {
    case NPRI_PLACE_HERE:
        runtime_deliver_local(runtime, local, signal);
        return;
    case NPRI_PLACE_STALE:
        runtime_answer_dead(runtime, signal);
        return;
    case NPRI_PLACE_AWAY:
        runtime->options.route(runtime->options.user, signal);
        return;
    case NPRI_PLACE_NONE:
        break;
    }
    if (npr_term_kind(signal->to) == NPR_TERM_ATOM) {
        runtime_deliver_named(runtime, signal);
    } else {
        runtime_deliver_alias(runtime, signal);
    }
}

npr_status npri_runtime_node_down(struct npri_runtime *runtime, const struct npr_node_name *node)
{
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_buffer buffer = buffer_over(bytes);
    struct npri_signal draft = {.kind = NPRI_SIGNAL_NODE_DOWN};

    npri_put_node(&buffer, node);
    draft.payload = buffer_term(&buffer);
    return npri_table_tell_remote(&runtime->table, &draft, runtime_wake, runtime) ? NPR_OK
                                                                                  : NPR_ENOMEM;
}

npr_status npri_runtime_tell_registered(struct npri_runtime *runtime,
                                        unsigned part,
                                        struct npr_term message)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = message};

    return npri_table_tell_registered(&runtime->table, part, &draft, runtime_wake, runtime)
               ? NPR_OK
               : NPR_ENOMEM;
}

/* ---- Services, names, figures. */

npr_status npri_runtime_add_service(struct npri_runtime *runtime,
                                    const char *name,
                                    void (*deliver)(void *user, struct npri_signal *),
                                    void *user,
                                    struct npr_pid *out_pid)
{
    npr_status status = NPR_OK;
    struct npri_local local = {0};
    unsigned count;

    (void)pthread_mutex_lock(&runtime->setup_mutex);
    /* relaxed: written under this mutex only. */
    count = atomic_load_explicit(&runtime->services_count, memory_order_relaxed);
    if (count == NPRI_SERVICES_MAX) {
        status = NPR_EFULL;
    } else {
        local.id = count + 1;
        runtime->services[count] = (struct npri_service){.deliver = deliver, .user = user};
        if (name != NULL) {
            status = npri_names_add(&runtime->names, npr_bytes_of(name), local, NULL);
        }
    }
    if (status == NPR_OK) {
        /* release: pairs with the acquire in runtime_deliver_local(). */
        atomic_store_explicit(&runtime->services_count, count + 1, memory_order_release);
        *out_pid = npri_runtime_pid(runtime, local);
    }
    (void)pthread_mutex_unlock(&runtime->setup_mutex);
    return status;
}

/* A pid of this node and incarnation. */
static bool runtime_owns(const struct npri_runtime *runtime, const struct npr_pid *pid)
{
    return pid->creation == runtime->options.creation &&
           npr_node_name_equal(&pid->node, &runtime->options.node);
}

static bool local_is_service(struct npri_runtime *runtime, struct npri_local local)
{
    /* acquire: as in runtime_deliver_local(). */
    return local.serial == 0 && local.id != 0 &&
           local.id <= atomic_load_explicit(&runtime->services_count, memory_order_acquire);
}

void npri_runtime_deliver_to(struct npri_runtime *runtime,
                             const struct npr_pid *to,
                             struct npri_signal *signal)
{
    if (runtime_owns(runtime, to)) {
        runtime_deliver_local(runtime, (struct npri_local){.id = to->id, .serial = to->serial},
                              signal);
    } else {
        npri_signal_destroy(signal);
    }
}

enum npri_watch npri_runtime_watch(struct npri_runtime *runtime, const struct npr_pid *pid)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    NPRI_ASSERT(runtime->options.ended != NULL);
    if (!runtime_owns(runtime, pid)) {
        return NPRI_WATCH_DEAD;
    }
    return local_is_service(runtime, local) ? NPRI_WATCH_ON
                                            : npri_table_watch(&runtime->table, local, true);
}

void npri_runtime_unwatch(struct npri_runtime *runtime, const struct npr_pid *pid)
{
    if (runtime_owns(runtime, pid)) {
        (void)npri_table_watch(&runtime->table,
                               (struct npri_local){.id = pid->id, .serial = pid->serial}, false);
    }
}

bool npri_runtime_is_alive(struct npri_runtime *runtime, const struct npr_pid *pid)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    return runtime_owns(runtime, pid) &&
           (local_is_service(runtime, local) || npri_table_has(&runtime->table, local));
}

size_t npri_runtime_process_count(struct npri_runtime *runtime)
{
    return npri_table_count(&runtime->table);
}

npr_status npri_runtime_register(struct npri_runtime *runtime,
                                 struct npr_bytes name,
                                 const struct npr_pid *pid)
{
    const struct npri_local local = {.id = pid->id, .serial = pid->serial};

    if (!runtime_owns(runtime, pid)) {
        return NPR_ENOPROC;
    }
    return npri_names_add(&runtime->names, name, local,
                          local_is_service(runtime, local) ? NULL : &runtime->table);
}

bool npri_runtime_whereis(struct npri_runtime *runtime, struct npr_bytes name, struct npr_pid *out)
{
    struct npri_local local;

    if (!npri_names_find(&runtime->names, name, &local)) {
        return false;
    }
    *out = npri_runtime_pid(runtime, local);
    return true;
}
