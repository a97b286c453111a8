#include "core/directory.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/restart.h"
#include "term/write.h"

#define CREATION_BYTES sizeof(uint32_t)

bool npri_directory_init(struct npri_directory *directory,
                         struct npri_effects *effects,
                         const struct npri_core_options *options)
{
    *directory = (struct npri_directory){.effects = effects,
                                         .self = options->self,
                                         .creation = options->creation,
                                         .retiring.shared = options->shared};
    directory->scratch = npri_alloc(NPRI_PID_BYTES_MAX);
    if (directory->scratch == NULL ||
        !npri_rows_init(&directory->entries, NPRI_ROWS_BY_KEY, options->hash_key,
                        &directory->retiring) ||
        !npri_map_init(&directory->homes, options->hash_key)) {
        npri_rows_fini(&directory->entries);
        npri_free(directory->scratch);
        directory->scratch = NULL;
        return false;
    }
    return true;
}

/* ---- Names. */

static void home_node(const struct npri_home *home, struct npr_node_name *out)
{
    *out = (struct npr_node_name){.size = (uint8_t)(home->name_size - CREATION_BYTES)};
    memcpy(out->text, home->name + CREATION_BYTES, out->size);
}

static struct npr_term pid_term(const struct npri_directory *directory,
                                const struct npri_home *home,
                                uint32_t id,
                                uint32_t serial)
{
    struct npri_buffer buffer = {
        .data = directory->scratch, .capacity = NPRI_PID_BYTES_MAX, .size_max = NPRI_PID_BYTES_MAX};
    struct npr_pid pid = {.id = id, .serial = serial};

    home_node(home, &pid.node);
    memcpy(&pid.creation, home->name, CREATION_BYTES);
    npri_put_pid(&buffer, &pid);
    NPRI_ASSERT(!buffer.failed);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

struct npr_term npri_directory_pid(const struct npri_directory *directory,
                                   const struct npri_entry *entry)
{
    return pid_term(directory, entry->home, entry->id, entry->serial);
}

/* ---- Finding. */

static struct npri_entry *find_entry(const struct npri_directory *directory, struct npr_bytes key)
{
    return npri_rows_find_key(&directory->entries, key);
}

/* The name of a home, in `out`. */
static struct npr_bytes write_home_name(const struct npr_pid *pid,
                                        uint8_t out[CREATION_BYTES + NPR_NODE_NAME_BYTES_MAX])
{
    memcpy(out, &pid->creation, CREATION_BYTES);
    memcpy(out + CREATION_BYTES, pid->node.text, pid->node.size);
    return npri_bytes(out, CREATION_BYTES + pid->node.size);
}

static struct npri_home *find_home(const struct npri_directory *directory,
                                   const struct npr_pid *pid)
{
    uint8_t bytes[CREATION_BYTES + NPR_NODE_NAME_BYTES_MAX];
    struct npri_map_node *at = npri_map_find(&directory->homes, write_home_name(pid, bytes));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_home, node);
}

bool npri_directory_find(const struct npri_directory *directory,
                         struct npr_bytes key,
                         struct npri_activation *out)
{
    const struct npri_entry *entry = find_entry(directory, key);

    if (entry == NULL) {
        return false;
    }
    *out = (struct npri_activation){.pid = npri_directory_pid(directory, entry),
                                    .token = npri_entry_token(entry)};
    return true;
}

enum npri_sight npri_directory_see(const struct npri_directory *directory,
                                   struct npr_bytes key,
                                   struct npr_pid *out_pid,
                                   uint64_t *out_token)
{
    const struct npri_entry *entry = NULL;
    const enum npri_sight sight = npri_rows_see_key(&directory->entries, key, &entry);

    if (sight == NPRI_SIGHT_THERE) {
        home_node(entry->home, &out_pid->node);
        memcpy(&out_pid->creation, entry->home->name, CREATION_BYTES);
        out_pid->id = entry->id;
        out_pid->serial = entry->serial;
        *out_token = npri_entry_token(entry);
    }
    return sight;
}

