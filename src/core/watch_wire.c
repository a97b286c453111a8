/* What the cores of native nodes tell each other of entries (core/watch.h): messages to the name
 * nprocreg_native.
 *
 *     {watch, Number, Selector}              a feed is wanted; Number is the asker's for it
 *     {unwatch, Number}                      and is not any more
 *     {read, At}                             what all feeds have told up to At was read
 *
 *     {entries, Number, At, [{Key,Pid,Token}]}    these are there (now)
 *     {gone, Number, At, Key, Reason}             this one is not any more
 *     {synced, Number, At}                        all that are there have been told
 *     {lost, Number, At}                          some changes were not told: all begins anew
 *     {refused, Number, Text}                     there is and will be no such feed
 *
 * At counts what was told on this connection, in the teller's bytes. */
#include "base/limits.h"
#include "core/state.h"
#include "term/write.h"

/* ---- Telling. */

/* The beginning of what a feed tells. */
static struct npri_buffer *begin_told(struct npri_core *core,
                                      uint32_t arity,
                                      const char *word,
                                      const struct npri_feed *feed)
{
    struct npri_buffer *message = npri_tell_begin(core, arity, word);

    npri_put_uint(message, feed->name[1]);
    npri_put_uint(message, feed->peer->feeding.told);
    return message;
}

bool npri_tell_watch(struct npri_core *core, const struct npri_source *source)
{
    struct npri_buffer *message = npri_tell_begin(core, 3, "watch");

    npri_put_uint(message, source->number);
    npri_put_term(message, source->stream->select->wire);
    return npri_tell_end(core, source->peer);
}

bool npri_tell_unwatch(struct npri_core *core, const struct npri_peer *peer, uint64_t number)
{
    npri_put_uint(npri_tell_begin(core, 2, "unwatch"), number);
    return npri_tell_end(core, peer);
}

static bool tell_read(struct npri_core *core, const struct npri_peer *peer)
{
    npri_put_uint(npri_tell_begin(core, 2, "read"), peer->feeding.heard);
    return npri_tell_end(core, peer);
}

bool npri_tell_entries(struct npri_core *core,
                       const struct npri_feed *feed,
                       uint32_t count,
                       const struct npri_buffer *items)
{
    struct npri_buffer *message = begin_told(core, 4, "entries", feed);

    npri_put_list_of(message, count, items);
    return npri_tell_end(core, feed->peer);
}

bool npri_tell_gone(struct npri_core *core,
                    const struct npri_feed *feed,
                    struct npr_bytes key,
                    enum npr_gone gone)
{
    struct npri_buffer *message = begin_told(core, 5, "gone", feed);

    npri_put_bytes(message, key);
    npri_put_atom(message, npr_gone_name(gone));
    return npri_tell_end(core, feed->peer);
}

bool npri_tell_mark(struct npri_core *core, const struct npri_feed *feed, const char *mark)
{
    (void)begin_told(core, 3, mark, feed);
    return npri_tell_end(core, feed->peer);
}

bool npri_tell_refused(struct npri_core *core,
                       const struct npri_peer *peer,
                       uint64_t number,
                       const char *why)
{
    struct npri_buffer *message = npri_tell_begin(core, 3, "refused");

    npri_put_uint(message, number);
    npri_put_binary(message, npr_bytes_of(why));
    return npri_tell_end(core, peer);
}

void npri_put_activation(struct npri_buffer *out,
                         struct npr_bytes key,
                         const struct npri_activation *living)
{
    npri_put_tuple(out, 3);
    npri_put_bytes(out, key);
    npri_put_term(out, living->pid);
    npri_put_uint(out, living->token);
}

/* ---- Being told. */

/* Only what was asked for is taken, and only once it could be a key here. */
static bool read_key(const struct npri_core *core,
                     const struct npri_source *source,
                     struct npr_term key,
                     struct npr_bytes *out)
{
    return key.size <= NPRI_KEY_BYTES_MAX && npri_core_normal_key(core, key, out) &&
           npri_select_has(source->stream->select, key);
}

static void on_entries(struct npri_core *core, struct npri_source *source, struct npr_term list)
{
    struct npri_activation living;
    struct npr_term_walk walk;
    struct npr_term parts[3];
    struct npr_term item;
    struct npr_bytes key;

    if (!npr_term_list(list, &walk)) {
        return;
    }
    while (source->state == NPRI_SOURCE_OPEN && npr_term_next(&walk, &item)) {
        if (npr_term_get_tuple(item, 3, parts) && read_key(core, source, parts[0], &key) &&
            npri_core_normal_pid(core, parts[1], &living.pid) &&
            npr_term_get_uint64(parts[2], &living.token)) {
            npri_source_on_entry(core, source, key, &living);
        }
    }
}

static enum npr_gone read_gone(struct npr_term term)
{
    for (int gone = NPR_GONE_UNKNOWN; gone <= NPR_GONE_NOCONNECTION; gone++) {
        if (npr_term_is_atom(term, npr_gone_name((enum npr_gone)gone))) {
            return (enum npr_gone)gone;
        }
    }
    return NPR_GONE_UNKNOWN;
}

