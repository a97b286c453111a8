#include "node/moving.h"

#include <string.h>

#include "base/alloc.h"
#include "node/launch.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

/* NEW_PID_EXT, node, id, serial, creation. */
#define PID_BYTES_MAX (1u + 2u + NPR_NODE_NAME_BYTES_MAX + 12u + 1u)

/* How long what is sent to a process that has ended may wait for its successor. */
#define WANTED_NS UINT64_C(10000000000)

static const struct npr_term no_term;

/* A process that was asked to move. */
struct moving {
    struct npri_map_node by_pid;
    struct npri_get get; /* of its key, for what is sent to it */
    struct npr_node *node;
    struct npr_pid pid;
    struct npri_signal *nobody;  /* MOVED: there is no successor */
    struct npri_buffer function; /* what starts one; empty: nothing is known that does */
    bool asks;                   /* the get is under way */
    bool ended;
    uint32_t pid_size;
    uint32_t key_size;
    uint8_t bytes[]; /* pid, key */
};

static struct npr_term key_of(const struct moving *moving)
{
    return (struct npr_term){.data = moving->bytes + moving->pid_size, .size = moving->key_size};
}

struct room {
    uint8_t bytes[PID_BYTES_MAX];
};

/* A pid's term in memory that is large enough. */
static struct npr_term pid_term(const struct npr_pid *pid, struct room *room)
{
    struct npri_buffer buffer = {.data = room->bytes, .capacity = sizeof(room->bytes)};

    npri_put_pid(&buffer, pid);
    return npri_buffer_term(&buffer);
}

static struct moving *find(const struct npr_node *node, struct npr_term pid)
{
    struct npri_map_node *at = npri_map_find(&node->moving.records, npri_bytes(pid.data, pid.size));

    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct moving, by_pid);
}

static void moving_free(struct moving *moving)
{
    npri_signal_destroy(moving->nobody);
    npri_buffer_fini(&moving->function);
    npri_free(moving);
}

static void forget(struct npr_node *node, struct moving *moving)
{
    npri_map_remove(&node->moving.records, &moving->by_pid);
    moving->ended = true;
    if (!moving->asks) {
        moving_free(moving);
    }
}

bool npri_moving_init(struct npr_node *node)
{
    return npri_map_init(&node->moving.records, node->hash_key);
}

void npri_moving_fini(struct npr_node *node)
{
    struct npri_map_node *first;

    if (node->moving.records.buckets == NULL) {
        return;
    }
    while ((first = npri_map_first(&node->moving.records)) != NULL) {
        forget(node, NPRI_CONTAINER_OF(first, struct moving, by_pid));
    }
    npri_map_fini(&node->moving.records);
}

void npri_moving_on_end(struct npr_node *node, struct npr_term pid)
{
    struct moving *moving = find(node, pid);

    if (moving != NULL) {
        forget(node, moving);
    }
}

/* A signal to a process of this node.  False: no memory. */
static bool tell(struct npr_node *node, const struct npri_signal *draft)
{
    struct npri_signal *signal = npri_signal_create(draft);

    if (signal != NULL) {
        npri_runtime_deliver(node->runtime, signal);
    }
    return signal != NULL;
}

/* ---- Conflicts. */

/* exit(Loser, {nprocreg,conflict,Winner}). */
static bool end_elsewhere(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_buffer reason;
    bool sent = false;

    npri_buffer_init(&reason, 0);
    npri_put_tuple(&reason, 3);
    npri_put_atom(&reason, "nprocreg");
    npri_put_atom(&reason, "conflict");
    npri_put_given(&reason, effect->old);
    if (!reason.failed) {
        sent = npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = effect->term,
                                        .payload = npri_buffer_term(&reason)});
    }
    npri_buffer_fini(&reason);
    return sent;
}

static void conflict(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npr_pid loser;
    bool told;

    if (!npr_term_get_pid(effect->term, &loser)) {
        return;
    }
    if (npr_node_name_equal(&loser.node, &node->name)) {
        told = tell(node, &(struct npri_signal){.kind = NPRI_SIGNAL_CONFLICT,
                                                .to = effect->term,
                                                .from = effect->old,
                                                .payload = effect->key,
                                                .id = effect->token});
    } else {
        told = end_elsewhere(node, effect);
    }
    if (!told) {
        npri_node_log(node, NPR_LOG_ERROR, "conflict_not_told pid=<%.*s.%u.%u>",
                      (int)loser.node.size, loser.node.text, (unsigned)loser.id,
                      (unsigned)loser.serial);
    }
}

