#include "runtime/table.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "runtime/internal.h"

#define BUCKETS_COUNT_MIN 16u

static struct npri_table_shard *table_shard(struct npri_table *table, uint32_t id)
{
    return &table->shards[id & (NPRI_TABLE_SHARDS - 1)];
}

static struct npr_process **shard_slot(struct npri_table_shard *shard, uint32_t id)
{
    return &shard->buckets[(id / NPRI_TABLE_SHARDS) & shard->mask];
}

bool npri_table_init(struct npri_table *table)
{
    bool complete = true;

    for (unsigned i = 0; i < NPRI_TABLE_SHARDS; i++) {
        struct npri_table_shard *shard = &table->shards[i];

        (void)pthread_mutex_init(&shard->mutex, NULL); /* default attributes: cannot fail */
        shard->mask = BUCKETS_COUNT_MIN - 1;
        shard->buckets = npri_alloc_zeroed(BUCKETS_COUNT_MIN, sizeof(struct npr_process *));
        complete = complete && shard->buckets != NULL;
    }
    return complete;
}

void npri_table_fini(struct npri_table *table)
{
    for (unsigned i = 0; i < NPRI_TABLE_SHARDS; i++) {
        NPRI_ASSERT(table->shards[i].count == 0);
        npri_free(table->shards[i].buckets);
        (void)pthread_mutex_destroy(&table->shards[i].mutex);
    }
}

/* Without memory it stays as it is: longer chains, or more room than needed. */
static void shard_resize(struct npri_table_shard *shard, uint32_t buckets_count)
{
    struct npri_table_shard resized = {.mask = buckets_count - 1};

    resized.buckets = npri_alloc_zeroed(buckets_count, sizeof(struct npr_process *));
    if (resized.buckets == NULL) {
        return;
    }
    for (uint32_t i = 0; i <= shard->mask; i++) {
        struct npr_process *at = shard->buckets[i];

        while (at != NULL) {
            struct npr_process *next = at->table_next;
            struct npr_process **slot = shard_slot(&resized, at->local.id);

            at->table_next = *slot;
            *slot = at;
            at = next;
        }
    }
    npri_free(shard->buckets);
    shard->buckets = resized.buckets;
    shard->mask = resized.mask;
}

/* Also one that is gone. */
static struct npr_process *shard_search(struct npri_table_shard *shard, struct npri_local local)
{
    struct npr_process *at = *shard_slot(shard, local.id);

    while (at != NULL && !(at->local.id == local.id && at->local.serial == local.serial)) {
        at = at->table_next;
    }
    return at;
}

static bool is_hidden(const struct npr_process *process)
{
    return process->gone || process->forwards;
}

static struct npr_process *shard_find(struct npri_table_shard *shard, struct npri_local local)
{
    struct npr_process *process = shard_search(shard, local);

    return process == NULL || is_hidden(process) ? NULL : process;
}

