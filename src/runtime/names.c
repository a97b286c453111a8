#include "runtime/names.h"

#include "base/alloc.h"
#include "base/bytes.h"

/* FNV-1a. */
static struct npri_name **names_slot(struct npri_names *names, struct npr_bytes name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ name.data[i]) * 16777619u;
    }
    return &names->buckets[hash % NPRI_NAMES_BUCKETS];
}

static struct npri_name *names_find(struct npri_names *names, struct npr_bytes name)
{
    struct npri_name *at = *names_slot(names, name);

    while (at != NULL && !npri_bytes_equal(npri_bytes(at->text, at->size), name)) {
        at = at->next;
    }
    return at;
}

void npri_names_init(struct npri_names *names)
{
    *names = (struct npri_names){0};
    (void)pthread_mutex_init(&names->mutex, NULL); /* default attributes: cannot fail */
}

void npri_names_fini(struct npri_names *names)
{
    for (size_t i = 0; i < NPRI_NAMES_BUCKETS; i++) {
        while (names->buckets[i] != NULL) {
            struct npri_name *name = names->buckets[i];

            names->buckets[i] = name->next;
            npri_free(name);
        }
    }
    (void)pthread_mutex_destroy(&names->mutex);
}

npr_status npri_names_add(struct npri_names *names,
                          struct npr_bytes name,
                          struct npri_local local,
                          struct npri_table *table)
{
    struct npri_name *entry = npri_alloc(sizeof(*entry) + name.size);
    struct npri_name **slot = names_slot(names, name);
    npr_status status = NPR_OK;

    if (entry == NULL) {
        return NPR_ENOMEM;
    }
    entry->local = local;
    entry->size = name.size;
    if (name.size != 0) {
        memcpy(entry->text, name.data, name.size);
    }

    (void)pthread_mutex_lock(&names->mutex);
    /* A process that leaves the table after this check finds that it is named, and comes to
     * npri_names_remove_all() when we have let the lock go. */
    if (names_find(names, name) != NULL) {
        status = NPR_EEXIST;
    } else if (table != NULL && !npri_table_set_named(table, local)) {
        status = NPR_ENOPROC;
    } else {
        entry->next = *slot;
        *slot = entry;
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&names->mutex);
    npri_free(entry);
    return status;
}

bool npri_names_find(struct npri_names *names, struct npr_bytes name, struct npri_local *out)
{
    struct npri_name *entry;

    (void)pthread_mutex_lock(&names->mutex);
    entry = names_find(names, name);
    if (entry != NULL) {
        *out = entry->local;
    }
    (void)pthread_mutex_unlock(&names->mutex);
    return entry != NULL;
}

static bool is_of(const struct npri_name *name, struct npri_local local)
{
    return name->local.id == local.id && name->local.serial == local.serial;
}

void npri_names_each_of(struct npri_names *names,
                        struct npri_local local,
                        void (*visit)(void *user, struct npr_bytes name),
                        void *user)
{
    (void)pthread_mutex_lock(&names->mutex);
    for (size_t i = 0; i < NPRI_NAMES_BUCKETS; i++) {
        for (const struct npri_name *at = names->buckets[i]; at != NULL; at = at->next) {
            if (is_of(at, local)) {
                visit(user, npri_bytes(at->text, at->size));
            }
        }
    }
    (void)pthread_mutex_unlock(&names->mutex);
}

bool npri_names_remove(struct npri_names *names, struct npr_bytes name)
{
    struct npri_name **at = names_slot(names, name);
    struct npri_name *entry;

    (void)pthread_mutex_lock(&names->mutex);
    while (*at != NULL && !npri_bytes_equal(npri_bytes((*at)->text, (*at)->size), name)) {
        at = &(*at)->next;
    }
    entry = *at;
    if (entry != NULL) {
        *at = entry->next;
    }
    (void)pthread_mutex_unlock(&names->mutex);
    npri_free(entry);
    return entry != NULL;
}

void npri_names_remove_all(struct npri_names *names, struct npri_local local)
{
    (void)pthread_mutex_lock(&names->mutex);
    for (size_t i = 0; i < NPRI_NAMES_BUCKETS; i++) {
        struct npri_name **at = &names->buckets[i];

        while (*at != NULL) {
            struct npri_name *name = *at;

            if (is_of(name, local)) {
                *at = name->next;
                npri_free(name);
            } else {
                at = &name->next;
            }
        }
    }
    (void)pthread_mutex_unlock(&names->mutex);
}
