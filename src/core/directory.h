/* core/directory.h - the entries that this node holds: key -> pid, and back.  Pure.
 *
 *     entry  --> process    one entry per key, many entries per process
 *     process --> entries   so that a death removes exactly its own entries
 *
 * Invariants (npri_directory_check):
 *     D1  every process has at least one entry, and each of its entries points back to it;
 *     D2  a process is monitored exactly while it is here: MONITOR when its first entry comes,
 *         DEMONITOR when its last one goes for another reason than its death;
 *     D3  `foreign` has exactly the processes of other nodes.
 *
 * Entries are bounded by memory only: they are the product. */
#ifndef NPRI_CORE_DIRECTORY_H
#define NPRI_CORE_DIRECTORY_H

#include "base/map.h"
#include "core/effects.h"

struct npri_process {
    struct npri_map_node node; /* by its pid in normal form: `pid` */
    struct npri_link entries;  /* of struct npri_entry */
    struct npri_link foreign;  /* linked when it lives on another node */
    size_t pid_size;
    uint8_t pid[];
};

struct npri_entry {
    struct npri_map_node node; /* by its key in normal form */
    struct npri_link of_process;
    struct npri_process *process;
    struct npri_shared *key;
};

struct npri_directory {
    struct npri_map entries;
    struct npri_map processes;
    struct npri_link foreign;
    struct npri_effects *effects;
    struct npr_node_name self;
};

/* False when out of memory. */
bool npri_directory_init(struct npri_directory *directory,
                         struct npri_effects *effects,
                         const struct npri_core_options *options);
void npri_directory_fini(struct npri_directory *directory);

/* The pid under `key` (in normal form), valid until the next change; false: none. */
bool npri_directory_find(const struct npri_directory *directory,
                         struct npr_bytes key,
                         struct npr_term *out_pid);

/* The process of a pid in normal form; NULL: it has no entry here. */
const struct npri_process *npri_directory_find_process(const struct npri_directory *directory,
                                                       struct npr_term pid);

/* Puts key -> pid over any other entry of that key.  `key` and `pid` are in normal form; becomes a
 * holder of `key`.  NPR_OK or NPR_ENOMEM (nothing changed). */
NPR_NODISCARD npr_status npri_directory_put(struct npri_directory *directory,
                                            struct npri_shared *key,
                                            struct npr_term pid);

/* False: there was none. */
bool npri_directory_remove(struct npri_directory *directory, struct npr_bytes key);

/* The process died: its entries go.  Returns how many. */
size_t npri_directory_on_down(struct npri_directory *directory, struct npr_term pid);

/* The node is gone, and with it all its processes.  Returns how many entries went. */
size_t npri_directory_on_node_down(struct npri_directory *directory,
                                   const struct npr_node_name *node);

void npri_directory_check(const struct npri_directory *directory);

#endif /* NPRI_CORE_DIRECTORY_H */
