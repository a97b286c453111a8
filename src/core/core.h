/* core/core.h - the registry of one node as a pure machine: events in, effects out.
 *
 * No I/O, clock, threads or randomness.  The caller steps it with what happened, then takes effects
 * until there are none:
 *
 *     npri_core_step(core, &event);
 *     while (npri_core_take(core, &effect)) { carry it out }
 *
 * and steps it with NPRI_EVENT_TIME when npri_core_deadline_ns() has come.  Requests of the outside
 * and operations that the core begins are joined to their answers by numbers: `request` is the
 * caller's, `operation` the core's.  Each request is answered exactly once, each operation answered
 * at most once; late, repeated and unknown answers are ignored on purpose.
 *
 * Who does what inside:
 *     members    whom we know and see: chatter, polling, expiry          (core/members.h)
 *     peers      the table of these                                      (core/peers.h)
 *     settling   for whom of them requests are held                      (core/settling.h)
 *     beats      which native nodes live; whether this one did           (core/beats.h)
 *     views      who is in the view, and what others are told of it      (core/views.h)
 *     agreement  whether the native nodes of the view agree on it        (core/agreement.h)
 *     links      how views are parted that could overlap                 (core/links.h)
 *     placement  which member a key hashes to                            (core/placement.h)
 *     directory  key -> pid of the entries that this node holds          (core/directory.h)
 *     push       telling the owners of keys what lives here              (core/push.h)
 *     leads      what others have told this owner                        (core/leads.h)
 *     requests   what the outside wants, until it is answered            (core/requests.h)
 *     route      which way a request goes                                (core/route.h)
 *     waiting    what those wait for has come, or will not               (core/waiting.h)
 *     claim      registering with the owner's consent                    (core/claim.h)
 *     register   the side of it that registers                           (core/register.h)
 *     consent    the owner's side of it                                  (core/consent.h)
 *     conflicts  which of two processes keeps a key                      (core/conflicts.h)
 *     lookup     ask the owner, then the rest in parallel                (core/lookup.h)
 *     start      one start in flight per key, by its agreed owner        (core/start.h)
 *     starts     the table of those, and who waits for them              (core/starts.h)
 *     restart    processes that are started again in their place         (core/restart.h)
 *     token      numbers that grow with every activation of a key        (core/token.h)
 *     grant      what threads of the program may do by themselves        (core/grant.h)
 *     grabbed    what they have begun to start                           (core/grabbed.h)
 *     watch      who is told of which entries                            (core/watch.h)
 *     drain      a node that leaves, and hands its keys over             (core/drain.h)
 * What native nodes tell each other is taken apart in core/native.h; core.c stays pure dispatch. */
#ifndef NPRI_CORE_CORE_H
#define NPRI_CORE_CORE_H

#include "nprocreg/watch.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "core/retired.h"

struct npri_core;
struct npri_select;

typedef void (*npri_digest_fn)(const void *data, size_t size, uint8_t out[16]);

/* A key that a thread of the program is starting by itself (core/grant.h).  Borrowed. */
struct npri_grabbed {
    struct npr_term function; /* as an event's */
    uint64_t token;
};

/* Where such threads note what they start.  Called while the core is stepped; must not step it. */
struct npri_core_grabs {
    void *user;
    /* Whether `key` (in normal form) is noted, and no operation of the core yet. */
    bool (*find)(void *user, struct npr_bytes key, struct npri_grabbed *out);
    /* The same one is that operation of the core from now on: what comes of it is its STARTED. */
    void (*adopt)(void *user, struct npr_bytes key, uint64_t operation);
};

struct npri_core_options {
    struct npr_node_name self;
    uint32_t creation;
    bool member;          /* false: a client that never enters the ring and holds no entries */
    bool otp_fixed;       /* true: `otp` is the operator's setting, else it is learnt from peers */
    enum npr_otp otp;     /* whose term_to_binary placement follows (until learnt otherwise) */
    npri_digest_fn md5;   /* placement: MD5 of the key's bytes */
    uint64_t announce_ns; /* period of register_node chatter and polls: 5 s */
    uint64_t expire_ns;   /* a member not heard of for that long leaves the view: 10 s */
    uint64_t suspect_ns; /* a node that has not answered a question for that long is suspect: 1 s */
    uint64_t now_ns;
    struct npri_hash_key hash_key; /* of the tables by key, name and pid: unpredictable to peers */
    bool shared;                   /* other threads read the table: npri_core_see() */
    const struct npri_core_grabs *grabs; /* and start keys by themselves; NULL: they do not */
    uint64_t epoch_us; /* since 1970, at now_ns, by the machine's clock (core/token.h) */

