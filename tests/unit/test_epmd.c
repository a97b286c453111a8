/* node/epmd.h: registrations and lookups, and what they do when epmd goes or is none. */
#include "epmd_world.h"

#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

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
                npri_loop_run(epmd_loop);
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
    assert_int_equal(npri_epmd_server_open(epmd_loop, &server, NULL), NPR_OK);
    known_start(&b, "b@127.0.0.1", 5002);
    npri_epmd_server_close(server);
    assert_int_equal(npri_epmd_server_open(epmd_loop, &server, NULL), NPR_OK);
    raw_open(&thief);
    thief.stop_at = 6;
    raw_alive(&thief, "b");
    npri_loop_run(epmd_loop);
    assert_int_equal(thief.reply.data[1], 0);
    assert_known_at("b@127.0.0.1", 4000);
    b.stop_at = "epmd_name_taken";
    npri_loop_run(epmd_loop);
    assert_int_equal(b.lost, 1);
    raw_fini(&thief);
    b.stop_at = "epmd_found_again";
    npri_loop_run(epmd_loop);
    assert_int_equal(b.done, 1);
    assert_int_equal(b.lost, 1);
    assert_int_equal(b.served, 0);
    assert_known_at("b@127.0.0.1", 5002);
    known_stop(&b);
    npri_epmd_server_close(server);
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
    assert_int_equal(npri_listener_open(epmd_loop, "127.0.0.1", npri_epmd_port(), impostor_accepted,
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
    assert_int_equal(npri_epmd_lookup_start(epmd_loop, &name,
                                            npri_loop_now_ns(epmd_loop) + WATCHDOG_NS, asked_done,
                                            &asked, &asked.lookup, NULL),
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
    const uint64_t start_ns = npri_loop_now_ns(epmd_loop);

    (void)state;
    assert_int_equal(ask("a@-.-.256.1").status, NPR_EUNREACHABLE);
    assert_int_equal(ask_name_within(no_host, 20000).status, NPR_EUNREACHABLE);
    assert_true(npri_loop_now_ns(epmd_loop) - start_ns < 15000 * NS_PER_MS);
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
            npri_loop_run(epmd_loop);
        }
        if (a.status == NPR_OK &&
            npri_epmd_lookup_start(epmd_loop, &name, npri_loop_now_ns(epmd_loop) + WATCHDOG_NS,
                                   asked_done, &asked, &asked.lookup, NULL) == NPR_OK) {
            while (asked.done == 0) {
                npri_loop_run(epmd_loop);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPMD_TEST(the_first_node_serves),
        EPMD_TEST(a_name_belongs_to_its_holder),
        EPMD_TEST(names_survive_the_node_that_served),
        EPMD_TEST(a_name_stolen_in_between_is_asked_for_until_it_is_free),
        EPMD_TEST(a_bad_answer_is_not_a_port),
        EPMD_TEST(a_cancelled_lookup_is_silent),
        EPMD_TEST(a_host_that_is_none_is_unreachable),
        EPMD_TEST(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, epmd_port_setup, NULL);
}
