/* nprocreg/registry.h: keys that are asked for without waiting, by the program's threads and by
 * processes.
 *
 * One that is under way counts as a call of the program (node/call.h): npr_node_stop() ends it with
 * NPR_ECLOSED like those that wait, and goes on when the last one has been told. */
#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/call.h"
#include "node/failure.h"
#include "node/launch.h"
#include "node/node.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* What the core and the questions to other nodes may hold of a get, by its size. */
#define GET_COPIES ((size_t)4)
#define GET_BYTES  ((size_t)2048)

struct asked {
    struct npri_task task;
    struct npri_get get;
    struct npr_node *node;
    npr_get_done *done; /* the program's; NULL: a process asked */
    void *user;
    struct npri_signal *failure; /* to the process: what it is told when there is no memory */
    struct npr_ref ref;          /* in its answer */
    uint64_t deadline_ns;
    size_t cost;
    struct npri_buffer terms; /* the key, then the function */
    size_t key_size;
};

/* ---- The answer. */

static void put_outcome(struct npri_buffer *buffer, const struct npri_answer *answer)
{
    if (answer->status == NPR_OK) {
        npri_put_tuple(buffer, 4);
        npri_put_atom(buffer, "ok");
        npri_put_given(buffer, answer->pid);
        npri_put_atom(buffer, answer->started ? "true" : "false");
        npri_put_uint(buffer, answer->token);
    } else {
        npri_put_error(buffer, answer->status, answer->text);
    }
}

/* A message to the process; NULL: no memory. */
static struct npri_signal *create_message(struct npr_node *node,
                                          struct npr_term to,
                                          const struct npr_ref *ref,
                                          const struct npri_answer *answer)
{
    struct npri_signal *message;
    struct npri_buffer what;

    npri_buffer_init(&what, 0);
    put_outcome(&what, answer);
    message = npri_client_message(node, ref, to, &what);
    npri_buffer_fini(&what);
    return message;
}

static void tell_process(struct asked *asked, const struct npri_answer *answer)
{
    struct npri_signal *message =
        create_message(asked->node, asked->failure->to, &asked->ref, answer);

    if (message == NULL) {
        message = asked->failure;
        asked->failure = NULL;
    }
    npri_runtime_deliver(asked->node->runtime, message);
}

static void tell_program(struct asked *asked, const struct npri_answer *answer)
{
    struct npr_found found = {.started = answer->started, .token = answer->token};
    struct npr_error error = {.status = answer->status};

    if (error.status == NPR_OK && !npr_term_get_pid(answer->pid, &found.pid)) {
        error.status = NPR_EPROTO;
    }
    if (error.status == NPR_OK) {
        asked->done(asked->user, NPR_OK, &found, "");
        return;
    }
    (void)npri_fail(&error, error.status, "%.*s", (int)answer->text.size,
                    answer->text.size == 0 ? "" : (const char *)answer->text.data);
    asked->done(asked->user, error.status, NULL, error.text);
}

static void asked_destroy(struct asked *asked)
{
    npri_buffer_fini(&asked->terms);
    npri_signal_destroy(asked->failure);
    npri_free(asked);
}

/* The get, its share of the limit, and its place among the calls of the program. */
static void end(struct npr_node *node, size_t cost)
{
    /* relaxed: a figure; nothing else is published by it. */
    (void)atomic_fetch_sub_explicit(&node->asked_bytes, cost, memory_order_relaxed);
    npri_calls_leave(node);
}

static void on_answer(struct npri_get *get, const struct npri_answer *answer)
{
    struct asked *asked = NPRI_CONTAINER_OF(get, struct asked, get);
    struct npr_node *node = asked->node;
    const size_t cost = asked->cost;

    (asked->done == NULL ? tell_process : tell_program)(asked, answer);
    asked_destroy(asked);
    end(node, cost);
}

/* ---- The question. */

static void run(struct npri_task *task)
{
    struct asked *asked = NPRI_CONTAINER_OF(task, struct asked, task);
    struct npr_node *node = asked->node;
    const struct npr_bytes terms = npri_buffer_bytes(&asked->terms);
    struct npri_get_options options = {
        .key = {.data = terms.data, .size = asked->key_size},
        .caller = npri_service_pid(node, NPRI_SERVICE_CLIENT),
        .deadline_ns = asked->deadline_ns,
    };

    if (terms.size > asked->key_size) {
        options.function = (struct npr_term){.data = terms.data + asked->key_size,
                                             .size = terms.size - asked->key_size};
    }
    npri_node_enter(node);
    npri_registry_get(node, &asked->get, &options);
    npri_node_leave(node);
}

