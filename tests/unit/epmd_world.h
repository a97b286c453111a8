/* epmd_world.h - one loop, registrations, lookups and bare connections on it, over a port that was
 * free: what test_epmd.c and test_epmd_server.c share. */
#ifndef NPRI_TESTS_EPMD_WORLD_H
#define NPRI_TESTS_EPMD_WORLD_H

#include "base/bytes.h"
#include "node/epmd.h"

#define NS_PER_MS   UINT64_C(1000000)
#define WATCHDOG_NS (UINT64_C(60000) * NS_PER_MS)

/* Of the test that runs; it fails when that takes a minute. */
extern struct npri_loop *epmd_loop;

int epmd_loop_setup(void **state);
int epmd_loop_teardown(void **state);
#define EPMD_TEST(name) cmocka_unit_test_setup_teardown(name, epmd_loop_setup, epmd_loop_teardown)

/* A port for the whole program, as the environment is read once. */
int epmd_port_setup(void **state);

struct npr_node_name name_of(const char *text);

/* ---- A registration, and what became of it. */

struct known {
    struct npri_epmd_registration *registration;
    unsigned done;
    npr_status status;
    uint32_t creation;
    unsigned served;
    unsigned lost;
    unsigned found_again;
    const char *stop_at; /* ends the loop at this line of the log */
};

npr_status known_try(struct known *known, const char *node, uint16_t port);

/* Starts it and waits for its outcome. */
void known_start(struct known *known, const char *node, uint16_t port);
void known_stop(struct known *known);

/* ---- A lookup, and what became of it. */

struct asked {
    unsigned done;
    npr_status status;
    uint16_t port;
    struct npri_epmd_lookup *lookup;
};

void asked_done(void *user, npr_status status, uint16_t port, const struct npr_error *error);
struct asked ask_name_within(struct npr_node_name name, uint64_t wait_ms);
struct asked ask_within(const char *node, uint64_t wait_ms);
struct asked ask(const char *node);
void assert_known_at(const char *node, uint16_t port);

/* ---- One connection to epmd that sends what it is told. */

struct raw {
    struct npri_stream *stream;
    struct npri_buffer reply;
    bool opened;
    bool closed;
    size_t stop_at; /* ends the loop at so many bytes; 0: when closed */
};

void raw_open(struct raw *raw);
void raw_fini(struct raw *raw);

/* Asks for that name. */
void raw_alive(struct raw *raw, const char *name);

#endif /* NPRI_TESTS_EPMD_WORLD_H */
