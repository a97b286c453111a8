/* Bytes of a peer in a handshake, on either side of it.  However they are cut: the same state, the
 * same answer, the same number of bytes taken. */
#include <string.h>

#include "dist/flags.h"
#include "dist/handshake.h"

#include "fuzz/fuzz.h"

#define OUT_BYTES_MAX 2048u

/* A digest that inputs can hit: the last bytes of what is digested. */
static void tail_digest(const void *data, size_t size, uint8_t out[16])
{
    const size_t part = size < 16 ? size : 16;

    memset(out, 0, 16);
    memcpy(out, (const uint8_t *)data + size - part, part);
}

static struct npr_node_name name_of(const char *text)
{
    struct npr_node_name name;

    FUZZ_CHECK(npr_node_name_parse(npr_bytes_of(text), &name, NULL) == NPR_OK);
    return name;
}

/* The first byte of an input. */
#define CHOICE_ACCEPTOR(choice) (((choice)&1) != 0)
#define CHOICE_INSIST(choice)   (((choice)&2) != 0)
#define CHOICE_VERDICT(choice)  ((enum npri_verdict)((choice) >> 2 & 7) % 5)

static npr_status run(struct npri_handshake *handshake,
                      uint8_t choice,
                      struct npr_bytes bytes,
                      size_t piece,
                      size_t *out_used)
{
    const struct npri_handshake_options options = {
        .self = name_of("f@127.0.0.1"),
        .creation = 5,
        .flags = NPRI_FLAGS_OFFERED,
        .challenge = 0x30303030,
        .cookie = npr_bytes_of("cookie"),
        .md5 = tail_digest,
    };
    const struct npr_node_name peer = name_of("a@127.0.0.1");
    npr_status status = NPR_OK;
    size_t at = 0;
    size_t used = 1;

    if (CHOICE_ACCEPTOR(choice)) {
        npri_handshake_init_acceptor(handshake, &options);
    } else {
        npri_handshake_init_initiator(handshake, &options, &peer, CHOICE_INSIST(choice));
    }
    while (status == NPR_OK && at < bytes.size && used != 0) {
        const size_t part = bytes.size - at < piece ? bytes.size - at : piece;

        status = npri_handshake_feed(handshake, npri_bytes(bytes.data + at, part), &used, NULL);
        FUZZ_CHECK(used <= part);
        at += used;
        if (handshake->state == NPRI_HANDSHAKE_NAMED) {
            npri_handshake_accept(handshake, CHOICE_VERDICT(choice));
            used = 1; /* An accepted name goes on, whether or not bytes were taken. */
        }
        FUZZ_CHECK(handshake->out.size <= OUT_BYTES_MAX);
        FUZZ_CHECK((status != NPR_OK) <= (handshake->state == NPRI_HANDSHAKE_FAILED));
    }
    *out_used = at;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npri_handshake whole;
    struct npri_handshake cut;
    size_t whole_used;
    size_t cut_used;

    if (size < 2) {
        return 0;
    }
    const struct npr_bytes bytes = npri_bytes(data + 2, size - 2);
    const npr_status whole_status = run(&whole, data[0], bytes, size, &whole_used);
    const npr_status cut_status = run(&cut, data[0], bytes, 1u + data[1], &cut_used);

    FUZZ_CHECK(whole_status == cut_status);
    FUZZ_CHECK(whole.state == cut.state);
    FUZZ_CHECK(npri_bytes_equal(npri_buffer_bytes(&whole.out), npri_buffer_bytes(&cut.out)));
    FUZZ_CHECK(whole_used == cut_used);
    if (whole.state == NPRI_HANDSHAKE_DONE) {
        FUZZ_CHECK(npr_node_name_equal(&whole.peer, &cut.peer));
        FUZZ_CHECK(whole.peer_flags == cut.peer_flags);
        FUZZ_CHECK((whole.peer_flags & ~NPRI_FLAGS_OFFERED) == 0);
        FUZZ_CHECK((whole.peer_flags & NPRI_FLAGS_MANDATORY) == NPRI_FLAGS_MANDATORY);
    }
    npri_handshake_fini(&whole);
    npri_handshake_fini(&cut);
    return 0;
}
