/* threads_world.h - a world with thread processes, each of which runs a function of the case: its
 * script.  The probe of the world monitors those that threads_start() starts.
 *
 * cmocka's asserts are for the thread of the case.  A script has REQUIRE(), whose failure
 * threads_expect_end() finds.  The variables belong to one case at a time: threads_start() sets
 * them back, all but `threads_other`, which is the case's own. */
#ifndef NPRI_RUNTIME_THREADS_WORLD_H
#define NPRI_RUNTIME_THREADS_WORLD_H

#include "world.h"

#include <stdatomic.h>

#include "nprocreg/thread.h"

#define LONG_MS 30000 /* a wait that does not end by itself */

typedef npr_status (*threads_script_fn)(struct npr_process *self);

extern const struct npr_term threads_any; /* no term: whichever it is */
extern _Atomic(threads_script_fn) threads_script;
extern struct npr_pid threads_other;   /* whom the script deals with */
extern atomic_int threads_failed_at;   /* the line of what the script found wrong */
extern atomic_bool threads_in_code;    /* set by threads_pass_gate() */
extern atomic_uint threads_seen_count; /* by filters and scripts */

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            atomic_store(&threads_failed_at, __LINE__);                                            \
            return NPR_EIO;                                                                        \
        }                                                                                          \
    } while (0)

/* ---- Behaviours: `run` runs the script, `terminate` tells the probe the reason. */
npr_status threads_run(struct npr_process *self, void *state, struct npr_term args);
void threads_terminate(struct npr_process *self, void *state, struct npr_term reason);
extern const struct npr_behaviour threads_scripted;            /* run */
extern const struct npr_behaviour threads_scripted_to_the_end; /* run and terminate */

/* ---- For the thread of the case. */
struct npr_pid threads_start(struct world *world, threads_script_fn run);
struct npr_pid threads_start_of(struct world *world,
                                const struct npr_behaviour *behaviour,
                                threads_script_fn run);

/* What the probe gets next; at the end of a process the script must have found nothing wrong. */
void threads_expect_end(struct world *world, const struct npr_pid *pid, struct npr_term reason);
void threads_expect_told(struct world *world, struct npr_term message);

void threads_send_exit(struct world *world, const struct npr_pid *pid, struct npr_term reason);
void threads_send_int(struct world *world, const struct npr_pid *pid, int64_t value);
void threads_open_gate(void);
void threads_await(const atomic_bool *flag);

/* ---- For scripts. */
npr_status threads_tell(struct npr_process *self, struct npr_term term); /* the probe */
void threads_pass_gate(void); /* waits until it is open */
void threads_close_gate(void);
bool threads_is_int(const struct npr_received *received, int64_t expected);

/* A filter that takes nothing, and counts what it sees in `threads_seen_count`. */
bool threads_is_nothing(void *user, const struct npr_received *received);

/* A whole script: waits for its end. */
npr_status threads_wait_quietly(struct npr_process *self);

/* Calls `threads_other`; the reply begins anew. */
npr_status threads_call(struct npr_process *self,
                        struct npr_term request,
                        uint32_t timeout_ms,
                        struct npr_builder *reply);

#endif /* NPRI_RUNTIME_THREADS_WORLD_H */
