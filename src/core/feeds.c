/* Feeds: what subscribers are told of this node's entries (core/watch.h). */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/state.h"

/* What a message takes beside its entries, or its key. */
#define MESSAGE_BYTES 64u

static struct npri_feeding *feeding_of(const struct npri_feed *feed)
{
    return &feed->peer->feeding;
}

static uint64_t unread(const struct npri_feed *feed)
{
    return feeding_of(feed)->told - feeding_of(feed)->told_read;
}

static bool is_of_one_key(const struct npri_select *select)
{
    return select->kind == NPRI_SELECT_KEY;
}

/* ---- Making and ending. */

/* Lists it among those that entries concern; false: no memory. */
static bool enlist(struct npri_core *core, struct npri_feed *feed)
{
    const struct npr_bytes key = npri_bytes(feed->select->term.data, feed->select->term.size);
    struct npri_map_node *found;
    struct npri_feed_group *group;

    if (!is_of_one_key(feed->select)) {
        npri_list_append(&core->watch.wide, &feed->of_select);
        return true;
    }
    found = npri_map_find(&core->watch.groups, key);
    if (found != NULL) {
        group = NPRI_CONTAINER_OF(found, struct npri_feed_group, node);
    } else {
        group = npri_alloc_zeroed(1, sizeof(*group) + key.size);
        if (group == NULL) {
            return false;
        }
        npri_list_init(&group->feeds);
        memcpy(group->key, key.data, key.size);
        npri_map_insert(&core->watch.groups, &group->node, npri_bytes(group->key, key.size));
    }
    npri_list_append(&group->feeds, &feed->of_select);
    feed->group = group;
    return true;
}

static void delist(struct npri_core *core, struct npri_feed *feed)
{
    struct npri_feed_group *group = feed->group;

    npri_list_remove(&feed->of_select);
    if (group != NULL && npri_list_empty(&group->feeds)) {
        npri_map_remove(&core->watch.groups, &group->node);
        npri_free(group);
    }
    feed->group = NULL;
}

/* Takes `select` over, also on failure; NULL: no memory. */
static struct npri_feed *create(struct npri_core *core, struct npri_select *select)
{
    struct npri_feed *feed = npri_alloc_zeroed(1, sizeof(*feed));

    if (feed == NULL) {
        npri_select_destroy(select);
        return NULL;
    }
    feed->work.kind = NPRI_WORK_FEED;
    feed->select = select;
    if (!enlist(core, feed)) {
        npri_select_destroy(select);
        npri_free(feed);
        return NULL;
    }
    core->watch.feeds_count++;
    return feed;
}

struct npri_feed *npri_feed_create_own(struct npri_core *core,
                                       struct npri_source *source,
                                       const struct npri_select *select)
{
    struct npri_select *copy = NULL;
    struct npri_feed *feed;

    if (npri_select_create(select->wire, &copy, NULL) != NPR_OK) {
        return NULL;
    }
    feed = create(core, copy);
    if (feed != NULL) {
        feed->source = source;
    }
    return feed;
}

void npri_feed_destroy(struct npri_core *core, struct npri_feed *feed)
{
    if (feed == NULL) {
        return;
    }
    if (feed->peer != NULL) {
        struct npri_feeding *feeding = feeding_of(feed);

        npri_map_remove(&core->watch.feeds, &feed->node);
        npri_list_remove(&feed->of_peer);
        feeding->feeds_count--;
        feeding->wide_count -= is_of_one_key(feed->select) ? 0 : 1;
        feeding->select_bytes -= feed->select->wire.size;
    }
    npri_list_remove(&feed->work.link);
    delist(core, feed);
    core->watch.feeds_count--;
    npri_select_destroy(feed->select);
    npri_free(feed);
}

/* ---- Telling. */

void npri_feed_lose(struct npri_core *core, struct npri_feed *feed, bool late)
{
    feed->state = NPRI_FEED_LOST;
    if (feed->peer != NULL && !late) {
        feeding_of(feed)->waits = true;
    }
    npri_work_add(core, &feed->work, late);
}

/* Counts what a peer's feed is about to tell; false: the window is full. */
static bool charge(struct npri_feed *feed, uint64_t bytes)
{
    if (unread(feed) + bytes > NPRI_FEED_WINDOW_BYTES) {
        return false;
    }
    feeding_of(feed)->told += bytes;
    return true;
}

/* One change of an entry to a peer. */
static void tell_change(struct npri_core *core,
                        struct npri_feed *feed,
                        struct npr_bytes key,
                        const struct npri_activation *living,
                        enum npr_gone gone)
{
    const uint64_t bytes = MESSAGE_BYTES + key.size + (living == NULL ? 0 : living->pid.size);
    struct npri_buffer *items = &core->watch.items;
    bool told;

