/* node/survey.h - all processes of this node looked at, for a peer that asked: some thousands in a
 * turn of the loop, so that a million of them hold nobody up.  Loop thread only. */
#ifndef NPRI_NODE_SURVEY_H
#define NPRI_NODE_SURVEY_H

#include "node/evaluation.h"
#include "runtime/ranking.h"

struct npri_survey_options {
    enum npr_figure by;
    uint32_t limit; /* > 0 */
    /* Appends one process of the answer, which is a list. */
    void (*put)(struct npr_node *node,
                const struct npri_process_info *info,
                struct npri_buffer *out);
};

/* Ends the evaluation, now or later, with the first `limit` processes or with why not: beside no
 * memory, that there are NPRI_SURVEYS_MAX surveys already or that the answer is too large. */
void npri_survey_begin(struct npri_evaluation *evaluation,
                       const struct npri_survey_options *options);

/* Frees those that are under way; nobody is told. */
void npri_surveys_fini(struct npr_node *node);

#endif /* NPRI_NODE_SURVEY_H */
