/* dist/channel.h: recorded frames, every cut, what must be refused, and how much memory a peer can
 * make us hold.  Messages in parts have a test of their own. */
#include "dist_stream.h"

#include <stdio.h>

#include "dist/frames.h"

/* ---- Recorded frames. */

/* The kind's name and the frame of each line; the length is added. */
static size_t read_recorded(struct npri_buffer *frames, char kinds[][32], size_t kinds_max)
{
    FILE *file = fopen(NPRI_TEST_DATA "/dist-frames.txt", "r");
    static char line[LINE_MAX_BYTES];
    size_t count = 0;

    assert_non_null(file);
    npri_buffer_init(frames, 0);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *space = strchr(line, ' ');

        assert_non_null(space);
        assert_true(count < kinds_max);
        *space = '\0';
        space[1 + strcspn(space + 1, "\n")] = '\0';
        assert_true(strlen(line) < 32);
        memcpy(kinds[count++], line, strlen(line) + 1);
        put_frame(frames, space + 1);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(count > 50);
    return count;
}

/* What OTP 25 sent is understood, and written again byte for byte. */
static void recorded_frames_are_read_and_written_back(void **state)
{
    static char kinds[100][32];
    struct npri_channel *channel = channel_with(RECORDED_FLAGS, FRAME_BYTES_MAX);
    struct npri_buffer frames;
    struct npri_buffer out;
    struct npri_control control;
    const size_t count = read_recorded(&frames, kinds, 100);

    (void)state;
    npri_buffer_init(&out, 0);
    assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_OK);
        assert_string_equal(npri_control_name(control.kind), kinds[i]);
        assert_true(npri_channel_write(channel, &control, &out));
    }
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_ENOTFOUND);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&out), npri_buffer_bytes(&frames));
    npri_buffer_fini(&out);
    npri_buffer_fini(&frames);
    npri_channel_destroy(channel);
}

/* Would catch a frame taken before it is whole, or lost between two feeds. */
static void meaning_does_not_depend_on_the_cuts(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 4, 5, 7, 64, 139, 1000, 4096};
    static char kinds[100][32];
    struct npri_buffer frames;
    struct npri_buffer whole;

    (void)state;
    (void)read_recorded(&frames, kinds, 100);
    npri_put_u32(&frames, 0); /* a tick */
    put_frame(&frames, "7083" LINK_1_2);
    npri_buffer_init(&whole, 0);
    for (size_t i = 0; i <= sizeof(pieces) / sizeof(pieces[0]); i++) {
        const size_t piece = i == 0 ? frames.size : pieces[i - 1];
        struct npri_channel *channel = channel_with(RECORDED_FLAGS, FRAME_BYTES_MAX);
        struct npri_buffer seen;

        npri_buffer_init(&seen, 0);
        assert_int_equal(
            feed_pieces(channel, npri_buffer_bytes(&frames), piece, i == 0 ? &whole : &seen),
            NPR_ENOTFOUND);
        if (i != 0) {
            CHECK_BYTES_EQUAL(npri_buffer_bytes(&seen), npri_buffer_bytes(&whole));
        }
        npri_buffer_fini(&seen);
        npri_channel_destroy(channel);
    }
    npri_buffer_fini(&whole);
    npri_buffer_fini(&frames);
}

/* ---- Copies and memory. */

/* Thousands of small frames in one feed: none is moved, the terms lie where they arrived. */
static void small_frames_are_not_copied(void **state)
{
    struct npri_channel *channel = channel_with(RECORDED_FLAGS, FRAME_BYTES_MAX);
    struct npri_buffer frames;
    struct npri_control control;
    size_t count = 0;

    (void)state;
    npri_buffer_init(&frames, 0);
    for (int i = 0; i < 2000; i++) {
        put_frame(&frames, "7083" SEND_2 "83612a");
    }
    assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
    npri_alloc_fail_after(1); /* Nothing may need memory. */
    while (npri_channel_next(channel, &control, NULL) == NPR_OK) {
        assert_true(control.payload.data >= frames.data);
        assert_true(control.payload.data < frames.data + frames.size);
        assert_true(control.to.data >= frames.data && control.to.data < frames.data + frames.size);
        count++;
    }
    npri_alloc_fail_after(0);
    assert_int_equal(count, 2000);
    npri_buffer_fini(&frames);
    npri_channel_destroy(channel);
}

