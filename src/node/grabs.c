#include "node/grabs.h"

#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/call.h"
#include "node/grab.h"
#include "node/node.h"
#include "term/tag.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* So many starts may be ahead of the loop thread; the next ones wait for it. */
#define AHEAD_MAX 256u

/* The address sanitizer is to see each one's life. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_SPARES false
#else
#define KEEPS_SPARES true
#endif

#define REASON_TEXT_BYTES_MAX 160u

struct npri_grabs_test npri_grabs_test;

/* ---- The table. */

struct npri_grabs_shard *npri_grabs_shard_of(struct npr_node *node, struct npr_bytes key)
{
    return &node->grabs.shards[npri_hash(node->hash_key, key) >> 32 & (NPRI_GRABS_SHARDS - 1)];
}

struct npri_grab *npri_grabs_find(const struct npri_grabs_shard *shard, struct npr_bytes key)
{
    struct npri_grab *at = shard->first;

    while (at != NULL && !npri_bytes_equal(npri_grab_key(at), key)) {
        at = at->next;
    }
    return at;
}

static void destroy(struct npri_grab *grab)
{
    npri_signal_destroy(grab->kill);
    npri_free(grab);
}

static void give_back(struct npri_grab *grab)
{
    struct npri_grabs *grabs = &grab->node->grabs;
    bool kept = false;

    NPRI_ASSERT(pthread_mutex_lock(&grabs->spares_lock) == 0);
    if (KEEPS_SPARES && grab->is_spare_size && grabs->spares_count < AHEAD_MAX &&
        !npri_alloc_is_counted()) {
        grab->next = grabs->spares;
        grabs->spares = grab;
        grabs->spares_count++;
        kept = true;
    }
    NPRI_ASSERT(pthread_mutex_unlock(&grabs->spares_lock) == 0);
    if (!kept) {
        destroy(grab);
    }
}

/* With room for so many bytes, and a signal that kills; nothing else is set.  NULL: no memory. */
static struct npri_grab *take(struct npr_node *node, size_t bytes)
{
    struct npri_grabs *grabs = &node->grabs;
    const bool is_spare_size = bytes <= NPRI_GRAB_ROOM;
    struct npri_grab *grab = NULL;

    if (is_spare_size && !npri_alloc_is_counted()) {
        NPRI_ASSERT(pthread_mutex_lock(&grabs->spares_lock) == 0);
        grab = grabs->spares;
        if (grab != NULL) {
            grabs->spares = grab->next;
            grabs->spares_count--;
        }
        NPRI_ASSERT(pthread_mutex_unlock(&grabs->spares_lock) == 0);
    }
    if (grab == NULL) {
        grab = npri_alloc(sizeof(*grab) + (is_spare_size ? NPRI_GRAB_ROOM : bytes));
        if (grab == NULL) {
            return NULL;
        }
        grab->kill = NULL;
        grab->is_spare_size = is_spare_size;
    }
    if (grab->kill == NULL) { /* new, or its signal was needed */
        grab->kill = npri_launch_create_kill(node);
    }
    if (grab->kill == NULL) {
        npri_free(grab);
        return NULL;
    }
    return grab;
}

void npri_grab_release(struct npri_grab *grab)
{
    NPRI_ASSERT(grab->holders > 0);
    if (--grab->holders == 0) {
        give_back(grab);
    }
}

npr_status npri_grabs_start(struct npr_node *node)
{
    struct npri_grabs *grabs = &node->grabs;
    pthread_condattr_t attributes;

    NPRI_ASSERT(pthread_condattr_init(&attributes) == 0);
    NPRI_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    for (unsigned i = 0; i < NPRI_GRABS_SHARDS; i++) {
        NPRI_ASSERT(pthread_mutex_init(&grabs->shards[i].lock, NULL) == 0);
        NPRI_ASSERT(pthread_cond_init(&grabs->shards[i].changed, &attributes) == 0);
    }
    NPRI_ASSERT(pthread_condattr_destroy(&attributes) == 0);
    NPRI_ASSERT(pthread_mutex_init(&grabs->spares_lock, NULL) == 0);
    return npri_grabs_loop_start(node);
}

