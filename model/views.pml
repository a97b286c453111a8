/* model/views.pml - how native nodes agree on their view, and who may start a key.  For spin.
 *
 * Three nodes, up to two keys.  docs/model.md says what is modelled, what is left out, and what the
 * switches below mean; model/run knows the configurations and the mutants.
 *
 * Each step of a node is one d_step, as a step of the core is one call: take one message or one event,
 * apply the rules, send what has changed.  Everything between two nodes goes through a channel for each
 * direction, in order, and is lost from some message on when the connection breaks.  There is no time:
 * whatever a clock would decide may happen at any moment. */

#ifndef KEYS
#define KEYS 1
#endif
#ifndef HASH0 /* the digests of the keys, before they are taken modulo the members */
#define HASH0 2
#endif
#ifndef HASH1
#define HASH1 3
#endif
#ifndef STARTS /* how often each of these may happen */
#define STARTS 2
#endif
#ifndef LOOKS
#define LOOKS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef CRASHABLE /* which nodes may, as a set */
#define CRASHABLE 7
#endif
#ifndef BREAKS
#define BREAKS 0
#endif
#ifndef BREAKABLE /* which connections may: 1 of 0 and 1, 2 of 0 and 2, 4 of 1 and 2 */
#define BREAKABLE 7
#endif
#ifndef DECISIONS /* views taken by decision (or by mistake): any part of what is seen */
#define DECISIONS 0
#endif
#ifndef BUMPS /* new epochs in the same view: a base that was adopted, a stall */
#define BUMPS 0
#endif
#ifndef CLAIMS
#define CLAIMS 0
#endif
#ifndef FIRST_VIEW /* which nodes have a settled view at the beginning; others are alone */
#define FIRST_VIEW 3
#endif
#ifndef QUEUE
#define QUEUE 16
#endif

#define NODES 3
#define NONE  0 /* of a process, a lead */
#define BUSY  1 /* it is being started */
#define ALIVE 2
#define CONSENTED 3 /* of a lead: its host may have it, and has not said yet that it took it */

#define BIT(n)   (1 << (n))
#define PEER(s)  ((me + 1 + (s)) % NODES) /* slot 0 and 1 are the two others */
#define SLOT(n)  (((n) + NODES - me - 1) % NODES)
#define OUT(s)   wire[me * 2 + (s)]
#define IN(s)    wire[PEER(s) * 2 + 1 - (s)]
#define PAIR(s)  (me + PEER(s) - 1) /* 0: of 0 and 1, 1: of 0 and 2, 2: of 1 and 2 */
#define HASH(k)  ((k) == 0 -> HASH0 : HASH1)

#define COUNT(v) (((v) & 1) + (((v) >> 1) & 1) + (((v) >> 2) & 1))
#define LEAST(v) ((v) & 1 -> 0 : ((v) & 2 -> 1 : 2))
#define MOST(v)  ((v) & 4 -> 2 : ((v) & 2 -> 1 : 0))
#define NTH(v, i) ((i) == 0 -> LEAST(v) : ((i) == COUNT(v) - 1 -> MOST(v) : 1))
#define OWNER(v, k) NTH(v, HASH(k) % COUNT(v))

mtype:message = {HELLO, VIEW, ENTRY, LEAD_BUSY, GONE, MARK, ASK, ANSWER, CONFLICT, CLAIM, CLAIMED, REFUSED,
               DECLINED};
/* HELLO | VIEW epoch view*8+sees ack | ENTRY epoch key ref | LEAD_BUSY, GONE epoch key | MARK epoch
 * | ASK key | ANSWER key found | CONFLICT key | CLAIM, CLAIMED, REFUSED, DECLINED key ref
 * A ref is that of the claim, in place of a token; of what was started: 0. */
chan wire[6] = [QUEUE] of {mtype:message, byte, byte, byte};

