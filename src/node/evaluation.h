/* node/evaluation.h - a function that a peer (or this node itself) has run here, and how its result
 * goes back.  Loop thread only.
 *
 *     ERPC   spawned erpc:execute_call: the exit reason {Res,return,Value} is the answer
 *     SPAWN  spawned Module:Function: exits `normal`, or with what it raised
 *     CALL   gen_call to rex: replied
 *     REX    old message to rex: {rex, Result}
 *     CAST   nobody waits
 *
 * A function either ends its evaluation before it returns, or keeps it and ends it later; exactly
 * once in both cases. */
#ifndef NPRI_NODE_EVALUATION_H
#define NPRI_NODE_EVALUATION_H

#include "node/questions.h"

enum npri_evaluation_kind {
    NPRI_EVALUATION_ERPC,
    NPRI_EVALUATION_SPAWN,
    NPRI_EVALUATION_CALL,
    NPRI_EVALUATION_REX,
    NPRI_EVALUATION_CAST,
};

struct npri_evaluation {
    struct npr_node *node;
    enum npri_evaluation_kind kind;
    bool link; /* ERPC, SPAWN: what the caller has set up */
    bool monitor;
    struct npr_term caller;  /* pid; none for CAST */
    struct npr_term process; /* ERPC, SPAWN: the pid that stands for the evaluation */
    struct npr_term ref;     /* ERPC, SPAWN: of the request, and so of the monitor */
    struct npr_term tag;     /* ERPC: Res.  CALL: the call's tag */
    struct npri_apply apply;
    /* Private: of a kept one. */
    struct npri_evaluation *previous;
    struct npri_evaluation *next;
    struct npri_signal *memory;
    size_t cost;
};

struct npri_evaluations {
    struct npri_evaluation *first; /* the kept ones */
    size_t waiting_bytes;          /* what they and other requests of peers cost */
};

/* What is asked for here by peers and waits for an answer is bounded: takes from the budget what a
 * request with terms of `bytes` in all may cost by the time it is answered; 0: there is not so much
 * left, it is to be refused with NPR_EFULL. */
size_t npri_evaluations_admit(struct npri_evaluations *evaluations, size_t bytes);
void npri_evaluations_release(struct npri_evaluations *evaluations, size_t cost);

/* Runs `draft->apply`; everything in `draft` is borrowed for the call. */
void npri_evaluate(const struct npri_evaluation *draft);

/* Frees those that are kept; nobody is told. */
void npri_evaluations_fini(struct npr_node *node);

/* ---- For the functions. */

/* A copy that lives until it is ended; NULL: no memory, or too many are kept (and the evaluation
 * was ended so). */
struct npri_evaluation *npri_evaluation_keep(struct npri_evaluation *evaluation);

void npri_evaluation_return(struct npri_evaluation *evaluation, struct npr_term value);
void npri_evaluation_error(struct npri_evaluation *evaluation, struct npr_term reason);

/* Returns the term in `value`, or fails with NPR_ENOMEM when it could not be written; frees it. */
void npri_evaluation_return_built(struct npri_evaluation *evaluation, struct npri_buffer *value);
void npri_evaluation_return_atom(struct npri_evaluation *evaluation, const char *atom);

/* error:Atom, such as badarg. */
void npri_evaluation_raise(struct npri_evaluation *evaluation, const char *atom);

/* error:{nprocreg_error, Status, Text}. */
void npri_evaluation_fail(struct npri_evaluation *evaluation,
                          npr_status status,
                          struct npr_bytes text);

/* A function by name; `args` has as many as its arity. */
struct npri_builtin {
    const char *module;
    const char *function;
    uint32_t arity;
    void (*run)(struct npri_evaluation *evaluation, const struct npr_term *args);
};

#define NPRI_BUILTIN_ARITY_MAX 4u

/* functions.c: the table; NULL when there is none of that name. */
const struct npri_builtin *npri_builtin_find(struct npr_bytes module,
                                             struct npr_bytes function,
                                             uint32_t arity);

/* erlang:apply/2,3 of a function by name becomes that function; anything else stays.  Returns
 * whether the arguments are a proper list, and their number. */
bool npri_apply_resolve(struct npri_apply *apply, uint32_t *out_arity);

#endif /* NPRI_NODE_EVALUATION_H */