/* ---- Handing over. */

static void tell_core(struct npr_node *node,
                      uint64_t operation,
                      npr_status status,
                      struct npr_term pid,
                      struct npr_term state,
                      struct npr_term function)
{
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_HANDED,
                                                             .operation = operation,
                                                             .status = status,
                                                             .caller = pid,
                                                             .term = state,
                                                             .function = function});
}

/* NULL: no memory. */
static struct moving *moving_create(struct npr_node *node,
                                    const struct npri_core_effect *effect,
                                    const struct npr_pid *pid)
{
    struct moving *moving =
        npri_alloc_zeroed(1, sizeof(*moving) + effect->term.size + effect->key.size);

    if (moving == NULL) {
        return NULL;
    }
    moving->node = node;
    moving->pid = *pid;
    moving->pid_size = (uint32_t)effect->term.size;
    moving->key_size = (uint32_t)effect->key.size;
    memcpy(moving->bytes, effect->term.data, effect->term.size);
    memcpy(moving->bytes + effect->term.size, effect->key.data, effect->key.size);
    npri_buffer_init(&moving->function, 0);
    moving->nobody =
        npri_signal_create(&(struct npri_signal){.kind = NPRI_SIGNAL_MOVED, .to = effect->term});
    if (moving->nobody == NULL) {
        npri_free(moving);
        return NULL;
    }
    npri_map_insert(&node->moving.records, &moving->by_pid,
                    npri_bytes(moving->bytes, moving->pid_size));
    return moving;
}

static void hand_over(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npr_pid pid;
    struct moving *moving = find(node, effect->term);

    if (!npr_term_get_pid(effect->term, &pid)) {
        return;
    }
    if (moving == NULL) {
        moving = moving_create(node, effect, &pid);
    }
    if (moving == NULL || !tell(node, &(struct npri_signal){.kind = NPRI_SIGNAL_HANDOVER,
                                                            .to = effect->term,
                                                            .id = effect->operation})) {
        tell_core(node, effect->operation, NPR_ENOMEM, effect->term, no_term, no_term);
    }
}

static void moved(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct moving *moving = find(node, effect->term);

    if (!tell(node, &(struct npri_signal){.kind = NPRI_SIGNAL_MOVED,
                                          .to = effect->term,
                                          .from = effect->old}) &&
        moving != NULL && moving->nobody != NULL) {
        npri_runtime_deliver(node->runtime, moving->nobody); /* it goes on by itself */
        moving->nobody = NULL;
    }
    if (moving != NULL) {
        forget(node, moving);
    }
}

void npri_moving_carry_out(struct npr_node *node, const struct npri_core_effect *effect)
{
    if (effect->kind == NPRI_EFFECT_CONFLICT) {
        conflict(node, effect);
    } else if (effect->kind == NPRI_EFFECT_HANDOVER) {
        hand_over(node, effect);
    } else if (effect->kind == NPRI_EFFECT_MOVED) {
        moved(node, effect);
    }
}

/* ---- What comes of it: from a worker to the loop thread. */

struct handed {
    struct npri_task task;
    struct npr_node *node;
    struct npr_pid pid;
    uint64_t operation;
    npr_status status;
    const char *function; /* as long as the runtime */
    size_t state_size;
    size_t args_size;
    uint8_t bytes[]; /* state, arguments */
};

/* What starts such a process, from "module:function/arity" and its arguments.  False: nothing that
 * is exported here, or no memory. */
static bool put_function(const struct npr_node *node,
                         const char *name,
                         struct npr_term args,
                         struct npri_buffer *out)
{
    const char *colon = strchr(name, ':');
    const char *slash = strrchr(name, '/');
    struct npr_bytes module;
    struct npr_bytes function;
    uint32_t arity = 0;

    if (colon == NULL || slash == NULL || slash < colon ||
        (args.size != 0 && !npri_list_count(args, &arity))) {
        return false;
    }
    module = npri_bytes((const uint8_t *)name, (size_t)(colon - name));
    function = npri_bytes((const uint8_t *)colon + 1, (size_t)(slash - colon - 1));
    if (npri_exports_find(&node->exports, module, function, arity) == NULL) {
        return false;
    }
    if (arity == 0) {
        npri_put_export(out, module, function, 0);
    } else {
        npri_put_tuple(out, 3);
        npri_put_atom_bytes(out, module);
        npri_put_atom_bytes(out, function);
        npri_put_term(out, args);
    }
    return !out->failed;
}