void npri_grabs_close(struct npr_node *node)
{
    for (unsigned i = 0; i < NPRI_GRABS_SHARDS; i++) {
        struct npri_grabs_shard *shard = &node->grabs.shards[i];

        npri_grabs_lock(shard);
        shard->closed = true;
        NPRI_ASSERT(pthread_cond_broadcast(&shard->changed) == 0);
        npri_grabs_unlock(shard);
    }
}

void npri_grabs_fini(struct npr_node *node)
{
    struct npri_grabs *grabs = &node->grabs;

    if (grabs->node == NULL) {
        return;
    }
    for (unsigned i = 0; i < NPRI_GRABS_SHARDS; i++) {
        while (grabs->shards[i].first != NULL) {
            struct npri_grab *first = grabs->shards[i].first;

            grabs->shards[i].first = first->next;
            destroy(first);
        }
        (void)pthread_cond_destroy(&grabs->shards[i].changed);
        (void)pthread_mutex_destroy(&grabs->shards[i].lock);
    }
    while (grabs->spares != NULL) {
        struct npri_grab *first = grabs->spares;

        grabs->spares = first->next;
        destroy(first);
    }
    (void)pthread_mutex_destroy(&grabs->spares_lock);
    npri_grabs_loop_fini(node);
}

/* ---- What comes of it. */

/* The first word counts: of who made a process that has no init, or of a worker.  Under the lock.
 */
static void end(struct npri_grabs_shard *shard,
                struct npri_grab *grab,
                const struct npr_pid *pid,
                const struct npr_error *error)
{
    if (grab->state != NPRI_GRAB_STARTING) {
        return;
    }
    grab->pid = *pid;
    grab->error = *error;
    grab->state = error->status == NPR_OK ? NPRI_GRAB_LIVES : NPRI_GRAB_FAILED;
    npri_grabs_push(grab);
    NPRI_ASSERT(pthread_cond_broadcast(&shard->changed) == 0);
}

/* On a worker. */
static void on_started(void *user,
                       const struct npr_pid *pid,
                       npr_status status,
                       struct npr_term reason)
{
    struct npri_grab *grab = user;
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, npri_grab_key(grab));
    struct npr_error error = {0};
    struct npri_buffer text;

    if (status != NPR_OK) {
        npri_buffer_init(&text, REASON_TEXT_BYTES_MAX);
        if (reason.data != NULL) {
            npri_term_print(reason, &text);
        }
        (void)npri_fail(&error, status == NPR_ENOMEM ? NPR_ENOMEM : NPR_EREFUSED,
                        "%s failed to start: %.*s", grab->name, (int)text.size,
                        text.size == 0 ? "" : (const char *)text.data);
        npri_buffer_fini(&text);
    }
    npri_grabs_lock(shard);
    end(shard, grab, pid, &error);
    npri_grab_release(grab);
    npri_grabs_unlock(shard);
}

/* Whether its outcome is known.  Fills it in; under the lock. */
static bool read_outcome(const struct npri_grab *grab,
                         const struct npri_grabs_request *request,
                         npr_status *out_status)
{
    if (grab->state == NPRI_GRAB_FAILED) {
        *out_status = npri_fail(request->err, grab->error.status, "%s", grab->error.text);
        return true;
    }
    if (grab->state == NPRI_GRAB_LIVES) {
        request->out->pid = grab->pid;
        request->out->token = grab->token;
        *out_status = NPR_OK;
        return true;
    }
    return false;
}

