/* core/drain.h - a node that leaves: its keys go to their next owners, one by one, while it still
 * serves.  Pure.
 *
 *     DRAIN --> the others leave this node out when owners are chosen (core/views.h): it starts
 *               nothing new, but holds its entries and answers.  Once that is agreed:
 *
 *     an entry --HANDOVER--> ASKED --HANDED, a state--> READY --told--> GIVEN --handed--> MOVED
 *                              |                         ^ ^            |  ^ |
 *                              |                         | +--not owner-+  | +--lost--> DOUBTED
 *                              |                         |                 +--it is back--+ |
 *                              |                         +--its heir is gone for good-------+
 *                              +--HANDED, no state--> the key is free: whoever wants it next starts
 *                              |                      it at its owner
 *                              +--failed--> the process goes on, and is asked again in a later
 *                                           round
 *
 *     {handover, Ref, Key, Pid, Function, State, Token}   to the key's owner: start it with this
 *     {adopt, Ref, Key, Pid, Token}                       the same for a process of another node:
 * only its entry goes {handed, Ref, Pid, Token}                           (back) it lives under the
 * key there {unhanded, Ref, Why, Text}                          it does not: `failed`, or `moved`:
 * this is not the owner, or not now
 *
 * At most NPRI_HANDOVERS_MAX are under way; the walk over the table goes in rounds, until a round
 * finds nothing.  One that fails does not hold the others up.  When the deadline has come nothing
 * more is begun; what is under way ends, and what is left stays where it is.
 *
 * A key whose next owner is an original goes to a native node all the same, whose turn it is: an
 * original has no way to take a state over, and finds what others have.
 *
 * The process that is moved does nothing between giving its state and MOVED, so it and its
 * successor are never both at work.
 *
 * A STATE THAT WAS GIVEN BELONGS TO ITS HEIR, the incarnation that was told: as long as that has
 * not said what has become of it, nobody else is given it, its process neither goes on nor is
 * restarted, and what others have under the key is no conflict for it.  A connection that is lost
 * meanwhile ends nothing (DOUBTED): the heir is told again, with the same Ref, as soon as it is
 * back, whoever owns the key by then, and gives the same answer for the same Ref, always: it keeps
 * what it has started (struct npri_takeovers).  Only when another incarnation is there, or this
 * node is agreed without it, is it gone for good: then it is given to the next owner, or goes on
 * here.
 *
 * WHO TAKES OVER starts a process like any owner: only when it is settled, and nobody else has the
 * key or is starting it, in the place of exactly that process.  A Ref that it did not take, or that
 * is older than one it has seen, is refused for ever: what was told on a connection that is gone
 * may arrive late.  Nobody has more than NPRI_HANDOVERS_MAX started here at once: another one is
 * refused, and comes again.
 *
 * Invariants (npri_drain_check):
 *     D1  the handovers are counted; no two have the same key or the same process;
 *     D2  one that is GIVEN has a peer that is connected and native, no other has a peer;
 *     D3  no two that are GIVEN or DOUBTED have the same Ref. */
#ifndef NPRI_CORE_DRAIN_H
#define NPRI_CORE_DRAIN_H

#include "base/limits.h"
#include "base/list.h"
#include "base/text.h"
#include "core/core.h"
#include "core/effects.h"
#include "core/handover.h"
#include "core/timers.h"

struct npri_lead;
struct npri_peer;

enum npri_drain_state {
    NPRI_DRAIN_OFF,
    NPRI_DRAIN_WAITS, /* until the others have left us out */
    NPRI_DRAIN_RUNS,
    NPRI_DRAIN_DONE, /* nothing is left */
    NPRI_DRAIN_LATE, /* its deadline came first */
};

/* One that this node takes over: whom to tell. */
struct npri_taking {
    uint64_t peer_serial; /* 0: nobody */
    uint32_t creation;    /* of that peer */
    uint64_t ref;
    uint64_t token; /* of the process that it was */
    bool counted;   /* among those of that peer that are under way */
};

/* What a peer has handed over to us.  It has at most NPRI_HANDOVERS_MAX of which it does not know
 * yet what came of them, and asks of all of these before it gives us another: so the last ones that
 * were done are those that it may ask of. */
struct npri_taken {
    uint64_t ref; /* 0: none */
    uint64_t old_token;
    uint64_t token;
    uint32_t pid_size;
    uint8_t pid[NPRI_PID_BYTES_MAX];
};

struct npri_takeovers {
    uint32_t creation;  /* of the peer */
    uint32_t next;      /* slot */
    uint64_t ref_last;  /* the highest that was seen */
    uint32_t under_way; /* that are being started here */
    struct npri_taken done[NPRI_HANDOVERS_MAX];
};

struct npri_drain {
    enum npri_drain_state state;
    uint64_t deadline_ns;
    struct npri_link handovers;
    uint32_t handovers_count;
    uint64_t cursor;   /* of the walk; 0: a round begins */
    uint64_t round_ns; /* when the present round has begun */
    uint64_t moved;
    uint64_t ended; /* processes without a state */
    uint64_t failed;
    struct npri_text failure; /* the last one */
    struct npri_timer timer;
};

void npri_drain_init(struct npri_core *core);
void npri_drain_fini(struct npri_core *core);

/* DRAIN: NPR_OK, NPR_EINVAL (a client), NPR_EREFUSED (no other node is there to take over). */
NPR_NODISCARD npr_status npri_drain_on_drain(struct npri_core *core,
                                             const struct npri_core_event *event);
void npri_drain_on_time(struct npri_core *core);

/* For handovers: there is room for more, or one to be given or given back; whether nothing more is
 * to be begun. */
void npri_drain_look_again(struct npri_core *core);
bool npri_drain_is_over(const struct npri_core *core);

/* ---- The other side (core/takeover.c). */

/* Whether that is what the node that hands over has told of the process which is being replaced. */
bool npri_takeover_replaces(const struct npri_taking *taking, const struct npri_lead *lead);

/* That is forgotten: once its successor has its entry, and no sooner. */
void npri_takeover_forget(struct npri_core *core,
                          const struct npri_taking *taking,
                          struct npr_bytes key);

/* Whether what `peer` has under that token is the predecessor of this node's `pid`. */
bool npri_takeover_is_predecessor(const struct npri_peer *peer,
                                  uint64_t token,
                                  struct npr_term pid);

/* What was taken over lives, or does not: `taking` is told, and is nobody then. */
void npri_takeover_done(struct npri_core *core,
                        struct npri_taking *taking,
                        const struct npri_activation *living);
void npri_takeover_failed(struct npri_core *core,
                          struct npri_taking *taking,
                          struct npr_bytes text);

/* Messages: false when they are none. */
bool npri_takeover_on_told_handover(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements);
bool npri_takeover_on_told_adopt(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements);
void npri_drain_check(const struct npri_core *core);

#endif /* NPRI_CORE_DRAIN_H */
