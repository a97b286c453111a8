/* dist/channel.h and dist/fragments.h: messages in parts, as a real node sends and takes them, out
 * of order, and more of them than we hold. */
#include "dist_stream.h"

/* The heads of what OTP 25 sent for a binary of 200,000 bytes, "0123456789" repeated, to a node
 * that offers FRAGMENTS without the atom cache. */
#define REAL_FIRST_HEX                                                                             \
    "00010013"                                                                                     \
    "8345000002a80000055300000000000000040068036116"                                               \
    "58770b61403132372e302e302e3100000055000000006b04a7e9"                                         \
    "58770b66403132372e302e302e3100000007000000000102"                                             \
    "0304"                                                                                         \
    "6d00030d40"
static const char *const real_heads[] = {
    REAL_FIRST_HEX,
    "00010012"
    "8346000002a800000553"
    "0000000000000003",
    "00010012"
    "8346000002a800000553"
    "0000000000000002",
    "00000d8f"
    "8346000002a800000553"
    "0000000000000001",
};

static void put_digits(struct npri_buffer *out, size_t *next, size_t frame_end)
{
    while (out->size < frame_end) {
        npri_put_u8(out, (uint8_t)('0' + *next % 10));
        (*next)++;
    }
}

static void fragments_of_a_real_node_are_joined(void **state)
{
    static const size_t pieces[] = {1 << 20, 1, 1000, 65536};
    struct npri_buffer frames;
    size_t next = 0;

    (void)state;
    npri_buffer_init(&frames, 0);
    for (size_t i = 0; i < 4; i++) {
        struct npri_buffer head = buffer_of(real_heads[i]);
        const size_t end = frames.size + 4 + npri_get_u32(head.data);

        npri_put_bytes(&frames, npri_buffer_bytes(&head));
        put_digits(&frames, &next, end);
        npri_buffer_fini(&head);
    }
    assert_int_equal(next, 200000);

    for (size_t i = 0; i < 4; i++) {
        struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, FRAME_BYTES_MAX);
        struct npri_buffer seen;

        npri_buffer_init(&seen, 0);
        assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), pieces[i], &seen),
                         NPR_ENOTFOUND);
        assert_memory_equal(seen.data, "SEND", 4);
        assert_int_equal(npri_get_u64(seen.data + 4), 200005);
        for (size_t k = 0; k < 200000; k++) {
            assert_int_equal(seen.data[4 + 8 + 5 + k], '0' + k % 10);
        }
        npri_buffer_fini(&seen);
        npri_channel_destroy(channel);
    }
    npri_buffer_fini(&frames);
}

/* Three messages whose parts alternate, one with empty parts: each comes out whole, in the order of
 * their ends. */
static void sequences_may_alternate(void **state)
{
    struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, FRAME_BYTES_MAX);
    struct npri_buffer one = binary_of(95, 1);
    struct npri_buffer two = binary_of(45, 2);
    struct npri_buffer frames;
    struct npri_control control;
    struct npr_bytes payload;

    (void)state;
    npri_buffer_init(&frames, 0);
    put_fragment(&frames, 9, 3, true, npri_bytes(one.data, 3));
    put_fragment(&frames, UINT64_MAX, 2, true, npri_bytes("", 0));
    put_fragment(&frames, 9, 2, false, npri_bytes(one.data + 3, 60));
    put_frame(&frames, "834400" SEND_2 "612a");
    put_fragment(&frames, UINT64_MAX, 1, false, npri_buffer_bytes(&two));
    put_fragment(&frames, 9, 1, false, npri_bytes(one.data + 63, 37));
    put_fragment(&frames, 9, 2, true, npri_bytes(two.data, 6)); /* The number is free again. */
    put_fragment(&frames, 9, 1, false, npri_bytes(two.data + 6, 44));

    assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_OK);
        payload = npri_bytes(control.payload.data, control.payload.size);
        if (i == 0) {
            assert_int_equal(payload.size, 2);
        } else {
            CHECK_BYTES_EQUAL(payload, npri_buffer_bytes(i == 2 ? &one : &two));
        }
    }
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_ENOTFOUND);
    npri_buffer_fini(&frames);
    npri_buffer_fini(&one);
    npri_buffer_fini(&two);
    npri_channel_destroy(channel);
}

/* The one that ends need not be the youngest; and what has ended counts no longer. */
static void finished_sequences_make_room(void **state)
{
    struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, 1000);
    struct npri_buffer payload = binary_of(795, 1);
    struct npri_buffer frames;
    struct npri_control control;

    (void)state;
    npri_buffer_init(&frames, 0);
    put_fragment(&frames, 0, 2, true, npri_bytes(payload.data, 400));
    for (uint64_t i = 1; i < 20; i++) {
        put_fragment(&frames, i, 2, true, npri_bytes(payload.data, 400));
        put_fragment(&frames, i - 1, 1, false, npri_bytes(payload.data + 400, 400));
    }
    assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
    for (int i = 1; i < 20; i++) {
        assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_OK);
        CHECK_BYTES_EQUAL(npri_bytes(control.payload.data, control.payload.size),
                          npri_buffer_bytes(&payload));
    }
    assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_ENOTFOUND);
    npri_buffer_fini(&frames);
    npri_buffer_fini(&payload);
    npri_channel_destroy(channel);
}

