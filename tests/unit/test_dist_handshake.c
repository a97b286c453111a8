/* dist/handshake.h: recorded exchanges with a real node, two engines against each other, and every
 * way to be refused. */
#include <openssl/evp.h>

#include "base/alloc.h"
#include "dist/flags.h"
#include "dist/handshake.h"
#include "support/check.h"

#define CAPTURE_BYTES 4096u

static void md5(const void *data, size_t size, uint8_t out[16])
{
    assert_int_equal(EVP_Digest(data, size, out, NULL, EVP_md5(), NULL), 1);
}

static struct npr_node_name name_of(const char *text)
{
    struct npr_node_name name;

    assert_int_equal(npr_node_name_parse(npr_bytes_of(text), &name, NULL), NPR_OK);
    return name;
}

static struct npri_handshake_options options_of(const char *name, const char *cookie)
{
    return (struct npri_handshake_options){
        .self = name_of(name),
        .creation = 77,
        .flags = NPRI_FLAGS_OFFERED,
        .challenge = 0xfffffffe,
        .cookie = npr_bytes_of(cookie),
        .md5 = md5,
    };
}

static npr_status feed_hex(struct npri_handshake *handshake, const char *hex)
{
    uint8_t bytes[CAPTURE_BYTES];
    const size_t size = check_unhex(hex, bytes, sizeof(bytes));
    size_t used;
    const npr_status status = npri_handshake_feed(handshake, npri_bytes(bytes, size), &used, NULL);

    if (status == NPR_OK) {
        assert_int_equal(used, size);
    }
    return status;
}

static void check_out(struct npri_handshake *handshake, const char *hex)
{
    uint8_t bytes[CAPTURE_BYTES];
    const size_t size = check_unhex(hex, bytes, sizeof(bytes));

    CHECK_BYTES_EQUAL(npri_buffer_bytes(&handshake->out), npri_bytes(bytes, size));
    npri_buffer_reset(&handshake->out);
}

#define STATUS_OK_HEX "0003736f6b"
/* What a@127.0.0.1 (OTP 25) sent to f@127.0.0.1, cookie "sekret". */
#define REAL_CHALLENGE_HEX "001e4e0000000d07df7fbd6245085e6b0447b5000b61403132372e302e302e31"

/* f dials a real node, as recorded: every byte that we send and every one that we took. */
static void initiator_repeats_a_recorded_exchange(void **state)
{
    struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    struct npri_handshake handshake;

    (void)state;
    options.flags = UINT64_C(0xd075f5fbd);
    options.creation = 0x6b044918;
    options.challenge = 0x1d7fd487;
    npri_handshake_init_initiator(&handshake, &options, &peer, false);
    check_out(&handshake, "001a4e0000000d075f5fbd6b044918000b66403132372e302e302e31");
    assert_int_equal(feed_hex(&handshake, STATUS_OK_HEX), NPR_OK);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_AWAIT_CHALLENGE);
    assert_int_equal(feed_hex(&handshake, REAL_CHALLENGE_HEX), NPR_OK);
    check_out(&handshake, "0015721d7fd4873d7c9f920130e7d254f80b77d6e7fde6");
    assert_int_equal(feed_hex(&handshake, "00116115ce552ebf58ea36fd772475cfbf2bf1"), NPR_OK);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_DONE);
    assert_int_equal(handshake.peer_creation, 0x6b0447b5);
    assert_true(handshake.peer_flags == UINT64_C(0xd075f5fbd)); /* both, not either */
    assert_true(handshake.peer_offered == UINT64_C(0xd07df7fbd));
    npri_handshake_fini(&handshake);
}

