#include "core/held.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/state.h"

/* How soon a request is routed anew that some node has called another's affair. */
#define RETRY_NS (UINT64_C(20) * 1000 * 1000)

/* Between the turns of one step and those of the next: what else has come is not to wait. */
#define PAUSE_NS (UINT64_C(1) * 1000 * 1000)

/* How many requests of one key are held, and how many of them in this round; the others are due.
 */
struct npri_held_key {
    struct npri_map_node node;
    struct npri_shared *key;
    size_t count;
    size_t fresh; /* meaningful in `round` */
    uint64_t round;
};

bool npri_held_init(struct npri_core *core)
{
    struct npri_held *held = &core->held;

    npri_list_init(&held->held);
    npri_list_init(&held->due);
    held->round = 1;
    held->timer.kind = NPRI_TIMER_TURNS;
    return npri_map_init(&held->keys, core->options.hash_key);
}

/* The requests are gone already. */
void npri_held_fini(struct npri_core *core)
{
    NPRI_ASSERT(core->held.keys.count == 0);
    npri_map_fini(&core->held.keys);
}

/* ---- Keys. */

static struct npri_held_key *find_key(const struct npri_core *core, const struct npri_shared *key)
{
    struct npri_map_node *at;

    if (core->held.keys.count == 0) {
        return NULL; /* as nearly always */
    }
    at = npri_map_find(&core->held.keys, npri_shared_bytes(key));
    return at == NULL ? NULL : NPRI_CONTAINER_OF(at, struct npri_held_key, node);
}

/* NULL: no memory. */
static struct npri_held_key *find_or_create_key(struct npri_core *core, struct npri_shared *shared)
{
    struct npri_held_key *key = find_key(core, shared);

    if (key != NULL) {
        return key;
    }
    key = npri_alloc_zeroed(1, sizeof(*key));
    if (key != NULL) {
        key->key = npri_shared_acquire(shared);
        npri_map_insert(&core->held.keys, &key->node, npri_shared_bytes(shared));
    }
    return key;
}

static size_t count_fresh(const struct npri_core *core, const struct npri_held_key *key)
{
    return key->round == core->held.round ? key->fresh : 0;
}

static bool is_due(const struct npri_core *core, const struct npri_shared *shared)
{
    const struct npri_held_key *key = find_key(core, shared);

    return key != NULL && key->count > count_fresh(core, key);
}

/* ---- Coming and going. */

bool npri_held_is_due(const struct npri_core *core, const struct npri_request *request)
{
    return request->held_key != NULL && request->held_round < core->held.round;
}

/* Of this round when it is held, of an earlier one when it is due.  False: there was no memory, and
 * that is its answer. */
static bool enter(struct npri_core *core, struct npri_request *request, enum npri_hold why)
{
    struct npri_held *held = &core->held;
    const bool due = why == NPRI_HOLD_TURN;
    struct npri_held_key *key = find_or_create_key(core, request->key);

    if (key == NULL) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("no memory to wait"));
        return false;
    }
    key->fresh = count_fresh(core, key) + (due ? 0 : 1);
    key->round = held->round;
    key->count++;
    request->state = NPRI_REQUEST_HELD;
    request->hold = why;
    request->held_key = key;
    request->held_round = due ? 0 : held->round;
    request->held_epoch = npri_views_epoch(core);
    npri_list_append(due ? &held->due : &held->held, &request->waiting);
    return true;
}

void npri_held_leave(struct npri_core *core, struct npri_request *request)
{
    struct npri_held_key *key = request->held_key;

    if (key == NULL) {
        return;
    }
    NPRI_ASSERT(key->count > 0);
    if (!npri_held_is_due(core, request)) {
        NPRI_ASSERT(key->round == core->held.round && key->fresh > 0);
        key->fresh--;
    }
    key->count--;
    request->held_key = NULL;
    npri_list_remove(&request->waiting);
    if (key->count == 0) {
        npri_map_remove(&core->held.keys, &key->node);
        npri_shared_release(key->key);
        npri_free(key);
    }
}

void npri_request_hold(struct npri_core *core, struct npri_request *request, enum npri_hold why)
{
    if (!enter(core, request, why)) {
        return;
    }
    /* What is held though this node is agreed waits for another view. */
    core->held.waits[why] |= why != NPRI_HOLD_AGREEMENT || !core->views.agreed;
    if (why == NPRI_HOLD_RETRY) {
        npri_timer_arm(core, &request->held_timer, npri_time_after(core, RETRY_NS));
    } else if (why == NPRI_HOLD_SETTLING) {
        if (request->held_until_ns == 0) {
            request->held_until_ns = npri_time_after(core, 2 * core->options.suspect_ns);
        }
        npri_timer_arm(core, &request->held_timer, request->held_until_ns);
    }
}