static void handed_run(struct npri_task *task)
{
    struct handed *handed = NPRI_CONTAINER_OF(task, struct handed, task);
    struct npr_node *node = handed->node;
    struct room room;
    const struct npr_term pid = pid_term(&handed->pid, &room);
    const struct npr_term args = {.data = handed->bytes + handed->state_size,
                                  .size = handed->args_size};
    struct npr_term state = {.data = handed->bytes, .size = handed->state_size};
    struct moving *moving = find(node, pid);
    struct npri_buffer function;

    npri_node_enter(node);
    npri_buffer_init(&function, 0);
    if (!put_function(node, handed->function, args, &function)) {
        npri_buffer_reset(&function);
    }
    if (state.size == 0) {
        state = no_term;
    }
    if (moving != NULL && handed->status == NPR_OK && state.data == NULL) {
        npri_buffer_fini(&moving->function);
        moving->function = function; /* for who is wanted */
        npri_buffer_init(&function, 0);
        tell_core(node, handed->operation, handed->status, pid, state, no_term);
    } else {
        tell_core(node, handed->operation, handed->status, pid, state, npri_buffer_term(&function));
    }
    npri_buffer_fini(&function);
    npri_free(handed);
    npri_node_leave(node);
}

npr_status npri_moving_on_handed(void *user, const struct npri_handed *told)
{
    struct npr_node *node = user;
    struct handed *handed =
        npri_alloc_zeroed(1, sizeof(*handed) + told->state.size + told->args.size);

    if (handed == NULL) {
        return NPR_ENOMEM;
    }
    handed->task.run = handed_run;
    handed->node = node;
    handed->pid = *told->pid;
    handed->operation = told->operation;
    handed->status = told->status;
    handed->function = told->function;
    handed->state_size = told->state.size;
    handed->args_size = told->args.size;
    if (told->state.size != 0) {
        memcpy(handed->bytes, told->state.data, told->state.size);
    }
    if (told->args.size != 0) {
        memcpy(handed->bytes + told->state.size, told->args.data, told->args.size);
    }
    npri_loop_post(node->loop, &handed->task);
    return NPR_OK;
}

/* ---- Who is wanted. */

/* The key's process, or that there is none. */
static void on_got(struct npri_get *get, const struct npri_answer *answer)
{
    struct moving *moving = NPRI_CONTAINER_OF(get, struct moving, get);
    struct npr_node *node = moving->node;
    struct room room;
    bool told = false;

    moving->asks = false;
    if (answer->status == NPR_OK) {
        told = tell(node, &(struct npri_signal){.kind = NPRI_SIGNAL_MOVED,
                                                .to = pid_term(&moving->pid, &room),
                                                .from = answer->pid});
    }
    if (!told && moving->nobody != NULL) {
        npri_runtime_deliver_to(node->runtime, &moving->pid, moving->nobody);
        moving->nobody = NULL;
    }
    if (moving->ended) {
        moving_free(moving);
    } else {
        forget(node, moving);
    }
}

struct wanted {
    struct npri_task task;
    struct npr_node *node;
    struct npr_pid pid;
};

static void wanted_run(struct npri_task *task)
{
    struct wanted *wanted = NPRI_CONTAINER_OF(task, struct wanted, task);
    struct npr_node *node = wanted->node;
    struct room room;
    struct moving *moving = find(node, pid_term(&wanted->pid, &room));

    npri_node_enter(node);
    if (moving != NULL && !moving->asks) {
        moving->asks = true;
        moving->get.done = on_got;
        npri_registry_get(
            node, &moving->get,
            &(struct npri_get_options){.key = key_of(moving),
                                       .function = npri_buffer_term(&moving->function),
                                       .caller = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                       .deadline_ns = npri_loop_now_ns(node->loop) + WANTED_NS});
    }
    npri_free(wanted);
    npri_node_leave(node);
}

npr_status npri_moving_on_wanted(void *user, const struct npr_pid *pid)
{
    struct npr_node *node = user;
    struct wanted *wanted = npri_alloc_zeroed(1, sizeof(*wanted));

    if (wanted == NULL) {
        return NPR_ENOMEM;
    }
    wanted->task.run = wanted_run;
    wanted->node = node;
    wanted->pid = *pid;
    npri_loop_post(node->loop, &wanted->task);
    return NPR_OK;
}