const struct npri_entry *npri_directory_next(const struct npri_directory *directory,
                                             const struct npri_entry *entry)
{
    return npri_rows_next(&directory->entries, entry);
}

void npri_directory_walk(const struct npri_directory *directory,
                         uint64_t *cursor,
                         uint32_t budget,
                         bool (*visit)(void *user, const struct npri_entry *entry),
                         void *user)
{
    const struct npri_rows *rows = &directory->entries;
    bool more = true;

    do {
        const uint64_t from = *cursor;
        uint64_t cost = 1;
        bool whole;

        for (const struct npri_entry *entry = npri_rows_step(rows, cursor, &whole); entry != NULL;
             entry = npri_rows_after(rows, entry)) {
            if (whole || npri_rows_place(rows, npri_entry_key(entry)) >= from) {
                more = visit(user, entry) && more;
                cost += 1 + entry->key_size / NPRI_PAGE_STEP_BYTES;
            }
        }
        budget = cost < budget ? budget - (uint32_t)cost : 0;
    } while (more && budget > 0 && *cursor != 0);
}

const struct npri_entry *npri_directory_next_of(const struct npri_directory *directory,
                                                struct npr_term pid,
                                                const struct npri_entry *entry)
{
    const struct npri_home *home;
    const struct npri_entry *at;
    struct npr_pid read;

    if (!npr_term_get_pid(pid, &read)) {
        return NULL;
    }
    if (entry == NULL) {
        home = find_home(directory, &read);
        return home == NULL ? NULL : npri_rows_find_pid(&home->entries, read.id, read.serial);
    }
    at = npri_rows_after(&entry->home->entries, entry);
    while (at != NULL && !(at->id == read.id && at->serial == read.serial)) {
        at = npri_rows_after(&entry->home->entries, at);
    }
    return at;
}

/* ---- Homes. */

static struct npri_home *create_home(struct npri_directory *directory, const struct npr_pid *pid)
{
    uint8_t bytes[CREATION_BYTES + NPR_NODE_NAME_BYTES_MAX];
    const struct npr_bytes name = write_home_name(pid, bytes);
    struct npri_home *home = npri_alloc(sizeof(*home) + name.size);

    if (home == NULL ||
        !npri_rows_init(&home->entries, NPRI_ROWS_BY_PID, directory->homes.hash_key, NULL)) {
        npri_free(home);
        return NULL;
    }
    home->name_size = name.size;
    memcpy(home->name, name.data, name.size);
    npri_map_insert(&directory->homes, &home->node, npri_bytes(home->name, home->name_size));
    if (pid->creation == directory->creation && npr_node_name_equal(&pid->node, &directory->self)) {
        directory->own = home;
    }
    return home;
}

static void drop_home_if_empty(struct npri_directory *directory, struct npri_home *home)
{
    if (home->entries.count == 0) {
        npri_map_remove(&directory->homes, &home->node);
        npri_rows_fini(&home->entries);
        if (home == directory->own) {
            directory->own = NULL;
        }
        npri_retire(&directory->retiring, &home->retired);
    }
}

/* ---- Restart records: a pointer behind the key, aligned. */

#define RECORD_BYTES sizeof(void *)

static size_t restart_offset(size_t key_size)
{
    const size_t end = offsetof(struct npri_entry, key) + key_size;

    return (end + RECORD_BYTES - 1) / RECORD_BYTES * RECORD_BYTES;
}

static struct npri_restart *entry_restart(const struct npri_entry *entry)
{
    struct npri_restart *restart = NULL;

    if (entry->supervised) {
        memcpy(&restart, (const uint8_t *)entry + restart_offset(entry->key_size), RECORD_BYTES);
    }
    return restart;
}

