/* node/epmd.h: the server, seen by those who speak to it.  The expected bytes are what epmd of OTP
 * 25 answered. */
#include "epmd_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support/check.h"

/* Sends `hex` and compares all that comes back until the server hangs up. */
static void assert_answer(const char *hex, const char *answer, size_t answer_size)
{
    uint8_t request[2048];
    struct raw raw;

    raw_open(&raw);
    npri_put_bytes(npri_stream_output(raw.stream),
                   npri_bytes(request, check_unhex(hex, request, sizeof(request))));
    while (!raw.closed) {
        npri_loop_run(epmd_loop);
    }
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&raw.reply), npri_bytes(answer, answer_size));
    raw_fini(&raw);
}

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
    assert_int_equal(npri_epmd_server_open(epmd_loop, &server, NULL), NPR_OK);
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
        npri_timer_set(drip->timer, npri_loop_now_ns(epmd_loop) + NS_PER_MS);
    }
}

/* A request may come byte by byte, and what follows a registration does not cost the name. */
static void a_request_may_come_in_pieces(void **state)
{
    struct npri_epmd_server *server;
    struct drip drip = {0};

    (void)state;
    assert_int_equal(npri_epmd_server_open(epmd_loop, &server, NULL), NPR_OK);
    raw_open(&drip.raw);
    raw_alive(&drip.raw, "slow");
    drip.bytes = *npri_stream_output(drip.raw.stream); /* Not yet sent: take it back. */
    *npri_stream_output(drip.raw.stream) = (struct npri_buffer){0};
    drip.timer = npri_timer_create(epmd_loop, drip_next, &drip);
    npri_timer_set(drip.timer, 0);
    drip.raw.stop_at = 6;
    npri_loop_run(epmd_loop);
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
    assert_int_equal(npri_epmd_server_open(epmd_loop, &server, NULL), NPR_OK);
    for (size_t i = 0; i < MANY; i++) {
        name[0] = (char)('A' + i / 32);
        name[1] = (char)('A' + i % 32);
        raw_open(&many[i]);
        many[i].stop_at = 6;
        raw_alive(&many[i], name);
        npri_loop_run(epmd_loop);
        assert_int_equal(many[i].reply.data[1], 0);
    }
    raw_open(&list);
    npri_put_bytes(npri_stream_output(list.stream), npri_bytes("\0\1n", 3));
    npri_loop_run(epmd_loop);
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
        npri_loop_run(epmd_loop);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPMD_TEST(answers_are_those_of_epmd),    EPMD_TEST(nonsense_is_hung_up_on),
        EPMD_TEST(a_request_may_come_in_pieces), EPMD_TEST(a_long_list_of_names_arrives_whole),
        EPMD_TEST(idle_connections_make_room),
    };

    return cmocka_run_group_tests(tests, epmd_port_setup, NULL);
}
