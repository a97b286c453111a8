/* A runtime with everything around it that a test looks at: what services and other nodes get, what
 * is logged, and processes that do as they are told.
 *
 * Waits end when what is waited for has happened; a deadline only turns a hang into a failure. */
#ifndef NPRI_RUNTIME_WORLD_H
#define NPRI_RUNTIME_WORLD_H

#include <pthread.h>
#include <string.h>

#include "runtime/runtime.h"
#include "runtime/words.h"
#include "support/check.h"

/* Thread processes that a world has room for. */
#define WORLD_THREADS_MAX 16

/* Signals in the order of their coming. */
struct world_queue {
    struct npri_signal *first;
    struct npri_signal **end;
    size_t count;
};

struct world {
    struct npri_runtime *runtime;
    struct npr_pid probe; /* a service: its signals go to `probed` */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct world_queue probed;
    struct world_queue routed;  /* for other nodes */
    struct world_queue aliased; /* for references of ours */
    struct world_queue crashes; /* payload: the reason; to: the pid */
    struct world_queue started; /* to: the pid; id: -status; payload: the reason */
    struct world_queue handed;  /* to: the pid; id: -status; payload: the state; from: arguments */
    struct world_queue wanted;  /* to: the pid */
    size_t ended;               /* how often options.ended was called; under the mutex */
    struct npr_builder *terms[128];
    size_t terms_count;
};

void world_open(struct world *world, unsigned workers);
/* What is sent to a process that has lost a conflict is forwarded for `redirect_ms`; else it is as
 * long as a test can take. */
void world_open_with(struct world *world, unsigned workers, uint32_t redirect_ms);
void world_close(struct world *world); /* stops the runtime, unless stopped */

/* ---- Terms, which live until world_close(). */
struct npr_term world_atom(struct world *world, const char *text);
struct npr_term world_int(struct world *world, int64_t value);
struct npr_term world_pid(struct world *world, const struct npr_pid *pid);
struct npr_term world_ref(struct world *world, const struct npr_ref *ref);
struct npr_term world_tuple(struct world *world, uint32_t arity, const struct npr_term *parts);
#define WORLD_TUPLE(world, ...)                                                                    \
    world_tuple((world),                                                                           \
                (uint32_t)(sizeof((struct npr_term[]){__VA_ARGS__}) / sizeof(struct npr_term)),    \
                (struct npr_term[]){__VA_ARGS__})
struct npr_term world_cons(struct world *world, struct npr_term head, struct npr_term tail);

/* A pid of another node. */
struct npr_pid world_remote_pid(const char *node, uint32_t id);

/* ---- Signals. */

/* The next one; fails the case when none comes.  The caller destroys it. */
struct npri_signal *world_take(struct world *world, struct world_queue *queue);
size_t world_count(struct world *world, struct world_queue *queue);

/* Takes the next one of `queue`, which must be of that kind, with these terms (none: not looked
 * at). */
void world_expect(struct world *world,
                  struct world_queue *queue,
                  enum npri_signal_kind kind,
                  struct npr_term from,
                  struct npr_term payload);

void world_deliver(struct world *world, const struct npri_signal *draft);
void world_send(struct world *world, const struct npr_pid *to, struct npr_term message);

/* ---- Puppets: processes that do `deed`s, send {info,Message} for each message, and
 * {terminate,Reason} at their end, to the probe. */

enum world_deed_kind {
    WORLD_NOTHING, /* when it returns, all that was sent before has been acted on */
    WORLD_LINK,
    WORLD_UNLINK,
    WORLD_MONITOR,
    WORLD_DEMONITOR,
    WORLD_EXIT,
    WORLD_SEND,
    WORLD_TRAP,
    WORLD_STOP,
    WORLD_FAIL, /* the callback returns deed->result */
};

struct world_deed {
    enum world_deed_kind kind;
    struct npr_pid pid;
    struct npr_ref ref; /* of DEMONITOR; set by MONITOR */
    struct npr_term term;
    uint64_t fail_after; /* which allocation of the deed fails, and all after it; 0: none */
    npr_status result;
    bool done;
};

extern const struct npr_behaviour world_puppet_behaviour;
struct npr_pid world_puppet(struct world *world);
struct npr_pid world_puppet_with(struct world *world, const struct npri_spawn *spawn);

/* Done by the puppet when it returns; fails the case if the puppet is dead. */
npr_status world_do(struct world *world, const struct npr_pid *puppet, struct world_deed *deed);

/* world_do() of a deed with a pid, which must succeed. */
void world_do_pid(struct world *world,
                  const struct npr_pid *puppet,
                  enum world_deed_kind kind,
                  const struct npr_pid *pid);
void world_do_term(struct world *world,
                   const struct npr_pid *puppet,
                   enum world_deed_kind kind,
                   struct npr_term term);
void world_settle(struct world *world, const struct npr_pid *puppet);

/* Waits until options.ended has been called `count` times in all. */
void world_await_ended(struct world *world, size_t count);

/* Makes the probe monitor a process, and waits for its end: the reason, until world_close(). */
struct npr_term world_await_end(struct world *world, const struct npr_pid *pid);
struct npr_term world_watch(struct world *world, const struct npr_pid *pid);

#endif /* NPRI_RUNTIME_WORLD_H */