/* A length is only a promise: 64 MiB announced, ten bytes come, ten bytes are held. */
static void announced_bytes_cost_nothing(void **state)
{
    static const uint8_t start[14] = {0x04, 0, 0, 0, 112, 131};
    struct npri_frames frames;
    struct npr_bytes body;

    (void)state;
    npri_frames_init(&frames, NPRI_FRAME_BYTES_DEFAULT);
    npri_frames_feed(&frames, npri_bytes(start, sizeof(start)));
    assert_int_equal(npri_frames_next(&frames, &body, NULL), NPR_ENOTFOUND);
    assert_int_equal(frames.kept.size, sizeof(start));
    assert_true(frames.kept.capacity <= 64);
    npri_frames_fini(&frames);
}

/* One large frame must not keep its memory for ever. */
static void memory_of_a_large_frame_is_given_back(void **state)
{
    struct npri_buffer bytes;
    struct npri_frames frames;
    struct npr_bytes body;

    (void)state;
    npri_buffer_init(&bytes, 0);
    npri_put_u32(&bytes, 2 * NPRI_CHANNEL_KEEP_BYTES);
    assert_non_null(npri_buffer_extend(&bytes, (size_t)2 * NPRI_CHANNEL_KEEP_BYTES));
    npri_frames_init(&frames, NPRI_FRAME_BYTES_DEFAULT);
    npri_frames_feed(&frames, npri_bytes(bytes.data, bytes.size - 1));
    assert_int_equal(npri_frames_next(&frames, &body, NULL), NPR_ENOTFOUND);
    npri_frames_feed(&frames, npri_bytes(bytes.data + bytes.size - 1, 1));
    assert_int_equal(npri_frames_next(&frames, &body, NULL), NPR_OK);
    assert_int_equal(body.size, 2 * NPRI_CHANNEL_KEEP_BYTES);
    assert_int_equal(npri_frames_next(&frames, &body, NULL), NPR_ENOTFOUND);
    assert_int_equal(frames.kept.capacity, 0);
    npri_frames_fini(&frames);
    npri_buffer_fini(&bytes);
}

/* The limit holds on both its sides, and as soon as the four bytes are here. */
static void frames_over_the_limit_are_refused(void **state)
{
    static const char *lengths[] = {"00000041", "7fffffff", "ffffffff"};
    struct npri_control control;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t piece = 1; piece <= 4; piece += 3) {
            struct npri_channel *channel = channel_with(RECORDED_FLAGS, 64);
            struct npri_buffer bytes = buffer_of(lengths[i]);
            struct npri_buffer seen;

            npri_buffer_init(&seen, 0);
            assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&bytes), piece, &seen),
                             NPR_EFULL);
            assert_int_equal(feed(channel, npri_bytes("", 0)), NPR_EFULL);
            assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_EFULL);
            npri_buffer_fini(&bytes);
            npri_channel_destroy(channel);
        }
    }
}

static void frame_at_the_limit_is_taken(void **state)
{
    struct npri_channel *channel = channel_with(RECORDED_FLAGS, 42);
    struct npri_buffer seen;
    struct npri_buffer bytes;

    (void)state;
    npri_buffer_init(&bytes, 0);
    npri_buffer_init(&seen, 0);
    put_frame(&bytes, "7083" LINK_1_2);
    assert_int_equal(bytes.size, 4 + 42);
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&bytes), 50, &seen), NPR_ENOTFOUND);
    assert_true(seen.size > 0);
    npri_buffer_fini(&seen);
    npri_buffer_fini(&bytes);
    npri_channel_destroy(channel);
}

/* ---- Bad frames. */

static npr_status status_of(uint64_t flags, const char *hex)
{
    struct npri_channel *channel = channel_with(flags, FRAME_BYTES_MAX);
    struct npri_buffer frames;
    struct npri_buffer seen;
    npr_status status;

    npri_buffer_init(&frames, 0);
    npri_buffer_init(&seen, 0);
    put_frame(&frames, hex);
    status = feed_pieces(channel, npri_buffer_bytes(&frames), frames.size, &seen);
    if (status == NPR_ENOTFOUND && seen.size == 0) {
        status = NPR_OK; /* no message: a fragment */
    }
    npri_buffer_fini(&frames);
    npri_buffer_fini(&seen);
    npri_channel_destroy(channel);
    return status;
}

#define SEQ_7       "0000000000000007"
#define LEFT(digit) "000000000000000" digit