/* 0: too much waits already. */
static size_t admit(struct npr_node *node, size_t bytes)
{
    const size_t cost = GET_COPIES * bytes + GET_BYTES;
    size_t before;

    if (bytes > NPRI_ASKED_BYTES_MAX / (2 * GET_COPIES)) {
        return 0;
    }
    /* relaxed: a figure; nothing else is published by it. */
    before = atomic_fetch_add_explicit(&node->asked_bytes, cost, memory_order_relaxed);
    if (before > NPRI_ASKED_BYTES_MAX - cost) {
        (void)atomic_fetch_sub_explicit(&node->asked_bytes, cost, memory_order_relaxed);
        return 0;
    }
    return cost;
}

/* Checks and copies the question. */
static npr_status prepare(struct npr_term key, const struct npr_start *start, struct asked **out)
{
    npr_status status = npri_registry_check_key(key, NULL);
    struct asked *asked;

    if (status != NPR_OK) {
        return status;
    }
    asked = npri_alloc_zeroed(1, sizeof(*asked));
    if (asked == NULL) {
        return NPR_ENOMEM;
    }
    npri_buffer_init(&asked->terms, 0);
    npri_put_term(&asked->terms, key);
    asked->key_size = key.size;
    status = asked->terms.failed ? NPR_ENOMEM : NPR_OK;
    if (status == NPR_OK && start != NULL) {
        status = npri_startable_put(&asked->terms, start, NULL);
    }
    if (status != NPR_OK) {
        asked_destroy(asked);
        return status;
    }
    *out = asked;
    return NPR_OK;
}

/* Hands it to the loop thread.  Takes `asked` over, whatever it returns. */
static npr_status post(struct npr_node *node, struct asked *asked, uint32_t timeout_ms)
{
    if (!npri_calls_enter(node)) {
        asked_destroy(asked);
        return NPR_ECLOSED;
    }
    asked->cost = admit(node, asked->terms.size);
    if (asked->cost == 0) {
        npri_calls_leave(node);
        asked_destroy(asked);
        return NPR_EFULL;
    }
    asked->node = node;
    asked->deadline_ns = npri_loop_now_ns(node->loop) + timeout_ms * NS_PER_MS;
    asked->get.done = on_answer;
    asked->task.run = run;
    npri_loop_post(node->loop, &asked->task);
    return NPR_OK;
}

npr_status npr_get_async(struct npr_node *node,
                         struct npr_term key,
                         const struct npr_start *start,
                         uint32_t timeout_ms,
                         npr_get_done *done,
                         void *user)
{
    struct asked *asked = NULL;
    npr_status status;

    if (node == NULL || done == NULL) {
        return NPR_EINVAL;
    }
    status = prepare(key, start, &asked);
    if (status != NPR_OK) {
        return status;
    }
    asked->done = done;
    asked->user = user;
    return post(node, asked, timeout_ms);
}

/* What the process gets when there is no memory for anything else is made while there is. */
static bool address(struct asked *asked, struct npr_node *node, const struct npr_process *self)
{
    const struct npr_pid pid = npr_self(self);
    struct npri_buffer to;

    asked->ref = npri_runtime_new_ref(node->runtime);
    npri_buffer_init(&to, 0);
    npri_put_pid(&to, &pid);
    if (!to.failed) {
        asked->failure = create_message(
            node, npri_buffer_term(&to), &asked->ref,
            &(struct npri_answer){.status = NPR_ENOMEM, .text = npr_bytes_of("out of memory")});
    }
    npri_buffer_fini(&to);
    return asked->failure != NULL;
}

npr_status npr_get(struct npr_process *self,
                   struct npr_term key,
                   const struct npr_start *start,
                   uint32_t timeout_ms,
                   struct npr_ref *out_ref)
{
    struct asked *asked = NULL;
    struct npr_node *node = npri_process_user(self);
    struct npr_ref ref;
    npr_status status;

    if (node == NULL || out_ref == NULL) {
        return NPR_EINVAL;
    }
    status = prepare(key, start, &asked);
    if (status != NPR_OK) {
        return status;
    }
    if (!address(asked, node, self)) {
        asked_destroy(asked);
        return NPR_ENOMEM;
    }
    ref = asked->ref;
    status = post(node, asked, timeout_ms);
    if (status == NPR_OK) {
        *out_ref = ref;
    }
    return status;
}
