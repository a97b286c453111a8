/* node/call.h - a blocking call of the program: its thread posts it to the loop thread and waits.
 *
 *   operation   | thread
 *   ------------+------------------------------------
 *   run         | the caller's; blocks
 *   call->run   | the loop thread, entered
 *   end         | any, exactly once for each run
 *
 * The loop thread holds every deadline, so a call always ends; at npr_node_stop() all that are
 * under way end with NPR_ECLOSED, and the node waits for their threads to be out of here. */
#ifndef NPRI_NODE_CALL_H
#define NPRI_NODE_CALL_H

#include <pthread.h>

#include "net/loop.h"

struct npr_node;

struct npri_call {
    struct npr_node *node;
    void (*run)(struct npri_call *call);
    struct npr_error *err; /* the caller's, or NULL */
    struct npri_task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended; /* under `lock` */
    npr_status status;
};

/* Runs `run` on the loop thread, waits for npri_call_end(), returns its status; on the loop thread
 * itself it is refused with NPR_EINVAL.  `call` is the first member of the caller's own struct,
 * zeroed but for `err`. */
npr_status npri_call_run(struct npr_node *node,
                         struct npri_call *call,
                         void (*run)(struct npri_call *call));

/* The same, whether or not the node is being stopped. */
npr_status npri_call_run_unchecked(struct npr_node *node,
                                   struct npri_call *call,
                                   void (*run)(struct npri_call *call));

/* The call may be gone when this returns. */
void npri_call_end(struct npri_call *call, npr_status status, struct npr_bytes text);

/* npr_node_stop(): no new ones; then it waits for those that are under way. */
void npri_calls_close(struct npr_node *node);
void npri_calls_wait(struct npr_node *node);

/* For calls that do not block: false when the node is being stopped; else leave it again. */
bool npri_calls_enter(struct npr_node *node);
void npri_calls_leave(struct npr_node *node);

#endif /* NPRI_NODE_CALL_H */
