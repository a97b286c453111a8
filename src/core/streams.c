/* Streams: what each subscriber of this node sees, from the sources of all native nodes; and the
 * work that is done in pieces (core/watch.h). */
#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

/* Before what failed for lack of memory is tried again. */
#define LATE_NS UINT64_C(100000000)

/* ---- Work. */

void npri_work_add(struct npri_core *core, struct npri_work *work, bool late)
{
    /* At least a moment from now: one step does not do all of it. */
    const uint64_t due_ns = npri_time_after(core, late ? LATE_NS : 1);

    if (!npri_link_is_linked(&work->link)) {
        npri_list_append(&core->watch.work, &work->link);
    }
    if (!npri_heap_has(&core->watch.timer.node) || core->watch.timer.node.key > due_ns) {
        npri_timer_arm(core, &core->watch.timer, due_ns);
    }
}

void npri_work_on_time(struct npri_core *core)
{
    struct npri_link todo;
    struct npri_link *at;

    npri_list_init(&todo);
    npri_list_splice(&todo, &core->watch.work);
    while ((at = npri_list_take(&todo)) != NULL) {
        struct npri_work *work = NPRI_CONTAINER_OF(at, struct npri_work, link);

        switch (work->kind) {
        case NPRI_WORK_FEED:
            npri_feed_work(core, NPRI_CONTAINER_OF(work, struct npri_feed, work));
            break;
        case NPRI_WORK_SOURCE:
            npri_source_work(core, NPRI_CONTAINER_OF(work, struct npri_source, work));
            break;
        case NPRI_WORK_STREAM:
            npri_stream_work(core, NPRI_CONTAINER_OF(work, struct npri_stream, work));
            break;
        case NPRI_WORK_PUSH:
            npri_push_work(core);
            break;
        case NPRI_WORK_PUSH_ALONE:
            npri_push_work_alone(core, NPRI_CONTAINER_OF(work, struct npri_peer, pushing.work));
            break;
        case NPRI_WORK_LEADS:
            npri_leads_work(core);
            break;
        case NPRI_WORK_CLAIMS:
            npri_claims_work(core, NPRI_CONTAINER_OF(work, struct npri_peer, asking.work));
            break;
        }
    }
}

/* ---- Synced. */

void npri_stream_check_synced(struct npri_core *core, struct npri_stream *stream)
{
    struct npri_effect *news;

    if (stream->told_synced || npri_members_settling(core)) {
        return;
    }
    NPRI_LIST_FOREACH (at, &stream->sources) {
        if (!NPRI_CONTAINER_OF(at, struct npri_source, of_stream)->synced) {
            return;
        }
    }
    news = npri_news_create(stream, NPR_WATCH_SYNCED, (struct npr_bytes){0}, (struct npr_term){0},
                            (struct npr_term){0});
    if (news == NULL) {
        npri_work_add(core, &stream->work, true);
        return;
    }
    stream->told_synced = true;
    npri_effects_queue(&core->effects, news);
}

void npri_watch_on_settled(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->watch.streams.order) {
        npri_stream_check_synced(core, NPRI_MAP_AT(at, struct npri_stream, node));
    }
}

/* ---- Streams. */

static bool has_source(const struct npri_stream *stream, const struct npri_peer *peer)
{
    NPRI_LIST_FOREACH (at, &stream->sources) {
        if (NPRI_CONTAINER_OF(at, struct npri_source, of_stream)->peer == peer) {
            return true;
        }
    }
    return false;
}

/* A source at every native peer that has none.  False: no memory for some. */
static bool add_sources(struct npri_core *core, struct npri_stream *stream)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);
        struct npri_source *source;

        if (!peer->connected || !peer->native || has_source(stream, peer)) {
            continue;
        }
        source = npri_source_create(core, stream, peer);
        if (source == NULL) {
            return false;
        }
        if (!npri_tell_watch(core, source)) {
            source->state = NPRI_SOURCE_REFUSED; /* Nothing to take back there. */
            npri_source_destroy(core, source);
            return false;
        }
    }
    return true;
}

void npri_stream_work(struct npri_core *core, struct npri_stream *stream)
{
    if (!add_sources(core, stream)) {
        npri_work_add(core, &stream->work, true);
    }
    npri_stream_check_synced(core, stream);
}

static void stream_destroy(struct npri_core *core, struct npri_stream *stream)
{
    while (!npri_list_empty(&stream->sources)) {
        npri_source_destroy(core,
                            NPRI_CONTAINER_OF(stream->sources.next, struct npri_source, of_stream));
    }
    npri_list_remove(&stream->work.link);
    npri_map_remove(&core->watch.streams, &stream->node);
    npri_select_destroy(stream->select);
    npri_free(stream);
}

static struct npri_stream *find_stream(const struct npri_core *core, uint64_t number)
{
    struct npri_map_node *found =
        npri_map_find(&core->watch.streams, npri_bytes(&number, sizeof(number)));

    return found == NULL ? NULL : NPRI_CONTAINER_OF(found, struct npri_stream, node);
}

