/* One runtime: made and ended; its services, and what it says of its processes. */
#include "runtime/runtime.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "runtime/internal.h"
#include "term/write.h"

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
        NPRI_ASSERT(!buffer.failed);
        runtime->error_reasons[i] = (struct npr_term){.data = buffer.data, .size = buffer.size};
    }
}

npr_status npri_runtime_create(const struct npri_runtime_options *options,
                               struct npri_runtime **out,
                               struct npr_error *err)
{
    struct npri_runtime *runtime = npri_alloc_zeroed(1, sizeof(*runtime));
    npr_status status;

    NPRI_ASSERT(options->route != NULL && options->node.size != 0);
    if (runtime == NULL) {
        return npri_fail(err, NPR_ENOMEM, "no memory for a runtime");
    }
    runtime->options = *options;
    npri_runtime_write_prefixes(runtime);
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

/* ---- Telling many. */

npr_status npri_runtime_node_down(struct npri_runtime *runtime, const struct npr_node_name *node)
{
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_NODE_DOWN,
                                      .payload = npri_node_term(node, bytes)};

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

bool npri_runtime_owes_answers(const struct npri_runtime *runtime)
{
    /* relaxed: of calls that are passed on or answered at this moment nothing is promised. */
    return atomic_load_explicit(&runtime->relayed, memory_order_relaxed) != 0;
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
