#include "dist/epmd.h"

#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "dist/decimal.h"

/* Message codes. */
#define ALIVE2_REQUEST      120u
#define ALIVE2_REPLY        121u /* creation of 16 bits */
#define ALIVE2_REPLY_32     118u
#define PORT2_REQUEST       122u
#define PORT2_REPLY         119u
#define NAMES_REQUEST       110u
#define DUMP_REQUEST        100u
#define KILL_REQUEST        107u
#define STOP_REQUEST        115u

#define NAME_BYTES_MAX      255u
#define ALIVE2_HEAD_BYTES   11u /* code .. name length */
#define PORT2_HEAD_BYTES    12u /* code .. name length, with the result */
#define PORT2_REFUSED_BYTES 2u

static uint8_t code_of(enum npri_epmd_request_kind kind)
{
    switch (kind) {
    case NPRI_EPMD_ALIVE2:
        return ALIVE2_REQUEST;
    case NPRI_EPMD_PORT_PLEASE2:
        return PORT2_REQUEST;
    case NPRI_EPMD_NAMES:
        return NAMES_REQUEST;
    case NPRI_EPMD_DUMP:
        return DUMP_REQUEST;
    case NPRI_EPMD_KILL:
        return KILL_REQUEST;
    case NPRI_EPMD_STOP:
        return STOP_REQUEST;
    }
    NPRI_ASSERT(false && "a request kind");
    return 0;
}

/* Port .. extra: the part that ALIVE2 and the port reply have in common. */
static void put_registration(struct npri_buffer *out, const struct npri_epmd_request *registration)
{
    npri_put_u16(out, registration->port);
    npri_put_u8(out, registration->type);
    npri_put_u8(out, registration->protocol);
    npri_put_u16(out, registration->version_high);
    npri_put_u16(out, registration->version_low);
    npri_put_u16(out, (uint16_t)registration->name.size);
    npri_put_bytes(out, registration->name);
    npri_put_u16(out, (uint16_t)registration->extra.size);
    npri_put_bytes(out, registration->extra);
}

void npri_epmd_write_request(const struct npri_epmd_request *request, struct npri_buffer *out)
{
    const bool alive = request->kind == NPRI_EPMD_ALIVE2;
    const bool named = request->kind == NPRI_EPMD_PORT_PLEASE2 || request->kind == NPRI_EPMD_STOP;
    size_t body_bytes = 1;

    NPRI_ASSERT(request->name.size <= NAME_BYTES_MAX);
    if (alive) {
        body_bytes = ALIVE2_HEAD_BYTES + request->name.size + 2 + request->extra.size;
    } else if (named) {
        body_bytes += request->name.size;
    }
    NPRI_ASSERT(body_bytes <= NPRI_EPMD_MESSAGE_MAX);

    npri_put_u16(out, (uint16_t)body_bytes);
    npri_put_u8(out, code_of(request->kind));
    if (alive) {
        put_registration(out, request);
    } else if (named) {
        npri_put_bytes(out, request->name);
    }
}

/* Names are listed one to a line, and looked up as written. */
static npr_status check_name(struct npr_bytes name, struct npr_error *err)
{
    if (name.size == 0 || name.size > NAME_BYTES_MAX) {
        return npri_fail(err, NPR_EPROTO, "epmd: name of %zu bytes", name.size);
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] <= ' ' || name.data[i] == 0x7f) {
            return npri_fail(err, NPR_EPROTO, "epmd: name has a space or control character");
        }
    }
    return NPR_OK;
}

/* `body` begins with the code.  What follows the extra is ignored, as epmd does. */
static npr_status read_alive(struct npr_bytes body,
                             struct npri_epmd_request *out,
                             struct npr_error *err)
{
    struct npri_epmd_request request = {.kind = NPRI_EPMD_ALIVE2};
    const uint8_t *at = body.data + 1;
    size_t name_bytes;
    size_t extra_bytes;
    npr_status status;

    if (body.size < ALIVE2_HEAD_BYTES) {
        return npri_fail(err, NPR_EPROTO, "epmd: ALIVE2 of %zu bytes", body.size);
    }
    request.port = npri_get_u16(at);
    request.type = at[2];
    request.protocol = at[3];
    request.version_high = npri_get_u16(at + 4);
    request.version_low = npri_get_u16(at + 6);
    name_bytes = npri_get_u16(at + 8);
    if (body.size - ALIVE2_HEAD_BYTES < name_bytes + 2) {
        return npri_fail(err, NPR_EPROTO, "epmd: ALIVE2 ends within its name");
    }
    request.name = npri_bytes(body.data + ALIVE2_HEAD_BYTES, name_bytes);
    at = request.name.data + name_bytes;
    extra_bytes = npri_get_u16(at);
    if (body.size - ALIVE2_HEAD_BYTES - name_bytes - 2 < extra_bytes) {
        return npri_fail(err, NPR_EPROTO, "epmd: ALIVE2 ends within its extra");
    }
    request.extra = npri_bytes(at + 2, extra_bytes);
    status = check_name(request.name, err);
    if (status == NPR_OK) {
        *out = request;
    }
    return status;
}

static npr_status read_body(struct npr_bytes body,
                            struct npri_epmd_request *out,
                            struct npr_error *err)
{
    struct npri_epmd_request request = {.name = npri_bytes(body.data + 1, body.size - 1)};
    npr_status status = NPR_OK;

