/* runtime/names.h - registered names of this node, under one lock. */
#ifndef NPRI_RUNTIME_NAMES_H
#define NPRI_RUNTIME_NAMES_H

#include "runtime/table.h"

#define NPRI_NAMES_BUCKETS 256u

struct npri_name {
    struct npri_name *next;
    struct npri_local local;
    size_t size;
    uint8_t text[];
};

struct npri_names {
    pthread_mutex_t mutex;
    struct npri_name *buckets[NPRI_NAMES_BUCKETS];
};

void npri_names_init(struct npri_names *names);
void npri_names_fini(struct npri_names *names);

/* `table` NULL: a service, which is always there.  NPR_OK, NPR_EEXIST, NPR_ENOPROC, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_names_add(struct npri_names *names,
                                        struct npr_bytes name,
                                        struct npri_local local,
                                        struct npri_table *table);
bool npri_names_find(struct npri_names *names, struct npr_bytes name, struct npri_local *out);

/* Calls `visit` for each name of a process or service, under the lock. */
void npri_names_each_of(struct npri_names *names,
                        struct npri_local local,
                        void (*visit)(void *user, struct npr_bytes name),
                        void *user);

/* False: there is no such name. */
bool npri_names_remove(struct npri_names *names, struct npr_bytes name);

/* Forgets every name of a process that has left the table. */
void npri_names_remove_all(struct npri_names *names, struct npri_local local);

#endif /* NPRI_RUNTIME_NAMES_H */
