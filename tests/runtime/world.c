#include "world.h"

#include <time.h>

#include "base/alloc.h"

#define DEADLINE_S 60

static void queue_push(struct world *world, struct world_queue *queue, struct npri_signal *signal)
{
    (void)pthread_mutex_lock(&world->mutex);
    signal->next = NULL;
    if (queue->end == NULL) {
        queue->end = &queue->first;
    }
    *queue->end = signal;
    queue->end = &signal->next;
    queue->count++;
    (void)pthread_cond_broadcast(&world->cond);
    (void)pthread_mutex_unlock(&world->mutex);
}

static void on_probed(void *user, struct npri_signal *signal)
{
    struct world *world = user;

    queue_push(world, &world->probed, signal);
}

static void on_routed(void *user, struct npri_signal *signal)
{
    struct world *world = user;

    queue_push(world, &world->routed, signal);
}

static void on_aliased(void *user, struct npri_signal *signal)
{
    struct world *world = user;

    queue_push(world, &world->aliased, signal);
}

static bool push_note_from(struct world *world,
                           struct world_queue *queue,
                           const struct npr_pid *pid,
                           npr_status status,
                           const struct npr_term terms[2])
{
    struct npr_builder *builder = npr_builder_create();
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = terms[0], .from = terms[1]};
    struct npri_signal *signal = NULL;

    draft.id = (uint64_t)(-(int)status);
    if (builder != NULL) {
        npr_build_pid(builder, pid);
        if (npr_builder_finish(builder, &draft.to, NULL) == NPR_OK) {
            signal = npri_signal_create(&draft);
        }
    }
    npr_builder_destroy(builder);
    if (signal != NULL) {
        queue_push(world, queue, signal);
    }
    return signal != NULL;
}

static void push_note(struct world *world,
                      struct world_queue *queue,
                      const struct npr_pid *pid,
                      npr_status status,
                      struct npr_term reason)
{
    const struct npr_term terms[2] = {reason};

    /* Without memory the case will wait in vain, and fail. */
    (void)push_note_from(world, queue, pid, status, terms);
}

static npr_status on_handed(void *user, const struct npri_handed *handed)
{
    struct world *world = user;
    const struct npr_term terms[2] = {handed->state, handed->args};

    return push_note_from(world, &world->handed, handed->pid, handed->status, terms) ? NPR_OK
                                                                                     : NPR_ENOMEM;
}

static npr_status on_wanted(void *user, const struct npr_pid *pid)
{
    struct world *world = user;
    const struct npr_term terms[2] = {{0}};

    return push_note_from(world, &world->wanted, pid, NPR_OK, terms) ? NPR_OK : NPR_ENOMEM;
}

static void on_crashed(void *user,
                       const struct npr_pid *pid,
                       const char *function,
                       struct npr_term reason)
{
    struct world *world = user;

    (void)function;
    push_note(world, &world->crashes, pid, NPR_OK, reason);
}

static void on_started(void *user,
                       const struct npr_pid *pid,
                       npr_status status,
                       struct npr_term reason)
{
    struct world *world = user;

    push_note(world, &world->started, pid, status, reason);
}

static void on_ended(void *user)
{
    struct world *world = user;

    (void)pthread_mutex_lock(&world->mutex);
    world->ended++;
    (void)pthread_cond_broadcast(&world->cond);
    (void)pthread_mutex_unlock(&world->mutex);
}

void world_open(struct world *world, unsigned workers)
{
    world_open_with(world, workers, DEADLINE_S * 1000);
}

void world_open_with(struct world *world, unsigned workers, uint32_t redirect_ms)
{
    struct npri_runtime_options options = {
        .creation = 7,
        .workers = workers,
        .threads_max = WORLD_THREADS_MAX,
        .user = world,
        .route = on_routed,
        .alias = on_aliased,
        .crashed = on_crashed,
        .ended = on_ended,
        .redirect_ms = redirect_ms,
        .handed = on_handed,
        .wanted = on_wanted,
    };

    *world = (struct world){0};
    (void)pthread_mutex_init(&world->mutex, NULL);
    (void)pthread_cond_init(&world->cond, NULL);
    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@h"), &options.node, NULL), NPR_OK);
    assert_int_equal(npri_runtime_create(&options, &world->runtime, NULL), NPR_OK);
    assert_int_equal(
        npri_runtime_add_service(world->runtime, "probe", on_probed, world, &world->probe), NPR_OK);
}

