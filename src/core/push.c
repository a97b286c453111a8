#include "core/push.h"

#include "base/assert.h"
#include "base/limits.h"
#include "core/faults.h"
#include "core/state.h"

/* What a message takes beside its entries, or its key and its pid. */
#define MESSAGE_BYTES 64u

void npri_push_init(struct npri_core *core)
{
    core->push.work.kind = NPRI_WORK_PUSH;
}

static bool is_told(const struct npri_pushing *pushing)
{
    return pushing->state != NPRI_PUSH_OFF && pushing->state != NPRI_PUSH_UNSURE;
}

static uint64_t unread(const struct npri_pushing *pushing)
{
    return pushing->told - pushing->told_read;
}

/* Counts what is about to be told; false: the window is full. */
static bool charge(struct npri_pushing *pushing, uint64_t bytes)
{
    if (unread(pushing) + bytes > NPRI_PUSH_WINDOW_BYTES) {
        return false;
    }
    pushing->told += bytes;
    return true;
}

static void stop(struct npri_pushing *pushing)
{
    pushing->state = NPRI_PUSH_OFF;
    pushing->cursor = 0;
    pushing->items_count = 0;
    npri_buffer_fini(&pushing->items);
    npri_list_remove(&pushing->work.link);
}

/* The owner of a key, if it is to be told of it. */
static struct npri_peer *listener(const struct npri_core *core, struct npr_bytes key)
{
    struct npri_peer *owner;

    if (core->push.epoch == 0 || core->members.view_count < 2) {
        return NULL;
    }
    owner = npri_core_place(core, (struct npr_term){.data = key.data, .size = key.size}, NULL);
    return owner == NULL || owner->self || !is_told(&owner->pushing) ? NULL : owner;
}

/* Whether the epoch that is being told is over, and nobody may be told of the next one yet: threads
 * act on the view before.  Its walk ends here: by the present view it would leave out what is not
 * the same node's, and then say that it had told all. */
static bool is_over(const struct npri_core *core)
{
    return core->push.epoch != 0 && core->push.epoch != npri_views_epoch(core);
}

/* ---- Changes. */

/* Without memory it is told later.  Until then the peer believes what was true before: at worst
 * that is a process which is dead by now, since what is new to it was busy, or put by its consent.
 */
static void tell_unsure(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_pushing *pushing = &peer->pushing;

    pushing->told += MESSAGE_BYTES; /* Small, and there is room for it. */
    pushing->unsure_told = npri_tell_mark_of_push(core, peer, "unsure");
}

/* The peer has missed something, or would: all begins anew, once there is room or memory. */
static void lose(struct npri_core *core, struct npri_peer *peer, bool late)
{
    struct npri_pushing *pushing = &peer->pushing;

    pushing->state = NPRI_PUSH_UNSURE;
    pushing->cursor = 0;
    pushing->items_count = 0;
    pushing->unsure_told = false;
    npri_buffer_reset(&pushing->items);
    tell_unsure(core, peer);
    npri_work_add(core, &pushing->work, late || !pushing->unsure_told);
}

static void tell_busy(struct npri_core *core, struct npri_peer *peer, struct npr_bytes key)
{
    if (!charge(&peer->pushing, MESSAGE_BYTES + key.size)) {
        lose(core, peer, false);
    } else if (!npri_tell_busy(core, peer, key, npri_start_token(core, key))) {
        lose(core, peer, true);
    }
}

static void tell_free(struct npri_core *core,
                      struct npri_peer *peer,
                      struct npr_bytes key,
                      struct npr_term pid)
{
    if (!charge(&peer->pushing, MESSAGE_BYTES + key.size + (pid.data == NULL ? 0 : pid.size))) {
        lose(core, peer, false);
    } else if (!npri_tell_free(core, peer, key, pid)) {
        lose(core, peer, true);
    }
}

/* What has been put into its items. */
static void tell_items(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_pushing *pushing = &peer->pushing;
    const bool told = npri_tell_push(core, peer);

    npri_buffer_reset(&pushing->items);
    pushing->items_count = 0;
    if (!told) {
        lose(core, peer, true);
    }
}

/* An entry, of what is told next. */
static void put(struct npri_pushing *pushing,
                struct npr_bytes key,
                const struct npri_activation *living)
{
    struct npri_activation told = *living;

    told.token = NPRI_FAULT(TOKEN_NOT_CARRIED) ? 0 : living->token;
    npri_put_activation(&pushing->items, key, &told);
    pushing->items_count++;
}

static void tell_entry(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       const struct npri_activation *living)
{
    struct npri_pushing *pushing = &peer->pushing;

    if (!charge(pushing, MESSAGE_BYTES + key.size + living->pid.size)) {
        lose(core, peer, false);
        return;
    }
    NPRI_ASSERT(pushing->items_count == 0);
    put(pushing, key, living);
    tell_items(core, peer);
    if (pushing->state == NPRI_PUSH_LIVE) {
        npri_buffer_fini(&pushing->items);
    }
}