static void entry_set_restart(struct npri_entry *entry, struct npri_restart *restart)
{
    memcpy((uint8_t *)entry + restart_offset(entry->key_size), &restart, RECORD_BYTES);
}

struct npri_restart *npri_entry_take_restart(struct npri_entry *entry)
{
    struct npri_restart *restart = entry_restart(entry);

    if (restart != NULL) {
        entry_set_restart(entry, NULL);
    }
    return restart;
}

void npri_directory_dispose(struct npri_directory *directory, struct npri_entry *entry)
{
    npri_restart_destroy(entry_restart(entry));
    npri_retire(&directory->retiring, &entry->retired);
}

bool npri_directory_supervises(const struct npri_directory *directory, struct npr_bytes key)
{
    const struct npri_entry *entry = find_entry(directory, key);

    return entry != NULL && entry->supervised;
}

/* ---- Taking out. */

/* Best effort: a monitor that stays behind reports a death that concerns no entry. */
static void queue_demonitor(struct npri_directory *directory, struct npr_term pid)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_DEMONITOR, pid.size);

    if (effect != NULL) {
        npri_effect_set_term(effect, pid);
        npri_effects_queue(directory->effects, effect);
    }
}

static void tell_gone(const struct npri_directory *directory,
                      const struct npri_entry *entry,
                      enum npr_gone gone)
{
    if (directory->on_entry != NULL) {
        directory->on_entry(directory->user, npri_entry_key(entry), NULL,
                            npri_directory_pid(directory, entry), gone);
    }
}

/* Takes the entry out, and its home after its last one. */
static void take_out(struct npri_directory *directory, struct npri_entry *entry)
{
    struct npri_home *home = entry->home;

    npri_rows_remove(&directory->entries, entry);
    npri_rows_remove(&home->entries, entry);
    if (npri_rows_find_pid(&home->entries, entry->id, entry->serial) == NULL) {
        directory->processes_count--;
    }
    drop_home_if_empty(directory, home);
}

static void forget(struct npri_directory *directory, struct npri_entry *entry)
{
    take_out(directory, entry);
    npri_directory_dispose(directory, entry);
}

/* The process lives on, unwatched if this was its last entry. */
static void forget_alive(struct npri_directory *directory, struct npri_entry *entry)
{
    const size_t processes_count = directory->processes_count;
    const struct npr_term pid = npri_directory_pid(directory, entry);

    forget(directory, entry);
    if (directory->processes_count != processes_count) {
        queue_demonitor(directory, pid);
    }
}

bool npri_directory_remove(struct npri_directory *directory, struct npr_bytes key)
{
    struct npri_entry *entry = find_entry(directory, key);

    if (entry == NULL) {
        return false;
    }
    tell_gone(directory, entry, NPR_GONE_UNREGISTERED);
    forget_alive(directory, entry);
    return true;
}

/* All entries of one process of that home; the last one takes the home along. */
static size_t forget_process(struct npri_directory *directory,
                             struct npri_home *home,
                             uint32_t id,
                             uint32_t serial,
                             enum npr_gone gone)
{
    const size_t all = home->entries.count;
    struct npri_entry *entry;
    size_t count = 0;

    while (count < all && (entry = npri_rows_find_pid(&home->entries, id, serial)) != NULL) {
        tell_gone(directory, entry, gone);
        forget(directory, entry);
        count++;
    }
    return count;
}

struct npri_entry *npri_directory_take(struct npri_directory *directory,
                                       struct npr_term pid,
                                       enum npr_gone gone)
{
    const struct npri_home *home;
    struct npri_entry *entry;
    struct npr_pid read;

    if (!npr_term_get_pid(pid, &read)) {
        return NULL;
    }
    home = find_home(directory, &read);
    entry = home == NULL ? NULL : npri_rows_find_pid(&home->entries, read.id, read.serial);
    if (entry != NULL) {
        tell_gone(directory, entry, gone);
        take_out(directory, entry);
    }
    return entry;
}