/* The same exchange seen from the other side. */
static void acceptor_repeats_a_recorded_exchange(void **state)
{
    struct npri_handshake_options options = options_of("a@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("f@127.0.0.1");
    struct npri_handshake handshake;

    (void)state;
    options.flags = UINT64_C(0xd07df7fbd);
    options.creation = 0x6b0447b5;
    options.challenge = 0x6245085e;
    npri_handshake_init_acceptor(&handshake, &options);
    assert_int_equal(
        feed_hex(&handshake, "001a4e0000000d075f5fbd6b044918000b66403132372e302e302e31"), NPR_OK);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_NAMED);
    assert_true(npr_node_name_equal(&handshake.peer, &peer));
    npri_handshake_accept(&handshake, NPRI_VERDICT_OK);
    check_out(&handshake, STATUS_OK_HEX REAL_CHALLENGE_HEX);
    assert_int_equal(feed_hex(&handshake, "0015721d7fd4873d7c9f920130e7d254f80b77d6e7fde6"),
                     NPR_OK);
    check_out(&handshake, "00116115ce552ebf58ea36fd772475cfbf2bf1");
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_DONE);
    assert_int_equal(handshake.peer_creation, 0x6b044918);
    npri_handshake_fini(&handshake);
}

/* ---- Two engines. */

struct pair {
    struct npri_handshake dialler;
    struct npri_handshake listener;
    npr_status dialler_status;
    npr_status listener_status;
};

/* Moves what `from` wrote to `to` in pieces of at most `piece` bytes; true when there was any. */
static bool carry(struct npri_handshake *from,
                  struct npri_handshake *to,
                  size_t piece,
                  enum npri_verdict verdict,
                  npr_status *status)
{
    uint8_t bytes[CAPTURE_BYTES];
    const size_t size = from->out.size;

    assert_true(size <= sizeof(bytes));
    if (size == 0) {
        return false;
    }
    memcpy(bytes, from->out.data, size);
    npri_buffer_reset(&from->out);
    for (size_t at = 0; at < size && *status == NPR_OK;) {
        const size_t part = size - at < piece ? size - at : piece;
        size_t used = 0;

        *status = npri_handshake_feed(to, npri_bytes(bytes + at, part), &used, NULL);
        assert_true(used <= part);
        at += used;
        if (to->state == NPRI_HANDSHAKE_NAMED) {
            npri_handshake_accept(to, verdict);
        } else {
            assert_true(used == part || *status != NPR_OK || to->state == NPRI_HANDSHAKE_FAILED);
            if (to->state == NPRI_HANDSHAKE_FAILED) {
                break;
            }
        }
    }
    return true;
}

static void run_pair(struct pair *pair,
                     const struct npri_handshake_options *dialler,
                     const struct npri_handshake_options *listener,
                     enum npri_verdict verdict,
                     size_t piece)
{
    const bool insist = (piece & 1) != 0; /* Both answers to "alive" are seen. */
    bool moved = true;

    *pair = (struct pair){0};
    npri_handshake_init_initiator(&pair->dialler, dialler, &listener->self, insist);
    npri_handshake_init_acceptor(&pair->listener, listener);
    while (moved) {
        moved = carry(&pair->dialler, &pair->listener, piece, verdict, &pair->listener_status);
        moved =
            carry(&pair->listener, &pair->dialler, piece, verdict, &pair->dialler_status) || moved;
    }
}

static void fini_pair(struct pair *pair)
{
    npri_handshake_fini(&pair->dialler);
    npri_handshake_fini(&pair->listener);
}

/* Would catch a frame parsed before it is whole, and bytes lost between two of them. */
static void two_engines_agree_however_the_bytes_are_cut(void **state)
{
    const struct npri_handshake_options b = options_of("b@host", "cookie");
    struct npri_handshake_options a = options_of("a@host", "cookie");
    struct pair pair;

    (void)state;
    a.creation = 99;
    a.challenge = 1;
    a.flags |= NPRI_FLAG_PUBLISHED;
    for (size_t piece = 1; piece < 80; piece++) {
        run_pair(&pair, &a, &b, piece % 3 == 0 ? NPRI_VERDICT_OK_SIMULTANEOUS : NPRI_VERDICT_OK,
                 piece);
        assert_int_equal(pair.dialler.state, NPRI_HANDSHAKE_DONE);
        assert_int_equal(pair.listener.state, NPRI_HANDSHAKE_DONE);
        assert_true(pair.dialler.peer_flags == NPRI_FLAGS_OFFERED);
        assert_true(pair.listener.peer_flags == NPRI_FLAGS_OFFERED);
        assert_int_equal(pair.dialler.peer_creation, 77);
        assert_int_equal(pair.listener.peer_creation, 99);
        assert_true(npr_node_name_equal(&pair.listener.peer, &a.self));
        fini_pair(&pair);
    }
}

