/* core/leads.h - what other nodes hold of the keys that this node owns: key -> host, pid, token, as
 * the host has told.  Pure.
 *
 *     the host tells an entry                        --> a lead with a pid
 *     the host starts or restarts the key            --> BUSY: no pid; who wants the key waits
 *     the host is told to drop its entry             --> BUSY, too, until it has
 *     this owner consents to a claim of the host     --> BUSY, and CONSENTED: see below
 *     the host says that it is gone                  --> no lead; who has waited finds his way anew
 *     the host is lost, or tells a new epoch         --> VOID, all of its leads at once
 *
 * A lead is the present word of its host, never a memory: so all leads of a peer that is lost, or
 * that begins to tell anew, are void in one step, and freed in pieces.  They hang on a set for
 * that: a set without a peer is void, and so is what is in it.
 *
 * What this owner has consented to is nobody's word yet: the consent is on its way, and the host
 * may want it no more.  Nobody is told of it, and what the host says of the key until it has heard
 * the consent counts for nothing: it was said before, and what was started, or ended, there will be
 * as the consent makes it.  That it has heard shows in the entry with that pid and token, or it
 * says `declined`.  So a consent outlives all that the host tells anew (`unsure`), and ends with
 * the epoch of the host that it was claimed in.
 *
 * Two hosts that have the same key are a conflict (core/conflicts.h): the winner's lead stays.  One
 * that is busy beside another's entry is put ASIDE: it counts once that has gone.
 *
 * Invariants (npri_leads_check):
 *     L1  each lead is found under its key, or aside of the one that is; there are no others;
 *     L2  a lead that somebody waits for is busy, and its set has a peer;
 *     L3  a set with a peer is that peer's, which is connected and native.
 *
 * Leads are bounded by memory only, as entries are: they are the product. */
#ifndef NPRI_CORE_LEADS_H
#define NPRI_CORE_LEADS_H

#include "base/map.h"
#include "core/watch.h"

struct npri_peer;
struct npri_request;
struct npri_text;

/* The leads of one peer and one of its epochs: those that it has told, or those of consents. */
struct npri_lead_set {
    struct npri_link of_void; /* linked once it is void */
    struct npri_peer *peer;   /* NULL: void */
    struct npri_link leads;   /* those that are not busy */
    struct npri_link busy;
};

struct npri_lead {
    struct npri_map_node node; /* by key */
    struct npri_link of_set;
    struct npri_lead_set *set;
    uint64_t token;
    struct npri_link waiting; /* of struct npri_request */
    struct npri_lead *aside;  /* the next one of the key; those of other hosts, busy */
    bool busy;
    bool consented; /* busy; `token` is that of the consent */
    bool is_aside;  /* not in the map */
    uint32_t key_size;
    uint32_t pid_size; /* 0: its host has not said.  Of a busy one: the pid that is to be dropped,
                        * or that was consented to */
    uint8_t bytes[];   /* key, pid */
};

struct npri_leads {
    struct npri_map map;
    struct npri_link voids; /* of struct npri_lead_set: to be freed */
    struct npri_work work;  /* frees them */
};

/* What of the leads is a peer's.  All zero, or empty, while it is not connected. */
struct npri_lending {
    struct npri_lead_set *set;      /* what it has told; NULL: none yet */
    struct npri_lead_set *consents; /* and what it was consented to; likewise */
    struct npri_link claims;        /* of struct npri_claim: what it has claimed here, */
    size_t claims_bytes;            /* and what that costs; */
    uint64_t full_ns;               /* when the log last said that it is too much; 0: never */
    bool marked;                    /* the marker of its present epoch is in */
    uint64_t heard;                 /* bytes that it has pushed, as it counts them, */
    uint64_t heard_read;            /* and that it was told we have read */
};

/* False when out of memory. */
bool npri_leads_init(struct npri_core *core);
void npri_leads_fini(struct npri_core *core);