/* Takes over one hold of it, and the lock. */
static npr_status wait_for(struct npri_grabs_shard *shard,
                           struct npri_grab *grab,
                           const struct npri_grabs_request *request)
{
    const uint64_t deadline_ns =
        npri_loop_now_ns(grab->node->loop) + request->timeout_ms * NS_PER_MS;
    const struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                                   .tv_nsec = (long)(deadline_ns % NS_PER_S)};
    npr_status status = NPR_OK;

    while (!read_outcome(grab, request, &status)) {
        if (shard->closed) {
            status = npri_fail(request->err, NPR_ECLOSED, "the node stops");
            break;
        }
        if (pthread_cond_timedwait(&shard->changed, &shard->lock, &until) != 0 &&
            npri_loop_now_ns(grab->node->loop) >= deadline_ns &&
            !read_outcome(grab, request, &status)) {
            status = npri_fail(request->err, NPR_ETIMEDOUT, "%s has not started yet", grab->name);
            break;
        }
    }
    npri_grab_release(grab);
    npri_grabs_unlock(shard);
    return status;
}

/* ---- Grabbing. */

/* The function that this node exports for the start, or NULL. */
static const struct npr_function *find_function(const struct npr_node *node,
                                                const struct npr_start *start)
{
    uint32_t arity = 0;

    if (start->arguments.data != NULL && !npri_list_count(start->arguments, &arity)) {
        return NULL;
    }
    return npri_exports_find(&node->exports, npr_bytes_of(start->module),
                             npr_bytes_of(start->function), arity);
}

/* NULL: no memory, or no such function here; the loop thread will say. */
static struct npri_grab *create(struct npr_node *node, const struct npri_grabs_request *request)
{
    const struct npr_function *function = find_function(node, request->start);
    struct npri_grab *grab = NULL;
    struct npr_behaviour complete;
    struct npri_buffer term;

    if (function == NULL) {
        return NULL;
    }
    npri_behaviour_complete(function->behaviour, &complete);
    npri_buffer_init(&term, 0);
    if (npri_startable_put(&term, request->start, NULL) == NPR_OK) {
        grab = take(node, request->key.size + term.size);
    }
    if (grab != NULL) {
        *grab = (struct npri_grab){.node = node,
                                   .is_spare_size = grab->is_spare_size,
                                   .behaviour = function->behaviour,
                                   .certain = complete.init == NULL && complete.run == NULL,
                                   .key_size = (uint32_t)request->key.size,
                                   .function_size = (uint32_t)term.size,
                                   .holders = 3, /* the table, its init, and who made it */
                                   .kill = grab->kill};
        (void)snprintf(grab->name, sizeof(grab->name), "%s:%s/%u", request->start->module,
                       request->start->function, (unsigned)function->arity);
        memcpy(grab->bytes, request->key.data, request->key.size);
        memcpy(grab->bytes + request->key.size, term.data, term.size);
    }
    npri_buffer_fini(&term);
    return grab;
}

enum noted {
    NOTED,        /* ours */
    NOTED_BEFORE, /* by `*out`, which is held now; the lock is, too */
    IS_THERE,     /* it has an entry */
    IS_THE_LOOPS, /* to decide */
};

/* Under the lock of the shard. */
static enum noted note_locked(struct npr_node *node,
                              struct npri_grabs_shard *shard,
                              const struct npri_grant *grant,
                              struct npri_grab **grab,
                              struct npr_found *out)
{
    const struct npr_term key = {.data = (*grab)->bytes, .size = (*grab)->key_size};
    struct npri_grab *before = npri_grabs_find(shard, npri_grab_key(*grab));

    if (shard->closed) {
        return IS_THE_LOOPS;
    }
    if (before != NULL) {
        before->holders++;
        *grab = before;
        return NOTED_BEFORE;
    }
    switch (npri_core_see(node->registry.core, key, &out->pid, &out->token)) {
    case NPRI_SIGHT_THERE:
        return IS_THERE;
    case NPRI_SIGHT_NOTHING:
        break;
    case NPRI_SIGHT_UNCLEAR:
        return IS_THE_LOOPS;
    }
    if (!npri_core_draw(node->registry.core, grant, key, &(*grab)->token)) {
        return IS_THE_LOOPS;
    }
    (*grab)->next = shard->first;
    shard->first = *grab;
    (void)atomic_fetch_add_explicit(&node->grabs.count, 1, memory_order_relaxed);
    return NOTED;
}

/* Everything between the look at the grant and the note is one section.  NOTED_BEFORE leaves the
 * shard locked. */