/* `pid` does not live under the key any more: it is being started, or free. */
static void tell_gone(struct npri_core *core,
                      struct npri_peer *peer,
                      struct npr_bytes key,
                      struct npr_term pid)
{
    if (npri_start_is_under_way(core, key)) {
        tell_busy(core, peer, key);
    } else {
        tell_free(core, peer, key, pid);
    }
}

static void tell_restarted(struct npri_core *core,
                           struct npri_peer *peer,
                           struct npr_bytes key,
                           struct npr_term pid)
{
    (void)pid;
    tell_busy(core, peer, key);
}

/* The owner is told; in an epoch that is over all are, of whom one owned the key in that.  To the
 * others it says little, and not for long. */
static void tell_end(struct npri_core *core,
                     struct npr_bytes key,
                     struct npr_term pid,
                     void (*tell)(struct npri_core *core,
                                  struct npri_peer *peer,
                                  struct npr_bytes key,
                                  struct npr_term pid))
{
    struct npri_peer *owner = listener(core, key);

    if (!is_over(core)) {
        if (owner != NULL) {
            tell(core, owner, key, pid);
        }
        return;
    }
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (is_told(&peer->pushing)) {
            tell(core, peer, key, pid);
        }
    }
}

void npri_push_on_entry(struct npri_core *core,
                        struct npr_bytes key,
                        const struct npri_activation *living,
                        struct npr_term was)
{
    struct npri_peer *owner;

    if (living == NULL) {
        tell_end(core, key, was, tell_gone);
        return;
    }
    owner = listener(core, key);
    if (owner != NULL) {
        tell_entry(core, owner, key, living);
    }
}

void npri_push_on_busy(struct npri_core *core, struct npr_bytes key)
{
    tell_end(core, key, (struct npr_term){0}, tell_restarted);
}

/* An entry that came of it was told when it came. */
void npri_push_on_idle(struct npri_core *core, struct npr_bytes key)
{
    struct npri_peer *peer = listener(core, key);
    struct npri_activation living;

    if (peer != NULL && !npri_directory_find(&core->directory, key, &living)) {
        tell_free(core, peer, key, (struct npr_term){0});
    }
}

void npri_push_word(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid)
{
    struct npri_activation living;

    NPRI_ASSERT(peer != NULL);
    if (listener(core, key) != peer) {
        return; /* It was told nothing of this key in our epoch, and will hear of no change. */
    }
    if (npri_directory_find(&core->directory, key, &living)) {
        tell_entry(core, peer, key, &living);
    } else if (npri_start_is_under_way(core, key)) {
        tell_busy(core, peer, key);
    } else {
        tell_free(core, peer, key, pid);
    }
}

void npri_push_correct(struct npri_core *core, struct npr_bytes key, struct npr_term pid)
{
    struct npri_peer *peer = listener(core, key);

    if (peer != NULL) {
        npri_push_word(core, peer, key, pid);
    }
}

/* ---- Walking. */

static void tell_marker(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_pushing *pushing = &peer->pushing;

    pushing->told += MESSAGE_BYTES; /* Small, and there is room for it. */
    pushing->state = NPRI_PUSH_LIVE;
    pushing->cursor = 0;
    npri_buffer_fini(&pushing->items);
    if (!npri_tell_mark_of_push(core, peer, "marker")) {
        lose(core, peer, true);
    }
}

struct walk {
    struct npri_core *core;
    struct npri_peer *only; /* NULL: all that are WALKING */
};

static void put_item(struct walk *walk, struct npri_peer *owner, const struct npri_entry *entry)
{
    struct npri_pushing *pushing = &owner->pushing;
    const struct npri_activation living = {.pid = npri_directory_pid(&walk->core->directory, entry),
                                           .token = npri_entry_token(entry)};

    put(pushing, npri_entry_key(entry), &living);
}

static bool visit(void *user, const struct npri_entry *entry)
{
    struct walk *walk = user;
    const struct npr_bytes key = npri_entry_key(entry);
    struct npri_peer *owner =
        npri_core_place(walk->core, (struct npr_term){.data = key.data, .size = key.size}, NULL);

    if (owner == NULL || owner->self) {
        return true;
    }
    if (walk->only == NULL ? owner->pushing.state == NPRI_PUSH_WALKING : owner == walk->only) {
        put_item(walk, owner, entry);
    }
    return walk->only == NULL || walk->only->pushing.items.size < NPRI_FEED_PIECE_BYTES;
}

/* What a piece of the walk has found for the peer.  False: it has to go on alone, from the
 * beginning of this piece. */
static bool tell_piece(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_pushing *pushing = &peer->pushing;

    if (pushing->items_count == 0) {
        return true;
    }
    if (!charge(pushing, MESSAGE_BYTES + pushing->items.size)) {
        npri_buffer_reset(&pushing->items);
        pushing->items_count = 0;
        return false;
    }
    tell_items(core, peer);
    return true;
}

