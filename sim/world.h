/* sim/world.h - one run: nodes, network, processes, clients, and what everybody has seen.
 *
 * Time is virtual and stands still while something happens.  The loop (sim_pass) takes whatever is
 * due first: a message, a node's timer, an act of the clients, a fault.  All chance comes from one
 * generator, so that a seed is a whole story.
 *
 * What the parts are:
 *     network    connections, delays, cuts, and what is lost at a break     (network.h)
 *     native     the glue of a native node: effects of its core, events     (native.h)
 *     original   a model of the original's rules                            (original.h)
 *     processes  who lives, since when, under which key                     (processes.h)
 *     clients    requests, and what came of them                            (clients.h)
 *     plan       when which fault comes, and when it is mended              (plan.h)
 *     touch      which nodes have been in touch with which, since when      (touch.h)
 *     checks     what must hold, from the history above                     (checks.h)
 *     settle     what has not come to rest yet                              (settle.h)
 *     trace      the same, for people                                       (trace.h) */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "options.h"
#include "random.h"

#include "base/heap.h"
#include "base/list.h"
#include "core/core.h"

#define SIM_NOBODY UINT32_MAX /* no node, no process, no key */

enum sim_message_kind {
    /* On a connection, or about to make one. */
    SIM_DIAL,     /* somebody wants a connection */
    SIM_UP,       /* it is there */
    SIM_DOWN,     /* it has ended */
    SIM_TOLD,     /* core to core */
    SIM_GREETING, /* what is said in it goes by itself: sim_native_on_greeting() */
    SIM_ANNOUNCE, /* register_node */
    SIM_POLL,     /* get_nodes ... */
    SIM_POLLED,   /* ... and its answer */
    SIM_RELEASE,  /* otp_release ... */
    SIM_RELEASED,
    SIM_ASK, /* a look-up in one table ... */
    SIM_ASKED,
    SIM_DELEGATE, /* start_function ... */
    SIM_DELEGATED,
    /* On one node. */
    SIM_DIAL_FAILED,
    SIM_STARTED,      /* an init ends */
    SIM_PROCESS_DOWN, /* the news of a process's end */
    SIM_FENCED,       /* the threads have left the old snapshot */
    SIM_UNANSWERED,   /* a node cannot be asked */
    SIM_HANDED,       /* a process has given its state */
    SIM_CONFLICTED,   /* the loser of a conflict ends */
    SIM_ALARM,        /* an original's timer */
    /* Of the world. */
    SIM_ACT,   /* the clients' next act */
    SIM_FAULT, /* the next fault */
    SIM_MEND,  /* the end of one */
};

#define SIM_MESSAGE_ROOM 176

struct sim_message {
    struct npri_heap_node due;
    uint64_t due_ns;       /* of what goes over a connection */
    struct npri_link link; /* of a paused node, or of a lane that is cut */
    enum sim_message_kind kind;
    uint32_t from;
    uint32_t to;
    uint32_t connection; /* by number; of what is local: the creation of the node */
    uint32_t key;
    uint32_t process;
    uint64_t operation;
    uint64_t token;
    uint64_t deadline_ns;
    uint32_t version;
    npr_status status;
    bool started;
    bool final;
    bool moved;
    bool natively; /* a native node asks */
    size_t size;
    uint8_t *bytes; /* a term; `room`, or its own memory */
    uint8_t room[SIM_MESSAGE_ROOM];
};

struct sim_original; /* original.h */

struct sim_node {
    struct npr_node_name name;
    uint32_t index;
    bool native;
    bool alive;
    bool paused;
    bool booted; /* at least once */
    bool leaving;
    bool drained;
    bool stepped; /* its core is being stepped */
    uint32_t creation;
    uint64_t boot_ns;
    uint64_t died_ns;
    bool counted_on;    /* when it was paused: others were agreed in a view with it */
    bool stalled;       /* it has just gone on after a long pause, in company */
    uint64_t woken_ns;  /* when */
    uint64_t paused_ns; /* since when, while paused */
    uint64_t alone_ns;  /* since when it has no connection; 0: it has one */
    struct npri_core *core;
    struct sim_original *original;
    struct npri_heap_node timer;
    struct npri_link waiting; /* of struct sim_message: what came while it was paused */
    /* When it was last agreed (check_views.c). */
    bool agreed;
    uint32_t view;
    uint64_t epoch;
};