/* {Word, Number, At, ...} */
static void on_told(struct npri_core *core,
                    struct npri_source *source,
                    const struct npr_term *message,
                    uint32_t arity)
{
    struct npr_bytes key;

    if (arity == 4 && npr_term_is_atom(message[0], "entries")) {
        on_entries(core, source, message[3]);
    } else if (arity == 5 && npr_term_is_atom(message[0], "gone") &&
               read_key(core, source, message[3], &key)) {
        npri_source_on_gone(core, source, key, read_gone(message[4]));
    } else if (arity == 3 && npr_term_is_atom(message[0], "synced")) {
        npri_source_on_synced(core, source);
    } else if (arity == 3 && npr_term_is_atom(message[0], "lost")) {
        npri_source_on_lost(source);
    }
}

bool npri_tell_what_is_read(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_feeding *feeding = &peer->feeding;

    if (feeding->heard - feeding->heard_read < NPRI_FEED_WINDOW_BYTES / 4) {
        return true;
    }
    if (!tell_read(core, peer)) {
        return false;
    }
    feeding->heard_read = feeding->heard;
    return true;
}

/* The peer goes on only when it hears that we have read. */
static void note_heard(struct npri_core *core, struct npri_peer *peer, uint64_t at)
{
    struct npri_feeding *feeding = &peer->feeding;

    feeding->heard = at > feeding->heard ? at : feeding->heard;
    if (!npri_tell_what_is_read(core, peer) && !npri_list_empty(&feeding->sources)) {
        npri_work_add(core,
                      &NPRI_CONTAINER_OF(feeding->sources.next, struct npri_source, of_peer)->work,
                      true);
    }
}

/* Of one of its feeds. */
static void on_feed_told(struct npri_core *core,
                         struct npri_peer *peer,
                         const struct npr_term *message,
                         uint32_t arity,
                         uint64_t number)
{
    struct npri_source *source = npri_source_find(core, peer, number);
    struct npr_bytes text;
    uint64_t at;

    if (arity == 3 && npr_term_is_atom(message[0], "refused")) {
        if (source != NULL && npr_term_get_binary(message[2], &text)) {
            npri_source_on_refused(core, source, text);
        }
        return;
    }
    if (!npr_term_get_uint64(message[2], &at)) {
        return;
    }
    if (source == NULL) {
        (void)npri_tell_unwatch(core, peer, number); /* It has not heard, or there was no memory. */
    } else if (source->state == NPRI_SOURCE_OPEN) {
        on_told(core, source, message, arity);
    }
    note_heard(core, peer, at);
}

#define PARTS_MAX 5u

void npri_watch_on_told(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_peer *peer = npri_member_find(core, &event->node);
    struct npr_term parts[PARTS_MAX] = {{0}};
    struct npr_term_walk walk;
    uint64_t number;
    uint32_t arity;

    if (peer == NULL || !peer->connected || !npr_term_tuple(event->term, &walk, &arity) ||
        arity < 2 || arity > PARTS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < arity; i++) {
        (void)npr_term_next(&walk, &parts[i]);
    }
    if (!npr_term_get_uint64(parts[1], &number)) {
        return;
    }
    if (arity == 3 && npr_term_is_atom(parts[0], "watch")) {
        npri_feed_on_watch(core, peer, number, parts[2]);
    } else if (arity == 2 && npr_term_is_atom(parts[0], "unwatch")) {
        npri_feed_on_unwatch(core, peer, number);
    } else if (arity == 2 && npr_term_is_atom(parts[0], "read")) {
        npri_feeds_on_read(core, peer, number);
    } else if (arity >= 3) {
        on_feed_told(core, peer, parts, arity, number);
    }
}

/* ---- Names. */

enum npr_gone npri_gone_of(struct npr_term reason)
{
    struct npr_term parts[2];

    if (reason.data == NULL || npr_term_is_atom(reason, "noproc")) {
        return NPR_GONE_UNKNOWN;
    }
    if (npr_term_is_atom(reason, "normal")) {
        return NPR_GONE_NORMAL;
    }
    if (npr_term_is_atom(reason, "shutdown") ||
        (npr_term_get_tuple(reason, 2, parts) && npr_term_is_atom(parts[0], "shutdown"))) {
        return NPR_GONE_SHUTDOWN;
    }
    if (npr_term_is_atom(reason, "killed")) {
        return NPR_GONE_KILLED;
    }
    return npr_term_is_atom(reason, "noconnection") ? NPR_GONE_NOCONNECTION : NPR_GONE_ERROR;
}

const char *npr_watch_kind_name(enum npr_watch_kind kind)
{
    static const char *const names[] = {
        [NPR_WATCH_REGISTERED] = "registered", [NPR_WATCH_GONE] = "gone",
        [NPR_WATCH_MOVED] = "moved",           [NPR_WATCH_SYNCED] = "synced",
        [NPR_WATCH_NODE_DOWN] = "nodedown",    [NPR_WATCH_CLOSED] = "closed",
    };

    return (unsigned)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

const char *npr_gone_name(enum npr_gone gone)
{
    static const char *const names[] = {
        [NPR_GONE_UNKNOWN] = "unknown",
        [NPR_GONE_UNREGISTERED] = "unregistered",
        [NPR_GONE_NORMAL] = "normal",
        [NPR_GONE_SHUTDOWN] = "shutdown",
        [NPR_GONE_KILLED] = "killed",
        [NPR_GONE_ERROR] = "error",
        [NPR_GONE_NOCONNECTION] = "noconnection",
    };

    return (unsigned)gone < sizeof(names) / sizeof(names[0]) ? names[gone] : "unknown";
}