    if (!charge(feed, bytes)) {
        npri_feed_lose(core, feed, false);
        return;
    }
    if (living == NULL) {
        told = npri_tell_gone(core, feed, key, gone);
    } else {
        npri_buffer_reset(items);
        npri_put_activation(items, key, living);
        told = npri_tell_entries(core, feed, 1, items);
    }
    if (!told) {
        feeding_of(feed)->told -= bytes;
        npri_feed_lose(core, feed, true);
    }
}

/* `place`: where the key comes in a walk. */
static void on_change(struct npri_core *core,
                      struct npri_feed *feed,
                      uint64_t place,
                      struct npr_bytes key,
                      const struct npri_activation *living,
                      enum npr_gone gone)
{
    if (feed->state == NPRI_FEED_LOST ||
        (feed->state == NPRI_FEED_SCANNING && place >= feed->cursor)) {
        return; /* Its walk is yet to come there. */
    }
    if (feed->peer != NULL) {
        tell_change(core, feed, key, living, gone);
    } else if (core->effects.count >= NPRI_NEWS_WAITING_MAX) {
        npri_feed_lose(core, feed, false); /* A process with very many keys has ended. */
    } else if (living != NULL) {
        npri_source_on_entry(core, feed->source, key, living);
    } else {
        npri_source_on_gone(core, feed->source, key, gone);
    }
}

void npri_watch_on_entry(struct npri_core *core,
                         struct npr_bytes key,
                         const struct npri_activation *living,
                         enum npr_gone gone)
{
    const struct npr_term term = {.data = key.data, .size = key.size};
    struct npri_map_node *found;
    uint64_t place;

    if (core->watch.feeds_count == 0) {
        return;
    }
    place = npri_rows_place(&core->directory.entries, key);
    found = npri_map_find(&core->watch.groups, key);
    if (found != NULL) {
        NPRI_LIST_FOREACH (at, &NPRI_CONTAINER_OF(found, struct npri_feed_group, node)->feeds) {
            on_change(core, NPRI_CONTAINER_OF(at, struct npri_feed, of_select), place, key, living,
                      gone);
        }
    }
    NPRI_LIST_FOREACH (at, &core->watch.wide) {
        struct npri_feed *feed = NPRI_CONTAINER_OF(at, struct npri_feed, of_select);

        if (feed->state != NPRI_FEED_LOST && npri_select_has(feed->select, term)) {
            on_change(core, feed, place, key, living, gone);
        }
    }
}

/* ---- Walking. */

struct walk {
    struct npri_core *core;
    struct npri_feed *feed;
    uint32_t count; /* for a peer: entries in core->watch.items */
};

static bool visit(void *user, const struct npri_entry *entry)
{
    struct walk *walk = user;
    struct npri_core *core = walk->core;
    const struct npr_bytes key = npri_entry_key(entry);
    const struct npri_activation living = {.pid = npri_directory_pid(&core->directory, entry),
                                           .token = npri_entry_token(entry)};

    if (!npri_select_has(walk->feed->select,
                         (struct npr_term){.data = key.data, .size = key.size})) {
        return true;
    }
    if (walk->feed->peer == NULL) {
        npri_source_on_entry(core, walk->feed->source, key, &living);
        return walk->feed->state == NPRI_FEED_SCANNING;
    }
    npri_put_activation(&core->watch.items, key, &living);
    walk->count++;
    return core->watch.items.size < NPRI_FEED_PIECE_BYTES;
}

/* Of one key there is no walk. */
static void visit_one(struct walk *walk)
{
    const struct npri_entry *entry;
    struct npr_bytes key;

    if (npri_core_normal_key(walk->core, walk->feed->select->term, &key)) {
        entry = npri_rows_find_key(&walk->core->directory.entries, key);
        if (entry != NULL) {
            (void)visit(walk, entry);
        }
    }
}

static void tell_synced(struct npri_core *core, struct npri_feed *feed)
{
    feed->state = NPRI_FEED_LIVE;
    if (feed->peer == NULL) {
        npri_source_on_synced(core, feed->source);
        return;
    }
    feeding_of(feed)->told += MESSAGE_BYTES; /* Small, and there is room for it. */
    if (!npri_tell_mark(core, feed, "synced")) {
        npri_feed_lose(core, feed, true);
    }
}