#define LINK_NONE   0
#define LINK_UP     1
#define LINK_BROKEN 2 /* what is sent is lost; each side has still to notice */
byte link[3];
byte up = 7;        /* set of nodes */
byte view[NODES];   /* sets */
byte seen[NODES];   /* connected and greeted */
byte fenced = 7;    /* set of nodes: those that have told their epoch */
byte epoch[NODES];  /* of each node's view */
byte process[6];    /* node * 2 + key: NONE, BUSY, ALIVE */
byte born[6];       /* the view in which it was started */
byte starts_left = STARTS, looks_left = LOOKS, deaths_left = DEATHS, decisions_left = DECISIONS,
     bumps_left = BUMPS, claims_left = CLAIMS;

#define SEES (seen[me] | BIT(me))

/* ---- What must hold. */

/* Another node's process is one too many when both nodes include each other - unless it was started in a
 * view without this node, of which this node has not heard yet: then they were apart, and come together. */
#define INCLUDED(n)   ((up & BIT(n)) && (view[me] & BIT(n)) && (view[n] & BIT(me)))
#define SECOND(s, k) \
    (INCLUDED(PEER(s)) && process[PEER(s) * 2 + (k)] != NONE && \
     ((born[PEER(s) * 2 + (k)] & BIT(me)) || told_epoch[s] == epoch[PEER(s)]))
#define ELSEWHERE(k) (SECOND(0, k) || SECOND(1, k))
#define ANYWHERE(k) \
    (((up & BIT(PEER(0))) && process[PEER(0) * 2 + (k)] != NONE) || \
     ((up & BIT(PEER(1))) && process[PEER(1) * 2 + (k)] != NONE))

/* Without partitions there is never a second process, whoever includes whom. */
#if BREAKS == 0 && DECISIONS == 0
#define ONE_PROCESS(k) (!ANYWHERE(k))
#else
#define ONE_PROCESS(k) (!ELSEWHERE(k))
#endif

#define QUIET \
    (empty(wire[0]) && empty(wire[1]) && empty(wire[2]) && empty(wire[3]) && empty(wire[4]) && \
     empty(wire[5]) && (fenced & up) == up && link[0] != LINK_BROKEN && link[1] != LINK_BROKEN && \
     link[2] != LINK_BROKEN && process[0] != BUSY && process[1] != BUSY && process[2] != BUSY && \
     process[3] != BUSY && process[4] != BUSY && process[5] != BUSY)
#define ALL_SEE \
    (((up & 3) != 3 || link[0] == LINK_UP) && ((up & 5) != 5 || link[1] == LINK_UP) && \
     ((up & 6) != 6 || link[2] == LINK_UP))

/* ---- The rules of a node. */

#ifdef NO_EPOCH_IN_ACK /* an acknowledgement that names the view only */
#define ACKED(s) (ack[s] != 0)
#elif defined(NO_ACK)
#define ACKED(s) true
#else
#define ACKED(s) (ack[s] == epoch[me])
#endif
#ifdef NO_AGREEMENT /* one's own view is enough */
#define AGREED_WITH(s) true
#else
#define AGREED_WITH(s) (!(view[me] & BIT(PEER(s))) || (told_view[s] == view[me] && ACKED(s)))
#endif
#define AGREED ((fenced & BIT(me)) && AGREED_WITH(0) && AGREED_WITH(1))
#ifdef NO_MARKER /* agreed is settled */
#define MARKED(s) true
#else
#define MARKED(s) (!(view[me] & BIT(PEER(s))) || marked[s])
#endif
#define SETTLED (AGREED && MARKED(0) && MARKED(1))
#define OWNS(k) (OWNER(view[me], k) == me)
#define NOT_KNOWN(k) (process[me * 2 + (k)] == NONE && lead[k] == NONE && lead[2 + (k)] == NONE)
#define MAY_START (view[me] != BIT(me) || !(BIT(me) & ~FIRST_VIEW)) /* a joiner does not, alone */


hidden byte s, k, a, b, c, n;
hidden mtype:message kind;

inline send(slot, what, x, y, z)
{
    if
    :: link[PAIR(slot)] == LINK_UP -> OUT(slot)!what, x, y, z
    :: else
    fi
}

inline forget_peer(slot)
{
    told_epoch[slot] = 0; told_view[slot] = 0; told_sees[slot] = 0; ack[slot] = 0; sent_ack[slot] = 0;
    marked[slot] = 0; lead[(slot) * 2] = NONE; lead[(slot) * 2 + 1] = NONE
}

