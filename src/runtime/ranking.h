/* runtime/ranking.h - the processes that come first by one figure, out of all that are offered.
 *
 * A heap of at most `limit`, the last of them on top: each one that is offered costs a comparison,
 * and those that are better a few more.  Equal ones are told apart by their pids, the older first.
 * Not for two threads at once. */
#ifndef NPRI_RUNTIME_RANKING_H
#define NPRI_RUNTIME_RANKING_H

#include "runtime/runtime.h"

struct npri_ranking {
    enum npr_figure by;
    uint32_t limit;
    uint32_t count;
    struct npri_process_info *infos; /* a heap; after npri_ranking_sort() the first one first */
};

/* `limit` > 0.  False: no memory. */
bool npri_ranking_init(struct npri_ranking *ranking, enum npr_figure by, uint32_t limit);
void npri_ranking_fini(struct npri_ranking *ranking); /* a zeroed one is fine */

void npri_ranking_offer(struct npri_ranking *ranking, const struct npri_process_info *info);

/* Once, when all have been offered. */
void npri_ranking_sort(struct npri_ranking *ranking);

#endif /* NPRI_RUNTIME_RANKING_H */
