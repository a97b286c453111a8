#include "core/directory.h"

#include "base/alloc.h"
#include "base/assert.h"

bool npri_directory_init(struct npri_directory *directory,
                         struct npri_effects *effects,
                         const struct npri_core_options *options)
{
    *directory = (struct npri_directory){.effects = effects, .self = options->self};
    npri_list_init(&directory->foreign);
    if (!npri_map_init(&directory->entries, options->hash_key)) {
        return false;
    }
    if (!npri_map_init(&directory->processes, options->hash_key)) {
        npri_map_fini(&directory->entries);
        return false;
    }
    return true;
}

static struct npr_term pid_of(const struct npri_process *process)
{
    return (struct npr_term){.data = process->pid, .size = process->pid_size};
}

/* Best effort: a monitor that stays behind reports a death that concerns no entry. */
static void queue_demonitor(struct npri_directory *directory, const struct npri_process *process)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_DEMONITOR, process->pid_size);

    if (effect != NULL) {
        npri_effect_set_term(effect, pid_of(process));
        npri_effects_queue(directory->effects, effect);
    }
}

static void forget_process(struct npri_directory *directory, struct npri_process *process)
{
    npri_map_remove(&directory->processes, &process->node);
    npri_list_remove(&process->foreign);
    npri_free(process);
}

/* Takes the entry from its process, which goes with its last one. */
static void unbind(struct npri_directory *directory, struct npri_entry *entry)
{
    struct npri_process *process = entry->process;

    npri_list_remove(&entry->of_process);
    entry->process = NULL;
    if (npri_list_empty(&process->entries)) {
        queue_demonitor(directory, process);
        forget_process(directory, process);
    }
}

static void forget_entry(struct npri_directory *directory, struct npri_entry *entry)
{
    npri_map_remove(&directory->entries, &entry->node);
    npri_list_remove(&entry->of_process);
    npri_shared_release(entry->key);
    npri_free(entry);
}

static size_t forget_entries(struct npri_directory *directory, struct npri_process *process)
{
    size_t count = 0;
    struct npri_link *at;

    while ((at = npri_list_take(&process->entries)) != NULL) {
        forget_entry(directory, NPRI_CONTAINER_OF(at, struct npri_entry, of_process));
        count++;
    }
    return count;
}

void npri_directory_fini(struct npri_directory *directory)
{
    struct npri_map_node *at;

    if (directory->processes.buckets == NULL) {
        return;
    }
    while ((at = npri_map_first(&directory->processes)) != NULL) {
        struct npri_process *process = NPRI_CONTAINER_OF(at, struct npri_process, node);

        (void)forget_entries(directory, process);
        forget_process(directory, process);
    }
    npri_map_fini(&directory->entries);
    npri_map_fini(&directory->processes);
}

static struct npri_entry *find_entry(const struct npri_directory *directory, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&directory->entries, key);

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_entry, node);
}

static struct npri_process *find_process(const struct npri_directory *directory,
                                         struct npr_term pid)
{
    struct npri_map_node *at = npri_map_find(&directory->processes, npri_bytes(pid.data, pid.size));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_process, node);
}

const struct npri_process *npri_directory_find_process(const struct npri_directory *directory,
                                                       struct npr_term pid)
{
    return find_process(directory, pid);
}

bool npri_directory_find(const struct npri_directory *directory,
                         struct npr_bytes key,
                         struct npr_term *out_pid)
{
    const struct npri_entry *entry = find_entry(directory, key);

    if (entry == NULL) {
        return false;
    }
    *out_pid = pid_of(entry->process);
    return true;
}

static bool lives_on(const struct npri_process *process, const struct npr_node_name *node)
{
    struct npr_pid pid;

    return npr_term_get_pid(pid_of(process), &pid) && npr_node_name_equal(&pid.node, node);
}

/* A process without entries yet, in the map, and the effect that will monitor it. */
static struct npri_process *create_process(struct npri_directory *directory,
                                           struct npr_term pid,
                                           struct npri_effect **out_monitor)
{
    struct npri_process *process = npri_alloc(sizeof(*process) + pid.size);
    struct npri_effect *monitor = npri_effect_create(NPRI_EFFECT_MONITOR, pid.size);