/* The bytes that follow the handshake are the channel's. */
static void what_follows_the_last_frame_is_left(void **state)
{
    const struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    struct npri_handshake handshake;
    uint8_t bytes[CAPTURE_BYTES];
    size_t size = check_unhex(STATUS_OK_HEX REAL_CHALLENGE_HEX, bytes, sizeof(bytes));
    uint8_t text[] = "sekret4294967294";
    size_t used;

    (void)state;
    npri_handshake_init_initiator(&handshake, &options, &peer, false);
    bytes[size] = 0;
    bytes[size + 1] = 17;
    bytes[size + 2] = 'a';
    md5(text, sizeof(text) - 1, bytes + size + 3);
    memset(bytes + size + 19, 0, 8); /* two ticks */
    assert_int_equal(npri_handshake_feed(&handshake, npri_bytes(bytes, size + 19 + 8), &used, NULL),
                     NPR_OK);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_DONE);
    assert_int_equal(used, size + 19);
    assert_int_equal(npri_handshake_feed(&handshake, npri_bytes(bytes, 8), &used, NULL), NPR_OK);
    assert_int_equal(used, 0);
    npri_handshake_fini(&handshake);
}

/* "alive": an insisting dialler gets through, one that does not gives way, and both know. */
static void alive_is_answered(void **state)
{
    const struct npri_handshake_options a = options_of("a@host", "cookie");
    const struct npri_handshake_options b = options_of("b@host", "cookie");
    struct pair pair;

    (void)state;
    for (size_t piece = 1; piece < 40; piece++) {
        const bool insist = (piece & 1) != 0;

        run_pair(&pair, &a, &b, NPRI_VERDICT_ALIVE, piece);
        assert_int_equal(pair.dialler.state, insist ? NPRI_HANDSHAKE_DONE : NPRI_HANDSHAKE_FAILED);
        assert_int_equal(pair.listener.state, insist ? NPRI_HANDSHAKE_DONE : NPRI_HANDSHAKE_FAILED);
        assert_int_equal(pair.dialler_status, insist ? NPR_OK : NPR_EREFUSED);
        assert_int_equal(pair.listener_status, insist ? NPR_OK : NPR_EREFUSED);
        fini_pair(&pair);
    }
}

static void refusals_reach_the_dialler(void **state)
{
    const struct npri_handshake_options a = options_of("a@host", "cookie");
    const struct npri_handshake_options b = options_of("b@host", "cookie");
    struct pair pair;

    (void)state;
    run_pair(&pair, &a, &b, NPRI_VERDICT_NOK, 1000);
    assert_int_equal(pair.dialler_status, NPR_EREFUSED);
    assert_int_equal(pair.listener.state, NPRI_HANDSHAKE_FAILED);
    fini_pair(&pair);
    run_pair(&pair, &a, &b, NPRI_VERDICT_NOT_ALLOWED, 1000);
    assert_int_equal(pair.dialler_status, NPR_EREFUSED);
    fini_pair(&pair);
}

/* A dialler with a wrong cookie learns nothing: the acceptor has not yet proved anything. */
static void wrong_cookie_is_refused_by_the_acceptor(void **state)
{
    const struct npri_handshake_options a = options_of("a@host", "cookie");
    const struct npri_handshake_options b = options_of("b@host", "Cookie");
    struct pair pair;

    (void)state;
    run_pair(&pair, &a, &b, NPRI_VERDICT_OK, 1000);
    assert_int_equal(pair.listener_status, NPR_EAUTH);
    assert_int_equal(pair.listener.out.size, 0);
    assert_int_equal(pair.dialler.state, NPRI_HANDSHAKE_AWAIT_ACK);
    fini_pair(&pair);
}