    /* Between native nodes. */
    uint64_t heartbeat_ns;    /* how often each tells the others that it lives: 500 ms.  0: never,
                               * and silence means nothing */
    uint64_t node_timeout_ns; /* one not heard of for that long is gone: 3 s */
    uint32_t quorum;          /* a side with fewer nodes starts nothing; 0: any goes on */
    enum npr_placement placement;

    uint32_t turns_max; /* requests that are routed in one step; 0: NPRI_TURNS_MAX */
};

/* What native nodes tell each other first, on every connection (core/greeting.h). */
struct npri_greeting {
    uint32_t version; /* of the protocol */
    uint32_t oldest;  /* that the teller understands */
    enum npr_otp otp; /* whose term_to_binary its placement follows */
    enum npr_placement placement;
    uint32_t quorum;
    uint64_t heartbeat_ns;
    uint64_t node_timeout_ns;
};

/* The version that this node speaks, and the oldest that it understands. */
#define NPRI_NATIVE_VERSION 3u
#define NPRI_NATIVE_OLDEST  3u

/* What lives under a key. */
struct npri_activation {
    struct npr_term pid; /* in normal form */
    uint64_t token;      /* core/token.h; 0: unknown */
};

/* What is to be done when a process ends that was started for a key (core/restart.h). */
enum npri_restart_kind {
    NPRI_RESTART_TEMPORARY, /* nothing */
    NPRI_RESTART_TRANSIENT, /* it is started again, unless it ended normal, shutdown, {shutdown,_}
                             */
    NPRI_RESTART_PERMANENT, /* it is started again */
};

struct npri_restart_rule {
    enum npri_restart_kind kind;
    uint32_t max; /* restarts within window_ns, 1..NPRI_RESTARTS_MAX.  Unused when TEMPORARY, */
    uint64_t window_ns; /* like this one */
};

enum npri_event_kind {
    NPRI_EVENT_TIME,         /* nothing but now_ns */
    NPRI_EVENT_JOIN,         /* node: keep a connection to it, whether or not it is up yet */
    NPRI_EVENT_CONNECTED,    /* node, creation */
    NPRI_EVENT_DISCONNECTED, /* node; text: why.  Also for an attempt that failed.  was_up: it is
                              * not such (false: not known) */
    NPRI_EVENT_GREETED,      /* node, creation (0: unknown): it is native; greeting */
    NPRI_EVENT_HEARD,        /* node: some bytes of it came.  At most every 100 ms for each node */
    NPRI_EVENT_ANNOUNCED,    /* node: its register_node was heard (sent by anyone, for any node) */
    NPRI_EVENT_POLLED,       /* operation; status; term: its list of nodes */
    NPRI_EVENT_RELEASE_TOLD, /* operation; status; otp */
    NPRI_EVENT_GET,          /* request, key, function or none, caller, deadline_ns; own_only, node:
                              * that node asks what is known here */
    NPRI_EVENT_START,        /* request, node, key, function, caller, deadline_ns: that node takes
                              * this one for the owner.  Of one that is not native it is a GET */
    NPRI_EVENT_ASKED,        /* operation; status; term: the pid, token when NPR_OK; NPR_ENOTFOUND:
                              * none; final: nor anywhere else */
    NPRI_EVENT_DELEGATED,    /* operation; status; term: the pid, token, started when NPR_OK; else
                              * text; moved: it is not the owner */
    NPRI_EVENT_STARTED,      /* operation; status; term: the pid, rule when NPR_OK; text when not */
    NPRI_EVENT_GRABBED,      /* key: a thread is starting it by itself, if it is still noted so */
    NPRI_EVENT_GRAB_LIVES,   /* key, token, pid: of this node; it is monitored already.  NPR_OK, and
                              * the entry is made; else nothing has changed, and it is GRABBED and
                              * STARTED like any other (core/grant.h) */
    NPRI_EVENT_REGISTER,     /* request, key, term: pid, deadline_ns; keep: not over another
                              * process's entry.  request 0: nobody waits for the answer */
    NPRI_EVENT_UNREGISTER,   /* request, key, deadline_ns; likewise */
    NPRI_EVENT_PROCESS_DOWN, /* term: pid; reason: why, none: unknown, and so no orderly end */
    NPRI_EVENT_DRAIN,        /* deadline_ns: the node's keys go to other nodes (core/drain.h) */
    NPRI_EVENT_HANDED,       /* operation; status; term: the state or none, function: what starts
                              * one that takes it */
    NPRI_EVENT_CLOSING,      /* the node stops: nothing is restarted from now on */
    NPRI_EVENT_SUBSCRIBE,    /* request, term: a selector (core/select.h) -> NEWS */
    NPRI_EVENT_UNSUBSCRIBE,  /* request */
    NPRI_EVENT_TOLD,         /* node, creation (0: unknown), term: what its core tells ours
                              * (core/native.h) */
    NPRI_EVENT_FENCED,       /* operation: no thread acts on what held before the FENCE */
};

