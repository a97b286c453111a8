/* Messages of a port mapper's clients, and of a port mapper.  A beginning of a message is never
 * taken for another one; what was read is written and read again, and is the same. */
#include "dist/epmd.h"

#include "fuzz/fuzz.h"

static bool request_equal(const struct npri_epmd_request *a, const struct npri_epmd_request *b)
{
    return a->kind == b->kind && npri_bytes_equal(a->name, b->name) &&
           npri_bytes_equal(a->extra, b->extra) && a->port == b->port && a->type == b->type &&
           a->protocol == b->protocol && a->version_high == b->version_high &&
           a->version_low == b->version_low;
}

/* The reply about a registration tells its port, and is not whole before its last byte of name. */
static void check_port_reply(const struct npri_epmd_request *request)
{
    struct npri_buffer out;
    uint16_t port = 0;
    npr_status status;

    npri_buffer_init(&out, 0);
    npri_epmd_write_port_reply(request, &out);
    for (size_t part = 0; part <= out.size; part++) {
        status = npri_epmd_read_port_reply(npri_bytes(out.data, part), &port, NULL);
        FUZZ_CHECK(status == (part < 12 + request->name.size ? NPR_ENOTFOUND : NPR_OK));
    }
    FUZZ_CHECK(port == request->port);
    npri_buffer_fini(&out);
}

static void check_request(struct npr_bytes bytes)
{
    struct npri_epmd_request request;
    struct npri_epmd_request again;
    struct npri_buffer out;
    size_t used;
    size_t used_again;
    const npr_status status = npri_epmd_read_request(bytes, &request, &used, NULL);

    if (status != NPR_OK) {
        FUZZ_CHECK(status == NPR_ENOTFOUND || status == NPR_EPROTO);
        return;
    }
    FUZZ_CHECK(used <= bytes.size);
    for (size_t part = 0; part < used; part++) {
        FUZZ_CHECK(npri_epmd_read_request(npri_bytes(bytes.data, part), &again, &used_again,
                                          NULL) == NPR_ENOTFOUND);
    }
    npri_buffer_init(&out, 0);
    npri_epmd_write_request(&request, &out);
    FUZZ_CHECK(out.size <= used);
    FUZZ_CHECK(npri_epmd_read_request(npri_buffer_bytes(&out), &again, &used_again, NULL) ==
               NPR_OK);
    FUZZ_CHECK(used_again == out.size);
    FUZZ_CHECK(request_equal(&request, &again));
    npri_buffer_fini(&out);
    if (request.kind == NPRI_EPMD_ALIVE2) {
        check_port_reply(&request);
    }
}

static void check_replies(struct npr_bytes bytes)
{
    uint32_t creation;
    uint16_t port;
    uint8_t result;
    const npr_status alive = npri_epmd_read_alive_reply(bytes, &result, &creation, NULL);
    const npr_status found = npri_epmd_read_port_reply(bytes, &port, NULL);

    for (size_t part = 0; part < bytes.size; part++) {
        const struct npr_bytes front = npri_bytes(bytes.data, part);
        const npr_status alive_front = npri_epmd_read_alive_reply(front, &result, &creation, NULL);
        const npr_status found_front = npri_epmd_read_port_reply(front, &port, NULL);

        FUZZ_CHECK(alive_front == NPR_ENOTFOUND || alive_front == alive);
        FUZZ_CHECK(found_front == NPR_ENOTFOUND || found_front == found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct npr_bytes bytes = npri_bytes(data, size);

    check_request(bytes);
    if (size <= 1024) {
        check_replies(bytes);
    }
    return 0;
}
