/* core/members.h - whom we know, and whom we see.  Pure.
 *
 * A peer is any node that we know of: connected, dialled, or kept because somebody named it.  Seen
 * are those that are connected and, original ones, were heard of within expire_ns; what comes of
 * that is the view (core/views.h):
 *
 *     known --CONNECTED--> connected --POLLED ok / ANNOUNCED / GREETED--> seen --> in the view
 *       ^                      |  ^                                          |
 *       |                      |  +--not heard for expire_ns / no registry---+
 *       |                      |                               (original)    |
 *       +----DISCONNECTED------+---------------------------------------------+
 *       +----DISCONNECT: silent, refused, or it told nonsense---(native)-----+
 *
 * Suspect is beside that: an original that owes an answer for suspect_ns, a native node that has
 * not been heard for two heartbeats.  A suspect stays in the view until it expires, but nobody
 * waits for it; whatever it says clears it.
 *
 * Names are cheap: whoever is connected can send any number of them.  So only NPRI_NAMED_NODES_MAX
 * peers may be there that are neither connected nor to be joined, and new names hold requests for
 * at most two suspect_ns of each expire_ns, until one of them has connected.
 *
 * core/peers.h has the table of peers, core/settling.h for whom of them requests are held.  What
 * native nodes tell each other of their keys (core/watch.h) hangs on npri_watch_on_native(),
 * npri_watch_on_settled() and npri_watch_on_disconnected(). */
#ifndef NPRI_CORE_MEMBERS_H
#define NPRI_CORE_MEMBERS_H

#include "base/map.h"
#include "base/text.h"
#include "core/leads.h"
#include "core/operations.h"
#include "core/push.h"
#include "core/register.h"
#include "core/timers.h"
#include "core/views.h"
#include "core/watch.h"

/* Redialling: the first pause, and the longest for a node to join and for one that was named. */
#define NPRI_DIAL_PAUSE_NS       (UINT64_C(1) * 1000 * 1000 * 1000)
#define NPRI_DIAL_PAUSE_JOIN_MAX (5 * NPRI_DIAL_PAUSE_NS)
#define NPRI_DIAL_PAUSE_MAX      (30 * NPRI_DIAL_PAUSE_NS)

/* How long a native member that was lost is dialled, if nobody names it: as one to join. */
#define NPRI_DIAL_LOST_NS (UINT64_C(3600) * 1000 * 1000 * 1000)

struct npri_peer {
    struct npri_map_node node; /* by `name` */
    struct npr_node_name name;
    uint64_t serial;    /* no two peers of one core have the same, ever */
    uint64_t name_hash; /* core/placement.h */
    bool self;
    bool join;     /* dialled for ever */
    bool counted;  /* among named_count */
    bool dialling; /* a CONNECT is out */
    bool settling;
    bool mending;              /* lost by its connection's end, and settling because of that, */
    uint64_t mending_ns;       /* since then */
    bool was_member;           /* it has been in the view */
    bool refused;              /* when it last greeted; */
    uint64_t refused_until_ns; /* it is not dialled before */
    uint64_t lost_ns;          /* when it was last lost as a native member; 0: never */
    uint64_t named_ns;         /* when somebody last named it; 0: never */
    uint64_t pause_ns;         /* before it is dialled again */
    struct npri_timer dial_timer;
    struct npri_timer settle_timer;

    /* Meaningful while connected, else zero. */
    bool connected;
    bool native;
    bool registry; /* it runs nprocreg, as far as we know */
    bool seen;
    bool in_view;
    bool view_draining; /* as the view has it */
    bool suspect;
    bool leaves;      /* it has said that it stops */
    bool doubted;     /* an original that others have lost: silence is enough */
    unsigned tallied; /* core/tally.h */
    bool chosen;      /* for the view, while it is parted (core/parting.c) */
    bool settings_warned;
    bool release_asked;
    bool manner_known;
    bool manner_warned;
    enum npr_otp otp;
    uint32_t creation;
    uint64_t heard_ns;             /* of its registry */
    uint64_t seen_id;              /* its identity as it is seen, */
    uint64_t view_id;              /* and as the view has it */
    struct npri_greeting greeting; /* of a native one, as these: */
    struct npri_told_view told;    /* its view, as it told us */
    struct npri_told_view said;    /* ours, as we told it, */
    uint64_t said_ns;              /* and when it was first told that epoch */
    uint64_t probe_told;           /* the epoch of ours that it was last asked about, */
    uint64_t probed;               /* and that it has last confirmed */
    uint64_t probe_due;            /* its epoch that we are to confirm; 0: none */
    uint64_t alive_ns;             /* when something of it was last heard */
    uint64_t watched_ns;           /* its silence counts from here on */
    bool lent;                     /* core/quorum.h: it has left the view, and may count on this */
    uint64_t lent_until_ns;        /* node until then, */
    uint32_t lent_creation;        /* if it is that one still */
    uint64_t echoed_ns;            /* when that was told which it has last shown to have heard */
    uint64_t beat_heard;           /* the number of its last */
    uint64_t deaf_ns;              /* how long it had not heard us when it told that */
    struct npri_operation *poll;   /* the one that is out */
    struct npri_link operations;   /* of struct npri_operation */
    struct npri_feeding feeding;
    struct npri_pushing pushing;
    struct npri_lending lending;
    struct npri_asking asking;
    struct npri_takeovers *takeovers; /* NULL: none.  Kept beyond the connection (core/drain.h) */
};

