/* node/quorum_news.h - the registered processes of this node are told when its side of a partition
 * has lost the quorum, or has it again: {nprocreg, quorum, lost | regained}.  In pieces, one at
 * each turn of the loop.  Loop thread only. */
#ifndef NPRI_NODE_QUORUM_NEWS_H
#define NPRI_NODE_QUORUM_NEWS_H

#include "net/loop.h"

struct npr_node;

struct npri_quorum_news {
    struct npri_timer *timer;
    unsigned part; /* of the processes, the next to be told */
    bool regained; /* what it tells */
};

npr_status npri_quorum_news_start(struct npr_node *node);
void npri_quorum_news_fini(struct npr_node *node);

/* NPRI_EFFECT_QUORUM.  A walk that goes on begins anew, with this. */
void npri_quorum_news_tell(struct npr_node *node, bool regained);

#endif /* NPRI_NODE_QUORUM_NEWS_H */
