#include "epmd_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/epmd.h"
#include "support/check.h"

struct npri_loop *epmd_loop;

static void watchdog_bites(void *user)
{
    (void)user;
    fail_msg("the test waited for something that did not come");
}

int epmd_loop_setup(void **state)
{
    struct npri_timer *watchdog;

    (void)state;
    assert_int_equal(npri_loop_create(&epmd_loop, NULL), NPR_OK);
    watchdog = npri_timer_create(epmd_loop, watchdog_bites, NULL);
    assert_non_null(watchdog);
    npri_timer_set(watchdog, npri_loop_now_ns(epmd_loop) + WATCHDOG_NS);
    return 0;
}

int epmd_loop_teardown(void **state)
{
    (void)state;
    npri_loop_destroy(epmd_loop);
    epmd_loop = NULL;
    return 0;
}

static void accepted_never(void *user, struct npri_stream *stream)
{
    (void)user;
    npri_stream_close(stream);
}

int epmd_port_setup(void **state)
{
    struct npri_listener *listener;
    char text[8];
    uint16_t port;

    assert_int_equal(epmd_loop_setup(state), 0);
    assert_int_equal(
        npri_listener_open(epmd_loop, "127.0.0.1", 0, accepted_never, NULL, &listener, &port, NULL),
        NPR_OK);
    assert_true(snprintf(text, sizeof(text), "%u", (unsigned)port) > 0);
    assert_int_equal(setenv("ERL_EPMD_PORT", text, 1), 0);
    assert_int_equal(unsetenv("ERL_EPMD_ADDRESS"), 0);
    assert_int_equal(npri_epmd_port(), port);
    return epmd_loop_teardown(state);
}

struct npr_node_name name_of(const char *text)
{
    struct npr_node_name name;

    assert_int_equal(npr_node_name_parse(npr_bytes_of(text), &name, NULL), NPR_OK);
    return name;
}

static void known_done(void *user,
                       npr_status status,
                       uint32_t creation,
                       const struct npr_error *error)
{
    struct known *known = user;

    known->done++;
    known->status = status;
    known->creation = creation;
    assert_true((status == NPR_OK) == (error == NULL));
    npri_loop_stop(epmd_loop);
}

static void known_log(void *user, const char *line)
{
    struct known *known = user;

    known->served += strncmp(line, "epmd_served ", 12) == 0;
    known->lost += strncmp(line, "epmd_lost ", 10) == 0;
    known->found_again += strncmp(line, "epmd_found_again ", 17) == 0;
    if (known->stop_at != NULL && strncmp(line, known->stop_at, strlen(known->stop_at)) == 0) {
        npri_loop_stop(epmd_loop);
    }
}

npr_status known_try(struct known *known, const char *node, uint16_t port)
{
    const struct npri_epmd_registration_options options = {
        .node = name_of(node), .port = port, .done = known_done, .log = known_log, .user = known};

    return npri_epmd_registration_start(epmd_loop, &options, &known->registration, NULL);
}

void known_start(struct known *known, const char *node, uint16_t port)
{
    *known = (struct known){0};
    assert_int_equal(known_try(known, node, port), NPR_OK);
    assert_int_equal(known->done, 0);
    while (known->done == 0) { /* Others may stop the loop, too. */
        npri_loop_run(epmd_loop);
    }
    assert_int_equal(known->done, 1);
}

void known_stop(struct known *known)
{
    npri_epmd_registration_stop(known->registration);
    known->registration = NULL;
}

void asked_done(void *user, npr_status status, uint16_t port, const struct npr_error *error)
{
    struct asked *asked = user;

    assert_int_equal(error->status, status);
    asked->done++;
    asked->status = status;
    asked->port = port;
    npri_loop_stop(epmd_loop);
}

struct asked ask_name_within(struct npr_node_name name, uint64_t wait_ms)
{
    struct asked asked = {0};

    assert_int_equal(npri_epmd_lookup_start(epmd_loop, &name,
                                            npri_loop_now_ns(epmd_loop) + wait_ms * NS_PER_MS,
                                            asked_done, &asked, &asked.lookup, NULL),
                     NPR_OK);
    assert_int_equal(asked.done, 0);
    while (asked.done == 0) { /* Others may stop the loop, too. */
        npri_loop_run(epmd_loop);
    }
    assert_int_equal(asked.done, 1);
    return asked;
}

struct asked ask_within(const char *node, uint64_t wait_ms)
{
    return ask_name_within(name_of(node), wait_ms);
}

struct asked ask(const char *node)
{
    return ask_within(node, 20000);
}

void assert_known_at(const char *node, uint16_t port)
{
    const struct asked asked = ask(node);

    assert_int_equal(asked.status, NPR_OK);
    assert_int_equal(asked.port, port);
}

static void raw_opened(void *user)
{
    struct raw *raw = user;

    raw->opened = true;
    npri_loop_stop(epmd_loop);
}

static void raw_received(void *user, struct npr_bytes bytes)
{
    struct raw *raw = user;

    npri_put_bytes(&raw->reply, bytes);
    if (raw->stop_at != 0 && raw->reply.size >= raw->stop_at) {
        npri_loop_stop(epmd_loop);
    }
}

static void raw_closed(void *user, const struct npr_error *error)
{
    struct raw *raw = user;

    (void)error;
    raw->closed = true;
    npri_loop_stop(epmd_loop);
}

static const struct npri_stream_events raw_events = {.opened = raw_opened,
                                                     .received = raw_received,
                                                     .closed = raw_closed};

void raw_open(struct raw *raw)
{
    *raw = (struct raw){0};
    assert_int_equal(npri_stream_connect(epmd_loop, "127.0.0.1", npri_epmd_port(),
                                         npri_loop_now_ns(epmd_loop) + WATCHDOG_NS, &raw_events,
                                         raw, &raw->stream, NULL),
                     NPR_OK);
    while (!raw->opened && !raw->closed) {
        npri_loop_run(epmd_loop);
    }
}

void raw_fini(struct raw *raw)
{
    npri_stream_close(raw->stream);
    npri_buffer_fini(&raw->reply);
}

void raw_alive(struct raw *raw, const char *name)
{
    const struct npri_epmd_request request = {.kind = NPRI_EPMD_ALIVE2,
                                              .name = npr_bytes_of(name),
                                              .port = 4000,
                                              .type = NPRI_EPMD_TYPE_VISIBLE,
                                              .version_high = 6,
                                              .version_low = 5};

    npri_epmd_write_request(&request, npri_stream_output(raw->stream));
}
