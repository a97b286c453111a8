#include "runtime/ranking.h"

#include "base/alloc.h"
#include "base/assert.h"

bool npri_ranking_init(struct npri_ranking *ranking, enum npr_figure by, uint32_t limit)
{
    NPRI_ASSERT(limit > 0);
    *ranking = (struct npri_ranking){.by = by, .limit = limit};
    ranking->infos = npri_alloc(limit * sizeof(*ranking->infos));
    return ranking->infos != NULL;
}

void npri_ranking_fini(struct npri_ranking *ranking)
{
    npri_free(ranking->infos);
    ranking->infos = NULL;
}

static uint64_t figure_of(const struct npri_process_info *info, enum npr_figure figure)
{
    switch (figure) {
    case NPR_FIGURE_PID:
        break; /* All are equal: their pids tell them apart. */
    case NPR_FIGURE_MAILBOX:
        return info->waiting;
    case NPR_FIGURE_HANDLED:
        return info->handled;
    case NPR_FIGURE_DROPPED:
        return info->overflowed;
    case NPR_FIGURE_TIME:
        return info->busy_ns;
    case NPR_FIGURE_STATE:
        return info->state_bytes;
    case NPR_FIGURE_LINKS:
        return info->relations;
    }
    return 0;
}

/* Whether `a` comes before `b`. */
static bool is_before(const struct npri_ranking *ranking,
                      const struct npri_process_info *a,
                      const struct npri_process_info *b)
{
    const uint64_t figure_a = figure_of(a, ranking->by);
    const uint64_t figure_b = figure_of(b, ranking->by);

    if (figure_a != figure_b) {
        return figure_a > figure_b;
    }
    return a->serial != b->serial ? a->serial < b->serial : a->id < b->id;
}

static void swap(struct npri_process_info *a, struct npri_process_info *b)
{
    const struct npri_process_info kept = *a;

    *a = *b;
    *b = kept;
}

/* In the heap of the first `count`, nobody comes before who is below: [at] may break that. */
static void sift_down(struct npri_ranking *ranking, uint32_t count, uint32_t at)
{
    struct npri_process_info *infos = ranking->infos;

    for (;;) {
        uint32_t below = 2 * at + 1;

        if (below >= count) {
            return;
        }
        if (below + 1 < count && is_before(ranking, &infos[below], &infos[below + 1])) {
            below++;
        }
        if (!is_before(ranking, &infos[at], &infos[below])) {
            return;
        }
        swap(&infos[at], &infos[below]);
        at = below;
    }
}

static void sift_up(struct npri_ranking *ranking, uint32_t at)
{
    struct npri_process_info *infos = ranking->infos;

    while (at > 0 && is_before(ranking, &infos[(at - 1) / 2], &infos[at])) {
        swap(&infos[at], &infos[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

void npri_ranking_offer(struct npri_ranking *ranking, const struct npri_process_info *info)
{
    if (ranking->count < ranking->limit) {
        ranking->infos[ranking->count] = *info;
        sift_up(ranking, ranking->count++);
    } else if (is_before(ranking, info, &ranking->infos[0])) {
        ranking->infos[0] = *info;
        sift_down(ranking, ranking->count, 0);
    }
}

void npri_ranking_sort(struct npri_ranking *ranking)
{
    for (uint32_t left = ranking->count; left > 1; left--) {
        swap(&ranking->infos[0], &ranking->infos[left - 1]);
        sift_down(ranking, left - 1, 0);
    }
}
