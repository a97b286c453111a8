#include "dist/handshake.h"

#include "base/assert.h"
#include "base/fail.h"
#include "dist/decimal.h"
#include "dist/flags.h"

/* First byte of a frame. */
#define TAG_NAME             'N' /* from the acceptor: with a challenge */
#define TAG_NAME_OLD         'n' /* version 5 */
#define TAG_STATUS           's'
#define TAG_REPLY            'r'
#define TAG_ACK              'a'

#define LENGTH_BYTES         2u
#define DIGEST_BYTES         16u
#define NAME_HEAD_BYTES      15u /* tag, flags, creation, name length */
#define CHALLENGE_HEAD_BYTES 19u /* tag, flags, challenge, creation, name length */
#define REPLY_BYTES          (1u + 4u + DIGEST_BYTES)
#define ACK_BYTES            (1u + DIGEST_BYTES)

_Static_assert(CHALLENGE_HEAD_BYTES + NPR_NODE_NAME_BYTES_MAX <= NPRI_HANDSHAKE_FRAME_MAX,
               "the largest frame of a well-behaved peer fits");

enum npri_verdict npri_handshake_verdict(const struct npr_node_name *self,
                                         const struct npr_node_name *peer,
                                         struct npri_verdict_facts facts)
{
    const int order =
        npri_bytes_compare(npri_bytes(self->text, self->size), npri_bytes(peer->text, peer->size));

    if (facts.same_name || order == 0) {
        return NPRI_VERDICT_NOK;
    }
    if (facts.connected) {
        return NPRI_VERDICT_ALIVE;
    }
    if (facts.dialling) {
        /* The attempt made by the greater name is the one that both sides keep. */
        return order > 0 ? NPRI_VERDICT_NOK : NPRI_VERDICT_OK_SIMULTANEOUS;
    }
    return NPRI_VERDICT_OK;
}

/* ---- Writing. */

static void put_status(struct npri_handshake *handshake, const char *word)
{
    const struct npr_bytes text = npr_bytes_of(word);

    npri_put_u16(&handshake->out, (uint16_t)(1 + text.size));
    npri_put_u8(&handshake->out, TAG_STATUS);
    npri_put_bytes(&handshake->out, text);
}

static void put_name(struct npri_handshake *handshake, bool with_challenge)
{
    const struct npri_handshake_options *options = &handshake->options;
    const size_t head_bytes = with_challenge ? CHALLENGE_HEAD_BYTES : NAME_HEAD_BYTES;

    npri_put_u16(&handshake->out, (uint16_t)(head_bytes + options->self.size));
    npri_put_u8(&handshake->out, TAG_NAME);
    npri_put_u64(&handshake->out, options->flags);
    if (with_challenge) {
        npri_put_u32(&handshake->out, options->challenge);
    }
    npri_put_u32(&handshake->out, options->creation);
    npri_put_u16(&handshake->out, options->self.size);
    npri_put_bytes(&handshake->out, npri_bytes(options->self.text, options->self.size));
}

/* md5(cookie ++ the challenge in decimal): proof that one knows the cookie. */
static void digest_of(const struct npri_handshake *handshake,
                      uint32_t challenge,
                      uint8_t out[DIGEST_BYTES])
{
    uint8_t text[NPRI_COOKIE_BYTES_MAX + NPRI_DECIMAL_U32_BYTES];
    const struct npr_bytes cookie = handshake->options.cookie;
    size_t size = cookie.size;

    if (cookie.size != 0) {
        memcpy(text, cookie.data, cookie.size);
    }
    size += npri_decimal_u32(challenge, text + size);
    handshake->options.md5(text, size, out);
}

/* In constant time: how long it takes must not tell how many bytes were right. */
static bool digest_is(const struct npri_handshake *handshake,
                      uint32_t challenge,
                      const uint8_t *claimed)
{
    uint8_t expected[DIGEST_BYTES];
    unsigned difference = 0;

    digest_of(handshake, challenge, expected);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        difference |= (unsigned)expected[i] ^ claimed[i];
    }
    return difference == 0;
}

/* ---- Reading. */

static npr_status fail_proto(struct npr_error *err, const char *what)
{
    return npri_fail(err, NPR_EPROTO, "handshake: %s", what);
}

/* A peer that knows the digest bit has all that OTP 25 demands, whatever else it lists. */
static npr_status take_flags(struct npri_handshake *handshake,
                             uint64_t flags,
                             struct npr_error *err)
{
    uint64_t missing;