static void queue_clear(struct world_queue *queue)
{
    while (queue->first != NULL) {
        struct npri_signal *signal = queue->first;

        queue->first = signal->next;
        npri_signal_destroy(signal);
    }
}

void world_close(struct world *world)
{
    if (world->runtime != NULL) {
        npri_runtime_stop(world->runtime);
        npri_runtime_destroy(world->runtime);
    }
    queue_clear(&world->probed);
    queue_clear(&world->routed);
    queue_clear(&world->aliased);
    queue_clear(&world->crashes);
    queue_clear(&world->started);
    queue_clear(&world->handed);
    queue_clear(&world->wanted);
    for (size_t i = 0; i < world->terms_count; i++) {
        npr_builder_destroy(world->terms[i]);
    }
    (void)pthread_mutex_destroy(&world->mutex);
    (void)pthread_cond_destroy(&world->cond);
}

/* ---- Terms. */

static struct npr_builder *world_builder(struct world *world)
{
    struct npr_builder *builder = npr_builder_create();

    assert_non_null(builder);
    assert_true(world->terms_count < sizeof(world->terms) / sizeof(world->terms[0]));
    world->terms[world->terms_count++] = builder;
    return builder;
}

static struct npr_term finished(struct npr_builder *builder)
{
    struct npr_term term = {0};

    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    return term;
}

struct npr_term world_atom(struct world *world, const char *text)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_atom(builder, text);
    return finished(builder);
}

struct npr_term world_int(struct world *world, int64_t value)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_int(builder, value);
    return finished(builder);
}

struct npr_term world_pid(struct world *world, const struct npr_pid *pid)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_pid(builder, pid);
    return finished(builder);
}

struct npr_term world_ref(struct world *world, const struct npr_ref *ref)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_ref(builder, ref);
    return finished(builder);
}

struct npr_term world_tuple(struct world *world, uint32_t arity, const struct npr_term *parts)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_tuple(builder, arity);
    for (uint32_t i = 0; i < arity; i++) {
        npr_build_term(builder, parts[i]);
    }
    return finished(builder);
}

struct npr_term world_cons(struct world *world, struct npr_term head, struct npr_term tail)
{
    struct npr_builder *builder = world_builder(world);

    npr_build_list(builder, 1);
    npr_build_term(builder, head);
    npr_build_term(builder, tail);
    return finished(builder);
}

struct npr_pid world_remote_pid(const char *node, uint32_t id)
{
    struct npr_pid pid = {.id = id, .creation = 3};

    assert_int_equal(npr_node_name_parse(npr_bytes_of(node), &pid.node, NULL), NPR_OK);
    return pid;
}

/* ---- Signals. */

static struct timespec deadline(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += DEADLINE_S;
    return at;
}

struct npri_signal *world_take(struct world *world, struct world_queue *queue)
{
    const struct timespec until = deadline();
    struct npri_signal *signal;
    int status = 0;

    (void)pthread_mutex_lock(&world->mutex);
    while (queue->first == NULL && status == 0) {
        status = pthread_cond_timedwait(&world->cond, &world->mutex, &until);
    }
    signal = queue->first;
    if (signal != NULL) {
        queue->first = signal->next;
        queue->end = queue->first == NULL ? NULL : queue->end;
        queue->count--;
    }
    (void)pthread_mutex_unlock(&world->mutex);
    assert_non_null(signal);
    return signal;
}

void world_await_ended(struct world *world, size_t count)
{
    const struct timespec until = deadline();
    int status = 0;

    (void)pthread_mutex_lock(&world->mutex);
    while (world->ended < count && status == 0) {
        status = pthread_cond_timedwait(&world->cond, &world->mutex, &until);
    }
    assert_int_equal(world->ended, count);
    (void)pthread_mutex_unlock(&world->mutex);
}

size_t world_count(struct world *world, struct world_queue *queue)
{
    size_t count;

    (void)pthread_mutex_lock(&world->mutex);
    count = queue->count;
    (void)pthread_mutex_unlock(&world->mutex);
    return count;
}