static void scan(struct npri_core *core, struct npri_feed *feed)
{
    struct walk walk = {.core = core, .feed = feed};

    npri_buffer_reset(&core->watch.items);
    if (is_of_one_key(feed->select)) {
        visit_one(&walk);
    } else {
        npri_directory_walk(&core->directory, &feed->cursor, NPRI_PAGE_STEPS_MAX, visit, &walk);
    }
    if (walk.count > 0) {
        feeding_of(feed)->told += MESSAGE_BYTES + core->watch.items.size;
        if (!npri_tell_entries(core, feed, walk.count, &core->watch.items)) {
            npri_feed_lose(core, feed, true);
        }
    }
    if (feed->state != NPRI_FEED_SCANNING) {
        return; /* It was lost on the way. */
    }
    if (feed->cursor == 0) {
        tell_synced(core, feed);
    } else {
        npri_work_add(core, &feed->work, false);
    }
}

/* False: there is nothing to be done now. */
static bool begin_anew(struct npri_core *core, struct npri_feed *feed)
{
    if (feed->peer == NULL) {
        npri_source_on_lost(feed->source);
    } else if (!npri_tell_mark(core, feed, "lost")) {
        npri_work_add(core, &feed->work, true);
        return false;
    }
    feed->state = NPRI_FEED_SCANNING;
    feed->cursor = 0;
    return true;
}

void npri_feed_work(struct npri_core *core, struct npri_feed *feed)
{
    if (feed->state == NPRI_FEED_LIVE) {
        return;
    }
    if (feed->peer != NULL && unread(feed) > NPRI_FEED_WINDOW_BYTES / 2) {
        feeding_of(feed)->waits = true; /* npri_feeds_on_read() goes on. */
        return;
    }
    if (feed->state == NPRI_FEED_SCANNING || begin_anew(core, feed)) {
        scan(core, feed);
    }
}

/* ---- What peers ask for. */

static struct npri_feed *find(struct npri_core *core, const struct npri_peer *peer, uint64_t number)
{
    const uint64_t name[] = {peer->serial, number};
    struct npri_map_node *found = npri_map_find(&core->watch.feeds, npri_bytes(name, sizeof(name)));

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_feed, node);
}

static const char *refusal(const struct npri_feeding *feeding, const struct npri_select *select)
{
    if (feeding->feeds_count >= NPRI_FEEDS_MAX ||
        (!is_of_one_key(select) && feeding->wide_count >= NPRI_FEEDS_WIDE_MAX) ||
        feeding->select_bytes + select->wire.size > NPRI_FEEDS_SELECT_BYTES_MAX) {
        return "too many subscriptions";
    }
    return NULL;
}

void npri_feed_on_watch(struct npri_core *core,
                        struct npri_peer *peer,
                        uint64_t number,
                        struct npr_term selector)
{
    struct npri_feeding *feeding = &peer->feeding;
    struct npri_select *select = NULL;
    struct npr_error error = {0};
    struct npri_feed *feed;
    const char *why;
    npr_status status;

    if (find(core, peer, number) != NULL) {
        return;
    }
    status = npri_select_create(selector, &select, &error);
    why = status == NPR_OK ? refusal(feeding, select) : error.text;
    if (status != NPR_ENOMEM && why != NULL) {
        npri_select_destroy(select);
        core->out_of_memory |= !npri_tell_refused(core, peer, number, why);
        return;
    }
    feed = status == NPR_OK ? create(core, select) : NULL;
    if (feed == NULL) {
        core->out_of_memory = true;
        return;
    }
    feed->peer = peer;
    feed->name[0] = peer->serial;
    feed->name[1] = number;
    npri_map_insert(&core->watch.feeds, &feed->node, npri_bytes(feed->name, sizeof(feed->name)));
    npri_list_append(&feeding->feeds, &feed->of_peer);
    feeding->feeds_count++;
    feeding->wide_count += is_of_one_key(feed->select) ? 0 : 1;
    feeding->select_bytes += feed->select->wire.size;
    npri_feed_work(core, feed);
}

void npri_feed_on_unwatch(struct npri_core *core, struct npri_peer *peer, uint64_t number)
{
    npri_feed_destroy(core, find(core, peer, number));
}

void npri_feeds_on_read(struct npri_core *core, struct npri_peer *peer, uint64_t at)
{
    struct npri_feeding *feeding = &peer->feeding;

    if (at <= feeding->told_read || at > feeding->told) {
        return; /* It has not read what it was not told. */
    }
    feeding->told_read = at;
    if (!feeding->waits || feeding->told - at > NPRI_FEED_WINDOW_BYTES / 2) {
        return;
    }
    feeding->waits = false;
    NPRI_LIST_FOREACH (link, &feeding->feeds) {
        struct npri_feed *feed = NPRI_CONTAINER_OF(link, struct npri_feed, of_peer);

        if (feed->state != NPRI_FEED_LIVE) {
            npri_work_add(core, &feed->work, false);
        }
    }
}
