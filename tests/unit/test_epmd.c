/* node/epmd.h: server, registrations and lookups on one loop, over a port that was free. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "dist/epmd.h"
#include "node/epmd.h"
#include "support/check.h"

#define NS_PER_MS   UINT64_C(1000000)
#define WATCHDOG_NS (UINT64_C(60000) * NS_PER_MS)

static struct npri_loop *loop;

static void watchdog_bites(void *user)
{
    (void)user;
    fail_msg("the test waited for something that did not come");
}

static int loop_setup(void **state)
{
    struct npri_timer *watchdog;

    (void)state;
    assert_int_equal(npri_loop_create(&loop, NULL), NPR_OK);
    watchdog = npri_timer_create(loop, watchdog_bites, NULL);
    assert_non_null(watchdog);
    npri_timer_set(watchdog, npri_loop_now_ns(loop) + WATCHDOG_NS);
    return 0;
}

static int loop_teardown(void **state)
{
    (void)state;
    npri_loop_destroy(loop);
    loop = NULL;
    return 0;
}

static void accepted_never(void *user, struct npri_stream *stream)
{
    (void)user;
    npri_stream_close(stream);
}

/* A port for the whole program, as the environment is read once. */
static int port_setup(void **state)
{
    struct npri_listener *listener;
    char text[8];
    uint16_t port;

    assert_int_equal(loop_setup(state), 0);
    assert_int_equal(
        npri_listener_open(loop, "127.0.0.1", 0, accepted_never, NULL, &listener, &port, NULL),
        NPR_OK);
    assert_true(snprintf(text, sizeof(text), "%u", (unsigned)port) > 0);
    assert_int_equal(setenv("ERL_EPMD_PORT", text, 1), 0);
    assert_int_equal(unsetenv("ERL_EPMD_ADDRESS"), 0);
    assert_int_equal(npri_epmd_port(), port);
    return loop_teardown(state);
}

static struct npr_node_name name_of(const char *text)
{
    struct npr_node_name name;

    assert_int_equal(npr_node_name_parse(npr_bytes_of(text), &name, NULL), NPR_OK);
    return name;
}

/* ---- What is started, and what became of it. */

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
    npri_loop_stop(loop);
}

static void known_log(void *user, const char *line)
{
    struct known *known = user;

    known->served += strncmp(line, "epmd_served ", 12) == 0;
    known->lost += strncmp(line, "epmd_lost ", 10) == 0;
    known->found_again += strncmp(line, "epmd_found_again ", 17) == 0;
    if (known->stop_at != NULL && strncmp(line, known->stop_at, strlen(known->stop_at)) == 0) {
        npri_loop_stop(loop);
    }
}

static npr_status known_try(struct known *known, const char *node, uint16_t port)
{
    const struct npri_epmd_registration_options options = {
        .node = name_of(node), .port = port, .done = known_done, .log = known_log, .user = known};

    return npri_epmd_registration_start(loop, &options, &known->registration, NULL);
}

/* Starts a registration and waits for its outcome. */
static void known_start(struct known *known, const char *node, uint16_t port)
{
    *known = (struct known){0};
    assert_int_equal(known_try(known, node, port), NPR_OK);
    assert_int_equal(known->done, 0);
    while (known->done == 0) { /* Others may stop the loop, too. */
        npri_loop_run(loop);
    }
    assert_int_equal(known->done, 1);
}

static void known_stop(struct known *known)
{
    npri_epmd_registration_stop(known->registration);
    known->registration = NULL;
}

struct asked {
    unsigned done;
    npr_status status;
    uint16_t port;
    struct npri_epmd_lookup *lookup;
};

static void asked_done(void *user, npr_status status, uint16_t port, const struct npr_error *error)
{
    struct asked *asked = user;

    assert_int_equal(error->status, status);
    asked->done++;
    asked->status = status;
    asked->port = port;
    npri_loop_stop(loop);
}

static struct asked ask_name_within(struct npr_node_name name, uint64_t wait_ms)
{
    struct asked asked = {0};