/* What the looks have heard was said to another epoch: they are begun anew. */
inline look_anew()
{
#ifndef LOOK_KEPT
    looking[0] = 0; looking[1] = 0
#else
    skip
#endif
}

inline tell_view(slot)
{
    sent_ack[slot] = ((view[me] & BIT(PEER(slot))) && told_view[slot] == view[me] -> told_epoch[slot] : 0);
    send(slot, VIEW, epoch[me], view[me] * 8 + SEES, sent_ack[slot])
}

inline tell_all_views()
{
    if
    :: seen[me] & BIT(PEER(0)) -> tell_view(0)
    :: else
    fi;
    if
    :: seen[me] & BIT(PEER(1)) -> tell_view(1)
    :: else
    fi
}

/* One entry of the push to the owner that the present view gives it. */
inline push_key(slot, key)
{
    if
    :: OWNER(view[me], key) == PEER(slot) && process[me * 2 + key] == ALIVE ->
        send(slot, ENTRY, epoch[me], key, own_ref[key])
#ifndef NO_BUSY
    :: OWNER(view[me], key) == PEER(slot) && process[me * 2 + key] == BUSY ->
        send(slot, LEAD_BUSY, epoch[me], key, 0)
#endif
    :: else
    fi
}

inline push(slot)
{
    if
    :: view[me] & BIT(PEER(slot)) ->
#ifdef MARKER_EARLY
        send(slot, MARK, epoch[me], 0, 0);
#endif
        push_key(slot, 0);
#if KEYS > 1
        push_key(slot, 1);
#endif
#ifndef MARKER_EARLY
        send(slot, MARK, epoch[me], 0, 0)
#else
        skip
#endif
    :: else
    fi
}

/* The fence has passed: nobody acts by the old view any more. */
inline tell_epoch()
{
    tell_all_views();
    push(0);
    push(1)
}

inline new_epoch()
{
    epoch[me]++;
    printf("%d  epoch %d, view %d, sees %d\n", me, epoch[me], view[me], SEES);
    look_anew();
#ifndef CLAIM_KEPT
    claim_ref[0] = 0; claim_ref[1] = 0;
#endif
#ifdef NO_FENCE
    tell_epoch()
#else
    fenced = fenced & ~BIT(me)
#endif
}

/* A change of a key here, for its owner; while the fence is awaited the push will tell it. */
inline tell_change(what, key)
{
    n = OWNER(view[me], key);
    if
    :: n != me && (fenced & BIT(me)) -> send(SLOT(n), what, epoch[me], key, own_ref[key])
    :: else
    fi
}

inline begin_start(key)
{
    if
    :: !ONE_PROCESS(key) -> printf("%d  VIOLATED: one process for key %d\n", me, key); assert(false)
    :: else
    fi;
    process[me * 2 + key] = BUSY;
    born[me * 2 + key] = view[me];
    printf("%d  starts key %d\n", me, key);
    starts_left--
}

inline end_process(key)
{
    process[me * 2 + key] = NONE;
    born[me * 2 + key] = 0;
    own_ref[key] = 0
}

/* Two of one key are known: the greater node's stays. */
inline settle_conflict(key)
{
    if
    :: AGREED && OWNS(key) ->
        a = (process[me * 2 + key] == ALIVE -> BIT(me) : 0) | (lead[key] == ALIVE -> BIT(PEER(0)) : 0) |
            (lead[2 + key] == ALIVE -> BIT(PEER(1)) : 0);
        b = BIT(MOST(a));
        if
        :: a != 0 && a != b && (a & ~b & BIT(me)) -> end_process(key)
        :: else
        fi;
        if
        :: a != 0 && a != b && (a & ~b & BIT(PEER(0))) -> lead[key] = NONE; send(0, CONFLICT, key, 0, 0)
        :: else
        fi;
        if
        :: a != 0 && a != b && (a & ~b & BIT(PEER(1))) -> lead[2 + key] = NONE; send(1, CONFLICT, key, 0, 0)
        :: else
        fi
    :: else
    fi
}

/* Keys that a thread may claim by the snapshot that it has read: as the last settled step left them, and
 * until the fence has passed.  A lead that was there then is still seen by it. */
