/* Sources: what a stream knows of one node's entries, and the news that come of it (core/watch.h).
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/state.h"

static const struct npr_bytes no_key = {0};
static const struct npr_term no_term = {0};

/* ---- News: what a subscriber is told. */

static struct npr_term item_pid(const struct npri_item *item)
{
    return (struct npr_term){.data = item->bytes, .size = item->pid_size};
}

static struct npr_bytes item_key(const struct npri_item *item)
{
    return npri_bytes(item->bytes + item->pid_size, item->key_size);
}

static struct npr_term place(struct npri_effect *effect, size_t *used, struct npr_bytes bytes)
{
    const struct npr_term term = {.data = effect->bytes + *used, .size = bytes.size};

    if (bytes.size == 0) {
        return (struct npr_term){0};
    }
    memcpy(effect->bytes + *used, bytes.data, bytes.size);
    *used += bytes.size;
    return term;
}

static struct npr_bytes bytes_of(struct npr_term term)
{
    return npri_bytes(term.data, term.data == NULL ? 0 : term.size);
}

struct npri_effect *npri_news_create(const struct npri_stream *stream,
                                     enum npr_watch_kind kind,
                                     struct npr_bytes key,
                                     struct npr_term pid,
                                     struct npr_term old)
{
    const size_t room = key.size + bytes_of(pid).size + bytes_of(old).size;
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_NEWS, room);
    size_t used = 0;

    if (effect == NULL) {
        return NULL;
    }
    effect->out.request = stream->number;
    effect->out.news = kind;
    effect->out.key = place(effect, &used, key);
    effect->out.term = place(effect, &used, bytes_of(pid));
    effect->out.old = place(effect, &used, bytes_of(old));
    return effect;
}

/* ---- Sources. */

static void rename_source(struct npri_core *core, struct npri_source *source)
{
    source->number = ++core->watch.numbers;
    npri_map_insert(&core->watch.sources, &source->node,
                    npri_bytes(&source->number, sizeof(source->number)));
}

struct npri_source *npri_source_create(struct npri_core *core,
                                       struct npri_stream *stream,
                                       struct npri_peer *peer)
{
    struct npri_source *source = npri_alloc_zeroed(1, sizeof(*source));

    if (source == NULL || !npri_map_init(&source->items, core->options.hash_key)) {
        npri_free(source);
        return NULL;
    }
    source->work.kind = NPRI_WORK_SOURCE;
    source->stream = stream;
    source->peer = peer;
    source->name = peer == NULL ? core->options.self : peer->name;
    npri_list_append(&stream->sources, &source->of_stream);
    if (peer != NULL) {
        npri_list_append(&peer->feeding.sources, &source->of_peer);
        rename_source(core, source);
    }
    return source;
}

static void item_destroy(struct npri_source *source, struct npri_item *item)
{
    npri_map_remove(&source->items, &item->node);
    npri_free(item);
}

static struct npri_item *first_item(const struct npri_source *source)
{
    struct npri_map_node *first = npri_map_first(&source->items);

    return first == NULL ? NULL : NPRI_CONTAINER_OF(first, struct npri_item, node);
}

void npri_source_destroy(struct npri_core *core, struct npri_source *source)
{
    struct npri_item *item;

    npri_feed_destroy(core, source->feed);
    if (source->peer != NULL) {
        if (source->state == NPRI_SOURCE_OPEN) {
            (void)npri_tell_unwatch(core, source->peer, source->number);
        }
        npri_list_remove(&source->of_peer);
        npri_map_remove(&core->watch.sources, &source->node);
    }
    while ((item = first_item(source)) != NULL) {
        item_destroy(source, item);
    }
    npri_map_fini(&source->items);
    npri_list_remove(&source->work.link);
    npri_list_remove(&source->of_stream);
    npri_free(source);
}

struct npri_source *npri_source_find(struct npri_core *core,
                                     const struct npri_peer *peer,
                                     uint64_t number)
{
    struct npri_map_node *found =
        npri_map_find(&core->watch.sources, npri_bytes(&number, sizeof(number)));
    struct npri_source *source =
        found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_source, node);

    return source != NULL && source->peer == peer ? source : NULL;
}

/* It has missed something that it was told.  The feed starts anew; with another number, so that
 * nothing of the old one is taken for it. */
static void source_break(struct npri_core *core, struct npri_source *source)
{
    if (source->peer == NULL) {
        npri_feed_lose(core, source->feed, true);
        return;
    }
    if (source->state == NPRI_SOURCE_OPEN) {
        (void)npri_tell_unwatch(core, source->peer, source->number);
        source->state = NPRI_SOURCE_BROKEN;
    }
    npri_work_add(core, &source->work, true);
}

