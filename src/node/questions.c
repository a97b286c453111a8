/* The table of requests: beginning, deadlines, ends.  What an answer means is in answers.c. */
#include "node/questions.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/node.h"
#include "node/question.h"
#include "node/router.h"
#include "term/write.h"

/* REF, count of words, node, creation, words. */
#define REF_BYTES_MAX (1u + 2u + 2u + NPR_NODE_NAME_BYTES_MAX + 4u + 4u * NPR_REF_WORDS_MAX)

static void set_timer(struct npri_questions *questions)
{
    const struct npri_heap_node *first = npri_heap_first(&questions->deadlines);

    npri_timer_set(questions->timer, first == NULL ? UINT64_MAX : first->key);
}

/* The reference may come back in another encoding than it went out. */
struct npri_question *npri_question_find(struct npr_node *node, struct npr_term term)
{
    uint8_t bytes[REF_BYTES_MAX];
    struct npri_buffer normal = {.data = bytes, .capacity = sizeof(bytes)};
    struct npri_map_node *found;
    struct npr_ref ref;

    if (!npr_term_get_ref(term, &ref)) {
        return NULL;
    }
    npri_put_ref(&normal, &ref);
    found = npri_map_find(&node->questions.open, npri_buffer_bytes(&normal));
    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_question, node);
}

/* ---- Who owes answers to questions without a deadline: a node that never gives them must not have
 * us keep such questions without end. */

struct npri_debtor {
    struct npri_map_node node; /* by name */
    struct npr_node_name name;
    unsigned owed; /* at least one */
};

/* Notes another one; NPR_EFULL: there are too many already. */
static npr_status debtor_add(struct npri_questions *questions, struct npri_question *question)
{
    const struct npr_bytes name = npri_bytes(question->peer.text, question->peer.size);
    struct npri_map_node *found = npri_map_find(&questions->debtors, name);
    struct npri_debtor *debtor;

    if (found == NULL) {
        debtor = npri_alloc_zeroed(1, sizeof(*debtor));
        if (debtor == NULL) {
            return NPR_ENOMEM;
        }
        debtor->name = question->peer;
        npri_map_insert(&questions->debtors, &debtor->node,
                        npri_bytes(debtor->name.text, debtor->name.size));
    } else {
        debtor = NPRI_CONTAINER_OF(found, struct npri_debtor, node);
        if (debtor->owed >= NPRI_ENDLESS_QUESTIONS_MAX) {
            return NPR_EFULL;
        }
    }
    debtor->owed++;
    question->debtor = debtor;
    return NPR_OK;
}

static void debtor_release(struct npri_questions *questions, struct npri_question *question)
{
    struct npri_debtor *debtor = question->debtor;

    question->debtor = NULL;
    if (debtor != NULL && --debtor->owed == 0) {
        npri_map_remove(&questions->debtors, &debtor->node);
        npri_free(debtor);
    }
}

/* ---- Beginning and ending. */

static void question_free(struct npri_question *request)
{
    npri_buffer_fini(&request->ref);
    npri_buffer_fini(&request->target);
    npri_free(request);
}

npr_status npri_question_begin(struct npr_node *node,
                               const struct npri_question_options *options,
                               enum npri_question_kind kind,
                               struct npri_question **out)
{
    struct npri_question *request;
    npr_status status = NPR_OK;
    struct npr_ref ref;

    if (node->closing) {
        return NPR_ECLOSED;
    }
    request = npri_alloc_zeroed(1, sizeof(*request));
    if (request == NULL) {
        return NPR_ENOMEM;
    }
    ref = npri_runtime_new_ref(node->runtime);
    npri_buffer_init(&request->ref, 0);
    npri_buffer_init(&request->target, 0);
    npri_put_ref(&request->ref, &ref);
    request->kind = kind;
    request->peer = options->peer;
    if (request->ref.failed) {
        status = NPR_ENOMEM;
    } else if (options->deadline_ns == UINT64_MAX) {
        status = debtor_add(&node->questions, request);
    }
    if (status != NPR_OK) {
        question_free(request);
        return status;
    }
    request->done = options->done;
    request->user = options->user;
    request->number = options->number;
    npri_map_insert(&node->questions.open, &request->node, npri_buffer_bytes(&request->ref));
    npri_heap_insert(&node->questions.deadlines, &request->deadline, options->deadline_ns);
    set_timer(&node->questions);
    *out = request;
    return NPR_OK;
}

static void unlist(struct npr_node *node, struct npri_question *request)
{
    npri_map_remove(&node->questions.open, &request->node);
    npri_heap_remove(&node->questions.deadlines, &request->deadline);
    debtor_release(&node->questions, request);
    set_timer(&node->questions);
}

void npri_question_abandon(struct npr_node *node, struct npri_question *request)
{
    unlist(node, request);
    question_free(request);
}

void npri_question_end(struct npr_node *node,
                       struct npri_question *request,
                       const struct npri_outcome *outcome)
{
    unlist(node, request);
    request->done(request->user, request->number, outcome);
    question_free(request);
}