inline publish()
{
#ifdef THREADS
    if
    :: SETTLED && MAY_START ->
#ifdef LEADS_VOID_UNDER_THREADS
        claimable = (OWNS(0) -> 1 : 0) | (KEYS > 1 && OWNS(1) -> 2 : 0)
#else
        claimable = (OWNS(0) && NOT_KNOWN(0) -> 1 : 0) | (KEYS > 1 && OWNS(1) && NOT_KNOWN(1) -> 2 : 0)
#endif
    :: else
    fi
#else
    skip
#endif
}

/* The component is a clique, and all of it know. */
inline take_clique()
{
    if
    :: seen[me] != 0 && view[me] != SEES && (!(seen[me] & BIT(PEER(0))) || told_sees[0] == SEES) &&
       (!(seen[me] & BIT(PEER(1))) || told_sees[1] == SEES) ->
        view[me] = SEES;
        new_epoch()
    :: else
    fi
}

/* The end of every step. */
inline finish()
{
    take_clique();
    finish_as_it_is()
}

inline finish_as_it_is()
{
    settle_conflict(0);
#if KEYS > 1
    settle_conflict(1);
#endif
    publish();
#ifndef THREADS /* nobody is to be waited for */
    if
    :: !(fenced & BIT(me)) -> fenced = fenced | BIT(me); tell_epoch()
    :: else
    fi;
#endif
    if
    :: fenced & BIT(me) ->
        s = 0;
        do
        :: s < 2 ->
            a = ((view[me] & BIT(PEER(s))) && told_view[s] == view[me] -> told_epoch[s] : 0);
            if
            :: (seen[me] & BIT(PEER(s))) && a != sent_ack[s] -> tell_view(s)
            :: else
            fi;
            s++
        :: else -> break
        od
    :: else
    fi;
    s = 0; k = 0; a = 0; b = 0; c = 0; n = 0; kind = HELLO
}

inline on_view(slot)
{
    if
    :: told_epoch[slot] != a ->
        told_epoch[slot] = a;
#ifndef LEADS_KEPT
        lead[(slot) * 2] = NONE; lead[(slot) * 2 + 1] = NONE; marked[slot] = 0;
#endif
        look_anew()
    :: else
    fi;
    told_view[slot] = b / 8;
    told_sees[slot] = b % 8;
    ack[slot] = c
}

/* Nobody whom the look has asked has it. */
inline on_looked(key)
{
    if
    :: AGREED && OWNS(key) && NOT_KNOWN(key) && starts_left > 0 && MAY_START -> begin_start(key)
    :: else
    fi
}

inline on_answer(slot)
{
    if
    :: b != 0 -> looking[a] = 0
    :: b == 0 && (looking[a] & BIT(slot)) ->
        looking[a] = looking[a] & ~BIT(slot);
        if
        :: looking[a] == 0 -> on_looked(a)
        :: else
        fi
    :: else
    fi
}

/* The host asks; what is not granted is refused here, and held or looked for in the core.  All claims
 * of a node for a key are for one process, so what was consented to is consented to anew. */
inline on_claim(slot)
{
    if
    :: lead[(slot) * 2 + a] == CONSENTED -> lead[(slot) * 2 + a] = NONE; n = 1
    :: else -> n = 0
    fi;
    if
#ifdef CLAIM_UNSETTLED
    :: AGREED && (view[me] & BIT(PEER(slot))) && OWNS(a) && NOT_KNOWN(a) && looking[a] == 0 ->
#elif defined(CLAIM_OUTSIDE)
    :: SETTLED && OWNS(a) && NOT_KNOWN(a) && looking[a] == 0 ->
#else
    :: SETTLED && (view[me] & BIT(PEER(slot))) && OWNS(a) && NOT_KNOWN(a) && looking[a] == 0 ->
#endif
        if
        :: ELSEWHERE(a) -> printf("%d  VIOLATED: one process for key %d, granted\n", me, a); assert(false)
        :: else
        fi;
        lead[(slot) * 2 + a] = CONSENTED;
        lead_ref[(slot) * 2 + a] = b;
        send(slot, CLAIMED, a, b, 0)
    :: else ->
        lead[(slot) * 2 + a] = (n == 1 -> CONSENTED : lead[(slot) * 2 + a]);
        send(slot, REFUSED, a, b, 0)
    fi
}

