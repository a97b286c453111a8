/* The table of requests: beginning, deadlines, ends.  What an answer means is in answers.c. */
#include "node/questions.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "node/node.h"
#include "node/question.h"
#include "node/router.h"
#include "term/write.h"

/* ---- The heap of deadlines. */

static bool is_earlier(const struct npri_question *a, const struct npri_question *b)
{
    return a->deadline_ns < b->deadline_ns;
}

static void heap_put(struct npri_questions *requests, struct npri_question *request, size_t index)
{
    requests->heap[index] = request;
    request->heap_index = index;
}

static void heap_up(struct npri_questions *requests, struct npri_question *request)
{
    size_t index = request->heap_index;

    while (index > 0 && is_earlier(request, requests->heap[(index - 1) / 2])) {
        heap_put(requests, requests->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    heap_put(requests, request, index);
}

static void heap_down(struct npri_questions *requests, struct npri_question *request)
{
    size_t index = request->heap_index;

    for (;;) {
        size_t child = 2 * index + 1;

        if (child >= requests->heap_count) {
            break;
        }
        if (child + 1 < requests->heap_count &&
            is_earlier(requests->heap[child + 1], requests->heap[child])) {
            child++;
        }
        if (!is_earlier(requests->heap[child], request)) {
            break;
        }
        heap_put(requests, requests->heap[child], index);
        index = child;
    }
    heap_put(requests, request, index);
}

static bool heap_reserve(struct npri_questions *requests)
{
    size_t capacity = requests->heap_capacity == 0 ? 64 : 2 * requests->heap_capacity;
    struct npri_question **heap;

    if (requests->heap_count < requests->heap_capacity) {
        return true;
    }
    heap = npri_realloc((void *)requests->heap, capacity * sizeof(struct npri_question *));
    if (heap == NULL) {
        return false;
    }
    requests->heap = heap;
    requests->heap_capacity = capacity;
    return true;
}

static void heap_remove(struct npri_questions *requests, struct npri_question *request)
{
    struct npri_question *last = requests->heap[--requests->heap_count];

    if (last != request) {
        heap_put(requests, last, request->heap_index);
        heap_up(requests, last);
        heap_down(requests, last);
    }
}

static void set_timer(struct npri_questions *requests)
{
    npri_timer_set(requests->timer,
                   requests->heap_count == 0 ? UINT64_MAX : requests->heap[0]->deadline_ns);
}

/* ---- Beginning and ending. */

static uint64_t hash_ref(const struct npr_ref *ref)
{
    uint64_t hash = ref->creation;

    for (uint32_t i = 0; i < ref->words_count && i < NPR_REF_WORDS_MAX; i++) {
        hash = (hash ^ ref->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

struct npri_question *npri_question_find(struct npr_node *node, struct npr_term term)
{
    struct npri_index_entry *at;
    struct npr_ref ref;

    if (!npr_term_get_ref(term, &ref)) {
        return NULL;
    }
    at = npri_index_find(&node->questions.table, hash_ref(&ref));
    for (; at != NULL; at = npri_index_again(at)) {
        struct npri_question *request = NPRI_CONTAINER_OF(at, struct npri_question, entry);

        if (npr_ref_equal(&request->ref, &ref)) {
            return request;
        }
    }
    return NULL;
}

npr_status npri_question_begin(struct npr_node *node,
                               const struct npri_question_options *options,
                               enum npri_question_kind kind,
                               struct npri_question **out)
{
    struct npri_question *request;

    if (node->closing) {
        return NPR_ECLOSED;
    }
    request = npri_alloc_zeroed(1, sizeof(*request));
    if (request == NULL || !heap_reserve(&node->questions)) {
        npri_free(request);
        return NPR_ENOMEM;
    }
    request->kind = kind;
    request->peer = options->peer;
    request->deadline_ns = options->deadline_ns;
    request->done = options->done;
    request->user = options->user;
    request->number = options->number;
    request->ref = npri_runtime_new_ref(node->runtime);
    npri_buffer_init(&request->target, 0);
    npri_index_insert(&node->questions.table, &request->entry, hash_ref(&request->ref));
    request->heap_index = node->questions.heap_count++;
    heap_up(&node->questions, request);
    set_timer(&node->questions);
    *out = request;
    return NPR_OK;
}

static void unlist(struct npr_node *node, struct npri_question *request)
{
    npri_index_remove(&node->questions.table, &request->entry);
    heap_remove(&node->questions, request);
    set_timer(&node->questions);
}

void npri_question_abandon(struct npr_node *node, struct npri_question *request)
{
    unlist(node, request);
    npri_buffer_fini(&request->target);
    npri_free(request);
}

void npri_question_end(struct npr_node *node,
                       struct npri_question *request,
                       const struct npri_outcome *outcome)
{
    unlist(node, request);
    request->done(request->user, request->number, outcome);
    npri_buffer_fini(&request->target);
    npri_free(request);
}

/* Takes back the monitor of a request that ends without its DOWN. */
void npri_question_demonitor(struct npr_node *node, const struct npri_question *request)
{
    struct npri_buffer terms[2];

    if (request->target.size == 0) {
        return; /* A spawn request without its reply: there is nothing to name yet. */
    }
    npri_buffer_init(&terms[0], 0);
    npri_buffer_init(&terms[1], 0);
    npri_put_ref(&terms[0], &request->ref);
    npri_put_node(&terms[1], &request->peer);
    if (!terms[0].failed && !terms[1].failed &&
        (npr_node_name_equal(&request->peer, &node->name) ||
         npri_connections_find(node->connections, &request->peer) != NULL)) {
        (void)npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_DEMONITOR,
                                        .node = npri_buffer_term(&terms[1]),
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = npri_buffer_term(&request->target),
                                        .ref = npri_buffer_term(&terms[0])});
    }
    npri_buffer_fini(&terms[0]);
    npri_buffer_fini(&terms[1]);
}

static void on_timer(void *user)
{
    struct npr_node *node = user;
    const uint64_t now_ns = npri_loop_now_ns(node->loop);

    npri_node_enter(node);
    while (node->questions.heap_count > 0 && node->questions.heap[0]->deadline_ns <= now_ns) {
        struct npri_question *request = node->questions.heap[0];

        npri_question_demonitor(node, request);
        npri_question_end(node, request,
                          &(struct npri_outcome){.status = NPR_ETIMEDOUT,
                                                 .text = npr_bytes_of("no answer in time")});
    }
    set_timer(&node->questions);
    npri_node_leave(node);
}

bool npri_questions_init(struct npr_node *node)
{
    if (!npri_index_init(&node->questions.table)) {
        return false;
    }
    node->questions.timer = npri_timer_create(node->loop, on_timer, node);
    return node->questions.timer != NULL;
}

void npri_questions_close(struct npr_node *node)
{
    NPRI_ASSERT(node->closing);
    while (node->questions.heap_count > 0) {
        npri_question_end(
            node, node->questions.heap[0],
            &(struct npri_outcome){.status = NPR_ECLOSED, .text = npr_bytes_of("the node stops")});
    }
}

void npri_questions_fini(struct npr_node *node)
{
    NPRI_ASSERT(node->questions.heap_count == 0);
    npri_timer_destroy(node->questions.timer);
    npri_index_fini(&node->questions.table);
    npri_free((void *)node->questions.heap);
    node->questions = (struct npri_questions){0};
}

/* ---- The connection. */

static bool waits_for_connection(const struct npri_index_entry *entry, const void *peer)
{
    const struct npri_question *request =
        (const struct npri_question *)(const void *)((const char *)entry -
                                                     offsetof(struct npri_question, entry));

    return request->kind == NPRI_QUESTION_CONNECT && npr_node_name_equal(&request->peer, peer);
}

static bool waits_for_peer(const struct npri_index_entry *entry, const void *peer)
{
    const struct npri_question *request =
        (const struct npri_question *)(const void *)((const char *)entry -
                                                     offsetof(struct npri_question, entry));

    return npr_node_name_equal(&request->peer, peer);
}

static void end_all(struct npr_node *node,
                    bool (*matches)(const struct npri_index_entry *entry, const void *user),
                    const struct npr_node_name *peer,
                    const struct npri_outcome *outcome)
{
    struct npri_index_entry *list = npri_index_extract(&node->questions.table, matches, peer);

    while (list != NULL) {
        struct npri_question *request = NPRI_CONTAINER_OF(list, struct npri_question, entry);

        list = list->next;
        npri_index_insert(&node->questions.table, &request->entry, request->entry.hash);
        npri_question_end(node, request, outcome);
    }
}

void npri_questions_on_up(struct npr_node *node, const struct npr_node_name *peer)
{
    end_all(node, waits_for_connection, peer, &(struct npri_outcome){.status = NPR_OK});
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
    end_all(node, waits_for_peer, peer,
            &(struct npri_outcome){.status = status, .text = npr_bytes_of(reason->text)});
}

npr_status npri_question_connect(struct npr_node *node, const struct npri_question_options *options)
{
    struct npri_question *request;

    return npri_question_begin(node, options, NPRI_QUESTION_CONNECT, &request);
}