    if ((flags & NPRI_FLAG_MANDATORY_25_DIGEST) != 0) {
        flags |= NPRI_FLAGS_MANDATORY;
    }
    missing = NPRI_FLAGS_MANDATORY & ~flags;
    if (missing != 0) {
        return npri_fail(err, NPR_EREFUSED,
                         "handshake: peer lacks mandatory capabilities 0x%llx (OTP 23 or later has "
                         "them)",
                         (unsigned long long)missing);
    }
    handshake->peer_offered = flags;
    handshake->peer_flags = flags & handshake->options.flags;
    return NPR_OK;
}

/* `at` is the name's length field, `end` the end of the frame.  What follows the name is left for
 * later versions of the protocol and ignored. */
static npr_status read_name(const uint8_t *at,
                            const uint8_t *end,
                            struct npr_node_name *out,
                            struct npr_error *err)
{
    const size_t name_bytes = npri_get_u16(at);
    struct npr_error why;

    at += 2;
    if ((size_t)(end - at) < name_bytes) {
        return fail_proto(err, "name is longer than its frame");
    }
    for (size_t i = 0; i < name_bytes; i++) {
        /* Erlang sends Latin-1 here and UTF-8 in every term: two names for one node. */
        if (at[i] >= 0x80) {
            return fail_proto(err, "node name is not ASCII");
        }
    }
    if (npr_node_name_parse(npri_bytes(at, name_bytes), out, &why) != NPR_OK) {
        return npri_fail(err, NPR_EPROTO, "handshake: %s", why.text);
    }
    return NPR_OK;
}

static npr_status on_name(struct npri_handshake *handshake,
                          struct npr_bytes frame,
                          struct npr_error *err)
{
    npr_status status;

    if (frame.data[0] == TAG_NAME_OLD) {
        return fail_proto(err, "peer speaks the old handshake (version 5); OTP 23 or later is "
                               "needed");
    }
    if (frame.data[0] != TAG_NAME || frame.size < NAME_HEAD_BYTES) {
        return fail_proto(err, "expected a name");
    }
    status = read_name(frame.data + 13, frame.data + frame.size, &handshake->peer, err);
    if (status != NPR_OK) {
        return status;
    }
    handshake->peer_creation = npri_get_u32(frame.data + 9);
    status = take_flags(handshake, npri_get_u64(frame.data + 1), err);
    if (status != NPR_OK) {
        put_status(handshake, "not_allowed");
        return status;
    }
    handshake->state = NPRI_HANDSHAKE_NAMED;
    return NPR_OK;
}

static bool status_is(struct npr_bytes text, const char *word)
{
    return npri_bytes_equal(text, npr_bytes_of(word));
}

static npr_status on_status(struct npri_handshake *handshake,
                            struct npr_bytes frame,
                            struct npr_error *err)
{
    const struct npr_bytes text = npri_bytes(frame.data + 1, frame.size - 1);

    if (frame.data[0] != TAG_STATUS) {
        return fail_proto(err, "expected a status");
    }
    if (status_is(text, "ok") || status_is(text, "ok_simultaneous")) {
        handshake->state = NPRI_HANDSHAKE_AWAIT_CHALLENGE;
        return NPR_OK;
    }
    if (status_is(text, "alive")) {
        put_status(handshake, handshake->alive_insist ? "true" : "false");
        if (handshake->alive_insist) {
            handshake->state = NPRI_HANDSHAKE_AWAIT_CHALLENGE;
            return NPR_OK;
        }
        return npri_fail(err, NPR_EREFUSED, "handshake: peer has a connection to this node");
    }
    if (status_is(text, "nok")) {
        handshake->peer_said_nok = true;
        return npri_fail(err, NPR_EREFUSED, "handshake: peer prefers its own attempt");
    }
    if (status_is(text, "not_allowed")) {
        return npri_fail(err, NPR_EREFUSED, "handshake: peer does not allow this node");
    }
    return fail_proto(err, "unknown status");
}

static npr_status on_alive(struct npri_handshake *handshake,
                           struct npr_bytes frame,
                           struct npr_error *err)
{
    const struct npr_bytes text = npri_bytes(frame.data + 1, frame.size - 1);

    if (frame.data[0] == TAG_STATUS && status_is(text, "true")) {
        put_name(handshake, true);
        handshake->state = NPRI_HANDSHAKE_AWAIT_REPLY;
        return NPR_OK;
    }
    if (frame.data[0] == TAG_STATUS && status_is(text, "false")) {
        return npri_fail(err, NPR_EREFUSED, "handshake: peer gave way to the connection there is");
    }
    return fail_proto(err, "expected true or false");
}

static npr_status on_challenge(struct npri_handshake *handshake,
                               struct npr_bytes frame,
                               struct npr_error *err)
{
    uint8_t digest[DIGEST_BYTES];
    struct npr_node_name name = {0};
    npr_status status;