/* What a host says of a key that the owner has consented to it: late, unless it is that claim's entry. */
#ifdef LATE_WORD_COUNTS
#define IS_LATE(slot) false
#else
#define IS_LATE(slot) (lead[(slot) * 2 + b] == CONSENTED && !(kind == ENTRY && c == lead_ref[(slot) * 2 + b]))
#endif

inline on_word(slot)
{
    if
    :: IS_LATE(slot) -> skip
    :: else ->
        lead[(slot) * 2 + b] = (kind == ENTRY -> ALIVE : (kind == LEAD_BUSY -> BUSY : NONE));
        lead_ref[(slot) * 2 + b] = 0
    fi
}

/* The consent has come when nobody waited for it any more.  What is here is said with that. */
inline decline(slot, key, ref)
{
#ifndef DECLINE_UNTOLD
    send(slot, DECLINED, key, ref, 0);
    if
    :: process[me * 2 + key] == ALIVE -> tell_change(ENTRY, key)
    :: process[me * 2 + key] == BUSY -> tell_change(LEAD_BUSY, key)
    :: else -> tell_change(GONE, key)
    fi
#else
    skip
#endif
}

/* Before its marker the host has told nothing of the key, and will. */
inline on_declined(slot)
{
    if
#ifdef DECLINE_ANY
    :: lead[(slot) * 2 + a] == CONSENTED ->
#else
    :: lead[(slot) * 2 + a] == CONSENTED && lead_ref[(slot) * 2 + a] == b ->
#endif
        lead[(slot) * 2 + a] = (marked[slot] -> BUSY : NONE);
        lead_ref[(slot) * 2 + a] = 0
    :: else
    fi
}

inline receive(slot)
{
    IN(slot)?kind, a, b, c;
    printf("%d  from %d: %e %d %d %d\n", me, PEER(slot), kind, a, b, c);
    if
    :: kind == HELLO ->
        seen[me] = seen[me] | BIT(PEER(slot));
        if
        :: fenced & BIT(me) -> tell_all_views()
        :: else
        fi
    :: kind == VIEW -> on_view(slot)
    :: (kind == ENTRY || kind == LEAD_BUSY || kind == GONE) && a == told_epoch[slot] -> on_word(slot)
    :: kind == MARK && a == told_epoch[slot] -> marked[slot] = 1
    :: kind == ASK ->
#ifdef NO_BUSY
        b = (process[me * 2 + a] == ALIVE -> 1 : 0);
#else
        b = (process[me * 2 + a] != NONE -> 1 : 0); /* the core waits for the start, then says so */
#endif
        send(slot, ANSWER, a, b, 0)
    :: kind == ANSWER -> on_answer(slot)
    :: kind == CONFLICT ->
        if
        :: process[me * 2 + a] == ALIVE -> end_process(a); tell_change(GONE, a)
        :: else
        fi
    :: kind == CLAIM -> on_claim(slot)
    :: kind == CLAIMED ->
        if
        :: claim_ref[a] == b && b != 0 ->
            if
            :: ELSEWHERE(a) ->
                printf("%d  VIOLATED: one process for key %d, claimed\n", me, a); assert(false)
            :: else
            fi;
            claim_ref[a] = 0;
            process[me * 2 + a] = ALIVE;
            born[me * 2 + a] = view[me];
            own_ref[a] = b;
            tell_change(ENTRY, a)
        :: else -> decline(slot, a, b)
        fi
    :: kind == DECLINED -> on_declined(slot)
    :: kind == REFUSED ->
        if
        :: claim_ref[a] == b -> claim_ref[a] = 0
        :: else
        fi
    :: else
    fi;
    finish()
}

