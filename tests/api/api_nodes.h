/* api_nodes.h - nodes of one program that talk over loopback, without epmd, and small terms. */
#ifndef NPRI_TESTS_API_NODES_H
#define NPRI_TESTS_API_NODES_H

#include "nprocreg/nprocreg.h"

#define NODES_MAX  3
#define TIMEOUT_MS 5000

extern struct npr_node *nodes[NODES_MAX]; /* a@127.0.0.1, b@..., c@... */

/* The options of such a node, with one module of the case's; NPRI_TEST_VERBOSE shows its log. */
struct npr_node_options nodes_options(const char *name, const struct npr_module *module);

/* Starts `count` nodes and waits until each has all of them in its view. */
void nodes_start(size_t count, const struct npr_module *module);
int nodes_stop(void **state); /* a teardown */

/* Members in the view of `node`, asked as an Erlang node would; and waits until they are so many.
 */
size_t nodes_view_count(struct npr_node *node);
void nodes_wait_for_view(struct npr_node *node, size_t count);

/* The term that `text` says; lives until the case ends (nodes_stop()). */
struct npr_term nodes_term(const char *text);

/* A term as text; lives as long. */
const char *nodes_text(struct npr_term term);

/* A key that belongs to node `index` of the `count` that run: {Text, N} for some N. */
struct npr_term nodes_key_of(const char *text, size_t index, size_t count);

/* Looks for `key`, or starts `start`, from that node. */
npr_status nodes_get(struct npr_node *node,
                     struct npr_term key,
                     const char *module,
                     const char *function,
                     struct npr_found *out);

/* Calls the process and gives its reply as text, which lives as long as nodes_term(). */
const char *nodes_call(struct npr_node *node, const struct npr_pid *pid, const char *request);

/* Until `done(user)`, which nothing announces: asked for every millisecond, for 20 s at the most.
 */
void nodes_wait(bool (*done)(void *user), void *user);

#endif /* NPRI_TESTS_API_NODES_H */