/* What OTP hangs up on, so do we. */
static void bad_frames_break_the_stream(void **state)
{
    static const char *plain[] = {
        "70",                               /* nothing */
        "00",                               /* unknown type */
        "83",                               /* half a header */
        "834400" SEND_2 "612a",             /* header that was not negotiated */
        "70" LINK_1_2,                      /* no version byte */
        "7083",                             /* no term */
        "70836a",                           /* no tuple */
        "708368036105" PID_1 PID_2,         /* unknown operation */
        "7083" SEND_2,                      /* no payload */
        "7083" SEND_2 "612a",               /* payload without version byte */
        "7083" SEND_2 "83",                 /* empty payload */
        "7083" SEND_2 "83ff",               /* garbage */
        "7083" SEND_2 "8350000000020000",   /* compressed */
        "70836803610158770361406200000001", /* term cut */
    };
    static const char *headed[] = {
        "7083" LINK_1_2,                       /* as real nodes do with FRAGMENTS */
        "8344",                                /* no count of atoms */
        "834401" LINK_1_2,                     /* atom cache */
        "834300" LINK_1_2,                     /* unknown header */
        "83440083" LINK_1_2,                   /* version byte within */
        "834400" SEND_2,                       /* no payload */
        "8345" SEQ_7 LEFT("2"),                /* no count of atoms */
        "8345" SEQ_7 LEFT("2") "01" SEND_2,    /* atom cache */
        "8345" SEQ_7 LEFT("0") "00" SEND_2,    /* no parts */
        "8345" SEQ_7 LEFT("2") "006803610277", /* control tuple cut */
        "8345" SEQ_7 LEFT("2") "00",           /* no control tuple */
        "8346" SEQ_7 LEFT("1") "612a",         /* no first fragment */
        "83460000000000000007",                /* cut; as SEQ_7 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (status_of(RECORDED_FLAGS, plain[i]) != NPR_EPROTO) {
            fail_msg("accepted: %s", plain[i]);
        }
    }
    for (size_t i = 0; i < sizeof(headed) / sizeof(headed[0]); i++) {
        if (status_of(NPRI_FLAGS_OFFERED, headed[i]) != NPR_EPROTO) {
            fail_msg("accepted: %s", headed[i]);
        }
    }
}

/* And what OTP lets pass. */
static void trailing_bytes_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(status_of(RECORDED_FLAGS, "7083" SEND_2 "83612affff"), NPR_ENOTFOUND);
    assert_int_equal(status_of(RECORDED_FLAGS, "7083" LINK_1_2 "83612a"), NPR_ENOTFOUND);
    assert_int_equal(status_of(RECORDED_FLAGS, "7083" LINK_1_2 "ff"), NPR_ENOTFOUND);
    assert_int_equal(status_of(NPRI_FLAGS_OFFERED, "834400" SEND_2 "612aff"), NPR_ENOTFOUND);
    assert_int_equal(status_of(NPRI_FLAGS_OFFERED, "8345" SEQ_7 LEFT("1") "00" SEND_2 "612a"),
                     NPR_ENOTFOUND);
}

/* Old tags are rewritten; the payload's rewriting must not move or overwrite the control tuple's.
 */
static void rewritten_terms_live_side_by_side(void **state)
{
    struct npri_channel *channel = channel_with(RECORDED_FLAGS, FRAME_BYTES_MAX);
    struct npri_buffer to = buffer_of(ATOM_ECHO);
    struct npri_buffer frames;
    struct npri_control control;

    (void)state;
    npri_buffer_init(&frames, 0);
    put_frame(&frames, "7083"
                       "68046106" PID_1 "640000"
                       "6400046563686f"
                       "83"
                       "680a" OLD_ATOM OLD_ATOM OLD_ATOM OLD_ATOM OLD_ATOM OLD_ATOM OLD_ATOM
                           OLD_ATOM OLD_ATOM OLD_ATOM);
    assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_OK);
    CHECK_BYTES_EQUAL(npri_bytes(control.to.data, control.to.size), npri_buffer_bytes(&to));
    assert_int_equal(control.payload.size, 2 + 10 * 22);
    npri_buffer_fini(&frames);
    npri_buffer_fini(&to);
    npri_channel_destroy(channel);
}

/* Otherwise a peer could tie our processes to those of a third node. */
static void links_must_come_from_the_peers_own_processes(void **state)
{
    static const char *peers[] = {"a@b", "a@c"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct npri_channel_options options = {
            .flags = RECORDED_FLAGS, .frame_bytes_max = 1000, .net_ticktime_ns = 60};
        struct npri_channel *channel;
        struct npri_buffer frames;
        struct npri_control control;

        assert_int_equal(npr_node_name_parse(npr_bytes_of(peers[i]), &options.peer, NULL), NPR_OK);
        channel = npri_channel_create(&options);
        npri_buffer_init(&frames, 0);
        put_frame(&frames, "7083" LINK_1_2);
        assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
        assert_int_equal(npri_channel_next(channel, &control, NULL), i == 0 ? NPR_OK : NPR_EPROTO);
        npri_buffer_fini(&frames);
        npri_channel_destroy(channel);
    }
}

