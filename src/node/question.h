/* node/question.h - one request, as questions.c (the table) and answers.c (the protocol) share it.
 */
#ifndef NPRI_NODE_QUESTION_H
#define NPRI_NODE_QUESTION_H

#include "base/bytes.h"
#include "node/questions.h"

enum npri_question_kind {
    NPRI_QUESTION_CALL,
    NPRI_QUESTION_APPLY,
    NPRI_QUESTION_SPAWN,
    NPRI_QUESTION_CONNECT,
};

struct npri_debtor;

struct npri_question {
    struct npri_map_node node;
    struct npri_heap_node deadline;
    struct npri_link ending; /* while the questions to a lost node are being ended */
    enum npri_question_kind kind;
    struct npr_node_name peer;
    bool undelivered;           /* ends at once */
    struct npri_debtor *debtor; /* of a question without a deadline; else NULL */
    struct npri_buffer ref;     /* a term in normal form */
    struct npri_buffer target;  /* a term: what is monitored; empty: nothing yet */
    void (*done)(void *user, uint64_t number, const struct npri_outcome *outcome);
    void *user;
    uint64_t number;
};

/* Enters a new request.  NPR_OK, NPR_ENOMEM, NPR_EFULL, NPR_ECLOSED. */
npr_status npri_question_begin(struct npr_node *node,
                               const struct npri_question_options *options,
                               enum npri_question_kind kind,
                               struct npri_question **out);

/* The request of that reference (a term), or NULL. */
struct npri_question *npri_question_find(struct npr_node *node, struct npr_term term);

/* Completes a request, and frees it. */
void npri_question_end(struct npr_node *node,
                       struct npri_question *request,
                       const struct npri_outcome *outcome);

/* Frees a request that could not be sent, without completing it. */
void npri_question_abandon(struct npr_node *node, struct npri_question *request);

/* Takes back the monitor of a request that ends without its DOWN. */
void npri_question_demonitor(struct npr_node *node, const struct npri_question *request);

#endif /* NPRI_NODE_QUESTION_H */
