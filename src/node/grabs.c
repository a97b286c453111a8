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
#define AHEAD_MAX 512u

/* That are kept for the next ones. */
#define SPARES_MAX 256u

/* The address sanitizer is to see each one's life. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_SPARES false
#else
#define KEEPS_SPARES true
#endif

#define REASON_TEXT_BYTES_MAX 160u

struct npri_grabs_test npri_grabs_test;

/* ---- The table. */

struct npri_grabs_shard *npri_grabs_shard_of(struct npr_node *node, uint64_t key_hash)
{
    return &node->grabs.shards[key_hash >> 32 & (NPRI_GRABS_SHARDS - 1)];
}

struct npr_pid npri_grab_pid(const struct npri_grab *grab)
{
    return (struct npr_pid){.node = grab->node->name,
                            .id = grab->id,
                            .serial = grab->serial,
                            .creation = grab->node->creation};
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

static bool is_to_keep(const struct npri_grabs *grabs, const struct npri_grab *grab)
{
    return KEEPS_SPARES && grab->is_spare_size && grabs->spares_count < SPARES_MAX &&
           !npri_alloc_is_counted();
}

void npri_grabs_give_back(struct npri_grabs *grabs, struct npri_grab *first)
{
    struct npri_grab *unkept = NULL;

    NPRI_ASSERT(pthread_mutex_lock(&grabs->spares_lock) == 0);
    while (first != NULL) {
        struct npri_grab *next = first->next;
        struct npri_grab **to = &unkept;

        if (is_to_keep(grabs, first)) {
            to = &grabs->spares;
            grabs->spares_count++;
        }
        first->next = *to;
        *to = first;
        first = next;
    }
    NPRI_ASSERT(pthread_mutex_unlock(&grabs->spares_lock) == 0);
    while (unkept != NULL) {
        struct npri_grab *next = unkept->next;

        destroy(unkept);
        unkept = next;
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
        grab->next = NULL;
        npri_grabs_give_back(&grab->node->grabs, grab);
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

/* `pid`: NULL, it has failed, as grab->error says.  Under the lock. */
static void end(struct npri_grabs_shard *shard, struct npri_grab *grab, const struct npr_pid *pid)
{
    NPRI_ASSERT(grab->state == NPRI_GRAB_STARTING);
    if (pid != NULL) {
        grab->id = pid->id;
        grab->serial = pid->serial;
    }
    grab->state = pid != NULL ? NPRI_GRAB_LIVES : NPRI_GRAB_FAILED;
    npri_grabs_push(grab);
    NPRI_ASSERT(pthread_cond_broadcast(&shard->changed) == 0);
}

static void set_error(struct npri_grab *grab, npr_status status, struct npr_term reason)
{
    struct npri_buffer text;

    npri_buffer_init(&text, REASON_TEXT_BYTES_MAX);
    if (reason.data != NULL) {
        npri_term_print(reason, &text);
    }
    (void)npri_fail(&grab->error, status == NPR_ENOMEM ? NPR_ENOMEM : NPR_EREFUSED,
                    "%s failed to start: %.*s", grab->name, (int)text.size,
                    text.size == 0 ? "" : (const char *)text.data);
    npri_buffer_fini(&text);
}

/* On a worker; at once: in start(), which has nothing to wait for then. */
static void on_started(void *user,
                       const struct npr_pid *pid,
                       npr_status status,
                       struct npr_term reason)
{
    struct npri_grab *grab = user;
    struct npri_grabs_shard *shard = npri_grabs_shard_of(grab->node, grab->key_hash);

    if (status != NPR_OK) {
        set_error(grab, status, reason); /* nobody looks there before it is FAILED */
    }
    npri_grabs_lock(shard);
    end(shard, grab, status == NPR_OK ? pid : NULL);
    grab->holders -= grab->at_once ? 1 : 0;
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
        request->out->pid = npri_grab_pid(grab);
        request->out->token = grab->token;
        *out_status = NPR_OK;
        return true;
    }
    return false;
}

/* Until its outcome is known.  Under the lock. */
static npr_status wait_locked(struct npri_grabs_shard *shard,
                              const struct npri_grab *grab,
                              const struct npri_grabs_request *request)
{
    const uint64_t deadline_ns =
        npri_loop_now_ns(grab->node->loop) + request->timeout_ms * NS_PER_MS;
    const struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                                   .tv_nsec = (long)(deadline_ns % NS_PER_S)};
    npr_status status = NPR_OK;

    while (!read_outcome(grab, request, &status)) {
        if (shard->closed) {
            return npri_fail(request->err, NPR_ECLOSED, "the node stops");
        }
        if (pthread_cond_timedwait(&shard->changed, &shard->lock, &until) != 0 &&
            npri_loop_now_ns(grab->node->loop) >= deadline_ns &&
            !read_outcome(grab, request, &status)) {
            return npri_fail(request->err, NPR_ETIMEDOUT, "%s has not started yet", grab->name);
        }
    }
    return status;
}

/* Takes over one hold of it, and the lock. */
static npr_status wait_for(struct npri_grabs_shard *shard,
                           struct npri_grab *grab,
                           const struct npri_grabs_request *request)
{
    npr_status status = NPR_OK;

    if (!read_outcome(grab, request, &status)) {
        status = wait_locked(shard, grab, request);
    }
    npri_grab_release(grab);
    npri_grabs_unlock(shard);
    return status;
}

/* ---- Grabbing. */

/* What is known of a start, whether a module or a command has its function. */
struct startable {
    const struct npr_behaviour *behaviour;
    const struct npri_export *export; /* NULL: a command's */
    uint32_t arity;
    struct npr_term term; /* none: to be written */
};

/* False: this node has no such function, or it is no start; the loop thread will say. */
static bool find_startable(const struct npr_node *node,
                           const struct npr_start *start,
                           struct startable *out)
{
    const struct npr_bytes module = npr_bytes_of(start->module);
    const struct npr_bytes name = npr_bytes_of(start->function);
    const struct npr_function *function;