    assert_int_equal(npri_epmd_lookup_start(loop, &name,
                                            npri_loop_now_ns(loop) + wait_ms * NS_PER_MS,
                                            asked_done, &asked, &asked.lookup, NULL),
                     NPR_OK);
    assert_int_equal(asked.done, 0);
    while (asked.done == 0) { /* Others may stop the loop, too. */
        npri_loop_run(loop);
    }
    assert_int_equal(asked.done, 1);
    return asked;
}

static struct asked ask_within(const char *node, uint64_t wait_ms)
{
    return ask_name_within(name_of(node), wait_ms);
}

static struct asked ask(const char *node)
{
    return ask_within(node, 20000);
}

static void assert_known_at(const char *node, uint16_t port)
{
    const struct asked asked = ask(node);

    assert_int_equal(asked.status, NPR_OK);
    assert_int_equal(asked.port, port);
}

/* One connection to epmd that sends what it is told. */
struct raw {
    struct npri_stream *stream;
    struct npri_buffer reply;
    bool opened;
    bool closed;
    size_t stop_at; /* ends the loop at so many bytes; 0: when closed */
};

static void raw_opened(void *user)
{
    struct raw *raw = user;

    raw->opened = true;
    npri_loop_stop(loop);
}

static void raw_received(void *user, struct npr_bytes bytes)
{
    struct raw *raw = user;

    npri_put_bytes(&raw->reply, bytes);
    if (raw->stop_at != 0 && raw->reply.size >= raw->stop_at) {
        npri_loop_stop(loop);
    }
}

static void raw_closed(void *user, const struct npr_error *error)
{
    struct raw *raw = user;

    (void)error;
    raw->closed = true;
    npri_loop_stop(loop);
}

static const struct npri_stream_events raw_events = {.opened = raw_opened,
                                                     .received = raw_received,
                                                     .closed = raw_closed};

static void raw_open(struct raw *raw)
{
    *raw = (struct raw){0};
    assert_int_equal(npri_stream_connect(loop, "127.0.0.1", npri_epmd_port(),
                                         npri_loop_now_ns(loop) + WATCHDOG_NS, &raw_events, raw,
                                         &raw->stream, NULL),
                     NPR_OK);
    while (!raw->opened && !raw->closed) {
        npri_loop_run(loop);
    }
}

static void raw_fini(struct raw *raw)
{
    npri_stream_close(raw->stream);
    npri_buffer_fini(&raw->reply);
}

/* Sends `hex` and compares all that comes back until the server hangs up. */
static void assert_answer(const char *hex, const char *answer, size_t answer_size)
{
    uint8_t request[2048];
    struct raw raw;

    raw_open(&raw);
    npri_put_bytes(npri_stream_output(raw.stream),
                   npri_bytes(request, check_unhex(hex, request, sizeof(request))));
    while (!raw.closed) {
        npri_loop_run(loop);
    }
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&raw.reply), npri_bytes(answer, answer_size));
    raw_fini(&raw);
}

static void raw_alive(struct raw *raw, const char *name)
{
    const struct npri_epmd_request request = {.kind = NPRI_EPMD_ALIVE2,
                                              .name = npr_bytes_of(name),
                                              .port = 4000,
                                              .type = NPRI_EPMD_TYPE_VISIBLE,
                                              .version_high = 6,
                                              .version_low = 5};

    npri_epmd_write_request(&request, npri_stream_output(raw->stream));
}

/* ---- Being known. */

/* No epmd anywhere: the first node serves, and finds itself; an unknown name is "not found", which
 * must not be taken for "no epmd there". */
static void the_first_node_serves(void **state)
{
    struct known a;

    (void)state;
    assert_int_equal(ask("a@127.0.0.1").status, NPR_EUNREACHABLE);
    known_start(&a, "a@127.0.0.1", 5001);
    assert_int_equal(a.status, NPR_OK);
    assert_true(a.creation > 3);
    assert_int_equal(a.served, 1);
    assert_known_at("a@127.0.0.1", 5001);
    assert_known_at("a@localhost", 5001);
    assert_int_equal(ask("b@127.0.0.1").status, NPR_ENOTFOUND);
    known_stop(&a);
    assert_int_equal(ask("a@127.0.0.1").status, NPR_EUNREACHABLE);
}