    switch (body.data[0]) {
    case ALIVE2_REQUEST:
        return read_alive(body, out, err);
    case PORT2_REQUEST:
        request.kind = NPRI_EPMD_PORT_PLEASE2;
        status = check_name(request.name, err);
        break;
    case STOP_REQUEST:
        request.kind = NPRI_EPMD_STOP;
        status = check_name(request.name, err);
        break;
    case NAMES_REQUEST:
        request = (struct npri_epmd_request){.kind = NPRI_EPMD_NAMES};
        break;
    case DUMP_REQUEST:
        request = (struct npri_epmd_request){.kind = NPRI_EPMD_DUMP};
        break;
    case KILL_REQUEST:
        request = (struct npri_epmd_request){.kind = NPRI_EPMD_KILL};
        break;
    default:
        return npri_fail(err, NPR_EPROTO, "epmd: unknown request %u", body.data[0]);
    }
    if (status == NPR_OK) {
        *out = request;
    }
    return status;
}

npr_status npri_epmd_read_request(struct npr_bytes bytes,
                                  struct npri_epmd_request *out,
                                  size_t *out_used,
                                  struct npr_error *err)
{
    size_t body_bytes;
    npr_status status;

    if (bytes.size < 2) {
        return NPR_ENOTFOUND;
    }
    body_bytes = npri_get_u16(bytes.data);
    if (body_bytes == 0 || body_bytes > NPRI_EPMD_MESSAGE_MAX) {
        return npri_fail(err, NPR_EPROTO, "epmd: request of %zu bytes", body_bytes);
    }
    if (bytes.size - 2 < body_bytes) {
        return NPR_ENOTFOUND;
    }
    status = read_body(npri_bytes(bytes.data + 2, body_bytes), out, err);
    if (status == NPR_OK) {
        *out_used = 2 + body_bytes;
    }
    return status;
}

void npri_epmd_write_alive_reply(uint8_t result,
                                 uint32_t creation,
                                 bool large,
                                 struct npri_buffer *out)
{
    npri_put_u8(out, large ? ALIVE2_REPLY_32 : ALIVE2_REPLY);
    npri_put_u8(out, result);
    if (large) {
        npri_put_u32(out, creation);
    } else {
        npri_put_u16(out, (uint16_t)creation);
    }
}

void npri_epmd_write_port_reply(const struct npri_epmd_request *registration,
                                struct npri_buffer *out)
{
    npri_put_u8(out, PORT2_REPLY);
    npri_put_u8(out, registration == NULL ? 1 : 0);
    if (registration != NULL) {
        put_registration(out, registration);
    }
}

void npri_epmd_write_names_header(uint32_t epmd_port, struct npri_buffer *out)
{
    npri_put_u32(out, epmd_port);
}

void npri_epmd_write_names_line(struct npr_bytes name, uint16_t port, struct npri_buffer *out)
{
    uint8_t digits[NPRI_DECIMAL_U32_BYTES];

    npri_put_bytes(out, npr_bytes_of("name "));
    npri_put_bytes(out, name);
    npri_put_bytes(out, npr_bytes_of(" at port "));
    npri_put_bytes(out, npri_bytes(digits, npri_decimal_u32(port, digits)));
    npri_put_u8(out, '\n');
}

npr_status npri_epmd_read_alive_reply(struct npr_bytes bytes,
                                      uint8_t *out_result,
                                      uint32_t *out_creation,
                                      struct npr_error *err)
{
    bool large;

    if (bytes.size == 0) {
        return NPR_ENOTFOUND;
    }
    if (bytes.data[0] != ALIVE2_REPLY && bytes.data[0] != ALIVE2_REPLY_32) {
        return npri_fail(err, NPR_EPROTO, "epmd: %u is no reply to ALIVE2", bytes.data[0]);
    }
    large = bytes.data[0] == ALIVE2_REPLY_32;
    if (bytes.size < (large ? 6u : 4u)) {
        return NPR_ENOTFOUND;
    }
    *out_result = bytes.data[1];
    *out_creation = large ? npri_get_u32(bytes.data + 2) : npri_get_u16(bytes.data + 2);
    return NPR_OK;
}

npr_status npri_epmd_read_port_reply(struct npr_bytes bytes,
                                     uint16_t *out_port,
                                     struct npr_error *err)
{
    size_t name_bytes;

    if (bytes.size > 0 && bytes.data[0] != PORT2_REPLY) {
        return npri_fail(err, NPR_EPROTO, "epmd: %u is no reply to PORT_PLEASE2", bytes.data[0]);
    }
    if (bytes.size < PORT2_REFUSED_BYTES) {
        return NPR_ENOTFOUND;
    }
    if (bytes.data[1] != 0) {
        return npri_fail(err, NPR_EREFUSED, "epmd does not know the name");
    }
    if (bytes.size < PORT2_HEAD_BYTES) {
        return NPR_ENOTFOUND;
    }
    name_bytes = npri_get_u16(bytes.data + PORT2_HEAD_BYTES - 2);
    if (name_bytes > NAME_BYTES_MAX) {
        return npri_fail(err, NPR_EPROTO, "epmd: name of %zu bytes", name_bytes);
    }
    if (bytes.size - PORT2_HEAD_BYTES < name_bytes) {
        return NPR_ENOTFOUND; /* What follows the name is of no use to us. */
    }
    *out_port = npri_get_u16(bytes.data + 2);
    return NPR_OK;
}