    if (process == NULL || monitor == NULL) {
        npri_free(process);
        npri_effect_destroy(monitor);
        return NULL;
    }
    memset(process, 0, sizeof(*process));
    npri_list_init(&process->entries);
    process->pid_size = pid.size;
    memcpy(process->pid, pid.data, pid.size);
    npri_map_insert(&directory->processes, &process->node, npri_bytes(process->pid, pid.size));
    if (!lives_on(process, &directory->self)) {
        npri_list_append(&directory->foreign, &process->foreign);
    }
    npri_effect_set_term(monitor, pid);
    *out_monitor = monitor;
    return process;
}

static struct npri_entry *create_entry(struct npri_directory *directory, struct npri_shared *key)
{
    struct npri_entry *entry = npri_alloc_zeroed(1, sizeof(*entry));

    if (entry != NULL) {
        entry->key = npri_shared_acquire(key);
        npri_map_insert(&directory->entries, &entry->node, npri_shared_bytes(key));
    }
    return entry;
}

npr_status npri_directory_put(struct npri_directory *directory,
                              struct npri_shared *key,
                              struct npr_term pid)
{
    struct npri_effect *monitor = NULL;
    struct npri_process *process = find_process(directory, pid);
    struct npri_entry *entry = find_entry(directory, npri_shared_bytes(key));

    if (entry != NULL && entry->process == process) {
        return NPR_OK;
    }
    if (process == NULL) {
        process = create_process(directory, pid, &monitor);
        if (process == NULL) {
            return NPR_ENOMEM;
        }
    }
    if (entry != NULL) {
        unbind(directory, entry);
    } else {
        entry = create_entry(directory, key);
        if (entry == NULL) {
            if (monitor != NULL) {
                npri_effect_destroy(monitor);
                forget_process(directory, process);
            }
            return NPR_ENOMEM;
        }
    }
    entry->process = process;
    npri_list_append(&process->entries, &entry->of_process);
    if (monitor != NULL) {
        npri_effects_queue(directory->effects, monitor);
    }
    return NPR_OK;
}

bool npri_directory_remove(struct npri_directory *directory, struct npr_bytes key)
{
    struct npri_entry *entry = find_entry(directory, key);

    if (entry == NULL) {
        return false;
    }
    unbind(directory, entry);
    forget_entry(directory, entry);
    return true;
}

size_t npri_directory_on_down(struct npri_directory *directory, struct npr_term pid)
{
    struct npri_process *process = find_process(directory, pid);
    size_t count;

    if (process == NULL) {
        return 0;
    }
    count = forget_entries(directory, process);
    forget_process(directory, process);
    return count;
}

size_t npri_directory_on_node_down(struct npri_directory *directory,
                                   const struct npr_node_name *node)
{
    size_t count = 0;
    struct npri_link *next;

    for (struct npri_link *at = directory->foreign.next; at != &directory->foreign; at = next) {
        struct npri_process *process = NPRI_CONTAINER_OF(at, struct npri_process, foreign);

        next = at->next;
        if (lives_on(process, node)) {
            count += forget_entries(directory, process);
            queue_demonitor(directory, process);
            forget_process(directory, process);
        }
    }
    return count;
}

void npri_directory_check(const struct npri_directory *directory)
{
    size_t entries_count = 0;
    size_t foreign_count = 0;

    NPRI_LIST_FOREACH (at, &directory->processes.order) {
        const struct npri_process *process = NPRI_MAP_AT(at, struct npri_process, node);

        NPRI_ASSERT(!npri_list_empty(&process->entries));
        NPRI_ASSERT(npri_link_is_linked(&process->foreign) == !lives_on(process, &directory->self));
        foreign_count += npri_link_is_linked(&process->foreign) ? 1 : 0;
        NPRI_LIST_FOREACH (of_process, &process->entries) {
            const struct npri_entry *entry =
                NPRI_CONTAINER_OF(of_process, struct npri_entry, of_process);

            NPRI_ASSERT(entry->process == process);
            NPRI_ASSERT(find_entry(directory, npri_shared_bytes(entry->key)) == entry);
            entries_count++;
        }
    }
    NPRI_ASSERT(entries_count == directory->entries.count);
    NPRI_LIST_FOREACH (at, &directory->foreign) {
        NPRI_ASSERT(foreign_count > 0);
        foreign_count--;
    }
    NPRI_ASSERT(foreign_count == 0);
}