static size_t empty_home(struct npri_directory *directory, struct npri_home *home)
{
    const size_t all = home->entries.count;
    size_t count = 0;
    size_t hint = 0;

    while (count < all) {
        const struct npri_entry *entry = npri_rows_any(&home->entries, &hint);
        const struct npr_term pid = npri_directory_pid(directory, entry);

        queue_demonitor(directory, pid);
        count += forget_process(directory, home, entry->id, entry->serial, NPR_GONE_NOCONNECTION);
    }
    return count;
}

size_t npri_directory_on_node_down(struct npri_directory *directory,
                                   const struct npr_node_name *node)
{
    struct npri_link *next;
    size_t count = 0;

    for (struct npri_link *at = directory->homes.order.next; at != &directory->homes.order;
         at = next) {
        struct npri_home *home = NPRI_MAP_AT(at, struct npri_home, node);
        struct npr_node_name name;

        next = at->next;
        home_node(home, &name);
        if (npr_node_name_equal(&name, node) && !npr_node_name_equal(&name, &directory->self)) {
            count += empty_home(directory, home);
        }
    }
    return count;
}

void npri_directory_fini(struct npri_directory *directory)
{
    struct npri_entry *entry;
    size_t hint = 0;

    if (directory->scratch == NULL) {
        return;
    }
    while ((entry = npri_rows_any(&directory->entries, &hint)) != NULL) {
        forget(directory, entry);
    }
    npri_rows_fini(&directory->entries);
    npri_map_fini(&directory->homes);
    npri_retired_free(npri_retiring_take(&directory->retiring));
    npri_free(directory->scratch);
}

/* ---- Putting in. */

/* NULL: no memory. */
static struct npri_entry *create_entry(struct npr_bytes key,
                                       const struct npr_pid *pid,
                                       uint64_t token,
                                       struct npri_restart *restart)
{
    const size_t plain_bytes = offsetof(struct npri_entry, key) + key.size;
    struct npri_entry *entry =
        npri_alloc(restart == NULL ? plain_bytes : restart_offset(key.size) + RECORD_BYTES);

    if (entry == NULL) {
        return NULL;
    }
    atomic_init(&entry->token, token);
    entry->id = pid->id;
    entry->serial = pid->serial;
    entry->key_size = (uint32_t)key.size & 0xffffffu;
    entry->supervised = restart != NULL;
    memcpy(entry->key, key.data, key.size);
    if (restart != NULL) {
        entry_set_restart(entry, restart);
    }
    return entry;
}

static bool is_first(const struct npri_home *home, const struct npr_pid *pid)
{
    return home == NULL || npri_rows_find_pid(&home->entries, pid->id, pid->serial) == NULL;
}

/* Takes `entry` over, which may be NULL.  `home`: that of `pid`, or NULL, and then it is made. */
static npr_status insert(struct npri_directory *directory,
                         struct npri_home *home,
                         struct npri_entry *entry,
                         const struct npr_pid *pid,
                         bool first)
{
    if (entry != NULL && home == NULL) {
        home = create_home(directory, pid);
    }
    if (entry == NULL || home == NULL) {
        npri_free(entry);
        return NPR_ENOMEM;
    }
    directory->processes_count += first ? 1 : 0;
    entry->home = home;
    npri_rows_insert(&directory->entries, entry);
    npri_rows_insert(&home->entries, entry);
    return NPR_OK;
}

/* Puts a new entry in, beside an older one of the same key.  `*out_monitor` is to be queued, unless
 * NULL. */
static npr_status put_new(struct npri_directory *directory,
                          struct npr_bytes key,
                          const struct npr_pid *pid,
                          const struct npri_activation *activation,
                          struct npri_restart *restart,
                          struct npri_effect **out_monitor)
{
    struct npri_home *home = find_home(directory, pid);
    const bool first = is_first(home, pid);
    struct npri_effect *monitor = NULL;
    npr_status status;