/* And an acceptor that does not know the cookie is not believed. */
static void wrong_ack_is_refused_by_the_initiator(void **state)
{
    const struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    struct npri_handshake handshake;

    (void)state;
    npri_handshake_init_initiator(&handshake, &options, &peer, false);
    assert_int_equal(feed_hex(&handshake, STATUS_OK_HEX REAL_CHALLENGE_HEX), NPR_OK);
    assert_int_equal(feed_hex(&handshake, "00116100000000000000000000000000000000"), NPR_EAUTH);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_FAILED);
    assert_int_equal(feed_hex(&handshake, STATUS_OK_HEX), NPR_EPROTO);
    npri_handshake_fini(&handshake);
}

/* Would catch a comparison that looks at some of the bytes only. */
static void each_byte_of_a_digest_counts(void **state)
{
    const struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    struct npri_handshake handshake;
    uint8_t ack[19] = {0, 17, 'a'};
    size_t used;

    (void)state;
    for (size_t wrong = 0; wrong <= 16; wrong++) { /* 16: none of them */
        md5("sekret4294967294", 16, ack + 3);
        if (wrong < 16) {
            ack[3 + wrong] ^= 0x80;
        }
        npri_handshake_init_initiator(&handshake, &options, &peer, false);
        assert_int_equal(feed_hex(&handshake, STATUS_OK_HEX REAL_CHALLENGE_HEX), NPR_OK);
        assert_int_equal(npri_handshake_feed(&handshake, npri_bytes(ack, sizeof(ack)), &used, NULL),
                         wrong < 16 ? NPR_EAUTH : NPR_OK);
        npri_handshake_fini(&handshake);
    }
}

/* Dialling b and getting a would register a's processes under b's name. */
static void another_name_than_the_dialled_one_is_refused(void **state)
{
    const struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("b@127.0.0.1");
    struct npri_handshake handshake;

    (void)state;
    npri_handshake_init_initiator(&handshake, &options, &peer, false);
    assert_int_equal(feed_hex(&handshake, STATUS_OK_HEX REAL_CHALLENGE_HEX), NPR_EINVAL);
    npri_handshake_fini(&handshake);
}

/* Each mandatory flag alone, missed by either side; the digest bit stands for all of them. */
static void mandatory_flags_are_demanded_of_both_sides(void **state)
{
    const struct npri_handshake_options plain = options_of("a@host", "cookie");
    struct pair pair;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        struct npri_handshake_options lacking = options_of("b@host", "cookie");

        if ((NPRI_FLAGS_MANDATORY >> bit & 1) == 0) {
            continue;
        }
        lacking.flags &= ~(UINT64_C(1) << bit | NPRI_FLAG_MANDATORY_25_DIGEST);
        run_pair(&pair, &lacking, &plain, NPRI_VERDICT_OK, 1000);
        assert_int_equal(pair.listener_status, NPR_EREFUSED);
        assert_int_equal(pair.dialler_status, NPR_EREFUSED); /* told "not_allowed" */
        fini_pair(&pair);
        run_pair(&pair, &plain, &lacking, NPRI_VERDICT_OK, 1000);
        assert_int_equal(pair.dialler_status, NPR_EREFUSED);
        fini_pair(&pair);

        lacking.flags |= NPRI_FLAG_MANDATORY_25_DIGEST;
        run_pair(&pair, &lacking, &plain, NPRI_VERDICT_OK, 1000);
        assert_int_equal(pair.listener_status, NPR_OK);
        assert_int_equal(pair.listener.state, NPRI_HANDSHAKE_DONE);
        fini_pair(&pair);
    }
}

struct bad_case {
    const char *what;
    const char *hex;
};

