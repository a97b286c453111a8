/* node/launch.h - starting an exported function as a process here, and hearing when its init is
 * through.  Loop thread only. */
#ifndef NPRI_NODE_LAUNCH_H
#define NPRI_NODE_LAUNCH_H

#include "nprocreg/registry.h"

#include "base/bytes.h"
#include "core/core.h"
#include "node/questions.h"

struct npri_launch_options {
    const struct npr_function *function;
    const struct npri_apply *apply; /* names it; arguments */
    struct npr_term key;            /* that it is started for, or none, */
    uint64_t token;                 /* and of which activation, */
    struct npr_term state;          /* and with what its predecessor has handed over; or none */
    bool registered;                /* its end is told to the registry, as PROCESS_DOWN */
    void (*done)(void *user, uint64_t number, const struct npri_outcome *outcome);
    void *user;
    uint64_t number;
};

/* Starts it; `done` is called later, on the loop thread: NPR_OK and the pid once init has returned,
 * or NPR_EREFUSED or NPR_ENOMEM and why.  Returns NPR_OK, or why `done` is not called: NPR_ENOMEM,
 * NPR_EFULL, NPR_ECLOSED. */
NPR_NODISCARD npr_status npri_launch(struct npr_node *node,
                                     const struct npri_launch_options *options);

/* exit(Pid, kill) to a pid that is yet unknown, from this node; NULL: no memory.  Any thread. */
struct npri_signal *npri_launch_create_kill(struct npr_node *node);

/* What the behaviour wants when its process has ended; NULL: nothing. */
struct npri_restart_rule npri_launch_rule(const struct npr_behaviour *behaviour);

/* "module:function/arity" of an apply, cut to what fits. */
void npri_launch_name(const struct npri_apply *apply, uint32_t arity, char *out, size_t out_size);

/* The length of a proper list; false for any other term. */
bool npri_list_count(struct npr_term list, uint32_t *out_count);

/* What a key's process is started from: `fun m:f/0`, or {Module, Function, Arguments} as native
 * nodes and programs may name it.  `*out` borrows from `function`.  False: a closure, or neither.
 */
bool npri_startable_read(struct npr_term function, struct npri_apply *out, uint32_t *out_arity);

/* Whether it is one of those two, or a closure of arity 0. */
bool npri_startable_check(struct npr_term function);

/* Appends what a program names so: `fun m:f/0` when there are no arguments (original nodes
 * understand that too), else the tuple.  NPR_OK, NPR_EINVAL (no such thing, and `err` says why) or
 * NPR_ENOMEM.
 */
NPR_NODISCARD npr_status npri_startable_put(struct npri_buffer *buffer,
                                            const struct npr_start *start,
                                            struct npr_error *err);

/* The module and function of `fun m:f/a`, as terms; false for other terms. */
bool npri_export_terms(struct npr_term fun,
                       struct npr_term *out_module,
                       struct npr_term *out_function);

/* Who made a closure; false for other terms. */
bool npri_closure_creator(struct npr_term fun, struct npr_pid *out);

#endif /* NPRI_NODE_LAUNCH_H */