/* The lead of a key in normal form; NULL: none that is not void. */
struct npri_lead *npri_lead_find(const struct npri_core *core, struct npr_bytes key);

/* That of another host than `peer`, aside or not; NULL: there is none. */
struct npri_lead *npri_lead_find_other(const struct npri_core *core,
                                       const struct npri_peer *peer,
                                       struct npr_bytes key);

/* A busy one of any host but `except`, be it beside an entry; NULL: none. */
struct npri_lead *npri_lead_find_busy(const struct npri_core *core,
                                      struct npr_bytes key,
                                      const struct npri_peer *except);

/* What it leads to; not of a busy one. */
struct npri_activation npri_lead_activation(const struct npri_lead *lead);
static inline struct npr_bytes npri_lead_key(const struct npri_lead *lead)
{
    return npri_bytes(lead->bytes, lead->key_size);
}

/* `peer` may have the key: CONSENTED, over any other lead of the key but busy ones.  Who has waited
 * is in `*out_waiting` then, to be routed.  False: no memory, nothing has changed. */
bool npri_lead_consent(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       const struct npri_activation *living,
                       struct npri_link *out_waiting);

/* Whether it leads to `pid`, or will when the consent was heard, or until it was dropped. */
bool npri_lead_means(const struct npri_lead *lead, struct npr_term pid);

/* The host was told to drop the pid that it leads to: busy until it has. */
void npri_lead_set_busy(struct npri_lead *lead);

/* `request` waits for the word of a busy lead's host. */
void npri_lead_wait(struct npri_lead *lead, struct npri_request *request);

/* There is none any more; who waited finds his way anew. */
void npri_lead_remove(struct npri_core *core, struct npri_lead *lead);

/* ---- What peers tell (core/push.h has the messages).  The epoch was looked at. */

void npri_lead_on_entry(struct npri_core *core,
                        struct npri_peer *peer,
                        struct npr_bytes key,
                        const struct npri_activation *living);
void npri_lead_on_busy(struct npri_core *core, struct npri_peer *peer, struct npr_bytes key);

/* `pid` none: the start that was busy has come to nothing. */
void npri_lead_on_gone(struct npri_core *core,
                       struct npri_peer *peer,
                       struct npr_bytes key,
                       struct npr_term pid);

/* It has heard the consent with that token, and does not want it; its word on the key follows. */
void npri_lead_on_declined(struct npri_core *core,
                           struct npri_peer *peer,
                           struct npr_bytes key,
                           uint64_t token);
void npri_leads_on_marker(struct npri_core *core, struct npri_peer *peer);
void npri_leads_on_unsure(struct npri_core *core, struct npri_peer *peer);

/* The peer has told a new epoch, or is not connected any more: what it told before is void. */
void npri_leads_on_peer_epoch(struct npri_core *core, struct npri_peer *peer);
void npri_leads_on_peer_lost(struct npri_core *core, struct npri_peer *peer);

/* ---- What is known of a key that this node owns. */

/* Whether this node is agreed and has the marker of every native node in its view. */
bool npri_leads_settled(const struct npri_core *core);

/* Why not, for the user: "this node waits for the entries of b@h". */
void npri_leads_add_unsettled(const struct npri_core *core, struct npri_text *text);

/* Settled, and no original in the view: own table and leads have all that there is. */
bool npri_leads_know_all(const struct npri_core *core);

void npri_leads_check(const struct npri_core *core);

/* ---- leads_void.c: the end of a peer's word. */

/* What is void is freed, a piece of it. */
void npri_leads_work(struct npri_core *core);

/* Out of everything; nobody waits for it any more.  A void set that has become empty goes, too. */
void npri_lead_destroy(struct npri_core *core, struct npri_lead *lead);

/* Who waits for it goes into `waiting`. */
void npri_lead_take_waiting(struct npri_lead *lead, struct npri_link *waiting);

#endif /* NPRI_CORE_LEADS_H */
