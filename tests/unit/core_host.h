/* core_host.h - one core and what it did, as text, so that a case reads as a dialogue.
 *
 * Node names are written short: "b" is b@h.  Keys are atoms; the last letter says which member owns
 * them (a: the first in the view, b: the second, ...).  Pids are "b.7": process 7 of b@h. */
#ifndef NPRI_TESTS_CORE_HOST_H
#define NPRI_TESTS_CORE_HOST_H

#include "core/core.h"
#include "core/views.h"

#define MS UINT64_C(1000000)

struct core_host {
    struct npri_core *core;
    uint64_t now_ns;
    bool quiet;                          /* LOG effects are left out of the trace */
    bool only_watch;                     /* and all that are not TELL or NEWS */
    bool only_told;                      /* TELL and NEWS effects are only counted: */
    unsigned news[NPR_WATCH_CLOSED + 1]; /* by kind */
    unsigned news_in_step_max;
    uint64_t told_bytes;
    uint64_t told_at; /* the last one's At */
    unsigned told_lost;
    unsigned told_synced;
    unsigned told_unsure;
    unsigned told_markers;
    bool views;                    /* what cores tell each other of views is in the trace, too */
    bool fences;                   /* FENCE effects are, and are not answered by themselves */
    struct npri_told_view view;    /* what was last told */
    struct npri_greeting greeting; /* of peers: as this core's own */
    uint64_t start_token;          /* of the last START and the last ANSWER */
    uint64_t answer_token;
    uint64_t scarce; /* that allocation of the next step fails, and no other; 0: none */
    bool lacked;     /* it did */
    size_t trace_size;
    char trace[16384];
};

/* Node "a", a member that learns its manner, with the original's periods and without heartbeats;
 * time begins at 1 s. */
void host_init(struct core_host *host);
void host_init_with(struct core_host *host, const struct npri_core_options *options);
struct npri_core_options host_options(const char *self);
void host_fini(struct core_host *host);

/* The last byte decides. */
void host_fake_md5(const void *data, size_t size, uint8_t out[16]);

struct npr_node_name host_node(const char *name);
struct npr_pid host_pid(const char *text);

/* Borrowed until the 16th call after this one. */
struct npr_term host_atom(const char *name);
struct npr_term host_pid_term(const char *text);
struct npr_term host_nodes(const char *names); /* "b c d" as a list of atoms */

/* A step, its effects into the trace, and the invariants. */
npr_status host_step(struct core_host *host, struct npri_core_event event);

void host_join(struct core_host *host, const char *node);
void host_connected(struct core_host *host, const char *node);
void host_disconnected(struct core_host *host, const char *node);
void host_greeted(struct core_host *host, const char *node, enum npr_otp otp);
void host_announced(struct core_host *host, const char *node);
void host_polled(struct core_host *host, uint64_t operation, const char *nodes);
void host_poll_failed(struct core_host *host, uint64_t operation, npr_status status);
void host_release(struct core_host *host, uint64_t operation, enum npr_otp otp);

/* `function` may be NULL; the deadline is 5 s from now. */
void host_get(struct core_host *host, uint64_t request, const char *key, const char *function);
void host_start(struct core_host *host, uint64_t request, const char *key, const char *function);
/* The same of the node `from`. */
void host_start_from(struct core_host *host,
                     const char *from,
                     uint64_t request,
                     const char *key,
                     const char *function);
void host_asked(struct core_host *host, uint64_t operation, const char *pid); /* NULL: not there */
void host_ask_failed(struct core_host *host, uint64_t operation, npr_status status);
void host_delegated(struct core_host *host, uint64_t operation, npr_status status, const char *pid);
void host_started(struct core_host *host, uint64_t operation, npr_status status, const char *pid);

/* The same of a process that is restarted, whatever it ends of, once in a second. */
void host_started_for_good(struct core_host *host, uint64_t operation, const char *pid);
void host_register(struct core_host *host, const char *key, const char *pid);
void host_unregister(struct core_host *host, const char *key);
void host_down(struct core_host *host, const char *pid);

/* The peer has read all that it was told. */
void host_told_read(struct core_host *host, const char *node);

/* Puts the entry straight into the table, or takes it out: for cases that are not about consent. */
void host_put_entry(struct core_host *host, struct npr_term key, struct npr_term pid);
void host_remove_entry(struct core_host *host, struct npr_term key);

/* These native peers, which agree, have told all that they hold. */
void host_mark(struct core_host *host, const char *names);

/* These native peers see what the core sees, take its view and acknowledge it. */
void host_agree(struct core_host *host, const char *names);

/* `node` tells this. */
void host_told_view(struct core_host *host, const char *node, const struct npri_told_view *view);

/* What the core has told is remembered in host->view, if it was a view; whether it was one, or else
 * of the nodes that the core sees. */
bool host_note_view(struct core_host *host, struct npr_term message);
struct npr_term host_view(const struct npri_told_view *view);

/* `node` tells the term of this text. */
void host_told(struct core_host *host, const char *node, const char *text);

/* Time passes: TIME at every deadline on the way. */
void host_pass(struct core_host *host, uint64_t ns);

/* Peers that are already in the view, as originals and as natives; the trace is left empty. */
void host_with_originals(struct core_host *host, const char *names);
void host_with_natives(struct core_host *host, const char *names);

/* Node "a", and native peers that have told that they hold nothing of ours. */
void host_init_settled(struct core_host *host, const char *names);

/* The trace since the last check is exactly `lines`, each ended with a newline. */
void check_trace(struct core_host *host, const char *lines, const char *file, int line);
#define CHECK_TRACE(host, lines) check_trace((host), (lines), __FILE__, __LINE__)
void host_forget_trace(struct core_host *host);

/* The view is exactly these nodes, in this order: "a b". */
void check_view(struct core_host *host, const char *names, const char *file, int line);
#define CHECK_VIEW(host, names) check_view((host), (names), __FILE__, __LINE__)

/* The number under `name` in the status map. */
uint64_t host_status(struct core_host *host, const char *name);

#endif /* NPRI_TESTS_CORE_HOST_H */