/* What happened.  Fields that the kind does not name are zero.  Everything is borrowed for the
 * step. */
struct npri_core_event {
    enum npri_event_kind kind;
    uint64_t now_ns;
    struct npr_node_name node;
    uint32_t creation;
    uint64_t request;
    uint64_t operation;
    uint64_t deadline_ns;
    npr_status status;
    enum npr_otp otp;
    struct npri_greeting greeting;
    uint64_t token; /* 0: unknown */
    bool was_up;
    bool started;  /* the owner has just started it: there was none */
    bool own_only; /* GET: this node's own table is enough; waits while the key is restarted */
    bool keep;     /* REGISTER: an entry of another process stays (the original overwrites it) */
    bool final;
    bool moved;
    struct npr_term key;
    struct npr_term function; /* a fun of arity 0, or {Module, Function, Arguments} */
    struct npr_term caller;   /* pid on whose node a foreign fun can run; or none */
    struct npr_term term;
    struct npr_term reason;
    struct npri_restart_rule rule;
    struct npr_bytes text;
    struct { /* GRAB_LIVES */
        uint32_t id;
        uint32_t serial;
    } pid;
};

enum npri_effect_kind {
    NPRI_EFFECT_CONNECT,     /* node: dial it */
    NPRI_EFFECT_GREET,       /* node, greeting: tell it that we are native (it may not be) */
    NPRI_EFFECT_ANNOUNCE,    /* node: cast {register_node, Self} to its nprocreg */
    NPRI_EFFECT_POLL,        /* operation, node: call get_nodes -> POLLED */
    NPRI_EFFECT_ASK_RELEASE, /* operation, node: erlang:system_info(otp_release) -> RELEASE_TOLD */
    NPRI_EFFECT_ASK,         /* operation, node, key: its own table's entry -> ASKED */
    NPRI_EFFECT_DELEGATE,    /* operation, node, key, function, caller, deadline_ns -> DELEGATED */
    NPRI_EFFECT_START,       /* operation, key, token, function, caller, deadline_ns, state: start
                              * it here -> STARTED */
    NPRI_EFFECT_DISCARD,     /* term: pid that was started too late for its request: stop it */
    NPRI_EFFECT_MONITOR,     /* term: pid -> PROCESS_DOWN when it dies (or is dead) */
    NPRI_EFFECT_DEMONITOR,   /* term: pid */
    NPRI_EFFECT_HANDOVER,    /* operation, key, term: pid: its state is wanted -> HANDED */
    NPRI_EFFECT_MOVED,       /* key, term: pid, old: its successor; none: it goes on */
    NPRI_EFFECT_ANSWER,      /* request, status, term: pid, token, started, text.  NPR_ENOTFOUND, to
                              * own_only: final.  NPR_EREFUSED, to START: moved.  NPR_EEXIST, to
                              * REGISTER: term is the pid that has the key */
    NPRI_EFFECT_LOG,         /* level, text: one line of key=value pairs */
    NPRI_EFFECT_TELL,        /* node, term: a message to its core -> TOLD there, in order */
    NPRI_EFFECT_NEWS,        /* request, news, and what that has: key, term: pid, old, token, gone,
                              * node */
    NPRI_EFFECT_DISCONNECT,  /* node, text: why.  For the core it is gone already: the DISCONNECTED
                              * that may come of it does nothing */
    NPRI_EFFECT_FENCE,       /* operation -> FENCED, when every thread that may have acted on what
                              * this core had said of itself before has ended doing so */
    NPRI_EFFECT_CONFLICT,    /* key, term: the process here that has lost it, old: the one that has
                              * it, token: of that one.  The entry is gone already */
    NPRI_EFFECT_QUORUM,      /* regained, text: this side has lost, or has again, the nodes that a
                              * start needs */
};