/* ---- Writing. */

/* What one channel writes, another reads: around each size where the form changes. */
static void written_messages_are_read(void **state)
{
    static const uint32_t sizes[] = {0,      1,      65530,  65531,  65532,
                                     131066, 131067, 131068, 200000, 900000};
    static const uint64_t flags[] = {RECORDED_FLAGS, NPRI_FLAGS_OFFERED};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct npri_channel *channel = channel_with(flags[i % 2], FRAME_BYTES_MAX);
        struct npri_buffer payload = binary_of(sizes[i / 2], 7);
        struct npri_buffer to;
        const struct npri_control sent = message_with(&to, &payload);
        struct npri_control got;
        struct npri_buffer out;

        npri_buffer_init(&out, 0);
        assert_true(npri_channel_write(channel, &sent, &out));
        assert_true(npri_channel_write(channel, &sent, &out));
        assert_int_equal(feed(channel, npri_buffer_bytes(&out)), NPR_OK);
        if (i % 2 == 1) { /* header, or first fragment */
            assert_int_equal(out.data[5], payload.size <= NPRI_FRAGMENT_BYTES ? 68 : 69);
        }
        for (int k = 0; k < 2; k++) {
            assert_int_equal(npri_channel_next(channel, &got, NULL), NPR_OK);
            assert_int_equal(got.kind, NPRI_CONTROL_SEND);
            CHECK_BYTES_EQUAL(npri_bytes(got.payload.data, got.payload.size),
                              npri_buffer_bytes(&payload));
            CHECK_BYTES_EQUAL(npri_bytes(got.to.data, got.to.size), npri_buffer_bytes(&to));
        }
        assert_int_equal(npri_channel_next(channel, &got, NULL), NPR_ENOTFOUND);
        npri_buffer_fini(&out);
        npri_buffer_fini(&to);
        npri_buffer_fini(&payload);
        npri_channel_destroy(channel);
    }
}

/* A reason inside the control tuple cannot be cut: it goes out whole, however large. */
static void inline_reasons_are_not_cut(void **state)
{
    struct npri_channel *channel =
        channel_with(NPRI_FLAGS_OFFERED & ~NPRI_FLAG_EXIT_PAYLOAD, FRAME_BYTES_MAX);
    struct npri_buffer reason = binary_of(100000, 7);
    struct npri_buffer to;
    struct npri_control control = message_with(&to, &reason);
    struct npri_control got;
    struct npri_buffer out;

    (void)state;
    control.kind = NPRI_CONTROL_EXIT;
    control.from = control.to;
    npri_buffer_init(&out, 0);
    assert_true(npri_channel_write(channel, &control, &out));
    assert_int_equal(npri_get_u32(out.data), out.size - 4);
    assert_int_equal(feed(channel, npri_buffer_bytes(&out)), NPR_OK);
    assert_int_equal(npri_channel_next(channel, &got, NULL), NPR_OK);
    CHECK_BYTES_EQUAL(npri_bytes(got.payload.data, got.payload.size), npri_buffer_bytes(&reason));
    npri_buffer_fini(&out);
    npri_buffer_fini(&to);
    npri_buffer_fini(&reason);
    npri_channel_destroy(channel);
}

/* Half a message in the buffer would be a broken stream at the peer. */
static void what_cannot_be_written_leaves_no_trace(void **state)
{
    struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, 300000);
    struct npri_buffer payload = binary_of(200000, 7);
    struct npri_buffer large = binary_of(300000, 7);
    struct npri_buffer to;
    struct npri_buffer to_large;
    const struct npri_control control = message_with(&to, &payload);
    const struct npri_control too_large = message_with(&to_large, &large);
    struct npri_buffer out;

    (void)state;
    npri_buffer_init(&out, 210000);
    npri_put_u32(&out, 0);
    assert_false(npri_channel_write(channel, &too_large, &out));
    assert_int_equal(out.size, 4);
    assert_true(npri_channel_write(channel, &control, &out));
    assert_false(npri_channel_write(channel, &control, &out)); /* the limit of `out` */
    assert_false(out.failed);
    assert_int_equal(out.size, 4 + 200005 + 4 * (4 + 2 + 16) + 1 + 24);
    npri_buffer_fini(&out);
    npri_buffer_fini(&to);
    npri_buffer_fini(&to_large);
    npri_buffer_fini(&payload);
    npri_buffer_fini(&large);
    npri_channel_destroy(channel);
}