/* The connection is gone: what has not been read of it is lost, too. */
inline lose(slot)
{
    do
    :: len(IN(slot)) > 0 -> IN(slot)?kind, a, b, c
    :: else -> break
    od;
    printf("%d  loses %d\n", me, PEER(slot));
    n = seen[me] & BIT(PEER(slot));
    seen[me] = seen[me] & ~BIT(PEER(slot));
    forget_peer(slot);
#ifdef LOOK_KEPT /* who is lost has said all that he will */
    if
    :: looking[0] & BIT(slot) -> a = 0; b = 0; on_answer(slot)
    :: else
    fi;
#else
    look_anew();
#endif
    if
    :: !(seen[PEER(slot)] & BIT(me)) && len(OUT(slot)) == 0 -> link[PAIR(slot)] = LINK_NONE
    :: else
    fi;
    if
    :: view[me] & BIT(PEER(slot)) ->
        view[me] = view[me] & ~BIT(PEER(slot));
        new_epoch()
    :: n != 0 && !(view[me] & BIT(PEER(slot))) && (fenced & BIT(me)) -> tell_all_views()
    :: else
    fi;
    finish()
}

#define HAS_LOST(s) \
    ((up & BIT(me)) && link[PAIR(s)] == LINK_BROKEN && ((seen[me] & BIT(PEER(s))) || nempty(IN(s))))
#define LOOK_SLOT(s) ((view[me] & BIT(PEER(s))) && !marked[s])
#define START(key) \
    d_step { \
        (up & BIT(me)) && starts_left > 0 && MAY_START && SETTLED && OWNS(key) && NOT_KNOWN(key) && \
        looking[key] == 0 -> \
        begin_start(key); finish() \
    }
#define LOOK(key) \
    d_step { \
        (up & BIT(me)) && starts_left > 0 && looks_left > 0 && MAY_START && AGREED && !SETTLED && \
        OWNS(key) && NOT_KNOWN(key) && looking[key] == 0 -> \
        looks_left--; \
        if \
        :: LOOK_SLOT(0) -> looking[key] = looking[key] | 1; send(0, ASK, key, 0, 0) \
        :: else \
        fi; \
        if \
        :: LOOK_SLOT(1) -> looking[key] = looking[key] | 2; send(1, ASK, key, 0, 0) \
        :: else \
        fi; \
        finish() \
    }
#define STARTED(key) \
    d_step { \
        (up & BIT(me)) && process[me * 2 + key] == BUSY -> \
        process[me * 2 + key] = ALIVE; tell_change(ENTRY, key); finish() \
    }
#define DIE(key) \
    d_step { \
        (up & BIT(me)) && deaths_left > 0 && process[me * 2 + key] == ALIVE -> \
        deaths_left--; end_process(key); tell_change(GONE, key); finish() \
    }
#define THREAD_CLAIM(key) \
    d_step { \
        (up & BIT(me)) && starts_left > 0 && MAY_START && (claimable & BIT(key)) && NOT_KNOWN(key) && \
        looking[key] == 0 -> \
        begin_start(key); finish() \
    }
#ifdef CLAIM_BEFORE_NEWS /* the owner has not been told of the epoch yet */
#define CLAIM_FENCED true
#else
#define CLAIM_FENCED (fenced & BIT(me))
#endif
#define CLAIM_KEY(key) \
    d_step { \
        (up & BIT(me)) && claims_left > 0 && process[me * 2 + key] == NONE && claim_ref[key] == 0 && \
        CLAIM_FENCED && !OWNS(key) -> \
        claim_ref[key] = claims_left; \
        n = OWNER(view[me], key); \
        send(SLOT(n), CLAIM, key, claims_left, 0); \
        claims_left--; finish() \
    }

/* Its time is over. */
#define GIVE_UP(key) d_step { (up & BIT(me)) && claim_ref[key] != 0 -> claim_ref[key] = 0 }

/* Any part of what it sees, with or without a reason; its next step may find that all is well again. */
#define DECIDE(part) \
    d_step { \
        (up & BIT(me)) && decisions_left > 0 && (fenced & BIT(me)) && view[me] != (part) -> \
        decisions_left--; view[me] = part; new_epoch(); finish_as_it_is() \
    }
/* A final "no" while it lives in the owner's view. */
#define WRONG_NO(key) (SETTLED && OWNS(key) && NOT_KNOWN(key) && looking[key] == 0 && ELSEWHERE(key))
/* Nothing is under way, all are connected: all must have agreed, and know what there is. */
#define NOT_SETTLED \
    (QUIET && ALL_SEE && \
     (view[me] != up || !SETTLED || (process[me * 2] != NONE && !ONE_PROCESS(0)) || \
      (process[me * 2 + 1] != NONE && !ONE_PROCESS(1)) || \
      (lead[0] != NONE && OWNS(0) && process[PEER(0) * 2] == NONE) || \
      (lead[2] != NONE && OWNS(0) && process[PEER(1) * 2] == NONE)))

