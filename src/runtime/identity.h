/* runtime/identity.h - the pids and references of one runtime, and which are its own.
 *
 * Any thread, but for the first function: what is read is constant, and the numbers are atomic. */
#ifndef NPRI_RUNTIME_IDENTITY_H
#define NPRI_RUNTIME_IDENTITY_H

#include "runtime/runtime.h"

struct npr_process;

/* Bytes of the largest pid or reference that this program writes (a node name of 255 bytes). */
#define NPRI_IDENTITY_BYTES_MAX 320u

/* The end of a reference of ours. */
#define NPRI_REF_WORDS_BYTES 12u

/* Once, by whoever makes the runtime, when its options are there. */
void npri_runtime_write_prefixes(struct npri_runtime *runtime);

/* Written to `out`; the first is the pid of a process of this node. */
struct npr_term npri_local_pid(const struct npri_runtime *runtime,
                               struct npri_local local,
                               uint8_t out[NPRI_IDENTITY_BYTES_MAX]);
struct npr_term npri_node_term(const struct npr_node_name *node,
                               uint8_t out[NPRI_IDENTITY_BYTES_MAX]);
struct npr_term npri_pid_term(const struct npr_pid *pid, uint8_t out[NPRI_IDENTITY_BYTES_MAX]);
struct npr_term npri_ref_term(const struct npr_ref *ref, uint8_t out[NPRI_IDENTITY_BYTES_MAX]);

struct npr_pid npri_runtime_pid(const struct npri_runtime *runtime, struct npri_local local);

/* One that no process has or will have. */
struct npri_local npri_runtime_new_local(struct npri_runtime *runtime);

/* References of ours are numbers in disguise. */
uint64_t npri_runtime_new_number(struct npri_runtime *runtime);
struct npr_ref npri_runtime_number_ref(const struct npri_runtime *runtime, uint64_t number);
/* False: it is none of this node and incarnation. */
bool npri_runtime_ref_number(const struct npri_runtime *runtime,
                             const struct npr_ref *ref,
                             uint64_t *out);

enum npri_place {
    NPRI_PLACE_NONE,  /* no pid */
    NPRI_PLACE_HERE,  /* this node and incarnation: `*out` */
    NPRI_PLACE_STALE, /* this node before it was restarted: dead */
    NPRI_PLACE_AWAY,
};
enum npri_place npri_pid_place(const struct npri_runtime *runtime,
                               struct npr_term term,
                               struct npri_local *out);

/* Whether `pid` is the process's own. */
bool npri_process_is(const struct npr_process *self, const struct npr_pid *pid);
bool npri_process_is_at(const struct npr_process *process, struct npr_term pid);

#endif /* NPRI_RUNTIME_IDENTITY_H */
