/* core/links.h - views that would overlap are parted: the trouble path of core/views.h.  Pure.
 *
 * While nodes see different things, each native one tells the others whom it sees, and passes on
 * what it hears of that, so that all of them get to know the whole graph:
 *
 *     {links, Origin, Creation, Serial, [{Node, Creation}]}
 *
 * Serial grows with each list of an origin, also over its incarnations (it is the time).  A list is
 * passed on when it is newer than the one known, to those that are not in it: the others have it
 * from its origin.  Names in it that are unknown are dialled.
 *
 * When what is known has not changed for npri_views_patience_ns(), every node parts the graph into
 * cliques (core/parting.h, core/cliques.h) and takes its own for its view; original nodes are in it
 * when all of the clique see them. */
#ifndef NPRI_CORE_LINKS_H
#define NPRI_CORE_LINKS_H

#include "base/map.h"

struct npr_term;
struct npri_core;
struct npri_peer;

struct npri_links {
    struct npri_map lists; /* of struct npri_links_list, by origin; without this node's */
    uint64_t serial;       /* of our last */
    uint64_t told_hash;    /* what it was of, and */
    uint64_t told_ns;      /* when; 0: never */
    uint64_t changed_ns;   /* when what is known last changed */
    uint64_t decided_hash; /* what was known when the graph was last parted; 0: never */
    uint64_t decided_ns;
};

/* False when out of memory. */
bool npri_links_init(struct npri_core *core);
void npri_links_fini(struct npri_core *core);

/* This node sees other nodes than before. */
void npri_links_on_seen(struct npri_core *core);

/* While there is trouble, every NPRI_TROUBLE_NS: tells, and parts when it is time to. */
void npri_links_work(struct npri_core *core);

/* There is no trouble any more. */
void npri_links_forget(struct npri_core *core);

/* A list: false when it is none. */
bool npri_links_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements);

#endif /* NPRI_CORE_LINKS_H */
