/* Nodes' connections on one loop, over real sockets, and peers made by hand: what
 * test_connections.c and test_connections_faults.c share. */
#ifndef NPRI_TESTS_CONNECTIONS_WORLD_H
#define NPRI_TESTS_CONNECTIONS_WORLD_H

#include <pthread.h>

#include "dist/handshake.h"
#include "node/connections.h"

#define SIDES_MAX    3
#define NS_PER_MS    UINT64_C(1000000)
#define WORLD_COOKIE "sekret"

struct world;

/* One node, and what it was told. */
struct side {
    struct world *world;
    struct npri_connections *connections; /* NULL: closed */
    struct npr_node_name name;
    uint16_t port;

    unsigned ups;
    unsigned downs;          /* of connections that were up */
    unsigned failures;       /* of attempts */
    struct npr_error reason; /* of the last of either */
    struct npri_peer peer;   /* of the last `up` */
    unsigned received;       /* messages; world_check_order() holds them to their numbers */
    unsigned undelivered;    /* likewise */
    size_t received_bytes;
    unsigned disorder; /* messages that were not the next */
    unsigned lines;    /* in the log */
    unsigned warnings;
    char warning[1024]; /* the last one */

    /* What it does inside a callback, once; NULL: nothing. */
    void (*inside_up)(struct side *side);
    void (*inside_down)(struct side *side);
    void (*inside_received)(struct side *side);
    void (*inside_undelivered)(struct side *side);
};

struct world {
    struct npri_loop *loop;
    struct npri_timer *guard; /* ends a run that never gets what it wants */
    bool late;
    bool stopped; /* the run: not to be stopped again, which would end the next one */
    struct npri_timer *wait;
    bool waited;
    bool (*wanted)(struct world *world);
    void (*each_turn)(struct world *world); /* NULL: nothing */
    unsigned turns;                         /* since world_run() */
    struct side sides[SIDES_MAX];
};

void world_open(struct world *world);
void world_close(struct world *world);

/* Options that fit the tests: short times, but none that a slow machine would miss. */
struct npri_connections_options world_options(struct side *side, const char *name);

/* Opens a side, listening on a free port of 127.0.0.1. */
void side_open(struct side *side, const struct npri_connections_options *options);
void side_close(struct side *side);

/* Opens sides[0] as a@127.0.0.1 and sides[1] as b@127.0.0.1, each knowing the other's port. */
void world_open_pair(struct world *world);
void side_knows(struct side *side, const struct side *other);

/* Sends message `number` with a payload of `bytes`; what npri_connections_send() says. */
bool side_send(struct side *side, const struct npr_node_name *to, unsigned number, size_t bytes);

/* Runs the loop until `wanted`; false when that does not come within 20 s. */
bool world_run(struct world *world, bool (*wanted)(struct world *world));

/* Runs it for a time. */
void world_wait(struct world *world, uint64_t ns);

/* ---- Peers made by hand, with blocking sockets. */

/* Connects to a port of 127.0.0.1. */
int raw_connect(uint16_t port);

/* Connects to `target` and shakes hands as `name`, in a thread of its own, while the loop runs. */
struct raw_peer {
    const struct side *target;
    struct npri_handshake_options options;
    bool insist; /* on being let in, when told that the name is connected */
    pthread_t thread;
    /* After raw_peer_join(). */
    int fd;
    bool done; /* the handshake */
};
void raw_peer_start(struct raw_peer *peer,
                    const struct side *target,
                    const char *name,
                    const char *cookie);
void raw_peer_run_again(struct raw_peer *peer, bool insist); /* after raw_peer_join() */
void raw_peer_join(struct raw_peer *peer);

/* Drives a handshake on a blocking socket to its end; true when DONE.  An acceptor's verdict is
 * given when it is asked for. */
bool raw_handshake(int fd, struct npri_handshake *handshake, enum npri_verdict verdict);
struct npri_handshake_options raw_options(const char *name, const char *cookie);

void raw_write(int fd, const void *data, size_t size);

/* Whether the other side has closed, within 5 s; what it wrote before is skipped. */
bool raw_sees_end(int fd);

/* Whether something can be read from it, or its end, now; and runs the loop until then. */
bool raw_is_readable(int fd);
void world_wait_readable(struct world *world, int fd);

/* A listening socket on a free port of 127.0.0.1. */
int raw_listen(uint16_t *out_port);

struct npr_node_name name_of(const char *text);

#endif /* NPRI_TESTS_CONNECTIONS_WORLD_H */