/* What no acceptor may take for a name. */
static void bad_names_are_refused(void **state)
{
    static const struct bad_case cases[] = {
        {"empty frame", "0000"},
        {"frame over the limit", "0401"},
        {"old handshake", "000f6e00060007ffff61403132372e302e30"},
        {"not a name", "001a530000000d075f5fbd6b044918000b66403132372e302e302e31"},
        {"head cut", "000e4e0000000d075f5fbd6b04491800"},
        {"name longer than the frame", "001a4e0000000d075f5fbd6b044918000c66403132372e302e302e31"},
        {"no host", "00114e0000000d075f5fbd6b04491800026640"},
        {"no at sign", "00124e0000000d075f5fbd6b0449180003616263"},
        {"two at signs", "00124e0000000d075f5fbd6b0449180003404040"},
        {"control character", "00134e0000000d075f5fbd6b04491800046140620a"},
        {"not ASCII", "00124e0000000d075f5fbd6b0449180003e94062"},
        {"no name", "000f4e0000000d075f5fbd6b0449180000"},
    };
    const struct npri_handshake_options options = options_of("a@host", "cookie");
    struct npri_handshake handshake;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        npri_handshake_init_acceptor(&handshake, &options);
        if (feed_hex(&handshake, cases[i].hex) != NPR_EPROTO) {
            fail_msg("accepted: %s", cases[i].what);
        }
        assert_int_equal(handshake.state, NPRI_HANDSHAKE_FAILED);
        assert_int_equal(handshake.out.size, 0);
        npri_handshake_fini(&handshake);
    }
}

/* Later versions may append to a name (erl_dist_protocol says so). */
static void bytes_after_a_name_are_ignored(void **state)
{
    const struct npri_handshake_options options = options_of("a@host", "cookie");
    struct npri_handshake handshake;

    (void)state;
    npri_handshake_init_acceptor(&handshake, &options);
    assert_int_equal(
        feed_hex(&handshake, "001c4e0000000d075f5fbd6b044918000b66403132372e302e302e31ffff"),
        NPR_OK);
    assert_int_equal(handshake.state, NPRI_HANDSHAKE_NAMED);
    npri_handshake_fini(&handshake);
}

static void bad_frames_are_refused_by_the_initiator(void **state)
{
    static const struct bad_case cases[] = {
        {"name instead of a status", REAL_CHALLENGE_HEX},
        {"unknown status", "000473616263"},
        {"no status", "000173"},
        {"status with a terminator", "0004736f6b00"},
        {"named:", "0009736e616d65643a6140"},
        {"ack before the challenge", STATUS_OK_HEX "00116115ce552ebf58ea36fd772475cfbf2bf1"},
        {"challenge cut", STATUS_OK_HEX "00124e0000000d07df7fbd6245085e6b0447b500"},
        {"short ack", STATUS_OK_HEX REAL_CHALLENGE_HEX "00106115ce552ebf58ea36fd772475cfbf2b"},
    };
    const struct npri_handshake_options options = options_of("f@127.0.0.1", "sekret");
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    struct npri_handshake handshake;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        npri_handshake_init_initiator(&handshake, &options, &peer, true);
        if (feed_hex(&handshake, cases[i].hex) != NPR_EPROTO) {
            fail_msg("accepted: %s", cases[i].what);
        }
        npri_handshake_fini(&handshake);
    }
}

/* Both sides of the race: exactly one of two attempts goes on, whichever way round. */
static void exactly_one_of_two_attempts_survives(void **state)
{
    static const char *names[] = {"a@h", "aa@h", "b@h", "A@h", "a@i", "_@h", "a-@h"};
    const struct npri_verdict_facts dialling = {.dialling = true};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            const struct npr_node_name one = name_of(names[i]);
            const struct npr_node_name two = name_of(names[j]);
            const enum npri_verdict at_one = npri_handshake_verdict(&one, &two, dialling);
            const enum npri_verdict at_two = npri_handshake_verdict(&two, &one, dialling);

            if (i == j) {
                assert_int_equal(at_one, NPRI_VERDICT_NOK);
                continue;
            }
            assert_true((at_one == NPRI_VERDICT_NOK) != (at_two == NPRI_VERDICT_NOK));
            assert_true((at_one == NPRI_VERDICT_OK_SIMULTANEOUS) !=
                        (at_two == NPRI_VERDICT_OK_SIMULTANEOUS));
        }
    }
}