    if (frame.data[0] != TAG_NAME || frame.size < CHALLENGE_HEAD_BYTES) {
        return fail_proto(err, "expected a challenge");
    }
    status = read_name(frame.data + 17, frame.data + frame.size, &name, err);
    if (status != NPR_OK) {
        return status;
    }
    if (!npr_node_name_equal(&name, &handshake->peer)) {
        return npri_fail(err, NPR_EINVAL, "handshake: dialled %.*s, but %.*s answered",
                         (int)handshake->peer.size, handshake->peer.text, (int)name.size,
                         name.text);
    }
    status = take_flags(handshake, npri_get_u64(frame.data + 1), err);
    if (status != NPR_OK) {
        return status;
    }
    handshake->peer_challenge = npri_get_u32(frame.data + 9);
    handshake->peer_creation = npri_get_u32(frame.data + 13);

    digest_of(handshake, handshake->peer_challenge, digest);
    npri_put_u16(&handshake->out, REPLY_BYTES);
    npri_put_u8(&handshake->out, TAG_REPLY);
    npri_put_u32(&handshake->out, handshake->options.challenge);
    npri_put_bytes(&handshake->out, npri_bytes(digest, sizeof(digest)));
    handshake->state = NPRI_HANDSHAKE_AWAIT_ACK;
    return NPR_OK;
}

static npr_status on_reply(struct npri_handshake *handshake,
                           struct npr_bytes frame,
                           struct npr_error *err)
{
    uint8_t digest[DIGEST_BYTES];

    if (frame.data[0] != TAG_REPLY || frame.size != REPLY_BYTES) {
        return fail_proto(err, "expected a challenge reply");
    }
    if (!digest_is(handshake, handshake->options.challenge, frame.data + 5)) {
        return npri_fail(err, NPR_EAUTH, "handshake: %.*s has another cookie",
                         (int)handshake->peer.size, handshake->peer.text);
    }
    handshake->peer_challenge = npri_get_u32(frame.data + 1);
    digest_of(handshake, handshake->peer_challenge, digest);
    npri_put_u16(&handshake->out, ACK_BYTES);
    npri_put_u8(&handshake->out, TAG_ACK);
    npri_put_bytes(&handshake->out, npri_bytes(digest, sizeof(digest)));
    handshake->state = NPRI_HANDSHAKE_DONE;
    return NPR_OK;
}

static npr_status on_ack(struct npri_handshake *handshake,
                         struct npr_bytes frame,
                         struct npr_error *err)
{
    if (frame.data[0] != TAG_ACK || frame.size != ACK_BYTES) {
        return fail_proto(err, "expected a challenge acknowledgement");
    }
    if (!digest_is(handshake, handshake->options.challenge, frame.data + 1)) {
        return npri_fail(err, NPR_EAUTH, "handshake: %.*s has another cookie",
                         (int)handshake->peer.size, handshake->peer.text);
    }
    handshake->state = NPRI_HANDSHAKE_DONE;
    return NPR_OK;
}

static npr_status on_frame(struct npri_handshake *handshake,
                           struct npr_bytes frame,
                           struct npr_error *err)
{
    switch (handshake->state) {
    case NPRI_HANDSHAKE_AWAIT_STATUS:
        return on_status(handshake, frame, err);
    case NPRI_HANDSHAKE_AWAIT_CHALLENGE:
        return on_challenge(handshake, frame, err);
    case NPRI_HANDSHAKE_AWAIT_ACK:
        return on_ack(handshake, frame, err);
    case NPRI_HANDSHAKE_AWAIT_NAME:
        return on_name(handshake, frame, err);
    case NPRI_HANDSHAKE_AWAIT_ALIVE:
        return on_alive(handshake, frame, err);
    case NPRI_HANDSHAKE_AWAIT_REPLY:
        return on_reply(handshake, frame, err);
    case NPRI_HANDSHAKE_NAMED:
    case NPRI_HANDSHAKE_DONE:
    case NPRI_HANDSHAKE_FAILED:
        break;
    }
    NPRI_ASSERT(false && "a state that takes frames");
    return NPR_EPROTO;
}

static bool takes_frames(enum npri_handshake_state state)
{
    return state != NPRI_HANDSHAKE_NAMED && state != NPRI_HANDSHAKE_DONE &&
           state != NPRI_HANDSHAKE_FAILED;
}