npr_status npri_watch_on_subscribe(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_select *select = NULL;
    struct npri_stream *stream;
    struct npri_source *own;
    npr_status status = npri_select_create(event->term, &select, NULL);

    if (status != NPR_OK) {
        return status;
    }
    stream = npri_alloc_zeroed(1, sizeof(*stream));
    if (stream == NULL) {
        npri_select_destroy(select);
        return NPR_ENOMEM;
    }
    stream->work.kind = NPRI_WORK_STREAM;
    stream->number = event->request;
    stream->select = select;
    npri_list_init(&stream->sources);
    npri_map_insert(&core->watch.streams, &stream->node,
                    npri_bytes(&stream->number, sizeof(stream->number)));
    own = npri_source_create(core, stream, NULL);
    if (own != NULL) {
        own->feed = npri_feed_create_own(core, own, select);
    }
    if (own == NULL || own->feed == NULL) {
        stream_destroy(core, stream);
        return NPR_ENOMEM;
    }
    if (!add_sources(core, stream)) {
        npri_work_add(core, &stream->work, true);
    }
    npri_feed_work(core, own->feed);
    return NPR_OK;
}

void npri_watch_on_unsubscribe(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_stream *stream = find_stream(core, event->request);

    if (stream != NULL) {
        stream_destroy(core, stream);
    }
}

bool npri_core_watches_all(const struct npri_core *core, uint64_t request)
{
    const struct npri_stream *stream = find_stream(core, request);

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        const struct npri_peer *peer = core->members.view[i];

        if (!peer->self && (!peer->native || stream == NULL || !has_source(stream, peer))) {
            return false;
        }
    }
    if (stream != NULL) {
        NPRI_LIST_FOREACH (at, &stream->sources) {
            if (NPRI_CONTAINER_OF(at, struct npri_source, of_stream)->state ==
                NPRI_SOURCE_REFUSED) {
                return false;
            }
        }
    }
    return true;
}

/* ---- Nodes. */

void npri_watch_on_native(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->watch.streams.order) {
        struct npri_stream *stream = NPRI_MAP_AT(at, struct npri_stream, node);

        if (!add_sources(core, stream)) {
            npri_work_add(core, &stream->work, true);
        }
    }
}

void npri_watch_on_disconnected(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_feeding *feeding = &peer->feeding;
    struct npri_link *at;

    while (!npri_list_empty(&feeding->feeds)) {
        npri_feed_destroy(core, NPRI_CONTAINER_OF(feeding->feeds.next, struct npri_feed, of_peer));
    }
    while ((at = npri_list_take(&feeding->sources)) != NULL) {
        struct npri_source *source = NPRI_CONTAINER_OF(at, struct npri_source, of_peer);

        npri_map_remove(&core->watch.sources, &source->node);
        source->peer = NULL;
        source->state = NPRI_SOURCE_LEAVING;
        source->synced = true;
        npri_list_remove(&source->work.link);
        npri_source_leave(core, source);
    }
    feeding->told = feeding->told_read = 0;
    feeding->heard = feeding->heard_read = 0;
    feeding->waits = false;
}

/* ---- All of it. */

bool npri_watch_init(struct npri_core *core)
{
    struct npri_watch *watch = &core->watch;

    npri_list_init(&watch->wide);
    npri_list_init(&watch->work);
    watch->timer.kind = NPRI_TIMER_WATCH;
    npri_buffer_init(&watch->items, 0);
    npri_buffer_init(&watch->message, 0);
    return npri_map_init(&watch->streams, core->options.hash_key) &&
           npri_map_init(&watch->sources, core->options.hash_key) &&
           npri_map_init(&watch->feeds, core->options.hash_key) &&
           npri_map_init(&watch->groups, core->options.hash_key);
}

void npri_watch_fini(struct npri_core *core)
{
    struct npri_watch *watch = &core->watch;
    struct npri_map_node *first;

    if (watch->groups.buckets != NULL) {
        while ((first = npri_map_first(&watch->streams)) != NULL) {
            stream_destroy(core, NPRI_CONTAINER_OF(first, struct npri_stream, node));
        }
        while ((first = npri_map_first(&watch->feeds)) != NULL) {
            npri_feed_destroy(core, NPRI_CONTAINER_OF(first, struct npri_feed, node));
        }
    }
    npri_map_fini(&watch->streams);
    npri_map_fini(&watch->sources);
    npri_map_fini(&watch->feeds);
    npri_map_fini(&watch->groups);
    npri_buffer_fini(&watch->items);
    npri_buffer_fini(&watch->message);
}

void npri_watch_check(const struct npri_core *core)
{
    size_t sources_count = 0;

    NPRI_LIST_FOREACH (at, &core->watch.streams.order) {
        const struct npri_stream *stream = NPRI_MAP_AT(at, struct npri_stream, node);

        NPRI_LIST_FOREACH (link, &stream->sources) {
            const struct npri_source *source =
                NPRI_CONTAINER_OF(link, struct npri_source, of_stream);

            npri_source_check(core, source);
            sources_count += source->peer == NULL ? 0 : 1;
        }
    }
    NPRI_ASSERT(sources_count == core->watch.sources.count);
    NPRI_LIST_FOREACH (at, &core->watch.feeds.order) {
        const struct npri_feed *feed = NPRI_MAP_AT(at, struct npri_feed, node);

        NPRI_ASSERT(feed->peer != NULL && feed->peer->connected);
    }
    NPRI_ASSERT(core->watch.feeds.count + core->watch.streams.count == core->watch.feeds_count);
    NPRI_ASSERT(npri_list_empty(&core->watch.work) || npri_heap_has(&core->watch.timer.node));
}