static void check_term(struct npr_term actual, struct npr_term expected)
{
    if (expected.data != NULL) {
        CHECK_BYTES_EQUAL(((struct npr_bytes){.data = actual.data, .size = actual.size}),
                          ((struct npr_bytes){.data = expected.data, .size = expected.size}));
    }
}

void world_expect(struct world *world,
                  struct world_queue *queue,
                  enum npri_signal_kind kind,
                  struct npr_term from,
                  struct npr_term payload)
{
    struct npri_signal *signal = world_take(world, queue);

    assert_int_equal(signal->kind, kind);
    check_term(signal->from, from);
    check_term(signal->payload, payload);
    npri_signal_destroy(signal);
}

void world_deliver(struct world *world, const struct npri_signal *draft)
{
    struct npri_signal *signal = npri_signal_create(draft);

    assert_non_null(signal);
    npri_runtime_deliver(world->runtime, signal);
}

static struct npri_signal *message_to(const struct npr_pid *to, struct npr_term message)
{
    struct npr_builder *builder = npr_builder_create();
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .payload = message};
    struct npri_signal *signal;

    assert_non_null(builder);
    npr_build_pid(builder, to);
    draft.to = finished(builder);
    signal = npri_signal_create(&draft);
    npr_builder_destroy(builder);
    assert_non_null(signal);
    return signal;
}

void world_send(struct world *world, const struct npr_pid *to, struct npr_term message)
{
    npri_runtime_deliver(world->runtime, message_to(to, message));
}

/* ---- Puppets. */

/* Within one program an integer can carry a pointer. */
static void build_pointer(struct npr_builder *builder, void *pointer)
{
    npr_build_uint(builder, (uintptr_t)pointer);
}

static bool term_get_pointer(struct npr_term term, void **out)
{
    uint64_t number;

    _Static_assert(sizeof(number) == sizeof(*out), "pointers of 64 bits");
    if (!npr_term_get_uint64(term, &number)) {
        return false;
    }
    memcpy(out, &number, sizeof(*out));
    return true;
}

struct puppet {
    struct world *world;
    struct npr_pid probe;
};

static npr_status puppet_tell(struct npr_process *self,
                              const struct puppet *puppet,
                              const char *what,
                              struct npr_term term)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term message;
    npr_status status = NPR_ENOMEM;

    if (builder != NULL) {
        npr_build_tuple(builder, 2);
        npr_build_atom(builder, what);
        npr_build_term(builder, term);
        status = npr_builder_finish(builder, &message, NULL);
    }
    if (status == NPR_OK) {
        status = npr_send(self, &puppet->probe, message);
    }
    npr_builder_destroy(builder);
    return status;
}

static npr_status puppet_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct puppet *puppet = state;
    void *pointer;

    (void)self;
    if (!term_get_pointer(args, &pointer)) {
        return NPR_EINVAL;
    }
    puppet->world = pointer;
    puppet->probe = puppet->world->probe;
    return NPR_OK;
}

static npr_status puppet_act(struct npr_process *self, struct world_deed *deed)
{
    switch (deed->kind) {
    case WORLD_NOTHING:
        return NPR_OK;
    case WORLD_LINK:
        return npr_link(self, &deed->pid);
    case WORLD_UNLINK:
        return npr_unlink(self, &deed->pid);
    case WORLD_MONITOR:
        return npr_monitor(self, &deed->pid, &deed->ref);
    case WORLD_DEMONITOR:
        return npr_demonitor(self, &deed->ref);
    case WORLD_EXIT:
        return npr_exit(self, &deed->pid, deed->term);
    case WORLD_SEND:
        return npr_send(self, &deed->pid, deed->term);
    case WORLD_TRAP:
        npr_trap_exit(self, true);
        return NPR_OK;
    case WORLD_STOP:
        return npr_stop(self, deed->term);
    case WORLD_FAIL:
        return deed->result;
    }
    return NPR_EINVAL;
}

static npr_status puppet_cast(struct npr_process *self, void *state, struct npr_term message)
{
    struct puppet *puppet = state;
    struct world *world = puppet->world;
    struct world_deed *deed;
    void *pointer;
    npr_status status;
    bool fails;

    if (!term_get_pointer(message, &pointer)) {
        return NPR_EINVAL;
    }
    deed = pointer;
    fails = deed->kind == WORLD_FAIL;
    npri_alloc_fail_after(deed->fail_after);
    status = puppet_act(self, deed);
    npri_alloc_fail_after(0);
    (void)pthread_mutex_lock(&world->mutex);
    deed->result = status;
    deed->done = true;
    (void)pthread_cond_broadcast(&world->cond);
    (void)pthread_mutex_unlock(&world->mutex);
    return fails ? status : NPR_OK;
}

