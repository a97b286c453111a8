#include "dist/channel.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "dist/flags.h"
#include "dist/fragments.h"
#include "dist/frames.h"
#include "term/read.h"

#define LENGTH_BYTES 4u

/* First bytes of a body. */
#define PASS_THROUGH    112u
#define VERSION_MAGIC   131u
#define DIST_HEADER     68u
#define FRAGMENT_HEADER 69u
#define FRAGMENT_CONT   70u

/* After the two bytes above: sequence and number, and in a first fragment the count of atom cache
 * references. */
#define FRAGMENT_CONT_BYTES  16u
#define FRAGMENT_FIRST_BYTES 17u

struct npri_channel {
    struct npri_channel_options options;

    /* Reading. */
    struct npri_frames frames;
    struct npri_buffer assembled; /* the last message that came in fragments */
    struct npri_buffer control_scratch;
    struct npri_buffer payload_scratch;
    struct npri_fragments fragments;
    npr_status broken; /* NPR_OK, or what ended the stream */

    /* Writing. */
    uint64_t next_sequence;

    struct npri_ticker ticker;
};

struct npri_channel *npri_channel_create(const struct npri_channel_options *options)
{
    struct npri_channel *channel;

    channel = npri_alloc_zeroed(1, sizeof(*channel));
    if (channel == NULL) {
        return NULL;
    }
    channel->options = *options;
    npri_frames_init(&channel->frames, options->frame_bytes_max);
    npri_fragments_init(&channel->fragments, options->frame_bytes_max);
    channel->next_sequence = 1;
    npri_ticker_init(&channel->ticker, options->net_ticktime_ns, options->now_ns);
    return channel;
}

void npri_channel_destroy(struct npri_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    npri_frames_fini(&channel->frames);
    npri_buffer_fini(&channel->assembled);
    npri_buffer_fini(&channel->control_scratch);
    npri_buffer_fini(&channel->payload_scratch);
    npri_fragments_fini(&channel->fragments);
    npri_free(channel);
}

/* ---- Reading. */

npr_status npri_channel_feed(struct npri_channel *channel,
                             struct npr_bytes bytes,
                             uint64_t now_ns,
                             struct npr_error *err)
{
    if (channel->broken != NPR_OK) {
        return npri_fail(err, channel->broken, "the stream has broken before");
    }
    npri_frames_feed(&channel->frames, bytes);
    if (bytes.size != 0) {
        channel->ticker.read_ns = now_ns;
    }
    return NPR_OK;
}

/* Reads one term off the front of `*bytes`; with `versioned`, after a version byte. */
static npr_status take_term(struct npr_bytes *bytes,
                            bool versioned,
                            struct npri_buffer *scratch,
                            struct npr_term *out,
                            struct npr_error *err)
{
    size_t skip = 0;
    size_t used = 0;
    npr_status status;

    if (versioned) {
        if (bytes->size == 0 || bytes->data[0] != VERSION_MAGIC) {
            return npri_fail(err, NPR_EPROTO, "no version byte before a term");
        }
        skip = 1;
    }
    npri_frames_recycle(scratch);
    status = npri_term_read(npri_bytes(bytes->data + skip, bytes->size - skip), scratch, out, &used,
                            err);
    if (status != NPR_OK) {
        return status == NPR_ESYNTAX ? npri_fail_prefix(err, NPR_EPROTO, "bad term: ") : status;
    }
    *bytes = npri_bytes(bytes->data + skip + used, bytes->size - skip - used);
    return NPR_OK;
}

/* Only a process of the peer's own may ask for a link in its name. */
static npr_status check_sender(const struct npri_channel *channel,
                               const struct npri_control *control,
                               struct npr_error *err)
{
    struct npr_pid from;

    if (control->kind != NPRI_CONTROL_LINK || channel->options.peer.size == 0) {
        return NPR_OK;
    }
    if (!npr_term_get_pid(control->from, &from) ||
        !npr_node_name_equal(&from.node, &channel->options.peer)) {
        return npri_fail(err, NPR_EPROTO, "LINK in the name of another node's process");
    }
    return NPR_OK;
}

static npr_status read_message(struct npri_channel *channel,
                               struct npr_bytes bytes,
                               bool versioned,
                               struct npri_control *out,
                               struct npr_error *err)
{
    struct npri_control control;
    struct npr_term tuple = {0};
    struct npr_term payload = {0};
    npr_status status;

    status = take_term(&bytes, versioned, &channel->control_scratch, &tuple, err);
    if (status == NPR_OK && npri_control_wants_payload(tuple) && bytes.size != 0) {
        status = take_term(&bytes, versioned, &channel->payload_scratch, &payload, err);
    }
    if (status == NPR_OK) {
        status = npri_control_read(tuple, payload, &control, err);
    }
    if (status == NPR_OK) {
        status = check_sender(channel, &control, err);
    }
    if (status == NPR_OK) {
        *out = control;
    }
    return status;
}

