/* node/questions.h - what this node has asked others and waits for.  Loop thread only.
 *
 *     call     MONITOR + {'$gen_call',{Client,Ref},Request}  ->  {Ref,Reply} or DOWN
 *
 *     tell     MONITOR + TELL                                ->  {Ref,Reply} or DOWN
 *
 *     apply    SPAWN_REQUEST erpc:execute_call, monitored    ->  SPAWN_REPLY, DOWN {Res,return,V}
 *
 *     spawn    SPAWN_REQUEST                                 ->  SPAWN_REPLY
 *
 *     connect  (nothing)                                     ->  up or down
 *
 * One reference is the monitor's, the tag's and the spawn request's.  Every request is completed
 * exactly once: by its answer, by the loss of the connection, by its deadline, or by closing. */
#ifndef NPRI_NODE_QUESTIONS_H
#define NPRI_NODE_QUESTIONS_H

#include "base/heap.h"
#include "base/map.h"
#include "net/loop.h"
#include "runtime/signal.h"

struct npr_node;
struct npri_question;

/* NPR_OK, NPR_ETIMEDOUT, NPR_ENOPROC, NPR_EEXIT, NPR_EUNREACHABLE, NPR_EAUTH, NPR_EREFUSED,
 * NPR_ENOMEM, NPR_ECLOSED.  Borrowed for the callback. */
struct npri_outcome {
    npr_status status;
    struct npr_term term;  /* NPR_OK: the reply, value or pid; NPR_EEXIT: the reason; else none */
    struct npr_bytes text; /* why it failed */
    const struct npr_behaviour *behaviour; /* NPR_OK: of what was launched here; else NULL */
};

struct npri_question_options {
    struct npr_node_name peer; /* may be this node */
    uint64_t deadline_ns;
    /* May begin other requests. */
    void (*done)(void *user, uint64_t number, const struct npri_outcome *outcome);
    void *user;
    uint64_t number; /* the caller's */
};

/* A function to run and its arguments, all terms. */
struct npri_apply {
    struct npr_term module;
    struct npr_term function;
    struct npr_term args;   /* list */
    struct npr_term leader; /* the group leader of what is spawned elsewhere; none: our client */
};

struct npri_questions {
    struct npri_map open;       /* by reference */
    struct npri_heap deadlines; /* of the same */
    struct npri_map debtors;    /* nodes, by name */
    struct npri_timer *timer;
};

bool npri_questions_init(struct npr_node *node); /* false: no memory */

/* Completes everything with NPR_ECLOSED. */
void npri_questions_close(struct npr_node *node);
void npri_questions_fini(struct npr_node *node); /* after close */

/* Each returns NPR_OK when `done` is going to be called, never from inside; else it is not:
 * NPR_ENOMEM, NPR_EFULL (the queue to that node is full, or it owes NPRI_ENDLESS_QUESTIONS_MAX
 * answers to questions without a deadline), NPR_ECLOSED. */
NPR_NODISCARD npr_status npri_question_call(struct npr_node *node,
                                            const struct npri_question_options *options,
                                            struct npr_term to, /* pid or atom */
                                            struct npr_term request);
/* A process of this node, about its links and monitors: the answer is as NPRI_SIGNAL_TELL says. */
NPR_NODISCARD npr_status npri_question_tell(struct npr_node *node,
                                            const struct npri_question_options *options,
                                            struct npr_term pid);
NPR_NODISCARD npr_status npri_question_apply(struct npr_node *node,
                                             const struct npri_question_options *options,
                                             const struct npri_apply *apply);
NPR_NODISCARD npr_status npri_question_spawn(struct npr_node *node,
                                             const struct npri_question_options *options,
                                             const struct npri_apply *apply);
NPR_NODISCARD npr_status npri_question_connect(struct npr_node *node,
                                               const struct npri_question_options *options);

/* Signals to the client service that may be answers.  True: this one was (or was one too late). */
bool npri_questions_on_signal(struct npr_node *node, const struct npri_signal *signal);

void npri_questions_on_up(struct npr_node *node, const struct npr_node_name *peer);
/* A message that waited for a connection came back.  The question that it was of ends, too: with
 * the reason that npri_questions_on_down() brings in this turn; without one (the last attempt has
 * just failed, and no other is made so soon), as NPR_EUNREACHABLE. */
void npri_questions_on_undelivered(struct npr_node *node, struct npr_term ref);
void npri_questions_on_down(struct npr_node *node,
                            const struct npr_node_name *peer,
                            const struct npr_error *reason);

#endif /* NPRI_NODE_QUESTIONS_H */