/* The second one must not serve beside the first, gets another creation, and may not take a name
 * whose holder is connected; when that one has gone, it may. */
static void a_name_belongs_to_its_holder(void **state)
{
    struct known a;
    struct known b;
    struct known thief;

    (void)state;
    known_start(&a, "a@127.0.0.1", 5001);
    known_start(&b, "b@127.0.0.1", 5002);
    assert_int_equal(b.status, NPR_OK);
    assert_int_equal(b.served, 0);
    assert_int_not_equal(b.creation, a.creation);
    known_start(&thief, "b@127.0.0.1", 6666);
    assert_int_equal(thief.status, NPR_EEXIST);
    known_stop(&thief);
    assert_known_at("b@127.0.0.1", 5002);

    known_stop(&b);
    while (ask("b@127.0.0.1").status == NPR_OK) {
        /* Until the server has seen it go. */
    }
    known_start(&thief, "b@127.0.0.1", 5003);
    assert_int_equal(thief.status, NPR_OK);
    assert_int_not_equal(thief.creation, b.creation);
    assert_known_at("b@127.0.0.1", 5003);
    known_stop(&thief);
    known_stop(&a);
}

/* When the serving node goes, one of the others serves and all of them are known again, with the
 * creation that they had: `done` must not come a second time. */
static void names_survive_the_node_that_served(void **state)
{
    struct known nodes[4];
    unsigned served = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char name[] = "n?@127.0.0.1";

        name[1] = (char)('0' + i);
        known_start(&nodes[i], name, (uint16_t)(5000 + i));
        assert_int_equal(nodes[i].status, NPR_OK);
        nodes[i].stop_at = "epmd_found_again";
    }
    for (unsigned round = 0; round < 2; round++) {
        size_t server = 0;

        while (nodes[server].registration == NULL || nodes[server].served == 0) {
            server++;
        }
        known_stop(&nodes[server]);
        for (size_t i = 0; i < 4; i++) {
            while (nodes[i].registration != NULL && nodes[i].found_again <= round) {
                npri_loop_run(loop);
            }
        }
    }
    for (size_t i = 0; i < 4; i++) {
        char name[] = "n?@127.0.0.1";

        name[1] = (char)('0' + i);
        served += nodes[i].served;
        assert_int_equal(nodes[i].done, 1);
        if (nodes[i].registration == NULL) {
            assert_int_equal(ask(name).status, NPR_ENOTFOUND);
        } else {
            assert_known_at(name, (uint16_t)(5000 + i));
            assert_int_equal(nodes[i].lost, 2);
        }
    }
    assert_int_equal(served, 3);
    for (size_t i = 0; i < 4; i++) { /* only now: one of them serves the others' answers */
        known_stop(&nodes[i]);
    }
}

/* Another takes the name while nobody serves: that must neither be told as `done` nor be the end;
 * the name comes back when it is free. */
static void a_name_stolen_in_between_is_asked_for_until_it_is_free(void **state)
{
    struct npri_epmd_server *server;
    struct known b;
    struct raw thief;

    (void)state;
    assert_int_equal(npri_epmd_server_open(loop, &server, NULL), NPR_OK);
    known_start(&b, "b@127.0.0.1", 5002);
    npri_epmd_server_close(server);
    assert_int_equal(npri_epmd_server_open(loop, &server, NULL), NPR_OK);
    raw_open(&thief);
    thief.stop_at = 6;
    raw_alive(&thief, "b");
    npri_loop_run(loop);
    assert_int_equal(thief.reply.data[1], 0);
    assert_known_at("b@127.0.0.1", 4000);
    b.stop_at = "epmd_name_taken";
    npri_loop_run(loop);
    assert_int_equal(b.lost, 1);
    raw_fini(&thief);
    b.stop_at = "epmd_found_again";
    npri_loop_run(loop);
    assert_int_equal(b.done, 1);
    assert_int_equal(b.lost, 1);
    assert_int_equal(b.served, 0);
    assert_known_at("b@127.0.0.1", 5002);
    known_stop(&b);
    npri_epmd_server_close(server);
}