/* From one node to another. */
struct sim_lane {
    uint32_t known;           /* the connection that the sender believes in; 0: none */
    uint32_t attempt;         /* of the sender to make one; 0: none */
    bool cut;                 /* nothing arrives */
    uint64_t last_ns;         /* nothing overtakes */
    uint64_t slow_ns;         /* longer than others by that */
    uint64_t heard_ns;        /* when the receiver's core was last told that bytes came */
    bool open;                /* what is sent arrives */
    uint64_t open_ns;         /* when that was so last */
    struct npri_link stalled; /* of struct sim_message: waits for the end of the cut */
    uint32_t rest;            /* a connection that is over: what is due by rest_ns still arrives */
    uint64_t rest_ns;
};

/* Between two nodes: kept at [lower][higher]. */
struct sim_pair {
    uint32_t number; /* of the latest connection; 0: there was none */
    bool up;
    /* touch.h */
    bool in_touch;
    bool brief;  /* in touch for a moment only, before that */
    bool apart;  /* for too long already */
    bool silent; /* out of touch for a cut or a pause, not for want of a connection */
    uint64_t changed_ns;
    uint64_t gap_ns;     /* when they were last out of touch, with short moments of touch in it */
    uint64_t touched_ns; /* when they were last in touch */
    uint64_t unrest_ns;  /* when they were last apart for too long; 0: never */
    uint64_t ended_ns;   /* the same, as of the last end of one of them */
};

struct sim_process {
    uint32_t node;
    uint32_t creation;
    uint32_t key; /* under which it lives, or was to live */
    bool registered;
    bool uncertain; /* being unregistered, or replaced */
    bool handing;   /* it has given its state, or is about to, and does nothing */
    bool replaces;  /* registered over whatever there was, a start under way included */
    bool by_hand;   /* registered, not started */
    bool restart;
    bool foreign; /* by the rules of an original node */
    uint64_t token;
    uint64_t begun_ns; /* when its start was decided */
    uint64_t born_ns;
    uint64_t registered_ns;
    uint64_t gone_ns; /* when it was registered no longer; UINT64_MAX while it is */
    uint64_t died_ns; /* UINT64_MAX while it lives */
    uint64_t told_ns; /* when somebody was first answered with it; UINT64_MAX: never */
};

enum sim_request_kind {
    SIM_REQUEST_GET,
    SIM_REQUEST_START,
    SIM_REQUEST_REGISTER,
    SIM_REQUEST_REPLACE,
    SIM_REQUEST_UNREGISTER,
    SIM_REQUEST_REMOTE, /* another node's question: its answer goes back */
};

struct sim_request {
    enum sim_request_kind kind;
    uint32_t node;
    uint32_t creation;
    uint32_t key;
    uint32_t process; /* REGISTER: which.  Answered: with which */
    uint32_t answers_count;
    npr_status status;
    bool started;
    bool void_; /* its node has died */
    uint64_t asked_ns;
    uint64_t deadline_ns;
    uint64_t answered_ns;
    uint64_t paused_ns; /* how long its node was paused meanwhile */
    /* REMOTE */
    enum sim_message_kind answer;
    uint32_t from;
    uint32_t connection;
    uint64_t operation;
};

#define SIM_LIVING_MAX 24 /* processes of one key at a time */

struct sim_key {
    uint32_t living[SIM_LIVING_MAX]; /* registered ones */
    uint32_t living_count;
    bool foreign;           /* an original node has had to do with it */
    uint32_t changes_count; /* requests to replace or unregister that are open */
    uint64_t uncertain_ns;  /* until then one that failed may yet be carried out */
    uint64_t token_max;     /* of the line of activations since lineage_ns */
    uint64_t lineage_ns;    /* when that line began */
    uint64_t doubled_ns;    /* since when more than one lives; 0: no */
};