/* The control tuple must be whole in the first fragment: said at once, not after the last one. */
static npr_status check_first_fragment(struct npri_channel *channel,
                                       struct npr_bytes part,
                                       struct npr_error *err)
{
    struct npr_term tuple = {0};

    return take_term(&part, false, &channel->control_scratch, &tuple, err);
}

static npr_status on_first_fragment(struct npri_channel *channel,
                                    struct npr_bytes bytes,
                                    struct npri_control *out,
                                    bool *out_message,
                                    struct npr_error *err)
{
    struct npri_fragment fragment;
    npr_status status;

    if (bytes.size < FRAGMENT_FIRST_BYTES) {
        return npri_fail(err, NPR_EPROTO, "fragment of %zu bytes", bytes.size);
    }
    if (bytes.data[FRAGMENT_CONT_BYTES] != 0) {
        return npri_fail(err, NPR_EPROTO, "atom cache references, which were not negotiated");
    }
    fragment = (struct npri_fragment){
        .id = npri_get_u64(bytes.data),
        .left = npri_get_u64(bytes.data + 8),
        .part = npri_bytes(bytes.data + FRAGMENT_FIRST_BYTES, bytes.size - FRAGMENT_FIRST_BYTES),
    };
    if (fragment.left == 1) {
        *out_message = true;
        return read_message(channel, fragment.part, false, out, err);
    }
    status = check_first_fragment(channel, fragment.part, err);
    if (status != NPR_OK) {
        return status;
    }
    return npri_fragments_first(&channel->fragments, &fragment, err);
}

static npr_status on_later_fragment(struct npri_channel *channel,
                                    struct npr_bytes bytes,
                                    struct npri_control *out,
                                    bool *out_message,
                                    struct npr_error *err)
{
    struct npri_fragment fragment;
    npr_status status;

    if (bytes.size < FRAGMENT_CONT_BYTES) {
        return npri_fail(err, NPR_EPROTO, "fragment of %zu bytes", bytes.size);
    }
    fragment = (struct npri_fragment){
        .id = npri_get_u64(bytes.data),
        .left = npri_get_u64(bytes.data + 8),
        .part = npri_bytes(bytes.data + FRAGMENT_CONT_BYTES, bytes.size - FRAGMENT_CONT_BYTES),
    };
    status =
        npri_fragments_next(&channel->fragments, &fragment, &channel->assembled, out_message, err);
    if (status != NPR_OK || !*out_message) {
        return status;
    }
    return read_message(channel, npri_buffer_bytes(&channel->assembled), false, out, err);
}

/* One frame's body, not empty.  `*out_message` tells whether it ended a message. */
static npr_status on_frame(struct npri_channel *channel,
                           struct npr_bytes frame,
                           struct npri_control *out,
                           bool *out_message,
                           struct npr_error *err)
{
    const bool headers = (channel->options.flags & NPRI_FLAG_FRAGMENTS) != 0;
    const uint8_t type = headers ? VERSION_MAGIC : PASS_THROUGH;
    struct npr_bytes rest;

    *out_message = false;
    if (frame.data[0] != type || frame.size < 2) {
        return npri_fail(err, NPR_EPROTO, "frame of type %u", frame.data[0]);
    }
    if (!headers) {
        *out_message = true;
        return read_message(channel, npri_bytes(frame.data + 1, frame.size - 1), true, out, err);
    }
    rest = npri_bytes(frame.data + 2, frame.size - 2);
    switch (frame.data[1]) {
    case DIST_HEADER:
        if (rest.size == 0 || rest.data[0] != 0) {
            return npri_fail(err, NPR_EPROTO, "atom cache references, which were not negotiated");
        }
        *out_message = true;
        return read_message(channel, npri_bytes(rest.data + 1, rest.size - 1), false, out, err);
    case FRAGMENT_HEADER:
        return on_first_fragment(channel, rest, out, out_message, err);
    case FRAGMENT_CONT:
        return on_later_fragment(channel, rest, out, out_message, err);
    default:
        return npri_fail(err, NPR_EPROTO, "frame with header %u", frame.data[1]);
    }
}

npr_status npri_channel_next(struct npri_channel *channel,
                             struct npri_control *out,
                             struct npr_error *err)
{
    struct npr_bytes frame;
    npr_status status = NPR_OK;
    bool message = false;

    if (channel->broken != NPR_OK) {
        return npri_fail(err, channel->broken, "the stream has broken before");
    }
    npri_frames_recycle(&channel->assembled);
    while (status == NPR_OK && !message) {
        status = npri_frames_next(&channel->frames, &frame, err);
        if (status == NPR_OK && frame.size != 0) {
            status = on_frame(channel, frame, out, &message, err);
        }
    }
    if (status != NPR_OK && status != NPR_ENOTFOUND) {
        channel->broken = status;
        npri_frames_fini(&channel->frames);
    }
    return status;
}

/* ---- Writing. */