/* Takes back the monitor of a request that ends without its DOWN. */
void npri_question_demonitor(struct npr_node *node, const struct npri_question *request)
{
    struct npri_buffer peer;

    if (request->target.size == 0) {
        return; /* A spawn request without its reply: there is nothing to name yet. */
    }
    npri_buffer_init(&peer, 0);
    npri_put_node(&peer, &request->peer);
    if (!peer.failed && (npr_node_name_equal(&request->peer, &node->name) ||
                         npri_connections_find(node->connections, &request->peer) != NULL)) {
        (void)npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_DEMONITOR,
                                        .node = npri_buffer_term(&peer),
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = npri_buffer_term(&request->target),
                                        .ref = npri_buffer_term(&request->ref)});
    }
    npri_buffer_fini(&peer);
}

/* The question whose deadline comes first; NULL: there is none. */
static struct npri_question *first_due(const struct npr_node *node)
{
    struct npri_heap_node *first = npri_heap_first(&node->questions.deadlines);

    return first == NULL ? NULL : NPRI_CONTAINER_OF(first, struct npri_question, deadline);
}

/* Says who was waited for. */
static void end_late(struct npr_node *node, struct npri_question *request)
{
    struct npr_error error = {0};

    if (request->undelivered) {
        (void)npri_fail(&error, NPR_EUNREACHABLE,
                        "the last attempt to connect to it has just failed");
    } else {
        (void)npri_fail(&error, NPR_ETIMEDOUT, "no %s %.*s in time",
                        request->kind == NPRI_QUESTION_CONNECT ? "connection to" : "answer from",
                        (int)request->peer.size, request->peer.text);
    }
    npri_question_end(
        node, request,
        &(struct npri_outcome){.status = error.status, .text = npr_bytes_of(error.text)});
}

static void on_timer(void *user)
{
    struct npr_node *node = user;
    const uint64_t now_ns = npri_loop_now_ns(node->loop);
    struct npri_question *request;

    npri_node_enter(node);
    while ((request = first_due(node)) != NULL && request->deadline.key <= now_ns) {
        npri_question_demonitor(node, request);
        end_late(node, request);
    }
    set_timer(&node->questions);
    npri_node_leave(node);
}

bool npri_questions_init(struct npr_node *node)
{
    if (!npri_map_init(&node->questions.open, node->hash_key) ||
        !npri_map_init(&node->questions.debtors, node->hash_key)) {
        return false;
    }
    node->questions.timer = npri_timer_create(node->loop, on_timer, node);
    return node->questions.timer != NULL;
}

void npri_questions_close(struct npr_node *node)
{
    struct npri_question *request;

    NPRI_ASSERT(node->closing);
    while ((request = first_due(node)) != NULL) {
        npri_question_end(
            node, request,
            &(struct npri_outcome){.status = NPR_ECLOSED, .text = npr_bytes_of("the node stops")});
    }
}

void npri_questions_fini(struct npr_node *node)
{
    NPRI_ASSERT(node->questions.open.count == 0);
    npri_timer_destroy(node->questions.timer);
    npri_map_fini(&node->questions.open);
    npri_map_fini(&node->questions.debtors);
    node->questions = (struct npri_questions){0};
}

/* ---- The connection. */

/* Ends the questions to `peer`, or only those for its connection.  What their ends begin anew waits
 * for the next time. */
static void end_all(struct npr_node *node,
                    const struct npr_node_name *peer,
                    bool only_connects,
                    const struct npri_outcome *outcome)
{
    struct npri_link ending;
    struct npri_link *taken;

    npri_list_init(&ending);
    NPRI_LIST_FOREACH (at, &node->questions.open.order) {
        struct npri_question *request = NPRI_MAP_AT(at, struct npri_question, node);

        if (npr_node_name_equal(&request->peer, peer) &&
            (!only_connects || request->kind == NPRI_QUESTION_CONNECT)) {
            npri_list_append(&ending, &request->ending);
        }
    }
    while ((taken = npri_list_take(&ending)) != NULL) {
        npri_question_end(node, NPRI_CONTAINER_OF(taken, struct npri_question, ending), outcome);
    }
}

void npri_questions_on_up(struct npr_node *node, const struct npr_node_name *peer)
{
    end_all(node, peer, true, &(struct npri_outcome){.status = NPR_OK});
}

void npri_questions_on_undelivered(struct npr_node *node, struct npr_term ref)
{
    struct npri_question *request = npri_question_find(node, ref);

    if (request != NULL) {
        request->undelivered = true;
        npri_heap_remove(&node->questions.deadlines, &request->deadline);
        npri_heap_insert(&node->questions.deadlines, &request->deadline, 0);
        set_timer(&node->questions);
    }
}

void npri_questions_on_down(struct npr_node *node,
                            const struct npr_node_name *peer,
                            const struct npr_error *reason)
{
    npr_status status = NPR_EUNREACHABLE;

    if (reason->status == NPR_EAUTH || reason->status == NPR_EREFUSED ||
        reason->status == NPR_ENOMEM) {
        status = reason->status;
    }
    end_all(node, peer, false,
            &(struct npri_outcome){.status = status, .text = npr_bytes_of(reason->text)});
}

npr_status npri_question_connect(struct npr_node *node, const struct npri_question_options *options)
{
    struct npri_question *request;

    return npri_question_begin(node, options, NPRI_QUESTION_CONNECT, &request);
}
