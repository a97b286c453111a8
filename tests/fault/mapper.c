#include "mapper.h"

#include <string.h>

#define ALIVE_REQUEST 120
#define ALIVE_REPLY   118
#define PORT_REQUEST  122
#define PORT_REPLY    119
#define NAMES_REQUEST 110
#define ALIVE_HEAD    13 /* length, code, port, type, protocol, versions, length of the name */

static uint16_t get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static size_t put_u16(uint8_t *out, size_t at, unsigned value)
{
    out[at] = (uint8_t)(value >> 8);
    out[at + 1] = (uint8_t)value;
    return at + 2;
}

static void take_name(struct mapper_asked *asked, const uint8_t *name, size_t size)
{
    if (size >= sizeof(asked->name)) {
        asked->request = MAPPER_BAD;
        return;
    }
    memcpy(asked->name, name, size);
    asked->name[size] = '\0';
}

struct mapper_asked mapper_read(const uint8_t *bytes, size_t size)
{
    struct mapper_asked asked = {.request = MAPPER_MORE};
    size_t body;

    if (size < 3 || size < 2U + get_u16(bytes)) {
        return asked;
    }
    body = get_u16(bytes);
    asked.request = MAPPER_BAD;
    if (bytes[2] == PORT_REQUEST) {
        asked.request = MAPPER_PORT;
        take_name(&asked, bytes + 3, body - 1);
    } else if (bytes[2] == NAMES_REQUEST) {
        asked.request = MAPPER_NAMES;
    } else if (bytes[2] == ALIVE_REQUEST && body + 2 >= ALIVE_HEAD &&
               ALIVE_HEAD + (size_t)get_u16(bytes + 11) <= body + 2) {
        asked.request = MAPPER_ALIVE;
        asked.port = get_u16(bytes + 3);
        asked.type = bytes[5];
        take_name(&asked, bytes + ALIVE_HEAD, get_u16(bytes + 11));
    }
    return asked;
}

size_t mapper_alive_reply(uint32_t creation, uint8_t *out)
{
    out[0] = ALIVE_REPLY;
    out[1] = 0;
    return put_u16(out, put_u16(out, 2, creation >> 16), creation & 0xffff);
}

size_t mapper_port_reply(const char *name, uint16_t port, uint8_t type, uint8_t *out)
{
    const size_t name_size = strlen(name);
    size_t at = 0;

    out[at++] = PORT_REPLY;
    out[at++] = 0;
    at = put_u16(out, at, port);
    out[at++] = type;
    out[at++] = 0;            /* TCP */
    at = put_u16(out, at, 6); /* highest version of the distribution */
    at = put_u16(out, at, 5); /* lowest */
    at = put_u16(out, at, (unsigned)name_size);
    memcpy(out + at, name, name_size);
    return put_u16(out, at + name_size, 0); /* nothing extra */
}

size_t mapper_unknown_reply(uint8_t *out)
{
    out[0] = PORT_REPLY;
    out[1] = 1;
    return 2;
}