/* ---- The server's words.  The expected bytes are what epmd of OTP 25 answered. */

static void answers_are_those_of_epmd(void **state)
{
    static const char port_reply[] = "w\0\x13\x89\x48\0\0\x06\0\x06\0\x01"
                                     "a\0";
    char names[64];
    char dump[96];
    const unsigned port = npri_epmd_port();
    struct known a;
    int size;

    (void)state;
    known_start(&a, "a@127.0.0.1", 5001);
    assert_answer("00027a61", port_reply, sizeof(port_reply));
    assert_answer("00027a62", "w\x01", 2);
    size = snprintf(names, sizeof(names), "%c%c%c%cname a at port 5001\n", 0, 0, (int)(port >> 8),
                    (int)(port & 0xff));
    assert_answer("00016e", names, (size_t)size);
    size = snprintf(dump, sizeof(dump), "%c%c%c%cactive name     <a> at port 5001, fd = 1\n", 0, 0,
                    (int)(port >> 8), (int)(port & 0xff));
    assert_answer("000164", dump, (size_t)size + 1);
    assert_answer("00016b", "NO", 2); /* kill */
    assert_answer("00027361", "", 0); /* stop */
    assert_known_at("a@127.0.0.1", 5001);
    known_stop(&a);
}

/* Bytes that no request begins with, lengths that promise too much: hung up on, and the next one is
 * served as before. */
static void nonsense_is_hung_up_on(void **state)
{
    struct npri_epmd_server *server;

    (void)state;
    assert_int_equal(npri_epmd_server_open(loop, &server, NULL), NPR_OK);
    assert_answer("0000", "", 0);
    assert_answer("ffff78", "", 0);
    assert_answer("0401", "", 0);
    assert_answer("000100", "", 0);
    assert_answer("474554202f", "", 0); /* "GET /" */
    assert_answer("000378000a", "", 0);
    assert_answer("00017a", "", 0);
    assert_int_equal(ask("a@127.0.0.1").status, NPR_ENOTFOUND);
    npri_epmd_server_close(server);
}

struct drip {
    struct raw raw;
    struct npri_buffer bytes;
    size_t sent;
    struct npri_timer *timer;
};

static void drip_next(void *user)
{
    struct drip *drip = user;

    npri_put_u8(npri_stream_output(drip->raw.stream), drip->bytes.data[drip->sent++]);
    if (drip->sent < drip->bytes.size) {
        npri_timer_set(drip->timer, npri_loop_now_ns(loop) + NS_PER_MS);
    }
}

/* A request may come byte by byte, and what follows a registration does not cost the name. */
static void a_request_may_come_in_pieces(void **state)
{
    struct npri_epmd_server *server;
    struct drip drip = {0};

    (void)state;
    assert_int_equal(npri_epmd_server_open(loop, &server, NULL), NPR_OK);
    raw_open(&drip.raw);
    raw_alive(&drip.raw, "slow");
    drip.bytes = *npri_stream_output(drip.raw.stream); /* Not yet sent: take it back. */
    *npri_stream_output(drip.raw.stream) = (struct npri_buffer){0};
    drip.timer = npri_timer_create(loop, drip_next, &drip);
    npri_timer_set(drip.timer, 0);
    drip.raw.stop_at = 6;
    npri_loop_run(loop);
    assert_int_equal(drip.sent, drip.bytes.size);
    assert_int_equal(drip.raw.reply.data[1], 0);
    npri_put_bytes(npri_stream_output(drip.raw.stream), npr_bytes_of("and more"));
    assert_known_at("slow@127.0.0.1", 4000);
    assert_false(drip.raw.closed);
    npri_buffer_fini(&drip.bytes);
    raw_fini(&drip.raw);
    npri_epmd_server_close(server);
}

#define MANY 900u

