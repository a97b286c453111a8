/* core/views.h - who is in the view, and whether the others agree.  Pure.
 *
 * A member's identity is its name, its creation and whether it drains; the hash of a set of members
 * is the sum of theirs.  This node SEES itself, the native nodes that it is connected to, and the
 * original ones that it has heard of; its VIEW is those that the owners of keys are chosen from.
 * The view follows what is seen, but not at once, and with every change of it the EPOCH grows.  To
 * each native node
 *
 *     {view, Epoch, ViewHash, SeesHash, Ack, Base, Draining}
 *
 * is told whenever something of it has changed for that node.  Ack is the epoch of that node, when
 * its view, as last told, is ours; else 0.  A node is AGREED when every native node of its view has
 * told the same view and base, and has acknowledged this node's present epoch.  Only an agreed node
 * starts what it owns.  docs/decisions/views.md proves that two nodes which have each other in
 * their views are never agreed in different ones.
 *
 * The view changes
 *     at a loss   a member is no longer seen: at once.  {node_lost, Node, Creation} makes the
 * others look: who has not heard of it lately drops it, too together    all native nodes that we
 * see have told that they see what we see: the view becomes what is seen.  So a node that joins
 * owns nothing before everybody has met it in trouble  what they see stays different: core/links.h
 * parts them, the same way everywhere
 *
 * Nothing is told of a new epoch before its fence has passed (NPRI_EFFECT_FENCE): by then no thread
 * of the program acts on the old view any more.
 *
 * JOINING: a node that has just begun, or has just lost all others, and meets native nodes, is not
 * agreed before it is in a view with all of them, or was parted from some by decision.
 *
 * STALLED: a node that has slept through its beats may have been taken for lost.  It begins a new
 * epoch, dials whom it loses at once, and is not agreed before the others have acknowledged that
 * epoch, or are gone.
 *
 * HUSHED: nor does it answer anything, from then on until all that others have started instead is
 * known: the others have told it what they hold (it is settled), and each, asked by {probe, Epoch}
 * behind all that it was told of this node's entries, has said {probed, Epoch}.  Who is asked does
 * so when it is agreed itself: by then it has decided who keeps the keys that it owns.
 *
 * Tokens: core/token.h.  All of a view have one Base; it grows with every view that is left. */
#ifndef NPRI_CORE_VIEWS_H
#define NPRI_CORE_VIEWS_H

#include "core/timers.h"

struct npr_node_name;
struct npr_term;
struct npri_core_event;
struct npri_peer;
struct npri_text;

/* How long what is seen may differ before it is trouble, and how often it is looked at then. */
#define NPRI_TROUBLE_NS (UINT64_C(200) * 1000 * 1000)

/* What a node tells another of its view. */
struct npri_told_view {
    bool is; /* told at all, on this connection */
    bool draining;
    uint64_t epoch;
    uint64_t view_hash;
    uint64_t sees_hash;
    uint64_t ack;
    uint64_t base;
};

/* To so many nodes a change of what is seen is told at once.  To more, not before that time has
 * passed for each of them since the last such change was told: a node that meets n others one after
 * the other would tell n * n / 2 times that it sees one more, and when n begin together, each of
 * them would.  Late is the same as slow: others take a view only when all have told the same. */
#define NPRI_SEES_AT_ONCE_MAX 16u
#define NPRI_SEES_PAUSE_NS    (UINT64_C(20) * 1000)