static void watch_anew(struct npri_core *core, struct npri_source *source)
{
    npri_map_remove(&core->watch.sources, &source->node);
    rename_source(core, source);
    if (!npri_tell_watch(core, source)) {
        npri_work_add(core, &source->work, true);
        return;
    }
    source->state = NPRI_SOURCE_OPEN;
    npri_source_on_lost(source);
}

/* ---- Items. */

static struct npri_item *find_item(const struct npri_source *source, struct npr_bytes key)
{
    struct npri_map_node *found = npri_map_find(&source->items, key);

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_item, node);
}

/* The item of `key` that is shown, or, with `shown` false, one that could be; not of `except`. */
static struct npri_item *find_in_stream(const struct npri_stream *stream,
                                        const struct npri_source *except,
                                        struct npr_bytes key,
                                        bool shown)
{
    NPRI_LIST_FOREACH (at, &stream->sources) {
        const struct npri_source *source = NPRI_CONTAINER_OF(at, struct npri_source, of_stream);
        struct npri_item *item = source == except ? NULL : find_item(source, key);

        if (item != NULL && (item->shown || !shown) &&
            (shown || source->state != NPRI_SOURCE_LEAVING)) {
            return item;
        }
    }
    return NULL;
}

static struct npri_item *item_create(struct npr_bytes key, const struct npri_activation *living)
{
    struct npri_item *item = npri_alloc(sizeof(*item) + living->pid.size + key.size);

    if (item != NULL) {
        *item = (struct npri_item){.token = living->token,
                                   .pid_size = (uint32_t)living->pid.size,
                                   .key_size = (uint32_t)key.size};
        memcpy(item->bytes, living->pid.data, living->pid.size);
        memcpy(item->bytes + living->pid.size, key.data, key.size);
    }
    return item;
}

static bool same_pid(const struct npri_item *item, struct npr_term pid)
{
    return npri_bytes_equal(bytes_of(item_pid(item)), bytes_of(pid));
}

/* Puts `item` over the one that its source has under that key. */
static void put_item(struct npri_source *source, struct npri_item *item)
{
    struct npri_item *before = find_item(source, item_key(item));

    if (before != NULL) {
        item_destroy(source, before);
    }
    item->round = source->round;
    npri_map_insert(&source->items, &item->node, item_key(item));
}

void npri_source_on_entry(struct npri_core *core,
                          struct npri_source *source,
                          struct npr_bytes key,
                          const struct npri_activation *living)
{
    struct npri_item *mine = find_item(source, key);
    struct npri_item *shown;
    struct npri_item *item;
    struct npri_effect *news = NULL;
    bool same;

    if (mine != NULL && same_pid(mine, living->pid)) {
        mine->round = source->round;
        mine->token = living->token;
        return;
    }
    shown = mine != NULL && mine->shown ? mine : find_in_stream(source->stream, source, key, true);
    same = shown != NULL && same_pid(shown, living->pid);
    item = item_create(key, living);
    if (!same) {
        news =
            npri_news_create(source->stream, shown == NULL ? NPR_WATCH_REGISTERED : NPR_WATCH_MOVED,
                             key, living->pid, shown == NULL ? no_term : item_pid(shown));
    }
    if (item == NULL || (!same && news == NULL)) {
        npri_free(item);
        npri_effect_destroy(news);
        source_break(core, source);
        return;
    }
    if (!same) {
        news->out.token = living->token;
        npri_effects_queue(&core->effects, news);
        if (shown != NULL) {
            shown->shown = false;
        }
    }
    item->shown = !same;
    put_item(source, item);
}

/* False: no memory, and nothing has changed. */
static bool take_back(struct npri_core *core,
                      struct npri_source *source,
                      struct npri_item *item,
                      enum npr_gone gone)
{
    struct npri_effect *news = NULL;
    struct npri_item *next;

    if (item->shown) {
        next = find_in_stream(source->stream, source, item_key(item), false);
        if (next == NULL || !same_pid(next, item_pid(item))) {
            news = next == NULL ? npri_news_create(source->stream, NPR_WATCH_GONE, item_key(item),
                                                   item_pid(item), no_term)
                                : npri_news_create(source->stream, NPR_WATCH_MOVED, item_key(item),
                                                   item_pid(next), item_pid(item));
            if (news == NULL) {
                return false;
            }
            news->out.token = next == NULL ? 0 : next->token;
            news->out.gone = next == NULL ? gone : NPR_GONE_UNKNOWN;
            npri_effects_queue(&core->effects, news);
        }
        if (next != NULL) {
            next->shown = true;
        }
    }
    item_destroy(source, item);
    return true;
}