/* As recorded with a real node: zz dials a and gets ok_simultaneous; A dials a and gets nok. */
static void verdicts_are_those_of_a_real_node(void **state)
{
    const struct npr_node_name a = name_of("a@127.0.0.1");
    const struct npr_node_name zz = name_of("zz@127.0.0.1");
    const struct npr_node_name upper = name_of("A@127.0.0.1");
    const struct npri_verdict_facts dialling = {.dialling = true};
    const struct npri_verdict_facts connected = {.connected = true, .dialling = true};
    const struct npri_verdict_facts nothing = {0};
    const struct npri_verdict_facts same = {.same_name = true, .connected = true};

    (void)state;
    assert_int_equal(npri_handshake_verdict(&a, &zz, dialling), NPRI_VERDICT_OK_SIMULTANEOUS);
    assert_int_equal(npri_handshake_verdict(&a, &upper, dialling), NPRI_VERDICT_NOK);
    assert_int_equal(npri_handshake_verdict(&a, &zz, connected), NPRI_VERDICT_ALIVE);
    assert_int_equal(npri_handshake_verdict(&a, &zz, nothing), NPRI_VERDICT_OK);
    assert_int_equal(npri_handshake_verdict(&a, &a, nothing), NPRI_VERDICT_NOK);
    assert_int_equal(npri_handshake_verdict(&a, &zz, same), NPRI_VERDICT_NOK);
}

/* The n-th allocation fails, for every n: a status, no crash, nothing leaked. */
static void running_out_of_memory_is_a_status(void **state)
{
    const struct npri_handshake_options a = options_of("a@host", "cookie");
    const struct npri_handshake_options b = options_of("b@host", "cookie");
    struct pair pair;
    bool whole = false;

    (void)state;
    for (unsigned n = 1; !whole; n++) {
        assert_true(n < 100);
        npri_alloc_fail_after(n);
        run_pair(&pair, &a, &b, NPRI_VERDICT_OK, 7);
        npri_alloc_fail_after(0);
        whole =
            pair.dialler.state == NPRI_HANDSHAKE_DONE && pair.listener.state == NPRI_HANDSHAKE_DONE;
        if (!whole) {
            size_t used;

            assert_true(pair.dialler.out.failed || pair.listener.out.failed);
            assert_int_equal(
                npri_handshake_feed(pair.dialler.out.failed ? &pair.dialler : &pair.listener,
                                    npri_bytes("", 0), &used, NULL),
                NPR_ENOMEM);
        }
        fini_pair(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initiator_repeats_a_recorded_exchange),
        cmocka_unit_test(acceptor_repeats_a_recorded_exchange),
        cmocka_unit_test(two_engines_agree_however_the_bytes_are_cut),
        cmocka_unit_test(what_follows_the_last_frame_is_left),
        cmocka_unit_test(alive_is_answered),
        cmocka_unit_test(refusals_reach_the_dialler),
        cmocka_unit_test(wrong_cookie_is_refused_by_the_acceptor),
        cmocka_unit_test(wrong_ack_is_refused_by_the_initiator),
        cmocka_unit_test(each_byte_of_a_digest_counts),
        cmocka_unit_test(another_name_than_the_dialled_one_is_refused),
        cmocka_unit_test(mandatory_flags_are_demanded_of_both_sides),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(bytes_after_a_name_are_ignored),
        cmocka_unit_test(bad_frames_are_refused_by_the_initiator),
        cmocka_unit_test(exactly_one_of_two_attempts_survives),
        cmocka_unit_test(verdicts_are_those_of_a_real_node),
        cmocka_unit_test(running_out_of_memory_is_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
