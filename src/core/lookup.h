/* core/lookup.h - asking other nodes for one key.  Pure.
 *
 *     begin --> the first (the owner) --no--> the rest, in parallel --all said no--> nothing
 *                     |    |                         |
 *                     |    +--a final no--> nothing  |
 *                     +------------yes---------------+--> found (what others say is ignored)
 *
 * Asked are the members of the view and the connected native nodes (ALL); or, by an owner that is
 * agreed, those that may have the key without having told: native members whose marker is not in,
 * and originals (UNMARKED); or one node only (FIRST).  Suspects are not asked: they count as silent
 * from the start; but before a start, or a consent, a native node is waited for until it answers or
 * is lost, whatever it takes. A question that is lost with its connection is no "no": the node may
 * be back in a moment.  Unless something was found elsewhere, whoever has looked is routed anew
 * then.
 *
 * A settled owner's "no" is final: it knows of every entry of its keys. */
#ifndef NPRI_CORE_LOOKUP_H
#define NPRI_CORE_LOOKUP_H

#include "base/list.h"
#include "base/text.h"
#include "core/core.h"
#include "core/shared.h"

struct npri_peer;
struct npri_request;
struct npri_start;
struct npri_delegation;

enum npri_lookup_scope {
    NPRI_LOOKUP_ALL,
    NPRI_LOOKUP_UNMARKED,
    NPRI_LOOKUP_FIRST, /* nobody else */
};

struct npri_lookup {
    enum npri_lookup_scope scope;
    struct npri_link operations;  /* of struct npri_operation, not yet answered */
    struct npri_shared *key;      /* NULL: not running */
    struct npri_request *request; /* what it is for: one of the three */
    struct npri_start *start;
    struct npri_delegation *delegation;
    uint64_t first_serial; /* of the peer that was asked first; 0: none */
    bool rest_asked;
    bool silent;             /* some node did not answer in time */
    bool lost;               /* some node could not be asked */
    bool no_memory;          /* we could not ask some node */
    bool unsure;             /* some native node could not say */
    bool broken;             /* some question was lost with its connection */
    bool final;              /* the owner's no was */
    struct npri_text missed; /* their names */
};

/* Asks `first` (or, when NULL, everybody).  Returns NPR_OK or NPR_ENOMEM (then nothing runs).
 * When there is nobody to ask the lookup has ended already: npri_lookup_runs() is false. */
NPR_NODISCARD npr_status npri_lookup_begin(struct npri_core *core,
                                           struct npri_lookup *lookup,
                                           struct npri_shared *key,
                                           struct npri_peer *first,
                                           enum npri_lookup_scope scope);

bool npri_lookup_runs(const struct npri_lookup *lookup);

/* Nobody waits for it any more.  Its questions go on, without it. */
void npri_lookup_stop(struct npri_lookup *lookup);

/* One question less.  Each may end the lookup, and with it what it was for. */
void npri_lookup_on_asked(struct npri_core *core, const struct npri_core_event *event);
void npri_lookup_on_silent(struct npri_core *core,
                           struct npri_lookup *lookup,
                           const struct npr_node_name *node);
void npri_lookup_on_lost(struct npri_core *core, struct npri_lookup *lookup);

/* Whether it waits for native nodes that are silent, too: a process may come of it. */
bool npri_lookup_insists(const struct npri_lookup *lookup);

/* The names of the nodes that still owe an answer. */
void npri_lookup_add_waiting(const struct npri_lookup *lookup, struct npri_text *text);

#endif /* NPRI_CORE_LOOKUP_H */