/* One piece for all that are WALKING. */
static void walk_on(struct npri_core *core)
{
    struct npri_push *push = &core->push;
    const uint64_t from = push->cursor;
    struct walk walk = {.core = core};

    npri_directory_walk(&core->directory, &push->cursor, NPRI_PAGE_STEPS_MAX, visit, &walk);
    push->walks = push->cursor != 0;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->pushing.state != NPRI_PUSH_WALKING) {
            continue;
        }
        if (!tell_piece(core, peer)) {
            peer->pushing.state = NPRI_PUSH_ALONE;
            peer->pushing.cursor = from;
            npri_work_add(core, &peer->pushing.work, false);
        } else if (!push->walks && peer->pushing.state == NPRI_PUSH_WALKING) {
            tell_marker(core, peer);
        }
    }
}

/* The starts that are under way, to one peer, or to all. */
static void tell_starts(struct npri_core *core, const struct npri_peer *only)
{
    NPRI_LIST_FOREACH (at, &core->starts.order) {
        const struct npri_start *start = NPRI_MAP_AT(at, struct npri_start, node);
        const struct npr_bytes key = npri_shared_bytes(start->key);

        if (start->operation != NULL && (only == NULL || listener(core, key) == only)) {
            npri_push_on_busy(core, key);
        }
    }
}

/* Whether all have been told the epoch; there may have been no memory for that. */
static bool epoch_is_told(const struct npri_core *core)
{
    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        if (!peer->self && peer->native && peer->said.epoch != npri_views_epoch(core)) {
            return false;
        }
    }
    return true;
}

static void begin(struct npri_core *core)
{
    struct npri_push *push = &core->push;

    push->epoch = npri_views_epoch(core);
    push->cursor = 0;
    push->walks = true;
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->native && peer->in_view) {
            peer->pushing.state = NPRI_PUSH_WALKING;
            if (NPRI_FAULT(MARKER_EARLY)) {
                (void)npri_tell_mark_of_push(core, peer, "marker");
            }
        }
    }
    tell_starts(core, NULL);
}

/* Begun in the next step: the message that tells the epoch goes first. */
void npri_push_on_epoch(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        stop(&NPRI_MAP_AT(at, struct npri_peer, node)->pushing);
    }
    core->push.epoch = 0;
    core->push.walks = false;
    npri_work_add(core, &core->push.work, false);
}

void npri_push_work(struct npri_core *core)
{
    if (core->push.epoch == 0) {
        if (!epoch_is_told(core)) {
            npri_work_add(core, &core->push.work, true);
            return;
        }
        begin(core);
    }
    if (is_over(core)) {
        return; /* npri_push_on_epoch() begins anew. */
    }
    walk_on(core);
    if (core->push.walks) {
        npri_work_add(core, &core->push.work, false);
    }
}

void npri_push_work_alone(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_pushing *pushing = &peer->pushing;
    struct walk walk = {.core = core, .only = peer};
    uint64_t from;

    if ((pushing->state != NPRI_PUSH_ALONE && pushing->state != NPRI_PUSH_UNSURE) ||
        unread(pushing) > NPRI_PUSH_WINDOW_BYTES / 2 || is_over(core)) {
        return; /* npri_push_on_read() goes on, or npri_push_on_epoch() begins anew. */
    }
    if (pushing->state == NPRI_PUSH_UNSURE) {
        if (!pushing->unsure_told) {
            tell_unsure(core, peer);
        }
        if (!pushing->unsure_told) {
            npri_work_add(core, &pushing->work, true);
            return;
        }
        pushing->state = NPRI_PUSH_ALONE;
        pushing->cursor = 0;
        tell_starts(core, peer);
    }
    from = pushing->cursor;
    if (pushing->state == NPRI_PUSH_ALONE) {
        npri_directory_walk(&core->directory, &pushing->cursor, NPRI_PAGE_STEPS_MAX, visit, &walk);
        if (!tell_piece(core, peer)) {
            pushing->cursor = from;
        } else if (pushing->state == NPRI_PUSH_ALONE && pushing->cursor == 0) {
            tell_marker(core, peer);
            return;
        }
    }
    if (pushing->state == NPRI_PUSH_ALONE) {
        npri_work_add(core, &pushing->work, false);
    }
}

/* ---- Peers. */

void npri_push_on_peer_lost(struct npri_core *core, struct npri_peer *peer)
{
    (void)core;
    stop(&peer->pushing);
    peer->pushing.told = 0;
    peer->pushing.told_read = 0;
}

void npri_push_on_read(struct npri_core *core, struct npri_peer *peer, uint64_t at)
{
    struct npri_pushing *pushing = &peer->pushing;

    if (at <= pushing->told_read || at > pushing->told) {
        return; /* It has not read what it was not told. */
    }
    pushing->told_read = at;
    if ((pushing->state == NPRI_PUSH_ALONE || pushing->state == NPRI_PUSH_UNSURE) &&
        unread(pushing) <= NPRI_PUSH_WINDOW_BYTES / 2) {
        npri_work_add(core, &pushing->work, false);
    }
}
