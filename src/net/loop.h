/* net/loop.h - the loop thread: tasks from other threads, timers, the clock (libuv).
 *
 * Threads: one thread runs the loop.  npri_loop_post() and npri_loop_now_ns() may be called from
 * any; everything else in src/net only from the loop thread, or before npri_loop_run(). */
#ifndef NPRI_NET_LOOP_H
#define NPRI_NET_LOOP_H

#include "nprocreg/types.h"

struct npri_loop;

NPR_NODISCARD npr_status npri_loop_create(struct npri_loop **out, struct npr_error *err);

/* Closes every handle that is left (streams get no callbacks any more) and frees the loop.  Not
 * while it runs, nor while another thread is inside npri_loop_post().  Tasks that have not run by
 * now are left to their owners.  Waits for a name lookup that is under way. */
void npri_loop_destroy(struct npri_loop *loop);

/* Runs until npri_loop_stop(), which the loop thread calls; the turn that stops it is finished.
 * May be called again.  SIGPIPE is blocked in this thread meanwhile. */
void npri_loop_run(struct npri_loop *loop);
void npri_loop_stop(struct npri_loop *loop);

/* Work for the loop thread, from any thread.  The caller owns the task until it runs, and again
 * from then on; it is run once, in the order of posting (per poster).  Needs no memory; never
 * blocks. */
struct npri_task {
    struct npri_task *next; /* private while posted */
    void (*run)(struct npri_task *task);
};
void npri_loop_post(struct npri_loop *loop, struct npri_task *task);

/* Called once at the end of every turn of the loop in which anything ran: the place to flush.  What
 * it appends to streams is written in the same turn. */
void npri_loop_on_turn_end(struct npri_loop *loop, void (*run)(void *user), void *user);

/* Monotonic, also while the machine is suspended; read anew each time. */
uint64_t npri_loop_now_ns(const struct npri_loop *loop);

/* A one-shot timer.  `set` replaces the deadline (UINT64_MAX: none); it fires once, then is unset.
 * It fires never before its deadline, and some milliseconds after it at the most while the loop is
 * not busy.  `create` returns NULL when out of memory. */
struct npri_timer;
struct npri_timer *npri_timer_create(struct npri_loop *loop, void (*fire)(void *user), void *user);
void npri_timer_set(struct npri_timer *timer, uint64_t deadline_ns);
void npri_timer_destroy(struct npri_timer *timer); /* also inside its own callback; accepts NULL */

#endif /* NPRI_NET_LOOP_H */