proctype node(byte me)
{
    byte told_epoch[2], told_view[2], told_sees[2]; /* what the others have told */
    byte ack[2];      /* which epoch of ours they have acknowledged */
    byte sent_ack[2]; /* what we have last told them of theirs */
    bit marked[2];
    byte lead[4];    /* slot * 2 + key: NONE, BUSY, ALIVE there, or CONSENTED */
    byte lead_ref[4]; /* to which claim */
    byte looking[2]; /* key: slots whose answer is awaited */
    byte claim_ref[2];
    byte own_ref[2]; /* of what lives here: by which claim */
#ifdef THREADS
    byte claimable; /* keys */
#endif

    d_step { /* settled, if it begins in a view with others */
        s = 0;
        do
        :: s < 2 ->
            if
            :: view[me] & BIT(PEER(s)) ->
                told_epoch[s] = 1; told_view[s] = view[me]; told_sees[s] = view[me];
                ack[s] = 1; sent_ack[s] = 1; marked[s] = 1
            :: else
            fi;
            s++
        :: else -> break
        od;
        publish();
        s = 0
    }
end:
    do
    :: d_step { (up & BIT(me)) && nempty(IN(0)) -> receive(0) }
    :: d_step { (up & BIT(me)) && nempty(IN(1)) -> receive(1) }
    :: d_step { HAS_LOST(0) -> lose(0) }
    :: d_step { HAS_LOST(1) -> lose(1) }
#ifdef THREADS
#ifdef NO_FENCE
    :: d_step { claimable != 0 && !SETTLED -> claimable = 0 }
#else
    :: d_step {
        (up & BIT(me)) && !(fenced & BIT(me)) ->
        fenced = fenced | BIT(me);
        printf("%d  fenced\n", me);
        claimable = 0;
        tell_epoch();
        finish()
    }
#endif
#endif
    :: START(0)
    :: LOOK(0)
    :: STARTED(0)
    :: d_step { WRONG_NO(0) -> printf("%d  VIOLATED: its final no for key 0\n", me); assert(false) }
#if KEYS > 1
    :: START(1)
    :: LOOK(1)
    :: STARTED(1)
    :: d_step { WRONG_NO(1) -> printf("%d  VIOLATED: its final no for key 1\n", me); assert(false) }
#endif
#if DEATHS > 0
    :: DIE(0)
#if KEYS > 1
    :: DIE(1)
#endif
#endif
#ifdef THREADS
    :: THREAD_CLAIM(0)
#endif
#if CLAIMS > 0
    :: CLAIM_KEY(0)
#endif
#ifdef GIVES_UP
    :: GIVE_UP(0)
#endif
#if BUMPS > 0
    :: d_step {
        (up & BIT(me)) && bumps_left > 0 && (fenced & BIT(me)) ->
        bumps_left--; new_epoch(); finish()
    }
#endif
#if DECISIONS > 0 && defined(DECIDED_AGAINST)
    :: DECIDE((view[me] & ~BIT(DECIDED_AGAINST)) | BIT(me))
#elif DECISIONS > 0
    :: DECIDE(BIT(me) | (view[me] & BIT(PEER(0))))
    :: DECIDE(BIT(me) | (view[me] & BIT(PEER(1))))
    :: DECIDE(BIT(me))
#endif
    :: d_step {
        NOT_SETTLED && (up & BIT(me)) ->
        printf("%d  VIOLATED: all is quiet, and not settled\n", me); assert(false)
    }
#ifdef REACH
    :: d_step {
        QUIET && ALL_SEE && SETTLED && view[me] == 7 && OWNS(0) && !NOT_KNOWN(0) ->
        printf("%d  VIOLATED: nothing; all have settled, and a process lives\n", me); assert(false)
    }
#endif
    od
}