struct npri_views {
    uint64_t epoch;
    uint64_t base;
    uint64_t members_hash; /* of the view, as a set */
    uint64_t sees_hash;
    uint64_t sees_said;  /* what others are told of it, */
    uint64_t said_ns;    /* since when, and */
    uint64_t said_epoch; /* in which epoch: a new one is told in any case */
    uint64_t fences_begun;
    uint64_t fence;           /* the operation that is out; 0: it has passed */
    bool fence_unmade;        /* there was no memory for it */
    bool untold;              /* nor to tell somebody of our view */
    bool changed;             /* in this step: the epoch is about to grow */
    bool members_changed;     /* and because of the view, not of the base */
    bool look;                /* something was seen in this step, or is another here */
    bool followed;            /* when it was last looked, the view became what is seen */
    struct npri_peer *teller; /* has told another view in this step; NULL: nobody */
    bool probed;              /* somebody has a probe_due */
    bool range_ends;          /* the tokens of this base are soon used up */
    bool acked;               /* somebody has been acknowledged in this view */
    bool agreed;
    bool draining;
    bool joining;
    bool stalled;
    bool hushed;
    bool saw_natives; /* when it was last looked */
    bool trouble;
    bool alone;        /* the view has no other native node, */
    uint64_t alone_ns; /* since when */
    uint64_t stalled_ns;
    uint64_t trouble_ns;  /* since when; and */
    uint64_t unagreed_ns; /* since when not agreed */
    struct npri_timer trouble_timer;
    struct npri_timer sees_timer; /* armed while sees_said is to become sees_hash */
};

void npri_views_init(struct npri_core *core);
void npri_views_check(const struct npri_core *core);

/* ---- For the parts that act on agreement. */

/* Whether this node may start what it owns.  A client owns nothing, and is. */
bool npri_views_agreed(const struct npri_core *core);
uint64_t npri_views_epoch(const struct npri_core *core);

/* Whether `peer` is in our view, and has told that it has the same one. */
bool npri_views_same(const struct npri_core *core, const struct npri_peer *peer);

/* Nothing is answered, not from our own table either: stalled or hushed. */
bool npri_views_stalled(const struct npri_core *core);

/* Why it is not agreed, for the user: "b@h has another view". */
void npri_views_add_dissent(const struct npri_core *core, struct npri_text *text);

/* Whether all nodes that this one was to join refuse it, and it has met no other: then it does not
 * go on alone.  `*out_why` has the text for the user. */
bool npri_views_refused(const struct npri_core *core, struct npri_text *out_why);

/* From now on this node is left out when owners are chosen, once all others know. */
void npri_views_set_draining(struct npri_core *core);

/* ---- Tokens (core/token.c). */

/* All tokens of the view's base up to `token` are taken: raises it. */
void npri_views_raise_base(struct npri_core *core, uint64_t base);

/* Most of the tokens of this base are used: the next epoch has another. */
void npri_views_on_range_ending(struct npri_core *core);

/* Some node was not told what it must know: with another epoch all is told anew. */
void npri_views_begin_anew(struct npri_core *core);

/* ---- What happens. */

/* It is seen from now on, or as another (its draining, its creation); or not any more. */
void npri_views_on_seen(struct npri_core *core, struct npri_peer *peer);
void npri_views_on_unseen(struct npri_core *core, struct npri_peer *peer, const char *reason);

/* What owners are chosen by has changed without the view: whose manner is followed. */
void npri_views_on_manner(struct npri_core *core);

void npri_views_on_stall(struct npri_core *core, uint64_t late_ns);
void npri_views_on_fenced(struct npri_core *core, const struct npri_core_event *event);
void npri_views_on_trouble_time(struct npri_core *core);
void npri_views_on_sees_time(struct npri_core *core);

/* Messages: false when they are none. */
bool npri_views_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements);
bool npri_views_on_told_probe(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_views_on_told_probed(struct npri_core *core,
                               struct npri_peer *peer,
                               const struct npr_term *elements);
bool npri_views_on_told_lost(struct npri_core *core,
                             struct npri_peer *peer,
                             const struct npr_term *elements);

/* The end of every step: the view as it is now, and what others are to be told of it. */
void npri_views_flush(struct npri_core *core);

/* The view becomes those seen nodes that are wanted, and this one. */
void npri_views_take(struct npri_core *core, bool (*wanted)(const struct npri_peer *peer));

/* That was decided by core/links.h: this node stands alone if it is. */
void npri_views_on_parted(struct npri_core *core);

/* How long a graph, or a lack of agreement, must last to be acted on. */
uint64_t npri_views_patience_ns(const struct npri_core *core);

/* A name and a creation as a number: a member that does not drain. */
uint64_t npri_identity(const struct npri_core *core,
                       const struct npr_node_name *name,
                       uint32_t creation,
                       bool draining);

#endif /* NPRI_CORE_VIEWS_H */