struct npri_members {
    struct npri_map peers; /* without this node */
    struct npri_peer self;
    struct npri_peer **view; /* in Erlang's order of atoms */
    struct npri_peer **ring; /* those of the view that own keys, in that order */
    uint32_t view_count;
    uint32_t ring_count;
    uint32_t view_capacity; /* of both, for every peer, so that entering the view cannot fail */
    uint32_t settling_count;
    uint32_t named_count; /* peers that are neither connected nor to be joined */
    bool names_hold;      /* new names have held requests since names_hold_ns */
    uint64_t names_hold_ns;
    uint64_t serial;
    struct npri_timer tick_timer;
    struct npri_text refusal; /* why a node was last refused */
};

/* The peer and everything that waits for it. */
void npri_member_on_silence(struct npri_core *core, struct npri_peer *peer);
void npri_member_on_answer(struct npri_core *core, struct npri_peer *peer);

/* Events.  The first three return false when out of memory. */
bool npri_members_on_join(struct npri_core *core, const struct npri_core_event *event);
bool npri_members_on_connected(struct npri_core *core, const struct npri_core_event *event);
bool npri_members_on_announced(struct npri_core *core, const struct npri_core_event *event);
void npri_members_on_disconnected(struct npri_core *core, const struct npri_core_event *event);
void npri_members_on_greeted(struct npri_core *core, const struct npri_core_event *event);
void npri_members_on_heard(struct npri_core *core, const struct npri_core_event *event);

/* Whether the present incarnation of `peer` said it, as far as the event tells. */
bool npri_member_is_from(const struct npri_peer *peer, const struct npri_core_event *event);

/* Somebody says that this node exists: it is dialled unless connected.  False when out of memory;
 * a name that is none, or one peer too many, is ignored with a line in the log. */
bool npri_member_on_named(struct npri_core *core, const struct npr_node_name *name);

/* `peer` was heard of: it is seen, now if it was not. */
void npri_member_on_heard(struct npri_core *core, struct npri_peer *peer);

/* An original is not seen any more; `reason` goes to the log. */
void npri_member_leave(struct npri_core *core, struct npri_peer *peer, const char *reason);

/* Ends the connection of a native node: it is lost at once.  The first says so in the log.  `peer`
 * may be gone after that.  When out of memory, nothing happens: it is to be tried again. */
void npri_member_drop(struct npri_core *core, struct npri_peer *peer, struct npr_bytes why);
void npri_member_close(struct npri_core *core, struct npri_peer *peer, struct npr_bytes why);

/* Dialling (core/dial.c). */
void npri_dial_now(struct npri_core *core, struct npri_peer *peer);
void npri_dial_later(struct npri_core *core, struct npri_peer *peer);
void npri_dial_on_time(struct npri_core *core, struct npri_peer *peer);

/* Chatter (core/chatter.c): register_node, polls, releases, expiry. */
void npri_chatter_on_tick(struct npri_core *core);
void npri_chatter_poll(struct npri_core *core, struct npri_peer *peer);
void npri_chatter_announce(struct npri_core *core, struct npri_peer *peer);
void npri_chatter_greet(struct npri_core *core, struct npri_peer *peer);
void npri_chatter_on_polled(struct npri_core *core, const struct npri_core_event *event);
void npri_chatter_on_release(struct npri_core *core, const struct npri_core_event *event);

#endif /* NPRI_CORE_MEMBERS_H */
