/* core/watch.h - who is told of which entries.  Pure.
 *
 *     this node's entries --> feeds ---------------------------> sources --> streams -->
 * subscribers |  (this node's own: calls)         ^
 *                               +--> messages --> the peer's core --+
 *
 * A FEED is one subscriber's view of this node's entries (core/feeds.c).  It walks the table as it
 * stands, in pieces, and from then on gets what changes:
 *
 *     SCANNING --the walk has come to its end: synced--> LIVE
 *        ^                                                |
 *        +-----its subscriber has caught up: lost-------LOST <--more than the window is unread
 *
 * A change of an entry that the walk has passed is told at once; one of an entry that it is yet to
 * meet is left to it: so every entry is told in the order of its changes, with none in between.  A
 * peer acknowledges what it has read of all its feeds; one that has something to tell when more
 * than NPRI_FEED_WINDOW_BYTES are under way is lost, keeps nothing, and starts anew once they are
 * read.  So a peer costs us one window at most.
 *
 * A STREAM is what one subscriber of this node sees: all feeds of its selector, at every native
 * node, merged (core/streams.c).  A SOURCE is the end of one feed: it knows the entries that it was
 * told, so that they can be taken back when the node is gone, and compared when the feed starts
 * anew.  Of the entries of one key, one is shown: the one that came last.
 *
 * Work that may take long (walks, taking back) is done in pieces, one at each step with
 * NPRI_EVENT_TIME, which npri_core_deadline_ns() asks for as long as there is any.
 *
 * Invariants (npri_watch_check):
 *     W1  each feed is either a peer's, and that peer is connected, or a source's of this node;
 *     W2  each source has a peer that is connected and native, or is this node's, or is being taken
 *         back;
 *     W3  of the entries of one key in one stream, exactly one is shown (but for those that are
 * being taken back). */
#ifndef NPRI_CORE_WATCH_H
#define NPRI_CORE_WATCH_H

#include "nprocreg/watch.h"

#include "base/map.h"
#include "core/directory.h"
#include "core/select.h"
#include "core/timers.h"

struct npri_peer;
struct npri_stream;
struct npri_source;

/* What is to be done in pieces: an element of core->watch.work. */
enum npri_work_kind {
    NPRI_WORK_FEED,       /* walk on, or start anew */
    NPRI_WORK_SOURCE,     /* take back, or ask for it anew */
    NPRI_WORK_STREAM,     /* some native peer has no source yet */
    NPRI_WORK_PUSH,       /* the walk that tells owners what is here; */
    NPRI_WORK_PUSH_ALONE, /* one of them only */
    NPRI_WORK_LEADS,      /* void leads are freed */
    NPRI_WORK_CLAIMS,     /* an owner is asked what had to wait (core/register.h) */
};

struct npri_work {
    struct npri_link link;
    enum npri_work_kind kind;
};

enum npri_feed_state {
    NPRI_FEED_SCANNING,
    NPRI_FEED_LIVE,
    NPRI_FEED_LOST,
};

struct npri_feed {
    struct npri_work work;
    struct npri_map_node node;  /* a peer's, by `name` */
    struct npri_link of_select; /* in watch.wide, or in its group */
    struct npri_link of_peer;
    struct npri_peer *peer; /* NULL: this node's own, `source` */
    struct npri_source *source;
    uint64_t name[2]; /* the peer's serial, and its number for the feed */
    struct npri_select *select;
    struct npri_feed_group *group; /* of a feed of one key */
    enum npri_feed_state state;
    uint64_t cursor; /* SCANNING: of the walk */
};

/* What of the feeds is a peer's, both ways.  All zero while it is not connected. */
struct npri_feeding {
    struct npri_link feeds;   /* of struct npri_feed: what it watches here */
    struct npri_link sources; /* of struct npri_source: what is watched there */
    uint32_t feeds_count;
    uint32_t wide_count; /* of them, those that are not of one key */
    size_t select_bytes; /* of all its selectors */
    bool waits;          /* some feed waits for the window */
    uint64_t told;       /* bytes that its feeds have told it, */
    uint64_t told_read;  /* and that it has read */
    uint64_t heard;      /* bytes that its cores' feeds have told us, as it counts them, */
    uint64_t heard_read; /* and that it was told we have read */
};

