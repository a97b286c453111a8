/* node/registry.h - the pump between the core and the world: what happened goes in as events, what
 * the core wants comes out as effects, is carried out, and its outcome goes in again.  Decides
 * nothing.  Loop thread only. */
#ifndef NPRI_NODE_REGISTRY_H
#define NPRI_NODE_REGISTRY_H

#include <stdatomic.h>

#include "base/map.h"
#include "core/core.h"
#include "net/loop.h"

struct npr_node;
struct npri_signal;

struct npri_registry {
    struct npri_core *core;
    struct npri_timer *timer;
    struct npri_map gets;     /* unanswered, by number */
    struct npri_map monitors; /* of registered processes of other nodes, by pid */
    struct npri_signal *kill; /* for a process that has just started, in case it is one too many */
    struct npri_task ends_task; /* its processes' ends; with the loop while there are any */
    struct npr_process *ends;   /* taken, told in the next turn */
    uint64_t last_request;
    /* How often a process of this node is not watched any more; the loop thread counts.  relaxed:
     * see struct npri_grab. */
    atomic_uint_fast64_t unwatched;
    bool pumping;
};

struct npri_registry_options {
    bool otp_fixed;
    enum npr_otp otp;
    enum npr_placement placement;
    uint32_t quorum;
    uint64_t heartbeat_ns;
    uint64_t node_timeout_ns;
};

npr_status npri_registry_start(struct npr_node *node, const struct npri_registry_options *options);

/* Answers every get with NPR_ECLOSED. */
void npri_registry_close(struct npr_node *node);
void npri_registry_fini(struct npr_node *node);

/* Steps the core with `event` (its now_ns is filled in) and carries out what it wants.  NPR_ENOMEM:
 * the event is lost. */
npr_status npri_registry_step(struct npr_node *node, struct npri_core_event *event);

/* The same in two halves: what the step wants is carried out by the pump, which may step again. */
npr_status npri_registry_step_only(struct npr_node *node, struct npri_core_event *event);
void npri_registry_pump(struct npr_node *node);

/* ---- get_pid and start_function. */

struct npri_answer {
    npr_status status;
    struct npr_term pid; /* when NPR_OK */
    uint64_t token;      /* of its activation; 0: unknown */
    bool started;
    bool final;            /* NPR_ENOTFOUND: it is nowhere else either */
    bool moved;            /* NPR_EREFUSED: this node does not own the key */
    struct npr_bytes text; /* why not */
};

/* One who waits.  Part of the caller's own struct, which must live until `done`. */
struct npri_get {
    struct npri_map_node node;
    uint64_t number;
    void (*done)(struct npri_get *get, const struct npri_answer *answer);
};

struct npri_get_options {
    struct npr_term key;
    struct npr_term function; /* a fun of arity 0, or none */
    struct npr_term caller;   /* pid */
    uint64_t deadline_ns;
    bool own_only; /* only what is known here; waits while the key is started */
    const struct npr_node_name *starter; /* that takes this node for the owner; NULL: it is a get */
    const struct npr_node_name *asker;   /* own_only: who asks; NULL: no node of the cluster */
};

/* `done` is called exactly once, maybe from inside. */
void npri_registry_get(struct npr_node *node,
                       struct npri_get *get,
                       const struct npri_get_options *options);

/* REGISTER or UNREGISTER: `event` has all but its number.  NPR_EEXIST: the answer's pid has the
 * key. `done` as above. */
void npri_registry_claim(struct npr_node *node,
                         struct npri_get *get,
                         struct npri_core_event *event);

/* Whether `key` may be one: its size, and that all nodes agree on where it belongs.  NPR_OK, or
 * NPR_EINVAL and why. */
npr_status npri_registry_check_key(struct npr_term key, struct npr_error *err);

/* ---- effects.c, monitors.c, start.c: the parts of the pump. */

void npri_registry_answer(struct npr_node *node, const struct npri_core_effect *effect);

void npri_effect_carry_out(struct npr_node *node, const struct npri_core_effect *effect);

void npri_monitor_add(struct npr_node *node, struct npr_term term); /* a pid */
void npri_monitor_remove(struct npr_node *node, struct npr_term term);
/* A DOWN to the client service: true when it was of such a monitor. */
bool npri_monitor_on_down(struct npr_node *node, const struct npri_signal *signal);
/* The connection is lost: every monitored pid of that node is down. */
void npri_monitors_on_disconnect(struct npr_node *node, const struct npr_node_name *peer);
void npri_monitors_fini(struct npr_node *node);

/* Registered processes of this node have ended (runtime.h).  Any thread. */
void npri_monitors_on_ended(struct npr_node *node);

/* NPRI_EFFECT_START. */
void npri_start_function(struct npr_node *node, const struct npri_core_effect *effect);

/* The answer to an operation, as an event. */
void npri_registry_tell(struct npr_node *node,
                        enum npri_event_kind kind,
                        uint64_t operation,
                        npr_status status,
                        struct npr_term term,
                        struct npr_bytes text);

#endif /* NPRI_NODE_REGISTRY_H */