    *out = (struct startable){0};
    if (start->arguments.data != NULL && !npri_list_count(start->arguments, &out->arity)) {
        return false;
    }
    out->export = npri_exports_look(&node->exports, module, name, out->arity);
    function = out->export != NULL
                   ? out->export->function
                   : npri_commands_find(node->exports.commands, module, name, out->arity);
    if (out->arity == 0 && out->export != NULL) {
        out->term = npri_buffer_term(&out->export->startable);
    }
    out->behaviour = function == NULL ? NULL : function->behaviour;
    return function != NULL;
}

/* A command always has an init. */
static void name(struct npri_grab *grab,
                 const struct npr_start *start,
                 const struct startable *startable)
{
    grab->name = grab->own_name;
    grab->is_restarted = true; /* it may be */
    if (startable->export != NULL) {
        grab->name = startable->export->name;
        grab->at_once = !startable->export->has_init;
        grab->is_restarted = startable->export->is_restarted;
    } else {
        (void)snprintf(grab->own_name, sizeof(grab->own_name), "%s:%s/%u", start->module,
                       start->function, (unsigned)startable->arity);
    }
}

/* NULL: no memory. */
static struct npri_grab *fill_in(struct npr_node *node,
                                 const struct npri_grabs_request *request,
                                 uint64_t key_hash,
                                 const struct startable *startable)
{
    struct npri_grab *grab = take(node, request->key.size + startable->term.size);

    if (grab == NULL) {
        return NULL;
    }
    grab->node = node;
    grab->behaviour = startable->behaviour;
    grab->key_hash = key_hash;
    /* relaxed: what is unwatched after this thread has made the process is counted after this. */
    grab->unwatched = atomic_load_explicit(&node->registry.unwatched, memory_order_relaxed);
    grab->key_size = (uint32_t)request->key.size;
    grab->function_size = (uint32_t)startable->term.size;
    grab->at_once = false;
    grab->holders = 3; /* the table, its init, and who made it */
    grab->state = NPRI_GRAB_STARTING;
    grab->id = 0;
    grab->serial = 0;
    grab->operation = 0;
    name(grab, request->start, startable);
    memcpy(grab->bytes, request->key.data, request->key.size);
    memcpy(grab->bytes + request->key.size, startable->term.data, startable->term.size);
    return grab;
}

/* NULL: no memory, or no such function here; the loop thread will say. */
static struct npri_grab *create(struct npr_node *node,
                                const struct npri_grabs_request *request,
                                uint64_t key_hash)
{
    struct npri_grab *grab = NULL;
    struct startable startable;
    struct npri_buffer term;

    if (!find_startable(node, request->start, &startable)) {
        return NULL;
    }
    npri_buffer_init(&term, 0);
    if (startable.term.data == NULL && npri_startable_put(&term, request->start, NULL) == NPR_OK) {
        startable.term = npri_buffer_term(&term);
    }
    if (startable.term.data != NULL) {
        grab = fill_in(node, request, key_hash, &startable);
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
    const uint64_t token = grab->token;
    const bool at_once = grab->at_once;
    struct npr_error error = {0};
    const npr_status status = npri_runtime_spawn(
        grab->node->runtime,
        &(struct npri_spawn){.behaviour = grab->behaviour,
                             .function = grab->name,
                             .args = arguments.data == NULL
                                         ? (struct npr_term){.data = nil, .size = sizeof(nil)}
                                         : arguments,
                             .key = {.data = grab->bytes, .size = grab->key_size},
                             .token = token,
                             .registered = true,
                             .at_once = at_once,
                             .started = on_started,
                             .started_user = grab},
        &request->out->pid, &error);

    if (status == NPR_OK && at_once) {
        request->out->token = token; /* on_started() has ended it, and maybe it is gone */
        return NPR_OK;
    }
    npri_grabs_lock(shard);
    if (status != NPR_OK) {
        grab->error = error;
        grab->error.status = status == NPR_EFULL ? NPR_EREFUSED : status;
        end(shard, grab, NULL);
        npri_grab_release(grab); /* on_started() is not called */
    }
    return wait_for(shard, grab, request);
}

static struct npri_grab *prepare(struct npr_node *node,
                                 const struct npri_grabs_request *request,
                                 uint64_t key_hash)
{
    /* relaxed: a limit that need not be exact. */
    return atomic_load_explicit(&node->grabs.count, memory_order_relaxed) < AHEAD_MAX
               ? create(node, request, key_hash)
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
    const uint64_t key_hash =
        npri_hash(node->hash_key, npri_bytes(request->key.data, request->key.size));
    struct npri_grab *made = prepare(node, request, key_hash);
    struct npri_grab *grab = made;
    struct npri_grabs_shard *shard = npri_grabs_shard_of(node, key_hash);
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
        made->next = NULL;
        npri_grabs_give_back(&node->grabs, made);
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
