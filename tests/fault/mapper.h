/* mapper.h - epmd as one node is to see it: bytes in, bytes out.  Whose port it gives out is not
 * its business.
 *
 * erl_dist_protocol, "EPMD Protocol". */
#ifndef NPRI_TESTS_FAULT_MAPPER_H
#define NPRI_TESTS_FAULT_MAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPER_BYTES_MAX 600

enum mapper_request { MAPPER_MORE, MAPPER_ALIVE, MAPPER_PORT, MAPPER_NAMES, MAPPER_BAD };

struct mapper_asked {
    enum mapper_request request;
    char name[256];
    uint16_t port; /* ALIVE */
    uint8_t type;  /* ALIVE: 77 visible, 72 hidden */
};

/* Reads the request at the front of `bytes`; MAPPER_MORE: not all of it is there. */
struct mapper_asked mapper_read(const uint8_t *bytes, size_t size);

/* The replies; each returns its size, at most MAPPER_BYTES_MAX. */
size_t mapper_alive_reply(uint32_t creation, uint8_t *out);
size_t mapper_port_reply(const char *name, uint16_t port, uint8_t type, uint8_t *out);
size_t mapper_unknown_reply(uint8_t *out);

#endif /* NPRI_TESTS_FAULT_MAPPER_H */