    if (first) {
        monitor = npri_effect_create(NPRI_EFFECT_MONITOR, activation->pid.size);
        if (monitor == NULL) {
            return NPR_ENOMEM;
        }
        npri_effect_set_term(monitor, activation->pid);
    }
    status =
        insert(directory, home, create_entry(key, pid, activation->token, restart), pid, first);
    if (status != NPR_OK) {
        npri_effect_destroy(monitor);
        return status;
    }
    *out_monitor = monitor;
    return NPR_OK;
}

static void tell_living(const struct npri_directory *directory,
                        struct npr_bytes key,
                        const struct npri_activation *living)
{
    if (directory->on_entry != NULL) {
        directory->on_entry(directory->user, key, living, (struct npr_term){0}, NPR_GONE_UNKNOWN);
    }
}

npr_status npri_directory_add_own(struct npri_directory *directory,
                                  struct npr_bytes key,
                                  uint32_t id,
                                  uint32_t serial,
                                  uint64_t token)
{
    const struct npr_pid pid = {
        .node = directory->self, .id = id, .serial = serial, .creation = directory->creation};
    npr_status status;

    if (find_entry(directory, key) != NULL) {
        return NPR_EREFUSED;
    }
    status = insert(directory, directory->own, create_entry(key, &pid, token, NULL), &pid,
                    is_first(directory->own, &pid));
    if (status == NPR_OK) {
        tell_living(directory, key,
                    &(struct npri_activation){
                        .pid = pid_term(directory, directory->own, id, serial), .token = token});
    }
    return status;
}

npr_status npri_directory_put(struct npri_directory *directory,
                              struct npr_bytes key,
                              const struct npri_activation *activation,
                              struct npri_restart *restart)
{
    struct npri_entry *old = find_entry(directory, key);
    struct npri_effect *monitor = NULL;
    struct npr_pid pid = {0};
    npr_status status;

    NPRI_ASSERT(npr_term_get_pid(activation->pid, &pid));
    if (restart == NULL && old != NULL && old->id == pid.id && old->serial == pid.serial &&
        old->home == find_home(directory, &pid)) {
        if (activation->token > npri_entry_token(old)) {
            atomic_store_explicit(&old->token, activation->token, memory_order_relaxed);
        }
        return NPR_OK;
    }
    status = put_new(directory, key, &pid, activation, restart, &monitor);
    if (status != NPR_OK) {
        return status;
    }
    if (old != NULL) {
        forget_alive(directory, old);
    }
    if (monitor != NULL) {
        npri_effects_queue(directory->effects, monitor);
    }
    tell_living(directory, key, activation);
    return NPR_OK;
}

/* ---- Checking. */

void npri_directory_check(const struct npri_directory *directory)
{
    size_t entries_count = 0;
    size_t processes_count = 0;

    NPRI_LIST_FOREACH (at, &directory->homes.order) {
        const struct npri_home *home = NPRI_MAP_AT(at, struct npri_home, node);
        const struct npri_entry *entry = NULL;
        size_t count = 0;

        while ((entry = npri_rows_next(&home->entries, entry)) != NULL) {
            NPRI_ASSERT(entry->home == home);
            NPRI_ASSERT(find_entry(directory, npri_entry_key(entry)) == entry);
            /* The newest entry of each process is the one that is found. */
            processes_count +=
                npri_rows_find_pid(&home->entries, entry->id, entry->serial) == entry ? 1 : 0;
            count++;
        }
        NPRI_ASSERT(count > 0 && count == home->entries.count);
        entries_count += count;
    }
    NPRI_ASSERT(directory->own ==
                find_home(directory, &(struct npr_pid){.node = directory->self,
                                                       .creation = directory->creation}));
    NPRI_ASSERT(entries_count == directory->entries.count);
    NPRI_ASSERT(processes_count == directory->processes_count);
}