enum npri_log_level { NPRI_LOG_ERROR, NPRI_LOG_WARNING, NPRI_LOG_INFO, NPRI_LOG_DEBUG };

/* What to do.  Borrowed from the core until the next call of npri_core_take(): carrying an effect
 * out may step the core. */
struct npri_core_effect {
    enum npri_effect_kind kind;
    struct npr_node_name node;
    uint64_t request;
    uint64_t operation;
    uint64_t deadline_ns;
    npr_status status;
    enum npri_log_level level;
    uint64_t token; /* START: of the activation that it makes.  ANSWER, NEWS: of what lives; 0:
                     * unknown */
    bool started;   /* ANSWER: this request's start made the process */
    bool final;
    bool moved;
    struct npr_term key;
    struct npr_term function;
    struct npr_term caller;
    struct npr_term term;
    struct npr_bytes text; /* ANSWER that failed: why, for the user */
    bool regained;         /* QUORUM */
    struct npr_term old;   /* NEWS: the pid before.  CONFLICT, MOVED: see there */
    struct npr_term state; /* START: what its predecessor has handed over; or none */
    struct npri_greeting greeting;
    enum npr_watch_kind news;
    enum npr_gone gone;
};

/* NULL when out of memory. */
struct npri_core *npri_core_create(const struct npri_core_options *options);
void npri_core_destroy(struct npri_core *core); /* accepts NULL */

/* Returns NPR_OK, NPR_EINVAL or NPR_EFULL (a SUBSCRIBE whose selector is none) or NPR_ENOMEM.  When
 * out of memory a GET, START, REGISTER or UNREGISTER is answered so (by return only), any other
 * event is lost as a message on the wire might be; the core stays consistent. */
NPR_NODISCARD npr_status npri_core_step(struct npri_core *core,
                                        const struct npri_core_event *event);

/* Soon it will be stepped with something of the key that has this hash, by options.hash_key: memory
 * that is asked for now is not waited for then.  Changes nothing. */
void npri_core_expect(const struct npri_core *core, uint64_t key_hash);

bool npri_core_take(struct npri_core *core, struct npri_core_effect *out);

/* When NPRI_EVENT_TIME is next due; UINT64_MAX: never. */
uint64_t npri_core_deadline_ns(const struct npri_core *core);

/* ---- For other threads, of a core that is `shared`, while another one steps it. */

enum npri_sight {
    NPRI_SIGHT_THERE,
    NPRI_SIGHT_NOTHING,
    NPRI_SIGHT_UNCLEAR, /* it changes all the time */
};

/* This node's own entry of `key` (any checked term), read without a lock in a bounded number of
 * steps.  What is found, or that nothing is, was so at some moment of the call.  `*out_pid` and
 * `*out_token` only when THERE. */
enum npri_sight npri_core_see(const struct npri_core *core,
                              struct npr_term key,
                              struct npr_pid *out_pid,
                              uint64_t *out_token);

/* Until when what npri_core_see() finds may be told to anybody: later than that this node may have
 * been taken for lost.  0: not now. */
uint64_t npri_core_answers_until_ns(const struct npri_core *core);

/* This node's leave to start `key`, where that has no entry and nothing is under way for it, or
 * NULL.  Good until the reader leaves (base/readers.h); what was begun by then must be noted. */
struct npri_grant;
const struct npri_grant *npri_core_grant(const struct npri_core *core, struct npr_term key);

/* Under the lock that the note is made under, with nothing noted and no entry found: whether the
 * key may be started, and the token of that activation. */
bool npri_core_draw(struct npri_core *core,
                    const struct npri_grant *grant,
                    struct npr_term key,
                    uint64_t *out_token);

/* Memory that such readers may still look at, since the last call; NULL: none.  Who steps the core
 * takes it, waits until every npri_core_see() that had begun has returned, and frees it with
 * npri_retired_free(). */
struct npri_retired *npri_core_take_retired(struct npri_core *core);

/* ---- Queries.  They change nothing. */

/* What lives under `key` (any checked term), as far as this node knows without asking: its own
 * entry, or what another node has told it as the owner.  `*out` is valid until the next call. */
bool npri_core_lookup_known(const struct npri_core *core,
                            struct npr_term key,
                            struct npri_activation *out);

