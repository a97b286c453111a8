#include "node/leaders.h"

#include "base/alloc.h"
#include "node/node.h"
#include "term/write.h"

/* A node that does not say who its `user` is within that time is spawned on without. */
#define ASK_NS UINT64_C(2000000000)

struct leader {
    struct npri_map_node node; /* by the name in `pid` */
    struct npr_pid pid;
};

/* A spawn that waits for its leader. */
struct waiting {
    struct npr_node *node;
    struct npri_question_options options;
    struct npri_signal *memory; /* payload: {Module, Function, Args} */
};

static struct npr_bytes name_bytes(const struct npr_node_name *name)
{
    return npri_bytes(name->text, name->size);
}

static struct leader *find(const struct npr_node *node, const struct npr_node_name *peer)
{
    struct npri_map_node *found = npri_map_find(&node->leaders.known, name_bytes(peer));

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct leader, node);
}

/* Without memory it is asked for again. */
static void remember(struct npr_node *node, const struct npr_pid *pid)
{
    struct leader *leader = find(node, &pid->node);

    if (leader != NULL) {
        leader->pid = *pid;
        return;
    }
    leader = npri_alloc_zeroed(1, sizeof(*leader));
    if (leader != NULL) {
        leader->pid = *pid;
        npri_map_insert(&node->leaders.known, &leader->node, name_bytes(&leader->pid.node));
    }
}

bool npri_leaders_init(struct npri_leaders *leaders, struct npri_hash_key hash_key)
{
    return npri_map_init(&leaders->known, hash_key);
}

void npri_leaders_fini(struct npri_leaders *leaders)
{
    struct npri_map_node *first;

    if (leaders->known.buckets == NULL) {
        return;
    }
    while ((first = npri_map_first(&leaders->known)) != NULL) {
        npri_map_remove(&leaders->known, first);
        npri_free(NPRI_CONTAINER_OF(first, struct leader, node));
    }
    npri_map_fini(&leaders->known);
}

void npri_leaders_on_down(struct npr_node *node, const struct npr_node_name *peer)
{
    struct leader *leader = find(node, peer);

    if (leader != NULL) {
        npri_map_remove(&node->leaders.known, &leader->node);
        npri_free(leader);
    }
}

static npr_status spawn_under(struct npr_node *node,
                              const struct npri_question_options *options,
                              const struct npri_apply *apply,
                              const struct leader *leader)
{
    struct npri_apply led = *apply;
    struct npri_buffer pid;
    npr_status status;

    npri_buffer_init(&pid, 0);
    if (leader != NULL) {
        npri_put_pid(&pid, &leader->pid);
        led.leader = npri_buffer_term(&pid);
    }
    status = npri_question_spawn(node, options, &led);
    npri_buffer_fini(&pid);
    return status;
}

static void on_user(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct waiting *waiting = user;
    struct npr_node *node = waiting->node;
    npr_status status = outcome->status;
    struct npr_term parts[3];
    struct npr_pid pid;

    (void)number;
    if (status == NPR_OK && npr_term_get_pid(outcome->term, &pid)) {
        remember(node, &pid);
    }
    if (status == NPR_OK || status == NPR_ETIMEDOUT || status == NPR_EEXIT) {
        status = NPR_ENOMEM;
        if (npr_term_get_tuple(waiting->memory->payload, 3, parts)) {
            status = spawn_under(
                node, &waiting->options,
                &(struct npri_apply){.module = parts[0], .function = parts[1], .args = parts[2]},
                find(node, &waiting->options.peer));
        }
    }
    if (status != NPR_OK) { /* Nothing was spawned. */
        waiting->options.done(
            waiting->options.user, waiting->options.number,
            &(struct npri_outcome){.status = status,
                                   .text = outcome->status == status
                                               ? outcome->text
                                               : npr_bytes_of(npr_status_text(status))});
    }
    npri_signal_destroy(waiting->memory);
    npri_free(waiting);
}

/* erlang:whereis(user). */
static npr_status ask_user(struct npr_node *node, struct waiting *waiting)
{
    struct npri_buffer terms[3];
    npr_status status = NPR_ENOMEM;

    for (size_t i = 0; i < 3; i++) {
        npri_buffer_init(&terms[i], 0);
    }
    npri_put_atom(&terms[0], "erlang");
    npri_put_atom(&terms[1], "whereis");
    npri_put_list(&terms[2], 1);
    npri_put_atom(&terms[2], "user");
    npri_put_nil(&terms[2]);
    if (!terms[0].failed && !terms[1].failed && !terms[2].failed) {
        status = npri_question_apply(
            node,
            &(struct npri_question_options){.peer = waiting->options.peer,
                                            .deadline_ns = npri_loop_now_ns(node->loop) + ASK_NS,
                                            .done = on_user,
                                            .user = waiting},
            &(struct npri_apply){.module = npri_buffer_term(&terms[0]),
                                 .function = npri_buffer_term(&terms[1]),
                                 .args = npri_buffer_term(&terms[2])});
    }
    for (size_t i = 0; i < 3; i++) {
        npri_buffer_fini(&terms[i]);
    }
    return status;
}

npr_status npri_leaders_spawn(struct npr_node *node,
                              const struct npri_question_options *options,
                              const struct npri_apply *apply)
{
    const struct leader *leader = find(node, &options->peer);
    struct waiting *waiting;
    struct npri_buffer all;
    npr_status status = NPR_ENOMEM;

    if (leader != NULL) {
        return spawn_under(node, options, apply, leader);
    }
    waiting = npri_alloc_zeroed(1, sizeof(*waiting));
    if (waiting == NULL) {
        return NPR_ENOMEM;
    }
    waiting->node = node;
    waiting->options = *options;
    npri_buffer_init(&all, 0);
    npri_put_tuple(&all, 3);
    npri_put_given(&all, apply->module);
    npri_put_given(&all, apply->function);
    npri_put_given(&all, apply->args);
    if (!all.failed) {
        waiting->memory = npri_signal_create(
            &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE, .payload = npri_buffer_term(&all)});
    }
    npri_buffer_fini(&all);
    if (waiting->memory != NULL) {
        status = ask_user(node, waiting);
    }
    if (status != NPR_OK) {
        npri_signal_destroy(waiting->memory);
        npri_free(waiting);
    }
    return status;
}