bool npri_table_add(struct npri_table *table, struct npr_process *process)
{
    struct npri_table_shard *shard = table_shard(table, process->local.id);
    bool open;

    (void)pthread_mutex_lock(&shard->mutex);
    open = !shard->closed;
    if (open) {
        struct npr_process **slot;

        if (shard->count > shard->mask) {
            shard_resize(shard, 2 * (shard->mask + 1));
        }
        slot = shard_slot(shard, process->local.id);
        process->table_next = *slot;
        *slot = process;
        shard->count++;
        shard->added++;
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return open;
}

/* Under the lock. */
static void shard_remove(struct npri_table_shard *shard, struct npr_process *process)
{
    struct npr_process **at = shard_slot(shard, process->local.id);

    while (*at != process) {
        NPRI_ASSERT(*at != NULL);
        at = &(*at)->table_next;
    }
    *at = process->table_next;
    shard->count--;
    if (shard->mask >= BUCKETS_COUNT_MIN && shard->count < shard->mask / 8) {
        shard_resize(shard, (shard->mask + 1) / 4);
    }
}

/* Under the lock: it stays as long as it is one of the two. */
static void shard_mark(struct npri_table_shard *shard,
                       struct npr_process *process,
                       bool gone,
                       bool forwards)
{
    shard->hidden -= is_hidden(process) ? 1 : 0;
    process->gone = gone;
    process->forwards = forwards;
    shard->hidden += is_hidden(process) ? 1 : 0;
    if (!is_hidden(process)) {
        shard_remove(shard, process);
    }
}

void npri_table_remove(struct npri_table *table, struct npr_process *process, bool forwards)
{
    struct npri_table_shard *shard = table_shard(table, process->local.id);

    (void)pthread_mutex_lock(&shard->mutex);
    shard_mark(shard, process, process->registered, forwards);
    (void)pthread_mutex_unlock(&shard->mutex);
}

void npri_table_forget(struct npri_table *table, struct npr_process *process)
{
    struct npri_table_shard *shard = table_shard(table, process->local.id);

    (void)pthread_mutex_lock(&shard->mutex);
    process->registered = false;
    shard_mark(shard, process, false, process->forwards);
    (void)pthread_mutex_unlock(&shard->mutex);
}

void npri_table_forward(struct npri_table *table, struct npr_process *process)
{
    struct npri_table_shard *shard = table_shard(table, process->local.id);

    (void)pthread_mutex_lock(&shard->mutex);
    shard_mark(shard, process, false, true);
    (void)pthread_mutex_unlock(&shard->mutex);
}

bool npri_table_leave(struct npri_table *table, struct npr_process *process)
{
    struct npri_table_shard *shard = table_shard(table, process->local.id);
    bool empty;

    (void)pthread_mutex_lock(&shard->mutex);
    /* relaxed: who pushes holds the lock too, but for the process's own timers, which end with it.
     */
    empty = atomic_load_explicit(&process->mailbox.head, memory_order_relaxed) == NULL;
    if (empty) {
        shard_mark(shard, process, process->registered, false);
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return empty;
}

bool npri_table_has(struct npri_table *table, struct npri_local local)
{
    struct npri_table_shard *shard = table_shard(table, local.id);
    bool found;

    (void)pthread_mutex_lock(&shard->mutex);
    found = shard_find(shard, local) != NULL;
    (void)pthread_mutex_unlock(&shard->mutex);
    return found;
}

size_t npri_table_count(struct npri_table *table)
{
    size_t count = 0;

    for (unsigned i = 0; i < NPRI_TABLE_SHARDS; i++) {
        struct npri_table_shard *shard = &table->shards[i];

        (void)pthread_mutex_lock(&shard->mutex);
        count += shard->count - shard->hidden;
        (void)pthread_mutex_unlock(&shard->mutex);
    }
    return count;
}

uint32_t npri_process_waiting(struct npr_process *process)
{
    /* relaxed: who pushes reads its own count, and one that may lag behind what was taken. */
    return atomic_load_explicit(&process->pushed, memory_order_relaxed) -
           (uint32_t)atomic_load_explicit(&process->taken, memory_order_relaxed);
}

/* Whether a process with a limit takes one more message. */
static enum npri_push process_admit(struct npr_process *process)
{
    const uint32_t waiting = npri_process_waiting(process);
    const uint64_t limit = process->origin->behaviour->mailbox_max;

    switch ((enum npr_overflow)process->origin->behaviour->overflow) {
    case NPR_OVERFLOW_UNBOUNDED:
        break;
    case NPR_OVERFLOW_FAIL:
        return waiting < limit ? NPRI_PUSH_DONE : NPRI_PUSH_REFUSED;
    case NPR_OVERFLOW_DROP_NEWEST:
        return waiting < limit ? NPRI_PUSH_DONE : NPRI_PUSH_DROPPED;
    case NPR_OVERFLOW_DROP_OLDEST: /* its worker drops the oldest, when it comes to them */
        return waiting < 2 * limit ? NPRI_PUSH_DONE : NPRI_PUSH_DROPPED;
    }
    return NPRI_PUSH_DONE;
}

/* Under the lock. */
static enum npri_push process_push(struct npr_process *process,
                                   struct npri_signal *signal,
                                   struct npr_process **out_wake)
{
    const uint32_t messages = npri_signal_messages(signal);
    enum npri_push outcome = NPRI_PUSH_DONE;

    if (messages != 0) {
        if (process->is_bounded) {
            outcome = process_admit(process);
        }
        if (outcome != NPRI_PUSH_DONE) {
            /* relaxed: a figure, which its worker raises too. */
            (void)atomic_fetch_add_explicit(&process->overflowed, 1, memory_order_relaxed);
            return outcome;
        }
        /* relaxed both: under the lock; read by anybody as a figure. */
        atomic_store_explicit(&process->pushed,
                              atomic_load_explicit(&process->pushed, memory_order_relaxed) +
                                  messages,
                              memory_order_relaxed);
        if (signal->kind == NPRI_SIGNAL_PLAIN && process->takes_batches) {
            outcome = NPRI_PUSH_OPENS;
        }
    }
    if (npri_mailbox_push(&process->mailbox, signal)) {
        *out_wake = process;
    }
    return outcome;
}

/* Under the lock.  What a dead process answers comes with its other last words: a DOWN of noproc
 * must not be seen before the end was told either. */
static enum npri_push process_push_late(struct npr_process *process,
                                        struct npri_signal *signal,
                                        struct npr_process **out_wake)
{
    if (npri_signal_messages(signal) != 0) {
        return NPRI_PUSH_NOBODY;
    }
    if (npri_mailbox_push(&process->mailbox, signal)) {
        *out_wake = process; /* it is CLOSING */
    }
    return NPRI_PUSH_DONE;
}

enum npri_push npri_table_push(struct npri_table *table,
                               struct npri_local local,
                               struct npri_signal *signal,
                               bool remote,
                               struct npr_process **out_wake)
{
    struct npri_table_shard *shard = table_shard(table, local.id);
    enum npri_push outcome = NPRI_PUSH_NOBODY;
    struct npr_process *process;

    *out_wake = NULL;
    (void)pthread_mutex_lock(&shard->mutex);
    process = shard_search(shard, local);
    if (process != NULL && process->gone && !process->forwards) {
        outcome = process_push_late(process, signal, out_wake);
    } else if (process != NULL) {
        if (remote) {
            atomic_store_explicit(&process->has_remote, true, memory_order_relaxed);
        }
        outcome = process_push(process, signal, out_wake);
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return outcome;
}

static void bucket_visit(struct npr_process *first, const struct npri_table_visit *visit)
{
    for (struct npr_process *process = first; process != NULL; process = process->table_next) {
        if (!is_hidden(process)) {
            visit->visit(visit->user, process);
        }
    }
}

void npri_table_visit_shard(struct npri_table *table,
                            unsigned shard,
                            const struct npri_table_visit *visit)
{
    struct npri_table_shard *at = &table->shards[shard];

    (void)pthread_mutex_lock(&at->mutex);
    if (visit->before == NULL || visit->before(visit->user, at->count)) {
        for (uint32_t i = 0; i <= at->mask; i++) {
            bucket_visit(at->buckets[i], visit);
        }
    }
    (void)pthread_mutex_unlock(&at->mutex);
}

bool npri_table_visit_one(struct npri_table *table,
                          struct npri_local local,
                          const struct npri_table_visit *visit)
{
    struct npri_table_shard *shard = table_shard(table, local.id);
    struct npr_process *process;

    (void)pthread_mutex_lock(&shard->mutex);
    process = shard_find(shard, local);
    if (process != NULL) {
        visit->visit(visit->user, process);
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return process != NULL;
}

bool npri_table_set_named(struct npri_table *table, struct npri_local local)
{
    struct npri_table_shard *shard = table_shard(table, local.id);
    struct npr_process *process;

    (void)pthread_mutex_lock(&shard->mutex);
    process = shard_find(shard, local);
    if (process != NULL) {
        process->named = true;
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return process != NULL;
}

enum npri_watch npri_table_watch(struct npri_table *table, struct npri_local local, bool registered)
{
    struct npri_table_shard *shard = table_shard(table, local.id);
    enum npri_watch outcome = NPRI_WATCH_DEAD;
    struct npr_process *process;

    (void)pthread_mutex_lock(&shard->mutex);
    process = shard_search(shard, local);
    if (process != NULL && process->gone) {
        outcome = NPRI_WATCH_ENDING;
    } else if (process != NULL && !(process->forwards && registered)) {
        process->registered = registered;
        outcome = NPRI_WATCH_ON;
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return outcome;
}

/* Not under the lock: `wake` is others' code. */
static void wake_all(struct npr_process *idle,
                     void (*wake)(void *user, struct npr_process *process),
                     void *user)
{
    while (idle != NULL) {
        struct npr_process *next = idle->run_next;

        wake(user, idle);
        idle = next;
    }
}

/* One that is gone needs no news, and its link is in use. */
static void process_poke(struct npr_process *process, struct npr_process **idle)
{
    if (!process->gone && npri_mailbox_poke(&process->mailbox)) {
        process->run_next = *idle;
        *idle = process;
    }
}

uint64_t npri_table_close(struct npri_table *table,
                          void (*wake)(void *user, struct npr_process *process),
                          void *user)
{
    uint64_t added = 0;

    for (unsigned s = 0; s < NPRI_TABLE_SHARDS; s++) {
        struct npri_table_shard *shard = &table->shards[s];
        struct npr_process *idle = NULL;

        (void)pthread_mutex_lock(&shard->mutex);
        shard->closed = true;
        added += shard->added;
        for (uint32_t i = 0; i <= shard->mask; i++) {
            for (struct npr_process *at = shard->buckets[i]; at != NULL; at = at->table_next) {
                process_poke(at, &idle);
            }
        }
        (void)pthread_mutex_unlock(&shard->mutex);
        wake_all(idle, wake, user);
    }
    return added;
}

/* Under the lock.  False: no memory. */
static bool process_tell(struct npr_process *process,
                         const struct npri_signal *draft,
                         struct npr_process **idle)
{
    struct npri_signal *signal = npri_signal_create(draft);
    struct npr_process *wake = NULL;

    if (signal == NULL) {
        return false;
    }
    if (process_push(process, signal, &wake) >= NPRI_PUSH_REFUSED) {
        npri_signal_destroy(signal); /* its mailbox is full */
    }
    if (wake != NULL) {
        process->run_next = *idle;
        *idle = process;
    }
    return true;
}

/* False: no memory, some did not get it. */
static bool shard_tell(struct npri_table_shard *shard,
                       bool (*is_meant)(const struct npr_process *process),
                       const struct npri_signal *draft,
                       struct npr_process **idle)
{
    bool complete = true;

    (void)pthread_mutex_lock(&shard->mutex);
    for (uint32_t i = 0; i <= shard->mask && complete; i++) {
        for (struct npr_process *at = shard->buckets[i]; at != NULL; at = at->table_next) {
            complete = (!is_meant(at) || process_tell(at, draft, idle)) && complete;
        }
    }
    (void)pthread_mutex_unlock(&shard->mutex);
    return complete;
}

static bool process_is_registered(const struct npr_process *process)
{
    return process->registered && !is_hidden(process);
}

bool npri_table_tell_registered(struct npri_table *table,
                                unsigned shard,
                                const struct npri_signal *draft,
                                void (*wake)(void *user, struct npr_process *process),
                                void *user)
{
    struct npr_process *idle = NULL;
    const bool complete = shard_tell(&table->shards[shard], process_is_registered, draft, &idle);

    wake_all(idle, wake, user);
    return complete;
}

static bool process_may_have_remote(const struct npr_process *process)
{
    /* relaxed: see struct npr_process. */
    return !process->gone && atomic_load_explicit(&process->has_remote, memory_order_relaxed);
}

bool npri_table_tell_remote(struct npri_table *table,
                            const struct npri_signal *draft,
                            void (*wake)(void *user, struct npr_process *process),
                            void *user)
{
    bool complete = true;

    for (unsigned s = 0; s < NPRI_TABLE_SHARDS; s++) {
        struct npr_process *idle = NULL;

        complete = shard_tell(&table->shards[s], process_may_have_remote, draft, &idle) && complete;
        wake_all(idle, wake, user);
    }
    return complete;
}