/* Whether nothing may be answered from what this node knows, not even its own entries, since it was
 * not running for a while, which shows at the next step at the latest (core/views.h). */
bool npri_core_is_stalled(const struct npri_core *core, uint64_t now_ns);

/* This node's own entry of `key` (any checked term).  `*out` is valid until the next call. */
bool npri_core_lookup(const struct npri_core *core,
                      struct npr_term key,
                      struct npri_activation *out);

/* Whether `key` is restarted here: when its process ends, or right now. */
bool npri_core_supervises(const struct npri_core *core, struct npr_term key);

/* Whether it is being restarted: there is no entry, but there will be. */
bool npri_core_is_restarting(const struct npri_core *core, struct npr_term key);

size_t npri_core_entries_count(const struct npri_core *core);

/* Appends `[{Key, Pid}]` of this node, at most `limit` (0: all), in no promised order. */
void npri_core_put_entries(const struct npri_core *core, size_t limit, struct npri_buffer *out);

/* Appends `[Key]`, those that are registered here for the process `pid` (any checked term), at most
 * `limit`, in no promised order. */
void npri_core_put_keys_of(const struct npri_core *core,
                           struct npr_term pid,
                           uint32_t limit,
                           struct npri_buffer *out);

/* A part of this node's entries that `select` means, at most NPRI_PAGE_BYTES_MAX of them (and some
 * more), after looking at NPRI_PAGE_STEPS_MAX at the most.  `*cursor` is 0 for the first part, and
 * 0 again after the last one; any other is good for as long as the node lives.  An entry that is
 * there all the time comes exactly once.  Appends {Key, Pid, Token} for each to `out` (unless that
 * is NULL), without a list around them, and returns how many there are. */
uint32_t npri_core_put_page(const struct npri_core *core,
                            const struct npri_select *select,
                            uint64_t *cursor,
                            struct npri_buffer *out);

/* Appends the view as a list of atoms in Erlang's order of atoms. */
void npri_core_put_nodes(const struct npri_core *core, struct npri_buffer *out);

/* Appends a map for operators: view (with kind, suspect, age of each), entries, operations under
 * way, otp manner; `settled`, and whom it waits for if it is not (`waits`, a binary). */
void npri_core_put_status(const struct npri_core *core, uint64_t now_ns, struct npri_buffer *out);

/* Appends how far a drain is: a map #{state := off | waiting | running | done | late, left,
 * under_way, moved, ended, failed := integer(), failure := binary()}.  As long as the node owes
 * answers to calls that it has passed on, it is not done before its deadline. */
void npri_core_put_drain(const struct npri_core *core,
                         uint64_t now_ns,
                         bool owes_answers,
                         struct npri_buffer *out);

/* Appends the journal of conflicts, oldest first: a list of maps #{here := boolean(), key :=
 * binary(), loser := pid(), loser_token, time_us, winner := pid(), winner_token}.  `key` is its
 * text, which may be cut; `here`: the loser was this node's; time_us: since 1970. */
void npri_core_put_conflicts(const struct npri_core *core, struct npri_buffer *out);

/* Appends where `key` belongs, a map #{index, nodes, owner := node() | undefined, placement}:
 * `nodes` are those of the view that own keys, none that drains; the owner is the index-th (0...)
 * of them. */
void npri_core_put_place(const struct npri_core *core,
                         struct npr_term key,
                         struct npri_buffer *out);

/* Which node owns `key` in the present view, and its 0-based index there. */
void npri_core_owner(const struct npri_core *core,
                     struct npr_term key,
                     struct npr_node_name *out_owner,
                     uint32_t *out_index);

/* Whose term_to_binary placement follows at present. */
enum npr_otp npri_core_otp(const struct npri_core *core);

/* Whether a subscription sees every entry: all in the view are native nodes, and none refused it.
 */
bool npri_core_watches_all(const struct npri_core *core, uint64_t request);

/* Whether that node has greeted us as a native one, and is connected. */
bool npri_core_is_native(const struct npri_core *core, const struct npr_node_name *node);

/* The version of the protocol in which it did; 0: it has not. */
uint32_t npri_core_native_version(const struct npri_core *core, const struct npr_node_name *node);

/* Asserts the invariants of every part; the simulator calls it after every step. */
void npri_core_check(const struct npri_core *core);

#endif /* NPRI_CORE_CORE_H */
