/* A stream of a connected peer.  However it is cut: the same messages and the same end.  What was
 * read is written and read again, and is the same. */
#include <stdlib.h>
#include <string.h>

#include "dist/channel.h"
#include "dist/flags.h"

#include "fuzz/fuzz.h"

#define FRAME_BYTES_MAX ((size_t)64 << 10)

/* The first byte of an input. */
static uint64_t flags_of(uint8_t choice)
{
    uint64_t flags = NPRI_FLAGS_OFFERED;

    flags &= (choice & 1) != 0 ? ~UINT64_C(0) : ~NPRI_FLAG_FRAGMENTS;
    flags &= (choice & 2) != 0 ? ~UINT64_C(0) : ~NPRI_FLAG_EXIT_PAYLOAD;
    flags &= (choice & 4) != 0 ? ~UINT64_C(0) : ~NPRI_FLAG_UNLINK_ID;
    flags &= (choice & 8) != 0 ? ~UINT64_C(0) : ~NPRI_FLAG_SEND_SENDER;
    return flags;
}

static struct npri_channel *channel_of(uint8_t choice, size_t frame_bytes_max)
{
    const struct npri_channel_options options = {
        .flags = flags_of(choice),
        .frame_bytes_max = frame_bytes_max,
        .net_ticktime_ns = 60,
    };
    struct npri_channel *channel = npri_channel_create(&options);

    FUZZ_CHECK(channel != NULL);
    return channel;
}

static void put_any(struct npri_buffer *out, struct npr_term term)
{
    npri_put_u32(out, (uint32_t)term.size);
    npri_put_bytes(out, npri_bytes(term.data, term.size));
}

/* A pid or reference that was accepted can be had as a value. */
static void put_field(struct npri_buffer *out, struct npr_term term)
{
    struct npr_pid pid;
    struct npr_ref ref;

    FUZZ_CHECK(npr_term_kind(term) != NPR_TERM_PID || npr_term_get_pid(term, &pid));
    FUZZ_CHECK(npr_term_kind(term) != NPR_TERM_REF || npr_term_get_ref(term, &ref));
    put_any(out, term);
}

/* All that there is in a message, as bytes to compare. */
static void put_message(struct npri_buffer *out, const struct npri_control *control)
{
    npri_put_u32(out, (uint32_t)control->kind);
    npri_put_u64(out, control->id);
    put_field(out, control->from);
    put_field(out, control->to);
    put_field(out, control->ref);
    put_field(out, control->leader);
    put_field(out, control->mfa);
    put_any(out, control->options);
    put_field(out, control->result);
    put_any(out, control->payload);
}

/* What the flags do not carry is lost in writing: the sender of a SEND, the id of an UNLINK. */
static void drop_what_flags_lack(struct npri_control *control, uint64_t flags)
{
    if (control->kind == NPRI_CONTROL_SEND && (flags & NPRI_FLAG_SEND_SENDER) == 0) {
        control->from = (struct npr_term){0};
    }
    if (control->kind == NPRI_CONTROL_UNLINK && (flags & NPRI_FLAG_UNLINK_ID) == 0) {
        control->id = 0;
    }
}

static void check_written(const struct npri_control *control, uint8_t choice)
{
    struct npri_channel *channel = channel_of(choice, 4 * FRAME_BYTES_MAX);
    struct npri_control sent = *control;
    struct npri_control got;
    struct npri_buffer expected;
    struct npri_buffer seen;
    struct npri_buffer out;

    npri_buffer_init(&expected, 0);
    npri_buffer_init(&seen, 0);
    npri_buffer_init(&out, 0);
    drop_what_flags_lack(&sent, flags_of(choice));
    put_message(&expected, &sent);
    FUZZ_CHECK(npri_channel_write(channel, control, &out));
    FUZZ_CHECK(npri_channel_feed(channel, npri_buffer_bytes(&out), 0, NULL) == NPR_OK);
    FUZZ_CHECK(npri_channel_next(channel, &got, NULL) == NPR_OK);
    put_message(&seen, &got);
    FUZZ_CHECK(seen.data != NULL && expected.data != NULL); /* no message is empty */
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&seen), npri_buffer_bytes(&expected)));
    FUZZ_CHECK(npri_channel_next(channel, &got, NULL) == NPR_ENOTFOUND);
    npri_buffer_fini(&expected);
    npri_buffer_fini(&seen);
    npri_buffer_fini(&out);
    npri_channel_destroy(channel);
}

/* Feeds in pieces, each in memory of its own that is gone before the next; with `round_trip` each
 * message is written and read once more. */
static npr_status run(uint8_t choice,
                      struct npr_bytes bytes,
                      size_t piece,
                      bool round_trip,
                      struct npri_buffer *seen)
{
    struct npri_channel *channel = channel_of(choice, FRAME_BYTES_MAX);
    struct npr_error err = {.status = NPR_OK};
    npr_status status = NPR_ENOTFOUND;

    for (size_t at = 0; at < bytes.size && status == NPR_ENOTFOUND; at += piece) {
        const size_t part = bytes.size - at < piece ? bytes.size - at : piece;
        uint8_t *copy = malloc(part);
        struct npri_control control;

        FUZZ_CHECK(copy != NULL);
        memcpy(copy, bytes.data + at, part);
        FUZZ_CHECK(npri_channel_feed(channel, npri_bytes(copy, part), at, NULL) == NPR_OK);
        while ((status = npri_channel_next(channel, &control, &err)) == NPR_OK) {
            put_message(seen, &control);
            if (round_trip) {
                check_written(&control, choice);
            }
        }
        free(copy);
    }
    FUZZ_CHECK(status == NPR_ENOTFOUND || (err.status == status && err.text[0] != '\0'));
    FUZZ_CHECK(status == NPR_ENOTFOUND || status == NPR_EPROTO || status == NPR_EFULL);
    npri_channel_destroy(channel);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_buffer whole;
    struct npri_buffer cut;

    if (size < 2) {
        return 0;
    }
    npri_buffer_init(&whole, 0);
    npri_buffer_init(&cut, 0);
    const struct npr_bytes bytes = npri_bytes(data + 2, size - 2);
    const npr_status whole_status = run(data[0], bytes, size, true, &whole);
    const npr_status cut_status = run(data[0], bytes, 1u + data[1], false, &cut);

    FUZZ_CHECK(whole_status == cut_status);
    FUZZ_CHECK(whole.size == cut.size);
    FUZZ_CHECK(whole.data == NULL || cut.data == NULL ||
               memcmp(whole.data, cut.data, whole.size) == 0);
    npri_buffer_fini(&whole);
    npri_buffer_fini(&cut);
    return 0;
}
