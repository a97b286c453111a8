/* node/process_terms.h - one process of this node, for those who ask from outside, as terms.  Loop
 * thread only. */
#ifndef NPRI_NODE_PROCESS_TERMS_H
#define NPRI_NODE_PROCESS_TERMS_H

#include "base/bytes.h"
#include "runtime/runtime.h"

struct npr_node;

enum npri_found {
    NPRI_FOUND_BADARG, /* no pid, or one of another node */
    NPRI_FOUND_DEAD,
    NPRI_FOUND,
};

/* A built-in server is always there, and has none of the figures. */
enum npri_found npri_process_find(struct npr_node *node,
                                  struct npr_term term,
                                  struct npri_process_info *out);

void npri_put_process_pid(struct npr_node *node,
                          const struct npri_process_info *info,
                          struct npri_buffer *out);

/* The list of its registered names. */
void npri_put_process_names(struct npr_node *node,
                            const struct npri_process_info *info,
                            struct npri_buffer *out);

/* {counter,start,0} of "counter:start/0"; what has not this form is a binary. */
void npri_put_process_function(struct npri_buffer *out, const char *text);

/* waiting, running, suspended */
void npri_put_process_status(struct npri_buffer *out, enum npr_process_status status);

#endif /* NPRI_NODE_PROCESS_TERMS_H */