bool npri_held_take_turn(struct npri_core *core)
{
    if (core->held.turns_left == 0) {
        return false;
    }
    core->held.turns_left--;
    return true;
}

bool npri_held_admit(struct npri_core *core, struct npri_request *request)
{
    if (is_due(core, request->key) || !npri_held_take_turn(core)) {
        (void)enter(core, request, NPRI_HOLD_TURN);
        return false;
    }
    return true;
}

void npri_held_on_request_time(struct npri_core *core, struct npri_request *request)
{
    request->held_enough |= request->hold == NPRI_HOLD_SETTLING;
    if (!npri_held_is_due(core, request)) {
        npri_held_leave(core, request);
        npri_request_route(core, request);
    }
}

/* ---- Reasons. */

void npri_held_on_news(struct npri_core *core)
{
    core->held.news = true;
}

bool npri_held_have_reason(const struct npri_core *core)
{
    const struct npri_held *held = &core->held;

    if (npri_views_stalled(core)) {
        return false;
    }
    return held->news || held->waits[NPRI_HOLD_STALLED] ||
           (held->waits[NPRI_HOLD_SETTLING] && !npri_members_settling(core)) ||
           (held->waits[NPRI_HOLD_AGREEMENT] && core->views.agreed);
}

/* They go before those that are due already: of one key, they have had a turn before these. */
static void make_all_due(struct npri_core *core)
{
    struct npri_held *held = &core->held;

    npri_list_splice(&held->held, &held->due);
    npri_list_splice(&held->due, &held->held);
    held->round++;
    held->news = false;
    memset(held->waits, 0, sizeof(held->waits));
}

/* ---- Turns. */

/* It is tried in a moment, or with another view: it was held in this one, and its time comes. */
static bool is_for_later(const struct npri_core *core, const struct npri_request *request)
{
    return request->hold == NPRI_HOLD_RETRY && request->held_epoch == npri_views_epoch(core) &&
           npri_heap_has(&request->held_timer.node);
}

static void take_turns(struct npri_core *core)
{
    struct npri_held *held = &core->held;

    while (!npri_list_empty(&held->due) && npri_held_take_turn(core)) {
        struct npri_request *request =
            NPRI_CONTAINER_OF(held->due.next, struct npri_request, waiting);
        const bool later = is_for_later(core, request);

        npri_held_leave(core, request);
        if (later) {
            (void)enter(core, request, NPRI_HOLD_RETRY);
        } else {
            npri_timer_stop(core, &request->held_timer);
            npri_request_take_turn(core, request);
        }
    }
}

void npri_held_go_on(struct npri_core *core)
{
    make_all_due(core);
    take_turns(core);
}

void npri_held_on_time(struct npri_core *core)
{
    npri_operations_end_lost(core);
    if (!npri_views_stalled(core)) {
        take_turns(core);
    }
}

void npri_held_begin_step(struct npri_core *core)
{
    core->held.turns_left = core->options.turns_max == 0 ? NPRI_TURNS_MAX : core->options.turns_max;
}

void npri_held_end_step(struct npri_core *core)
{
    struct npri_timer *timer = &core->held.timer;
    const bool turns = !npri_list_empty(&core->held.due) && !npri_views_stalled(core);

    if (!turns && npri_list_empty(&core->lost)) {
        npri_timer_stop(core, timer);
    } else if (!npri_heap_has(&timer->node)) {
        npri_timer_arm(core, timer, npri_time_after(core, PAUSE_NS));
    }
}

/* ---- Checking. */

static size_t check_list(const struct npri_core *core, const struct npri_link *list, bool due)
{
    size_t count = 0;

    NPRI_LIST_FOREACH (at, list) {
        const struct npri_request *request = NPRI_CONTAINER_OF(at, struct npri_request, waiting);

        NPRI_ASSERT(request->state == NPRI_REQUEST_HELD && request->held_key != NULL);
        NPRI_ASSERT(npri_held_is_due(core, request) == due);
        NPRI_ASSERT(find_key(core, request->key) == request->held_key);
        count++;
    }
    return count;
}

void npri_held_check(const struct npri_core *core)
{
    const size_t fresh = check_list(core, &core->held.held, false);
    const size_t count = check_list(core, &core->held.due, true) + fresh;
    size_t keys_fresh = 0;
    size_t keys_count = 0;

    NPRI_LIST_FOREACH (at, &core->held.keys.order) {
        const struct npri_held_key *key = NPRI_MAP_AT(at, struct npri_held_key, node);

        NPRI_ASSERT(key->count > 0 && count_fresh(core, key) <= key->count);
        keys_fresh += count_fresh(core, key);
        keys_count += key->count;
    }
    NPRI_ASSERT(keys_fresh == fresh && keys_count == count);
    NPRI_ASSERT(!npri_held_have_reason(core));
}