static npr_status puppet_info(struct npr_process *self, void *state, struct npr_term message)
{
    return puppet_tell(self, state, "info", message);
}

static void puppet_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)puppet_tell(self, state, "terminate", reason);
}

const struct npr_behaviour world_puppet_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct puppet),
    .init = puppet_init,
    .cast = puppet_cast,
    .info = puppet_info,
    .terminate = puppet_terminate,
};

struct npr_pid world_puppet_with(struct world *world, const struct npri_spawn *spawn)
{
    struct npr_builder *builder = npr_builder_create();
    struct npri_spawn complete = *spawn;
    struct npr_pid pid = {0};

    assert_non_null(builder);
    build_pointer(builder, world);
    complete.args = finished(builder);
    complete.behaviour = complete.behaviour == NULL ? &world_puppet_behaviour : complete.behaviour;
    complete.function = "puppet:start";
    complete.started = on_started;
    complete.started_user = world;
    assert_int_equal(npri_runtime_spawn(world->runtime, &complete, &pid, NULL), NPR_OK);
    npr_builder_destroy(builder);
    return pid;
}

struct npr_pid world_puppet(struct world *world)
{
    const struct npr_pid pid = world_puppet_with(world, &(struct npri_spawn){0});
    struct npri_signal *started = world_take(world, &world->started);

    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);
    return pid;
}

npr_status world_do(struct world *world, const struct npr_pid *puppet, struct world_deed *deed)
{
    const struct timespec until = deadline();
    struct npr_builder *builder = npr_builder_create();
    int status = 0;

    assert_non_null(builder);
    deed->done = false;
    npr_build_tuple(builder, 2);
    npr_build_atom(builder, "$gen_cast");
    build_pointer(builder, deed);
    world_send(world, puppet, finished(builder));
    npr_builder_destroy(builder);

    (void)pthread_mutex_lock(&world->mutex);
    while (!deed->done && status == 0) {
        status = pthread_cond_timedwait(&world->cond, &world->mutex, &until);
    }
    (void)pthread_mutex_unlock(&world->mutex);
    assert_true(deed->done);
    return deed->result;
}

void world_do_pid(struct world *world,
                  const struct npr_pid *puppet,
                  enum world_deed_kind kind,
                  const struct npr_pid *pid)
{
    struct world_deed deed = {.kind = kind, .pid = *pid};

    assert_int_equal(world_do(world, puppet, &deed), NPR_OK);
}

void world_do_term(struct world *world,
                   const struct npr_pid *puppet,
                   enum world_deed_kind kind,
                   struct npr_term term)
{
    struct world_deed deed = {.kind = kind, .term = term};

    assert_int_equal(world_do(world, puppet, &deed), NPR_OK);
}

void world_settle(struct world *world, const struct npr_pid *puppet)
{
    struct world_deed deed = {.kind = WORLD_NOTHING};

    assert_int_equal(world_do(world, puppet, &deed), NPR_OK);
}

struct npr_term world_watch(struct world *world, const struct npr_pid *pid)
{
    const struct npr_ref ref = npri_runtime_new_ref(world->runtime);
    const struct npri_signal draft = {
        .kind = NPRI_SIGNAL_MONITOR,
        .from = world_pid(world, &world->probe),
        .to = world_pid(world, pid),
        .ref = world_ref(world, &ref),
    };

    world_deliver(world, &draft);
    return draft.ref;
}

struct npr_term world_await_end(struct world *world, const struct npr_pid *pid)
{
    const struct npr_term ref = world_watch(world, pid);
    struct npr_builder *builder = world_builder(world);
    struct npri_signal *signal;
    bool found = false;

    while (!found) {
        signal = world_take(world, &world->probed);
        found = signal->kind == NPRI_SIGNAL_DOWN && npr_term_equal(signal->ref, ref);
        if (found) {
            npr_build_term(builder, signal->payload);
        }
        npri_signal_destroy(signal);
    }
    return finished(builder);
}
