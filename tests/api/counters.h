/* counters.h - nodes that all export counters, which the cases talk to by atoms.
 *
 *     counter:start/0,2   begins at the sum of its arguments
 *         call pid        its pid                      cast inc          adds 100
 *         call silence    no answer                    message thousand  adds 1000
 *         call stop       ends with {error,erefused}
 *         call else       adds 1, gives the total
 *     counter:fail/0      its init fails */
#ifndef NPRI_TESTS_API_COUNTERS_H
#define NPRI_TESTS_API_COUNTERS_H

#include "api_nodes.h"

#include <stdatomic.h>

#include "support/check.h"

extern const struct npr_module counters_module;

/* Those that have begun and not ended, on all nodes. */
extern atomic_int counters_alive;

/* nodes_start() with this module; and one node at a time. */
void counters_start(size_t count);
struct npr_node_options counters_options(const char *name);
struct npr_node *counters_start_node(const struct npr_node_options *options);

/* The counter under {user,Number}. */
npr_status counters_get(struct npr_node *node, int64_t number, bool starts, struct npr_found *out);
void counters_wait_until_gone(struct npr_node *node, struct npr_term key);

/* An atom in a builder that is emptied for it. */
struct npr_term counters_atom(struct npr_builder *builder, const char *atom);

npr_status counters_call(struct npr_node *node,
                         const struct npr_address *to,
                         const char *atom,
                         uint32_t timeout_ms,
                         struct npr_builder *reply);
int64_t counters_reply(struct npr_builder *reply); /* and empties it */
void counters_send(struct npr_node *node,
                   const struct npr_address *to,
                   const char *atom,
                   bool cast);

#endif /* NPRI_TESTS_API_COUNTERS_H */