/* ---- Out of memory, at every allocation. */

/* One round of writing and reading; true when it went through. */
static bool round_trip(const struct npri_control *control)
{
    const struct npri_channel_options options = {
        .flags = NPRI_FLAGS_OFFERED, .frame_bytes_max = FRAME_BYTES_MAX, .net_ticktime_ns = 60};
    struct npri_channel *channel = npri_channel_create(&options);
    struct npri_control got;
    struct npri_buffer out;
    npr_status status = NPR_ENOTFOUND;
    bool done = false;

    if (channel == NULL) {
        return false;
    }
    npri_buffer_init(&out, 0);
    if (!npri_channel_write(channel, control, &out)) {
        assert_int_equal(out.size, 0);
    } else {
        for (size_t at = 0; at < out.size && status == NPR_ENOTFOUND; at += 50000) {
            const size_t part = out.size - at < 50000 ? out.size - at : 50000;

            assert_int_equal(feed(channel, npri_bytes(out.data + at, part)), NPR_OK);
            status = npri_channel_next(channel, &got, NULL);
        }
        done = status == NPR_OK;
        if (!done) {
            assert_int_equal(status, NPR_ENOMEM);
            assert_int_equal(npri_channel_next(channel, &got, NULL), NPR_ENOMEM);
        }
    }
    npri_buffer_fini(&out);
    npri_channel_destroy(channel);
    return done;
}

static void running_out_of_memory_is_a_status(void **state)
{
    struct npri_buffer payload = binary_of(200000, 7);
    struct npri_buffer to;
    const struct npri_control control = message_with(&to, &payload);
    bool done = false;
    unsigned n = 1;

    (void)state;
    for (; !done; n++) {
        assert_true(n < 1000);
        npri_alloc_fail_after(n);
        done = round_trip(&control);
        npri_alloc_fail_after(0);
    }
    assert_true(n > 5);
    npri_buffer_fini(&to);
    npri_buffer_fini(&payload);
}

/* ---- Ticks. */

static void any_byte_is_a_sign_of_life(void **state)
{
    struct npri_channel *channel = channel_with(RECORDED_FLAGS, FRAME_BYTES_MAX);
    static const uint8_t tick[4] = {0};
    struct npri_control control;

    (void)state;
    assert_int_equal(npri_channel_deadline_ns(channel), 15);
    npri_channel_wrote(channel, 10);
    assert_int_equal(npri_channel_tick(channel, 15), NPRI_TICK_SEND); /* nothing was read */
    assert_int_equal(npri_channel_feed(channel, npri_bytes(tick, 1), 50, NULL), NPR_OK);
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_ENOTFOUND);
    assert_int_not_equal(npri_channel_tick(channel, 60), NPRI_TICK_SILENT);
    assert_int_equal(npri_channel_feed(channel, npri_bytes(tick, 3), 109, NULL), NPR_OK);
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_ENOTFOUND);
    assert_int_not_equal(npri_channel_tick(channel, 168), NPRI_TICK_SILENT);
    assert_int_equal(npri_channel_tick(channel, 169), NPRI_TICK_SILENT);
    npri_channel_destroy(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_frames_are_read_and_written_back),
        cmocka_unit_test(meaning_does_not_depend_on_the_cuts),
        cmocka_unit_test(small_frames_are_not_copied),
        cmocka_unit_test(announced_bytes_cost_nothing),
        cmocka_unit_test(memory_of_a_large_frame_is_given_back),
        cmocka_unit_test(frames_over_the_limit_are_refused),
        cmocka_unit_test(frame_at_the_limit_is_taken),
        cmocka_unit_test(bad_frames_break_the_stream),
        cmocka_unit_test(trailing_bytes_are_ignored),
        cmocka_unit_test(rewritten_terms_live_side_by_side),
        cmocka_unit_test(links_must_come_from_the_peers_own_processes),
        cmocka_unit_test(written_messages_are_read),
        cmocka_unit_test(inline_reasons_are_not_cut),
        cmocka_unit_test(what_cannot_be_written_leaves_no_trace),
        cmocka_unit_test(running_out_of_memory_is_a_status),
        cmocka_unit_test(any_byte_is_a_sign_of_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