static enum noted note(struct npr_node *node,
                       struct npri_grabs_shard *shard,
                       struct npri_grab **grab,
                       struct npr_found *out)
{
    const struct npr_term key = {.data = (*grab)->bytes, .size = (*grab)->key_size};
    const struct npri_reading reading = npri_readers_enter(&node->reads.readers);
    const struct npri_grant *grant =
        npri_reads_answer(node) ? npri_core_grant(node->registry.core, key) : NULL;
    enum noted noted = IS_THE_LOOPS;

    if (grant != NULL) {
        if (npri_grabs_test.before_note != NULL) {
            npri_grabs_test.before_note();
        }
        npri_grabs_lock(shard);
        noted = note_locked(node, shard, grant, grab, out);
        if (noted != NOTED_BEFORE) {
            npri_grabs_unlock(shard);
        }
    }
    npri_readers_leave(reading);
    return noted;
}

static npr_status start(struct npri_grab *grab,
                        struct npri_grabs_shard *shard,
                        const struct npri_grabs_request *request)
{
    static const uint8_t nil[] = {NPRI_TAG_NIL};
    const struct npr_term arguments = request->start->arguments;
    struct npr_error error = {0};
    struct npr_pid pid = {0};
    const npr_status status = npri_runtime_spawn(
        grab->node->runtime,
        &(struct npri_spawn){.behaviour = grab->behaviour,
                             .function = grab->name,
                             .args = arguments.data == NULL
                                         ? (struct npr_term){.data = nil, .size = sizeof(nil)}
                                         : arguments,
                             .key = {.data = grab->bytes, .size = grab->key_size},
                             .token = grab->token,
                             .registered = true,
                             .started = on_started,
                             .started_user = grab},
        &pid, &error);

    npri_grabs_lock(shard);
    if (status != NPR_OK) {
        error.status = status == NPR_EFULL ? NPR_EREFUSED : status;
        npri_grab_release(grab); /* on_started() is not called */
    }
    if (status != NPR_OK || grab->certain) {
        end(shard, grab, &pid, &error);
    }
    return wait_for(shard, grab, request);
}

static struct npri_grab *prepare(struct npr_node *node, const struct npri_grabs_request *request)
{
    /* relaxed: a limit that need not be exact. */
    return atomic_load_explicit(&node->grabs.count, memory_order_relaxed) < AHEAD_MAX
               ? create(node, request)
               : NULL;
}

/* What has slept meanwhile, and is no word to rely on, the loop thread answers. */
static bool is_good(struct npr_node *node)
{
    const struct npri_reading reading = npri_readers_enter(&node->reads.readers);
    const bool good = npri_reads_answer(node);

    npri_readers_leave(reading);
    return good;
}

static bool get(struct npr_node *node,
                const struct npri_grabs_request *request,
                npr_status *out_status)
{
    struct npri_grab *made = prepare(node, request);
    struct npri_grab *grab = made;
    struct npri_grabs_shard *shard =
        npri_grabs_shard_of(node, npri_bytes(request->key.data, request->key.size));
    struct npr_found found = {0};
    const enum noted noted = made == NULL ? IS_THE_LOOPS : note(node, shard, &grab, &found);
    struct npri_grabs_request inner = *request;

    inner.out = &found;
    found.started = noted == NOTED;
    *out_status = NPR_OK;
    if (noted == NOTED) {
        *out_status = start(grab, shard, &inner);
    } else if (noted == NOTED_BEFORE) {
        *out_status = wait_for(shard, grab, &inner);
    }
    if (made != NULL && noted != NOTED) {
        give_back(made);
    }
    if (noted == IS_THE_LOOPS || (*out_status == NPR_OK && !is_good(node))) {
        return false;
    }
    if (*out_status == NPR_OK) {
        *request->out = found;
    }
    return true;
}

bool npri_grabs_get(struct npr_node *node,
                    const struct npri_grabs_request *request,
                    npr_status *out_status)
{
    bool done;

    if (!npri_calls_enter(node)) {
        return false;
    }
    done = get(node, request, out_status);
    npri_calls_leave(node);
    return done;
}