/* The feeds of one key. */
struct npri_feed_group {
    struct npri_map_node node;
    struct npri_link feeds;
    uint8_t key[];
};

/* An entry that a source was told. */
struct npri_item {
    struct npri_map_node node; /* by key */
    uint64_t token;
    uint32_t round; /* of the source, when it was last told */
    bool shown;
    uint32_t pid_size;
    uint32_t key_size;
    uint8_t bytes[]; /* pid, key */
};

enum npri_source_state {
    NPRI_SOURCE_OPEN,
    NPRI_SOURCE_REFUSED, /* that node will not feed us */
    NPRI_SOURCE_LEAVING, /* its node is gone: its items are being taken back */
    NPRI_SOURCE_BROKEN,  /* no memory for what it was told: it is asked for anew */
};

struct npri_source {
    struct npri_work work;
    struct npri_map_node node; /* by `number`, those of peers */
    struct npri_link of_stream;
    struct npri_link of_peer;
    struct npri_stream *stream;
    struct npri_peer *peer; /* NULL: this node's, or LEAVING */
    struct npri_feed *feed; /* this node's */
    struct npr_node_name name;
    uint64_t number;
    enum npri_source_state state;
    bool synced;
    uint32_t round;    /* how often it has started anew */
    size_t sweep_left; /* items to be looked at: those that were not told again are taken back */
    struct npri_map items;
};

struct npri_stream {
    struct npri_work work;
    struct npri_map_node node; /* by `number` */
    uint64_t number;           /* the caller's */
    struct npri_select *select;
    struct npri_link sources;
    bool told_synced;
};

struct npri_watch {
    struct npri_map streams;
    struct npri_map sources; /* of peers, by number */
    struct npri_map feeds;   /* of peers, by name */
    struct npri_map groups;  /* feeds of one key, by it */
    struct npri_link wide;   /* the other feeds */
    size_t feeds_count;      /* all */
    struct npri_link work;
    struct npri_timer timer; /* armed while there is work */
    uint64_t numbers;
    struct npri_buffer items;   /* a message's items, and */
    struct npri_buffer message; /* the message, while they are made */
};

/* False when out of memory. */
bool npri_watch_init(struct npri_core *core);
void npri_watch_fini(struct npri_core *core);
void npri_watch_check(const struct npri_core *core);

/* Has the work done soon; `late`: in a while, when there may be memory again. */
void npri_work_add(struct npri_core *core, struct npri_work *work, bool late);
void npri_work_on_time(struct npri_core *core);

/* ---- Events of the core. */

/* SUBSCRIBE: NPR_OK, or what npri_select_create() returns.  UNSUBSCRIBE of an unknown number does
 * nothing. */
npr_status npri_watch_on_subscribe(struct npri_core *core, const struct npri_core_event *event);
void npri_watch_on_unsubscribe(struct npri_core *core, const struct npri_core_event *event);

/* TOLD: a message of a peer's core; anything else is ignored. */
void npri_watch_on_told(struct npri_core *core, const struct npri_core_event *event);

void npri_watch_on_native(struct npri_core *core);
void npri_watch_on_disconnected(struct npri_core *core, struct npri_peer *peer);
void npri_watch_on_settled(struct npri_core *core);

/* The directory's: what lives under `key` now, or NULL and why nothing does. */
void npri_watch_on_entry(struct npri_core *core,
                         struct npr_bytes key,
                         const struct npri_activation *living,
                         enum npr_gone gone);

/* What class of end an exit reason stands for; no term: unknown. */
enum npr_gone npri_gone_of(struct npr_term reason);

/* ---- Feeds. */

/* One of this node's own; NULL: no memory. */
struct npri_feed *npri_feed_create_own(struct npri_core *core,
                                       struct npri_source *source,
                                       const struct npri_select *select);
