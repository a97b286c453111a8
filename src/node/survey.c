#include "node/survey.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "node/node.h"
#include "term/write.h"

/* Processes that are looked at, and that are written down, before the loop does something else. */
#define TURN_PROCESSES 8192u
#define TURN_ROWS      512u

/* More may have been started by the time that all have been looked at. */
#define STARTED_MEANWHILE 1024u

struct npri_survey {
    struct npri_link link; /* of node->surveys */
    struct npri_task task;
    struct npr_node *node;
    struct npri_evaluation *evaluation;
    struct npri_survey_options options;
    struct npri_ranking ranking;
    unsigned part;             /* the next to look at */
    uint32_t row;              /* the next to write, once all have been looked at */
    struct npri_buffer answer; /* a list */
};

static void survey_free(struct npri_survey *survey)
{
    npri_list_remove(&survey->link);
    survey->node->surveys_count--;
    npri_ranking_fini(&survey->ranking);
    npri_buffer_fini(&survey->answer);
    npri_free(survey);
}

static void survey_end(struct npri_survey *survey)
{
    struct npri_evaluation *evaluation = survey->evaluation;
    struct npri_buffer *answer = &survey->answer;

    npri_put_nil(answer);
    if (answer->failed) {
        npri_evaluation_fail(evaluation, NPR_EFULL,
                             npr_bytes_of("the answer is too large: ask for fewer processes"));
    } else {
        npri_evaluation_return(evaluation, npri_buffer_term(answer));
    }
    survey_free(survey);
}

/* Some of what is left to look at.  True: nothing is. */
static bool survey_look(struct npri_survey *survey)
{
    uint32_t count = 0;

    while (survey->part < NPRI_RUNTIME_PARTS && count < TURN_PROCESSES) {
        count += npri_runtime_rank(survey->node->runtime, survey->part++, &survey->ranking);
        if (survey->part == NPRI_RUNTIME_PARTS) {
            npri_ranking_sort(&survey->ranking);
            if (survey->ranking.count > 0) {
                npri_put_list(&survey->answer, survey->ranking.count);
            }
        }
    }
    return survey->part == NPRI_RUNTIME_PARTS;
}

/* Some of what is left to write.  True: nothing is. */
static bool survey_write(struct npri_survey *survey)
{
    const struct npri_ranking *ranking = &survey->ranking;

    for (uint32_t i = 0; i < TURN_ROWS && survey->row < ranking->count; i++) {
        survey->options.put(survey->node, &ranking->infos[survey->row++], &survey->answer);
    }
    return survey->row == ranking->count || survey->answer.failed;
}

static void survey_go_on(struct npri_survey *survey)
{
    if (survey_look(survey) && survey_write(survey)) {
        survey_end(survey);
    } else {
        npri_loop_post(survey->node->loop, &survey->task);
    }
}

static void survey_run(struct npri_task *task)
{
    struct npri_survey *survey = NPRI_CONTAINER_OF(task, struct npri_survey, task);
    struct npr_node *node = survey->node;

    if (node->closing) { /* There may be no connections any more. */
        return;
    }
    npri_node_enter(node);
    survey_go_on(survey);
    npri_node_leave(node);
}

void npri_survey_begin(struct npri_evaluation *evaluation,
                       const struct npri_survey_options *options)
{
    struct npr_node *node = evaluation->node;
    const size_t count = npri_runtime_process_count(node->runtime) + STARTED_MEANWHILE;
    struct npri_survey *survey;

    if (node->surveys_count == NPRI_SURVEYS_MAX) {
        npri_evaluation_fail(evaluation, NPR_EFULL,
                             npr_bytes_of("too many look at the processes already"));
        return;
    }
    evaluation = npri_evaluation_keep(evaluation);
    if (evaluation == NULL) {
        return;
    }
    survey = npri_alloc_zeroed(1, sizeof(*survey));
    if (survey == NULL ||
        !npri_ranking_init(&survey->ranking, options->by,
                           options->limit < count ? options->limit : (uint32_t)count)) {
        npri_free(survey);
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    survey->task.run = survey_run;
    survey->node = node;
    survey->evaluation = evaluation;
    survey->options = *options;
    npri_buffer_init(&survey->answer, NPRI_TERM_BYTES_MAX);
    npri_list_append(&node->surveys, &survey->link);
    node->surveys_count++;
    survey_go_on(survey);
}

void npri_surveys_fini(struct npr_node *node)
{
    struct npri_link *at;

    while ((at = npri_list_take(&node->surveys)) != NULL) {
        survey_free(NPRI_CONTAINER_OF(at, struct npri_survey, link));
    }
}