/* Moves bytes into `in` until it holds `want` of them; false when there are too few. */
static bool gather(struct npri_handshake *handshake,
                   struct npr_bytes bytes,
                   size_t want,
                   size_t *used)
{
    size_t part = bytes.size - *used;

    if (handshake->in_size >= want) {
        return true;
    }
    if (part > want - handshake->in_size) {
        part = want - handshake->in_size;
    }
    if (part != 0) {
        memcpy(handshake->in + handshake->in_size, bytes.data + *used, part);
    }
    handshake->in_size += part;
    *used += part;
    return handshake->in_size == want;
}

/* Takes at most one frame.  `*out_more` is false when the bytes ended first. */
static npr_status step(struct npri_handshake *handshake,
                       struct npr_bytes bytes,
                       size_t *used,
                       bool *out_more,
                       struct npr_error *err)
{
    size_t frame_bytes;

    *out_more = false;
    if (!gather(handshake, bytes, LENGTH_BYTES, used)) {
        return NPR_OK;
    }
    frame_bytes = npri_get_u16(handshake->in);
    if (frame_bytes == 0 || frame_bytes > NPRI_HANDSHAKE_FRAME_MAX) {
        return npri_fail(err, NPR_EPROTO, "handshake: frame of %zu bytes", frame_bytes);
    }
    if (!gather(handshake, bytes, LENGTH_BYTES + frame_bytes, used)) {
        return NPR_OK;
    }
    *out_more = true;
    handshake->in_size = 0;
    return on_frame(handshake, npri_bytes(handshake->in + LENGTH_BYTES, frame_bytes), err);
}

npr_status npri_handshake_feed(struct npri_handshake *handshake,
                               struct npr_bytes bytes,
                               size_t *out_used,
                               struct npr_error *err)
{
    npr_status status = NPR_OK;
    bool more = true;
    size_t used = 0;

    if (handshake->state == NPRI_HANDSHAKE_FAILED) {
        status = fail_proto(err, "it has failed before");
    }
    while (status == NPR_OK && more && takes_frames(handshake->state)) {
        status = step(handshake, bytes, &used, &more, err);
    }
    if (handshake->out.failed) {
        status = npri_fail(err, NPR_ENOMEM, "handshake: out of memory");
    }
    if (status != NPR_OK) {
        handshake->state = NPRI_HANDSHAKE_FAILED;
    }
    *out_used = used;
    return status;
}

/* ---- Beginning and end. */

static void init(struct npri_handshake *handshake,
                 const struct npri_handshake_options *options,
                 enum npri_handshake_state state)
{
    NPRI_ASSERT(options->cookie.size <= NPRI_COOKIE_BYTES_MAX);
    NPRI_ASSERT(options->md5 != NULL);
    memset(handshake, 0, sizeof(*handshake));
    handshake->state = state;
    handshake->options = *options;
    npri_buffer_init(&handshake->out, 4 * (size_t)NPRI_HANDSHAKE_FRAME_MAX);
}

void npri_handshake_init_initiator(struct npri_handshake *handshake,
                                   const struct npri_handshake_options *options,
                                   const struct npr_node_name *peer,
                                   bool insist)
{
    init(handshake, options, NPRI_HANDSHAKE_AWAIT_STATUS);
    handshake->peer = *peer;
    handshake->alive_insist = insist;
    put_name(handshake, false);
}

void npri_handshake_init_acceptor(struct npri_handshake *handshake,
                                  const struct npri_handshake_options *options)
{
    init(handshake, options, NPRI_HANDSHAKE_AWAIT_NAME);
}

void npri_handshake_fini(struct npri_handshake *handshake)
{
    npri_buffer_fini(&handshake->out);
}

void npri_handshake_accept(struct npri_handshake *handshake, enum npri_verdict verdict)
{
    NPRI_ASSERT(handshake->state == NPRI_HANDSHAKE_NAMED);
    switch (verdict) {
    case NPRI_VERDICT_OK:
    case NPRI_VERDICT_OK_SIMULTANEOUS:
        put_status(handshake, verdict == NPRI_VERDICT_OK ? "ok" : "ok_simultaneous");
        put_name(handshake, true);
        handshake->state = NPRI_HANDSHAKE_AWAIT_REPLY;
        return;
    case NPRI_VERDICT_ALIVE:
        put_status(handshake, "alive");
        handshake->state = NPRI_HANDSHAKE_AWAIT_ALIVE;
        return;
    case NPRI_VERDICT_NOK:
    case NPRI_VERDICT_NOT_ALLOWED:
        put_status(handshake, verdict == NPRI_VERDICT_NOK ? "nok" : "not_allowed");
        handshake->state = NPRI_HANDSHAKE_FAILED;
        return;
    }
    NPRI_ASSERT(false && "a verdict");
}