/* The world acts only while there is no more than that under way in each direction. */
#ifndef ROOM
#define ROOM 12
#endif
#define HAS_ROOM \
    (len(wire[0]) <= ROOM && len(wire[1]) <= ROOM && len(wire[2]) <= ROOM && len(wire[3]) <= ROOM && \
     len(wire[4]) <= ROOM && len(wire[5]) <= ROOM)
#define CONNECT(pair, nodes, x, y, xy, yx) \
    d_step { \
        HAS_ROOM && link[pair] == LINK_NONE && (up & (nodes)) == (nodes) -> \
        printf("-  connects pair %d\n", pair); \
        link[pair] = LINK_UP; wire[xy]!HELLO, 0, 0, 0; wire[yx]!HELLO, 0, 0, 0 \
    }
#define BREAK(pair) \
    d_step { \
        HAS_ROOM && breaks_left > 0 && ((BREAKABLE >> (pair)) & 1) && link[pair] == LINK_UP -> \
        printf("-  breaks pair %d\n", pair); breaks_left--; link[pair] = LINK_BROKEN \
    }
inline drain(w)
{
    do
    :: len(wire[w]) > 0 -> wire[w]?_, _, _, _
    :: else -> break
    od
}
/* Its peers may still read what is under way. */
inline cut(pair, other, in_wire, out_wire, bit_of_it)
{
    drain(in_wire);
    if
    :: link[pair] == LINK_NONE || (!(seen[other] & bit_of_it) && len(wire[out_wire]) == 0) ->
        link[pair] = LINK_NONE
    :: else -> link[pair] = LINK_BROKEN
    fi
}
#define CRASH(x, pair1, other1, in1, out1, pair2, other2, in2, out2) \
    d_step { \
        HAS_ROOM && crashes_left > 0 && (up & BIT(x) & CRASHABLE) -> \
        printf("-  crash of %d\n", x); crashes_left--; up = up & ~BIT(x); \
        process[(x) * 2] = NONE; process[(x) * 2 + 1] = NONE; born[(x) * 2] = 0; born[(x) * 2 + 1] = 0; \
        epoch[x] = 0; \
        view[x] = 0; seen[x] = 0; fenced = fenced & ~BIT(x); \
        cut(pair1, other1, in1, out1, BIT(x)); cut(pair2, other2, in2, out2, BIT(x)) \
    }

/* wire: 0 is 0->1, 1 is 0->2, 2 is 1->2, 3 is 1->0, 4 is 2->0, 5 is 2->1. */
proctype world()
{
    byte crashes_left = CRASHES, breaks_left = BREAKS;
end:
    do
    :: CONNECT(0, 3, 0, 1, 0, 3)
    :: CONNECT(1, 5, 0, 2, 1, 4)
    :: CONNECT(2, 6, 1, 2, 2, 5)
#if BREAKS > 0
    :: BREAK(0)
    :: BREAK(1)
    :: BREAK(2)
#endif
#if CRASHES > 0
    :: CRASH(0, 0, 1, 3, 0, 1, 2, 4, 1)
    :: CRASH(1, 0, 0, 0, 3, 2, 2, 5, 2)
    :: CRASH(2, 1, 0, 1, 4, 2, 1, 2, 5)
#endif
    od
}

init
{
    d_step {
        n = 0;
        do
        :: n < NODES ->
            view[n] = (FIRST_VIEW & BIT(n) -> FIRST_VIEW : BIT(n));
            seen[n] = view[n] & ~BIT(n);
            epoch[n] = 1;
#ifdef FIRST_PROCESS /* key 0 lives at its owner already */
            if
            :: (FIRST_VIEW & BIT(n)) && OWNER(view[n], 0) == n ->
                process[n * 2] = ALIVE; born[n * 2] = view[n]
            :: else
            fi;
#endif
            n++
        :: else -> break
        od;
        link[0] = ((FIRST_VIEW & 3) == 3 -> LINK_UP : LINK_NONE);
        link[1] = ((FIRST_VIEW & 5) == 5 -> LINK_UP : LINK_NONE);
        link[2] = ((FIRST_VIEW & 6) == 6 -> LINK_UP : LINK_NONE);
        n = 0
    };
    atomic { run node(0); run node(1); run node(2); run world() }
}