struct sim_counts {
    uint64_t events;
    uint64_t messages; /* over connections */
    uint64_t bytes;    /* of terms in them */
    uint64_t births;
    uint64_t answers;
    uint64_t conflicts;
    uint64_t moved; /* drained */
};

struct sim {
    struct sim_options options;
    struct sim_random random;
    uint64_t now_ns;
    uint64_t digest;
    bool faults; /* the phase of faults is on */
    bool mended; /* everything is */
    uint64_t mended_ns;
    uint64_t break_ns; /* when the line of tokens was last broken */
    uint32_t nodes_count;
    uint32_t connections_count;
    struct sim_node *nodes;
    struct sim_lane *lanes; /* [from * nodes_count + to] */
    struct sim_pair *pairs; /* [lower * nodes_count + higher] */
    struct sim_key *keys;
    struct sim_process *processes;
    uint32_t processes_count;
    uint32_t processes_capacity;
    struct sim_request *requests;
    uint32_t requests_count;
    uint32_t requests_capacity;
    uint32_t *open; /* requests of clients that are not answered */
    uint32_t open_count;
    uint32_t open_capacity;
    struct npri_heap messages;
    struct npri_heap timers;
    struct npri_link spare; /* of struct sim_message */
    struct sim_counts counts;
    /* The first thing that was wrong. */
    bool failed;
    bool failed_liveness;
    char checker[24];
    char finding[600];
};

/* A world without nodes alive; NULL when out of memory. */
struct sim *sim_create(const struct sim_options *options);
void sim_destroy(struct sim *sim);

static inline struct sim_lane *sim_lane(const struct sim *sim, uint32_t from, uint32_t to)
{
    return &sim->lanes[(size_t)from * sim->nodes_count + to];
}

static inline struct sim_pair *sim_pair(const struct sim *sim, uint32_t a, uint32_t b)
{
    return a < b ? &sim->pairs[(size_t)a * sim->nodes_count + b]
                 : &sim->pairs[(size_t)b * sim->nodes_count + a];
}

struct npr_node_name sim_name_of(uint32_t node);
uint32_t sim_node_of(const struct npr_node_name *name);

/* Into the digest. */
static inline void sim_mix(struct sim *sim, uint64_t value)
{
    sim->digest = (sim->digest ^ value) * UINT64_C(0x100000001b3);
    sim->digest ^= sim->digest >> 31;
}

/* ---- Messages. */

struct sim_message *sim_message(struct sim *sim,
                                enum sim_message_kind kind,
                                uint32_t from,
                                uint32_t to);
void sim_message_set_bytes(struct sim_message *message, const void *bytes, size_t size);
void sim_message_drop(struct sim *sim, struct sim_message *message);

static inline struct npr_term sim_message_term(const struct sim_message *message)
{
    return (struct npr_term){.data = message->size == 0 ? NULL : message->bytes,
                             .size = message->size};
}

/* On the node `to` itself; lost when that ends before. */
void sim_later(struct sim *sim, struct sim_message *message, uint64_t after_ns);

/* Of the world. */
void sim_later_world(struct sim *sim,
                     enum sim_message_kind kind,
                     uint64_t operation,
                     uint64_t after_ns);

/* ---- Nodes. */

/* The node comes up, and is told to join those that its options say. */
void sim_boot(struct sim *sim, uint32_t index);

/* `power`: nobody is told. */
void sim_kill(struct sim *sim, uint32_t index, bool power);

void sim_pause(struct sim *sim, uint32_t index);
void sim_resume(struct sim *sim, uint32_t index);

/* When the core's deadline may have changed. */
void sim_rearm(struct sim *sim, struct sim_node *node);

/* Everything until `end_ns`, or until something is found to be wrong. */
void sim_pass(struct sim *sim, uint64_t end_ns);

#endif /* SIM_WORLD_H */
