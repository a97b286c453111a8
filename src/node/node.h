/* node/node.h - one node, as its parts see it.
 *
 * The loop thread owns everything in struct npr_node but what is marked otherwise.  Its ways in are
 * callbacks (of connections, timers, tasks, epmd); each of them is bracketed by npri_node_enter()
 * and npri_node_leave(), and leaving handles what the callback has put into the inboxes, so that no
 * part is called back from inside itself.
 *
 *     connections --received--> router --signal--> runtime --> processes
 *                                                     |------> services (inbox) --> registry ...
 *     processes --route--> outbox --> router --control--> connections
 *     registry: the core's effects out, their answers in (requests)                             */
#ifndef NPRI_NODE_NODE_H
#define NPRI_NODE_NODE_H

#include <pthread.h>
#include <stdatomic.h>

#include "nprocreg/node.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "net/loop.h"
#include "node/commands.h"
#include "node/connections.h"
#include "node/epmd.h"
#include "node/evaluation.h"
#include "node/exports.h"
#include "node/grabs.h"
#include "node/inbox.h"
#include "node/leaders.h"
#include "node/log.h"
#include "node/moving.h"
#include "node/questions.h"
#include "node/quorum_news.h"
#include "node/reads.h"
#include "node/registry.h"
#include "node/service.h"
#include "node/watching.h"
#include "runtime/runtime.h"

struct npr_node {
    /* Immutable once the loop runs. */
    struct npr_node_name name;
    uint32_t creation;
    uint16_t port;
    bool client;
    struct npri_hash_key hash_key; /* of every table that peers put things into */
    void (*log)(void *user, npr_log_level level, const char *line);
    void *log_user;
    struct npri_loop *loop;
    struct npri_runtime *runtime;
    struct npri_exports exports;
    struct npri_commands *commands;
    struct npri_buffer name_term; /* the node's name as an atom */
    pthread_t thread;
    bool thread_runs;
    bool runtime_stopped;

    /* Calls from the program's threads, and whether new ones are refused (node/call.h).  Once they
     * are, it changes under the lock only. */
    pthread_mutex_t calls_lock;
    pthread_cond_t calls_none;
    atomic_uint calls; /* orders: node/call.c */

    struct npri_log_limits log_limits; /* any thread */
    atomic_size_t asked_bytes;         /* what the gets that wait cost (get_async.c); any thread */

    struct npri_reads reads; /* any thread */
    struct npri_grabs grabs; /* any thread */

    /* Filled by any thread, emptied by the loop thread. */
    struct npri_inbox outbox; /* signals for other nodes */
    struct npri_service services[NPRI_SERVICES_COUNT];

    /* The loop thread's. */
    struct npri_connections *connections;
    struct npri_epmd_registration *registration;
    struct npri_questions questions;
    struct npri_registry registry;
    struct npri_watching watching;
    struct npri_quorum_news quorum_news;
    struct npri_moving moving;
    struct npri_evaluations evaluations;
    struct npri_leaders leaders;
    struct npri_link surveys; /* struct npri_survey (node/survey.h) */
    unsigned surveys_count;
    struct npri_call *registering; /* npr_node_start(), while it waits for epmd */
    unsigned entered;              /* depth of npri_node_enter() */
    bool closing;                  /* npr_node_stop() was called: nothing new is begun */
};

/* Around every callback on the loop thread.  May nest. */
void npri_node_enter(struct npr_node *node);
void npri_node_leave(struct npr_node *node);

/* Whether this thread is between the two, for this node.  Any thread. */
bool npri_node_is_entered(const struct npr_node *node);

/* Whether this thread runs the node's loop: it must not wait for it. */
bool npri_node_is_loop_thread(const struct npr_node *node);

/* The node's name as a term; lives as long as the node.  Any thread. */
struct npr_term npri_node_name_term(const struct npr_node *node);

/* "event key=value ...", unless there were too many of that event (node/log.h).  Any thread. */
void npri_node_log(struct npr_node *node, npr_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says how many lines were left out, when it is time to.  Any thread. */
void npri_node_log_count(struct npr_node *node);

/* What a finished buffer holds, as a term; "no term" when writing it failed. */
struct npr_term npri_buffer_term(const struct npri_buffer *buffer);

/* Appends `term`; fails the buffer when there is none, since writing it has failed. */
void npri_put_given(struct npri_buffer *buffer, struct npr_term term);

/* The node of a pid, reference or atom (a node's name); false for any other term. */
bool npri_term_node(struct npr_term term, struct npr_node_name *out);

#endif /* NPRI_NODE_NODE_H */