static void fragments_out_of_order_are_refused(void **state)
{
    static const struct {
        uint64_t second_left;
        uint64_t second_sequence;
        bool second_first;
    } cases[] = {
        {3, 9, false},  /* the first once more */
        {1, 9, false},  /* one left out */
        {0, 9, false},  /* past the end */
        {2, 10, false}, /* of another sequence */
        {3, 9, true},   /* begun twice */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, FRAME_BYTES_MAX);
        struct npri_buffer frames;
        struct npri_control control;

        npri_buffer_init(&frames, 0);
        put_fragment(&frames, 9, 3, true, npri_bytes("m", 1));
        put_fragment(&frames, cases[i].second_sequence, cases[i].second_left, cases[i].second_first,
                     npri_bytes("\0", 1));
        assert_int_equal(feed(channel, npri_buffer_bytes(&frames)), NPR_OK);
        assert_int_equal(npri_channel_next(channel, &control, NULL), NPR_EPROTO);
        npri_buffer_fini(&frames);
        npri_channel_destroy(channel);
    }
}

/* Unfinished messages: so many, each so large, all together so large; one beyond is refused. */
static void unfinished_messages_are_bounded(void **state)
{
    static uint8_t bytes[1000];
    struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, 1000);
    struct npri_buffer frames;
    struct npri_buffer seen;

    (void)state;
    npri_buffer_init(&frames, 0);
    npri_buffer_init(&seen, 0);
    for (uint64_t i = 0; i < NPRI_FRAGMENT_SEQUENCES_MAX; i++) {
        put_fragment(&frames, i, UINT64_MAX, true, npri_bytes(bytes, 0));
    }
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_ENOTFOUND);
    npri_buffer_reset(&frames);
    put_fragment(&frames, 1000, 2, true, npri_bytes(bytes, 0));
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_EFULL);
    npri_channel_destroy(channel);

    channel = channel_with(NPRI_FLAGS_OFFERED, 1000);
    npri_buffer_reset(&frames);
    put_fragment(&frames, 1, 3, true, npri_bytes(bytes, 900));
    put_fragment(&frames, 1, 2, false, npri_bytes(bytes, 100 - 24));
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_ENOTFOUND);
    npri_buffer_reset(&frames);
    put_fragment(&frames, 1, 1, false, npri_bytes(bytes, 1));
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_EFULL);
    npri_channel_destroy(channel);

    channel = channel_with(NPRI_FLAGS_OFFERED, 1000);
    npri_buffer_reset(&frames);
    for (uint64_t i = 0; i < NPRI_FRAGMENT_TOTAL_FACTOR; i++) {
        put_fragment(&frames, i, 2, true, npri_bytes(bytes, 900 - 24));
    }
    put_fragment(&frames, 50, 2, true, npri_bytes(bytes, 400 - 24));
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_ENOTFOUND);
    npri_buffer_reset(&frames);
    put_fragment(&frames, 50, 1, false, npri_bytes(bytes, 1));
    assert_int_equal(feed_pieces(channel, npri_buffer_bytes(&frames), 64, &seen), NPR_EFULL);
    npri_channel_destroy(channel);
    npri_buffer_fini(&frames);
}

/* The heads of each frame as a real node accepted them (200,005 bytes of payload). */
static void fragments_have_the_form_that_real_nodes_take(void **state)
{
    struct npri_channel *channel = channel_with(NPRI_FLAGS_OFFERED, FRAME_BYTES_MAX);
    struct npri_buffer payload = binary_of(200000, 7);
    struct npri_buffer to;
    const struct npri_control control = message_with(&to, &payload);
    struct npri_buffer expected;
    struct npri_buffer out;

    (void)state;
    npri_buffer_init(&expected, 0);
    npri_buffer_init(&out, 0);
    put_fragment(&expected, 1, 4, true, npri_bytes(payload.data, 65536));
    put_fragment(&expected, 1, 3, false, npri_bytes(payload.data + 65536, 65536));
    put_fragment(&expected, 1, 2, false, npri_bytes(payload.data + 131072, 65536));
    put_fragment(&expected, 1, 1, false, npri_bytes(payload.data + 196608, 3397));
    assert_true(npri_channel_write(channel, &control, &out));
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&out), npri_buffer_bytes(&expected));
    npri_buffer_fini(&expected);
    npri_buffer_fini(&out);
    npri_buffer_fini(&to);
    npri_buffer_fini(&payload);
    npri_channel_destroy(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_of_a_real_node_are_joined),
        cmocka_unit_test(sequences_may_alternate),
        cmocka_unit_test(finished_sequences_make_room),
        cmocka_unit_test(fragments_out_of_order_are_refused),
        cmocka_unit_test(unfinished_messages_are_bounded),
        cmocka_unit_test(fragments_have_the_form_that_real_nodes_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