void npri_feed_destroy(struct npri_core *core, struct npri_feed *feed);

/* A piece of its walk, or its new start. */
void npri_feed_work(struct npri_core *core, struct npri_feed *feed);

/* Starts anew: it has missed something. */
void npri_feed_lose(struct npri_core *core, struct npri_feed *feed, bool late);

/* What a peer asks for; `at`: how much it has read. */
void npri_feed_on_watch(struct npri_core *core,
                        struct npri_peer *peer,
                        uint64_t number,
                        struct npr_term selector);
void npri_feed_on_unwatch(struct npri_core *core, struct npri_peer *peer, uint64_t number);
void npri_feeds_on_read(struct npri_core *core, struct npri_peer *peer, uint64_t at);

/* ---- Sources and their streams. */

/* `peer` NULL: of this node.  NULL: no memory. */
struct npri_source *npri_source_create(struct npri_core *core,
                                       struct npri_stream *stream,
                                       struct npri_peer *peer);

/* Its feed goes, too; best effort at a peer, which hears so again when it tells us more. */
void npri_source_destroy(struct npri_core *core, struct npri_source *source);

/* Its node is gone, and its peer is NULL: its items, then the news of it, then the source. */
void npri_source_leave(struct npri_core *core, struct npri_source *source);

/* Tells the subscriber once that all has been told, when it has. */
void npri_stream_check_synced(struct npri_core *core, struct npri_stream *stream);

/* News for the subscriber, to be queued; NULL: no memory. */
struct npri_effect *npri_news_create(const struct npri_stream *stream,
                                     enum npr_watch_kind kind,
                                     struct npr_bytes key,
                                     struct npr_term pid,
                                     struct npr_term old);

void npri_source_check(const struct npri_core *core, const struct npri_source *source);

/* What its feed tells.  Out of memory breaks the source: then it starts anew later. */
void npri_source_on_entry(struct npri_core *core,
                          struct npri_source *source,
                          struct npr_bytes key,
                          const struct npri_activation *living);
void npri_source_on_gone(struct npri_core *core,
                         struct npri_source *source,
                         struct npr_bytes key,
                         enum npr_gone gone);
void npri_source_on_synced(struct npri_core *core, struct npri_source *source);
void npri_source_on_lost(struct npri_source *source);
void npri_source_on_refused(struct npri_core *core,
                            struct npri_source *source,
                            struct npr_bytes why);
void npri_source_work(struct npri_core *core, struct npri_source *source);
void npri_stream_work(struct npri_core *core, struct npri_stream *stream);

/* The source of that number and peer, or NULL. */
struct npri_source *npri_source_find(struct npri_core *core,
                                     const struct npri_peer *peer,
                                     uint64_t number);

/* ---- Messages between cores (core/watch_wire.c).  Each returns false when out of memory: nothing
 * is sent then. */

bool npri_tell_watch(struct npri_core *core, const struct npri_source *source);
bool npri_tell_unwatch(struct npri_core *core, const struct npri_peer *peer, uint64_t number);
/* How much of what the peer told has been read, when that is due; true, too, when it is not. */
bool npri_tell_what_is_read(struct npri_core *core, struct npri_peer *peer);
bool npri_tell_entries(struct npri_core *core,
                       const struct npri_feed *feed,
                       uint32_t count,
                       const struct npri_buffer *items);
bool npri_tell_gone(struct npri_core *core,
                    const struct npri_feed *feed,
                    struct npr_bytes key,
                    enum npr_gone gone);
bool npri_tell_mark(struct npri_core *core, const struct npri_feed *feed, const char *mark);
bool npri_tell_refused(struct npri_core *core,
                       const struct npri_peer *peer,
                       uint64_t number,
                       const char *why);

/* Appends {Key, Pid, Token}. */
void npri_put_activation(struct npri_buffer *out,
                         struct npr_bytes key,
                         const struct npri_activation *living);

#endif /* NPRI_CORE_WATCH_H */