/* Room for `count` connections, both ends of which are in here.  False: not on this machine. */
static bool descriptors_raise(size_t count, struct rlimit *out_old)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, out_old), 0);
    limit = *out_old;
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    return limit.rlim_cur >= 2 * count + 100 && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* A list longer than what is sent in one go must arrive whole before the server hangs up. */
static void a_long_list_of_names_arrives_whole(void **state)
{
    struct npri_epmd_server *server;
    struct rlimit old;
    struct raw *many;
    char name[256];
    struct raw list;

    (void)state;
    if (!descriptors_raise(MANY, &old)) {
        skip();
    }
    many = calloc(MANY, sizeof(*many));
    assert_non_null(many);
    memset(name, 'x', 255);
    name[255] = '\0';
    assert_int_equal(npri_epmd_server_open(loop, &server, NULL), NPR_OK);
    for (size_t i = 0; i < MANY; i++) {
        name[0] = (char)('A' + i / 32);
        name[1] = (char)('A' + i % 32);
        raw_open(&many[i]);
        many[i].stop_at = 6;
        raw_alive(&many[i], name);
        npri_loop_run(loop);
        assert_int_equal(many[i].reply.data[1], 0);
    }
    raw_open(&list);
    npri_put_bytes(npri_stream_output(list.stream), npri_bytes("\0\1n", 3));
    npri_loop_run(loop);
    assert_true(list.closed);
    assert_int_equal(list.reply.size, 4 + MANY * (strlen("name  at port 4000\n") + 255));
    raw_fini(&list);
    for (size_t i = 0; i < MANY; i++) {
        raw_fini(&many[i]);
    }
    free(many);
    npri_epmd_server_close(server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

#define IDLE 1030u

/* Connections that ask nothing must not keep a node from registering: beyond the limit the oldest
 * of them goes, and a registered one never. */
static void idle_connections_make_room(void **state)
{
    struct rlimit old;
    struct known a;
    struct known b;
    struct raw *idle;

    (void)state;
    if (!descriptors_raise(IDLE, &old)) {
        skip();
    }
    idle = calloc(IDLE, sizeof(*idle));
    assert_non_null(idle);
    known_start(&a, "a@127.0.0.1", 5001);
    for (size_t i = 0; i < IDLE; i++) {
        raw_open(&idle[i]);
    }
    while (!idle[3].closed) {
        npri_loop_run(loop);
    }
    known_start(&b, "b@127.0.0.1", 5002);
    assert_int_equal(b.status, NPR_OK);
    assert_known_at("a@127.0.0.1", 5001);
    assert_known_at("b@127.0.0.1", 5002);
    assert_int_equal(a.lost, 0);
    assert_false(idle[IDLE - 1].closed);
    known_stop(&b);
    known_stop(&a);
    for (size_t i = 0; i < IDLE; i++) {
        raw_fini(&idle[i]);
    }
    free(idle);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* ---- Asking someone who is not epmd. */

static const char *impostor_says;

static void impostor_received(void *user, struct npr_bytes bytes)
{
    struct npri_stream **stream = user;

    (void)bytes;
    if (impostor_says != NULL) {
        npri_put_bytes(npri_stream_output(*stream), npr_bytes_of(impostor_says));
        npri_stream_close(*stream);
        *stream = NULL;
    }
}

static void impostor_closed(void *user, const struct npr_error *error)
{
    struct npri_stream **stream = user;

    (void)error;
    npri_stream_close(*stream);
    *stream = NULL;
}

static void impostor_accepted(void *user, struct npri_stream *stream)
{
    static const struct npri_stream_events events = {.received = impostor_received,
                                                     .closed = impostor_closed};

    *(struct npri_stream **)user = stream;
    npri_stream_set_events(stream, &events, user);
}

/* Each way of not answering is told apart; a silent one costs the caller's time and no more. */
static void a_bad_answer_is_not_a_port(void **state)
{
    struct npri_stream *stream = NULL;
    struct npri_listener *listener;
    struct known a;
    uint16_t port;

    (void)state;
    assert_int_equal(npri_listener_open(loop, "127.0.0.1", npri_epmd_port(), impostor_accepted,
                                        &stream, &listener, &port, NULL),
                     NPR_OK);
    impostor_says = "";
    assert_int_equal(ask("a@127.0.0.1").status, NPR_EPROTO);
    impostor_says = "SSH-2.0";
    assert_int_equal(ask("a@127.0.0.1").status, NPR_EPROTO);
    known_start(&a, "a@127.0.0.1", 5001);
    assert_int_equal(a.status, NPR_EPROTO);
    assert_int_equal(a.served, 0);
    known_stop(&a);
    impostor_says = NULL;
    assert_int_equal(ask_within("a@127.0.0.1", 30).status, NPR_ETIMEDOUT);
    npri_stream_close(stream);
    npri_listener_close(listener);
}

/* A cancelled lookup says nothing, also when its answer is on the way already. */
static void a_cancelled_lookup_is_silent(void **state)
{
    const struct npr_node_name name = name_of("a@127.0.0.1");
    struct asked asked = {0};
    struct known a;

    (void)state;
    known_start(&a, "a@127.0.0.1", 5001);
    assert_int_equal(npri_epmd_lookup_start(loop, &name, npri_loop_now_ns(loop) + WATCHDOG_NS,
                                            asked_done, &asked, &asked.lookup, NULL),
                     NPR_OK);
    npri_epmd_lookup_cancel(asked.lookup);
    npri_epmd_lookup_cancel(NULL);
    assert_known_at("a@127.0.0.1", 5001);
    assert_int_equal(asked.done, 0);
    known_stop(&a);
}

/* A host that nobody can resolve, or that cannot even be asked for, is told as unreachable: not
 * from inside the call, and not at the deadline only. */
static void a_host_that_is_none_is_unreachable(void **state)
{
    const struct npr_node_name no_host = {.size = 1, .text = "a"};
    const uint64_t start_ns = npri_loop_now_ns(loop);

    (void)state;
    assert_int_equal(ask("a@-.-.256.1").status, NPR_EUNREACHABLE);
    assert_int_equal(ask_name_within(no_host, 20000).status, NPR_EUNREACHABLE);
    assert_true(npri_loop_now_ns(loop) - start_ns < 15000 * NS_PER_MS);
}

/* ---- Out of memory. */

static bool sweep_once(uint64_t count)
{
    const struct npr_node_name name = name_of("a@127.0.0.1");
    struct asked asked = {0};
    struct known a = {0};

    npri_alloc_fail_after(count);
    if (known_try(&a, "a@127.0.0.1", 5001) == NPR_OK) {
        while (a.done == 0) {
            npri_loop_run(loop);
        }
        if (a.status == NPR_OK &&
            npri_epmd_lookup_start(loop, &name, npri_loop_now_ns(loop) + WATCHDOG_NS, asked_done,
                                   &asked, &asked.lookup, NULL) == NPR_OK) {
            while (asked.done == 0) {
                npri_loop_run(loop);
            }
        }
    } else {
        assert_null(a.registration);
    }
    npri_alloc_fail_after(0);
    known_stop(&a);
    return asked.status == NPR_OK && asked.done == 1;
}

/* Whichever allocation fails: an answer comes, and nothing leaks. */
static void every_allocation_may_fail(void **state)
{
    uint64_t count = 1;

    (void)state;
    while (!sweep_once(count)) {
        assert_true(++count < 200);
    }
    assert_true(count > 15);
}

#define EPMD_TEST(name) cmocka_unit_test_setup_teardown(name, loop_setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPMD_TEST(the_first_node_serves),
        EPMD_TEST(a_name_belongs_to_its_holder),
        EPMD_TEST(names_survive_the_node_that_served),
        EPMD_TEST(a_name_stolen_in_between_is_asked_for_until_it_is_free),
        EPMD_TEST(answers_are_those_of_epmd),
        EPMD_TEST(nonsense_is_hung_up_on),
        EPMD_TEST(a_request_may_come_in_pieces),
        EPMD_TEST(a_long_list_of_names_arrives_whole),
        EPMD_TEST(idle_connections_make_room),
        EPMD_TEST(a_bad_answer_is_not_a_port),
        EPMD_TEST(a_cancelled_lookup_is_silent),
        EPMD_TEST(a_host_that_is_none_is_unreachable),
        EPMD_TEST(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, port_setup, NULL);
}
