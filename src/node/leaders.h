/* node/leaders.h - spawning on Erlang nodes under a group leader of theirs, the process `user`, so
 * that what the spawned process prints and logs comes out there.  Loop thread only.
 *
 * A node is asked for its `user` once for each connection. */
#ifndef NPRI_NODE_LEADERS_H
#define NPRI_NODE_LEADERS_H

#include "node/questions.h"

struct npri_leaders {
    struct npri_map known; /* by node, while it is connected */
};

bool npri_leaders_init(struct npri_leaders *leaders,
                       struct npri_hash_key hash_key); /* false: no memory */
void npri_leaders_fini(struct npri_leaders *leaders);

/* As npri_question_spawn(). */
NPR_NODISCARD npr_status npri_leaders_spawn(struct npr_node *node,
                                            const struct npri_question_options *options,
                                            const struct npri_apply *apply);

void npri_leaders_on_down(struct npr_node *node, const struct npr_node_name *peer);

#endif /* NPRI_NODE_LEADERS_H */