/* Puts the length of what was appended since `start` (a place for it included) there. */
static void patch_length(struct npri_buffer *out, size_t start)
{
    if (!out->failed) {
        npri_buffer_patch_u32(out, start, (uint32_t)(out->size - start - LENGTH_BYTES));
    }
}

static void write_pass_through(const struct npri_channel *channel,
                               const struct npri_control *control,
                               struct npri_buffer *out)
{
    const size_t start = out->size;
    bool has_payload;

    npri_put_u32(out, 0);
    npri_put_u8(out, PASS_THROUGH);
    npri_put_u8(out, VERSION_MAGIC);
    npri_control_write(control, channel->options.flags, out, &has_payload);
    if (has_payload) {
        npri_put_u8(out, VERSION_MAGIC);
        npri_put_bytes(out, npri_bytes(control->payload.data, control->payload.size));
    }
    patch_length(out, start);
}

static void write_with_header(const struct npri_channel *channel,
                              const struct npri_control *control,
                              struct npri_buffer *out)
{
    const size_t start = out->size;
    bool has_payload;

    npri_put_u32(out, 0);
    npri_put_u8(out, VERSION_MAGIC);
    npri_put_u8(out, DIST_HEADER);
    npri_put_u8(out, 0);
    npri_control_write(control, channel->options.flags, out, &has_payload);
    if (has_payload) {
        npri_put_bytes(out, npri_bytes(control->payload.data, control->payload.size));
    }
    patch_length(out, start);
}

static void write_fragments(struct npri_channel *channel,
                            const struct npri_control *control,
                            struct npri_buffer *out)
{
    const uint64_t sequence = channel->next_sequence++;
    const size_t payload_bytes = control->payload.size;
    uint64_t left = (payload_bytes + NPRI_FRAGMENT_BYTES - 1) / NPRI_FRAGMENT_BYTES;
    bool has_payload;

    for (size_t at = 0; at < payload_bytes; at += NPRI_FRAGMENT_BYTES, left--) {
        const size_t rest = payload_bytes - at;
        const size_t start = out->size;

        npri_put_u32(out, 0);
        npri_put_u8(out, VERSION_MAGIC);
        npri_put_u8(out, at == 0 ? FRAGMENT_HEADER : FRAGMENT_CONT);
        npri_put_u64(out, sequence);
        npri_put_u64(out, left);
        if (at == 0) {
            npri_put_u8(out, 0);
            npri_control_write(control, channel->options.flags, out, &has_payload);
            NPRI_ASSERT(has_payload);
        }
        npri_put_bytes(out, npri_bytes(control->payload.data + at,
                                       rest < NPRI_FRAGMENT_BYTES ? rest : NPRI_FRAGMENT_BYTES));
        patch_length(out, start);
    }
}

/* Reasons travel inside the control tuple when the peer lacks EXIT_PAYLOAD: no fragments then. */
static bool payload_follows(const struct npri_channel *channel, const struct npri_control *control)
{
    switch (control->kind) {
    case NPRI_CONTROL_SEND:
    case NPRI_CONTROL_REG_SEND:
    case NPRI_CONTROL_SPAWN_REQUEST:
    case NPRI_CONTROL_ALIAS_SEND:
        return true;
    case NPRI_CONTROL_EXIT_LINK:
    case NPRI_CONTROL_EXIT:
    case NPRI_CONTROL_DOWN:
        return (channel->options.flags & NPRI_FLAG_EXIT_PAYLOAD) != 0;
    case NPRI_CONTROL_LINK:
    case NPRI_CONTROL_UNLINK:
    case NPRI_CONTROL_UNLINK_ACK:
    case NPRI_CONTROL_GROUP_LEADER:
    case NPRI_CONTROL_MONITOR:
    case NPRI_CONTROL_DEMONITOR:
    case NPRI_CONTROL_SPAWN_REPLY:
        return false;
    }
    return false;
}

bool npri_channel_write(struct npri_channel *channel,
                        const struct npri_control *control,
                        struct npri_buffer *out)
{
    const size_t start = out->size;

    if (out->failed) {
        return false;
    }
    if ((channel->options.flags & NPRI_FLAG_FRAGMENTS) == 0) {
        write_pass_through(channel, control, out);
    } else if (control->payload.size > NPRI_FRAGMENT_BYTES && payload_follows(channel, control)) {
        write_fragments(channel, control, out);
    } else {
        write_with_header(channel, control, out);
    }
    if (out->failed || out->size - start - LENGTH_BYTES > channel->options.frame_bytes_max) {
        out->size = start;
        out->failed = false;
        return false;
    }
    return true;
}

/* ---- Ticks. */

void npri_channel_wrote(struct npri_channel *channel, uint64_t now_ns)
{
    channel->ticker.wrote_ns = now_ns;
}

enum npri_tick npri_channel_tick(struct npri_channel *channel, uint64_t now_ns)
{
    return npri_ticker_step(&channel->ticker, now_ns);
}

uint64_t npri_channel_deadline_ns(const struct npri_channel *channel)
{
    return npri_ticker_deadline_ns(&channel->ticker);
}