void npri_source_on_gone(struct npri_core *core,
                         struct npri_source *source,
                         struct npr_bytes key,
                         enum npr_gone gone)
{
    struct npri_item *item = find_item(source, key);

    if (item != NULL && !take_back(core, source, item, gone)) {
        source_break(core, source);
    }
}

/* ---- What feeds tell of themselves. */

void npri_source_on_lost(struct npri_source *source)
{
    source->round++;
    source->sweep_left = 0;
}

void npri_source_on_synced(struct npri_core *core, struct npri_source *source)
{
    source->synced = true;
    if (source->round > 0) {
        source->sweep_left = source->items.count;
        npri_source_work(core, source);
    }
    npri_stream_check_synced(core, source->stream);
}

void npri_source_on_refused(struct npri_core *core,
                            struct npri_source *source,
                            struct npr_bytes why)
{
    struct npri_text text = {0};

    npri_text_add(&text, "watch_refused node=");
    npri_text_add_node(&text, &source->name);
    npri_text_add(&text, " reason=\"");
    npri_text_add_bytes(&text, why);
    npri_text_add(&text, "\"");
    npri_core_log(core, NPRI_LOG_WARNING, &text);
    source->state = NPRI_SOURCE_REFUSED;
    source->synced = true;
    npri_stream_check_synced(core, source->stream);
}

/* ---- Work of sources. */

/* What was not told again since the feed has started anew is not there any more. */
static void sweep(struct npri_core *core, struct npri_source *source)
{
    unsigned left = NPRI_WORK_ITEMS_MAX;

    while (source->sweep_left > 0 && left > 0) {
        struct npri_item *item = first_item(source);

        if (item == NULL) {
            source->sweep_left = 0;
            return;
        }
        if (item->round == source->round) {
            npri_list_remove(&item->node.order); /* It has had its turn. */
            npri_list_append(&source->items.order, &item->node.order);
        } else if (!take_back(core, source, item, NPR_GONE_UNKNOWN)) {
            npri_work_add(core, &source->work, true);
            return;
        }
        source->sweep_left--;
        left--;
    }
    if (source->sweep_left > 0) {
        npri_work_add(core, &source->work, false);
    }
}

void npri_source_leave(struct npri_core *core, struct npri_source *source)
{
    struct npri_stream *stream = source->stream;
    unsigned left = NPRI_WORK_ITEMS_MAX;
    struct npri_effect *news;
    struct npri_item *item;

    while ((item = first_item(source)) != NULL) {
        if (left == 0) {
            npri_work_add(core, &source->work, false);
            return;
        }
        if (!take_back(core, source, item, NPR_GONE_NOCONNECTION)) {
            npri_work_add(core, &source->work, true);
            return;
        }
        left--;
    }
    news = npri_news_create(stream, NPR_WATCH_NODE_DOWN, no_key, no_term, no_term);
    if (news == NULL) {
        npri_work_add(core, &source->work, true);
        return;
    }
    news->out.node = source->name;
    npri_effects_queue(&core->effects, news);
    npri_source_destroy(core, source);
    npri_stream_check_synced(core, stream);
}

void npri_source_work(struct npri_core *core, struct npri_source *source)
{
    switch (source->state) {
    case NPRI_SOURCE_LEAVING:
        npri_source_leave(core, source);
        return;
    case NPRI_SOURCE_BROKEN:
        watch_anew(core, source);
        return;
    case NPRI_SOURCE_OPEN:
    case NPRI_SOURCE_REFUSED:
        if (source->peer != NULL && !npri_tell_what_is_read(core, source->peer)) {
            npri_work_add(core, &source->work, true);
        }
        sweep(core, source);
        return;
    }
}

void npri_source_check(const struct npri_core *core, const struct npri_source *source)
{
    const bool own = npr_node_name_equal(&source->name, &core->options.self);

    NPRI_ASSERT((source->feed != NULL) == own);
    NPRI_ASSERT(own || (source->peer == NULL) == (source->state == NPRI_SOURCE_LEAVING));
    NPRI_ASSERT(source->peer == NULL || (source->peer->connected && source->peer->native));
    NPRI_LIST_FOREACH (at, &source->items.order) {
        const struct npri_item *item = NPRI_MAP_AT(at, struct npri_item, node);
        const struct npri_item *other =
            find_in_stream(source->stream, source, item_key(item), true);

        NPRI_ASSERT(item->shown ? other == NULL
                                : other != NULL || source->state == NPRI_SOURCE_LEAVING);
    }
}
